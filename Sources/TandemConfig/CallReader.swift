import AdapterREST
import TandemModel
import TandemSupport
import Yams

/// Reads the calls of an `app.yaml`, and the places in answers.
struct CallReader {
    let problems: Problems
    /// What a connection says.
    let variables: Set<String>

    /// A call such as `{post: /search, body: {…}}`.
    ///
    /// - Parameters:
    ///   - reader: What the call is said in.
    ///   - name: The key that it is said under.
    ///   - more: What else may be said with the call.
    /// - Returns: The call, and everything that is said with it.
    func call(_ reader: YAMLReader, _ name: String, more: DescriptionKeys? = nil)
        -> (call: RESTDescription.Call, said: YAMLReader)?
    {
        guard let keys = mapping(reader, name, known: .call, more: more) else { return nil }
        return call(keys, name).map { ($0, keys) }
    }

    private func call(_ keys: YAMLReader, _ name: String) -> RESTDescription.Call? {
        check(keys.node, name)
        let named = DescriptionKeys.methods.filter { keys[$0] != nil }
        guard named.count == 1, let path = keys.text(named[0]) else {
            problems.add(
                keys.node,
                "`\(name)`: expected one of \(DescriptionKeys.methods.joined(separator: ", ")) with a path"
            )
            return nil
        }
        var call = RESTDescription.Call(
            method: named[0].uppercased(), path: path, headers: texts(keys, "headers"),
            body: keys["body"].flatMap(template))
        call.cost = keys.number("cost", in: 1...100_000) ?? 1
        return call
    }

    // MARK: Places

    /// What each call must say, or it would ask for something else than it is for.
    private static let places: [String: [String]] = [
        "single": ["id"], "create": ["values|record"], "update": ["id", "values|record"],
        "delete": ["id"], "set": ["id", "value"], "clear": ["id", "value"],
    ]

    /// What is filled in by calls, besides what a connection says.
    static let filled: Set<String> = [
        "object", "fields", "members", "after", "since", "id", "ids", "ids*", "key", "key-id",
        "field", "value", "values", "record", "version", "access", "base",
    ]

    /// Refuses places that nothing fills in, and calls without those that they need.
    func check(_ node: Node, _ name: String) {
        var found: Set<String> = []
        for place in Self.texts(of: node).flatMap(\.places).map({ CallPlace($0) }) {
            found.insert(place.name)
            let forms = RESTDescription.TimeForm.allCases.map(\.rawValue) + ["number"]
            if let form = place.form, !forms.contains(form) {
                problems.add(
                    node,
                    "`\(name)`: there is no form `\(form)`" + suggestion(for: form, in: forms))
            }
        }
        let filled = Self.filled.union(variables)
        for place in found.subtracting(filled).sorted() {
            problems.add(
                node,
                "`\(name)`: nothing fills in `{\(place)}`\(suggestion(for: place, in: filled.sorted()))"
            )
        }
        for place in Self.places[name] ?? [] {
            let names = place.split(separator: "|").map(String.init)
            if found.isDisjoint(with: names) {
                problems.add(node, "`\(name)`: `{\(names[0])}` is missing")
            }
        }
    }

    /// Every text in a node.
    private static func texts(of node: Node?) -> [String] {
        guard let node else { return [] }
        if let list = node.sequence { return list.flatMap { texts(of: $0) } }
        if let mapping = node.mapping { return mapping.flatMap { texts(of: $0.value) } }
        return [node.scalar?.string ?? ""]
    }

    // MARK: Bodies

    func template(_ node: Node) -> RESTDescription.Template? {
        if let list = node.sequence { return .list(list.compactMap(template)) }
        if let mapping = node.mapping { return object(mapping) }
        guard let scalar = node.scalar else { return nil }
        if scalar.style == .plain {
            if let number = node.int { return .number(number) }
            if let flag = node.bool { return .flag(flag) }
            if ["null", "~", ""].contains(scalar.string) { return .null }
        }
        // `"...{ids}"` in a list stands for the elements.
        return scalar.string.hasPrefix(Self.spread)
            ? .elements(.text(String(scalar.string.dropFirst(Self.spread.count))))
            : .text(scalar.string)
    }

    private static let spread = "..."

    private func object(_ mapping: Node.Mapping) -> RESTDescription.Template? {
        if mapping.count == 1 {
            if let element = mapping["each-id"] { return template(element).map { .eachID($0) } }
            if let element = mapping["each-write"] {
                return template(element).map { .eachWrite($0) }
            }
        }
        var object: [String: RESTDescription.Template] = [:]
        var spread: [RESTDescription.Template] = []
        for (key, value) in mapping {
            guard let template = template(value) else { continue }
            if key.string == Self.spread {
                spread.append(template)
            } else {
                object[key.string ?? ""] = template
            }
        }
        return .object(object, spread: spread)
    }

    // MARK: Answers

    /// Where records are: a place, or `{at: /people, item: /person, optional: true}`.
    func records(_ reader: YAMLReader) -> RESTDescription.Records {
        guard reader["records"]?.mapping != nil else {
            return .init(list: reader.requiredText("records", example: "/results"))
        }
        guard let keys = mapping(reader, "records", known: .records) else {
            return .init(list: "")
        }
        var records = RESTDescription.Records(
            list: keys.requiredText("at", example: "/results"))
        records.item = keys.text("item") ?? ""
        records.isOptional = keys.flag("optional") ?? false
        return records
    }

    /// A place that tells something: `/deleted`, or `{at: /status, is: [archived]}`.
    func mark(_ reader: YAMLReader, _ name: String) -> RESTDescription.Mark? {
        reader[name].flatMap { mark($0, name) }
    }

    func mark(_ node: Node, _ name: String) -> RESTDescription.Mark? {
        if let place = node.scalar?.string { return .init(place: place, values: []) }
        return YAMLReader(node, what: name, known: DescriptionKeys.mark.names, problems: problems)
            .map {
                .init(
                    place: $0.requiredText("at", example: "/status"), values: $0.texts("is") ?? [])
            }
    }

    // MARK: Listings

    private static let listingKeys = DescriptionKeys(
        "", DescriptionKeys.call.keys + DescriptionKeys.listing.keys)

    /// A listing, and those that are said to belong to it.
    func listings(_ reader: YAMLReader, _ name: String, more: DescriptionKeys? = nil)
        -> (listings: [RESTDescription.Listing], said: YAMLReader)?
    {
        guard let keys = mapping(reader, name, known: Self.listingKeys, more: more) else {
            return nil
        }
        let others = list(keys, "also").compactMap {
            YAMLReader($0, what: name, known: Self.listingKeys.names, problems: problems)
        }
        let found = ([keys] + others).compactMap { listing($0, name) }
        return found.count == others.count + 1 ? (found, keys) : nil
    }

    private func listing(_ reader: YAMLReader, _ name: String) -> RESTDescription.Listing? {
        guard let call = call(reader, name) else { return nil }
        let said = DescriptionKeys.paging.map(\.name).filter { reader[$0] != nil }
        if said.count > 1 {
            problems.add(
                reader.node, "`\(name)`: only one of \(said.joined(separator: ", ")) can be")
        }
        let paging = paging(reader)
        switch paging {
        case .link, .header: break
        case .token, .page, .offset, .lastID:
            if !call.mentions("after") {
                problems.add(reader.node, "`\(name)`: `{after}` is missing")
            }
        }
        var listing = RESTDescription.Listing(
            call: call, records: records(reader), paging: paging)
        listing.start = reader.text("start") ?? ""
        listing.isStable = reader.flag("stable") ?? false
        listing.more = mark(reader, "more")
        listing.total = reader.text("total")
        listing.pageCount = reader.text("pages")
        listing.end =
            reader["end"]?.mapping == nil
            ? reader.number("end", in: 400...599).map { .status($0) }
            : mark(reader, "end").map { .mark($0) }
        listing.cap = reader.number("cap", in: 1...1_000_000)
        if listing.cap != nil && !call.mentions("since") {
            problems.add(reader["cap"], "`\(name)`: `cap` needs `{since}` in the call")
        }
        return listing
    }

    private func paging(_ reader: YAMLReader) -> RESTDescription.Paging {
        if let place = reader.text("next") { return .token(place) }
        if let place = reader.text("next-link") { return .link(place) }
        if let name = reader.text("next-header") { return .header(name) }
        if reader.flag("next-page") == true { return .page }
        return reader.flag("next-offset") == true
            ? .offset(overlap: reader.number("overlap", in: 0...1_000) ?? 0) : .lastID
    }

    // MARK: Parts

    func texts(_ reader: YAMLReader, _ name: String) -> [String: String] {
        guard reader[name] != nil, let keys = mapping(reader, name, known: nil) else { return [:] }
        return keys.keys.reduce(into: [:]) { $0[$1] = keys.text($1) }
    }

    func list(_ reader: YAMLReader, _ name: String) -> [Node] {
        guard let node = reader[name] else { return [] }
        guard let sequence = node.sequence else {
            problems.add(node, "`\(name)`: expected a list")
            return []
        }
        return Array(sequence)
    }

    /// A mapping that must be there, with these keys; without any, with any.
    func mapping(
        _ reader: YAMLReader, _ name: String, known: DescriptionKeys?, more: DescriptionKeys? = nil
    ) -> YAMLReader? {
        guard let node = reader[name] else {
            problems.add(reader.node, "`\(name)` is missing")
            return nil
        }
        let names = known.map { $0.names + (more?.names ?? []) }
        return YAMLReader(node, what: name, known: names, problems: problems)
    }
}
