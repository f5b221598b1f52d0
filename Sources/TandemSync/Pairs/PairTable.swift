package import TandemCore
package import TandemDatabase
package import TandemModel
package import TandemSupport

/// The pairs of one sync, inside a transaction.
package struct PairTable {
    let connection: any SQLConnection
    let syncID: Int64

    package init(connection: any SQLConnection, syncID: Int64) {
        self.connection = connection
        self.syncID = syncID
    }

    private static let names = [
        "crm_id", "app_id", "app_presence", "app_version", "app_values", "app_refusals",
        "app_keys", "app_created_at", "crm_base", "app_base", "has_met", "state", "category",
        "reason", "message", "other_id", "attempts", "work_at", "changed_at", "synced_at",
        "generation", "suspect", "recheck_at", "app_changed", "intent_key", "intent_values",
        "intent_at", "echo", "echo_until", "approved", "app_foreign",
        "findable", "unanswered", "awaiting", "awaited_version", "ignored", "unlisted",
        "intent_status",
        "repeats", "refused", "rewound",
        "app_created_given", "accepted", "rewritten",
    ]
    private static let columns = "id, " + names.joined(separator: ", ")
    private static let insertion = """
        INSERT INTO pair (sync_id, \(names.joined(separator: ", ")))
        VALUES (?\(String(repeating: ", ?", count: names.count))) RETURNING id
        """
    private static let update = """
        UPDATE pair SET \(names.map { "\($0) = ?" }.joined(separator: ", ")) WHERE id = ?
        """

    package func pair(_ id: Int64) throws -> Pair? {
        try select("id = ?", [.integer(id)]).first
    }

    package func pair(crm id: RecordID) throws -> Pair? {
        try select("sync_id = ? AND crm_id = ?", [.integer(syncID), .integer(id.number)]).first
    }

    package func pair(app id: AppRecordID) throws -> Pair? {
        try select("sync_id = ? AND app_id = ?", [.integer(syncID), .text(id.text)]).first
    }

    /// The pairs of at most 1000 CRM records.
    package func pairs(crm ids: some Collection<RecordID>) throws -> [RecordID: Pair] {
        var found: [RecordID: Pair] = [:]
        for pair in try select(any: "crm_id", ids.map { .integer($0.number) }) {
            if let id = pair.crmID { found[id] = pair }
        }
        return found
    }

    /// The pairs of at most 1000 app records.
    package func pairs(app ids: some Collection<AppRecordID>) throws -> [AppRecordID: Pair] {
        var found: [AppRecordID: Pair] = [:]
        for pair in try select(any: "app_id", ids.map { .text($0.text) }) {
            if let id = pair.appID { found[id] = pair }
        }
        return found
    }

    /// The next pairs to be planned, in the order of their time and id.
    package func due(after last: (Timestamp, Int64)?, now: Timestamp, limit: Int) throws -> [Pair] {
        let (time, id) = last ?? (Timestamp(milliseconds: -1), 0)
        return try select(
            """
            sync_id = ? AND work_at <= ? AND (work_at, id) > (?, ?) ORDER BY work_at, id LIMIT ?
            """,
            [
                .integer(syncID), .integer(now.milliseconds), .integer(time.milliseconds),
                .integer(id), .integer(Int64(limit)),
            ])
    }

    /// The next pairs of the sync by id.
    func batch(after id: Int64, limit: Int) throws -> [Pair] {
        // The plus keeps SQLite from preferring an index that does not give this order.
        try select(
            "+sync_id = ? AND id > ? ORDER BY id LIMIT ?",
            [.integer(syncID), .integer(id), .integer(Int64(limit))])
    }

    /// The next pairs whose app record is to be read by itself.
    package func toRecheck(after last: (Timestamp, Int64), now: Timestamp, limit: Int) throws
        -> [Pair]
    {
        try select(
            """
            sync_id = ? AND recheck_at <= ? AND (recheck_at, id) > (?, ?)
            ORDER BY recheck_at, id LIMIT ?
            """,
            [
                .integer(syncID), .integer(now.milliseconds), .integer(last.0.milliseconds),
                .integer(last.1), .integer(Int64(limit)),
            ])
    }

    /// App records without counterpart, newest first.
    func alone(limit: Int) throws -> [Pair] {
        try select(
            "sync_id = ? AND crm_id IS NULL AND app_presence = 1 ORDER BY id DESC LIMIT ?",
            [.integer(syncID), .integer(Int64(limit))])
    }

    package func withIntent(after id: Int64, limit: Int) throws -> [Pair] {
        try select(
            "sync_id = ? AND intent_key IS NOT NULL AND id > ? ORDER BY id LIMIT ?",
            [.integer(syncID), .integer(id), .integer(Int64(limit))])
    }

    /// Inserts a pair that is new (id 0), or writes all columns of one that is not.
    ///
    /// - Returns: The pair with its id.
    @discardableResult
    package func save(_ pair: Pair) throws -> Pair {
        var pair = pair
        if pair.id == 0 {
            let id = try connection.row(
                Self.insertion, [.integer(syncID)] + arguments(pair)
            ) { $0.integer(0) ?? 0 }
            pair.id = id ?? 0
        } else {
            try connection.run(Self.update, arguments(pair) + [.integer(pair.id)])
        }
        return pair
    }

    package func delete(_ pair: Pair) throws {
        var pair = pair
        try removeKeys(of: &pair)
        try connection.run(
            "DELETE FROM waiting WHERE sync_id = ? AND pair_id = ?",
            [.integer(syncID), .integer(pair.id)])
        try connection.run("DELETE FROM pair WHERE id = ?", [.integer(pair.id)])
    }

    /// Deletes a pair whose part another one takes over, with what it followed.
    func delete(_ pair: Pair, replacedBy other: Pair) throws {
        try delete(pair)
        try connection.run(
            "UPDATE followed_merge SET pair_id = ? WHERE pair_id = ?",
            [.integer(other.id), .integer(pair.id)])
    }

    /// Notes that a listing named these records, and that nothing else is new about them.
    package func touch(_ pairs: [Pair], generation: Int64) throws {
        for pair in pairs {
            try connection.run(
                "UPDATE pair SET generation = ?, unlisted = 0 WHERE id = ?",
                [.integer(generation), .integer(pair.id)])
        }
    }

    /// Puts every pair whose record a complete listing did not name under suspicion, but not
    /// those whose last write the app may not show yet.
    package func markUnseenMissing(before generation: Int64, now: Timestamp) throws {
        try connection.run(
            """
            UPDATE pair SET suspect = 1, recheck_at = ? WHERE sync_id = ? AND app_presence = 1
            AND generation < ? AND suspect = 0 AND (echo_until IS NULL OR echo_until < ?)
            """,
            [
                .integer(now.milliseconds), .integer(syncID), .integer(generation),
                .integer(now.milliseconds),
            ])
    }

    /// Has every record of the app read by itself.
    func recheckAll(now: Timestamp) throws {
        try connection.run(
            """
            UPDATE pair SET recheck_at = ? WHERE sync_id = ? AND app_presence = 1
            AND (recheck_at IS NULL OR recheck_at > ?)
            """, [.integer(now.milliseconds), .integer(syncID), .integer(now.milliseconds)])
    }

    /// Has pairs planned anew that count as in sync though their sides never agreed on a property: the app
    /// cannot have it any more.
    func wakeWithout(_ property: PropertyName) throws {
        try connection.run(
            """
            UPDATE pair SET work_at = 0, state = 'pending' WHERE sync_id = ? AND state = 'in-sync'
            AND app_base NOT LIKE ?
            """, [.integer(syncID), .text("%\(Self.written(property))%")])
    }

    /// What a listing named is listed once the listing is at its end, and what it showed is before its cursor.
    func concludeListing(_ generation: Int64) throws {
        try connection.run(
            "UPDATE pair SET unlisted = 0 WHERE sync_id = ? AND unlisted = 1 AND generation = ?",
            [.integer(syncID), .integer(generation)])
    }

    /// Has the records read by themselves that we wrote since a listing, or that one showed which was not
    /// brought to its end, and that the listing after it did not name: both were changes, so somebody may
    /// have put them back to what the cursor stands for.
    func recheckUnlisted(before generation: Int64, now: Timestamp) throws {
        try connection.run(
            """
            UPDATE pair SET unlisted = 0,
            recheck_at = CASE WHEN echo_until > ? THEN echo_until ELSE ? END
            WHERE sync_id = ? AND unlisted = 1 AND generation < ? AND app_presence = 1
            """,
            [
                .integer(now.milliseconds), .integer(now.milliseconds), .integer(syncID),
                .integer(generation),
            ])
    }

    /// Has pairs planned anew that were refused a value because one of these records had it.
    ///
    /// In a run that has matched already, `now` is said: what has no counterpart is matched in the next one.
    func wakeRefused(
        by records: some Collection<RecordID>, matchedAgainAt now: Timestamp? = nil
    ) throws {
        for chunk in Array(records).chunks(of: 500) {
            let places = Array(repeating: "?", count: chunk.count).joined(separator: ", ")
            let refused = try select(
                """
                sync_id = ? AND other_id IN (\(places)) AND state = 'failed'
                AND category = 'duplicate-in-app'
                """, [.integer(syncID)] + chunk.map { .text("\($0)") })
            for var pair in refused {
                if let now, pair.crmID == nil {
                    pair.putOff(from: now)
                } else {
                    pair.wake(changedAt: nil)
                }
                try save(pair)
            }
        }
    }

    /// Has pairs of all syncs planned anew that name a CRM record whose counterpart they wait for: it is
    /// deleted, and nothing comes any more.
    func wakeWaiting(for record: RecordID) throws {
        try connection.run(
            """
            UPDATE pair SET work_at = 0, state = 'pending' WHERE state = 'in-sync' AND id IN (
                SELECT pair_id FROM waiting WHERE side = 'crm' AND target = ?)
            """, [.text("\(record)")])
    }

    package func count(_ condition: String, _ arguments: [SQLValue] = []) throws -> Int {
        Int(
            try connection.number(
                "SELECT COUNT(*) FROM pair WHERE sync_id = ? AND \(condition)",
                [.integer(syncID)] + arguments))
    }

    /// How many pairs held a value of a property when their sides last agreed.
    func countValues(of property: PropertyName) throws -> Int {
        let name = Self.written(property)
        return try count(
            "app_base LIKE ? AND app_base NOT LIKE ?", [.text("%\(name)%"), .text("%\(name)\"%")])
    }

    /// How a property of some values begins in the JSON that the store writes: no blanks, escaped quotes.
    private static func written(_ property: PropertyName) -> String {
        String(FlatJSON.text([property: ""]).dropFirst().dropLast(2))
    }

    /// The ids of the pairs under a condition, in order.
    func ids(_ condition: String) throws -> [Int64] {
        try connection.rows(
            "SELECT id FROM pair WHERE sync_id = ? AND \(condition) ORDER BY id",
            [.integer(syncID)]
        ) { $0.integer(0) ?? 0 }
    }

    func has(_ condition: String) throws -> Bool {
        try connection.number(
            "SELECT 1 FROM pair WHERE sync_id = ? AND \(condition) LIMIT 1", [.integer(syncID)])
            == 1
    }

    /// Makes an app record findable by its keys while it has no living counterpart; the pair is
    /// still to be saved.
    package func addKeys(of pair: inout Pair) throws {
        if pair.isFindable { return }
        pair.isFindable = true
        try insertKeys(of: pair)
    }

    func insertKeys(of pair: Pair) throws {
        for key in pair.appKeys {
            try connection.run(
                "INSERT INTO pair_key (sync_id, kind, value, pair_id) VALUES (?, ?, ?, ?)"
                    + " ON CONFLICT DO NOTHING",
                [.integer(syncID), .text(key.kind), .text(key.value), .integer(pair.id)])
        }
    }

    /// Takes the keys out of the index again; the pair is still to be saved or deleted.
    package func removeKeys(of pair: inout Pair) throws {
        guard pair.isFindable else { return }
        pair.isFindable = false
        for key in pair.appKeys {
            try connection.run(
                "DELETE FROM pair_key WHERE sync_id = ? AND kind = ? AND value = ? AND pair_id = ?",
                [.integer(syncID), .text(key.kind), .text(key.value), .integer(pair.id)])
        }
    }

    /// Finds the pairs without living counterpart whose app record has any of these keys.
    package func owners(of keys: some Collection<MatchKey>) throws -> [MatchKey: Set<Int64>] {
        var owners: [MatchKey: Set<Int64>] = [:]
        for (kind, keys) in Dictionary(grouping: keys, by: \.kind) {
            let places = Array(repeating: "?", count: keys.count).joined(separator: ", ")
            try connection.each(
                """
                SELECT value, pair_id FROM pair_key
                WHERE sync_id = ? AND kind = ? AND value IN (\(places))
                """, [.integer(syncID), .text(kind)] + keys.map { .text($0.value) }
            ) { row in
                let key = MatchKey(kind: kind, value: row.text(0) ?? "")
                owners[key, default: []].insert(row.integer(1) ?? 0)
            }
        }
        return owners
    }

    /// Pairs under a condition; columns of the `pair` table.
    package func select(_ condition: String, _ arguments: [SQLValue]) throws -> [Pair] {
        try connection.rows(
            "SELECT \(Self.columns) FROM pair WHERE \(condition)", arguments, Self.pair)
    }

    private func select(any column: String, _ ids: [SQLValue]) throws -> [Pair] {
        if ids.isEmpty { return [] }
        let places = Array(repeating: "?", count: ids.count).joined(separator: ", ")
        return try select("sync_id = ? AND \(column) IN (\(places))", [.integer(syncID)] + ids)
    }
}
