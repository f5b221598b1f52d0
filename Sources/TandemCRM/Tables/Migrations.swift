package import TandemDatabase

extension CRMSchema {
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
        third,
    ]
}
