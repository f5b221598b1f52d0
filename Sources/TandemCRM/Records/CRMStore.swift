import Synchronization
import TandemCore
package import TandemDatabase
import TandemModel
package import TandemSupport

/// The CRM store: typed records with history, on any ``Database``.
///
/// It hands out readers and writers inside the caller's transactions, so that a sync can write
/// records and its own tables in one.
package struct CRMStore: Sendable {
    package let database: any Database
    private let cache: Cache

    /// The schema as it was last read; shared by all copies of the store.
    private final class Cache: Sendable {
        let schema: Mutex<CRMSchema>

        init(_ schema: CRMSchema) { self.schema = Mutex(schema) }
    }

    /// How long a deleted record can be restored, and a merge be undone.
    package static let binDays: Int64 = 90

    /// Opens the store on a migrated database and reads its schema; the standard objects,
    /// properties and pipelines are added where they are missing.
    package init(database: any Database) throws {
        self.database = database
        cache = Cache(
            try database.write { connection in
                let table = SchemaTable(connection)
                try table.addStandard()
                try PipelineTable(connection).addStandard()
                return try table.schema()
            })
    }

    /// The schema as it was when somebody last looked.
    package var schema: CRMSchema { cache.schema.withLock { $0 } }

    /// The schema as it is in a transaction, also one that changes it.
    package func schema(in connection: any SQLConnection) throws -> CRMSchema {
        let known = schema
        let table = SchemaTable(connection)
        return try table.version() == known.version ? known : table.schema()
    }

    /// Has all copies of the store know a schema that was read from a snapshot, and so committed.
    package func adopt(_ schema: CRMSchema) {
        cache.schema.withLock { if $0.version != schema.version { $0 = schema } }
    }

    /// The number of this account: the first that was ever given, which should be one that no other
    /// store is likely to have.
    package func account(_ number: Int64) throws -> Int64 {
        try database.write { connection in
            if let known = try connection.row(
                "SELECT number FROM account", [], { $0.integer(0) ?? 0 })
            {
                return known
            }
            try connection.run("INSERT INTO account VALUES (?)", [.integer(number)])
            return number
        }
    }

    /// Takes over what other processes changed of the schema.
    package func refresh() throws {
        adopt(try database.read { try schema(in: $0) })
    }

    package func reader(in connection: any SQLConnection) -> CRMReader {
        CRMReader(in: connection)
    }

    /// Writes are stamped with `now` and filed under `origin`; a sync skips what it wrote itself.
    package func writer(in connection: any SQLConnection, now: Timestamp, origin: Origin) throws
        -> CRMWriter
    {
        CRMWriter(
            connection: connection, schema: try schema(in: connection), now: now, origin: origin)
    }

    /// Changes which objects and properties there are; the store knows of it then.
    package func edit(at now: Timestamp, _ work: (SchemaEditor) throws -> Void) throws {
        try database.write { connection in
            try work(SchemaEditor(connection, try schema(in: connection), now: now))
        }
        try refresh()
    }
}
