import TandemCore
import TandemDatabase
package import TandemModel
import TandemSupport

/// Writes the CRM store inside a transaction; every write is one row of the change feed.
///
/// Values are checked against the schema; records, keys and feed move together, so the caller
/// only has to commit.
package struct CRMWriter {
    let connection: any SQLConnection
    /// The schema as it is in this transaction.
    package let schema: CRMSchema
    let now: Timestamp
    let origin: Origin

    var reader: CRMReader { CRMReader(in: connection) }

    /// Makes a record; blank values are left out.
    ///
    /// - Returns: The record as it is stored.
    /// - Throws: ``CRMError`` for an unknown object or property, a value that does not fit, or
    ///   an email address of another living contact.
    @discardableResult
    package func create(_ object: ObjectName, _ values: Values) throws -> CRMRecord {
        let checked = try checked(values, of: object)
        let whole = AddressSet(object)?.whole(checked, over: [:]) ?? checked
        let properties = whole.filter { !$0.value.isEmpty }
        try requireUnblocked(properties, object)
        if object == .contacts { try requireCompany(properties, of: nil) }
        let record = try insert(object, properties, createdAt: now, as: .create)
        if object == .contacts { try followProperty(of: record.id, properties) }
        return record
    }

    /// Writes a new row with its keys and its entry of the feed; the values are checked already.
    func insert(
        _ object: ObjectName, _ properties: Values, createdAt: Timestamp, as kind: CRMChange.Kind
    ) throws -> CRMRecord {
        let keys = keys(of: properties, object)
        try requireFree(keys, for: nil, in: object)
        let text = FlatJSON.text(properties)
        let id = try connection.row(
            """
            INSERT INTO record (object, properties, created_at, updated_at) VALUES (?, ?, ?, ?)
            RETURNING id
            """,
            [
                .text(object.text), .text(text), .integer(createdAt.milliseconds),
                .integer(now.milliseconds),
            ]
        ) { RecordID($0.integer(0) ?? 0) }
        guard let id else { throw DatabaseFailure(.failed, "a new record got no id") }
        try add(keys, of: id, object)
        try log(kind, id, object, patch: text)
        return CRMRecord(
            id: id, object: object, properties: properties, createdAt: createdAt, updatedAt: now,
            archivedAt: nil, mergedInto: nil)
    }

    /// Changes properties of a living record; `""` clears one, others stay as they are.
    ///
    /// - Returns: What really changed; empty if every value was there already, and then nothing
    ///   is written.
    /// - Throws: As ``create(_:_:)``; ``CRMError/archived(_:)`` for a record in the bin.
    @discardableResult
    package func update(_ id: RecordID, _ values: Values) throws -> Values {
        let old = try living(id)
        let checked = try checked(values, of: old.object)
        if old.object == .contacts { try requireCompany(checked, of: old) }
        return try set(old, AddressSet(old.object)?.whole(checked, over: old.properties) ?? checked)
    }

    /// Changes values that are checked already, or that only the store may write.
    @discardableResult
    func set(_ old: CRMRecord, _ values: Values) throws -> Values {
        let id = old.id
        let patch = values.filter { $0.value != old.properties[$0.key, default: ""] }
        if patch.isEmpty { return [:] }
        let new = old.properties.merging(patch) { $1 }.filter { !$0.value.isEmpty }
        let (before, after) = (keys(of: old.properties, old.object), keys(of: new, old.object))
        try requireFree(after.filter { !before.contains($0) }, for: id, in: old.object)
        try remove(before.filter { !after.contains($0) }, of: id, old.object)
        try add(after.filter { !before.contains($0) }, of: id, old.object)
        try connection.run(
            "UPDATE record SET properties = ?, updated_at = ? WHERE id = ?",
            [.text(FlatJSON.text(new)), .integer(now.milliseconds), .integer(id.number)])
        try log(.update, id, old.object, patch: FlatJSON.text(patch))
        try followMarketing(id, from: old.properties, to: new)
        if old.object == .contacts { try followProperty(of: id, patch) }
        return patch
    }

    /// Moves a record to the bin; its keys become free.
    ///
    /// - Throws: ``CRMError/notFound(_:_:)``, ``CRMError/archived(_:)``.
    package func archive(_ id: RecordID) throws {
        let old = try living(id)
        try remove(keys(of: old.properties, old.object), of: id, old.object)
        try connection.run(
            "UPDATE record SET archived_at = ? WHERE id = ?",
            [.integer(now.milliseconds), .integer(id.number)])
        try followMarketing(id, from: old.properties, to: [:])
        try log(.archive, id, old.object, patch: "{}")
    }

    /// Brings a record back from the bin under its old id.
    ///
    /// - Throws: ``CRMError/duplicateEmail(_:of:)`` if its address was taken meanwhile.
    package func restore(_ id: RecordID) throws {
        guard let old = try reader.record(id) else { throw CRMError.notFound("records", "\(id)") }
        if old.archivedAt == nil || old.mergedInto != nil { throw CRMError.notArchived(id) }
        let keys = keys(of: old.properties, old.object)
        try requireFree(keys, for: id, in: old.object)
        try add(keys, of: id, old.object)
        try connection.run(
            "UPDATE record SET archived_at = NULL, updated_at = ? WHERE id = ?",
            [.integer(now.milliseconds), .integer(id.number)])
        try followMarketing(id, from: [:], to: old.properties)
        try log(.restore, id, old.object, patch: "{}")
        // Who belongs to it shows it again.
        try connection.run(
            """
            INSERT INTO change (object, record_id, kind, patch, at, origin)
            SELECT object, id, 'associate', '{}', ?, ? FROM record
            WHERE archived_at IS NULL AND id IN (SELECT from_id FROM association WHERE to_id = ?)
            ORDER BY id
            """, [.integer(now.milliseconds), .text(origin.text), .integer(id.number)])
    }

    /// Empties the bin of records that have been in it for ``CRMStore/binDays``.
    ///
    /// - Returns: How many were removed; at most 500 per call.
    package func emptyBin() throws -> Int {
        let limit = now - .seconds(CRMStore.binDays * 86_400)
        let due = try connection.rows(
            "SELECT id, object FROM record WHERE archived_at < ? ORDER BY id LIMIT 500",
            [.integer(limit.milliseconds)]
        ) { (RecordID($0.integer(0) ?? 0), ObjectName($0.text(1) ?? "")) }
        for (id, object) in due {
            try remove(id)
            try log(.purge, id, object, patch: "{}")
        }
        return due.count
    }

    /// Removes a record and all that hangs on it; its history stays.
    func remove(_ id: RecordID) throws {
        try connection.run("DELETE FROM record WHERE id = ?", [.integer(id.number)])
        try connection.run(
            "DELETE FROM association WHERE from_id = ? OR to_id = ?",
            [.integer(id.number), .integer(id.number)])
        for table in RecordOwnedTable.all where table.name != RecordOwnedTable.aliases.name {
            try connection.run(
                "DELETE FROM \(table.name) WHERE record_id = ?", [.integer(id.number)])
        }
        try connection.run(
            "DELETE FROM merge_row WHERE result_id IN (SELECT result_id FROM merge"
                + " WHERE primary_id = ? OR secondary_id = ?)",
            [.integer(id.number), .integer(id.number)])
    }

    func living(_ id: RecordID) throws -> CRMRecord {
        guard let record = try reader.record(id) else {
            throw CRMError.notFound("records", "\(id)")
        }
        if record.archivedAt != nil { throw CRMError.archived(id) }
        return record
    }

    func log(_ kind: CRMChange.Kind, _ id: RecordID, _ object: ObjectName, patch: String)
        throws
    {
        try connection.run(
            """
            INSERT INTO change (object, record_id, kind, patch, at, origin)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .text(object.text), .integer(id.number), .text(kind.rawValue), .text(patch),
                .integer(now.milliseconds), .text(origin.text),
            ])
    }
}

/// What a record may hold, and the keys it is found by.
extension CRMWriter {
    private func checked(_ values: Values, of object: ObjectName) throws(CRMError) -> Values {
        let properties = try schema.properties(of: object)
        var checked: Values = [:]
        for (name, value) in values.sorted(by: { $0.key < $1.key }) {
            guard let property = properties[name] else { throw unknown(name, of: object) }
            if property.archivedAt != nil { throw unknown(name, of: object) }
            if property.isReadOnly { throw .readOnly(name) }
            checked[name] = try property.accepted(value)
        }
        return checked
    }

    private func unknown(_ name: PropertyName, of object: ObjectName) -> CRMError {
        do {
            _ = try schema.property(name, of: object)
            return .unknownProperty(name, of: object, nearest: nil)
        } catch { return error }
    }

    func keys(of values: Values, _ object: ObjectName) -> [MatchKey] {
        let keys = MatchKey.keys(
            of: values, object: object, rules: SyncSettings.defaultMatch(object))
        let indexed = (schema.indexed[object] ?? []).compactMap { property in
            let value = values[property.name] ?? ""
            return property.isUnique
                ? MatchKey.unique(value, by: property.name)
                : MatchKey.indexed(value, by: property.name)
        }
        return keys + indexed
    }

    func requireFree(_ keys: [MatchKey], for id: RecordID?, in object: ObjectName) throws {
        for key in keys where key.isUnique {
            guard let owner = try owner(of: key, object), owner != id else { continue }
            if let property = key.uniqueProperty {
                throw CRMError.duplicateValue(property, key.value, of: owner)
            }
            throw CRMError.duplicateEmail(key.value, of: owner)
        }
    }

    /// The record that has a unique key.
    func owner(of key: MatchKey, _ object: ObjectName) throws -> RecordID? {
        try connection.row(
            "SELECT record_id FROM unique_key WHERE object = ? AND kind = ? AND value = ?",
            [.text(object.text), .text(key.kind), .text(key.value)]
        ) { RecordID($0.integer(0) ?? 0) }
    }

    func add(_ keys: [MatchKey], of id: RecordID, _ object: ObjectName) throws {
        for key in keys {
            try connection.run(
                "INSERT INTO \(key.table) (object, kind, value, record_id) VALUES (?, ?, ?, ?)",
                [.text(object.text), .text(key.kind), .text(key.value), .integer(id.number)])
        }
    }

    func remove(_ keys: [MatchKey], of id: RecordID, _ object: ObjectName) throws {
        for key in keys {
            try connection.run(
                "DELETE FROM \(key.table) WHERE object = ? AND kind = ? AND value = ? AND record_id = ?",
                [.text(object.text), .text(key.kind), .text(key.value), .integer(id.number)])
        }
    }
}

extension MatchKey {
    /// The table that it is kept in.
    var table: String { isUnique ? "unique_key" : "match_key" }
}
