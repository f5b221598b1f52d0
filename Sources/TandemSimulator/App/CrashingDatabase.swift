import Synchronization
package import TandemDatabase

/// When the simulated process dies.
package final class SimCrash: Sendable {
    struct State {
        var countdown: Int?
        var isDead = false
        var inStore = 0
        var inApp = 0
    }
    let state = Mutex(State())

    /// One more step that a crash may fall on; `true` if the process is dead now.
    func step(inStore: Bool) -> Bool {
        state.withLock { state in
            if state.isDead { return true }
            guard let left = state.countdown else { return false }
            state.countdown = left - 1
            guard left <= 0 else { return false }
            state.countdown = nil
            state.isDead = true
            if inStore { state.inStore += 1 } else { state.inApp += 1 }
            return true
        }
    }
}

/// A database whose process can die before, in or right after a transaction.
package struct CrashingDatabase: Database {
    let base: SQLiteDatabase
    let crash: SimCrash

    private static let death = DatabaseFailure(.failed, "the process died")

    package func read<Value>(
        within limit: ReadLimit?, _ work: (any SQLConnection) throws -> Value
    ) throws -> Value {
        if crash.step(inStore: true) { throw Self.death }
        return try base.read(within: limit, work)
    }

    package func write<Value>(_ work: (any SQLConnection) throws -> Value) throws -> Value {
        if crash.step(inStore: true) { throw Self.death }
        let value = try base.write { connection in
            let value = try work(connection)
            if crash.step(inStore: true) { throw Self.death }
            return value
        }
        if crash.step(inStore: true) { throw Self.death }
        return value
    }
}
