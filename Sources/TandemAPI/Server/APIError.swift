import HTTPTypes
import TandemCRM
import TandemDatabase
import TandemModel

/// An answer that says why a request was refused, in the form HubSpot's clients read
/// (guide "Error handling", 2026).
struct APIError: Error {
    let status: HTTPResponse.Status
    /// `VALIDATION_ERROR`, `CONFLICT` and so on; HubSpot leaves it out of some answers.
    let category: String?
    let message: String
    var subCategory: String?
    var details: [Detail] = []
    var context: [String: [String]]?
    var links: [String: String]?
    /// The rate limit that was broken.
    var policy: String?
    /// Seconds after which the same request may pass.
    var retryAfter: Int64?

    struct Detail: Encodable {
        let message: String
        let code: String?
        var context: [String: [String]]?
    }

    init(_ status: HTTPResponse.Status, _ category: String?, _ message: String) {
        self.status = status
        self.category = category
        self.message = message
    }

    /// What was asked for makes no sense; nothing was changed.
    static func invalid(_ message: String) -> Self {
        Self(.badRequest, "VALIDATION_ERROR", message)
    }

    static func notFound(_ message: String, _ context: [String: [String]]? = nil) -> Self {
        var error = Self(.notFound, "OBJECT_NOT_FOUND", message)
        error.context = context
        return error
    }

    /// A record that is not there: HubSpot answers ids that are no numbers otherwise.
    static func noRecord(_ id: String) -> Self {
        if Int64(id) != nil { return Self(.notFound, nil, "resource not found") }
        return notFound("Object not found.  objectId are usually numeric.", ["id": [id]])
    }

    /// The token may not do this, or this store has no such area.
    static func missingScopes(_ scopes: [String]) -> Self {
        var error = Self(
            .forbidden, "MISSING_SCOPES",
            "This app hasn't been granted all required scopes to make this call.")
        error.details = [
            Detail(
                message: "One or more of the following scopes are required.", code: nil,
                context: ["requiredGranularScopes": scopes])
        ]
        error.links = ["scopes": "https://developers.hubspot.com/scopes"]
        return error
    }

    static let unauthenticated = Self(
        .unauthorized, "INVALID_AUTHENTICATION",
        "Authentication credentials not found. This API supports OAuth 2.0 authentication with the "
            + "header `Authorization: Bearer TOKEN`; `tandem token create` makes a token.")

    /// Values that do not fit, each with its property.
    static func values(_ problems: [(PropertyName, String, code: String)]) -> Self {
        struct Problem: Encodable {
            let isValid = false
            let message: String
            let error: String
            let name: String

            enum CodingKeys: String, CodingKey {
                case isValid, message, error, name
            }
        }
        let list = problems.map { Problem(message: $1, error: $2, name: $0.text) }
        var error = invalid("Property values were not valid: \(APIJSON.text(list))")
        error.details = problems.map { name, message, code in
            Detail(message: message, code: code, context: ["propertyName": [name.text]])
        }
        return error
    }
}

extension APIError {
    /// What the store's refusal is in HubSpot's words.
    init(_ error: CRMError) {
        switch error {
        case .unknownObject(let name, _):
            self = .invalid("Unable to infer object type from: \(name)")
        case .unknownProperty(let name, _, _):
            self = .values([
                (name, "Property \"\(name)\" does not exist", code: "PROPERTY_DOESNT_EXIST")
            ])
        case .readOnly(let name):
            self = .values([
                (
                    name, "\"\(name)\" is a read only property; its value cannot be set.",
                    code: "READ_ONLY_VALUE"
                )
            ])
        case .invalidValue(let name, let value, let expected):
            let code =
                name == "email"
                ? "INVALID_EMAIL"
                : expected.hasPrefix("one of")
                    ? "INVALID_OPTION"
                    : expected.contains("number") ? "INVALID_INTEGER" : "INVALID_VALUE"
            self = .values([(name, "\(value) was not a valid value: \(expected).", code: code)])
        case .duplicateEmail(_, let id):
            self.init(.conflict, "CONFLICT", "Contact already exists. Existing ID: \(id)")
        case .duplicateValue(let name, let value, let id):
            self.init(
                .conflict, "CONFLICT",
                "\(name) `\(value)` already exists. Existing ID: \(id)")
        case .notFound(_, let text): self = .noRecord(text)
        case .archived(let id): self = .noRecord(id.description)
        case .notArchived, .badName, .standardObject, .cannotMerge, .cannotUnmerge, .limit,
            .blocked, .unknownAssociationType, .tooManyAssociations:
            self = .invalid(error.description)
        case .alreadyExists:
            self.init(.conflict, "OBJECT_ALREADY_EXISTS", error.description)
        }
    }

    init(_ failure: DatabaseFailure) {
        switch failure.kind {
        case .busy:
            self.init(
                HTTPResponse.Status(code: 423), "LOCKED",
                "the store is busy with another change; try again in two seconds")
        case .full:
            self.init(
                HTTPResponse.Status(code: 507), "INTERNAL_ERROR",
                "the disk of the store is full; nothing was changed")
        case .tooSlow:
            self.init(
                HTTPResponse.Status(code: 504), "TIMEOUT",
                "the request took longer than \(Int(Backend.readLimit)) s and was ended; ask for less, "
                    + "or have `tandem crm properties OBJECT --index NAME` make an index")
        case .constraint, .failed, .replaced: self = .internalError
        }
    }

    /// The reason is in the log, under the request's correlation id.
    static let internalError = Self(
        .internalServerError, "INTERNAL_ERROR",
        "the request failed; the log of `tandem serve` says why, under this correlation id")

    /// The body of the answer.
    func body(correlationID: String) -> Body {
        Body(
            status: "error", message: message, correlationId: correlationID, category: category,
            subCategory: subCategory, errors: details.isEmpty ? nil : details, context: context,
            links: links, errorType: policy.map { _ in "RATE_LIMIT" }, policyName: policy,
            requestId: policy.map { _ in correlationID })
    }

    struct Body: Encodable {
        let status: String
        let message: String
        let correlationId: String
        let category: String?
        let subCategory: String?
        let errors: [Detail]?
        let context: [String: [String]]?
        let links: [String: String]?
        let errorType: String?
        let policyName: String?
        let requestId: String?
    }
}

extension APIError {
    /// Too many requests of one token; the wait is in whole seconds.
    static func tooMany(_ policy: String, _ seconds: Int64?) -> Self {
        var error = Self(
            .tooManyRequests, "RATE_LIMITS", "You have reached your \(policy.lowercased()) limit.")
        error.policy = policy
        error.retryAfter = seconds
        return error
    }
}
