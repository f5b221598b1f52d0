import HTTPTypes
import TandemCRM
import TandemModel

/// Associations in the third version of the API, which has names for types.
extension Endpoint {
    static let oldAssociations: [Endpoint] = [
        .read("/crm/v3/associations/:object/:to/types", .records(.read), listTypes),
        .read(
            .post, "/crm/v3/associations/:object/:to/batch/read", .records(.read), readOld),
        .write(
            .post, "/crm/v3/associations/:object/:to/batch/create", .records(.write), createOld),
        .write(
            .post, "/crm/v3/associations/:object/:to/batch/archive", .records(.write), archiveOld),
    ]

    private struct TypeRow: Encodable, Sendable {
        let id: String
        let name: String
    }

    private static func listTypes(_ exchange: EndpointContext) throws -> APIResponse {
        let types = try exchange.reader.associationTypes(
            from: exchange.object(), to: exchange.object("to"))
        return .ok(
            ListBody(types.map { TypeRow(id: "\($0.id)", name: $0.oldName(exchange.schema)) }))
    }

    private struct ReadRow: Encodable, Sendable {
        let from: IDBody
        let to: [RecordBody.AssociatedBody]
    }

    /// Of companies only the primary one is shown, as HubSpot does here.
    private static func readOld(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<IDBody>.self).inputs
        try requireBatch(inputs.count, most: 1_000)
        let (object, to) = (try exchange.object(), try exchange.other(.read))
        let hasPrimary = AssociationType.standard.contains {
            $0.from == object && $0.to == to && to == .companies && $0.isPrimary
        }
        var batch = BatchBody<ReadRow>(at: exchange.session.now)
        for input in inputs {
            let record = try exchange.find(input.id, by: nil, in: object)
            let found = try record.map {
                try exchange.reader.associations(of: $0.id, to: to, limit: 1_000)
            }
            let rows = (found ?? []).flatMap { association in
                association.types.filter { !hasPrimary || $0.isPrimary }.map {
                    RecordBody.AssociatedBody(
                        id: association.to.description, type: $0.oldName(exchange.schema))
                }
            }
            if let record, !rows.isEmpty {
                batch.results.append(ReadRow(from: .init(record.id), to: rows))
            } else {
                batch.add(noAssociations(input.id, exchange))
            }
        }
        return batch.answer(.ok)
    }

    private struct PairInput: Decodable {
        let from: IDBody
        let to: IDBody
        let type: String
    }

    private struct PairRow: Encodable, Sendable {
        let from: IDBody
        let to: IDBody
        let type: String
    }

    private static func createOld(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<PairInput>.self).inputs
        try requireBatch(inputs.count, most: 2_000)
        var batch = BatchBody<PairRow>(at: exchange.session.now)
        for input in inputs {
            let ends = ["fromObjectId": [input.from.id], "toObjectId": [input.to.id]]
            try batch.add(exchange, ends) {
                let (one, other) = try exchange.pair(input.from.id, input.to.id)
                try exchange.associate(one, other, as: input.type)
                return PairRow(from: .init(one.id), to: .init(other.id), type: input.type)
            }
        }
        return batch.answer(.created)
    }

    private static func archiveOld(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<PairInput>.self).inputs
        try requireBatch(inputs.count, most: 2_000)
        for input in inputs {
            let (one, other) = try exchange.pair(input.from.id, input.to.id)
            try exchange.dissociate(one, other, from: input.type)
        }
        return .none
    }
}
