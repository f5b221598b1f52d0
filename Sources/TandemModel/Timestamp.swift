import FoundationEssentials

/// A moment: milliseconds since 1970-01-01 00:00 UTC.
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Reads an RFC 3339 moment with any offset and at most nine fractional digits, which are
    /// rounded down to milliseconds; `nil` if the text is anything else.
    package init?(rfc3339 text: String) {
        let fractional = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        let whole = Date.ISO8601FormatStyle()
        guard let date = (try? whole.parse(text)) ?? (try? fractional.parse(text)) else {
            return nil
        }
        milliseconds = Int64((date.timeIntervalSince1970 * 1_000).rounded(.toNearestOrEven))
    }

    /// RFC 3339 in UTC with three fractional digits, such as `2026-11-22T09:30:00.000Z`.
    package var description: String {
        let (days, inDay) = milliseconds.flooredDivision(by: 86_400_000)
        let (year, month, day) = Self.civil(fromDays: Int(days))
        // Years of the common kind have four digits; others, which no record has, as many as they do.
        guard (0...9_999).contains(year) else { return "\(year)-" + rest(month, day, inDay) }
        return String(unsafeUninitializedCapacity: 24) { bytes in
            var writer = DigitWriter(bytes: bytes)
            writer.put(year, 4, then: "-")
            writer.put(month, 2, then: "-")
            writer.put(day, 2, then: "T")
            writer.put(Int(inDay / 3_600_000), 2, then: ":")
            writer.put(Int(inDay / 60_000 % 60), 2, then: ":")
            writer.put(Int(inDay / 1_000 % 60), 2, then: ".")
            writer.put(Int(inDay % 1_000), 3, then: "Z")
            return writer.place
        }
    }

    /// Month, day and time, where the year has not four digits.
    private func rest(_ month: Int, _ day: Int, _ inDay: Int64) -> String {
        let inOtherYear = Timestamp(milliseconds: inDay).description.dropFirst(10)
        return "\(padded(month, 2))-\(padded(day, 2))\(inOtherYear)"
    }

    /// Turns days since 1970-01-01 into a date of the proleptic Gregorian calendar
    /// (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    private static func civil(fromDays days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra =
            (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let year = yearOfEra + era * 400 + (month >= 10 ? 1 : 0)
        return (year, month < 10 ? month + 3 : month - 9, dayOfYear - (153 * month + 2) / 5 + 1)
    }

    private func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    package static func < (left: Self, right: Self) -> Bool {
        left.milliseconds < right.milliseconds
    }
    package static func + (moment: Self, span: Span) -> Self {
        Self(milliseconds: moment.milliseconds + span.milliseconds)
    }
    package static func - (moment: Self, span: Span) -> Self {
        Self(milliseconds: moment.milliseconds - span.milliseconds)
    }
    package static func - (later: Self, earlier: Self) -> Span {
        Span(milliseconds: later.milliseconds - earlier.milliseconds)
    }
}

/// A length of time in milliseconds; may be negative.
package struct Span: Hashable, Sendable, Comparable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    package static func seconds(_ seconds: Int64) -> Self { Self(milliseconds: seconds * 1_000) }
    package var seconds: Double { Double(milliseconds) / 1_000 }

    package static func < (left: Self, right: Self) -> Bool {
        left.milliseconds < right.milliseconds
    }
}

extension Int64 {
    /// The quotient rounded down, and what is left, which is never negative.
    fileprivate func flooredDivision(by divisor: Int64) -> (quotient: Int64, remainder: Int64) {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? (quotient - 1, remainder + divisor) : (quotient, remainder)
    }
}

/// Writes numbers with leading zeros into a buffer, each with a mark behind it.
private struct DigitWriter {
    private let bytes: UnsafeMutableBufferPointer<UInt8>
    private(set) var place = 0

    init(bytes: UnsafeMutableBufferPointer<UInt8>) { self.bytes = bytes }

    mutating func put(_ number: Int, _ width: Int, then mark: Unicode.Scalar) {
        var rest = number
        for offset in (0..<width).reversed() {
            bytes[place + offset] = UInt8(ascii: "0") + UInt8(rest % 10)
            rest /= 10
        }
        bytes[place + width] = UInt8(ascii: mark)
        place += width + 1
    }
}
