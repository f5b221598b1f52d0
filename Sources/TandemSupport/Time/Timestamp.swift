/// A moment: milliseconds since 1970-01-01 00:00 UTC.
package struct Timestamp: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }

    /// Reads an RFC 3339 moment with any offset; fractions are rounded to milliseconds.
    ///
    /// The calendar is the Gregorian one for all years (RFC 3339 §1).
    /// - Returns: `nil` for any other text, for a day or time that does not exist, such as the 30th of
    ///   February, and for a moment outside of the years 0000 to 9999 in UTC.
    package init?(rfc3339 text: String) {
        var text = text
        guard let moment = text.withUTF8({ Self.moment(in: $0) }), Self.written.contains(moment)
        else { return nil }
        milliseconds = moment
    }

    /// The moments that ``description`` writes in four digits of a year.
    private static let written: ClosedRange<Int64> = -62_167_219_200_000...253_402_300_799_999

    private static func moment(in bytes: UnsafeBufferPointer<UInt8>) -> Int64? {
        var reader = DigitReader(bytes: bytes)
        guard let year = reader.number(4), reader.take("-"), let month = reader.number(2),
            reader.take("-"), let day = reader.number(2), reader.take("T") || reader.take("t"),
            let hour = reader.number(2), reader.take(":"), let minute = reader.number(2),
            reader.take(":"), let second = reader.number(2),
            let days = days(year: year, month: month, day: day),
            hour < 24, minute < 60, second < 60,
            let rest = reader.milliseconds(), let offset = reader.offsetMinutes()
        else { return nil }
        let seconds = (Int64(days) * 24 + Int64(hour)) * 3_600 + Int64(minute * 60 + second)
        return (seconds - Int64(offset) * 60) * 1_000 + Int64(rest)
    }

    /// Days since 1970-01-01 of a date of the proleptic Gregorian calendar; `nil` if there is no such day.
    ///
    /// The inverse of ``civil(fromDays:)``.
    package static func days(year: Int, month: Int, day: Int) -> Int? {
        guard (1...12).contains(month) else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard (1...lengths[month - 1]).contains(day) else { return nil }
        let shifted = month <= 2 ? year - 1 : year
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
            - 719_468
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
    // What apps say of moments may be anything: arithmetic ends at the ends of the range.
    package static func + (moment: Self, span: Span) -> Self {
        Self(milliseconds: moment.milliseconds.saturating(adding: span.milliseconds))
    }
    package static func - (moment: Self, span: Span) -> Self {
        Self(milliseconds: moment.milliseconds.saturating(subtracting: span.milliseconds))
    }
    package static func - (later: Self, earlier: Self) -> Span {
        Span(milliseconds: later.milliseconds.saturating(subtracting: earlier.milliseconds))
    }
}

/// A length of time in milliseconds; may be negative.
///
/// A length that does not fit is the longest one.
package struct Span: Hashable, Sendable, Comparable {
    package let milliseconds: Int64

    package init(milliseconds: Int64) { self.milliseconds = milliseconds }
    package static func seconds(_ seconds: Int64) -> Self {
        Self(milliseconds: seconds.saturating(times: 1_000))
    }
    package var seconds: Double { Double(milliseconds) / 1_000 }

    package static func < (left: Self, right: Self) -> Bool {
        left.milliseconds < right.milliseconds
    }
}

extension Int64 {
    package func saturating(adding other: Int64) -> Int64 {
        let (sum, isOver) = addingReportingOverflow(other)
        return isOver ? (other < 0 ? .min : .max) : sum
    }

    package func saturating(subtracting other: Int64) -> Int64 {
        let (difference, isOver) = subtractingReportingOverflow(other)
        return isOver ? (other < 0 ? .max : .min) : difference
    }

    package func saturating(times factor: Int64) -> Int64 {
        let (product, isOver) = multipliedReportingOverflow(by: factor)
        return isOver ? ((self < 0) == (factor < 0) ? .max : .min) : product
    }

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

/// Reads numbers of a fixed width, with marks between.
private struct DigitReader {
    let bytes: UnsafeBufferPointer<UInt8>
    private var index = 0

    init(bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var next: UInt8? { index < bytes.count ? bytes[index] : nil }

    mutating func take(_ mark: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: mark) else { return false }
        index += 1
        return true
    }

    private mutating func digit() -> Int? {
        guard let byte = next, (0x30...0x39).contains(byte) else { return nil }
        index += 1
        return Int(byte - 0x30)
    }

    mutating func number(_ width: Int) -> Int? {
        var number = 0
        for _ in 0..<width {
            guard let digit = digit() else { return nil }
            number = number * 10 + digit
        }
        return number
    }

    /// A fraction of a second in milliseconds, half of one rounded to the even number; 0 if there is
    /// none, `nil` for a point without digits.
    mutating func milliseconds() -> Int? {
        guard take(".") else { return 0 }
        guard let tenths = digit() else { return nil }
        var value = tenths * 100 + (digit() ?? 0) * 10
        value += digit() ?? 0
        let half = digit() ?? 0
        var isExact = true
        while let digit = digit() { isExact = isExact && digit == 0 }
        let isUp = half > 5 || half == 5 && (!isExact || value % 2 == 1)
        return isUp ? value + 1 : value
    }

    /// The offset from UTC in minutes, which ends the text.
    mutating func offsetMinutes() -> Int? {
        if take("Z") || take("z") { return next == nil ? 0 : nil }
        let isAhead = take("+")
        guard isAhead || take("-"), let hours = number(2) else { return nil }
        _ = take(":")
        guard let minutes = number(2), hours < 24, minutes < 60, next == nil else { return nil }
        return (isAhead ? 1 : -1) * (hours * 60 + minutes)
    }
}
