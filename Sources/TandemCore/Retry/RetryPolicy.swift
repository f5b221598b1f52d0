import TandemModel
package import TandemSupport

/// When a transient failure is tried again.
package enum RetryPolicy {
    /// The wait before the next attempt: 15 s doubling to one hour, plus up to a quarter of
    /// jitter, and never before the app's own word.
    ///
    /// - Parameters:
    ///   - attempts: How often it has failed, at least 1.
    ///   - jitter: 0 to 1, from the caller's source of randomness.
    ///   - afterSeconds: What the app asked for (Retry-After), if it did.
    /// - Returns: 15 s to 75 min, or more if the app asked for it.
    package static func wait(attempts: Int, jitter: Double, afterSeconds: Int64?) -> Span {
        let doublings = min(max(attempts, 1) - 1, 8)
        let plain = min(15 * (Int64(1) << Int64(doublings)), 3_600)
        let jittered = Span(milliseconds: Int64(Double(plain) * (1 + jitter / 4) * 1_000))
        return max(jittered, .seconds(afterSeconds ?? 0))
    }
}
