import TandemDatabase
package import TandemModel

extension CRMReader {
    /// The types between two objects, the plain one first; none if nothing was ever associated
    /// between objects that HubSpot has no type for.
    package func associationTypes(from: ObjectName, to: ObjectName) throws -> [AssociationType] {
        let standard = AssociationType.standard.filter { $0.from == from && $0.to == to }
        let custom = try connection.rows(
            """
            SELECT id, inverse, label FROM association_type WHERE from_object = ? AND to_object = ?
            ORDER BY id
            """, [.text(from.text), .text(to.text)]
        ) { row in
            AssociationType(
                id: row.integer(0) ?? 0, from: from, to: to, inverse: row.integer(1) ?? 0,
                label: row.text(2), isPrimary: false, isCustom: true)
        }
        let all = standard + custom
        return all.filter { $0.label == nil } + all.filter { $0.label != nil }
    }

    /// The living records of an object that a record is associated with, by ascending id.
    ///
    /// - Parameters:
    ///   - id: The record.
    ///   - object: What the others are.
    ///   - last: Only those with a greater id.
    ///   - limit: At most so many.
    /// - Returns: The associations, each with all its types.
    /// - Throws: ``CRMError/notFound(_:_:)`` if there is no such record.
    package func associations(
        of id: RecordID, to object: ObjectName, after last: RecordID = RecordID(0), limit: Int
    ) throws -> [Association] {
        guard let record = try record(id) else { throw CRMError.notFound("records", "\(id)") }
        let types = Dictionary(
            try associationTypes(from: record.object, to: object).map { ($0.id, $0) },
            uniquingKeysWith: { first, _ in first })
        let others = try connection.rows(
            """
            SELECT DISTINCT association.to_id FROM association
            JOIN record ON record.id = association.to_id AND record.archived_at IS NULL
            WHERE association.from_id = ? AND association.to_object = ? AND association.to_id > ?
            ORDER BY association.to_id LIMIT ?
            """,
            [
                .integer(id.number), .text(object.text), .integer(last.number),
                .integer(Int64(limit)),
            ]
        ) { RecordID($0.integer(0) ?? 0) }
        return try others.map { other in
            let ids = try typeIDs(from: id, to: other, object)
            return Association(to: other, object: object, types: ids.compactMap { types[$0] })
        }
    }

    /// The ids of the types of one association; none for two strangers.
    package func types(from id: RecordID, to other: RecordID) throws -> [Int64] {
        guard let object = try record(other)?.object else { return [] }
        return try typeIDs(from: id, to: other, object)
    }

    func typeIDs(from id: RecordID, to other: RecordID, _ object: ObjectName) throws -> [Int64] {
        try connection.rows(
            """
            SELECT type_id FROM association WHERE from_id = ? AND to_object = ? AND to_id = ?
            ORDER BY type_id
            """, [.integer(id.number), .text(object.text), .integer(other.number)]
        ) { $0.integer(0) ?? 0 }
    }
}

extension CRMWriter {
    /// How many records of one object a record can be associated with.
    package static var associationLimit: Int { 50_000 }

    /// The property that names a contact's primary company; it and the association move together.
    static var primaryCompany: PropertyName { "associatedcompanyid" }

    /// Associates two living records; both get an entry of the change feed.
    ///
    /// The first company of a record becomes its primary one. A record has one primary company:
    /// the label moves.
    ///
    /// - Parameters:
    ///   - from: One record.
    ///   - to: The other.
    ///   - labels: Ids of types from the first to the second, which replace the labels there are;
    ///     `nil` leaves those.
    /// - Returns: Whether anything changed.
    /// - Throws: ``CRMError/notFound(_:_:)``, ``CRMError/archived(_:)``,
    ///   ``CRMError/unknownAssociationType(_:)``, ``CRMError/tooManyAssociations(_:)``.
    @discardableResult
    package func associate(_ from: RecordID, _ to: RecordID, labels: Set<Int64>? = nil) throws
        -> Bool
    {
        let (one, other) = (try living(from), try living(to))
        if one.id == other.id {
            throw CRMError.limit("record \(one.id) cannot be associated with itself")
        }
        let types = try types(from: one.object, to: other.object)
        if one.object == .companies && other.object != .companies {
            // Seen from the record that has a primary company.
            let inverses = labels.map { ids in
                Set(ids.map { id in types.first { $0.id == id }?.inverse ?? id })
            }
            return try associate(to, from, labels: inverses)
        }
        let known = Set(try reader.typeIDs(from: from, to: to, other.object))
        var wanted =
            labels.map { $0.union(types.prefix(1).map(\.id)) }
            ?? known.union(types.prefix(1).map(\.id))
        if let unknown = wanted.subtracting(types.map(\.id)).min() {
            throw CRMError.unknownAssociationType(unknown)
        }
        let primary = types.first { $0.isPrimary && other.object == .companies }
        if let primary, labels == nil, try holder(of: primary, from: from) == nil {
            wanted.insert(primary.id)
        }
        if wanted == known { return false }
        if known.isEmpty { try requireRoom(from, other.object) }
        if known.isEmpty { try requireRoom(to, one.object) }
        if let primary, wanted.contains(primary.id),
            let before = try holder(of: primary, from: from), before != to
        {
            try set(from, one.object, before, other.object, adding: [], removing: [primary])
        }
        try set(
            from, one.object, to, other.object,
            adding: types.filter { wanted.contains($0.id) && !known.contains($0.id) },
            removing: types.filter { known.contains($0.id) && !wanted.contains($0.id) })
        try followPrimary(from, primary)
        return true
    }

    /// Ends an association, or takes labels from it; without the plain type nothing is left.
    ///
    /// - Parameters:
    ///   - from: One record.
    ///   - to: The other.
    ///   - labels: Ids of types from the first to the second; `nil` for all.
    /// - Returns: Whether anything changed.
    /// - Throws: ``CRMError/notFound(_:_:)``.
    @discardableResult
    package func dissociate(_ from: RecordID, _ to: RecordID, labels: Set<Int64>? = nil) throws
        -> Bool
    {
        let records = try [from, to].map { id in
            guard let record = try reader.record(id) else {
                throw CRMError.notFound("records", "\(id)")
            }
            return record
        }
        let (one, other) = (records[0], records[1])
        let types = try types(from: one.object, to: other.object)
        let known = Set(try reader.typeIDs(from: from, to: to, other.object))
        let isWhole = labels.map { $0.contains(types.first?.id ?? 0) } ?? true
        let gone = isWhole ? known : known.intersection(labels ?? [])
        if gone.isEmpty { return false }
        try set(
            from, one.object, to, other.object, adding: [],
            removing: types.filter { gone.contains($0.id) })
        try followPrimary(from, types.first { $0.isPrimary && other.object == .companies })
        let back = try self.types(from: other.object, to: one.object)
        try followPrimary(to, back.first { $0.isPrimary && one.object == .companies })
        return true
    }

    /// Adds a label between two objects, with its own name for each direction.
    ///
    /// - Returns: The new types, the given direction first; one if both directions are the same.
    /// - Throws: ``CRMError/alreadyExists(_:)``, ``CRMError/unknownObject(_:nearest:)``.
    package func addLabel(
        _ label: String, inverse: String? = nil, from: ObjectName, to: ObjectName
    ) throws -> [AssociationType] {
        _ = try schema.properties(of: from)
        _ = try schema.properties(of: to)
        let known = try types(from: from, to: to).compactMap { $0.label?.lowercased() }
        if known.contains(label.lowercased()) {
            throw CRMError.alreadyExists("the label `\(label)` from \(from) to \(to)")
        }
        try insertType(label, inverse ?? label, from: from, to: to)
        let forward = try types(from: from, to: to).filter { $0.label == label }
        let back = try types(from: to, to: from).filter { type in
            forward.contains { $0.inverse == type.id && $0.id != type.id }
        }
        return forward + back
    }

    /// Renames one of the store's own labels.
    ///
    /// - Throws: ``CRMError/unknownAssociationType(_:)`` for a type that is not the store's own.
    package func renameLabel(
        _ id: Int64, to label: String, inverse: String?, from: ObjectName, to: ObjectName
    ) throws {
        let type = try ownLabel(id, from, to)
        try connection.run(
            "UPDATE association_type SET label = ? WHERE id = ?", [.text(label), .integer(id)])
        if let inverse, type.inverse != id {
            try connection.run(
                "UPDATE association_type SET label = ? WHERE id = ?",
                [.text(inverse), .integer(type.inverse)])
        }
    }

    /// Removes one of the store's own labels; associations that had it stay without.
    ///
    /// - Throws: ``CRMError/unknownAssociationType(_:)`` for a type that is not the store's own.
    package func removeLabel(_ id: Int64, from: ObjectName, to: ObjectName) throws {
        let type = try ownLabel(id, from, to)
        for id in Set([type.id, type.inverse]) {
            let object = id == type.id ? from : to
            let had = try connection.rows(
                "SELECT from_id, to_object, to_id FROM association WHERE type_id = ?",
                [.integer(id)]
            ) { (RecordID($0.integer(0) ?? 0), "\($0.text(1) ?? "")/\($0.integer(2) ?? 0)") }
            for (record, place) in had {
                let patch = FlatJSON.text([PropertyName(place): String(id)])
                try log(.dissociate, record, object, patch: patch)
            }
            try connection.run("DELETE FROM association WHERE type_id = ?", [.integer(id)])
            try connection.run("DELETE FROM association_type WHERE id = ?", [.integer(id)])
        }
    }

    private func ownLabel(_ id: Int64, _ from: ObjectName, _ to: ObjectName) throws
        -> AssociationType
    {
        let type = try types(from: from, to: to).first {
            $0.id == id && $0.isCustom && $0.label != nil
        }
        guard let type else { throw CRMError.unknownAssociationType(id) }
        return type
    }

    /// Checks the property that names a contact's primary company before anything is written.
    ///
    /// - Throws: ``CRMError/invalidValue(_:_:expected:)`` if it names no living company;
    ///   ``CRMError/tooManyAssociations(_:)``.
    func requireCompany(_ patch: Values, of contact: CRMRecord?) throws {
        guard let text = patch[Self.primaryCompany], !text.isEmpty,
            text != contact?.properties[Self.primaryCompany]
        else { return }
        guard let number = Int64(text),
            let company = try reader.record(reader.current(RecordID(number))),
            company.object == .companies, company.archivedAt == nil
        else {
            throw CRMError.invalidValue(Self.primaryCompany, text, expected: "the id of a company")
        }
        if let contact, try !reader.typeIDs(from: contact.id, to: company.id, .companies).isEmpty {
            return
        }
        try requireRoom(company.id, .contacts)
        if let contact { try requireRoom(contact.id, .companies) }
    }

    /// Has a contact's primary company follow the property that names it.
    func followProperty(of id: RecordID, _ patch: Values) throws {
        guard let text = patch[Self.primaryCompany] else { return }
        guard let type = AssociationType.primaryCompanyOfContacts else { return }
        let before = try holder(of: type, from: id)
        guard let number = Int64(text) else {
            if let before { try dissociate(id, before, labels: [type.id]) }
            return
        }
        let company = try reader.current(RecordID(number))
        guard company != before else { return }
        let labels = try reader.typeIDs(from: id, to: company, .companies)
        try associate(id, company, labels: Set(labels).union([type.id]))
    }
}

extension CRMWriter {
    /// The types between two objects; the plain one is made where HubSpot has none.
    func types(from: ObjectName, to: ObjectName) throws -> [AssociationType] {
        let types = try reader.associationTypes(from: from, to: to)
        if types.first?.label == nil && !types.isEmpty { return types }
        try insertType(nil, nil, from: from, to: to)
        return try reader.associationTypes(from: from, to: to)
    }

    private func insertType(_ label: String?, _ inverse: String?, from: ObjectName, to: ObjectName)
        throws
    {
        let isMirrored = from == to && label == inverse
        // HubSpot's own ids end below a thousand.
        let id = max(999, try connection.number("SELECT MAX(id) FROM association_type")) + 1
        let rows =
            [(id, isMirrored ? id : id + 1, from, to, label)]
            + (isMirrored ? [] : [(id + 1, id, to, from, inverse)])
        for (id, inverse, from, to, label) in rows {
            try connection.run(
                "INSERT INTO association_type VALUES (?, ?, ?, ?, ?)",
                [
                    .integer(id), .text(from.text), .text(to.text), .integer(inverse),
                    .optional(label),
                ])
        }
    }

    /// The record that has the only association of a type from this one.
    func holder(of type: AssociationType, from id: RecordID) throws -> RecordID? {
        try connection.row(
            "SELECT to_id FROM association WHERE from_id = ? AND to_object = ? AND type_id = ?",
            [.integer(id.number), .text(type.to.text), .integer(type.id)]
        ) { RecordID($0.integer(0) ?? 0) }
    }

    private func requireRoom(_ id: RecordID, _ object: ObjectName) throws {
        let count = try connection.number(
            "SELECT COUNT(DISTINCT to_id) FROM association WHERE from_id = ? AND to_object = ?",
            [.integer(id.number), .text(object.text)])
        if count >= Self.associationLimit { throw CRMError.tooManyAssociations(id) }
    }

    /// Changes the types of one association, seen from both records.
    func set(
        _ from: RecordID, _ one: ObjectName, _ to: RecordID, _ other: ObjectName,
        adding: [AssociationType], removing: [AssociationType]
    ) throws {
        let forward = (from: from, to: to, object: other, mine: one)
        let back = (from: to, to: from, object: one, mine: other)
        for (way, id) in [(forward, \AssociationType.id), (back, \AssociationType.inverse)] {
            let key =
                [SQLValue.integer(way.from.number), .text(way.object.text)]
                + [.integer(way.to.number)]
            for type in adding {
                try connection.run(
                    "INSERT INTO association VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    key + [.integer(type[keyPath: id])])
            }
            for type in removing {
                try connection.run(
                    """
                    DELETE FROM association
                    WHERE from_id = ? AND to_object = ? AND to_id = ? AND type_id = ?
                    """, key + [.integer(type[keyPath: id])])
            }
            let place = PropertyName("\(way.object)/\(way.to)")
            for (kind, types) in [(CRMChange.Kind.associate, adding), (.dissociate, removing)] {
                if types.isEmpty { continue }
                let ids = types.map { String($0[keyPath: id]) }.joined(separator: ";")
                try log(kind, way.from, way.mine, patch: FlatJSON.text([place: ids]))
            }
        }
    }

    /// Has the property that names the primary company follow the association.
    private func followPrimary(_ id: RecordID, _ primary: AssociationType?) throws {
        guard let primary, primary.from == .contacts else { return }
        let value = try holder(of: primary, from: id).map(\.description) ?? ""
        try set(living(id), [Self.primaryCompany: value])
    }
}
