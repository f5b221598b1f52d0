package import AdapterKit
import Foundation
import TandemHTTP
package import TandemModel
import TandemTasks

/// Writing cards: read, change, write back under the condition that nobody else did, and look at what the
/// server made of it.
extension CardDAVAdapter {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        let book = try await book()
        let updated = writes.compactMap { write in
            if case .update(let id, _) = write.kind { id } else { nil as AppRecordID? }
        }
        let present = try await forms(of: updated, in: book)
        @Sendable func send(_ write: AppWrite) async -> Sending {
            switch write.kind {
            case .create(let key): await create(key, write, book)
            case .update(let id, let version):
                await update(id, version, write.values, present[id], book)
            case .delete(let id, let version): await delete(id, version, book)
            }
        }
        var sendings = await writes.mapped(atMost: writesInFlight) { await send($0) }
        // Some servers lock the whole book for a write, and refuse the next one meanwhile.
        for (index, write) in writes.enumerated() where sendings[index].isLocked {
            writesOneByOne()
            sendings[index] = await send(write)
        }
        return await judged(sendings, in: book)
    }

    /// Reads cards in each form that the server has of them.
    private func forms(of ids: [AppRecordID], in book: AddressBook) async throws(AppError)
        -> [AppRecordID: CardForms]
    {
        if ids.isEmpty { return [:] }
        var forms = try await cards(ids).mapValues { CardForms(plain: $0) }
        guard book.versions.isSuperset(of: ["3.0", "4.0"]) else { return forms }
        for version in ["3.0", "4.0"] {
            for (id, card) in try await cards(ids, version: version)
            where card.etag == forms[id]?.plain.etag {
                forms[id]?.asked[version] = card
            }
        }
        return forms
    }

    /// What came of one write before it was looked at.
    private enum Sending: Sendable {
        case done(WriteOutcome)
        /// Not done, because the server was busy with another write (RFC 4918 §11.3).
        case locked(WriteOutcome)
        case put(Put)

        var isLocked: Bool { if case .locked = self { true } else { false } }
    }

    /// A card that the server took.
    private struct Put: Sendable {
        let id: AppRecordID
        /// What the server says that the card's version is now; `nil` if it does not say.
        let etag: String?
        let card: VCard
        /// What the server showed before.
        let before: CardForms?
    }

    /// Reads back what was written: what a server keeps may be another thing than it was sent, and it says so
    /// by nothing else.
    private func judged(_ sendings: [Sending], in book: AddressBook) async -> [WriteOutcome] {
        let ids = sendings.compactMap { sending in
            if case .put(let put) = sending { put.id } else { nil as AppRecordID? }
        }
        // The writes themselves have happened; what cannot be read now is read later.
        let found = (try? await forms(of: ids, in: book)) ?? [:]
        return sendings.map { sending in
            switch sending {
            case .done(let outcome), .locked(let outcome): outcome
            case .put(let put): outcome(of: put, found: found[put.id])
            }
        }
    }

    private func outcome(of put: Put, found: CardForms?) -> WriteOutcome {
        guard let found, let text = found.plain.text,
            put.etag == nil || put.etag == found.plain.etag
        else { return .accepted(put.id, version: put.etag) }
        let form = found.asked[put.card.isVersion4 ? "4.0" : "3.0"]?.text ?? text
        guard let shown = try? VCard(text), let kept = try? VCard(form) else {
            return .refused(
                Refusal(
                    .changedByServer,
                    "the server took the card \(put.id), and what it keeps is none: `\(text.prefix(40))`"
                ))
        }
        let record = AppRecord(id: put.id, version: found.plain.etag, values: shown.values)
        let lost = put.card.unmappedNames.subtracting(kept.unmappedNames)
            .union(put.before.map(found.lost) ?? []).sorted()
        let sent = put.card.values
        if lost.isEmpty && kept.values == sent { return .written(record) }
        // Another form of what was kept as it was sent is no difference.
        let unlike = sent.filter { kept.values[$0.key] != $0.value }
        return .rewritten(
            record,
            Rewriting(
                sent: shown.values.merging(unlike) { $1 }, isOurs: put.etag != nil,
                lost: lost.isEmpty ? nil : "the lines \(lost.joined(separator: ", "))"))
    }

    private func create(_ key: String, _ write: AppWrite, _ book: AddressBook) async -> Sending {
        let id = book.newID(key)
        // One that was deleted keeps its UID, by which groups name it.
        var card = write.original.flatMap { try? VCard($0) } ?? VCard(uid: key)
        card.apply(write.values)
        let sending = await put(&card, id, [("If-None-Match", "*")], nil, book)
        guard case .done(.conflict) = sending else { return sending }
        // An earlier sending of this create has arrived after all.
        guard let known = try? await cards([id])[id], case .present(let record) = known.reading(id)
        else {
            return .done(.unknown("\(id) is there already and cannot be read"))
        }
        return .done(.exists(record))
    }

    private func update(
        _ id: AppRecordID, _ version: String?, _ values: [AppField: String], _ present: CardForms?,
        _ book: AddressBook
    ) async -> Sending {
        guard let present else {
            return .done(
                .notNow(
                    .appUnavailable, "the server gave no answer for \(id)", afterSeconds: nil))
        }
        guard version == nil || present.plain.etag == version || present.plain.text == nil else {
            return .done(.conflict)
        }
        do {
            guard var card = try present.whole() else { return .done(.gone) }
            card.apply(values)
            let condition = present.plain.etag.map { [("If-Match", $0)] } ?? []
            return await put(&card, id, condition, present, book)
        } catch {
            return .done(
                .refused(
                    Refusal(.invalidValue, "the card \(id) is not written: \(error.reason)")))
        }
    }

    private func put(
        _ card: inout VCard, _ id: AppRecordID, _ condition: [(name: String, value: String)],
        _ before: CardForms?, _ book: AddressBook
    ) async -> Sending {
        card.stamp(Date.now)
        let request = HTTPRequest(
            "PUT", book.address(of: id),
            headers: condition + [("Content-Type", "text/vcard; charset=utf-8")],
            body: Array(card.text.utf8))
        let response: HTTPResponse
        switch await answer(to: request) {
        case .success(let answer): response = answer
        case .failure(let failure): return failure.sending
        }
        let etag = response.header("ETag").flatMap { $0.hasPrefix("W/") ? nil : $0 }
        // Some servers give a new card a name of their own.
        let place = response.header("Location").map { book.id(of: $0) }
        let isMoved = response.status == 201 && place.map { book.holds($0) } ?? false
        return .put(Put(id: isMoved ? place ?? id : id, etag: etag, card: card, before: before))
    }

    private func delete(_ id: AppRecordID, _ version: String?, _ book: AddressBook) async
        -> Sending
    {
        let condition = version.map { [(name: "If-Match", value: $0)] } ?? []
        let request = HTTPRequest("DELETE", book.address(of: id), headers: condition)
        switch await answer(to: request) {
        case .success: return .done(.deleted)
        case .failure(let failure):
            return failure.outcome == .gone ? .done(.deleted) : failure.sending
        }
    }

    /// A write that was not done, or of which that is not known.
    private struct NotDone: Error {
        let outcome: WriteOutcome
        var isLocked = false

        var sending: Sending { isLocked ? .locked(outcome) : .done(outcome) }
    }

    /// Sends one write and names what came of it, if it was not done.
    private func answer(to request: HTTPRequest) async -> Result<HTTPResponse, NotDone> {
        let response: HTTPResponse
        do { response = try await connection.send(request) } catch {
            let outcome: WriteOutcome =
                switch error {
                case .unreachable(let text), .untrusted(let text):
                    .notNow(.appUnavailable, text, afterSeconds: nil)
                case .interrupted(let text): .unknown(text)
                case .badRedirect(let text): .refused(Refusal(.mapping, text))
                case .unsendable(let text): .refused(Refusal(.invalidValue, text))
                case .tooLarge: .unknown("the answer was too large")
                }
            return .failure(NotDone(outcome: outcome))
        }
        return (200..<300).contains(response.status)
            ? .success(response)
            : .failure(
                NotDone(
                    outcome: refusal(of: request, response), isLocked: response.status == 423))
    }

    private func refusal(of request: HTTPRequest, _ response: HTTPResponse) -> WriteOutcome {
        let said = "\(request.method) \(request.url) answers \(response.status)"
        // RFC 6352 §6.3.2.1: what a server minds about a card it names, mostly under 403 or 409.
        let minds = DAVReply(response.body)?.errors ?? []
        if minds.contains("no-uid-conflict") {
            return .refused(Refusal(.duplicateInApp, "the server has a card with the same UID"))
        }
        let wrong = minds.intersection([
            "valid-address-data", "supported-address-data", "max-resource-size",
        ]).sorted().first
        if let wrong { return .refused(Refusal(.invalidValue, "\(said): \(wrong)")) }
        switch response.status {
        case 412: return .conflict
        case 404, 410: return .gone
        case 401: return .notNow(.authentication, said, afterSeconds: nil)
        case 403: return .refused(Refusal(.permission, said))
        case 423, 429: return .notNow(.rateLimit, said, afterSeconds: response.retryAfterSeconds)
        case 507:
            return .notNow(
                .appUnavailable,
                "\(said): the server has no room left for this user; free some there",
                afterSeconds: response.retryAfterSeconds)
        case 503:
            return .notNow(.appUnavailable, said, afterSeconds: response.retryAfterSeconds)
        case 500...: return .unknown(said)
        default: return .refused(Refusal(.invalidValue, "\(said): \(response.text.prefix(200))"))
        }
    }
}
