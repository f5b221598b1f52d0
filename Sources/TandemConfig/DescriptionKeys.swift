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
}
