import AdapterREST
import TandemDatabase
import TandemModel
import TandemSupport

/// Keeps in the store what is used of the long windows of an account's limits.
struct RequestLedger: UsageLedger {
    let connection: ConnectionName
    let database: SQLiteDatabase

    private static let window = "connection = ? AND counts = ? AND window_seconds = ?"

    private func key(_ window: RESTDescription.Window) -> [SQLValue] {
        [.text(connection.text), .text(window.counts.rawValue), .integer(window.seconds)]
    }

    func count(_ used: Int, in slot: Int64, since oldest: Int64, of window: RESTDescription.Window)
        -> [Int64: Int]?
    {
        try? database.write { tx in
            try tx.run(
                "DELETE FROM request_usage WHERE \(Self.window) AND slot NOT BETWEEN ? AND ?",
                key(window) + [.integer(oldest), .integer(slot)])
            if used > 0 {
                try tx.run(
                    """
                    INSERT INTO request_usage VALUES (?, ?, ?, ?, ?)
                    ON CONFLICT DO UPDATE SET used = used + excluded.used
                    """, key(window) + [.integer(slot), .integer(Int64(used))])
            }
            return try all(window, in: tx)
        }
    }

    private func all(_ window: RESTDescription.Window, in tx: any SQLConnection) throws
        -> [Int64: Int]
    {
        let rows = try tx.rows(
            "SELECT slot, used FROM request_usage WHERE \(Self.window)", key(window)
        ) { ($0.integer(0) ?? 0, Int($0.integer(1) ?? 0)) }
        return Dictionary(rows) { $1 }
    }

    /// What is used of the long windows, and what they come to.
    ///
    /// - Throws: `DatabaseFailure` if the store fails.
    func quotas(_ windows: [RESTDescription.Window], now: Timestamp) throws -> [Quota] {
        try database.read { tx in
            try windows.filter(\.isLong).map { window in
                let tally = WindowTally(window, used: try all(window, in: tx))
                return Quota(connection, window, tally.forecast(at: now))
            }
        }
    }
}

/// How much of a long window of an account's limits is used, in the shape of `status --json`.
struct Quota: Encodable {
    let connection: String
    /// `requests` or `points`.
    let counts: String
    let limit: Int
    let perSeconds: Int64
    let used: Int
    /// What a whole window comes to at the present rate.
    let expected: Int
    /// When nothing will be left; `nil` if that does not happen.
    let usedUpAt: String?

    enum CodingKeys: String, CodingKey {
        case connection, counts, limit, used, expected
        case perSeconds = "per_seconds"
        case usedUpAt = "used_up_at"
    }

    init(
        _ connection: ConnectionName, _ window: RESTDescription.Window,
        _ forecast: WindowTally.Forecast
    ) {
        self.connection = connection.text
        counts = window.counts.rawValue
        limit = window.limit
        perSeconds = window.seconds
        used = forecast.used
        expected = forecast.expected
        usedUpAt = forecast.usedUpAt?.description
    }

    /// A line for people.
    var text: String {
        let end = usedUpAt.map { ", and none is left at \($0)" } ?? ""
        let hours = Double(perSeconds) / 3_600
        let whole = hours == hours.rounded() ? "\(Int(hours))" : "\(hours)"
        return "\(connection)  \(used) of \(limit) \(counts) in \(whole) hours are used; "
            + "at the present rate it comes to \(expected)\(end)\n"
    }
}
