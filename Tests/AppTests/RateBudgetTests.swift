import AppREST
import Synchronization
import TandemModel
import Testing

/// The requests that one account may make.
@Suite struct `A rate budget` {
    private let clock = Clock()
    private let ledger = Ledger()

    private func budget(_ requests: Int, per seconds: Int64) -> RateBudget {
        RateBudget(
            [.init(requests, .points, seconds: seconds)], ledger: ledger, now: { clock.now })
    }

    /// How many requests have room at this moment.
    private func room(
        in budget: RateBudget, for urgency: Urgency = .fresh, cost: Int = 1
    ) async -> Int {
        await Urgency.$current.withValue(urgency) {
            var count = 0
            while await budget.take(cost: cost, patienceSeconds: 0) == nil { count += 1 }
            return count
        }
    }

    @Test func `is full again when its window has passed, and not before`() async {
        let budget = budget(24, per: 24)
        #expect(await room(in: budget) == 24)
        clock.pass(seconds: 24)
        #expect(await room(in: budget) == 0)
        clock.pass(seconds: 1)
        #expect(await room(in: budget) == 24)
    }

    @Test func `keeps a quarter for what is fresh`() async {
        let budget = budget(100, per: 60)
        #expect(await room(in: budget, for: .later) == 75)
        #expect(await room(in: budget, for: .fresh) == 25)
    }

    @Test func `lets one request through that costs more than there is`() async {
        #expect(await room(in: budget(5, per: 60), cost: 20) == 1)
    }

    @Test func `is not used up in one hour of the day`() async {
        let budget = budget(2_400, per: 86_400)
        var used = 0
        for _ in 0..<7 {
            let now = await room(in: budget)
            #expect(now == 300)
            used += now
            clock.pass(seconds: 3_600)
        }
        #expect(await room(in: budget, for: .later) == 0)
        #expect(await room(in: budget) == 2_400 - used)
    }

    @Test func `remembers the day from start to start, and counts what others use`() async {
        let one = budget(2_400, per: 86_400)
        #expect(await room(in: one) == 300)
        let other = budget(2_400, per: 86_400)
        #expect(await other.take(cost: 1, patienceSeconds: 0) == nil)
        #expect(await room(in: other) == 0)
    }

    @Test func `tells when the day is used up if it goes on so`() {
        let day = RESTDescription.Window(1_000, seconds: 86_400)
        let now = Timestamp(milliseconds: 20_000 * 86_400_000)
        let hour = now.milliseconds / 3_600_000
        let busy = WindowTally(day, used: [hour - 1: 100]).forecast(at: now)
        #expect(busy.used == 100)
        #expect(busy.expected == 2_400)
        #expect(busy.usedUpAt == now + .seconds(9 * 3_600))
        let quiet = WindowTally(day, used: [hour - 1: 40, hour - 23: 500]).forecast(at: now)
        #expect(quiet.expected == 960)
        #expect(quiet.usedUpAt == nil)
    }
}

/// A time of day that passes when it is told to.
private final class Clock: Sendable {
    private let milliseconds = Mutex<Int64>(20_000 * 86_400_000)

    var now: Timestamp { Timestamp(milliseconds: milliseconds.withLock { $0 }) }

    func pass(seconds: Int64) { milliseconds.withLock { $0 += seconds * 1_000 } }
}

/// Counts in memory, for all budgets that have it.
private final class Ledger: UsageLedger {
    private let used = Mutex<[Int64: Int]>([:])

    func count(_ cost: Int, in slot: Int64, since oldest: Int64, windowSeconds: Int64)
        -> [Int64: Int]?
    {
        used.withLock { used in
            used[slot, default: 0] += cost
            used = used.filter { $0.key >= oldest }
            return used
        }
    }
}
