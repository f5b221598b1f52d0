package import AdapterCardDAV
package import AdapterProcess
package import AdapterREST
import FoundationEssentials
package import TandemCSV
import TandemModel
package import TandemSupport
import Yams

/// How the app of a connection is reached, as far as the configuration says it.
package enum ConnectionSettings: Sendable {
    case carddav(CardDAVAdapter.Settings)
    case csv(folder: String, idColumn: String?, encoding: CSVEncoding, restSeconds: Int64)
    case rest(RESTDescription, variables: [String: String], caFile: String?, timeoutSeconds: Int)
    case postgres(PostgresConnection)
    case process(ProgramSettings, parameters: [String: String])
    case singer(
        ProgramSettings, config: [String: JSON], catalogOption: String, replicationKey: String?)
}

/// Reads one entry under `connections`.
struct ConnectionReader {
    let name: String
    let node: Node
    let library: MappingLibrary
    let problems: Problems
    /// What relative paths are relative to; ends with a slash, or is empty.
    let folder: String

    func connection() -> Configuration.Connection? {
        guard
            let app = YAMLReader(node, what: name, known: nil, problems: problems)?
                .requiredText("app", example: "carddav"), !app.isEmpty,
            let place = place(app),
            let keys = YAMLReader(
                node, what: name, known: ["app", "marketing"] + place.connectionKeys,
                problems: problems)
        else { return nil }
        let missing = place.requiredKeys.filter { keys[$0] == nil && place.defaults?[$0] == nil }
        for key in missing {
            problems.add(node, "`\(name)`: `\(key)` is missing; \(app) connections need it")
        }
        // Read all the same, so that everything else that is wrong with it is said, too.
        guard let reach = reach(place, keys), missing.isEmpty else { return nil }
        return .init(
            name: ConnectionName(name), app: app, isMarketing: keys.flag("marketing") ?? false,
            isReadOnly: place.isReadOnly, reach: reach)
    }

    private func reach(_ place: AdapterDefinition, _ keys: YAMLReader) -> ConnectionSettings? {
        let said = ConnectionOptions(own: keys, shipped: place.defaults, reader: self, place: place)
        switch place.kind {
        case .carddav:
            return .carddav(
                .init(
                    url: said.text("url") ?? "", username: said.text("username"),
                    password: said.text("password"), addressBook: said.text("address-book"),
                    caFile: said.path("ca-file"), timeoutSeconds: said.timeout(60),
                    auth: keys.word("auth", as: CardDAVAdapter.Settings.Auth.self)))
        case .csv:
            return .csv(
                folder: said.path("folder") ?? ".", idColumn: said.text("id-column"),
                encoding: keys.word("encoding", as: CSVEncoding.self) ?? .utf8,
                restSeconds: keys.seconds("rest", in: 0...3_600) ?? 30)
        case .postgres: return postgres(said).map { .postgres($0) }
        case .process:
            let parameters = said.texts("settings")
            return program(said, 60).map { .process($0, parameters: parameters) }
        case .singer:
            let config = said.document("config")
            return program(said, 300).map { program in
                .singer(
                    program, config: config,
                    catalogOption: said.text("catalog-option") ?? "catalog",
                    replicationKey: said.text("replication-key"))
            }
        case .none:
            guard let description = place.description else { return nil }
            var variables: [String: String] = [:]
            for variable in description.variables {
                variables[variable.name] = said.text(variable.name) ?? variable.fallback ?? ""
            }
            for variable in description.variables
            where variable.isRequired && keys[variable.name] != nil
                && variables[variable.name, default: ""].isEmpty
            {
                problems.add(
                    keys[variable.name], "`\(name)`: `\(variable.name)` is needed, and empty")
            }
            if let oauth = description.oauth { check(oauth, &variables) }
            for rule in description.limits.windows where rule.filled(variables) == nil {
                let names = rule.amount.places.map { "`\($0)`" }.joined(separator: ", ")
                problems.add(node, "`\(name)`: \(names): expected a number from 1 to 100000000")
            }
            return .rest(
                description, variables: variables, caFile: said.path("ca-file"),
                timeoutSeconds: said.timeout(60))
        }
    }

    /// A grant must be one that the app knows, and have what it needs.
    private func check(_ oauth: OAuthDescription, _ variables: inout [String: String]) {
        let known = oauth.grants.map(\.rawValue)
        let said = variables["grant"] ?? ""
        if said.isEmpty {
            variables["grant"] = known.first
        } else if !known.contains(said) {
            problems.add(
                node,
                "`\(name)`: `grant: \(said)`: expected one of \(known.joined(separator: ", "))"
                    + suggestion(for: said, in: known))
            return
        }
        let grant = oauth.filled(variables).grant
        for key in oauth.needed(for: grant) where variables[key, default: ""].isEmpty {
            problems.add(
                node, "`\(name)`: `\(key)` is missing; the grant \(grant.rawValue) needs it")
        }
    }

    private func program(_ said: ConnectionOptions, _ timeout: Int) -> ProgramSettings? {
        guard let (command, base) = said.list("command") else { return nil }
        if command.isEmpty {
            problems.add(node, "`\(name)`: `command`: expected a program and its arguments")
        }
        let folder = said.path("folder") ?? (base.isEmpty ? "." : base)
        return ProgramSettings(
            command: command,
            folder: folder.hasPrefix("/")
                ? folder : "\(FileManager.default.currentDirectoryPath)/\(folder)",
            timeoutSeconds: said.timeout(timeout),
            memoryMiB: said.number("memory", in: 16...1_048_576) ?? 1_024)
    }

    /// Where the app is: built in, or in a folder of the mappings.
    private func place(_ app: String) -> AdapterDefinition? {
        if let kind = AppKind(rawValue: app) { return AdapterDefinition(kind: kind) }
        switch library.place(of: app) {
        case .success(let place): return place
        case .failure(.invalid(let report)):
            problems.add(node, "`\(name)`: the description of `\(app)` is wrong:\n\(report)")
        case .failure(.missing(let known)):
            let kinds = AppKind.allCases.map(\.rawValue) + known
            problems.add(
                node,
                "`\(name)`: there is no app `\(app)`; `tandem apps` lists them"
                    + suggestion(for: app, in: kinds))
        }
        return nil
    }

    /// Fills in `${NAME}` from a systemd credential or the environment and `@path` from a file.
    func secret(_ text: String, at node: Node?) -> String? {
        if text.hasPrefix("@") {
            let path = absolute(String(text.dropFirst()), folder)
            if let data = FileManager.default.contents(atPath: path) {
                return String(decoding: data, as: UTF8.self).trimmed
            }
            problems.add(node, "cannot read the file that the secret is in (`@` names a file)")
            return nil
        }
        guard text.hasPrefix("${"), text.hasSuffix("}") else { return text }
        let name = String(text.dropFirst(2).dropLast())
        let environment = ProcessInfo.processInfo.environment
        if let folder = environment["CREDENTIALS_DIRECTORY"],
            let data = FileManager.default.contents(atPath: "\(folder)/\(name)")
        {
            return String(decoding: data, as: UTF8.self).trimmed
        }
        if let value = environment[name] { return value }
        problems.add(
            node,
            "the secret `\(name)` is missing: set it in the environment, or as a systemd credential"
        )
        return nil
    }

    func absolute(_ text: String, _ folder: String) -> String {
        text.hasPrefix("/") ? text : folder + text
    }
}

/// What is said about a connection: by the user, else by the app's folder.
struct ConnectionOptions {
    let own: YAMLReader
    let shipped: YAMLReader?
    let reader: ConnectionReader
    let place: AdapterDefinition

    /// Who says something about a key, and what paths in it are relative to.
    private func source(_ key: String) -> (keys: YAMLReader, folder: String)? {
        if own[key] != nil { return (own, reader.folder) }
        return shipped.flatMap { $0[key] == nil ? nil : ($0, place.folder) }
    }

    func text(_ key: String) -> String? {
        guard let keys = source(key)?.keys, let text = keys.text(key) else { return nil }
        return reader.secret(text, at: keys[key])
    }

    func path(_ key: String) -> String? {
        source(key).flatMap { source in
            text(key).map { reader.absolute($0, source.folder) }
        }
    }

    func number(_ key: String, in range: ClosedRange<Int>) -> Int? {
        source(key)?.keys.number(key, in: range)
    }

    func timeout(_ usual: Int) -> Int { number("timeout", in: 1...3_600) ?? usual }

    /// A list of texts, or one text whose words it is; with the folder it is said in.
    func list(_ key: String) -> ([String], String)? {
        guard let source = source(key) else { return nil }
        if let text = source.keys[key]?.scalar?.string {
            return (text.split(separator: " ").map(String.init), source.folder)
        }
        return source.keys.texts(key).map { ($0, source.folder) }
    }

    func mapping(_ key: String) -> YAMLReader? {
        source(key)?.keys[key].flatMap {
            YAMLReader($0, what: key, known: nil, problems: reader.problems)
        }
    }

    /// A mapping of any values, secrets filled in; what is in quotes, and a secret, is a text.
    func document(_ key: String) -> [String: JSON] {
        var document: [String: JSON] = [:]
        for keys in [shipped, own] {
            guard let node = keys?[key], case .object(let members) = json(node) else { continue }
            document.merge(members) { $1 }
        }
        return document
    }

    private func json(_ node: Node) -> JSON {
        if let list = node.sequence { return .list(list.map(json)) }
        if let mapping = node.mapping {
            return .object(
                mapping.reduce(into: [:]) { $0[$1.key.string ?? ""] = json($1.value) })
        }
        if node.scalar?.style == .plain {
            if let number = node.int { return .number(Decimal(number)) }
            if let flag = node.bool { return .flag(flag) }
        }
        let text = node.scalar?.string ?? ""
        return .text(reader.secret(text, at: node) ?? "")
    }

    /// A mapping of texts, secrets filled in; the user's entries come before the shipped ones.
    func texts(_ key: String) -> [String: String] {
        var texts: [String: String] = [:]
        for keys in [shipped, own] {
            guard let node = keys?[key],
                let entries = YAMLReader(node, what: key, known: nil, problems: reader.problems)
            else { continue }
            for name in entries.keys {
                texts[name] = entries.text(name).flatMap { reader.secret($0, at: entries[name]) }
            }
        }
        return texts
    }
}
