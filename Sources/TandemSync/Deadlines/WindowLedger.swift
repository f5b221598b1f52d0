import TandemDatabase
import TandemModel
import TandemSupport

/// Keeps how long changes took to reach the other side, over restarts, in constant space.
///
/// Lags are counted in buckets that grow by a tenth, so a percentile is known to within 10 %.
struct WindowLedger {
    let connection: any SQLConnection
    let syncID: Int64

    /// Counts a change that is recorded on the other side now.
    ///
    /// `cause` says why it took longer than the window; `nil` if it did not.
    func record(_ pair: Pair, changedAt: Timestamp, syncedAt: Timestamp, cause: String?) throws {
        let lag = max(0, (syncedAt - changedAt).milliseconds)
        try connection.run(
            """
            INSERT INTO lag (sync_id, bucket, records) VALUES (?, ?, 1)
            ON CONFLICT (sync_id, bucket) DO UPDATE SET records = lag.records + 1
            """, [.integer(syncID), .integer(Self.bucket(lag))])
        guard let cause else { return }
        try connection.run(
            """
            INSERT INTO missed (sync_id, pair_id, changed_at, synced_at, cause)
            VALUES (?, ?, ?, ?, ?)
            """,
            [
                .integer(syncID), .integer(pair.id), .integer(changedAt.milliseconds),
                .integer(syncedAt.milliseconds), .text(cause),
            ])
    }

    /// The changes counted, and the lag in seconds below which the given share of them stayed.
    func summary() throws -> (records: Int, p50: Double, p99: Double) {
        let buckets = try connection.rows(
            "SELECT bucket, records FROM lag WHERE sync_id = ? ORDER BY bucket",
            [.integer(syncID)]
        ) { (bucket: $0.integer(0) ?? 0, records: $0.integer(1) ?? 0) }
        let all = buckets.reduce(0) { $0 + $1.records }
        func percentile(_ share: Double) -> Double {
            var seen: Int64 = 0
            for (bucket, records) in buckets {
                seen += records
                if Double(seen) >= share * Double(all) { return Self.seconds(ofBucket: bucket) }
            }
            return 0
        }
        return (Int(all), percentile(0.5), percentile(0.99))
    }

    /// Bucket n ends at 100 ms times 1.1 to the n.
    private static func bucket(_ lagMilliseconds: Int64) -> Int64 {
        var (bucket, end): (Int64, Double) = (0, 100)
        while Double(lagMilliseconds) > end && bucket < 250 {
            bucket += 1
            end *= 1.1
        }
        return bucket
    }

    private static func seconds(ofBucket bucket: Int64) -> Double {
        var end = 0.1
        for _ in 0..<bucket { end *= 1.1 }
        return (end * 10).rounded() / 10
    }
}
