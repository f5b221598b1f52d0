package import TandemModel

/// A record of the CRM store.
package struct CRMRecord: Hashable, Sendable {
    package let id: RecordID
    package let object: ObjectName
    /// Only properties that have a value.
    package let properties: Values
    package let createdAt: Timestamp
    package let updatedAt: Timestamp
    /// When it went to the bin; `nil` for a living record.
    package let archivedAt: Timestamp?
}

/// Who wrote a change: `user`, `import`, `api`, or `sync:NAME`.
package struct Origin: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }

    package static let user: Self = "user"
    package static let `import`: Self = "import"
    package static func sync(_ name: SyncName) -> Self { Self("sync:\(name)") }
}

/// One write to a record: an entry of the change feed, and of the record's history.
package struct CRMChange: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case create, update, archive, restore, purge, associate, dissociate
    }
    /// Counts up over all objects; never used twice.
    package let sequence: Int64
    package let recordID: RecordID
    package let kind: Kind
    /// The properties written; `""` cleared one.
    package let patch: Values
    package let at: Timestamp
    package let origin: Origin
}
