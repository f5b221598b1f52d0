import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// `/crm/v3/objects/…/batch/…`: many records in one request.
extension Endpoint {
    static let batches: [Endpoint] = [
        .read(.post, "/crm/v3/objects/:object/batch/read", .records(.read), readMany),
        .write(.post, "/crm/v3/objects/:object/batch/create", .records(.write), createMany),
        .write(.post, "/crm/v3/objects/:object/batch/update", .records(.write), updateMany),
        .write(.post, "/crm/v3/objects/:object/batch/upsert", .records(.write), upsertMany),
        .write(.post, "/crm/v3/objects/:object/batch/archive", .records(.write), archiveMany),
    ]

    private struct IDInput: Decodable {
        let id: LooseText
    }

    private struct ReadInput: Decodable {
        let inputs: [IDInput]
        let properties: [String]?
        let propertiesWithHistory: [String]?
        let idProperty: String?
    }

    private static func readMany(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let input = try exchange.call.input(ReadInput.self)
        try requireBatch(input.inputs.count)
        let selection = Selection(
            input.properties ?? [], history: input.propertiesWithHistory ?? [], of: object,
            exchange.schema)
        let isArchived = exchange.call.query.flag("archived")
        let ids = input.inputs.map(\.id.text)
        let found = try exchange.find(
            ids, by: input.idProperty, in: object, isArchived: isArchived)
        var seen: Set<RecordID> = []
        var batch = BatchBody<RecordBody>(at: exchange.session.now)
        let missing = ids.filter { found[$0] == nil }
        for id in ids {
            guard let record = found[id], seen.insert(record.id).inserted else { continue }
            batch.results.append(try RecordBody(record, selection, exchange))
        }
        if !missing.isEmpty {
            let name = exchange.schema.definitions[object]?.singular ?? object.text
            let message =
                "Could not get some \(name.uppercased()) objects, they may be deleted or not exist. "
                + "Check that ids are valid."
            batch.add(APIError.notFound(message, ["ids": missing]))
        }
        return batch.answer(.ok)
    }

    /// What a batch is asked to work on.
    struct Inputs<Input: Decodable>: Decodable {
        let inputs: [Input]
    }

    /// Makes all records or none, unless every input can be told from the others.
    private static func createMany(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let inputs = try exchange.call.input(Inputs<CreateInput>.self).inputs
        try requireBatch(inputs.count)
        let isEach = inputs.allSatisfy { $0.objectWriteTraceId != nil }
        var batch = BatchBody<RecordBody>(at: exchange.session.now)
        for input in inputs {
            let trace = input.objectWriteTraceId
            try batch.add(exchange, trace.map { ["objectWriteTraceId": [$0]] }, isAlone: isEach) {
                var body = try exchange.written(
                    exchange.create(input, in: object), input.properties)
                body.objectWriteTraceId = trace
                return body
            }
        }
        return batch.answer(.created)
    }

    private static func updateMany(_ exchange: EndpointContext) throws -> APIResponse {
        try writeEach(exchange) { id, input, object in
            let record = try exchange.update(id, by: input.idProperty, input, in: object)
            return try exchange.written(record, input.properties)
        }
    }

    private static func upsertMany(_ exchange: EndpointContext) throws -> APIResponse {
        try writeEach(exchange) { id, input, object in
            try upsert(id, input, in: object, exchange)
        }
    }

    /// Writes the inputs one by one; one that is refused does not undo the others.
    private static func writeEach(
        _ exchange: EndpointContext, _ write: (String, UpdateInput, ObjectName) throws -> RecordBody
    ) throws -> APIResponse {
        let object = try exchange.object()
        let inputs = try exchange.call.input(Inputs<UpdateInput>.self).inputs
        try requireBatch(inputs.count)
        var batch = BatchBody<RecordBody>(at: exchange.session.now)
        for input in inputs {
            let id = input.id?.text ?? ""
            try batch.add(exchange, ["ids": [id]]) {
                var body = try write(id, input, object)
                body.objectWriteTraceId = input.objectWriteTraceId
                return body
            }
        }
        return batch.answer(.ok)
    }

    private static func upsert(
        _ id: String, _ input: UpdateInput, in object: ObjectName, _ exchange: EndpointContext
    ) throws -> RecordBody {
        if let property = input.idProperty, let value = input.properties[property]?.text,
            value.trimmed.lowercased() != id.trimmed.lowercased()
        {
            throw APIError.invalid(
                "the input is found by \(property) `\(id)`, but its properties say `\(value)`")
        }
        var body: RecordBody
        if try exchange.find(id, by: input.idProperty, in: object) != nil {
            let record = try exchange.update(id, by: input.idProperty, input, in: object)
            body = try exchange.written(record, input.properties)
            body.new = false
        } else {
            guard let property = input.idProperty, property != "hs_object_id" else {
                throw APIError.noRecord(id)
            }
            var properties = input.properties
            if properties[property] == nil { properties[property] = LooseText(id) }
            let record = try exchange.create(
                CreateInput(properties: properties, associations: nil, objectWriteTraceId: nil),
                in: object)
            body = try exchange.written(record, properties)
            body.new = true
        }
        return body
    }

    private static func archiveMany(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        let inputs = try exchange.call.input(Inputs<IDInput>.self).inputs
        try requireBatch(inputs.count)
        for input in inputs {
            guard let record = try exchange.find(input.id.text, by: nil, in: object) else {
                continue
            }
            try exchange.writer.archive(record.id)
        }
        return .none
    }

    /// How many records one request can name.
    static let batchLimit = 100

    static func requireBatch(_ count: Int, most: Int = batchLimit) throws {
        if count > most {
            throw APIError.invalid(
                "The maximum batch size is \(most); this one has \(count) inputs")
        }
    }
}

/// The answer to a batch: what was done, and what was not and why.
struct BatchBody<Element: Encodable & Sendable>: Encodable, Sendable {
    let status = "COMPLETE"
    var results: [Element] = []
    var numErrors: Int?
    var errors: [BatchProblem]?
    let startedAt: String
    let completedAt: String

    enum CodingKeys: String, CodingKey {
        case status, results, numErrors, errors, startedAt, completedAt
    }

    init(at now: Timestamp) {
        startedAt = now.description
        completedAt = now.description
    }

    /// Does one input; what it wrote is undone if it is refused.
    ///
    /// - Throws: The refusal, unless the inputs stand for themselves.
    mutating func add(
        _ exchange: EndpointContext, _ context: [String: [String]]?, isAlone: Bool = true,
        _ work: () throws -> Element
    ) throws {
        do {
            results.append(try exchange.session.connection.nested(work))
        } catch let error as CRMError where isAlone {
            add(APIError(error), context)
        } catch let error as APIError where isAlone {
            add(error, context)
        }
    }

    mutating func add(_ error: APIError, _ context: [String: [String]]? = nil) {
        let own = error.context ?? [:]
        errors =
            (errors ?? []) + [
                BatchProblem(
                    category: error.category ?? "OBJECT_NOT_FOUND", message: error.message,
                    context: own.merging(context ?? [:]) { $1 }, subCategory: error.subCategory)
            ]
        numErrors = errors?.count
    }

    /// 207 if something was refused.
    func answer(_ status: HTTPResponse.Status) -> APIResponse {
        APIResponse(status: errors == nil ? status : HTTPResponse.Status(code: 207), body: self)
    }
}

/// One input of a batch that was refused.
///
/// All of its fields are always there: the official client insists on them.
struct BatchProblem: Encodable, Sendable {
    let status = "error"
    let category: String
    let message: String
    let context: [String: [String]]
    var subCategory: String?
    var links: [String: String] = [:]
    var errors: [String] = []

    enum CodingKeys: String, CodingKey {
        case status, category, message, context, subCategory, links, errors
    }
}

extension LooseText {
    init(_ text: String) { self.text = text }
}

extension EndpointContext {
    /// Finds many records; those that are not there are left out.
    func find(
        _ ids: [String], by idProperty: String?, in object: ObjectName, isArchived: Bool
    ) throws -> [String: CRMRecord] {
        var found: [String: CRMRecord] = [:]
        guard idProperty == nil || idProperty == "hs_object_id" else {
            for id in Set(ids) {
                found[id] = try find(id, by: idProperty, in: object, isArchived: isArchived)
            }
            return found
        }
        let wanted = ids.compactMap { Int64($0) }.map { RecordID($0) }
        let aliases = try reader.aliases(of: wanted)
        let records = try reader.records(Array(Set(wanted.map { aliases[$0] ?? $0 })))
        for id in ids {
            guard let number = Int64(id) else { continue }
            let record = records[aliases[RecordID(number)] ?? RecordID(number)]
            guard let record, record.object == object,
                (record.archivedAt != nil) == isArchived
            else { continue }
            found[id] = record
        }
        return found
    }
}
