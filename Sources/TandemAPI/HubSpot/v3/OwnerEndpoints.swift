import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// `/crm/v3/owners`: whom records can belong to.
extension Endpoint {
    static let owners: [Endpoint] = [
        .read("/crm/v3/owners", .scope("crm.objects.owners.read"), listOwners),
        .read("/crm/v3/owners/:id", .scope("crm.objects.owners.read"), getOwner),
    ]

    private static func listOwners(_ exchange: EndpointContext) throws -> APIResponse {
        let query = exchange.call.query
        // Connectors ask for more than there can be on a page; they get a page.
        let limit = min(try query.number("limit", default: 100, in: 1...10_000), 500)
        let after = try query.cursor()
        let found = try OwnerTable(exchange.session.connection).owners(
            after: after, email: query["email"], areArchived: query.flag("archived"),
            limit: limit + 1)
        var body = ListBody(found.prefix(limit).map { OwnerBody($0) })
        if found.count > limit, let last = body.results.last?.id {
            body.paging = Paging(after: last, link: exchange.call.link(after: last))
        }
        return .ok(body)
    }

    private static func getOwner(_ exchange: EndpointContext) throws -> APIResponse {
        let id = exchange.call.parameter("id")
        let owner = try Int64(id).flatMap { try OwnerTable(exchange.session.connection).owner($0) }
        guard let owner, (owner.archivedAt != nil) == exchange.call.query.flag("archived") else {
            throw APIError.noRecord(id)
        }
        return .ok(OwnerBody(owner))
    }

    private struct OwnerBody: Encodable, Sendable {
        let id: String
        let email: String
        let type = "PERSON"
        let firstName: String
        let lastName: String
        let userId: Int64
        let userIdIncludingInactive: Int64
        let createdAt: String
        let updatedAt: String
        let archived: Bool

        enum CodingKeys: String, CodingKey {
            case id, email, type, firstName, lastName, userId, userIdIncludingInactive, createdAt
            case updatedAt, archived
        }

        init(_ owner: Owner) {
            id = "\(owner.id)"
            email = owner.email
            firstName = owner.firstName
            lastName = owner.lastName
            userId = owner.id
            userIdIncludingInactive = owner.id
            createdAt = owner.createdAt.description
            updatedAt = owner.updatedAt.description
            archived = owner.archivedAt != nil
        }
    }
}
