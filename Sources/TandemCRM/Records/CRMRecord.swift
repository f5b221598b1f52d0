package import TandemModel
package import TandemSupport

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
    /// The record that this one became part of; it is in no list, and in the bin only so that the
    /// merge can be undone.
    package let mergedInto: RecordID?

    /// The value of any property, also of one that is worked out when it is read; `nil` for none.
    package func value(_ name: PropertyName) -> String? {
        switch name {
        case "hs_object_id": id.description
        case "createdate": createdAt.description
        case "lastmodifieddate", "hs_lastmodifieddate": updatedAt.description
        case "hs_ticket_id": object == .tickets ? id.description : nil
        case "hs_email_domain":
            properties["email"].flatMap { email in
                email.lastIndex(of: "@").map { String(email[email.index(after: $0)...]) }
            }
        case "hs_full_name_or_email":
            fullName.isEmpty ? properties["email"] : fullName
        default: properties[name]
        }
    }

    private var fullName: String {
        ["firstname", "lastname"].compactMap { properties[$0] }.joined(separator: " ")
    }
}

/// Who wrote a change: `user`, `import`, `form`, `store`, `api:TOKEN`, or `sync:NAME`.
package struct Origin: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }

    package static let user: Self = "user"
    package static func token(_ id: Int64) -> Self { Self("api:\(id)") }
    package static let `import`: Self = "import"
    package static let form: Self = "form"
    /// What the store does by itself when its time has come.
    package static let store: Self = "store"
    package static func sync(_ name: SyncName) -> Self { Self("sync:\(name)") }
    package var isSync: Bool { text.hasPrefix("sync:") }
}

/// One write to a record: an entry of the change feed, and of the record's history.
package struct CRMChange: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case create, update, archive, restore, purge, associate, dissociate
        /// The record was made of two others, or split into them again.
        case merge, unmerge
        /// The record was removed because its owner asked to be forgotten.
        case erase
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
