import Crypto
import FoundationEssentials
import TandemCSV
import TandemModel
import TandemSupport

/// One version of the file, as it was read: rows are kept as bytes, so that what is not changed
/// is written back byte for byte.
struct CSVTable {
    /// The content as UTF-8, without a byte order mark.
    let bytes: [UInt8]
    let format: CSVFormat
    let encoding: CSVEncoding
    /// The bytes of the file's mark.
    private let mark: [UInt8]
    /// The headers up to the last one that is not blank; a blank one between heads nothing that we know.
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

    /// Reads a file; `nil` if there is none, or nothing in it.
    ///
    /// - Throws: ``AppError`` if it cannot be read, is no text of its encoding, or breaks RFC 4180.
    ///
    /// Of a file that is not whole yet, a last row without line end is not read, nor one in an open quote.
    static func read(
        _ path: String, _ encoding: CSVEncoding, isWhole: Bool = true,
        naming: ([String]) -> [AppField]
    ) throws(AppError) -> CSVTable? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .askOperator(
                .permission, "cannot read \(path)",
                remedy: "Give the daemon's user the right to read it.")
        }
        let table = try CSVTable(
            Array(data), encoding, path: path, isWhole: isWhole, naming: naming)
        // Not even a header: somebody is making or saving the file.
        return table.header.isEmpty ? nil : table
    }

    init(
        _ file: [UInt8], _ encoding: CSVEncoding, path: String, isWhole: Bool = true,
        naming: ([String]) -> [AppField]
    ) throws(AppError) {
        var decoder = CSVDecoder(encoding)
        bytes = decoder.take(file)
        self.encoding = decoder.encoding
        mark = Array(file.prefix(decoder.mark))
        let format = CSVFormat(guessing: bytes)
        let start = format.preamble
        var parser = CSVParser(format)
        var rows: [CSVParser.Row] = []
        do {
            try parser.take(bytes[start...]) { rows.append($0) }
            if isWhole || rows.isEmpty { try parser.finish { rows.append($0) } }
        } catch CSVParser.Problem.notUTF8(let line) {
            throw .askOperator(
                .invalidValue, "\(path): line \(line) is no text in \(self.encoding.rawValue)",
                remedy: "Save it as \"CSV UTF-8\", or say its `encoding` in the connection: "
                    + CSVEncoding.allCases.map(\.rawValue).joined(separator: ", ") + ".")
        } catch {
            throw .askOperator(
                .invalidValue, "\(path): \(error)", remedy: "Correct the quotes at the line named.")
        }
        // What is no text of its encoding could not be written back as it was.
        let again = self.encoding == .utf8 ? file : mark + (self.encoding.bytes(of: bytes) ?? [])
        guard again == file else {
            throw .askOperator(
                .invalidValue, "\(path) is no text in \(self.encoding.rawValue)",
                remedy: "Save it as \"CSV UTF-8\".")
        }
        self.format = format
        let cells = rows.first?.cells.map(\.trimmed) ?? []
        header = Array(cells.prefix((cells.lastIndex { !$0.isEmpty } ?? -1) + 1))
        fields = naming(header)
        let twice = Dictionary(grouping: fields.filter { !$0.text.isEmpty }, by: \.self)
            .first { $0.value.count > 1 }
        if let twice {
            throw .askOperator(
                .mapping, "\(path): two columns stand for `\(twice.key)`",
                remedy: "Rename one of them.")
        }
        self.rows = Array(rows.dropFirst())
        let digest = SHA256.hash(data: file).hexadecimal
        extent = Extent(
            rows: self.rows.count,
            hasEnd: bytes.last.map { $0 == format.lineEnd.rawValue.utf8.last } ?? false)
        cursor = Cursor(
            "3 \(digest) \(extent.rows) \(extent.hasEnd ? "whole" : "open")")
        headerHash = Self.hash(bytes[start..<(rows.first?.range.upperBound ?? start)])
    }

    /// The bytes of a file with this text; `nil` if its encoding has not all characters of it.
    func file(_ text: [UInt8]) -> [UInt8]? { encoding.bytes(of: text).map { mark + $0 } }

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
