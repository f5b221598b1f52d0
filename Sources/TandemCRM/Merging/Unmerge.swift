import TandemCore
import TandemDatabase
package import TandemModel
import TandemSupport

/// What an undone merge left behind.
package struct Unmerge: Sendable {
    package let merge: Merge
    /// What was written to the result since; it stays there, in the bin.
    package let later: [CRMChange]
}

extension CRMWriter {
    /// Splits a merged record into the two that it was made of, as they were.
    ///
    /// What was written to it since stays with it; it goes to the bin.
    /// - Throws: ``CRMError/cannotUnmerge(_:)`` if it was not merged, the merge is older than
    ///   ``CRMStore/binDays``, or it was merged further; ``CRMError/duplicateEmail(_:of:)`` or
    ///   ``CRMError/duplicateValue(_:_:of:)`` if another record has a key of theirs now.
    @discardableResult
    package func unmerge(_ id: RecordID) throws -> Unmerge {
        let merge = try undoable(id)
        let result = try reader.record(merge.result)
        let parts = try [merge.primary, merge.secondary].compactMap { try reader.record($0) }
        guard let result, parts.count == 2 else {
            throw CRMError.cannotUnmerge("the records are no longer in the bin")
        }
        let later = try reader.history(of: result.id).filter {
            $0.recordID == result.id && $0.sequence > merge.sequence && !$0.patch.isEmpty
        }
        if result.archivedAt == nil {
            try remove(keys(of: result.properties, result.object), of: result.id, result.object)
        }
        try connection.run(
            "UPDATE record SET archived_at = ? WHERE id = ?",
            [.integer(now.milliseconds), .integer(result.id.number)])
        try connection.run(
            "UPDATE merge SET undone_at = ? WHERE result_id = ?",
            [.integer(now.milliseconds), .integer(result.id.number)])
        try log(.unmerge, result.id, result.object, patch: "{}")
        for part in parts { try revive(part) }
        try returnBelongings(merge)
        try returnAssociations(merge, result.object)
        return Unmerge(merge: merge, later: later)
    }

    private func undoable(_ id: RecordID) throws -> Merge {
        let current = try reader.current(id)
        guard let merge = try reader.merge(of: current) else {
            guard try reader.record(current) != nil else {
                throw CRMError.notFound("records", "\(id)")
            }
            throw CRMError.cannotUnmerge("record \(id) was not made by one")
        }
        if merge.undoneAt != nil { throw CRMError.cannotUnmerge("it was undone already") }
        if now - merge.at > .seconds(CRMStore.binDays * 86_400) {
            throw CRMError.cannotUnmerge("it is more than \(CRMStore.binDays) days old")
        }
        return merge
    }

    private func revive(_ part: CRMRecord) throws {
        let keys = keys(of: part.properties, part.object)
        try requireFree(keys, for: part.id, in: part.object)
        try add(keys, of: part.id, part.object)
        try connection.run(
            """
            UPDATE record SET archived_at = NULL, merged_into = NULL, updated_at = ? WHERE id = ?
            """, [.integer(now.milliseconds), .integer(part.id.number)])
        try log(.restore, part.id, part.object, patch: "{}")
    }

    private func returnBelongings(_ merge: Merge) throws {
        let stash = MergeSnapshot(connection: connection, result: merge.result)
        try connection.run(
            "DELETE FROM alias WHERE id IN (?, ?)",
            [.integer(merge.primary.number), .integer(merge.secondary.number)])
        for table in [RecordOwnedTable.memberships, .enrolments, .marketing] {
            try connection.run(
                "DELETE FROM \(table.name) WHERE record_id = ?", [.integer(merge.result.number)])
        }
        for table in RecordOwnedTable.all { try stash.restore(table) }
    }

    /// Puts the associations back that still have their other end.
    private func returnAssociations(_ merge: Merge, _ object: ObjectName) throws {
        let stash = MergeSnapshot(connection: connection, result: merge.result)
        var others = try endAssociations(of: merge.result)
        for row in try stash.rows(of: .associations) {
            guard let link = try StashedLink(row, reader), try !isTaken(link) else { continue }
            try connection.run(
                "INSERT INTO association VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [
                    .integer(link.from.number), .text(link.object), .integer(link.to.number),
                    .integer(link.type),
                ])
            others.formUnion([link.from, link.to])
        }
        try stash.forget()
        others.subtract([merge.result])
        for id in others.sorted() {
            guard let other = try reader.record(id), other.archivedAt == nil else { continue }
            try log(.associate, id, other.object, patch: "{}")
            guard other.object == .contacts,
                let type = AssociationType.primaryCompanyOfContacts
            else { continue }
            let company = try holder(of: type, from: id)?.description ?? ""
            try set(other, [Self.primaryCompany: company])
        }
    }

    /// One direction of an association as it was, between the records as they stand now.
    private struct StashedLink {
        let from: RecordID
        let object: String
        let to: RecordID
        let type: Int64

        /// `nil` if one of the ends is gone.
        init?(_ row: [PropertyName: String], _ reader: CRMReader) throws {
            guard let from = row["from_id"].flatMap({ Int64($0) }),
                let to = row["to_id"].flatMap({ Int64($0) }),
                let type = row["type_id"].flatMap({ Int64($0) })
            else { return nil }
            self.from = try reader.current(RecordID(from))
            self.to = try reader.current(RecordID(to))
            self.type = type
            object = row["to_object"] ?? ""
            guard try reader.record(self.from) != nil, try reader.record(self.to) != nil,
                self.from != self.to
            else { return nil }
        }
    }

    /// Whether another company became the primary one meanwhile; it stays so.
    private func isTaken(_ link: StashedLink) throws -> Bool {
        guard let type = AssociationType.standard.first(where: { $0.id == link.type }),
            type.isPrimary
        else { return false }
        let isForward = type.to == .companies
        let primary =
            isForward
            ? type : AssociationType.standard.first { $0.id == type.inverse && $0.isPrimary }
        let (record, company) = isForward ? (link.from, link.to) : (link.to, link.from)
        guard let primary, let holder = try holder(of: primary, from: record) else { return false }
        return holder != company
    }

    /// Ends the associations of the result.
    ///
    /// - Returns: What it was associated with.
    private func endAssociations(of result: RecordID) throws -> Set<RecordID> {
        let others = try connection.rows(
            "SELECT DISTINCT to_id FROM association WHERE from_id = ?", [.integer(result.number)]
        ) { RecordID($0.integer(0) ?? 0) }
        try connection.run(
            "DELETE FROM association WHERE from_id = ? OR to_id = ?",
            [.integer(result.number), .integer(result.number)])
        return Set(others)
    }
}
