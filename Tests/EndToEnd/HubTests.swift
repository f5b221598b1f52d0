import Foundation
import Testing

/// Three apps at once around one CRM: Tryton, a PostgreSQL table and an address book.
@Suite final class `Three apps around one CRM` {
    private let program: Program
    private let tryton: TrytonServer
    private let postgres: PostgresServer
    private let radicale: Radicale
    private var daemon: Process?

    init() throws {
        program = try Program()
        tryton = try TrytonServer()
        postgres = try PostgresServer()
        radicale = try Radicale()
        try radicale.start()
        try postgres.sql(
            """
            CREATE TABLE firms (id serial PRIMARY KEY, name text, city text);
            CREATE TABLE people (
                id serial PRIMARY KEY, email text, firstname text, lastname text, phone text,
                city text, firm int REFERENCES firms
            );
            CREATE TABLE sales (
                id serial PRIMARY KEY, title text, amount numeric, firm int REFERENCES firms
            );
            """)
        try program.write("mappings/erp/app.yaml", "adapter: postgres\nsummary: an ERP\n")
        for (object, table, fields) in [
            ("companies", "firms", ["name: name", "city: city"]),
            (
                "contacts", "people",
                [
                    "email: email", "firstname: firstname", "lastname: lastname", "phone: phone",
                    "city: city",
                ]
            ),
            ("deals", "sales", ["dealname: title", "amount: amount"]),
        ] {
            let links = [
                "contacts": "  - {crm: associatedcompanyid, app: firm, association: companies}\n",
                "deals": "  - {crm: company, app: firm, association: companies}\n",
            ]
            let lines = fields.map { field in
                let parts = field.split(separator: ": ")
                return "  - {crm: \(parts[0]), app: \(parts[1])}\n"
            }
            try program.write(
                "mappings/erp/\(object).yaml",
                "object: \(object)\napp-object: \(table)\nfields:\n" + lines.joined()
                    + (links[object] ?? ""))
        }
        try program.write("secret", Radicale.password + "\n")
        try program.write(
            "tandem.yaml",
            """
            poll: 1s
            mappings: mappings
            connections:
              tryton: {app: tryton, settings: {\(tryton.settings)}}
              erp:
                app: erp
                url: "\(postgres.url)"
                timeout: 5
                tables: {people: {changes: log}}
              book: {app: carddav, url: "\(radicale.url)", username: me, password: "@secret"}
            syncs:
              a-tryton-firms: {connection: tryton, object: companies}
              a-tryton: {connection: tryton, object: contacts}
              b-erp-firms: {connection: erp, object: companies}
              b-erp: {connection: erp, object: contacts}
              b-erp-sales: {connection: erp, object: deals}
              c-book: {connection: book, object: contacts}
            """)
        try program.must("connect", "erp", "--install")
    }

    deinit { if let daemon { kill(daemon.processIdentifier, SIGKILL) } }

    /// The city of a person in each of the apps.
    private func cities(_ name: String) throws -> [String] {
        try [0, 1, 2].map { try city(of: name, in: $0) }
    }

    private func city(of name: String, in app: Int) throws -> String {
        switch app {
        case 0: return try address(of: name)["city"] as? String ?? ""
        case 1:
            return try postgres.sql("SELECT city FROM people WHERE firstname = '\(name)'").first
                ?? ""
        default:
            let card = try radicale.cards().values.first { $0.contains("\(name) Lee") } ?? ""
            let line = card.split(whereSeparator: \.isNewline).first { $0.contains("ADR") } ?? ""
            let parts = line.split(separator: ";", omittingEmptySubsequences: false)
            return parts.count > 3 ? String(parts[parts.count - 4]) : ""
        }
    }

    /// The address that Tryton has of a person.
    private func address(of name: String) throws -> [String: Any] {
        let parties = try tryton.call(
            "model.party.party.search_read",
            [
                [["name", "=", "\(name) Lee"]], 0, NSNull(), NSNull(), ["addresses.city"],
                [String: String](),
            ])
        let addresses = (parties as? [[String: Any]])?.first?["addresses."] as? [[String: Any]]
        return addresses?.first ?? [:]
    }

    /// Makes an edit in one app.
    private func move(_ name: String, to city: String, in app: Int) throws {
        switch app {
        case 0:
            let id = try #require(try address(of: name)["id"] as? Int)
            try tryton.call(
                "model.party.address.write", [[id], ["city": city], [String: String]()])
        case 1:
            try postgres.sql("UPDATE people SET city = '\(city)' WHERE firstname = '\(name)'")
        default:
            let card = try #require(
                try radicale.cards().first { $0.value.contains("\(name) Lee") })
            let old = try self.city(of: name, in: 2)
            try radicale.edit(card.key) { $0.replacing(";\(old);", with: ";\(city);") }
        }
    }

    private func fill() throws {
        try program.must("crm", "create", "companies", "name=Acme", "city=Bern")
        try program.must(
            "crm", "create", "contacts", "email=ann@example.com", "firstname=Ann", "lastname=Lee",
            "city=Oslo", "associatedcompanyid=1")
        try postgres.sql(
            """
            INSERT INTO people (email, firstname, lastname, city)
            VALUES ('bo@example.com', 'Bo', 'Lee', 'Oslo');
            INSERT INTO sales (title, amount) VALUES ('Big', 10);
            """)
        try program.must("sync")
        try program.must("sync")
        #expect(try program.writes() == 0)
    }

    @Test func `have an edit of one after one cycle each, and it never comes back`() throws {
        try fill()
        #expect(try cities("Ann") == ["Oslo", "Oslo", "Oslo"])
        #expect(try cities("Bo") == ["Oslo", "Oslo", "Oslo"])
        #expect(
            try postgres.sql("SELECT f.name FROM people p JOIN firms f ON f.id = p.firm") == [
                "Acme"
            ])
        #expect(try tryton.parties().map { $0["name"] as? String }.contains("Acme"))
        let deals = try program.json("crm", "list", "deals")["results"] as? [Any]
        #expect(deals?.count == 1)
        let syncs = ["a-tryton", "b-erp", "c-book"]
        for (app, city) in ["Rome", "Paris", "Wien"].enumerated() {
            try move("Ann", to: city, in: app)
            #expect(try program.writes([syncs[app]]) == 1)
            for other in syncs where other != syncs[app] {
                #expect(try program.writes([other]) == 1)
            }
            #expect(try cities("Ann") == [city, city, city])
            #expect(try program.writes() == 0)
        }
    }

    @Test func `come together again after each was killed`() throws {
        try fill()
        let daemon = try program.serve()
        self.daemon = daemon
        let apps: [(stop: () -> Void, start: () throws -> Void)] = [
            (tryton.stop, tryton.start), (postgres.kill, postgres.start),
            (radicale.stop, radicale.start),
        ]
        for (down, app) in apps.enumerated() {
            app.stop()
            let city = "City \(down)"
            try move("Bo", to: city, in: (down + 1) % 3)
            let up = [0, 1, 2].filter { $0 != down }
            try program.wait(for: "the two that are up") {
                try up.allSatisfy { try self.city(of: "Bo", in: $0) == city }
            }
            try app.start()
            try program.wait(for: "all three") { try cities("Bo") == [city, city, city] }
        }
        kill(daemon.processIdentifier, SIGTERM)
        daemon.waitUntilExit()
        try program.run(["retry"])
        try program.must("sync")
        #expect(try program.writes() == 0)
        #expect(try program.contacts().count == 2)
        #expect(try postgres.sql("SELECT count(*) FROM people") == ["2"])
        #expect(try radicale.cards().count == 2)
    }
}
