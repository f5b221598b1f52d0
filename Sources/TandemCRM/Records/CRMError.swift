package import TandemModel

/// Why the CRM store refused a request; nothing was changed.
package enum CRMError: Error, Hashable, Sendable {
    case unknownObject(ObjectName, nearest: String?)
    case unknownProperty(PropertyName, of: ObjectName, nearest: String?)
    case readOnly(PropertyName)
    case invalidValue(PropertyName, String, expected: String)
    /// An email address belongs to another living contact.
    case duplicateEmail(String, of: RecordID)
    /// A value that must be unique belongs to another living record.
    case duplicateValue(PropertyName, String, of: RecordID)
    /// The owner of the address asked to be forgotten; no sync may bring it back.
    case blocked(PropertyName)
    case notFound(ObjectName, String)
    case archived(RecordID)
    case notArchived(RecordID)
    case alreadyExists(String)
    case unknownAssociationType(Int64)
    /// The record has as many associations with one object as it can have.
    case tooManyAssociations(RecordID)
    /// A name for a property or an object that clients could not spell in an address.
    case badName(String)
    /// More of something than there can be; the text says of what.
    case limit(String)
    /// HubSpot's own objects cannot be changed or removed.
    case standardObject(ObjectName)
    /// Two records that cannot be merged; the text says why.
    case cannotMerge(String)
    /// A merge that cannot be undone; the text says why.
    case cannotUnmerge(String)
}

extension CRMError: CustomStringConvertible {
    /// What is wrong, and what to do about it.
    package var description: String {
        switch self {
        case .unknownObject(let name, let nearest):
            "no object `\(name)`\(Self.hint(nearest)). "
                + "Add it with `tandem crm properties \(name) --new-object`."
        case .unknownProperty(let name, let object, let nearest):
            "\(object) have no property `\(name)`\(Self.hint(nearest)). "
                + "`tandem crm properties \(object)` lists them."
        case .readOnly(let name): "`\(name)` is kept by the store and cannot be written."
        case .invalidValue(let name, let value, let expected):
            "`\(value)` is no value for `\(name)`: expected \(expected)."
        case .duplicateEmail(let email, let id):
            "the address \(email) belongs to contact \(id). Update that one, or merge the two."
        case .duplicateValue(let name, let value, let id):
            "`\(value)` is the \(name) of record \(id), and no two can have the same."
        case .blocked(let name):
            "the owner of this \(name) asked to be forgotten; only a person can add it again."
        case .notFound("records", let text): "there is no record `\(text)`."
        case .notFound(let object, let text): "no record `\(text)` in \(object)."
        case .archived(let id): "record \(id) is in the bin. Restore it first."
        case .notArchived(let id): "record \(id) is not in the bin."
        case .alreadyExists(let what): "\(what) exists already."
        case .unknownAssociationType(let id):
            "no association type \(id) between these objects."
        case .tooManyAssociations(let id):
            "record \(id) has \(CRMWriter.associationLimit) associations with that object already."
        case .badName(let name):
            "`\(name)` is no name: expected a lower-case letter, then letters, digits, `_` or `-`, "
                + "100 at most."
        case .limit(let what): "\(what)."
        case .standardObject(let name): "\(name) are a standard object, which stays as it is."
        case .cannotMerge(let why): "the records cannot be merged: \(why)."
        case .cannotUnmerge(let why): "the merge cannot be undone: \(why)."
        }
    }

    private static func hint(_ nearest: String?) -> String {
        nearest.map { " (did you mean `\($0)`?)" } ?? ""
    }
}
