package import TandemModel
package import TandemSupport

/// One choice of an enumeration.
package struct PropertyOption: Hashable, Sendable {
    /// What is stored.
    package let value: String
    /// What people see.
    package let label: String
    package let description: String
    package let isHidden: Bool

    package init(
        _ value: String, label: String? = nil, description: String = "", isHidden: Bool = false
    ) {
        self.value = value
        self.label = label ?? value
        self.description = description
        self.isHidden = isHidden
    }
}

/// What one property of an object is.
package struct PropertyDefinition: Hashable, Sendable {
    /// Who keeps the value.
    package enum Keeper: String, Hashable, Sendable {
        /// Whoever may write the record.
        case writer
        /// The store, through an action of its own (a merge, the marketing status).
        case store
        /// Nobody: it is worked out from other values whenever it is read, and not stored.
        case calculation
    }

    package let name: PropertyName
    package var label: String
    package var type: ValueType
    /// The options of an enumeration; none lets any text in.
    package var options: [PropertyOption]
    package let keeper: Keeper
    /// No two living records of the object have the same value, without case.
    package let isUnique: Bool
    /// Records are found by an equal value without reading them all.
    package var isIndexed: Bool
    /// Made by a user of this store; one of HubSpot's own otherwise.
    package let isCustom: Bool
    /// How HubSpot's forms show it, such as `text` or `select`.
    package var fieldType: String
    package var group: String
    package var description: String
    package var displayOrder: Int64
    package var isHidden: Bool
    package var isFormField: Bool
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    /// When it was taken out of use; its values are kept.
    package var archivedAt: Timestamp?

    package init(
        _ name: PropertyName, _ label: String, _ type: ValueType = .string,
        options: [PropertyOption] = [], keeper: Keeper = .writer, isUnique: Bool = false,
        isIndexed: Bool = false, isCustom: Bool = false, fieldType: String? = nil,
        group: String = "", description: String = "",
        createdAt: Timestamp = Timestamp(milliseconds: 0)
    ) {
        self.name = name
        self.label = label
        self.type = type
        self.options = options
        self.keeper = keeper
        self.isUnique = isUnique
        self.isIndexed = isIndexed
        self.isCustom = isCustom
        self.fieldType = fieldType ?? type.usualFieldType
        self.group = group
        self.description = description
        displayOrder = -1
        isHidden = false
        isFormField = false
        self.createdAt = createdAt
        updatedAt = createdAt
    }

    /// Refused, by name, when anybody writes it.
    package var isReadOnly: Bool { keeper != .writer }

    /// How long a value can be, in bytes of UTF-8; HubSpot's own limit for a text.
    package static let valueLimit = 65_536

    /// Checks a value and brings it into the form it is stored in.
    ///
    /// - Throws: ``CRMError/invalidValue(_:_:expected:)``.
    package func accepted(_ value: String) throws(CRMError) -> String {
        if value.isEmpty { return "" }
        if value.utf8.count > Self.valueLimit {
            throw .invalidValue(
                name, String(value.prefix(40)) + "…", expected: "at most \(Self.valueLimit) bytes")
        }
        if value.utf8.contains(0) {
            throw .invalidValue(name, "a NUL character", expected: "text without it")
        }
        if name == "email" && !value.isEmailAddress {
            throw .invalidValue(name, value, expected: "an address such as ann@example.com")
        }
        let type = name == "email" ? .email : type
        guard let canonical = type.canonical(value) else {
            throw .invalidValue(name, value, expected: type.example)
        }
        if type == .enumeration && !options.isEmpty
            && !options.contains(where: { $0.value == canonical })
        {
            throw .invalidValue(
                name, value,
                expected: "one of \(options.map(\.value).joined(separator: ", "))")
        }
        return canonical
    }
}

extension ValueType {
    /// The control that HubSpot shows for a value of this type.
    package var usualFieldType: String {
        switch self {
        case .string, .email, .url: "text"
        case .phone: "phonenumber"
        case .number: "number"
        case .bool: "booleancheckbox"
        case .date, .datetime: "date"
        case .enumeration: "select"
        case .multiEnumeration: "checkbox"
        }
    }

    /// What a value of this type looks like, for error texts.
    package var example: String {
        switch self {
        case .string, .phone, .url: "text"
        case .number: "a plain number such as 1250.50"
        case .bool: "true or false"
        case .date: "a date such as 2026-11-22"
        case .datetime: "a moment such as 2026-11-22T09:30:00Z"
        case .enumeration: "one of its options"
        case .multiEnumeration: "options with `;` between them"
        case .email: "an address such as ann@example.com"
        }
    }
}
