import ArgumentParser
import FoundationEssentials
import Glibc
import TandemCRM
import TandemConfig
import TandemDatabase
import TandemModel
import TandemSupport

/// The options that every command has.
struct SharedOptions: ParsableArguments {
    @Option(help: "The configuration file.", completion: .file(extensions: ["yaml", "yml"]))
    var config: String?

    @Flag(help: "Print one JSON document for programs instead of a table for people.")
    var json = false

    func context(for use: AppContext.StoreUse = .command) throws -> AppContext {
        try AppContext.open(Configuration.read(Configuration.find(config)), for: use)
    }
}

/// Runs a command and turns what it throws into a text on stderr and an exit code.
func reporting(_ work: () async throws -> Void) async throws {
    do { try await work() } catch let failure as CommandFailure {
        try fail("\(failure)", failure.exitCode)
    } catch let invalid as Configuration.Invalid {
        try fail("\(invalid)", CommandFailure.configuration("").exitCode)
    } catch let error as CRMError {
        try fail("\(error)", 1)
    } catch let error as DatabaseFailure {
        try fail("\(error)", 1)
    } catch let error as AppError {
        try fail("\(error.message)\n\(error.remedy)", 1)
    }
}

private func fail(_ text: String, _ code: Int32) throws {
    Terminal.complain("Error: \(text)")
    throw ExitCode(code)
}

/// The terminal, or what stands in its place.
enum Terminal {
    /// Whether a person watches the error stream.
    static var isWatched: Bool { isatty(2) == 1 }

    static func complain(_ text: String) {
        Descriptor.write(text.printable + "\n", to: 2)
    }

    /// Writes data; only what a terminal would take for a command is left out where one listens.
    static func write(_ text: String) {
        Descriptor.write(isatty(1) == 1 ? text.printable : text, to: 1)
    }

    /// Writes sentences for people, which may quote what others said.
    static func say(_ text: String) { Descriptor.write(text.printable, to: 1) }

    /// Replaces the line of progress; nothing where nobody watches.
    static func progress(_ text: String) {
        guard isWatched else { return }
        Descriptor.write("\r\u{1B}[K\(text)", to: 2)
    }

    static func printJSON(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
        write(String(decoding: try encoder.encode(value), as: UTF8.self) + "\n")
    }
}

/// Whole writes to a file descriptor.
enum Descriptor {
    static func write(_ text: String, to descriptor: Int32) {
        guard let failure = writeAll(Array(text.utf8), to: descriptor) else { return }
        // A reader that went away ends the output, as `head` does.
        if failure == EPIPE { exit(0) }
        if descriptor != 2 {
            write("Error: cannot write the output: \(String(cString: strerror(failure)))\n", to: 2)
        }
        exit(1)
    }
}

/// Lines up rows in columns for people.
struct TextTable {
    private var rows: [[String]]

    init(_ header: [String]) { rows = [header] }

    /// Adds a row; control characters, which could command the terminal or break the line, become
    /// blanks.
    mutating func add(_ row: [String]) {
        rows.append(
            row.map { cell in
                var scalars = String.UnicodeScalarView()
                scalars.append(
                    contentsOf: cell.unicodeScalars.map {
                        $0.properties.generalCategory == .control ? " " : $0
                    })
                return String(scalars)
            })
    }

    var text: String {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        return rows.map { row in
            let cells = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }
            var line = cells.joined(separator: "  ")
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
