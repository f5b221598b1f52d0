import FoundationEssentials
package import TandemSupport

/// What a user decided about marketing contacts (BEHAVIOUR.md §9).
package struct MarketingRules: Hashable, Sendable {
    /// How many there may be; `nil` for any number.
    package let limit: Int?
    /// More than the limit are let in, and counted.
    package let allowsOverage: Bool
    /// The day of the month, 1 to 28, on which contacts stop being marketing contacts.
    package let updateDay: Int
    /// Contacts that a form makes are marketing contacts.
    package let includesForms: Bool

    package init(
        limit: Int? = nil, allowsOverage: Bool = false, updateDay: Int = 1,
        includesForms: Bool = true
    ) {
        self.limit = limit
        self.allowsOverage = allowsOverage
        self.updateDay = updateDay
        self.includesForms = includesForms
    }

    /// The beginning, in UTC, of the first update day after a moment.
    package func nextUpdate(after now: Timestamp) -> Timestamp {
        var calendar = Calendar(identifier: .gregorian)
        calendar.timeZone = TimeZone(secondsFromGMT: 0) ?? calendar.timeZone
        let date = Date(timeIntervalSince1970: Double(now.milliseconds) / 1_000)
        var day = calendar.dateComponents([.year, .month], from: date)
        day.day = updateDay
        var next = calendar.date(from: day) ?? date
        if next <= date { next = calendar.date(byAdding: .month, value: 1, to: next) ?? next }
        return Timestamp(milliseconds: Int64(next.timeIntervalSince1970 * 1_000))
    }
}
