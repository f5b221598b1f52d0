import FoundationEssentials
import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// What the account and its tokens say of themselves.
extension Endpoint {
    static let account: [Endpoint] =
        [
            .read("/account-info/v3/details", .token, details),
            .read("/account-info/v3/api-usage/daily/private-apps", .token, usage),
            .read("/oauth/v1/access-tokens/:token", .nothing, describeToken),
            .read(
                .post, "/oauth/v2/private-apps/get/access-token-info", .token, describeKey),
        ] + oldListings

    private struct Details: Encodable, Sendable {
        let portalId: Int64
        let accountType = "STANDARD"
        let timeZone = "UTC"
        let companyCurrency = "USD"
        let additionalCurrencies: [String] = []
        let utcOffset = "+00:00"
        let utcOffsetMilliseconds = 0
        let uiDomain: String
        let dataHostingLocation = "local"

        enum CodingKeys: String, CodingKey {
            case portalId, accountType, timeZone, companyCurrency, additionalCurrencies, utcOffset
            case utcOffsetMilliseconds, uiDomain, dataHostingLocation
        }
    }

    private static func details(_ exchange: EndpointContext) throws -> APIResponse {
        .ok(
            Details(
                portalId: exchange.account,
                uiDomain: String(exchange.call.base.split(separator: "/").last ?? "")))
    }

    private struct UsageRow: Encodable, Sendable {
        let name = "private-apps-api-calls-daily"
        let usageLimit: Int?
        let currentUsage: Int
        let collectedAt: String
        let fetchStatus = "SUCCESS"

        enum CodingKeys: String, CodingKey {
            case name, usageLimit, currentUsage, collectedAt, fetchStatus
        }
    }

    private static func usage(_ exchange: EndpointContext) throws -> APIResponse {
        let server = exchange.server
        let now = exchange.session.now
        return .ok(
            ListBody([
                UsageRow(
                    usageLimit: server.settings.dailyLimit,
                    currentUsage: server.rate.today(exchange.token.id, at: now),
                    collectedAt: now.description)
            ]))
    }

    private struct TokenBody: Encodable, Sendable {
        let token: String
        let user: String
        let hubDomain = "tandem"
        let scopes: [String]
        let hubID: Int64
        let appID: Int64
        let expiresIn = 86_400
        let userID: Int64
        let tokenType = "access"

        enum CodingKeys: String, CodingKey {
            case token, user, scopes
            case hubDomain = "hub_domain"
            case hubID = "hub_id"
            case appID = "app_id"
            case expiresIn = "expires_in"
            case userID = "user_id"
            case tokenType = "token_type"
        }
    }

    private static func describeToken(_ exchange: EndpointContext) throws -> APIResponse {
        let text = exchange.call.parameter("token")
        guard let token = try TokenTable(exchange.session.connection).token(text) else {
            throw APIError.notFound("the access token does not exist or is revoked")
        }
        return .ok(
            TokenBody(
                token: text, user: token.name, scopes: token.scopes.sorted(),
                hubID: exchange.account,
                appID: token.id,
                userID: token.id))
    }

    private struct KeyInput: Decodable {
        let tokenKey: String
    }

    private struct KeyBody: Encodable, Sendable {
        let userId: Int64
        let hubId: Int64
        let appId: Int64
        let scopes: [String]

        enum CodingKeys: String, CodingKey {
            case userId, hubId, appId, scopes
        }
    }

    private static func describeKey(_ exchange: EndpointContext) throws -> APIResponse {
        let input = try exchange.call.input(KeyInput.self)
        guard let token = try TokenTable(exchange.session.connection).token(input.tokenKey) else {
            throw APIError.notFound("the access token does not exist or is revoked")
        }
        return .ok(
            KeyBody(
                userId: token.id, hubId: exchange.account, appId: token.id,
                scopes: token.scopes.sorted()))
    }
}
