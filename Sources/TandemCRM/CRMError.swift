package import TandemModel

/// Why the CRM store refused a request; nothing was changed.
package enum CRMError: Error, Hashable, Sendable {
    case unknownObject(ObjectName, nearest: String?)
    case unknownProperty(PropertyName, of: ObjectName, nearest: String?)
    case readOnly(PropertyName)
    case invalidValue(PropertyName, String, expected: String)
    /// An email address belongs to another living contact.
    case duplicateEmail(String, of: RecordID)
    case notFound(ObjectName, String)
    case archived(RecordID)
    case notArchived(RecordID)
    case alreadyExists(String)
    case unknownAssociationType(Int64)
    /// The record has as many associations with one object as it can have.
    case tooManyAssociations(RecordID)
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
        case .notFound(let object, let text): "no record `\(text)` in \(object)."
        case .archived(let id): "record \(id) is in the bin. Restore it first."
        case .notArchived(let id): "record \(id) is not in the bin."
        case .alreadyExists(let what): "\(what) exists already."
        case .unknownAssociationType(let id):
            "no association type \(id) between these objects."
        case .tooManyAssociations(let id):
            "record \(id) has \(CRMWriter.associationLimit) associations with that object already."
        }
    }

    private static func hint(_ nearest: String?) -> String {
        nearest.map { " (did you mean `\($0)`?)" } ?? ""
    }
}
