import FoundationEssentials
import TandemHTTP
import TandemModel

/// Requests to one account of a described app, and its answers as errors.
struct RESTConnection: Sendable {
    let description: RESTDescription
    /// The variables of the connection, with `url`.
    let variables: [String: String]
    let budget: RateBudget
    /// What the mapping says of the fields' types.
    let types: [AppField: ValueType]
    /// Where the tokens of OAuth come from.
    private let tokens: TokenSource?
    private let client: HTTPClient
    /// Notes what goes over the wire, for people who look for a mistake.
    var trace: RESTTrace?

    /// How often a read is repeated that the app puts off, and the longest wait for one.
    private static let attempts = 4
    private static let patienceSeconds: Int64 = 60
    /// How deep an answer may be nested.
    private static let maximumDepth = 64

    init(
        _ description: RESTDescription, _ variables: [String: String], _ client: HTTPClient,
        _ budget: RateBudget, _ tokens: TokenSource?, types: [AppField: ValueType]
    ) {
        self.description = description
        self.variables = variables
        self.client = client
        self.budget = budget
        self.tokens = tokens
        self.types = types
    }

    /// What a call is filled in with besides the connection's variables.
    struct Arguments: Sendable {
        var texts: [String: String] = [:]
        var ids: [AppRecordID] = []
        var fields: [AppField] = []
        var values: [AppField: String] = [:]
        /// The address of a page, in the place of the call's own.
        var address: String?
        var headers: [String: String] = [:]
        var isTyped = false
    }

    /// Sends a call that only reads, and whose failure ends whatever it is part of.
    ///
    /// An app that is busy is asked again, as late as it wants.
    ///
    /// - Throws: ``AppError`` if there is no answer, or one that is no success.
    func call(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(AppError)
        -> (body: JSON, response: HTTPResponse)
    {
        var attempt = 0
        while true {
            attempt += 1
            let response: HTTPResponse
            do { response = try await send(call, arguments) } catch {
                throw error.appError(call.path)
            }
            if (200..<300).contains(response.status) {
                return (try body(of: response, call), response)
            }
            let wait = response.retryAfter ?? Int64(1 << attempt)
            guard [429, 502, 503, 504].contains(response.status), attempt < Self.attempts,
                wait <= Self.patienceSeconds
            else { throw failure(response, call.path) }
            await budget.pause(seconds: wait)
        }
    }

    private func body(of response: HTTPResponse, _ call: RESTDescription.Call) throws(AppError)
        -> JSON
    {
        guard let body = Self.json(response) else {
            throw .tryLater(
                .appUnavailable, "\(call.path) answers with something that is no JSON",
                afterSeconds: nil)
        }
        return body
    }

    /// Why a call has no answer.
    enum Failure: Error {
        case http(HTTPFailure)
        /// There is no token to send it with; nothing was sent.
        case noAccess(AppError)
        /// The account's limit leaves no room for so many seconds; nothing was sent.
        case busy(Int64)

        func appError(_ path: String) -> AppError {
            switch self {
            case .http(let failure): failure.appError(path)
            case .noAccess(let error): error
            case .busy(let seconds):
                .tryLater(
                    .rateLimit, "\(path): the account's limit is used up", afterSeconds: seconds)
            }
        }
    }

    /// Sends a call and gives whatever is answered.
    ///
    /// A token that the app takes no more is renewed once.
    func send(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(Failure)
        -> HTTPResponse
    {
        guard let tokens else { return try await send(call, arguments, token: nil) }
        let token = try await token(of: tokens, instead: nil)
        let response = try await send(call, arguments, token: token)
        guard response.status == 401 else { return response }
        let renewed = try await self.token(of: tokens, instead: token)
        return try await send(call, arguments, token: renewed)
    }

    /// Has a token ready, where one is needed.
    ///
    /// - Throws: ``AppError`` if there is none to be had.
    func requireAccess() async throws(AppError) {
        if let tokens { _ = try await tokens.token() }
    }

    private func token(of tokens: TokenSource, instead refused: String?) async throws(Failure)
        -> String
    {
        do { return try await tokens.token(instead: refused) } catch { throw .noAccess(error) }
    }

    private func send(
        _ call: RESTDescription.Call, _ arguments: Arguments, token: String?
    ) async throws(Failure) -> HTTPResponse {
        let url = arguments.address ?? root + address(call.path, arguments)
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        let own = call.headers.merging(arguments.headers) { $1 }
        for (name, template) in own.sorted(by: { $0.key < $1.key }) {
            headers.append((name, filled(template, arguments, isAddress: false)))
        }
        var bytes: [UInt8]?
        if let template = call.body {
            if !own.keys.contains(where: { $0.lowercased() == "content-type" }) {
                headers.append(("Content-Type", "application/json"))
            }
            bytes = json(template, arguments).bytes
        }
        var request = HTTPRequest(call.method, url, headers: headers, body: bytes)
        request.secrets = description.headers.sorted { $0.key < $1.key }.map {
            ($0.key, filled($0.value, arguments, isAddress: false))
        }
        if let token { request.secrets.append(("Authorization", "Bearer \(token)")) }
        let credentials = description.basic.map { basic in
            HTTPCredentials(
                username: filled(basic.username, arguments, isAddress: false),
                password: filled(basic.password, arguments, isAddress: false), scheme: .basic)
        }
        if let seconds = await budget.take(patienceSeconds: Self.patienceSeconds) {
            throw .busy(seconds)
        }
        do {
            let response = try await client.send(request, credentials: credentials)
            trace?.note(request, response)
            return response
        } catch {
            throw .http(error)
        }
    }

    /// Values that show who we are: those of variables from which credentials are made.
    var secrets: [String] {
        var texts = Array(description.headers.values)
        if let basic = description.basic { texts.append(basic.password) }
        if let oauth = description.oauth { texts.append(oauth.clientSecret) }
        return variables.filter { name, _ in texts.contains { $0.contains("{\(name)}") } }
            .map(\.value)
    }

    private var root: String {
        let base = variables["url"] ?? ""
        return base.hasSuffix("/") ? String(base.dropLast()) : base
    }

    /// The address of a next page, which must be of the connection's own host: credentials go with
    /// it.
    ///
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` for another host.
    func page(_ link: String, of call: RESTDescription.Call) throws(AppError) -> String {
        guard let url = HTTPClient.absolute(link, from: root + "/"),
            HTTPClient.isSameOrigin(url, root)
        else {
            throw .askOperator(
                .mapping, "\(call.path) leads to its next page on another host",
                remedy: "Name the address that the app itself uses as `url`.")
        }
        return url
    }

    /// Reads an answer; `nil` for what is no JSON, or nested too deeply to be a record.
    static func json(_ response: HTTPResponse) -> JSON? {
        var depth = 0
        var isInText = false
        var isEscaped = false
        for byte in response.body {
            if isInText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            default: break
            }
            if depth > maximumDepth { return nil }
        }
        return JSON(parsing: response.body)
    }

    /// What the app says went wrong.
    func message(_ response: HTTPResponse) -> String { message(response, Self.json(response)) }

    private func message(_ response: HTTPResponse, _ body: JSON?) -> String {
        let text = description.messages.lazy.compactMap { body?.at($0)?.field }.first {
            !$0.isEmpty
        }
        return text.map { String($0.prefix(500)) } ?? "status \(response.status)"
    }

    /// What an answer means by the first rule of the description that fits, else by its status.
    func category(_ response: HTTPResponse) -> FailureCategory? {
        let body = Self.json(response)
        let text = message(response, body).lowercased()
        let rule = description.errors.first { rule in
            let hasCode = rule.code.map { code in
                (body?.at(code.place)?.field).map(code.values.contains) ?? false
            }
            return (rule.status.map { $0 == response.status } ?? true) && hasCode ?? true
                && (rule.words.map { text.contains($0.lowercased()) } ?? true)
        }
        let usual: [Int: FailureCategory] = [401: .authentication, 403: .permission]
        return rule?.category ?? usual[response.status]
    }

    private func failure(_ response: HTTPResponse, _ path: String) -> AppError {
        let text = "\(path): \(message(response))"
        switch (response.status, category(response)) {
        case (_, .authentication?):
            return .askOperator(
                .authentication, text, remedy: "Correct the credentials of the connection.")
        case (_, .permission?):
            return .askOperator(
                .permission, text,
                remedy: "Give the account of the connection the right to do this.")
        case (429, _), (_, .rateLimit?):
            return .tryLater(.rateLimit, text, afterSeconds: response.retryAfter)
        case (408, _), (423, _), (425, _), (477, _), (500..., _), (_, .appUnavailable?):
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

    private func filled(_ text: String, _ arguments: Arguments, isAddress: Bool) -> String {
        text.filling { name in
            let value = value(of: name, arguments)
            // Commas separate the names of a list.
            return isAddress ? value?.percentEncoded(keeping: ",") : value
        }
    }

    private func value(of name: String, _ arguments: Arguments) -> String? {
        if name == "fields" { return arguments.fields.map(\.text).joined(separator: ",") }
        return arguments.texts[name] ?? variables[name]
    }

    private func json(_ template: RESTDescription.Template, _ arguments: Arguments) -> JSON {
        switch template {
        case .text("{ids}"): .list(arguments.ids.map { .text($0.text) })
        case .text("{fields}"): .list(arguments.fields.map { .text($0.text) })
        case .text("{values}"): values(arguments)
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

    /// The values as an object; a name with `/` in it leads into one inside.
    private func values(_ arguments: Arguments) -> JSON {
        arguments.values.sorted { $0.key < $1.key }.reduce(JSON.object([:])) { object, value in
            let path = value.key.text.split(separator: "/").map(String.init)
            let json = arguments.isTyped ? typed(value.value, value.key) : .text(value.value)
            return object.setting(path[...], json)
        }
    }

    private func typed(_ value: String, _ field: AppField) -> JSON {
        if value.isEmpty { return .null }
        switch types[field] {
        case .number: return Decimal(string: value).map { .number($0) } ?? .text(value)
        case .bool: return .flag(value == "true")
        case .multiEnumeration: return .list(value.split(separator: ";").map { .text("\($0)") })
        default: return .text(value)
        }
    }
}

extension JSON {
    /// The same with a value at a place inside of objects.
    fileprivate func setting(_ path: ArraySlice<String>, _ value: JSON) -> JSON {
        guard let name = path.first else { return value }
        var object = members ?? [:]
        object[name] = (object[name] ?? .null).setting(path.dropFirst(), value)
        return .object(object)
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
