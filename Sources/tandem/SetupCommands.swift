import AppCardDAV
import AppREST
import ArgumentParser
import FoundationEssentials
import Glibc
import TandemCRM
import TandemModel

struct AppsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apps", abstract: "List the apps, their objects and what they are.")

    @OptionGroup var shared: SharedOptions

    private struct Row: Encodable {
        let app: String
        let objects: [String]
        let summary: String
    }

    func run() async throws {
        try await reporting {
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
                switch library.description(of: app) {
                case .success(let description):
                    return Row(
                        app: app, objects: library.objects(of: app), summary: description.summary)
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
        discussion: "Changes no record; makes the store if there is none yet.")

    @OptionGroup var shared: SharedOptions

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
    }

    func run() async throws {
        try await reporting {
            let world = try shared.world()
            var rows: [Row] = []
            for sync in world.configuration.syncs { rows.append(await row(sync, world)) }
            if shared.json {
                try Terminal.printJSON(["syncs": rows])
            } else {
                Terminal.write("\(world.configuration.path): no problems found\n")
                for row in rows { show(row) }
            }
            if rows.contains(where: { !$0.error.isEmpty }) { throw ExitCode(1) }
        }
    }

    private func row(_ sync: SyncSettings, _ world: World) async -> Row {
        do {
            let profile = try await world.app(for: sync).profile()
            return Row(
                sync: sync.name.text, app: sync.app, account: profile.account,
                summary: profile.summary, error: "", fields: fields(sync, world, profile.fields))
        } catch {
            let text = (error as? AppError).map { "\($0.message). \($0.remedy)" } ?? "\(error)"
            return Row(
                sync: sync.name.text, app: sync.app, account: "", summary: "", error: text,
                fields: fields(sync, world, []))
        }
    }

    private func fields(_ sync: SyncSettings, _ world: World, _ known: [AppField]) -> [Field] {
        let properties = world.store.schema.objects[sync.object] ?? [:]
        return sync.mapping.fields.map { field in
            let direction = sync.direction.intersection(field.direction)
            var notes: [String] = []
            if field.template == nil && properties[field.crm] == nil {
                notes.append("the CRM has no such property")
            }
            if !known.isEmpty && !known.contains(field.app) {
                notes.append("the app has no such field")
            }
            if direction == nil {
                notes.append("its direction is opposite to the sync's, so it does nothing")
            }
            if field.isRequired { notes.append("required by the app") }
            return Field(
                crm: field.crm.text, app: field.app.text, direction: direction?.rawValue ?? "none",
                note: notes.joined(separator: "; "))
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
    }
}

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a commented configuration.",
        discussion: "Asks what it needs on a terminal; takes --app, --url and --username otherwise."
    )

    @Argument(help: "The folder to write tandem.yaml into.")
    var folder = "."

    @Option(help: "carddav or csv.")
    var app: String?

    @Option(help: "The address of the server, for carddav.")
    var url: String?

    @Option(help: "The user name, for carddav.")
    var username: String?

    @Option(name: .customLong("csv-folder"), help: "The folder with the files, for csv.")
    var csvFolder: String?

    func run() async throws {
        try await reporting {
            let path = folder + "/tandem.yaml"
            if FileManager.default.fileExists(atPath: path) {
                throw CommandFailure.failed("\(path) is there already; nothing was written.")
            }
            let kinds = AppKind.allCases.map(\.rawValue)
            let name = try answer(
                app, "Which app (\(kinds.joined(separator: ", ")))?", option: "--app")
            guard let kind = try word(name, "--app", AppKind.self) else { return }
            let connection = try connection(kind)
            try FileManager.default.createDirectory(
                atPath: folder, withIntermediateDirectories: true)
            let file = try AtomicFile(path)
            file.write(Self.text(kind, connection))
            try file.commit()
            Terminal.write("\(path) is written. Next: `tandem check --config \(path)`.\n")
        }
    }

    private func connection(_ kind: AppKind) throws -> String {
        switch kind {
        case .carddav:
            let url = try answer(url, "Address of the server?", option: "--url")
            // Refuses an address that no connection could be made to.
            _ = try CardDAVApp(.init(url: url))
            let username = try answer(username, "User name?", option: "--username")
            return """
                    url: \(Self.quoted(url))
                    username: \(Self.quoted(username))
                    password: ${CARDDAV_PASSWORD}   # from the environment or a systemd credential
                """
        case .csv:
            let folder = try answer(
                csvFolder, "Folder with the files?", option: "--csv-folder")
            return "    folder: \(Self.quoted(folder))"
        }
    }

    /// A YAML scalar: plain where nothing in the text could mean something else, else in quotes.
    private static func quoted(_ text: String) -> String {
        let plain = text.utf8.allSatisfy { byte in
            UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte
                || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
                || "./_-@:0123456789".utf8.contains(byte)
        }
        let isText = text.utf8.contains { !"0123456789.-:_".utf8.contains($0) }
        let words = ["true", "false", "yes", "no", "on", "off", "null"]
        if plain && isText && !words.contains(text.lowercased())
            && text.utf8.first != UInt8(ascii: "@")
            && text.utf8.first != UInt8(ascii: "-") && text.utf8.last != UInt8(ascii: ":")
        {
            return text
        }
        let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
        return "\"\(escaped)\""
    }

    private func answer(_ given: String?, _ question: String, option: String) throws -> String {
        if let given { return given }
        guard isatty(0) == 1 else { throw CommandFailure.usage("\(option) is missing") }
        Terminal.write(question + " ")
        guard let line = readLine()?.trimmed, !line.isEmpty else {
            throw CommandFailure.usage("\(option) is missing")
        }
        return line
    }

    private static func text(_ kind: AppKind, _ connection: String) -> String {
        """
        # Tandem keeps this store and the apps below the same. Paths are relative to this file.
        store: tandem.db          # the CRM store, one SQLite file
        window: 10m               # a change is on the other side within this time
        poll: 60s                 # how often an app is asked for changes
        connections:
          main:
            app: \(kind.rawValue)
        \(connection)
        syncs:
          main-contacts:
            connection: main
            object: contacts
            direction: both       # both | to-crm | to-app
            default: crm          # whose value wins when both sides changed the same field
            deletions: track      # track: a deletion on one side leaves the other side as it is

        """
    }
}
