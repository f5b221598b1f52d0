/// A relational store: transactions over portable SQL.
///
/// SQL is the common part of SQLite and PostgreSQL: `?` for arguments, upserts with
/// `ON CONFLICT`, no functions beyond the standard aggregates. What must differ is written in
/// braces in table definitions and filled in by the driver (see ``Migration``).
package protocol Database: Sendable {
    /// Runs `work` on a snapshot that no write changes under it.
    ///
    /// - Parameters:
    ///   - limit: When a statement that still runs is ended; `nil` for never.
    ///   - work: What is read.
    /// - Returns: What `work` returns.
    /// - Throws: ``DatabaseFailure``, or what `work` throws.
    func read<Value>(within limit: ReadLimit?, _ work: (any SQLConnection) throws -> Value) throws
        -> Value

    /// Runs `work` in one transaction: committed if it returns, undone if it throws.
    ///
    /// There is one writer at a time, over all processes; others wait up to ten seconds.
    /// - Throws: ``DatabaseFailure``, or what `work` throws.
    func write<Value>(_ work: (any SQLConnection) throws -> Value) throws -> Value
}

/// How long a read may take: no longer than this, and no longer than somebody wants to know.
package struct ReadLimit: Sendable {
    package let seconds: Double
    package let isWanted: @Sendable () -> Bool

    package init(seconds: Double, isWanted: @escaping @Sendable () -> Bool = { true }) {
        self.seconds = seconds
        self.isWanted = isWanted
    }
}

extension Database {
    /// Runs `work` on a snapshot for as long as it takes.
    package func read<Value>(_ work: (any SQLConnection) throws -> Value) throws -> Value {
        try read(within: nil, work)
    }
}

/// A connection inside a transaction; valid only there.
package protocol SQLConnection {
    /// Runs one statement.
    ///
    /// - Returns: How many rows it inserted, changed or deleted.
    @discardableResult
    func run(_ sql: String, _ arguments: [SQLValue]) throws -> Int

    /// Runs `work` so that only what it wrote is undone if it throws.
    func nested<Value>(_ work: () throws -> Value) throws -> Value

    /// Runs a query and hands each row to `visit`, in order.
    func each(_ sql: String, _ arguments: [SQLValue], _ visit: (any SQLRow) throws -> Void) throws
}

extension SQLConnection {
    /// Runs a query and gives all its rows; for queries with a limit.
    package func rows<Value>(
        _ sql: String, _ arguments: [SQLValue] = [], _ value: (any SQLRow) throws -> Value
    ) throws -> [Value] {
        var values: [Value] = []
        try each(sql, arguments) { values.append(try value($0)) }
        return values
    }

    /// Runs a query for one row; `nil` if there is none.
    package func row<Value>(
        _ sql: String, _ arguments: [SQLValue] = [], _ value: (any SQLRow) throws -> Value
    ) throws -> Value? {
        try rows(sql, arguments, value).first
    }

    /// Runs a query for one number; 0 if there is no row or it is NULL.
    package func number(_ sql: String, _ arguments: [SQLValue] = []) throws -> Int64 {
        try row(sql, arguments) { $0.integer(0) ?? 0 } ?? 0
    }
}

/// A value that goes into a statement.
package enum SQLValue: Hashable, Sendable {
    case null
    case integer(Int64)
    case text(String)

    package static func optional(_ text: String?) -> Self { text.map(Self.text) ?? .null }
    package static func optional(_ number: Int64?) -> Self { number.map(Self.integer) ?? .null }
}

extension SQLValue: ExpressibleByStringLiteral, ExpressibleByIntegerLiteral {
    package init(stringLiteral value: String) { self = .text(value) }
    package init(integerLiteral value: Int64) { self = .integer(value) }
}

/// One row of an answer; columns count from 0.
package protocol SQLRow {
    /// The number in a column; `nil` for NULL.
    func integer(_ column: Int) -> Int64?
    /// The text in a column; `nil` for NULL.
    func text(_ column: Int) -> String?
}

/// The store refused or failed; never to be read as "there is no such record".
package struct DatabaseFailure: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// A rule of the schema forbids the change.
        case constraint
        /// Another process held the store for too long.
        case busy
        /// No room is left on the disk.
        case full
        /// The file is not at its path any more: what is written goes nowhere.
        case replaced
        /// A read took longer than it was allowed to.
        case tooSlow
        /// Anything else: unreadable file, wrong SQL, closed store.
        case failed
    }
    package let kind: Kind
    package let message: String
    package let sql: String?

    package init(_ kind: Kind, _ message: String, sql: String? = nil) {
        self.kind = kind
        self.message = message
        self.sql = sql
    }

    package var description: String {
        let remedy =
            switch kind {
            case .constraint: "This is a bug; please report it with the statement."
            case .busy: "Another process writes to the store; try again."
            case .replaced: "Put the file back, or a copy of it, and start again; see the manual."
            case .tooSlow: "Ask for less."
            case .full: "Free some space on the store's disk; nothing was lost."
            case .failed: "Check the path and the rights of the store file."
            }
        return "store: \(message)" + (sql.map { " in `\($0.prefix(200))`" } ?? "") + "\n\(remedy)"
    }
}
