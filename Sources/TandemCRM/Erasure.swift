import TandemCore
import TandemDatabase
package import TandemModel

/// Forgetting a person for good.
extension CRMWriter {
    /// Removes a record, what was merged into it, and every value of their histories; no sync can
    /// make a contact with one of the addresses again.
    ///
    /// - Throws: ``CRMError/notFound(_:_:)``.
    package func erase(_ id: RecordID) throws {
        let current = try reader.current(id)
        guard let record = try reader.record(current) else {
            throw CRMError.notFound("records", "\(id)")
        }
        if record.archivedAt == nil {
            try remove(keys(of: record.properties, record.object), of: current, record.object)
        }
        let merged = try connection.rows(
            "SELECT id FROM alias WHERE record_id = ?", [.integer(current.number)]
        ) { RecordID($0.integer(0) ?? 0) }
        for id in [current] + merged {
            let values = try reader.record(id)?.properties ?? [:]
            for email in MatchKey.emails(values) where record.object == .contacts {
                try block(email)
            }
            try connection.run(
                "UPDATE change SET patch = '{}' WHERE record_id = ?", [.integer(id.number)])
            try remove(id)
            try log(.erase, id, record.object, patch: "{}")
        }
        try connection.run("DELETE FROM alias WHERE record_id = ?", [.integer(current.number)])
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
