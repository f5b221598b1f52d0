import CCurl

/// One request on its way.
// Handed over to the loop's thread when it is submitted, and touched by that thread only.
final class Transfer: @unchecked Sendable {
    private let request: HTTPRequest
    private let options: HTTPClient.Options
    private let credentials: HTTPCredentials?
    private let continuation: CheckedContinuation<Result<HTTPResponse, HTTPFailure>, Never>
    private var list: UnsafeMutablePointer<curl_slist>?
    private var headers: [(name: String, value: String)] = []
    private var body: [UInt8] = []
    private var isTooLarge = false

    init(
        _ request: HTTPRequest, _ options: HTTPClient.Options, _ credentials: HTTPCredentials?,
        _ continuation: CheckedContinuation<Result<HTTPResponse, HTTPFailure>, Never>
    ) {
        self.request = request
        self.options = options
        self.credentials = credentials
        self.continuation = continuation
    }

    /// Requests of one kind may share a handle: same server, user and certificate file.
    var kind: String {
        let origin = request.url.split(separator: "/", maxSplits: 2).prefix(2).joined(
            separator: "/")
        let host = request.url.dropFirst(origin.count).split(separator: "/").first ?? ""
        return "\(origin)\(host)|\(credentials?.username ?? "")|\(options.caFile ?? "")"
    }

    func finish(_ result: Result<HTTPResponse, HTTPFailure>) {
        if let list { curl_slist_free_all(list) }
        continuation.resume(returning: result)
    }

    func configure(_ easy: UnsafeMutableRawPointer) {
        tandem_set_text(easy, CURLOPT_URL, request.url)
        tandem_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        tandem_set_long(easy, CURLOPT_NOBODY, request.method == "HEAD" ? 1 : 0)
        tandem_set_text(easy, CURLOPT_PROTOCOLS_STR, "http,https")
        tandem_set_long(easy, CURLOPT_NOSIGNAL, 1)
        tandem_set_long(easy, CURLOPT_FOLLOWLOCATION, 0)
        tandem_set_long(easy, CURLOPT_CONNECTTIMEOUT, 15)
        tandem_set_long(easy, CURLOPT_TIMEOUT, options.timeoutSeconds)
        tandem_set_text(easy, CURLOPT_ACCEPT_ENCODING, "")
        tandem_set_long(easy, CURLOPT_SSL_VERIFYPEER, 1)
        tandem_set_long(easy, CURLOPT_SSL_VERIFYHOST, 2)
        if let caFile = options.caFile { tandem_set_text(easy, CURLOPT_CAINFO, caFile) }
        setBody(easy)
        setCredentials(easy)
        setHeaders(easy)
        setSinks(easy)
    }

    private func setBody(_ easy: UnsafeMutableRawPointer) {
        if let body = request.body {
            // libcurl copies the bytes, so nothing has to outlive this call.
            tandem_set_size(easy, CURLOPT_POSTFIELDSIZE_LARGE, curl_off_t(body.count))
            body.withUnsafeBytes { bytes in
                let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress)
                tandem_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, start)
            }
        } else {
            tandem_set_pointer(easy, CURLOPT_COPYPOSTFIELDS, nil)
            tandem_set_long(easy, CURLOPT_HTTPGET, 1)
            tandem_set_text(easy, CURLOPT_CUSTOMREQUEST, request.method)
        }
    }

    private func setCredentials(_ easy: UnsafeMutableRawPointer) {
        tandem_set_text(easy, CURLOPT_USERNAME, credentials?.username)
        tandem_set_text(easy, CURLOPT_PASSWORD, credentials?.password)
        // CURLAUTH_BASIC is bit 0 and CURLAUTH_DIGEST bit 1 of libcurl's mask.
        tandem_set_long(easy, CURLOPT_HTTPAUTH, credentials?.scheme == .digest ? 2 : 1)
    }

    private func setHeaders(_ easy: UnsafeMutableRawPointer) {
        let own = [("User-Agent", "Tandem"), ("Expect", "")]
        for (name, value) in request.headers + own {
            list = curl_slist_append(list, value.isEmpty ? "\(name):" : "\(name): \(value)")
        }
        tandem_set_pointer(easy, CURLOPT_HTTPHEADER, list)
    }

    private func setSinks(_ easy: UnsafeMutableRawPointer) {
        let me = Unmanaged.passUnretained(self).toOpaque()
        tandem_set_sink(easy, CURLOPT_WRITEFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            return transfer.take(UnsafeRawBufferPointer(start: bytes, count: size * count))
        }
        tandem_set_pointer(easy, CURLOPT_WRITEDATA, me)
        tandem_set_sink(easy, CURLOPT_HEADERFUNCTION) { bytes, size, count, context in
            guard let bytes, let context else { return 0 }
            let transfer = Unmanaged<Transfer>.fromOpaque(context).takeUnretainedValue()
            transfer.takeHeader(UnsafeRawBufferPointer(start: bytes, count: size * count))
            return size * count
        }
        tandem_set_pointer(easy, CURLOPT_HEADERDATA, me)
    }

    /// - Returns: Less than was given, which ends the transfer, once the limit is reached.
    private func take(_ bytes: UnsafeRawBufferPointer) -> Int {
        guard body.count + bytes.count <= options.maximumBytes else {
            isTooLarge = true
            return 0
        }
        body.append(contentsOf: bytes)
        return bytes.count
    }

    private func takeHeader(_ bytes: UnsafeRawBufferPointer) {
        let line = String(decoding: bytes, as: UTF8.self)
        // A new status line begins the headers anew, as after an answer that asked for a password.
        if line.hasPrefix("HTTP/") { headers = [] }
        guard let colon = line.firstIndex(of: ":") else { return }
        // The blanks around a value are no part of it (RFC 9110 §5.5).
        var value = line[line.index(after: colon)...].drop(while: \.isWhitespace)
        while value.last?.isWhitespace ?? false { value.removeLast() }
        headers.append((String(line[..<colon]), String(value)))
    }

    func complete(_ easy: UnsafeMutableRawPointer, _ code: CURLcode) {
        guard code == CURLE_OK else { return finish(.failure(failure(code))) }
        var status = 0
        tandem_get_long(easy, CURLINFO_RESPONSE_CODE, &status)
        finish(
            .success(HTTPResponse(status: status, url: request.url, headers: headers, body: body)))
    }

    private func failure(_ code: CURLcode) -> HTTPFailure {
        let text = curl_easy_strerror(code).map { String(cString: $0) } ?? "error \(code.rawValue)"
        switch code {
        case CURLE_WRITE_ERROR where isTooLarge: return .tooLarge(limit: options.maximumBytes)
        case CURLE_COULDNT_CONNECT, CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY,
            CURLE_UNSUPPORTED_PROTOCOL, CURLE_URL_MALFORMAT:
            return .unreachable(text)
        case CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CONNECT_ERROR, CURLE_SSL_CACERT_BADFILE:
            return .untrusted(text)
        default: return .interrupted(text)
        }
    }
}
