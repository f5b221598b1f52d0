import AppREST
import TandemModel
import Yams

/// Reads an `app.yaml`: how an app is reached over HTTP.
struct DescriptionReader {
    let problems: Problems
    /// The keys of a connection.
    private let variables: Set<String>

    init(_ root: Node, problems: Problems) {
        self.problems = problems
        variables = Set(
            root.mapping?["connection"]?.mapping?.keys.compactMap(\.string) ?? [])
    }

    private static let keys = [
        "title", "summary", "source", "connection", "headers", "basic", "oauth", "account",
        "message",
        "errors", "limits", "objects",
    ]

    func description(_ root: Node) -> RESTDescription? {
        guard
            let reader = YAMLReader(
                root, what: "app", known: Self.keys, problems: problems),
            let account = call(reader, "account", more: ["id"])
        else { return nil }
        let accountID = mapping(reader, "account", known: nil)?.requiredText("id", example: "/id")
        if reader["message"] == nil { problems.add(root, "`message` is missing") }
        var description = RESTDescription(
            title: reader.requiredText("title", example: "HubSpot"),
            summary: reader.requiredText("summary", example: "HubSpot's CRM"), account: account,
            accountID: accountID ?? "", messages: reader.texts("message") ?? [])
        description.variables = connection(reader)
        description.headers = texts(reader, "headers")
        description.basic = basic(reader)
        description.oauth = oauth(reader)
        description.errors = errors(reader)
        description.limits = limits(reader)
        if let list = mapping(reader, "objects", known: nil) {
            for name in list.keys { description.objects[name] = object(list, name) }
        }
        return description
    }

    /// The keys of a connection; `url` is among them.
    private func connection(_ reader: YAMLReader) -> [RESTDescription.Variable] {
        guard let list = mapping(reader, "connection", known: nil) else { return [] }
        if list["url"] == nil { problems.add(list.node, "`connection`: `url` is missing") }
        return list.keys.compactMap { name in
            guard let keys = mapping(list, name, known: ["required", "default"]) else { return nil }
            return RESTDescription.Variable(
                name: name, isRequired: keys.flag("required") ?? false,
                fallback: keys.text("default"))
        }
    }

    private func basic(_ reader: YAMLReader) -> RESTDescription.Basic? {
        guard reader["basic"] != nil,
            let keys = mapping(reader, "basic", known: ["username", "password"])
        else { return nil }
        check(keys, "basic")
        return RESTDescription.Basic(
            username: keys.requiredText("username", example: "\"{username}\""),
            password: keys.requiredText("password", example: "\"{password}\""))
    }

    private static let oauthKeys = [
        "grant", "authorize", "token", "device", "client-id", "client-secret", "client-auth",
        "scopes", "parameters",
    ]

    private func oauth(_ reader: YAMLReader) -> OAuthDescription? {
        guard reader["oauth"] != nil,
            let keys = mapping(reader, "oauth", known: Self.oauthKeys)
        else { return nil }
        check(keys, "oauth")
        let grant = keys.word("grant", as: OAuthDescription.Grant.self) ?? .authorizationCode
        let needed: [OAuthDescription.Grant: String] = [
            .authorizationCode: "authorize", .device: "device",
        ]
        if let name = needed[grant], keys[name] == nil {
            problems.add(keys.node, "`oauth`: `\(name)` is missing; this grant needs it")
        }
        return OAuthDescription(
            grant: grant, authorize: keys.text("authorize") ?? "",
            token: keys.requiredText("token", example: "https://login.example.com/token"),
            device: keys.text("device") ?? "",
            clientID: keys.requiredText("client-id", example: "\"{client-id}\""),
            clientSecret: keys.text("client-secret") ?? "",
            authentication: keys.word(
                "client-auth", as: OAuthDescription.ClientAuthentication.self) ?? .body,
            scopes: keys.texts("scopes") ?? [], parameters: texts(keys, "parameters"))
    }

    private func errors(_ reader: YAMLReader) -> [RESTDescription.ErrorRule] {
        list(reader, "errors").compactMap { node in
            guard
                let keys = YAMLReader(
                    node, what: "errors", known: ["status", "code", "words", "category"],
                    problems: problems)
            else { return nil }
            let category = keys.word("category", as: FailureCategory.self)
            if keys["category"] == nil { problems.add(node, "`errors`: `category` is missing") }
            var code: RESTDescription.ErrorRule.Code?
            if keys["code"] != nil, let said = mapping(keys, "code", known: ["at", "is"]) {
                code = .init(
                    place: said.requiredText("at", example: "/code"), values: said.texts("is") ?? []
                )
            }
            let status = keys.number("status", in: 300...599)
            if status == nil && code == nil && keys["words"] == nil {
                problems.add(node, "`errors`: expected `status`, `code` or `words`")
            }
            return category.map {
                .init(status: status, code: code, words: keys.text("words"), category: $0)
            }
        }
    }

    private func limits(_ reader: YAMLReader) -> RESTDescription.Limits {
        var limits = RESTDescription.Limits()
        guard reader["limits"] != nil,
            let keys = mapping(reader, "limits", known: ["concurrency", "windows"])
        else { return limits }
        limits.concurrency = keys.number("concurrency", in: 1...64) ?? limits.concurrency
        limits.windows = list(keys, "windows").compactMap { node in
            guard
                let window = YAMLReader(
                    node, what: "windows", known: ["requests", "per"], problems: problems),
                let requests = window.number("requests", in: 1...1_000_000),
                let seconds = window.seconds("per", in: 1...86_400)
            else { return nil }
            return .init(requests: requests, seconds: seconds)
        }
        return limits
    }

    private static let objectKeys = [
        "record", "schema", "list", "changes", "read", "single", "find", "create", "update",
        "delete", "condition",
    ]

    private func object(_ list: YAMLReader, _ name: String) -> RESTDescription.Object? {
        guard let keys = mapping(list, name, known: Self.objectKeys), let shape = shape(keys),
            let all = listing(keys, "list"), let changes = changes(keys),
            let single = call(keys, "single", more: ["record"]),
            let create = call(keys, "create", more: ["record"]),
            let update = call(keys, "update"), let delete = call(keys, "delete")
        else { return nil }
        let find = optional(keys, "find", find)
        if find == nil && !texts(of: keys["create"]).contains(where: { $0.contains("{key-id}") }) {
            problems.add(
                keys.node,
                "`\(name)`: `find` is missing; without it `create` must give `{key-id}` to the new "
                    + "record")
        }
        let condition = texts(keys, "condition")
        if !condition.isEmpty && shape.version == nil && shape.modified == nil {
            problems.add(keys["condition"], "`condition` needs a `version` of the record")
        }
        return RESTDescription.Object(
            shape: shape, schema: optional(keys, "schema", schema), list: all, changes: changes,
            read: optional(keys, "read", batchRead), single: single, find: find, create: create,
            update: update, delete: delete, condition: condition)
    }

    private func optional<Value>(
        _ keys: YAMLReader, _ name: String, _ read: (YAMLReader) -> Value?
    ) -> Value? {
        keys[name] == nil ? nil : read(keys)
    }

    private func schema(_ keys: YAMLReader) -> RESTDescription.Schema? {
        guard let call = call(keys, "schema", more: ["fields", "name"]),
            let said = mapping(keys, "schema", known: nil)
        else { return nil }
        return .init(
            call: call, fields: said.requiredText("fields", example: "/results"),
            name: said.requiredText("name", example: "/name"))
    }

    private func batchRead(_ keys: YAMLReader) -> RESTDescription.BatchRead? {
        guard let call = call(keys, "read", more: ["records", "batch"]),
            let said = mapping(keys, "read", known: nil)
        else { return nil }
        return .init(
            call: call, records: said.requiredText("records", example: "/results"),
            size: said.number("batch", in: 1...1_000) ?? 100)
    }

    private func find(_ keys: YAMLReader) -> RESTDescription.Lookup? {
        guard let call = call(keys, "find", more: ["records", "fields"]),
            let said = mapping(keys, "find", known: nil)
        else { return nil }
        return .init(
            call: call, records: said.requiredText("records", example: "/results"),
            fields: (said.texts("fields") ?? []).map { AppField($0) })
    }

    private static let shapeKeys = [
        "id", "values", "created", "modified", "version", "deleted", "typed",
    ]

    private func shape(_ keys: YAMLReader) -> RESTDescription.Shape? {
        guard let record = mapping(keys, "record", known: Self.shapeKeys) else { return nil }
        var shape = RESTDescription.Shape(
            id: record.requiredText("id", example: "/id"), values: record.text("values") ?? "")
        shape.created = record.text("created")
        shape.modified = record.text("modified")
        shape.version = record.text("version")
        shape.deleted = record.text("deleted")
        shape.isTyped = record.flag("typed") ?? false
        return shape
    }

    private func changes(_ keys: YAMLReader) -> RESTDescription.Changes? {
        guard
            let listing = listing(
                keys, "changes", more: ["since", "since-header", "lag", "index"]),
            let said = mapping(keys, "changes", known: nil)
        else { return nil }
        let form = said.word("since", as: RESTDescription.TimeForm.self)
        return .init(
            listing: listing,
            signpost: said.text("since-header").map { .header($0) } ?? .date(form ?? .milliseconds),
            lagSeconds: said.seconds("lag", in: 0...86_400) ?? 30,
            isIndex: said.flag("index") ?? false)
    }

    private static let pagingKeys = [
        "next", "next-link", "next-header", "next-page", "next-offset",
    ]

    private func listing(_ keys: YAMLReader, _ name: String, more: [String] = [])
        -> RESTDescription.Listing?
    {
        guard
            let call = call(
                keys, name, more: ["records", "start"] + Self.pagingKeys + more),
            let reader = mapping(keys, name, known: nil)
        else { return nil }
        let said = Self.pagingKeys.filter { reader[$0] != nil }
        if said.count > 1 {
            problems.add(
                reader.node, "`\(name)`: only one of \(said.joined(separator: ", ")) can be")
        }
        let paging = paging(reader)
        let usesAfter = texts(of: keys[name]).contains { $0.contains("{after}") }
        switch paging {
        case .link, .header: break
        case .token, .number, .lastID:
            if !usesAfter { problems.add(reader.node, "`\(name)`: `{after}` is missing") }
        }
        return RESTDescription.Listing(
            call: call, records: reader.requiredText("records", example: "/results"),
            paging: paging, start: reader.text("start") ?? "")
    }

    private func paging(_ reader: YAMLReader) -> RESTDescription.Paging {
        if let pointer = reader.text("next") { return .token(pointer) }
        if let pointer = reader.text("next-link") { return .link(pointer) }
        if let name = reader.text("next-header") { return .header(name) }
        if reader.flag("next-page") == true { return .number(step: .page) }
        return reader.flag("next-offset") == true ? .number(step: .record) : .lastID
    }

    private static let methods = ["get", "post", "put", "patch", "delete"]

    /// A call such as `{post: /search, body: {…}}`.
    private func call(_ reader: YAMLReader, _ name: String, more: [String] = [])
        -> RESTDescription.Call?
    {
        let known = Self.methods + ["body", "headers"] + more
        guard let keys = mapping(reader, name, known: known) else { return nil }
        check(keys, name)
        let named = Self.methods.filter { keys[$0] != nil }
        guard named.count == 1, let path = keys.text(named[0]) else {
            problems.add(
                keys.node,
                "`\(name)`: expected one of \(Self.methods.joined(separator: ", ")) with a path"
            )
            return nil
        }
        return RESTDescription.Call(
            method: named[0].uppercased(), path: path, headers: texts(keys, "headers"),
            body: keys["body"].flatMap(template), record: keys.text("record") ?? "")
    }

    /// What each call must say, or it would ask for something else than it is for.
    private static let places: [String: [String]] = [
        "changes": ["since"], "single": ["id"], "find": ["value"], "create": ["values"],
        "update": ["id", "values"], "delete": ["id"],
    ]

    /// What is filled in by calls, besides what a connection says.
    private static let filled: Set<String> = [
        "object", "fields", "after", "since", "id", "ids", "key", "key-id", "field", "value",
        "values", "version",
    ]

    /// Refuses places that nothing fills in, and calls without those that they need.
    private func check(_ keys: YAMLReader, _ name: String) {
        let found = Set(
            texts(of: keys.node).flatMap { text in
                text.matches(of: #/\{([^{}]*)\}/#).map { String($0.1) }
            })
        let filled = Self.filled.union(variables)
        for place in found.subtracting(filled).sorted() {
            problems.add(
                keys.node,
                "`\(name)`: nothing fills in `{\(place)}`\(suggestion(for: place, in: filled.sorted()))"
            )
        }
        for place in (Self.places[name] ?? []).filter({ !found.contains($0) }) {
            problems.add(keys.node, "`\(name)`: `{\(place)}` is missing")
        }
    }

    /// Every text in a node.
    private func texts(of node: Node?) -> [String] {
        guard let node else { return [] }
        if let list = node.sequence { return list.flatMap { texts(of: $0) } }
        if let mapping = node.mapping { return mapping.flatMap { texts(of: $0.value) } }
        return [node.scalar?.string ?? ""]
    }

    private func template(_ node: Node) -> RESTDescription.Template? {
        if let list = node.sequence { return .list(list.compactMap(template)) }
        if let mapping = node.mapping {
            if mapping.count == 1, let element = mapping["each-id"] {
                return template(element).map { .eachID($0) }
            }
            var object: [String: RESTDescription.Template] = [:]
            for (key, value) in mapping { object[key.string ?? ""] = template(value) }
            return .object(object)
        }
        if let number = node.int, node.scalar?.style == .plain { return .number(number) }
        if let flag = node.bool, node.scalar?.style == .plain { return .flag(flag) }
        return node.scalar.map { .text($0.string) }
    }

    private func texts(_ reader: YAMLReader, _ name: String) -> [String: String] {
        guard reader[name] != nil, let keys = mapping(reader, name, known: nil) else { return [:] }
        return keys.keys.reduce(into: [:]) { $0[$1] = keys.text($1) }
    }

    private func list(_ reader: YAMLReader, _ name: String) -> [Node] {
        guard let node = reader[name] else { return [] }
        guard let sequence = node.sequence else {
            problems.add(node, "`\(name)`: expected a list")
            return []
        }
        return Array(sequence)
    }

    /// A mapping that must be there.
    private func mapping(_ reader: YAMLReader, _ name: String, known: [String]?) -> YAMLReader? {
        guard let node = reader[name] else {
            problems.add(reader.node, "`\(name)` is missing")
            return nil
        }
        return YAMLReader(node, what: name, known: known, problems: problems)
    }
}
