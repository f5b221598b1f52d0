import Foundation
import TandemHTTP
package import TandemModel
import TandemTasks

/// Writing cards: read, change, write back under the condition that nobody else did, and look at what the
/// server made of it.
extension CardDAVApp {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        let book = try await book()
        let updated = writes.compactMap { write in
            if case .update(let id, _) = write.kind { id } else { nil as AppRecordID? }
        }
        let present = updated.isEmpty ? [:] : try await cards(updated)
        let sendings = await writes.mapped(atMost: Self.inFlight) { write in
            switch write.kind {
            case .create(let key): await create(key, write, book)
            case .update(let id, let version):
                await update(id, version, write.values, present[id], book)
            case .delete(let id, let version): Sending.done(await delete(id, version, book))
            }
        }
        return await judged(sendings)
    }

    /// What came of one write before it was looked at.
    private enum Sending: Sendable {
        case done(WriteOutcome)
        case put(Put)
    }

    /// A card that the server took.
    private struct Put: Sendable {
        let id: AppRecordID
        /// What the server says that the card's version is now; `nil` if it does not say.
        let etag: String?
        let card: VCard
    }

    /// Reads back what was written: what a server keeps may be another thing than it was sent, and it says so
    /// by nothing else.
    private func judged(_ sendings: [Sending]) async -> [WriteOutcome] {
        let ids = sendings.compactMap { sending in
            if case .put(let put) = sending { put.id } else { nil as AppRecordID? }
        }
        // The writes themselves have happened; what cannot be read now is read later.
        let found = ids.isEmpty ? [:] : (try? await cards(ids)) ?? [:]
        return sendings.map { sending in
            switch sending {
            case .done(let outcome): outcome
            case .put(let put): outcome(of: put, found: found[put.id])
            }
        }
    }

    private func outcome(of put: Put, found: Card?) -> WriteOutcome {
        guard let found, let text = found.text, let card = try? VCard(text),
            put.etag == nil || put.etag == found.etag
        else { return .accepted(put.id, version: put.etag) }
        let record = AppRecord(id: put.id, version: found.etag, values: card.values)
        let lost = put.card.unmappedNames.subtracting(card.unmappedNames).sorted()
        if lost.isEmpty && record.values == put.card.values { return .written(record) }
        return .rewritten(
            record,
            Rewriting(
                sent: put.card.values, isOurs: put.etag != nil,
                lost: lost.isEmpty ? nil : "the lines \(lost.joined(separator: ", "))"))
    }

    private func create(_ key: String, _ write: AppWrite, _ book: AddressBook) async -> Sending {
        let id = book.newID(key)
        // One that was deleted keeps its UID, by which groups name it.
        var card = write.original.flatMap { try? VCard($0) } ?? VCard(uid: key)
        card.apply(write.values)
        let sending = await put(&card, id, [("If-None-Match", "*")], book)
        guard case .done(.conflict) = sending else { return sending }
        // An earlier sending of this create has arrived after all.
        guard let known = try? await cards([id])[id], case .present(let record) = known.reading(id)
        else {
            return .done(.unknown("\(id) is there already and cannot be read"))
        }
        return .done(.exists(record))
    }

    private func update(
        _ id: AppRecordID, _ version: String?, _ values: [AppField: String], _ present: Card?,
        _ book: AddressBook
    ) async -> Sending {
        guard let present else {
            return .done(
                .notNow(
                    .appUnavailable, "the server gave no answer for \(id)", afterSeconds: nil))
        }
        guard let text = present.text else { return .done(.gone) }
        guard version == nil || present.etag == version else { return .done(.conflict) }
        do {
            var card = try VCard(text)
            card.apply(values)
            let condition = present.etag.map { [("If-Match", $0)] } ?? []
            return await put(&card, id, condition, book)
        } catch {
            return .done(
                .refused(Refusal(.invalidValue, "the card \(id) is not read: \(error.reason)")))
        }
    }

    private func put(
        _ card: inout VCard, _ id: AppRecordID, _ condition: [(name: String, value: String)],
        _ book: AddressBook
    ) async -> Sending {
        card.stamp(Date.now)
        let request = HTTPRequest(
            "PUT", book.address(of: id),
            headers: condition + [("Content-Type", "text/vcard; charset=utf-8")],
            body: Array(card.text.utf8))
        let response: HTTPResponse
        switch await answer(to: request) {
        case .success(let answer): response = answer
        case .failure(let failure): return .done(failure.outcome)
        }
        let etag = response.header("ETag").flatMap { $0.hasPrefix("W/") ? nil : $0 }
        // Some servers give a new card a name of their own.
        let place = response.header("Location").map { book.id(of: $0) }
        let isMoved = response.status == 201 && place.map { book.holds($0) } ?? false
        return .put(Put(id: isMoved ? place ?? id : id, etag: etag, card: card))
    }

    private func delete(_ id: AppRecordID, _ version: String?, _ book: AddressBook) async
        -> WriteOutcome
    {
        let condition = version.map { [(name: "If-Match", value: $0)] } ?? []
        let request = HTTPRequest("DELETE", book.address(of: id), headers: condition)
        switch await answer(to: request) {
        case .success: return .deleted
        case .failure(let failure): return failure.outcome == .gone ? .deleted : failure.outcome
        }
    }

    /// A write that was not done, or of which that is not known.
    private struct NotDone: Error {
        let outcome: WriteOutcome
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
            ? .success(response) : .failure(NotDone(outcome: refusal(of: request, response)))
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
