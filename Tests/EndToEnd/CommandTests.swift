import Foundation
import Testing

@Suite struct `The commands` {
    private let program: Program

    init() throws {
        program = try Program()
        try program.write(
            "sheets/contacts.csv", "id,email,firstname,phone,Comment\n1,ann@example.com,Ann,1,x\n")
        try program.write(
            "tandem.yaml",
            """
            store: tandem.db
            connections:
              sheet: {app: csv, folder: sheets, rest: 0s}
            syncs:
              people: {connection: sheet, object: contacts}
            """)
    }

    @Test func `sync both ways, show a plan first, and then have nothing to do`() throws {
        try program.must("crm", "create", "contacts", "email=bob@example.com", "firstname=Bob")
        let before = try program.read("sheets/contacts.csv")
        let plan = try program.json("sync", "--dry-run")["plan"] as? [[String: Any]]
        #expect(plan?.count == 2)
        #expect(try program.read("sheets/contacts.csv") == before)
        #expect(try program.contacts().count == 1)
        let preview = Set(plan?.map { "\($0["action"] ?? "") \($0["side"] ?? "")" } ?? [])
        #expect(preview == ["create crm", "create app"])

        try program.must("sync")
        #expect(try program.contacts()["ann@example.com"]?["firstname"] == "Ann")
        #expect(try program.read("sheets/contacts.csv").contains("bob@example.com,Bob,,"))
        let status = try program.status("people")
        #expect(status["in_sync"] as? Int == 2 && status["phase"] as? String == "incremental")
        let again = try program.json("sync")["syncs"] as? [[String: Any]]
        #expect(again?.first?["created_in_crm"] as? Int == 0)
        #expect(again?.first?["updated_in_app"] as? Int == 0)
    }

    @Test func `carry edits of both sides and resync what was deleted`() throws {
        try program.must("sync")
        try program.must("crm", "update", "contacts", "ann@example.com", "phone=22")
        let file = try program.read("sheets/contacts.csv")
        try program.write("sheets/contacts.csv", file.replacing(",Ann,", with: ",Anna,"))
        try program.must("sync")
        #expect(try program.read("sheets/contacts.csv").contains("1,ann@example.com,Anna,22,x"))
        #expect(try program.contacts()["ann@example.com"]?["firstname"] == "Anna")

        try program.must("crm", "delete", "contacts", "ann@example.com")
        try program.must("sync")
        #expect(try program.status("people")["deleted_in_crm"] as? Int == 1)
        #expect(try program.read("sheets/contacts.csv").contains("ann@example.com"))
        try program.must("resync-deleted", "--in", "crm", "--all")
        #expect(try program.contacts()["ann@example.com"]?["phone"] == "22")

        try program.write("sheets/contacts.csv", "id,email,firstname,phone,Comment\n2,c@d.co,C,,\n")
        try program.must("sync")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 1)
        let records = try program.json("records", "--state", "deleted-in-app")["records"]
        let row = try #require((records as? [[String: Any]])?.first)
        #expect(row["label"] as? String == "Anna")
        try program.must(
            "resync-deleted", "--in", "app", "--record", row["crm_id"] as? String ?? "")
        #expect(try program.read("sheets/contacts.csv").contains("ann@example.com,Anna,22,"))
    }

    @Test func `carry a deletion over when a person approves it, or by themselves`() throws {
        try program.must("crm", "create", "contacts", "email=bob@example.com")
        let settings = try program.read("tandem.yaml")
        for (rule, command) in [("approve", "approve"), ("propagate", "")] {
            try program.write(
                "tandem.yaml",
                settings.replacing("object: contacts", with: "object: contacts, deletions: \(rule)")
            )
            try program.must("sync")
            let email = rule == "approve" ? "ann@example.com" : "bob@example.com"
            try program.must("crm", "delete", "contacts", email)
            try program.must("sync")
            if !command.isEmpty {
                #expect(try program.read("sheets/contacts.csv").contains(email))
                #expect(try program.status("people")["awaiting_approval"] as? Int == 1)
                try program.must(command, "--all")
            }
            #expect(!(try program.read("sheets/contacts.csv").contains(email)))
        }
    }

    @Test func `stop when the app is suddenly empty until it is acknowledged`() throws {
        let rows = (1...30).map { "\($0),p\($0)@example.com,P,," }.joined(separator: "\n")
        try program.write("sheets/contacts.csv", "id,email,firstname,phone,Comment\n\(rows)\n")
        try program.must("sync")
        try program.write("sheets/contacts.csv", "id,email,firstname,phone,Comment\n")
        let stopped = try program.run(["sync"])
        #expect(stopped.code == 1 && stopped.err.contains("suddenly empty"))
        #expect(try program.status("people")["in_sync"] as? Int == 30)
        try program.must("acknowledge", "people")
        try program.must("sync")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 30)
        #expect(try program.contacts().count == 30)
        #expect(try program.run(["acknowledge", "people"]).code == 1)
    }

    @Test func `lose no edit when a column goes away and comes back`() throws {
        try program.must("sync")
        try program.write("sheets/contacts.csv", "id,email,Comment\n1,ann@example.com,x\n")
        try program.must("sync")
        try program.must("crm", "update", "contacts", "ann@example.com", "jobtitle=Boss")
        try program.must("sync")
        try program.write(
            "sheets/contacts.csv",
            "id,email,firstname,phone,Comment\n1,ann@example.com,Edited,1,x\n")
        try program.must("sync")
        #expect(try program.contacts()["ann@example.com"]?["firstname"] == "Edited")
        #expect(try program.contacts()["ann@example.com"]?["jobtitle"] == "Boss")
        #expect(try program.read("sheets/contacts.csv").contains("1,ann@example.com,Edited,1,x"))
        try program.write("sheets/contacts.csv", "")
        #expect(try program.run(["sync"]).code == 1)
        try program.write(
            "sheets/contacts.csv", "id,email,email\n1,ann@example.com,b@example.com\n")
        #expect(try program.run(["sync"]).err.contains("two columns stand for `email`"))
        #expect(try program.contacts().count == 1)
    }

    @Test func `say what failed, why, and what to do`() throws {
        try program.must("crm", "create", "contacts", "email=ann@example.com")
        try program.write(
            "sheets/contacts.csv",
            "id,email,firstname,phone,Comment\n1,ann@example.com,A,,\n2,ANN@example.com,B,,\n")
        let result = try program.run(["sync"])
        #expect(result.code == 3)
        let status = try program.status("people")
        let failures = try #require(status["failures"] as? [[String: Any]])
        #expect(failures.first?["category"] as? String == "duplicate-in-app")
        #expect((failures.first?["remedy"] as? String)?.isEmpty == false)
        let report = try program.must("report", "--state", "failed", "--columns", "app_id,category")
        #expect(report == "app_id,category\n2,duplicate-in-app\n")
        try program.must("report", "--format", "json", "--output", "report.json")
        #expect(try program.read("report.json").contains("\"records\":["))
        try program.write(
            "sheets/contacts.csv",
            "id,email,firstname,phone,Comment\n1,ann@example.com,A,,\n2,bob@example.com,B,,\n")
        #expect(try program.run(["sync"]).code == 0)
    }

    @Test func `keep a sync that is turned off and forget one that is removed`() throws {
        try program.must("sync")
        try program.must("turn-off", "people")
        try program.must("crm", "update", "contacts", "ann@example.com", "phone=9")
        try program.must("sync")
        #expect(try program.status("people")["phase"] as? String == "off")
        #expect(!(try program.read("sheets/contacts.csv").contains(",9,")))
        try program.must("turn-on", "people")
        try program.must("sync")
        #expect(try program.read("sheets/contacts.csv").contains(",9,"))
        #expect(try program.run(["remove", "people"]).code == 64)
        try program.must("remove", "people", "--yes")
        try program.must("sync")
        #expect(try program.contacts().count == 1)
        #expect(try program.status("people")["in_sync"] as? Int == 1)
    }

    @Test func `sync companies by domain or name`() throws {
        try program.write(
            "sheets/companies.csv",
            "id,Company name,domain,City\n1,Acme,,Oslo\n2,Other,www.BETA.com,\n")
        try program.write(
            "tandem.yaml",
            """
            connections: {sheet: {app: csv, folder: sheets, rest: 0s}}
            syncs: {firms: {connection: sheet, object: companies}}
            """)
        try program.must("crm", "create", "companies", "name=ACME", "domain=acme.com")
        try program.must("crm", "create", "companies", "name=Beta", "domain=beta.com")
        try program.must("sync")
        #expect(try program.status("firms")["in_sync"] as? Int == 2)
        let lines = try program.read("sheets/companies.csv").split(separator: "\n")
        #expect(lines.count == 3 && lines[1] == "1,ACME,acme.com,Oslo")
    }

    @Test(arguments: [
        (["sync", "peple"], Int32(64), "did you mean `people`"),
        (["resync-deleted", "--in", "crm"], 64, "--record"),
        (["resync-deleted", "--in", "cmr", "--all"], 64, "did you mean `crm`"),
        (["records", "--columns", "stat"], 64, "did you mean `state`"),
        (["records", "--since", "yesterday"], 64, "2026-11-22"),
        (["crm", "create", "contacts", "emial=a@b.co"], 1, "did you mean `email`"),
        (["crm", "create", "contact", "email=a@b.co"], 1, "did you mean `contacts`"),
        (["crm", "create", "contacts"], 64, "property=value"),
        (["sync", "--limit", "0"], 64, "above 0"),
        (["records", "--object", "contact"], 1, "did you mean `contacts`"),
        (["crm", "show", "contacts", "99"], 1, "no record `99`"),
        (["nonsense"], 64, "Usage"),
        (["report", "--format", "pdf"], 64, "expected one of csv, json"),
    ])
    func `answer wrong input with what is wrong and what to do`(
        _ arguments: [String], _ code: Int32, _ words: String
    ) throws {
        let result = try program.run(arguments)
        #expect(result.code == code)
        #expect(result.err.contains(words), "\(result.err)")
        #expect(result.out.isEmpty)
    }

    @Test func `show who wrote which value of a record`() throws {
        try program.must("sync")
        try program.must("crm", "update", "contacts", "ann@example.com", "phone=77")
        let history = try #require(
            try program.json("crm", "show", "contacts", "ann@example.com", "--history")["history"]
                as? [[String: Any]])
        let sources = history.map { $0["source"] as? String }
        #expect(sources.first == "sync:people" && sources.last == "user", "\(history)")
        #expect((history.last?["properties"] as? [String: String]) == ["phone": "77"])
    }

    @Test func `refuse a record that a remedy is not for`() throws {
        try program.must("sync")
        let result = try program.run(["resync-deleted", "--in", "app", "--record", "999"])
        #expect(result.code == 3)
        #expect(result.err.contains("record 999"))
    }

    @Test func `check the properties of a filter against the store`() throws {
        let text = try program.read("tandem.yaml")
        try program.write(
            "tandem.yaml",
            text + """

                  only: {connection: sheet, object: companies,
                    filter: {to-crm: {property: industri, known: true}}}
                """)
        let result = try program.run(["status"])
        #expect(result.code == 78)
        #expect(result.err.contains("did you mean `industry`"), "\(result.err)")
    }

    @Test func `write an init file that reads back as what was said`() throws {
        let made = try program.run([
            "init", "made", "--app", "carddav", "--url", "dav.example.com", "--username",
            "a \"b\": #c",
        ])
        #expect(made.code == 0)
        let checked = try program.run(
            ["status", "--config", "made/tandem.yaml"], environment: ["CARDDAV_PASSWORD": "x"])
        #expect(checked.code == 0, "\(checked.err)")
        let refused = try program.run([
            "init", "other", "--app", "carddav", "--url", "no address", "--username", "a",
        ])
        #expect(refused.code == 1)
    }

    @Test func `write an init file for an app that is a folder`() throws {
        try program.must("init", "made", "--app", "pipedrive", "--url", "https://x.example")
        let checked = try program.run(
            ["status", "--config", "made/tandem.yaml"], environment: ["PIPEDRIVE_TOKEN": "x"])
        #expect(checked.code == 0, "\(checked.err)")
        for object in ["companies", "contacts", "deals"] {
            #expect(checked.out.contains("main-\(object)"), "\(checked.out)")
        }
        // What only a person knows is left to be filled in, and asked for by name.
        try program.must("init", "other", "--app", "salesforce")
        let asked = try program.run(["status", "--config", "other/tandem.yaml"])
        #expect(asked.code == 78)
        #expect(asked.err.contains("`client-id` is missing"), "\(asked.err)")
        #expect(try program.run(["init", "third", "--app", "pipedriv"]).err.contains("pipedrive"))
    }

    @Test func `name every missing key of a connection, and everything else beside it`() throws {
        try program.write(
            "tandem.yaml",
            """
            connections:
              tap: {app: singer, config: {key: "${NO_SUCH_KEY}"}}
              table: {app: postgres, password: "${NO_SUCH_PASSWORD}"}
              notes: {app: kinto}
            """)
        let result = try program.run(["check"])
        #expect(result.code == 78)
        let expected = [
            "tandem.yaml:2: `tap`: `command` is missing", "tandem.yaml:2: the secret `NO_SUCH_KEY`",
            "tandem.yaml:3: `table`: `url` is missing",
            "tandem.yaml:3: the secret `NO_SUCH_PASSWORD`",
            "tandem.yaml:4: `notes`: `url` is missing", "`notes`: `username` is missing",
            "`notes`: `password` is missing",
        ]
        for line in expected { #expect(result.err.contains(line), "\(line)\n\(result.err)") }
    }

    @Test func `hold a spreadsheet to the adapter laws`() throws {
        try program.write(
            "tandem.yaml",
            """
            connections: {book: {app: csv, folder: .}}
            syncs: {book: {connection: book, object: contacts}}
            """)
        #expect(try program.run(["check", "--laws", "book"]).code == 64)
        #expect(try program.lawsKept(by: "book") == 15)
    }

    @Test func `name every problem of a configuration with its line`() throws {
        try program.write(
            "tandem.yaml",
            """
            stor: x
            window: "so\\0on"
            connections:
              home: {app: cardav, url: http://127.0.0.1}
              sheet: {app: csv}
              other: {app: carddav, url: "http://127.0.0.1", password: "${NO_SUCH_SECRET}"}
            syncs:
              one: {connection: sheat, object: contacts}
              two: {connection: other, object: contacts, direction: up, fields: {fone: off}}
            """)
        let result = try program.run(["check"])
        #expect(result.code == 78)
        let expected = [
            "tandem.yaml:1: configuration: unknown key `stor` (did you mean `store`?)",
            "tandem.yaml:2: a text has a NUL character", "tandem.yaml:2: `window: so",
            "tandem.yaml:4: `home`: there is no app `cardav`",
            "tandem.yaml:5: `sheet`: `folder` is missing",
            "tandem.yaml:6: the secret `NO_SUCH_SECRET`",
            "tandem.yaml:8: there is no connection `sheat` (did you mean `sheet`?)",
            "tandem.yaml:9: `direction: up`", "tandem.yaml:9: `fields`: the mapping has no `fone`",
        ]
        for line in expected { #expect(result.err.contains(line), "\(line)\n\(result.err)") }
    }

    @Test func `import and export, with rejects apart`() throws {
        try program.write(
            "in.csv",
            "\u{FEFF}First Name;Email;lifecyclestage\r\nAnn;ann@x.co;lead\r\nBob;nonsense;\r\nCid;cid@x.co;odd\r\n\"Dö;ra\";d@x.co;\r\n"
        )
        let result = try program.run(["crm", "import", "contacts", "in.csv"])
        #expect(result.code == 3 && result.out == "2 created, 0 updated, 2 rejected\n")
        let rejects = try program.read("in.csv.rejects.csv").split(separator: "\n")
        #expect(rejects.count == 3 && rejects[1].hasPrefix("3,") && rejects[2].hasPrefix("4,"))
        try program.write("more.csv", "email,city\nANN@x.co,Oslo\nnew@x.co,Bergen\n")
        #expect(
            try program.must("crm", "import", "contacts", "more.csv", "--update-by", "email")
                == "1 created, 1 updated, 0 rejected\n")
        try program.must("crm", "export", "contacts", "--output", "out.csv")
        let lines = try program.read("out.csv").split(separator: "\n")
        #expect(lines.count == 4 && lines[0].hasPrefix("id,address,"))
        try program.write("wrong.csv", "emial\na@b.co\n")
        let wrong = try program.run(["crm", "import", "contacts", "wrong.csv"])
        #expect(wrong.code == 1 && wrong.err.contains("did you mean `Email`"))
        #expect(try program.contacts()["ann@x.co"]?["city"] == "Oslo")
    }

    @Test func `write a configuration that the check takes`() throws {
        try program.must("init", "fresh", "--app", "csv", "--csv-folder", "../sheets")
        try program.must("check", "--config", "fresh/tandem.yaml")
        #expect(try program.run(["init", "fresh", "--app", "csv"]).code == 1)
        #expect(try program.must("apps").contains("carddav"))
        #expect(try program.must("--generate-completion-script", "bash").contains("tandem"))
    }

    @Test func `tell the story of a seed`() throws {
        let story = try program.must("simulate", "--seed", "7", "--cycles", "3")
        #expect(
            story.contains("the world becomes quiet") && story.hasSuffix("All invariants hold.\n"))
    }

    @Test func `say which folder cannot be made`() throws {
        let result = try program.run([
            "init", "/proc/none/here", "--app", "csv", "--csv-folder", "s",
        ])
        #expect(result.code == 1)
        #expect(result.err.hasPrefix("Error: the folder /proc/none/here cannot be made"))
    }

    /// Remedies and documents send people to commands; each of them exists.
    @Test func `names no command that does not exist`() throws {
        let help = try program.must("--help")
        let root = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../..").standardizedFileURL
        let found = Process()
        let pipe = Pipe()
        found.executableURL = URL(filePath: "/usr/bin/env")
        found.arguments = ["grep", "-rnoE", "`tandem [a-z][a-z-]*", "Sources", "Docs", "README.md"]
        found.currentDirectoryURL = root
        found.standardOutput = pipe
        try found.run()
        let lines = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
            .split(separator: "\n")
        #expect(lines.count > 50)
        for line in lines {
            let name = line.split(separator: " ").last ?? ""
            #expect(help.contains("  \(name) ") || name == "help", "\(line)")
        }
    }
}
