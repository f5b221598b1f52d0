import TandemHTTP
import TandemModel

extension RESTDescription.TimeForm {
    /// A moment as the app writes it.
    func text(_ moment: Timestamp) -> String {
        let whole = String(moment.description.prefix(19))
        return switch self {
        case .milliseconds: "\(moment.milliseconds)"
        case .seconds: "\(moment.milliseconds / 1_000)"
        case .rfc3339: moment.description
        case .wholeSeconds: whole + "Z"
        case .offset: whole + "+00:00"
        case .plain: whole.replacing("T", with: " ")
        case .http: moment.httpDate
        }
    }
}

extension Timestamp {
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
    /// 1970 began on the first of them.
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]

    /// `Tue, 24 Nov 2026 22:38:20 GMT` (RFC 9110 §5.6.7); `nil` for any other text.
    init?(httpDate text: String) {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 6, let month = Self.months.firstIndex(of: words[2]) else {
            return nil
        }
        let padded = (month < 9 ? "0" : "") + "\(month + 1)"
        self.init(rfc3339: "\(words[3])-\(padded)-\(words[1])T\(words[4])Z")
    }

    /// In the form of RFC 9110 §5.6.7, whole seconds.
    var httpDate: String {
        let text = description
        let day = Int(milliseconds / 86_400_000) % 7
        let month = Int(text.dropFirst(5).prefix(2)) ?? 1
        return "\(Self.weekdays[day]), \(text.dropFirst(8).prefix(2)) \(Self.months[month - 1]) "
            + "\(text.prefix(4)) \(text.dropFirst(11).prefix(8)) GMT"
    }

    /// A moment as any app may write it: RFC 3339, the same with a blank for the `T`, without a zone
    /// (then UTC) or with one that has no colon, and milliseconds or seconds since 1970.
    init?(loose text: String) {
        if let number = Int64(text) {
            // Seconds until the year 5138, milliseconds from 1973 on.
            self.init(milliseconds: number < 100_000_000_000 ? number * 1_000 : number)
            return
        }
        var text = text
        if let blank = text.firstIndex(of: " ") { text.replaceSubrange(blank...blank, with: "T") }
        let zone = text.suffix(5)
        if let sign = zone.first, "+-".contains(sign), zone.dropFirst().allSatisfy(\.isNumber) {
            text.insert(":", at: text.index(text.endIndex, offsetBy: -2))
        } else if text.count >= 19, !text.hasSuffix("Z"),
            !text.dropFirst(19).contains(where: "+-".contains)
        {
            text += "Z"
        }
        self.init(rfc3339: text)
    }
}

extension HTTPResponse {
    /// The app's clock.
    var date: Timestamp? { header("Date").flatMap { Timestamp(httpDate: $0) } }

    /// How long the app wants to be left alone, in seconds: by `Retry-After` in either of its forms
    /// (RFC 9110 §10.2.3).
    var waitSeconds: Int64? {
        if let retryAfter { return retryAfter }
        guard let end = header("Retry-After").flatMap({ Timestamp(httpDate: $0) }), let date else {
            return nil
        }
        return max(0, (end - date).milliseconds / 1_000)
    }
}
