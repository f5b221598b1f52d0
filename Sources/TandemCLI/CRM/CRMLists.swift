import ArgumentParser
import FoundationEssentials
import TandemCRM
import TandemDatabase
import TandemModel

struct CRMLists: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lists", abstract: "Lists of records: kept by hand, or whoever fits a filter.",
        subcommands: [ListsShow.self, ListsCreate.self, ListsMembers.self, ListsChange.self],
        defaultSubcommand: ListsShow.self)
}

private struct ListsShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show all lists with their sizes.")
    @OptionGroup var shared: SharedOptions

    private struct Row: Encodable {
        let id: String
        let name: String
        let object: String
        let kind: String
        let size: Int
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let rows = try context.lists { table in
                try table.all().map { list in
                    Row(
                        id: "\(list.id)", name: list.name, object: list.object.text,
                        kind: list.kind.rawValue, size: try table.count(of: list))
                }
            }
            if shared.json { return try Terminal.printJSON(["lists": rows]) }
            var table = TextTable(["ID", "NAME", "OBJECT", "KIND", "SIZE"])
            for row in rows { table.add([row.id, row.name, row.object, row.kind, "\(row.size)"]) }
            Terminal.write(table.text)
        }
    }
}

private struct ListsCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a list; prints its id.",
        discussion: "With --where it is an active list: whoever has these values is in it.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Argument(help: "The list's name.") var name: String
    @Option(parsing: .upToNextOption, help: "property=value; all must hold.")
    var `where`: [String] = []

    func run() async throws {
        try await reporting {
            let wanted = try assignments(`where`)
            let context = try shared.context()
            let object = try context.object(object)
            let list = try context.lists(writes: true) { table in
                try table.create(
                    name, of: object, wanted.isEmpty ? .manual : .active,
                    filter: wanted.isEmpty ? nil : ListFilter(equal: wanted))
            }
            if shared.json { return try Terminal.printJSON(["id": "\(list.id)"]) }
            Terminal.write("\(list.id)\n")
        }
    }
}

private struct ListsMembers: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "members", abstract: "Print the ids of the records in a list.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The list's id.") var list: Int64

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let ids = try context.lists { table in
                try table.members(
                    of: table.list(list), after: RecordID(0), limit: Int(Int32.max)
                ).map(\.record.description)
            }
            if shared.json { return try Terminal.printJSON(["members": ids]) }
            Terminal.write(ids.map { "\($0)\n" }.joined())
        }
    }
}

private struct ListsChange: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "change",
        abstract: "Add records to a list that is kept by hand, or take them out.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The list's id.") var list: Int64
    @Option(parsing: .upToNextOption, help: "Records to add: ids, addresses or domains.")
    var add: [String] = []
    @Option(parsing: .upToNextOption, help: "Records to take out.") var remove: [String] = []

    func validate() throws {
        if add.isEmpty && remove.isEmpty { throw ValidationError("Say --add or --remove.") }
    }

    func run() async throws {
        try await doing(shared) { connection, context in
            let table = ListTable(connection, context.store.schema, now: AppContext.now)
            let list = try table.list(list)
            let reader = context.store.reader(in: connection)
            func id(_ text: String) throws -> RecordID {
                try reader.resolve(text, in: list.object).id
            }
            for record in add { try table.add(id(record), to: list) }
            for record in remove { try table.remove(id(record), from: list) }
        }
    }
}

extension AppContext {
    fileprivate func lists<Value>(
        writes: Bool = false, _ work: (ListTable) throws -> Value
    ) throws -> Value {
        let run: (any SQLConnection) throws -> Value = { connection in
            try work(ListTable(connection, store.schema, now: AppContext.now))
        }
        return writes ? try database.write(run) : try database.read(run)
    }
}
