/// How the cells of a text file are separated: RFC 4180, and what spreadsheets make of it.
package struct CSVFormat: Hashable, Sendable {
    /// `,`, `;` or a tab.
    package var delimiter: UInt8
    /// Whether lines end with CR LF.
    package var hasCarriageReturns: Bool
    /// Whether the file starts with the UTF-8 byte order mark.
    package var hasMark: Bool

    package init(
        delimiter: UInt8 = UInt8(ascii: ","), hasCarriageReturns: Bool = false,
        hasMark: Bool = false
    ) {
        self.delimiter = delimiter
        self.hasCarriageReturns = hasCarriageReturns
        self.hasMark = hasMark
    }

    package static let mark: [UInt8] = [0xEF, 0xBB, 0xBF]

    package var lineEnd: String { hasCarriageReturns ? "\r\n" : "\n" }

    /// Judges a file by its first line: the separator that occurs most often outside quotes.
    package init(guessing bytes: some Collection<UInt8>) {
        hasMark = bytes.starts(with: Self.mark)
        hasCarriageReturns = false
        var counts: [UInt8: Int] = [:]
        var isQuoted = false
        var last: UInt8 = 0
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if !isQuoted {
                if byte == UInt8(ascii: "\n") {
                    hasCarriageReturns = last == UInt8(ascii: "\r")
                    break
                }
                counts[byte, default: 0] += 1
            }
            last = byte
        }
        let candidates = [UInt8(ascii: ","), UInt8(ascii: ";"), UInt8(ascii: "\t")]
        let ranked = candidates.max { counts[$0, default: 0] < counts[$1, default: 0] }
        delimiter = ranked.flatMap { counts[$0] == nil ? nil : $0 } ?? UInt8(ascii: ",")
    }

    /// One line of cells, quoted where they need it, with its end.
    package func line(_ cells: [String]) -> String {
        cells.map(quoted).joined(separator: String(UnicodeScalar(delimiter))) + lineEnd
    }

    private func quoted(_ cell: String) -> String {
        let needsQuotes = cell.utf8.contains { byte in
            byte == delimiter || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\n")
                || byte == UInt8(ascii: "\r")
        }
        guard needsQuotes else { return cell }
        return "\"" + cell.replacing("\"", with: "\"\"") + "\""
    }
}
