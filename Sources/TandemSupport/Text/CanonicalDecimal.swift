package import FoundationEssentials

extension Decimal {
    /// Reads a plain decimal number with an optional sign, fraction and exponent.
    ///
    /// - Returns: `nil` for any other text, and for a number that would lose digits: one with more than
    ///   38 of them, or beyond 10¹²⁰.
    package init?(canonical text: String) {
        let text = text.trimmed
        var digits: [UInt8] = []
        var hasPoint = false
        var index = text.utf8.startIndex
        if let sign = text.utf8.first, sign == UInt8(ascii: "-") || sign == UInt8(ascii: "+") {
            index = text.utf8.index(after: index)
        }
        while index < text.utf8.endIndex {
            let byte = text.utf8[index]
            if byte == UInt8(ascii: ".") && !hasPoint {
                hasPoint = true
            } else if (48...57).contains(byte) {
                digits.append(byte)
            } else {
                break
            }
            index = text.utf8.index(after: index)
        }
        guard !digits.isEmpty, let exponent = Self.exponent(text.utf8[index...]) else { return nil }
        let zero = UInt8(ascii: "0")
        let significant = digits.drop { $0 == zero }.reversed().drop { $0 == zero }
        guard significant.count <= 38, digits.count <= 120, abs(exponent) <= 120,
            abs(exponent) + digits.count <= 120, let value = Decimal(string: text), value.isFinite
        else { return nil }
        self = value
    }

    /// The exponent that ends a number; 0 if there is none, `nil` for anything else.
    private static func exponent(_ text: Substring.UTF8View) -> Int? {
        guard let mark = text.first else { return 0 }
        let number = text.dropFirst()
        guard mark == UInt8(ascii: "e") || mark == UInt8(ascii: "E"), number.count <= 5 else {
            return nil
        }
        return Int(Substring(number))
    }
}
