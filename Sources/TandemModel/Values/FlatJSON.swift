import TandemSupport

/// A JSON object of strings, the form in which property values are stored.
///
/// The store holds one such object per record, change and pair, so this is the hottest
/// encoding of the program; keys are sorted, so equal values give equal bytes.
package enum FlatJSON {
    /// Writes an object; keys in ascending order.
    package static func text<Key: StringKey>(_ values: [Key: String]) -> String {
        if values.isEmpty { return "{}" }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count * 32)
        var separator = UInt8(ascii: "{")
        for (key, value) in values.sorted(by: { $0.key.text < $1.key.text }) {
            bytes.append(separator)
            append(key.text, to: &bytes)
            bytes.append(UInt8(ascii: ":"))
            append(value, to: &bytes)
            separator = UInt8(ascii: ",")
        }
        bytes.append(UInt8(ascii: "}"))
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Reads what ``text(_:)`` wrote.
    ///
    /// - Returns: `nil` if the text is not a JSON object whose values are all strings.
    package static func values<Key: StringKey>(
        _ text: String, as key: Key.Type = PropertyName.self
    ) -> [Key: String]? {
        var text = text
        return text.withUTF8 { buffer in
            var reader = Reader(bytes: buffer)
            return reader.object()
        }
    }

    private static let hex = Array("0123456789abcdef".utf8)

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        var text = text
        text.withUTF8 { utf8 in
            if utf8.contains(where: mustBeEscaped) {
                for byte in utf8 { appendEscaped(byte, to: &bytes) }
            } else {
                bytes.append(contentsOf: utf8)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private static func mustBeEscaped(_ byte: UInt8) -> Bool {
        byte < 0x20 || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\")
    }

    private static func appendEscaped(_ byte: UInt8, to bytes: inout [UInt8]) {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"):
            bytes.append(UInt8(ascii: "\\"))
            bytes.append(byte)
        case 0..<0x20:
            bytes.append(contentsOf: "\\u00".utf8)
            bytes.append(hex[Int(byte >> 4)])
            bytes.append(hex[Int(byte & 15)])
        default: bytes.append(byte)
        }
    }

    private struct Reader {
        let bytes: UnsafeBufferPointer<UInt8>
        var place = 0

        mutating func object<Key: StringKey>() -> [Key: String]? {
            guard take(UInt8(ascii: "{")) else { return nil }
            var values: [Key: String] = [:]
            if take(UInt8(ascii: "}")) { return place == bytes.count ? values : nil }
            repeat {
                guard let key = string(), take(UInt8(ascii: ":")), let value = string() else {
                    return nil
                }
                values[Key(key)] = value
            } while take(UInt8(ascii: ","))
            return take(UInt8(ascii: "}")) && place == bytes.count ? values : nil
        }

        mutating func take(_ byte: UInt8) -> Bool {
            guard place < bytes.count, bytes[place] == byte else { return false }
            place += 1
            return true
        }

        mutating func string() -> String? {
            guard take(UInt8(ascii: "\"")) else { return nil }
            let start = place
            while place < bytes.count, bytes[place] != UInt8(ascii: "\"") {
                if bytes[place] == UInt8(ascii: "\\") { return escaped(from: start) }
                place += 1
            }
            guard place < bytes.count else { return nil }
            defer { place += 1 }
            return String(decoding: bytes[start..<place], as: UTF8.self)
        }

        /// Reads on from the first escape of a string that began at `start`.
        mutating func escaped(from start: Int) -> String? {
            var text = Array(bytes[start..<place])
            while place < bytes.count {
                let byte = bytes[place]
                place += 1
                if byte == UInt8(ascii: "\"") { return String(decoding: text, as: UTF8.self) }
                guard byte == UInt8(ascii: "\\") else {
                    text.append(byte)
                    continue
                }
                guard place < bytes.count else { return nil }
                let kind = bytes[place]
                place += 1
                switch kind {
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): text.append(kind)
                case UInt8(ascii: "u"):
                    guard place + 4 <= bytes.count,
                        let code = UInt8(
                            String(decoding: bytes[place..<place + 4], as: UTF8.self), radix: 16)
                    else { return nil }
                    text.append(code)
                    place += 4
                default: return nil
                }
            }
            return nil
        }
    }
}
