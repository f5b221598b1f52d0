import TandemDatabase
import TandemModel
import TandemSupport

/// The tables that say which objects and properties there are, inside a transaction.
struct SchemaTable {
    let connection: any SQLConnection

    init(_ connection: any SQLConnection) { self.connection = connection }

    func version() throws -> Int64 {
        try connection.number("SELECT version FROM schema_version")
    }

    /// Tells every process that its copy of the schema is old.
    func touch() throws {
        try connection.run("UPDATE schema_version SET version = version + 1", [])
    }

    func schema() throws -> CRMSchema {
        var objects: [ObjectName: [PropertyName: PropertyDefinition]] = [:]
        try connection.each("SELECT name FROM object", []) {
            objects[ObjectName($0.text(0) ?? "")] = [:]
        }
        let options = try options()
        try connection.each("SELECT \(Self.columns.joined(separator: ", ")) FROM property", []) {
            let (object, property) = Self.property($0, options)
            objects[object, default: [:]][property.name] = property
        }
        var definitions: [ObjectName: ObjectDefinition] = [:]
        for definition in ObjectDefinition.standard + (try custom()) {
            definitions[definition.name] = definition
        }
        return CRMSchema(objects: objects, definitions: definitions, version: try version())
    }

    /// Adds the standard objects and properties that are missing; custom objects get what the
    /// store keeps of every record.
    func addStandard() throws {
        var present = try schema()
        let undefined = present.objects.keys.filter { present.definitions[$0] == nil }
        for name in undefined.sorted() where CRMSchema.standardProperties[name] == nil {
            try insert(
                ObjectDefinition(
                    name, typeID: "", singular: name.text, plural: name.text,
                    primaryProperty: present.objects[name]?.keys.min() ?? "hs_object_id"))
        }
        if !undefined.isEmpty { present = try schema() }
        var wanted = CRMSchema.standardProperties
        for definition in present.definitions.values where definition.isCustom {
            wanted[definition.name] = CRMSchema.kept()
        }
        var isChanged = false
        for (object, properties) in wanted.sorted(by: { $0.key < $1.key }) {
            let known = present.objects[object]
            if known == nil {
                try connection.run("INSERT INTO object VALUES (?)", [.text(object.text)])
            }
            for property in properties where known?[property.name] == nil {
                try insert(property, of: object)
                isChanged = true
            }
            if try refresh(known ?? [:], of: object, properties) { isChanged = true }
        }
        if isChanged { try touch() }
    }

    /// Completes what a store of an older version did not keep of its properties.
    private func refresh(
        _ known: [PropertyName: PropertyDefinition], of object: ObjectName,
        _ standard: [PropertyDefinition]
    ) throws -> Bool {
        var isChanged = false
        for property in known.values.sorted(by: { $0.name < $1.name }) where !property.isCustom {
            if let ours = standard.first(where: { $0.name == property.name }) {
                guard ours.fieldType != property.fieldType else { continue }
                var property = property
                property.fieldType = ours.fieldType
                try update(property, of: object)
            } else {
                let usual = property.type.usualFieldType
                try connection.run(
                    """
                    UPDATE property SET is_custom = 1, field_type = ? WHERE object = ? AND name = ?
                    """, [.text(usual), .text(object.text), .text(property.name.text)])
            }
            isChanged = true
        }
        return isChanged
    }

    /// Adds a custom object under the next number.
    func insert(_ definition: ObjectDefinition) throws {
        try connection.run(
            "INSERT INTO object VALUES (?) ON CONFLICT DO NOTHING", [.text(definition.name.text)])
        let number = try connection.number("SELECT MAX(number) FROM custom_object") + 1
        try connection.run(
            "INSERT INTO custom_object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .text(definition.name.text), .integer(number), .text(definition.singular),
                .text(definition.plural), .text(definition.description),
                .text(definition.primaryProperty.text), Self.list(definition.secondaryProperties),
                Self.list(definition.requiredProperties),
                Self.list(definition.searchableProperties),
                .integer(definition.createdAt.milliseconds),
                .integer(definition.updatedAt.milliseconds),
            ])
    }

    func update(_ definition: ObjectDefinition) throws {
        try connection.run(
            """
            UPDATE custom_object SET singular = ?, plural = ?, description = ?,
            primary_property = ?, secondary = ?, required = ?, searchable = ?, updated_at = ?
            WHERE name = ?
            """,
            [
                .text(definition.singular), .text(definition.plural),
                .text(definition.description), .text(definition.primaryProperty.text),
                Self.list(definition.secondaryProperties), Self.list(definition.requiredProperties),
                Self.list(definition.searchableProperties),
                .integer(definition.updatedAt.milliseconds), .text(definition.name.text),
            ])
    }

    private static func list(_ names: [PropertyName]) -> SQLValue {
        .text(names.map(\.text).joined(separator: ";"))
    }

    func deleteObject(_ name: ObjectName) throws {
        for table in ["property_option", "property_group", "property"] {
            try connection.run("DELETE FROM \(table) WHERE object = ?", [.text(name.text)])
        }
        try connection.run("DELETE FROM custom_object WHERE name = ?", [.text(name.text)])
        try connection.run("DELETE FROM object WHERE name = ?", [.text(name.text)])
    }

    func insert(_ property: PropertyDefinition, of object: ObjectName) throws {
        let places = Self.columns.map { _ in "?" }.joined(separator: ", ")
        try connection.run(
            "INSERT INTO property (\(Self.columns.joined(separator: ", "))) VALUES (\(places))",
            Self.arguments(property, object))
        try insertOptions(of: property, object)
    }

    func update(_ property: PropertyDefinition, of object: ObjectName) throws {
        let columns = Self.columns.dropFirst(2)
        try connection.run(
            """
            UPDATE property SET \(columns.map { "\($0) = ?" }.joined(separator: ", "))
            WHERE object = ? AND name = ?
            """,
            Array(Self.arguments(property, object).dropFirst(2))
                + [.text(object.text), .text(property.name.text)])
        try connection.run(
            "DELETE FROM property_option WHERE object = ? AND property = ?",
            [.text(object.text), .text(property.name.text)])
        try insertOptions(of: property, object)
    }

    private func insertOptions(of property: PropertyDefinition, _ object: ObjectName) throws {
        for (position, option) in property.options.enumerated() {
            try connection.run(
                "INSERT INTO property_option VALUES (?, ?, ?, ?, ?, ?, ?)",
                [
                    .text(object.text), .text(property.name.text), .integer(Int64(position)),
                    .text(option.value), .text(option.label), .text(option.description),
                    .integer(option.isHidden ? 1 : 0),
                ])
        }
    }
}

/// How properties and custom objects are written down.
extension SchemaTable {
    private static let columns = [
        "object", "name", "label", "type", "keeper", "is_unique", "is_indexed", "is_custom",
        "field_type", "group_name", "description", "display_order", "is_hidden", "is_form_field",
        "created_at", "updated_at", "archived_at",
    ]

    private static func arguments(_ property: PropertyDefinition, _ object: ObjectName)
        -> [SQLValue]
    {
        [
            .text(object.text), .text(property.name.text), .text(property.label),
            .text(property.type.rawValue), .text(property.keeper.rawValue),
            .integer(property.isUnique ? 1 : 0), .integer(property.isIndexed ? 1 : 0),
            .integer(property.isCustom ? 1 : 0), .text(property.fieldType), .text(property.group),
            .text(property.description), .integer(property.displayOrder),
            .integer(property.isHidden ? 1 : 0), .integer(property.isFormField ? 1 : 0),
            .integer(property.createdAt.milliseconds), .integer(property.updatedAt.milliseconds),
            .optional(property.archivedAt?.milliseconds),
        ]
    }

    private struct OptionsKey: Hashable {
        let object: ObjectName
        let property: PropertyName
    }

    private func options() throws -> [OptionsKey: [PropertyOption]] {
        var options: [OptionsKey: [PropertyOption]] = [:]
        try connection.each(
            """
            SELECT object, property, value, label, description, hidden FROM property_option
            ORDER BY object, property, position
            """, []
        ) { row in
            let key = OptionsKey(
                object: ObjectName(row.text(0) ?? ""), property: PropertyName(row.text(1) ?? ""))
            options[key, default: []].append(
                PropertyOption(
                    row.text(2) ?? "", label: row.text(3), description: row.text(4) ?? "",
                    isHidden: row.integer(5) == 1))
        }
        return options
    }

    private static func property(_ row: any SQLRow, _ options: [OptionsKey: [PropertyOption]])
        -> (ObjectName, PropertyDefinition)
    {
        let object = ObjectName(row.text(0) ?? "")
        let name = PropertyName(row.text(1) ?? "")
        var property = PropertyDefinition(
            name, row.text(2) ?? "", ValueType(rawValue: row.text(3) ?? "") ?? .string,
            options: options[OptionsKey(object: object, property: name)] ?? [],
            keeper: PropertyDefinition.Keeper(rawValue: row.text(4) ?? "") ?? .writer,
            isUnique: row.integer(5) == 1, isIndexed: row.integer(6) == 1,
            isCustom: row.integer(7) == 1, fieldType: row.text(8), group: row.text(9) ?? "",
            description: row.text(10) ?? "",
            createdAt: Timestamp(milliseconds: row.integer(14) ?? 0))
        property.displayOrder = row.integer(11) ?? -1
        property.isHidden = row.integer(12) == 1
        property.isFormField = row.integer(13) == 1
        property.updatedAt = Timestamp(milliseconds: row.integer(15) ?? 0)
        property.archivedAt = row.integer(16).map { Timestamp(milliseconds: $0) }
        return (object, property)
    }

    private func custom() throws -> [ObjectDefinition] {
        func names(_ text: String?) -> [PropertyName] {
            (text ?? "").split(separator: ";").map { PropertyName(String($0)) }
        }
        return try connection.rows(
            """
            SELECT name, number, singular, plural, description, primary_property, secondary,
            required, searchable, created_at, updated_at FROM custom_object
            """
        ) { row in
            ObjectDefinition(
                ObjectName(row.text(0) ?? ""), typeID: "2-\(row.integer(1) ?? 0)",
                singular: row.text(2) ?? "", plural: row.text(3) ?? "",
                primaryProperty: PropertyName(row.text(5) ?? ""), description: row.text(4) ?? "",
                secondaryProperties: names(row.text(6)), requiredProperties: names(row.text(7)),
                searchableProperties: names(row.text(8)),
                createdAt: Timestamp(milliseconds: row.integer(9) ?? 0),
                updatedAt: Timestamp(milliseconds: row.integer(10) ?? 0))
        }
    }
}
