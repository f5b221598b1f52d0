import AdapterPostgres
import ArgumentParser
import TandemConfig
import TandemModel
import TandemSupport

struct ConnectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connect",
        abstract: "Prepare what a connection needs before it can sync.",
        discussion: """
            For an app that gives access by OAuth: asks you to consent in a browser, and keeps the \
            tokens, sealed, in the store. For a PostgreSQL table with `changes: log`: prints the SQL \
            that makes the log and its triggers, and with --install runs it. Other connections need \
            nothing.
            """)

    @OptionGroup var shared: SharedOptions

    @Argument(help: "The connection, as the configuration names it.")
    var connection: String

    @Flag(help: "Run the SQL in the database instead of printing it.")
    var install = false

    @Option(help: "The port of this machine that the browser comes back to; any if left out.")
    var port: UInt16 = 0

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let name = ConnectionName(connection)
            guard let found = context.configuration.connections[name] else {
                let known = context.configuration.connections.keys.map(\.text)
                throw CommandFailure.usage(
                    "there is no connection `\(name)`\(suggestion(for: connection, in: known))")
            }
            if let (client, vault) = context.oauth(name) {
                try vault.save(try await Consent(client: client, port: port).tokens())
                return Terminal.write("\(name) is connected.\n")
            }
            guard case .postgres(let database) = found.reach else {
                return Terminal.write(
                    "\(name) needs nothing: `tandem check` shows whether it works.\n")
            }
            let tables = context.configuration.syncs.filter { $0.connection == name }
                .map(\.mapping.appObject).filter { database.tables[$0]?.changes == .log }
            if tables.isEmpty {
                return Terminal.write(
                    "\(name) needs nothing: no table of a sync has `changes: log`.\n")
            }
            for table in Set(tables).sorted() { try await makeLog(of: table, database) }
        }
    }

    private func makeLog(of table: String, _ database: PostgresConnection) async throws {
        let app = PostgresAdapter(database.settings(of: table, fields: []))
        let log = try await app.changeLog()
        guard install else { return Terminal.write(log.installation) }
        try await app.install(log)
        Terminal.write("The change log of \(table) is there.\n")
    }
}
