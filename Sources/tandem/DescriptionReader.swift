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
        "title", "summary", "source", "connection", "headers", "account", "message", "errors",
        "objects",
    ]

    func description(_ root: Node) -> RESTDescription? {
        guard
            let reader = YAMLReader(
                root, what: "app", known: Self.keys, problems: problems),
            let account = call(reader, "account", more: ["id"])
        else { return nil }
        let accountID = mapping(reader, "account", known: nil)?.requiredText("id", example: "/id")
        return RESTDescription(
            title: reader.requiredText("title", example: "HubSpot"),
            summary: reader.requiredText("summary", example: "HubSpot's CRM"),
            variables: connection(reader), headers: texts(reader, "headers"), account: account,
            accountID: accountID ?? "",
            message: reader.requiredText("message", example: "/message"), errors: errors(reader),
            objects: objects(reader))
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

    private func errors(_ reader: YAMLReader) -> [RESTDescription.ErrorRule] {
        (reader["errors"]?.sequence.map(Array.init) ?? []).compactMap { node in
            guard
                let keys = YAMLReader(
                    node, what: "errors", known: ["status", "category"], problems: problems),
                let status = keys.number("status", in: 300...599),
                let category = keys.word("category", as: FailureCategory.self)
            else { return nil }
            return RESTDescription.ErrorRule(status: status, category: category)
        }
    }

    private func objects(_ reader: YAMLReader) -> [String: RESTDescription.Object] {
        guard let list = mapping(reader, "objects", known: nil) else { return [:] }
        var objects: [String: RESTDescription.Object] = [:]
        for name in list.keys { objects[name] = object(list, name) }
        return objects
    }

    private func object(_ list: YAMLReader, _ name: String) -> RESTDescription.Object? {
        let known = [
            "record", "schema", "list", "changes", "read", "single", "find", "create", "update",
            "delete",
        ]
        guard let keys = mapping(list, name, known: known), let shape = shape(keys),
            let schema = call(keys, "schema", more: ["fields", "name"]),
            let schemaKeys = mapping(keys, "schema", known: nil),
            let all = listing(keys, "list"), let changed = listing(keys, "changes", more: ["lag"]),
            let changes = mapping(keys, "changes", known: nil),
            let read = call(keys, "read", more: ["records", "batch"]),
            let single = call(keys, "single"),
            let reading = mapping(keys, "read", known: nil),
            let find = call(keys, "find", more: ["records", "fields"]),
            let finding = mapping(keys, "find", known: nil), let create = call(keys, "create"),
            let update = call(keys, "update"), let delete = call(keys, "delete")
        else { return nil }
        return RESTDescription.Object(
            shape: shape,
            schema: .init(
                call: schema, fields: schemaKeys.requiredText("fields", example: "/results"),
                name: schemaKeys.requiredText("name", example: "/name")), list: all,
            changes: .init(
                listing: changed, lagSeconds: changes.seconds("lag", in: 0...86_400) ?? 30),
            read: .init(
                call: read, records: reading.requiredText("records", example: "/results"),
                batch: reading.number("batch", in: 1...1_000) ?? 100, single: single),
            find: .init(
                call: find, records: finding.requiredText("records", example: "/results"),
                fields: (finding.texts("fields") ?? []).map { AppField($0) }), create: create,
            update: update, delete: delete)
    }

    private func shape(_ keys: YAMLReader) -> RESTDescription.Shape? {
        guard
            let record = mapping(keys, "record", known: ["id", "values", "created", "modified"])
        else { return nil }
        return RESTDescription.Shape(
            id: record.requiredText("id", example: "/id"), values: record.text("values") ?? "",
            created: record.text("created"), modified: record.text("modified"))
    }

    private func listing(_ keys: YAMLReader, _ name: String, more: [String] = [])
        -> RESTDescription.Listing?
    {
        guard let call = call(keys, name, more: ["records", "next", "start"] + more),
            let reader = mapping(keys, name, known: nil)
        else { return nil }
        return RESTDescription.Listing(
            call: call, records: reader.requiredText("records", example: "/results"),
            next: reader.text("next"), start: reader.text("start") ?? "")
    }

    private static let methods = ["get", "post", "put", "patch", "delete"]

    /// A call such as `{post: /search, body: {…}}`.
    private func call(_ reader: YAMLReader, _ name: String, more: [String] = [])
        -> RESTDescription.Call?
    {
        guard let keys = mapping(reader, name, known: Self.methods + ["body"] + more) else {
            return nil
        }
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
            method: named[0].uppercased(), path: path, body: keys["body"].flatMap(template))
    }

    /// What each call must say, or it would ask for something else than it is for.
    private static let places: [String: [String]] = [
        "list": ["fields", "after"], "changes": ["fields", "after", "since"],
        "read": ["fields", "id"],
        "single": ["fields", "id"], "find": ["fields", "field", "value", "since"],
        "create": ["values"], "update": ["id", "values"], "delete": ["id"],
    ]

    /// Refuses places that nothing fills in, and calls without those that they need.
    private func check(_ keys: YAMLReader, _ name: String) {
        let texts = (Self.methods + ["body"]).compactMap { keys[$0] }.flatMap(scalars)
        let found = Set(
            texts.flatMap { text in text.matches(of: #/\{([^{}]*)\}/#).map { String($0.1) } })
        let filled = Set(Self.places.values.flatMap(\.self)).union(variables)
            .union(["ids", "key", "object"])
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

    private func scalars(_ node: Node) -> [String] {
        if let list = node.sequence { return list.flatMap(scalars) }
        if let mapping = node.mapping { return mapping.flatMap { scalars($0.value) } }
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

    /// A mapping that must be there.
    private func mapping(_ reader: YAMLReader, _ name: String, known: [String]?) -> YAMLReader? {
        guard let node = reader[name] else {
            problems.add(reader.node, "`\(name)` is missing")
            return nil
        }
        return YAMLReader(node, what: name, known: known, problems: problems)
    }
}
