import FoundationEssentials
package import TandemModel
import TandemSupport

extension Filter {
    /// Whether a record with these values may enter.
    package func admits(_ values: Values) -> Bool {
        switch self {
        case .all(let filters): filters.allSatisfy { $0.admits(values) }
        case .any(let filters): filters.contains { $0.admits(values) }
        case .condition(let property, let condition): condition.holds(for: values[property] ?? "")
        }
    }
}

extension Filter.Condition {
    func holds(for value: String) -> Bool {
        switch self {
        case .known(let known): return value.trimmed.isEmpty != known
        case .oneOf(let options): return options.contains { same($0, value) }
        case .noneOf(let options): return !options.contains { same($0, value) }
        case .contains(let texts): return texts.contains { contains(value, $0) }
        case .containsNone(let texts): return !texts.contains { contains(value, $0) }
        case .startsWith(let text): return value.lowercased().hasPrefix(text.lowercased())
        case .lessThan(let limit): return order(value, limit).map { $0 < 0 } ?? false
        case .atMost(let limit): return order(value, limit).map { $0 <= 0 } ?? false
        case .atLeast(let limit): return order(value, limit).map { $0 >= 0 } ?? false
        case .greaterThan(let limit): return order(value, limit).map { $0 > 0 } ?? false
        case .between(let low, let high):
            guard let below = order(value, low), let above = order(value, high) else {
                return false
            }
            return below >= 0 && above <= 0
        }
    }

    private func same(_ option: String, _ value: String) -> Bool {
        option.lowercased() == value.trimmed.lowercased()
    }

    private func contains(_ value: String, _ text: String) -> Bool {
        value.lowercased().contains(text.lowercased())
    }

    /// Below 0, 0 or above 0 as the value stands to the limit; `nil` for an empty value.
    private func order(_ value: String, _ limit: String) -> Int? {
        if value.trimmed.isEmpty { return nil }
        if let one = Decimal(canonical: value), let two = Decimal(canonical: limit) {
            return one < two ? -1 : one > two ? 1 : 0
        }
        let (one, two) = (value.lowercased(), limit.lowercased())
        return one < two ? -1 : one > two ? 1 : 0
    }
}
