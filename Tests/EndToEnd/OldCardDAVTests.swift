import Foundation
import Testing

/// A server without sync-collection that asks for digest authentication: Radicale 1 behind
/// Twisted, started by `Tests/Servers/old_carddav.py`.
private final class OldServer {
    private let port: Int
    private let process = Process()
    let program: Program

    init(_ program: Program) throws {
        self.program = program
        port = try freePort()
        let script = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Servers/old_carddav.py").standardized
        try program.write("books/.keep", "")
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = [
            ProcessInfo.processInfo.environment["TANDEM_OLD_CARDDAV"] ?? "python3", script.path(),
            "\(port)", program.file("books").path(), "me", "pw",
        ]
        process.standardOutput = FileHandle.nullDevice
        process.standardError = FileHandle.nullDevice
        try process.run()
        for _ in 0..<300 {
            if try curl("-o", "/dev/null", url) == 0 { return }
            usleep(100_000)
        }
        Issue.record("the old server does not answer")
    }

    deinit {
        kill(process.processIdentifier, SIGKILL)
        process.waitUntilExit()
    }

    var url: String { "http://127.0.0.1:\(port)/me/book.vcf/" }

    @discardableResult
    func curl(_ arguments: String...) throws -> Int32 {
        let curl = Process()
        curl.executableURL = URL(filePath: "/usr/bin/env")
        curl.arguments = ["curl", "-sS", "--digest", "-u", "me:pw"] + arguments
        curl.standardOutput = FileHandle(forWritingAtPath: program.file("answer").path())
        curl.standardError = FileHandle.nullDevice
        try curl.run()
        curl.waitUntilExit()
        return curl.terminationStatus
    }

    func get(_ name: String) throws -> String {
        try program.write("answer", "")
        try curl("-f", url + name)
        return try program.read("answer")
    }

    func put(_ name: String, _ lines: [String]) throws {
        let card = ["BEGIN:VCARD", "VERSION:3.0", "UID:\(name)"] + lines + ["END:VCARD", ""]
        try program.write("card", card.joined(separator: "\r\n"))
        try curl(
            "-f", "-X", "PUT", "-H", "Content-Type: text/vcard", "--data-binary",
            "@" + program.file("card").path(), url + name + ".vcf")
    }
}

@Suite struct `An old CardDAV server` {
    private let program: Program
    private let server: OldServer

    init() throws {
        program = try Program()
        server = try OldServer(program)
        try program.write("answer", "")
        try program.write(
            "book.xml",
            """
            <D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop>
            <D:resourcetype><D:collection/><C:addressbook/></D:resourcetype>
            <D:displayname>Friends</D:displayname></D:prop></D:set></D:mkcol>
            """)
        try server.curl(
            "-X", "MKCOL", "-H", "Content-Type: text/xml", "--data-binary",
            "@" + program.file("book.xml").path(), server.url)
        try configure(password: "pw")
    }

    private func configure(password: String) throws {
        try program.write(
            "tandem.yaml",
            """
            connections: {home: {app: carddav, url: "\(server.url)", username: me, password: \(password)}}
            syncs: {people: {connection: home, object: contacts}}
            """)
    }

    @Test func `syncs both ways by ctag and ETags, behind digest authentication`() throws {
        for name in ["ann", "bob", "eve"] {
            try server.put(name, ["FN:\(name)", "N:\(name);;;;", "EMAIL:\(name)@example.com"])
        }
        #expect(try program.must("check").contains("read by ctag and ETags"))
        try program.must("sync")
        #expect(try program.status("people")["in_sync"] as? Int == 3)
        try program.must("crm", "create", "contacts", "email=dan@example.com", "firstname=Dan")
        try program.must("crm", "update", "contacts", "ann@example.com", "phone=5")
        try server.put(
            "bob", ["FN:bob", "N:bob;;;;", "EMAIL:bob@example.com", "TITLE:Baker"])
        try server.curl("-X", "DELETE", server.url + "eve.vcf")
        try program.must("sync")
        #expect(try server.get("ann.vcf").contains("TEL;TYPE=WORK:5"))
        #expect(try server.get("").contains("dan@example.com"))
        #expect(try program.must("crm", "show", "contacts", "bob@example.com").contains("Baker"))
        let status = try program.status("people")
        #expect(status["deleted_in_app"] as? Int == 1)
        let before = try server.get("")
        try program.must("sync", "--full")
        #expect(try server.get("") == before)
        #expect(try program.status("people")["in_sync"] as? Int == 3)
    }

    @Test func `says that a password is wrong`() throws {
        try configure(password: "wrong")
        let result = try program.run(["sync"])
        #expect(result.code == 1)
        #expect(result.err.contains("password"), "\(result.err)")
    }
}
