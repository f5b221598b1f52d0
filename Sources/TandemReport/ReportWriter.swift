import FoundationEssentials
import TandemCSV

/// Turns rows of the record view into the text of a report, line by line.
package struct ReportWriter {
    package enum Format: String, CaseIterable, Sendable {
        case csv, json
    }

    private let format: Format
    private let columns: [String]
    private var count = 0

    /// `columns` are those of ``RecordRow``, in the wanted order.
    package init(_ format: Format, columns: [String]) {
        self.format = format
        self.columns = columns
    }

    /// What stands before the first row.
    package var head: String {
        switch format {
        case .csv: CSVFormat().line(columns)
        case .json: "{\"records\":["
        }
    }

    package mutating func line(_ row: RecordRow) -> String {
        count += 1
        switch format {
        case .csv: return CSVFormat().line(columns.map { Self.harmless(row[$0]) })
        case .json:
            let pairs = columns.map { "\(Self.quoted($0)):\(value(row, $0))" }
            return (count == 1 ? "\n" : ",\n") + "{\(pairs.joined(separator: ","))}"
        }
    }

    /// What stands behind the last row.
    package var tail: String {
        switch format {
        case .csv: ""
        case .json: "\n]}\n"
        }
    }

    /// Numbers as numbers, nothing as null.
    private func value(_ row: RecordRow, _ column: String) -> String {
        let text = row[column]
        if ["attempts", "lag_seconds"].contains(column) { return text.isEmpty ? "null" : text }
        return text.isEmpty ? "null" : Self.quoted(text)
    }

    /// A spreadsheet takes a cell that begins so for a formula; a quote mark in front makes it
    /// text again (OWASP, "CSV Injection").
    private static func harmless(_ text: String) -> String {
        guard let first = text.first, "=+-@".contains(first), Double(text) == nil else {
            return text
        }
        return "'" + text
    }

    private static func quoted(_ text: String) -> String {
        let data = (try? JSONEncoder().encode(text)) ?? Data("\"\"".utf8)
        return String(decoding: data, as: UTF8.self)
    }
}
