package import TandemHTTP
package import TandemModel
import TandemSupport

/// What shows an app that a request may be made: a token, or what a login gave.
package struct Access: Hashable, Sendable {
    let token: JSON
    /// The address that the app named for everything else; `nil` if it names none.
    let base: String?

    init(token: JSON, base: String? = nil) {
        self.token = token
        self.base = base
    }
}

/// Where access to one account comes from, for all that ask the account something.
package protocol AccessSource: Sendable {
    /// - Parameter refused: What the app takes no more; something else is given.
    /// - Returns: What to show.
    /// - Throws: ``AppError`` if there is none to be had.
    func access(instead refused: Access?) async throws(AppError) -> Access
}

/// Logs in when it is first needed, and again when the app takes the session no more.
package actor SessionSource: AccessSource {
    private let session: RESTDescription.Session
    private let connection: RESTConnection
    private var known: Access?
    private let login = SharedWork<Access>()

    /// - Parameters:
    ///   - session: The description's own.
    ///   - description: How the app is reached.
    ///   - variables: What the connection says, with `url`.
    ///   - budget: Shared by everything that asks this account.
    ///   - options: Limits of the requests.
    package init(
        _ session: RESTDescription.Session, of description: RESTDescription,
        _ variables: [String: String], _ budget: RateBudget, _ options: HTTPClient.Options
    ) {
        self.session = session
        connection = RESTConnection(
            description, variables, HTTPClient(options), budget, nil, types: [:])
    }

    package func access(instead refused: Access?) async throws(AppError) -> Access {
        if let known, known != refused { return known }
        let access = try await login.value { [session, connection] () async throws(AppError) in
            try await Self.logIn(session, connection)
        }
        known = access
        return access
    }

    private static func logIn(_ session: RESTDescription.Session, _ connection: RESTConnection)
        async throws(AppError) -> Access
    {
        let answer = try await connection.call(session.call, .init())
        let token = answer.body.at(session.access) ?? .null
        guard token != .null, token != .flag(false), token != .text("") else {
            throw .askOperator(
                .authentication, "\(session.call.path) gives no access",
                remedy: "Correct the credentials of the connection.")
        }
        return Access(token: token)
    }
}

/// Work that is done once for all who ask for it while it runs.
actor SharedWork<Value: Sendable> {
    private var running: Task<Result<Value, AppError>, Never>?

    func value(_ work: @escaping @Sendable () async throws(AppError) -> Value)
        async throws(AppError) -> Value
    {
        let task = running ?? Task { await finish(work) }
        running = task
        return try await task.value.get()
    }

    private func finish(_ work: @Sendable () async throws(AppError) -> Value) async
        -> Result<Value, AppError>
    {
        defer { running = nil }
        do throws(AppError) { return .success(try await work()) } catch { return .failure(error) }
    }
}
