import Crypto
import CryptoExtras
import FoundationEssentials
import TandemModel
import TandemSupport

/// What a service account signs to get a token (RFC 7523), RS256 (RFC 7518 §3.3).
enum JWT {
    /// How long it holds; vendors take an hour at most.
    private static let lifetime = Span.seconds(300)

    /// - Parameters:
    ///   - claims: What the account says of itself; blank ones are left out.
    ///   - now: The time.
    ///   - key: An RSA key in PEM.
    /// - Returns: The token to show.
    /// - Throws: What CryptoExtras says of a key that cannot be read or used.
    static func signed(_ claims: [String: String], at now: Timestamp, with key: String) throws
        -> String
    {
        let key = try _RSA.Signing.PrivateKey(pemRepresentation: key)
        var said = claims.filter { !$0.value.isEmpty }.mapValues { JSON.text($0) }
        said["iat"] = .number(Decimal(now.milliseconds / 1_000))
        said["exp"] = .number(Decimal((now + lifetime).milliseconds / 1_000))
        let header = JSON.object(["alg": .text("RS256"), "typ": .text("JWT")])
        let text = header.bytes.base64URL + "." + JSON.object(said).bytes.base64URL
        let signature = try key.signature(
            for: SHA256.hash(data: Array(text.utf8)), padding: .insecurePKCS1v1_5)
        return text + "." + Array(signature.rawRepresentation).base64URL
    }
}
