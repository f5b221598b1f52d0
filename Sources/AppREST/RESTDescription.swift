package import TandemModel

/// How an app is reached over HTTP with JSON, as its `app.yaml` says it.
///
/// Texts are templates: `{name}` stands for a variable of the connection or of the call. Places in
/// answers are JSON Pointers (RFC 6901).
package struct RESTDescription: Hashable, Sendable {
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

    /// One request.
    package struct Call: Hashable, Sendable {
        package let method: String
        /// From the connection's `url` on, with the query.
        package let path: String
        package let body: Template?

        package init(method: String, path: String, body: Template?) {
            self.method = method
            self.path = path
            self.body = body
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

    /// A listing in pages.
    package struct Listing: Hashable, Sendable {
        package let call: Call
        package let records: String
        /// Where the place of the next page is; `nil` if pages go on behind the last record's id.
        package let next: String?
        /// The place of the first page, as `{after}`.
        package let start: String

        package init(call: Call, records: String, next: String?, start: String) {
            self.call = call
            self.records = records
            self.next = next
            self.start = start
        }
    }

    /// How the app tells what changed since a moment; `{since}` is in milliseconds since 1970.
    package struct Changes: Hashable, Sendable {
        package let listing: Listing
        /// How long a change may stay invisible to it.
        package let lagSeconds: Int64

        package init(listing: Listing, lagSeconds: Int64) {
            self.listing = listing
            self.lagSeconds = lagSeconds
        }
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

    /// Where things are in a record.
    package struct Shape: Hashable, Sendable {
        package let id: String
        package let values: String
        package let created: String?
        package let modified: String?

        package init(id: String, values: String, created: String?, modified: String?) {
            self.id = id
            self.values = values
            self.created = created
            self.modified = modified
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

    /// How records are read by their ids.
    package struct Reading: Hashable, Sendable {
        package let call: Call
        package let records: String
        /// How many in one call.
        package let batch: Int
        /// Asks for one record that a batch left out; only its 404 or 410 proves that it is gone.
        package let single: Call

        package init(call: Call, records: String, batch: Int, single: Call) {
            self.call = call
            self.records = records
            self.batch = batch
            self.single = single
        }
    }

    /// Everything about one object of the app.
    package struct Object: Hashable, Sendable {
        package let shape: Shape
        package let schema: Schema
        package let list: Listing
        package let changes: Changes
        package let read: Reading
        package let find: Lookup
        package let create: Call
        package let update: Call
        package let delete: Call

        package init(
            shape: Shape, schema: Schema, list: Listing, changes: Changes, read: Reading,
            find: Lookup,
            create: Call, update: Call, delete: Call
        ) {
            self.shape = shape
            self.schema = schema
            self.list = list
            self.changes = changes
            self.read = read
            self.find = find
            self.create = create
            self.update = update
            self.delete = delete
        }
    }

    /// What an answer of this status means for the record that was written.
    package struct ErrorRule: Hashable, Sendable {
        package let status: Int
        package let category: FailureCategory

        package init(status: Int, category: FailureCategory) {
            self.status = status
            self.category = category
        }
    }

    package let title: String
    /// What the app is, and against what the description was tested.
    package let summary: String
    package let variables: [Variable]
    /// Shown to the connection's own host and to no other.
    package let headers: [String: String]
    /// Asked to know whose account this is.
    package let account: Call
    package let accountID: String
    /// Where the text of an error is.
    package let message: String
    package let errors: [ErrorRule]
    package let objects: [String: Object]

    package init(
        title: String, summary: String, variables: [Variable], headers: [String: String],
        account: Call,
        accountID: String, message: String, errors: [ErrorRule], objects: [String: Object]
    ) {
        self.title = title
        self.summary = summary
        self.variables = variables
        self.headers = headers
        self.account = account
        self.accountID = accountID
        self.message = message
        self.errors = errors
        self.objects = objects
    }
}
