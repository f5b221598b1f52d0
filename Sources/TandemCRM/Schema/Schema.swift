package import TandemModel
import TandemSupport

/// All objects of the store with their properties.
package struct CRMSchema: Hashable, Sendable {
    package let objects: [ObjectName: [PropertyName: PropertyDefinition]]
    package let definitions: [ObjectName: ObjectDefinition]
    /// Counts the changes of the schema, so that one who holds it can tell that it is old.
    package let version: Int64
    /// The properties of each object by whose values records are found.
    let indexed: [ObjectName: [PropertyDefinition]]

    package init(
        objects: [ObjectName: [PropertyName: PropertyDefinition]],
        definitions: [ObjectName: ObjectDefinition], version: Int64
    ) {
        self.objects = objects
        self.definitions = definitions
        self.version = version
        indexed = objects.mapValues { properties in
            properties.values.filter { $0.isUnique || $0.isIndexed }.sorted { $0.name < $1.name }
        }
    }

    /// - Throws: ``CRMError/unknownObject(_:nearest:)``.
    package func properties(of object: ObjectName) throws(CRMError)
        -> [PropertyName: PropertyDefinition]
    {
        if let properties = objects[object] { return properties }
        throw .unknownObject(
            object, nearest: nearest(to: object.text, in: objects.keys.map(\.text)))
    }

    /// Finds a property by its name.
    ///
    /// - Throws: ``CRMError/unknownProperty(_:of:nearest:)``.
    package func property(_ name: PropertyName, of object: ObjectName) throws(CRMError)
        -> PropertyDefinition
    {
        let properties = try properties(of: object)
        if let property = properties[name], property.archivedAt == nil { return property }
        throw .unknownProperty(
            name, of: object, nearest: nearest(to: name.text, in: properties.keys.map(\.text)))
    }

    /// Finds an object by any of the names that HubSpot's clients use for it: `contacts`,
    /// `Contact`, `0-1`, and for custom objects `p123_car`.
    package func object(named text: String) -> ObjectName? {
        let word = text.lowercased()
        if definitions[ObjectName(word)] != nil { return ObjectName(word) }
        let bare =
            word.first == "p" ? word.drop { $0 != "_" }.dropFirst() : Substring()
        return definitions.values.first { definition in
            definition.typeID == word || definition.name.text.lowercased() == word
                || (!definition.isCustom && definition.singular.lowercased() == word)
                || (definition.isCustom && definition.name.text.lowercased() == bare)
        }?.name
    }
}
