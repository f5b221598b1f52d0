import AdapterKit
import AdapterREST
import ArgumentParser
import FoundationEssentials
import TandemCRM
import TandemConfig
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync

struct AppsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apps", abstract: "List the apps, their objects and what they are.")

    @OptionGroup var shared: SharedOptions

    @Flag(help: "Show all keys of an app's description instead.")
    var keys = false

    private struct Row: Encodable {
        let app: String
        let objects: [String]
        let summary: String
    }

    func run() async throws {
        try await reporting {
            if keys {
                let all = DescriptionKeys.all
                if shared.json { return try Terminal.printJSON(["keys": all]) }
                return Terminal.write(all.map(\.markdown).joined(separator: "\n"))
            }
            // Of use before there is a configuration, too; one that is there adds its mappings.
            var library = MappingLibrary(extra: nil)
            if let found = try? Configuration.find(shared.config) {
                library = try Configuration.read(found).library
            } else if let config = shared.config {
                throw CommandFailure.configuration("\(config):1: cannot be read")
            }
            let rows = AppKind.allCases.map {
                Row(
                    app: $0.rawValue, objects: library.objects(of: $0.rawValue), summary: $0.summary
                )
            }
            let described = try library.describedApps.map { app in
                switch library.place(of: app) {
                case .success(let place):
                    return Row(
                        app: app, objects: library.objects(of: app), summary: place.summary)
                case .failure(.invalid(let report)): throw CommandFailure.configuration(report)
                case .failure(.missing): throw CommandFailure.failed("\(app): no description")
                }
            }
            let all = rows + described
            if shared.json { return try Terminal.printJSON(["apps": all]) }
            var table = TextTable(["APP", "OBJECTS", "WHAT"])
            for row in all {
                table.add([row.app, row.objects.joined(separator: ", "), row.summary])
            }
            Terminal.write(table.text)
        }
    }
}

struct CheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate the configuration, connect to every app, show the field table.",
        discussion: """
            Changes no record; makes the store if there is none yet. With --laws it makes, changes \
            and deletes test records in the app of one sync, and says which promises of an adapter \
            the app keeps.
            """)

    @OptionGroup var shared: SharedOptions

    @Option(help: ArgumentHelp("Hold the app of this sync to the adapter laws.", valueName: "sync"))
    var laws: String?

    @Option(
        help: ArgumentHelp(
            "Write each request and answer of described apps, without secrets, into this folder.",
            valueName: "dir"))
    var record: String?

    @Flag(help: "Write test records without asking.")
    var yes = false

    @Flag(help: "Write them also where the app does not let them be deleted.")
    var keepRecords = false

    private struct Field: Encodable {
        let crm: String
        let app: String
        let direction: String
        let note: String
    }
    private struct Row: Encodable {
        let sync: String
        let app: String
        let account: String
        let summary: String
        let error: String
        let fields: [Field]
        /// What each call of a described app gave.
        let calls: [RESTTrial]
    }

    private struct Findings: Encodable {
        let syncs: [Row]
        let orphans: [OrphanedSync]
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            if let laws { return try await hold(to: laws, context) }
            var rows: [Row] = []
            for sync in context.configuration.syncs { rows.append(await row(sync, context)) }
            let orphans = try context.orphans
            if let record {
                for row in rows {
                    for trial in row.calls {
                        try Self.write(trial.exchanges, of: trial.call, row.sync, into: record)
                    }
                }
            }
            let isBad =
                !orphans.isEmpty
                || rows.contains { row in
                    !row.error.isEmpty || row.calls.contains { $0.problem != nil }
                }
            if shared.json {
                try Terminal.printJSON(
                    Findings(syncs: rows, orphans: orphans.map(OrphanedSync.init)))
            } else {
                let found =
                    isBad ? "the file is right, and there are problems:" : "no problems found"
                Terminal.write("\(context.configuration.path): \(found)\n")
                for row in rows { show(row) }
                for orphan in orphans { Terminal.say("\(orphan.sentence)\n") }
            }
            if isBad { throw ExitCode(1) }
        }
    }

    /// Writes every exchange as a file of its own: `SYNC-CALL-NUMBER.json`.
    private static func write(
        _ exchanges: [RESTTrace.Exchange], of call: String, _ sync: String, into folder: String
    ) throws {
        try AtomicFile.makeFolder(folder)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        for (number, exchange) in exchanges.enumerated() {
            let file = try AtomicFile("\(folder)/\(sync)-\(call)-\(number + 1).json")
            file.write(String(decoding: try encoder.encode(exchange), as: UTF8.self) + "\n")
            try file.commit()
        }
    }

    private static func short(_ text: String) -> String {
        text.count > 90 ? text.prefix(90) + "…" : text
    }

    /// A line for each exchange: what was asked, and how the answer begins.
    private func show(_ calls: [RESTTrial]) {
        if calls.isEmpty { return }
        var table = TextTable(["  CALL", "REQUEST", "STATUS", "ANSWER"])
        for trial in calls {
            for exchange in trial.exchanges {
                let answer = String(decoding: exchange.answer.bytes, as: UTF8.self)
                table.add([
                    "  " + trial.call, Self.short("\(exchange.method) \(exchange.url)"),
                    "\(exchange.status)", trial.problem ?? trial.shown ?? Self.short(answer),
                ])
            }
            if trial.exchanges.isEmpty, let problem = trial.problem {
                table.add(["  " + trial.call, "", "", problem])
            }
        }
        Terminal.write("\n" + table.text)
    }

    private func hold(to name: String, _ context: AppContext) async throws {
        guard let sync = try context.syncs([name]).first else { return }
        if !yes {
            throw CommandFailure.usage(
                "this makes, changes and deletes test records in `\(sync.connection)`; "
                    + "add --yes if you mean it")
        }
        let app = try context.app(for: sync)
        try await app.prepare()
        if !app.capabilities.canDelete && !keepRecords {
            throw CommandFailure.usage(
                "`\(sync.connection)` deletes nothing, so some twenty test records would stay there "
                    + "(their addresses are law-…@example.invalid, and no sync takes them in); add "
                    + "--keep-records if you mean it")
        }
        // What is not to be written down is not noted.
        let noted = record == nil ? nil : (app as? RESTAdapter)?.traced
        let found = try await LawsCheck(sync: sync, app: noted?.app ?? app).findings { law in
            guard let record, let noted else { return }
            let call = "law-\(law.replacing(" ", with: "-"))"
            try Self.write(noted.trace.take(), of: call, sync.name.text, into: record)
        }
        if shared.json {
            try Terminal.printJSON(found)
        } else {
            show(found)
        }
        let isLeftover = app.capabilities.canDelete && !found.left.isEmpty
        if isLeftover || found.laws.contains(where: { $0.verdict == "BROKEN" }) {
            throw ExitCode(1)
        }
    }

    private func show(_ found: LawsCheck.Findings) {
        var table = TextTable(["LAW", "VERDICT", "DETAIL"])
        for row in found.laws { table.add([row.law, row.verdict, row.detail]) }
        Terminal.write(table.text)
        if found.left.isEmpty { return }
        Terminal.complain(
            "\(found.left.count) test records stay in the app; no sync takes them in, their addresses "
                + "are law-…@example.invalid:")
        for (reason, left) in Dictionary(grouping: found.left, by: \.reason).sorted(by: {
            $0.key < $1.key
        }) {
            Terminal.complain("  \(left.map(\.id).joined(separator: ", ")): \(reason)")
        }
    }

    private func row(_ sync: SyncSettings, _ context: AppContext) async -> Row {
        var calls: [RESTTrial] = []
        do {
            let app = try context.app(for: sync)
            let known = try context.database.read { try SyncTable($0).state(sync.name)?.account }
            if let known { _ = try await app.resume(known) }
            let profile: AppProfile
            if let described = app as? RESTAdapter {
                let tried = await described.trials()
                calls = tried.trials
                profile = try tried.profile.get()
            } else {
                profile = try await app.profile()
            }
            return Row(
                sync: sync.name.text, app: sync.app, account: profile.account,
                summary: profile.summary,
                error: profile.lacking?.sentences
                    ?? missingProperties(sync, context) ?? "",
                fields: fields(sync, context, profile.fields),
                calls: calls)
        } catch {
            let text = (error as? AppError)?.sentences ?? "\(error)"
            return Row(
                sync: sync.name.text, app: sync.app, account: "", summary: "", error: text,
                fields: fields(sync, context, []), calls: calls)
        }
    }

    /// What the mapping names and the CRM does not have: records without it would fail one by one.
    private func missingProperties(_ sync: SyncSettings, _ context: AppContext) -> String? {
        let missing = sync.mapping.fields.filter { isMissing($0, sync, context) }.map(\.crm.text)
        guard let first = missing.first else { return nil }
        return
            "the CRM has no \(sync.object) property `\(missing.joined(separator: "`, `"))`. Correct the "
            + "mapping, or make it: tandem crm properties \(sync.object) --add \(first)"
    }

    private func isMissing(_ field: FieldMapping, _ sync: SyncSettings, _ context: AppContext)
        -> Bool
    {
        field.template == nil && field.association == nil
            && context.store.schema.objects[sync.object]?[field.crm] == nil
    }

    private func fields(_ sync: SyncSettings, _ context: AppContext, _ known: [FieldSchema])
        -> [Field]
    {
        sync.mapping.fields.map { field in
            let direction = sync.direction.intersection(field.direction)
            var notes: [String] = []
            if let object = field.association, sync.companions[object] == nil {
                notes.append("waits for a sync of \(object) on this connection")
            }
            if isMissing(field, sync, context) {
                notes.append("the CRM has no such property")
            }
            notes += appNotes(field, direction, known)
            if direction == nil {
                notes.append("its direction is opposite to the sync's, so it does nothing")
            }
            if field.isRequired { notes.append("required by the app") }
            return Field(
                crm: field.crm.text, app: field.app.text, direction: direction?.rawValue ?? "none",
                note: notes.joined(separator: "; "))
        } + unfilled(sync, known)
    }

    /// What the app says that speaks against a line of the mapping.
    private func appNotes(
        _ field: FieldMapping, _ direction: Direction?, _ known: [FieldSchema]
    ) -> [String] {
        guard !known.isEmpty else { return [] }
        guard let schema = known.first(where: { $0.field == field.app }) else {
            return [
                "the app has no such field"
                    + suggestion(for: field.app.text, in: known.map(\.field.text))
            ]
        }
        var notes: [String] = []
        let writes = direction?.allows(writingTo: .app) ?? false
        if writes && !schema.isWritable {
            let way = direction == .toApp ? "it flows nowhere" : "it flows to the CRM only"
            notes.append("the app does not let it be written: \(way)")
        }
        if let type = schema.type, !field.type.canHold(type) {
            notes.append(
                "the app holds a \(type.rawValue), the mapping says \(field.type.rawValue)")
        }
        let missing = field.options.values.filter {
            !schema.options.isEmpty && !schema.options.contains($0)
        }
        if writes && !missing.isEmpty {
            notes.append("the app has no option \(missing.sorted().joined(separator: ", "))")
        }
        return notes
    }

    /// Fields that the app requires and that no line of the mapping fills.
    private func unfilled(_ sync: SyncSettings, _ known: [FieldSchema]) -> [Field] {
        guard sync.direction.allows(writingTo: .app) else { return [] }
        let filled = sync.mapping.fields.filter { $0.direction.allows(writingTo: .app) }
            .map(\.app)
        return known.filter { $0.isRequired && $0.isWritable && !filled.contains($0.field) }.map {
            Field(
                crm: "", app: $0.field.text, direction: "none",
                note: "required by the app, and nothing fills it")
        }
    }

    private func show(_ row: Row) {
        Terminal.write("\n\(row.sync) (\(row.app)) ")
        Terminal.write(
            row.error.isEmpty ? "\(row.account): \(row.summary)\n" : "FAILED: \(row.error)\n")
        var table = TextTable(["  CRM", "APP", "DIRECTION", "NOTE"])
        for field in row.fields {
            table.add(["  " + field.crm, field.app, field.direction, field.note])
        }
        Terminal.write(table.text)
        show(row.calls)
    }
}
