import HTTPTypes
import Synchronization
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

/// What a token must be allowed for an endpoint.
enum RequiredScope: Sendable {
    /// The records of the object that the path names under `object`.
    case records(Access)
    /// The properties and schemas of that object.
    case schema(Access)
    /// Exactly this scope.
    case scope(String)
    /// The custom object that the path names, which may not be there.
    case definition(Access)
    /// Any valid token.
    case token
    /// No token: the request carries what it asks about.
    case nothing

    enum Access: String, Sendable {
        case read, write
    }
}

extension RequiredScope {
    /// The scopes of which a token needs one; none if any token will do.
    func scopes(_ call: APIRequest, _ session: Session) throws -> [String] {
        switch self {
        case .token, .nothing: return []
        case .definition(let access):
            let name = call.parameter("object")
            guard session.schema.object(named: name) != nil else {
                throw APIError.notFound(
                    "Object type \(name) does not exist", ["objectType": [name]])
            }
            return try scopes("crm.schemas", access, call, session)
        case .scope(let scope): return [scope]
        case .records(let access): return try scopes("crm.objects", access, call, session)
        case .schema(let access): return try scopes("crm.schemas", access, call, session)
        }
    }

    private func scopes(_ area: String, _ access: Access, _ call: APIRequest, _ session: Session)
        throws
        -> [String]
    {
        let object = try session.object(call.parameter("object"))
        return access.scopes(area, object, session.schema)
    }
}

extension RequiredScope.Access {
    /// The scopes of which one lets a token at an object; who may write may read.
    func scopes(_ area: String, _ object: ObjectName, _ schema: CRMSchema) -> [String] {
        let isCustom = schema.definitions[object]?.isCustom ?? true
        let ways = self == .read ? ["read", "write"] : ["write"]
        return ways.map { "\(area).\(isCustom ? "custom" : object.text).\($0)" }
    }
}

extension EndpointContext {
    /// - Throws: ``APIError`` if the token may not read, or write, the records of an object.
    func require(_ access: RequiredScope.Access, of object: ObjectName) throws {
        let scopes = access.scopes("crm.objects", object, schema)
        if token.scopes.isDisjoint(with: scopes) { throw APIError.missingScopes([scopes[0]]) }
    }
}

/// Counts requests of each token against its limits (guide "API usage", 2026).
final class RateGate: Sendable {
    /// What there is within ten seconds, and within a day; `nil` for any number.
    struct Limits: Sendable {
        let perTenSeconds: Int
        let perDay: Int?
    }

    let limits: Limits
    private let windows = Mutex<[Int64: Window]>([:])

    private struct Window {
        var start: Int64
        var count: Int
        var day: Int64
        var dayCount: Int
    }

    /// What a token has left.
    struct Left: Sendable {
        let inWindow: Int
        let inDay: Int?
        /// The policy that was broken, with the seconds until it is whole again if they are few.
        let broken: (policy: String, seconds: Int64?)?
    }

    init(_ limits: Limits) { self.limits = limits }

    func count(_ token: Int64, at now: Timestamp) -> Left {
        windows.withLock { windows in
            let start = now.milliseconds / 10_000
            let day = now.milliseconds / 86_400_000
            var window = windows[token] ?? Window(start: start, count: 0, day: day, dayCount: 0)
            if window.start != start { (window.start, window.count) = (start, 0) }
            if window.day != day { (window.day, window.dayCount) = (day, 0) }
            let left = limits.perTenSeconds - window.count - 1
            let leftToday = limits.perDay.map { $0 - window.dayCount - 1 }
            let broken: (String, Int64?)? =
                if let leftToday, leftToday < 0 {
                    // Clients sleep as long as they are told to; a day is too long for that.
                    ("DAILY", nil)
                } else if left < 0 {
                    ("TEN_SECONDLY_ROLLING", 10 - now.milliseconds / 1_000 % 10)
                } else {
                    nil
                }
            // What is refused costs nothing.
            window.count += broken == nil ? 1 : 0
            window.dayCount += broken == nil ? 1 : 0
            windows[token] = window
            return Left(inWindow: max(0, left), inDay: leftToday.map { max(0, $0) }, broken: broken)
        }
    }

    /// How many requests a token made today.
    func today(_ token: Int64, at now: Timestamp) -> Int {
        windows.withLock { windows in
            guard let window = windows[token], window.day == now.milliseconds / 86_400_000 else {
                return 0
            }
            return window.dayCount
        }
    }
}
