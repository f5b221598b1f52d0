import Synchronization
import TandemModel

/// The requests that one account may make, shared by everything that makes some.
///
/// A request that would be one too many waits until enough of the oldest have left their window,
/// unless that takes too long.
package actor RateBudget {
    private let windows: [RESTDescription.Window]
    /// What went out, and what each request counts.
    private var sent: [(at: ContinuousClock.Instant, cost: Int)] = []
    /// Nothing goes out before; the app asked for it.
    private var pausedUntil: ContinuousClock.Instant?

    package init(_ windows: [RESTDescription.Window]) { self.windows = windows }

    /// Waits for room, and takes it.
    ///
    /// - Returns: `nil`, or for how many seconds there will be none, and then none was taken.
    func take(cost: Int, patienceSeconds: Int64) async -> Int64? {
        while let wait = waitingTime(cost) {
            if wait > .seconds(patienceSeconds) { return wait.components.seconds + 1 }
            do { try await Task.sleep(for: wait) } catch { return wait.components.seconds + 1 }
        }
        if !windows.isEmpty { sent.append((.now, cost)) }
        return nil
    }

    /// Holds everything back for as long as the app asked.
    func pause(seconds: Int64) {
        let until = ContinuousClock.now + .seconds(seconds)
        pausedUntil = max(pausedUntil ?? until, until)
    }

    private func waitingTime(_ cost: Int) -> Duration? {
        let now = ContinuousClock.now
        if let pausedUntil, pausedUntil > now { return now.duration(to: pausedUntil) }
        let longest = windows.map(\.seconds).max() ?? 0
        sent.removeAll { $0.at + .seconds(longest) <= now }
        return windows.compactMap { wait(for: $0, cost, now) }.max()
    }

    /// How long until enough of a window has left it; one request always fits into an empty one.
    private func wait(
        for window: RESTDescription.Window, _ cost: Int, _ now: ContinuousClock.Instant
    ) -> Duration? {
        let inside = sent.filter { $0.at + .seconds(window.seconds) > now }
        var used = inside.reduce(0) { $0 + $1.cost }
        var end: ContinuousClock.Instant?
        for request in inside where used + cost > window.requests {
            used -= request.cost
            end = request.at + .seconds(window.seconds)
        }
        return end.map { now.duration(to: $0) }
    }
}
