import Foundation

/// Quoted-printable text (RFC 2045 §6.7), which vCard 3.0 forbids and some programs write in it.
enum QuotedPrintable {
    /// Decodes a value whose soft line breaks are gone.
    ///
    /// - Parameters:
    ///   - value: What follows the colon.
    ///   - charset: What the line says of its bytes; UTF-8 if nothing is said.
    /// - Returns: The text, its line ends escaped as in a vCard; `nil` if the bytes are no text of the
    ///   charset, or hold a control character.
    static func text(_ value: String, charset: String?) -> String? {
        var bytes: [UInt8] = []
        var rest = Array(value.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = rest.prefix(2).compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
            if byte == UInt8(ascii: "="), digits.count == 2 {
                bytes.append(digits[0] << 4 | digits[1])
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        let text: String?
        switch (charset ?? "UTF-8").uppercased() {
        case "UTF-8", "US-ASCII": text = String(validating: bytes, as: UTF8.self)
        case "ISO-8859-1", "WINDOWS-1252":
            text = String(data: Data(bytes), encoding: .windowsCP1252)
        default: text = nil
        }
        let plain = text?.replacing("\r\n", with: "\\n").replacing("\n", with: "\\n")
        return plain.flatMap { VCard.control(in: $0) == nil ? $0 : nil }
    }
}
