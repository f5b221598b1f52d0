import AdapterKit
import Logging
import ServiceLifecycle
import Synchronization
import TandemCRM
import TandemConfig
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync
import UnixSignals

/// The daemon: each sync runs in a loop of its own, so none waits for another; a loop wakes when
/// its poll is due, or within a quarter of a second of a change in the CRM store.
struct Daemon: Service {
    let first: AppContext
    let logger: Logger
    let notify = Notify()
    let underWay: UnderWay
    /// Reads and checks the configuration anew.
    let reload: @Sendable () throws -> AppContext

    private static let tick = Duration.milliseconds(250)
    private static let housekeeping = Duration.seconds(60)

    /// SIGHUPs that nobody has acted on.
    private final class ReloadSignal: Sendable {
        let count = Mutex(0)

        func take() -> Bool {
            count.withLock { count in
                defer { count = 0 }
                return count > 0
            }
        }
    }

    /// What the loops share.
    private final class DaemonState: Sendable {
        struct Values {
            var isStopping = false
            var generation = 0
            /// Why the store can be written no more.
            var lostStore: String?
            /// When each sync last showed life, for the watchdog.
            var alive: [SyncName: ContinuousClock.Instant] = [:]
        }
        let values = Mutex(Values())

        var isStopping: Bool { values.withLock(\.isStopping) }
        /// Ends the daemon: what it writes goes nowhere.
        func lose(_ store: DatabaseFailure) {
            values.withLock { values in
                values.lostStore = "\(store)"
                values.isStopping = true
            }
        }
        func isAlive(_ sync: SyncName) { values.withLock { $0.alive[sync] = .now } }
    }

    func run() async throws {
        let state = DaemonState()
        var context = first
        notify.send("READY=1\nSTATUS=syncing")
        logger.info("ready", metadata: ["syncs": "\(context.configuration.syncs.count)"])
        await withTaskCancellationOrGracefulShutdownHandler {
            while !state.isStopping { context = await serve(context, state) }
        } onCancelOrGracefulShutdown: {
            state.values.withLock { $0.isStopping = true }
        }
        if let lost = state.values.withLock(\.lostStore) { throw CommandFailure.storeLost(lost) }
        logger.info("stopped")
    }

    /// Runs every sync of one configuration until the process is to end or it is reloaded.
    ///
    /// - Returns: The context to go on with.
    private func serve(_ context: AppContext, _ state: DaemonState) async -> AppContext {
        let generation = state.values.withLock { values in
            values.generation += 1
            values.alive = [:]
            return values.generation
        }
        let isDone: @Sendable () -> Bool = {
            state.values.withLock { $0.isStopping || $0.generation != generation }
        }
        return await withTaskGroup(of: AppContext?.self) { group in
            for sync in context.configuration.syncs {
                group.addTask {
                    await loop(sync, context, state, isDone)
                    return nil
                }
            }
            group.addTask {
                await feedWatchdog(state, context, isDone)
                return nil
            }
            group.addTask { await awaitReload(state, isDone) }
            group.addTask {
                await keepHouse(context, state, isDone)
                return nil
            }
            var next: AppContext?
            for await result in group where result != nil { next = result }
            return next ?? context
        }
    }

    /// Does what is due in the CRM store by itself: old records leave the bin, contacts stop being
    /// marketing contacts.
    private func keepHouse(
        _ context: AppContext, _ state: DaemonState, _ isDone: @escaping @Sendable () -> Bool
    ) async {
        var last = ContinuousClock.now - Self.housekeeping
        while !isDone() {
            try? await Task.sleep(for: Self.tick)
            guard last.duration(to: .now) >= Self.housekeeping else { continue }
            last = .now
            do {
                try context.database.requireInPlace()
                while try context.writing(as: .store, { try $1.emptyBin() }) > 0 && !isDone() {}
                while try context.writing(as: .store, { try $1.applyMarketingUpdates() }) > 0
                    && !isDone()
                {}
            } catch let failure as DatabaseFailure where failure.kind == .replaced {
                state.lose(failure)
            } catch {
                logger.error("housekeeping failed", metadata: ["why": "\("\(error)".printable)"])
            }
        }
    }

    /// Waits for SIGHUP; a configuration that cannot be used is refused and the old one runs on.
    private func awaitReload(_ state: DaemonState, _ isDone: @escaping @Sendable () -> Bool) async
        -> AppContext?
    {
        let reloads = ReloadSignal()
        return await withTaskGroup(of: AppContext?.self) { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sighup) {
                    reloads.count.withLock { $0 += 1 }
                }
                return nil
            }
            group.addTask {
                while !isDone() {
                    try? await Task.sleep(for: Self.tick)
                    guard reloads.take() else { continue }
                    if let context = reloaded() {
                        state.values.withLock { $0.generation += 1 }
                        return context
                    }
                }
                return nil
            }
            var context: AppContext?
            for await result in group {
                context = context ?? result
                group.cancelAll()
            }
            return context
        }
    }

    private func reloaded() -> AppContext? {
        notify.send("RELOADING=1\nMONOTONIC_USEC=\(Notify.monotonicMicroseconds)")
        defer { notify.send("READY=1") }
        do {
            let context = try reload()
            logger.info("the configuration is reloaded")
            return context
        } catch {
            logger.error(
                "the new configuration is refused, the old one runs on",
                metadata: ["why": "\("\(error)".printable)"])
            return nil
        }
    }

    /// The life of one sync.
    private func loop(
        _ sync: SyncSettings, _ context: AppContext, _ state: DaemonState,
        _ isDone: @escaping @Sendable () -> Bool
    ) async {
        let poll = Duration.seconds(context.configuration.pollSeconds)
        var told: CycleReport.Stop?
        while !isDone() {
            state.isAlive(sync.name)
            var seen = latestChange(context)
            let started = ContinuousClock.now
            await cycle(sync, context, state, isDone, &told)
            let retryAt = nextRetry(of: sync, context)
            while !isDone() && started.duration(to: .now) < poll {
                state.isAlive(sync.name)
                try? await Task.sleep(for: Self.tick)
                let latest = latestChange(context)
                if latest != seen, isForeignChange(after: seen, for: sync, context) { break }
                if let app = try? context.app(for: sync), await app.hasNews() { break }
                seen = latest
                if let retryAt, retryAt <= AppContext.now { break }
            }
        }
    }

    private func cycle(
        _ sync: SyncSettings, _ context: AppContext, _ state: DaemonState,
        _ isDone: @escaping @Sendable () -> Bool, _ told: inout CycleReport.Stop?
    ) async {
        do {
            let cycle = Cycle(
                sync: sync, app: try context.app(for: sync), store: context.store,
                dependencies: context.dependencies(
                    isStopping: isDone, onWriting: { underWay.count($0 ? 1 : -1) }),
                tuning: context.tuning,
                holder: AppContext.holder, onProgress: { state.isAlive($0.sync) })
            let report = try await cycle.run()
            // What stops a sync is told once, not at every poll.
            if report.stop == nil || report.stop != told { log(report, sync) }
            told = report.stop
        } catch let failure as DatabaseFailure where failure.kind == .replaced {
            state.lose(failure)
        } catch {
            logger.error("\(sync.name) failed", metadata: ["why": "\("\(error)".printable)"])
        }
    }

    private func log(_ report: CycleReport, _ sync: SyncSettings) {
        switch report.stop {
        case .none where report.writes + report.failed > 0:
            logger.info(
                "\(sync.name)",
                metadata: [
                    "read": "\(report.read)",
                    "crm": "+\(report.createdInCRM) ~\(report.updatedInCRM)",
                    "app": "+\(report.createdInApp) ~\(report.updatedInApp)",
                    "failed": "\(report.failed)",
                ])
        case .hasPredecessor(let orphan): logger.warning("\(sync.name) stopped: \(orphan.sentence)")
        case .finding(let text): logger.warning("\(sync.name) stopped: \(text.printable)")
        case .app(let error):
            logger.warning(
                "\(sync.name): \(error.sentences.printable)")
        case .none, .isOff, .isBusy, .isStopping: break
        }
    }

    private func latestChange(_ context: AppContext) -> Int64 {
        (try? context.reading { try $0.latestSequence() }) ?? 0
    }

    /// Whether somebody else than this sync changed a record of its object.
    private func isForeignChange(
        after sequence: Int64, for sync: SyncSettings, _ context: AppContext
    )
        -> Bool
    {
        let isForeign = try? context.reading { reader in
            try reader.hasChange(of: sync.object, after: sequence, notBy: .sync(sync.name))
        }
        return isForeign ?? false
    }

    private func nextRetry(of sync: SyncSettings, _ context: AppContext) -> Timestamp? {
        try? context.database.read { try SyncTable($0).nextWork(of: sync.name) }
    }

    /// Feeds the watchdog for as long as every loop shows life; an app that hangs has its own
    /// time limit, so a loop that is silent for ten minutes is broken.
    private func feedWatchdog(
        _ state: DaemonState, _ context: AppContext, _ isDone: @Sendable () -> Bool
    ) async {
        let period = notify.watchdogSeconds
        while !isDone() {
            try? await Task.sleep(for: .seconds(min(period ?? 1, 1)))
            let isAlive = state.values.withLock { values in
                values.alive.values.allSatisfy { $0.duration(to: .now) < .seconds(600) }
            }
            if period != nil && isAlive { notify.send("WATCHDOG=1") }
        }
    }
}
