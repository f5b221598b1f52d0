import Crypto
import FoundationEssentials
import TandemCSV
import TandemModel

/// One version of the file, as it was read: rows are kept as bytes, so that what is not changed
/// is written back byte for byte.
struct CSVTable {
    let bytes: [UInt8]
    let format: CSVFormat
    let header: [String]
    /// The field that each column stands for.
    let fields: [AppField]
    let rows: [CSVParser.Row]
    /// Names this content: SHA-256 behind a number for the form of versions.
    let cursor: Cursor
    let extent: Extent

    /// How much of a file there is.
    struct Extent: Equatable {
        let rows: Int
        /// The last row has its line end.
        let hasEnd: Bool

        init(rows: Int, hasEnd: Bool) {
            self.rows = rows
            self.hasEnd = hasEnd
        }

        /// Reads what a table's cursor says; `nil` for one of before this was said.
        init?(_ cursor: Cursor) {
            let words = cursor.text.split(separator: " ")
            guard words.count == 4, let rows = Int(words[2]) else { return nil }
            self.init(rows: rows, hasEnd: words[3] == "whole")
        }

        /// Whether the file may be the beginning of one that is being saved.
        func isLess(than before: Extent?) -> Bool {
            guard let before else { return false }
            return rows < before.rows || before.hasEnd && !hasEnd
        }
    }
    /// FNV-1a of the header: what a row says depends on it.
    private let headerHash: UInt64

    /// Reads a file; `nil` if there is none.
    ///
    /// - Throws: ``AppError`` if it cannot be read, is no UTF-8, or breaks RFC 4180.
    ///
    /// Of a file that is not whole yet, a last row without line end is not read, nor one in an open quote.
    static func read(_ path: String, isWhole: Bool = true, naming: (String) -> AppField)
        throws(AppError) -> CSVTable?
    {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .askOperator(
                .permission, "cannot read \(path)",
                remedy: "Give the daemon's user the right to read it.")
        }
        let table = try CSVTable(Array(data), path: path, isWhole: isWhole, naming: naming)
        // Not even a header: somebody is making or saving the file.
        return table.header.isEmpty ? nil : table
    }

    init(_ bytes: [UInt8], path: String, isWhole: Bool = true, naming: (String) -> AppField)
        throws(AppError)
    {
        self.bytes = bytes
        guard String(validating: bytes, as: UTF8.self) != nil else {
            throw .askOperator(
                .invalidValue, "\(path) is not UTF-8", remedy: "Save it as \"CSV UTF-8\".")
        }
        let format = CSVFormat(guessing: bytes)
        let start = format.hasMark ? CSVFormat.mark.count : 0
        var parser = CSVParser(delimiter: format.delimiter, start: start)
        var rows: [CSVParser.Row] = []
        do {
            try parser.take(bytes[start...]) { rows.append($0) }
            if isWhole || rows.isEmpty { try parser.finish { rows.append($0) } }
        } catch {
            throw .askOperator(
                .invalidValue, "\(path): \(error)", remedy: "Correct the quotes at the line named.")
        }
        self.format = format
        header = rows.first?.cells.map(\.trimmed) ?? []
        fields = header.map(naming)
        if let twice = Dictionary(grouping: fields, by: \.self).first(where: { $0.value.count > 1 })
        {
            throw .askOperator(
                .mapping, "\(path): two columns stand for `\(twice.key)`",
                remedy: "Rename one of them.")
        }
        self.rows = Array(rows.dropFirst())
        let digest = SHA256.hash(data: bytes).map {
            String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
        }
        extent = Extent(rows: self.rows.count, hasEnd: bytes.last == UInt8(ascii: "\n"))
        cursor = Cursor(
            "3 \(digest.joined()) \(extent.rows) \(extent.hasEnd ? "whole" : "open")")
        headerHash = Self.hash(bytes[start..<(rows.first?.range.upperBound ?? start)])
    }

    /// Tells one content of a row, under this header, from another.
    func version(of bytes: ArraySlice<UInt8>) -> String {
        String(Self.hash(bytes, from: headerHash), radix: 36)
    }

    /// FNV-1a.
    private static func hash(
        _ bytes: ArraySlice<UInt8>, from start: UInt64 = 0xcbf2_9ce4_8422_2325
    ) -> UInt64 {
        bytes.reduce(start) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
    }
}
