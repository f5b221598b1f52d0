import AdapterKit
import Synchronization
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSync

/// The whole simulated world of one seed: a CRM store, one or two apps, users, faults.
final class SimWorld {
    let seed: UInt64
    var random: SplitMix
    let clock = SimClock()
    let crash = SimCrash()
    let path: String
    let object: ObjectName
    let defects: Defects
    let emphasis: Emphasis
    var servers: [SimServer] = []
    var settings: [SyncSettings] = []
    var oracle = Oracle()
    var story: [String] = []
    var counts: [Fault: Int] = [:]
    var decisions: [String: Int] = [:]
    var violations: [String] = []
    var reports: [CycleReport] = []
    var watch = Watch()
    /// How often an app that reports deletions is listed as a whole.
    ///
    /// A feed that keeps nothing back needs no such help, and what it heals would hide our
    /// mistakes; an app whose listings skip records does.
    private(set) var auditSeconds: Int64 = 6_000
    /// CRM records whose owners asked to be forgotten.
    var erased: Set<RecordID> = []
    /// What an app held before it was wiped.
    var wiped: [Int: [AppRecordID: SimServer.Record]] = [:]
    /// What syncs are called in the store that the configuration calls otherwise.
    var configured: [Int: SyncName] = [:]
    /// An older copy of the store was put in its place.
    var wasPutBack = false
    var token = 0
    var isQuiet = false
    private var lives = 0
    private var file: SQLiteDatabase
    private(set) var store: CRMStore
    /// Users write here: their process does not die with the daemon's.
    var userStore: CRMStore

    init(seed: UInt64, template: String, path: String, defects: Defects, emphasis: Emphasis) throws
    {
        self.seed = seed
        self.path = path
        self.defects = defects
        self.emphasis = emphasis
        random = SplitMix(seed: seed)
        object = random.chance(0.65) ? .contacts : .companies
        try copyFile(from: template, to: path)
        file = try SQLiteDatabase(path: path, durability: .process, hasReaders: false)
        store = try CRMStore(database: CrashingDatabase(base: file, crash: crash))
        userStore = try CRMStore(database: file)
        let appCount = random.chance(0.35) ? 2 : 1
        for index in 0..<appCount {
            var profile = SimProfile(random: &random, emphasis: emphasis)
            profile.trustsHalfSaved = defects.has(.trustsHalfSaved)
            servers.append(
                SimServer(
                    name: "app\(index)", seed: random.next(), clock: clock, profile: profile))
            settings.append(drawSettings(index))
        }
        let skips: Set<Fault> = [.pageDrift, .missingInListing, .undeclaredLag]
        let isTrue = servers.allSatisfy { server in
            server.with { state, _ in state.profile.faults.isDisjoint(with: skips) }
        }
        if isTrue { auditSeconds = 100 * 86_400 }
        let names = Set(settings.map(\.name))
        for index in settings.indices { settings[index].configured = names }
        if mayBePutBack { try open() }
        say("seed \(seed): \(object), \(servers.map { describe($0) }.joined(separator: " and "))")
    }

    func close() { try? file.close() }

    /// Something that a process knew may be lost with it.
    var hasForgotten: Bool { wasPutBack || crash.state.withLock { $0.inApp + $0.inStore } > 0 }

    func say(_ line: String) { story.append("\(clock.now)  \(line)") }

    func count(_ fault: Fault) { counts[fault, default: 0] += 1 }

    func nextToken() -> String {
        token += 1
        return "t\(token)"
    }

    private func describe(_ server: SimServer) -> String {
        let profile = server.with { state, _ in state.profile }
        let faults = profile.faults.map(\.rawValue).sorted().joined(separator: " ")
        return "\(server.name) (\(profile.style.rawValue), \(profile.safety): \(faults))"
    }

    func drawSettings(_ index: Int) -> SyncSettings {
        let onlyUS = Filter.any([
            .condition("city", .known(true)), .condition("lastname", .known(true)),
        ])
        var settings = SyncSettings(
            name: SyncName("sync\(index)"), connection: ConnectionName("app\(index)"), app: "sim",
            mapping: SimMapping.mapping(object, random: &random),
            direction: random.chance(0.7) ? .both : random.pick([.toCRM, .toApp]),
            winner: random.pick([.crm, .app]),
            requiresEmail: object == .contacts && random.chance(0.5),
            filterToApp: random.chance(0.2) ? onlyUS : nil,
            filterToCRM: random.chance(0.2) ? onlyUS : nil,
            onLeavingFilter: random.chance(0.8) ? .keep : .exclude,
            deletions: random.chance(0.7) ? .track : .propagate,
            blanks: random.pick([.keep, .clear]))
        settings.companions = [object: settings.name]
        return settings
    }

    /// Only where a copy may be put back, it matters what ids were given.
    private var mayBePutBack: Bool {
        servers[0].with { state, _ in state.profile.faults.contains(.storePutBack) }
    }

    func copyStore(to path: String) throws { try file.copy(to: path) }

    /// Closes the store and opens it again, as a new process would; `meanwhile` is done to its file.
    func restart(_ meanwhile: (String) throws -> Void = { _ in }) throws {
        // Of the last writes nothing may be known now.
        for server in servers {
            server.with { state, _ in
                for id in state.records.keys { state.records[id]?.undo = nil }
            }
        }
        try? file.close()
        try meanwhile(path)
        crash.state.withLock { $0.isDead = false }
        try open()
    }

    private func open() throws {
        try? file.close()
        let seed = seed
        lives += 1
        let life = lives
        let ids =
            mayBePutBack && !defects.has(.givesIDsAgain)
            ? try IDLedger(
                store: path, tables: ["record", "pair", "change"], newEpoch: { "e\(seed)-\(life)" })
            : nil
        file = try SQLiteDatabase(path: path, durability: .process, hasReaders: false, ids: ids)
        _ = try file.beginIDs { finding, connection in
            if case .putBack = finding { try SyncTable(connection).storeWasPutBack() }
        }
        store = try CRMStore(database: CrashingDatabase(base: file, crash: crash))
        userStore = try CRMStore(database: file)
    }
}

/// Running cycles.
extension SimWorld {
    func cycle(_ index: Int, isFull: Bool = false, isSweepDue: Bool = false) async throws
        -> CycleReport?
    {
        var tuning = Tuning()
        tuning.safetyLimits.deletedRecords = 4
        tuning.safetyLimits.deletedShare = 0.6
        tuning.safetyLimits.changedRecords = 8
        tuning.batch = 4
        tuning.leaseSeconds = 30
        tuning.sweepSeconds = isSweepDue ? 0 : 600
        tuning.auditSeconds = auditSeconds
        tuning.readsAhead = false
        tuning.defects = defects
        let clock = clock
        let startedAt = clock.now
        // Users act while the cycle runs, through this one unchecked door: the simulation is a
        // single line of execution, so nothing ever runs beside it.
        nonisolated(unsafe) let world = self
        let app = SimApp(server: servers[index]) { call, writes throws(AppError) in
            try world.during(call, writes, index)
        }
        let cycle = Cycle(
            sync: settings[index], app: app, store: store,
            dependencies: CycleDependencies(now: { clock.now }, jitter: { 0.5 }), tuning: tuning,
            holder: "sim")
        do {
            let report = try await cycle.run(isFull: isFull)
            count(report)
            try watchCycle(index, since: startedAt, isWhole: report.stop == nil)
            return report
        } catch  where crash.state.withLock({ $0.isDead }) {
            say("\(settings[index].name): the process died")
            return nil
        }
    }

    private func count(_ report: CycleReport) {
        reports.append(report)
        for (decision, count) in report.decisions { decisions[decision, default: 0] += count }
        let stop = report.stop.map { "; stopped: \($0)" } ?? ""
        let kinds = report.decisions.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }
        say(
            "\(report.sync): read \(report.read), wrote \(report.writes) (\(kinds.joined(separator: ", ")))\(stop)"
        )
    }

    /// What happens at a call to the app: the process may die, and users may act.
    private func during(_ call: String, _ writes: [AppWrite], _ index: Int) throws(AppError) {
        if crash.step(inStore: false) {
            throw .tryLater(.appUnavailable, "the process died", afterSeconds: nil)
        }
        if isQuiet || !random.chance(call == "apply" ? 0.2 : 0.08) { return }
        let conditional = servers[index].with { state, _ in state.profile.conditional }
        count(.editDuringCycle)
        if conditional, case .update(let id, _) = writes.first?.kind, random.chance(0.6) {
            // Somebody is quicker than we are, in the very field that is being written.
            let field = random.pick(writes[0].values.keys.sorted())
            if let property = settings[index].mapping.fields.first(where: { $0.app == field })?.crm
            {
                return editInApp(servers[index], id, property)
            }
        }
        // An app without conditions cannot protect an edit made between our last look and our
        // write; nobody could, so the simulation does not ask for it.
        actRandomly(onApp: conditional || call != "apply")
    }
}
