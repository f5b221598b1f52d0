import FoundationEssentials
package import TandemModel
import TandemSupport
import Yams

/// What the configuration file says, checked as far as it can be without asking anybody.
package struct Configuration {
    package let path: String
    package var store: String
    package let windowSeconds: Int64
    package let pollSeconds: Int64
    package let connections: [ConnectionName: Connection]
    package let syncs: [SyncSettings]
    package let library: MappingLibrary
    /// The properties that filters name.
    package let named: [NamedProperty]
    /// `nil` to serve nothing.
    package let http: HTTP?
    package let marketing: MarketingRules

    /// Where the CRM API listens, and how much of it one token gets.
    package struct HTTP: Equatable {
        package let host: String
        package let port: Int
        /// Requests of one token within ten seconds.
        package let rateLimit: Int
        /// Requests of one token within a day.
        package let dailyLimit: Int?
    }

    /// One account in one app, as configured.
    package struct Connection {
        package let name: ConnectionName
        package let app: String
        /// The contacts that it brings into the CRM become marketing contacts.
        package let isMarketing: Bool
        /// Nothing can be written into the app.
        package let isReadOnly: Bool
        package let reach: ConnectionSettings
    }

    /// The file cannot be used; the text has a line for each problem.
    package struct Invalid: Error, CustomStringConvertible {
        package let report: String
        package var description: String { report }
    }

    /// Where the configuration is: `--config`, `$TANDEM_CONFIG`, `./tandem.yaml`,
    /// `/etc/tandem/tandem.yaml`.
    package static func find(_ option: String?) throws(Invalid) -> String {
        let environment = ProcessInfo.processInfo.environment["TANDEM_CONFIG"]
        if let named = option ?? environment {
            if FileManager.default.isReadableFile(atPath: named) { return named }
            throw Invalid(report: "\(named):1: cannot be read; `tandem init` writes a new one")
        }
        let usual = ["tandem.yaml", "/etc/tandem/tandem.yaml"]
        if let found = usual.first(where: { FileManager.default.isReadableFile(atPath: $0) }) {
            return found
        }
        throw Invalid(
            report: "tandem.yaml:1: there is no configuration here; `tandem init` writes one, "
                + "or name one with --config")
    }

    package static func read(_ path: String) throws(Invalid) -> Configuration {
        guard let data = FileManager.default.contents(atPath: path),
            let text = String(validating: data, as: UTF8.self)
        else { throw Invalid(report: "\(path):1: cannot be read as UTF-8") }
        let problems = Problems(file: path)
        let root: Node?
        do { root = try Yams.compose(yaml: text) } catch {
            throw Invalid(
                report: "\(path):\(Self.line(of: error)): not YAML: \(Self.words(of: error))")
        }
        guard let root else { throw Invalid(report: "\(path):1: the file is empty") }
        problems.requireText(root)
        let configuration = ConfigurationReader(path: path, problems: problems).configuration(root)
        guard let configuration, problems.lines.isEmpty else {
            throw Invalid(report: problems.report)
        }
        return configuration
    }

    package static func line(of error: any Error) -> Int {
        switch error as? YamlError {
        case .scanner(_, _, let mark, _), .parser(_, _, let mark, _), .composer(_, _, let mark, _):
            mark.line
        case .duplicatedKeysInMapping(_, let context): context.mark.line
        default: 1
        }
    }

    package static func words(of error: any Error) -> String {
        switch error as? YamlError {
        case .scanner(_, let problem, _, _), .parser(_, let problem, _, _),
            .composer(_, let problem, _, _):
            problem
        // Its own text would show the file, secrets and all.
        case .duplicatedKeysInMapping(let keys, _):
            "`\(keys.joined(separator: "`, `"))` stands twice in one place"
        case .reader(let problem, _, _, _): problem
        case .none: "\(error)"
        default: "it cannot be understood"
        }
    }
}

/// Reads the configuration's node tree.
struct ConfigurationReader {
    let path: String
    let problems: Problems

    private var folder: String { path.folderAndName.folder }

    private func absolute(_ text: String) -> String { text.hasPrefix("/") ? text : folder + text }

    func configuration(_ root: Node) -> Configuration? {
        let known = [
            "store", "window", "poll", "mappings", "http", "marketing", "connections", "syncs",
        ]
        guard let reader = YAMLReader(root, what: "configuration", known: known, problems: problems)
        else { return nil }
        let marketing = marketing(reader)
        let window = reader.seconds("window", in: 10...86_400) ?? 600
        let poll = reader.seconds("poll", in: 1...86_400) ?? 60
        if poll > window {
            problems.add(
                reader["poll"] ?? root, "`poll` is longer than `window`; a change would come late")
        }
        let store = reader.text("store") ?? "tandem.db"
        if store.hasPrefix("postgres") {
            problems.add(
                reader["store"], "`store`: this version keeps its store in SQLite; expected a path")
        }
        let library = MappingLibrary(extra: reader.text("mappings").map(absolute))
        let connections = connections(reader, library)
        let syncs = syncs(reader, connections, library, marketing)
        return Configuration(
            path: path, store: absolute(store), windowSeconds: window, pollSeconds: poll,
            connections: connections, syncs: syncs, library: library,
            named: problems.named, http: http(reader), marketing: marketing)
    }

    /// Each sync with its companions, those that others refer to first; a circle is entered
    /// at its first name, and completed by a second pass.
    private func inOrder(_ syncs: [SyncSettings]) -> [SyncSettings] {
        var ordered: [SyncSettings] = []
        var entered: Set<SyncName> = []
        func add(_ sync: SyncSettings) {
            guard entered.insert(sync.name).inserted else { return }
            var sync = sync
            let companions = syncs.filter { $0.connection == sync.connection }
            for other in companions { sync.companions[other.object] = other.name }
            sync.configured = Set(syncs.map(\.name))
            for object in sync.mapping.fields.compactMap(\.association) {
                companions.filter { $0.object == object }.forEach(add)
            }
            ordered.append(sync)
        }
        syncs.forEach(add)
        return ordered
    }

    /// What is said about the CRM API; `http: {listen: "127.0.0.1:8484"}` is enough.
    private func http(_ reader: YAMLReader) -> Configuration.HTTP? {
        guard let node = reader["http"],
            let keys = YAMLReader(
                node, what: "http", known: ["listen", "rate-limit", "daily-limit"],
                problems: problems)
        else { return nil }
        let listen = keys.text("listen") ?? "127.0.0.1:8484"
        guard let colon = listen.lastIndex(of: ":"), colon != listen.startIndex,
            let port = Int(listen[listen.index(after: colon)...]), (0...65_535).contains(port)
        else {
            problems.add(
                keys["listen"], "`listen: \(listen)`: expected an address such as `127.0.0.1:8484`")
            return nil
        }
        let host = listen[..<colon].filter { $0 != "[" && $0 != "]" }
        return Configuration.HTTP(
            host: String(host), port: port,
            rateLimit: keys.number("rate-limit", in: 1...100_000_000) ?? 100_000,
            dailyLimit: keys.number("daily-limit", in: 1...Int(Int32.max)))
    }

    private func marketing(_ reader: YAMLReader) -> MarketingRules {
        guard let node = reader["marketing"],
            let keys = YAMLReader(
                node, what: "marketing", known: ["limit", "over-limit", "update-day", "forms"],
                problems: problems)
        else { return MarketingRules() }
        return MarketingRules(
            limit: keys.number("limit", in: 0...1_000_000_000),
            allowsOverage: keys.word("over-limit", as: OverLimit.self) == .allow,
            updateDay: keys.number("update-day", in: 1...28) ?? 1,
            includesForms: keys.flag("forms") ?? true)
    }

    /// What happens to a contact that would be one marketing contact too many.
    private enum OverLimit: String, CaseIterable {
        case refuse, allow
    }

    private func connections(_ reader: YAMLReader, _ library: MappingLibrary)
        -> [ConnectionName: Configuration.Connection]
    {
        guard let node = reader["connections"],
            let list = YAMLReader(node, what: "connections", known: nil, problems: problems)
        else { return [:] }
        var connections: [ConnectionName: Configuration.Connection] = [:]
        for name in list.keys {
            guard let node = list[name] else { continue }
            connections[ConnectionName(name)] =
                ConnectionReader(
                    name: name, node: node, library: library, problems: problems, folder: folder
                ).connection()
        }
        return connections
    }

    private func syncs(
        _ reader: YAMLReader, _ connections: [ConnectionName: Configuration.Connection],
        _ library: MappingLibrary, _ marketing: MarketingRules
    ) -> [SyncSettings] {
        guard let node = reader["syncs"],
            let list = YAMLReader(node, what: "syncs", known: nil, problems: problems)
        else { return [] }
        var syncs: [SyncSettings] = []
        var places: [String: String] = [:]
        for name in list.keys {
            guard let node = list[name],
                let sync = SyncReader(
                    name: name, node: node, connections: connections,
                    names: reader["connections"]?.mapping?.keys.compactMap(\.string) ?? [],
                    library: library,
                    marketing: marketing, problems: problems
                ).settings()
            else { continue }
            let place = "\(sync.connection)/\(sync.object)"
            if let other = places.updateValue(name, forKey: place) {
                problems.add(
                    node,
                    "`\(name)` and `\(other)` sync the same \(sync.object) of `\(sync.connection)`")
            }
            syncs.append(sync)
        }
        return inOrder(syncs)
    }
}
