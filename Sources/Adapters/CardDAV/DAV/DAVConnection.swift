import Foundation
import Synchronization
import TandemHTTP
import TandemModel
import TandemSupport

/// Requests to one CardDAV server, with its way to ask for a password, and answers as errors.
final class DAVConnection: Sendable {
    private let client: HTTPClient
    private let isSecure: Bool
    /// The address that the user named.
    private let start: String
    private let username: String?
    private let password: String?
    private let auth: CardDAVAdapter.Settings.Auth?
    private let signIn = Mutex(SignIn())

    private struct SignIn {
        /// The way in which the server took the password.
        var scheme: HTTPCredentials.Scheme?
        /// What the last refusal was about, in words.
        var tried = ""
    }

    init(_ settings: CardDAVAdapter.Settings) {
        client = HTTPClient(
            .init(timeoutSeconds: settings.timeoutSeconds, caFile: settings.caFile))
        let text = settings.url.trimmed
        start = text.contains("://") ? text : "https://" + text
        isSecure = !settings.url.lowercased().hasPrefix("http://")
        username = settings.username
        password = settings.password
        auth = settings.auth
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
        case 401 where !mayShowPassword(to: response.url):
            let host = URL(string: response.url)?.host ?? response.url
            throw .askOperator(
                .notFound,
                "\(request.url) leads to \(response.url), on another host, to which the password is not shown",
                remedy: "If \(host) is right, write its address in `url`.")
        case 401:
            let tried = signIn.withLock(\.tried)
            throw .askOperator(
                .authentication,
                "\(request.url) refuses the user name or password\(tried.isEmpty ? "" : " (\(tried))")",
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
    /// shown to nobody, so that a server that asks for a digest never sees it. Where it offers several ways
    /// and does not take the password in one, the next is tried.
    func send(_ request: HTTPRequest) async throws(HTTPFailure) -> HTTPResponse {
        let known = signIn.withLock(\.scheme)
        let shown = mayShowPassword(to: request.url) ? known : nil
        var response = try await client.send(request, credentials: credentials(shown))
        guard response.status == 401, username != nil, mayShowPassword(to: response.url) else {
            return response
        }
        let offers = response.headers("WWW-Authenticate")
        var tried = shown.map { [$0] } ?? []
        for scheme in ways(of: offers) where scheme != shown {
            response = try await client.send(request, credentials: credentials(scheme))
            tried.append(scheme)
            if response.status != 401 {
                signIn.withLock { $0.scheme = scheme }
                return response
            }
        }
        let names = tried.map { $0 == .digest ? "digest" : "basic" }.joined(separator: ", then ")
        let offered = Set(offers.compactMap { $0.split(separator: " ").first }).sorted()
        let text =
            tried.isEmpty
            ? "it offers \(offered.isEmpty ? "no way to sign in" : offered.joined(separator: ", "))"
            : "tried by \(names)"
        signIn.withLock { $0.tried = text }
        return response
    }

    /// The ways in which the password may be shown, of those that the server offers: first the one that does
    /// not give it away, and then the plain one only where nobody can listen.
    private func ways(of offers: [String]) -> [HTTPCredentials.Scheme] {
        let names = offers.map { $0.lowercased() }
        let hasDigest = names.contains { $0.contains("digest") }
        // Who says nothing of it takes what everybody knows.
        let hasBasic = names.isEmpty || names.contains { $0.contains("basic") }
        switch auth {
        case .basic: return hasBasic ? [.basic] : []
        case .digest: return hasDigest ? [.digest] : []
        case nil where hasDigest && hasBasic: return isPrivate ? [.digest, .basic] : [.digest]
        case nil: return hasDigest ? [.digest] : hasBasic ? [.basic] : []
        }
    }

    /// Nobody on the way can read what is sent.
    private var isPrivate: Bool {
        let host = URL(string: start)?.host ?? ""
        return isSecure || host == "localhost" || host == "[::1]" || host == "::1"
            || host.hasPrefix("127.")
    }

    /// Whether the password is for this address.
    ///
    /// It is for the server that the user named, and for hosts of the same domain that show by their
    /// certificate that they are: big services have one for each user. An answer that names any
    /// other address is not followed with it.
    private func mayShowPassword(to url: String) -> Bool {
        if HTTPClient.isSameOrigin(url, start) { return true }
        return isSecure && HTTPClient.isOfOneDomain(url, start)
    }

    private func credentials(_ scheme: HTTPCredentials.Scheme?) -> HTTPCredentials? {
        guard let username, let scheme else { return nil }
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
