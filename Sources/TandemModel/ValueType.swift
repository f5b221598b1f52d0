import FoundationEssentials

/// What kind of text a property value is, and when two such texts mean the same.
///
/// A value is stored as it was written; the type's rule is for comparing and for checking.
package enum ValueType: String, Hashable, Sendable, CaseIterable, Codable {
    case string, number, bool, date, datetime, enumeration
    case multiEnumeration = "multi-enumeration"
    case email, phone, url

    /// Tells whether two values mean the same under this type's rule.
    ///
    /// Email: without case. Phone: by digits. Number: by value. Sets: without order. Text:
    /// canonically equivalent Unicode with unified line ends. A value that does not fit its
    /// type is compared as text.
    package func equal(_ left: String, _ right: String) -> Bool {
        if left == right { return true }
        if left.isEmpty || right.isEmpty { return false }
        switch self {
        case .email: return left.trimmed.lowercased() == right.trimmed.lowercased()
        case .phone:
            let digits = Self.digits(left)
            return !digits.isEmpty && digits == Self.digits(right)
        case .number:
            guard let one = Decimal(canonical: left), let two = Decimal(canonical: right) else {
                return false
            }
            return one == two
        case .datetime:
            guard let one = Timestamp(rfc3339: left) else { return false }
            return one == Timestamp(rfc3339: right)
        case .multiEnumeration: return Set(Self.parts(left)) == Set(Self.parts(right))
        case .bool, .date, .enumeration: return left.trimmed == right.trimmed
        case .string, .url: return Self.unified(left) == Self.unified(right)
        }
    }

    /// Whether every value of another type has a meaning under this one.
    ///
    /// Texts of all kinds may stand for each other; what does not fit fails its own field.
    package func canHold(_ other: ValueType) -> Bool {
        func isText(_ type: ValueType) -> Bool {
            switch type {
            case .string, .email, .phone, .url, .enumeration, .multiEnumeration: true
            case .number, .bool, .date, .datetime: false
            }
        }
        return self == other || self == .string || isText(self) && isText(other)
            || self == .datetime && other == .date || self == .date && other == .datetime
    }

    /// Checks a raw value and brings it into the canonical form of its type.
    ///
    /// Empty text stays empty. Text types come back as they are.
    /// - Returns: `nil` if the text is no value of this type.
    package func canonical(_ raw: String) -> String? {
        let text = raw.trimmed
        if text.isEmpty { return raw.isEmpty || self != .string ? "" : raw }
        switch self {
        case .string, .phone, .url, .enumeration, .email: return raw
        case .number: return Decimal(canonical: text).map { "\($0)" }
        case .bool: return Self.bools[text.lowercased()]
        case .date: return Self.isDate(text.prefix(10)) ? String(text.prefix(10)) : nil
        case .datetime:
            let moment = Timestamp(rfc3339: text.count == 10 ? text + "T00:00:00Z" : text)
            return moment.map(\.description)
        case .multiEnumeration: return Set(Self.parts(text)).sorted().joined(separator: ";")
        }
    }

    /// Whether a value read back looks like what an app makes of the one it was given (trimmed,
    /// cut, in other case or punctuation, dropped) rather than like somebody's edit.
    ///
    /// Needed only where a read-back cannot be told from a later read; a wrong guess shows as an
    /// edit of the app, which is carried and journaled.
    package static func looksRewritten(_ sent: String, as held: String) -> Bool {
        func letters(_ text: String) -> [Character] {
            text.lowercased().filter { $0.isLetter || $0.isNumber }.map(\.self)
        }
        return letters(sent).starts(with: letters(held))
    }

    /// Splits a multi-valued text at `;`, without blanks and empty parts.
    package static func parts(_ text: String) -> [String] {
        text.split(separator: ";").map { String($0).trimmed }.filter { !$0.isEmpty }
    }

    private static let bools = [
        "true": "true", "false": "false", "1": "true", "0": "false", "yes": "true", "no": "false",
    ]

    private static func digits(_ text: String) -> [UInt8] {
        text.utf8.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    private static func unified(_ text: String) -> String {
        guard text.utf8.contains(13) else { return text }
        return text.replacing("\r\n", with: "\n").replacing("\r", with: "\n")
    }

    private static func isDate(_ text: Substring) -> Bool {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.map(\.count) == [4, 2, 2], let month = Int(parts[1]), let day = Int(parts[2])
        else { return false }
        return Int(parts[0]) != nil && (1...12).contains(month) && (1...31).contains(day)
    }
}

extension Decimal {
    /// Reads a plain decimal number with an optional sign, fraction and exponent.
    package init?(canonical text: String) {
        let text = text.trimmed
        let allowed = text.utf8.allSatisfy {
            (48...57).contains($0) || [43, 45, 46, 69, 101].contains($0)
        }
        guard allowed, text.utf8.contains(where: { (48...57).contains($0) }),
            let value = Decimal(string: text)
        else { return nil }
        self = value
    }
}

extension String {
    /// The text without white space at its ends.
    package var trimmed: String {
        // Most values begin and end with a letter or digit, which needs no look at Unicode.
        if let first = utf8.first, let last = utf8.last, first.isVisibleASCII, last.isVisibleASCII {
            return self
        }
        let start = unicodeScalars.firstIndex { !$0.properties.isWhitespace }
        guard let start else { return "" }
        let end = unicodeScalars.lastIndex { !$0.properties.isWhitespace } ?? start
        return String(unicodeScalars[start...end])
    }

    /// Whether the text is an address that mail could be sent to: one `@`, a name before it and a
    /// domain with a dot behind it, no white space and no control character.
    ///
    /// Deliverability is not tested.
    package var isEmailAddress: Bool {
        let text = trimmed
        guard let at = text.utf8.firstIndex(of: UInt8(ascii: "@")), at > text.startIndex else {
            return false
        }
        let domain = text.utf8[text.utf8.index(after: at)...]
        let labels = domain.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard labels.count > 1, labels.allSatisfy({ !$0.isEmpty }),
            !domain.contains(UInt8(ascii: "@"))
        else { return false }
        return text.utf8.allSatisfy(\.isVisibleASCII)
            || !text.unicodeScalars.contains {
                $0.properties.isWhitespace || $0.properties.generalCategory == .control
            }
    }
}

extension UInt8 {
    /// A letter, digit or mark of ASCII: no white space, no control character.
    package var isVisibleASCII: Bool { (0x21...0x7E).contains(self) }
}
