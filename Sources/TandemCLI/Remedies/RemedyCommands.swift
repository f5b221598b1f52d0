import ArgumentParser
import TandemConfig
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync

/// Which records a remedy is for: some by name, or all; one of the two must be said.
struct RecordChoice: ParsableArguments {
    @Option(help: "The CRM or app id of a record; may be repeated.")
    var record: [String] = []

    @Flag(help: "Every record that the command is for.")
    var all = false

    /// `nil` stands for all.
    var records: Set<String>? { all ? nil : Set(record) }

    func validate() throws {
        guard all != !record.isEmpty else {
            throw ValidationError("Name the records with --record, or take --all.")
        }
    }
}

struct ResyncDeletedCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "resync-deleted",
        abstract: "Re-create on one side what was deleted there.",
        discussion: """
            A CRM record comes back from the bin under its old id; an app record gets a new id. \
            Name the records with --record, or take --all.
            """)

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The syncs to look in; all if none is named.")
    var syncs: [String] = []

    @Option(
        name: .customLong("in"), help: "The side on which the records were deleted: crm or app.")
    var side: String

    @OptionGroup var chosen: RecordChoice

    func run() async throws {
        try await reporting {
            let side = try word(side, "--in", Side.self) ?? .crm
            let records = chosen.records
            try await help(syncs, records, shared, verb: "re-created") { remedies, id in
                try remedies.resync(deletedIn: side, of: id, records: records)
            }
        }
    }
}

struct ApproveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "approve",
        abstract: "Carry over what waits for a person.",
        discussion: """
            A deletion (deletions: approve) is carried over; of an app that went back in time, the CRM's \
            values are written again and missing records made anew. `tandem records --state \
            awaiting-approval` lists them.
            """)

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The syncs to look in; all if none is named.")
    var syncs: [String] = []

    @OptionGroup var chosen: RecordChoice

    func run() async throws {
        try await reporting {
            let records = chosen.records
            try await help(syncs, records, shared, verb: "approved") { remedies, id in
                try remedies.approve(id, records: records)
            }
        }
    }
}

struct AcceptCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "accept",
        abstract: "Leave a field of a failed record apart until either side changes it.",
        discussion: """
            The record counts as in sync; `tandem status` counts such records apart, and `tandem retry \
            --record` has the field tried again.
            """)

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The CRM or app id of the record.")
    var record: String

    @Argument(help: "The field, by its CRM name.")
    var field: String

    @Option(help: "Only in this sync; may be repeated.")
    var sync: [String] = []

    func run() async throws {
        try await reporting {
            try await help(sync, [record], shared, verb: "accepted") { remedies, id in
                try remedies.accept(PropertyName(field), id, records: [record])
            }
        }
    }
}

struct RejectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reject",
        abstract: "Take what an app shows that went back in time.",
        discussion: """
            Its older values go into the CRM, and a record that it lacks counts as deleted there. \
            `tandem records --state awaiting-approval` lists them.
            """)

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The syncs to look in; all if none is named.")
    var syncs: [String] = []

    @OptionGroup var chosen: RecordChoice

    func run() async throws {
        try await reporting {
            let records = chosen.records
            try await help(syncs, records, shared, verb: "rejected") { remedies, id in
                try remedies.reject(id, records: records)
            }
        }
    }
}

struct RetryCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "retry", abstract: "Try failed records again now.")

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The syncs to look in; all if none is named.")
    var syncs: [String] = []

    @Option(help: "Only failures of this category.")
    var category: String?

    @Option(help: "Only this record, by CRM or app id; may be repeated.")
    var record: [String] = []

    @Flag(
        help: """
            Make the named records anew in the app, though the answer to their create was lost: you \
            looked, and they are not there.
            """)
    var createAgain = false

    func validate() throws {
        if createAgain && record.isEmpty {
            throw ValidationError("--create-again is for records that are named with --record.")
        }
    }

    func run() async throws {
        try await reporting {
            let category = try word(category, "--category", FailureCategory.self)
            let records = record.isEmpty ? nil : Set(record)
            try await help(syncs, records, shared, verb: "tried again") { remedies, id in
                try remedies.retry(
                    id, category: category, records: records, makesAnew: createAgain)
            }
        }
    }
}

/// Applies a remedy to records of some syncs, lets a cycle carry it out, and says what came of it.
private func help(
    _ names: [String], _ records: Set<String>?, _ shared: SharedOptions, verb: String,
    _ remedy: (Remedies, Int64) throws -> Remedies.Outcome
) async throws {
    let context = try shared.context()
    let syncs = try context.syncs(names)
    let outcome = try helped(syncs, records, in: context, remedy)
    let reports = outcome.done > 0 ? try await runCycles(syncs, in: context) : []
    try show(outcome, verb: verb, json: shared.json)
    try finish(reports.filter { $0.stop != .isBusy })
}

/// Applies a remedy to each of the syncs that the store knows; a record that was named and that
/// none of them can help is refused.
private func helped(
    _ syncs: [SyncSettings], _ records: Set<String>?, in context: AppContext,
    _ help: (Remedies, Int64) throws -> Remedies.Outcome
) throws -> Remedies.Outcome {
    try context.database.write { connection in
        var all = Remedies.Outcome()
        let remedies = Remedies(store: context.store, connection: connection, now: AppContext.now)
        for sync in syncs {
            guard let state = try SyncTable(connection).state(sync.name) else { continue }
            all.add(try help(remedies, state.id))
        }
        all.refused += (records ?? []).subtracting(all.met).sorted().map {
            "record \($0): not one that this command is for; `tandem records` shows its state"
        }
        return all
    }
}

/// Runs a cycle of each sync, so that the remedy takes effect now; a daemon that holds a sync
/// does it in its next cycle.
private func runCycles(_ syncs: [SyncSettings], in context: AppContext) async throws
    -> [CycleReport]
{
    var reports: [CycleReport] = []
    for sync in syncs {
        let cycle = Cycle(
            sync: sync, app: try context.app(for: sync), store: context.store,
            dependencies: context.dependencies(), tuning: context.tuning, holder: AppContext.holder)
        let report = try await cycle.run()
        reports.append(report)
        if let stop = report.stop { Terminal.complain("\(sync.name): \(stop.sentence)") }
    }
    return reports
}

private func show(_ outcome: Remedies.Outcome, verb: String, json: Bool) throws {
    struct Document: Encodable {
        let done: Int
        let refused: [String]
    }
    if json {
        try Terminal.printJSON(Document(done: outcome.done, refused: outcome.refused))
    } else {
        Terminal.write("\(outcome.done) records \(verb).\n")
    }
    for line in outcome.refused { Terminal.complain(line) }
    if !outcome.refused.isEmpty { throw ExitCode(3) }
}

struct AcknowledgeCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "acknowledge",
        abstract: "Let exactly the finding through that stopped a sync.",
        discussion: "`tandem status` shows the finding. Another finding stops the sync again.")

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The sync.")
    var sync: String

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let chosen = try context.syncs([sync])[0]
            let done = try context.database.write { try SyncTable($0).acknowledge(chosen.name) }
            guard done else {
                throw CommandFailure.failed("\(sync): nothing waits to be acknowledged.")
            }
            if shared.json {
                return try Terminal.printJSON(DoneWith(sync: sync, done: "acknowledged"))
            }
            Terminal.write("\(sync): the finding is let through in the next cycle.\n")
        }
    }
}

struct TurnOffCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "turn-off", abstract: "Turn syncs off; everything is kept.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The syncs.") var syncs: [String]

    func run() async throws { try await turn(syncs, on: false, shared) }
}

struct TurnOnCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "turn-on", abstract: "Turn syncs on again; they go on where they stopped.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The syncs.") var syncs: [String]

    func run() async throws { try await turn(syncs, on: true, shared) }
}

private func turn(_ names: [String], on isOn: Bool, _ shared: SharedOptions) async throws {
    try await reporting {
        let context = try shared.context()
        let chosen = try context.syncs(names)
        try context.database.write { connection in
            for sync in chosen {
                _ = try SyncTable(connection).register(sync)
                _ = try SyncTable(connection).turn(on: isOn, sync.name)
            }
        }
        if shared.json {
            let turned = chosen.map { TurnedSync(name: $0.name.text, on: isOn) }
            return try Terminal.printJSON(["syncs": turned])
        }
        for sync in chosen { Terminal.write("\(sync.name) is \(isOn ? "on" : "off").\n") }
    }
}

/// What was done with a sync, for programs.
private struct DoneWith: Encodable {
    let sync: String
    let done: String
}

private struct TurnedSync: Encodable {
    let name: String
    let on: Bool
}

struct RenameCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rename",
        abstract: "Give a sync another name in the store; its pairs stay.",
        discussion: "Write the new name into the configuration first.")

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The name that the store knows.")
    var old: String

    @Argument(help: "The name that the configuration has.")
    var new: String

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let chosen = try context.syncs([new])[0]
            if context.configuration.syncs.contains(where: { $0.name.text == old }) {
                throw CommandFailure.usage(
                    "the configuration still has a sync `\(old)`; take it out first")
            }
            try context.database.write { connection in
                let table = SyncTable(connection)
                guard let known = try table.state(SyncName(old)) else {
                    let names = try table.orphans(besides: chosen.configured).map(\.name.text)
                    throw CommandFailure.failed(
                        "the store knows no sync `\(old)`\(suggestion(for: old, in: names)).")
                }
                let object = try table.object(of: known.id)
                guard object == chosen.object else {
                    throw CommandFailure.failed(
                        "`\(old)` is a sync of \(object), and `\(new)` of \(chosen.object).")
                }
                try table.rename(known.name, to: chosen.name)
            }
            if shared.json { return try Terminal.printJSON(DoneWith(sync: new, done: "renamed")) }
            Terminal.write("\(old) is \(new) now, with its pairs.\n")
        }
    }
}

struct RemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove",
        abstract: "Forget a sync and its pairs; no record is deleted anywhere.",
        discussion: "Works for a sync that is no longer in the configuration, too.")

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The sync.")
    var sync: String

    @Flag(help: "Do not ask.")
    var yes = false

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            if !yes {
                guard Terminal.isWatched else {
                    throw CommandFailure.usage(
                        "this forgets every pair of `\(sync)`; add --yes if you mean it")
                }
                Terminal.write("Forget every pair of `\(sync)`? No record is deleted. [y/N] ")
                guard readLine()?.lowercased().hasPrefix("y") == true else {
                    throw CommandFailure.failed("nothing was removed.")
                }
            }
            let done = try context.database.write { try SyncTable($0).remove(SyncName(sync)) }
            guard done else { throw CommandFailure.failed("the store knows no sync `\(sync)`.") }
            if shared.json { return try Terminal.printJSON(DoneWith(sync: sync, done: "removed")) }
            Terminal.write("\(sync) is forgotten.\n")
        }
    }
}
