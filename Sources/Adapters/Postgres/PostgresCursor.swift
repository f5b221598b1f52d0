import FoundationEssentials
import TandemModel
import TandemSupport

/// Where the next listing of a table starts.
///
/// A transaction that is under way may commit a row that looks older than rows that were read
/// (P3). By transaction number, the floor is the oldest number that was still running: everything
/// below is decided and was visible. By column, a moment becomes the floor only when every
/// transaction that ran at that moment has ended; each of them, also one that has written nothing
/// yet, shows in `pg_locks`, which everybody may read (manual, §54.12).
struct PostgresCursor: Codable, Hashable, Sendable {
    let mode: String
    /// The least number or value that is still to be read.
    var floor: String
    /// By log: when it was made, by the server's clock.
    var at: String?
    /// By transaction and by log: which cluster gave the number (manual, §9.27.7).
    var system: String?
    /// By column: moments that wait for the transactions of their time.
    var marks: [Mark] = []

    struct Mark: Codable, Hashable, Sendable {
        let value: String
        let running: [String]
    }

    /// Marks in between may go; the floor then moves a little later.
    static let markLimit = 20

    init(mode: String, floor: String) {
        self.mode = mode
        self.floor = floor
    }

    init?(_ cursor: Cursor) {
        guard
            let known = try? JSONDecoder().decode(
                PostgresCursor.self, from: Data(cursor.text.utf8))
        else { return nil }
        self = known
    }

    var cursor: Cursor {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        // Texts and numbers can always be encoded.
        return Cursor(String(decoding: (try? encoder.encode(self)) ?? Data(), as: UTF8.self))
    }

    /// The cursor after a listing that began when the column had got to `value`, with these
    /// transactions under way.
    func moved(to value: String, running: Set<String>) -> PostgresCursor {
        var next = self
        next.marks.append(Mark(value: value, running: running.sorted()))
        // A transaction that is not there any more has ended, and what it wrote is visible.
        next.marks = next.marks.map {
            Mark(value: $0.value, running: $0.running.filter(running.contains))
        }
        if let settled = next.marks.lastIndex(where: \.running.isEmpty) {
            next.floor = next.marks[settled].value
            next.marks.removeFirst(settled + 1)
        }
        if next.marks.count > Self.markLimit { next.marks.remove(at: Self.markLimit / 2) }
        return next
    }
}

extension PostgresSettings {
    /// What a cursor must have been made for.
    var mode: String {
        switch changes {
        case .transaction: "xmin"
        case .column(let name, _): "column \(name)"
        case .log: "log"
        case .none: "none"
        }
    }
}

extension PostgresListing {
    /// Where the next listing starts; taken before anything is read.
    func watermark() async throws -> PostgresCursor {
        switch shape.settings.changes {
        case .none: return PostgresCursor(mode: shape.settings.mode, floor: "")
        case .transaction: return try await horizon()
        case .log:
            try await app.changeLog().check(connection)
            try await checkAge()
            return try await horizon()
        case .column(let name, let lag): return try await mark(name, lag)
        }
    }

    /// - Throws: ``AppError/wentBack(_:)`` if the server has gone back behind the cursor.
    func confirm() async throws(AppError) {
        guard since?.system != nil else { return }
        try await appErrors("look at \(shape.name)") { _ = try await self.horizon() }
    }

    private func horizon() async throws -> PostgresCursor {
        let row = try await connection.rows(
            """
            SELECT pg_snapshot_xmin(pg_current_snapshot())::text,
            pg_snapshot_xmax(pg_current_snapshot())::text, now()::text,
            (SELECT system_identifier::text FROM pg_control_system())
            """
        ).first
        guard let row, let floor = row[0], let now = row[1].flatMap({ Int64($0) }) else {
            throw PGFailure(state: "XX000", message: "the server gives no snapshot")
        }
        try compare(now, system: row[3])
        var next = PostgresCursor(mode: shape.settings.mode, floor: floor)
        next.at = row[2]
        next.system = row[3]
        return next
    }

    /// Numbers of transactions only grow, as long as it is the same cluster.
    ///
    /// - Throws: ``AppError/wentBack(_:)`` if the number or the cluster is another than before;
    ///   ``AppError/cursorExpired(_:)`` if so many came since that a row's number tells nothing.
    private func compare(_ now: Int64, system: String?) throws(AppError) {
        guard let since, let from = Int64(since.floor) else { return }
        if let before = since.system, let system, before != system {
            throw .wentBack("another cluster answers (system identifier \(system), was \(before))")
        }
        if now < from { throw .wentBack("transaction \(now) comes next, and \(from) was read") }
        if now.saturating(subtracting: from) > 1 << 31 {
            throw .cursorExpired("of too many transactions ago")
        }
    }

    /// A log forgets; a cursor from before its memory would miss changes.
    private func checkAge() async throws {
        guard let at = since?.at else { return try await app.changeLog().prune(connection) }
        let isOld = try await connection.rows(
            "SELECT (now() - $1::timestamptz > interval '\(ChangeLog.keptDays) days')::text", [at]
        ).first?[0]
        if isOld == "true" { throw AppError.cursorExpired("older than the log's memory") }
    }

    private func mark(_ name: String, _ lag: Int64) async throws -> PostgresCursor {
        guard let column = shape.columns[name] else { throw AppError.cursorExpired(name) }
        // The moment comes first: what begins after it writes what is later.
        let now = try await connection.rows(
            column.category == "D"
                ? "SELECT (\(column.clock) - interval '\(lag + (column.isCoarse ? 1 : 0)) seconds')::text"
                : "SELECT max(t.\(name.sqlName))::text FROM \(shape.sqlName) t"
        ).first?[0]
        var running = try await running()
        let lowest = PostgresCursor(mode: shape.settings.mode, floor: column.lowest)
        guard let now else { return since ?? lowest }
        // What is under way when everything is listed for the first time may have begun at any
        // time. Most of it ends soon; as long as something of it runs, nothing is settled.
        if since == nil {
            let first = running
            for _ in 0..<Self.patience where !running.isDisjoint(with: first) {
                try await Task.sleep(for: .milliseconds(100))
                running = try await self.running()
            }
            running.formIntersection(first)
        }
        return (since ?? lowest).moved(to: now, running: running)
    }

    /// How often the transactions of the first listing are looked at, a tenth of a second apart.
    private static let patience = 50

    /// The transactions under way, but for our own; those that were prepared, too.
    private func running() async throws(PGFailure) -> Set<String> {
        let rows = try await connection.rows(
            """
            SELECT DISTINCT virtualtransaction FROM pg_locks
            WHERE virtualtransaction IS NOT NULL AND pid IS DISTINCT FROM pg_backend_pid()
            """)
        return Set(rows.compactMap { $0[0] })
    }
}

extension TableShape.Column {
    /// What is below every value that tells of changes.
    var lowest: String {
        switch kind {
        case "int2": "\(Int16.min)"
        case "int4": "\(Int32.min)"
        case "int8": "\(Int64.min)"
        default: "-infinity"
        }
    }

    /// The server's clock as the column has it.
    ///
    /// A time without zone may be UTC or the database's own; the earlier of the two misses nothing.
    var clock: String {
        kind == "timestamptz"
            ? "clock_timestamp()"
            : "least(clock_timestamp() AT TIME ZONE 'UTC', clock_timestamp() AT TIME ZONE "
                + "(SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'))"
    }

    /// Whether its values can tell what changed later.
    var canTellChanges: Bool {
        ["timestamptz", "timestamp", "int2", "int4", "int8"].contains(kind)
    }
}
