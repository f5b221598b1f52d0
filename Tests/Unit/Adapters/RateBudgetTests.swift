import AdapterREST
import Synchronization
import TandemModel
import TandemSupport
import Testing

/// The requests that one account may make.
@Suite struct `A rate budget` {
    private let clock = Clock()
    private let ledger = Ledger()

    private func budget(_ points: Int, per seconds: Int64) -> RateBudget {
        budget([.init(points, .points, seconds: seconds)])
    }

    private func budget(_ windows: [RESTDescription.Window]) -> RateBudget {
        RateBudget(windows, ledger: ledger, now: { clock.now })
    }

    /// How many requests have room at this moment.
    private func room(
        in budget: RateBudget, for priority: RequestPriority = .interactive, cost: Int = 1
    ) async -> Int {
        await RequestPriority.$current.withValue(priority) {
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
        #expect(await room(in: budget, for: .background) == 75)
        #expect(await room(in: budget, for: .interactive) == 25)
    }

    @Test func `lets one request through that costs more than there is`() async {
        #expect(await room(in: budget(5, per: 60), cost: 20) == 1)
    }

    /// Whatever part of a window a request falls into, it counts for the whole of it.
    @Test(arguments: [1, 2, 10, 60, 86_400] as [Int64])
    func `gives no room before a request has left its window`(_ seconds: Int64) async {
        for part in 0..<7 {
            let budget = budget([.init(1, seconds: seconds)])
            clock.pass(milliseconds: Int64(part) * 149)
            #expect(await budget.take(cost: 1, patienceSeconds: 0) == nil)
            clock.pass(milliseconds: seconds * 1_000 - 1)
            #expect(await budget.take(cost: 1, patienceSeconds: 0) != nil)
            clock.pass(milliseconds: seconds * 3_000)
        }
    }

    /// Half a listing of everything is of no use: it is begun where it can end, and leaves a quarter.
    @Test func `takes room for something whole, or none`() async {
        await RequestPriority.$current.withValue(.background) {
            let day: Int64 = 86_400
            let budget = budget([.init(100, seconds: day), .init(5, seconds: 60)])
            #expect(
                await budget.reserve(requests: 101, cost: 1) == .never(.init(100, seconds: day)))
            #expect(await budget.reserve(requests: 60, cost: 1) == .now)
            // Only half of it is used, at the pace of the short window: the other half is there still.
            for _ in 0..<6 {
                #expect(await room(in: budget, for: .interactive) == 5)
                clock.pass(seconds: 65)
            }
            #expect(await budget.reserve(requests: 30, cost: 1) == .now)
            guard case .later(let wait) = await budget.reserve(requests: 60, cost: 1) else {
                Issue.record("there is no room for sixty more")
                return
            }
            clock.pass(seconds: wait)
            #expect(await budget.reserve(requests: 60, cost: 1) == .now)
        }
    }

    /// A listing that takes most of a day's requests comes once a day, though there were others before it.
    @Test func `lets something large in that leaves less than a quarter`() async {
        await RequestPriority.$current.withValue(.background) {
            let budget = budget([.init(100, seconds: 86_400)])
            #expect(await budget.take(cost: 1, patienceSeconds: 0) == nil)
            clock.pass(seconds: 3_700)
            #expect(await budget.reserve(requests: 90, cost: 1) == .now)
            #expect(await budget.reserve(requests: 90, cost: 1) == .now)
        }
    }

    @Test func `counts requests or what they cost, in all windows at once`() async {
        let budget = budget([.init(3, seconds: 60), .init(20, .points, seconds: 60)])
        #expect(await room(in: budget, cost: 7) == 2)
        #expect(await room(in: budget, cost: 1) == 1)
    }

    /// An eighth of what is left goes in an hour; what can come later leaves a quarter of that.
    @Test func `is never used up in a day`() async {
        let budget = budget(2_400, per: 86_400)
        #expect(await room(in: budget, for: .background) == 225)
        #expect(await room(in: budget, for: .interactive) == 75)
        var used = 300
        for _ in 1..<24 {
            clock.pass(seconds: 3_600)
            let now = await room(in: budget)
            #expect(now == (2_400 - used) / 8)
            used += now
        }
        #expect(used < 2_400)
    }

    @Test func `remembers the day from start to start, and counts what others use`() async {
        let one = budget(2_400, per: 86_400)
        #expect(await room(in: one) == 300)
        #expect(await room(in: budget(2_400, per: 86_400)) == 0)
    }

    /// What could not be noted is noted with the next request.
    @Test func `loses nothing when the ledger cannot be written for a while`() async {
        let one = budget(2_400, per: 86_400)
        #expect(await one.take(cost: 10, patienceSeconds: 0) == nil)
        ledger.isBusy.withLock { $0 = true }
        #expect(await one.take(cost: 100, patienceSeconds: 0) == nil)
        ledger.isBusy.withLock { $0 = false }
        #expect(await one.take(cost: 10, patienceSeconds: 0) == nil)
        #expect(await room(in: budget(2_400, per: 86_400)) == 180)
    }

    @Test func `holds back as long as the app asked, and no longer by a clock set back`() async {
        let budget = budget(100, per: 60)
        await budget.pause(seconds: 30)
        #expect(await room(in: budget) == 0)
        clock.pass(seconds: -3_600)
        #expect(await budget.take(cost: 1, patienceSeconds: 0) == nil)
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

    func pass(seconds: Int64) { pass(milliseconds: seconds * 1_000) }

    func pass(milliseconds passed: Int64) { milliseconds.withLock { $0 += passed } }
}

/// Counts in memory, for all budgets that have it.
private final class Ledger: UsageLedger {
    private let used = Mutex<[RESTDescription.Window: [Int64: Int]]>([:])
    let isBusy = Mutex(false)

    func count(_ count: Int, in slot: Int64, since oldest: Int64, of window: RESTDescription.Window)
        -> [Int64: Int]?
    {
        if isBusy.withLock({ $0 }) { return nil }
        return used.withLock { used in
            used[window, default: [:]][slot, default: 0] += count
            used[window] = used[window]?.filter { oldest...slot ~= $0.key }
            return used[window]
        }
    }
}
