import FoundationEssentials
import HTTPTypes
import TandemCRM
import TandemCore
import TandemModel
import TandemSupport

/// `/crm/v3/objects/…/search`; the limits are those of HubSpot's guide ("CRM search", 2026).
extension Endpoint {
    static let searches: [Endpoint] = [
        .read(
            .post, "/crm/v3/objects/:object/search", .records(.read), isSearch: true, search)
    ]

    private struct Input: Decodable {
        let filterGroups: [SearchGroupInput]?
        /// One group, as older clients send it.
        let filters: [SearchFilterInput]?
        let query: String?
        let sorts: [SortInput]?
        let properties: [String]?
        let limit: Int?
        let after: LooseText?
    }

    private struct SearchGroupInput: Decodable {
        let filters: [SearchFilterInput]
    }

    private struct SearchFilterInput: Decodable {
        let propertyName: String
        let `operator`: String
        let value: LooseText?
        let values: [LooseText]?
        let highValue: LooseText?
    }

    /// `{propertyName, direction}`, or a name with a minus for the other direction.
    private struct SortInput: Decodable {
        let sort: SearchQuery.Sort

        private enum Keys: String, CodingKey {
            case propertyName, direction
        }

        init(from decoder: any Decoder) throws {
            if let text = try? decoder.singleValueContainer().decode(String.self) {
                let isDescending = text.hasPrefix("-")
                let name = isDescending ? String(text.dropFirst()) : text
                sort = .init(PropertyName(name), isDescending: isDescending)
            } else {
                let keys = try decoder.container(keyedBy: Keys.self)
                let direction = try keys.decodeIfPresent(String.self, forKey: .direction)
                sort = .init(
                    PropertyName(try keys.decode(String.self, forKey: .propertyName)),
                    isDescending: direction?.uppercased() == "DESCENDING")
            }
        }
    }

    private static let groupLimit = 5
    private static let filterLimit = 6
    private static let allFiltersLimit = 18
    private static let textLimit = 3_000
    private static let pageLimit = 200
    private static let resultLimit = 10_000

    private static func search(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let input = try exchange.call.input(Input.self)
        let query = try query(input, object, exchange.schema)
        for filter in query.groups.flatMap(\.self) {
            let words = filter.property.text.split(separator: ".", maxSplits: 1)
            guard words.count == 2, words[0] == "associations",
                let other = exchange.schema.object(named: String(words[1]))
            else { continue }
            try exchange.require(.read, of: other)
        }
        let page = try exchange.reader.search(object, query, exchange.schema)
        let selection = Selection(input.properties ?? [], of: object, exchange.schema)
        var body = ListBody(
            try page.records.map { try RecordBody($0, selection, exchange) }, total: page.total)
        let end = query.offset + query.limit
        if end < page.total { body.paging = Paging(after: String(end)) }
        return .ok(body)
    }

    private static func query(_ input: Input, _ object: ObjectName, _ schema: CRMSchema) throws
        -> SearchQuery
    {
        let groups =
            (input.filterGroups ?? []).map(\.filters) + [input.filters].compactMap(\.self)
        let filled = groups.filter { !$0.isEmpty }
        try require(filled.count <= groupLimit, "at most \(groupLimit) filter groups")
        try require(
            filled.allSatisfy { $0.count <= filterLimit },
            "at most \(filterLimit) filters in a group")
        try require(
            filled.map(\.count).reduce(0, +) <= allFiltersLimit,
            "at most \(allFiltersLimit) filters in all")
        let text = input.query ?? ""
        try require(text.count <= textLimit, "at most \(textLimit) characters in `query`")
        let limit = input.limit ?? 10
        try require((0...pageLimit).contains(limit), "a `limit` from 0 to \(pageLimit)")
        guard let offset = Int(input.after.map(\.text).flatMap { $0.isEmpty ? nil : $0 } ?? "0"),
            offset >= 0
        else { throw APIError.invalid("`after`: expected the number of results to pass over") }
        try require(
            offset <= resultLimit - limit,
            "at most \(resultLimit) results of one search; narrow it with a filter")
        let sorts = input.sorts ?? []
        try require(sorts.count <= 1, "at most one sort")
        return SearchQuery(
            groups: try filled.map { try $0.map { try filter($0, object, schema) } }, text: text,
            sort: sorts.first?.sort, offset: offset, limit: limit)
    }

    private static func require(_ isFine: Bool, _ limit: String) throws {
        if !isFine {
            throw APIError.invalid("There was a problem with the request: expected \(limit)")
        }
    }

    /// - Throws: ``APIError`` for an operator that is none, or one without its values.
    private static func filter(
        _ input: SearchFilterInput, _ object: ObjectName, _ schema: CRMSchema
    ) throws
        -> SearchFilter
    {
        let name = PropertyName(input.propertyName)
        guard let op = SearchFilter.Operator(rawValue: input.operator.uppercased()) else {
            let known = SearchFilter.Operator.allCases.map(\.rawValue)
            throw APIError.invalid(
                "`\(input.operator)` is no operator; expected one of \(known.joined(separator: ", "))"
            )
        }
        let values: [String]
        switch op {
        case .has, .lacks: values = []
        case .between:
            guard let low = input.value, let high = input.highValue else {
                throw APIError.invalid("BETWEEN of `\(name)` needs `value` and `highValue`")
            }
            values = [low.text, high.text]
        case .oneOf, .noneOf:
            guard let list = input.values else {
                throw APIError.invalid("\(op.rawValue) of `\(name)` needs `values`")
            }
            values = list.map(\.text)
        default:
            guard let value = input.value else {
                throw APIError.invalid("\(op.rawValue) of `\(name)` needs `value`")
            }
            values = [value.text]
        }
        let type = schema.objects[object]?[name]?.type ?? .string
        if let wrong = values.first(where: { !fits($0, type, op) }) {
            throw APIError.invalid("`\(wrong)` is no value for `\(name)`: expected \(type.example)")
        }
        return SearchFilter(name, op, values)
    }

    /// Whether a value can be compared with those of a property.
    private static func fits(_ value: String, _ type: ValueType, _ op: SearchFilter.Operator)
        -> Bool
    {
        if [.containsToken, .lacksToken].contains(op) { return true }
        return switch type {
        case .number: Decimal(canonical: value) != nil
        case .date, .datetime: Sortable.milliseconds(value) != nil
        default: true
        }
    }
}
