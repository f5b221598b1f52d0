import TandemCore
import TandemDatabase
package import TandemModel
package import TandemSupport

/// A merge of two records into a new one (BEHAVIOUR.md §8).
package struct Merge: Hashable, Sendable {
    package let result: RecordID
    package let primary: RecordID
    package let secondary: RecordID
    /// The last entry of the feed that belongs to it.
    package let sequence: Int64
    package let at: Timestamp
    package let undoneAt: Timestamp?
}

extension CRMReader {
    /// The merge that made a record.
    package func merge(of result: RecordID) throws -> Merge? {
        try merge(where: "result_id = ?", [.integer(result.number)])
    }

    /// The merge that a record went into, unless it was undone.
    package func merge(from record: RecordID) throws -> Merge? {
        try merge(
            where: "(primary_id = ? OR secondary_id = ?) AND undone_at IS NULL",
            [.integer(record.number), .integer(record.number)])
    }

    private func merge(where condition: String, _ arguments: [SQLValue]) throws -> Merge? {
        try connection.row(
            """
            SELECT result_id, primary_id, secondary_id, sequence, at, undone_at FROM merge
            WHERE \(condition)
            """, arguments
        ) { row in
            Merge(
                result: RecordID(row.integer(0) ?? 0), primary: RecordID(row.integer(1) ?? 0),
                secondary: RecordID(row.integer(2) ?? 0), sequence: row.integer(3) ?? 0,
                at: Timestamp(milliseconds: row.integer(4) ?? 0),
                undoneAt: row.integer(5).map { Timestamp(milliseconds: $0) })
        }
    }
}

extension CRMWriter {
    /// What a merge would make, without making it.
    ///
    /// - Returns: The values of the result.
    /// - Throws: As ``merge(_:_:picked:)``.
    package func plannedMerge(
        _ primary: RecordID, _ secondary: RecordID, picked: Set<PropertyName> = []
    ) throws -> Values {
        let (one, other) = try mergeable(primary, secondary, picked)
        return try rules(one.object).values(party(one), party(other), picked: picked)
    }

    /// Makes one record of two; their ids go on finding it.
    ///
    /// - Parameters:
    ///   - primary: Whose values win, and whose primary company stays.
    ///   - secondary: What it has beyond those is added.
    ///   - picked: Properties of which the secondary's value is wanted.
    /// - Returns: The new record.
    /// - Throws: ``CRMError/cannotMerge(_:)`` for a record with itself, records of two objects, and
    ///   more than ``MergeRules/limit`` merges in their histories; ``CRMError/archived(_:)``,
    ///   ``CRMError/notFound(_:_:)``; ``CRMError/unknownProperty(_:of:nearest:)`` and
    ///   ``CRMError/readOnly(_:)`` for what is picked.
    @discardableResult
    package func merge(
        _ primary: RecordID, _ secondary: RecordID, picked: Set<PropertyName> = []
    ) throws -> CRMRecord {
        let (one, other) = try mergeable(primary, secondary, picked)
        let parties = (try party(one), try party(other))
        var values = try rules(one.object).values(parties.0, parties.1, picked: picked)
        if one.object == .contacts {
            values["hs_calculated_merged_vids"] = mergedContacts([one, other])
        }
        for record in [one, other] {
            try remove(keys(of: record.properties, record.object), of: record.id, record.object)
        }
        let result = try insert(
            one.object, values, createdAt: min(one.createdAt, other.createdAt), as: .merge)
        try moveBelongings(one, other, to: result)
        try retire([one, other], into: result)
        // Whose company is the primary one: of the first whose turn it is.
        let isOtherFirst = picked.contains(Self.primaryCompany)
        try moveAssociations(isOtherFirst ? [other, one] : [one, other], to: result)
        try connection.run(
            "INSERT INTO merge VALUES (?, ?, ?, ?, ?, NULL)",
            [
                .integer(result.id.number), .integer(one.id.number), .integer(other.id.number),
                .integer(try reader.latestSequence()), .integer(now.milliseconds),
            ])
        return try reader.record(result.id) ?? result
    }

    private func mergeable(
        _ primary: RecordID, _ secondary: RecordID, _ picked: Set<PropertyName>
    ) throws -> (CRMRecord, CRMRecord) {
        let one = try living(try reader.current(primary))
        let other = try living(try reader.current(secondary))
        if one.id == other.id { throw CRMError.cannotMerge("both are record \(one.id)") }
        guard one.object == other.object else {
            throw CRMError.cannotMerge(
                "record \(one.id) is in \(one.object), record \(other.id) in \(other.object)")
        }
        for name in picked where try schema.property(name, of: one.object).isReadOnly {
            throw CRMError.readOnly(name)
        }
        let merges = MergeRules.merges(try party(one), try party(other))
        if merges > MergeRules.limit {
            throw CRMError.cannotMerge(
                "they came out of \(merges) merges, and \(MergeRules.limit) is the limit")
        }
        return (one, other)
    }

    private func rules(_ object: ObjectName) throws -> MergeRules {
        let stages = try schema.properties(of: object)["lifecyclestage"]?.options.map(\.value)
        return MergeRules(object: object, lifecycle: stages ?? [])
    }

    private func party(_ record: CRMRecord) throws -> MergeRules.Party {
        // Of what was merged into it, only what gave it the value that it has counts.
        let value = record.properties["hs_analytics_source"]
        let source = try reader.history(of: record.id).last {
            $0.patch["hs_analytics_source"] == value && value != nil && $0.kind != .merge
        }
        return MergeRules.Party(
            id: record.id, values: record.properties, createdAt: record.createdAt,
            hasManualSource: source?.origin == .user)
    }

    /// `id:milliseconds` of every contact that was ever merged in, as HubSpot shows it.
    private func mergedContacts(_ records: [CRMRecord]) -> String {
        let before = records.flatMap {
            ValueType.parts($0.properties["hs_calculated_merged_vids"] ?? "")
        }
        return (before + records.map { "\($0.id):\(now.milliseconds)" }).joined(separator: ";")
    }

    /// Puts the two out of sight; from now on their ids, and those that led to them, lead to the
    /// result.
    private func retire(_ records: [CRMRecord], into result: CRMRecord) throws {
        for record in records {
            try connection.run(
                "DELETE FROM marketing_contact WHERE record_id = ?", [.integer(record.id.number)])
            try connection.run(
                "UPDATE record SET archived_at = ?, merged_into = ? WHERE id = ?",
                [
                    .integer(now.milliseconds), .integer(result.id.number),
                    .integer(record.id.number),
                ])
        }
    }

    /// Moves what hangs on the two, each kind by its own rule.
    private func moveBelongings(_ one: CRMRecord, _ other: CRMRecord, to result: CRMRecord) throws {
        let stash = MergeSnapshot(connection: connection, result: result.id)
        let both = [SQLValue.integer(one.id.number), .integer(other.id.number)]
        for table in RecordOwnedTable.all {
            try stash.keep(table, where: "record_id IN (?, ?)", both)
        }
        let here = [SQLValue.integer(result.id.number)]
        try connection.run("UPDATE alias SET record_id = ? WHERE record_id IN (?, ?)", here + both)
        for record in [one, other] {
            try connection.run(
                "INSERT INTO alias VALUES (?, ?)", [.integer(record.id.number)] + here)
        }
        // The secondary leaves static lists; an active list shows what fits whenever it is read.
        try connection.run("DELETE FROM list_member WHERE record_id = ?", [both[1]])
        try connection.run(
            "UPDATE list_member SET record_id = ? WHERE record_id = ?", here + [both[0]])
        // Both leave their workflows; the result enters those that allow it by a merge.
        try connection.run(
            """
            INSERT INTO enrolment SELECT DISTINCT workflow_id, \(result.id), \(now.milliseconds)
            FROM enrolment JOIN workflow ON workflow.id = workflow_id AND enrols_merged = 1
            WHERE record_id IN (?, ?)
            """, both)
        try connection.run("DELETE FROM enrolment WHERE record_id IN (?, ?)", both)
        // What was logged stays, drafts go.
        try connection.run(
            "DELETE FROM playbook WHERE record_id IN (?, ?) AND state = 'draft'", both)
        for table in ["playbook", "form_submission", "cookie"] {
            try connection.run(
                "UPDATE \(table) SET record_id = ? WHERE record_id IN (?, ?)", here + both)
        }
        try followMarketing(of: result, mergedFrom: both)
    }

    /// Moves the associations of both; of two primary companies the first one's keeps the label.
    private func moveAssociations(_ records: [CRMRecord], to result: CRMRecord) throws {
        let stash = MergeSnapshot(connection: connection, result: result.id)
        let ids = records.map { SQLValue.integer($0.id.number) }
        try stash.keep(
            .associations, where: "from_id IN (?, ?) OR to_id IN (?, ?)", ids + ids)
        let primaries = Set(AssociationType.standard.filter(\.isPrimary).map(\.id))
        var seen: Set<RecordID> = []
        var hasPrimary = false
        for record in records {
            let links = try links(of: record.id)
            try connection.run(
                "DELETE FROM association WHERE from_id = ? OR to_id = ?",
                [.integer(record.id.number), .integer(record.id.number)])
            for link in links where !records.contains(where: { $0.id == link.to }) {
                let types = try types(from: record.object, to: link.object)
                let isOwn = link.object == .companies && record.object != .companies
                let chosen = types.filter { type in
                    link.types.contains(type.id)
                        && !(isOwn && hasPrimary && primaries.contains(type.id))
                }
                try set(
                    result.id, result.object, link.to, link.object, adding: chosen, removing: [])
                seen.insert(link.to)
            }
            // Only what the first brought decides whether the second's label goes.
            hasPrimary = try primaryCompany(of: result) != nil
        }
        try alignPrimaryCompanies(result, seen)
    }

    private struct Link {
        let to: RecordID
        let object: ObjectName
        let types: Set<Int64>
    }

    private func links(of id: RecordID) throws -> [Link] {
        var types: [RecordID: (ObjectName, Set<Int64>)] = [:]
        try connection.each(
            "SELECT to_id, to_object, type_id FROM association WHERE from_id = ?",
            [.integer(id.number)]
        ) { row in
            let other = RecordID(row.integer(0) ?? 0)
            types[other, default: (ObjectName(row.text(1) ?? ""), [])].1.insert(row.integer(2) ?? 0)
        }
        return types.map { Link(to: $0.key, object: $0.value.0, types: $0.value.1) }
            .sorted { $0.to < $1.to }
    }

    private func primaryCompany(of record: CRMRecord) throws -> RecordID? {
        let type = AssociationType.standard.first { $0.from == record.object && $0.isPrimary }
        guard let type, type.to == .companies else { return nil }
        return try holder(of: type, from: record.id)
    }

    /// Has the properties that name a primary company follow the moved associations.
    private func alignPrimaryCompanies(_ result: CRMRecord, _ others: Set<RecordID>) throws {
        guard
            let type = AssociationType.primaryCompanyOfContacts
        else { return }
        let contacts =
            switch result.object {
            case .contacts: [result.id]
            case .companies: others.sorted()
            default: [RecordID]()
            }
        for id in contacts {
            guard let contact = try reader.record(id), contact.object == .contacts,
                contact.archivedAt == nil
            else { continue }
            let company = try holder(of: type, from: id)?.description ?? ""
            try set(contact, [Self.primaryCompany: company])
        }
    }
}
