import Foundation
import Testing

/// Programs that are apps: the shipped example, some that misbehave, and two real Singer taps.
@Suite final class `A program as an app` {
    private let program: Program

    init() throws { program = try Program() }

    private static let example = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../../mappings/process/example.py").standardizedFileURL.path()

    private func configure(_ command: String, _ more: String = "") throws {
        try program.write(
            "tandem.yaml",
            """
            connections:
              notes: {app: process, command: [\(command)], settings: {file: notes.json}\(more)}
            syncs: {notes: {connection: notes, object: contacts}}
            """)
    }

    private func people(_ name: String, _ range: Range<Int>) -> String {
        "email,firstname,lastname\n"
            + range.map { "p\($0)@example.com,\(name)\($0),Lee\n" }.joined()
    }

    /// What the example program has, by address.
    private func notes() throws -> [String: [String: String]] {
        let document = try JSONSerialization.jsonObject(
            with: Data(contentsOf: program.file("notes.json.contacts")))
        let rows = try #require((document as? [Any])?.last as? [String: [Any]])
        let values = rows.values.compactMap { $0.last as? [String: String] }
        return Dictionary(values.map { ($0["email"] ?? "", $0) }, uniquingKeysWith: { a, _ in a })
    }

    @Test func `keeps the adapter laws with the example`() throws {
        try configure("python3, \(Self.example)")
        #expect(try program.lawsKept(by: "notes") == 15)
    }

    /// Its cursor is the state of all that it holds, which comes back when what was added is taken away.
    @Test func `that ends in the middle of a listing is asked again for what it had shown`() throws
    {
        try program.write(
            "state.py",
            """
            import json, os, sys
            for line in sys.stdin:
                asked = json.loads(line)
                method, said = asked["method"], asked.get("params") or {}
                people = json.load(open("people.json"))
                state = json.dumps(people, sort_keys=True)
                record = lambda id: {"id": id, "version": "1", "values": people[id]}
                if method == "hello":
                    result = {"protocol": 1, "account": "x", "summary": "people",
                              "capabilities": {"create-safety": "client-id", "lists-whole-records": True,
                                               "reports-deletions": True}}
                elif method == "schema": result = {"fields": [{"name": "email"}, {"name": "firstname"}]}
                elif method == "changes":
                    if said.get("since") == state: result = {"records": []}
                    elif said.get("page") is None: result = {"records": list(map(record, people)), "next": "2"}
                    elif os.path.exists("cut"): os._exit(3)
                    else: result = {"records": [], "cursor": state, "complete": True}
                elif method == "read":
                    result = {"records": [record(id) for id in said["ids"] if id in people],
                              "gone": [id for id in said["ids"] if id not in people]}
                else: result = {"records": [], "outcomes": [{"deleted": True} for _ in said.get("writes", [])]}
                print(json.dumps({"id": asked["id"], "result": result}), flush=True)
            """)
        try configure("python3, state.py")
        try program.write("people.json", "{}")
        try program.must("sync")
        try program.write("people.json", #"{"1": {"email": "ann@x.example", "firstname": "Ann"}}"#)
        try program.write("cut", "")
        #expect(try program.run(["sync"]).code == 1)
        try program.write("people.json", "{}")
        try FileManager.default.removeItem(at: program.file("cut"))
        try program.must("sync")
        #expect(try program.contacts().isEmpty)
    }

    @Test func `is the same as the CRM, though it dies again and again`() throws {
        // The program ends before or after it did what it was asked, every few requests.
        try program.write(
            "dying.py",
            """
            import builtins, os, random, sys
            random.seed(os.getpid())
            tell, quiet = builtins.print, random.random() < 0.5
            def print(*words, **options):
                if random.random() < 0.15: os._exit(3)
                tell(*words, **options)
            exec(compile(open(sys.argv[1]).read(), sys.argv[1], "exec"))
            """)
        try configure("python3, dying.py, \(Self.example)")
        try program.write("in.csv", people("Here", 0..<120))
        try program.must("crm", "import", "contacts", "in.csv")
        var ends = 0
        for round in 0..<60 {
            if try program.run(["sync"]).code != 0 { ends += 1 }
            try program.must(
                "crm", "update", "contacts", "p\(round)@example.com", "city=City \(round)")
        }
        try configure("python3, \(Self.example)")
        for _ in 0..<3 {
            try program.run(["retry"])
            try program.run(["sync", "--full"])
        }
        #expect(ends > 5)
        let (there, here) = (try notes(), try program.contacts())
        #expect(there.count == 120 && here.count == 120)
        for (address, values) in here {
            #expect(there[address]?["firstname"] == values["firstname"])
            #expect(there[address]?["city"] ?? "" == values["city"] ?? "")
        }
        let document = try program.json("sync")
        let last = try #require((document["syncs"] as? [[String: Any]])?.first)
        #expect(last["updated_in_app"] as? Int == 0 && last["created_in_app"] as? Int == 0)
    }

    @Test(arguments: [
        ("import time; time.sleep(60)", "said nothing for 1 s"),
        ("import sys; print('no json'); sys.stdout.flush(); input()", "no JSON"),
        ("import sys; sys.exit('the key is wrong')", "the key is wrong"),
        ("input(); print('x' * (20 << 20)); input()", "a line of more than"),
        ("input(); hoard = b'x' * (200 << 20); import time; time.sleep(9)", "MiB of memory"),
        (
            #"import json; i = json.loads(input())["id"]; "#
                + #"print(json.dumps({"id": i, "result": {"protocol": 2}}), flush=True); input()"#,
            "speaks protocol 2"
        ),
        ("", "ended with status 0"),
    ])
    func `is given up with a reason when it misbehaves`(_ code: String, _ words: String) throws {
        try program.write("bad.py", code)
        try configure(
            "python3, bad.py", ", timeout: \(words.contains("1 s") ? 1 : 60), memory: 100")
        let result = try program.run(["sync"])
        #expect(result.code == 1)
        #expect(result.err.contains(words), "\(result.err)")
        #expect(try program.run(["check"]).out.contains(words))
    }

    @Test func `is refused with the reason when the configuration is wrong`() throws {
        for (connection, words) in [
            ("{app: process}", "`command` is missing"),
            ("{app: process, command: [x], sttings: {}}", "did you mean `settings`"),
            ("{app: singer, command: [x]}", "expected `direction: to-crm`"),
        ] {
            try program.write(
                "tandem.yaml",
                """
                connections: {notes: \(connection)}
                syncs: {notes: {connection: notes, object: contacts, direction: both}}
                """)
            let result = try program.run(["check"])
            #expect(result.code == 78)
            #expect(result.err.contains(words), "\(result.err)")
        }
    }

    @Test func `is a Singer tap that reads PostgreSQL`() throws {
        let server = try PostgresServer()
        try server.sql(
            """
            CREATE TABLE crew (id int PRIMARY KEY, email text, first text, born date,
                changed timestamptz NOT NULL DEFAULT now());
            INSERT INTO crew SELECT n, 'c' || n || '@example.com', 'F' || n, '2001-02-03'
                FROM generate_series(1, 1200) n
            """)
        let tap = ProcessInfo.processInfo.environment["TANDEM_TAP_POSTGRES"] ?? "tap-postgres"
        try program.write(
            "mappings/crew/contacts.yaml",
            """
            object: contacts
            app-object: public-crew
            fields:
              - {crm: email, app: email, type: email, direction: to-crm}
              - {crm: firstname, app: first, direction: to-crm}
            """)
        func configure(_ more: String) throws {
            try program.write(
                "mappings/crew/app.yaml", "adapter: singer\nsummary: the crew of a ship\n")
            try program.write(
                "tandem.yaml",
                """
                mappings: mappings
                connections:
                  crew:
                    app: crew
                    command: [\(tap)]
                    config: {host: "\(server.folder.path())", port: 5432, user: postgres,
                      password: none, dbname: erp, filter_schemas: public}
                    \(more)
                syncs: {crew: {connection: crew, object: contacts}}
                """)
        }
        try configure("")
        try program.must("sync")
        #expect(try program.contacts().count == 1_200)
        try server.sql("UPDATE crew SET first = 'New' WHERE id = 3; DELETE FROM crew WHERE id = 4")
        try program.must("sync")
        #expect(try program.contacts()["c3@example.com"]?["firstname"] == "New")
        #expect(try program.status("crew")["deleted_in_app"] as? Int == 1)

        try configure("replication-key: changed")
        try program.must("sync")
        try server.sql("UPDATE crew SET first = 'Newer', changed = now() WHERE id = 5")
        let document = try program.json("sync")
        let last = try #require((document["syncs"] as? [[String: Any]])?.first)
        #expect(last["updated_in_crm"] as? Int == 1)
        #expect(try program.contacts()["c5@example.com"]?["firstname"] == "Newer")
        // Rows that the tap was not asked for again are not taken for deleted ones.
        #expect(try program.status("crew")["deleted_in_app"] as? Int == 1)
    }

    @Test func `is a Singer tap that reads another Tandem as HubSpot`() throws {
        let there = try Program()
        let port = try freePort()
        try there.write(
            "tandem.yaml", "http: {listen: \"127.0.0.1:\(port)\", rate-limit: 1000000}\n")
        let token = try there.must("token", "create", "--scope", "*")
            .trimmingCharacters(in: .whitespacesAndNewlines)
        try there.write("in.csv", people("There", 0..<50))
        try there.must("crm", "import", "contacts", "in.csv")
        let daemon = try there.serve()
        defer { kill(daemon.processIdentifier, SIGKILL) }
        try there.wait(for: "the API") { try there.read("log").contains("listening") }
        let tap = ProcessInfo.processInfo.environment["TANDEM_TAP"]
            .map { "\(URL(filePath: $0).deletingLastPathComponent().path())tap-hubspot" }
        let hook = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Clients/hook").standardizedFileURL.path()
        try program.write("mappings/hub/app.yaml", "adapter: singer\nsummary: HubSpot by a tap\n")
        try program.write(
            "mappings/hub/contacts.yaml",
            """
            object: contacts
            app-object: contacts
            fields:
              - {crm: email, app: property_email, type: email, direction: to-crm}
              - {crm: firstname, app: property_firstname, direction: to-crm}
            """)
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections:
              hub:
                app: hub
                command: [env, "TANDEM_API=http://127.0.0.1:\(port)", "PYTHONPATH=\(hook)",
                  "\(tap ?? "tap-hubspot")"]
                catalog-option: properties
                config: {api_key: "\(token)", start_date: "2020-01-01T00:00:00Z"}
            syncs: {hub: {connection: hub, object: contacts}}
            """)
        try program.must("sync")
        #expect(try program.contacts().count == 50)
        try there.must("crm", "update", "contacts", "p7@example.com", "firstname=Changed")
        try program.must("sync")
        #expect(try program.contacts()["p7@example.com"]?["firstname"] == "Changed")
    }
}
