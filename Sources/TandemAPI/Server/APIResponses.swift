import HTTPTypes
import Hummingbird
import NIOCore

/// How answers look on the wire.
extension APIServer {
    func response(
        _ answer: APIResponse, _ left: RateGate.Left?, _ endpoint: Endpoint, _ id: String
    ) throws -> Response {
        var headers = headers(left, endpoint, id)
        guard let body = answer.body else {
            return Response(status: answer.status, headers: headers)
        }
        headers[.contentType] = Self.json
        return Response(
            status: answer.status, headers: headers,
            body: .init(byteBuffer: ByteBuffer(bytes: try APIJSON.data(body))))
    }

    func response(
        _ error: APIError, _ left: RateGate.Left?, _ endpoint: Endpoint?, _ id: String
    ) -> Response {
        var headers = headers(left, endpoint, id)
        headers[.contentType] = Self.json
        if let seconds = error.retryAfter { headers[.retryAfter] = "\(seconds)" }
        let body = APIJSON.text(error.body(correlationID: id))
        return Response(
            status: error.status, headers: headers,
            body: .init(byteBuffer: ByteBuffer(string: body)))
    }

    /// Exactly so, without a blank: Airbyte compares the whole text.
    private static let json = "application/json;charset=utf-8"

    private func headers(_ left: RateGate.Left?, _ endpoint: Endpoint?, _ id: String) -> HTTPFields
    {
        var headers = HTTPFields()
        headers[.correlationID] = id
        guard let left, endpoint?.isSearch != true else { return headers }
        headers[.rateMax] = "\(rate.limits.perTenSeconds)"
        headers[.rateRemaining] = "\(left.inWindow)"
        headers[.rateInterval] = "10000"
        if let daily = rate.limits.perDay, let today = left.inDay {
            headers[.rateDaily] = "\(daily)"
            headers[.rateDailyRemaining] = "\(today)"
        }
        return headers
    }
}

extension HTTPField.Name {
    private static func named(_ text: String) -> Self { Self(text) ?? .contentType }
    static let forwardedProto = named("X-Forwarded-Proto")
    fileprivate static let correlationID = named("x-hubspot-correlation-id")
    fileprivate static let rateMax = named("X-HubSpot-RateLimit-Max")
    fileprivate static let rateRemaining = named("X-HubSpot-RateLimit-Remaining")
    fileprivate static let rateInterval = named("X-HubSpot-RateLimit-Interval-Milliseconds")
    fileprivate static let rateDaily = named("X-HubSpot-RateLimit-Daily")
    fileprivate static let rateDailyRemaining = named("X-HubSpot-RateLimit-Daily-Remaining")
}

/// Answers what no endpoint takes.
struct Fallback: RouterMiddleware {
    let server: APIServer

    @concurrent
    func handle(
        _ request: Request, context: CallContext,
        next: @concurrent (Request, CallContext) async throws -> Response
    ) async throws -> Response {
        do { return try await next(request, context) } catch {
            let refusal = Self.refusal(request.uri.path)
            return server.response(refusal, nil, nil, server.correlationID())
        }
    }

    /// An area of HubSpot that this store lacks is a matter of scopes: connectors then skip it, where
    /// any other answer would end their run.
    private static func refusal(_ path: String) -> APIError {
        let parts = path.split(separator: "/").map(String.init)
        let methods = Endpoint.all.filter { $0.takes(parts) }.map(\.method.rawValue)
        if !methods.isEmpty {
            let known = Set(methods).sorted().joined(separator: ", ")
            return APIError(.methodNotAllowed, nil, "\(path) takes \(known)")
        }
        let area = parts.first ?? ""
        return areas.contains(area)
            ? .missingScopes([area]) : APIError(.notFound, nil, "no endpoint is at \(path)")
    }

    private static let areas: Set<String> = [
        "analytics", "automation", "blogs", "broadcast", "business-units", "calling", "cms",
        "communication-preferences", "companies", "contacts", "content", "conversations",
        "cosemail",
        "crm", "crm-associations", "crm-objects", "crm-pipelines", "deals", "email",
        "email-templates", "engagements", "events", "extensions", "feedback", "filemanager",
        "files", "form-integrations", "forms", "hubdb", "integrations", "marketing",
        "marketing-emails", "media-bridge", "oauth", "owners", "properties", "reports",
        "scheduler", "settings", "tickets", "users", "webhooks", "workflows",
    ]
}
