package import TandemDatabase
package import TandemModel

/// Properties that forms show together.
package struct PropertyGroup: Hashable, Sendable {
    package let name: String
    package var label: String
    package var displayOrder: Int64

    package init(name: String, label: String, displayOrder: Int64) {
        self.name = name
        self.label = label
        self.displayOrder = displayOrder
    }
}

/// The groups of properties, inside a transaction.
package struct PropertyGroupTable {
    let connection: any SQLConnection

    package init(_ connection: any SQLConnection) { self.connection = connection }

    /// The group of properties that are in no other, as HubSpot calls it: `contactinformation`.
    package static func usualName(of object: ObjectName) -> String {
        let standard = ObjectDefinition.standard.first { $0.name == object }
        return (standard?.singular.lowercased() ?? object.text) + "information"
    }

    /// By their order, then name; the group of everything that has none comes first.
    package func all(of object: ObjectName) throws -> [PropertyGroup] {
        let own = try connection.rows(
            """
            SELECT name, label, display_order FROM property_group WHERE object = ?
            ORDER BY display_order, name
            """, [.text(object.text)]
        ) { row in
            PropertyGroup(
                name: row.text(0) ?? "", label: row.text(1) ?? "", displayOrder: row.integer(2) ?? 0
            )
        }
        let usual = PropertyGroup(
            name: Self.usualName(of: object), label: "Information", displayOrder: 0)
        return own.contains { $0.name == usual.name } ? own : [usual] + own
    }

    /// - Throws: ``CRMError/alreadyExists(_:)``, ``CRMError/unknownObject(_:nearest:)``.
    package func add(_ group: PropertyGroup, to object: ObjectName) throws {
        if try all(of: object).contains(where: { $0.name == group.name }) {
            throw CRMError.alreadyExists("property group `\(group.name)` of \(object)")
        }
        try update(group, of: object)
    }

    package func update(_ group: PropertyGroup, of object: ObjectName) throws {
        try connection.run(
            """
            INSERT INTO property_group VALUES (?, ?, ?, ?) ON CONFLICT (object, name) DO UPDATE
            SET label = excluded.label, display_order = excluded.display_order
            """,
            [
                .text(object.text), .text(group.name), .text(group.label),
                .integer(group.displayOrder),
            ])
    }

    /// Removes a group; its properties are then in none.
    package func delete(_ group: PropertyGroup, of object: ObjectName) throws {
        try connection.run(
            "DELETE FROM property_group WHERE object = ? AND name = ?",
            [.text(object.text), .text(group.name)])
        try connection.run(
            "UPDATE property SET group_name = '' WHERE object = ? AND group_name = ?",
            [.text(object.text), .text(group.name)])
        try SchemaTable(connection).touch()
    }
}
