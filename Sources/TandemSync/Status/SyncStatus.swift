package import TandemDatabase
package import TandemModel
package import TandemSupport

/// The health of one sync, in the shape of `status --json`.
package struct SyncStatus: Encodable, Hashable, Sendable {
    package struct Failures: Encodable, Hashable, Sendable {
        package let category: String
        package let count: Int
        package let remedy: String
    }
    package struct Exclusions: Encodable, Hashable, Sendable {
        package let reason: String
        package let count: Int
    }
    package struct MissingField: Encodable, Hashable, Sendable {
        package let field: String
        /// How many records had a value there.
        package let records: Int
    }
    package struct Unidentified: Encodable, Hashable, Sendable {
        package let location: String
        package let reason: String
    }
    package struct Window: Encodable, Hashable, Sendable {
        package let seconds: Int64
        package let kept: Int
        package let missed: Int
        package let p50Seconds: Double
        package let p99Seconds: Double
        package let misses: [Miss]

        /// How many changes came late for one cause.
        package struct Miss: Encodable, Hashable, Sendable {
            package let cause: String
            package let count: Int
        }
        enum CodingKeys: String, CodingKey {
            case seconds, kept, missed, misses
            case p50Seconds = "p50_seconds"
            case p99Seconds = "p99_seconds"
        }
    }
    package struct LastCycle: Encodable, Hashable, Sendable {
        package let run: Int64
        package let startedAt: String
        package let seconds: Double
        package let read: Int
        package let createdInCRM: Int
        package let updatedInCRM: Int
        package let createdInApp: Int
        package let updatedInApp: Int
        package let failed: Int

        package enum CodingKeys: String, CodingKey {
            case run, seconds, read, failed
            case startedAt = "started_at"
            case createdInCRM = "created_in_crm"
            case updatedInCRM = "updated_in_crm"
            case createdInApp = "created_in_app"
            case updatedInApp = "updated_in_app"
        }

        package init(_ report: CycleReport) {
            run = report.run
            startedAt = report.startedAt.description
            seconds = (report.endedAt - report.startedAt).seconds
            read = report.read
            createdInCRM = report.createdInCRM
            updatedInCRM = report.updatedInCRM
            createdInApp = report.createdInApp
            updatedInApp = report.updatedInApp
            failed = report.failed
        }

        init(_ row: any SQLRow) {
            func number(_ column: Int) -> Int { Int(row.integer(column) ?? 0) }
            let started = row.integer(1) ?? 0
            run = row.integer(0) ?? 0
            startedAt = Timestamp(milliseconds: started).description
            seconds = Double((row.integer(2) ?? started) - started) / 1_000
            read = number(3)
            createdInCRM = number(4)
            updatedInCRM = number(5)
            createdInApp = number(6)
            updatedInApp = number(7)
            failed = number(8)
        }
    }

    package let name: String
    package let object: String
    package let app: String
    package let connection: String
    package let direction: String
    package let `default`: String
    package let on: Bool
    package let phase: String
    package let inSync: Int
    package let pending: Int
    /// Records in sync, but for a difference that a person has accepted.
    package let accepted: Int
    package let failed: Int
    package let excluded: Int
    package let ambiguous: Int
    package let awaitingApproval: Int
    package let deletedInCRM: Int
    package let deletedInApp: Int
    /// Fields that name a record which has no counterpart yet.
    package let linksWaiting: Int
    /// Mapped fields that the app does not have now.
    package let missingFields: [MissingField]
    /// What the app shows that is no record yet, some of it; it counts as failed.
    package let unidentified: [Unidentified]
    package let failures: [Failures]
    package let exclusions: [Exclusions]
    package let oldestUnsyncedSeconds: Double?
    package let window: Window
    package let lastCycle: LastCycle?
    /// Why a safety limit stopped the sync, and what the app answered last if it failed.
    package let finding: String?
    package let problem: String?

    enum CodingKeys: String, CodingKey {
        case name, object, app, connection, direction, `default`, on, phase, pending, failed
        case accepted
        case excluded, ambiguous, failures, exclusions, window, finding, problem
        case inSync = "in_sync"
        case awaitingApproval = "awaiting_approval"
        case deletedInCRM = "deleted_in_crm"
        case deletedInApp = "deleted_in_app"
        case linksWaiting = "links_waiting"
        case missingFields = "missing_fields"
        case unidentified
        case oldestUnsyncedSeconds = "oldest_unsynced_seconds"
        case lastCycle = "last_cycle"
    }

    /// Gathers the health of a sync; one that never ran has zeros and the phase `initial`.
    package init(
        _ sync: SyncSettings, windowSeconds: Int64, now: Timestamp,
        in connection: any SQLConnection
    ) throws {
        let state = try SyncTable(connection).state(sync.name)
        let id = state?.id ?? 0
        let counts = try StateCounts(id, connection)
        name = sync.name.text
        object = sync.object.text
        app = sync.app
        self.connection = sync.connection.text
        direction = sync.direction.rawValue
        `default` = sync.winner.rawValue
        on = state?.isOn ?? true
        phase = on ? (state?.isInitial ?? true ? "initial" : "incremental") : "off"
        inSync = counts[.inSync]
        pending = counts[.pending]
        accepted = Int(
            try connection.number(
                "SELECT COUNT(*) FROM pair WHERE sync_id = ? AND accepted IS NOT NULL",
                [.integer(id)]))
        let nameless = state?.unidentified ?? .init()
        failed = counts[.failed] + nameless.count
        missingFields = (state?.missingFields ?? [:]).sorted { $0.key < $1.key }
            .map { MissingField(field: $0.key.text, records: $0.value) }
        unidentified = nameless.examples.sorted { $0.key < $1.key }
            .map { Unidentified(location: $0.key.text, reason: $0.value) }
        excluded = counts[.excluded]
        ambiguous = counts[.ambiguous]
        awaitingApproval = counts[.awaitingApproval]
        deletedInCRM = counts[.deletedInCRM]
        deletedInApp = counts[.deletedInApp]
        linksWaiting = Int(
            try connection.number(
                "SELECT COUNT(*) FROM waiting WHERE sync_id = ?", [.integer(id)]))
        var failed = Dictionary(uniqueKeysWithValues: counts.details(.failed))
        if nameless.count > 0 {
            failed[FailureCategory.invalidValue.rawValue, default: 0] += nameless.count
        }
        failures = failed.sorted { $0.key < $1.key }.map { category, count in
            let remedy = FailureCategory(rawValue: category)?.remedy ?? ""
            return Failures(category: category, count: count, remedy: remedy)
        }
        exclusions = counts.details(.excluded).map { Exclusions(reason: $0, count: $1) }
        let oldest = try connection.number(
            "SELECT MIN(changed_at) FROM pair WHERE sync_id = ? AND changed_at IS NOT NULL",
            [.integer(id)])
        oldestUnsyncedSeconds =
            oldest == 0 ? nil : (now - Timestamp(milliseconds: oldest)).seconds
        window = try Self.window(id, seconds: windowSeconds, connection)
        lastCycle = try connection.row(
            """
            SELECT id, started_at, ended_at, read, created_in_crm, updated_in_crm, created_in_app,
            updated_in_app, failed FROM run WHERE sync_id = ? ORDER BY id DESC LIMIT 1
            """, [.integer(id)], LastCycle.init)
        finding = state?.finding?.text
        problem = state?.problem?.text
    }

    private static func window(
        _ id: Int64, seconds: Int64, _ connection: any SQLConnection
    ) throws -> Window {
        let summary = try WindowLedger(connection: connection, syncID: id).summary()
        let misses = try connection.rows(
            "SELECT cause, COUNT(*) FROM missed WHERE sync_id = ? GROUP BY cause ORDER BY cause",
            [.integer(id)]
        ) { Window.Miss(cause: $0.text(0) ?? "", count: Int($0.integer(1) ?? 0)) }
        let missed = misses.reduce(0) { $0 + $1.count }
        return Window(
            seconds: seconds, kept: summary.records - missed, missed: missed,
            p50Seconds: summary.p50, p99Seconds: summary.p99, misses: misses)
    }
}

/// How many pairs are in which state, and why.
private struct StateCounts {
    private var rows: [(state: String, detail: String, count: Int)]

    init(_ syncID: Int64, _ connection: any SQLConnection) throws {
        rows = try connection.rows(
            """
            SELECT state, COALESCE(category, reason, ''), COUNT(*) FROM pair WHERE sync_id = ?
            GROUP BY state, COALESCE(category, reason, '') ORDER BY 1, 2
            """, [.integer(syncID)]
        ) { ($0.text(0) ?? "", $0.text(1) ?? "", Int($0.integer(2) ?? 0)) }
    }

    subscript(kind: PairStateKind) -> Int {
        rows.reduce(0) { $0 + ($1.state == kind.rawValue ? $1.count : 0) }
    }

    func details(_ kind: PairStateKind) -> [(String, Int)] {
        rows.filter { $0.state == kind.rawValue }.map { ($0.detail, $0.count) }
    }
}
