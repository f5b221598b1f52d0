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
    /// Names this content: SHA-256.
    let digest: String

    /// Reads a file; `nil` if there is none.
    ///
    /// - Throws: ``AppError`` if it cannot be read, is no UTF-8, or breaks RFC 4180.
    static func read(_ path: String, naming: (String) -> AppField) throws(AppError) -> CSVTable? {
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        guard let data = FileManager.default.contents(atPath: path) else {
            throw .askOperator(
                .permission, "cannot read \(path)",
                remedy: "Give the daemon's user the right to read it.")
        }
        let table = try CSVTable(Array(data), path: path, naming: naming)
        // Not even a header: somebody is making or saving the file.
        return table.header.isEmpty ? nil : table
    }

    init(_ bytes: [UInt8], path: String, naming: (String) -> AppField) throws(AppError) {
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
            try parser.finish { rows.append($0) }
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
        digest = SHA256.hash(data: bytes).map {
            String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)
        }
        .joined()
    }
}
