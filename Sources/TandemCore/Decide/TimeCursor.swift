package import TandemModel
package import TandemSupport

/// Where a listing by modification time goes on, without missing what shares a moment with it
/// or became visible late.
///
/// The floor is a watermark: the app's own clock before the first page, less the app's lag, rounded
/// down to the app's granularity. Records changed at the floor are read again (`>=`), because
/// another one may have got the same time; reading one twice does no harm.
package struct TimeCursor: Hashable, Sendable {
    package let floor: Timestamp

    package init(floor: Timestamp) { self.floor = floor }

    /// Reads what ``cursor`` wrote; `nil` for anything else.
    package init?(_ cursor: Cursor) {
        guard let milliseconds = Int64(cursor.text) else { return nil }
        floor = Timestamp(milliseconds: milliseconds)
    }

    /// - Parameters:
    ///   - watermark: The app's clock before the listing began.
    ///   - lag: How long a change may stay invisible to a listing.
    ///   - granularity: The unit in which the app stamps changes.
    package init(watermark: Timestamp, lag: Span, granularity: Span) {
        let safe = (watermark - lag).milliseconds
        let unit = max(granularity.milliseconds, 1)
        floor = Timestamp(milliseconds: safe - ((safe % unit) + unit) % unit)
    }

    package var cursor: Cursor { Cursor("\(floor.milliseconds)") }
}
