import Foundation
import Testing

/// Addresses that change hands in the app: unique in the CRM, and right only as a whole.
@Suite struct `Addresses that change hands` {
    private let program: Program

    init() throws {
        program = try Program()
        try program.write(
            "tandem.yaml",
            """
            connections:
              sheet: {app: csv, folder: sheets, rest: 0s}
            syncs:
              people: {connection: sheet, object: contacts}
            """)
        try sheet(["a@x.example", "b@x.example", "c@x.example"])
        try program.must("sync")
    }

    /// Writes the file: one person per address, in order.
    private func sheet(_ addresses: [String], phone: String = "1") throws {
        let names = ["Ann", "Ben", "Cleo"]
        let rows = zip(addresses, names).enumerated().map {
            "\($0.offset + 1),\($0.element.0),\($0.element.1),\(phone)\n"
        }
        try program.write("sheets/contacts.csv", "id,email,firstname,phone\n" + rows.joined())
    }

    private func names() throws -> [String: String] {
        try program.contacts().mapValues { $0["firstname"] ?? "" }
    }

    @Test func `between two of them`() throws {
        try sheet(["b@x.example", "a@x.example", "c@x.example"], phone: "2")
        try program.must("sync")
        #expect(try names() == ["b@x.example": "Ann", "a@x.example": "Ben", "c@x.example": "Cleo"])
        #expect(try program.contacts()["a@x.example"]?["phone"] == "2")
        #expect(try program.writes() == 0)
        #expect(try program.status("people")["in_sync"] as? Int == 3)
    }

    @Test func `in a ring, and back`() throws {
        try sheet(["b@x.example", "c@x.example", "a@x.example"])
        try program.must("sync")
        #expect(try names() == ["b@x.example": "Ann", "c@x.example": "Ben", "a@x.example": "Cleo"])
        try sheet(["a@x.example", "b@x.example", "c@x.example"])
        try program.must("sync")
        #expect(try names() == ["a@x.example": "Ann", "b@x.example": "Ben", "c@x.example": "Cleo"])
        #expect(try program.writes() == 0)
    }

    @Test func `along a chain`() throws {
        try sheet(["b@x.example", "c@x.example", "d@x.example"])
        try program.must("sync")
        #expect(try names() == ["b@x.example": "Ann", "c@x.example": "Ben", "d@x.example": "Cleo"])
    }

    @Test func `and are freed later`() throws {
        // Somebody who is not in the app has the address.
        try program.must("crm", "create", "contacts", "email=d@x.example", "firstname=Dan")
        try program.must("sync")
        let rows = try program.read("sheets/contacts.csv").split(separator: "\n")
        let dan = try #require(rows.first { $0.contains("Dan") })
        let without = rows.filter { $0 != dan }.joined(separator: "\n") + "\n"
        try program.write(
            "sheets/contacts.csv",
            without.replacing("a@x.example", with: "d@x.example") + dan + "\n")
        #expect(try program.run(["sync"]).code == 3)
        #expect(try names()["d@x.example"] == "Dan")
        #expect(try names()["a@x.example"] == "Ann")
        try program.must("crm", "update", "contacts", "d@x.example", "email=dan@x.example")
        _ = try program.run(["sync"])
        try program.must("sync")
        #expect(try names()["d@x.example"] == "Ann")
        #expect(try names()["dan@x.example"] == "Dan")
    }

    @Test func `are shared by two people, of whom one enters without it`() throws {
        try program.write(
            "mappings/csv/contacts.yaml",
            """
            object: contacts
            app-object: contacts
            fields:
              - {crm: email, app: email, type: email}
              - {crm: hs_additional_emails, app: others, type: multi-enumeration}
              - {crm: phone, app: phone, type: phone}
            """)
        try program.write(
            "tandem.yaml", "mappings: mappings\n" + (try program.read("tandem.yaml")))
        func shared(_ phone: String) throws {
            try program.write(
                "sheets/contacts.csv",
                "id,email,others,phone\n7,eve@x.example,info@x.example,1\n"
                    + "8,finn@x.example,info@x.example,\(phone)\n")
        }
        try shared("2")
        #expect(try program.run(["sync"]).code == 3)
        let finn = try #require(try program.contacts()["finn@x.example"])
        #expect(finn["hs_additional_emails"] ?? "" == "" && finn["phone"] == "2")
        let failed = try #require(
            try program.json("records", "--state", "failed")["records"] as? [[String: Any]])
        #expect(failed.contains { ($0["message"] as? String)?.contains("info@x.example") == true })
        // The rest of him goes on, in both directions.
        try shared("3")
        _ = try program.run(["sync"])
        #expect(try program.contacts()["finn@x.example"]?["phone"] == "3")
        try program.must("crm", "update", "contacts", "finn@x.example", "phone=4")
        _ = try program.run(["sync"])
        #expect(
            try program.read("sheets/contacts.csv").contains("8,finn@x.example,info@x.example,4"))
        // So does somebody who comes later, when the address has an owner for long.
        try program.write(
            "sheets/contacts.csv",
            try program.read("sheets/contacts.csv") + "9,gus@x.example,info@x.example,5\n")
        _ = try program.run(["sync"])
        let gus = try #require(try program.contacts()["gus@x.example"])
        #expect(gus["hs_additional_emails"] ?? "" == "" && gus["phone"] == "5")
    }

    /// A third one keeps an address that one of the two has as a further one: that stops neither.
    @Test func `between two of them, one of whom shares a further one`() throws {
        try program.write(
            "mappings/csv/contacts.yaml",
            """
            object: contacts
            app-object: contacts
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: firstname}
              - {crm: hs_additional_emails, app: others, type: multi-enumeration}
            """)
        try program.write(
            "tandem.yaml", "mappings: mappings\n" + (try program.read("tandem.yaml")))
        func people(_ first: String, _ second: String, others: String) throws {
            try program.write(
                "sheets/contacts.csv",
                "id,email,firstname,others\n1,\(first),Ann,\(others)\n2,\(second),Ben,\n"
                    + "3,c@x.example,Cleo,\n")
        }
        try people("a@x.example", "b@x.example", others: "")
        _ = try program.run(["sync"])
        try people("b@x.example", "a@x.example", others: "c@x.example")
        #expect(try program.run(["sync"]).code == 3)
        #expect(try names() == ["b@x.example": "Ann", "a@x.example": "Ben", "c@x.example": "Cleo"])
    }
}
