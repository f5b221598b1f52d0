package import TandemModel

/// The requests that one account may make, shared by everything that makes some.
///
/// A request that would be one too many waits until enough of the oldest have left their window,
/// unless that takes too long. What can come later leaves room for what is fresh.
package actor RateBudget {
    private var tallies: [WindowTally]
    private let ledger: any UsageLedger
    private let now: @Sendable () -> Timestamp
    /// Nothing goes out before; the app asked for it.
    private var pausedUntil: Timestamp?

    /// - Parameters:
    ///   - windows: All hold at once.
    ///   - ledger: Keeps what is used of long windows.
    ///   - now: The time of day.
    package init(
        _ windows: [RESTDescription.Window], ledger: any UsageLedger,
        now: @escaping @Sendable () -> Timestamp
    ) {
        tallies = windows.map { WindowTally($0) }
        self.ledger = ledger
        self.now = now
    }

    /// Waits for room, and takes it.
    ///
    /// - Returns: `nil`, or for how many seconds there will be none, and then none was taken.
    package func take(cost: Int, patienceSeconds: Int64) async -> Int64? {
        while let end = nextRoom(for: cost) {
            let wait = end - now()
            let seconds = wait.milliseconds / 1_000 + 1
            if wait > .seconds(patienceSeconds) { return seconds }
            do { try await Task.sleep(for: .milliseconds(wait.milliseconds)) } catch {
                return seconds
            }
        }
        count(cost)
        return nil
    }

    /// Holds everything back for as long as the app asked.
    func pause(seconds: Int64) {
        let until = now() + .seconds(seconds)
        pausedUntil = max(pausedUntil ?? until, until)
    }

    /// When a request has room; `nil` for now.
    private func nextRoom(for cost: Int) -> Timestamp? {
        let now = now()
        if let pausedUntil, pausedUntil > now { return pausedUntil }
        return tallies.compactMap { tally in
            tally.nextRoom(for: tally.window.count(of: cost), Urgency.current, at: now)
        }.max()
    }

    private func count(_ cost: Int) {
        let now = now()
        for index in tallies.indices {
            let used = tallies[index].window.count(of: cost)
            tallies[index].add(used, at: now)
            guard tallies[index].window.isLong else { continue }
            let tally = tallies[index]
            // What other processes used counts as well.
            let all = ledger.count(
                used, in: tally.slot(at: now), since: tally.oldestSlot(at: now),
                windowSeconds: tally.window.seconds)
            if let all { tallies[index].used = all }
        }
    }
}

/// Keeps what is used of long windows, for all processes and from start to start.
package protocol UsageLedger: Sendable {
    /// Counts what was used, and forgets what is too old.
    ///
    /// - Parameters:
    ///   - used: Requests or points.
    ///   - slot: In which part of the window.
    ///   - oldest: Slots before it are forgotten.
    ///   - windowSeconds: Which window.
    /// - Returns: What everybody used, by slot; `nil` if it cannot be known now.
    func count(_ used: Int, in slot: Int64, since oldest: Int64, windowSeconds: Int64)
        -> [Int64: Int]?
}

/// What was used of one window, by its 24ths: the hours of a day.
///
/// A slot counts until its youngest request has left the window.
package struct WindowTally: Sendable {
    let window: RESTDescription.Window
    /// By slot; slots are numbered from 1970 on.
    var used: [Int64: Int]

    private static let slots: Int64 = 24
    /// How much of a window what can come later may use: three quarters.
    private static let laterShare = (3, 4)
    /// How much of a long window one slot may use, so that the rest of a day has something left.
    private static let slotShare = (1, 8)

    /// - Parameters:
    ///   - window: What the app allows.
    ///   - used: What was used, by slot.
    package init(_ window: RESTDescription.Window, used: [Int64: Int] = [:]) {
        self.window = window
        self.used = used
    }

    private var slotMilliseconds: Int64 { max(1, window.seconds * 1_000 / Self.slots) }

    func slot(at moment: Timestamp) -> Int64 { moment.milliseconds / slotMilliseconds }

    func oldestSlot(at moment: Timestamp) -> Int64 { slot(at: moment) - Self.slots }

    private func start(of slot: Int64) -> Timestamp {
        Timestamp(milliseconds: slot * slotMilliseconds)
    }

    /// When the last request of a slot has left the window.
    private func end(of slot: Int64) -> Timestamp { start(of: slot + Self.slots + 1) }

    mutating func add(_ count: Int, at now: Timestamp) {
        used = counting(at: now)
        used[slot(at: now), default: 0] += count
    }

    /// The slots that count; those of a time that is yet to come are from before the clock was set
    /// back.
    private func counting(at now: Timestamp) -> [Int64: Int] {
        let slots = oldestSlot(at: now)...slot(at: now)
        return used.filter { slots.contains($0.key) }
    }

    /// When a request has room, `nil` for now.
    ///
    /// One request always fits into an empty window.
    func nextRoom(for count: Int, _ urgency: Urgency, at now: Timestamp) -> Timestamp? {
        let counting = counting(at: now)
        let limit = urgency == .later ? share(Self.laterShare) : window.limit
        var total = counting.values.reduce(0, +)
        var room: Timestamp?
        for (slot, used) in counting.sorted(by: { $0.key < $1.key }) where total + count > limit {
            total -= used
            room = end(of: slot)
        }
        let current = slot(at: now)
        if window.isLong, let used = counting[current], used + count > share(Self.slotShare) {
            room = max(room ?? now, start(of: current + 1))
        }
        return room
    }

    private func share(_ share: (Int, Int)) -> Int { max(1, window.limit * share.0 / share.1) }

    /// What the window comes to if it goes on as in this slot and the one before.
    package func forecast(at now: Timestamp) -> Forecast {
        let counting = counting(at: now)
        let current = slot(at: now)
        let recent = (counting[current] ?? 0) + (counting[current - 1] ?? 0)
        let elapsed = (now - start(of: current - 1)).milliseconds
        let perSlot = Double(recent) * Double(slotMilliseconds) / Double(elapsed)
        let total = counting.values.reduce(0, +)
        var (expected, usedUpAt) = (Double(total), Timestamp?.none)
        for step in 1...Self.slots where usedUpAt == nil {
            expected += perSlot - Double(counting[current + step - Self.slots - 1] ?? 0)
            if perSlot > 0 && Int(expected) >= window.limit {
                usedUpAt = start(of: current + step)
            }
        }
        return Forecast(
            used: total, expected: Int((perSlot * Double(Self.slots)).rounded()),
            usedUpAt: usedUpAt)
    }

    package struct Forecast: Hashable, Sendable {
        package let used: Int
        /// In a whole window, at the present rate.
        package let expected: Int
        /// When nothing will be left; `nil` if that does not happen.
        package let usedUpAt: Timestamp?
    }
}

extension RESTDescription.Window {
    /// So long that an app without requests for the rest of it would be noticed: it is spread, kept
    /// from start to start, and shown in the status.
    package var isLong: Bool { seconds > 3_600 }
}
