/// Splits bytes into rows of cells as they come in, with memory for one row.
package struct CSVParser: Sendable {
    /// One row, and the line of the file it begins on, counted from 1.
    package struct Row: Hashable, Sendable {
        package let cells: [String]
        package let line: Int
        /// The bytes of the row without its line end, from the start of the input.
        package let range: Range<Int>

        package init(cells: [String], line: Int, range: Range<Int>) {
            self.cells = cells
            self.line = line
            self.range = range
        }

        /// No cell has anything in it but white space.
        package var isBlank: Bool {
            cells.allSatisfy { $0.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 } }
        }
    }

    /// What keeps a file from being read.
    package enum Problem: Error, Hashable, Sendable, CustomStringConvertible {
        /// The quote opened on this line is never closed.
        case openQuote(line: Int)
        /// A row longer than the limit, most likely after a stray quote.
        case tooLong(line: Int)
        /// The row is no UTF-8 text.
        case notUTF8(line: Int)

        package var description: String {
            switch self {
            case .openQuote(let line): "the quote opened on line \(line) is never closed"
            case .notUTF8(let line):
                "line \(line) is no text in UTF-8; say in which encoding the file is (`windows-1252`, "
                    + "`utf-16le`), or save it as \"CSV UTF-8\""
            case .tooLong(let line):
                "the row on line \(line) is longer than a megabyte; is a quote missing?"
            }
        }
    }

    /// The longest row, in bytes.
    package static let limit = 1 << 20

    private let delimiter: UInt8
    /// Lines end with CR alone.
    private let endsWithReturn: Bool
    private var cells: [String] = []
    private var cell: [UInt8] = []
    private var isQuoted = false
    private var wasQuoted = false
    private var line = 1
    private var rowLine = 1
    private var quoteLine = 1
    private var place: Int
    private var rowStart: Int
    private var isAfterReturn = false

    /// The first row begins behind the format's preamble, which is not given to ``take(_:row:)``.
    package init(_ format: CSVFormat) {
        delimiter = format.delimiter
        endsWithReturn = format.lineEnd == .return
        place = format.preamble
        rowStart = format.preamble
        // A line that says what separates the cells is one, too.
        line = format.preamble == 0 ? 1 : 2
        rowLine = line
    }

    /// Takes in more bytes and hands out the rows that they complete; empty lines are skipped.
    ///
    /// - Throws: ``Problem/tooLong(line:)``, or what `row` throws.
    package mutating func take(
        _ bytes: some Sequence<UInt8>, row: (Row) throws -> Void
    ) throws {
        for byte in bytes {
            if isQuoted { takeQuoted(byte) } else { try takePlain(byte, row) }
            place += 1
            if place - rowStart > Self.limit { throw Problem.tooLong(line: rowLine) }
        }
    }

    /// Ends the input: a last row without line end counts.
    ///
    /// - Throws: ``Problem/openQuote(line:)``, or what `row` throws.
    package mutating func finish(row: (Row) throws -> Void) throws {
        if isQuoted { throw Problem.openQuote(line: quoteLine) }
        try endRow(at: place, row)
    }

    private mutating func takeQuoted(_ byte: UInt8) {
        if byte == UInt8(ascii: "\"") {
            isQuoted = false
            wasQuoted = true
        } else {
            if byte == UInt8(ascii: "\n") { line += 1 }
            cell.append(byte)
        }
    }

    private mutating func takePlain(_ byte: UInt8, _ row: (Row) throws -> Void) throws {
        switch byte {
        case UInt8(ascii: "\"") where wasQuoted:
            // A doubled quote inside quotes.
            cell.append(byte)
            isQuoted = true
            wasQuoted = false
        case UInt8(ascii: "\"") where cell.isEmpty:
            isQuoted = true
            quoteLine = line
        case delimiter: try endCell()
        case UInt8(ascii: "\r") where endsWithReturn:
            try endRow(at: place, row)
            line += 1
            rowLine = line
            rowStart = place + 1
        case UInt8(ascii: "\n"):
            try endRow(at: isAfterReturn ? place - 1 : place, row)
            line += 1
            rowLine = line
            rowStart = place + 1
        case UInt8(ascii: "\r"): break
        default: cell.append(byte)
        }
        isAfterReturn = byte == UInt8(ascii: "\r")
    }

    private mutating func endCell() throws {
        // UTF-16 without a mark looks like text with a NUL beside each letter.
        guard let text = String(validating: cell, as: UTF8.self), !cell.contains(0) else {
            throw Problem.notUTF8(line: rowLine)
        }
        cells.append(text)
        cell.removeAll(keepingCapacity: true)
        wasQuoted = false
    }

    private mutating func endRow(at end: Int, _ row: (Row) throws -> Void) throws {
        if cells.isEmpty && cell.isEmpty && !wasQuoted { return }
        try endCell()
        try row(Row(cells: cells, line: rowLine, range: rowStart..<max(end, rowStart)))
        cells.removeAll(keepingCapacity: true)
    }
}
