import Foundation
import Testing

/// A real CardDAV server of the kind that is asked for, with one user and that user's address book.
final class AddressBookServer {
    enum Kind: String, CaseIterable {
        case radicale, xandikos, cyrus, davical, sogo
    }

    /// The servers that are set up here: `make test-servers` names all of them.
    static var kinds: [Kind] {
        let names = ProcessInfo.processInfo.environment["TANDEM_SERVERS"] ?? "xandikos"
        return names.split(separator: " ").compactMap { Kind(rawValue: String($0)) }
    }

    let kind: Kind
    /// The address of the book, with a slash at its end.
    private(set) var book = ""
    private(set) var username = ""
    private(set) var password = ""
    /// Addresses beside the book's: the one that leads to it, and those of books of somebody else.
    private(set) var home = ""
    private(set) var other: String?

    private let folder: URL
    private let process = Process()
    private let input = Pipe()
    private var radicale: Radicale?

    init(_ kind: Kind) throws {
        self.kind = kind
        folder = URL(filePath: "/tmp/tandem-\(kind.rawValue)-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        switch kind {
        case .radicale: try startRadicale()
        case .xandikos: try startXandikos()
        case .cyrus, .davical, .sogo: try startFromDebian()
        }
    }

    deinit {
        // What it started ends with its input.
        try? input.fileHandleForWriting.close()
        if kind == .xandikos { kill(process.processIdentifier, SIGKILL) }
        if process.isRunning { process.waitUntilExit() }
        try? FileManager.default.removeItem(at: folder)
    }

    private func startRadicale() throws {
        let server = try Radicale()
        try server.start()
        radicale = server
        home = server.url + "\(Radicale.user)/"
        book = home + "friends/"
        (username, password) = (Radicale.user, Radicale.password)
    }

    private func startXandikos() throws {
        let port = try freePort()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            ProcessInfo.processInfo.environment["TANDEM_XANDIKOS"] ?? "xandikos", "--defaults",
            "-d", folder.path(), "-l", "127.0.0.1", "-p", "\(port)", "--no-detect-systemd",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        home = "http://127.0.0.1:\(port)/user/contacts/"
        book = home + "addressbook/"
        for _ in 0..<200 {
            if try curl(["-o", "/dev/null", book]).code == 0 { return }
            usleep(100_000)
        }
        throw Failed(answer: "Xandikos does not answer")
    }

    private func startFromDebian() throws {
        let output = Pipe()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "Tests/Servers/carddav.py", kind.rawValue, folder.path()]
        process.standardInput = input
        process.standardOutput = output
        try process.run()
        var line = Data()
        while let byte = try output.fileHandleForReading.read(upToCount: 1), byte != Data("\n".utf8)
        {
            line += byte
        }
        let said = try JSONDecoder().decode([String: String].self, from: line)
        book = said["url"] ?? ""
        home = said["home"] ?? ""
        other = said["other"]
        (username, password) = (said["username"] ?? "", said["password"] ?? "")
    }

    struct Failed: Error {
        let answer: String
    }

    /// Another client of the server.
    @discardableResult
    func curl(_ arguments: [String], input: String? = nil) throws -> (code: Int32, out: String) {
        let user = username.isEmpty ? [] : ["-u", "\(username):\(password)"]
        return try EndToEndTests.curl(
            ["--anyauth"] + user + arguments, input: input, scratch: folder)
    }

    func put(_ name: String, _ card: String) throws {
        let status = try curl(
            [
                "-o", "/dev/null", "-w", "%{http_code}", "-X", "PUT", "-H",
                "Content-Type: text/vcard; charset=utf-8", "--data-binary", "@-", book + name,
            ], input: card
        ).out
        guard ["200", "201", "204"].contains(status) else {
            throw Failed(answer: "\(name): \(status)")
        }
    }

    /// The card, as the server shows it to whoever can read version 4.0.
    func card(_ name: String) throws -> String {
        try curl(["-H", "Accept: text/vcard; version=4.0", book + name]).out
    }

    func delete(_ name: String) throws {
        try curl(["-o", "/dev/null", "-X", "DELETE", book + name])
    }

    /// The last parts of the addresses of all cards, each once: SOGo lists them twice.
    func names() throws -> Set<String> {
        let answer = try curl(["-X", "PROPFIND", "-H", "Depth: 1", book]).out
        return Set(
            answer.matches(of: #/href[^>]*>([^<]+\.vcf)</#).map {
                String($0.1.split(separator: "/").last ?? "").removingPercentEncoding ?? ""
            })
    }
}

extension Program {
    /// Configures one sync, `people`, of an address book; `more` are further keys of the connection, each
    /// behind a comma.
    func configure(book url: String, and more: String = "") throws {
        try write(
            "tandem.yaml",
            """
            store: tandem.db
            connections:
              book: {app: carddav, url: "\(url)"\(more)}
            syncs:
              people: {connection: book, object: contacts, require-email: false}
            """)
    }
}
