import Foundation
import Testing

/// A real CardDAV server in a scratch folder, on loopback.
final class Radicale {
    let folder: URL
    let port: Int
    private var process: Process?

    static let user = "me"
    static let password = "s3cret pass"

    /// `make test` installs the server and says where it is.
    private static var program: String {
        ProcessInfo.processInfo.environment["TANDEM_RADICALE"] ?? "radicale"
    }

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-radicale-\(UUID().uuidString)")
        port = try freePort()
        try FileManager.default.createDirectory(at: book, withIntermediateDirectories: true)
        try Data(#"{"tag": "VADDRESSBOOK", "D:displayname": "Friends"}"#.utf8)
            .write(to: book.appending(path: ".Radicale.props"))
        try Data("\(Self.user):\(Self.password)\n".utf8).write(to: folder.appending(path: "users"))
        let configuration = """
            [server]
            hosts = 127.0.0.1:\(port)
            [auth]
            type = htpasswd
            htpasswd_filename = \(folder.path())/users
            htpasswd_encryption = plain
            delay = 0
            [storage]
            filesystem_folder = \(folder.path())/data
            [logging]
            level = error
            """
        try Data(configuration.utf8).write(to: folder.appending(path: "config"))
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    var data: URL { folder.appending(path: "data") }
    var book: URL { data.appending(path: "collection-root/\(Self.user)/friends") }
    var url: String { "http://127.0.0.1:\(port)/" }
    private var bookURL: String { url + "\(Self.user)/friends/" }

    func start() throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [Self.program, "--config", folder.appending(path: "config").path()]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        for _ in 0..<200 {
            if try curl(["-o", "/dev/null", url]).code == 0 { return }
            usleep(100_000)
        }
        Issue.record("the server does not answer")
    }

    /// Ends the server at once; a child of a test inherits blocked signals, so nothing milder
    /// would reach it.
    func stop() {
        if let process { kill(process.processIdentifier, SIGKILL) }
        process?.waitUntilExit()
        process = nil
    }

    /// Another client of the server.
    @discardableResult
    func curl(_ arguments: [String], input: String? = nil) throws -> (code: Int32, out: String) {
        let user = ["-u", "\(Self.user):\(Self.password)"]
        return try EndToEndTests.curl(user + arguments, input: input, scratch: folder)
    }

    /// Puts a card on the disk, before the server starts.
    func seed(_ name: String, _ lines: [String]) throws {
        try Data(Self.card(name, lines).utf8).write(to: book.appending(path: name + ".vcf"))
    }

    static func card(_ uid: String, _ lines: [String]) -> String {
        (["BEGIN:VCARD", "VERSION:3.0", "UID:\(uid)"] + lines + ["END:VCARD", ""])
            .joined(separator: "\r\n")
    }

    /// All cards by name, as the server keeps them.
    func cards() throws -> [String: String] {
        let names = try FileManager.default.contentsOfDirectory(atPath: book.path())
        var cards: [String: String] = [:]
        for name in names where name.hasSuffix(".vcf") {
            cards[name] = String(
                decoding: try Data(contentsOf: book.appending(path: name)), as: UTF8.self)
        }
        return cards
    }

    /// Changes a card as a client does: get, change, put back if nobody else did.
    func edit(_ name: String, _ change: (String) -> String) throws {
        for _ in 0..<20 {
            let got = try curl(["-D", "-", bookURL + name]).out
            let parts = got.replacing("\r\n", with: "\n").split(
                separator: "\n\n", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2,
                let etag = parts[0].split(separator: "\n")
                    .first(where: { $0.lowercased().hasPrefix("etag:") })?.dropFirst(5)
            else { throw Refused(answer: got) }
            let status = try curl(
                [
                    "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-H", "If-Match:\(etag)",
                    "-H", "Content-Type: text/vcard", "--data-binary", "@-", bookURL + name,
                ], input: change(String(parts[1])).replacing("\n", with: "\r\n")
            ).out
            if ["201", "204"].contains(status) { return }
            if status != "412" { throw Refused(answer: status) }
        }
        throw Refused(answer: "always changed by somebody else")
    }

    func delete(_ name: String) throws {
        try curl(["-o", "/dev/null", "-X", "DELETE", bookURL + name])
    }

    struct Refused: Error {
        let answer: String
    }
}
