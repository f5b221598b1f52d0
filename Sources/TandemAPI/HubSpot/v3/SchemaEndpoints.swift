import HTTPTypes
import TandemCRM
import TandemModel
import TandemSupport

/// `/crm-object-schemas/v3/schemas` and its older place: custom objects.
extension Endpoint {
    static let schemas: [Endpoint] =
        ["/crm-object-schemas/v3/schemas", "/crm/v3/schemas"].flatMap { root in
            [
                .read(root, .token, listSchemas),
                .write(.post, root, .scope("crm.schemas.custom.write"), createSchema),
                .read("\(root)/:object", .definition(.read), getSchema),
                .write(.patch, "\(root)/:object", .definition(.write), updateSchema),
                .write(.delete, "\(root)/:object", .definition(.write), deleteSchema),
                .write(
                    .post, "\(root)/:object/associations", .definition(.write), addSchemaAssociation
                ),
                .write(
                    .delete, "\(root)/:object/associations/:association", .definition(.write),
                    deleteSchemaAssociation),
            ]
        }

    private static func listSchemas(_ exchange: EndpointContext) throws -> APIResponse {
        let custom = exchange.schema.definitions.values.filter(\.isCustom)
        let isArchived = exchange.call.query.flag("archived")
        return .ok(
            ListBody(
                try (isArchived ? [] : custom).sorted { $0.name < $1.name }.map {
                    try SchemaBody($0, exchange)
                }))
    }

    private static func getSchema(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(try SchemaBody(exchange.definition(), exchange))
    }

    private static func createSchema(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(SchemaInput.self)
        guard let name = input.name else { throw APIError.invalid("`name` is missing") }
        let now = exchange.session.now
        let properties = try (input.properties ?? []).map { try $0.property(at: now) }
        guard let primary = input.primaryDisplayProperty ?? properties.first?.name.text else {
            throw APIError.invalid("`primaryDisplayProperty` is missing")
        }
        var definition = ObjectDefinition(
            ObjectName(name), typeID: "", singular: input.labels?.singular ?? name,
            plural: input.labels?.plural ?? name, primaryProperty: PropertyName(primary),
            createdAt: now)
        try input.apply(to: &definition, known: Set(properties.map(\.name)))
        let required = Set(definition.requiredProperties)
        try exchange.editor.add(definition, properties: properties)
        let schema = try exchange.session.store.schema(in: exchange.session.connection)
        guard let made = schema.definitions[definition.name],
            required.isSubset(of: Set(properties.map(\.name)))
        else { throw APIError.invalid("a required property is not among the properties") }
        return .created(try SchemaBody(made, exchange, schema))
    }

    private static func updateSchema(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(SchemaInput.self)
        var definition = try exchange.definition()
        let known = try exchange.schema.properties(of: definition.name)
        try input.apply(to: &definition, known: Set(known.keys))
        try exchange.editor.update(definition)
        return .ok(try SchemaBody(definition, exchange))
    }

    private static func deleteSchema(_ exchange: EndpointContext) throws -> APIResponse {
        try exchange.editor.remove(exchange.definition().name)
        return .none
    }

    private struct AssociationDefinitionInput: Decodable {
        let fromObjectTypeId: String
        let toObjectTypeId: String
        let name: String?
    }

    struct AssociationDefinitionBody: Encodable, Sendable {
        let id: String
        let fromObjectTypeId: String
        let toObjectTypeId: String
        let name: String?
    }

    private static func addSchemaAssociation(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(AssociationDefinitionInput.self)
        let from = try exchange.session.object(input.fromObjectTypeId)
        let to = try exchange.session.object(input.toObjectTypeId)
        let name = input.name ?? "\(from)_to_\(to)"
        let types = try exchange.writer.addLabel(name, from: from, to: to)
        guard let type = types.first else { throw APIError.invalid("no association was made") }
        return .created(
            AssociationDefinitionBody(
                id: "\(type.id)", fromObjectTypeId: input.fromObjectTypeId,
                toObjectTypeId: input.toObjectTypeId, name: name))
    }

    private static func deleteSchemaAssociation(_ exchange: EndpointContext) throws -> APIResponse {
        let text = exchange.call.parameter("association")
        let name = try exchange.definition().name
        for other in exchange.schema.definitions.keys.sorted() {
            let types = try exchange.reader.associationTypes(from: name, to: other)
            guard let type = types.first(where: { "\($0.id)" == text || $0.label == text }) else {
                continue
            }
            try exchange.writer.removeLabel(type.id, from: name, to: other)
            return .none
        }
        throw APIError.notFound("Association \(text) does not exist", ["association": [text]])
    }
}

struct SchemaInput: Decodable, Sendable {
    let name: String?
    let labels: Labels?
    let description: String?
    let primaryDisplayProperty: String?
    let secondaryDisplayProperties: [String]?
    let requiredProperties: [String]?
    let searchableProperties: [String]?
    let properties: [PropertyInput]?

    struct Labels: Codable, Sendable {
        let singular: String?
        let plural: String?
    }

    /// - Throws: ``APIError`` if a role is given to a property that is not there.
    func apply(to definition: inout ObjectDefinition, known: Set<PropertyName>) throws {
        func names(_ list: [String]?, _ before: [PropertyName]) throws -> [PropertyName] {
            guard let list else { return before }
            let names = list.map { PropertyName($0) }
            if let unknown = names.first(where: { !known.contains($0) }) {
                throw APIError.invalid("there is no property `\(unknown)` among the properties")
            }
            return names
        }
        definition.singular = labels?.singular ?? definition.singular
        definition.plural = labels?.plural ?? definition.plural
        definition.description = description ?? definition.description
        definition.primaryProperty =
            try names(primaryDisplayProperty.map { [$0] }, [definition.primaryProperty])[0]
        definition.secondaryProperties = try names(
            secondaryDisplayProperties, definition.secondaryProperties)
        definition.requiredProperties = try names(
            requiredProperties, definition.requiredProperties)
        definition.searchableProperties = try names(
            searchableProperties, definition.searchableProperties)
    }
}

struct SchemaBody: Encodable, Sendable {
    let id: String
    let objectTypeId: String
    let fullyQualifiedName: String
    let name: String
    let labels: SchemaInput.Labels
    let description: String
    let primaryDisplayProperty: String
    let secondaryDisplayProperties: [String]
    let requiredProperties: [String]
    let searchableProperties: [String]
    let properties: [PropertyBody]
    let associations: [Endpoint.AssociationDefinitionBody]
    let archived = false
    let createdAt: String
    let updatedAt: String

    private enum CodingKeys: String, CodingKey {
        case id, objectTypeId, fullyQualifiedName, name, labels, description
        case primaryDisplayProperty, secondaryDisplayProperties, requiredProperties
        case searchableProperties, properties, associations, archived, createdAt, updatedAt
    }

    init(_ definition: ObjectDefinition, _ exchange: EndpointContext, _ schema: CRMSchema? = nil)
        throws
    {
        let schema = schema ?? exchange.schema
        id = definition.typeID
        objectTypeId = definition.typeID
        fullyQualifiedName = "p\(exchange.account)_\(definition.name)"
        name = definition.name.text
        labels = .init(singular: definition.singular, plural: definition.plural)
        description = definition.description
        primaryDisplayProperty = definition.primaryProperty.text
        secondaryDisplayProperties = definition.secondaryProperties.map(\.text)
        requiredProperties = definition.requiredProperties.map(\.text)
        searchableProperties = definition.searchableProperties.map(\.text)
        properties = (schema.objects[definition.name] ?? [:]).values
            .filter { $0.archivedAt == nil }.sorted { $0.name < $1.name }
            .map { PropertyBody($0, of: definition.name) }
        var all: [Endpoint.AssociationDefinitionBody] = []
        for other in schema.definitions.values.sorted(by: { $0.name < $1.name }) {
            for type in try exchange.reader.associationTypes(from: definition.name, to: other.name)
            {
                all.append(
                    .init(
                        id: "\(type.id)", fromObjectTypeId: definition.typeID,
                        toObjectTypeId: other.typeID, name: type.label))
            }
        }
        associations = all
        createdAt = definition.createdAt.description
        updatedAt = definition.updatedAt.description
    }
}

extension EndpointContext {
    func definition() throws -> ObjectDefinition {
        let object = try object()
        guard let definition = schema.definitions[object] else {
            throw APIError.notFound("Object type \(object) does not exist")
        }
        return definition
    }
}
