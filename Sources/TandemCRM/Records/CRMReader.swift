package import TandemCore
package import TandemDatabase
package import TandemModel
import TandemSupport

/// Reads the CRM store inside a transaction.
package struct CRMReader {
    let connection: any SQLConnection

    package init(in connection: any SQLConnection) { self.connection = connection }

    private static let columns =
        "id, object, properties, created_at, updated_at, archived_at, merged_into"

    package func record(_ id: RecordID) throws -> CRMRecord? {
        try connection.row(
            "SELECT \(Self.columns) FROM record WHERE id = ?", [.integer(id.number)], Self.record)
    }

    /// Reads at most 500 records by id; unknown ids are left out.
    package func records(_ ids: [RecordID]) throws -> [RecordID: CRMRecord] {
        if ids.isEmpty { return [:] }
        let places = Array(repeating: "?", count: ids.count).joined(separator: ", ")
        var records: [RecordID: CRMRecord] = [:]
        try connection.each(
            "SELECT \(Self.columns) FROM record WHERE id IN (\(places))",
            ids.map { .integer($0.number) }
        ) { row in
            let record = try Self.record(row)
            records[record.id] = record
        }
        return records
    }

    /// Reads the next records of an object by ascending id.
    package func records(
        of object: ObjectName, after id: RecordID, limit: Int, areArchived: Bool = false
    ) throws -> [CRMRecord] {
        let sql = """
            SELECT \(Self.columns) FROM record WHERE object = ? AND id > ?
            AND archived_at IS \(areArchived ? "NOT NULL AND merged_into IS NULL" : "NULL")
            ORDER BY id LIMIT ?
            """
        return try connection.rows(
            sql, [.text(object.text), .integer(id.number), .integer(Int64(limit))], Self.record)
    }

    /// Records under a condition; columns of the `record` table.
    func select(_ condition: String, _ arguments: [SQLValue]) throws -> [CRMRecord] {
        try connection.rows(
            "SELECT \(Self.columns) FROM record WHERE \(condition)", arguments, Self.record)
    }

    /// Hands records under a condition to `visit`, one at a time.
    func each(
        _ condition: String, _ arguments: [SQLValue], _ visit: (CRMRecord) throws -> Void
    ) throws {
        try connection.each("SELECT \(Self.columns) FROM record WHERE \(condition)", arguments) {
            try visit(Self.record($0))
        }
    }

    package func count(of object: ObjectName) throws -> Int {
        let sql = "SELECT COUNT(*) FROM record WHERE object = ? AND archived_at IS NULL"
        return Int(try connection.number(sql, [.text(object.text)]))
    }

    /// Finds a record by what a person types: an id, for contacts an email address, for companies a
    /// domain.
    ///
    /// Archived records are found by id only; the id of one that was merged finds the result.
    ///
    /// - Throws: ``CRMError/notFound(_:_:)``.
    package func resolve(_ text: String, in object: ObjectName) throws -> CRMRecord {
        if let number = Int64(text), let found = try record(current(RecordID(number))),
            found.object == object
        {
            return found
        }
        let key: MatchKey? =
            switch object {
            case .contacts: MatchKey(kind: MatchKey.email, value: text.trimmed.lowercased())
            case .companies:
                MatchKey.normalised(domain: text).map { MatchKey(kind: "domain", value: $0) }
            default: nil
            }
        let owners = try key.map { try self.owners(of: [$0], in: object)[$0] ?? [] } ?? []
        guard let id = owners.min(), let found = try record(id) else {
            throw CRMError.notFound(object, text)
        }
        return found
    }

    /// Finds the living records that own any of these keys, of which there are at most 1000.
    package func owners(of keys: some Collection<MatchKey>, in object: ObjectName) throws
        -> [MatchKey: Set<RecordID>]
    {
        var owners: [MatchKey: Set<RecordID>] = [:]
        for (kind, keys) in Dictionary(grouping: keys, by: \.kind) {
            let table = MatchKey(kind: kind, value: "").table
            let places = Array(repeating: "?", count: keys.count).joined(separator: ", ")
            try connection.each(
                """
                SELECT value, record_id FROM \(table)
                WHERE object = ? AND kind = ? AND value IN (\(places))
                """, [.text(object.text), .text(kind)] + keys.map { .text($0.value) }
            ) { row in
                let key = MatchKey(kind: kind, value: row.text(0) ?? "")
                owners[key, default: []].insert(RecordID(row.integer(1) ?? 0))
            }
        }
        return owners
    }

    /// Reads the change feed in order.
    package func changes(of object: ObjectName, after sequence: Int64, limit: Int) throws
        -> [CRMChange]
    {
        let sql = """
            SELECT sequence, record_id, kind, patch, at, origin FROM change
            WHERE sequence > ? AND object = ? ORDER BY sequence LIMIT ?
            """
        return try connection.rows(
            sql, [.integer(sequence), .text(object.text), .integer(Int64(limit))], Self.change)
    }

    /// Whether anybody but `origin` changed a record of an object since.
    package func hasChange(of object: ObjectName, after sequence: Int64, notBy origin: Origin)
        throws
        -> Bool
    {
        let sql = """
            SELECT 1 FROM change WHERE sequence > ? AND object = ? AND origin <> ? LIMIT 1
            """
        return try connection.number(
            sql, [.integer(sequence), .text(object.text), .text(origin.text)]) == 1
    }

    /// The history of one record, oldest first, with that of the records it was merged from.
    package func history(of id: RecordID) throws -> [CRMChange] {
        let sql = """
            SELECT sequence, record_id, kind, patch, at, origin FROM change
            WHERE record_id = ? OR record_id IN (SELECT id FROM alias WHERE record_id = ?)
            ORDER BY sequence
            """
        return try connection.rows(
            sql, [.integer(id.number), .integer(id.number)], Self.change)
    }

    /// The sequence of a record's last change of a kind; 0 if there is none.
    package func lastChange(of id: RecordID, _ kind: CRMChange.Kind) throws -> Int64 {
        try connection.number(
            "SELECT MAX(sequence) FROM change WHERE record_id = ? AND kind = ?",
            [.integer(id.number), .text(kind.rawValue)])
    }

    /// Whether a record was removed because its owner asked to be forgotten.
    package func wasErased(_ id: RecordID) throws -> Bool {
        try connection.number(
            "SELECT 1 FROM change WHERE record_id = ? AND kind = 'erase'", [.integer(id.number)])
            == 1
    }

    /// The id under which a record stands now: of one that was merged, the result's.
    package func current(_ id: RecordID) throws -> RecordID {
        try aliases(of: [id])[id] ?? id
    }

    /// Where records went that were merged, of at most 1000; the others are left out.
    package func aliases(of ids: some Collection<RecordID>) throws -> [RecordID: RecordID] {
        if ids.isEmpty { return [:] }
        let places = Array(repeating: "?", count: ids.count).joined(separator: ", ")
        var aliases: [RecordID: RecordID] = [:]
        try connection.each(
            "SELECT id, record_id FROM alias WHERE id IN (\(places))",
            ids.map { .integer($0.number) }
        ) { aliases[RecordID($0.integer(0) ?? 0)] = RecordID($0.integer(1) ?? 0) }
        return aliases
    }

    /// The sequence of the newest change of any object; 0 if there is none.
    package func latestSequence() throws -> Int64 {
        try connection.number("SELECT MAX(sequence) FROM change")
    }

    private static func record(_ row: any SQLRow) throws -> CRMRecord {
        guard let properties = FlatJSON.values(row.text(2) ?? "") else {
            throw DatabaseFailure(.failed, "record \(row.integer(0) ?? 0) is damaged")
        }
        return CRMRecord(
            id: RecordID(row.integer(0) ?? 0), object: ObjectName(row.text(1) ?? ""),
            properties: properties, createdAt: Timestamp(milliseconds: row.integer(3) ?? 0),
            updatedAt: Timestamp(milliseconds: row.integer(4) ?? 0),
            archivedAt: row.integer(5).map { Timestamp(milliseconds: $0) },
            mergedInto: row.integer(6).map { RecordID($0) })
    }

    private static func change(_ row: any SQLRow) throws -> CRMChange {
        guard let patch = FlatJSON.values(row.text(3) ?? ""),
            let kind = CRMChange.Kind(rawValue: row.text(2) ?? "")
        else { throw DatabaseFailure(.failed, "change \(row.integer(0) ?? 0) is damaged") }
        return CRMChange(
            sequence: row.integer(0) ?? 0, recordID: RecordID(row.integer(1) ?? 0), kind: kind,
            patch: patch, at: Timestamp(milliseconds: row.integer(4) ?? 0),
            origin: Origin(row.text(5) ?? ""))
    }
}
