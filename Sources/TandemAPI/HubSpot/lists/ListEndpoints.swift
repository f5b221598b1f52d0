import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// `/crm/v3/lists`: lists kept by hand and active ones.
extension Endpoint {
    private static let lists3 = "/crm/v3/lists"
    private static let reads = RequiredScope.scope("crm.lists.read")
    private static let changes = RequiredScope.scope("crm.lists.write")

    static let lists: [Endpoint] = [
        .read(lists3, reads, listLists),
        .write(.post, lists3, changes, createList),
        .read(.post, "\(lists3)/search", reads, searchLists),
        .read("\(lists3)/object-type-id/:object/name/:name", reads, getListByName),
        .read("\(lists3)/records/:object/:id/memberships", reads, listMemberships),
        .read("\(lists3)/:list", reads, getList),
        .write(.delete, "\(lists3)/:list", changes, deleteList),
        .write(.put, "\(lists3)/:list/restore", changes, restoreList),
        .write(.put, "\(lists3)/:list/update-list-name", changes, renameList),
        .write(.put, "\(lists3)/:list/update-list-filters", changes, updateFilters),
        .read("\(lists3)/:list/memberships", reads, listMembers),
        .read("\(lists3)/:list/memberships/join-order", reads, listMembers),
        .write(.delete, "\(lists3)/:list/memberships", changes, removeAllMembers),
        .write(.put, "\(lists3)/:list/memberships/add", changes, addMembers),
        .write(.put, "\(lists3)/:list/memberships/remove", changes, removeMembers),
        .write(.put, "\(lists3)/:list/memberships/add-and-remove", changes, changeMembers),
        .write(.put, "\(lists3)/:list/memberships/add-from/:source", changes, addFrom),
    ]

    private struct Wrapped: Encodable, Sendable {
        let list: ListRow
    }

    private struct Several: Encodable, Sendable {
        let lists: [ListRow]
    }

    private struct CreateInput: Decodable {
        let name: String
        let objectTypeId: String
        let processingType: String
        let filterBranch: ListFilter?
    }

    private static func createList(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(CreateInput.self)
        guard let kind = RecordList.Kind(rawValue: input.processingType.uppercased()) else {
            let kinds = RecordList.Kind.allCases.map(\.rawValue).joined(separator: ", ")
            throw APIError.invalid("`processingType`: expected one of \(kinds)")
        }
        let list = try exchange.lists.create(
            input.name, of: exchange.session.object(input.objectTypeId), kind,
            filter: input.filterBranch)
        return .ok(Wrapped(list: try exchange.row(list)))
    }

    private static func getList(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(Wrapped(list: try exchange.row(exchange.list())))
    }

    private static func getListByName(_ exchange: EndpointContext) throws -> APIResponse {
        let name = exchange.call.parameter("name")
        do {
            let list = try exchange.lists.list(named: name, of: exchange.object())
            return .ok(Wrapped(list: try exchange.row(list)))
        } catch CRMError.notFound {
            throw APIError.notFound("List does not exist with name \(name).", ["listName": [name]])
        }
    }

    private static func listLists(_ exchange: EndpointContext) throws -> APIResponse {
        let ids = Set(exchange.call.query.list("listIds"))
        let lists = try exchange.lists.all().filter { ids.isEmpty || ids.contains("\($0.id)") }
        return .ok(Several(lists: try lists.map { try exchange.row($0) }))
    }

    private struct SearchInput: Decodable {
        let query: String?
        let listIds: [LooseText]?
        let processingTypes: [String]?
        let objectTypeId: String?
        let sort: String?
        let offset: LooseText?
        let count: Int?
    }

    private struct SearchBody: Encodable, Sendable {
        let lists: [ListRow]
        let offset: Int
        let hasMore: Bool
        let total: Int
    }

    /// More than a page is asked for by every connector; they get a page.
    private static let pageLimit = 500

    private static func searchLists(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(SearchInput.self)
        let object = try input.objectTypeId.map { try exchange.session.object($0) }
        let ids = input.listIds.map { Set($0.map(\.text)) }
        let word = (input.query ?? "").lowercased()
        var found = try exchange.lists.all().filter { list in
            (word.isEmpty || list.name.lowercased().contains(word))
                && (ids?.contains("\(list.id)") ?? true)
                && (input.processingTypes?.contains(list.kind.rawValue) ?? true)
                && (object.map { $0 == list.object } ?? true)
        }
        sort(&found, by: input.sort ?? "")
        let offset = min(max(0, Int(input.offset?.text ?? "0") ?? 0), found.count)
        let count = min(max(1, input.count ?? 20), pageLimit)
        let page = found.dropFirst(offset).prefix(count)
        return .ok(
            SearchBody(
                lists: try page.map { try exchange.row($0, isFound: true) },
                offset: offset + page.count, hasMore: offset + page.count < found.count,
                total: found.count))
    }

    private static func sort(_ lists: inout [RecordList], by text: String) {
        let isDescending = text.hasPrefix("-")
        func isBefore(_ one: RecordList, _ other: RecordList) -> Bool {
            switch isDescending ? String(text.dropFirst()) : text {
            case "HS_UPDATED_AT": (one.updatedAt, one.id) < (other.updatedAt, other.id)
            case "HS_CREATED_AT": (one.createdAt, one.id) < (other.createdAt, other.id)
            case "HS_NAME": (one.name, one.id) < (other.name, other.id)
            default: one.id < other.id
            }
        }
        lists.sort { isDescending ? isBefore($1, $0) : isBefore($0, $1) }
    }

    private static func deleteList(_ exchange: EndpointContext) throws -> APIResponse {
        try exchange.lists.delete(exchange.list())
        return .none
    }

    private static func restoreList(_ exchange: EndpointContext) throws -> APIResponse {
        try exchange.onList { try exchange.lists.restore($0) }
        return .none
    }

    private struct Updated: Encodable, Sendable {
        let updatedList: ListRow
    }

    private static func renameList(_ exchange: EndpointContext) throws -> APIResponse {
        let list = try exchange.list()
        guard let name = exchange.call.query["listName"] else {
            throw APIError.invalid("`listName` is missing")
        }
        try exchange.lists.rename(list, to: name)
        return .ok(Updated(updatedList: try exchange.row(exchange.list())))
    }

    private struct FilterInput: Decodable {
        let filterBranch: ListFilter
    }

    private static func updateFilters(_ exchange: EndpointContext) throws -> APIResponse {
        let list = try exchange.list()
        try exchange.lists.set(exchange.call.input(FilterInput.self).filterBranch, of: list)
        return .ok(Updated(updatedList: try exchange.row(exchange.list())))
    }
}

/// Who is in a list.
extension Endpoint {
    private struct MemberRow: Encodable, Sendable {
        let recordId: String
        let membershipTimestamp: String
    }

    private struct MemberPage: Encodable, Sendable {
        let results: [MemberRow]
        var paging: Paging?
        let total: Int
    }

    fileprivate static func listMembers(_ exchange: EndpointContext) throws -> APIResponse {
        let list = try exchange.list()
        try exchange.require(.read, of: list.object)
        let query = exchange.call.query
        let limit = min(try query.number("limit", default: 100, in: 1...1_000), 250)
        let after = try query.cursor()
        let found = try exchange.lists.members(
            of: list, after: RecordID(after), limit: limit + 1)
        let rows = found.prefix(limit).map {
            MemberRow(recordId: "\($0.record)", membershipTimestamp: $0.at.description)
        }
        var page = MemberPage(results: rows, total: try exchange.lists.count(of: list))
        if found.count > limit, let last = rows.last?.recordId {
            page.paging = Paging(after: last, link: exchange.call.link(after: last))
        }
        return .ok(page)
    }

    private struct MembershipRow: Encodable, Sendable {
        let listId: String
        let listVersion: Int64
        let firstAddedTimestamp: String
        let lastAddedTimestamp: String
    }

    fileprivate static func listMemberships(_ exchange: EndpointContext) throws -> APIResponse {
        try exchange.require(.read, of: exchange.object())
        let record = try exchange.record("id", in: exchange.object())
        let rows = try exchange.lists.memberships(of: record).map { list, member in
            let at = member.at.description
            return MembershipRow(
                listId: "\(list.id)", listVersion: list.version, firstAddedTimestamp: at,
                lastAddedTimestamp: at)
        }
        return .ok(ListBody(rows, total: rows.count))
    }

    private struct Change: Encodable, Sendable {
        /// Really spelled so.
        var recordsIdsAdded: [String] = []
        var recordIdsRemoved: [String] = []
        var recordIdsMissing: [String] = []
    }

    private struct ChangeInput: Decodable {
        let recordIdsToAdd: [LooseText]?
        let recordIdsToRemove: [LooseText]?
    }

    fileprivate static func addMembers(_ exchange: EndpointContext) throws -> APIResponse {
        try change(exchange, adding: exchange.call.input([LooseText].self), removing: [])
    }

    fileprivate static func removeMembers(_ exchange: EndpointContext) throws -> APIResponse {
        try change(exchange, adding: [], removing: exchange.call.input([LooseText].self))
    }

    fileprivate static func changeMembers(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(ChangeInput.self)
        return try change(
            exchange, adding: input.recordIdsToAdd ?? [], removing: input.recordIdsToRemove ?? [])
    }

    /// As many as HubSpot takes in one request (guide "Lists", 2026).
    private static let changeLimit = 100_000

    private static func change(
        _ exchange: EndpointContext, adding: [LooseText], removing: [LooseText]
    ) throws -> APIResponse {
        let list = try exchange.list()
        try exchange.require(.read, of: list.object)
        guard adding.count + removing.count <= changeLimit else {
            throw APIError.invalid("at most \(changeLimit) records can be added or removed at once")
        }
        var change = Change()
        for (ids, isAdding) in [(adding, true), (removing, false)] {
            for id in ids.map(\.text) {
                guard let record = try exchange.find(id, by: nil, in: list.object) else {
                    change.recordIdsMissing.append(id)
                    continue
                }
                if isAdding {
                    if try exchange.lists.add(record.id, to: list) {
                        change.recordsIdsAdded.append(id)
                    }
                } else if try exchange.lists.remove(record.id, from: list) {
                    change.recordIdsRemoved.append(id)
                }
            }
        }
        return .ok(change)
    }

    fileprivate static func addFrom(_ exchange: EndpointContext) throws -> APIResponse {
        let list = try exchange.list()
        let source = try exchange.list("source")
        if source.object != list.object {
            throw APIError.invalid("the two lists are of different objects")
        }
        var last = RecordID(0)
        while case let batch = try exchange.lists.members(of: source, after: last, limit: 500),
            let end = batch.last
        {
            for member in batch { try exchange.lists.add(member.record, to: list) }
            last = end.record
        }
        return .none
    }

    fileprivate static func removeAllMembers(_ exchange: EndpointContext) throws -> APIResponse {
        let list = try exchange.list()
        while case let batch = try exchange.lists.members(
            of: list, after: RecordID(0), limit: 500), !batch.isEmpty
        {
            for member in batch { try exchange.lists.remove(member.record, from: list) }
        }
        return .none
    }
}

struct ListRow: Encodable, Sendable {
    let listId: String
    let listVersion: Int64
    let name: String
    let objectTypeId: String
    let processingType: String
    let processingStatus = "COMPLETE"
    let createdAt: String
    let updatedAt: String
    let filtersUpdatedAt: String
    let size: Int
    let filterBranch: ListFilter?
    let additionalProperties: [String: String]?

    enum CodingKeys: String, CodingKey {
        case listId, listVersion, name, objectTypeId, processingType, processingStatus, createdAt
        case updatedAt, filtersUpdatedAt, size, filterBranch, additionalProperties
    }
}

extension EndpointContext {
    var lists: ListTable { ListTable(session.connection, schema, now: session.now) }

    func list(_ parameter: String = "list") throws -> RecordList {
        try onList(parameter) { try lists.list($0) }
    }

    /// Does something with the list that the path names.
    func onList<Value>(_ parameter: String = "list", _ work: (Int64) throws -> Value) throws
        -> Value
    {
        let id = call.parameter(parameter)
        let missing = APIError.notFound("List does not exist with ID \(id).", ["listId": [id]])
        guard let number = Int64(id) else { throw missing }
        do { return try work(number) } catch CRMError.notFound { throw missing }
    }

    /// A list as it is shown; one that a search found says more of itself.
    func row(_ list: RecordList, isFound: Bool = false) throws -> ListRow {
        let size = try lists.count(of: list)
        let more = [
            "hs_list_size": "\(size)", "hs_list_reference_count": "0",
            "hs_last_record_added_at": list.updatedAt.description,
        ]
        return ListRow(
            listId: "\(list.id)", listVersion: list.version, name: list.name,
            objectTypeId: schema.definitions[list.object]?.typeID ?? "",
            processingType: list.kind.rawValue, createdAt: list.createdAt.description,
            updatedAt: list.updatedAt.description, filtersUpdatedAt: list.updatedAt.description,
            size: size, filterBranch: call.query.flag("includeFilters") ? list.filter : nil,
            additionalProperties: isFound ? more : nil)
    }
}
