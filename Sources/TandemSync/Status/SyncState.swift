import AdapterKit
package import TandemDatabase
package import TandemModel
package import TandemSupport

/// What the store remembers of one sync between cycles.
package struct SyncState: Hashable, Sendable {
    package let id: Int64
    package let name: SyncName
    package let isOn: Bool
    /// Until both sides have been observed completely once.
    package let isInitial: Bool
    package let cursor: Cursor?
    package let generation: Int64
    /// The last change of the CRM feed that is in the pairs; `nil` before the first walk.
    package let crmSequence: Int64?
    package let account: String?
    /// When the last successful listing of the app began.
    package let readAt: Timestamp?
    /// When the last listing that can prove absence began.
    package let sweptAt: Timestamp?
    /// Why a safety limit stopped the sync.
    package let finding: SafetyStop?
    package let problem: Problem?
    /// Settings that changed and that not every pair has followed yet.
    package let replan: Replan?
    /// Fields that the app does not let be written, as it said when it was last asked.
    package let readOnly: Set<AppField>
    /// The fields that the app has or had; `nil` if it does not say.
    package let appFields: Set<AppField>?
    /// Mapped fields of them that it does not have now, and how many records had a value there.
    package let missingFields: [AppField: Int]
    package var unidentified: Unidentified
    /// An older copy of the store was put back, and the app was not read whole since.
    package let wasPutBack: Bool
    /// In the last listing of everything a record that moved may have slipped through.
    package let mayHaveDrifted: Bool
    /// And there was no second one since.
    package let owesSecondLook: Bool
    /// The app went back in time, a person knows of it, and it was not read whole since.
    package let isRewound: Bool
    /// The last pair of an earlier version's store whose spellings were taken over; `nil` for all.
    package let spelledAfter: Int64?

    /// What listings showed that is no record yet, because nothing says which one it is.
    package struct Unidentified: Hashable, Sendable {
        package var count = 0
        /// Reasons by location, of at most ``limit``.
        package var examples: [AppLocation: String] = [:]

        static let limit = 50

        mutating func add(_ found: [ChangePage.Unidentified]) {
            count += found.count
            for one in found where examples.count < Self.limit {
                examples[one.location] = one.reason
            }
        }
    }

    /// What a person should know of the app while the sync goes on.
    package var notices: [String] {
        var notices = missingFields.sorted { $0.key < $1.key }.map { field, records in
            "the app has no field `\(field)` now; \(records) records had a value there, and edits of it "
                + "wait on both sides until it is back"
        }
        if wasPutBack {
            notices.append(
                "an older copy of the store was put back; the app is read whole before anything is made "
                    + "or deleted")
        }
        if unidentified.count > 0 {
            let examples = unidentified.examples.sorted { $0.key < $1.key }.prefix(3).map(\.value)
            notices.append(
                "\(unidentified.count) records of the app cannot be identified, so none counts as "
                    + "missing: \(examples.joined(separator: "; "))")
        }
        return notices
    }

    package struct Replan: Hashable, Sendable {
        /// The last pair that has followed.
        package let after: Int64
        /// The fields whose mapping changed.
        package let fields: Set<PropertyName>
        /// The direction became `both`, so values that it kept apart meet.
        package let isWider: Bool
    }

    package struct SafetyStop: Hashable, Sendable {
        package let kind: String
        package let text: String
        /// Names exactly what was found, so that only that is let through.
        package let digest: String
    }

    package struct Problem: Hashable, Sendable {
        package let category: FailureCategory
        package let text: String
        package let at: Timestamp
    }
}

/// The `sync` table, inside a transaction.
package struct SyncTable {
    let connection: any SQLConnection

    package init(_ connection: any SQLConnection) { self.connection = connection }

    package func state(_ name: SyncName) throws -> SyncState? {
        try connection.row(
            """
            SELECT id, name, is_on, is_initial, cursor, generation, crm_sequence, account, read_at,
            finding, finding_text, finding_digest, problem_category, problem_text, problem_at,
            swept_at, replan_after, replan_fields, replan_wider, read_only, missing_fields,
            unidentified, unidentified_count, spelled_after, app_fields, put_back,
            drifts, rewound
            FROM sync WHERE name = ?
            """, [.text(name.text)], Self.state)
    }

    private static func state(_ row: any SQLRow) throws -> SyncState {
        func damaged(_ column: String) -> DatabaseFailure {
            DatabaseFailure(.failed, "sync \(row.text(1) ?? ""): `\(column)` is damaged")
        }
        func moment(_ column: Int) -> Timestamp? {
            row.integer(column).map { Timestamp(milliseconds: $0) }
        }
        let finding = row.text(9).map { kind in
            SyncState.SafetyStop(kind: kind, text: row.text(10) ?? "", digest: row.text(11) ?? "")
        }
        let problem = row.text(12).map { category in
            SyncState.Problem(
                category: FailureCategory(rawValue: category) ?? .internal,
                text: row.text(13) ?? "", at: moment(14) ?? Timestamp(milliseconds: 0))
        }
        let replan = row.integer(16).map { after in
            SyncState.Replan(
                after: after,
                fields: Set((row.text(17) ?? "").split(separator: "\n").map { .init(String($0)) }),
                isWider: row.integer(18) == 1)
        }
        let counts = FlatJSON.values(row.text(20) ?? "{}", as: AppField.self)
        guard let missing = counts?.compactMapValues({ Int($0) }), missing.count == counts?.count
        else { throw damaged("missing_fields") }
        guard let examples = FlatJSON.values(row.text(21) ?? "{}", as: AppLocation.self) else {
            throw damaged("unidentified")
        }
        return SyncState(
            id: row.integer(0) ?? 0, name: SyncName(row.text(1) ?? ""),
            isOn: row.integer(2) == 1, isInitial: row.integer(3) == 1,
            cursor: row.text(4).map { Cursor($0) }, generation: row.integer(5) ?? 0,
            crmSequence: row.integer(6), account: row.text(7), readAt: moment(8),
            sweptAt: moment(15),
            finding: finding, problem: problem, replan: replan,
            readOnly: Set((row.text(19) ?? "").split(separator: "\n").map { .init(String($0)) }),
            appFields: row.text(24).map {
                Set($0.split(separator: "\n").map { .init(String($0)) })
            },
            missingFields: missing,
            unidentified: .init(count: Int(row.integer(22) ?? 0), examples: examples),
            wasPutBack: row.integer(25) == 1, mayHaveDrifted: row.integer(26) ?? 0 > 0,
            owesSecondLook: row.integer(26) == 2,
            isRewound: row.integer(27) == 1,
            spelledAfter: row.integer(23))
    }

    /// Has every sync read its app whole before it plans anything: what the store knows is of before.
    package func storeWasPutBack() throws {
        try connection.run("UPDATE sync SET put_back = 1", [])
    }

    /// Which life of the store this is, as keys tell it that apps see; `nil` for a store whose ids nobody
    /// remembers.
    func epoch() throws -> String? {
        try connection.row("SELECT epoch FROM store_epoch", []) { $0.text(0) ?? "" }
    }

    /// Makes sure that the store knows a sync.
    ///
    /// - Returns: Its number.
    package func register(_ settings: SyncSettings) throws -> Int64 {
        try connection.run(
            """
            INSERT INTO sync (name, object, connection, is_on, is_initial, settings, fields,
            generation, lease_token, lease_until) VALUES (?, ?, ?, 1, 1, ?, ?, 0, 0, 0)
            ON CONFLICT (name) DO UPDATE SET connection = excluded.connection
            WHERE sync.connection IS NULL
            """,
            [
                .text(settings.name.text), .text(settings.object.text),
                .text(settings.connection.text),
                .text(settings.fingerprint), .text(FlatJSON.text(Self.prints(settings))),
            ])
        return try connection.number(
            "SELECT id FROM sync WHERE name = ?", [.text(settings.name.text)])
    }

    private static func prints(_ settings: SyncSettings) -> [PropertyName: String] {
        Dictionary(
            settings.mapping.fields.map { ($0.crm, $0.fingerprint) },
            uniquingKeysWith: { first, _ in first })
    }

    /// Registers a sync, or takes over changed settings of one that is known; the next cycle has
    /// every pair follow them before it does anything else.
    package func adopt(_ settings: SyncSettings) throws -> SyncState {
        _ = try register(settings)
        let known = try connection.row(
            "SELECT settings, fields FROM sync WHERE name = ?", [.text(settings.name.text)]
        ) { ($0.text(0) ?? "", FlatJSON.values($0.text(1) ?? "{}") ?? [:]) }
        if let (print, oldFields) = known, print != settings.fingerprint {
            try replan(settings, print, oldFields)
        }
        guard let state = try state(settings.name) else {
            throw DatabaseFailure(.failed, "sync \(settings.name) was not registered")
        }
        return state
    }

    /// Notes what the pairs have to follow, together with what they have not followed yet.
    private func replan(
        _ settings: SyncSettings, _ oldPrint: String, _ oldFields: [PropertyName: String]
    ) throws {
        let open = try state(settings.name)?.replan
        let fields = Self.prints(settings)
        let changed = fields.keys.filter { fields[$0] != oldFields[$0] }
        // The direction is the first word of the fingerprint.
        let isWider = settings.direction == .both && !oldPrint.hasPrefix("both|")
        let all = (open?.fields ?? []).union(changed).sorted().map(\.text)
        try connection.run(
            """
            UPDATE sync SET settings = ?, fields = ?, replan_after = 0, replan_fields = ?,
            replan_wider = ? WHERE name = ?
            """,
            [
                .text(settings.fingerprint), .text(FlatJSON.text(fields)),
                .text(all.joined(separator: "\n")),
                .integer(isWider || open?.isWider == true ? 1 : 0), .text(settings.name.text),
            ])
    }

    /// A sync that the store has pairs of and the configuration lacks.
    package struct Orphan: Hashable, Sendable {
        package let name: SyncName
        package let object: ObjectName
        /// `nil` in a store of before it was kept.
        package let connection: ConnectionName?
        package let pairs: Int

        /// What a person should know and can do.
        package var sentence: String {
            "the store has \(pairs) pairs of the sync `\(name)` (\(object)), which the configuration lacks; "
                + "if it has another name now, `tandem rename \(name) NEW` keeps them, "
                + "else `tandem remove \(name)` forgets them"
        }
    }

    /// The syncs that the store has pairs of and that are not among the configured ones.
    package func orphans(besides configured: Set<SyncName>) throws -> [Orphan] {
        let known = try connection.rows(
            "SELECT id, name, object, connection FROM sync ORDER BY name"
        ) { row in
            (
                id: row.integer(0) ?? 0, name: SyncName(row.text(1) ?? ""),
                object: ObjectName(row.text(2) ?? ""),
                connection: row.text(3).map { ConnectionName($0) }
            )
        }
        // Counting takes its time in a large store, and mostly there are none.
        return try known.filter { !configured.contains($0.name) }.map { sync in
            Orphan(
                name: sync.name, object: sync.object, connection: sync.connection,
                pairs: try countPairs(of: sync.id))
        }.filter { $0.pairs > 0 }
    }

    private func countPairs(of id: Int64) throws -> Int {
        try PairTable(connection: connection, syncID: id).count("TRUE")
    }

    /// The sync whose pairs this one may be about to forget: of the same connection and object, under a
    /// name that the configuration lacks.
    package func predecessor(of settings: SyncSettings) throws -> Orphan? {
        if settings.configured.isEmpty { return nil }
        let isKnown = try state(settings.name) != nil
        return try orphans(besides: settings.configured).first { orphan in
            orphan.object == settings.object
                && orphan.connection.map { $0 == settings.connection } ?? !isKnown
        }
    }

    package func object(of id: Int64) throws -> ObjectName {
        ObjectName(
            try connection.row("SELECT object FROM sync WHERE id = ?", [.integer(id)]) {
                $0.text(0) ?? ""
            } ?? "")
    }

    /// Gives a sync another name; its pairs stay.
    ///
    /// - Throws: ``DatabaseFailure/Kind/constraint`` if the store has pairs under the new name.
    package func rename(_ old: SyncName, to new: SyncName) throws {
        if let taken = try state(new)?.id {
            let pairs = try countPairs(of: taken)
            guard pairs == 0 else {
                throw DatabaseFailure(
                    .constraint, "the sync `\(new)` has \(pairs) pairs of its own")
            }
            _ = try remove(new)
        }
        try connection.run(
            "UPDATE sync SET name = ? WHERE name = ?", [.text(new.text), .text(old.text)])
    }

    /// When the next pair of a sync is to be planned by itself; `nil` if none waits.
    package func nextWork(of name: SyncName) throws -> Timestamp? {
        guard let state = try state(name), state.isOn, state.finding == nil else { return nil }
        return try connection.row(
            "SELECT MIN(work_at) FROM pair WHERE sync_id = ? AND work_at > 0", [.integer(state.id)]
        ) { $0.integer(0).map { Timestamp(milliseconds: $0) } } ?? nil
    }

    func set(_ column: String, _ value: SQLValue, of id: Int64) throws {
        try connection.run("UPDATE sync SET \(column) = ? WHERE id = ?", [value, .integer(id)])
    }

    func set(_ unidentified: SyncState.Unidentified, of id: Int64) throws {
        try set("unidentified", .text(FlatJSON.text(unidentified.examples)), of: id)
        try set("unidentified_count", .integer(Int64(unidentified.count)), of: id)
    }

    /// Stops a sync for a reason that a person has to judge.
    func stop(_ id: Int64, _ finding: SyncState.SafetyStop) throws {
        try set("finding", .text(finding.kind), of: id)
        try set("finding_text", .text(finding.text), of: id)
        try set("finding_digest", .text(finding.digest), of: id)
    }

    /// Whether a person let this finding through: the same kind, and not a tenth more records than
    /// they saw; a living app moves on while they look.
    func isAcknowledged(_ digest: String, of id: Int64) throws -> Bool {
        let known = try connection.row("SELECT acknowledged FROM sync WHERE id = ?", [.integer(id)])
        {
            $0.text(0)
        }
        guard let known = known ?? nil else { return false }
        if known == digest { return true }
        let (seen, now) = (known.split(separator: " "), digest.split(separator: " "))
        guard seen.count == 2, now.count == 2, seen[0] == now[0] else { return false }
        guard let count = Double(seen[1]), let found = Double(now[1]) else { return false }
        return found <= count * 1.1
    }

    func clearFinding(_ id: Int64) throws {
        for column in ["finding", "finding_text", "finding_digest", "acknowledged"] {
            try set(column, .null, of: id)
        }
    }

    /// Lets the present finding through, and no other.
    ///
    /// - Returns: `false` if there is none.
    package func acknowledge(_ name: SyncName) throws -> Bool {
        try connection.run(
            """
            UPDATE sync SET acknowledged = finding_digest, finding = NULL, finding_text = NULL,
            finding_digest = NULL WHERE name = ? AND finding_digest IS NOT NULL
            """, [.text(name.text)]) == 1
    }

    /// - Returns: `false` if the sync is not known to the store.
    package func turn(on isOn: Bool, _ name: SyncName) throws -> Bool {
        try connection.run(
            "UPDATE sync SET is_on = ? WHERE name = ?", [.integer(isOn ? 1 : 0), .text(name.text)])
            == 1
    }

    /// Forgets a sync and its pairs; no record is touched.
    package func remove(_ name: SyncName) throws -> Bool {
        guard let id = try state(name)?.id else { return false }
        for table in [
            "pair", "pair_key", "run", "journal", "lag", "missed", "waiting", "followed_merge",
            "deleted_original",
        ] {
            try connection.run("DELETE FROM \(table) WHERE sync_id = ?", [.integer(id)])
        }
        return try connection.run("DELETE FROM sync WHERE id = ?", [.integer(id)]) == 1
    }
}
