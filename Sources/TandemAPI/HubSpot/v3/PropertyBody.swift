import TandemCRM
import TandemModel
import TandemSupport

/// A property as HubSpot's clients read it.
struct PropertyBody: Encodable, Sendable {
    let name: String
    let label: String
    let type: String
    let fieldType: String
    let groupName: String
    let description: String
    let options: [OptionBody]
    let hasUniqueValue: Bool
    let hidden: Bool
    let formField: Bool
    let displayOrder: Int64
    let calculated: Bool
    let externalOptions: Bool
    let hubspotDefined: Bool
    let archived: Bool
    let archivedAt: String?
    let createdAt: String
    let updatedAt: String
    let modificationMetadata: Modification

    struct OptionBody: Encodable, Sendable {
        let label: String
        let value: String
        let displayOrder: Int
        let hidden: Bool
        let description: String
    }

    struct Modification: Encodable, Sendable {
        let archivable: Bool
        let readOnlyDefinition: Bool
        let readOnlyValue: Bool
        let readOnlyOptions: Bool
    }

    init(_ property: PropertyDefinition, of object: ObjectName) {
        name = property.name.text
        label = property.label
        type = property.type.wireName
        fieldType =
            property.keeper == .calculation ? "calculation_equation" : property.fieldType
        groupName =
            property.group.isEmpty ? PropertyGroupTable.usualName(of: object) : property.group
        description = property.description
        options = property.options.enumerated().map { place, option in
            OptionBody(
                label: option.label, value: option.value, displayOrder: place,
                hidden: option.isHidden, description: option.description)
        }
        hasUniqueValue = property.isUnique
        hidden = property.isHidden
        formField = property.isFormField
        displayOrder = property.displayOrder
        calculated = property.keeper == .calculation
        externalOptions = false
        hubspotDefined = !property.isCustom
        archived = property.archivedAt != nil
        archivedAt = property.archivedAt?.description
        createdAt = property.createdAt.description
        updatedAt = property.updatedAt.description
        modificationMetadata = Modification(
            archivable: property.isCustom, readOnlyDefinition: !property.isCustom,
            readOnlyValue: property.isReadOnly, readOnlyOptions: !property.isCustom)
    }
}

extension ValueType {
    /// The types that the API knows.
    fileprivate var wireName: String {
        switch self {
        case .string, .email, .url, .phone: "string"
        case .number: "number"
        case .bool: "bool"
        case .date: "date"
        case .datetime: "datetime"
        case .enumeration, .multiEnumeration: "enumeration"
        }
    }
}

/// A property to be made or changed.
struct PropertyInput: Decodable, Sendable {
    let name: String?
    let label: String?
    let type: String?
    let fieldType: String?
    let groupName: String?
    let description: String?
    let options: [OptionInput]?
    let hasUniqueValue: Bool?
    let hidden: Bool?
    let formField: Bool?
    let displayOrder: Int64?

    struct OptionInput: Decodable, Sendable {
        let label: String?
        let value: String
        let description: String?
        let hidden: Bool?
    }

    private static let types = ["string", "number", "date", "datetime", "enumeration", "bool"]
    private static let fieldTypes = [
        "textarea", "text", "date", "file", "number", "select", "radio", "checkbox",
        "booleancheckbox", "calculation_equation", "html", "phonenumber",
    ]

    /// - Throws: ``APIError`` if something is missing or unknown.
    func property(at now: Timestamp) throws -> PropertyDefinition {
        guard let name, !name.isEmpty else { throw APIError.invalid("`name` is missing") }
        guard let type, Self.types.contains(type) else {
            throw APIError.invalid(
                "`type` of `\(name)`: expected one of \(Self.types.joined(separator: ", "))")
        }
        var property = PropertyDefinition(
            PropertyName(name), label ?? name, try valueType(type, shownAs: fieldType),
            isUnique: hasUniqueValue ?? false,
            isCustom: true, fieldType: fieldType, createdAt: now)
        try apply(to: &property)
        return property
    }

    func apply(to property: inout PropertyDefinition) throws {
        if let fieldType {
            guard Self.fieldTypes.contains(fieldType) else {
                throw APIError.invalid(
                    "`fieldType` of `\(property.name)`: expected one of "
                        + Self.fieldTypes.joined(separator: ", "))
            }
            property.fieldType = fieldType
        }
        if let type { property.type = try valueType(type, shownAs: property.fieldType) }
        property.label = label ?? property.label
        property.group = groupName ?? property.group
        property.description = description ?? property.description
        property.isHidden = hidden ?? property.isHidden
        property.isFormField = formField ?? property.isFormField
        property.displayOrder = displayOrder ?? property.displayOrder
        if let options {
            let values = options.map(\.value)
            if Set(values).count != values.count {
                throw APIError.invalid("two options of `\(property.name)` have the same value")
            }
            property.options = options.map {
                PropertyOption(
                    $0.value, label: $0.label, description: $0.description ?? "",
                    isHidden: $0.hidden ?? false)
            }
        }
    }

    private func valueType(_ type: String, shownAs fieldType: String?) throws -> ValueType {
        if type == "enumeration" {
            return fieldType == "checkbox" ? .multiEnumeration : .enumeration
        }
        if fieldType == "phonenumber" { return .phone }
        guard let value = ValueType(rawValue: type) else {
            throw APIError.invalid("`type`: expected one of \(Self.types.joined(separator: ", "))")
        }
        return value
    }
}

/// A group of properties as HubSpot's clients read it.
struct GroupBody: Encodable, Sendable {
    let name: String
    let label: String
    let displayOrder: Int64
    let archived = false

    private enum CodingKeys: String, CodingKey {
        case name, label, displayOrder, archived
    }

    init(_ group: PropertyGroup) {
        name = group.name
        label = group.label
        displayOrder = group.displayOrder
    }
}
