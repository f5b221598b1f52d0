import ArgumentParser
import TandemCRM
import TandemConfig
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

struct CRMTimeline: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "timeline",
        abstract: "Show what hangs on a record: activities, lists, subscriptions, forms and more.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "An id, or an email address, or a domain.") var record: String

    private struct Entry: Encodable {
        let kind: String
        let name: String
        let detail: String
        let at: String
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let entries = try context.database.read { connection in
                let record = try context.store.reader(in: connection).find(record)
                return try Self.activities(record, context, connection)
                    + Self.others(record, context, connection)
            }
            if shared.json { return try Terminal.printJSON(["timeline": entries]) }
            var table = TextTable(["KIND", "NAME", "DETAIL", "AT"])
            for entry in entries { table.add([entry.kind, entry.name, entry.detail, entry.at]) }
            Terminal.write(table.text)
        }
    }

    /// How many activities of one kind are shown.
    private static let limit = 500

    private static func activities(
        _ record: CRMRecord, _ context: AppContext, _ connection: any SQLConnection
    ) throws -> [Entry] {
        let reader = context.store.reader(in: connection)
        return try ObjectName.activities.sorted().flatMap { object in
            let linked = try reader.associations(of: record.id, to: object, limit: limit)
            let records = try reader.records(linked.map(\.to))
            let title = context.store.schema.definitions[object]?.primaryProperty ?? ""
            return linked.compactMap { records[$0.to] }.map { activity in
                Entry(
                    kind: object.text, name: activity.properties[title] ?? "",
                    detail: "\(activity.id)",
                    at: activity.properties["hs_timestamp"] ?? activity.createdAt.description)
            }
        }
    }

    private static func others(
        _ record: CRMRecord, _ context: AppContext, _ connection: any SQLConnection
    ) throws -> [Entry] {
        let table = TimelineTable(connection)
        let lists = ListTable(connection, context.store.schema, now: AppContext.now)
        let merges = try context.store.reader(in: connection).history(of: record.id)
            .filter { $0.kind == .merge }
        return try merges.map {
            Entry(
                kind: "merge", name: "into \($0.recordID)", detail: $0.origin.text,
                at: $0.at.description)
        }
            + lists.memberships(of: record).map { list, _ in
                Entry(kind: "list", name: list.name, detail: list.kind.rawValue, at: "")
            }
            + table.subscriptions(of: MatchKey.emails(record.properties)).map {
                Entry(
                    kind: "subscription", name: $0.name,
                    detail: "\($0.email) \($0.isSubscribed ? "in" : "out") \($0.legalBasis)",
                    at: $0.at.description)
            }
            + table.submissions(of: record.id).map {
                Entry(
                    kind: "form", name: $0.form, detail: "\($0.email) \($0.cookie)",
                    at: $0.at.description)
            }
            + table.enrolments(of: record.id).map {
                Entry(kind: "workflow", name: $0, detail: "enrolled", at: "")
            }
            + table.playbooks(of: record.id).map {
                Entry(
                    kind: "playbook", name: $0.name, detail: "\($0.state.rawValue) \($0.body)",
                    at: $0.at.description)
            }
    }
}

struct CRMSubscribe: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "subscribe", abstract: "Opt an email address in to a kind of mail, or out.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The address.") var email: String
    @Argument(help: "The kind of mail, such as Newsletter.") var subscription: String
    @Flag(help: "Opt out.") var out = false
    @Option(help: "The legal basis of sending.") var legalBasis = ""

    func validate() throws { try requireName(subscription, "SUBSCRIPTION") }

    func run() async throws {
        try await doing(shared) { connection, _ in
            try TimelineTable(connection).subscribe(
                email, to: subscription, !out, legalBasis: legalBasis, by: .user, at: AppContext.now
            )
        }
    }
}

struct CRMSubmitForm: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "submit-form",
        abstract: "Take a form that somebody filled in; prints the contact's id.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The form's name.") var form: String
    @Argument(help: "property=value, as many as there are.") var values: [String]
    @Option(help: "The token of the visitor's cookie.") var cookie: String?

    func validate() throws { try requireName(form, "FORM") }

    func run() async throws {
        try await reporting {
            let values = try assignments(values)
            let context = try shared.context()
            let rules = context.configuration.marketing
            let (id, isFull) = try context.writing(as: .form) { reader, writer in
                let isFull = try rules.includesForms && !reader.hasRoom(rules)
                return (
                    try writer.submit(form: form, values, cookie: cookie, rules), isFull
                )
            }
            if isFull {
                Terminal.complain(
                    "Warning: the limit of marketing contacts is reached; a new contact is none.")
            }
            if shared.json { return try Terminal.printJSON(["id": "\(id)"]) }
            Terminal.write("\(id)\n")
        }
    }
}

struct CRMWorkflow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "workflow", abstract: "Add a workflow, or enrol a record in one.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The workflow's name.") var name: String
    @Option(help: "The object it works on, for a new one.") var object: String?
    @Flag(help: "A record that is merged from an enrolled one enters it.") var enrolsMerged = false
    @Option(help: "Enrol this record: an id, an email address, or a domain.") var enrol: String?

    func validate() throws { try requireName(name, "NAME") }

    func run() async throws {
        try await doing(shared) { connection, context in
            let table = TimelineTable(connection)
            if let object {
                let object = try context.object(object)
                let known = try table.workflows().first { $0.name == name }
                if let known, known.object != object {
                    throw CommandFailure.failed("the workflow `\(name)` works on \(known.object)")
                }
                try table.save(workflow: name, of: object, enrolsMerged: enrolsMerged)
            }
            if let enrol {
                let record = try context.store.reader(in: connection).find(enrol)
                try table.enrol(record, in: name, at: AppContext.now)
            }
            if object == nil && enrol == nil {
                throw CommandFailure.usage("say --object for a new workflow, or --enrol RECORD")
            }
        }
    }
}

struct CRMPlaybook: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playbook", abstract: "Put a playbook on a record's timeline.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "An id, or an email address, or a domain.") var record: String
    @Argument(help: "The playbook's name.") var name: String
    @Option(help: "logged or draft.") var state = "logged"
    @Option(help: "What was noted.") var body = ""

    func validate() throws { try requireName(name, "NAME") }

    func run() async throws {
        try await doing(shared) { connection, context in
            let state = try word(state, "--state", TimelineTable.Playbook.State.self) ?? .logged
            let record = try context.store.reader(in: connection).find(record)
            try TimelineTable(connection).add(
                playbook: name, state, body: body, to: record.id, at: AppContext.now)
        }
    }
}

struct CRMOwners: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "owners", abstract: "List whom records can belong to, add one, archive one.")
    @OptionGroup var shared: SharedOptions
    @Option(help: "Add an owner with this email address.") var add: String?
    @Option(help: "The first name of the added one.") var first = ""
    @Option(help: "The last name of the added one.") var last = ""
    @Option(help: "Take the owner with this id out of use.") var archive: Int64?

    func validate() throws {
        if add == nil && !(first + last).isEmpty {
            throw ValidationError("--first and --last name an owner to --add.")
        }
    }

    private struct Row: Encodable {
        let id: String
        let email: String
        let name: String
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let owners = try context.database.write { connection in
                let table = OwnerTable(connection)
                if let add {
                    _ = try table.add(
                        email: add, firstName: first, lastName: last, now: AppContext.now)
                }
                if let archive { try table.archive(archive, now: AppContext.now) }
                return try table.owners(
                    after: 0, email: nil, areArchived: false, limit: Int(Int32.max))
            }
            let rows = owners.map {
                Row(
                    id: "\($0.id)", email: $0.email,
                    name: "\($0.firstName) \($0.lastName)".trimmed)
            }
            if shared.json { return try Terminal.printJSON(["owners": rows]) }
            var table = TextTable(["ID", "EMAIL", "NAME"])
            for row in rows { table.add([row.id, row.email, row.name]) }
            Terminal.write(table.text)
        }
    }
}

/// A name that nobody could find again is none.
private func requireName(_ text: String, _ argument: String) throws {
    if text.trimmed.isEmpty { throw ValidationError("\(argument) is empty.") }
}

/// Writes to the store and says that it is done.
func doing(
    _ shared: SharedOptions, _ work: (any SQLConnection, AppContext) throws -> Void
) async throws {
    try await reporting {
        let context = try shared.context()
        try context.database.write { try work($0, context) }
        if shared.json { return try Terminal.printJSON(["done": true]) }
        Terminal.write("done\n")
    }
}
