import Foundation

/// HTTP over libcurl: many requests at once, connections kept, limits on everything.
package struct HTTPClient: Sendable {
    package struct Options: Hashable, Sendable {
        /// For a whole request; connecting alone may take 15 s.
        package var timeoutSeconds: Int
        /// The largest answer.
        package var maximumBytes: Int
        /// A file of certificate authorities in place of the system's.
        package var caFile: String?

        package init(timeoutSeconds: Int = 60, maximumBytes: Int = 256 << 20, caFile: String? = nil)
        {
            self.timeoutSeconds = timeoutSeconds
            self.maximumBytes = maximumBytes
            self.caFile = caFile
        }
    }

    private static let maximumRedirects = 5
    private let options: Options

    package init(_ options: Options = Options()) { self.options = options }

    /// Sends a request and follows redirects; method and body stay the same.
    ///
    /// Credentials and secret headers are shown to the host of the request and to no other: a redirect to
    /// another host, port or from `https` to `http` goes without them.
    ///
    /// - Returns: The last answer, whatever its status.
    /// - Throws: ``HTTPFailure``.
    package func send(_ request: HTTPRequest, credentials: HTTPCredentials?)
        async throws(HTTPFailure)
        -> HTTPResponse
    {
        if let why = request.unsendable {
            throw .unsendable("the request is not sent: \(why)")
        }
        var url = request.url
        var shown = credentials
        var secrets = request.secrets
        for _ in 0...Self.maximumRedirects {
            let hop = HTTPRequest(
                request.method, url, headers: request.headers + secrets, body: request.body)
            let response = try await exchange(hop, shown)
            guard [301, 302, 307, 308].contains(response.status),
                let location = response.header("Location")
            else { return response }
            let shortened = location.prefix { $0 != "?" }
            guard let next = Self.absolute(location, from: url) else {
                throw .badRedirect("the server redirects to \(shortened)")
            }
            if !Self.isSameOrigin(next, url) {
                // Nobody asked for what is written to be shown to another server, nor would its
                // answer say what became of it here.
                if !request.isRead {
                    throw .badRedirect(
                        "the server redirects a write to \(shortened); if that is the right address, "
                            + "write it (and `https`) in `url`")
                }
                (shown, secrets) = (nil, [])
            }
            url = next
        }
        throw .badRedirect("more than \(Self.maximumRedirects) redirects")
    }

    private func exchange(_ request: HTTPRequest, _ credentials: HTTPCredentials?)
        async throws(HTTPFailure) -> HTTPResponse
    {
        let options = options
        let result = await withCheckedContinuation { continuation in
            CurlLoop.shared.submit(Transfer(request, options, credentials, continuation))
        }
        return try result.get()
    }

    /// Resolves a reference against an address (RFC 3986); `nil` unless it ends at `http(s)`.
    package static func absolute(_ reference: String, from base: String) -> String? {
        guard let base = URL(string: base), let url = URL(string: reference, relativeTo: base),
            ["http", "https"].contains(url.scheme ?? "")
        else { return nil }
        return url.absoluteString
    }

    /// Whether two `https` addresses are of hosts below one domain, such as `example.com`.
    package static func isOfOneDomain(_ one: String, _ two: String) -> Bool {
        func domain(_ text: String) -> String? {
            guard let url = URL(string: text), url.scheme == "https", let host = url.host,
                host.contains(where: \.isLetter)
            else { return nil }
            let labels = host.lowercased().split(separator: ".")
            return labels.count < 2 ? nil : labels.suffix(2).joined(separator: ".")
        }
        return domain(one).map { $0 == domain(two) } ?? false
    }

    /// Whether two addresses are of one host, port and scheme.
    package static func isSameOrigin(_ one: String, _ two: String) -> Bool {
        guard let one = URL(string: one), let two = URL(string: two) else { return false }
        return one.scheme == two.scheme && one.host == two.host && one.port == two.port
    }
}
