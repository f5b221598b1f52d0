package import TandemDatabase
import TandemModel
package import TandemSupport

/// A person whom records can belong to; `hubspot_owner_id` holds the id.
package struct Owner: Hashable, Sendable {
    package let id: Int64
    package let email: String
    package let firstName: String
    package let lastName: String
    package let createdAt: Timestamp
    package let updatedAt: Timestamp
    package let archivedAt: Timestamp?
}

/// The owners of the store, inside a transaction.
package struct OwnerTable {
    let connection: any SQLConnection

    package init(_ connection: any SQLConnection) { self.connection = connection }

    package func add(email: String, firstName: String, lastName: String, now: Timestamp) throws
        -> Owner
    {
        guard email.isEmailAddress else {
            throw CRMError.invalidValue("email", email, expected: ValueType.email.example)
        }
        if try owners(after: 0, email: email, areArchived: false, limit: 1).first != nil {
            throw CRMError.alreadyExists("an owner with the address \(email)")
        }
        let id = try connection.row(
            """
            INSERT INTO owner (email, first_name, last_name, created_at, updated_at)
            VALUES (?, ?, ?, ?, ?) RETURNING id
            """,
            [
                .text(email), .text(firstName), .text(lastName), .integer(now.milliseconds),
                .integer(now.milliseconds),
            ]
        ) { $0.integer(0) ?? 0 }
        return Owner(
            id: id ?? 0, email: email, firstName: firstName, lastName: lastName, createdAt: now,
            updatedAt: now, archivedAt: nil)
    }

    /// Takes an owner out of use; records keep the id.
    ///
    /// - Throws: ``CRMError/notFound(_:_:)``.
    package func archive(_ id: Int64, now: Timestamp) throws {
        let count = try connection.run(
            "UPDATE owner SET archived_at = ?, updated_at = ? WHERE id = ? AND archived_at IS NULL",
            [.integer(now.milliseconds), .integer(now.milliseconds), .integer(id)])
        if count == 0 { throw CRMError.notFound("owners", "\(id)") }
    }

    package func owner(_ id: Int64) throws -> Owner? {
        try connection.row("\(Self.selection) WHERE id = ?", [.integer(id)], Self.owner)
    }

    /// The next owners by ascending id; with `email` only those with that address.
    package func owners(after id: Int64, email: String?, areArchived: Bool, limit: Int) throws
        -> [Owner]
    {
        try connection.rows(
            """
            \(Self.selection) WHERE id > ? AND archived_at IS \(areArchived ? "NOT NULL" : "NULL")
            AND (? IS NULL OR LOWER(email) = LOWER(?)) ORDER BY id LIMIT ?
            """,
            [.integer(id), .optional(email), .optional(email), .integer(Int64(limit))], Self.owner)
    }

    private static let selection = """
        SELECT id, email, first_name, last_name, created_at, updated_at, archived_at FROM owner
        """

    private static func owner(_ row: any SQLRow) -> Owner {
        Owner(
            id: row.integer(0) ?? 0, email: row.text(1) ?? "", firstName: row.text(2) ?? "",
            lastName: row.text(3) ?? "", createdAt: Timestamp(milliseconds: row.integer(4) ?? 0),
            updatedAt: Timestamp(milliseconds: row.integer(5) ?? 0),
            archivedAt: row.integer(6).map { Timestamp(milliseconds: $0) })
    }
}
