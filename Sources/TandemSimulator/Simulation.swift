import FoundationEssentials
import Synchronization
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport
package import TandemSync

/// One hostile run per seed, and what it met.
package struct Simulation: Sendable {
    /// What came of one seed.
    package struct Outcome: Hashable, Sendable {
        package let seed: UInt64
        /// What happened, line by line; equal for equal seeds.
        package let story: [String]
        /// Broken invariants; empty if all held.
        package let violations: [String]
        package let faults: [Fault: Int]
        package let decisions: [String: Int]
    }

    /// Cycles within which a quiet world must have converged.
    package static let cyclesToConverge = 12

    private let folder: String
    private let template: String
    private let defects: Defects
    private let emphasis: Emphasis
    private let rounds: Int

    /// Store files go to `folder`, best one in memory; after `rounds` of users and cycles the world
    /// becomes quiet.
    package init(
        folder: String, rounds: Int = 10, defects: Defects = [], emphasis: Emphasis = Emphasis()
    ) throws {
        self.folder = folder
        self.rounds = rounds
        self.defects = defects
        self.emphasis = emphasis
        template = folder + "/template.db"
        if !FileManager.default.fileExists(atPath: template) {
            let database = try SQLiteDatabase(
                path: template, durability: .process, hasReaders: false)
            try database.migrate(
                CRMSchema.migrations + SyncSchema.migrations + [IDLedger.migration],
                filling: SQLiteDatabase.filling)
            _ = try CRMStore(database: database)
            try database.close()
        }
    }

    /// Plays one seed from beginning to end.
    package func run(seed: UInt64) async throws -> Outcome {
        let path = "\(folder)/seed-\(seed)-\(UInt64.random(in: 0 ... .max)).db"
        defer {
            for suffix in ["", "-wal", "-shm", ".ids", ".copy"] {
                try? FileManager.default.removeItem(atPath: path + suffix)
            }
        }
        let world = try SimWorld(
            seed: seed, template: template, path: path, defects: defects, emphasis: emphasis)
        defer { world.close() }
        try await world.live(rounds: rounds)
        try await world.becomeQuiet(cycles: Self.cyclesToConverge)
        try world.checkInvariants()
        return world.outcome
    }
}

extension SimWorld {
    /// Rounds of edits, faults, crashes and cycles.
    func live(rounds: Int) async throws {
        for round in 0..<rounds {
            for _ in 0..<random.below(9) { actRandomly() }
            clock.advance(milliseconds: Int64(5_000 + random.below(90_000)))
            try disturb(round)
            if random.chance(0.15) {
                crash.state.withLock { $0.countdown = random.below(40) }
            }
            for index in settings.indices {
                let report = try await cycle(
                    index, isFull: random.chance(0.05), isSweepDue: random.chance(0.1))
                if crash.state.withLock({ $0.isDead }) { try restart() }
                if case .finding(let text) = report?.stop, random.chance(0.5) {
                    try acknowledge(index, text)
                }
                if random.chance(0.2) { try approveRewound(index) }
            }
            crash.state.withLock { $0.countdown = nil }
            collectEdits()
        }
    }

    /// Things that happen to the world rather than to a record.
    private func disturb(_ round: Int) throws {
        let index = random.below(servers.count)
        let server = servers[index]
        server.with { state, _ in
            if state.strikes(.clockJump, rate: 0.1) {
                state.offset += state.offset > 1_000_000 ? -3_600_000 : 3_600_000
            }
        }
        if wiped[index] == nil, server.with({ state, _ in state.strikes(.wiped, rate: 0.05) }) {
            wiped[index] = server.with { state, _ in
                let backup = state.records
                for id in state.living {
                    state.records[id]?.isDeleted = true
                    state.log.append((id, true))
                }
                return backup
            }
            say("\(server.name) is wiped")
        } else if wiped[index] == nil {
            try backUpOrRewind(index)
        } else if let backup = wiped[index] {
            wiped[index] = nil
            restore(backup, on: server)
            say("\(server.name) is restored")
        }
        server.with { state, now in
            if state.strikes(.fieldVanishes, rate: 0.15) { state.hasLostField.toggle() }
            if state.strikes(.losesName, rate: 0.15), let id = state.living.first {
                state.records[id]?.isNameless.toggle()
                state.change(id, [:], isOurs: false, now: now)
            }
        }
        if server.with({ state, _ in state.strikes(.settingsChanged, rate: 0.08) }) {
            settings[index].winner = settings[index].winner.other
            if random.chance(0.5) { settings[index].direction = .both }
            say("\(settings[index].name): the settings change")
        }
        try renameOrSettle(index)
        try copyOrPutBack()
        if server.with({ state, _ in state.strikes(.restart, rate: 0.1) }) {
            try? restart()
            say("the daemon is restarted")
        }
    }

    /// What comes back with a backup, somebody has put there.
    private func restore(_ backup: [AppRecordID: SimServer.Record], on server: SimServer) {
        watch.shared.formUnion(backup.values.flatMap(\.values.values).flatMap(Oracle.tokens))
        server.with { state, now in state.restore(backup, now: now) }
        // A backup says nothing that somebody has answered since.
        collectEdits(sayingNothingNew: true)
    }

    private func acknowledge(_ index: Int, _ finding: String) throws {
        let name = settings[index].name
        _ = try userStore.database.write { try SyncTable($0).acknowledge(name) }
        say("operator: acknowledges for \(name): \(finding)")
    }

    /// No more edits and faults: the world must converge, and then nothing may be written.
    func becomeQuiet(cycles: Int) async throws {
        say("the world becomes quiet")
        isQuiet = true
        for server in servers {
            server.with { state, now in
                state.isQuiet = true
                state.hasLostField = false
                for id in state.records.keys.sorted() {
                    state.records[id]?.stale = nil
                    guard state.records[id]?.isNameless == true else { continue }
                    state.records[id]?.isNameless = false
                    state.change(id, [:], isOurs: false, now: now)
                }
            }
        }
        for index in settings.indices { try settleName(index) }
        for index in wiped.keys.sorted() {
            guard let backup = wiped[index] else { continue }
            restore(backup, on: servers[index])
        }
        for _ in 0..<cycles {
            clock.advance(milliseconds: 5_400_000)
            for index in settings.indices {
                let report = try await cycle(index)
                if case .finding(let text) = report?.stop { try acknowledge(index, text) }
                try approveRewound(index)
            }
        }
        let before = servers.map { server in server.with { state, _ in state.writeCalls } }
        clock.advance(milliseconds: 5_400_000)
        for index in settings.indices {
            let report = try await cycle(index)
            if let report, report.writes > 0 {
                violations.append("I4: \(report.sync) still writes \(report.writes) records")
            }
            if let stop = report?.stop {
                violations.append("I3: \(settings[index].name) stopped: \(stop)")
            }
        }
        let after = servers.map { server in server.with { state, _ in state.writeCalls } }
        if before != after { violations.append("I4: calls that write were made on a quiet world") }
        collectEdits()
    }

    var outcome: Simulation.Outcome {
        var faults = counts
        for server in servers {
            faults.merge(server.with { state, _ in state.counts }) { $0 + $1 }
            if server.with({ state, _ in state.offset != 0 }) {
                faults[.clockSkew, default: 0] += 1
            }
            if server.with({ state, _ in state.profile.granularity > 1 }) {
                faults[.coarseTime, default: 0] += 1
            }
        }
        crash.state.withLock { state in
            faults[.crashInStore, default: 0] += state.inStore
            faults[.crashInApp, default: 0] += state.inApp
        }
        return Simulation.Outcome(
            seed: seed, story: story, violations: violations, faults: faults, decisions: decisions)
    }
}

/// Copies a store file that nobody has open.
func copyFile(from source: String, to target: String) throws {
    try FileManager.default.copyItem(atPath: source, toPath: target)
}
