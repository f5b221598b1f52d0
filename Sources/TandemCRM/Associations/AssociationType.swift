package import TandemModel

/// What an association says: that two records belong together, or how.
///
/// Each type has a direction; the same association read from the other record has the inverse.
package struct AssociationType: Hashable, Sendable {
    package let id: Int64
    package let from: ObjectName
    package let to: ObjectName
    /// The type under which the other record shows the same association.
    package let inverse: Int64
    /// `nil` for the plain type that every association has.
    package let label: String?
    /// One of the companies of a record: at most one association of a record has it.
    package let isPrimary: Bool
    /// Made by a user of this store; HubSpot's own otherwise.
    package let isCustom: Bool

    /// HubSpot's types between the standard objects, with the ids of its public reference
    /// (association type id values, 2026).
    package static let standard: [AssociationType] =
        plain.flatMap { pair($0.0, $0.1, $0.2, $0.3, nil) }
        + primary.flatMap { pair($0.0, $0.1, $0.2, $0.3, "Primary") }
        + activities.flatMap { pair($0.0, $0.1, $0.2, $0.3, nil) }
        + pair(.companies, .companies, 13, 14, "Parent Company", "Child Company")

    /// From a company to the one that it belongs to.
    static let parentCompany = standard.first { $0.id == 14 }

    /// What makes a company a contact's primary one.
    static let primaryCompanyOfContacts = standard.first { $0.from == .contacts && $0.isPrimary }

    private static let plain: [(ObjectName, ObjectName, Int64, Int64)] = [
        (.contacts, .companies, 279, 280), (.contacts, .deals, 4, 3),
        (.contacts, .tickets, 15, 16), (.deals, .companies, 341, 342),
        (.tickets, .companies, 339, 340), (.deals, .tickets, 27, 28),
        (.contacts, .contacts, 449, 449), (.companies, .companies, 450, 450),
        (.deals, .deals, 451, 451), (.tickets, .tickets, 452, 452),
    ]

    private static let activities: [(ObjectName, ObjectName, Int64, Int64)] = [
        (.contacts, .calls, 193, 194), (.companies, .calls, 181, 182), (.deals, .calls, 205, 206),
        (.tickets, .calls, 219, 220), (.contacts, .emails, 197, 198),
        (.companies, .emails, 185, 186), (.deals, .emails, 209, 210), (.tickets, .emails, 223, 224),
        (.contacts, .meetings, 199, 200), (.companies, .meetings, 187, 188),
        (.deals, .meetings, 211, 212), (.tickets, .meetings, 225, 226),
        (.contacts, .notes, 201, 202), (.companies, .notes, 189, 190), (.deals, .notes, 213, 214),
        (.tickets, .notes, 227, 228), (.contacts, .tasks, 203, 204), (.companies, .tasks, 191, 192),
        (.deals, .tasks, 215, 216), (.tickets, .tasks, 229, 230),
    ]

    private static let primary: [(ObjectName, ObjectName, Int64, Int64)] = [
        (.contacts, .companies, 1, 2), (.deals, .companies, 5, 6), (.tickets, .companies, 26, 25),
    ]

    private static func pair(
        _ from: ObjectName, _ to: ObjectName, _ id: Int64, _ inverse: Int64, _ label: String?,
        _ inverseLabel: String? = nil
    ) -> [AssociationType] {
        let isPrimary = label == "Primary"
        let forward = AssociationType(
            id: id, from: from, to: to, inverse: inverse, label: label, isPrimary: isPrimary,
            isCustom: false)
        if id == inverse { return [forward] }
        let back = AssociationType(
            id: inverse, from: to, to: from, inverse: id, label: inverseLabel ?? label,
            isPrimary: isPrimary, isCustom: false)
        return [forward, back]
    }
}

/// One record that another is associated with.
package struct Association: Hashable, Sendable {
    package let to: RecordID
    package let object: ObjectName
    /// In ascending order of their ids; the plain one is always among them.
    package let types: [AssociationType]
}
