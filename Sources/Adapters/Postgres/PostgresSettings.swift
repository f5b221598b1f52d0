package import TandemModel

/// A database and what must be known of the table that is synced.
package struct PostgresSettings: Hashable, Sendable {
    /// How the table tells what changed.
    package enum Changes: Hashable, Sendable {
        /// By the number of the transaction that wrote a row; reads the whole table each time, and
        /// needs nothing of it.
        case transaction
        /// By a column that every change sets to a later value: a time, or a number that grows.
        case column(String, lagSeconds: Int64)
        /// By a log that triggers keep (`tandem connect`).
        case log
        /// Not at all: everything is listed each time. For views.
        case none

        /// The column that tells; `nil` for the other ways.
        var column: String? { if case .column(let name, _) = self { name } else { nil } }
    }

    /// Keywords of libpq, such as `dbname`, which may be an address, and `password`.
    package let connection: [String: String]
    package let timeoutSeconds: Int
    /// `schema.table`, or a table of the search path.
    package let table: String
    /// Empty for the table's primary key.
    package let key: [String]
    package let changes: Changes
    /// Set, a row counts as deleted if it is a time or true; a deletion sets it.
    package let deleted: String?
    /// A column that differs after each change; else the mapped values are compared.
    package let version: String?
    /// When a row was made.
    package let created: String?
    /// A text column for the key of a create, so that a row that was made without answer is found.
    package let origin: String?
    /// A channel that somebody notifies after changes; ``Changes/log`` has its own.
    package let channel: String?
    package let fields: [AppField]

    package init(
        connection: [String: String], timeoutSeconds: Int, table: String, key: [String],
        changes: Changes, deleted: String?, version: String?, created: String?, origin: String?,
        channel: String?, fields: [AppField]
    ) {
        self.connection = connection
        self.timeoutSeconds = timeoutSeconds
        self.table = table
        self.key = key
        self.changes = changes
        self.deleted = deleted
        self.version = version
        self.created = created
        self.origin = origin
        self.channel = changes == .log ? channel ?? ChangeLog.channel : channel
        self.fields = fields
    }
}
