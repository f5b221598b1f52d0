import CZlib
import FoundationEssentials

/// Long texts as a store keeps them: compressed (RFC 1950), and in Base64, because a store holds text.
package enum PackedText {
    /// Packs a text of any length.
    package static func pack(_ text: String) -> String {
        let plain = Array(text.utf8)
        var packed = [UInt8](repeating: 0, count: Int(compressBound(uLong(plain.count))))
        var size = uLong(packed.count)
        // Only too small a target, or no memory, makes it fail.
        let code = compress(&packed, &size, plain, uLong(plain.count))
        precondition(code == Z_OK, "zlib cannot compress \(plain.count) bytes: \(code)")
        return "\(plain.count) " + Data(packed.prefix(Int(size))).base64EncodedString()
    }

    /// What was packed; `nil` for a text that ``pack(_:)`` never gave.
    package static func unpack(_ text: String) -> String? {
        let parts = text.split(separator: " ")
        guard parts.count == 2, let length = Int(parts[0]), (0...limit).contains(length),
            let packed = Data(base64Encoded: String(parts[1]))
        else { return nil }
        var plain = [UInt8](repeating: 0, count: length)
        var size = uLong(length)
        let code = uncompress(&plain, &size, Array(packed), uLong(packed.count))
        guard code == Z_OK, size == length else { return nil }
        return String(validating: plain, as: UTF8.self)
    }

    /// Nothing longer is kept.
    private static let limit = 1 << 30
}
