import AdapterREST
import Crypto
import Foundation
import Glibc
import TandemModel
import TandemSupport

/// Asks a person to let Tandem into an account, and gives the tokens.
struct Consent {
    let client: OAuthClient
    /// Where the browser comes back to; 0 for any free port.
    let port: UInt16

    private static let patienceSeconds = 600

    func tokens() async throws -> OAuthTokens {
        switch client.description.grant {
        case .authorizationCode: try await browser()
        case .device: try await device()
        case .clientCredentials, .jwtBearer: try result(of: await client.withoutConsent())
        }
    }

    /// Consent in a browser of this machine, which is sent back to us (RFC 8252 §7.3).
    private func browser() async throws -> OAuthTokens {
        let server = try LoopbackServer(port: port)
        let redirect = "http://127.0.0.1:\(server.port)/callback"
        let (state, verifier) = (Self.random(), Self.random())
        let challenge = Data(SHA256.hash(data: Data(verifier.utf8))).base64URL
        Terminal.write(
            "Open this address in a browser of this machine, and consent there:\n\n  "
                + client.consentAddress(redirect: redirect, state: state, challenge: challenge)
                + "\n\nWaiting …\n")
        let answer = try server.answer(withinSeconds: Self.patienceSeconds) { query in
            query["state"] == state && (query["code"] != nil || query["error"] != nil)
        }
        guard let code = answer["code"] else {
            throw CommandFailure.failed(
                "access was refused: \(answer["error_description"] ?? answer["error"] ?? "")")
        }
        return try result(
            of: await client.ask([
                "grant_type": "authorization_code", "code": code, "redirect_uri": redirect,
                "code_verifier": verifier,
            ]))
    }

    /// Consent on another machine (RFC 8628).
    private func device() async throws -> OAuthTokens {
        let given = try await client.deviceCode()
        let code = given["device_code"]?.text ?? ""
        let place = (given["verification_uri_complete"] ?? given["verification_uri"])?.text ?? ""
        Terminal.write(
            "Open \(place) on any machine, and type \(given["user_code"]?.text ?? "") there."
                + "\nWaiting …\n")
        var interval = given["interval"]?.integer ?? 5
        let end = ContinuousClock.now + .seconds(given["expires_in"]?.integer ?? 600)
        while ContinuousClock.now < end {
            try await Task.sleep(for: .seconds(interval))
            let answer = try await client.ask([
                "grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": code,
            ])
            switch answer {
            case .refused("authorization_pending", _): continue
            case .refused("slow_down", _): interval += 5
            default: return try result(of: answer)
            }
        }
        throw CommandFailure.failed("nobody consented in time; run the command again.")
    }

    private func result(of answer: OAuthClient.Answer) throws -> OAuthTokens {
        switch answer {
        case .tokens(let tokens): return tokens
        case .refused(let word, let text):
            throw CommandFailure.failed("access was refused (\(word)): \(text)")
        }
    }

    /// 32 bytes that nobody can guess.
    private static func random() -> String {
        SymmetricKey(size: .bits256).withUnsafeBytes { Data($0).base64URL }
    }
}

/// Waits on this machine for a browser that is sent back to it.
private final class LoopbackServer {
    let port: UInt16
    private let file: Int32

    init(port: UInt16) throws {
        file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        address.sin_port = port.bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let file = file
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                bind(file, pointer, size) == 0 && listen(file, 4) == 0
                    && getsockname(file, pointer, &size) == 0
            }
        }
        guard isListening else {
            throw CommandFailure.failed("port \(port) of this machine cannot be used")
        }
        self.port = UInt16(bigEndian: address.sin_port)
    }

    deinit { close(file) }

    /// The query of the first request that is wanted; others are answered and forgotten.
    func answer(withinSeconds seconds: Int, _ isWanted: ([String: String]) -> Bool) throws
        -> [String: String]
    {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            var polled = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            guard poll(&polled, 1, 1_000) > 0 else { continue }
            let client = accept(file, nil, nil)
            guard client >= 0 else { continue }
            defer { close(client) }
            var limit = timeval(tv_sec: 5, tv_usec: 0)
            setsockopt(
                client, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
            var buffer = [UInt8](repeating: 0, count: 8_192)
            let count = recv(client, &buffer, buffer.count, 0)
            let query = Self.query(String(decoding: buffer.prefix(max(0, count)), as: UTF8.self))
            let isDone = isWanted(query)
            Self.reply(
                client,
                isDone
                    ? "Tandem has what it waited for. You can close this window."
                    : "This is not the answer that Tandem waits for.")
            if isDone { return query }
        }
        throw CommandFailure.failed("nobody consented in time; run the command again.")
    }

    private static func query(_ request: String) -> [String: String] {
        let target = request.split(separator: " ").dropFirst().first ?? ""
        let pairs = target.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        return pairs.split(separator: "&").reduce(into: [:]) { query, pair in
            let parts = pair.split(separator: "=", maxSplits: 1).map {
                String($0).replacing("+", with: " ").percentDecoded ?? ""
            }
            if parts.count == 2 { query[parts[0]] = parts[1] }
        }
    }

    private static func reply(_ client: Int32, _ text: String) {
        let answer =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
            + "Content-Length: \(text.utf8.count)\r\n\r\n\(text)"
        let bytes = Array(answer.utf8)
        _ = send(client, bytes, bytes.count, Int32(MSG_NOSIGNAL))
    }
}
