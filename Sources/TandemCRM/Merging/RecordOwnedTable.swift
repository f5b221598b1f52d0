import TandemDatabase
import TandemModel

/// A table whose rows belong to a record, named by their column `record_id`.
struct RecordOwnedTable {
    let name: String
    let columns: [String]
    /// The columns by which a row is told from others.
    let key: [String]

    static let aliases = Self(name: "alias", columns: ["id", "record_id"], key: ["id"])
    static let memberships = Self(
        name: "list_member", columns: ["list_id", "record_id", "at"], key: ["list_id", "record_id"])
    static let enrolments = Self(
        name: "enrolment", columns: ["workflow_id", "record_id", "at"],
        key: ["workflow_id", "record_id"])
    static let playbooks = Self(
        name: "playbook", columns: ["id", "record_id", "name", "state", "body", "at"], key: ["id"])
    static let submissions = Self(
        name: "form_submission",
        columns: ["id", "record_id", "form", "email", "cookie", "content", "at"], key: ["id"])
    static let cookies = Self(name: "cookie", columns: ["token", "record_id"], key: ["token"])
    static let marketing = Self(
        name: "marketing_contact", columns: ["record_id", "effective_at"], key: ["record_id"])

    static let all = [
        aliases, memberships, enrolments, playbooks, submissions, cookies, marketing,
    ]

    /// Not of one record but between two; the row is seen from the first.
    static let associations = Self(
        name: "association", columns: ["from_id", "to_object", "to_id", "type_id"],
        key: ["from_id", "to_object", "to_id", "type_id"])
}

/// What two records had before they were merged, row by row.
struct MergeSnapshot {
    let connection: any SQLConnection
    let result: RecordID

    /// Keeps the rows of a table under a condition.
    func keep(_ table: RecordOwnedTable, where condition: String, _ arguments: [SQLValue]) throws {
        let rows = try connection.rows(
            "SELECT \(table.columns.joined(separator: ", ")) FROM \(table.name) WHERE \(condition)",
            arguments
        ) { row in
            table.columns.indices.reduce(into: [PropertyName: String]()) { cells, column in
                cells[PropertyName(table.columns[column])] = row.text(column)
            }
        }
        var number = try connection.number(
            "SELECT MAX(number) FROM merge_row WHERE result_id = ?", [.integer(result.number)])
        for row in rows {
            number += 1
            try connection.run(
                "INSERT INTO merge_row VALUES (?, ?, ?, ?)",
                [
                    .integer(result.number), .integer(number), .text(table.name),
                    .text(FlatJSON.text(row)),
                ])
        }
    }

    /// The rows that were kept of a table, as they were.
    func rows(of table: RecordOwnedTable) throws -> [[PropertyName: String]] {
        try connection.rows(
            "SELECT cells FROM merge_row WHERE result_id = ? AND source = ? ORDER BY number",
            [.integer(result.number), .text(table.name)]
        ) { FlatJSON.values($0.text(0) ?? "") ?? [:] }
    }

    /// Puts the rows of a table back, in place of those that have their keys now.
    func restore(_ table: RecordOwnedTable) throws {
        let places = table.columns.map { _ in "?" }.joined(separator: ", ")
        for row in try rows(of: table) {
            try connection.run(
                """
                DELETE FROM \(table.name)
                WHERE \(table.key.map { "\($0) = ?" }.joined(separator: " AND "))
                """, table.key.map { .optional(row[PropertyName($0)]) })
            try connection.run(
                """
                INSERT INTO \(table.name) (\(table.columns.joined(separator: ", ")))
                VALUES (\(places))
                """, table.columns.map { .optional(row[PropertyName($0)]) })
        }
    }

    func forget() throws {
        try connection.run(
            "DELETE FROM merge_row WHERE result_id = ?", [.integer(result.number)])
    }
}
