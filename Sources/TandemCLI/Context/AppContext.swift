import AdapterCSV
import AdapterCardDAV
import AdapterKit
import AdapterPostgres
import AdapterProcess
import AdapterREST
import FoundationEssentials
import Glibc
import Synchronization
import TandemCRM
import TandemCSV
import TandemConfig
import TandemCore
import TandemDatabase
import TandemHTTP
import TandemModel
import TandemSupport
import TandemSync

/// Everything a command works with, built from the configuration.
struct AppContext {
    let configuration: Configuration
    let database: SQLiteDatabase
    let store: CRMStore
    /// Where what apps gave for access is kept: also for a copy of the store that of the original,
    /// because an app may take a token only once.
    private var vault: (database: SQLiteDatabase, keyPath: String)
    private let apps = LiveApps()

    /// Opens the store of a configuration.
    ///
    /// - Parameters:
    ///   - configuration: What was read of the file.
    ///   - use: What the store is opened for.
    /// - Returns: The context; its store is there, up to date and compared with the ledger of its ids.
    /// - Throws: ``CommandFailure``, or `DatabaseFailure` if the store cannot be opened.
    static func open(_ configuration: Configuration, for use: StoreUse = .command) throws
        -> AppContext
    {
        let database = try openDatabase(configuration.store, for: use)
        let store = try CRMStore(database: database)
        let unknown = configuration.named.compactMap { named -> String? in
            do throws(CRMError) {
                _ = try store.schema.property(named.property, of: named.object)
                return nil
            } catch { return "\(named.place): filter: \(error)" }
        }
        if !unknown.isEmpty { throw CommandFailure.configuration(unknown.joined(separator: "\n")) }
        return AppContext(
            configuration: configuration, database: database, store: store,
            vault: (database, configuration.store + ".key"))
    }

    /// What a store is opened for.
    enum StoreUse {
        case command
        /// Gives many ids, one at a time.
        case daemon
        /// Makes a new one where there was one before.
        case newStore
        /// A copy, which gives no ids to anybody.
        case preview
    }

    private static func openDatabase(_ path: String, for use: StoreUse) throws -> SQLiteDatabase {
        let isThere = access(path, F_OK) == 0
        let ledger = IDLedger.path(of: path)
        if !isThere && use != .newStore && use != .preview && access(ledger, F_OK) == 0 {
            throw CommandFailure.storeLost(
                """
                There is no store \(path), and \(ledger) says that there was one; no new one is made.
                Put the store back from a copy, or begin with an empty one: `tandem init --new-store`.
                """)
        }
        if isThere && use == .newStore {
            throw CommandFailure.failed("The store \(path) is there; nothing was made.")
        }
        // A new store is for its owner's eyes only; its companions take its rights.
        // One that is there must not be opened beside SQLite: closing it would drop SQLite's locks.
        if access(path, F_OK) != 0 {
            let file = Glibc.open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
            if file >= 0 { Glibc.close(file) }
        }
        let ids =
            use == .preview
            ? nil
            : try IDLedger(
                store: path, tables: ["record", "pair", "change"],
                ahead: use == .daemon ? IDLedger.block : 0)
        let database = try SQLiteDatabase(
            path: path, durability: .power, hasReaders: true, ids: ids)
        try database.migrate(
            CRMSchema.migrations + SyncSchema.migrations + [IDLedger.migration],
            filling: SQLiteDatabase.filling)
        let finding = try database.beginIDs { finding, connection in
            if case .putBack = finding { try SyncTable(connection).storeWasPutBack() }
        }
        switch finding {
        case .fits: break
        case .lost(let text): Terminal.complain(text)
        case .putBack(let text):
            Terminal.complain(
                "\(text). Every sync reads its app whole before it makes or deletes anything.")
        }
        return database
    }

    static var now: Timestamp {
        Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000))
    }

    /// The syncs named, or all of them.
    ///
    /// - Throws: ``CommandFailure`` for a name that is not configured.
    func syncs(_ names: [String]) throws -> [SyncSettings] {
        if names.isEmpty { return configuration.syncs }
        let known = configuration.syncs.map(\.name.text)
        return try names.map { name in
            if let sync = configuration.syncs.first(where: { $0.name.text == name }) { return sync }
            throw CommandFailure.usage(
                "there is no sync `\(name)`\(suggestion(for: name, in: known)); the configuration has "
                    + (known.isEmpty ? "none" : known.joined(separator: ", ")))
        }
    }

    /// The adapter of a sync.
    func app(for sync: SyncSettings) throws -> any Adapter {
        guard let connection = configuration.connections[sync.connection] else {
            throw CommandFailure.configuration("\(sync.name): no such connection")
        }
        return try apps.adapters.value(for: sync.name) {
            try checkLinks(of: sync)
            return try adapter(connection.reach, sync)
        }
    }

    /// Refuses a field that names another record when no association says which one.
    private func checkLinks(of sync: SyncSettings) throws {
        let properties = store.schema.objects[sync.object] ?? [:]
        for field in sync.mapping.fields {
            guard let object = field.association else { continue }
            if properties[field.crm] != nil {
                if field.label == nil { continue }
                throw CommandFailure.configuration(
                    "\(sync.name): `\(field.crm)` is a property of the CRM, which needs no `label`")
            }
            let types = try reading { try $0.associationTypes(from: sync.object, to: object) }
            let link = LinkType(
                from: sync.object, to: object, label: field.label, among: types)
            if link != nil { continue }
            let known = types.compactMap(\.label)
            let problem =
                field.label.map {
                    "no association has the label `\($0)`" + suggestion(for: $0, in: known)
                } ?? "`label` is missing, which says of two \(object) which one names the other"
            throw CommandFailure.configuration(
                "\(sync.name): `\(field.crm)`: \(problem); `tandem crm labels \(sync.object) "
                    + "\(object)` lists them, and adds one")
        }
    }

    private func adapter(_ reach: ConnectionSettings, _ sync: SyncSettings) throws -> any Adapter {
        let object = sync.mapping.appObject
        var types: [AppField: ValueType] = [:]
        for field in sync.mapping.matchKeys.values.joined() { types[field] = .string }
        for field in sync.mapping.fields { types[field.app] = field.type }
        let fields = types.keys.sorted()
        switch reach {
        case .carddav(let settings): return try CardDAVAdapter(settings)
        case .csv(let folder, let idColumn, let encoding, let rest):
            return csv(folder, idColumn, encoding, rest, sync)
        case .rest(let description, let variables, let caFile, let timeoutSeconds):
            let options = HTTPClient.Options(
                timeoutSeconds: timeoutSeconds, maximumBytes: 64 << 20, caFile: caFile)
            return try RESTAdapter(
                description, object: object, variables: variables, types: types,
                budget: budget(of: sync.connection, description, variables),
                access: apps.access.value(for: sync.connection) {
                    accessSource(of: sync.connection, description, variables, options)
                },
                options: options)
        case .postgres(let database):
            return PostgresAdapter(database.settings(of: object, fields: fields))
        case .process(let program, let parameters):
            return ProcessAdapter(program, object: object, fields: fields, parameters: parameters)
        case .singer(let program, let config, let catalogOption, let replicationKey):
            return SingerAdapter(
                .init(
                    program, stream: object, fields: fields, config: config,
                    catalogOption: catalogOption, replicationKey: replicationKey))
        }
    }

    private func budget(
        of connection: ConnectionName, _ description: RESTDescription,
        _ variables: [String: String]
    ) -> RateBudget {
        apps.budgets.value(for: connection) {
            RateBudget(
                description.limits.windows.compactMap { $0.filled(variables) },
                ledger: ledger(of: connection), now: { AppContext.now })
        }
    }

    private func ledger(of connection: ConnectionName) -> RequestLedger {
        RequestLedger(connection: connection, database: vault.database)
    }

    /// What is used of the long windows of connections, and what they come to.
    ///
    /// - Throws: `DatabaseFailure` if the store fails.
    func quotas(of connections: Set<ConnectionName>, now: Timestamp) throws -> [Quota] {
        try connections.sorted { $0.text < $1.text }.flatMap { name -> [Quota] in
            guard
                case .rest(let description, let variables, _, _)? =
                    configuration.connections[name]?.reach
            else { return [] }
            let windows = description.limits.windows.compactMap { $0.filled(variables) }
            return try ledger(of: name).quotas(windows, now: now)
        }
    }

    /// Where tokens or sessions of a connection come from; `nil` for one that needs none.
    private func accessSource(
        of connection: ConnectionName, _ description: RESTDescription,
        _ variables: [String: String], _ options: HTTPClient.Options
    ) -> (any AccessSource)? {
        if let session = description.session {
            return SessionSource(
                session, of: description, variables, budget(of: connection, description, variables),
                options)
        }
        return oauth(connection).map {
            TokenSource($0.client, $0.vault, of: connection, now: { AppContext.now })
        }
    }

    /// What a connection needs to get tokens; `nil` for one that gives access otherwise.
    func oauth(_ name: ConnectionName) -> (client: OAuthClient, vault: ConnectionVault)? {
        guard
            case .rest(let description, let variables, let caFile, let timeoutSeconds)? =
                configuration.connections[name]?.reach,
            let oauth = description.oauth
        else { return nil }
        let options = HTTPClient.Options(
            timeoutSeconds: timeoutSeconds, maximumBytes: 1 << 20, caFile: caFile)
        return (
            OAuthClient(oauth.filled(variables), HTTPClient(options), now: { AppContext.now }),
            ConnectionVault(
                connection: name, database: vault.database, keyPath: vault.keyPath)
        )
    }

    private func csv(
        _ folder: String, _ idColumn: String?, _ encoding: CSVEncoding, _ restSeconds: Int64,
        _ sync: SyncSettings
    ) -> CSVAdapter {
        let fields = sync.mapping.fields
        let properties = store.schema.objects[sync.object] ?? [:]
        let labels = fields.reduce(into: [AppField: String]()) { labels, field in
            labels[field.app] = properties[field.crm]?.label
        }
        let keys: [PropertyName] =
            sync.object == .contacts ? ["email"] : ["domain", "name", "hs_sku"]
        let naturalKey = keys.compactMap { key in fields.first { $0.crm == key }?.app.text }
        return CSVAdapter(
            path: "\(folder)/\(sync.mapping.appObject).csv", idColumn: idColumn,
            naturalKey: naturalKey, newColumns: [idColumn ?? "id"] + fields.map(\.app.text),
            labels: labels, restSeconds: restSeconds, encoding: encoding)
    }

    func dependencies(
        isStopping: @escaping @Sendable () -> Bool = { false },
        onWriting: @escaping @Sendable (Bool) -> Void = { _ in }
    ) -> CycleDependencies {
        CycleDependencies(
            now: { AppContext.now }, jitter: { Double.random(in: 0...1) }, isStopping: isStopping,
            isAlive: Self.isAlive, onWriting: onWriting)
    }

    var tuning: Tuning {
        var tuning = Tuning()
        tuning.windowSeconds = configuration.windowSeconds
        return tuning
    }

    /// Names this process among those that share the store.
    static let holder = "\(ProcessInfo.processInfo.hostName):\(getpid())"

    /// A process of this machine that is gone holds nothing any more; of another machine, and of
    /// one that has our number again, nothing is known.
    private static func isAlive(_ holder: String) -> Bool {
        let parts = holder.split(separator: ":")
        guard parts.count == 2, parts[0] == ProcessInfo.processInfo.hostName,
            let process = pid_t(parts[1])
        else { return true }
        guard kill(process, 0) == 0 || errno != ESRCH else { return false }
        // One that has ended and that nobody has asked about yet holds nothing either (proc(5)).
        let status = FileManager.default.contents(atPath: "/proc/\(process)/stat") ?? Data()
        let state = String(decoding: status, as: UTF8.self).split(separator: ")").last?.first {
            $0 != " "
        }
        return state != "Z"
    }

    /// A copy of the store, for a preview that must not leave a trace.
    func snapshot(at path: String) throws -> AppContext {
        try database.copy(to: path)
        var configuration = configuration
        configuration.store = path
        var copy = try AppContext.open(configuration, for: .preview)
        copy.vault = vault
        return copy
    }
}

/// What lives on from cycle to cycle, made when it is first needed.
private struct LiveApps {
    /// A program or a connection stands behind some of them.
    let adapters = LazyCache<SyncName, any Adapter>()
    /// What one account may be asked, shared by all syncs of its connection.
    let budgets = LazyCache<ConnectionName, RateBudget>()
    /// Tokens or sessions of one account, renewed once for all syncs of its connection.
    let access = LazyCache<ConnectionName, (any AccessSource)?>()
}

/// One value for each key.
private final class LazyCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private let values = Mutex<[Key: Value]>([:])

    func value(for key: Key, _ make: () throws -> Value) rethrows -> Value {
        try values.withLock { values in
            if let value = values[key] { return value }
            let value = try make()
            values[key] = value
            return value
        }
    }
}

/// What ends a command without success; the text says what to do.
enum CommandFailure: Error, CustomStringConvertible {
    case usage(String)
    case configuration(String)
    case failed(String)
    /// The store is not where it was; starting again by itself would make a new one.
    case storeLost(String)

    var description: String {
        switch self {
        case .usage(let text), .configuration(let text), .failed(let text), .storeLost(let text):
            text
        }
    }

    /// sysexits.h: 64 is EX_USAGE, 74 is EX_IOERR, 78 is EX_CONFIG.
    var exitCode: Int32 {
        switch self {
        case .usage: 64
        case .configuration: 78
        case .failed: 1
        case .storeLost: 74
        }
    }
}
