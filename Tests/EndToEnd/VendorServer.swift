import Foundation
import Testing

/// A server that answers as strictly as a vendor's documents say (Tests/Servers).
final class VendorServer {
    let url: String
    private let process = Process()

    init(_ name: String, in program: Program) throws {
        let port = try freePort()
        url = "http://127.0.0.1:\(port)"
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Servers/vendor.py").standardizedFileURL.path()
        let ready = program.file("\(name).ready").path()
        try program.write("\(name).log", "")
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["python3", "-B", script, name, "\(port)", ready]
        process.standardError = try FileHandle(forWritingTo: program.file("\(name).log"))
        try process.run()
        try program.wait(for: "the server \(name)") {
            FileManager.default.fileExists(atPath: ready)
        }
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    /// Does what a person does in the vendor's own pages, or looks.
    @discardableResult
    func people(_ method: String, _ path: String, _ body: [String: Any]? = nil) throws -> Any {
        let sent = try body.map { try Self.text(of: $0) } ?? "{}"
        let shown = try browser(
            "-X", method, "-H", "Content-Type: application/json", "-d", sent, "\(url)/-/\(path)")
        return try JSONSerialization.jsonObject(
            with: Data(shown.utf8), options: .fragmentsAllowed)
    }

    /// Every record of an object, whole.
    func records(_ object: String) throws -> [[String: Any]] {
        try #require(try people("GET", object) as? [[String: Any]])
    }

    /// The one record that has a text in it somewhere.
    func record(_ object: String, with text: String) throws -> [String: Any] {
        let found = try records(object).filter { try Self.text(of: $0).contains(text) }
        try #require(found.count == 1, "\(found.count) \(object) with \(text)")
        return found[0]
    }

    static func text(of record: [String: Any]) throws -> String {
        let data = try JSONSerialization.data(
            withJSONObject: record, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data, as: UTF8.self)
    }

    /// What was asked of the server that its documents do not know.
    var violations: [String] {
        get throws { try #require(try people("GET", "violations") as? [String]) }
    }
}

extension Program {
    /// Writes the mapping of an app whose people have an email, a given and a family name and a phone; `more`
    /// are further lines.
    func mapPeople(of app: String, and more: String = "") throws {
        try write(
            "mappings/\(app)/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: given}
              - {crm: lastname, app: family}
              - {crm: phone, app: phone, type: phone}
            \(more)
            """)
    }
}
