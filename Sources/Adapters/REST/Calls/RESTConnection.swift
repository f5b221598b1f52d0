import FoundationEssentials
import TandemHTTP
import TandemModel
import TandemSupport

/// Requests to one account of a described app, and its answers as errors.
struct RESTConnection: Sendable {
    let description: RESTDescription
    /// The variables of the connection, with `url`.
    let variables: [String: String]
    let budget: RateBudget
    /// What the mapping says of the fields' types.
    let types: [AppField: ValueType]
    private let access: (any AccessSource)?
    private let client: HTTPClient
    /// Notes what goes over the wire, for people who look for a mistake.
    var trace: RESTTrace?

    /// How often a read is repeated that the app puts off, and the longest wait for one.
    private static let attempts = 4
    private static let patienceSeconds: Int64 = 60

    init(
        _ description: RESTDescription, _ variables: [String: String], _ client: HTTPClient,
        _ budget: RateBudget, _ access: (any AccessSource)?, types: [AppField: ValueType]
    ) {
        self.description = description
        self.variables = variables
        self.client = client
        self.budget = budget
        self.access = access
        self.types = types
    }

    /// Sends a call that only reads, and whose failure ends whatever it is part of.
    ///
    /// - Throws: ``AppError`` if there is no answer, or one that is no success.
    func call(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(AppError)
        -> Success
    {
        try success(try await answer(to: call, arguments), call)
    }

    /// Sends a call that only reads, and gives whatever is answered.
    ///
    /// An app that is busy is asked again, as late as it wants.
    ///
    /// - Throws: ``AppError`` if there is no answer.
    func answer(to call: RESTDescription.Call, _ arguments: Arguments) async throws(AppError)
        -> Answer
    {
        var attempt = 0
        while true {
            attempt += 1
            let answer: Answer
            do { answer = try await send(call, arguments) } catch {
                throw error.appError(place(of: call))
            }
            let isPutOff = [429, 502, 503, 504].contains(answer.response.status)
            let wait = answer.response.retryAfterSeconds ?? Int64(1 << attempt)
            guard isPutOff, attempt < Self.attempts, wait <= Self.patienceSeconds else {
                return answer
            }
            await budget.pause(seconds: wait)
        }
    }

    /// The address of a call without its query, for people.
    private func place(of call: RESTDescription.Call) -> String {
        root(Arguments()) + (call.path.split(separator: "?").first ?? "")
    }

    /// - Throws: ``AppError`` for an answer that is no success.
    func success(_ answer: Answer, _ call: RESTDescription.Call) throws(AppError) -> Success {
        guard answer.verdict == .yes else { throw failure(answer, call.path) }
        guard answer.isJSON else {
            throw .tryLater(
                .appUnavailable,
                "\(call.path) answers with something that is no JSON: "
                    + message(answer.body, answer.response.status),
                afterSeconds: nil)
        }
        return Success(answer: answer)
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
                    .rateLimit,
                    "\(path): the account's limits leave no room now (`tandem status` shows them)",
                    afterSeconds: seconds)
            }
        }
    }

    /// Sends a call and gives whatever is answered.
    ///
    /// Access that the app takes no more is renewed once.
    func send(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(Failure) -> Answer
    {
        guard let access else { return try await send(call, arguments, nil) }
        let known = try await self.access(from: access, instead: nil)
        let answer = try await send(call, arguments, known)
        let isRefused =
            answer.response.status == 401 || answer.verdict == .known(.accessExpired)
        if !isRefused { return answer }
        let renewed = try await self.access(from: access, instead: known)
        return try await send(call, arguments, renewed)
    }

    /// Has access ready, where it is needed.
    ///
    /// - Throws: ``AppError`` if there is none to be had.
    func requireAccess() async throws(AppError) {
        if let access { _ = try await access.access(instead: nil) }
    }

    private func access(from source: any AccessSource, instead refused: Access?)
        async throws(Failure) -> Access
    {
        do { return try await source.access(instead: refused) } catch { throw .noAccess(error) }
    }

    private func send(_ call: RESTDescription.Call, _ arguments: Arguments, _ access: Access?)
        async throws(Failure) -> Answer
    {
        var arguments = arguments
        arguments.access = access
        let root = root(arguments)
        let request = request(call, arguments, root)
        let credentials = description.basic.map { basic in
            HTTPCredentials(
                username: filled(basic.username, arguments, .text),
                password: filled(basic.password, arguments, .text), scheme: .basic)
        }
        if let seconds = await budget.take(cost: call.cost, patienceSeconds: Self.patienceSeconds) {
            throw .busy(seconds)
        }
        let response: HTTPResponse
        do { response = try await client.send(request, credentials: credentials) } catch {
            throw .http(error)
        }
        trace?.append(request, response, hiding: access?.token.field)
        await heed(response)
        // A token that comes back is nobody's data.
        let token = [access?.token.field].compactMap(\.self).filter { $0.count >= 8 }
        func masked(_ bytes: [UInt8]) -> String {
            RESTTrace.masked(String(decoding: bytes, as: UTF8.self), token)
        }
        let bytes =
            response.status >= 400 ? Array(masked(response.body).utf8) : response.body
        let json = bytes.isEmpty ? .null : JSON(parsing: bytes)
        let body = json ?? .text(masked(bytes))
        return Answer(
            response: response, body: body, isJSON: json != nil, root: root,
            verdict: verdict(on: body, response.status))
    }

    private func request(_ call: RESTDescription.Call, _ arguments: Arguments, _ root: String)
        -> HTTPRequest
    {
        var url = arguments.address ?? root + address(call.path, arguments)
        for (name, template) in description.query.sorted(by: { $0.key < $1.key }) {
            let value = filled(template, arguments, .text).percentEncoded()
            url += "\(url.contains("?") ? "&" : "?")\(name.percentEncoded())=\(value)"
        }
        var headers: [(name: String, value: String)] = [("Accept", "application/json")]
        let own = call.headers.merging(arguments.headers) { $1 }
        for (name, template) in own.sorted(by: { $0.key < $1.key }) {
            let value = filled(template, arguments, .text)
            if !value.isEmpty { headers.append((name, value)) }
        }
        var bytes: [UInt8]?
        if let template = call.body {
            let type = headers.first { $0.name.lowercased() == "content-type" }?.value
            if type == nil { headers.append(("Content-Type", "application/json")) }
            let body = json(template, arguments)
            let form = (body.members ?? [:]).mapValues { $0.field ?? "" }.form
            bytes = type == Self.formType ? Array(form.utf8) : body.bytes
        }
        var request = HTTPRequest(call.method, url, headers: headers, body: bytes)
        request.secrets = description.headers.sorted { $0.key < $1.key }.map {
            ($0.key, filled($0.value, arguments, .text))
        }
        return request
    }

    /// RFC 1866 §8.2.1.
    private static let formType = "application/x-www-form-urlencoded"

    /// An app that says that nothing is left is asked nothing until there is something again.
    private func heed(_ response: HTTPResponse) async {
        let limits = description.limits
        guard let remaining = limits.remaining.flatMap({ response.header($0) }),
            let left = Decimal(canonical: remaining), left < 1,
            let seconds = limits.reset.flatMap({ response.header($0) }).flatMap({ Int64($0) }),
            (1...Self.patienceSeconds).contains(seconds)
        else { return }
        await budget.pause(seconds: seconds)
    }

    /// Values that show who we are: those of variables that are secret, or from which credentials
    /// are made.
    var secrets: [String] {
        var texts = Array(description.headers.values) + description.query.values
        if let basic = description.basic { texts.append(basic.password) }
        if let oauth = description.oauth { texts.append(oauth.clientSecret) }
        let hidden = description.variables.filter(\.isSecret).map(\.name)
        let shown = variables.filter { name, _ in
            hidden.contains(name) || texts.contains { $0.contains("{\(name)}") }
        }.map(\.value)
        guard let basic = description.basic else { return shown }
        // As the header has it, which a server may echo.
        let pair = [basic.username, basic.password].map { filled($0, Arguments(), .text) }
        return shown + [Data(pair.joined(separator: ":").utf8).base64EncodedString()]
    }

    /// The address of a next page, which must be of the connection's own host: credentials go with
    /// it.
    ///
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` for another host.
    func page(_ link: String, of call: RESTDescription.Call, at root: String) throws(AppError)
        -> String
    {
        guard let url = HTTPClient.absolute(link, from: root + "/"),
            HTTPClient.isSameOrigin(url, root)
        else {
            throw .askOperator(
                .mapping, "\(call.path) leads to its next page on another host",
                remedy: "Name the address that the app itself uses as `url`.")
        }
        return url
    }
}

extension [String: String] {
    /// Names and values as a form has them, and the query of an address (RFC 1866 §8.2.1).
    var form: String {
        sorted { $0.key < $1.key }.map { "\($0.percentEncoded())=\($1.percentEncoded())" }
            .joined(separator: "&")
    }
}
