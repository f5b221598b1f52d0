/// How the characters of a text file are written.
package enum CSVEncoding: String, Hashable, Sendable, CaseIterable {
    case utf8 = "utf-8"
    case utf16LittleEndian = "utf-16le"
    case utf16BigEndian = "utf-16be"
    case windows1252 = "windows-1252"

    /// The byte order marks by which a file says it itself.
    private static let marks: [(bytes: [UInt8], encoding: CSVEncoding)] = [
        ([0xEF, 0xBB, 0xBF], .utf8), ([0xFF, 0xFE], .utf16LittleEndian),
        ([0xFE, 0xFF], .utf16BigEndian),
    ]

    /// What a file says of itself by its mark, and how many bytes the mark has; `nil` without one.
    package static func marked(_ bytes: some Collection<UInt8>) -> (CSVEncoding, mark: Int)? {
        marks.first { bytes.starts(with: $0.bytes) }.map { ($0.encoding, $0.bytes.count) }
    }

    /// The characters of windows-1252 from 0x80 to 0x9F (WHATWG Encoding, index windows-1252).
    private static let upperControls: [UInt16] = [
        0x20AC, 0x81, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
        0x2039, 0x0152, 0x8D, 0x017D, 0x8F, 0x90, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013,
        0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D, 0x017E, 0x0178,
    ]

    fileprivate static func scalar(windows1252 byte: UInt8) -> Unicode.Scalar {
        (0x80...0x9F).contains(byte)
            ? Unicode.Scalar(upperControls[Int(byte) - 0x80]) ?? " " : Unicode.Scalar(byte)
    }

    /// UTF-8 text in this encoding, without a mark.
    ///
    /// - Returns: `nil` if the text has a character that the encoding has not.
    package func bytes(of text: some Collection<UInt8>) -> [UInt8]? {
        switch self {
        case .utf8: return Array(text)
        case .utf16LittleEndian, .utf16BigEndian:
            let isLittle = self == .utf16LittleEndian
            return String(decoding: text, as: UTF8.self).utf16.flatMap { unit in
                let (low, high) = (UInt8(unit & 0xFF), UInt8(unit >> 8))
                return isLittle ? [low, high] : [high, low]
            }
        case .windows1252:
            var bytes: [UInt8] = []
            for scalar in String(decoding: text, as: UTF8.self).unicodeScalars {
                if let place = Self.upperControls.firstIndex(where: { $0 == scalar.value }) {
                    bytes.append(UInt8(0x80 + place))
                } else if scalar.value < 0x80 || (0xA0...0xFF).contains(scalar.value) {
                    bytes.append(UInt8(scalar.value))
                } else {
                    return nil
                }
            }
            return bytes
        }
    }
}

/// Turns the bytes of a file into UTF-8 as they come in.
package struct CSVDecoder: Sendable {
    package private(set) var encoding: CSVEncoding
    /// The bytes of the mark, which are no text.
    package private(set) var mark = 0
    private var isFirst = true
    private var rest: [UInt8] = []

    /// The file's own mark says more than `encoding`, which holds for a file without one.
    package init(_ encoding: CSVEncoding = .utf8) { self.encoding = encoding }

    /// - Returns: The text so far, without the mark. What is no text of the encoding comes as it is, or as
    ///   U+FFFD, which the reader of the text refuses.
    package mutating func take(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes[...]
        if isFirst, !bytes.isEmpty {
            isFirst = false
            if let (found, count) = CSVEncoding.marked(bytes) {
                (encoding, mark) = (found, count)
                bytes = bytes.dropFirst(count)
            }
        }
        switch encoding {
        case .utf8: return Array(bytes)
        case .windows1252:
            return bytes.flatMap { Array(String(CSVEncoding.scalar(windows1252: $0)).utf8) }
        case .utf16LittleEndian, .utf16BigEndian: return utf16(bytes)
        }
    }

    /// A unit, and a pair of them, may be cut by the end of a piece.
    private mutating func utf16(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        let all = rest + bytes
        let isLittle = encoding == .utf16LittleEndian
        var units = stride(from: 0, to: all.count - all.count % 2, by: 2).map { place in
            isLittle
                ? UInt16(all[place]) | UInt16(all[place + 1]) << 8
                : UInt16(all[place]) << 8 | UInt16(all[place + 1])
        }
        if let last = units.last, UTF16.isLeadSurrogate(last) { units.removeLast() }
        rest = Array(all[(units.count * 2)...])
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }

    /// Whether bytes are left that make no character.
    package var isCut: Bool { !rest.isEmpty }
}
