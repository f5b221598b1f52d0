import Foundation
import Testing

/// A real PostgreSQL server of its own, reached by a socket in its folder.
final class PostgresServer {
    let folder: URL
    private var process: Process?
    private var port = "5432"

    private static let programs = "/usr/lib/postgresql/15/bin"

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-pg-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        // The server refuses to run as root.
        if getuid() == 0 { try Self.run(["chown", "postgres", folder.path()]) }
        try Self.run(
            Self.asItsUser + [
                "\(Self.programs)/initdb", "-D", data, "-A", "trust", "-U", "postgres", "--no-sync",
                "--locale=C.UTF-8",
            ])
        try start()
        try sql("CREATE DATABASE erp", in: "postgres")
    }

    deinit {
        kill()
        try? FileManager.default.removeItem(at: folder)
    }

    private var data: String { folder.appending(path: "data").path() }

    /// The address of its database, as a connection says it.
    var url: String { "postgres://postgres@/erp?host=\(folder.path())" }

    private static var asItsUser: [String] {
        getuid() == 0 ? ["runuser", "-u", "postgres", "--"] : []
    }

    /// Has the server be reached over TCP as well, and only by who speaks TLS.
    ///
    /// - Returns: The address of its database, and the file of the authority that vouches for it.
    func openWithTLS() throws -> (url: String, authority: String) {
        let (certificate, key) = ("\(data)/server.crt", "\(data)/server.key")
        try Self.run(
            Self.asItsUser + [
                "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
                "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-out", certificate,
                "-keyout", key,
            ])
        let rules = folder.appending(path: "data/pg_hba.conf")
        try Data("local all all trust\nhostssl all all 127.0.0.1/32 trust\n".utf8).write(to: rules)
        if getuid() == 0 { try Self.run(["chown", "postgres", rules.path()]) }
        kill()
        let port = try freePort()
        try start(["listen_addresses=127.0.0.1", "port=\(port)", "ssl=on"])
        return ("postgres://postgres@127.0.0.1:\(port)/erp", certificate)
    }

    func start() throws { try start(["listen_addresses="]) }

    private func start(_ settings: [String]) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            Self.asItsUser + [
                "\(Self.programs)/postgres", "-D", data, "-k", folder.path(), "-c", "fsync=off",
                "-c",
                "max_prepared_transactions=4",
            ] + settings.flatMap { ["-c", $0] }
        port =
            settings.lazy.compactMap { $0.wholeMatch(of: #/port=(\d+)/#)?.1 }.first
            .map(String.init) ?? "5432"
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        for _ in 0..<300 {
            if (try? sql("SELECT 1", in: "postgres")) != nil { return }
            usleep(100_000)
        }
        Issue.record("PostgreSQL does not answer")
    }

    /// Copies the whole cluster beside it, while it does not run.
    func backUp() throws {
        kill()
        try Self.run(["cp", "-a", data, data + ".copy"])
        try start()
    }

    /// Puts the last copy back.
    func putBack() throws {
        kill()
        try Self.run(["rm", "-rf", data])
        try Self.run(["cp", "-a", data + ".copy", data])
        try start()
    }

    /// Ends the server at once, as a power cut does.
    func kill() {
        guard let process else { return }
        let pidFile = folder.appending(path: "data/postmaster.pid")
        let number = (try? String(contentsOf: pidFile, encoding: .utf8))?.split(separator: "\n")
            .first.flatMap { pid_t($0) }
        if let number { Foundation.kill(number, SIGQUIT) }
        process.waitUntilExit()
        self.process = nil
    }

    /// Runs SQL as another program would; its rows, columns apart by `|`.
    @discardableResult
    func sql(_ text: String, in database: String = "erp") throws -> [String] {
        let out = try Self.run(
            ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
                + ["-h", folder.path(), "-p", port, "-U", "postgres", "-d", database, "-c", text])
        return out.split(separator: "\n").map(String.init)
    }

    /// Starts a session that runs SQL by itself, and says at its end whether all went well.
    func session(_ text: String, onEnd: @escaping @Sendable (Bool) -> Void) throws {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments =
            ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", folder.path(), "-p", port]
            + ["-U", "postgres", "-d", "erp", "-c", text]
        process.standardOutput = FileHandle.nullDevice
        process.terminationHandler = { onEnd($0.terminationStatus == 0) }
        try process.run()
    }

    struct Failed: Error { let text: String }

    @discardableResult
    private static func run(_ command: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = command
        let (out, err) = (Pipe(), Pipe())
        (process.standardOutput, process.standardError) = (out, err)
        try process.run()
        let text = String(
            decoding: out.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        let problem = err.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw Failed(text: String(decoding: problem, as: UTF8.self))
        }
        return text
    }
}
