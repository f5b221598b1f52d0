import Synchronization
import TandemModel

/// The requests that one account may make, shared by everything that makes some.
///
/// A request that would be one too many waits until the oldest of its window has left it, unless
/// that takes too long.
package actor RateBudget {
    private let windows: [RESTDescription.Window]
    private var sent: [ContinuousClock.Instant] = []
    /// Nothing goes out before; the app asked for it.
    private var pausedUntil: ContinuousClock.Instant?

    package init(_ windows: [RESTDescription.Window]) { self.windows = windows }

    /// Waits for room, and takes it.
    ///
    /// - Returns: `nil`, or for how many seconds there will be none, and then none was taken.
    func take(cost: Int, patienceSeconds: Int64) async -> Int64? {
        while let wait = waitingTime() {
            if wait > .seconds(patienceSeconds) { return wait.components.seconds + 1 }
            do { try await Task.sleep(for: wait) } catch { return wait.components.seconds + 1 }
        }
        if !windows.isEmpty { sent.append(.now) }
        return nil
    }

    /// Holds everything back for as long as the app asked.
    func pause(seconds: Int64) {
        let until = ContinuousClock.now + .seconds(seconds)
        pausedUntil = max(pausedUntil ?? until, until)
    }

    private func waitingTime() -> Duration? {
        let now = ContinuousClock.now
        if let pausedUntil, pausedUntil > now { return now.duration(to: pausedUntil) }
        let longest = windows.map(\.seconds).max() ?? 0
        sent.removeAll { $0 + .seconds(longest) <= now }
        return windows.compactMap { window -> Duration? in
            guard sent.count >= window.requests else { return nil }
            let end = sent[sent.count - window.requests] + .seconds(window.seconds)
            return end > now ? now.duration(to: end) : nil
        }.max()
    }
}
