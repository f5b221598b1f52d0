package import TandemModel

/// A record's one link to a record of another object, as an app's field holds it.
extension CRMReader {
    /// The record that a field of an app would name: the primary one if the objects have a primary
    /// association, else the preferred one if it is associated, else the oldest.
    ///
    /// - Parameters:
    ///   - id: The record whose link is asked for.
    ///   - object: What it is linked to.
    ///   - preferred: The one that stays chosen while it is associated.
    /// - Returns: `nil` if it is associated with none.
    /// - Throws: ``CRMError/notFound(_:_:)`` if there is no such record.
    package func link(of id: RecordID, to object: ObjectName, preferring preferred: RecordID?)
        throws -> RecordID?
    {
        let all = try associations(of: id, to: object, limit: CRMWriter.associationLimit)
        let primary = all.first { $0.types.contains(where: \.isPrimary) }
        let kept = all.first { $0.to == preferred }
        return (primary ?? kept ?? all.first)?.to
    }
}

extension CRMWriter {
    /// Has a record be linked to another one in the place of the one before, whose association ends.
    ///
    /// - Throws: As ``associate(_:_:labels:)``.
    package func setLink(of id: RecordID, from old: RecordID?, to new: RecordID?) throws {
        if old == new { return }
        if let new {
            guard let object = try reader.record(new)?.object,
                let record = try reader.record(id)
            else { throw CRMError.notFound("records", "\(new)") }
            let primary = try types(from: record.object, to: object).first(where: \.isPrimary)
            let known = try reader.typeIDs(from: id, to: new, object)
            try associate(
                id, new, labels: primary.map { Set(known).union([$0.id]) })
        }
        if let old { try dissociate(id, old) }
    }
}
