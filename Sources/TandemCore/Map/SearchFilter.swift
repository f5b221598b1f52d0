package import FoundationEssentials
package import TandemModel
import TandemSupport

/// One condition of a search, with the operators of HubSpot's search API (guide "CRM search",
/// 2026).
package struct SearchFilter: Hashable, Sendable {
    package enum Operator: String, Hashable, Sendable, CaseIterable {
        case equal = "EQ"
        case notEqual = "NEQ"
        case less = "LT"
        case atMost = "LTE"
        case greater = "GT"
        case atLeast = "GTE"
        case between = "BETWEEN"
        case oneOf = "IN"
        case noneOf = "NOT_IN"
        case has = "HAS_PROPERTY"
        case lacks = "NOT_HAS_PROPERTY"
        case containsToken = "CONTAINS_TOKEN"
        case lacksToken = "NOT_CONTAINS_TOKEN"
    }

    package let property: PropertyName
    package let op: Operator
    /// One value, for ``Operator/between`` two, for sets and tokens any number of which one will do,
    /// for the others none.
    package let values: [String]

    package init(_ property: PropertyName, _ op: Operator, _ values: [String] = []) {
        self.property = property
        self.op = op
        self.values = values
    }

    /// Prepares the condition for many values of a property of this type.
    ///
    /// Text compares without case, options with it, numbers and moments by value; both bounds of
    /// ``Operator/between`` are within. A record without the property meets ``Operator/lacks`` and
    /// the operators that say what a value is not.
    package func test(as type: ValueType) -> @Sendable (String?) -> Bool {
        switch op {
        case .has: return { $0 != nil }
        case .lacks: return { $0 == nil }
        case .equal, .oneOf: return membership(type, isWanted: true)
        case .notEqual, .noneOf: return membership(type, isWanted: false)
        case .containsToken, .lacksToken:
            let patterns = values.map(TokenPattern.init)
            let isWanted = op == .containsToken
            return { value in
                guard let value else { return !isWanted }
                return patterns.contains { $0.matches(value) } == isWanted
            }
        case .less, .atMost, .greater, .atLeast, .between: return comparison(type)
        }
    }

    private func membership(_ type: ValueType, isWanted: Bool) -> @Sendable (String?) -> Bool {
        let wanted = Set(values.map { Sortable($0, type) })
        guard type == .multiEnumeration else {
            return { value in
                value.map { wanted.contains(Sortable($0, type)) == isWanted } ?? !isWanted
            }
        }
        return { value in
            guard let value else { return !isWanted }
            let parts = ValueType.parts(value) + [value]
            return parts.contains { wanted.contains(Sortable($0, type)) } == isWanted
        }
    }

    private func comparison(_ type: ValueType) -> @Sendable (String?) -> Bool {
        let op = op
        let bounds = values.map { Sortable($0, type) }
        guard let first = bounds.first, let last = bounds.last else { return { _ in false } }
        return { value in
            guard let value else { return false }
            let own = Sortable(value, type)
            return switch op {
            case .less: own < first
            case .atMost: own <= first
            case .greater: own > first
            case .atLeast: own >= first
            default: own >= first && own <= last
            }
        }
    }
}

/// A value in the form in which its type compares it.
package enum Sortable: Hashable, Comparable, Sendable {
    case number(Decimal)
    /// Milliseconds since 1970.
    case moment(Int64)
    case text(String)

    /// A text that is no value of its type compares as text.
    package init(_ value: String, _ type: ValueType) {
        switch type {
        case .number:
            self = Decimal(canonical: value).map { .number($0) } ?? .text(value)
        case .date, .datetime:
            self = Self.milliseconds(value).map { .moment($0) } ?? .text(value)
        case .enumeration, .multiEnumeration, .bool: self = .text(value)
        case .string, .email, .phone, .url: self = .text(value.lowercased())
        }
    }

    /// Reads milliseconds since 1970, a date, or an RFC 3339 moment.
    package static func milliseconds(_ text: String) -> Int64? {
        if let number = Int64(text) { return number }
        return Timestamp(rfc3339: text.count == 10 ? text + "T00:00:00Z" : text)?.milliseconds
    }
}

/// What `CONTAINS_TOKEN` looks for: whole words, or with `*` any part.
struct TokenPattern: Sendable {
    private let words: [String]
    private let pieces: [String]

    init(_ text: String) {
        let text = text.lowercased()
        pieces =
            text.contains("*")
            ? text.split(separator: "*", omittingEmptySubsequences: false).map(String.init) : []
        words = Self.words(text)
    }

    func matches(_ value: String) -> Bool {
        let value = value.lowercased()
        if pieces.isEmpty { return containsWords(value) }
        return fits(value[...]) || value.split(separator: " ").contains { fits($0) }
    }

    private func containsWords(_ value: String) -> Bool {
        let all = Self.words(value)
        guard !words.isEmpty, all.count >= words.count else { return false }
        return (0...all.count - words.count).contains { start in
            all[start..<start + words.count].elementsEqual(words)
        }
    }

    /// Whether the pieces between the stars stand in the text in their order, the outer ones at its
    /// ends.
    private func fits(_ text: Substring) -> Bool {
        guard let first = pieces.first, let last = pieces.last, text.hasPrefix(first) else {
            return false
        }
        var rest = text.dropFirst(first.count)
        for piece in pieces.dropFirst().dropLast() where !piece.isEmpty {
            guard let found = rest.firstRange(of: piece) else { return false }
            rest = rest[found.upperBound...]
        }
        return rest.count >= last.count && rest.hasSuffix(last)
    }

    private static func words(_ text: String) -> [String] {
        text.split { !$0.isLetter && !$0.isNumber }.map(String.init)
    }
}
