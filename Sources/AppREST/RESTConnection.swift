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
    private let access: (any AccessSource)?
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
        _ budget: RateBudget, _ access: (any AccessSource)?, types: [AppField: ValueType]
    ) {
        self.description = description
        self.variables = variables
        self.client = client
        self.budget = budget
        self.access = access
        self.types = types
    }

    /// What was answered to a call.
    struct Answer: Sendable {
        let response: HTTPResponse
        /// `nil` for what is no JSON, or nested too deeply to be a record; null for nothing at all.
        let body: JSON?
        /// What paths follow on; pages are there, too.
        let root: String

        /// Nothing was found, or nothing has changed (RFC 9110 §15.3.5, §15.4.5).
        var isEmpty: Bool { [204, 304].contains(response.status) }
    }

    /// An answer that says yes.
    struct Success: Sendable {
        let body: JSON
        let response: HTTPResponse
        let root: String
        let isEmpty: Bool

        /// - Returns: The records of the answer; `nil` if it has no list of them.
        func elements(_ records: RESTDescription.Records) -> [JSON]? {
            isEmpty ? [] : records.all(in: body)
        }
    }

    /// Sends a call that only reads, and whose failure ends whatever it is part of.
    ///
    /// An app that is busy is asked again, as late as it wants.
    ///
    /// - Throws: ``AppError`` if there is no answer, or one that is no success.
    func call(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(AppError)
        -> Success
    {
        var attempt = 0
        while true {
            attempt += 1
            let answer: Answer
            do { answer = try await send(call, arguments) } catch {
                throw error.appError(call.path)
            }
            let isPutOff = [429, 502, 503, 504].contains(answer.response.status)
            let wait = answer.response.waitSeconds ?? Int64(1 << attempt)
            guard isPutOff, attempt < Self.attempts, wait <= Self.patienceSeconds else {
                return try success(answer, call)
            }
            await budget.pause(seconds: wait)
        }
    }

    /// - Throws: ``AppError`` for an answer that is no success.
    func success(_ answer: Answer, _ call: RESTDescription.Call) throws(AppError) -> Success {
        let verdict = verdict(on: answer)
        guard verdict == .yes else { throw failure(answer, verdict, call.path) }
        guard let body = answer.body else {
            throw .tryLater(
                .appUnavailable, "\(call.path) answers with something that is no JSON",
                afterSeconds: nil)
        }
        return Success(
            body: body, response: answer.response, root: answer.root, isEmpty: answer.isEmpty)
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
    /// Access that the app takes no more is renewed once.
    func send(_ call: RESTDescription.Call, _ arguments: Arguments) async throws(Failure) -> Answer
    {
        guard let access else { return try await send(call, arguments, nil) }
        let known = try await self.access(from: access, instead: nil)
        let answer = try await send(call, arguments, known)
        let isRefused =
            if case .known(.accessExpired) = verdict(on: answer) { true } else {
                answer.response.status == 401
            }
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
        trace?.note(request, response, hiding: access?.token.field)
        await heed(response)
        let isNothing = response.body.isEmpty
        return Answer(
            response: response, body: isNothing ? .null : Self.json(response), root: root)
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
            bytes = type == Self.formType ? body.form : body.bytes
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
            let left = Decimal(string: remaining), left < 1,
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
        return variables.filter { name, _ in
            hidden.contains(name) || texts.contains { $0.contains("{\(name)}") }
        }.map(\.value)
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
}

/// What answers mean.
extension RESTConnection {
    enum Verdict: Hashable, Sendable {
        case yes
        case known(RESTDescription.ErrorRule.Known)
        case no(FailureCategory?)
    }

    /// Whether an answer says yes, and else what it means: by the first rule of the description that
    /// fits, else by its status.
    func verdict(on answer: Answer) -> Verdict {
        let status = answer.response.status
        let isYes =
            (200..<300).contains(status) || status == 304
        if isYes, !(description.failure.map { $0.isOn(answer.body ?? .null) } ?? false) {
            return .yes
        }
        return meaning(of: answer.body, status)
    }

    /// What something means that says no: an answer, or one result of a batch.
    func meaning(of body: JSON?, _ status: Int) -> Verdict {
        if let rule = rule(for: body, status) {
            return switch rule.meaning {
            case .category(let category): .no(category)
            case .known(let known): .known(known)
            }
        }
        return switch status {
        case 401: .no(.authentication)
        case 403: .no(.permission)
        case 404, 410: .known(.gone)
        case 412: .known(.conflict)
        case 429: .no(.rateLimit)
        // 477 is what some apps say of a lock; the others are in RFC 9110 §15.5 and RFC 4918 §11.3.
        case 408, 423, 425, 477: .no(.appUnavailable)
        default: .no(nil)
        }
    }

    func rule(for body: JSON?, _ status: Int) -> RESTDescription.ErrorRule? {
        let text = message(body, status).lowercased()
        return description.errors.first { rule in
            let hasCode = rule.code.map { code in
                code.places.contains { place in
                    (body?.at(place)?.field).map(code.values.contains) ?? false
                }
            }
            return (rule.status.map { $0 == status } ?? true) && hasCode ?? true
                && (rule.words.map { text.contains($0.lowercased()) } ?? true)
        }
    }

    /// What the app says went wrong.
    func message(_ body: JSON?, _ status: Int) -> String {
        let text = description.messages.lazy.compactMap { body?.at($0)?.field }.first {
            !$0.isEmpty
        }
        return text.map { String($0.prefix(500)) } ?? "status \(status)"
    }

    private func failure(_ answer: Answer, _ verdict: Verdict, _ path: String) -> AppError {
        let text = "\(path): \(message(answer.body, answer.response.status))"
        let wait = answer.response.waitSeconds
        switch verdict {
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

extension JSON {
    /// An object as a form (RFC 1866 §8.2.1).
    fileprivate var form: [UInt8] {
        let pairs = (members ?? [:]).sorted { $0.key < $1.key }.map { name, value in
            "\(name.percentEncoded())=\((value.field ?? "").percentEncoded())"
        }
        return Array(pairs.joined(separator: "&").utf8)
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

extension RESTDescription.Call {
    /// Whether a place of this name is filled in anywhere in the call.
    package func mentions(_ place: String) -> Bool {
        path.mentions(place) || headers.values.contains { $0.mentions(place) }
            || body?.mentions(place) ?? false
    }
}

extension RESTDescription.Template {
    fileprivate func mentions(_ place: String) -> Bool {
        switch self {
        case .text(let text): text.mentions(place)
        case .number, .flag, .null: false
        case .list(let list): list.contains { $0.mentions(place) }
        case .object(let object, let spread):
            object.values.contains { $0.mentions(place) } || spread.contains { $0.mentions(place) }
        case .elements(let inner), .eachID(let inner), .eachWrite(let inner): inner.mentions(place)
        }
    }
}

extension String {
    /// Whether a place of this name is in it, in any form.
    package func mentions(_ place: String) -> Bool {
        contains("{\(place)}") || contains("{\(place):") || contains("{+\(place)}")
    }
}
