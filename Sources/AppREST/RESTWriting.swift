import TandemHTTP
package import TandemModel
import TandemTasks

/// Writing records one by one, several at a time: only the fields that changed.
extension RESTApp {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        await writes.mapped(atMost: Self.inFlight) { write in await apply(write) }
    }

    private func apply(_ write: AppWrite) async -> WriteOutcome {
        var arguments = RESTConnection.Arguments()
        arguments.values = write.values
        arguments.fields = fields
        let call: RESTDescription.Call
        switch write.kind {
        case .create(let key):
            call = object.create
            arguments.texts["key"] = key
        case .update(let id, _):
            call = object.update
            arguments.texts["id"] = id.text
        case .delete(let id, _):
            call = object.delete
            arguments.texts["id"] = id.text
        }
        do {
            return outcome(try await connection.send(call, arguments), write)
        } catch {
            switch error {
            case .unreachable(let text):
                return .notNow(.appUnavailable, text, afterSeconds: nil)
            case .interrupted(let text): return .unknown(text)
            case .untrusted, .tooLarge, .badRedirect: return .unknown("\(error)")
            }
        }
    }

    private func outcome(_ response: HTTPResponse, _ write: AppWrite) -> WriteOutcome {
        switch (response.status, write.kind) {
        case (200..<300, .delete): return .deleted
        case (200..<300, .update(let id, _)):
            // The answer may show only what was written; the whole record is read back.
            return .accepted(id)
        case (200..<300, .create):
            guard let made = RESTConnection.json(response).flatMap(record) else {
                return .unknown("the answer to the create has no record")
            }
            return .accepted(made.id)
        case (404, .update), (404, .delete), (410, _): return .gone
        case (408, _), (423, _), (425, _), (429, _), (477, _):
            return .notNow(
                response.status == 429 ? .rateLimit : .appUnavailable,
                connection.message(response), afterSeconds: response.retryAfter)
        case (500..., _): return .unknown(connection.message(response))
        default: return .refused(refusal(response))
        }
    }

    private func refusal(_ response: HTTPResponse) -> Refusal {
        let rule = connection.description.errors.first { $0.status == response.status }
        let text = connection.message(response)
        let category = rule?.category ?? .invalidValue
        // `Contact already exists. Existing ID: 17` names the record in the way.
        let other = text.split(separator: " ").last.flatMap { Int64($0) }
        return Refusal(
            category, text,
            otherID: category == .duplicateInApp ? other.map { "\($0)" } : nil)
    }
}
