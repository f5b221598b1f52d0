/// One request; redirects are the client's business.
package struct HTTPRequest: Sendable {
    package let method: String
    /// Absolute, `http` or `https`.
    package let url: String
    package var headers: [(name: String, value: String)]
    /// Headers that only the host of the address sees; a redirect to another one goes without.
    package var secrets: [(name: String, value: String)] = []
    package var body: [UInt8]?

    package init(
        _ method: String, _ url: String, headers: [(name: String, value: String)] = [],
        body: [UInt8]? = nil
    ) {
        self.method = method
        self.url = url
        self.headers = headers
        self.body = body
    }
}

/// The answer to a request, complete.
package struct HTTPResponse: Sendable {
    package let status: Int
    /// Where the answer came from, after redirects.
    package let url: String
    package let body: [UInt8]
    private let headers: [(name: String, value: String)]

    /// In the order in which they came.
    package var allHeaders: [(name: String, value: String)] { headers }

    init(status: Int, url: String, headers: [(name: String, value: String)], body: [UInt8]) {
        self.status = status
        self.url = url
        self.headers = headers
        self.body = body
    }

    /// The first header of that name, without case.
    package func header(_ name: String) -> String? { headers(name).first }

    package func headers(_ name: String) -> [String] {
        headers.filter { $0.name.lowercased() == name.lowercased() }.map(\.value)
    }

    /// Retry-After in seconds; `nil` for none, and for its other form, a date.
    package var retryAfter: Int64? { header("Retry-After").flatMap { Int64($0) } }

    package var text: String { String(decoding: body, as: UTF8.self) }
}

/// Why there is no answer.
package enum HTTPFailure: Error, Hashable, Sendable {
    /// The server was never reached, so the request did nothing.
    case unreachable(String)
    /// The connection broke or the time ran out after the request may have been received.
    case interrupted(String)
    /// The server's certificate is not trusted.
    case untrusted(String)
    /// The answer is larger than the client allows.
    case tooLarge(limit: Int)
    /// More redirects than allowed, or one to another kind of address.
    case badRedirect(String)
}

/// Credentials, and how they are shown to a server.
package struct HTTPCredentials: Hashable, Sendable {
    package enum Scheme: Hashable, Sendable {
        case basic, digest
    }
    package let username: String
    package let password: String
    package let scheme: Scheme

    package init(username: String, password: String, scheme: Scheme) {
        self.username = username
        self.password = password
        self.scheme = scheme
    }
}
