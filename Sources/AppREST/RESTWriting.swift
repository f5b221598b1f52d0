import TandemHTTP
package import TandemModel
import TandemTasks

/// Writing records one by one, several at a time: only the fields that changed.
extension RESTApp {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        // Without access nothing is sent, and no record is to blame.
        try await connection.requireAccess()
        return await writes.mapped(atMost: width) { write in await apply(write) }
    }

    private func apply(_ write: AppWrite) async -> WriteOutcome {
        var arguments = RESTConnection.Arguments()
        arguments.values = write.values
        arguments.fields = fields
        arguments.isTyped = object.shape.isTyped
        let call: RESTDescription.Call
        switch write.kind {
        case .create(let key):
            call = object.create
            arguments.texts["key"] = key
            arguments.texts["key-id"] = Self.id(for: key)
        case .update(let id, let version):
            call = object.update
            address(&arguments, id, version)
        case .delete(let id, let version):
            call = object.delete
            address(&arguments, id, version)
        }
        do {
            return await outcome(try await connection.send(call, arguments), write)
        } catch {
            switch error {
            case .noAccess(let error):
                return .notNow(.appUnavailable, error.message, afterSeconds: nil)
            case .busy(let seconds):
                return .notNow(.rateLimit, "the account's limit is used up", afterSeconds: seconds)
            case .http(.unreachable(let text)):
                return .notNow(.appUnavailable, text, afterSeconds: nil)
            case .http(.interrupted(let text)): return .unknown(text)
            case .http(let failure): return .unknown("\(failure)")
            }
        }
    }

    private func address(
        _ arguments: inout RESTConnection.Arguments, _ id: AppRecordID, _ version: String?
    ) {
        arguments.texts["id"] = id.text
        guard let version else { return }
        arguments.texts["version"] = version
        arguments.headers = object.condition
    }

    private func outcome(_ response: HTTPResponse, _ write: AppWrite) async -> WriteOutcome {
        switch (response.status, write.kind) {
        case (200..<300, .delete): return .deleted
        case (200..<300, .update(let id, _)):
            // The answer may show only what was written; the whole record is read back.
            return .accepted(id)
        case (200..<300, .create):
            guard
                let made = RESTConnection.json(response)?.at(object.create.record).flatMap(record)
            else { return .unknown("the answer to the create has no record") }
            return .accepted(made.id)
        case (404, .update), (404, .delete), (410, _): return .gone
        case (412, .update(let id, _)), (412, .delete(let id, _)):
            // A condition fails for a record that is not there, too (RFC 9110 §13.1.1).
            return await read(id) == .gone ? .gone : .conflict
        case (412, .create(let key)) where object.find == nil:
            return await existing(AppRecordID(Self.id(for: key)))
        case (408, _), (423, _), (425, _), (429, _), (477, _):
            if let seconds = response.retryAfter { await connection.budget.pause(seconds: seconds) }
            return .notNow(
                response.status == 429 ? .rateLimit : .appUnavailable,
                connection.message(response), afterSeconds: response.retryAfter)
        case (500..., _): return .unknown(connection.message(response))
        default: return refused(response)
        }
    }

    /// The record that an earlier sending of a create made.
    private func existing(_ id: AppRecordID) async -> WriteOutcome {
        if case .present(let record)? = await read(id) { return .exists(record) }
        return .unknown("the app has \(id) and does not show it")
    }

    private func refused(_ response: HTTPResponse) -> WriteOutcome {
        let category = connection.category(response) ?? .invalidValue
        let text = connection.message(response)
        if category == .rateLimit || category == .appUnavailable {
            return .notNow(category, text, afterSeconds: response.retryAfter)
        }
        // `Contact already exists. Existing ID: 17` names the record in the way.
        let other = text.split(separator: " ").last.flatMap { Int64($0) }
        return .refused(
            Refusal(
                category, text,
                otherID: category == .duplicateInApp ? other.map { "\($0)" } : nil))
    }
}
