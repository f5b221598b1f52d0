/// How the cells of a text file are separated: RFC 4180, and what spreadsheets make of it.
package struct CSVFormat: Hashable, Sendable {
    /// `,`, `;` or a tab.
    package var delimiter: UInt8
    package var lineEnd: LineEnd
    /// How many bytes stand before the first row: a line such as `sep=;`, by which spreadsheets say what
    /// separates the cells.
    package var preamble = 0

    /// What ends a line; `return` alone is what very old programs wrote.
    package enum LineEnd: String, Hashable, Sendable {
        case feed = "\n"
        case both = "\r\n"
        case `return` = "\r"
    }

    package init(delimiter: UInt8 = UInt8(ascii: ","), lineEnd: LineEnd = .feed) {
        self.delimiter = delimiter
        self.lineEnd = lineEnd
    }

    /// Judges UTF-8 text without a byte order mark by its first line: the separator that it names, or the one
    /// that occurs most often outside quotes.
    package init(guessing bytes: some Collection<UInt8>) {
        self.init(judging: bytes)
        // `sep=` and one character, for all that is known only Excel's (and nobody heads a column so).
        let head = Array(bytes.prefix(7))
        guard head.count > 5, head.starts(with: "sep=".utf8), head[5] == 0x0A || head[5] == 0x0D
        else { return }
        let length = head.count > 6 && head[5] == 0x0D && head[6] == 0x0A ? 7 : 6
        var rest = CSVFormat(judging: bytes.dropFirst(length))
        rest.delimiter = head[4]
        rest.preamble = length
        self = rest
    }

    private init(judging bytes: some Collection<UInt8>) {
        var counts: [UInt8: Int] = [:]
        lineEnd = .feed
        var isQuoted = false
        var last: UInt8 = 0
        for byte in bytes {
            if byte == UInt8(ascii: "\"") { isQuoted.toggle() }
            if !isQuoted {
                if byte == UInt8(ascii: "\n") {
                    lineEnd = last == UInt8(ascii: "\r") ? .both : .feed
                    break
                }
                if last == UInt8(ascii: "\r") {
                    lineEnd = .return
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
        cells.map(quoted).joined(separator: String(UnicodeScalar(delimiter))) + lineEnd.rawValue
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
