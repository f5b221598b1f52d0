import FoundationEssentials
package import TandemHTTP
package import TandemModel
package import TandemSupport

/// How an app gives access by OAuth 2 (RFC 6749); texts are templates over the connection's
/// variables.
package struct OAuthDescription: Hashable, Sendable {
    package enum Grant: String, Hashable, Sendable, CaseIterable {
        /// A person consents in a browser (RFC 6749 §4.1, with PKCE, RFC 7636).
        case authorizationCode = "authorization-code"
        /// A person consents on another machine (RFC 8628).
        case device
        /// The program itself is the account (RFC 6749 §4.4).
        case clientCredentials = "client-credentials"
        /// A service account signs for itself (RFC 7523 §2.1).
        case jwtBearer = "jwt-bearer"

        /// Whether a person must have consented before.
        package var needsConsent: Bool { self == .authorizationCode || self == .device }
    }

    /// How the client shows who it is (RFC 6749 §2.3).
    package enum ClientAuthentication: String, Hashable, Sendable, CaseIterable {
        case basic, body, none
    }

    /// The ones that the app knows; a connection's `grant` picks one, and else it is the first.
    package fileprivate(set) var grants: [Grant]
    /// Where a person consents.
    package fileprivate(set) var authorize: String
    package fileprivate(set) var token: String
    /// Where a code for another machine is given.
    package fileprivate(set) var device: String
    package fileprivate(set) var clientID: String
    package fileprivate(set) var clientSecret: String
    package fileprivate(set) var authentication: ClientAuthentication
    package fileprivate(set) var scopes: [String]
    /// What stands between scopes.
    package var scopeSeparator = " "
    /// Added to the address where a person consents.
    package fileprivate(set) var parameters: [String: String]
    /// What a service account says of itself, in a JWT; times are added (RFC 7519 §4.1).
    package var claims: [String: String] = [:]
    /// The private key that it signs with, in PEM.
    package var key = ""
    /// Where the token's answer names the address for everything else.
    package var base: String?

    package init(
        grants: [Grant], authorize: String, token: String, device: String, clientID: String,
        clientSecret: String, authentication: ClientAuthentication, scopes: [String],
        parameters: [String: String]
    ) {
        self.grants = grants
        self.authorize = authorize
        self.token = token
        self.device = device
        self.clientID = clientID
        self.clientSecret = clientSecret
        self.authentication = authentication
        self.scopes = scopes
        self.parameters = parameters
    }
}

extension OAuthDescription {
    /// The same with a connection's variables in the places of its texts.
    package func filled(_ variables: [String: String]) -> OAuthDescription {
        func fill(_ text: String) -> String { text.filling { variables[$0] } }
        let picked = variables["grant"].flatMap { Grant(rawValue: $0) }
        var filled = self
        filled.grants = picked.map { [$0] } ?? grants
        filled.authorize = fill(authorize)
        filled.token = fill(token)
        filled.device = fill(device)
        filled.clientID = fill(clientID)
        filled.clientSecret = fill(clientSecret)
        filled.scopes = scopes.map(fill)
        filled.parameters = parameters.mapValues(fill)
        filled.claims = claims.mapValues(fill)
        filled.key = fill(key)
        return filled
    }

    /// The variables of a connection that a grant cannot do without.
    package func needed(for grant: Grant) -> [String] {
        let texts: [String] =
            switch grant {
            case .authorizationCode: [authorize, token, clientID]
            case .device: [device, token, clientID]
            case .clientCredentials: [token, clientID, clientSecret]
            case .jwtBearer: [token, key, claims["iss"] ?? ""]
            }
        return Set(texts.flatMap(\.places)).sorted()
    }

    /// The grant that is used.
    package var grant: Grant { grants.first ?? .authorizationCode }

    fileprivate var scope: String { scopes.joined(separator: scopeSeparator) }
}

/// What an app gave for access to one account.
package struct OAuthTokens: Codable, Hashable, Sendable {
    package let access: String
    package let refresh: String?
    /// The address that the app named for everything else; `nil` if it names none.
    package let base: String?
    /// In milliseconds since 1970; `nil` if the app does not say.
    private let end: Int64?

    package init(access: String, refresh: String?, expiresAt: Timestamp?, base: String? = nil) {
        self.access = access
        self.refresh = refresh
        self.base = base
        end = expiresAt?.milliseconds
    }

    /// When the access token ends; `nil` if the app does not say.
    package var expiresAt: Timestamp? { end.map { Timestamp(milliseconds: $0) } }
}

/// Where the tokens of one connection are kept, by all processes.
package protocol TokenVault: Sendable {
    /// - Throws: ``AppError`` if what is kept cannot be read.
    func load() throws(AppError) -> OAuthTokens?

    /// Keeps tokens; they are on the disk when this returns.
    ///
    /// - Throws: ``AppError`` if they cannot be kept.
    func save(_ tokens: OAuthTokens) throws(AppError)

    /// Runs `work` while no other process does the same for this connection.
    ///
    /// - Throws: ``AppError`` if `work` does, or the others do not come to an end.
    func exclusively(_ work: @Sendable () async throws(AppError) -> OAuthTokens)
        async throws(AppError) -> OAuthTokens
}

/// Requests to an app's token endpoint.
package struct OAuthClient: Sendable {
    package let description: OAuthDescription
    private let client: HTTPClient
    private let now: @Sendable () -> Timestamp

    /// - Parameters:
    ///   - description: With the connection's variables filled in.
    ///   - client: What requests go through.
    ///   - now: The time.
    package init(
        _ description: OAuthDescription, _ client: HTTPClient,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.description = description
        self.client = client
        self.now = now
    }

    /// What the token endpoint answered.
    package enum Answer: Sendable {
        case tokens(OAuthTokens)
        /// RFC 6749 §5.2: the word of the error, and its text.
        case refused(String, String)
    }

    /// Where a person consents (RFC 6749 §4.1.1).
    package func consentAddress(redirect: String, state: String, challenge: String) -> String {
        let asked = [
            "response_type": "code", "client_id": description.clientID, "redirect_uri": redirect,
            "scope": description.scope, "state": state,
            "code_challenge": challenge, "code_challenge_method": "S256",
        ].merging(description.parameters) { $1 }
        let separator = description.authorize.contains("?") ? "&" : "?"
        return description.authorize + separator + asked.filter { !$0.value.isEmpty }.form
    }

    /// Asks for tokens.
    ///
    /// - Parameters:
    ///   - asked: Grant type and what belongs to it.
    ///   - before: The tokens so far; an app that gives no new refresh token leaves the old one.
    /// - Returns: The tokens, or the app's no.
    /// - Throws: ``AppError/tryLater(_:_:afterSeconds:)`` if the app cannot be reached.
    package func ask(_ asked: [String: String], before: OAuthTokens? = nil)
        async throws(AppError) -> Answer
    {
        let (status, body) = try await post(description.token, asked)
        if let access = body["access_token"]?.text {
            let seconds = body["expires_in"]?.field.flatMap { Int64($0) }
            let base = description.base.flatMap { body.at($0)?.text } ?? before?.base
            if description.base != nil, base.map({ !isTrusted($0) }) ?? true {
                return .refused("base", "the answer names no address that could be trusted")
            }
            return .tokens(
                OAuthTokens(
                    access: access, refresh: body["refresh_token"]?.text ?? before?.refresh,
                    // Nought stands for never.
                    expiresAt: seconds.flatMap { $0 == 0 ? nil : now() + .seconds($0) },
                    base: base))
        }
        let word = body["error"]?.text ?? "status \(status)"
        if status >= 500 || status == 429 {
            throw .tryLater(.appUnavailable, "\(description.token): \(word)", afterSeconds: nil)
        }
        return .refused(word, body["error_description"]?.text ?? word)
    }

    /// Tokens are shown to that address: it must be as safe as the one that they came from.
    private func isTrusted(_ base: String) -> Bool {
        base.hasPrefix("https://")
            || base.hasPrefix("http://") && description.token.hasPrefix("http://")
    }

    /// Asks for a code that a person types on another machine (RFC 8628 §3.1).
    ///
    /// - Throws: ``AppError`` if the app gives none.
    package func deviceCode() async throws(AppError) -> JSON {
        let (status, body) = try await post(description.device, ["scope": description.scope])
        if body["device_code"]?.text != nil { return body }
        throw .askOperator(
            .authentication,
            "\(description.device) gives no code: \(body["error"]?.text ?? "status \(status)")",
            remedy: "Correct `client-id`, or `oauth` in the app's description.")
    }

    /// Asks for tokens that need nobody's consent.
    ///
    /// - Returns: The tokens, or the app's no.
    /// - Throws: ``AppError/tryLater(_:_:afterSeconds:)`` if the app cannot be reached.
    package func withoutConsent() async throws(AppError) -> Answer {
        guard description.grant == .jwtBearer else {
            let asked = ["grant_type": "client_credentials", "scope": description.scope]
            return try await ask(asked.filter { !$0.value.isEmpty })
        }
        let assertion: String
        do {
            assertion = try JWT.signed(description.claims, at: now(), with: description.key)
        } catch {
            throw .askOperator(
                .authentication, "the private key of the service account cannot be used: \(error)",
                remedy:
                    "Name a file with an RSA key of 2048 bits or more, in PEM, for the connection.")
        }
        return try await ask([
            "grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": assertion,
        ])
    }

    private func post(_ url: String, _ asked: [String: String]) async throws(AppError) -> (
        status: Int, body: JSON
    ) {
        var form = asked
        var credentials: HTTPCredentials?
        switch description.authentication {
        case .basic:
            // Both are encoded before they are put together (RFC 6749 §2.3.1).
            credentials = HTTPCredentials(
                username: description.clientID.percentEncoded(keeping: ""),
                password: description.clientSecret.percentEncoded(keeping: ""), scheme: .basic)
        case .body:
            form["client_id"] = description.clientID
            form["client_secret"] = description.clientSecret
        case .none: form["client_id"] = description.clientID
        }
        let request = HTTPRequest(
            "POST", url,
            headers: [
                ("Content-Type", "application/x-www-form-urlencoded"),
                ("Accept", "application/json"),
            ], body: Array(form.form.utf8))
        let response: HTTPResponse
        do { response = try await client.send(request, credentials: credentials) } catch {
            throw error.appError(url)
        }
        return (response.status, JSON(parsing: response.body) ?? .null)
    }
}

/// The tokens of one connection, renewed before they run out, once for everybody who needs them.
package actor TokenSource: AccessSource {
    private let client: OAuthClient
    private let vault: any TokenVault
    private let connection: ConnectionName
    private let now: @Sendable () -> Timestamp
    private let renewal = SharedWork<OAuthTokens>()

    /// How long before its end a token is renewed.
    private static let margin = Span.seconds(60)

    package init(
        _ client: OAuthClient, _ vault: any TokenVault, of connection: ConnectionName,
        now: @escaping @Sendable () -> Timestamp
    ) {
        self.client = client
        self.vault = vault
        self.connection = connection
        self.now = now
    }

    /// A token that holds for a while.
    ///
    /// - Parameter refused: One that the app took no more; another one is given.
    /// - Returns: The token, and the address that came with it.
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` if a person must consent first.
    package func access(instead refused: Access?) async throws(AppError) -> Access {
        let refused = refused?.token.field
        if let known = try vault.load(), isFresh(known, refused) { return Self.access(known) }
        let tokens = try await renewal.value { () async throws(AppError) in
            try await self.renewed(refused)
        }
        return Self.access(tokens)
    }

    private static func access(_ tokens: OAuthTokens) -> Access {
        Access(token: .text(tokens.access), base: tokens.base)
    }

    private nonisolated func isFresh(_ tokens: OAuthTokens, _ refused: String?) -> Bool {
        tokens.access != refused && (tokens.expiresAt.map { $0 > now() + Self.margin } ?? true)
    }

    private nonisolated func renewed(_ refused: String?) async throws(AppError) -> OAuthTokens {
        try await vault.exclusively { () async throws(AppError) -> OAuthTokens in
            // Another process may have been first, and with rotation only one may be.
            let known = try vault.load()
            if let known, isFresh(known, refused) { return known }
            let answer = try await ask(known)
            guard case .tokens(let tokens) = answer else { throw refusal(answer) }
            // Kept before it is used: the one before is worth nothing any more.
            try vault.save(tokens)
            return tokens
        }
    }

    private nonisolated func ask(_ known: OAuthTokens?) async throws(AppError) -> OAuthClient.Answer
    {
        if let refresh = known?.refresh {
            return try await client.ask(
                ["grant_type": "refresh_token", "refresh_token": refresh], before: known)
        }
        if !client.description.grant.needsConsent { return try await client.withoutConsent() }
        return .refused("none", "nobody has consented yet")
    }

    private nonisolated func refusal(_ answer: OAuthClient.Answer) -> AppError {
        let text = if case .refused(_, let text) = answer { text } else { "" }
        let remedy =
            switch client.description.grant {
            case .authorizationCode, .device: "Run `tandem connect \(connection)`."
            case .clientCredentials: "Correct `client-id` and `client-secret` of the connection."
            case .jwtBearer: "Correct the key of the connection, or what the app knows of it."
            }
        return .askOperator(
            .authentication, "\(connection): no access: \(text)", remedy: remedy)
    }
}
