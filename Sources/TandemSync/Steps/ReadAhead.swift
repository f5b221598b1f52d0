import AdapterKit
import TandemModel

/// Reads batches of records, each while the one before it is being recorded.
///
/// Every id that was asked for gets a reading: one without an answer is unreadable for now.
struct ReadAhead: AsyncSequence {
    typealias Element = [AppRecordID: AppReading]
    let app: any Adapter
    let batches: [ArraySlice<AppRecordID>]
    /// Off, each batch is read when it is asked for, so that a simulation stays in one order.
    let isOn: Bool

    func makeAsyncIterator() -> Iterator { Iterator(source: self) }

    struct Iterator: AsyncIteratorProtocol {
        let source: ReadAhead
        var place = 0
        var ahead: Task<Element, any Error>?

        mutating func next() async throws -> Element? {
            guard place < source.batches.count else { return nil }
            let current = ahead
            let batch = Array(source.batches[place])
            place += 1
            guard source.isOn else { return try await Self.read(batch, from: source.app) }
            let readings =
                if let current { try await current.value } else {
                    try await Self.read(batch, from: source.app)
                }
            ahead = place < source.batches.count ? start(Array(source.batches[place])) : nil
            return readings
        }

        private func start(_ batch: [AppRecordID]) -> Task<Element, any Error> {
            // The one task of its own in the engine: a read that nobody waits for any more does
            // no harm, and it ends with the app's own time limit.
            Task { [app = source.app] in try await Self.read(batch, from: app) }
        }

        private static func read(_ batch: [AppRecordID], from app: any Adapter) async throws
            -> Element
        {
            var readings = try await app.read(batch)
            for id in batch where readings[id] == nil {
                readings[id] = .unreadable(
                    Refusal(.appUnavailable, "the app gave no answer for \(id)"), version: nil)
            }
            return readings
        }
    }
}
