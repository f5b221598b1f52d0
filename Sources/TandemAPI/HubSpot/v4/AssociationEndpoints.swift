import HTTPTypes
import TandemCRM
import TandemModel
import TandemSupport

/// Associations in the fourth version of the API.
extension Endpoint {
    static let associations: [Endpoint] = [
        .read(
            "/crm/v4/objects/:object/:id/associations/:to", .records(.read), listAssociations),
        .read(
            "/crm/v3/objects/:object/:id/associations/:to", .records(.read), listOldAssociations),
        .write(
            .put, "/crm/v4/objects/:object/:id/associations/default/:to/:other", .records(.write),
            associateDefault),
        .write(
            .put, "/crm/v4/objects/:object/:id/associations/:to/:other", .records(.write), associate
        ),
        .write(
            .delete, "/crm/v4/objects/:object/:id/associations/:to/:other", .records(.write),
            dissociate),
        .write(
            .put, "/crm/v3/objects/:object/:id/associations/:to/:other/:type", .records(.write),
            associateOld),
        .write(
            .delete, "/crm/v3/objects/:object/:id/associations/:to/:other/:type", .records(.write),
            dissociateOld),
        .read(
            .post, "/crm/v4/associations/:object/:to/batch/read", .records(.read), readAssociations),
        .write(
            .post, "/crm/v4/associations/:object/:to/batch/create", .records(.write),
            createAssociations),
        .write(
            .post, "/crm/v4/associations/:object/:to/batch/associate/default", .records(.write),
            createDefaults),
        .write(
            .post, "/crm/v4/associations/:object/:to/batch/archive", .records(.write),
            archiveAssociations),
        .write(
            .post, "/crm/v4/associations/:object/:to/batch/labels/archive", .records(.write),
            archiveLabels),
    ]

    private struct Row: Encodable, Sendable {
        let toObjectId: Int64
        let associationTypes: [TypeBody]
    }

    private static func listAssociations(_ exchange: EndpointContext) throws -> APIResponse {
        let (body, _) = try page(exchange) { association in
            Row(
                toObjectId: association.to.number,
                associationTypes: association.types.map(TypeBody.init))
        }
        return .ok(body)
    }

    private static func listOldAssociations(_ exchange: EndpointContext) throws -> APIResponse {
        let (body, found) = try page(exchange) { $0.to.description }
        let rows = found.flatMap { association in
            association.types.map {
                RecordBody.AssociatedBody(
                    id: association.to.description, type: $0.oldName(exchange.schema))
            }
        }
        return .ok(ListBody(rows, paging: body.paging))
    }

    /// A page of the records that one is associated with; the cursor is the last id shown.
    private static func page<Element: Encodable & Sendable>(
        _ exchange: EndpointContext, _ element: (Association) -> Element
    ) throws -> (ListBody<Element>, [Association]) {
        let query = exchange.call.query
        let record = try exchange.record("id", in: exchange.object())
        let limit = try query.number("limit", default: 500, in: 1...500)
        let after = try query.cursor()
        let found = try exchange.reader.associations(
            of: record.id, to: exchange.other(.read), after: RecordID(after), limit: limit + 1)
        let shown = Array(found.prefix(limit))
        var body = ListBody(shown.map(element))
        if found.count > limit, let last = shown.last?.to.description {
            body.paging = Paging(after: last, link: exchange.call.link(after: last))
        }
        return (body, shown)
    }

    private static func associate(_ exchange: EndpointContext) throws -> APIResponse {
        let types = try exchange.call.input([TypeInput].self)
        let (one, other) = try exchange.pair()
        try exchange.associate(one.id, other.id, Set(types.map(\.associationTypeId)))
        return .created(try exchange.labels(one, other))
    }

    private static func associateDefault(_ exchange: EndpointContext) throws -> APIResponse {
        let (one, other) = try exchange.pair()
        try exchange.associate(one.id, other.id, nil)
        return .ok(
            DefaultBody(at: exchange.session.now, try exchange.directions(one, other)))
    }

    private static func dissociate(_ exchange: EndpointContext) throws -> APIResponse {
        let (one, other) = try exchange.pair()
        try exchange.writer.dissociate(one.id, other.id)
        return .none
    }

    private static func associateOld(_ exchange: EndpointContext) throws -> APIResponse {
        let (one, other) = try exchange.pair()
        try exchange.associate(one, other, as: exchange.call.parameter("type"))
        return .ok(try exchange.written(one, [:]))
    }

    private static func dissociateOld(_ exchange: EndpointContext) throws -> APIResponse {
        let (one, other) = try exchange.pair()
        try exchange.dissociate(one, other, from: exchange.call.parameter("type"))
        return .none
    }

    struct IDBody: Codable, Sendable {
        let id: String

        init(_ id: RecordID) { self.id = id.description }

        init(from decoder: any Decoder) throws {
            let keys = try decoder.container(keyedBy: CodingKeys.self)
            id = try keys.decode(LooseText.self, forKey: .id).text
        }
    }

    private struct ReadInput: Decodable {
        let id: LooseText
        let after: LooseText?
    }

    private struct ReadRow: Encodable, Sendable {
        let from: IDBody
        let to: [Row]
        let paging: Paging?
    }

    private static func readAssociations(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<ReadInput>.self).inputs
        try requireBatch(inputs.count, most: 1_000)
        let (object, to) = (try exchange.object(), try exchange.other(.read))
        var batch = BatchBody<ReadRow>(at: exchange.session.now)
        for input in inputs {
            let after = RecordID(Int64(input.after?.text ?? "") ?? 0)
            let record = try exchange.find(input.id.text, by: nil, in: object)
            let found = try record.map {
                try exchange.reader.associations(of: $0.id, to: to, after: after, limit: 501)
            }
            guard let record, let found, !found.isEmpty else {
                batch.add(noAssociations(input.id.text, exchange))
                continue
            }
            let shown = found.prefix(500)
            let next = found.count > 500 ? shown.last.map { $0.to.description } : nil
            batch.results.append(
                ReadRow(
                    from: IDBody(record.id),
                    to: shown.map {
                        Row(
                            toObjectId: $0.to.number,
                            associationTypes: $0.types.map(TypeBody.init))
                    }, paging: next.map { Paging(after: $0) }))
        }
        return batch.answer(.ok)
    }

    static func noAssociations(_ id: String, _ exchange: EndpointContext) -> APIError {
        let (from, to) = (exchange.call.parameter("object"), exchange.call.parameter("to"))
        var error = APIError.notFound(
            "No \(to) is associated with \(from) \(id).",
            ["fromObjectId": [id], "fromObjectType": [from], "toObjectType": [to]])
        error.subCategory = "crm.associations.NO_ASSOCIATIONS_FOUND"
        return error
    }

    private struct PairInput: Decodable {
        let from: IDBody
        let to: IDBody
        let types: [TypeInput]?
    }

    private static func createAssociations(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<PairInput>.self).inputs
        try requireBatch(inputs.count, most: 2_000)
        var batch = BatchBody<LabelsBody>(at: exchange.session.now)
        for input in inputs {
            let ends = ["fromObjectId": [input.from.id], "toObjectId": [input.to.id]]
            try batch.add(exchange, ends) {
                let (one, other) = try exchange.pair(input.from.id, input.to.id)
                try exchange.associate(
                    one.id, other.id, input.types.map { Set($0.map(\.associationTypeId)) })
                return try exchange.labels(one, other)
            }
        }
        return batch.answer(.created)
    }

    private static func createDefaults(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<PairInput>.self).inputs
        try requireBatch(inputs.count, most: 2_000)
        var rows: [DefaultBody.Direction] = []
        for input in inputs {
            let (one, other) = try exchange.pair(input.from.id, input.to.id)
            try exchange.associate(one.id, other.id, nil)
            rows += try exchange.directions(one, other)
        }
        return .ok(DefaultBody(at: exchange.session.now, rows))
    }

    private struct ArchiveInput: Decodable {
        let from: IDBody
        let to: [IDBody]
    }

    private static func archiveAssociations(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<ArchiveInput>.self).inputs
        try requireBatch(inputs.map(\.to.count).reduce(0, +), most: 2_000)
        for input in inputs {
            for other in input.to {
                let (one, other) = try exchange.pair(input.from.id, other.id)
                try exchange.writer.dissociate(one.id, other.id)
            }
        }
        return .none
    }

    private static func archiveLabels(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<PairInput>.self).inputs
        try requireBatch(inputs.count, most: 2_000)
        for input in inputs {
            let (one, other) = try exchange.pair(input.from.id, input.to.id)
            let types = (input.types ?? []).map(\.associationTypeId)
            try exchange.writer.dissociate(one.id, other.id, labels: Set(types))
        }
        return .none
    }
}

/// A type of an association, as the fourth version shows it.
struct TypeBody: Encodable, Sendable {
    let category: String
    let typeId: Int64
    /// Null for the plain type.
    let label: String?

    init(_ type: AssociationType) {
        category = type.isCustom ? "USER_DEFINED" : "HUBSPOT_DEFINED"
        typeId = type.id
        label = type.label
    }

    private enum Keys: String, CodingKey {
        case category, typeId, label
    }

    func encode(to encoder: any Encoder) throws {
        var keys = encoder.container(keyedBy: Keys.self)
        try keys.encode(category, forKey: .category)
        try keys.encode(typeId, forKey: .typeId)
        try keys.encode(label, forKey: .label)
    }
}

/// Two records and the labels between them.
struct LabelsBody: Encodable, Sendable {
    let fromObjectTypeId: String
    let fromObjectId: Int64
    let toObjectTypeId: String
    let toObjectId: Int64
    let labels: [String]
}

/// The plain association of two records, seen from both.
struct DefaultBody: Encodable, Sendable {
    let status = "COMPLETE"
    let results: [Direction]
    let startedAt: String
    let completedAt: String

    struct Direction: Encodable, Sendable {
        let from: Endpoint.IDBody
        let to: Endpoint.IDBody
        let associationSpec: Spec
    }

    struct Spec: Encodable, Sendable {
        let associationCategory: String
        let associationTypeId: Int64
    }

    private enum CodingKeys: String, CodingKey {
        case status, results, startedAt, completedAt
    }

    init(at now: Timestamp, _ results: [Direction]) {
        self.results = results
        startedAt = now.description
        completedAt = now.description
    }
}

extension EndpointContext {
    /// The living record whose id the path has under this name.
    func record(_ parameter: String, in object: ObjectName) throws -> CRMRecord {
        let id = call.parameter(parameter)
        guard let record = try find(id, by: nil, in: object) else { throw APIError.noRecord(id) }
        return record
    }

    /// The two records that the path names.
    func pair() throws -> (CRMRecord, CRMRecord) {
        try pair(call.parameter("id"), call.parameter("other"))
    }

    /// The second object that the path names, of which a token needs as much as of the first.
    func other(_ access: RequiredScope.Access) throws -> ObjectName {
        let object = try object("to")
        try require(access, of: object)
        return object
    }

    /// Two records of the objects that the path names.
    func pair(_ one: String, _ other: String) throws -> (CRMRecord, CRMRecord) {
        let (from, to) = (try object(), try self.other(.write))
        guard let first = try find(one, by: nil, in: from) else { throw APIError.noRecord(one) }
        guard let second = try find(other, by: nil, in: to) else { throw APIError.noRecord(other) }
        return (first, second)
    }

    func labels(_ one: CRMRecord, _ other: CRMRecord) throws -> LabelsBody {
        let ids = Set(try reader.types(from: one.id, to: other.id))
        let types = try reader.associationTypes(from: one.object, to: other.object)
        return LabelsBody(
            fromObjectTypeId: schema.definitions[one.object]?.typeID ?? "",
            fromObjectId: one.id.number,
            toObjectTypeId: schema.definitions[other.object]?.typeID ?? "",
            toObjectId: other.id.number,
            labels: types.filter { ids.contains($0.id) }.compactMap(\.label))
    }

    /// The plain type of an association in both directions.
    func directions(_ one: CRMRecord, _ other: CRMRecord) throws -> [DefaultBody.Direction] {
        try [(one, other), (other, one)].compactMap { from, to in
            let plain = try reader.associationTypes(from: from.object, to: to.object).first
            return plain.map { type in
                DefaultBody.Direction(
                    from: .init(from.id), to: .init(to.id),
                    associationSpec: .init(
                        associationCategory: TypeBody(type).category, associationTypeId: type.id))
            }
        }
    }

    /// Adds a type, as clients of the third version name it, to those that two records have.
    func associate(_ one: CRMRecord, _ other: CRMRecord, as name: String) throws {
        let type = try type(name, one.object, other.object)
        let known = Set(try reader.types(from: one.id, to: other.id))
        try associate(one.id, other.id, known.union([type.id]))
    }

    /// Ends one type of an association, as clients of the third version name it.
    func dissociate(_ one: CRMRecord, _ other: CRMRecord, from name: String) throws {
        let type = try type(name, one.object, other.object)
        try writer.dissociate(one.id, other.id, labels: [type.id])
    }

    /// The type that a client of the third version names, by its number or its name.
    func type(_ text: String, _ from: ObjectName, _ to: ObjectName) throws -> AssociationType {
        let types = try reader.associationTypes(from: from, to: to)
        let found = types.first { "\($0.id)" == text || $0.oldName(schema) == text.lowercased() }
        guard let found else {
            throw APIError.invalid("`\(text)` is no association type from \(from) to \(to)")
        }
        return found
    }
}
