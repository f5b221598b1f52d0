import ArgumentParser
import FoundationEssentials
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync

struct SyncCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sync",
        abstract: "Run one cycle of each sync; the first run of a sync is the initial one.",
        discussion: """
            With --dry-run the same code runs over a copy of the store and writes to no app; what \
            it prints is what a run would do now.
            """)

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The syncs to run; all if none is named.")
    var syncs: [String] = []

    @Flag(help: "Show the plan and write nothing anywhere.")
    var dryRun = false

    @Flag(help: "Read everything again, not only what changed.")
    var full = false

    @Option(help: "Stop a first run that would make more records than this.")
    var limit: Int?

    func validate() throws {
        if let limit, limit < 1 { throw ValidationError("--limit takes a number above 0.") }
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let chosen = try context.syncs(syncs)
            if dryRun { return try await preview(context, chosen) }
            var reports: [CycleReport] = []
            for sync in chosen { reports.append(try await cycle(of: sync, in: context)) }
            for (place, sync) in chosen.enumerated() where refers(sync, to: chosen[place...]) {
                reports[place].add(try await cycle(of: sync, in: context))
            }
            try show(reports)
            try finish(reports)
        }
    }

    /// Whether records of a sync name some of a sync that runs after it: objects that refer to each
    /// other in a circle need a second pass.
    private func refers(_ sync: SyncSettings, to later: ArraySlice<SyncSettings>) -> Bool {
        let objects = sync.mapping.fields.compactMap(\.association)
        return later.dropFirst().contains {
            $0.connection == sync.connection && objects.contains($0.object)
        }
    }

    private func cycle(of sync: SyncSettings, in context: AppContext, preview: Bool = false)
        async throws
        -> CycleReport
    {
        let app = try context.app(for: sync)
        var tuning = context.tuning
        tuning.firstActivationLimit = limit
        let progress = Progress(sync: sync.name)
        let cycle = Cycle(
            sync: sync, app: preview ? DryRunAdapter(app) : app,
            store: context.store, dependencies: context.dependencies(), tuning: tuning,
            holder: AppContext.holder, onProgress: { progress.show($0) })
        defer { Terminal.progress("") }
        return try await cycle.run(isFull: full)
    }

    private func show(_ reports: [CycleReport]) throws {
        if shared.json {
            let syncs = reports.map { NamedCycle(name: $0.sync.text, report: $0) }
            return try Terminal.printJSON(["syncs": syncs])
        }
        var table = TextTable(
            [
                "SYNC", "READ", "NEW IN CRM", "CHANGED IN CRM", "NEW IN APP", "CHANGED IN APP",
                "FAILED", "SECONDS",
            ])
        for report in reports {
            table.add([
                report.sync.text, "\(report.read)", "\(report.createdInCRM)",
                "\(report.updatedInCRM)",
                "\(report.createdInApp)", "\(report.updatedInApp)", "\(report.failed)",
                "\(((report.endedAt - report.startedAt).seconds * 10).rounded() / 10)",
            ])
        }
        Terminal.write(table.text)
        for report in reports {
            for notice in report.notices { Terminal.complain("\(report.sync): \(notice).") }
            if let stop = report.stop { Terminal.complain("\(report.sync): \(stop.sentence)") }
        }
    }

    /// Runs the cycles over a copy of the store, which is gone when this returns.
    private func plan(_ context: AppContext, _ chosen: [SyncSettings]) async throws -> (
        [PreviewLine], [CycleReport]
    ) {
        let folder = try ScratchFolder()
        defer { folder.remove() }
        let copy = try context.snapshot(at: folder.path + "/preview.db")
        var lines: [PreviewLine] = []
        var reports: [CycleReport] = []
        for sync in chosen {
            let report = try await cycle(of: sync, in: copy, preview: true)
            reports.append(report)
            lines += try copy.database.read { connection in
                try PreviewLine.lines(of: sync.name, run: report.run, in: connection)
            }
        }
        return (lines, reports)
    }

    private func preview(_ context: AppContext, _ chosen: [SyncSettings]) async throws {
        let (lines, reports) = try await plan(context, chosen)
        if shared.json { return try Terminal.printJSON(["plan": lines]) }
        for line in lines { Terminal.say(line.sentence + "\n") }
        Terminal.write("\n\(lines.count) actions; nothing was written.\n")
        for report in reports {
            if let stop = report.stop { Terminal.complain("\(report.sync): \(stop.sentence)") }
        }
        if reports.contains(where: { $0.stop != nil && $0.stop != .isOff }) { throw ExitCode(1) }
    }
}

/// Ends a command with 1 if a sync could not finish, with 3 if all did and some records failed.
func finish(_ reports: [CycleReport]) throws {
    let unfinished = reports.contains { report in
        if case .some(let stop) = report.stop { stop != .isOff } else { false }
    }
    if unfinished { throw ExitCode(1) }
    if reports.contains(where: { $0.failed > 0 }) { throw ExitCode(3) }
}

/// `sync --json`: the name of a sync and the keys of `last_cycle`.
struct NamedCycle: Encodable {
    let name: String
    let report: CycleReport

    enum CodingKeys: String, CodingKey {
        case name, stopped
    }

    func encode(to encoder: any Encoder) throws {
        try SyncStatus.LastCycle(report).encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        try container.encodeIfPresent(report.stop?.sentence, forKey: .stopped)
    }
}

/// One line of a preview: what would be written where, and why.
struct PreviewLine: Encodable {
    let sync: String
    let action: String
    let side: String
    let record: String
    let reason: String
    let before: [String: String]
    let after: [String: String]

    static func lines(of sync: SyncName, run: Int64, in connection: any SQLConnection) throws
        -> [PreviewLine]
    {
        try journal(ofRun: run, in: connection).map { entry in
            PreviewLine(
                sync: sync.text, action: entry.kind.rawValue, side: entry.side.rawValue,
                record: entry.side == .crm
                    ? entry.crmID?.description ?? "" : entry.appID?.text ?? "",
                reason: entry.reason, before: Self.plain(entry.before),
                after: Self.plain(entry.after))
        }
    }

    private static func plain(_ values: Values) -> [String: String] {
        Dictionary(uniqueKeysWithValues: values.map { ($0.key.text, $0.value) })
    }

    var sentence: String {
        let changes = Set(before.keys).union(after.keys).sorted().map { key in
            let (old, new) = (before[key] ?? "", after[key] ?? "")
            return old.isEmpty ? "\(key)=\(new)" : "\(key): \(old) -> \(new)"
        }
        let place = side == "crm" ? "CRM" : "app"
        return
            "\(sync): \(action) in \(place) \(record) (\(reason)) \(changes.joined(separator: ", "))"
    }
}

extension CycleReport.Stop {
    /// What ended the cycle, and what to do.
    var sentence: String {
        switch self {
        case .isOff: "the sync is off; `tandem turn-on` turns it on."
        case .isBusy: "another process runs this sync now; nothing was done."
        case .hasPredecessor(let orphan): "stopped before anything: \(orphan.sentence)."
        case .isStopping: "left early because the process is to end."
        case .finding(let text):
            "stopped before writing: \(text). Look into it; if it is right, run `tandem acknowledge`."
        case .app(let error): error.sentences
        }
    }
}

/// The line of progress of a running cycle.
final class Progress: Sendable {
    private let sync: SyncName
    private let started = ContinuousClock.now

    init(sync: SyncName) { self.sync = sync }

    func show(_ report: CycleReport) {
        guard Terminal.isWatched else { return }
        let seconds = max(0.001, Double((started.duration(to: .now)) / .seconds(1)))
        let records = report.read + report.writes
        Terminal.progress(
            "\(sync): read \(report.read), written \(report.writes), \(Int(Double(records) / seconds)) a second"
        )
    }
}
