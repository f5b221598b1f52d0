import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel

/// `/crm/v3/properties/…`, and the older places where connectors look for the schema.
extension Endpoint {
    static let properties: [Endpoint] = [
        .read("/crm/v3/properties/:object", .schema(.read), listProperties),
        .write(.post, "/crm/v3/properties/:object", .schema(.write), createProperty),
        .read("/crm/v3/properties/:object/:name", .schema(.read), getProperty),
        .write(.patch, "/crm/v3/properties/:object/:name", .schema(.write), updateProperty),
        .write(.delete, "/crm/v3/properties/:object/:name", .schema(.write), archiveProperty),
        .read(.post, "/crm/v3/properties/:object/batch/read", .schema(.read), readProperties),
        .write(.post, "/crm/v3/properties/:object/batch/create", .schema(.write), createProperties),
        .write(
            .post, "/crm/v3/properties/:object/batch/archive", .schema(.write), archiveProperties),
        .read("/crm/v3/properties/:object/groups", .schema(.read), listGroups),
        .write(.post, "/crm/v3/properties/:object/groups", .schema(.write), createGroup),
        .read("/crm/v3/properties/:object/groups/:name", .schema(.read), getGroup),
        .write(.patch, "/crm/v3/properties/:object/groups/:name", .schema(.write), updateGroup),
        .write(.delete, "/crm/v3/properties/:object/groups/:name", .schema(.write), archiveGroup),
        .read("/properties/v2/:object/properties", .token, oldProperties),
        .read("/properties/v1/:object/properties", .token, oldProperties),
    ]

    private static func listProperties(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(
            ListBody(
                try exchange.properties(
                    of: exchange.object(), isArchived: exchange.call.query.flag("archived"))))
    }

    /// A bare list; of objects that this store lacks, what every record has, because an empty list
    /// ends Airbyte's discovery.
    private static func oldProperties(_ exchange: EndpointContext) throws -> APIResponse {
        guard exchange.schema.object(named: exchange.call.parameter("object")) != nil else {
            return .ok(CRMSchema.kept.map { PropertyBody($0, of: "") })
        }
        return .ok(try exchange.properties(of: exchange.object()))
    }

    private static func getProperty(_ exchange: EndpointContext) throws -> APIResponse {
        let property = try exchange.property(exchange.call.parameter("name"))
        if (property.archivedAt != nil) != exchange.call.query.flag("archived") {
            throw exchange.noProperty(property.name.text)
        }
        return .ok(PropertyBody(property, of: try exchange.object()))
    }

    private static func createProperty(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(PropertyInput.self)
        return .created(try exchange.add(input))
    }

    private static func updateProperty(_ exchange: EndpointContext) throws -> APIResponse {
        let object = try exchange.object()
        var property = try exchange.property(exchange.call.parameter("name"))
        let input = try exchange.call.input(PropertyInput.self)
        guard property.isCustom else {
            throw APIError.invalid(
                "`\(property.name)` is a standard property, which stays as it is")
        }
        try input.apply(to: &property)
        try exchange.requireGroup(property.group, of: object)
        try exchange.editor.update(property, of: object)
        property.updatedAt = exchange.session.now
        return .ok(PropertyBody(property, of: object))
    }

    private static func archiveProperty(_ exchange: EndpointContext) throws -> APIResponse {
        let property = try exchange.property(exchange.call.parameter("name"))
        try exchange.archive(property)
        return .none
    }

    private static let propertyLimit = 100

    private struct NameInput: Decodable {
        let name: String
    }

    private static func readProperties(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<NameInput>.self).inputs
        try requireBatch(inputs.count, most: propertyLimit)
        var batch = BatchBody<PropertyBody>(at: exchange.session.now)
        for input in inputs {
            try batch.add(exchange, nil) {
                PropertyBody(try exchange.property(input.name), of: try exchange.object())
            }
        }
        return batch.answer(.ok)
    }

    private static func createProperties(_ exchange: EndpointContext) throws -> APIResponse {
        let inputs = try exchange.call.input(Inputs<PropertyInput>.self).inputs
        try requireBatch(inputs.count, most: propertyLimit)
        var batch = BatchBody<PropertyBody>(at: exchange.session.now)
        for input in inputs { try batch.add(exchange, nil) { try exchange.add(input) } }
        return batch.answer(.created)
    }

    /// 204 whatever becomes of them, as HubSpot answers.
    private static func archiveProperties(_ exchange: EndpointContext) throws -> APIResponse {
        let known = try exchange.schema.properties(of: exchange.object())
        for input in try exchange.call.input(Inputs<NameInput>.self).inputs {
            guard let property = known[PropertyName(input.name)], property.isCustom else {
                continue
            }
            try exchange.archive(property)
        }
        return .none
    }

    private static func listGroups(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(ListBody(try exchange.groups.all(of: exchange.object()).map(GroupBody.init)))
    }

    private static func getGroup(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(GroupBody(try exchange.group()))
    }

    private static func createGroup(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(GroupInput.self)
        guard let name = input.name, let label = input.label else {
            throw APIError.invalid("a group needs `name` and `label`")
        }
        let group = PropertyGroup(
            name: name, label: label, displayOrder: input.displayOrder ?? -1)
        try exchange.groups.add(group, to: exchange.object())
        return .created(GroupBody(group))
    }

    private static func updateGroup(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(GroupInput.self)
        var group = try exchange.group()
        group.label = input.label ?? group.label
        group.displayOrder = input.displayOrder ?? group.displayOrder
        try exchange.groups.update(group, of: exchange.object())
        return .ok(GroupBody(group))
    }

    private static func archiveGroup(_ exchange: EndpointContext) throws -> APIResponse {
        try exchange.groups.delete(exchange.group(), of: exchange.object())
        return .none
    }

    private struct GroupInput: Decodable {
        let name: String?
        let label: String?
        let displayOrder: Int64?
    }
}

extension EndpointContext {
    /// Works on the schema as this request has left it so far.
    var editor: SchemaEditor {
        get throws {
            let schema = try session.store.schema(in: session.connection)
            return SchemaEditor(session.connection, schema, now: session.now)
        }
    }

    var groups: PropertyGroupTable { PropertyGroupTable(session.connection) }

    func properties(of object: ObjectName, isArchived: Bool = false) throws -> [PropertyBody] {
        try schema.properties(of: object).values
            .filter { ($0.archivedAt != nil) == isArchived }
            .sorted { $0.name < $1.name }.map { PropertyBody($0, of: object) }
    }

    /// - Throws: ``APIError`` if the object of the path has no such property.
    func property(_ name: String) throws -> PropertyDefinition {
        guard let property = try schema.properties(of: object())[PropertyName(name)] else {
            throw noProperty(name)
        }
        return property
    }

    func noProperty(_ name: String) -> APIError {
        .notFound("Property \(name) does not exist", ["propertyName": [name]])
    }

    func add(_ input: PropertyInput) throws -> PropertyBody {
        let property = try input.property(at: session.now)
        let object = try object()
        try requireGroup(property.group, of: object)
        try editor.add(property, to: object)
        return PropertyBody(property, of: object)
    }

    func archive(_ property: PropertyDefinition) throws {
        guard property.isCustom else {
            throw APIError.invalid("`\(property.name)` is a standard property, which stays")
        }
        var property = property
        property.archivedAt = session.now
        try editor.update(property, of: object())
    }

    func requireGroup(_ name: String, of object: ObjectName) throws {
        let known = try groups.all(of: object).map(\.name)
        if !name.isEmpty && !known.contains(name) {
            throw APIError.invalid(
                "\(object) have no property group `\(name)`; there are \(known.joined(separator: ", "))"
            )
        }
    }

    func group() throws -> PropertyGroup {
        let name = call.parameter("name")
        guard let group = try groups.all(of: object()).first(where: { $0.name == name }) else {
            throw APIError.notFound("Property group \(name) does not exist", ["groupName": [name]])
        }
        return group
    }
}
