package import TandemModel

/// What a link of an app's field is among the associations of the CRM.
package struct LinkType: Hashable, Sendable {
    /// The type from the record to what it names; `nil` if any association is such a link.
    let type: AssociationType?

    /// `nil` if no type has this label, or if the two are one object and nothing tells a record from
    /// what it names.
    ///
    /// - Parameters:
    ///   - from: The object whose records have the field.
    ///   - to: The object that is named.
    ///   - label: Which associations are meant; `nil` for any.
    ///   - types: Those between the two.
    package init?(
        from: ObjectName, to: ObjectName, label: String?, among types: [AssociationType]
    ) {
        if let label {
            guard let found = types.first(where: { $0.label == label }) else { return nil }
            type = found
        } else if from != to {
            type = nil
        } else if from == .companies {
            type = AssociationType.parentCompany
        } else {
            return nil
        }
    }
}

/// A record's one link to another record, as an app's field holds it.
extension CRMReader {
    /// The record that a field of an app would name: the primary one if the objects have a primary
    /// association, else the preferred one if it is associated, else the oldest.
    ///
    /// - Parameters:
    ///   - id: The record whose link is asked for.
    ///   - object: What it is linked to.
    ///   - link: Which associations count.
    ///   - preferred: The one that stays chosen while it is associated.
    /// - Returns: `nil` if it is associated with none.
    /// - Throws: ``CRMError/notFound(_:_:)`` if there is no such record.
    package func link(
        of id: RecordID, to object: ObjectName, _ link: LinkType, preferring preferred: RecordID?
    ) throws -> RecordID? {
        let all = try associations(of: id, to: object, limit: CRMWriter.associationLimit)
            .filter { association in link.type.map(association.types.contains) ?? true }
        let primary = all.first { $0.types.contains(where: \.isPrimary) }
        let kept = all.first { $0.to == preferred }
        return (primary ?? kept ?? all.first)?.to
    }
}

extension CRMWriter {
    /// Has a record be linked to another one in the place of the one before, whose association ends
    /// unless it says something else as well.
    ///
    /// - Throws: As ``associate(_:_:labels:)``.
    package func setLink(
        of id: RecordID, _ link: LinkType, from old: RecordID?, to new: RecordID?
    ) throws {
        if old == new { return }
        guard let record = try reader.record(id) else {
            throw CRMError.notFound("records", "\(id)")
        }
        if let new {
            guard let object = try reader.record(new)?.object else {
                throw CRMError.notFound("records", "\(new)")
            }
            let primary = try types(from: record.object, to: object).first(where: \.isPrimary)
            let known = try reader.typeIDs(from: id, to: new, object)
            try associate(
                id, new, labels: (link.type ?? primary).map { Set(known).union([$0.id]) })
        }
        if let old { try unlink(record, link, from: old) }
    }

    private func unlink(_ record: CRMRecord, _ link: LinkType, from old: RecordID) throws {
        guard let type = link.type, let object = try reader.record(old)?.object else {
            try dissociate(record.id, old)
            return
        }
        let plain = try types(from: record.object, to: object).prefix(1).map(\.id)
        let others = Set(try reader.typeIDs(from: record.id, to: old, object))
            .subtracting(plain + [type.id])
        try dissociate(record.id, old, labels: others.isEmpty ? nil : [type.id])
    }
}
