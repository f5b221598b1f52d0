package import AdapterKit
import Foundation
import TandemHTTP
package import TandemModel
import TandemSupport
import TandemTasks

/// Writing records: only the fields that changed, several at a time, or in the app's own batches.
extension RESTAdapter {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        // Without access nothing is sent, and no record is to blame.
        try await connection.requireAccess()
        let known = writes.contains { $0.original != nil } ? try await schema() : []
        let open = Set(known.filter(\.isWritable).map(\.field.text))
        var outcomes: [Int: WriteOutcome] = [:]
        let kinds = Dictionary(grouping: writes.indices) { batch(for: writes[$0]) }
        for case (let batch?, let places) in kinds {
            for chunk in places.chunks(of: batch.size) {
                let results = await send(chunk.map { writes[$0] }, in: batch)
                for (place, outcome) in zip(chunk, results) { outcomes[place] = outcome }
            }
        }
        let alone = writes.indices.filter { outcomes[$0] == nil }
        let results = await alone.mapped(atMost: width) { await apply(writes[$0], open: open) }
        for (place, outcome) in zip(alone, results) { outcomes[place] = outcome }
        return writes.indices.map { outcomes[$0] ?? .unknown("the app gave no answer") }
    }

    /// How a write goes out with others; `nil` for one that goes alone.
    private func batch(for write: AppWrite) -> RESTDescription.BatchWrite? {
        // What needs calls before or behind it has them of its own.
        if write.original != nil || needsRecord(write.values)
            || ownValues(write.values).count < write.values.count
        {
            return nil
        }
        return switch write.kind {
        case .create: object.createBatch
        case .update: object.updateBatch
        case .delete: object.deleteBatch
        }
    }

    // MARK: One by one

    /// `open` are the fields that the app says can be written, where a deleted record is put back.
    private func apply(_ write: AppWrite, open: Set<String> = []) async -> WriteOutcome {
        let (said, name) =
            switch write.kind {
            case .create: (object.create, "create")
            case .update: (object.update, "update")
            case .delete: (object.delete, "delete")
            }
        guard let call = said else {
            return .refused(Refusal(.permission, "the app's description has no `\(name)`"))
        }
        var arguments = arguments(for: write)
        if let original = write.original, let held = JSON(parsing: Array(original.utf8)) {
            arguments = restoring(held, arguments, write, open: open)
        }
        var current: JSON?
        if let id = write.id, needsCurrent(write, call) {
            switch await look(at: id) {
            case .here(let record, let json):
                current = json
                if let version = write.version, record.version != version { return .conflict }
                arguments = self.arguments(for: write, current: json)
                arguments.texts["version"] = record.version
                arguments.headers = record.version == nil ? [:] : object.condition
            case .gone: return .gone
            case .silent:
                return .notNow(
                    .appUnavailable, "the record cannot be read before it is written",
                    afterSeconds: nil)
            }
        }
        do {
            // Nothing of it may be the record's own.
            if case .update(let id, _) = write.kind, arguments.values.isEmpty {
                return await associated(.accepted(id), write)
            }
            let answer = try await connection.send(call, arguments)
            if let partly = try await withoutRefused(answer, call, arguments, write, current) {
                return partly
            }
            let outcome = await judged(answer, write)
            if case .refused = outcome, write.original != nil {
                // Better without what the app does not take back than not at all.
                let filled = write.values.filter { !$0.value.isEmpty }
                return await apply(AppWrite(write.kind, values: filled))
            }
            return await associated(outcome, write)
        } catch { return Self.outcome(of: error) }
    }

    /// Sends an update once more without the fields that the app refuses by name, so that the others are
    /// written; `current` is the record where it was read before.
    ///
    /// - Returns: `nil` if the answer names none, or nothing else is to be written.
    private func withoutRefused(
        _ answer: RESTConnection.Answer, _ call: RESTDescription.Call, _ arguments: Arguments,
        _ write: AppWrite, _ current: JSON?
    ) async throws(RESTConnection.Failure) -> WriteOutcome? {
        guard case .update = write.kind, case .no(let category) = answer.verdict,
            (400..<500).contains(answer.response.status)
        else { return nil }
        let named = connection.errorsByField(answer.body)
        let refused = write.values.keys.reduce(into: [AppField: Refusal]()) { refused, field in
            refused[field] = named[member(of: field)].map {
                Refusal(category ?? .invalidValue, "\(field): \($0)")
            }
        }
        var rest = arguments
        for field in refused.keys { rest.values[member(of: field)] = nil }
        guard !refused.isEmpty, !rest.values.isEmpty else { return nil }
        rest.record = merged(rest.values, into: current ?? .object([:]))
        let second = try await connection.send(call, rest)
        guard case .accepted(let id, let version) = await judged(second, write) else { return nil }
        return .acceptedPartly(id, version: version, refused: refused)
    }

    /// Whether the record must be read first: to be written whole, or for its version.
    private func needsCurrent(_ write: AppWrite, _ call: RESTDescription.Call) -> Bool {
        call.mentions("record") || call.mentions("version") && write.version == nil
            || needsRecord(write.values)
    }

    /// What a create sends that puts a deleted record back: what it held, where the app lets that be written,
    /// under what the CRM has now.
    private func restoring(
        _ held: JSON, _ arguments: Arguments, _ write: AppWrite, open: Set<String>
    ) -> Arguments {
        let all = held.at(object.shape.values)?.members ?? [:]
        let kept = all.filter { name, value in
            if value == .null || fields.contains(AppField(name)) { return false }
            return switch object.shape.restores {
            case .all: !isAppsOwn("\(object.shape.values)/\(name)")
            case .members(let names): names.contains(name) || open.contains(name)
            }
        }
        var arguments = arguments
        // A blank is said only where what is there would stay otherwise.
        let said = ownValues(write.values).filter { !$0.value.isEmpty || needsRecord([$0.key: ""]) }
        let written = members(said, current: held)
        arguments.values = kept.merging(written) { $1 }
        arguments.record = merged(arguments.values, into: .object([:]))
        return arguments
    }

    /// Whether the app itself fills in a place of its records.
    private func isAppsOwn(_ place: String) -> Bool {
        let shape = object.shape
        return [shape.id, shape.created, shape.modified, shape.version, shape.deleted?.place]
            .contains(place)
    }

    private func arguments(for write: AppWrite, current: JSON? = nil) -> Arguments {
        var arguments = Arguments()
        arguments.fields = askedFields
        var isNew = false
        if case .create = write.kind { isNew = true }
        arguments.values = members(ownValues(write.values), current: current, isNew: isNew)
        arguments.record = merged(arguments.values, into: current ?? .object([:]))
        switch write.kind {
        case .create(let key):
            arguments.texts["key"] = key
            arguments.texts["key-id"] = Self.id(for: key)
        case .update(let id, let version), .delete(let id, let version):
            arguments.texts["id"] = id.text
            arguments.texts["version"] = version
            if version != nil { arguments.headers = object.condition }
        }
        return arguments
    }

    private func judged(_ answer: RESTConnection.Answer, _ write: AppWrite) async -> WriteOutcome {
        let verdict = answer.verdict
        let status = answer.response.status
        switch (verdict, write.kind) {
        case (.yes, .delete): return .deleted
        // The answer may show only what was written; the whole record is read back.
        case (.yes, .update(let id, _)):
            let shown = RESTDescription.Records(list: object.update?.record ?? "").first(
                in: answer.body)
            return .accepted(id, version: shown.flatMap { version(in: $0, of: id) })
        case (.yes, .create):
            let made = RESTDescription.Records(list: object.create?.record ?? "")
                .first(in: answer.body)
            guard let id = made.flatMap(newID) ?? newID(in: answer.response) else {
                return .madeUnnamed("the answer to the create has no record")
            }
            return .accepted(id, version: made.flatMap { version(in: $0, of: id) })
        case (.known(.conflict), .update(let id, _)), (.known(.conflict), .delete(let id, _)):
            // A condition fails for a record that is not there, too (RFC 9110 §13.1.1).
            return await read(id) == .gone ? .gone : .conflict
        case (.known(.conflict), .create(let key)) where object.find == nil:
            return await existing(AppRecordID(Self.id(for: key)))
        case (.no(nil), _) where status >= 500:
            return .unknown(connection.message(answer.body, status))
        default: break
        }
        let outcome = refused(verdict, answer.body, status, answer.response.retryAfterSeconds)
        if case .notNow(_, _, let seconds?) = outcome {
            await connection.budget.pause(seconds: seconds)
        }
        // Only a record that there was can be gone.
        if outcome == .gone, case .create = write.kind {
            return .refused(Refusal(.notFound, connection.message(answer.body, status)))
        }
        return outcome
    }

    /// The id of a new record: in the record itself, else where `create` says that it is.
    private func newID(in made: JSON) -> AppRecordID? {
        let place = object.create?.id ?? object.shape.id
        return made.at(place)?.field.flatMap { $0.isEmpty ? nil : AppRecordID($0) }
    }

    /// The id of a new record in a header: it is the last part of the address there.
    private func newID(in response: HTTPResponse) -> AppRecordID? {
        guard let name = object.create?.idHeader, let place = response.header(name) else {
            return nil
        }
        let path = place.prefix { !["?", "#"].contains($0) }
        let last = path.split(separator: "/").last.map(String.init) ?? ""
        return last.isEmpty ? nil : AppRecordID(last.percentDecoded ?? last)
    }

    /// The version of a record in an answer that shows it.
    private func version(in json: JSON, of id: AppRecordID) -> String? {
        record(json).flatMap { $0.id == id ? $0.version : nil }
    }

    /// The record that an earlier sending of a create made.
    private func existing(_ id: AppRecordID) async -> WriteOutcome {
        if case .present(let record)? = await read(id) { return .exists(record) }
        return .unknown("the app has \(id) and does not show it")
    }

    private static func outcome(of failure: RESTConnection.Failure) -> WriteOutcome {
        switch failure {
        case .noAccess(let error): .notNow(.appUnavailable, error.message, afterSeconds: nil)
        case .busy(let seconds):
            .notNow(.rateLimit, "the account's limits leave no room now", afterSeconds: seconds)
        case .http(.unreachable(let text)): .notNow(.appUnavailable, text, afterSeconds: nil)
        case .http(.interrupted(let text)): .unknown(text)
        case .http(.unsendable(let text)): .refused(Refusal(.invalidValue, text))
        case .http(.badRedirect(let text)): .refused(Refusal(.mapping, text))
        case .http(let failure): .unknown("\(failure)")
        }
    }

    /// What something means that says no.
    private func refused(
        _ verdict: RESTConnection.Verdict, _ body: JSON, _ status: Int, _ wait: Int64?
    ) -> WriteOutcome {
        let text = connection.message(body, status)
        switch verdict {
        case .known(.gone): return .gone
        case .known(.conflict): return .conflict
        case .no(.rateLimit?): return .notNow(.rateLimit, text, afterSeconds: wait)
        case .no(.appUnavailable?): return .notNow(.appUnavailable, text, afterSeconds: wait)
        case .yes, .known:
            return .refused(Refusal(.authentication, text))
        case .no(let category):
            let places = connection.rule(for: body, status)?.others ?? []
            return .refused(
                Refusal(
                    category ?? .invalidValue, text,
                    otherID: places.lazy.compactMap { Self.other(at: $0, body, text) }.first))
        }
    }

    /// The record in the way: at a place of the answer, or the last word of its text, as in
    /// `Contact already exists. Existing ID: 17`.
    private static func other(at place: String, _ body: JSON, _ text: String) -> String? {
        if place != RESTDescription.ErrorRule.lastWord { return body.at(place)?.field }
        return text.split(separator: " ").last?.filter { $0.isLetter || $0.isNumber }
    }

    private func associated(_ outcome: WriteOutcome, _ write: AppWrite) async -> WriteOutcome {
        guard case .accepted(let id, _) = outcome, !object.shape.associations.isEmpty else {
            return outcome
        }
        do throws(AppError) { try await associate(id, write.values) } catch {
            // The record is written; what is missing shows when it is read, and is written then.
            return .unknown(error.message)
        }
        return outcome
    }

    // MARK: In batches

    private func send(_ writes: [AppWrite], in batch: RESTDescription.BatchWrite) async
        -> [WriteOutcome?]
    {
        var arguments = Arguments()
        arguments.fields = askedFields
        arguments.writes = writes.map { self.arguments(for: $0) }
        arguments.ids = writes.compactMap(\.id)
        let answer: RESTConnection.Answer
        do { answer = try await connection.send(batch.call, arguments) } catch {
            return writes.map { _ in Self.outcome(of: error) }
        }
        let status = answer.response.status
        let verdict = answer.verdict
        let results = answer.body.at(batch.results)?.elements ?? []
        if results.count == writes.count {
            return zip(results, writes).map { outcome(of: $0, $1, batch, status) }
        }
        if verdict == .yes || status >= 500 {
            let text = connection.message(answer.body, status)
            return writes.map { _ in .unknown(text) }
        }
        // Nothing of it was written. One of the records may be to blame: each is sent alone, unless
        // nothing can be written now.
        let reason = refused(verdict, answer.body, status, answer.response.retryAfterSeconds)
        guard case .notNow(_, _, let seconds) = reason else { return writes.map { _ in nil } }
        if let seconds { await connection.budget.pause(seconds: seconds) }
        return writes.map { _ in reason }
    }

    private func outcome(
        of result: JSON, _ write: AppWrite, _ batch: RESTDescription.BatchWrite, _ status: Int
    ) -> WriteOutcome {
        if batch.success?.isOn(result) ?? true {
            switch write.kind {
            case .delete: return .deleted
            case .update(let id, _): return .accepted(id)
            case .create:
                guard let id = result.at(batch.id)?.field, !id.isEmpty else {
                    return .madeUnnamed("the answer to the create has no record")
                }
                return .accepted(AppRecordID(id))
            }
        }
        let outcome = refused(
            connection.meaning(of: result, (200..<300).contains(status) ? 400 : status), result,
            status, nil)
        if outcome == .gone, case .create = write.kind {
            return .refused(Refusal(.notFound, connection.message(result, status)))
        }
        return outcome
    }
}

extension AppWrite {
    /// The record that is written; `nil` for a new one.
    fileprivate var id: AppRecordID? {
        switch kind {
        case .create: nil
        case .update(let id, _), .delete(let id, _): id
        }
    }

    fileprivate var version: String? {
        switch kind {
        case .create: nil
        case .update(_, let version), .delete(_, let version): version
        }
    }
}
