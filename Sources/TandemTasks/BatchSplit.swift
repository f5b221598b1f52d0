/// Reads batches in which one record can break the answer for all of them.
///
/// A batch that fails is asked for again in halves, as long as some part of it succeeds; one bad record
/// among n costs at most 2·log₂ n requests. If nothing succeeds, a record that was read before is asked
/// for: if that fails, too, it is the app that fails, and no record is to blame.
package struct BatchSplit<ID: Hashable & Sendable, Value: Sendable, Failure: Error>: Sendable {
    /// What was read, and the records of which each breaks the answer alone.
    ///
    /// Records in neither were not asked for any more.
    package struct Outcome: Sendable {
        package var values: [ID: Value] = [:]
        package var broken: [ID] = []
    }

    /// More broken records in one batch are left to the next cycle.
    package static var brokenLimit: Int { 20 }

    private let fetch: @Sendable ([ID]) async throws(Failure) -> [ID: Value]
    /// Whether a failure may lie in the records and not in the app.
    private let mayBeContent: @Sendable (Failure) -> Bool

    package init(
        mayBeContent: @escaping @Sendable (Failure) -> Bool,
        fetch: @escaping @Sendable ([ID]) async throws(Failure) -> [ID: Value]
    ) {
        self.fetch = fetch
        self.mayBeContent = mayBeContent
    }

    /// - Parameters:
    ///   - ids: The batch.
    ///   - known: A record that was read before; `nil` if there is none.
    /// - Returns: What was read, and what is broken.
    /// - Throws: The failure of the app, where it does not lie in single records.
    package func read(_ ids: [ID], known: ID?) async throws(Failure) -> Outcome {
        var outcome = Outcome()
        var parts = ids.isEmpty ? [] : [ids]
        var failures = 0
        var isAnswering = false
        // As deep as one path down to a single record, and a little more.
        let patience = 2 * (Int.bitWidth - ids.count.leadingZeroBitCount) + 2
        while !parts.isEmpty && outcome.broken.count < Self.brokenLimit {
            let part = parts.removeFirst()
            do {
                outcome.values.merge(try await fetch(part)) { $1 }
                isAnswering = true
                continue
            } catch {
                failures += 1
                guard mayBeContent(error), isAnswering || failures <= patience else { throw error }
                if let known, !isAnswering, failures == 3 || ids.count == 1 {
                    _ = try await fetch([known])
                    isAnswering = true
                }
                // Nothing has been answered, and this would be the second record to blame.
                if part.count == 1, !isAnswering, ids.count == 1 || !outcome.broken.isEmpty {
                    throw error
                }
            }
            if part.count == 1 {
                outcome.broken.append(part[0])
            } else {
                parts += [Array(part[..<(part.count / 2)]), Array(part[(part.count / 2)...])]
            }
        }
        return outcome
    }
}
