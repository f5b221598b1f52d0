import TandemCore
package import TandemDatabase
package import TandemModel

/// The CRM store: typed records with history, on any ``Database``.
///
/// It hands out readers and writers inside the caller's transactions, so that a sync can write
/// records and its own tables in one.
package struct CRMStore: Sendable {
    package let database: any Database
    package let schema: CRMSchema

    /// How long a deleted record can be restored.
    package static let binDays: Int64 = 90

    /// Opens the store on a migrated database and reads its schema; the standard objects and
    /// properties are added where they are missing.
    package init(database: any Database) throws {
        self.database = database
        schema = try database.write { connection in
            let present = try Self.schema(in: connection)
            for (object, properties) in CRMSchema.standard.objects {
                let known = present.objects[object]
                if known == nil {
                    try connection.run("INSERT INTO object VALUES (?)", [.text(object.text)])
                }
                for property in properties.values where known?[property.name] == nil {
                    try Self.insert(property, of: object, in: connection)
                }
            }
            return try Self.schema(in: connection)
        }
    }

    package func reader(in connection: any SQLConnection) -> CRMReader {
        CRMReader(in: connection)
    }

    /// Writes are stamped with `now` and filed under `origin`; a sync skips what it wrote itself.
    package func writer(in connection: any SQLConnection, now: Timestamp, origin: Origin)
        -> CRMWriter
    {
        CRMWriter(connection: connection, schema: schema, now: now, origin: origin)
    }

    /// Adds a property to an object, or a new object with no properties yet.
    ///
    /// - Returns: The store with the new schema.
    /// - Throws: ``CRMError/alreadyExists(_:)``.
    package func adding(_ property: PropertyDefinition?, to object: ObjectName, isNewObject: Bool)
        throws -> CRMStore
    {
        if isNewObject && schema.objects[object] != nil {
            throw CRMError.alreadyExists("object `\(object)`")
        }
        if let property, schema.objects[object]?[property.name] != nil {
            throw CRMError.alreadyExists("property `\(property.name)` of \(object)")
        }
        if !isNewObject { _ = try schema.properties(of: object) }
        try database.write { connection in
            if isNewObject {
                try connection.run("INSERT INTO object VALUES (?)", [.text(object.text)])
            }
            if let property { try Self.insert(property, of: object, in: connection) }
        }
        return try CRMStore(database: database)
    }

    private static func schema(in connection: any SQLConnection) throws -> CRMSchema {
        var objects: [ObjectName: [PropertyName: PropertyDefinition]] = [:]
        try connection.each("SELECT name FROM object", []) {
            objects[ObjectName($0.text(0) ?? "")] = [:]
        }
        let sql = "SELECT object, name, label, type, options, read_only FROM property"
        try connection.each(sql, []) { row in
            let name = PropertyName(row.text(1) ?? "")
            objects[ObjectName(row.text(0) ?? ""), default: [:]][name] = PropertyDefinition(
                name, row.text(2) ?? "", ValueType(rawValue: row.text(3) ?? "") ?? .string,
                options: (row.text(4) ?? "").split(separator: ";").map(String.init),
                isReadOnly: row.integer(5) == 1)
        }
        return CRMSchema(objects: objects)
    }

    private static func insert(
        _ property: PropertyDefinition, of object: ObjectName, in connection: any SQLConnection
    ) throws {
        try connection.run(
            "INSERT INTO property VALUES (?, ?, ?, ?, ?, ?)",
            [
                .text(object.text), .text(property.name.text), .text(property.label),
                .text(property.type.rawValue), .text(property.options.joined(separator: ";")),
                .integer(property.isReadOnly ? 1 : 0),
            ])
    }
}
