import AdapterREST
import TandemModel
import TandemSupport
import Yams

/// Reads one entry under `syncs`.
struct SyncReader {
    let name: String
    let node: Node
    let connections: [ConnectionName: Configuration.Connection]
    /// The names of all connections, of those with mistakes, too.
    let names: [String]
    let library: MappingLibrary
    let marketing: MarketingRules
    let problems: Problems

    private static let keys = [
        "connection", "object", "direction", "default", "require-email", "match", "filter",
        "on-leaving-filter", "deletions", "blanks", "fields",
    ]

    func settings() -> SyncSettings? {
        guard let reader = YAMLReader(node, what: name, known: Self.keys, problems: problems) else {
            return nil
        }
        let connection = ConnectionName(reader.requiredText("connection", example: "home"))
        let object = ObjectName(reader.requiredText("object", example: "contacts"))
        guard let place = connections[connection] else {
            // What is wrong with one that is there was said where it stands.
            if !connection.text.isEmpty && !names.contains(connection.text) {
                problems.add(
                    reader["connection"],
                    "there is no connection `\(connection)`"
                        + suggestion(for: connection.text, in: names))
            }
            return nil
        }
        guard var mapping = mapping(place.app, object, reader) else { return nil }
        let described = described(place, mapping)
        let isReadOnly = place.isReadOnly || described.map { $0.update == nil } ?? false
        let direction =
            reader.word("direction", as: Direction.self) ?? (isReadOnly ? .toCRM : .both)
        if isReadOnly && direction != .toCRM {
            problems.add(
                reader["direction"],
                "`direction`: \(place.app) is only read; expected `direction: to-crm`")
        }
        let deletions = reader.word("deletions", as: DeletionRule.self) ?? .track
        if let described, described.delete == nil, deletions != .track,
            direction.allows(writingTo: .app)
        {
            problems.add(
                reader["deletions"],
                "`deletions: \(deletions.rawValue)`: \(place.app) deletes no \(mapping.appObject) "
                    + "(its description has no `delete`); expected `deletions: track`")
        }
        override(&mapping, reader)
        // A one-way sync follows its source unless the user says otherwise.
        let source: Side = direction == .toCRM ? .app : .crm
        let filters = reader["filter"].flatMap {
            YAMLReader($0, what: "filter", known: ["to-app", "to-crm"], problems: problems)
        }
        let filterReader = FilterReader(object: object, problems: problems)
        var settings = SyncSettings(
            name: SyncName(name), connection: connection, app: place.app, mapping: mapping,
            direction: direction, winner: reader.word("default", as: Side.self) ?? source,
            requiresEmail: reader.flag("require-email"), match: match(reader, object),
            filterToApp: filters?["to-app"].flatMap(filterReader.filter),
            filterToCRM: filters?["to-crm"].flatMap(filterReader.filter),
            onLeavingFilter: reader.word("on-leaving-filter", as: LeavingRule.self) ?? .keep,
            deletions: deletions,
            blanks: reader.word("blanks", as: BlankRule.self) ?? .keep,
            marketing: place.isMarketing ? marketing : nil)
        settings.createsInApp = described.map { $0.create != nil } ?? true
        return settings
    }

    /// What the description of a described app says of the sync's object.
    private func described(_ place: Configuration.Connection, _ mapping: ObjectMapping)
        -> RESTDescription.Object?
    {
        guard case .rest(let description, _, _, _) = place.reach else { return nil }
        return description.objects[mapping.appObject] ?? description.objects["*"]
    }

    private func mapping(_ app: String, _ object: ObjectName, _ reader: YAMLReader)
        -> ObjectMapping?
    {
        switch library.mapping(app: app, object: object) {
        case .success(let mapping): return mapping
        case .failure(let failure):
            switch failure {
            case .missing(let known):
                problems.add(
                    reader["object"],
                    "`\(app)` has no mapping for `\(object)`"
                        + suggestion(for: object.text, in: known)
                        + "; there is \(known.isEmpty ? "none" : known.joined(separator: ", "))")
            case .invalid(let report):
                problems.add(reader["object"], "the mapping is wrong:\n\(report)")
            }
            return nil
        }
    }

    private func match(_ reader: YAMLReader, _ object: ObjectName) -> [MatchRule]? {
        guard let texts = reader.texts("match") else { return nil }
        if texts == ["none"] { return [] }
        let known = SyncSettings.defaultMatch(object).map(\.text)
        for text in texts where !known.contains(text) {
            problems.add(
                reader["match"],
                "`match`: \(object) are not matched by `\(text)`"
                    + suggestion(for: text, in: known)
                    + "; expected \((known + ["none"]).joined(separator: ", "))")
        }
        return texts.map { MatchRule($0) }
    }

    /// Applies `fields:`, the overrides by CRM property.
    private func override(_ mapping: inout ObjectMapping, _ reader: YAMLReader) {
        guard let node = reader["fields"],
            let overrides = YAMLReader(node, what: "fields", known: nil, problems: problems)
        else { return }
        for key in overrides.keys {
            guard let node = overrides[key] else { continue }
            guard let index = mapping.fields.firstIndex(where: { $0.crm.text == key }) else {
                problems.add(
                    node,
                    "`fields`: the mapping has no `\(key)`"
                        + suggestion(for: key, in: mapping.fields.map(\.crm.text)))
                continue
            }
            if node.scalar?.string == "off" || node.bool == false {
                mapping.fields.remove(at: index)
                continue
            }
            guard
                let field = YAMLReader(
                    node, what: key, known: ["direction", "rule"], problems: problems)
            else { continue }
            if let direction = field.word("direction", as: Direction.self) {
                guard let both = mapping.fields[index].direction.intersection(direction) else {
                    problems.add(
                        node, "`\(key)` can only flow \(mapping.fields[index].direction.rawValue)")
                    continue
                }
                mapping.fields[index].direction = both
            }
            if let rule = field.word("rule", as: FieldRule.self) {
                mapping.fields[index].rule = rule
            }
        }
    }
}

/// Reads filters: groups of conditions under `any` and `all`.
struct FilterReader {
    let object: ObjectName
    let problems: Problems

    private static let operators = [
        "is", "is-not", "in", "not-in", "contains", "not-contains", "starts-with", "known",
        "less-than", "at-most", "at-least", "greater-than", "between",
    ]

    func filter(_ node: Node) -> Filter? {
        guard
            let reader = YAMLReader(
                node, what: "filter", known: ["any", "all", "property"] + Self.operators,
                problems: problems)
        else { return nil }
        if let group = reader["any"] { return filters(group).map(Filter.any) }
        if let group = reader["all"] { return filters(group).map(Filter.all) }
        return condition(reader)
    }

    private func filters(_ node: Node) -> [Filter]? {
        guard let list = node.sequence else {
            problems.add(node, "filter: expected a list of groups or conditions")
            return nil
        }
        return list.compactMap(filter)
    }

    private func condition(_ reader: YAMLReader) -> Filter? {
        let property = PropertyName(reader.requiredText("property", example: "country"))
        problems.name(property, of: object, at: reader["property"])
        let given = reader.keys.filter { $0 != "property" }
        guard given.count == 1, let key = given.first, let condition = condition(key, reader) else {
            problems.add(
                reader.node,
                "filter: expected one of \(Self.operators.joined(separator: ", ")) beside `property`"
            )
            return nil
        }
        return .condition(property, condition)
    }

    private func condition(_ key: String, _ reader: YAMLReader) -> Filter.Condition? {
        if key == "known" { return reader.flag(key).map { .known($0) } }
        guard let texts = reader.texts(key), let first = texts.first else { return nil }
        switch key {
        case "is", "in": return .oneOf(texts)
        case "is-not", "not-in": return .noneOf(texts)
        case "contains": return .contains(texts)
        case "not-contains": return .containsNone(texts)
        case "starts-with": return .startsWith(first)
        case "less-than": return .lessThan(first)
        case "at-most": return .atMost(first)
        case "at-least": return .atLeast(first)
        case "greater-than": return .greaterThan(first)
        case "between" where texts.count == 2: return .between(first, texts[1])
        default: return nil
        }
    }
}
