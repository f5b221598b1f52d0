/// One step in the life of the schema; once released it never changes.
///
/// Table definitions use braces where databases differ: `{identity}` for a key that counts up
/// and never repeats, `{integer}` for 64 bits, `{strict}` and `{clustered}` behind the closing
/// bracket (typed columns; rows kept in the order of the primary key).
package struct Migration: Hashable, Sendable {
    package let name: String
    package let statements: [String]

    package init(_ name: String, _ statements: [String]) {
        self.name = name
        self.statements = statements
    }
}

extension Database {
    /// Brings the schema up to date; steps that ran before are skipped.
    ///
    /// - Throws: ``DatabaseFailure/Kind/failed`` if the store was made by a newer Tandem.
    package func migrate(_ migrations: [Migration], filling: [String: String]) throws {
        try write { connection in
            try connection.run(
                "CREATE TABLE IF NOT EXISTS migration (name TEXT NOT NULL PRIMARY KEY)", [])
            let done = Set(
                try connection.rows("SELECT name FROM migration") { $0.text(0) ?? "" })
            if let unknown = done.subtracting(migrations.map(\.name)).min() {
                throw DatabaseFailure(
                    .failed, "the store has a schema step `\(unknown)` that this version lacks")
            }
            for migration in migrations where !done.contains(migration.name) {
                for statement in migration.statements {
                    let sql = filling.reduce(statement) {
                        $0.replacing("{\($1.key)}", with: $1.value)
                    }
                    try connection.run(sql, [])
                }
                try connection.run("INSERT INTO migration VALUES (?)", [.text(migration.name)])
            }
        }
    }
}
