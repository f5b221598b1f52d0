package import TandemCore
import TandemDatabase
package import TandemModel

/// A search among the living records of one object.
package struct SearchQuery: Sendable {
    /// One of the groups must hold, and of it every filter; none lets every record in.
    package let groups: [[SearchFilter]]
    /// Words that a record must contain, each somewhere in the properties that searches look into.
    package let text: String
    /// Oldest first if there is none; records without the property come last.
    package let sort: Sort?
    package let offset: Int
    package let limit: Int
    /// Whether all that fit are counted; without it a search ends with its page.
    package let countsAll: Bool

    package struct Sort: Hashable, Sendable {
        package let property: PropertyName
        package let isDescending: Bool

        package init(_ property: PropertyName, isDescending: Bool) {
            self.property = property
            self.isDescending = isDescending
        }
    }

    package init(
        groups: [[SearchFilter]], text: String = "", sort: Sort? = nil, offset: Int = 0, limit: Int,
        countsAll: Bool = true
    ) {
        self.groups = groups
        self.text = text
        self.sort = sort
        self.offset = offset
        self.limit = limit
        self.countsAll = countsAll
    }
}

/// Some of the records that a search found, and how many there are in all.
package struct SearchPage: Sendable {
    /// As far as they were counted.
    package let total: Int
    package let records: [CRMRecord]
}

extension CRMReader {
    /// Finds records.
    ///
    /// Ids, times of creation and change, email addresses, keys and indexed properties are looked
    /// up; other conditions are tested on every record that is left, one at a time.
    /// - Throws: ``CRMError/unknownProperty(_:of:nearest:)`` for a property that is not there, and
    ///   ``CRMError/unknownObject(_:nearest:)``.
    /// - Complexity: Memory for `offset + limit` records.
    package func search(_ object: ObjectName, _ query: SearchQuery, _ schema: CRMSchema) throws
        -> SearchPage
    {
        let plan = try SearchPlan(object, query, schema, self)
        if plan.isExact {
            let records = try select(
                "\(plan.condition) ORDER BY \(plan.order ?? "id") LIMIT ? OFFSET ?",
                plan.arguments + [.integer(Int64(query.limit)), .integer(Int64(query.offset))])
            guard query.countsAll else { return SearchPage(total: records.count, records: records) }
            let total = try connection.number(
                "SELECT COUNT(*) FROM record WHERE \(plan.condition)", plan.arguments)
            return SearchPage(total: Int(total), records: records)
        }
        var total = 0
        var best = SearchWindow(query)
        do {
            try each("\(plan.condition) ORDER BY \(plan.order ?? "id")", plan.arguments) { record in
                guard plan.admits(record) else { return }
                best.add(record, at: total, plan.sortKey(record))
                total += 1
                if !query.countsAll && plan.order != nil && best.isFull { throw SearchEnd() }
            }
        } catch is SearchEnd {}
        return SearchPage(total: total, records: best.page(isSorted: plan.order != nil))
    }

    /// Whether a record is among those that a search would find.
    ///
    /// - Throws: As ``search(_:_:_:)``.
    package func fits(_ record: CRMRecord, _ groups: [[SearchFilter]], _ schema: CRMSchema) throws
        -> Bool
    {
        guard record.archivedAt == nil else { return false }
        let query = SearchQuery(groups: groups, limit: 1)
        return try SearchPlan(record.object, query, schema, self).admits(record)
    }
}

/// A page is complete and nobody wants to know how many more there are.
private struct SearchEnd: Error {}

/// The records of the page that is wanted, while more come by.
private struct SearchWindow {
    private let query: SearchQuery
    private var kept: [(key: Sortable?, place: Int, record: CRMRecord)] = []

    init(_ query: SearchQuery) { self.query = query }

    private var end: Int { query.offset + query.limit }

    var isFull: Bool { kept.count >= query.limit }

    mutating func add(_ record: CRMRecord, at place: Int, _ key: Sortable??) {
        guard let key else {
            // They come in the right order.
            if place >= query.offset && place < end { kept.append((nil, place, record)) }
            return
        }
        kept.append((key, place, record))
        if kept.count >= 2 * end + 1_000 { cut() }
    }

    mutating func page(isSorted: Bool) -> [CRMRecord] {
        if isSorted { return kept.map(\.record) }
        cut()
        return kept.dropFirst(query.offset).map(\.record)
    }

    private mutating func cut() {
        let isDescending = query.sort?.isDescending ?? false
        kept.sort { one, other in
            switch (one.key, other.key) {
            case (.some(let left), .some(let right)) where left != right:
                isDescending ? left > right : left < right
            case (.some, .none): true
            case (.none, .some): false
            default: one.place < other.place
            }
        }
        kept = Array(kept.prefix(end))
    }
}

/// What the database can answer of a search, and what must be tested on each record.
private struct SearchPlan {
    private(set) var condition = "object = ? AND archived_at IS NULL"
    private(set) var arguments: [SQLValue]
    /// The order as the database gives it; `nil` if it must be made.
    let order: String?
    private var groups: [Group] = []
    private let sort: SearchQuery.Sort?
    private let sortType: ValueType
    private let words: [String]
    private let searchable: [PropertyName]

    private struct Group {
        /// What every record of the group passes; the conditions of the database spare most others.
        var tests: [(CRMRecord) -> Bool] = []
        var conditions: [String] = []
        var arguments: [SQLValue] = []
        /// The conditions say all that the tests say.
        var isExact = true
    }

    var isExact: Bool {
        order != nil && words.isEmpty
            && groups.allSatisfy { $0.isExact && !$0.conditions.isEmpty }
    }

    init(
        _ object: ObjectName, _ query: SearchQuery, _ schema: CRMSchema, _ reader: CRMReader
    ) throws {
        arguments = [.text(object.text)]
        sort = query.sort
        words = query.text.lowercased().split(whereSeparator: \.isWhitespace).map(String.init)
        searchable = schema.definitions[object]?.searchableProperties ?? []
        if let sort = query.sort {
            sortType = try schema.property(sort.property, of: object).type
            order = Self.columns[sort.property].map { column in
                let way = sort.isDescending ? " DESC" : ""
                return "\(column)\(way), id\(way)"
            }
        } else {
            (sortType, order) = (.string, "id")
        }
        for filters in query.groups {
            groups.append(try Self.group(filters, object, schema, reader))
        }
        let isOpen = groups.contains(where: \.conditions.isEmpty)
        if !groups.isEmpty && !isOpen {
            let alternatives = groups.map { "(\($0.conditions.joined(separator: " AND ")))" }
            condition += " AND (\(alternatives.joined(separator: " OR ")))"
            arguments += groups.flatMap(\.arguments)
        }
    }

    /// What the record is sorted by; `nil` if the database sorts, `.some(nil)` without a value.
    func sortKey(_ record: CRMRecord) -> Sortable?? {
        guard order == nil, let sort else { return .none }
        return .some(record.value(sort.property).map { Sortable($0, sortType) })
    }

    func admits(_ record: CRMRecord) -> Bool {
        let isIn =
            groups.isEmpty
            || groups.contains { group in group.tests.allSatisfy { $0(record) } }
        guard isIn else { return false }
        return words.allSatisfy { word in
            searchable.contains { record.value($0)?.lowercased().contains(word) ?? false }
        }
    }

    /// Properties that are columns of a record.
    private static let columns: [PropertyName: String] = [
        "hs_object_id": "id", "createdate": "created_at", "lastmodifieddate": "updated_at",
        "hs_lastmodifieddate": "updated_at",
    ]

    private static let comparisons: [SearchFilter.Operator: String] = [
        .equal: "=", .less: "<", .atMost: "<=", .greater: ">", .atLeast: ">=",
    ]

    private static func group(
        _ filters: [SearchFilter], _ object: ObjectName, _ schema: CRMSchema, _ reader: CRMReader
    ) throws -> Group {
        var group = Group()
        for filter in filters {
            if let other = associated(filter, schema) {
                try addAssociated(with: other, filter, object, reader, to: &group)
                continue
            }
            let property = try schema.property(filter.property, of: object)
            let test = filter.test(as: property.type)
            group.tests.append { test($0.value(filter.property)) }
            if let column = columns[filter.property], add(filter, column, to: &group) { continue }
            group.isExact = false
            addKeys(filter, property, object, to: &group)
        }
        return group
    }

    /// Only records that are associated with another one; its old ids name it too.
    private static func addAssociated(
        with other: ObjectName, _ filter: SearchFilter, _ object: ObjectName, _ reader: CRMReader,
        to group: inout Group
    ) throws {
        let id = try reader.current(RecordID(Int64(filter.values.first ?? "") ?? 0))
        let linked = Set(
            try reader.connection.rows(
                "SELECT DISTINCT to_id FROM association WHERE from_id = ? AND to_object = ?",
                [.integer(id.number), .text(object.text)]
            ) { RecordID($0.integer(0) ?? 0) })
        group.tests.append { linked.contains($0.id) }
        group.conditions.append(
            "id IN (SELECT from_id FROM association WHERE to_object = ? AND to_id = ?)")
        group.arguments += [.text(other.text), .integer(id.number)]
    }

    /// The object that a filter on `associations.OBJECT` names.
    private static func associated(_ filter: SearchFilter, _ schema: CRMSchema) -> ObjectName? {
        let prefix = "associations."
        guard filter.property.text.hasPrefix(prefix), filter.op == .equal else { return nil }
        return schema.object(named: String(filter.property.text.dropFirst(prefix.count)))
    }

    /// Has the database test a column; `false` if it cannot.
    private static func add(_ filter: SearchFilter, _ column: String, to group: inout Group) -> Bool
    {
        let numbers = filter.values.compactMap(Sortable.milliseconds)
        guard numbers.count == filter.values.count else { return false }
        if let sign = comparisons[filter.op], numbers.count == 1 {
            group.conditions.append("\(column) \(sign) ?")
        } else if filter.op == .between, numbers.count == 2 {
            group.conditions.append("\(column) BETWEEN ? AND ?")
        } else if filter.op == .oneOf, !numbers.isEmpty, numbers.count <= 500 {
            let places = numbers.map { _ in "?" }.joined(separator: ", ")
            group.conditions.append("\(column) IN (\(places))")
        } else {
            return false
        }
        group.arguments += numbers.map { .integer($0) }
        return true
    }

    /// Has the database find the few records that an equal value can be in, if it has a key.
    private static func addKeys(
        _ filter: SearchFilter, _ property: PropertyDefinition, _ object: ObjectName,
        to group: inout Group
    ) {
        guard [.equal, .oneOf].contains(filter.op), !filter.values.isEmpty,
            filter.values.count <= 500
        else { return }
        let keys = filter.values.compactMap { key($0, property, object) }
        guard keys.count == filter.values.count, let first = keys.first else { return }
        let places = keys.map { _ in "?" }.joined(separator: ", ")
        group.conditions.append(
            "id IN (SELECT record_id FROM \(first.table) WHERE object = ? AND kind = ? AND value IN (\(places)))"
        )
        group.arguments += [.text(object.text), .text(first.kind)] + keys.map { .text($0.value) }
    }

    /// The key under which every record stands that has an equal value.
    private static func key(
        _ value: String, _ property: PropertyDefinition, _ object: ObjectName
    ) -> MatchKey? {
        // Numbers, moments and sets are equal in several spellings, keys in one.
        switch property.type {
        case .number, .date, .datetime, .multiEnumeration: return nil
        case .string, .bool, .enumeration, .email, .phone, .url: break
        }
        if property.isUnique { return MatchKey.unique(value, by: property.name) }
        if property.isIndexed { return MatchKey.indexed(value, by: property.name) }
        switch (object, property.name) {
        case (.contacts, "email"), (.companies, "domain"), (.companies, "name"),
            (.products, "hs_sku"), (.products, "name"):
            return MatchKey.keys(
                of: [property.name: value], object: object,
                rules: [MatchRule(property.name.text)]
            ).first
        default: return nil
        }
    }
}
