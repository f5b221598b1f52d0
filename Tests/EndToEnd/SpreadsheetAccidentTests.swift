import Foundation
import Testing

/// What people do to a spreadsheet by mistake, and what must not come of it.
@Suite struct `A spreadsheet after an accident` {
    private let program: Program
    private static let sheet = "sheets/contacts.csv"

    init() throws { program = try Program() }

    private func configure(_ settings: String = "", rest: String = "0s") throws {
        try program.write(
            "tandem.yaml",
            """
            store: tandem.db
            connections:
              sheet: {app: csv, folder: sheets, rest: \(rest)}
            syncs:
              people: {connection: sheet, object: contacts, require-email: false\(settings)}
            """)
    }

    private func file(_ header: String, _ rows: [String]) throws {
        try program.write(Self.sheet, ([header] + rows).map { $0 + "\n" }.joined())
    }

    private func rows(_ range: ClosedRange<Int>) -> [String] {
        range.map { "N\($0),n\($0)@x.example" }
    }

    private func ids() throws -> [String: String] {
        let records = try program.json("crm", "list", "contacts")["results"] as? [[String: Any]]
        return try #require(records).reduce(into: [:]) { ids, record in
            let properties = record["properties"] as? [String: String] ?? [:]
            ids[properties["firstname"] ?? ""] = record["id"] as? String
        }
    }

    /// Whose rows they are, only a person knows.
    @Test func `that is another one is taken when somebody says that it is right`() throws {
        try configure()
        try file("First Name,Email", rows(1...3))
        try program.must("sync")
        try program.write(
            "others/contacts.csv", "First Name,Email\n" + rows(1...4).joined(separator: "\n") + "\n"
        )
        let text = try program.read("tandem.yaml").replacing(
            "folder: sheets", with: "folder: others")
        try program.write("tandem.yaml", text)
        let stopped = try program.run(["sync", "--full"])
        #expect(stopped.code == 1 && stopped.err.contains("another account"))
        #expect(try ids().count == 3)
        try program.must("acknowledge", "people")
        try program.must("sync", "--full")
        #expect(try ids().count == 4)
    }

    /// Ids of rows are given again by many a database.
    @Test func `in which a deleted person's id is another person's keeps the two apart`() throws {
        try configure()
        let all = (1...4).map { "\($0),N\($0),n\($0)@x.example" }
        try file("id,First Name,Email", all)
        try program.must("sync")
        let before = try ids()
        try file("id,First Name,Email", Array(all.dropLast()))
        _ = try program.run(["sync"])
        _ = try program.run(["sync"])
        #expect(try program.status("people")["deleted_in_app"] as? Int == 1)
        try file("id,First Name,Email", all.dropLast() + ["4,Zoe,zoe@x.example"])
        _ = try program.run(["sync"])
        // Nobody became somebody else.
        #expect(try ids() == before)
        let status = try program.status("people")
        #expect(status["deleted_in_app"] as? Int == 1 && status["ambiguous"] as? Int == 1)
        #expect(
            try program.must("records", "--state", "ambiguous").contains("tandem retry --record 4"))
        try program.must("retry", "--record", "4")
        let after = try ids()
        #expect(after["Zoe"] != nil && after["N4"] == before["N4"] && after.count == 5)
        // And a person who comes back under an id is the same.
        try file("id,First Name,Email", Array(all.dropLast(2)))
        for _ in 1...2 { _ = try program.run(["sync"]) }
        try file("id,First Name,Email", all.dropLast(2) + ["3,N3 new,N3@x.example"])
        _ = try program.run(["sync"])
        #expect(try ids()["N3 new"] == before["N3"])
    }

    @Test(arguments: ["track", "propagate"])
    func `whose key column has another name deletes nobody, and says so`(_ rule: String) throws {
        try configure(", deletions: \(rule)")
        try file("First Name,Email", rows(1...8))
        try program.must("sync")
        let before = try ids()
        try file("First Name,E-Mail", rows(1...8))
        let stopped = try program.run(["sync"])
        #expect(stopped.code == 1)
        #expect(stopped.err.contains("no column `id` or `email`"), "\(stopped.err)")
        #expect(stopped.err.contains("`E-Mail`"), "\(stopped.err)")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 0)
        try file("First Name,Email", rows(1...8))
        #expect(try program.writes() == 0)
        #expect(try ids() == before)
    }

    @Test(arguments: [
        ("N3,n3@x.example", "N3,", "line 4 has no email"),
        ("N3,n3@x.example", "N3,n2@x.example", "lines 3 and 4 have the same key"),
        ("N3,n3@x.example", "N, 3,n3@x.example", "line 4 has 3 cells"),
    ])
    func `with a row that nothing names proves nobody missing`(
        _ row: String, _ spoilt: String, _ why: String
    ) throws {
        try configure(", deletions: propagate")
        try file("First Name,Email", rows(1...8))
        try program.must("sync")
        let before = try ids()
        try program.write(
            Self.sheet,
            try program.read(Self.sheet).replacing(row, with: spoilt)
                .replacing("N7,n7@x.example\n", with: ""))
        let sync = try program.run(["sync"])
        #expect(sync.code == 3 && sync.err.contains(why), "\(sync.code) \(sync.err)")
        #expect(try ids() == before)
        let status = try program.status("people")
        #expect((status["unidentified"] as? [[String: Any]])?.isEmpty == false)
        let records = try program.json("records", "--category", "invalid-value")["records"]
        let messages = (records as? [[String: Any]] ?? []).compactMap { $0["message"] as? String }
        #expect(messages.contains { $0.contains(why) }, "\(messages)")

        // Repaired, it is as it was, and the row that was really taken out is missing.
        try file("First Name,Email", rows(1...6) + rows(8...8))
        try program.must("sync")
        #expect(try ids() == before.filter { $0.key != "N7" })
    }

    @Test func `without a column for a while keeps the edits of both sides`() throws {
        try configure()
        try file("id,Email,Phone Number", ["1,a@x.example,11", "2,b@x.example,22"])
        try program.must("sync")
        try file("id,Email,Telefon", ["1,a@x.example,11", "2,b@x.example,22"])
        try program.must("crm", "update", "contacts", "a@x.example", "phone=99")
        let sync = try program.run(["sync"])
        #expect(sync.err.contains("no field `phone` now; 2 records"), "\(sync.err)")
        let row = try #require(
            (try program.json("records", "--state", "failed")["records"] as? [[String: Any]])?.first
        )
        #expect((row["message"] as? String)?.contains("the app has no field `phone` now") == true)
        #expect(try program.read(Self.sheet).contains("1,a@x.example,11"))
        let missing = try program.status("people")["missing_fields"] as? [[String: Any]]
        #expect(missing?.first?["records"] as? Int == 2)

        try file("id,Email,Phone Number", ["1,a@x.example,11", "2,b@x.example,23"])
        try program.must("sync")
        #expect(try program.read(Self.sheet).contains("1,a@x.example,99"))
        #expect(try program.contacts()["a@x.example"]?["phone"] == "99")
        #expect(try program.contacts()["b@x.example"]?["phone"] == "23")
        #expect(try program.writes() == 0)
    }

    @Test func `that was put back after we wrote shows what was put back`() throws {
        try configure()
        try file("id,Email,Phone Number", ["1,a@x.example,11"])
        try program.must("sync")
        let old = try program.read(Self.sheet)
        try program.must("crm", "update", "contacts", "a@x.example", "phone=99")
        try program.must("crm", "create", "contacts", "email=new@x.example")
        try program.must("sync")
        #expect(try program.read(Self.sheet).contains("1,a@x.example,99"))
        try program.write(Self.sheet, old)
        try program.must("sync")
        #expect(try program.contacts()["a@x.example"]?["phone"] == "11")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 1)
    }

    @Test func `carries a number that is spelled in another way, in both directions`() throws {
        try configure()
        try file("id,Email,Phone Number", ["1,a@x.example,555 12345", "2,b@x.example,555 12345"])
        try program.must("sync")
        try program.must("crm", "update", "contacts", "a@x.example", "phone=555 123 ext 45")
        try program.write(
            Self.sheet,
            try program.read(Self.sheet).replacing(
                "2,b@x.example,555 12345", with: "2,b@x.example,555-123-45"))
        try program.must("sync")
        #expect(try program.read(Self.sheet).contains("1,a@x.example,555 123 ext 45"))
        #expect(try program.contacts()["b@x.example"]?["phone"] == "555-123-45")
        #expect(try program.writes() == 0)
    }

    /// A program that saves in place truncates the file and writes it in pieces.
    @Test func `that somebody is still saving loses nobody, and is not replaced`() throws {
        try configure(", deletions: propagate", rest: "3s")
        try file("id,Email", (1...30).map { "\($0),n\($0)@x.example" })
        sleep(4)
        try program.must("sync")
        let whole = try program.read(Self.sheet)
        try program.must("crm", "update", "contacts", "n1@x.example", "email=changed@x.example")
        let handle = try FileHandle(forWritingTo: program.file(Self.sheet))
        try handle.truncate(atOffset: 0)
        try handle.write(contentsOf: Data(whole.prefix(300).utf8))
        let sync = try program.run(["sync"])
        #expect(sync.err.contains("saved a moment ago"), "\(sync.err)")
        #expect(try program.contacts().count == 30)
        #expect(try program.read(Self.sheet) == whole.prefix(300), "the file was replaced")
        // The rest of the save goes where it was meant to go, with an edit in it.
        try handle.write(contentsOf: Data(whole.dropFirst(300).utf8))
        try handle.write(contentsOf: Data("31,late@x.example\n".utf8))
        try handle.close()
        sleep(4)
        try program.must("sync")
        #expect(try program.contacts().count == 31)
        #expect(try program.read(Self.sheet).contains("1,changed@x.example"))
        #expect(try program.read(Self.sheet).contains("31,late@x.example"))
    }

    @Test func `of which a deletion was carried over gets the whole row back, on either side`()
        throws
    {
        try configure(", deletions: propagate")
        try file("First Name,Email,Shoe size", (1...5).map { "N\($0),n\($0)@x.example,\(40 + $0)" })
        try program.must("sync")
        try program.must("crm", "delete", "contacts", "1")
        try program.must("sync")
        #expect(try !program.read(Self.sheet).contains("n1@x.example"))
        try program.must("resync-deleted", "--in", "app", "--record", "1")
        #expect(try program.read(Self.sheet).contains("N1,n1@x.example,41"))
        #expect(try ids()["N1"] == "1")

        let without = try program.read(Self.sheet).split(separator: "\n").filter {
            !$0.contains("n2@x.example")
        }
        try program.write(Self.sheet, without.map { $0 + "\n" }.joined())
        try program.must("sync")
        #expect(try ids()["N2"] == nil)
        try program.must("resync-deleted", "--in", "crm", "--record", "2")
        #expect(try ids()["N2"] == "2")
        #expect(try program.read(Self.sheet).contains("N2,n2@x.example"))
        #expect(try program.writes() == 0)
    }

    @Test func `that is saved after it was replaced keeps what both wrote`() throws {
        try configure()
        try file("First Name,Email,City", (1...4).map { "N\($0),n\($0)@x.example,Oslo" })
        try program.must("sync")
        // A program opens the file to save it, and is slow.
        let writer = try FileHandle(forWritingTo: program.file(Self.sheet))
        try program.must("crm", "update", "contacts", "1", "city=Bergen")
        try program.must("sync")
        try writer.truncate(atOffset: 0)
        try writer.write(
            contentsOf: Data(
                """
                First Name,Email,City
                N1,n1@x.example,Oslo
                N2,n2@x.example,Tromso
                N3,n3@x.example,Oslo
                N5,n5@x.example,Moss

                """.utf8))
        try writer.close()
        try program.must("sync")
        let now = try program.read(Self.sheet)
        for row in [
            "N1,n1@x.example,Bergen", "N2,n2@x.example,Tromso", "N4,n4@x.example,Oslo",
            "N5,n5@x.example,Moss",
        ] { #expect(now.contains(row), "\(now)") }
        let contacts = try program.must("crm", "export", "contacts")
        #expect(contacts.contains("Tromso") && contacts.contains("Moss"))
        try program.must("sync")
        let left = try FileManager.default.contentsOfDirectory(
            atPath: program.file("sheets").path())
        #expect(left == ["contacts.csv"])
    }

    @Test func `that is open in an editor is read, and written later`() throws {
        try configure()
        try file("id,Email", ["1,a@x.example"])
        try program.must("sync")
        try program.write(
            "sheets/.~lock.contacts.csv#", ",ann,office-pc,27.11.2026 18:00,file:///;")
        try program.must("crm", "create", "contacts", "email=new@x.example")
        let sync = try program.run(["sync"])
        #expect(sync.code == 1 && sync.err.contains("ann, office-pc"), "\(sync.err)")
        try FileManager.default.removeItem(at: program.file("sheets/.~lock.contacts.csv#"))
        try program.must("sync")
        #expect(try program.read(Self.sheet).contains("new@x.example"))
    }
}
