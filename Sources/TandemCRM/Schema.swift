package import TandemDatabase
package import TandemModel

/// What one property of an object is.
package struct PropertyDefinition: Hashable, Sendable {
    package let name: PropertyName
    package let label: String
    package let type: ValueType
    /// Internal names of the options of an enumeration; empty lets any text in.
    package let options: [String]
    /// Kept by the store itself; refused when somebody else writes it.
    package let isReadOnly: Bool

    package init(
        _ name: PropertyName, _ label: String, _ type: ValueType = .string,
        options: [String] = [], isReadOnly: Bool = false
    ) {
        self.name = name
        self.label = label
        self.type = type
        self.options = options
        self.isReadOnly = isReadOnly
    }
}

/// All objects of the store with their properties.
package struct CRMSchema: Hashable, Sendable {
    package var objects: [ObjectName: [PropertyName: PropertyDefinition]]

    package init(objects: [ObjectName: [PropertyName: PropertyDefinition]]) {
        self.objects = objects
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
        if let property = properties[name] { return property }
        throw .unknownProperty(
            name, of: object, nearest: nearest(to: name.text, in: properties.keys.map(\.text)))
    }

    /// The tables of the CRM store.
    package static let migrations = [
        Migration(
            "crm-1",
            [
                """
                CREATE TABLE object (name TEXT NOT NULL PRIMARY KEY) {strict}
                """,
                """
                CREATE TABLE property (
                    object TEXT NOT NULL REFERENCES object(name),
                    name TEXT NOT NULL CHECK (name <> ''),
                    label TEXT NOT NULL,
                    type TEXT NOT NULL CHECK (type IN ('string', 'number', 'bool', 'date',
                        'datetime', 'enumeration', 'multi-enumeration', 'email', 'phone', 'url')),
                    options TEXT NOT NULL,
                    read_only {integer} NOT NULL CHECK (read_only IN (0, 1)),
                    PRIMARY KEY (object, name)
                ) {strict}
                """,
                """
                CREATE TABLE record (
                    id {identity},
                    object TEXT NOT NULL,
                    properties TEXT NOT NULL,
                    created_at {integer} NOT NULL,
                    updated_at {integer} NOT NULL,
                    archived_at {integer}
                ) {strict}
                """,
                "CREATE INDEX record_by_object ON record (object, id)",
                "CREATE INDEX record_bin ON record (archived_at) WHERE archived_at IS NOT NULL",
                """
                CREATE TABLE change (
                    sequence {identity},
                    object TEXT NOT NULL,
                    record_id {integer} NOT NULL,
                    kind TEXT NOT NULL CHECK (kind IN ('create', 'update', 'archive', 'restore',
                        'purge')),
                    patch TEXT NOT NULL,
                    at {integer} NOT NULL,
                    origin TEXT NOT NULL
                ) {strict}
                """,
                "CREATE INDEX change_by_record ON change (record_id, sequence)",
                """
                CREATE TABLE unique_key (
                    object TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    value TEXT NOT NULL CHECK (value <> ''),
                    record_id {integer} NOT NULL,
                    PRIMARY KEY (object, kind, value)
                ) {clustered}
                """,
                """
                CREATE TABLE match_key (
                    object TEXT NOT NULL,
                    kind TEXT NOT NULL,
                    value TEXT NOT NULL CHECK (value <> ''),
                    record_id {integer} NOT NULL,
                    PRIMARY KEY (object, kind, value, record_id)
                ) {clustered}
                """,
            ]),
        Migration(
            "crm-2",
            [
                """
                CREATE TABLE change_next (
                    sequence {identity},
                    object TEXT NOT NULL,
                    record_id {integer} NOT NULL,
                    kind TEXT NOT NULL CHECK (kind IN ('create', 'update', 'archive', 'restore',
                        'purge', 'associate', 'dissociate')),
                    patch TEXT NOT NULL,
                    at {integer} NOT NULL,
                    origin TEXT NOT NULL
                ) {strict}
                """,
                """
                INSERT INTO change_next (sequence, object, record_id, kind, patch, at, origin)
                SELECT sequence, object, record_id, kind, patch, at, origin FROM change
                """,
                "DROP TABLE change",
                "ALTER TABLE change_next RENAME TO change",
                "CREATE INDEX change_by_record ON change (record_id, sequence)",
                """
                CREATE TABLE association_type (
                    id {integer} NOT NULL PRIMARY KEY CHECK (id >= 1000),
                    from_object TEXT NOT NULL,
                    to_object TEXT NOT NULL,
                    inverse {integer} NOT NULL,
                    label TEXT CHECK (label <> '')
                ) {strict}
                """,
                """
                CREATE TABLE association (
                    from_id {integer} NOT NULL,
                    to_object TEXT NOT NULL,
                    to_id {integer} NOT NULL,
                    type_id {integer} NOT NULL,
                    PRIMARY KEY (from_id, to_object, to_id, type_id)
                ) {clustered}
                """,
                "CREATE INDEX association_by_other ON association (to_id)",
            ]),
    ]
}
