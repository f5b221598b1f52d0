import FoundationEssentials
import TandemCore
package import TandemDatabase
package import TandemModel
package import TandemSupport

/// A list of records: kept by hand, or whoever fits a filter.
package struct RecordList: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case manual = "MANUAL"
        /// Its members are those that fit its filter whenever it is read.
        case active = "DYNAMIC"
        /// As ``manual``; HubSpot fills it once from a filter.
        case snapshot = "SNAPSHOT"
    }

    package let id: Int64
    package let object: ObjectName
    package let name: String
    package let kind: Kind
    package let filter: ListFilter?
    package let version: Int64
    package let createdAt: Timestamp
    package let updatedAt: Timestamp
    package let deletedAt: Timestamp?
}

/// A record in a list, and since when.
package struct ListMember: Hashable, Sendable {
    package let record: RecordID
    package let at: Timestamp
}

/// The lists of the store, inside a transaction.
package struct ListTable {
    let connection: any SQLConnection
    let schema: CRMSchema
    let now: Timestamp

    package init(_ connection: any SQLConnection, _ schema: CRMSchema, now: Timestamp) {
        self.connection = connection
        self.schema = schema
        self.now = now
    }

    private static let selection = """
        SELECT id, object, name, kind, filter, version, created_at, updated_at, deleted_at FROM list
        """

    /// - Throws: ``CRMError/alreadyExists(_:)`` for the name of another list of the object;
    ///   ``CRMError/limit(_:)`` if the filter does not fit the kind;
    ///   ``CRMError/unknownProperty(_:of:nearest:)`` for what it names.
    package func create(
        _ name: String, of object: ObjectName, _ kind: RecordList.Kind, filter: ListFilter?
    ) throws -> RecordList {
        if (kind == .manual) == (filter != nil) {
            throw CRMError.limit("an active list has a filter, one kept by hand has none")
        }
        try requireFree(name, of: object)
        let id = try connection.row(
            """
            INSERT INTO list (object, name, kind, filter, version, created_at, updated_at)
            VALUES (?, ?, ?, ?, 1, ?, ?) RETURNING id
            """,
            [
                .text(object.text), .text(name), .text(kind.rawValue),
                .optional(try filter.map { try text($0, object) }), .integer(now.milliseconds),
                .integer(now.milliseconds),
            ]
        ) { $0.integer(0) ?? 0 }
        let list = try list(id ?? 0)
        if kind == .snapshot {
            var last = RecordID(0)
            while case let batch = try matching(list, after: last, limit: 1_000),
                let end = batch.last
            {
                for member in batch { try insert(member.record, into: list) }
                last = end.record
            }
        }
        return list
    }

    /// - Throws: ``CRMError/notFound(_:_:)``, also for a deleted list.
    package func list(_ id: Int64) throws -> RecordList {
        let found = try connection.row(
            "\(Self.selection) WHERE id = ?", [.integer(id)], Self.list)
        guard let found, found.deletedAt == nil else { throw CRMError.notFound("lists", "\(id)") }
        return found
    }

    package func list(named name: String, of object: ObjectName) throws -> RecordList {
        let found = try connection.row(
            "\(Self.selection) WHERE name = ? AND object = ? AND deleted_at IS NULL",
            [.text(name), .text(object.text)], Self.list)
        guard let found else { throw CRMError.notFound("lists", name) }
        return found
    }

    /// All living lists, by id.
    package func all() throws -> [RecordList] {
        try connection.rows("\(Self.selection) WHERE deleted_at IS NULL ORDER BY id", [], Self.list)
    }

    package func rename(_ list: RecordList, to name: String) throws {
        if name != list.name { try requireFree(name, of: list.object) }
        try change(list, "name = ?", [.text(name)])
    }

    /// - Throws: As ``create(_:of:_:filter:)``.
    package func set(_ filter: ListFilter, of list: RecordList) throws {
        if list.kind != .active { throw CRMError.limit("only an active list has a filter") }
        try change(list, "filter = ?", [.text(try text(filter, list.object))])
    }

    package func delete(_ list: RecordList) throws {
        try change(list, "deleted_at = ?", [.integer(now.milliseconds)])
    }

    /// Brings a deleted list back with its members.
    package func restore(_ id: Int64) throws {
        let count = try connection.run(
            "UPDATE list SET deleted_at = NULL, updated_at = ? WHERE id = ?",
            [.integer(now.milliseconds), .integer(id)])
        if count == 0 { throw CRMError.notFound("lists", "\(id)") }
    }

    private func change(_ list: RecordList, _ what: String, _ arguments: [SQLValue]) throws {
        try connection.run(
            "UPDATE list SET \(what), version = version + 1, updated_at = ? WHERE id = ?",
            arguments + [.integer(now.milliseconds), .integer(list.id)])
    }

    /// The living members with greater ids, by id.
    package func members(of list: RecordList, after id: RecordID, limit: Int) throws -> [ListMember]
    {
        if list.kind == .active { return try matching(list, after: id, limit: limit) }
        return try connection.rows(
            """
            SELECT record_id, at FROM list_member
            JOIN record ON record.id = record_id AND record.archived_at IS NULL
            WHERE list_id = ? AND record_id > ? ORDER BY record_id LIMIT ?
            """, [.integer(list.id), .integer(id.number), .integer(Int64(limit))]
        ) {
            ListMember(
                record: RecordID($0.integer(0) ?? 0), at: .init(milliseconds: $0.integer(1) ?? 0))
        }
    }

    package func count(of list: RecordList) throws -> Int {
        if let filter = list.filter, list.kind == .active {
            let query = SearchQuery(groups: try filter.groups(), limit: 0)
            return try CRMReader(in: connection).search(list.object, query, schema).total
        }
        return Int(
            try connection.number(
                """
                SELECT COUNT(*) FROM list_member
                JOIN record ON record.id = record_id AND record.archived_at IS NULL
                WHERE list_id = ?
                """, [.integer(list.id)]))
    }

    /// The living lists that a record is in, by id, and how it is in them.
    package func memberships(of record: CRMRecord) throws -> [(list: RecordList, as: ListMember)] {
        try all().compactMap { list in
            guard list.object == record.object, let member = try member(record, of: list) else {
                return nil
            }
            return (list, member)
        }
    }

    private func member(_ record: CRMRecord, of list: RecordList) throws -> ListMember? {
        if list.kind == .active, let filter = list.filter {
            let fits = try CRMReader(in: connection).fits(record, filter.groups(), schema)
            return fits ? ListMember(record: record.id, at: record.updatedAt) : nil
        }
        let next = try members(of: list, after: RecordID(record.id.number - 1), limit: 1).first
        return next?.record == record.id ? next : nil
    }

    /// - Returns: Whether the record was not in it.
    /// - Throws: ``CRMError/limit(_:)`` for an active list.
    @discardableResult
    package func add(_ id: RecordID, to list: RecordList) throws -> Bool {
        try requireByHand(list)
        return try insert(id, into: list)
    }

    /// - Returns: Whether the record was in it.
    /// - Throws: ``CRMError/limit(_:)`` for an active list.
    @discardableResult
    package func remove(_ id: RecordID, from list: RecordList) throws -> Bool {
        try requireByHand(list)
        return try connection.run(
            "DELETE FROM list_member WHERE list_id = ? AND record_id = ?",
            [.integer(list.id), .integer(id.number)]) == 1
    }

    @discardableResult
    private func insert(_ id: RecordID, into list: RecordList) throws -> Bool {
        try connection.run(
            "INSERT INTO list_member VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [.integer(list.id), .integer(id.number), .integer(now.milliseconds)]) == 1
    }

    private func requireByHand(_ list: RecordList) throws {
        if list.kind == .active {
            throw CRMError.limit("list \(list.id) is an active list; its filter says who is in it")
        }
    }

    /// Those that fit the filter; a record is a member since it was last changed.
    private func matching(_ list: RecordList, after id: RecordID, limit: Int) throws -> [ListMember]
    {
        guard let filter = list.filter else { return [] }
        let start = SearchFilter("hs_object_id", .greater, [id.description])
        let groups = try filter.groups().map { $0 + [start] }
        let query = SearchQuery(
            groups: groups, sort: .init("hs_object_id", isDescending: false), limit: limit,
            countsAll: false)
        return try CRMReader(in: connection).search(list.object, query, schema).records.map {
            ListMember(record: $0.id, at: $0.updatedAt)
        }
    }

    private func requireFree(_ name: String, of object: ObjectName) throws {
        let count = try connection.number(
            "SELECT COUNT(*) FROM list WHERE name = ? AND object = ? AND deleted_at IS NULL",
            [.text(name), .text(object.text)])
        if count > 0 { throw CRMError.alreadyExists("the list `\(name)` of \(object)") }
    }

    /// The filter as it is stored, if it can be understood.
    private func text(_ filter: ListFilter, _ object: ObjectName) throws -> String {
        for condition in try filter.groups().flatMap(\.self) {
            _ = try schema.property(condition.property, of: object)
        }
        return String(decoding: try JSONEncoder().encode(filter), as: UTF8.self)
    }

    private static func list(_ row: any SQLRow) throws -> RecordList {
        let filter = try row.text(4).map { text in
            do { return try JSONDecoder().decode(ListFilter.self, from: Data(text.utf8)) } catch {
                throw DatabaseFailure(.failed, "list \(row.integer(0) ?? 0) is damaged")
            }
        }
        return RecordList(
            id: row.integer(0) ?? 0, object: ObjectName(row.text(1) ?? ""), name: row.text(2) ?? "",
            kind: RecordList.Kind(rawValue: row.text(3) ?? "") ?? .manual, filter: filter,
            version: row.integer(5) ?? 0,
            createdAt: Timestamp(milliseconds: row.integer(6) ?? 0),
            updatedAt: Timestamp(milliseconds: row.integer(7) ?? 0),
            deletedAt: row.integer(8).map { Timestamp(milliseconds: $0) })
    }
}
