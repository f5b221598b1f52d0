import AdapterKit
import FoundationEssentials
import TandemModel
import TandemSupport

/// Records of a described app as fields, and fields as what the app takes.
extension RESTAdapter {
    private var shape: RESTDescription.Shape { object.shape }

    private func path(of field: AppField) -> FieldPath {
        FieldPath(shape.fields[field]?.place ?? field.text)
    }

    /// The member of a record's values that a field is in.
    func member(of field: AppField) -> String { path(of: field).member }

    /// A record as the app shows it; `nil` for something without id.
    func record(_ json: JSON) -> AppRecord? {
        guard let id = json.at(shape.id)?.field, !id.isEmpty else { return nil }
        let all = json.at(shape.values) ?? .null
        var values: [AppField: String] = [:]
        for field in fields where shape.associations[field] == nil {
            // An app that does not tell its fields leaves out those that a record has not got.
            let absent: String? = object.schema == nil ? "" : nil
            values[field] = path(of: field).value(in: all).flatMap { text(of: $0, field) } ?? absent
        }
        func moment(_ place: String?) -> Timestamp? {
            place.flatMap { json.at($0)?.field }.flatMap { Timestamp(loose: $0) }
        }
        return AppRecord(
            id: AppRecordID(id), version: version(json), values: values,
            createdAt: moment(shape.created), modifiedAt: moment(shape.modified))
    }

    /// Whether a record shows any of the mapped fields.
    func hasField(_ json: JSON) -> Bool {
        let all = json.at(shape.values) ?? .null
        return fields.contains { field in
            shape.associations[field] != nil || path(of: field).value(in: all) != nil
        }
    }

    /// Whether something stands for a deleted record.
    func isDeleted(_ json: JSON) -> Bool { shape.deleted?.isOn(json) ?? false }

    private func version(_ json: JSON) -> String? {
        (shape.version ?? shape.modified).flatMap { json.at($0)?.field }
    }

    func type(of field: AppField) -> ValueType? {
        shape.fields[field]?.type ?? connection.types[field]
    }

    private func text(of json: JSON, _ field: AppField) -> String? {
        if json == blank(of: field) && !(json == .flag(false) && type(of: field) == .bool) {
            return ""
        }
        guard let text = json.fieldOrSet else { return nil }
        if shape.blanks.contains(text) { return "" }
        guard type(of: field) == .datetime else { return text }
        return Timestamp(loose: text)?.description ?? text
    }

    private func blank(of field: AppField) -> JSON {
        let template = shape.fields[field]?.blank ?? shape.blank
        return template.map { connection.json($0, Arguments()) }
            ?? (shape.isTyped ? .null : .text(""))
    }

    /// A value as the app takes it.
    private func json(_ value: String, _ field: AppField) -> JSON {
        if value.isEmpty { return blank(of: field) }
        let form = shape.fields[field]
        let plain = shape.isTyped || form?.type != nil ? typed(value, field) : .text(value)
        guard let template = form?.written else { return plain }
        var arguments = Arguments()
        arguments.texts["value"] = value
        arguments.value = plain
        return connection.json(template, arguments)
    }

    private func typed(_ value: String, _ field: AppField) -> JSON {
        switch type(of: field) {
        case .number: Decimal(canonical: value).map { .number($0) } ?? .text(value)
        case .bool: .flag(value == "true")
        case .multiEnumeration: .list(value.split(separator: ";").map { .text("\($0)") })
        case .datetime: .text(Timestamp(rfc3339: value).map(shape.moments.text) ?? value)
        case .date: .text(String(value.prefix(10)))
        default: .text(value)
        }
    }

    /// Whether a write needs what the record holds now: lists and some objects are written whole.
    func needsRecord(_ values: [AppField: String]) -> Bool {
        values.keys.contains { isPartOfWhole($0) }
    }

    /// Whether a field is part of something that is written whole.
    ///
    /// What is written in a form of its own is a whole itself.
    private func isPartOfWhole(_ field: AppField) -> Bool {
        if shape.fields[field]?.written != nil { return false }
        let path = path(of: field)
        return path.element != nil || shape.whole.contains(path.member)
    }

    /// The members of a record that a write touches, as they are to be.
    ///
    /// - Parameters:
    ///   - written: The fields and their new values.
    ///   - current: The record as it is; `nil` for a new one, or if it was not read.
    ///   - isNew: Whether they are a new record's.
    /// - Returns: The members by name.
    func members(_ written: [AppField: String], current: JSON?, isNew: Bool = false)
        -> [String: JSON]
    {
        let held = current?.at(shape.values)
        var members = JSON.object([:])
        for (field, value) in written.sorted(by: { $0.key < $1.key }) {
            let form = shape.fields[field]
            if form?.isCreateOnly == true && !isNew { continue }
            let path =
                isNew ? form?.createPlace.map(FieldPath.init) ?? path(of: field) : path(of: field)
            if isPartOfWhole(field), members[path.member] == nil, let whole = held?[path.member] {
                members = FieldPath(path.member).setting(whole, in: members)
            }
            if shape.fields[field]?.written != nil {
                // What is written has a form of its own, and stands at the place of the whole.
                members = FieldPath(field.text).setting(json(value, field), in: members)
            } else {
                members = path.setting(json(value, field), in: members)
            }
        }
        let sent = shape.unsent.reduce(members) { FieldPath($1).removing(from: $0) }
        return withoutHollowElements(sent, touchedBy: Set(written.keys)).members ?? [:]
    }

    /// Takes the elements of lists away in which no field that is mapped has a value.
    private func withoutHollowElements(_ members: JSON, touchedBy written: Set<AppField>) -> JSON {
        let byElement = Dictionary(grouping: fields) { path(of: $0).element }
        let hollow = byElement.compactMap { element, fields -> FieldPath? in
            guard let element, !written.isDisjoint(with: fields) else { return nil }
            let isHollow = fields.allSatisfy { field in
                path(of: field).value(in: members).flatMap { text(of: $0, field) }?.isEmpty ?? true
            }
            return isHollow ? element : nil
        }
        // The innermost first, and each list from its end on, so that no number changes its meaning.
        return hollow.sorted { ($0.steps.count, $0.number) > ($1.steps.count, $1.number) }
            .reduce(members) { $1.removing(from: $0) }
    }

    /// A whole record with some members written over, as it is sent.
    func merged(_ members: [String: JSON], into current: JSON) -> JSON {
        let record = members.reduce(current) { record, member in
            FieldPath(shape.values + "/" + member.key).setting(member.value, in: record)
        }
        return shape.unsent.reduce(record) {
            FieldPath(shape.values + "/" + $1).removing(from: $0)
        }
    }

    /// What the app says of its fields.
    func schema(in answer: JSON, _ schema: RESTDescription.Schema) -> [FieldSchema] {
        let found = answer.at(schema.fields)
        var fields = (found?.elements ?? []).compactMap { json in
            json.at(schema.name)?.field.map { described($0, json, schema) }
        }
        for (name, json) in found?.members ?? [:] { fields.append(described(name, json, schema)) }
        return fields
    }

    private func described(_ name: String, _ json: JSON, _ schema: RESTDescription.Schema)
        -> FieldSchema
    {
        let said = schema.type.flatMap { json.at($0)?.field }.flatMap { schema.types[$0] }
        let options = schema.options.flatMap { json.at($0)?.elements } ?? []
        return FieldSchema(
            AppField(name), type: said, isWritable: !(schema.readOnly?.isOn(json) ?? false),
            isRequired: !schema.required.isEmpty && schema.required.allSatisfy { $0.isOn(json) },
            options: options.compactMap { $0.at(schema.option)?.field },
            // Nought is what types have that are no texts.
            maximumLength: schema.maximumLength.flatMap { json.at($0)?.integer }.flatMap {
                $0 > 0 ? Int($0) : nil
            })
    }

    /// The fields that the description itself tells something of.
    func schema(of known: [FieldSchema]) -> [FieldSchema] {
        let named = Set(known.map(\.field))
        let own =
            shape.fields.filter { !named.contains($0.key) || $0.value.isReadOnly }.map {
                FieldSchema(
                    $0.key, type: $0.value.type, isWritable: !$0.value.isReadOnly,
                    isRequired: $0.value.isRequired, options: $0.value.options,
                    maximumLength: $0.value.maximumLength)
            } + shape.associations.keys.filter { !named.contains($0) }.map { FieldSchema($0) }
        let overridden = Set(own.map(\.field))
        return known.filter { !overridden.contains($0.field) }
            + own.sorted { $0.field < $1.field }
    }
}
