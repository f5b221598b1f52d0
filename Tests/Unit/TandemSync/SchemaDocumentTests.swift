import Foundation
import TandemCRM
import TandemDatabase
import TandemSync
import Testing

/// `Docs/SCHEMA.md` is made of the tables of a new store (`UPDATE_GOLDEN=1` writes it).
@Suite struct `The schema's document` {
    private static let document = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../../Docs/SCHEMA.md").standardizedFileURL

    @Test func `shows every table as it is`() throws {
        let text = try Self.text()
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try text.write(to: Self.document, atomically: true, encoding: .utf8)
        }
        let said = try? String(contentsOf: Self.document, encoding: .utf8)
        #expect(said == text, "UPDATE_GOLDEN=1 swift test --filter SchemaDocumentTests writes it")
        #expect(text.contains("## pair\n") && text.contains("## record\n"))
    }

    /// A section for each table, with its definition and those of its indexes.
    private static func text() throws -> String {
        let folder = try scratchFolder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let database = try SQLiteDatabase(
            path: folder.appending(path: "a.db").path(), durability: .process, hasReaders: false)
        try database.migrate(
            CRMSchema.migrations + SyncSchema.migrations + [IDLedger.migration],
            filling: SQLiteDatabase.filling)
        let parts = try database.read { connection in
            try connection.rows(
                """
                SELECT tbl_name, sql FROM sqlite_master
                WHERE sql IS NOT NULL AND tbl_name NOT LIKE 'sqlite%'
                ORDER BY tbl_name, type DESC, name
                """
            ) { (table: $0.text(0) ?? "", sql: $0.text(1) ?? "") }
        }
        let tables = Dictionary(grouping: parts, by: \.table).sorted { $0.key < $1.key }
        let sections = tables.map { table, parts in
            "## \(table)\n\n```sql\n\(parts.map { plain($0.sql) + ";\n" }.joined())```\n"
        }
        return "# The tables of a store\n\nMade of a new store by a test; not written by hand.\n\n"
            + sections.joined(separator: "\n")
    }

    /// A definition without the indentation of the source that it stands in.
    private static func plain(_ sql: String) -> String {
        let lines = sql.split(separator: "\n", omittingEmptySubsequences: false)
        return lines.map { line in
            let text = line.drop { $0 == " " }
            let isInside = line.startIndex != lines.first?.startIndex && text.first != ")"
            return (isInside ? "    " : "") + text
        }.joined(separator: "\n")
    }
}
