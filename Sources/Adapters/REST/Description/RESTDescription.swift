package import TandemModel
import TandemSupport

/// How an app is reached over HTTP with JSON, as its `app.yaml` says it (Docs/rest.md).
///
/// Texts are templates: `{name}` stands for a variable of the connection or of the call. Places in
/// answers are JSON Pointers (RFC 6901).
package struct RESTDescription: Hashable, Sendable {
    package var title: String
    /// What the app is.
    package var summary: String
    package var evidence: Evidence
    package var variables: [Variable] = []
    /// What the paths of calls follow on; `{base}` in it is what the app named with the token.
    package var root = "{url}"
    /// Shown to the connection's own host and to no other; `{access}` is the token.
    package var headers: [String: String] = [:]
    /// Parameters that each request has in its query, for apps that look for a key there.
    package var query: [String: String] = [:]
    /// Name and password of Basic authentication (RFC 7617); templates.
    package var basic: Basic?
    package var oauth: OAuthDescription?
    package var session: Session?
    /// Asked to know whose account this is.
    package var account: Call
    package var accountID: String
    /// What only an answer has that says no, whatever its status is.
    package var failure: Mark?
    /// Where the text of an error may be; the first that is there holds.
    package var messages: [String]
    /// The first rule that fits says what an error means.
    package var errors: [ErrorRule] = []
    package var limits = Limits()
    /// By the name that a mapping has as `app-object`; `*` is any other.
    package var objects: [String: Object] = [:]

    package init(
        title: String, summary: String, evidence: Evidence, account: Call, accountID: String,
        messages: [String]
    ) {
        self.title = title
        self.summary = summary
        self.evidence = evidence
        self.account = account
        self.accountID = accountID
        self.messages = messages
    }

    /// What the description was held to.
    package enum Evidence: String, Hashable, Sendable, CaseIterable {
        case server, documents

        package var words: String {
            switch self {
            case .server: "tested against a real server"
            case .documents: "from the vendor's documents"
            }
        }
    }

    /// A login that yields what the other calls show, as `{access}`.
    package struct Session: Hashable, Sendable {
        package let call: Call
        /// Where it is in the answer.
        package let access: String

        package init(call: Call, access: String) {
            self.call = call
            self.access = access
        }
    }

    /// What a user says of a connection, with the default of what may be left out.
    package struct Variable: Hashable, Sendable {
        package let name: String
        package let isRequired: Bool
        package let fallback: String?
        /// Nobody may see it.
        package let isSecret: Bool

        package init(name: String, isRequired: Bool, fallback: String?, isSecret: Bool) {
            self.name = name
            self.isRequired = isRequired
            self.fallback = fallback
            self.isSecret = isSecret
        }
    }

    package struct Basic: Hashable, Sendable {
        package let username: String
        package let password: String

        package init(username: String, password: String) {
            self.username = username
            self.password = password
        }
    }

    /// How much of it the app lets one account have.
    package struct Limits: Hashable, Sendable {
        /// Requests in flight.
        package var concurrency = 4
        /// All hold at once.
        package var windows: [WindowRule] = []
        /// The header that says how much is left of a window, and the one with the seconds to its
        /// end.
        package var remaining: String?
        package var reset: String?

        package init() {}
    }

    /// How much within a time, where a connection may say how much; a template.
    package struct WindowRule: Hashable, Sendable {
        /// A number, or a template that the connection makes one of.
        package let amount: String
        package let counts: Window.Counts
        package let seconds: Int64
        /// The amounts that are possible.
        package static let amounts = 1...100_000_000

        package init(amount: String, counts: Window.Counts, seconds: Int64) {
            self.amount = amount
            self.counts = counts
            self.seconds = seconds
        }

        /// `nil` if what the connection says is none of ``amounts``.
        package func filled(_ variables: [String: String]) -> Window? {
            guard let limit = Int(amount.filling { variables[$0] }), Self.amounts.contains(limit)
            else { return nil }
            return Window(limit, counts, seconds: seconds)
        }
    }

    /// So many requests, or points, within any time of so many seconds.
    package struct Window: Hashable, Sendable {
        package let limit: Int
        package let counts: Counts
        package let seconds: Int64

        package enum Counts: String, Hashable, Sendable, CaseIterable {
            case requests
            /// What each request costs.
            case points
        }

        package init(_ limit: Int, _ counts: Counts = .requests, seconds: Int64) {
            self.limit = limit
            self.counts = counts
            self.seconds = seconds
        }

        /// What a request counts whose call has this cost.
        func count(of cost: Int) -> Int { counts == .points ? cost : 1 }
    }

    /// One request.
    package struct Call: Hashable, Sendable {
        package let method: String
        /// From ``RESTDescription/root`` on, with the query.
        package let path: String
        package let headers: [String: String]
        package let body: Template?
        /// Where a single record is in the answer; the answer itself if empty.
        package var record = ""
        /// Where the id is in it, of a create; where it is in every record if `nil`.
        package var id: String?
        /// The header that names the new record's address, of a create whose answer may have no record.
        package var idHeader: String?
        /// How many points of the limits one request uses.
        package var cost = 1

        package init(method: String, path: String, headers: [String: String], body: Template?) {
            self.method = method
            self.path = path
            self.headers = headers
            self.body = body
        }
    }

    /// What an answer means that is no success.
    package struct ErrorRule: Hashable, Sendable {
        /// `nil` for any.
        package let status: Int?
        /// Where a code may be, and what it must be; `nil` for any.
        package let code: Code?
        /// What the text of the error must have in it, without case; `nil` for any.
        package let words: String?
        package let meaning: Meaning
        /// Where the id of the record in the way may be: places of the answer, or ``lastWord``.
        package var others: [String] = []
        package static let lastWord = "last-word"

        package struct Code: Hashable, Sendable {
            package let places: [String]
            package let values: [String]

            package init(places: [String], values: [String]) {
                self.places = places
                self.values = values
            }
        }

        package enum Meaning: Hashable, Sendable {
            case category(FailureCategory)
            case known(Known)
        }

        /// What is no failure, but an answer of its own.
        package enum Known: String, Hashable, Sendable, CaseIterable {
            /// There is no such record.
            case gone
            /// The record is not at the version that the write names.
            case conflict
            case cursorExpired = "cursor-expired"
            /// The token or session counts no more.
            case accessExpired = "access-expired"
        }

        package init(status: Int?, code: Code?, words: String?, meaning: Meaning) {
            self.status = status
            self.code = code
            self.words = words
            self.meaning = meaning
        }
    }
}
