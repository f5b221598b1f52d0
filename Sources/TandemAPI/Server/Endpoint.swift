import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel

/// One place of the API, and what is done there inside one transaction.
struct Endpoint: Sendable {
    let method: HTTPRequest.Method
    /// Variable parts are written `:name`.
    let path: String
    let need: RequiredScope
    let writes: Bool
    /// Searches carry no rate headers.
    let isSearch: Bool
    let handle: @Sendable (EndpointContext) throws -> APIResponse

    private init(
        _ method: HTTPRequest.Method, _ path: String, _ need: RequiredScope, writes: Bool,
        isSearch: Bool = false,
        _ handle: @escaping @Sendable (EndpointContext) throws -> APIResponse
    ) {
        self.method = method
        self.path = path
        self.need = need
        self.writes = writes
        self.isSearch = isSearch
        self.handle = handle
    }

    /// Reads with GET.
    static func read(
        _ path: String, _ need: RequiredScope,
        _ handle: @escaping @Sendable (EndpointContext) throws -> APIResponse
    ) -> Self {
        Self(.get, path, need, writes: false, handle)
    }

    /// Reads what a body asks for.
    static func read(
        _ method: HTTPRequest.Method, _ path: String, _ need: RequiredScope, isSearch: Bool = false,
        _ handle: @escaping @Sendable (EndpointContext) throws -> APIResponse
    ) -> Self {
        Self(method, path, need, writes: false, isSearch: isSearch, handle)
    }

    static func write(
        _ method: HTTPRequest.Method, _ path: String, _ need: RequiredScope,
        _ handle: @escaping @Sendable (EndpointContext) throws -> APIResponse
    ) -> Self {
        Self(method, path, need, writes: true, handle)
    }

    /// Whether a path is one of this endpoint's, whatever the method.
    func takes(_ parts: [String]) -> Bool {
        let pattern = path.split(separator: "/")
        return pattern.count == parts.count
            && zip(pattern, parts).allSatisfy { $0.hasPrefix(":") || $0 == $1 }
    }

    static let all =
        records + batches + searches + associations + labels + oldAssociations + properties
        + pipelines + schemas + owners + lists + account
}

/// A request inside the gate, with the store of its transaction.
struct EndpointContext {
    let call: APIRequest
    let session: Session
    let token: Token
    let server: APIServer

    var reader: CRMReader { session.reader }
    /// Writes are filed under the token.
    var writer: CRMWriter { get throws { try session.writer(.token(token.id)) } }
    var schema: CRMSchema { session.schema }
    var account: Int64 { server.settings.account }

    /// The object that the path names.
    func object(_ parameter: String = "object") throws -> ObjectName {
        try session.object(call.parameter(parameter))
    }
}
