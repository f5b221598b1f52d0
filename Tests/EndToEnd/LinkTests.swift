import Foundation
import Testing

/// Companies, people and deals that name each other, in a real database with foreign keys.
@Suite final class `Records that name each other` {
    private let server: PostgresServer
    private let program: Program

    init() throws {
        server = try PostgresServer()
        program = try Program()
        try server.sql(
            """
            CREATE TABLE firms (
                id serial PRIMARY KEY, name text, domain text, parent int REFERENCES firms
            );
            CREATE TABLE people (
                id serial PRIMARY KEY, email text, firstname text, firm int REFERENCES firms
            );
            CREATE TABLE sales (
                id serial PRIMARY KEY, title text, amount numeric, firm int REFERENCES firms,
                person int REFERENCES people
            );
            """)
        try program.write("mappings/erp/app.yaml", "adapter: postgres\nsummary: an ERP\n")
        try program.write(
            "mappings/erp/companies.yaml",
            """
            object: companies
            app-object: firms
            fields:
              - {crm: name, app: name}
              - {crm: domain, app: domain}
              - {crm: parent, app: parent, association: companies}
            """)
        try program.write(
            "mappings/erp/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: firstname}
              - {crm: associatedcompanyid, app: firm, association: companies}
            """)
        try program.write(
            "mappings/erp/deals.yaml",
            """
            object: deals
            app-object: sales
            fields:
              - {crm: dealname, app: title}
              - {crm: amount, app: amount, type: number}
              - {crm: company, app: firm, association: companies}
              - {crm: contact, app: person, association: contacts}
            """)
        try configure("firms", "people", "sales")
    }

    private func configure(_ names: String...) throws {
        let objects = ["firms": "companies", "people": "contacts", "sales": "deals"]
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections: {erp: {app: erp, url: "\(server.url)"}}
            syncs:
            \(names.map { "  \($0): {connection: erp, object: \(objects[$0] ?? ""), blanks: clear}\n" }
                .joined())
            """)
    }

    private static let names = """
        SELECT p.email, f.name FROM people p LEFT JOIN firms f ON f.id = p.firm ORDER BY p.email
        """

    @Test func `are translated on the way, in both directions`() throws {
        try server.sql(
            """
            INSERT INTO firms (name, domain) VALUES ('Acme', 'acme.example'), ('Bolt', 'bolt.example');
            INSERT INTO people (email, firstname, firm) VALUES ('a@acme.example', 'Ann', 1);
            INSERT INTO sales (title, amount, firm, person) VALUES ('Big', 10, 2, 1);
            """)
        try program.must("crm", "create", "companies", "name=Cork", "domain=cork.example")
        let cork = try program.id("companies", "Cork")
        try program.must(
            "crm", "create", "contacts", "email=c@cork.example", "associatedcompanyid=\(cork)")
        try program.must("sync")
        #expect(
            try server.sql(Self.names) == ["a@acme.example|Acme", "c@cork.example|Cork"])
        let (acme, bolt) = (
            try program.id("companies", "Acme"), try program.id("companies", "Bolt")
        )
        #expect(
            try program.contacts()["a@acme.example"]?["associatedcompanyid"] == acme)
        let (deal, ann) = (
            try program.id("deals", "Big"), try program.id("contacts", "a@acme.example")
        )
        #expect(try program.linked("deals", deal, "companies") == [bolt])
        #expect(try program.linked("deals", deal, "contacts") == [ann])
        #expect(try program.writes() == 0)

        // Each side moves a link, and one is cleared.
        try program.must(
            "crm", "update", "contacts", "a@acme.example", "associatedcompanyid=\(cork)")
        try server.sql("UPDATE sales SET firm = 1, person = 2")
        try program.must("sync")
        #expect(try server.sql(Self.names).first == "a@acme.example|Cork")
        #expect(try program.linked("deals", deal, "companies") == [acme])
        #expect(
            try program.linked("deals", deal, "contacts") == [
                program.id("contacts", "c@cork.example")
            ])
        try server.sql("UPDATE people SET firm = NULL WHERE email = 'c@cork.example'")
        try program.must("sync")
        #expect(
            try program.contacts()["c@cork.example"]?["associatedcompanyid"] ?? "" == "")
        #expect(try program.writes() == 0)
    }

    @Test func `wait for what is not there yet and complete by themselves`() throws {
        try configure("people")
        try server.sql(
            """
            INSERT INTO firms (name, domain) VALUES ('Acme', 'acme.example');
            INSERT INTO people (email, firm) VALUES ('a@acme.example', 1);
            """)
        try program.must("crm", "create", "companies", "name=Cork", "domain=cork.example")
        let cork = try program.id("companies", "Cork")
        try program.must(
            "crm", "create", "contacts", "email=c@cork.example", "associatedcompanyid=\(cork)")
        try program.must("sync")
        // The records themselves are carried; what they name is not, and nothing failed.
        #expect(try program.contacts().count == 2)
        #expect(try server.sql(Self.names) == ["a@acme.example|Acme", "c@cork.example|"])
        #expect(try program.status("people")["in_sync"] as? Int == 2)
        #expect(try program.status("people")["links_waiting"] as? Int == 2)
        #expect(try program.writes() == 0)

        try configure("people", "firms")
        try program.must("sync")
        #expect(try server.sql(Self.names) == ["a@acme.example|Acme", "c@cork.example|Cork"])
        #expect(
            try program.contacts()["a@acme.example"]?["associatedcompanyid"]
                == program.id("companies", "Acme"))
        #expect(try program.status("people")["links_waiting"] as? Int == 0)
        #expect(try program.writes() == 0)
    }

    /// A company in the bin cannot be named; what names it waits, and is made once.
    @Test func `wait for a record that is in the bin`() throws {
        try server.sql("INSERT INTO firms (name, domain) VALUES ('Acme', 'acme.example')")
        try program.must("sync")
        let acme = try program.id("companies", "Acme")
        try program.must("crm", "delete", "companies", acme)
        try server.sql("INSERT INTO sales (title, firm) VALUES ('Big', 1)")
        try program.must("sync")
        #expect(try program.status("sales")["links_waiting"] as? Int == 1)
        try server.sql("UPDATE sales SET title = 'Bigger'")
        try program.must("sync")
        let deals = try program.json("crm", "list", "deals")["results"] as? [Any]
        #expect(deals?.count == 1)
        try program.must("crm", "restore", "companies", acme)
        try program.must("sync")
        #expect(try program.linked("deals", program.id("deals", "Bigger"), "companies") == [acme])
        #expect(try program.status("sales")["links_waiting"] as? Int == 0)
    }

    /// A firm that is gone in the app is still in the CRM, and keeps nobody.
    @Test func `go on to another record when theirs is gone in the app`() throws {
        try server.sql(
            """
            INSERT INTO firms (name, domain) VALUES ('Acme', 'acme.example'), ('Bolt', 'bolt.example');
            INSERT INTO people (email, firm) VALUES ('a@acme.example', 1), ('b@acme.example', 1);
            """)
        try program.must("sync")
        try server.sql(
            """
            UPDATE people SET firm = CASE email WHEN 'a@acme.example' THEN 2 END;
            DELETE FROM firms WHERE name = 'Acme';
            """)
        try program.must("sync", "--full")
        #expect(try program.status("firms")["deleted_in_app"] as? Int == 1)
        let contacts = try program.contacts()
        #expect(
            try contacts["a@acme.example"]?["associatedcompanyid"]
                == program.id("companies", "Bolt"))
        #expect(contacts["b@acme.example"]?["associatedcompanyid"] ?? "" == "")
        #expect(try program.status("people")["links_waiting"] as? Int == 0)
        #expect(try program.writes() == 0)
    }

    /// Who belongs to whom is no matter of the other one's field.
    @Test func `tell a parent from its child`() throws {
        try server.sql(
            """
            INSERT INTO firms (name, domain) VALUES ('Acme', 'acme.example'), ('Bolt', 'bolt.example'),
            ('Cork', 'cork.example');
            UPDATE firms SET parent = 2 WHERE id = 1;
            """)
        try program.must("sync")
        #expect(try program.writes() == 0)
        #expect(
            try server.sql("SELECT id, parent FROM firms ORDER BY id") == ["1|2", "2|", "3|"])
        // The CRM moves it, and associates two firms that are no parent and child.
        let (acme, cork) = (
            try program.id("companies", "Acme"), try program.id("companies", "Cork")
        )
        let bolt = try program.id("companies", "Bolt")
        let child = try #require(
            try program.must("crm", "labels", "companies", "companies").firstMatch(
                of: #/(?m)^14\s+(.*?)\s\s/#))
        try program.must("crm", "associate", "companies", acme, "companies", bolt, "--remove")
        try program.must(
            "crm", "associate", "companies", acme, "companies", cork, "--label", String(child.1))
        try program.must("crm", "associate", "companies", bolt, "companies", cork)
        try program.must("sync")
        #expect(
            try server.sql("SELECT id, parent FROM firms ORDER BY id") == ["1|3", "2|", "3|"])
        try server.sql("UPDATE firms SET parent = NULL")
        try program.must("sync")
        #expect(try program.linked("companies", acme, "companies").isEmpty)
        #expect(try program.linked("companies", bolt, "companies") == [cork])
        #expect(try program.writes() == 0)
    }

    @Test func `may go round in a circle`() throws {
        try server.sql(
            """
            INSERT INTO firms (name, domain) VALUES ('Acme', 'acme.example'), ('Bolt', 'bolt.example');
            UPDATE firms SET parent = 3 - id;
            """)
        try program.must("sync")
        let (acme, bolt) = (
            try program.id("companies", "Acme"), try program.id("companies", "Bolt")
        )
        #expect(try program.linked("companies", acme, "companies") == [bolt])
        #expect(try program.writes() == 0)
        #expect(try server.sql("SELECT id, parent FROM firms ORDER BY id") == ["1|2", "2|1"])
    }
}
