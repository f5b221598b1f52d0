package import AdapterKit
package import TandemCRM
import TandemCore
import TandemDatabase
package import TandemModel
import TandemSupport

/// Brings the CRM store and one object of one app into agreement, once.
///
/// Start reading here: ``work(_:isFull:)`` is the whole story, and each file beside this one tells
/// what one of its lines means. A crash at any point loses nothing and repeats nothing, because
/// nothing is queued: the next cycle observes and plans again.
package struct Cycle: Sendable {
    let sync: SyncSettings
    let app: any Adapter
    let store: CRMStore
    let dependencies: CycleDependencies
    let tuning: Tuning
    /// Names this process among those that may run the sync.
    let holder: String
    /// Told after every batch: progress for a terminal, and life for a watchdog.
    let onProgress: @Sendable (CycleReport) -> Void

    package init(
        sync: SyncSettings, app: any Adapter, store: CRMStore, dependencies: CycleDependencies,
        tuning: Tuning, holder: String,
        onProgress: @escaping @Sendable (CycleReport) -> Void = { _ in }
    ) {
        self.sync = sync
        self.app = app
        self.store = store
        self.dependencies = dependencies
        self.tuning = tuning
        self.holder = holder
        self.onProgress = onProgress
    }

    /// Observes both sides, matches, plans, writes and records.
    ///
    /// - Parameter isFull: Lists the app from the start instead of from the cursor.
    /// - Returns: What was done, and in ``CycleReport/stop`` why it ended early, if it did.
    /// - Throws: `DatabaseFailure` if the store fails; what was committed stays and is right.
    package func run(isFull: Bool = false) async throws -> CycleReport {
        try store.refresh()
        var run: CycleRun
        switch try begin() {
        case .right(let begun): run = begun
        case .left(let report): return report
        }
        do {
            try await RequestPriority.$current.withValue(
                run.wasInitial ? .background : .interactive
            ) {
                try await work(&run, isFull: isFull)
            }
        } catch let error as AppError {
            run.report.stop = .app(error)
        } catch let stop as SafetyStopError {
            run.report.stop = .finding(stop.finding.text)
            try transaction(run) { tx in try tx.syncs.stop(tx.syncID, stop.finding) }
        } catch is Lease.Lost {
            run.report.stop = .isBusy
        } catch is Interruption {
            run.report.stop = .isStopping
        }
        return try end(run)
    }

    private func work(_ run: inout CycleRun, isFull: Bool) async throws {
        try await app.prepare()
        let listing = isFull ? .everything : dueListing(run)
        let isKnown = try await isKnownAccount(run)
        if listing != .changes || !isKnown { try await askApp(&run) }
        let cycle = respecting(readOnly: run.state.readOnly)
        try cycle.followSettings(&run)
        try await cycle.observeApp(&run, listing)
        try cycle.observeCRM(&run)
        try await cycle.resolvePendingCreates(&run)
        try cycle.completeLinks(run)
        try cycle.match(&run)
        if try cycle.needsSecondLook(run) {
            try await cycle.lookAgain(&run)
            try cycle.match(&run)
        }
        try cycle.checkRails(&run)
        try await cycle.planAndApply(&run)
        if !run.found.isEmpty {
            if run.hasUnsearchable { try await cycle.lookAgain(&run) }
            try cycle.wakeFound(&run)
            try cycle.match(&run)
            try await cycle.planAndApply(&run)
        }
        // Records of one object that name each other: the second pass has all of them.
        if try cycle.completeLinks(run) { try await cycle.planAndApply(&run) }
    }

    /// The same cycle for an app that does not let some fields be written.
    private func respecting(readOnly: Set<AppField>) -> Cycle {
        Cycle(
            sync: sync.respecting(readOnly: readOnly), app: app, store: store,
            dependencies: dependencies, tuning: tuning, holder: holder, onProgress: onProgress)
    }
}

/// The process is to end; what was committed so far stays.
struct Interruption: Error {}

/// One run of a cycle: what it holds and what it has done so far.
struct CycleRun {
    var state: SyncState
    let lease: Lease
    let generation: Int64
    /// The run began before both sides had been observed completely once.
    let wasInitial: Bool
    /// An older copy of the store was put back before the run.
    let wasPutBack: Bool
    var report: CycleReport
    /// Which life of the store this is.
    let epoch: String?
    /// The fields that the app has, as the last page showed.
    var fields: Set<AppField>?
    /// Pairs whose record was searched for before it is made.
    var searched: Set<Int64> = []
    /// Records that moved may have slipped through the only listing of everything in this run.
    var hasDrifted = false
    /// Records are to be made that no search can find, and that the only listing may have left out.
    var hasUnsearchable = false
    /// What was noted so far has been matched.
    var hasMatched = false
    /// Pairs that were put off because a search has found a record that was not listed, with that record's:
    /// they are matched before they are planned.
    var found: Set<Int64> = []
}

/// Beginning, end, and the transactions between.
extension Cycle {
    private enum Beginning {
        case left(CycleReport)
        case right(CycleRun)
    }

    private func begin() throws -> Beginning {
        let now = dependencies.now()
        var report = CycleReport(sync: sync.name, startedAt: now)
        return try store.database.write { connection in
            let syncs = SyncTable(connection)
            guard try syncs.state(sync.name)?.isOn ?? true else {
                report.stop = .isOff
                return .left(report)
            }
            if !tuning.defects.has(.forgetsPredecessor),
                let predecessor = try syncs.predecessor(of: sync)
            {
                report.stop = .hasPredecessor(predecessor)
                return .left(report)
            }
            let known = try syncs.register(sync)
            let lease = try Lease.take(
                known, holder: holder, until: now + .seconds(tuning.leaseSeconds), now: now,
                isAlive: dependencies.isAlive, in: connection)
            guard let lease else {
                report.stop = .isBusy
                return .left(report)
            }
            guard let state = try syncs.state(sync.name) else {
                throw DatabaseFailure(.failed, "sync \(sync.name) was not registered")
            }
            let generation = state.generation + 1
            try SyncTable(connection).set("generation", .integer(generation), of: state.id)
            let run = try connection.row(
                """
                INSERT INTO run (sync_id, started_at, read, created_in_crm, updated_in_crm,
                created_in_app, updated_in_app, deleted_in_crm, deleted_in_app, failed)
                VALUES (?, ?, 0, 0, 0, 0, 0, 0, 0, 0) RETURNING id
                """, [.integer(state.id), .integer(now.milliseconds)]
            ) { $0.integer(0) ?? 0 }
            report.run = run ?? 0
            return .right(
                CycleRun(
                    state: state, lease: lease, generation: generation,
                    wasInitial: state.isInitial, wasPutBack: state.wasPutBack, report: report,
                    epoch: try syncs.epoch(), hasDrifted: state.owesSecondLook))
        }
    }

    private func end(_ run: CycleRun) throws -> CycleReport {
        var report = run.report
        let now = dependencies.now()
        report.endedAt = now
        report.notices += run.state.notices
        try store.database.write { connection in
            try run.lease.release(in: connection)
            let syncs = SyncTable(connection)
            if case .app(let error) = report.stop {
                try syncs.set("problem_category", .text(error.category.rawValue), of: run.state.id)
                try syncs.set(
                    "problem_text", .text("\(error.message)\n\(error.remedy)"), of: run.state.id)
                try syncs.set("problem_at", .integer(now.milliseconds), of: run.state.id)
            } else if report.stop == nil && run.state.problem != nil {
                try syncs.set("problem_category", .null, of: run.state.id)
            }
            // A cycle that moved nothing leaves no line, or an idle year would fill the table.
            let isIdle = report.writes + report.read + report.failed == 0 && report.stop == nil
            if isIdle {
                try connection.run("DELETE FROM run WHERE id = ?", [.integer(report.run)])
            } else {
                try close(report, in: connection)
            }
        }
        onProgress(report)
        return report
    }

    private func close(_ report: CycleReport, in connection: any SQLConnection) throws {
        let counts = [
            report.read, report.createdInCRM, report.updatedInCRM, report.createdInApp,
            report.updatedInApp, report.deletedInCRM, report.deletedInApp, report.failed,
        ]
        try connection.run(
            """
            UPDATE run SET ended_at = ?, read = ?, created_in_crm = ?, updated_in_crm = ?,
            created_in_app = ?, updated_in_app = ?, deleted_in_crm = ?, deleted_in_app = ?,
            failed = ? WHERE id = ?
            """,
            [.integer(report.endedAt.milliseconds)] + counts.map { .integer(Int64($0)) }
                + [.integer(report.run)])
    }

    /// Leaves between two batches if the process is to end.
    func leaveIfStopping() throws {
        if dependencies.isStopping() { throw Interruption() }
    }

    /// Runs `work` in one transaction that only the holder of the lease can commit.
    ///
    /// - Throws: ``Lease/Lost`` if another process took the sync over.
    func transaction<Value>(
        _ run: CycleRun, _ work: (CycleTransaction) throws -> Value
    ) throws -> Value {
        let now = dependencies.now()
        let value = try store.database.write { connection in
            try run.lease.require(until: now + .seconds(tuning.leaseSeconds), in: connection)
            return try work(try CycleTransaction(self, run, connection, now: now))
        }
        onProgress(run.report)
        return value
    }
}

/// The tables of a cycle inside one of its transactions.
struct CycleTransaction {
    let connection: any SQLConnection
    let now: Timestamp
    let syncID: Int64
    let pairs: PairTable
    let journal: Journal
    let syncs: SyncTable
    let crm: CRMReader
    let writer: CRMWriter
    let window: WindowLedger

    fileprivate init(
        _ cycle: Cycle, _ run: CycleRun, _ connection: any SQLConnection, now: Timestamp
    ) throws {
        self.connection = connection
        self.now = now
        syncID = run.state.id
        pairs = PairTable(connection: connection, syncID: syncID)
        journal = Journal(
            connection: connection, syncID: syncID, runID: run.report.run, now: now)
        syncs = SyncTable(connection)
        crm = cycle.store.reader(in: connection)
        writer = try cycle.store.writer(in: connection, now: now, origin: .sync(cycle.sync.name))
        window = WindowLedger(connection: connection, syncID: syncID)
    }
}
