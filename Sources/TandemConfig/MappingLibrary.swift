import AdapterREST
import FoundationEssentials
package import TandemModel
import Yams

/// The folders that mappings are looked up in: the user's own first, then the shipped ones.
package struct MappingLibrary {
    package let folders: [String]

    package enum Failure: Error {
        case missing(known: [String])
        case invalid(String)
    }

    package init(extra: String?) {
        folders = [extra, Self.shipped].compactMap(\.self)
    }

    /// The shipped mappings: beside the program's installation, or in the source tree above it.
    private static var shipped: String? {
        let program =
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? ""
        var folder = program.split(separator: "/").dropLast().map(String.init)
        let installed =
            "/" + (folder.dropLast() + ["share", "tandem", "mappings"]).joined(separator: "/")
        if FileManager.default.fileExists(atPath: installed) { return installed }
        while !folder.isEmpty {
            let candidate = "/" + (folder + ["mappings"]).joined(separator: "/")
            if FileManager.default.fileExists(atPath: candidate + "/csv") { return candidate }
            folder.removeLast()
        }
        return nil
    }

    /// The objects an app has mappings for, over all folders.
    package func objects(of app: String) -> [String] {
        let names = folders.flatMap { folder in
            (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/\(app)")) ?? []
        }
        return Set(
            names.filter { $0.hasSuffix(".yaml") && $0 != "app.yaml" }.map {
                String($0.dropLast(5))
            }
        )
        .sorted()
    }

    /// The apps that have a description in any of the folders.
    package var describedApps: [String] {
        let names = folders.flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).filter {
                FileManager.default.isReadableFile(atPath: "\(folder)/\($0)/app.yaml")
            }
        }
        return Set(names).sorted()
    }

    /// How an app is reached, as its folder says it.
    package func place(of app: String) -> Result<AdapterDefinition, Failure> {
        let paths = folders.map { "\($0)/\(app)/app.yaml" }
        guard let path = paths.first(where: { FileManager.default.isReadableFile(atPath: $0) })
        else { return .failure(.missing(known: describedApps)) }
        let folder = String(path.dropLast("app.yaml".count))
        return read(path) { root, problems in
            if root.mapping?["adapter"] != nil {
                return AdapterReader(problems: problems).place(root, folder)
            }
            guard let found = DescriptionReader(root, problems: problems).description(root) else {
                return nil
            }
            return AdapterDefinition(
                kind: nil, description: found, folder: folder,
                summary: "\(found.summary); \(found.evidence.words)")
        }
    }

    package func mapping(app: String, object: ObjectName) -> Result<ObjectMapping, Failure> {
        let paths = folders.map { "\($0)/\(app)/\(object).yaml" }
        guard let path = paths.first(where: { FileManager.default.isReadableFile(atPath: $0) })
        else { return .failure(.missing(known: objects(of: app))) }
        return read(path) { MappingReader(problems: $1).mapping($0) }
    }

    /// Reads a file; everything that is wrong with it is reported at once.
    private func read<Value>(_ path: String, _ value: (Node, Problems) -> Value?) -> Result<
        Value, Failure
    > {
        let problems = Problems(file: path)
        let text = String(
            decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
        do {
            guard let root = try Yams.compose(yaml: text) else {
                return .failure(.invalid("\(path):1: the file is empty"))
            }
            problems.requireText(root)
            guard let found = value(root, problems), problems.lines.isEmpty else {
                return .failure(.invalid(problems.report))
            }
            return .success(found)
        } catch {
            let line = Configuration.line(of: error)
            return .failure(
                .invalid("\(path):\(line): not YAML: \(Configuration.words(of: error))"))
        }
    }
}

/// Reads an `app.yaml` that names one of the adapters: what is said in it about connections holds
/// where the user says nothing.
struct AdapterReader {
    let problems: Problems

    func place(_ root: Node, _ folder: String) -> AdapterDefinition? {
        guard
            let reader = YAMLReader(
                root, what: "app", known: ["adapter", "summary", "connection"],
                problems: problems),
            let kind = reader.word("adapter", as: AppKind.self)
        else { return nil }
        let defaults = reader["connection"].flatMap {
            YAMLReader($0, what: "connection", known: kind.connectionKeys, problems: problems)
        }
        return AdapterDefinition(
            kind: kind, defaults: defaults, folder: folder,
            summary: reader.requiredText("summary", example: "our ERP's people"))
    }
}

/// Reads one mapping file.
struct MappingReader {
    let problems: Problems

    private static let fieldKeys = [
        "crm", "app", "type", "direction", "rule", "options", "template", "name-part",
        "association", "label", "required",
    ]

    func mapping(_ root: Node) -> ObjectMapping? {
        guard
            let reader = YAMLReader(
                root, what: "mapping", known: ["object", "app-object", "match-keys", "fields"],
                problems: problems)
        else { return nil }
        let object = ObjectName(reader.requiredText("object", example: "contacts"))
        let appObject = reader.requiredText("app-object", example: "people")
        guard let list = reader["fields"]?.sequence else {
            problems.add(reader["fields"] ?? root, "`fields`: expected a list of fields")
            return nil
        }
        let fields = list.compactMap(field)
        for (name, twins) in Dictionary(grouping: fields, by: \.crm) where twins.count > 1 {
            problems.add(reader["fields"], "`fields`: `\(name)` is mapped \(twins.count) times")
        }
        var matchKeys: [PropertyName: [AppField]] = [:]
        if let node = reader["match-keys"],
            let keys = YAMLReader(node, what: "match-keys", known: nil, problems: problems)
        {
            for key in keys.keys {
                matchKeys[PropertyName(key)] = keys.texts(key)?.map { AppField($0) }
            }
        }
        return ObjectMapping(
            object: object, appObject: appObject, fields: fields, matchKeys: matchKeys)
    }

    private func field(_ node: Node) -> FieldMapping? {
        guard
            let reader = YAMLReader(node, what: "field", known: Self.fieldKeys, problems: problems)
        else { return nil }
        var options: [String: String] = [:]
        if let node = reader["options"],
            let table = YAMLReader(node, what: "options", known: nil, problems: problems)
        {
            for key in table.keys { options[key] = table.text(key) }
        }
        if reader["label"] != nil && reader["association"] == nil {
            problems.add(reader["label"], "`label` needs `association`")
        }
        return FieldMapping(
            PropertyName(reader.requiredText("crm", example: "email")),
            AppField(reader.requiredText("app", example: "email")),
            type: reader.word("type", as: ValueType.self) ?? .string,
            direction: reader.word("direction", as: Direction.self) ?? .both,
            rule: reader.word("rule", as: FieldRule.self) ?? .overwrite, options: options,
            template: reader.text("template"),
            namePart: reader.word("name-part", as: NamePart.self),
            association: reader.text("association").map { ObjectName($0) },
            label: reader.text("label"),
            isRequired: reader.flag("required") ?? false)
    }
}
