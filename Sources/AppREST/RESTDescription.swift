package import TandemModel

/// How an app is reached over HTTP with JSON, as its `app.yaml` says it (Docs/rest.md).
///
/// Texts are templates: `{name}` stands for a variable of the connection or of the call. Places in
/// answers are JSON Pointers (RFC 6901).
package struct RESTDescription: Hashable, Sendable {
    package var title: String
    /// What the app is, and against what the description was tested.
    package var summary: String
    package var variables: [Variable] = []
    /// Shown to the connection's own host and to no other.
    package var headers: [String: String] = [:]
    /// Name and password of Basic authentication (RFC 7617); templates.
    package var basic: Basic?
    package var oauth: OAuthDescription?
    /// Asked to know whose account this is.
    package var account: Call
    package var accountID: String
    /// Where the text of an error may be; the first that is there holds.
    package var messages: [String]
    /// The first rule that fits says what an error means.
    package var errors: [ErrorRule] = []
    package var limits = Limits()
    /// By the name that a mapping has as `app-object`; `*` is any other.
    package var objects: [String: Object] = [:]

    package init(
        title: String, summary: String, account: Call, accountID: String, messages: [String]
    ) {
        self.title = title
        self.summary = summary
        self.account = account
        self.accountID = accountID
        self.messages = messages
    }

    /// What a user says of a connection, with the default of what may be left out.
    package struct Variable: Hashable, Sendable {
        package let name: String
        package let isRequired: Bool
        package let fallback: String?

        package init(name: String, isRequired: Bool, fallback: String?) {
            self.name = name
            self.isRequired = isRequired
            self.fallback = fallback
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
        /// Requests within a time; all windows hold at once.
        package var windows: [Window] = []

        package init() {}
    }

    package struct Window: Hashable, Sendable {
        package let requests: Int
        package let seconds: Int64

        package init(requests: Int, seconds: Int64) {
            self.requests = requests
            self.seconds = seconds
        }
    }

    /// One request.
    package struct Call: Hashable, Sendable {
        package let method: String
        /// From the connection's `url` on, with the query.
        package let path: String
        package let headers: [String: String]
        package let body: Template?
        /// Where a single record is in the answer; the answer itself if empty.
        package let record: String

        package init(
            method: String, path: String, headers: [String: String] = [:], body: Template?,
            record: String = ""
        ) {
            self.method = method
            self.path = path
            self.headers = headers
            self.body = body
            self.record = record
        }
    }

    /// A JSON body with places to fill in.
    package indirect enum Template: Hashable, Sendable {
        /// `{ids}`, `{fields}` and `{values}` alone stand for a list or an object.
        case text(String)
        case number(Int)
        case flag(Bool)
        case list([Template])
        case object([String: Template])
        /// One element for each of the ids, with `{id}` in it.
        case eachID(Template)
    }

    /// Where the place of the next page is.
    package enum Paging: Hashable, Sendable {
        /// A text in the answer, for `{after}`; blank or missing on the last page.
        case token(String)
        /// An address in the answer.
        case link(String)
        /// An address in a header of the answer.
        case header(String)
        /// A number that grows from page to page, as `{after}`: by one, or by the records seen.
        case number(step: Step)
        /// Pages go on behind the last record's id, as `{after}`.
        case lastID

        package enum Step: Hashable, Sendable { case page, record }
    }

    /// A listing in pages.
    package struct Listing: Hashable, Sendable {
        package let call: Call
        package let records: String
        package let paging: Paging
        /// The place of the first page, as `{after}`.
        package let start: String

        package init(call: Call, records: String, paging: Paging, start: String) {
            self.call = call
            self.records = records
            self.paging = paging
            self.start = start
        }
    }

    /// How the app tells what changed since a moment.
    package struct Changes: Hashable, Sendable {
        package let listing: Listing
        package let signpost: Signpost
        /// How long a change may stay invisible.
        package let lagSeconds: Int64
        /// It is an index that may be behind the records themselves, which are then read.
        package let isIndex: Bool

        package init(listing: Listing, signpost: Signpost, lagSeconds: Int64, isIndex: Bool) {
            self.listing = listing
            self.signpost = signpost
            self.lagSeconds = lagSeconds
            self.isIndex = isIndex
        }
    }

    /// Where `{since}` of the next listing comes from: the first answer of this one.
    package enum Signpost: Hashable, Sendable {
        /// The app's clock, in this form.
        case date(TimeForm)
        /// A header with a number that grows; quotes round it (an ETag) do not count.
        case header(String)
    }

    package enum TimeForm: String, Hashable, Sendable, CaseIterable {
        case milliseconds = "ms"
        case seconds = "s"
        case rfc3339
    }

    /// How the record that a create without answer may have made is looked for.
    package struct Lookup: Hashable, Sendable {
        package let call: Call
        package let records: String
        /// The first of these fields with a value, else any, is searched by, as `{field}` and
        /// `{value}`, among records made since `{since}`; all of them must agree.
        package let fields: [AppField]

        package init(call: Call, records: String, fields: [AppField]) {
            self.call = call
            self.records = records
            self.fields = fields
        }
    }

    /// Where things are in a record, and how its values are written.
    package struct Shape: Hashable, Sendable {
        package var id: String
        package var values: String
        package var created: String?
        package var modified: String?
        /// What differs after each change; the time of the change if it is left out.
        package var version: String?
        /// True in what stands for a deleted record.
        package var deleted: String?
        /// Numbers, flags and sets are written as such, and blank as null; else all as texts.
        package var isTyped = false

        package init(id: String, values: String) {
            self.id = id
            self.values = values
        }
    }

    /// Where the fields of a record are asked for: their list in the answer, the name in an element.
    package struct Schema: Hashable, Sendable {
        package let call: Call
        package let fields: String
        package let name: String

        package init(call: Call, fields: String, name: String) {
            self.call = call
            self.fields = fields
            self.name = name
        }
    }

    /// How several records are read by their ids at once.
    package struct BatchRead: Hashable, Sendable {
        package let call: Call
        package let records: String
        /// How many in one call.
        package let size: Int

        package init(call: Call, records: String, size: Int) {
            self.call = call
            self.records = records
            self.size = size
        }
    }

    /// Everything about one object of the app.
    package struct Object: Hashable, Sendable {
        package let shape: Shape
        /// `nil` for an app that takes any field.
        package let schema: Schema?
        package let list: Listing
        package let changes: Changes
        package let read: BatchRead?
        /// Asks for one record; only its 404 or 410 proves that it is gone.
        package let single: Call
        /// `nil` if the id of a new record follows from our key, `{key-id}`.
        package let find: Lookup?
        package let create: Call
        package let update: Call
        package let delete: Call
        /// Headers of updates and deletions that make them depend on `{version}`.
        package let condition: [String: String]

        package init(
            shape: Shape, schema: Schema?, list: Listing, changes: Changes, read: BatchRead?,
            single: Call, find: Lookup?, create: Call, update: Call, delete: Call,
            condition: [String: String]
        ) {
            self.shape = shape
            self.schema = schema
            self.list = list
            self.changes = changes
            self.read = read
            self.single = single
            self.find = find
            self.create = create
            self.update = update
            self.delete = delete
            self.condition = condition
        }
    }

    /// What an answer means that is no success.
    package struct ErrorRule: Hashable, Sendable {
        /// `nil` for any.
        package let status: Int?
        /// Where a code is, and what it must be; `nil` for any.
        package let code: Code?
        /// What the text of the error must have in it, without case; `nil` for any.
        package let words: String?
        package let category: FailureCategory

        package struct Code: Hashable, Sendable {
            package let place: String
            package let values: [String]

            package init(place: String, values: [String]) {
                self.place = place
                self.values = values
            }
        }

        package init(status: Int?, code: Code?, words: String?, category: FailureCategory) {
            self.status = status
            self.code = code
            self.words = words
            self.category = category
        }
    }
}
