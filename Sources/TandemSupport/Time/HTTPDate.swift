/// Moments as HTTP writes them.
extension Timestamp {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    /// 1970 began on the first of them.
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    /// `Tue, 24 Nov 2026 22:38:20 GMT` (RFC 9110 §5.6.7); `nil` for any other text.
    package init?(httpDate text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 6, let month = Self.months.firstIndex(of: words[2]) else {
            return nil
        }
        let padded = (month < 9 ? "0" : "") + "\(month + 1)"
        self.init(rfc3339: "\(words[3])-\(padded)-\(words[1])T\(words[4])Z")
    }

    /// In the form of RFC 9110 §5.6.7, whole seconds; `nil` for a year that has not four digits.
    package var httpDate: String? {
        let text = description
        guard text.utf8.count == 24, let month = Int(text.dropFirst(5).prefix(2)) else {
            return nil
        }
        let days = Int(milliseconds / 86_400_000) - (milliseconds % 86_400_000 < 0 ? 1 : 0)
        let weekday = Self.weekdays[(days % 7 + 7) % 7]
        return "\(weekday), \(text.dropFirst(8).prefix(2)) \(Self.months[month - 1]) "
            + "\(text.prefix(4)) \(text.dropFirst(11).prefix(8)) GMT"
    }
}
