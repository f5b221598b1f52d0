import ArgumentParser
import FoundationEssentials
import TandemConfig
import TandemDatabase
import TandemModel
import TandemReport
import TandemSupport
import TandemSync

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "Show the health of every sync.")

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The syncs to show; all if none is named.")
    var syncs: [String] = []

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let now = AppContext.now
            let chosen = try context.syncs(syncs)
            let all = try context.database.read { connection in
                try chosen.map { sync in
                    try SyncStatus(
                        sync, windowSeconds: context.configuration.windowSeconds, now: now,
                        in: connection)
                }
            }
            let quotas = try context.quotas(of: Set(chosen.map(\.connection)), now: now)
            let orphans = try context.orphans
            if shared.json {
                let health = Health(
                    syncs: all, quotas: quotas, orphans: orphans.map(OrphanedSync.init))
                return try Terminal.printJSON(health)
            }
            for status in all { Terminal.say(status.text) }
            for orphan in orphans { Terminal.say("\(orphan.sentence)\n") }
            for quota in quotas { Terminal.write(quota.text) }
            if all.isEmpty { Terminal.write("The configuration has no syncs.\n") }
        }
    }
}

private struct Health: Encodable {
    let syncs: [SyncStatus]
    let quotas: [Quota]
    let orphans: [OrphanedSync]
}

extension AppContext {
    /// The syncs that the store has pairs of and the configuration lacks.
    var orphans: [SyncTable.Orphan] {
        get throws {
            try database.read { connection in
                try SyncTable(connection).orphans(besides: Set(configuration.syncs.map(\.name)))
            }
        }
    }
}

/// A sync that the store has pairs of and the configuration lacks.
struct OrphanedSync: Encodable {
    let name: String
    let object: String
    let pairs: Int

    init(_ orphan: SyncTable.Orphan) {
        name = orphan.name.text
        object = orphan.object.text
        pairs = orphan.pairs
    }
}

extension SyncStatus {
    /// A paragraph for people.
    var text: String {
        var lines = [
            "\(name)  \(object) of \(connection) (\(app)), \(direction), default \(self.default), \(phase)"
        ]
        lines.append(
            "  in sync \(inSync), pending \(pending), failed \(failed), excluded \(excluded), "
                + "ambiguous \(ambiguous), deleted in CRM \(deletedInCRM), deleted in app \(deletedInApp)"
        )
        if awaitingApproval > 0 {
            lines.append(
                "  \(awaitingApproval) records wait for a person: `tandem records --state "
                    + "awaiting-approval` lists them, tandem approve \(name) --all, or --record ID"
            )
        }
        if accepted > 0 {
            lines.append(
                "  \(accepted) records have a field that is kept apart, as you accepted: "
                    + "`tandem records --search 'kept apart'`")
        }
        if linksWaiting > 0 {
            lines.append(
                "  \(linksWaiting) fields name a record that has no counterpart yet "
                    + "(association-missing); they are completed when it has one")
        }
        for missing in missingFields {
            lines.append(
                "  the app has no field `\(missing.field)` now; \(missing.records) records had a value "
                    + "there, and edits of it wait until it is back")
        }
        for failure in failures {
            lines.append("  failed: \(failure.count) \(failure.category). \(failure.remedy)")
        }
        for exclusion in exclusions {
            lines.append("  excluded: \(exclusion.count) \(exclusion.reason)")
        }
        lines.append(
            "  window \(window.seconds) s: kept \(window.kept), missed \(window.missed), "
                + "half within \(window.p50Seconds) s, 99 % within \(window.p99Seconds) s")
        for miss in window.misses {
            lines.append("  missed: \(miss.count) because of \(miss.cause)")
        }
        if let lastCycle {
            lines.append(
                "  last run \(lastCycle.run) at \(lastCycle.startedAt): read \(lastCycle.read), CRM +\(lastCycle.createdInCRM) "
                    + "~\(lastCycle.updatedInCRM), app +\(lastCycle.createdInApp) ~\(lastCycle.updatedInApp), failed \(lastCycle.failed)"
            )
        }
        if let finding {
            lines.append("  STOPPED: \(finding). If that is right: tandem acknowledge \(name)")
        }
        if let problem { lines.append("  problem: \(problem.replacing("\n", with: ". "))") }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Which rows of the record view are wanted.
struct RecordOptions: ParsableArguments {
    @Option(help: "Only records of this sync; may be repeated.")
    var sync: [String] = []

    @Option(help: "Only records of this object.")
    var object: String?

    @Option(help: "Only records in this state, such as failed or deleted-in-app.")
    var state: String?

    @Option(help: "Only failures of this category, such as invalid-value.")
    var category: String?

    @Option(help: "Only records changed at or after this moment, such as 2026-11-22T09:00:00Z.")
    var since: String?

    @Option(help: "Only records changed before this moment.")
    var until: String?

    @Option(help: "Only records whose name, id or message contains this text.")
    var search: String?

    @Option(help: "Which columns, with commas between.")
    var columns: String?

    @Option(help: "Sort by this column.")
    var sort: String?

    /// - Throws: ``CommandFailure`` for a word that is not known.
    func query(_ context: AppContext) throws -> (RecordQuery, columns: [String]) {
        var query = RecordQuery()
        query.syncs = Set(try context.syncs(sync).map(\.name))
        query.object = try object.map { try context.object($0) }
        query.state = try word(state, "--state", PairStateKind.self)
        query.category = try word(category, "--category", FailureCategory.self)
        query.since = try moment(since, "--since")
        query.until = try moment(until, "--until")
        query.search = search
        query.sort = sort
        let wanted = columns?.split(separator: ",").map { String($0).trimmed } ?? RecordRow.columns
        for column in wanted + [sort].compactMap(\.self) where !RecordRow.columns.contains(column) {
            throw CommandFailure.usage(
                "there is no column `\(column)`\(suggestion(for: column, in: RecordRow.columns)); there are "
                    + RecordRow.columns.joined(separator: ", "))
        }
        return (query, wanted)
    }

    private func moment(_ text: String?, _ option: String) throws -> Timestamp? {
        guard let text else { return nil }
        if let moment = Timestamp(rfc3339: text.count == 10 ? text + "T00:00:00Z" : text) {
            return moment
        }
        throw CommandFailure.usage(
            "\(option) \(text): expected a moment such as 2026-11-22T09:00:00Z")
    }
}

/// One of the words of an enumeration, from an option.
///
/// - Throws: ``CommandFailure`` that names the nearest word.
func word<Word: RawRepresentable & CaseIterable>(
    _ text: String?, _ option: String, _ type: Word.Type
) throws -> Word? where Word.RawValue == String {
    guard let text else { return nil }
    if let word = Word(rawValue: text) { return word }
    let words = Word.allCases.map(\.rawValue)
    throw CommandFailure.usage(
        "\(option) \(text)\(suggestion(for: text, in: words)): expected one of \(words.joined(separator: ", "))"
    )
}

struct RecordsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "records", abstract: "List records with their state, failure and remedy.")

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: RecordOptions

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let (query, columns) = try options.query(context)
            let usual = [
                "sync", "crm_id", "app_id", "label", "state", "category", "reason", "message",
            ]
            if shared.json {
                return try ReportCommand.write(.json, query, columns, context) {
                    Terminal.write($0)
                }
            }
            let shown = options.columns == nil ? usual : columns
            var table = TextTable(shown.map { $0.uppercased() })
            try context.database.read { connection in
                try query.each(of: context.configuration.syncs, in: connection) { row in
                    table.add(shown.map { row[$0] })
                }
            }
            Terminal.write(table.text)
        }
    }
}

struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write the sync status report: every record with its state.")

    @OptionGroup var shared: SharedOptions
    @OptionGroup var options: RecordOptions

    @Option(help: "csv or json.")
    var format = "csv"

    @Option(help: "The file to write; standard output if none is named.", completion: .file())
    var output: String?

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let (query, columns) = try options.query(context)
            let chosen = try word(
                shared.json ? "json" : format, "--format", ReportWriter.Format.self)
            guard let output else {
                return try Self.write(chosen ?? .csv, query, columns, context) {
                    Terminal.write($0)
                }
            }
            let file = try AtomicFile(output)
            try Self.write(chosen ?? .csv, query, columns, context) { file.write($0) }
            try file.commit()
        }
    }

    static func write(
        _ format: ReportWriter.Format, _ query: RecordQuery, _ columns: [String],
        _ context: AppContext,
        to sink: (String) -> Void
    ) throws {
        var writer = ReportWriter(format, columns: columns)
        sink(writer.head)
        try context.database.read { connection in
            try query.each(of: context.configuration.syncs, in: connection) {
                sink(writer.line($0))
            }
        }
        sink(writer.tail)
    }
}
