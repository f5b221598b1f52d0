import Foundation
import Testing

/// Two stores, each a CRM of its own; one syncs the other as if it were HubSpot.
@Suite final class `Two Tandems` {
    private let here: Program
    private let there: Program
    private var daemon: Process?
    private let port: Int
    private var token = ""

    init() throws {
        (here, there) = (try Program(), try Program())
        port = try freePort()
        try there.write("tandem.yaml", "http: {listen: \"127.0.0.1:\(port)\"}\n")
        token = try there.must("token", "create", "--scope", "*")
            .trimmingCharacters(in: .whitespacesAndNewlines)
        try here.write(
            "tandem.yaml",
            """
            connections:
              other: {app: hubspot, url: "http://127.0.0.1:\(port)", token: "\(token)", timeout: 4, burst: 100000}
            syncs:
              people: {connection: other, object: contacts}
              firms: {connection: other, object: companies}
              deals: {connection: other, object: deals, blanks: clear}
            """)
    }

    deinit { if let daemon { kill(daemon.processIdentifier, SIGKILL) } }

    private func serve() throws {
        let daemon = try there.serve()
        self.daemon = daemon
        try there.wait(for: "the API") { try there.read("log").contains("listening") }
    }

    private func people(_ name: String, _ range: Range<Int>) -> String {
        "email,firstname,lastname,phone\n"
            + range.map { "p\($0)@example.com,\(name)\($0),Lee,+46 \($0)\n" }.joined()
    }

    private func id(_ program: Program, _ object: String, _ record: String) throws -> String {
        try #require(try program.json("crm", "show", object, record)["id"] as? String)
    }

    /// The properties that both sides have a mapping for.
    private func contacts(_ program: Program) throws -> [String: [String: String]] {
        try program.contacts().mapValues { values in
            values.filter { ["email", "firstname", "lastname", "phone", "city"].contains($0.key) }
        }
    }

    /// Runs a cycle; what it wrote.
    @discardableResult
    private func sync(_ arguments: String...) throws -> Int {
        try here.writes(arguments)
    }

    @Test(arguments: ["people", "firms"])
    func `keep the adapter laws`(_ sync: String) throws {
        try serve()
        #expect(try here.lawsKept(by: sync) >= 13)
    }

    /// There each write is looked at by itself, so that an exchange of addresses fails; as one.
    @Test func `name all records of an exchange that the other side does not take`() throws {
        try here.write(
            "sheets/contacts.csv",
            "id,email,firstname\n1,a@x.example,Ann\n2,b@x.example,Ben\n3,c@x.example,Cleo\n")
        try here.write(
            "tandem.yaml",
            try here.read("tandem.yaml").replacing(
                "connections:\n",
                with: "connections:\n  sheet: {app: csv, folder: sheets, rest: 0s}\n"
            ).replacing(
                "syncs:\n", with: "syncs:\n  rows: {connection: sheet, object: contacts}\n"))
        try serve()
        try sync("rows")
        try sync("people")
        #expect(try contacts(there)["a@x.example"]?["firstname"] == "Ann")
        try here.write(
            "sheets/contacts.csv",
            "id,email,firstname\n1,b@x.example,Ann\n2,c@x.example,Ben\n3,a@x.example,Cleo\n")
        try sync("rows")
        _ = try here.run(["sync", "people"])
        let failed = try #require(
            try here.json("records", "--sync", "people", "--state", "failed")["records"]
                as? [[String: Any]])
        let texts = Set(failed.compactMap { $0["message"] as? String })
        #expect(failed.count == 3 && texts.count == 1, "\(texts)")
        let ids = try ["a", "b", "c"].map { try id(there, "contacts", "\($0)@x.example") }
        let text = try #require(texts.first)
        #expect(ids.allSatisfy { text.contains($0) } && text.contains("exchange"), "\(text)")
        #expect(try contacts(there)["a@x.example"]?["firstname"] == "Ann")
    }

    @Test func `become the same in both directions and stay so`() throws {
        try here.write("in.csv", people("Here", 0..<250))
        try there.write("in.csv", people("There", 150..<400))
        try here.must("crm", "import", "contacts", "in.csv")
        try there.must("crm", "import", "contacts", "in.csv")
        try there.must("crm", "create", "deals", "dealname=Big", "amount=12.50")
        try here.must("crm", "create", "companies", "name=Acme", "domain=acme.example")
        try there.must("crm", "create", "companies", "name=Acme AB", "domain=www.acme.example")
        try serve()
        try sync()
        #expect(try contacts(here).count == 400)
        #expect(try contacts(here) == contacts(there))
        #expect(try contacts(here)["p200@example.com"]?["firstname"] == "Here200")
        let firms = try there.json("crm", "list", "companies")["results"] as? [Any]
        #expect(firms?.count == 1)
        // The company of a contact has another number on each side.
        let acme = (
            try id(here, "companies", "acme.example"), try id(there, "companies", "acme.example")
        )
        #expect(acme.0 != acme.1)
        try here.must(
            "crm", "update", "contacts", "p9@example.com", "associatedcompanyid=\(acme.0)")
        try sync()
        #expect(
            try there.contacts()["p9@example.com"]?["associatedcompanyid"] == acme.1)
        let deals = try here.json("crm", "list", "deals")["results"] as? [[String: Any]]
        #expect((deals?.first?["properties"] as? [String: String])?["amount"] == "12.5")
        #expect(try sync() == 0)

        try here.must("crm", "update", "contacts", "p1@example.com", "city=Oslo")
        try there.must("crm", "update", "contacts", "p1@example.com", "phone=5")
        try here.must("crm", "update", "contacts", "p2@example.com", "firstname=Mine")
        try there.must("crm", "update", "contacts", "p2@example.com", "firstname=Theirs")
        try there.must("crm", "update", "contacts", "p3@example.com", "email=new3@example.com")
        try there.must("crm", "delete", "contacts", "p4@example.com")
        #expect(try sync() == 4)
        #expect(try contacts(there)["p1@example.com"]?["city"] == "Oslo")
        #expect(try contacts(here)["p1@example.com"]?["phone"] == "5")
        #expect(try contacts(there)["p2@example.com"]?["firstname"] == "Mine")
        #expect(try contacts(here)["new3@example.com"] != nil)
        #expect(try sync("--full") == 0)
        #expect(try here.status("people")["deleted_in_app"] as? Int == 1)
        try here.must("resync-deleted", "people", "--in", "app", "--all")
        #expect(try contacts(here) == contacts(there))
        #expect(try sync("--full") == 0)
    }

    /// Each side names companies and contacts by numbers of its own; an association is made and ended by
    /// calls, and is no change of the deal.
    @Test func `agree on what a deal is about`() throws {
        try serve()
        try here.write("in.csv", people("Here", 0..<2))
        try here.must("crm", "import", "contacts", "in.csv")
        for (name, program) in [("Acme", there), ("Bolt", there), ("Cork", here)] {
            try program.must(
                "crm", "create", "companies", "name=\(name)", "domain=\(name).example")
        }
        try here.must("crm", "create", "deals", "dealname=Big", "amount=5")
        try sync()
        func firm(_ name: String, _ program: Program) throws -> String {
            try program.id("companies", name)
        }
        func about(_ object: String, _ program: Program) throws -> [String] {
            try program.linked("deals", program.id("deals", "Big"), object)
        }
        let big = try here.id("deals", "Big")
        let person = try here.id("contacts", "p1@example.com")
        try here.must("crm", "associate", "deals", big, "companies", firm("Cork", here))
        try here.must("crm", "associate", "deals", big, "contacts", person)
        try sync()
        #expect(try about("companies", there) == [firm("Cork", there)])
        #expect(try about("contacts", there) == [there.id("contacts", "p1@example.com")])
        #expect(try sync() == 0)

        // The other side has another primary company, and one more besides.
        let there1 = try there.id("deals", "Big")
        let (acme, bolt) = (try firm("Acme", there), try firm("Bolt", there))
        try there.must("crm", "associate", "deals", there1, "companies", acme)
        try there.must(
            "crm", "associate", "deals", there1, "companies", bolt, "--label", "Primary")
        try sync("--full")
        #expect(try about("companies", here) == [firm("Bolt", here)])
        #expect(try Set(about("companies", there)) == [acme, bolt, firm("Cork", there)])
        try here.must("crm", "associate", "deals", big, "contacts", person, "--remove")
        try sync()
        #expect(try about("contacts", there).isEmpty)
        #expect(try sync("--full") == 0)
    }

    /// The other side dies under the first sync, again and again; nobody is made twice.
    @Test func `come together although one is killed at any moment`() throws {
        try here.write("in.csv", people("Here", 0..<300))
        try there.write("in.csv", people("There", 200..<500))
        try here.must("crm", "import", "contacts", "in.csv")
        try there.must("crm", "import", "contacts", "in.csv")
        for attempt in 0..<6 {
            try serve()
            let cycle = try here.start(["sync", "people"])
            cycle.standardOutput = FileHandle.nullDevice
            cycle.standardError = FileHandle.nullDevice
            try cycle.run()
            usleep(useconds_t(150_000 + attempt * 130_000))
            if let daemon { kill(daemon.processIdentifier, SIGKILL) }
            daemon?.waitUntilExit()
            cycle.waitUntilExit()
        }
        try serve()
        // A create without answer is looked for when the other's index must show it.
        try here.wait(for: "agreement") {
            _ = try here.run(["sync", "people"])
            _ = try here.run(["retry", "people"])
            return try here.status("people")["in_sync"] as? Int == 500
        }
        #expect(try contacts(here).count == 500)
        #expect(try contacts(here) == contacts(there))
    }

    @Test func `are told apart by their accounts, and a wrong token by its answer`() throws {
        try serve()
        let configuration = try here.read("tandem.yaml")
        try here.write("tandem.yaml", configuration.replacing(token, with: "wrong"))
        let refused = try here.run(["check"])
        #expect(refused.code == 1)
        #expect(
            refused.out.contains("Correct the credentials")
                || refused.err.contains("Correct the credentials"))
    }

    @Test func `need a description without mistakes`() throws {
        let shipped = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../mappings/hubspot")
        let folder = here.file("own/hubspot")
        try FileManager.default.createDirectory(
            at: folder.deletingLastPathComponent(), withIntermediateDirectories: true)
        try FileManager.default.copyItem(at: shipped, to: folder)
        let text = try here.read("own/hubspot/app.yaml")
        try here.write(
            "own/hubspot/app.yaml",
            text.replacing("message: /message", with: "mesage: /message")
                .replacing("category: permission", with: "category: permision"))
        try here.write("tandem.yaml", "mappings: own\n" + here.read("tandem.yaml"))
        let result = try here.run(["check"])
        #expect(result.code == 78)
        for part in [
            "unknown key `mesage` (did you mean `message`?)", "`message` is missing",
            "did you mean `permission`?", "own/hubspot/app.yaml:",
        ] {
            #expect(result.err.contains(part), "\(result.err)")
        }
    }

    /// A redirect to another host goes without the token.
    @Test func `show a token to nobody else`() throws {
        try here.write(
            "server.py",
            """
            import http.server, sys, threading
            seen = open(sys.argv[3], "a")
            class Thief(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    seen.write("asked " + str(self.headers.get("Authorization")) + "\\n"); seen.flush()
                    self.send_response(200); self.end_headers(); self.wfile.write(b"{}")
                def log_message(self, *_): pass
            class Mover(Thief):
                def do_GET(self):
                    self.send_response(302)
                    self.send_header("Location", "http://localhost:" + sys.argv[2] + "/x"); self.end_headers()
            thief = http.server.HTTPServer(("127.0.0.1", int(sys.argv[2])), Thief)
            threading.Thread(target=thief.serve_forever, daemon=True).start()
            http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Mover).serve_forever()
            """)
        let server = Process()
        server.executableURL = URL(filePath: "/usr/bin/env")
        server.arguments = [
            "python3", here.file("server.py").path(), "\(port)", "\(try freePort())",
            here.file("seen").path(),
        ]
        try server.run()
        defer { kill(server.processIdentifier, SIGKILL) }
        try here.wait(for: "the thief to be asked") {
            _ = try here.run(["check"])
            return (try? here.read("seen"))?.contains("asked") ?? false
        }
        #expect(try here.read("seen").contains("asked None"))
        #expect(try !here.read("seen").contains(token))
    }
}
