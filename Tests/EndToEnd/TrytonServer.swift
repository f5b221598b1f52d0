import Foundation
import Testing

/// A real Tryton server on loopback, with a database of its own.
final class TrytonServer {
    let folder: URL
    let port: Int
    private var process: Process?

    /// `make test` installs the server and says where its empty database is.
    private static var template: URL {
        URL(filePath: ProcessInfo.processInfo.environment["TANDEM_TRYTON"] ?? "crm.sqlite")
    }

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-tryton-\(UUID().uuidString)")
        port = try freePort()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try FileManager.default.copyItem(
            at: Self.template, to: folder.appending(path: "crm.sqlite"))
        try Data(
            """
            [web]
            listen = 127.0.0.1:\(port)
            [database]
            uri = sqlite://
            path = \(folder.path())
            """.utf8
        ).write(to: folder.appending(path: "trytond.conf"))
        try start()
    }

    deinit {
        stop()
        try? FileManager.default.removeItem(at: folder)
    }

    /// What a connection says about it.
    var settings: String {
        "url: \"http://127.0.0.1:\(port)\", database: crm, username: admin, password: admin-password"
    }

    func start() throws {
        let process = Process()
        process.executableURL = Self.template.deletingLastPathComponent()
            .appending(path: "bin/trytond")
        process.arguments = ["-c", folder.appending(path: "trytond.conf").path(), "-d", "crm"]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        self.process = process
        for _ in 0..<300 {
            if (try? call("common.server.version", [], path: "/")) != nil { return }
            usleep(100_000)
        }
        Issue.record("Tryton does not answer")
    }

    /// Ends the server at once.
    func stop() {
        if let process { kill(process.processIdentifier, SIGKILL) }
        process?.waitUntilExit()
        process = nil
    }

    /// Calls a method as another client would; its result.
    @discardableResult
    func call(_ method: String, _ parameters: [Any], path: String = "/crm/") throws -> Any {
        let body = try JSONSerialization.data(
            withJSONObject: ["id": 1, "method": method, "params": parameters])
        let curl = Process()
        curl.executableURL = URL(filePath: "/usr/bin/env")
        curl.arguments = [
            "curl", "-sSf", "--compressed", "-u", "admin:admin-password", "-H",
            "Content-Type: application/json", "-d", String(decoding: body, as: UTF8.self),
            "http://127.0.0.1:\(port)\(path)",
        ]
        let pipe = Pipe()
        curl.standardOutput = pipe
        curl.standardError = FileHandle.nullDevice
        try curl.run()
        let data = pipe.fileHandleForReading.readDataToEndOfFile()
        curl.waitUntilExit()
        let answer = try JSONSerialization.jsonObject(with: data) as? [String: Any]
        return try #require(answer?["result"], "\(String(decoding: data, as: UTF8.self))")
    }

    /// Names and emails of all parties.
    func parties() throws -> [[String: Any]] {
        let fields = ["name", "contact_mechanisms.type", "contact_mechanisms.value"]
        let found = try call(
            "model.party.party.search_read",
            [[Any](), 0, NSNull(), [["id", "ASC"]], fields, [String: String]()])
        return found as? [[String: Any]] ?? []
    }

    /// The emails, phones and so on of a party, by kind.
    func mechanisms(_ name: String) throws -> [String: String] {
        let party = try parties().first { $0["name"] as? String == name }
        let list = party?["contact_mechanisms."] as? [[String: Any]] ?? []
        return Dictionary(
            list.map { ($0["type"] as? String ?? "", $0["value"] as? String ?? "") },
            uniquingKeysWith: { first, _ in first })
    }
}
