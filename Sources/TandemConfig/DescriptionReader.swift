import AdapterREST
import TandemModel
import TandemSupport
import Yams

/// Reads an `app.yaml`: how an app is reached over HTTP.
struct DescriptionReader {
    private let problems: Problems
    private let calls: CallReader

    init(_ root: Node, problems: Problems) {
        self.problems = problems
        let said = root.mapping?["connection"]?.mapping?.keys.compactMap(\.string) ?? []
        calls = CallReader(problems: problems, variables: Set(said))
    }

    func description(_ root: Node) -> RESTDescription? {
        guard
            let reader = YAMLReader(
                root, what: "app", known: DescriptionKeys.app.names, problems: problems)
        else { return nil }
        let called = calls.call(reader, "account", more: .account)
        // Read all the same, so that everything else that is wrong with it is said, too.
        let account =
            called?.call ?? RESTDescription.Call(method: "GET", path: "", headers: [:], body: nil)
        let said = called?.said ?? reader
        if reader["message"] == nil { problems.add(root, "`message` is missing") }
        var description = RESTDescription(
            title: reader.requiredText("title", example: "HubSpot"),
            summary: reader.requiredText("summary", example: "HubSpot's CRM"),
            evidence: reader.word("tested", as: RESTDescription.Evidence.self) ?? .documents,
            account: account,
            accountID: called == nil ? "" : said.requiredText("id", example: "/id"),
            messages: reader.texts("message") ?? [])
        description.root = reader.text("root") ?? description.root
        description.variables = connection(reader)
        description.headers = calls.texts(reader, "headers")
        description.query = calls.texts(reader, "query")
        description.basic = basic(reader)
        description.oauth = oauth(reader)
        description.session = session(reader)
        description.failure = calls.mark(reader, "failure")
        description.errors = errors(reader)
        description.limits = limits(reader)
        for name in ["root", "headers", "query"] { reader[name].map { calls.check($0, name) } }
        checkRoot(reader, description)
        showAccess(&description)
        if let list = calls.mapping(reader, "objects", known: nil) {
            let objects = ObjectReader(calls: calls)
            for name in list.keys { description.objects[name] = objects.object(list, name) }
        }
        return description
    }

    private func checkRoot(_ reader: YAMLReader, _ description: RESTDescription) {
        if description.root.mentions("url") && reader["connection"]?.mapping?["url"] == nil {
            problems.add(
                reader["connection"] ?? reader.node, "`connection`: `url` is missing")
        }
        if description.root.mentions("base") && description.oauth?.base == nil {
            problems.add(reader["root"], "`root`: `{base}` needs `base` under `oauth`")
        }
    }

    /// A token is shown as RFC 6750 §2.1 says, unless the description says otherwise.
    private func showAccess(_ description: inout RESTDescription) {
        let said = Array(description.headers.values) + description.query.values
        if description.oauth != nil && !said.contains(where: { $0.mentions("access") }) {
            description.headers["Authorization"] = "Bearer {access}"
        }
    }

    private func session(_ reader: YAMLReader) -> RESTDescription.Session? {
        guard reader["login"] != nil,
            let (call, said) = calls.call(reader, "login", more: .login)
        else { return nil }
        if reader["oauth"] != nil {
            problems.add(reader["login"], "only one of `login` and `oauth` can be")
        }
        return .init(call: call, access: said.requiredText("access", example: "/token"))
    }

    /// What a user says of a connection.
    private func connection(_ reader: YAMLReader) -> [RESTDescription.Variable] {
        guard let list = mapping(reader, "connection", known: nil) else { return [] }
        return list.keys.compactMap { name in
            guard let keys = mapping(list, name, known: .variable) else {
                return nil
            }
            if CallReader.filled.contains(name) {
                problems.add(
                    keys.node, "`connection`: `\(name)` is what calls fill in; choose another name")
            }
            return RESTDescription.Variable(
                name: name, isRequired: keys.flag("required") ?? false,
                fallback: keys.text("default"), isSecret: keys.flag("secret") ?? false)
        }
    }

    private func basic(_ reader: YAMLReader) -> RESTDescription.Basic? {
        guard reader["basic"] != nil,
            let keys = mapping(reader, "basic", known: .basic)
        else { return nil }
        calls.check(keys.node, "basic")
        return RESTDescription.Basic(
            username: keys.requiredText("username", example: "\"{username}\""),
            password: keys.requiredText("password", example: "\"{password}\""))
    }

    private func oauth(_ reader: YAMLReader) -> OAuthDescription? {
        guard reader["oauth"] != nil,
            let keys = mapping(reader, "oauth", known: .oauth)
        else { return nil }
        calls.check(keys.node, "oauth")
        let grants =
            keys.words("grant", as: OAuthDescription.Grant.self) ?? [.authorizationCode]
        let needed: [OAuthDescription.Grant: String] = [
            .authorizationCode: "authorize", .device: "device", .jwtBearer: "key",
        ]
        for name in grants.compactMap({ needed[$0] }) where keys[name] == nil {
            problems.add(keys.node, "`oauth`: `\(name)` is missing; this grant needs it")
        }
        if grants.count > 1 && !calls.variables.contains("grant") {
            problems.add(keys["grant"], "`connection`: `grant` is missing; it picks one of several")
        }
        var oauth = OAuthDescription(
            grants: grants, authorize: keys.text("authorize") ?? "",
            token: keys.requiredText("token", example: "https://login.example.com/token"),
            device: keys.text("device") ?? "", clientID: keys.text("client-id") ?? "",
            clientSecret: keys.text("client-secret") ?? "",
            authentication: keys.word(
                "client-auth", as: OAuthDescription.ClientAuthentication.self) ?? .body,
            scopes: keys.texts("scopes") ?? [], parameters: calls.texts(keys, "parameters"))
        oauth.scopeSeparator = keys.text("scope-separator") ?? " "
        oauth.claims = calls.texts(keys, "claims")
        oauth.key = keys.text("key") ?? ""
        oauth.base = keys.text("base")
        if grants != [.jwtBearer] && oauth.clientID.isEmpty {
            problems.add(keys.node, "`oauth`: `client-id` is missing")
        }
        return oauth
    }

    private func errors(_ reader: YAMLReader) -> [RESTDescription.ErrorRule] {
        calls.list(reader, "errors").compactMap { node in
            guard
                let keys = YAMLReader(
                    node, what: "errors",
                    known: DescriptionKeys.error.names,
                    problems: problems)
            else { return nil }
            var code: RESTDescription.ErrorRule.Code?
            if keys["code"] != nil, let said = mapping(keys, "code", known: .code) {
                code = .init(places: said.texts("at") ?? [], values: said.texts("is") ?? [])
                for name in ["at", "is"] where said[name] == nil {
                    problems.add(said.node, "`code`: `\(name)` is missing")
                }
            }
            let status = keys.number("status", in: 200...599)
            if status == nil && code == nil && keys["words"] == nil {
                problems.add(node, "`errors`: expected `status`, `code` or `words`")
            }
            guard let meaning = meaning(keys) else { return nil }
            var rule = RESTDescription.ErrorRule(
                status: status, code: code, words: keys.text("words"), meaning: meaning)
            rule.others = keys.texts("other") ?? []
            return rule
        }
    }

    private func meaning(_ keys: YAMLReader) -> RESTDescription.ErrorRule.Meaning? {
        if keys["means"] != nil {
            return keys.word("means", as: RESTDescription.ErrorRule.Known.self).map { .known($0) }
        }
        if keys["category"] == nil {
            problems.add(keys.node, "`errors`: `category` or `means` is missing")
        }
        return keys.word("category", as: FailureCategory.self).map { .category($0) }
    }

    private func limits(_ reader: YAMLReader) -> RESTDescription.Limits {
        var limits = RESTDescription.Limits()
        guard reader["limits"] != nil,
            let keys = mapping(reader, "limits", known: .limits)
        else { return limits }
        limits.concurrency = keys.number("concurrency", in: 1...64) ?? limits.concurrency
        limits.remaining = keys.text("remaining")
        limits.reset = keys.text("reset")
        limits.windows = calls.list(keys, "windows").compactMap { node in
            guard
                let window = YAMLReader(
                    node, what: "windows", known: DescriptionKeys.window.names,
                    problems: problems)
            else { return nil }
            if window["per"] == nil { problems.add(node, "`windows`: `per` is missing") }
            guard let (counts, amount) = amount(window),
                let seconds = window.seconds("per", in: 1...86_400)
            else { return nil }
            return .init(amount: amount, counts: counts, seconds: seconds)
        }
        return limits
    }

    /// How much a window lets through: a number, or what a connection says.
    private func amount(_ window: YAMLReader) -> (RESTDescription.Window.Counts, String)? {
        let kinds = RESTDescription.Window.Counts.allCases
        let said = kinds.filter { window[$0.rawValue] != nil }
        guard let counts = said.first, said.count == 1 else {
            problems.add(window.node, "`windows`: expected either `requests` or `points`")
            return nil
        }
        let text = window.text(counts.rawValue) ?? ""
        if text.places.isEmpty {
            return window.number(counts.rawValue, in: RESTDescription.WindowRule.amounts)
                .map { (counts, "\($0)") }
        }
        calls.check(window.node, "windows")
        return (counts, text)
    }

    private func mapping(_ reader: YAMLReader, _ name: String, known: DescriptionKeys?)
        -> YAMLReader?
    {
        calls.mapping(reader, name, known: known)
    }
}
