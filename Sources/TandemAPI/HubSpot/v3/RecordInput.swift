import FoundationEssentials
import TandemCRM
import TandemCore
import TandemModel
import TandemSupport

/// A record to be made.
struct CreateInput: Decodable, Sendable {
    let properties: [String: LooseText]
    let associations: [AssociationInput]?
    let objectWriteTraceId: String?
}

/// An association that a new record is to have.
struct AssociationInput: Decodable, Sendable {
    let to: Target
    let types: [TypeInput]?

    struct Target: Decodable, Sendable {
        let id: LooseText
    }
}

/// How two records belong together.
struct TypeInput: Decodable, Sendable {
    let associationCategory: String?
    let associationTypeId: Int64
}

/// A change of a record; in batches with the record's id or another property that names it.
struct UpdateInput: Decodable, Sendable {
    let id: LooseText?
    let idProperty: String?
    let properties: [String: LooseText]
    let objectWriteTraceId: String?
}

extension EndpointContext {
    /// Turns what a client sends into values that the store takes.
    ///
    /// - Parameters:
    ///   - input: What was sent, by property.
    ///   - object: Whose properties they are.
    ///   - old: The values the record has, for what depends on them.
    /// - Returns: The values in the form in which they are stored.
    /// - Throws: ``APIError`` that names every property that does not exist, cannot be written, or
    ///   whose value does not fit.
    func values(_ input: [String: LooseText], of object: ObjectName, old: Values = [:]) throws
        -> Values
    {
        var values: Values = [:]
        var problems: [(PropertyName, String, code: String)] = []
        for (text, value) in input.sorted(by: { $0.key < $1.key }) {
            let name = PropertyName(text)
            do {
                let property = try schema.property(name, of: object)
                if property.isReadOnly { throw CRMError.readOnly(name) }
                let value = Self.adapted(value.text, property, old: old[name] ?? "")
                values[name] = try property.accepted(value)
            } catch let error as CRMError {
                let refusal = APIError(error)
                guard let detail = refusal.details.first else { throw refusal }
                problems.append((name, detail.message, code: detail.code ?? "INVALID_VALUE"))
            }
        }
        problems += try strangers(values, object)
        if !problems.isEmpty { throw APIError.values(problems) }
        return forward(values, of: object, old: old)
    }

    /// Pipelines and stages that there are not.
    private func strangers(_ values: Values, _ object: ObjectName) throws
        -> [(PropertyName, String, code: String)]
    {
        let names: [ObjectName: (PropertyName, PropertyName)] = [
            .deals: ("pipeline", "dealstage"), .tickets: ("hs_pipeline", "hs_pipeline_stage"),
        ]
        guard let (pipeline, stage) = names[object],
            values[pipeline] != nil || values[stage] != nil
        else { return [] }
        let all = try pipelineTable.pipelines(of: object)
        let known = [pipeline: all.map(\.id), stage: all.flatMap { $0.stages.map(\.id) }]
        return [pipeline, stage].compactMap { name in
            guard let value = values[name], !value.isEmpty, known[name]?.contains(value) == false
            else { return nil }
            return (name, "\(value) was not one of the allowed options", code: "INVALID_OPTION")
        }
    }

    /// The milliseconds since 1970 that are a moment (ECMA-262 §21.4.1.1).
    private static let moments =
        -8_640_000_000_000_000...8_640_000_000_000_000 as ClosedRange<Int64>

    /// The forms in which HubSpot takes a value besides its own: moments in milliseconds, and what
    /// is to be added to a set behind a leading semicolon.
    private static func adapted(_ text: String, _ property: PropertyDefinition, old: String)
        -> String
    {
        let number = Int64(text).flatMap { Self.moments.contains($0) ? $0 : nil }
        switch property.type {
        case .date:
            guard let number, text.count > 8 || number < 0 else { return text }
            return String(Timestamp(milliseconds: number).description.prefix(10))
        case .datetime: return number.map { Timestamp(milliseconds: $0).description } ?? text
        case .multiEnumeration where text.hasPrefix(";"): return old + text
        default: return text
        }
    }

    /// A lifecycle stage only moves down the funnel, unless it is cleared first: HubSpot leaves a
    /// value as it is that would take it back.
    private func forward(_ values: Values, of object: ObjectName, old: Values) -> Values {
        let name: PropertyName = "lifecyclestage"
        guard let new = values[name], !new.isEmpty, let before = old[name],
            let stages = schema.objects[object]?[name]?.options.map(\.value),
            let place = stages.firstIndex(of: new), let known = stages.firstIndex(of: before),
            place < known
        else { return values }
        return values.filter { $0.key != name }
    }

    /// Finds a record by its id, or by the value of a property that is unique.
    ///
    /// - Returns: `nil` if there is none; also for one in the bin, unless `isArchived`.
    /// - Throws: ``APIError`` if the property is not unique.
    func find(
        _ text: String, by idProperty: String?, in object: ObjectName, isArchived: Bool = false
    ) throws -> CRMRecord? {
        guard let idProperty, idProperty != "hs_object_id" else {
            guard let number = Int64(text) else { return nil }
            let record = try reader.record(try reader.current(RecordID(number)))
            guard let record, record.object == object else { return nil }
            return (record.archivedAt != nil) == isArchived ? record : nil
        }
        guard let key = try key(text, by: idProperty, in: object) else { return nil }
        guard let id = try reader.owners(of: [key], in: object)[key]?.min() else { return nil }
        return try reader.record(id)
    }

    /// Finds a record in the bin, where it has no keys: by its id, or by looking at each.
    func binned(_ text: String, by idProperty: String?, in object: ObjectName) throws -> CRMRecord?
    {
        guard let idProperty, idProperty != "hs_object_id" else {
            return try find(text, by: nil, in: object, isArchived: true)
        }
        let name = PropertyName(idProperty)
        var last = RecordID(0)
        while case let batch = try reader.records(
            of: object, after: last, limit: 500, areArchived: true), let end = batch.last
        {
            let found = batch.first { $0.value(name)?.lowercased() == text.trimmed.lowercased() }
            if let found { return found }
            last = end.id
        }
        return nil
    }

    private func key(_ text: String, by idProperty: String, in object: ObjectName) throws
        -> MatchKey?
    {
        let property = try schema.property(PropertyName(idProperty), of: object)
        if property.isUnique {
            let value = Self.adapted(text, property, old: "")
            return MatchKey.unique(try property.accepted(value), by: property.name)
        }
        guard object == .contacts, property.name == "email" else {
            throw APIError.invalid(
                "`\(idProperty)` of \(object) is not unique; idProperty takes email for contacts, or a "
                    + "property with unique values")
        }
        return MatchKey(kind: MatchKey.email, value: text.trimmed.lowercased())
    }

    /// Makes a record with its associations.
    func create(_ input: CreateInput, in object: ObjectName) throws -> CRMRecord {
        var values = try values(input.properties, of: object)
        values = values.filter { !$0.value.isEmpty }
        let required = schema.definitions[object]?.requiredProperties ?? []
        let missing = required.filter { values[$0] == nil }
        if !missing.isEmpty {
            throw APIError.values(
                missing.map {
                    ($0, "Required property is missing", code: "REQUIRED_PROPERTY_MISSING")
                })
        }
        let record = try writer.create(object, values)
        for association in input.associations ?? [] {
            try associate(record.id, with: association)
        }
        if object == .contacts, call.query.flag("marketing") {
            guard token.scopes.contains(Token.marketing) else {
                throw APIError.missingScopes([Token.marketing])
            }
            _ = try writer.setMarketing([record.id], to: true, server.rules.marketing)
        }
        return try reader.record(record.id) ?? record
    }

    private func associate(_ id: RecordID, with input: AssociationInput) throws {
        guard let number = Int64(input.to.id.text), try reader.record(RecordID(number)) != nil
        else {
            throw APIError.notFound(
                "The record \(input.to.id.text) to associate with does not exist",
                ["id": [input.to.id.text]])
        }
        let labels = input.types.map { Set($0.map(\.associationTypeId)) }
        try associate(id, RecordID(number), labels)
    }

    /// Associates two records; the plain type alone is like naming none for two that were strangers,
    /// so that the first company of a record becomes its primary one.
    func associate(_ one: RecordID, _ other: RecordID, _ labels: Set<Int64>?) throws {
        var labels = labels
        if let wanted = labels {
            let pair = try [one, other].compactMap { try reader.record($0)?.object }
            let plain =
                pair.count == 2
                ? try reader.associationTypes(from: pair[0], to: pair[1]).first?.id : nil
            let strangers = try reader.types(from: one, to: other).isEmpty
            if strangers && wanted.isSubset(of: Set([plain].compactMap(\.self))) { labels = nil }
        }
        try writer.associate(one, other, labels: labels)
    }
}
