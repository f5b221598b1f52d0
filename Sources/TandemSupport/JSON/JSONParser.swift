import FoundationEssentials

/// Reads a JSON document (RFC 8259) in one pass over its bytes.
///
/// Written here rather than taken from Foundation for three things: a limit on depth, numbers that lose
/// no digit, and texts that are no text spoil themselves and not the document.
struct JSONParser {
    /// How deep lists and objects may stand in each other.
    static let maximumDepth = 64

    private let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    private init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    /// - Returns: `nil` for what is no JSON, or nested deeper than ``maximumDepth``.
    static func document(_ bytes: some Collection<UInt8>) -> JSON? {
        func parsed(_ buffer: UnsafeBufferPointer<UInt8>) -> JSON? {
            var parser = JSONParser(bytes: buffer)
            if buffer.starts(with: [0xEF, 0xBB, 0xBF]) { parser.index = 3 }
            guard let value = parser.value(depth: 0) else { return nil }
            parser.skipBlanks()
            return parser.index == buffer.count ? value : nil
        }
        return bytes.withContiguousStorageIfAvailable(parsed)
            ?? Array(bytes).withUnsafeBufferPointer(parsed)
    }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func skipBlanks() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 {
            index += 1
        }
    }

    private mutating func take(_ mark: Unicode.Scalar) -> Bool {
        skipBlanks()
        guard next == UInt8(ascii: mark) else { return false }
        index += 1
        return true
    }

    private mutating func take(word: StaticString) -> Bool {
        let length = word.utf8CodeUnitCount
        guard index + length <= bytes.count,
            (0..<length).allSatisfy({ bytes[index + $0] == word.utf8Start[$0] })
        else { return false }
        index += length
        return true
    }

    private mutating func value(depth: Int) -> JSON? {
        skipBlanks()
        guard let byte = next else { return nil }
        switch byte {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            if depth == Self.maximumDepth { return nil }
            return byte == UInt8(ascii: "{") ? object(depth: depth + 1) : list(depth: depth + 1)
        case UInt8(ascii: "\""): return string().map { .text($0) }
        case UInt8(ascii: "t"): return take(word: "true") ? .flag(true) : nil
        case UInt8(ascii: "f"): return take(word: "false") ? .flag(false) : nil
        case UInt8(ascii: "n"): return take(word: "null") ? .null : nil
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> JSON? {
        index += 1
        var members: [String: JSON] = [:]
        if take("}") { return .object(members) }
        repeat {
            skipBlanks()
            guard let name = string(), take(":"), let value = value(depth: depth) else {
                return nil
            }
            members[name] = value
        } while take(",")
        return take("}") ? .object(members) : nil
    }

    private mutating func list(depth: Int) -> JSON? {
        index += 1
        var elements: [JSON] = []
        if take("]") { return .list(elements) }
        repeat {
            guard let value = value(depth: depth) else { return nil }
            elements.append(value)
        } while take(",")
        return take("]") ? .list(elements) : nil
    }

    /// A number as such, or as its text where it would lose digits.
    private mutating func number() -> JSON? {
        let start = index
        _ = take("-")
        let first = index
        skipDigits()
        guard index > first, index == first + 1 || bytes[first] != UInt8(ascii: "0") else {
            return nil
        }
        if next == UInt8(ascii: ".") {
            index += 1
            let start = index
            skipDigits()
            if index == start { return nil }
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            index += 1
            if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { index += 1 }
            let start = index
            skipDigits()
            if index == start { return nil }
        }
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        return Decimal(canonical: text).map { .number($0) } ?? .text(text)
    }

    private mutating func skipDigits() {
        while let byte = next, (0x30...0x39).contains(byte) { index += 1 }
    }

    private mutating func string() -> String? {
        guard next == UInt8(ascii: "\"") else { return nil }
        index += 1
        let start = index
        while let byte = next, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") { return escapedString(from: start) }
            if byte < 0x20 { return nil }
            index += 1
        }
        guard index < bytes.count else { return nil }
        defer { index += 1 }
        return Self.text(bytes[start..<index])
    }

    /// Goes on with a string from its first escape.
    private mutating func escapedString(from start: Int) -> String? {
        var text = Array(bytes[start..<index])
        while let byte = next {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return Self.text(text)
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                text.append(contentsOf: String(scalar).utf8)
            case 0..<0x20: return nil
            default: text.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{C}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let unit = hexadecimal() else { return nil }
            return Unicode.Scalar(unit) ?? paired(with: unit)
        default: return nil
        }
    }

    /// The character that a surrogate is half of; a half alone is none.
    private mutating func paired(with first: UInt16) -> Unicode.Scalar {
        let start = index
        if first < 0xDC00, take(word: "\\u"), let second = hexadecimal(),
            (0xDC00...0xDFFF).contains(second),
            let scalar = Unicode.Scalar(
                0x10000 + (UInt32(first - 0xD800) << 10) + UInt32(second - 0xDC00))
        {
            return scalar
        }
        index = start
        return JSON.brokenCharacter
    }

    private mutating func hexadecimal() -> UInt16? {
        guard index + 4 <= bytes.count else { return nil }
        let digits = bytes[index..<index + 4]
        guard digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }) else { return nil }
        index += 4
        return UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    /// Bytes as text; what is no UTF-8 in it is marked.
    private static func text(_ bytes: some Collection<UInt8>) -> String {
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        var marked = String.UnicodeScalarView()
        for scalar in String(decoding: bytes, as: UTF8.self).unicodeScalars {
            marked.append(scalar == "\u{FFFD}" ? JSON.brokenCharacter : scalar)
        }
        return String(marked)
    }
}
