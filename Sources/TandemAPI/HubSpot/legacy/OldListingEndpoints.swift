import FoundationEssentials
import HTTPTypes
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// The first and second versions of the API as far as Singer's tap for HubSpot still reads them:
/// companies and deals in pages, and the pipelines of deals.
extension Endpoint {
    static let oldListings: [Endpoint] = [
        .read("/companies/v2/properties", .token) { exchange in
            .ok(try exchange.properties(of: .companies))
        },
        .read("/companies/v2/companies/paged", .scope("crm.objects.companies.read"), pageCompanies),
        .read("/companies/v2/companies/:id", .scope("crm.objects.companies.read"), getCompany),
        .read("/deals/v1/deal/paged", .scope("crm.objects.deals.read"), pageDeals),
        .read("/deals/v1/pipelines", .scope("crm.objects.deals.read"), oldPipelines),
    ]

    private struct CompanyPage: Encodable, Sendable {
        let companies: [OldRecord]
        let hasMore: Bool
        let offset: Int64

        enum CodingKeys: String, CodingKey {
            case companies, offset
            case hasMore = "has-more"
        }
    }

    private static func pageCompanies(_ exchange: EndpointContext) throws -> APIResponse {
        let names = exchange.call.query.list("properties").map { PropertyName($0) }
        let (records, offset) = try page(exchange, .companies, most: 250)
        return .ok(
            CompanyPage(
                companies: try records.map {
                    try OldRecord($0, names, "companyId", nil, exchange)
                }, hasMore: offset != nil, offset: offset ?? 0))
    }

    private static func getCompany(_ exchange: EndpointContext) throws -> APIResponse {
        let record = try exchange.record("id", in: .companies)
        let all = try exchange.schema.properties(of: .companies).keys.sorted()
        return .ok(try OldRecord(record, all, "companyId", nil, exchange))
    }

    private struct DealPage: Encodable, Sendable {
        let deals: [OldRecord]
        let hasMore: Bool
        let offset: Int64
    }

    private static func pageDeals(_ exchange: EndpointContext) throws -> APIResponse {
        let query = exchange.call.query
        let names =
            query.flag("includeAllProperties")
            ? try exchange.schema.properties(of: .deals).keys.sorted()
            : query.list("properties").map { PropertyName($0) }
        let (records, offset) = try page(exchange, .deals, most: 250)
        let deals = try records.map { record in
            let others =
                query.flag("includeAssociations")
                ? try OldRecord.Associations(of: record.id, exchange) : nil
            return try OldRecord(record, names, "dealId", others, exchange)
        }
        return .ok(DealPage(deals: deals, hasMore: offset != nil, offset: offset ?? 0))
    }

    /// A page, and the offset of the next one if there is one.
    private static func page(_ exchange: EndpointContext, _ object: ObjectName, most: Int) throws
        -> ([CRMRecord], Int64?)
    {
        let limit = try exchange.call.query.number("limit", default: 100, in: 1...most)
        let offset = Int64(exchange.call.query["offset"] ?? "0") ?? 0
        let found = try exchange.reader.records(
            of: object, after: RecordID(offset), limit: limit + 1)
        let page = Array(found.prefix(limit))
        return (page, found.count > limit ? page.last?.id.number : nil)
    }

    private struct OldPipeline: Encodable, Sendable {
        let pipelineId: String
        let label: String
        let active = true
        let displayOrder: Int64
        let staticDefault: Bool
        let stages: [OldStage]

        enum CodingKeys: String, CodingKey {
            case pipelineId, label, active, displayOrder, staticDefault, stages
        }
    }

    private struct OldStage: Encodable, Sendable {
        let stageId: String
        let label: String
        let probability: Double
        let active = true
        let displayOrder: Int64
        let closedWon: Bool

        enum CodingKeys: String, CodingKey {
            case stageId, label, probability, active, displayOrder, closedWon
        }
    }

    private static func oldPipelines(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(
            try exchange.pipelineTable.pipelines(of: .deals).map { pipeline in
                OldPipeline(
                    pipelineId: pipeline.id, label: pipeline.label,
                    displayOrder: pipeline.displayOrder, staticDefault: pipeline.id == "default",
                    stages: pipeline.stages.map { stage in
                        let probability = Double(stage.metadata["probability"] ?? "") ?? 0
                        return OldStage(
                            stageId: stage.id, label: stage.label, probability: probability,
                            displayOrder: stage.displayOrder, closedWon: probability == 1)
                    })
            })
    }
}

/// A record as the old versions show it: each value with its time and source.
struct OldRecord: Encodable, Sendable {
    let id: Int64
    let idName: String
    let account: Int64
    let associations: Associations?
    let properties: [String: Value]

    struct Value: Encodable, Sendable {
        let value: String
        /// Milliseconds since 1970.
        let timestamp: Int64
        let source: String
        let sourceId: String?
        let versions: [Version]

        struct Version: Encodable, Sendable {
            let name: String
            let value: String
            let timestamp: Int64
            let source: String
            let sourceVid: [Int64] = []

            enum CodingKeys: String, CodingKey {
                case name, value, timestamp, source, sourceVid
            }
        }
    }

    struct Associations: Encodable, Sendable {
        let associatedVids: [Int64]
        let associatedCompanyIds: [Int64]
        let associatedDealIds: [Int64]

        init(of id: RecordID, _ exchange: EndpointContext) throws {
            func ids(_ object: ObjectName) throws -> [Int64] {
                try exchange.require(.read, of: object)
                return try exchange.reader.associations(of: id, to: object, limit: 1_000).map(
                    \.to.number)
            }
            associatedVids = try ids(.contacts)
            associatedCompanyIds = try ids(.companies)
            associatedDealIds = try ids(.deals)
        }
    }

    init(
        _ record: CRMRecord, _ names: [PropertyName], _ idName: String,
        _ associations: Associations?, _ exchange: EndpointContext
    ) throws {
        id = record.id.number
        self.idName = idName
        account = exchange.account
        self.associations = associations
        let known = try exchange.schema.properties(of: record.object)
        let changes = try exchange.reader.history(of: record.id)
        var values: [String: Value] = [:]
        for name in names {
            guard let property = known[name], let value = record.value(name) else { continue }
            let last = changes.last { $0.patch[name] != nil }
            // Moments are milliseconds here.
            let isMoment = [.date, .datetime].contains(property.type)
            let text = isMoment ? Sortable.milliseconds(value).map(String.init) ?? value : value
            let at = last?.at ?? (name == "createdate" ? record.createdAt : record.updatedAt)
            let source = last?.source ?? (type: "CALCULATED", id: nil)
            values[name.text] = Value(
                value: text, timestamp: at.milliseconds, source: source.type, sourceId: source.id,
                versions: [
                    .init(
                        name: name.text, value: text, timestamp: at.milliseconds,
                        source: source.type)
                ])
        }
        properties = values
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }
        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    func encode(to encoder: any Encoder) throws {
        var keys = encoder.container(keyedBy: Key.self)
        try keys.encode(id, forKey: Key(idName))
        try keys.encode(account, forKey: Key("portalId"))
        try keys.encode(false, forKey: Key("isDeleted"))
        try keys.encodeIfPresent(associations, forKey: Key("associations"))
        try keys.encode(properties, forKey: Key("properties"))
    }
}
