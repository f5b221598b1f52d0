import AdapterCardDAV
import AdapterREST
import ArgumentParser
import FoundationEssentials
import Glibc
import TandemConfig
import TandemModel
import TandemSupport

struct InitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init",
        abstract: "Write a commented configuration.",
        discussion: "Asks what it needs on a terminal; takes --app, --url and --username otherwise."
    )

    @Argument(help: "The folder to write tandem.yaml into.")
    var folder = "."

    @Option(help: "One of those that `tandem apps` lists.")
    var app: String?

    @Option(help: "The address of the server, where the app has one of its own.")
    var url: String?

    @Option(help: "The user name, where the app has such.")
    var username: String?

    @Option(name: .customLong("csv-folder"), help: "The folder with the files, for csv.")
    var csvFolder: String?

    @Option(help: "The program and its arguments, for process and singer.")
    var program: String?

    @Flag(help: "Make an empty store for a configuration that is there, where the old one is lost.")
    var newStore = false

    func run() async throws {
        try await reporting {
            if newStore { return try makeStore() }
            let path = folder + "/tandem.yaml"
            if FileManager.default.fileExists(atPath: path) {
                throw CommandFailure.failed("\(path) is there already; nothing was written.")
            }
            let library = MappingLibrary(extra: nil)
            let known = AppKind.allCases.map(\.rawValue) + library.describedApps
            let name = try answer(
                app, "Which app (\(known.joined(separator: ", ")))?", option: "--app")
            let place = try place(name, library, known)
            let kind = AppKind(rawValue: name)
            let connection = try kind.map(connection) ?? variables(of: place, name)
            try AtomicFile.makeFolder(folder)
            let file = try AtomicFile(path)
            let objects = kind == nil ? library.objects(of: name) : ["contacts"]
            file.write(Self.text(name, connection, objects, isReadOnly: place.isReadOnly))
            try file.commit()
            Terminal.write("\(path) is written. Next: `tandem check --config \(path)`.\n")
        }
    }

    /// Makes an empty store; its ids go on behind those of the lost one.
    private func makeStore() throws {
        let configuration = try Configuration.read(folder + "/tandem.yaml")
        _ = try AppContext.open(configuration, for: .newStore)
        Terminal.write(
            "\(configuration.store) is made, empty. Its ids go on behind those of the store before it; "
                + "the next `tandem sync` meets every record as if for the first time.\n")
    }

    private func place(_ name: String, _ library: MappingLibrary, _ known: [String]) throws
        -> AdapterDefinition
    {
        if let kind = AppKind(rawValue: name) { return AdapterDefinition(kind) }
        switch library.place(of: name) {
        // One that stands for an adapter says the rest itself.
        case .success(let place): return place
        case .failure(.invalid(let report)): throw CommandFailure.configuration(report)
        case .failure(.missing):
            throw CommandFailure.usage(
                "--app \(name)\(suggestion(for: name, in: known)): expected one of "
                    + known.joined(separator: ", "))
        }
    }

    /// What a connection to a described app says: what it needs, and what it may say in a comment.
    private func variables(of place: AdapterDefinition, _ name: String) throws -> String {
        let given = ["url": url, "username": username]
        let known = place.description?.variables.map(\.name) ?? []
        for (key, value) in given.sorted(by: { $0.key < $1.key })
        where value != nil && !known.contains(key) {
            throw CommandFailure.usage("--\(key): a connection to \(name) has no `\(key)`")
        }
        var lines = ["    # What each of these is: \(place.folder)app.yaml"]
        for variable in place.description?.variables ?? [] {
            let (key, hint) = (variable.name, variable.fallback ?? "")
            if let value = given[key] ?? nil {
                lines.append("    \(key): \(Self.quoted(value))")
            } else if !variable.isRequired {
                lines.append("    # \(key): \(Self.quoted(hint))")
            } else if variable.isSecret {
                let secret = "\(name)_\(key)".uppercased().replacing("-", with: "_")
                lines.append(
                    "    \(key): ${\(secret)}   # from the environment or a systemd credential")
            } else {
                let value = try answer(nil, "\(key)?", option: "--\(key)", orElse: "")
                lines.append(
                    "    \(key): \(Self.quoted(value))" + (value.isEmpty ? "   # needed" : ""))
            }
        }
        return lines.joined(separator: "\n")
    }

    private func connection(_ kind: AppKind) throws -> String {
        switch kind {
        case .carddav:
            let url = try answer(url, "Address of the server?", option: "--url")
            // Refuses an address that no connection could be made to.
            _ = try CardDAVAdapter(.init(url: url))
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
        case .postgres:
            let url = try answer(url, "Address of the database?", option: "--url")
            return """
                    url: \(Self.quoted(url))
                    password: ${POSTGRES_PASSWORD}   # from the environment or a systemd credential
                """
        case .process, .singer:
            let command = try answer(
                program, "Program and arguments?", option: "--program")
            let words = command.split(separator: " ").map { Self.quoted(String($0)) }
            return "    command: [\(words.joined(separator: ", "))]"
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

    /// What was given, or what a person says; `otherwise` where nobody can be asked.
    private func answer(
        _ given: String?, _ question: String, option: String, orElse otherwise: String? = nil
    ) throws -> String {
        if let given { return given }
        guard isatty(0) == 1 else {
            if let otherwise { return otherwise }
            throw CommandFailure.usage("\(option) is missing")
        }
        Terminal.write(question + " ")
        guard let line = readLine()?.trimmed, !line.isEmpty else {
            throw CommandFailure.usage("\(option) is missing")
        }
        return line
    }

    private static func text(
        _ app: String, _ connection: String, _ objects: [String], isReadOnly: Bool
    ) -> String {
        let first = """
            # Tandem keeps this store and the apps below the same. Paths are relative to this file.
            store: tandem.db          # the CRM store, one SQLite file
            window: 10m               # a change is on the other side within this time
            poll: 60s                 # how often an app is asked for changes
            connections:
              main:
                app: \(app)
            \(connection)
            syncs:

            """
        return first + objects.map { sync($0, isReadOnly) }.joined()
    }

    private static func sync(_ object: String, _ isReadOnly: Bool) -> String {
        """
          main-\(object):
            connection: main
            object: \(object)
            direction: \(isReadOnly ? "to-crm    " : "both      ") # both | to-crm | to-app
            default: crm          # whose value wins when both sides changed the same field
            deletions: track      # track: a deletion on one side leaves the other side as it is

        """
    }
}
