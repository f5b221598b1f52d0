import AdapterKit
import Synchronization
import TandemModel
import TandemSupport

/// What one run of a tap lists.
final class SingerListing: ChangeListing {
    private let run: SingerRun
    private let stream: SingerStream
    private let isDone = Mutex(false)

    init(_ run: SingerRun, _ stream: SingerStream) {
        self.run = run
        self.stream = stream
    }

    func next() async throws(AppError) -> ChangePage? {
        if isDone.withLock({ $0 }) { return nil }
        let part = try await run.next()
        isDone.withLock { $0 = part.isEnd }
        var present: [AppRecordID: AppRecord] = [:]
        var gone: Set<AppRecordID> = []
        var unidentified: [ChangePage.Unidentified] = []
        for (place, raw) in part.records.enumerated() {
            guard let record = record(raw) else {
                let location = AppLocation("record \(place + 1)")
                let keys = stream.keys.joined(separator: ", ")
                unidentified.append(
                    .init(
                        location, "\(location) of the stream has no \(keys.isEmpty ? "key" : keys)")
                )
                continue
            }
            // The later of two messages holds; a tap that knows of deletions sends them as records.
            if raw["_sdc_deleted_at"]?.text != nil {
                present[record.id] = nil
                gone.insert(record.id)
            } else {
                present[record.id] = record
                gone.remove(record.id)
            }
        }
        // Without a state, a cursor is needed all the same, so that the next listing is not the
        // first one again.
        let state =
            stream.isAlwaysWhole && !part.isEnd
            ? nil : part.state ?? (part.isEnd ? .object([:]) : nil)
        return ChangePage(
            records: present.values.sorted { $0.id < $1.id }, gone: gone.sorted(),
            unidentified: unidentified,
            cursor: state.map { Cursor(String(decoding: $0.bytes, as: UTF8.self)) },
            isCompleteListing: part.isEnd && stream.isAlwaysWhole)
    }

    /// - Returns: `nil` for a record without its key.
    private func record(_ raw: JSON) -> AppRecord? {
        let parts = stream.keys.map { raw.at($0)?.field ?? "" }
        guard !parts.isEmpty, !parts.contains("") else { return nil }
        var values: [AppField: String] = [:]
        for field in stream.schema.map(\.field) {
            if let value = raw.at(field.text)?.fieldOrSet { values[field] = value }
        }
        return AppRecord(id: AppRecordID(parts: parts), version: nil, values: values)
    }
}
