import TandemCore
import TandemDatabase
package import TandemModel
import TandemSupport

/// Forgetting a person for good.
extension CRMWriter {
    /// Removes a record, what was merged into it or split from it, and every value of their
    /// histories; no sync can make a contact with one of the addresses again.
    ///
    /// - Throws: ``CRMError/notFound(_:_:)``.
    package func erase(_ id: RecordID) throws {
        let current = try reader.current(id)
        guard let record = try reader.record(current) else {
            throw CRMError.notFound("records", "\(id)")
        }
        for id in try kin(of: current) { try erase(id, record.object) }
    }

    /// The record, those merged into it, and the results of undone merges that still hold its values.
    private func kin(of id: RecordID) throws -> [RecordID] {
        var all: Set<RecordID> = []
        var waiting = [id]
        while let next = waiting.popLast() {
            guard all.insert(next).inserted else { continue }
            waiting += try connection.rows(
                """
                SELECT id FROM alias WHERE record_id = ? UNION
                SELECT result_id FROM merge WHERE undone_at IS NOT NULL
                AND (primary_id = ? OR secondary_id = ?)
                """, Array(repeating: .integer(next.number), count: 3)
            ) { RecordID($0.integer(0) ?? 0) }
        }
        return all.sorted()
    }

    private func erase(_ id: RecordID, _ object: ObjectName) throws {
        if let record = try reader.record(id) {
            if record.archivedAt == nil {
                try remove(keys(of: record.properties, object), of: id, object)
            }
            for email in MatchKey.emails(record.properties) where object == .contacts {
                // A merge that was undone holds addresses of the other person, too.
                let key = MatchKey(kind: MatchKey.email, value: email)
                if try !reader.owners(of: [key], in: object).isEmpty { continue }
                try block(email)
                try connection.run("DELETE FROM subscription WHERE email = ?", [.text(email)])
            }
        }
        try connection.run(
            "UPDATE change SET patch = '{}' WHERE record_id = ?", [.integer(id.number)])
        try remove(id)
        try connection.run("DELETE FROM alias WHERE id = ?", [.integer(id.number)])
        try log(.erase, id, object, patch: "{}")
    }

    /// Keeps syncs from making a contact with this address.
    package func block(_ email: String) throws {
        try connection.run(
            "INSERT INTO blocked_key VALUES (?) ON CONFLICT DO NOTHING",
            [.text(TokenTable.hash(email.trimmed.lowercased()))])
    }

    /// - Throws: ``CRMError/blocked(_:)`` if a sync brings back who asked to be forgotten.
    func requireUnblocked(_ values: Values, _ object: ObjectName) throws {
        guard object == .contacts, origin.isSync else { return }
        for email in MatchKey.emails(values) {
            let count = try connection.number(
                "SELECT COUNT(*) FROM blocked_key WHERE hash = ?",
                [.text(TokenTable.hash(email))])
            if count > 0 { throw CRMError.blocked("email") }
        }
    }
}
