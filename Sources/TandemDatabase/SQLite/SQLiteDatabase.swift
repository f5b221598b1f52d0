import GRDB
import GRDBSQLite
import Glibc

/// A SQLite file in WAL mode, through GRDB.
package struct SQLiteDatabase: Database {
    /// How much a commit survives.
    package enum Durability: Sendable {
        /// Power loss: every commit is on the disk before it returns.
        case power
        /// The end of the process only; for simulations and snapshots.
        case process
    }

    /// What stands for the braces of ``Migration``.
    package static let filling = [
        "identity": "INTEGER PRIMARY KEY AUTOINCREMENT", "integer": "INTEGER",
        "strict": "STRICT", "clustered": "STRICT, WITHOUT ROWID",
    ]

    private let file: any DatabaseWriter
    private let path: String
    /// Which file was opened; `nil` where nobody asks.
    private let identity: FileIdentity?
    /// What ids were given; `nil` for a store whose ids nobody remembers.
    private let ids: IDLedger?

    /// Opens or makes a store file.
    ///
    /// - Parameters:
    ///   - path: A file path; its folder must exist.
    ///   - durability: What a commit survives.
    ///   - hasReaders: Whether reads may run beside a write, each on its own connection.
    ///   - ids: What ids the store has given; ``beginIDs()`` has to follow.
    /// - Throws: ``DatabaseFailure`` if the file cannot be opened or is no SQLite file.
    package init(
        path: String, durability: Durability, hasReaders: Bool, ids: IDLedger? = nil
    ) throws {
        var configuration = Configuration()
        configuration.busyMode = .timeout(10)
        configuration.journalMode = .wal
        configuration.prepareDatabase { database in
            let level = durability == .power ? "FULL" : "OFF"
            try database.execute(sql: "PRAGMA synchronous = \(level)")
            try database.execute(sql: "PRAGMA cache_size = -16000")
        }
        self.path = path
        self.ids = ids
        do {
            file =
                try hasReaders
                ? DatabasePool(path: path, configuration: configuration)
                : DatabaseQueue(path: path, configuration: configuration)
        } catch let error as DatabaseError {
            throw DatabaseFailure(.failed, "cannot open \(path): \(error.message ?? "no reason")")
        }
        identity = durability == .power ? FileIdentity(path) : nil
    }

    /// Makes sure that the file which was opened is still the one at its path.
    ///
    /// - Throws: ``DatabaseFailure/Kind/replaced`` if it was removed or another one stands there.
    package func requireInPlace() throws {
        guard let identity, FileIdentity(path) != identity else { return }
        throw DatabaseFailure(
            .replaced, "\(path) was removed or replaced while it was open; nothing more is written")
    }

    package func read<Value>(
        within limit: ReadLimit?, _ work: (any SQLConnection) throws -> Value
    ) throws -> Value {
        try translated {
            try file.read { database in
                guard let limit else { return try work(Connection(database: database)) }
                let deadline = Deadline(limit)
                return try withExtendedLifetime(deadline) {
                    deadline.watch(database.sqliteConnection)
                    defer { deadline.leave(database.sqliteConnection) }
                    return try work(Connection(database: database))
                }
            }
        }
    }

    package func write<Value>(_ work: (any SQLConnection) throws -> Value) throws -> Value {
        let value = try translated {
            try file.write { database in
                let connection = Connection(database: database)
                guard let ids, ids.hasBegun else { return try work(connection) }
                let before = try ids.used(connection)
                let value = try work(connection)
                try ids.cover(connection, before: before)
                return value
            }
        }
        // Before anybody is told that it is written.
        try requireInPlace()
        return value
    }

    /// Compares the migrated store with the ledger of its ids, before anything is written.
    ///
    /// - Parameter put: Called with what was found, in the transaction that puts it right.
    /// - Returns: What was found.
    /// - Throws: ``DatabaseFailure``, or what `put` throws.
    package func beginIDs(
        _ put: (IDLedger.Finding, any SQLConnection) throws -> Void
    ) throws -> IDLedger.Finding {
        guard let ids else { return .fits }
        return try write { connection in
            let finding = try ids.begin(connection)
            try put(finding, connection)
            return finding
        }
    }

    /// Gives back the ids that were reserved and not used; the process makes no more records.
    package func releaseIDs() throws {
        guard let ids else { return }
        try write { try ids.release($0) }
    }

    /// Closes the file; later calls fail.
    package func close() throws {
        try translated { try file.close() }
        ids?.end()
    }

    /// Copies the whole store, as of now, into a new file.
    package func copy(to path: String) throws {
        try translated {
            let target = try DatabaseQueue(path: path)
            try file.backup(to: target)
            try target.close()
        }
    }

    private struct Connection: SQLConnection {
        let database: GRDB.Database

        func run(_ sql: String, _ arguments: [SQLValue]) throws -> Int {
            try translated {
                let statement = try database.cachedStatement(sql: sql)
                statement.setUncheckedArguments(StatementArguments(arguments.map(\.bound)))
                try statement.execute()
                return database.changesCount
            }
        }

        func nested<Value>(_ work: () throws -> Value) throws -> Value {
            var value: Value?
            try translated {
                try database.inSavepoint {
                    value = try work()
                    return .commit
                }
            }
            guard let value else { throw DatabaseFailure(.failed, "a savepoint gave nothing") }
            return value
        }

        func each(
            _ sql: String, _ arguments: [SQLValue], _ visit: (any SQLRow) throws -> Void
        ) throws {
            try translated {
                let statement = try database.cachedStatement(sql: sql)
                statement.setUncheckedArguments(StatementArguments(arguments.map(\.bound)))
                let rows = try Row.fetchCursor(statement)
                while let row = try rows.next() { try visit(row) }
            }
        }
    }
}

/// Ends what a connection is doing when its time is over or nobody wants it (sqlite3_progress_handler).
private final class Deadline: Sendable {
    private let end: ContinuousClock.Instant
    private let isWanted: @Sendable () -> Bool
    /// Steps of SQLite's machine between two looks at the clock: some milliseconds at most.
    private static let steps: Int32 = 10_000

    init(_ limit: ReadLimit) {
        end = .now + .seconds(limit.seconds)
        isWanted = limit.isWanted
    }

    /// The deadline must outlive the watch.
    func watch(_ connection: OpaquePointer?) {
        sqlite3_progress_handler(
            connection, Self.steps,
            { context in
                guard let context else { return 0 }
                let deadline = Unmanaged<Deadline>.fromOpaque(context).takeUnretainedValue()
                return ContinuousClock.now < deadline.end && deadline.isWanted() ? 0 : 1
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    func leave(_ connection: OpaquePointer?) { sqlite3_progress_handler(connection, 0, nil, nil) }
}

/// Tells one file from another (stat(2)).
private struct FileIdentity: Hashable, Sendable {
    let device: UInt64
    let inode: UInt64

    /// `nil` if there is no file.
    init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
    }
}

extension SQLValue {
    fileprivate var bound: (any DatabaseValueConvertible)? {
        switch self {
        case .null: nil
        case .integer(let number): number
        case .text(let text): text
        }
    }
}

extension Row: SQLRow {
    package func integer(_ column: Int) -> Int64? { self[column] }
    package func text(_ column: Int) -> String? { self[column] }
}

/// Gives GRDB's errors the names that the rest of the program knows.
private func translated<Value>(_ work: () throws -> Value) throws -> Value {
    do { return try work() } catch let error as DatabaseError {
        let kind: DatabaseFailure.Kind =
            switch error.resultCode {
            case .SQLITE_CONSTRAINT: .constraint
            case .SQLITE_BUSY, .SQLITE_LOCKED: .busy
            case .SQLITE_FULL: .full
            case .SQLITE_INTERRUPT: .tooSlow
            default: .failed
            }
        throw DatabaseFailure(kind, error.message ?? "\(error.resultCode)", sql: error.sql)
    }
}
