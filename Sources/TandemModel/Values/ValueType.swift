import FoundationEssentials
import TandemSupport

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
        // An app that knows days only gives a day back for a moment.
        case .bool, .date, .datetime:
            return canonical(left) ?? left.trimmed == canonical(right) ?? right.trimmed
        case .multiEnumeration: return Set(Self.parts(left)) == Set(Self.parts(right))
        case .enumeration: return left.trimmed == right.trimmed
        case .string, .url: return Self.unified(left) == Self.unified(right)
        }
    }

    /// Whether an edit that leaves the value equal may still be meant: `555 123 ext 45` has the digits
    /// of `555 12345`, and is another text.
    ///
    /// Numbers, moments, sets and the case of addresses are only spelled differently.
    package var hasSpelling: Bool {
        switch self {
        case .phone, .string, .url: true
        case .number, .bool, .date, .datetime, .enumeration, .multiEnumeration, .email: false
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

    /// Checks a raw value and brings it into the canonical form of its type, which is its own.
    ///
    /// Empty text stays empty. Text types come back as they are.
    /// - Returns: `nil` if the text is no value of this type, or has something in it that is no text:
    ///   a NUL, or ``JSON/brokenCharacter``.
    package func canonical(_ raw: String) -> String? {
        let broken = JSON.brokenCharacter
        if raw.unicodeScalars.contains(where: { $0 == "\0" || $0 == broken }) {
            return nil
        }
        let text = raw.trimmed
        if text.isEmpty { return raw.isEmpty || self != .string ? "" : raw }
        switch self {
        case .string, .phone, .url, .enumeration: return raw
        // Blanks around an address are none of it.
        case .email: return text
        case .number: return Decimal(canonical: text).map { "\($0)" }
        case .bool: return Self.bools[text.lowercased()]
        case .date: return Self.date(text)
        case .datetime:
            let moment = Timestamp(rfc3339: text.count == 10 ? text + "T00:00:00Z" : text)
            return moment.map(\.description)
        case .multiEnumeration: return Set(Self.parts(text)).sorted().joined(separator: ";")
        }
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

    /// The date that a text begins with, if there is such a day; a time may follow it.
    private static func date(_ text: String) -> String? {
        let parts = text.prefix(10).split(separator: "-", omittingEmptySubsequences: false)
        let isPlain = text.utf8.prefix(10).allSatisfy { (48...57).contains($0) || $0 == 45 }
        guard isPlain, parts.map(\.count) == [4, 2, 2], let year = Int(parts[0]),
            let month = Int(parts[1]), let day = Int(parts[2]),
            Timestamp.days(year: year, month: month, day: day) != nil
        else { return nil }
        let rest = text.dropFirst(10)
        // What stands before Christ has its era at the end.
        let isEra = rest.uppercased().hasSuffix("BC")
        return rest.isEmpty || (rest.first == "T" || rest.first == " ") && !isEra
            ? String(text.prefix(10)) : nil
    }
}

extension String {
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
