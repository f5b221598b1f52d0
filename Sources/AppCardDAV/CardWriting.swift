import TandemHTTP
package import TandemModel
import TandemTasks

/// Writing cards: read, change, write back under the condition that nobody else did.
extension CardDAVApp {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        let book = try await book()
        let updated = writes.compactMap { write in
            if case .update(let id, _) = write.kind { id } else { nil as AppRecordID? }
        }
        let present = updated.isEmpty ? [:] : try await cards(updated)
        return await writes.mapped(atMost: Self.inFlight) { write in
            switch write.kind {
            case .create(let key): await create(key, write, book)
            case .update(let id, let version):
                await update(id, version, write.values, present[id], book)
            case .delete(let id, let version): await delete(id, version, book)
            }
        }
    }

    private func create(_ key: String, _ write: AppWrite, _ book: AddressBook) async
        -> WriteOutcome
    {
        let id = book.newID(key)
        // One that was deleted keeps its UID, by which groups name it.
        var card = write.original.flatMap { try? VCard($0) } ?? VCard(uid: key)
        card.apply(write.values)
        let put = await put(card, id, [("If-None-Match", "*")], book)
        guard case .conflict = put else { return put }
        // An earlier sending of this create has arrived after all.
        guard let known = try? await cards([id])[id], case .present(let record) = known.reading(id)
        else {
            return .unknown("\(id) is there already and cannot be read")
        }
        return .exists(record)
    }

    private func update(
        _ id: AppRecordID, _ version: String?, _ values: [AppField: String], _ present: Card?,
        _ book: AddressBook
    ) async -> WriteOutcome {
        guard let present else {
            return .notNow(
                .appUnavailable, "the server gave no answer for \(id)", afterSeconds: nil)
        }
        guard let text = present.text else { return .gone }
        guard version == nil || present.etag == version else { return .conflict }
        do {
            var card = try VCard(text)
            card.apply(values)
            let condition = present.etag.map { [("If-Match", $0)] } ?? []
            return await put(card, id, condition, book)
        } catch {
            return .refused(Refusal(.invalidValue, "the card \(id) is not read: \(error.reason)"))
        }
    }

    private func put(
        _ card: VCard, _ id: AppRecordID, _ condition: [(name: String, value: String)],
        _ book: AddressBook
    ) async -> WriteOutcome {
        let request = HTTPRequest(
            "PUT", book.address(of: id),
            headers: condition + [("Content-Type", "text/vcard; charset=utf-8")],
            body: Array(card.text.utf8))
        return await outcome(of: request) { response in
            guard let etag = response.header("ETag"), !etag.hasPrefix("W/") else {
                return .accepted(id)
            }
            return .written(AppRecord(id: id, version: etag, values: card.values))
        }
    }

    private func delete(_ id: AppRecordID, _ version: String?, _ book: AddressBook) async
        -> WriteOutcome
    {
        let condition = version.map { [(name: "If-Match", value: $0)] } ?? []
        let request = HTTPRequest("DELETE", book.address(of: id), headers: condition)
        let outcome = await outcome(of: request) { _ in .deleted }
        return outcome == .gone ? .deleted : outcome
    }

    /// Sends one write and names what came of it.
    private func outcome(
        of request: HTTPRequest, done: (HTTPResponse) -> WriteOutcome
    ) async -> WriteOutcome {
        let response: HTTPResponse
        do { response = try await connection.send(request) } catch {
            switch error {
            case .unreachable(let text), .untrusted(let text):
                return .notNow(.appUnavailable, text, afterSeconds: nil)
            case .interrupted(let text): return .unknown(text)
            case .badRedirect(let text): return .refused(Refusal(.mapping, text))
            case .unsendable(let text): return .refused(Refusal(.invalidValue, text))
            case .tooLarge: return .unknown("the answer was too large")
            }
        }
        let said = "\(request.method) \(request.url) answers \(response.status)"
        switch response.status {
        case 200..<300: return done(response)
        case 412: return .conflict
        case 404, 410: return .gone
        case 401: return .notNow(.authentication, said, afterSeconds: nil)
        case 403: return .refused(Refusal(.permission, said))
        case 409 where DAVReply(response.body)?.errors.contains("no-uid-conflict") == true:
            return .refused(Refusal(.duplicateInApp, "the server has a card with the same UID"))
        case 423, 429: return .notNow(.rateLimit, said, afterSeconds: response.retryAfterSeconds)
        case 503, 507:
            return .notNow(.appUnavailable, said, afterSeconds: response.retryAfterSeconds)
        case 500...: return .unknown(said)
        default: return .refused(Refusal(.invalidValue, "\(said): \(response.text.prefix(200))"))
        }
    }
}
