extension Timestamp {
    /// Whether stores of before the calendar was one may hold `stored` for what the app calls `moment`.
    ///
    /// They read days before 1582-10-15 as days of the Julian calendar and wrote them as days of the
    /// Gregorian one, once for each time that a value went through.
    package static func wasReadAsJulian(_ moment: String, as stored: String) -> Bool {
        // Texts of one form: they stand in the order of their moments.
        guard moment < "1582-10-15", stored != moment, var reading = Timestamp(rfc3339: moment),
            let end = Timestamp(rfc3339: stored)
        else { return false }
        for _ in 0..<3 {
            guard let next = reading.readAsJulian else { return false }
            if next == end { return true }
            reading = next
        }
        return false
    }

    /// The moment whose Julian date and time are this one's Gregorian date and time.
    private var readAsJulian: Timestamp? {
        let text = description
        let numbers = text.prefix(10).split(separator: "-").compactMap { Int($0) }
        guard numbers.count == 3,
            let gregorian = Self.days(
                year: numbers[0], month: numbers[1], day: numbers[2])
        else { return nil }
        let (year, month) = (numbers[1] <= 2 ? numbers[0] - 1 : numbers[0], numbers[1])
        let dayOfYear = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + numbers[2] - 1
        let leapDays = year >= 0 ? year / 4 : (year - 3) / 4
        // 0000-03-01 of the Julian calendar is 719 470 days before 1970.
        let julian = year * 365 + leapDays + dayOfYear - 719_470
        return self + .seconds(Int64(julian - gregorian) * 86_400)
    }
}
