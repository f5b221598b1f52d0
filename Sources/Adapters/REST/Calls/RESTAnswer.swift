import TandemHTTP
import TandemModel
import TandemSupport

/// What answers mean.
extension RESTConnection {
    /// What was answered to a call.
    struct Answer: Sendable {
        let response: HTTPResponse
        /// Null for nothing at all; what is no JSON, or nested too deeply to be a record, as a text.
        let body: JSON
        let isJSON: Bool
        /// What paths follow on; pages are there, too.
        let root: String
        let verdict: Verdict

        /// Nothing was found, or nothing has changed (RFC 9110 §15.3.5, §15.4.5).
        var isEmpty: Bool { [204, 304].contains(response.status) }
    }

    /// An answer that says yes.
    struct Success: Sendable {
        let answer: Answer

        var body: JSON { answer.body }
        var response: HTTPResponse { answer.response }
        var root: String { answer.root }

        /// - Returns: The records of the answer; `nil` if it has no list of them.
        func elements(_ records: RESTDescription.Records) -> [JSON]? {
            answer.isEmpty ? [] : records.all(in: body)
        }
    }

    enum Verdict: Hashable, Sendable {
        case yes
        case known(RESTDescription.ErrorRule.Known)
        case no(FailureCategory?)
    }

    /// Whether an answer says yes, and else what it means: by the first rule of the description that
    /// fits, else by its status.
    func verdict(on body: JSON, _ status: Int) -> Verdict {
        let isYes = (200..<300).contains(status) || status == 304
        let saysNo = description.failure?.isOn(body) ?? false
        return isYes && !saysNo ? .yes : meaning(of: body, status)
    }

    /// What something means that says no: an answer, or one result of a batch.
    func meaning(of body: JSON, _ status: Int) -> Verdict {
        if let rule = rule(for: body, status) {
            return switch rule.meaning {
            case .category(let category): .no(category)
            case .known(let known): .known(known)
            }
        }
        return switch status {
        case 401: .no(.authentication)
        case 403, 405: .no(.permission)
        case 404, 410: .known(.gone)
        case 412: .known(.conflict)
        case 429: .no(.rateLimit)
        // 477 is what some apps say of a lock; the others are in RFC 9110 §15.5 and RFC 4918 §11.3.
        case 408, 423, 425, 477: .no(.appUnavailable)
        default: .no(nil)
        }
    }

    func rule(for body: JSON, _ status: Int) -> RESTDescription.ErrorRule? {
        let text = message(body, status).lowercased()
        return description.errors.first { rule in
            let hasCode = rule.code.map { code in
                code.places.contains { place in
                    (body.at(place)?.field).map(code.values.contains) ?? false
                }
            }
            return (rule.status.map { $0 == status } ?? true) && hasCode ?? true
                && (rule.words.map { text.contains($0.lowercased()) } ?? true)
        }
    }

    /// What the app says went wrong.
    func message(_ body: JSON, _ status: Int) -> String {
        let text = description.messages.lazy.compactMap { body.at($0)?.field }.first {
            !$0.isEmpty
        }
        let byField = errorsByField(body).sorted { $0.key < $1.key }.map {
            "\($0.key): \($0.value)"
        }
        let isSaid = text.map { text in byField.contains { $0.hasSuffix(text) } } ?? true
        let parts = (isSaid ? [] : [text].compactMap(\.self)) + byField
        let said =
            parts.isEmpty
            ? beginning(of: body).map { "status \(status): \($0)" } : parts.joined(separator: "; ")
        // Some servers give back what they were told, credentials and all.
        return said.map { RESTTrace.masked(String($0.prefix(500)), secrets) } ?? "status \(status)"
    }

    /// How an answer begins that has no text for people; `nil` if there is nothing to show.
    private func beginning(of body: JSON) -> String? {
        let text =
            switch body {
            case .null: ""
            // A page for browsers: its blanks and lines tell nothing.
            case .text(let text): text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            default: String(decoding: body.bytes, as: UTF8.self)
            }
        return text.isEmpty ? nil : String(text.prefix(200))
    }

    /// What an answer that says no says of each field, in the forms that are common: `{"email": ["…"]}`, or
    /// a list of objects that each have a place and a text, as JSON:API, FastAPI and many others do.
    func errorsByField(_ body: JSON) -> [String: String] {
        var said: [String: [String]] = [:]
        for (name, value) in body.members ?? [:] {
            let texts = (value.elements ?? []).compactMap(\.field)
            if !texts.isEmpty { said[name] = texts }
            for error in value.elements ?? [] {
                guard let field = Self.field(of: error), let text = Self.text(of: error) else {
                    continue
                }
                said[field, default: []].append(text)
            }
        }
        return said.mapValues { $0.joined(separator: " ") }
    }

    /// The field that an error of a list is about: the last part of its place.
    private static func field(of error: JSON) -> String? {
        let place =
            error.at("/loc")?.elements?.last?.field
            ?? ["/field", "/property", "/source/pointer"].lazy
            .compactMap { error.at($0)?.field }.first
        return place?.split(whereSeparator: { "/.".contains($0) }).last.map(String.init)
    }

    private static func text(of error: JSON) -> String? {
        ["/msg", "/message", "/detail"].lazy.compactMap { error.at($0)?.field }.first {
            !$0.isEmpty
        }
    }

    func failure(_ answer: Answer, _ path: String) -> AppError {
        let text = "\(path): \(message(answer.body, answer.response.status))"
        let wait = answer.response.retryAfterSeconds
        switch answer.verdict {
        case .known(.cursorExpired): return .cursorExpired(text)
        case .known(.accessExpired), .no(.authentication?):
            return .askOperator(
                .authentication, text, remedy: "Correct the credentials of the connection.")
        case .no(.permission?):
            return .askOperator(
                .permission, text,
                remedy: "Give the account of the connection the right to do this.")
        case .no(.rateLimit?): return .tryLater(.rateLimit, text, afterSeconds: wait)
        case .no(.appUnavailable?): return .tryLater(.appUnavailable, text, afterSeconds: wait)
        case .no(nil) where answer.response.status >= 500:
            return .tryLater(.appUnavailable, text, afterSeconds: wait)
        case .yes, .known, .no:
            return .askOperator(
                .mapping, text, remedy: "Correct the app's description, or `url` of the connection."
            )
        }
    }
}

extension HTTPFailure {
    func appError(_ path: String) -> AppError {
        switch self {
        case .unreachable(let text), .interrupted(let text):
            .tryLater(.appUnavailable, "\(path): \(text)", afterSeconds: nil)
        case .untrusted(let text):
            .askOperator(
                .authentication, "\(path): \(text)",
                remedy: "If the server has its own authority, name its certificate in `ca-file`.")
        case .tooLarge(let limit):
            .askOperator(
                .invalidValue, "\(path) answers with more than \(limit) bytes",
                remedy: "Ask for smaller pages in the app's description.")
        case .badRedirect(let text):
            .askOperator(.notFound, "\(path): \(text)", remedy: "Correct `url`.")
        case .unsendable(let text):
            .askOperator(
                .invalidValue, "\(path): \(text)",
                remedy: "Correct the record or the variable that it comes from.")
        }
    }
}

extension RESTDescription.Records {
    /// The records in an answer; `nil` if it has no list of them.
    func all(in body: JSON) -> [JSON]? {
        let found: [JSON]
        switch body.at(list) {
        case .list(let list): found = list
        case .object(let object): found = [.object(object)]
        default: return isOptional ? [] : nil
        }
        return found.compactMap { $0.at(item) }
    }

    /// The one record in an answer.
    func first(in body: JSON?) -> JSON? { body.flatMap { all(in: $0)?.first } }
}
