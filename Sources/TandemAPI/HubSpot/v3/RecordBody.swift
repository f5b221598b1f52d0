import TandemCRM
import TandemModel
import TandemSupport

/// What of a record is wanted.
struct Selection: Sendable {
    let properties: [PropertyName]
    let history: [PropertyName]
    let associations: [ObjectName]

    /// What is shown of a record of which nothing special is wanted (guide "CRM objects", 2026).
    private static let usual: [ObjectName: [PropertyName]] = [
        .contacts: ["email", "firstname", "lastname"], .companies: ["name", "domain"],
        .deals: ["dealname", "amount", "closedate", "pipeline", "dealstage"],
        .tickets: [
            "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category",
            "hs_ticket_priority", "subject",
        ],
        .products: ["name", "price", "hs_sku"],
    ]

    /// Names that are unknown are left out, as HubSpot does; those of bookkeeping are always there.
    init(
        _ properties: [String], history: [String] = [], associations: [ObjectName] = [],
        of object: ObjectName, _ schema: CRMSchema
    ) {
        let known = schema.objects[object] ?? [:]
        func existing(_ names: [String]) -> [PropertyName] {
            names.map { PropertyName($0) }.filter {
                known[$0]?.archivedAt == nil && known[$0] != nil
            }
        }
        let modified: PropertyName =
            object == .contacts ? "lastmodifieddate" : "hs_lastmodifieddate"
        let named = properties.isEmpty ? Self.usual[object] ?? [] : existing(properties)
        self.properties = named + ["createdate", "hs_object_id", modified]
        self.history = existing(history)
        self.associations = associations
    }
}

/// A record as HubSpot's clients read it.
struct RecordBody: Encodable, Sendable {
    let id: String
    /// Null for a property without a value.
    let properties: [String: String?]
    var propertiesWithHistory: [String: [HistoryBody]]?
    let createdAt: String
    let updatedAt: String
    let archived: Bool
    let archivedAt: String?
    var associations: [String: ListBody<AssociatedBody>]?
    /// Only in the answer to an upsert: whether the record was made.
    var new: Bool?
    var objectWriteTraceId: String?

    struct HistoryBody: Encodable, Sendable {
        let value: String
        let timestamp: String
        let sourceType: String
        let sourceId: String?
    }

    struct AssociatedBody: Encodable, Sendable {
        let id: String
        let type: String
    }

    /// How many associated records of one object are shown with a record.
    private static let associationLimit = 500

    init(_ record: CRMRecord, _ selection: Selection, _ exchange: EndpointContext) throws {
        id = record.id.description
        var values: [String: String?] = [:]
        values.reserveCapacity(selection.properties.count)
        for name in selection.properties {
            values.updateValue(record.value(name), forKey: name.text)
        }
        properties = values
        createdAt = record.createdAt.description
        updatedAt = record.updatedAt.description
        archived = record.archivedAt != nil
        archivedAt = record.archivedAt?.description
        if !selection.history.isEmpty {
            propertiesWithHistory = try Self.history(of: record.id, selection.history, exchange)
        }
        if !selection.associations.isEmpty {
            associations = try Self.associations(of: record, selection.associations, exchange)
        }
    }

    private static func history(
        of id: RecordID, _ names: [PropertyName], _ exchange: EndpointContext
    ) throws -> [String: [HistoryBody]] {
        let changes = try exchange.reader.history(of: id)
        return names.reduce(into: [:]) { history, name in
            history[name.text] = changes.reversed().compactMap { change in
                change.patch[name].map { value in
                    let source = change.source
                    return HistoryBody(
                        value: value, timestamp: change.at.description, sourceType: source.type,
                        sourceId: source.id)
                }
            }
        }
    }

    private static func associations(
        of record: CRMRecord, _ objects: [ObjectName], _ exchange: EndpointContext
    ) throws -> [String: ListBody<AssociatedBody>] {
        var all: [String: ListBody<AssociatedBody>] = [:]
        for object in objects {
            let list = try exchange.reader.associations(
                of: record.id, to: object, limit: associationLimit + 1)
            if list.isEmpty { continue }
            let rows = list.prefix(associationLimit).flatMap { association in
                association.types.map { type in
                    AssociatedBody(
                        id: association.to.description, type: type.oldName(exchange.schema))
                }
            }
            var body = ListBody(rows)
            if list.count > associationLimit, let last = list.dropLast().last {
                body.paging = Paging(
                    after: last.to.description,
                    link: "\(exchange.call.base)/crm/v4/objects/\(record.object)/\(record.id)"
                        + "/associations/\(object)?after=\(last.to)&limit=\(associationLimit)")
            }
            all[object.text] = body
        }
        return all
    }
}

extension CRMChange {
    /// Who wrote it, in HubSpot's words.
    var source: (type: String, id: String?) {
        if kind == .merge { return ("MERGE_OBJECTS", nil) }
        let parts = origin.text.split(separator: ":", maxSplits: 1).map(String.init)
        let id = parts.count > 1 ? parts[1] : nil
        switch parts.first {
        case "user": return ("CRM_UI", nil)
        case "import": return ("IMPORT", nil)
        case "form": return ("FORM", nil)
        case "api": return ("API", id)
        case "sync": return ("INTEGRATION", id)
        default: return ("SYSTEM", nil)
        }
    }
}

extension AssociationType {
    /// The name that the third version of the API has for the type, such as `contact_to_company`.
    func oldName(_ schema: CRMSchema) -> String {
        func word(_ object: ObjectName) -> String {
            guard let definition = schema.definitions[object], !definition.isCustom else {
                return object.text
            }
            return definition.singular.lowercased()
        }
        let plain = "\(word(from))_to_\(word(to))"
        if isPrimary { return plain }
        let hasPrimary = Self.standard.contains { $0.from == from && $0.to == to && $0.isPrimary }
        guard let label else { return hasPrimary ? plain + "_unlabeled" : plain }
        if !isCustom { return label.lowercased().replacing(" ", with: "_") }
        return label
    }
}
