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
    let first: World
    let logger: Logger
    let notify = Notify()
    let underWay: UnderWay
    /// Reads and checks the configuration anew.
    let reload: @Sendable () throws -> World

    private static let tick = Duration.milliseconds(250)
    private static let housekeeping = Duration.seconds(60)

    /// SIGHUPs that nobody has acted on.
    private final class Hangups: Sendable {
        let count = Mutex(0)

        func take() -> Bool {
            count.withLock { count in
                defer { count = 0 }
                return count > 0
            }
        }
    }

    /// What the loops share.
    private final class Board: Sendable {
        struct State {
            var isStopping = false
            var generation = 0
            /// Why the store can be written no more.
            var lostStore: String?
            /// When each sync last showed life, for the watchdog.
            var alive: [SyncName: ContinuousClock.Instant] = [:]
        }
        let state = Mutex(State())

        var isStopping: Bool { state.withLock(\.isStopping) }
        /// Ends the daemon: what it writes goes nowhere.
        func lose(_ store: DatabaseFailure) {
            state.withLock { state in
                state.lostStore = "\(store)"
                state.isStopping = true
            }
        }
        func isAlive(_ sync: SyncName) { state.withLock { $0.alive[sync] = .now } }
    }

    func run() async throws {
        let board = Board()
        var world = first
        notify.send("READY=1\nSTATUS=syncing")
        logger.info("ready", metadata: ["syncs": "\(world.configuration.syncs.count)"])
        await withTaskCancellationOrGracefulShutdownHandler {
            while !board.isStopping { world = await serve(world, board) }
        } onCancelOrGracefulShutdown: {
            board.state.withLock { $0.isStopping = true }
        }
        if let lost = board.state.withLock(\.lostStore) { throw CommandFailure.storeLost(lost) }
        logger.info("stopped")
    }

    /// Runs every sync of one configuration until the process is to end or it is reloaded.
    ///
    /// - Returns: The world to go on with.
    private func serve(_ world: World, _ board: Board) async -> World {
        let generation = board.state.withLock { state in
            state.generation += 1
            state.alive = [:]
            return state.generation
        }
        let isDone: @Sendable () -> Bool = {
            board.state.withLock { $0.isStopping || $0.generation != generation }
        }
        return await withTaskGroup(of: World?.self) { group in
            for sync in world.configuration.syncs {
                group.addTask {
                    await loop(sync, world, board, isDone)
                    return nil
                }
            }
            group.addTask {
                await feedWatchdog(board, world, isDone)
                return nil
            }
            group.addTask { await awaitReload(board, isDone) }
            group.addTask {
                await keepHouse(world, board, isDone)
                return nil
            }
            var next: World?
            for await result in group where result != nil { next = result }
            return next ?? world
        }
    }

    /// Does what is due in the CRM store by itself: old records leave the bin, contacts stop being
    /// marketing contacts.
    private func keepHouse(
        _ world: World, _ board: Board, _ isDone: @escaping @Sendable () -> Bool
    ) async {
        var last = ContinuousClock.now - Self.housekeeping
        while !isDone() {
            try? await Task.sleep(for: Self.tick)
            guard last.duration(to: .now) >= Self.housekeeping else { continue }
            last = .now
            do {
                try world.database.requireInPlace()
                while try world.writing(as: .store, { try $1.emptyBin() }) > 0 && !isDone() {}
                while try world.writing(as: .store, { try $1.applyMarketingUpdates() }) > 0
                    && !isDone()
                {}
            } catch let failure as DatabaseFailure where failure.kind == .replaced {
                board.lose(failure)
            } catch {
                logger.error("housekeeping failed", metadata: ["why": "\("\(error)".printable)"])
            }
        }
    }

    /// Waits for SIGHUP; a configuration that cannot be used is refused and the old one runs on.
    private func awaitReload(_ board: Board, _ isDone: @escaping @Sendable () -> Bool) async
        -> World?
    {
        let hangups = Hangups()
        return await withTaskGroup(of: World?.self) { group in
            group.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sighup) {
                    hangups.count.withLock { $0 += 1 }
                }
                return nil
            }
            group.addTask {
                while !isDone() {
                    try? await Task.sleep(for: Self.tick)
                    guard hangups.take() else { continue }
                    if let world = reloaded() {
                        board.state.withLock { $0.generation += 1 }
                        return world
                    }
                }
                return nil
            }
            var world: World?
            for await result in group {
                world = world ?? result
                group.cancelAll()
            }
            return world
        }
    }

    private func reloaded() -> World? {
        notify.send("RELOADING=1\nMONOTONIC_USEC=\(Notify.monotonicMicroseconds)")
        defer { notify.send("READY=1") }
        do {
            let world = try reload()
            logger.info("the configuration is reloaded")
            return world
        } catch {
            logger.error(
                "the new configuration is refused, the old one runs on",
                metadata: ["why": "\("\(error)".printable)"])
            return nil
        }
    }

    /// The life of one sync.
    private func loop(
        _ sync: SyncSettings, _ world: World, _ board: Board,
        _ isDone: @escaping @Sendable () -> Bool
    ) async {
        let poll = Duration.seconds(world.configuration.pollSeconds)
        var told: CycleReport.Stop?
        while !isDone() {
            board.isAlive(sync.name)
            var seen = latestChange(world)
            let started = ContinuousClock.now
            await cycle(sync, world, board, isDone, &told)
            let retryAt = nextRetry(of: sync, world)
            while !isDone() && started.duration(to: .now) < poll {
                board.isAlive(sync.name)
                try? await Task.sleep(for: Self.tick)
                let latest = latestChange(world)
                if latest != seen, isForeignChange(after: seen, for: sync, world) { break }
                if let app = try? world.app(for: sync), await app.hasNews() { break }
                seen = latest
                if let retryAt, retryAt <= World.now { break }
            }
        }
    }

    private func cycle(
        _ sync: SyncSettings, _ world: World, _ board: Board,
        _ isDone: @escaping @Sendable () -> Bool, _ told: inout CycleReport.Stop?
    ) async {
        do {
            let cycle = Cycle(
                sync: sync, app: try world.app(for: sync), store: world.store,
                surroundings: world.surroundings(
                    isStopping: isDone, onWriting: { underWay.count($0 ? 1 : -1) }),
                tuning: world.tuning,
                holder: World.holder, onProgress: { board.isAlive($0.sync) })
            let report = try await cycle.run()
            // What stops a sync is told once, not at every poll.
            if report.stop == nil || report.stop != told { log(report, sync) }
            told = report.stop
        } catch let failure as DatabaseFailure where failure.kind == .replaced {
            board.lose(failure)
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
                "\(sync.name): \("\(error.message). \(error.remedy)".printable)")
        case .none, .isOff, .isBusy, .isStopping: break
        }
    }

    private func latestChange(_ world: World) -> Int64 {
        (try? world.reading { try $0.latestSequence() }) ?? 0
    }

    /// Whether somebody else than this sync changed a record of its object.
    private func isForeignChange(after sequence: Int64, for sync: SyncSettings, _ world: World)
        -> Bool
    {
        let isForeign = try? world.reading { reader in
            try reader.hasChange(of: sync.object, after: sequence, notBy: .sync(sync.name))
        }
        return isForeign ?? false
    }

    private func nextRetry(of sync: SyncSettings, _ world: World) -> Timestamp? {
        try? world.database.read { try SyncTable($0).nextWork(of: sync.name) }
    }

    /// Feeds the watchdog for as long as every loop shows life; an app that hangs has its own
    /// time limit, so a loop that is silent for ten minutes is broken.
    private func feedWatchdog(_ board: Board, _ world: World, _ isDone: @Sendable () -> Bool) async
    {
        let period = notify.watchdogSeconds
        while !isDone() {
            try? await Task.sleep(for: .seconds(min(period ?? 1, 1)))
            let isAlive = board.state.withLock { state in
                state.alive.values.allSatisfy { $0.duration(to: .now) < .seconds(600) }
            }
            if period != nil && isAlive { notify.send("WATCHDOG=1") }
        }
    }
}
