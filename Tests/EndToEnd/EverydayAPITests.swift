import Foundation
import Testing

/// An API of the kind that frameworks make, and all that it cannot do (Tests/Servers/quiet.py).
@Suite struct `An everyday API` {
    private let program: Program
    private let server: VendorServer

    init() throws {
        program = try Program()
        server = try VendorServer("quiet", in: program)
        try program.mapPeople(of: "quiet", and: "  - {crm: notes, app: about}")
        try describe()
    }

    /// `more` is said of the object, `limits` of the app.
    private func describe(_ more: String = "", limits: String = "{}") throws {
        try program.write(
            "mappings/quiet/app.yaml",
            """
            title: Quiet
            summary: an everyday API
            connection: {url: {required: true}}
            account: {get: /account, id: /id}
            message: /error
            limits: \(limits)
            errors: [{words: "already exists", category: duplicate-in-app}]
            objects:
              people:
                record:
                  id: /id
                  modified: /changed
                  fields:
                    email: {create-at: login}
                    phone: {length: 20}
                list: {get: "/people?page=1", records: /results, next-link: /next, more: /meta/more}
                single: {get: "/people/{id}"}
                find: {get: "/people?email={value}", records: /results, fields: [email], lag: 0s}
                create: {post: /people, body: {meta: {source: crm}, "...": "{values}"}}
                update: {patch: "/people/{id}", body: "{values}"}
            \(more)
            """)
    }

    private func configure(_ settings: String = "") throws {
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections: {app: {app: quiet, url: "\(server.url)"}}
            syncs: {people: {connection: app, object: contacts\(settings)}}
            """)
    }

    @Test func `keeps the laws that apply, and is told before what stays in it`() throws {
        try configure()
        let refused = try program.run(["check", "--laws", "people", "--yes"])
        #expect(refused.code == 64 && refused.err.contains("--keep-records"))
        let laws = try program.run(["check", "--laws", "people", "--yes", "--keep-records"])
        #expect(laws.code == 0, "\(laws.out)\(laws.err)")
        // Nobody takes the test records for people.
        try program.must("sync")
        #expect(try program.contacts().isEmpty && !server.records("people").isEmpty)
    }

    /// An app that refuses what its description promises.
    @Test func `has each test record named that could not be taken away, and each request written`()
        throws
    {
        try describe(#"    delete: {delete: "/people/{id}"}"#)
        try configure()
        let laws = try program.run([
            "check", "--laws", "people", "--yes", "--record", "wire", "--json",
        ])
        #expect(laws.code == 1)
        let found = try #require(
            try JSONSerialization.jsonObject(with: Data(laws.out.utf8)) as? [String: Any])
        let left = try #require(found["left"] as? [[String: String]])
        let there = try server.records("people").map { "\($0["id"] ?? "")" }
        #expect(Set(left.compactMap { $0["id"] }) == Set(there))
        #expect(left.allSatisfy { $0["reason"] == "nobody is deleted here" })
        let wire = try program.read("wire/people-law-lists-what-is-made-1.json")
        #expect(wire.contains("POST") && wire.contains("law-"))
    }

    /// Half a listing would use up what the account allows for nothing, again with each poll.
    @Test(arguments: [(20, "leave no room for it now"), (2, "allows 2 requests in 86400 s")])
    func `is not listed where the listing could not end`(_ limit: Int, _ words: String) throws {
        try configure()
        for number in 0..<45 {
            try program.must("crm", "create", "contacts", "email=no\(number)@x.example")
        }
        for _ in 0..<2 { _ = try program.run(["sync"]) }
        try describe(limits: "{windows: [{requests: \(limit), per: 1d}]}")
        // The first one has the hour for itself.
        if limit > 3 { try program.must("sync") }
        let before = try #require(try server.people("GET", "calls") as? Int)
        let result = try program.run(["sync"])
        #expect(result.code == 1)
        #expect(
            result.err.contains("takes 3 requests") && result.err.contains(words), "\(result.err)")
        // Its account may have been asked for.
        #expect(try #require(server.people("GET", "calls") as? Int) <= before + 1)
    }

    @Test func `is kept the same in both directions`() throws {
        try configure()
        let people = (0..<45).map { "no\($0)@x.example,No\($0)" }
        try program.write("in.csv", (["email,firstname"] + people).joined(separator: "\n") + "\n")
        try program.must("crm", "import", "contacts", "in.csv")
        _ = try program.run(["sync"])
        // What was made without an answer is found by its address.
        for _ in 0..<3 where try program.status("people")["in_sync"] as? Int != 45 {
            _ = try program.run(["sync"])
        }
        #expect(try program.status("people")["in_sync"] as? Int == 45)
        #expect(try server.records("people").count == 45)
        try program.must("crm", "update", "contacts", "no3@x.example", "lastname=Lee")
        #expect(try program.writes() == 1)
        let one = try server.record("people", with: "no3@x.example")
        #expect(one["family"] as? String == "Lee" && "\(one["meta"] ?? "")".contains("crm"))
        #expect(try server.violations == [])
    }

    /// What is wrong with one field keeps no other one back, also where records are written whole.
    @Test(arguments: [false, true])
    func `says of each field what is wrong with it`(_ isWhole: Bool) throws {
        if isWhole {
            let text = try program.read("mappings/quiet/app.yaml")
                .replacing(
                    "patch: \"/people/{id}\", body: \"{values}\"",
                    with: "put: \"/people/{id}\", body: \"{record}\""
                )
                .replacing(
                    "modified: /changed",
                    with: "modified: /changed\n      unsent: [id, changed, meta]")
            #expect(text.contains("{record}") && text.contains("unsent"))
            try program.write("mappings/quiet/app.yaml", text)
        }
        try configure()
        try program.must("crm", "create", "contacts", "email=a@x.example", "phone=1")
        for _ in 0..<3 { _ = try program.run(["sync"]) }
        try program.must(
            "crm", "update", "contacts", "a@x.example", "phone=+47 22 33 44 55 66 77 88 99",
            "notes=x")
        #expect(try program.run(["sync"]).code == 3)
        let one = try server.record("people", with: "a@x.example")
        #expect(one["about"] as? String == "x" && one["phone"] as? String == "1")
        let records = try program.json("records")["records"] as? [[String: Any]]
        let failed = try #require(records?.first)
        #expect(
            "\(failed["message"] ?? "")".contains("phone: Ensure this field has no more than 20"))
        #expect(try program.writes() == 0)
        #expect(try server.violations == [])
    }

    @Test func `is not asked to delete what it cannot`() throws {
        try configure(", deletions: propagate")
        let result = try program.run(["check"])
        #expect(result.code == 78 && result.err.contains("deletes no people"))
    }

    @Test func `that can only be read is only read`() throws {
        let text = try program.read("mappings/quiet/app.yaml")
        let reading = text.split(separator: "\n").filter {
            !$0.contains("create:") && !$0.contains("update:")
        }
        try program.write("mappings/quiet/app.yaml", reading.joined(separator: "\n"))
        try configure(", direction: both")
        #expect(try program.run(["check"]).err.contains("expected `direction: to-crm`"))
        try configure()
        try program.must("crm", "create", "contacts", "email=a@x.example")
        try program.must("sync")
        #expect(try server.records("people").isEmpty)
    }

    @Test func `has everything that is wrong with its description said at once`() throws {
        try describe("    delete: {remove: x}\n    changes: {get: /x, records: /r}\n    bogus: 1")
        try configure()
        let said = try program.run(["check"]).err
        for text in ["`delete`", "`changes`: `{since}` is missing", "bogus"] {
            #expect(said.contains(text), "\(said)")
        }
    }
}
