package import TandemSupport

/// One request; redirects are the client's business.
package struct HTTPRequest: Sendable {
    package let method: String
    /// Absolute, `http` or `https`.
    package let url: String
    package var headers: [(name: String, value: String)]
    /// Headers that only the host of the address sees; a redirect to another one goes without.
    package var secrets: [(name: String, value: String)] = []
    package var body: [UInt8]?

    /// Methods that change nothing (RFC 9110 §9.2.1, RFC 4918 §9.1, RFC 3253 §3.6).
    var isRead: Bool { ["GET", "HEAD", "OPTIONS", "PROPFIND", "REPORT"].contains(method) }

    /// What must not go into the head of a request: a control character would end its line, and what
    /// follows would be a header of somebody else's making (RFC 9110 §5.5).
    var unsendable: String? {
        func isControl(_ byte: UInt8) -> Bool { byte < 0x20 && byte != 0x09 || byte == 0x7F }
        if method.utf8.contains(where: isControl)
            || url.utf8.contains(where: { isControl($0) || $0 == 0x20 })
        {
            return "its address has a blank or a control character in it"
        }
        let bad = (headers + secrets).first { header in
            header.name.utf8.contains(where: isControl)
                || header.value.utf8.contains(where: isControl)
        }
        return bad.map { "its header \($0.name) has a control character in it" }
    }

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

    /// The server's clock.
    package var date: Timestamp? { header("Date").flatMap { Timestamp(httpDate: $0) } }

    /// How long the server wants to be left alone, in seconds: `Retry-After` in either of its forms
    /// (RFC 9110 §10.2.3); from 0 to a day, whatever it says.
    package var retryAfterSeconds: Int64? {
        guard let text = header("Retry-After") else { return nil }
        let seconds =
            Int64(text)
            ?? Timestamp(httpDate: text).flatMap { end in
                date.map { (end - $0).milliseconds / 1_000 }
            }
        return seconds.map { min(max($0, 0), 86_400) }
    }

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
    /// More redirects than allowed, or one that must not be followed.
    case badRedirect(String)
    /// Something in the request cannot be sent as it is; nothing was.
    case unsendable(String)
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
