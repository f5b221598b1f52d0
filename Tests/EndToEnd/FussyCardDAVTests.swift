import Foundation
import Testing

/// What servers do to cards and answers, one habit at a time (Tests/Servers/fussy_dav.py).
@Suite struct `A fussy CardDAV server` {
    private let program: Program

    init() throws { program = try Program() }

    private final class Server {
        let url: String
        private let process = Process()

        init(_ habits: [String]) throws {
            let port = try freePort()
            url = "http://127.0.0.1:\(port)/book/"
            let script = URL(filePath: #filePath).deletingLastPathComponent()
                .appending(path: "../Servers/fussy_dav.py").standardizedFileURL.path()
            process.executableURL = URL(filePath: "/usr/bin/env")
            process.arguments = ["python3", "-B", script, "\(port)"] + habits
            process.standardError = FileHandle.nullDevice
            try process.run()
            for _ in 0..<200 {
                if try browser("-o", "/dev/null", "-w", "%{http_code}", url) != "000" { return }
                usleep(50_000)
            }
        }

        deinit {
            kill(process.processIdentifier, SIGKILL)
            process.waitUntilExit()
        }

        func put(_ name: String, _ lines: [String]) throws {
            let card = ["BEGIN:VCARD", "VERSION:3.0", "UID:\(name)"] + lines + ["END:VCARD", ""]
            try browser("-X", "PUT", "--data-binary", card.joined(separator: "\r\n"), url + name)
        }

        func card(_ name: String) throws -> String { try browser(url + name) }
    }

    private func serve(_ habits: String..., user: String = "") throws -> Server {
        let server = try Server(habits)
        try program.configure(book: server.url, and: user)
        return server
    }

    private func record() throws -> [String: Any] {
        let records = try program.json("records")["records"] as? [[String: Any]]
        return try #require(records?.first)
    }

    private func company() throws -> String? { try program.contacts()["a@x.example"]?["company"] }

    /// Ann is in both, with a company in small letters, and her phone is changed in the CRM.
    private func write(to server: Server) throws -> Int32 {
        try program.must(
            "crm", "create", "contacts", "email=a@x.example", "company=acme", "phone=1")
        _ = try program.run(["sync"])
        try program.must("crm", "update", "contacts", "a@x.example", "phone=2")
        return try program.run(["sync"]).code
    }

    @Test func `that answers with a version keeps its form of what was sent`() throws {
        let server = try serve("uppercases")
        #expect(try write(to: server) == 0)
        #expect(try company() == "acme")
        #expect(try program.writes() == 0)
    }

    /// The company was not written this time, and is another one afterwards.
    @Test func `that changes a field beside the written one is named, and the rest flows`() throws {
        let server = try serve("uppercases")
        let lines = ["FN:Ann", "N:;Ann;;;", "EMAIL:a@x.example"]
        try server.put("a.vcf", lines + ["ORG:acme"])
        try program.must("sync")
        try program.must("crm", "update", "contacts", "a@x.example", "phone=2")
        #expect(try program.run(["sync"]).code == 3)
        let failed = try record()
        #expect(failed["category"] as? String == "changed-by-server")
        #expect("\(failed["message"] ?? "")".contains("was sent `acme`"))
        #expect(try company() == "acme" && server.card("a.vcf").contains("TEL;TYPE=WORK:2"))
        #expect(try program.writes() == 0)
        #expect(try server.card("a.vcf").contains("ORG:ACME"))
        // Whoever moves next is carried.
        try server.put("a.vcf", lines + ["ORG:other", "TEL;TYPE=WORK:2"])
        try program.must("sync")
        #expect(try company() == "other" && record()["state"] as? String == "in-sync")
    }

    @Test func `that changes a field beside the written one is sent it again on request`() throws {
        let server = try serve("uppercases")
        try server.put("a.vcf", ["FN:Ann", "EMAIL:a@x.example", "ORG:acme"])
        try program.must("sync")
        try program.must("crm", "update", "contacts", "a@x.example", "phone=2")
        _ = try program.run(["sync"])
        // It keeps what it had, so it has not taken the value.
        #expect(try program.run(["retry"]).code == 3)
        #expect("\(try record()["message"] ?? "")".contains("accepted `acme` and keeps `ACME`"))
        #expect(try company() == "acme")
        #expect(try program.run(["accept", "1", "company"]).code == 0)
        #expect(try record()["state"] as? String == "in-sync")
    }

    /// Without a version nobody can tell the server's doing from an edit that came between.
    @Test(arguments: [("approve", "acme"), ("reject", "ACME")])
    func `that says nothing of what it changed leaves it to a person`(
        _ word: String, _ company: String
    ) throws {
        let server = try serve("uppercases", "silent")
        _ = try write(to: server)
        #expect(try self.company() == "acme")
        let record = try record()
        #expect(record["state"] as? String == "awaiting-approval")
        #expect(record["reason"] as? String == "rewritten")
        #expect("\(record["message"] ?? "")".contains("ACME"))
        #expect(try server.card(#require(cardName(record))).contains("TEL;TYPE=WORK:2"))
        // What is approved is sent once more, and the server does it again.
        #expect(try program.run([word, "people", "--all"]).code == (word == "approve" ? 3 : 0))
        #expect(try self.company() == company)
    }

    private func cardName(_ record: [String: Any]) -> String? {
        (record["app_id"] as? String)?.split(separator: "/").last.map(String.init)
    }

    @Test func `that names a new card itself is followed`() throws {
        let server = try serve("renames")
        try program.must("crm", "create", "contacts", "email=a@x.example", "phone=1")
        try program.must("sync")
        try program.must("crm", "update", "contacts", "a@x.example", "phone=2")
        #expect(try program.writes() == 1)
        #expect(try program.contacts().count == 1)
        #expect(try server.card(#require(cardName(record()))).contains("TEL;TYPE=WORK:2"))
    }

    @Test(arguments: [
        ("uids", "duplicate-in-app", "same UID"), ("full", "app-unavailable", "no room left"),
    ])
    func `that refuses a card is understood`(_ habit: String, _ category: String, _ text: String)
        throws
    {
        let server = try serve(habit)
        try program.must("crm", "create", "contacts", "email=a@x.example")
        #expect(try program.run(["sync"]).code == 3)
        let record = try record()
        #expect(record["category"] as? String == category)
        #expect("\(record["message"] ?? "")".contains(text))
        _ = server
    }

    @Test func `that says it of the properties has deleted the card`() throws {
        let server = try serve("propstat")
        try server.put("a.vcf", ["FN:Ann", "N:;Ann;;;", "EMAIL:a@x.example"])
        try program.must("sync")
        try browser("-X", "DELETE", server.url + "a.vcf")
        try program.must("sync")
        #expect(try record()["state"] as? String == "deleted-in-app")
    }

    @Test func `that offers a way in which it takes nobody is signed in to in the other`() throws {
        for (user, text) in [
            ("password: secret", ": address book"),
            ("password: wrong", "tried by digest, then basic"),
            ("password: secret, auth: digest", "tried by digest)"),
        ] {
            let server = try serve("digest", user: ", username: alice, " + user)
            #expect(try program.run(["check"]).out.contains(text), "\(user)")
            _ = server
        }
    }

    @Test func `that keeps lists of its own kind has them left alone`() throws {
        let server = try serve("vlist")
        try program.must("sync")
        #expect(try program.contacts().isEmpty)
        #expect(try record()["reason"] as? String == "group")
        _ = server
    }
}
