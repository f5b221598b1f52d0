import FoundationEssentials
import TandemHTTP
import TandemModel

/// Requests to one account of a described app, and its answers as errors.
struct RESTConnection: Sendable {
    let description: RESTDescription
    /// The variables of the connection, with `url`.
    let variables: [String: String]
    private let client: HTTPClient

    init(_ description: RESTDescription, _ variables: [String: String], _ client: HTTPClient) {
        self.description = description
        self.variables = variables
        self.client = client
    }

    /// What a call is filled in with besides the connection's variables.
    struct Arguments: Sendable {
        var texts: [String: String] = [:]
        var ids: [AppRecordID] = []
        var fields: [AppField] = []
        var values: [AppField: String] = [:]
    }

    /// Sends a call whose failure ends whatever it is part of.
    ///
    /// - Throws: ``AppError`` if there is no answer, or one that is no success.
    func call(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(AppError)
        -> (body: JSON, response: HTTPResponse)
    {
        let response: HTTPResponse
        do { response = try await send(call, arguments) } catch { throw error.appError(call.path) }
        guard (200..<300).contains(response.status) else {
            throw failure(response, call.path)
        }
        guard let body = Self.json(response) else {
            throw .tryLater(
                .appUnavailable, "\(call.path) answers with something that is no JSON",
                afterSeconds: nil)
        }
        return (body, response)
    }

    /// Sends a call and gives whatever is answered.
    func send(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(HTTPFailure)
        -> HTTPResponse
    {
        let base = variables["url"] ?? ""
        let root = base.hasSuffix("/") ? String(base.dropLast()) : base
        let url = root + address(call.path, arguments)
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        var bytes: [UInt8]?
        if let template = call.body {
            headers.append(("Content-Type", "application/json"))
            bytes = json(template, arguments).bytes
        }
        var request = HTTPRequest(call.method, url, headers: headers, body: bytes)
        request.secrets = description.headers.sorted { $0.key < $1.key }.map {
            ($0.key, filled($0.value, arguments, isAddress: false))
        }
        return try await client.send(request, credentials: nil)
    }

    static func json(_ response: HTTPResponse) -> JSON? {
        JSON(parsing: response.body)
    }

    /// What the app says went wrong.
    func message(_ response: HTTPResponse) -> String {
        let text = Self.json(response)?.at(description.message)?.field
        return text.map { String($0.prefix(500)) } ?? "status \(response.status)"
    }

    private func failure(_ response: HTTPResponse, _ path: String) -> AppError {
        let text = "\(path): \(message(response))"
        switch response.status {
        case 401:
            return .askOperator(
                .authentication, text, remedy: "Correct the credentials of the connection.")
        case 403:
            return .askOperator(
                .permission, text,
                remedy: "Give the account of the connection the right to do this.")
        case 429: return .tryLater(.rateLimit, text, afterSeconds: response.retryAfter)
        case 408, 423, 425, 477, 500...:
            return .tryLater(.appUnavailable, text, afterSeconds: response.retryAfter)
        default:
            return .askOperator(
                .mapping, text, remedy: "Correct the app's description, or `url` of the connection."
            )
        }
    }
}

/// Filling in templates.
extension RESTConnection {
    /// The path with its query; parts of the query without a value are left out.
    private func address(_ template: String, _ arguments: Arguments) -> String {
        let parts = template.split(separator: "?", maxSplits: 1).map(String.init)
        let path = filled(parts.first ?? "", arguments, isAddress: true)
        guard parts.count == 2 else { return path }
        let pairs = parts[1].split(separator: "&").map {
            filled(String($0), arguments, isAddress: true)
        }
        let said = pairs.filter { $0.last != "=" }
        return said.isEmpty ? path : "\(path)?\(said.joined(separator: "&"))"
    }

    /// Fills in the places of a text, each once: what is filled in is never looked at again.
    private func filled(_ text: String, _ arguments: Arguments, isAddress: Bool) -> String {
        var filled = ""
        var rest = text[...]
        while let open = rest.firstIndex(of: "{"),
            let close = rest[open...].firstIndex(of: "}")
        {
            let name = String(rest[rest.index(after: open)..<close])
            filled += rest[..<open]
            if let value = value(of: name, arguments) {
                // Commas separate the names of a list.
                filled += isAddress ? value.percentEncoded(keeping: ",") : value
            } else {
                filled += rest[open...close]
            }
            rest = rest[rest.index(after: close)...]
        }
        return filled + rest
    }

    private func value(of name: String, _ arguments: Arguments) -> String? {
        if name == "fields" { return arguments.fields.map(\.text).joined(separator: ",") }
        return arguments.texts[name] ?? variables[name]
    }

    private func json(_ template: RESTDescription.Template, _ arguments: Arguments) -> JSON {
        switch template {
        case .text("{ids}"): .list(arguments.ids.map { .text($0.text) })
        case .text("{fields}"): .list(arguments.fields.map { .text($0.text) })
        case .text("{values}"):
            .object(
                arguments.values.reduce(into: [:]) { $0[$1.key.text] = .text($1.value) })
        case .text(let text): .text(filled(text, arguments, isAddress: false))
        case .number(let number): .number(Decimal(number))
        case .flag(let flag): .flag(flag)
        case .list(let list): .list(list.map { json($0, arguments) })
        case .object(let object): .object(object.mapValues { json($0, arguments) })
        case .eachID(let element):
            .list(
                arguments.ids.map { id in
                    var arguments = arguments
                    arguments.texts["id"] = id.text
                    return json(element, arguments)
                })
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
        }
    }
}
