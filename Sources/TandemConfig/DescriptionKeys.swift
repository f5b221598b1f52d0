import TandemModel

/// One key of an `app.yaml`.
package struct DescriptionKey: Encodable {
    let name: String
    /// What holds without it; `must` for one that must be there.
    let without: String
    let meaning: String

    init(_ name: String, _ without: String, _ meaning: String) {
        self.name = name
        self.without = without
        self.meaning = meaning
    }
}

/// The keys of one mapping of an `app.yaml`.
package struct DescriptionKeys: Encodable {
    /// Where the mapping is.
    let place: String
    let keys: [DescriptionKey]

    init(_ place: String, _ keys: [DescriptionKey]) {
        self.place = place
        self.keys = keys
    }

    var names: [String] { keys.map(\.name) }

    /// A section of a document, with a table.
    package var markdown: String {
        let rows = keys.map { "| `\($0.name)` | \($0.without) | \($0.meaning) |\n" }
        return "### \(place)\n\n| key | without it | what it is |\n|---|---|---|\n\(rows.joined())"
    }
}

/// All that may be said in an `app.yaml`: the readers know these keys and no others, and `tandem apps
/// --keys` shows them.
extension DescriptionKeys {
    package static let all = [
        app, variable, basic, oauth, call, account, login, error, code, limits, window, object,
        record,
        field, association, schema, listing, changes, deletions, batchRead, single, find,
        write, batchWrite, records, mark,
    ]

    static let app = DescriptionKeys(
        "the file",
        [
            .init("title", "must", "The app's name for people."),
            .init("summary", "must", "What it is, in a few words, for `tandem apps`."),
            .init(
                "tested", "documents", "`server` or `documents`: what the description was tried on."
            ),
            .init("source", "nothing", "The page that the facts are from, and its date."),
            .init("connection", "nothing", "What a user says of a connection, each a mapping."),
            .init("root", "`{url}`", "What the paths of calls follow on."),
            .init("headers", "none", "Headers of all calls, shown to the host of `url` alone."),
            .init("query", "none", "Parameters of all calls; one without a value is left out."),
            .init("basic", "none", "Basic authentication."),
            .init(
                "oauth", "none", "OAuth 2; `{access}` is the token, as `Bearer` if nothing says it."
            ),
            .init("login", "none", "A call that gives `{access}`; not beside `oauth`."),
            .init("account", "must", "A call that says whose account it is."),
            .init("failure", "the status tells", "What an answer has that says no, a mark."),
            .init(
                "message", "must", "Where the text of an error may be, a place or a list of them."),
            .init(
                "errors", "the status tells",
                "Rules for what errors mean, of which the first that fits holds."),
            .init("limits", "4 at once", "What the app allows."),
            .init(
                "objects", "must", "The app's objects by name; `\"*\"` is any other, as `{object}`."
            ),
        ])

    static let variable = DescriptionKeys(
        "connection: NAME",
        [
            .init("required", "false", "A connection without it is refused."),
            .init("default", "blank", "What holds if a connection does not say it."),
            .init("secret", "false", "It is masked wherever something is shown."),
        ])

    static let basic = DescriptionKeys(
        "basic",
        [
            .init("username", "must", "Such as `\"{username}\"`."),
            .init("password", "must", "Such as `\"{password}\"`."),
        ])

    static let oauth = DescriptionKeys(
        "oauth",
        [
            .init(
                "grant", "authorization-code",
                "`authorization-code` (with PKCE), `device`, `client-credentials` or `jwt-bearer`; of a list, `grant` of the connection picks one."
            ),
            .init("authorize", "must, with authorization-code", "Where a person consents."),
            .init("token", "must", "Where tokens are given."),
            .init("device", "must, with device", "Where a device asks (RFC 8628)."),
            .init("client-id", "must, but with jwt-bearer", "Such as `\"{client-id}\"`."),
            .init("client-secret", "blank", "Such as `\"{client-secret}\"`."),
            .init("client-auth", "body", "How the client shows itself: `body`, `basic` or `none`."),
            .init("scopes", "none", "What is asked for, a list."),
            .init("scope-separator", "a blank", "What stands between scopes."),
            .init("parameters", "none", "What is added to the address where a person consents."),
            .init("claims", "none", "Claims of a service account (RFC 7523)."),
            .init("key", "must, with jwt-bearer", "The key in PEM that signs them."),
            .init("base", "none", "Where the token's answer names `{base}`."),
        ])

    static let methods = ["get", "post", "put", "patch", "delete"]

    static let call = DescriptionKeys(
        "every call",
        methods.map {
            .init($0, "one of them must", "The path, on `root`, of a call with this method.")
        } + [
            .init("body", "none", "What is sent, a template."),
            .init("headers", "none", "Headers of this call."),
            .init("cost", "1", "What it counts in a window of `points`."),
        ])

    static let account = DescriptionKeys(
        "account, a call", [.init("id", "must", "Where the answer names the account.")])

    static let login = DescriptionKeys(
        "login, a call", [.init("access", "must", "Where the answer has the token.")])

    private static let categories = FailureCategory.allCases.map { "`\($0.rawValue)`" }
        .joined(separator: ", ")

    static let error = DescriptionKeys(
        "errors: […]",
        [
            .init(
                "status", "one of the three must",
                "The status of the answer; all that are said must fit."),
            .init("code", "one of the three must", "A value in the answer."),
            .init("words", "one of the three must", "Words of the message."),
            .init(
                "category", "this or `means` must",
                "What it is, as `tandem status` shows it: \(categories)."),
            .init(
                "means", "this or `category` must",
                "`gone`, `conflict`, `cursor-expired` or `access-expired`."),
            .init(
                "other", "unknown",
                "Where the record in the way is named, a list; or `last-word` of the text."),
        ])

    static let code = DescriptionKeys(
        "errors: [code]",
        [
            .init("at", "must", "Where the value is, a place or a list of them."),
            .init("is", "must", "The values."),
        ])

    static let limits = DescriptionKeys(
        "limits",
        [
            .init("concurrency", "4", "Requests in flight, 1 to 64."),
            .init(
                "windows", "none",
                "What the app allows in a time; all hold at once, for all syncs of a connection."),
            .init("remaining", "none", "The header that says what is left."),
            .init("reset", "none", "The header that says for how many seconds."),
        ])

    static let window = DescriptionKeys(
        "limits: windows: […]",
        [
            .init(
                "requests", "this or `points` must",
                "How many requests, or a text such as `\"{daily}\"`."),
            .init("points", "this or `requests` must", "How much of what `cost` counts."),
            .init("per", "must", "In how long, such as `10s` or `1d`, a day at most."),
        ])

    static let object = DescriptionKeys(
        "objects: NAME",
        [
            .init("record", "must", "Where things are in a record."),
            .init("associations", "none", "Fields that calls of their own read and write."),
            .init("schema", "the app takes any field", "A call that tells the app's fields."),
            .init("list", "must", "A listing of everything."),
            .init(
                "changes", "each poll lists everything, as often as `limits` allow",
                "A listing of what has changed since `{since}`."),
            .init(
                "deletions",
                "as `record: deleted` shows, else by a listing of everything, every six hours",
                "`sweep` (as without it, beside what `record: deleted` shows) or a listing of what was deleted."
            ),
            .init(
                "read", "records are read one by one",
                "A call that reads several records by `{ids}`."),
            .init(
                "single", "must",
                "A call that reads one record by `{id}`; only its 404 or 410, or what `errors` call `gone`, proves that it is gone."
            ),
            .init(
                "find", "`create` must give the new record the id `{key-id}`",
                "A call that looks for a record: before a create that nothing else shows to be needed, and after one whose answer is lost or names no record."
            ),
            .init(
                "create", "new records of the CRM stay outside",
                "A call that makes a record; needs `update`."),
            .init(
                "update", "records are only read",
                "A call that changes one, `{id}`, with the `{values}` that changed, or the whole `{record}`."
            ),
            .init(
                "delete", "nothing is deleted there, and `deletions: propagate` is refused",
                "A call that deletes one, `{id}`."),
            .init(
                "condition", "writes depend on no version",
                "Headers that make a write depend on `{version}`; 412 is a conflict."),
            .init(
                "read-lag", "0s",
                "How long after a write a read or listing may show what was there before, a day at most."
            ),
        ])

    static let record = DescriptionKeys(
        "record",
        [
            .init("id", "must", "Where its id is."),
            .init("values", "the record itself", "Where its fields are."),
            .init("created", "unknown", "When it was made: RFC 3339 or milliseconds."),
            .init("modified", "unknown", "When it was changed last."),
            .init("version", "as `modified`", "What differs after each change."),
            .init("deleted", "no listing shows it", "What stands for a deleted record, a mark."),
            .init(
                "typed", "false",
                "Numbers, flags and sets are written as such and blank as null; else all is a text."
            ),
            .init("blank", "null if `typed`, else an empty text", "What is written for blank."),
            .init("blanks", "none", "Texts that are read as blank."),
            .init(
                "moments", "rfc3339",
                "How moments are written: `ms`, `s`, `rfc3339`, `rfc3339-seconds`, `rfc3339-offset`, `utc` or `http-date`."
            ),
            .init("whole", "lists only", "Members that are read first and written whole."),
            .init(
                "restores", "those that `schema` says can be written",
                "Members that `resync-deleted` puts back beside the mapped ones; or `all`."),
            .init(
                "unsent", "none",
                "Places that are never written, because the app makes them of others."),
            .init(
                "fields", "none", "What is particular about a field, by its name in the mapping."),
        ])

    static let field = DescriptionKeys(
        "record: fields: NAME",
        [
            .init("at", "its name", "Where it is read."),
            .init("as", "its value", "What is written, a template with `{value}`."),
            .init("blank", "as in `record`", "What is written for blank."),
            .init("type", "as in the mapping", "Its type in the app."),
            .init("read-only", "false", "The app does not let it be written."),
            .init("required", "false", "The app refuses a record without it."),
            .init("create-at", "as `at`", "Where it is written in a new record."),
            .init("create-only", "false", "It is written in a new record only."),
            .init("options", "any", "The values that the app takes."),
            .init("length", "any", "How many characters the app takes."),
        ])

    static let association = DescriptionKeys(
        "associations: NAME",
        [
            .init("read", "must", "A call as `read`, for the targets of several records."),
            .init("from", "must", "Where an element names the record."),
            .init(
                "to", "must",
                "Where it names the target, a place or a list of which the first that is there holds."
            ),
            .init("set", "must", "A call with `{id}` and `{value}`."),
            .init("clear", "must", "A call with `{id}` and `{value}`."),
        ])

    static let schema = DescriptionKeys(
        "schema, a call",
        [
            .init(
                "fields", "must",
                "Where the list of fields is; of an object, its keys are their names."),
            .init("name", "/name", "Where a field's name is, in an element like all that follows."),
            .init("type", "as in the mapping", "Where its type is."),
            .init("types", "none", "The app's words for types and ours: `{varchar: string}`."),
            .init("read-only", "none is", "What a field has that cannot be written, a mark."),
            .init(
                "required", "none is", "What one has that must be there, a mark or a list of them."),
            .init("options", "any value", "Where its options are."),
            .init("option", "the element", "Where an option's value is."),
            .init("length", "any", "Where the number of characters is that it takes."),
        ])

    static let paging = [
        DescriptionKey(
            "next", "see `next-offset`",
            "Where the text for `{after}` of the next page is; the last page has none."),
        DescriptionKey(
            "next-link", "see `next-offset`",
            "Where the address of the next page is; the last page has none."),
        DescriptionKey("next-header", "see `next-offset`", "The header with that address."),
        DescriptionKey(
            "next-page", "see `next-offset`",
            "`true`: `{after}` is a number that grows by one, until a page is empty."),
        DescriptionKey(
            "next-offset", "pages go on behind the last id, as `{after}`, until one is empty",
            "`true`: `{after}` is the number of records before, until a page is empty."),
    ]

    static let listing = DescriptionKeys(
        "list, changes and deletions, calls",
        paging + [
            .init("records", "must", "Where the records are, a place or a mapping."),
            .init("start", "blank", "`{after}` of the first page; of numbers, 0 if left out."),
            .init(
                "overlap", "0",
                "With `next-offset`: so many records are listed twice, which shows that none slipped through."
            ),
            .init(
                "cap", "none",
                "The app gives no more to one question, the oldest change first: the listing goes on with the last one's time as `{since}`."
            ),
            .init(
                "stable", "false",
                "`true` where no record can slip from a page not yet read to one that was."),
            .init(
                "more", "paging alone tells", "What an answer has that is not the last one, a mark."
            ),
            .init(
                "total", "paging alone tells",
                "Where the number of all records is; the listing ends behind so many."),
            .init(
                "pages", "paging alone tells",
                "Where the number of all pages is; the listing ends behind so many."),
            .init(
                "end", "an error ends the sync",
                "How a page behind the last one is answered: a status such as `404`, or a mark."),
            .init("also", "none", "Further listings, each with these keys."),
        ])

    static let watermarks = [
        DescriptionKey(
            "since", "ms",
            "`{since}` is the app's clock at the last listing, from its `Date` header, in this form."
        ),
        DescriptionKey("since-header", "see `since`", "It is what this header said."),
        DescriptionKey("since-token", "see `since`", "It is a text of the last page."),
        DescriptionKey(
            "since-link", "see `since`",
            "The next listing begins at this address of the last page; `changes` then has no call of its own."
        ),
    ]

    static let changes = DescriptionKeys(
        "changes, besides",
        watermarks + [
            .init("lag", "30s", "How long a change may stay invisible, a day at most."),
            .init(
                "index", "false",
                "It is a search index that may be behind; the records are read themselves."),
        ])

    static let deletions = DescriptionKeys(
        "deletions, besides",
        [
            .init("id", "must", "Where an element names the deleted record."),
            .init(
                "keeps", "for ever", "For how long the app knows what was deleted, such as `30d`."),
        ])

    static let batchRead = DescriptionKeys(
        "read, a call",
        [
            .init("records", "must", "Where the records are."),
            .init("batch", "100", "How many in one call, 2,000 at most."),
            .init("least", "1", "Fewer are read one by one."),
        ])

    static let single = DescriptionKeys(
        "single, a call", [.init("record", "the answer", "Where the record is.")])

    static let find = DescriptionKeys(
        "find, a call",
        [
            .init("records", "must", "Where the records are."),
            .init(
                "fields", "none",
                "What is searched by, as `{value}`: the first that the record has."),
            .init("escapes", "none", "What some characters become in `{value}`."),
            .init(
                "since", "ms",
                "The form of `{since}`, the time before which the record was not there."),
            .init("lag", "as `changes: lag`, 30s", "How long a new record may not be found."),
            .init("index", "false", "What is found is read itself."),
            .init(
                "newest", "false",
                "`true` for a list without `{value}` that begins with what was made last."),
        ])

    static let write = DescriptionKeys(
        "create, update and delete, calls",
        [
            .init("record", "the answer", "Where the record is in the answer."),
            .init("id", "as `record: id`", "Where its id is in that."),
            .init("id-header", "none", "The header with an address whose last part is the new id."),
            .init("batch", "one by one", "A call that writes several."),
        ])

    static let batchWrite = DescriptionKeys(
        "batch, a call",
        [
            .init("size", "50", "How many at once, 1,000 at most."),
            .init("results", "must", "Where the results are, one for each record in order."),
            .init("success", "all are", "What a result has that says yes, a mark."),
            .init("id", "/id", "Where the id is in a result."),
        ])

    static let records = DescriptionKeys(
        "records, as a mapping",
        [
            .init("at", "must", "Where the list is."),
            .init("item", "the element", "Where the record is in an element."),
            .init("optional", "false", "The list is missing where there are no records."),
        ])

    static let mark = DescriptionKeys(
        "a mark, as a mapping",
        [
            .init("at", "must", "The place; a place alone stands for the mapping."),
            .init("is", "anything but null, false and blank", "The values that count."),
        ])
}
