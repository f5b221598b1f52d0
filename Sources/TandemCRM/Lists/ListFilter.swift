package import TandemCore
package import TandemModel

/// What an active list asks of its members, in the form of HubSpot's lists API (guide "Lists
/// filters", 2026): an OR branch of AND branches of property filters.
package struct ListFilter: Codable, Hashable, Sendable {
    package let filterBranchType: String
    package let filterBranchOperator: String?
    package let filters: [Condition]?
    package let filterBranches: [ListFilter]?

    /// Whoever has all of these values.
    package init(equal values: Values) {
        let conditions = values.sorted { $0.key < $1.key }.map { name, value in
            Condition(
                filterType: "PROPERTY", property: name.text,
                operation: Operation(
                    operationType: nil, operator: "IS_EQUAL_TO", value: Text(value), values: nil,
                    lowerBound: nil, upperBound: nil, includeObjectsWithNoValueSet: nil))
        }
        let all = ListFilter(type: "AND", filters: conditions, branches: [])
        self.init(type: "OR", filters: [], branches: [all])
    }

    private init(type: String, filters: [Condition], branches: [ListFilter]) {
        filterBranchType = type
        filterBranchOperator = type
        self.filters = filters
        filterBranches = branches
    }

    package struct Condition: Codable, Hashable, Sendable {
        package let filterType: String
        package let property: String?
        package let operation: Operation?
    }

    package struct Operation: Codable, Hashable, Sendable {
        package let operationType: String?
        package let `operator`: String
        package let value: Text?
        package let values: [Text]?
        package let lowerBound: Text?
        package let upperBound: Text?
        package let includeObjectsWithNoValueSet: Bool?
    }

    /// A value that may be written as a number.
    package struct Text: Codable, Hashable, Sendable {
        let text: String

        init(_ text: String) { self.text = text }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let string = try? container.decode(String.self) {
                text = string
            } else if let flag = try? container.decode(Bool.self) {
                text = flag ? "true" : "false"
            } else {
                let number = try container.decode(Double.self)
                text = Int64(exactly: number).map { String($0) } ?? String(number)
            }
        }

        package func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(text)
        }
    }

    private static let operators: [String: SearchFilter.Operator] = [
        "IS_EQUAL_TO": .oneOf, "IS_ANY_OF": .oneOf, "IS_EXACTLY": .oneOf, "IS": .oneOf,
        "IS_NOT_EQUAL_TO": .noneOf, "IS_NONE_OF": .noneOf, "IS_NOT": .noneOf,
        "CONTAINS": .containsToken, "DOES_NOT_CONTAIN": .lacksToken, "STARTS_WITH": .containsToken,
        "ENDS_WITH": .containsToken, "IS_GREATER_THAN": .greater, "IS_AFTER": .greater,
        "IS_GREATER_THAN_OR_EQUAL_TO": .atLeast, "IS_LESS_THAN": .less, "IS_BEFORE": .less,
        "IS_LESS_THAN_OR_EQUAL_TO": .atMost, "IS_BETWEEN": .between, "IS_KNOWN": .has,
        "HAS_PROPERTY": .has, "IS_UNKNOWN": .lacks,
    ]

    /// The groups of a search that finds the members.
    ///
    /// - Throws: ``CRMError/limit(_:)`` for a filter that says something else than OR of AND of
    ///   property filters, or an operator that is not known.
    package func groups() throws -> [[SearchFilter]] {
        let branches = filterBranches ?? []
        guard filterBranchType.uppercased() == "OR" else {
            guard branches.isEmpty else { throw Self.tooDeep }
            return [try conditions()]
        }
        guard (filters ?? []).isEmpty else { throw Self.tooDeep }
        return try branches.map { branch in
            guard branch.filterBranchType.uppercased() == "AND",
                (branch.filterBranches ?? []).isEmpty
            else { throw Self.tooDeep }
            return try branch.conditions()
        }
    }

    private static let tooDeep = CRMError.limit(
        "the filter of a list is an OR branch of AND branches, which hold property filters")

    private func conditions() throws -> [SearchFilter] {
        try (filters ?? []).flatMap { condition -> [SearchFilter] in
            guard condition.filterType.uppercased() == "PROPERTY",
                let name = condition.property, let operation = condition.operation
            else { throw CRMError.limit("a list filters by properties only") }
            guard let op = Self.operators[operation.operator.uppercased()] else {
                throw CRMError.limit(
                    "`\(operation.operator)` is no operator of lists; there are "
                        + Self.operators.keys.sorted().joined(separator: ", "))
            }
            let property = PropertyName(name)
            let filter = SearchFilter(property, op, operation.texts)
            let mustHave = operation.includeObjectsWithNoValueSet == false
            return [filter] + (mustHave ? [SearchFilter(property, .has)] : [])
        }
    }
}

extension ListFilter.Operation {
    /// The values as a search has them; a part of a text stands between stars.
    fileprivate var texts: [String] {
        let all =
            [value, lowerBound, upperBound].compactMap { $0?.text } + (values ?? []).map(\.text)
        return switch self.operator.uppercased() {
        case "CONTAINS", "DOES_NOT_CONTAIN": all.map { "*\($0)*" }
        case "STARTS_WITH": all.map { "\($0)*" }
        case "ENDS_WITH": all.map { "*\($0)" }
        default: all
        }
    }
}
