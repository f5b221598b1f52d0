import HTTPTypes
import TandemCRM
import TandemModel
import TandemSupport

/// The types that associations can have, in the fourth version of the API.
extension Endpoint {
    static let labels: [Endpoint] =
        ["/crm/v4/associations", "/crm/associations/v4"].flatMap { root in
            [
                .read("\(root)/:object/:to/labels", .records(.read), listLabels),
                .write(.post, "\(root)/:object/:to/labels", .schema(.write), addLabel),
                .write(.put, "\(root)/:object/:to/labels", .schema(.write), renameLabel),
                .write(
                    .delete, "\(root)/:object/:to/labels/:type", .schema(.write), deleteLabel),
            ]
        } + [
            .read(
                "/crm/v4/associations/definitions/configurations/all", .token,
                listConfigurations),
            .read(
                "/crm/v4/associations/definitions/configurations/:object/:to", .records(.read),
                listConfigurations),
        ]

    private static func listLabels(_ exchange: EndpointContext) throws -> APIResponse {
        let types = try exchange.reader.associationTypes(
            from: exchange.object(), to: exchange.object("to"))
        return .ok(ListBody(types.map(TypeBody.init)))
    }

    private struct LabelInput: Decodable {
        let name: String?
        let label: String
        let inverseLabel: String?
        let associationTypeId: Int64?
    }

    private static func addLabel(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(LabelInput.self)
        let types = try exchange.writer.addLabel(
            try labelled(input), inverse: input.inverseLabel, from: exchange.object(),
            to: exchange.object("to"))
        return .ok(ListBody(types.map(TypeBody.init)))
    }

    private static func renameLabel(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(LabelInput.self)
        try exchange.writer.renameLabel(
            input.associationTypeId ?? 0, to: try labelled(input), inverse: input.inverseLabel,
            from: exchange.object(), to: exchange.object("to"))
        return .none
    }

    private static func labelled(_ input: LabelInput) throws -> String {
        let label = input.label.trimmed
        if label.isEmpty || label.count > 100 {
            throw APIError.invalid("`label`: expected a text of 1 to 100 characters")
        }
        return label
    }

    private static func deleteLabel(_ exchange: EndpointContext) throws -> APIResponse {
        let text = exchange.call.parameter("type")
        guard let type = Int64(text) else {
            throw APIError.invalid("`\(text)` is no association type")
        }
        try exchange.writer.removeLabel(type, from: exchange.object(), to: exchange.object("to"))
        return .none
    }

    /// No association is limited further than the store limits all of them.
    private static func listConfigurations(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(ListBody<TypeBody>([]))
    }
}
