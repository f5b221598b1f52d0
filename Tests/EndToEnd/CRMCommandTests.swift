import Foundation
import Testing

/// Merges, marketing contacts and what hangs on records, from the command line.
@Suite struct `CRM commands` {
    private let program: Program

    init() throws {
        program = try Program()
        try program.write(
            "sheets/contacts.csv",
            "id,email,firstname,phone\n1,ann@example.com,Ann,1\n2,anne@example.com,Anne,2\n")
        try configure("deletions: propagate")
    }

    private func configure(_ more: String, connection: String = "", marketing: String = "") throws {
        try program.write(
            "tandem.yaml",
            """
            marketing: {\(marketing)}
            connections:
              sheet: {app: csv, folder: sheets, rest: 0s\(connection)}
            syncs:
              people: {connection: sheet, object: contacts, \(more)}
            """)
    }

    private func states() throws -> [String: String] {
        let rows = try #require(
            try program.json("records")["records"] as? [[String: Any]])
        return rows.reduce(into: [:]) { states, row in
            states[row["app_id"] as? String ?? ""] =
                ["crm_id", "state", "reason"].map { row[$0] as? String ?? "" }.joined(
                    separator: " ")
        }
    }

    @Test func `a merge is followed and undone without deleting a row`() throws {
        try program.must("sync")
        let preview = try program.json("crm", "merge", "1", "anne@example.com", "--dry-run")
        #expect((preview["properties"] as? [String: String])?["firstname"] == "Ann")
        #expect(try program.contacts().count == 2)
        let result = try program.must(
            "crm", "merge", "ann@example.com", "2", "--keep", "phone=secondary")
        #expect(result == "3\n")
        try program.must("sync")
        #expect(try states() == ["1": "3 in-sync ", "2": "2 excluded merged"])
        #expect(
            try program.read("sheets/contacts.csv")
                == "id,email,firstname,phone\n1,ann@example.com,Ann,2\n2,anne@example.com,Anne,2\n")
        // An edit of the row that stays outside makes nothing anew.
        try program.write(
            "sheets/contacts.csv",
            "id,email,firstname,phone\n1,ann@example.com,Ann,2\n2,anne@example.com,Anna,2\n")
        try program.must("sync")
        #expect(try states() == ["1": "3 in-sync ", "2": "2 excluded merged"])
        try program.must("crm", "update", "contacts", "1", "firstname=Anni")
        let undone = try program.json("crm", "unmerge", "3")
        #expect(undone["restored"] as? [String] == ["1", "2"])
        try program.must("sync")
        #expect(try states() == ["1": "1 in-sync ", "2": "2 in-sync "])
        #expect(
            try program.read("sheets/contacts.csv")
                == "id,email,firstname,phone\n1,ann@example.com,Ann,1\n2,anne@example.com,Anna,2\n")
    }

    @Test func `a sync that came after the merge deletes nothing when it is undone`() throws {
        for email in ["ann@example.com", "bob@example.com"] {
            try program.must("crm", "create", "contacts", "email=\(email)")
        }
        try program.must("crm", "merge", "1", "2")
        try program.must("sync")
        #expect(try states()["1"] == "3 in-sync ")
        try program.must("crm", "unmerge", "3")
        try program.must("sync")
        #expect(try states()["1"] == "1 in-sync ")
        let rows = try program.read("sheets/contacts.csv").split(separator: "\n").map { String($0) }
        #expect(rows.contains("1,ann@example.com,Ann,1"))
        #expect(rows.contains { $0.contains("bob@example.com") })
        #expect(rows.count == 4)
    }

    @Test func `only the secondary's app record is followed where the primary had none`() throws {
        try program.must("sync")
        try program.must("crm", "create", "contacts", "firstname=Lone")
        try program.must("sync")
        try program.must("crm", "merge", "3", "2")
        try program.must("sync")
        #expect(try states()["2"] == "4 in-sync ")
        #expect(try program.read("sheets/contacts.csv").contains("2,anne@example.com,Lone,2"))
    }

    @Test func `marketing needs the count, one file, and room`() throws {
        try configure("", marketing: "limit: 2")
        try program.write("in.csv", "email\nc@example.com\nd@example.com\ne@example.com\n")
        let wrong = try program.run(["crm", "import", "contacts", "in.csv", "--marketing"])
        #expect(wrong.code == 1 && wrong.err.contains("--confirm-count 3"))
        let several = try program.run(
            [
                "crm", "import", "contacts", "in.csv", "in.csv", "--marketing", "--confirm-count",
                "3",
            ])
        #expect(several.code == 64)
        let object = try program.run(
            ["crm", "import", "companies", "in.csv", "--marketing", "--confirm-count", "3"])
        #expect(object.code == 64)
        #expect(try program.contacts().isEmpty)
        let full = try program.run(
            ["crm", "import", "contacts", "in.csv", "--marketing", "--confirm-count", "3"])
        #expect(full.code == 3)
        #expect(
            try program.read("in.csv.rejects.csv").contains("there can be 2 marketing contacts"))
        #expect(try program.contacts().count == 2)
        let all = try program.run(["crm", "set-marketing", "--all", "--off"])
        #expect(all.code == 1 && all.err.contains("--confirm-count 2"))
        let off = try program.json(
            "crm", "set-marketing", "--all", "--off", "--confirm-count", "2")
        #expect(off["changed"] as? Int == 2 && off["marketing_contacts"] as? Int == 2)
    }

    @Test func `a connection's default marks the contacts it makes, never those it updates`() throws
    {
        try program.must("crm", "create", "contacts", "email=ann@example.com")
        try configure("", connection: ", marketing: true")
        try program.must("sync")
        let contacts = try program.contacts()
        #expect(contacts["anne@example.com"]?["hs_marketable_status"] == "true")
        #expect(contacts["ann@example.com"]?["hs_marketable_status"] == nil)
    }

    @Test func `who is forgotten stays out of the sync`() throws {
        try program.must("sync")
        let erased = try program.run(["crm", "delete", "contacts", "1", "--forever"])
        #expect(erased.code == 1 && erased.err.contains("--yes"))
        try program.must("crm", "delete", "contacts", "1", "--forever", "--yes")
        try program.must("sync")
        #expect(try states()["1"] == "1 excluded privacy")
        // The row is made anew under another id.
        try program.write(
            "sheets/contacts.csv",
            "id,email,firstname,phone\n2,anne@example.com,Anne,2\n7,ann@example.com,Ann,1\n")
        try program.must("sync")
        #expect(try states()["7"]?.hasSuffix("excluded privacy") == true)
        #expect(try program.contacts().keys.sorted() == ["anne@example.com"])
        // Whom a person adds again is the one that the row is.
        try program.must("crm", "create", "contacts", "email=ann@example.com")
        try program.must("sync")
        #expect(try program.read("sheets/contacts.csv").split(separator: "\n").count == 3)
        #expect(try states()["7"]?.hasSuffix("in-sync ") == true)
    }
}
