import AdapterREST
import TandemModel
import TandemSupport
import Yams

/// Reads one entry under `objects` of an `app.yaml`.
struct ObjectReader {
    let calls: CallReader

    private var problems: Problems { calls.problems }

    func object(_ list: YAMLReader, _ name: String) -> RESTDescription.Object? {
        guard let keys = calls.mapping(list, name, known: .object) else { return nil }
        // All is read before anything is missed, so that all that is wrong is said at once.
        let (shape, all, single) = (shape(keys), calls.listings(keys, "list"), single(keys))
        let writes = ["create", "update", "delete"].map { keys[$0] == nil ? nil : write(keys, $0) }
        let changes = keys["changes"] == nil ? nil : changes(keys, all?.listings ?? [])
        guard let shape, let all, let single else { return nil }
        var object = RESTDescription.Object(shape: shape, list: all.listings, single: single)
        object.changes = changes
        (object.create, object.createBatch) = (writes[0]?.call, writes[0]?.batch)
        (object.update, object.updateBatch) = (writes[1]?.call, writes[1]?.batch)
        (object.delete, object.deleteBatch) = (writes[2]?.call, writes[2]?.batch)
        object.schema = keys["schema"] == nil ? nil : schema(keys)
        object.deletions = deletions(keys)
        object.read = keys["read"] == nil ? nil : batchRead(keys)
        object.find = keys["find"] == nil ? nil : find(keys)
        object.condition = calls.texts(keys, "condition")
        object.readLagSeconds = keys.seconds("read-lag", in: 0...86_400) ?? 0
        check(object, keys, name)
        return object
    }

    /// What must go together.
    private func check(_ object: RESTDescription.Object, _ keys: YAMLReader, _ name: String) {
        let shape = object.shape
        if keys["create"] != nil && keys["update"] == nil {
            problems.add(
                keys["create"],
                "`\(name)`: `create` needs `update`; without both, records are only read")
        }
        if let create = object.create, object.find == nil && !create.makesID {
            problems.add(
                keys.node,
                "`\(name)`: `find` is missing; without it `create` must give `{key-id}` to the new "
                    + "record")
        }
        let needsVersion = !object.condition.isEmpty || object.update?.mentions("version") ?? false
        if needsVersion && shape.version == nil && shape.modified == nil {
            problems.add(
                keys["condition"] ?? keys["update"], "`\(name)` needs a `version` of the record")
        }
        let listings = object.list + (object.changes?.listings ?? [])
        if listings.contains(where: { $0.cap != nil }) && shape.modified == nil {
            problems.add(keys["record"], "`record`: `cap` needs `modified`")
        }
    }

    private func single(_ keys: YAMLReader) -> RESTDescription.Call? {
        guard let (found, said) = calls.call(keys, "single", more: .single) else { return nil }
        var call = found
        call.record = said.text("record") ?? ""
        return call
    }

    private func write(_ keys: YAMLReader, _ name: String)
        -> (call: RESTDescription.Call, batch: RESTDescription.BatchWrite?)?
    {
        guard
            let (found, said) = calls.call(keys, name, more: .write)
        else {
            return nil
        }
        var call = found
        call.record = said.text("record") ?? ""
        call.id = said.text("id")
        call.idHeader = said.text("id-header")
        guard said["batch"] != nil,
            let batch = calls.call(said, "batch", more: .batchWrite)
        else { return (call, nil) }
        return (
            call,
            .init(
                call: batch.call, size: batch.said.number("size", in: 1...1_000) ?? 50,
                results: batch.said.requiredText("results", example: "/results"),
                success: calls.mark(batch.said, "success"), id: batch.said.text("id") ?? "/id")
        )
    }

    private func schema(_ keys: YAMLReader) -> RESTDescription.Schema? {
        guard let (call, said) = calls.call(keys, "schema", more: .schema) else { return nil }
        var schema = RESTDescription.Schema(
            call: call, fields: said.requiredText("fields", example: "/results"),
            name: said.text("name") ?? "/name")
        schema.type = said.text("type")
        for (word, type) in calls.texts(said, "types") {
            if let type = ValueType(rawValue: type) {
                schema.types[word] = type
            } else {
                problems.add(
                    said["types"],
                    "`types`: there is no type `\(type)`"
                        + suggestion(for: type, in: ValueType.allCases.map(\.rawValue)))
            }
        }
        schema.readOnly = calls.mark(said, "read-only")
        if let node = said["required"] {
            schema.required = (node.sequence.map { Array($0) } ?? [node]).compactMap {
                calls.mark($0, "required")
            }
        }
        schema.options = said.text("options")
        schema.option = said.text("option") ?? ""
        schema.maximumLength = said.text("length")
        return schema
    }

    private func batchRead(_ keys: YAMLReader) -> RESTDescription.BatchRead? {
        guard let (call, said) = calls.call(keys, "read", more: .batchRead)
        else { return nil }
        var read = RESTDescription.BatchRead(
            call: call, records: calls.records(said),
            size: said.number("batch", in: 1...2_000) ?? 100)
        read.least = said.number("least", in: 1...2_000) ?? read.least
        return read
    }

    private func find(_ keys: YAMLReader) -> RESTDescription.Lookup? {
        guard
            let (call, said) = calls.call(keys, "find", more: .find)
        else { return nil }
        var find = RESTDescription.Lookup(call: call, records: calls.records(said))
        find.fields = (said.texts("fields") ?? []).map { AppField($0) }
        find.escapes = calls.texts(said, "escapes")
        find.since = said.word("since", as: RESTDescription.TimeForm.self) ?? .milliseconds
        find.lagSeconds = said.seconds("lag", in: 0...86_400)
        find.isIndex = said.flag("index") ?? false
        if call.mentions("field") && !call.mentions("value") {
            problems.add(said.node, "`find`: `{value}` is missing beside `{field}`")
        }
        // A list that asks for nothing in particular would show anything but the new record.
        if !["value", "key-id", "key", "since"].contains(where: call.mentions),
            said.flag("newest") != true
        {
            problems.add(
                said.node,
                "`find`: `{value}` or `{since}` is missing, or `newest: true` for a list that begins "
                    + "with what was made last")
        }
        return find
    }

    // MARK: Listings

    private func changes(_ keys: YAMLReader, _ all: [RESTDescription.Listing])
        -> RESTDescription.Changes?
    {
        // Behind an address that the app gave there is what the listing of everything gives.
        if keys["changes"]?.mapping?["since-link"] != nil {
            guard
                let said = calls.mapping(keys, "changes", known: .changes)
            else { return nil }
            return changes(said, listings: all)
        }
        guard
            let (listings, said) = calls.listings(keys, "changes", more: .changes)
        else { return nil }
        if !listings.allSatisfy({ $0.call.mentions("since") }) {
            problems.add(said.node, "`changes`: `{since}` is missing")
        }
        return changes(said, listings: listings)
    }

    private func changes(_ said: YAMLReader, listings: [RESTDescription.Listing])
        -> RESTDescription.Changes
    {
        let named = DescriptionKeys.watermarks.map(\.name).filter { said[$0] != nil }
        if named.count > 1 {
            problems.add(
                said.node, "`changes`: only one of \(named.joined(separator: ", ")) can be")
        }
        let form = said.word("since", as: RESTDescription.TimeForm.self) ?? .milliseconds
        let watermark: RESTDescription.Watermark =
            said.text("since-header").map { .header($0) }
            ?? said.text("since-token").map { .token($0) }
            ?? said.text("since-link").map { .link($0) } ?? .date(form)
        var changes = RESTDescription.Changes(listings: listings, watermark: watermark)
        changes.lagSeconds = said.seconds("lag", in: 0...86_400) ?? changes.lagSeconds
        changes.isIndex = said.flag("index") ?? false
        return changes
    }

    /// `sweep`, or a listing of what was deleted.
    private func deletions(_ keys: YAMLReader) -> RESTDescription.Deletions? {
        guard let node = keys["deletions"] else { return nil }
        if let word = node.scalar?.string {
            if word != "sweep" {
                problems.add(node, "`deletions: \(word)`: expected `sweep` or a listing")
            }
            return .sweep
        }
        guard let (listings, said) = calls.listings(keys, "deletions", more: .deletions) else {
            return nil
        }
        return .feed(
            listings, id: said.requiredText("id", example: "/id"),
            keepsSeconds: said.seconds("keeps", in: 60...315_360_000))
    }

    // MARK: Records

    private func shape(_ keys: YAMLReader) -> RESTDescription.Shape? {
        guard let record = calls.mapping(keys, "record", known: .record) else { return nil }
        var shape = RESTDescription.Shape(
            id: record.requiredText("id", example: "/id"), values: record.text("values") ?? "")
        shape.created = record.text("created")
        shape.modified = record.text("modified")
        shape.version = record.text("version")
        shape.deleted = calls.mark(record, "deleted")
        shape.isTyped = record.flag("typed") ?? false
        shape.blank = record["blank"].flatMap(calls.template)
        shape.blanks = record.texts("blanks") ?? []
        shape.moments = record.word("moments", as: RESTDescription.TimeForm.self) ?? .rfc3339
        shape.whole = Set(record.texts("whole") ?? [])
        let restored = record.texts("restores") ?? []
        shape.restores = restored == ["all"] ? .all : .members(Set(restored))
        shape.unsent = record.texts("unsent") ?? []
        if record["fields"] != nil, let fields = calls.mapping(record, "fields", known: nil) {
            for name in fields.keys { shape.fields[AppField(name)] = form(fields, name) }
        }
        if keys["associations"] != nil, let list = calls.mapping(keys, "associations", known: nil) {
            for name in list.keys { shape.associations[AppField(name)] = association(list, name) }
        }
        return shape
    }

    private func form(_ fields: YAMLReader, _ name: String) -> RESTDescription.FieldForm? {
        guard
            let said = calls.mapping(fields, name, known: .field)
        else { return nil }
        var form = RESTDescription.FieldForm()
        form.place = said.text("at")
        form.written = said["as"].flatMap(calls.template)
        form.blank = said["blank"].flatMap(calls.template)
        form.type = said.word("type", as: ValueType.self)
        form.isReadOnly = said.flag("read-only") ?? false
        form.isRequired = said.flag("required") ?? false
        form.createPlace = said.text("create-at")
        form.isCreateOnly = said.flag("create-only") ?? false
        form.options = said.texts("options") ?? []
        form.maximumLength = said.number("length", in: 1...1_000_000)
        return form
    }

    private func association(_ list: YAMLReader, _ name: String) -> RESTDescription.Association? {
        guard
            let said = calls.mapping(list, name, known: .association),
            let read = batchRead(said), let (set, _) = calls.call(said, "set"),
            let (clear, _) = calls.call(said, "clear")
        else { return nil }
        if said["to"] == nil { problems.add(said.node, "`\(name)`: `to` is missing") }
        return .init(
            read: read, from: said.requiredText("from", example: "/from/id"),
            to: said.texts("to") ?? [], set: set, clear: clear)
    }
}

extension RESTDescription.Call {
    /// Whether the id of a new record follows from our key: a header alone gives none.
    fileprivate var makesID: Bool {
        var bare = RESTDescription.Call(method: method, path: path, headers: [:], body: body)
        bare.record = record
        return bare.mentions("key-id")
    }
}
