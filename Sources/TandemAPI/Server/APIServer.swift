import FoundationEssentials
import HTTPTypes
import Hummingbird
package import Logging
import NIOCore
import Synchronization
package import TandemCRM
import TandemDatabase
package import TandemModel
package import TandemSupport

/// The CRM API over HTTP, compatible with HubSpot's: start reading at ``respond(to:_:at:)``.
///
/// Endpoints are data: each says its path, what a token needs for it, whether it writes, and what
/// it does inside one transaction of the store. Differences from HubSpot are listed in
/// `Docs/api.md`.
package struct APIServer: Sendable {
    /// Where it listens, and what it must know of the configuration.
    package struct Settings: Sendable {
        package let host: String
        /// 0 for any free port.
        package let port: Int
        /// Requests of one token within ten seconds.
        package let rateLimit: Int
        /// Requests of one token within a day, UTC; `nil` for any number.
        package let dailyLimit: Int?
        /// The number of the account (`portalId`, `hubId`).
        package let account: Int64

        package init(host: String, port: Int, rateLimit: Int, dailyLimit: Int?, account: Int64) {
            self.host = host
            self.port = port
            self.rateLimit = rateLimit
            self.dailyLimit = dailyLimit
            self.account = account
        }
    }

    /// What a new configuration changes while it runs.
    package final class Rules: Sendable {
        private let state: Mutex<State>

        private struct State {
            var marketing: MarketingRules
            var refusesCompanyMerges: Bool
        }

        package init(marketing: MarketingRules, refusesCompanyMerges: Bool) {
            state = Mutex(
                State(marketing: marketing, refusesCompanyMerges: refusesCompanyMerges))
        }

        package func set(marketing: MarketingRules, refusesCompanyMerges: Bool) {
            state.withLock {
                $0 = State(marketing: marketing, refusesCompanyMerges: refusesCompanyMerges)
            }
        }

        var marketing: MarketingRules { state.withLock(\.marketing) }
        /// Companies cannot be merged while a Salesforce connection syncs them.
        var refusesCompanyMerges: Bool { state.withLock(\.refusesCompanyMerges) }
    }

    let settings: Settings
    let rules: Rules
    let backend: Backend
    let rate: RateGate
    let logger: Logger
    private let clients = ClientWatch()
    /// Makes a name for each request that nobody used before.
    let correlationID: @Sendable () -> String

    /// Larger requests are refused.
    private static let bodyLimit = 16 << 20

    /// How long a connection may be silent between requests, or within one.
    private static let idleTimeout = TimeAmount.seconds(30)

    /// How many requests read the store at once.
    private static let readers = 4

    package init(
        store: CRMStore, settings: Settings, rules: Rules, now: @escaping @Sendable () -> Timestamp,
        correlationID: @escaping @Sendable () -> String, logger: Logger
    ) {
        self.settings = settings
        self.rules = rules
        self.logger = logger
        self.correlationID = correlationID
        backend = Backend(store: store, readers: Self.readers, now: now)
        rate = RateGate(
            .init(perTenSeconds: settings.rateLimit, perDay: settings.dailyLimit))
    }

    package func run() async throws {
        let router = Router(context: CallContext.self, options: .autoGenerateHeadEndpoints)
        router.add(middleware: Fallback(server: self))
        for endpoint in Endpoint.all {
            router.on(RouterPath(endpoint.path), method: endpoint.method) { request, context in
                await respond(to: request, context, at: endpoint)
            }
        }
        let (logger, clients) = (logger, clients)
        let isListening = Atomic(false)
        let application = Application(
            router: router,
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [clients.handler()], idleTimeout: Self.idleTimeout)),
            configuration: .init(address: .hostname(settings.host, port: settings.port)),
            onServerRunning: { channel in
                isListening.store(true, ordering: .relaxed)
                logger.info(
                    "listening",
                    metadata: [
                        "address":
                            "\(channel.localAddress?.ipAddress ?? ""):\(channel.localAddress?.port ?? 0)"
                    ])
            },
            logger: Logger(label: "http") { _ in SwiftLogNoOpLogHandler() })
        do { try await application.run() } catch {
            try await backend.shutDown()
            throw isListening.load(ordering: .relaxed)
                ? error
                : ListenFailure(address: "\(settings.host):\(settings.port)", reason: "\(error)")
        }
        try await backend.shutDown()
    }

    /// Lets the request through the gate, reads it, does what the endpoint does, and answers.
    func respond(to request: Request, _ context: CallContext, at endpoint: Endpoint) async
        -> Response
    {
        let id = correlationID()
        var left: RateGate.Left?
        let client = clients.client(of: context.channel)
        do {
            let visit = try await visit(request, context, endpoint, client)
            left = visit.left
            return try response(visit.answer.get(), left, endpoint, id)
        } catch let refusal as Refusal {
            return response(refusal.error, refusal.left, endpoint, id)
        } catch let error as APIError {
            return response(error, left, endpoint, id)
        } catch let failure as DatabaseFailure where !client.isThere {
            logger.info("a read ended with its client", metadata: ["id": "\(id)"])
            return response(APIError(failure), left, endpoint, id)
        } catch {
            logger.error("a request failed", metadata: ["id": "\(id)", "why": "\(error)"])
            let failure = (error as? DatabaseFailure).map { APIError($0) } ?? .internalError
            return response(failure, left, endpoint, id)
        }
    }

    /// What a request was answered, and what its token has left.
    private struct Visit: Sendable {
        let answer: Result<APIResponse, APIError>
        let left: RateGate.Left
    }

    /// A request that was let in and then refused.
    private struct Refusal: Error {
        let error: APIError
        let left: RateGate.Left
    }

    private func visit(
        _ request: Request, _ context: CallContext, _ endpoint: Endpoint, _ client: ClientPresence
    ) async throws -> Visit {
        let secret = Self.secret(of: request)
        if endpoint.method == .get && !hasBody(request) {
            let call = try await call(request, context)
            return try await backend.read(for: client) { session in
                let (token, left) = try admit(secret, endpoint, session)
                return Visit(answer: try enter(call, token, endpoint, session), left: left)
            }
        }
        // Whoever may not come in is turned away before the body is read and writers wait.
        let (token, left) = try await backend.read(for: client) {
            try admit(secret, endpoint, $0)
        }
        do {
            let call = try await call(request, context)
            let work: @Sendable (Session) throws -> Result<APIResponse, APIError> = { session in
                try enter(call, token, endpoint, session)
            }
            let answer =
                endpoint.writes
                ? try await backend.write(work) : try await backend.read(for: client, work)
            return Visit(answer: answer, left: left)
        } catch let error as APIError {
            throw Refusal(error: error, left: left)
        }
    }

    private func hasBody(_ request: Request) -> Bool {
        request.headers[.transferEncoding] != nil
            || (request.headers[.contentLength] ?? "0") != "0"
    }

    /// The token of a request, and what it has left after it.
    ///
    /// - Throws: ``APIError`` for none, and a refusal for one too many.
    private func admit(_ secret: String?, _ endpoint: Endpoint, _ session: Session) throws -> (
        Token, RateGate.Left
    ) {
        let token = try token(secret, endpoint, session)
        let left = rate.count(token.id, at: session.now)
        guard let broken = left.broken else { return (token, left) }
        throw Refusal(error: APIError.tooMany(broken.policy, broken.seconds), left: left)
    }

    /// - Throws: ``APIError`` if what the request wrote is to be undone.
    private func enter(
        _ call: APIRequest, _ token: Token, _ endpoint: Endpoint, _ session: Session
    ) throws -> Result<APIResponse, APIError> {
        do {
            let scopes = try endpoint.need.scopes(call, session)
            guard scopes.isEmpty || !token.scopes.isDisjoint(with: scopes) else {
                throw APIError.missingScopes([scopes[0]])
            }
            let exchange = EndpointContext(call: call, session: session, token: token, server: self)
            return .success(try endpoint.handle(exchange))
        } catch {
            let refusal: APIError
            switch error {
            case let error as APIError: refusal = error
            case let error as CRMError: refusal = APIError(error)
            default: throw error
            }
            if endpoint.writes { throw refusal }
            return .failure(refusal)
        }
    }

    private func token(_ secret: String?, _ endpoint: Endpoint, _ session: Session) throws -> Token
    {
        if case .nothing = endpoint.need { return .nobody }
        guard let secret, let token = try TokenTable(session.connection).token(secret) else {
            throw APIError.unauthenticated
        }
        return token
    }

    /// Letters, digits and what stands in a host and its port (RFC 3986 §3.2.2).
    private static func isOfHost(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        default: "-.:[]".utf8.contains(byte)
        }
    }

    private func call(_ request: Request, _ context: CallContext) async throws -> APIRequest {
        let body: ByteBuffer
        let tooLarge = APIError(
            .contentTooLarge, "VALIDATION_ERROR",
            "the body is larger than \(Self.bodyLimit) bytes")
        if let said = request.headers[.contentLength].flatMap({ Int($0) }), said > Self.bodyLimit {
            throw tooLarge
        }
        do {
            body = try await request.body.collect(upTo: Self.bodyLimit)
        } catch is NIOTooManyBytesError {
            throw tooLarge
        } catch {
            throw APIError.invalid("the body is cut off, or its chunks are not well formed")
        }
        let type = request.headers[.contentType] ?? ""
        if body.readableBytes > 0, !type.lowercased().hasPrefix("application/json") {
            throw APIError(
                .unsupportedMediaType, nil,
                "Content-Type `\(type)` is not supported; expected application/json")
        }
        var parameters: [String: String] = [:]
        for (name, value) in context.parameters {
            parameters[String(name)] = Query.decoded(String(value))
        }
        // It comes back in links, so it must be a host and nothing else.
        let named = request.head.authority.flatMap { text in
            text.utf8.allSatisfy(Self.isOfHost) && !text.isEmpty ? text : nil
        }
        let host = named ?? "\(settings.host):\(settings.port)"
        let scheme = request.headers[.forwardedProto] == "https" ? "https" : "http"
        return APIRequest(
            path: request.uri.path, parameters: parameters, query: Query(request.uri.query),
            body: body, base: "\(scheme)://\(host)")
    }

    private static func secret(of request: Request) -> String? {
        let words = (request.headers[.authorization] ?? "").split(separator: " ")
        guard words.count == 2, words[0].lowercased() == "bearer" else { return nil }
        return String(words[1])
    }
}

/// The address of the API cannot be listened on.
package struct ListenFailure: Error, CustomStringConvertible {
    let address: String
    let reason: String

    package var description: String {
        "cannot listen on \(address): \(reason)\nEnd what uses the address, or change `http: listen`."
    }
}
