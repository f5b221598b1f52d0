import TandemModel
import TandemSupport

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
        case .http: moment.httpDate ?? moment.description
        }
    }
}

extension Timestamp {
    /// A moment as any app may write it: RFC 3339, the same with a blank for the `T`, without a zone
    /// (then UTC) or with one that has no colon, and milliseconds or seconds since 1970.
    init?(loose text: String) {
        if let number = Int64(text) {
            // Seconds until the year 5138, milliseconds from 1973 on.
            self.init(
                milliseconds: number < 100_000_000_000 ? number.saturating(times: 1_000) : number)
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
