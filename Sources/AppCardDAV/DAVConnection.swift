import Synchronization
import TandemHTTP
import TandemModel

/// Requests to one CardDAV server, with its way to ask for a password, and answers as errors.
final class DAVConnection: Sendable {
    private let client: HTTPClient
    private let isSecure: Bool
    /// The address that the user named.
    private let start: String
    private let username: String?
    private let password: String?
    private let scheme = Mutex<HTTPCredentials.Scheme?>(nil)

    init(_ settings: CardDAVApp.Settings) {
        client = HTTPClient(
            .init(timeoutSeconds: settings.timeoutSeconds, caFile: settings.caFile))
        let text = settings.url.trimmed
        start = text.contains("://") ? text : "https://" + text
        isSecure = !settings.url.lowercased().hasPrefix("http://")
        username = settings.username
        password = settings.password
    }

    /// Sends a request whose failure ends the whole call.
    ///
    /// - Parameters:
    ///   - request: What is sent.
    ///   - passing: Statuses that are the caller's business.
    /// - Returns: The answer.
    /// - Throws: ``AppError`` if there is no answer, or one of 401, 403, 429 or 5xx.
    func request(_ request: HTTPRequest, passing: Set<Int> = []) async throws(AppError)
        -> HTTPResponse
    {
        let response: HTTPResponse
        do { response = try await send(request) } catch { throw error.appError(request) }
        switch response.status {
        case let status where passing.contains(status): return response
        case 401:
            throw .askOperator(
                .authentication, "\(request.url) refuses the user name or password",
                remedy: "Correct `username` and `password` of the connection.")
        case 403 where DAVReply(response.body)?.errors.contains("valid-sync-token") != true:
            throw .askOperator(
                .permission, "\(request.url) may not be read by this user",
                remedy: "Give the user the right, or correct `url`.")
        case 429, 503:
            throw .tryLater(
                response.status == 429 ? .rateLimit : .appUnavailable,
                "\(request.url) answers \(response.status)",
                afterSeconds: response.retryAfterSeconds)
        case 500...:
            throw .tryLater(
                .appUnavailable, "\(request.url) answers \(response.status)", afterSeconds: nil)
        default: return response
        }
    }

    /// Sends a request and gives whatever is answered.
    ///
    /// The first refusal tells how the server wants to be shown the password; until then it is
    /// shown to nobody, so that a server that asks for a digest never sees it.
    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let shown = credentials(for: request)
        let response = try await client.send(request, credentials: shown)
        guard response.status == 401, shown == nil, username != nil, mayShowPassword(to: request)
        else { return response }
        let offers = response.headers("WWW-Authenticate").map { $0.lowercased() }
        let isDigest = offers.contains { $0.contains("digest") }
        scheme.withLock { $0 = isDigest ? .digest : .basic }
        return try await client.send(request, credentials: credentials(for: request))
    }

    /// Whether the password is for this address.
    ///
    /// It is for the server that the user named, and for hosts of the same domain that show by their
    /// certificate that they are: big services have one for each user. An answer that names any
    /// other address is not followed with it.
    private func mayShowPassword(to request: HTTPRequest) -> Bool {
        if HTTPClient.isSameOrigin(request.url, start) { return true }
        return isSecure && HTTPClient.isOfOneDomain(request.url, start)
    }

    private func credentials(for request: HTTPRequest) -> HTTPCredentials? {
        guard let username, mayShowPassword(to: request), let scheme = scheme.withLock({ $0 })
        else {
            return nil
        }
        return HTTPCredentials(username: username, password: password ?? "", scheme: scheme)
    }

    /// Asks for properties.
    ///
    /// - Throws: As ``request(_:)``, and if the answer is no `multistatus`.
    func propfind(_ url: String, depth: Int, _ properties: [String]) async throws(AppError)
        -> (reply: DAVReply, url: String)
    {
        let response = try await request(
            HTTPRequest(
                "PROPFIND", url,
                headers: [
                    ("Depth", "\(depth)"), ("Content-Type", "application/xml; charset=utf-8"),
                ],
                body: DAVBody.propfind(properties)))
        guard response.status == 207, let reply = DAVReply(response.body) else {
            throw .askOperator(
                .notFound,
                "\(url) answers \(response.status) to PROPFIND, so it is no CardDAV address",
                remedy:
                    "Correct `url`; it may be the server, the user's address, or the address book.")
        }
        return (reply, response.url)
    }

    func report(_ url: String, _ body: [UInt8], passing: Set<Int> = [])
        async throws(AppError) -> HTTPResponse
    {
        try await request(
            HTTPRequest(
                "REPORT", url,
                headers: [("Depth", "0"), ("Content-Type", "application/xml; charset=utf-8")],
                body: body), passing: passing)
    }
}

extension HTTPFailure {
    func appError(_ request: HTTPRequest) -> AppError {
        switch self {
        case .unreachable(let text), .interrupted(let text):
            .tryLater(.appUnavailable, "\(request.url): \(text)", afterSeconds: nil)
        case .untrusted(let text):
            .askOperator(
                .authentication, "\(request.url): \(text)",
                remedy: "If the server has its own authority, name its certificate in `ca-file`.")
        case .tooLarge(let limit):
            .askOperator(
                .invalidValue, "\(request.url) answers with more than \(limit) bytes",
                remedy: "Split the address book.")
        case .badRedirect(let text):
            .askOperator(.notFound, "\(request.url): \(text)", remedy: "Correct `url`.")
        case .unsendable(let text):
            .askOperator(
                .invalidValue, "\(request.url): \(text)", remedy: "Correct `url` or the card.")
        }
    }
}
