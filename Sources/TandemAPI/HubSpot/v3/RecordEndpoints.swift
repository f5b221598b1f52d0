import HTTPTypes
import TandemCRM
import TandemModel

/// `/crm/v3/objects/…`: one record, and lists of them.
extension Endpoint {
    static let records: [Endpoint] = [
        .read("/crm/v3/objects/:object", .records(.read), list),
        .read("/crm/v4/objects/:object", .records(.read), list),
        .read("/crm/v3/objects/:object/:id", .records(.read), get),
        .read("/crm/v4/objects/:object/:id", .records(.read), get),
        .write(.post, "/crm/v3/objects/:object", .records(.write), create),
        .write(.patch, "/crm/v3/objects/:object/:id", .records(.write), update),
        .write(.delete, "/crm/v3/objects/:object/:id", .records(.write), archive),
        .write(.post, "/crm/v3/objects/:object/merge", .records(.write), merge),
        .write(.post, "/crm/v3/objects/:object/gdpr-delete", .records(.write), erase),
    ]

    /// How many records a page of a listing has at most, and with their histories.
    private static let pageLimit = 100
    private static let historyLimit = 50

    private static func list(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let query = exchange.call.query
        let selection = try exchange.selection(of: object)
        let most = selection.history.isEmpty ? pageLimit : historyLimit
        let limit = try query.number("limit", default: 10, in: 1...most)
        // The cursor is the id of the first record of the page.
        let start = try query.cursor(atLeast: 0)
        let found = try exchange.reader.records(
            of: object, after: RecordID(max(0, start - 1)), limit: limit + 1,
            areArchived: query.flag("archived"))
        var body = ListBody(
            try found.prefix(limit).map { try RecordBody($0, selection, exchange) })
        if found.count > limit, let next = found.last?.id.description {
            body.paging = Paging(after: next, link: exchange.call.link(after: next))
        }
        return .ok(body)
    }

    private static func get(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let id = exchange.call.parameter("id")
        let query = exchange.call.query
        let record = try exchange.find(
            id, by: query["idProperty"], in: object, isArchived: query.flag("archived"))
        guard let record else { throw APIError.noRecord(id) }
        return .ok(try RecordBody(record, exchange.selection(of: object), exchange))
    }

    private static func create(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let input = try exchange.call.input(CreateInput.self)
        return .created(try exchange.written(exchange.create(input, in: object), input.properties))
    }

    private static func update(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let input = try exchange.call.input(UpdateInput.self)
        let record = try exchange.update(
            exchange.call.parameter("id"), by: exchange.call.query["idProperty"], input, in: object)
        return .ok(try exchange.written(record, input.properties))
    }

    private static func archive(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let id = exchange.call.parameter("id")
        if let record = try exchange.find(id, by: nil, in: object) {
            try exchange.writer.archive(record.id)
        } else if try exchange.find(id, by: nil, in: object, isArchived: true) == nil {
            throw APIError.noRecord(id)
        }
        return .none
    }

    private struct MergeInput: Decodable {
        let primaryObjectId: LooseText
        let objectIdToMerge: LooseText
    }

    private static func merge(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let input = try exchange.call.input(MergeInput.self)
        if object == .companies && exchange.server.rules.refusesCompanyMerges {
            throw APIError.invalid(
                "companies cannot be merged while a Salesforce connection syncs them")
        }
        let ids = try [input.primaryObjectId, input.objectIdToMerge].map { id in
            guard let record = try exchange.find(id.text, by: nil, in: object) else {
                throw APIError.noRecord(id.text)
            }
            return record.id
        }
        let result = try exchange.writer.merge(ids[0], ids[1])
        return .ok(try RecordBody(result, exchange.selection(of: object), exchange))
    }

    private struct EraseInput: Decodable {
        let objectId: LooseText
        let idProperty: String?
    }

    private static func erase(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let input = try exchange.call.input(EraseInput.self)
        let id = input.objectId.text
        let record =
            try exchange.find(id, by: input.idProperty, in: object)
            ?? exchange.binned(id, by: input.idProperty, in: object)
        if let record {
            try exchange.writer.erase(record.id)
        } else if input.idProperty == "email" {
            try exchange.writer.block(id)
        } else {
            throw APIError.noRecord(id)
        }
        return .none
    }
}

extension EndpointContext {
    /// What the query wants of a record.
    func selection(of object: ObjectName) throws -> Selection {
        // Names of objects that are not there are left out; a connector asks for all it knows.
        let associations = call.query.list("associations").compactMap(schema.object(named:))
        for other in associations { try require(.read, of: other) }
        return Selection(
            call.query.list("properties"), history: call.query.list("propertiesWithHistory"),
            associations: associations, of: object, schema)
    }

    /// A record as the answer to a write shows it: with what was written.
    func written(_ record: CRMRecord, _ input: [String: LooseText]) throws -> RecordBody {
        let usual = Selection([], of: record.object, schema).properties.map(\.text)
        let selection = Selection(usual + input.keys.sorted(), of: record.object, schema)
        return try RecordBody(record, selection, self)
    }

    /// - Throws: ``APIError`` if there is no such record.
    func update(
        _ id: String, by idProperty: String?, _ input: UpdateInput, in object: ObjectName
    ) throws -> CRMRecord {
        guard let record = try find(id, by: idProperty, in: object) else {
            throw APIError.noRecord(id)
        }
        try writer.update(
            record.id, values(input.properties, of: object, old: record.properties))
        return try reader.record(record.id) ?? record
    }
}
