import TandemCore
package import TandemDatabase
package import TandemModel
package import TandemSupport

/// Changes which objects and properties there are, inside a transaction.
package struct SchemaEditor {
    let connection: any SQLConnection
    let schema: CRMSchema
    let now: Timestamp
    private let table: SchemaTable

    /// How many unique properties an object can have, as in HubSpot (knowledge base, "Create
    /// unique value properties", 2026).
    package static let uniqueLimit = 10

    package init(_ connection: any SQLConnection, _ schema: CRMSchema, now: Timestamp) {
        self.connection = connection
        self.schema = schema
        self.now = now
        table = SchemaTable(connection)
    }

    /// Adds a property.
    ///
    /// The name of an archived one brings that one back, changed.
    ///
    /// - Throws: ``CRMError/unknownObject(_:nearest:)``, ``CRMError/alreadyExists(_:)``;
    ///   ``CRMError/badName(_:)`` for a name that is not of lower case letters, digits, `_` and `-`;
    ///   ``CRMError/limit(_:)`` for an eleventh unique one, or two options of one value.
    package func add(_ property: PropertyDefinition, to object: ObjectName) throws {
        let properties = try schema.properties(of: object)
        if let known = properties[property.name], known.archivedAt != nil, known.isCustom,
            known.isUnique == property.isUnique
        {
            // It comes back as it is wanted now; its values were kept.
            var property = property
            property.isIndexed = known.isIndexed
            return try update(property, of: object)
        }
        if properties[property.name] != nil {
            throw CRMError.alreadyExists("property `\(property.name)` of \(object)")
        }
        try check(property.name.text)
        try check(property.options, of: property.name)
        try checkUnique(Array(properties.values) + [property], of: object)
        try table.insert(property, of: object)
        try table.touch()
    }

    /// Changes what can change of a property: label, type, options, appearance, archiving.
    ///
    /// - Throws: ``CRMError/unknownProperty(_:of:nearest:)``.
    package func update(_ property: PropertyDefinition, of object: ObjectName) throws {
        guard try schema.properties(of: object)[property.name] != nil else {
            _ = try schema.property(property.name, of: object)
            return
        }
        try check(property.options, of: property.name)
        var property = property
        property.updatedAt = now
        try table.update(property, of: object)
        try table.touch()
    }

    /// Adds an object with its properties.
    ///
    /// - Throws: ``CRMError/alreadyExists(_:)``, ``CRMError/badName(_:)``, ``CRMError/limit(_:)``.
    package func add(_ definition: ObjectDefinition, properties: [PropertyDefinition]) throws {
        if schema.objects[definition.name] != nil {
            throw CRMError.alreadyExists("object `\(definition.name)`")
        }
        try check(definition.name.text)
        var names = Set(CRMSchema.kept.map(\.name))
        for property in properties {
            try check(property.name.text)
            try check(property.options, of: property.name)
            guard names.insert(property.name).inserted else {
                throw CRMError.alreadyExists("property `\(property.name)` of \(definition.name)")
            }
        }
        try checkUnique(properties, of: definition.name)
        try table.insert(definition)
        for property in CRMSchema.kept() + properties {
            try table.insert(property, of: definition.name)
        }
        try table.touch()
    }

    /// Changes the labels, the description and the roles of properties of a custom object.
    ///
    /// - Throws: ``CRMError/standardObject(_:)``.
    package func update(_ definition: ObjectDefinition) throws {
        guard definition.isCustom else { throw CRMError.standardObject(definition.name) }
        var definition = definition
        definition.updatedAt = now
        try table.update(definition)
        try table.touch()
    }

    /// Removes a custom object that has no living records.
    ///
    /// - Throws: ``CRMError/standardObject(_:)``, ``CRMError/limit(_:)`` while records are there.
    package func remove(_ object: ObjectName) throws {
        _ = try schema.properties(of: object)
        guard schema.definitions[object]?.isCustom ?? true else {
            throw CRMError.standardObject(object)
        }
        let count = try CRMReader(in: connection).count(of: object)
        if count > 0 {
            throw CRMError.limit("\(object) still have \(count) records; archive them first")
        }
        try table.deleteObject(object)
        try table.touch()
    }

    /// Has records found by an equal value of a property without reading them all.
    ///
    /// Reads every record of the object once.
    /// - Throws: ``CRMError/unknownProperty(_:of:nearest:)``, ``CRMError/readOnly(_:)`` for a
    ///   calculated property.
    package func index(_ name: PropertyName, of object: ObjectName) throws {
        var property = try schema.property(name, of: object)
        if property.keeper == .calculation { throw CRMError.readOnly(name) }
        if property.isIndexed || property.isUnique { return }
        property.isIndexed = true
        try update(property, of: object)
        let reader = CRMReader(in: connection)
        var last = RecordID(0)
        while case let batch = try reader.records(of: object, after: last, limit: 500),
            let end = batch.last
        {
            for record in batch {
                let value = record.properties[name] ?? ""
                guard let key = MatchKey.indexed(value, by: name) else { continue }
                try connection.run(
                    "INSERT INTO match_key (object, kind, value, record_id) VALUES (?, ?, ?, ?)",
                    [
                        .text(object.text), .text(key.kind), .text(key.value),
                        .integer(record.id.number),
                    ])
            }
            last = end.id
        }
    }

    private func checkUnique(_ properties: [PropertyDefinition], of object: ObjectName) throws {
        if properties.filter(\.isUnique).count > Self.uniqueLimit {
            throw CRMError.limit("\(object) can have \(Self.uniqueLimit) unique properties")
        }
    }

    private func check(_ options: [PropertyOption], of name: PropertyName) throws {
        if Set(options.map(\.value)).count != options.count {
            throw CRMError.limit("two options of `\(name)` have the same value")
        }
    }

    private func check(_ name: String) throws {
        let isFine = name.utf8.allSatisfy { byte in
            (UInt8(ascii: "a")...UInt8(ascii: "z")).contains(byte)
                || (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || byte == UInt8(ascii: "_") || byte == UInt8(ascii: "-")
        }
        guard isFine, name.utf8.first.map({ $0 >= UInt8(ascii: "a") }) == true, name.count <= 100
        else { throw CRMError.badName(name) }
    }
}
