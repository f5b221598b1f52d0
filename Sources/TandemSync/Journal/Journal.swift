package import TandemDatabase
package import TandemModel
package import TandemSupport

/// One entry of the journal: a write, a lost value, or a change of the pair itself.
package struct JournalEntry: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        case create, update, delete, restore
        /// A value that lost a conflict; `before` has it, `after` the winner's.
        case conflict
        case bind, rebind
    }
    package let kind: Kind
    package let side: Side
    package let crmID: RecordID?
    package let appID: AppRecordID?
    package let reason: String
    package let before: Values
    package let after: Values
    package let at: Timestamp
}

/// Writes journal entries inside a transaction.
struct Journal {
    let connection: any SQLConnection
    let syncID: Int64
    let runID: Int64
    let now: Timestamp

    /// Blanks the values of everything that was written to or from a CRM record.
    func forget(_ id: RecordID) throws {
        try connection.run(
            "UPDATE journal SET before_values = '{}', after_values = '{}' WHERE sync_id = ? AND crm_id = ?",
            [.integer(syncID), .integer(id.number)])
        try connection.run(
            "DELETE FROM deleted_original WHERE sync_id = ? AND crm_id = ?",
            [.integer(syncID), .integer(id.number)])
    }

    /// How long an app record that was deleted is kept whole; as long as a CRM record in the bin.
    private static let keptDays: Int64 = 90

    /// Keeps an app record whole that is about to be deleted, and lets go of old ones.
    func keep(_ original: String, of pair: Pair, _ id: AppRecordID) throws {
        try connection.run(
            "DELETE FROM deleted_original WHERE at < ?",
            [.integer((now - .seconds(Self.keptDays * 86_400)).milliseconds)])
        try connection.run(
            """
            INSERT INTO deleted_original (sync_id, crm_id, app_id, at, original, is_packed)
            VALUES (?, ?, ?, ?, ?, 1)
            """,
            [
                .integer(syncID), .optional(pair.crmID?.number), .text(id.text),
                .integer(now.milliseconds), .text(PackedText.pack(original)),
            ])
    }

    /// The app record that was deleted last with a CRM record, whole; `nil` if none is kept.
    func original(of id: RecordID?) throws -> String? {
        guard let id else { return nil }
        return try connection.row(
            """
            SELECT original, is_packed FROM deleted_original WHERE sync_id = ? AND crm_id = ?
            ORDER BY id DESC LIMIT 1
            """, [.integer(syncID), .integer(id.number)]
        ) { try unpacked($0, 0) }
    }

    /// Lets go of what a create has put back.
    func drop(originalOf id: RecordID?) throws {
        guard let id else { return }
        try connection.run(
            "DELETE FROM deleted_original WHERE sync_id = ? AND crm_id = ?",
            [.integer(syncID), .integer(id.number)])
    }

    /// What was written to and of a pair, oldest first.
    func entries(of pair: Pair) throws -> [JournalEntry] {
        try TandemSync.entries("pair_id", pair.id, connection)
    }

    func append(
        _ kind: JournalEntry.Kind, on side: Side, of pair: Pair, reason: String,
        before: Values = [:], after: Values = [:]
    ) throws {
        try connection.run(
            """
            INSERT INTO journal (run_id, sync_id, pair_id, at, kind, side, crm_id, app_id, reason,
            before_values, after_values) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(runID), .integer(syncID), .integer(pair.id), .integer(now.milliseconds),
                .text(kind.rawValue), .text(side.rawValue), .optional(pair.crmID?.number),
                .optional(pair.appID?.text), .text(reason), .text(FlatJSON.text(before)),
                .text(FlatJSON.text(after)),
            ])
    }
}

/// Reads the app records that a sync deleted, whole, oldest first.
package func deletedOriginals(of syncID: Int64, in connection: any SQLConnection) throws
    -> [(id: AppRecordID, original: String)]
{
    try connection.rows(
        "SELECT app_id, original, is_packed FROM deleted_original WHERE sync_id = ? ORDER BY id",
        [.integer(syncID)]
    ) { (AppRecordID($0.text(0) ?? ""), try unpacked($0, 1)) }
}

/// A kept record in a column, which the next column says is packed or not.
private func unpacked(_ row: any SQLRow, _ column: Int) throws -> String {
    let text = row.text(column) ?? ""
    guard row.integer(column + 1) == 1 else { return text }
    guard let plain = PackedText.unpack(text) else {
        throw DatabaseFailure(.failed, "a deleted record that is kept whole cannot be unpacked")
    }
    return plain
}

/// Reads the journal of a whole sync, oldest first.
package func journal(of syncID: Int64, in connection: any SQLConnection) throws -> [JournalEntry] {
    try entries("sync_id", syncID, connection)
}

/// Reads the journal of one run, oldest first.
package func journal(ofRun runID: Int64, in connection: any SQLConnection) throws -> [JournalEntry]
{
    try entries("run_id", runID, connection)
}

private func entries(_ column: String, _ id: Int64, _ connection: any SQLConnection) throws
    -> [JournalEntry]
{
    try connection.rows(
        """
        SELECT kind, side, crm_id, app_id, reason, before_values, after_values, at FROM journal
        WHERE \(column) = ? ORDER BY id
        """, [.integer(id)]
    ) { row in
        JournalEntry(
            kind: JournalEntry.Kind(rawValue: row.text(0) ?? "") ?? .update,
            side: Side(rawValue: row.text(1) ?? "") ?? .crm,
            crmID: row.integer(2).map { RecordID($0) }, appID: row.text(3).map { AppRecordID($0) },
            reason: row.text(4) ?? "", before: FlatJSON.values(row.text(5) ?? "") ?? [:],
            after: FlatJSON.values(row.text(6) ?? "") ?? [:],
            at: Timestamp(milliseconds: row.integer(7) ?? 0))
    }
}
