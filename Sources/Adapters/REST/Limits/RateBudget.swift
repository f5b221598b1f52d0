import TandemModel
package import TandemSupport

/// The requests that one account may make, shared by everything that makes some.
///
/// A request that would be one too many waits until enough of the oldest have left their window,
/// unless that takes too long. What can come later (``RequestPriority``) leaves room for what is fresh.
package actor RateBudget {
    private var tallies: [WindowTally]
    private let ledger: any UsageLedger
    private let now: @Sendable () -> Timestamp
    /// Nothing goes out between the two; the app asked for it.
    private var pause: (from: Timestamp, until: Timestamp)?
    /// What others used is known.
    private var isLoaded = false

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

    /// Waits for room, and takes it; how much room there is depends on ``RequestPriority/current``.
    ///
    /// - Parameters:
    ///   - cost: The points of the request.
    ///   - patienceSeconds: For how long it may wait.
    /// - Returns: `nil`, or for how many seconds there will be none, and then none was taken.
    package func take(cost: Int, patienceSeconds: Int64) async -> Int64? {
        load()
        let priority = RequestPriority.current
        while let end = nextRoom(for: tallies.map { $0.unreserved(of: cost) }, priority) {
            let wait = end - now()
            let seconds = wait.milliseconds / 1_000 + 1
            if wait > .seconds(patienceSeconds) { return seconds }
            do { try await Task.sleep(for: .milliseconds(wait.milliseconds)) } catch {
                return seconds
            }
        }
        let amounts = tallies.map { $0.unreserved(of: cost) }
        for (index, amount) in amounts.enumerated() {
            tallies[index].reserved -= tallies[index].window.count(of: cost) - amount
        }
        count(amounts)
        return nil
    }

    /// Whether many requests have room now.
    package enum Room: Hashable, Sendable {
        case now
        case later(seconds: Int64)
        /// One window is too small for all of them.
        case never(RESTDescription.Window)
    }

    /// Takes room in the long windows for all requests of something that is of no use in parts, so that it
    /// is not begun where it could not end; the requests that follow use it.
    ///
    /// It can come later, and leaves room for what is fresh.
    ///
    /// - Parameters:
    ///   - requests: How many there will be.
    ///   - cost: The points of each.
    /// - Returns: Whether there was room, and then it was taken.
    package func reserve(requests: Int, cost: Int) -> Room {
        load()
        let needed = tallies.map { tally in
            tally.window.isLong
                ? Int(
                    clamping: Int64(tally.window.count(of: cost)).saturating(times: Int64(requests))
                ) : 0
        }
        for (tally, needed) in zip(tallies, needed) where needed > tally.window.limit {
            return .never(tally.window)
        }
        let amounts = zip(tallies, needed).map { max(0, $1 - $0.reserved) }
        // What takes more than may come later has the whole window, or it would never have room.
        let isLarge = zip(tallies, needed).contains {
            $1 > $0.share(of: $0.window.limit, .background)
        }
        if let end = nextRoom(for: amounts, isLarge ? .interactive : .background) {
            return .later(seconds: (end - now()).milliseconds / 1_000 + 1)
        }
        count(amounts)
        for (index, amount) in amounts.enumerated() { tallies[index].reserved += amount }
        return .now
    }

    /// Holds everything back for as long as the app asked.
    package func pause(seconds: Int64) {
        let (from, until) = (now(), now() + .seconds(seconds))
        pause = (from, max(pause?.until ?? until, until))
    }

    private func load() {
        if !isLoaded { count(tallies.map { _ in 0 }) }
        isLoaded = true
    }

    /// When so much of each window has room; `nil` for now.
    private func nextRoom(for amounts: [Int], _ priority: RequestPriority) -> Timestamp? {
        let now = now()
        // A clock that was set back must not make the pause longer.
        if let pause, pause.from <= now, now < pause.until { return pause.until }
        return zip(tallies, amounts).compactMap { tally, amount in
            amount == 0 ? nil : tally.nextRoom(for: amount, priority, at: now)
        }.max()
    }

    /// Counts what is used now of each window, and takes over what others used of long ones.
    private func count(_ amounts: [Int]) {
        let now = now()
        for (index, used) in amounts.enumerated() {
            tallies[index].add(used, at: now)
            guard tallies[index].window.isLong else { continue }
            let tally = tallies[index]
            let all = ledger.count(
                used + tally.uncounted, in: tally.slot(at: now), since: tally.oldestSlot(at: now),
                of: tally.window)
            tallies[index].uncounted = all == nil ? used + tally.uncounted : 0
            if let all { tallies[index].used = all }
        }
    }
}

/// Keeps what is used of long windows, for all processes and from start to start.
package protocol UsageLedger: Sendable {
    /// Counts what was used, and forgets what is too old or from a time that is yet to come.
    ///
    /// - Parameters:
    ///   - used: Requests or points; nought to look only.
    ///   - slot: In which part of the window it was.
    ///   - oldest: Slots before it are forgotten.
    ///   - window: Which window.
    /// - Returns: What everybody used, by slot; `nil` if the ledger cannot be written now, and then the
    ///   same is counted with the next request.
    func count(_ used: Int, in slot: Int64, since oldest: Int64, of window: RESTDescription.Window)
        -> [Int64: Int]?
}

/// What was used of one window, by its 24ths: the hours of a day.
///
/// A slot counts until its youngest request has left the window.
package struct WindowTally: Sendable {
    let window: RESTDescription.Window
    /// By slot; slots are numbered from 1970 on.
    var used: [Int64: Int]
    /// What the ledger does not know yet.
    var uncounted = 0
    /// What is counted as used, and yet to be used.
    var reserved = 0

    private static let slots: Int64 = 24

    /// - Parameters:
    ///   - window: What the app allows.
    ///   - used: What was used, by slot.
    package init(_ window: RESTDescription.Window, used: [Int64: Int] = [:]) {
        self.window = window
        self.used = used
    }

    /// Rounded up, so that a slot never leaves its window early.
    private var slotMilliseconds: Int64 { (window.seconds * 1_000 + Self.slots - 1) / Self.slots }

    /// What a request uses of the window beyond what was reserved.
    func unreserved(of cost: Int) -> Int { max(0, window.count(of: cost) - reserved) }

    func slot(at moment: Timestamp) -> Int64 { moment.milliseconds / slotMilliseconds }

    func oldestSlot(at moment: Timestamp) -> Int64 { slot(at: moment) - Self.slots }

    private func start(of slot: Int64) -> Timestamp {
        Timestamp(milliseconds: slot * slotMilliseconds)
    }

    /// When the last request of a slot has left the window.
    private func end(of slot: Int64) -> Timestamp { start(of: slot + Self.slots + 1) }

    mutating func add(_ count: Int, at now: Timestamp) {
        used = counting(at: now)
        if count > 0 { used[slot(at: now), default: 0] += count }
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
    func nextRoom(for count: Int, _ priority: RequestPriority, at now: Timestamp) -> Timestamp? {
        let counting = counting(at: now)
        let limit = share(of: window.limit, priority)
        var total = counting.values.reduce(0, +)
        let current = slot(at: now)
        let inSlot = counting[current] ?? 0
        let left = window.limit - total + inSlot
        var room: Timestamp?
        for (slot, used) in counting.sorted(by: { $0.key < $1.key }) where total + count > limit {
            total -= used
            room = end(of: slot)
        }
        // An eighth of what is left in each slot: so a day is never used up.
        if window.isLong, inSlot > 0, inSlot + count > share(of: max(1, left / 8), priority) {
            room = max(room ?? now, start(of: current + 1))
        }
        return room
    }

    /// What can come later may use three quarters.
    func share(of limit: Int, _ priority: RequestPriority) -> Int {
        priority == .background ? max(1, limit * 3 / 4) : limit
    }

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
        /// Requests or points within the window that ends now.
        package let used: Int
        /// In a whole window, at the present rate.
        package let expected: Int
        /// When nothing would be left; `nil` if that does not happen.
        package let usedUpAt: Timestamp?
    }
}

extension RESTDescription.Window {
    /// So long that an app without requests for the rest of it would be noticed: it is spread, kept
    /// from start to start, and shown in the status.
    package var isLong: Bool { seconds > 3_600 }
}
