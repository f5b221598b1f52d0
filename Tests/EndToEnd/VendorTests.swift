import Foundation
import Testing

/// One vendor whose description Tandem ships, and what is particular about it.
struct Vendor: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the connection says besides `app`.
    let connection: String
    /// The object of its contacts, in its server.
    let contacts: String
    /// Those of its companies and deals; no companies, no deals.
    var firms = ""
    var deals = ""
    /// Where the id of a contact is.
    let id: String
    /// What changes the first name in its own pages to `Changed`, as JSON.
    let edit: String
    /// A field that the default mapping has not got, where the laws need a second one.
    var more = ""
    /// A person must consent before.
    var isConsented = false
    /// How many laws it keeps; the others do not apply.
    let laws: Int

    var testDescription: String { name }

    /// Its description and mapping are the test's own.
    var isOurs = false

    /// What some vendors have and none above: a key in the query, forms, records that are written
    /// whole, results that are capped, and headers that say how many requests are left.
    static let ledger = Vendor(
        name: "ledger", connection: "url: URL, api-key: k3y", contacts: "clients", id: "id",
        edit: #"{"given": "Changed"}"#, laws: 13, isOurs: true)

    static let ledgerFiles = [
        "app.yaml": """
        title: Ledger
        summary: a server with what some vendors have
        connection: {url: {required: true}, api-key: {required: true, secret: true}}
        query: {api_key: "{api-key}"}
        account: {get: /account, id: /id}
        message: /error
        errors: [{status: 409, means: conflict}, {status: 400, category: invalid-value}]
        limits: {concurrency: 1, remaining: X-Left, reset: X-Reset}
        objects:
          clients:
            record: {id: /id, values: "", modified: /changed, version: /revision}
            list: {get: "/clients?since={since}&page={after}", records: /clients, next-page: true, start: "1", cap: 30}
            changes: {get: "/clients?since={since}&page={after}", records: /clients, next-page: true, start: "1", cap: 30, since: ms, lag: 5s}
            deletions: sweep
            single: {get: "/clients/{id}", record: /client}
            find: {get: "/clients?email={value}&since={since}", records: /clients, fields: [email], lag: 1s}
            create: {post: /clients, headers: {Content-Type: application/x-www-form-urlencoded}, body: "{values}", record: /client}
            update: {put: "/clients/{id}", body: "{record}"}
            delete: {delete: "/clients/{id}"}
        """,
        "contacts.yaml": """
        object: contacts
        app-object: clients
        fields:
          - {crm: email, app: email, type: email}
          - {crm: firstname, app: given}
          - {crm: lastname, app: family}
          - {crm: phone, app: phone, type: phone}
          - {crm: city, app: city}
        """,
    ]

    static let all = [
        ledger,
        Vendor(
            name: "mailchimp",
            connection:
                "url: URL, api-key: 0123456789abcdef-us6, audience: f34247943d, status: transactional",
            contacts: "members", id: "contact_id",
            edit: #"{"merge_fields": {"FNAME": "Changed"}}"#,
            more: "\n  - {crm: company, app: merge_fields/COMPANY}", laws: 13),
        Vendor(
            name: "pipedrive",
            connection: "url: URL, token: 0123456789abcdef, daily-points: 100000000",
            contacts: "persons", firms: "organizations", deals: "deals", id: "id",
            edit: #"{"name": "Changed Last3"}"#,
            more:
                "\n  - {crm: city, app: custom_fields/c17}\n  - {crm: state, app: custom_fields/c18}",
            laws: 13),
        Vendor(
            name: "odoo",
            connection:
                "url: URL, database: crm, username: tandem@example.com, password: s3cret, requests-per-minute: 1000000",
            contacts: "res.partner", firms: "res.partner", deals: "crm.lead", id: "id",
            edit: #"{"name": "Changed Last3"}"#, laws: 13),
        Vendor(
            name: "graph", connection: "url: URL, login: URL, client-id: tandem",
            contacts: "contacts",
            id: "id", edit: #"{"givenName": "Changed"}"#, isConsented: true, laws: 13),
        Vendor(
            name: "people",
            connection:
                "url: URL, login: URL, tokens: URL, client-id: tandem, client-secret: secret, points-per-minute: 100000000",
            contacts: "people", id: "resourceName",
            edit: #"{"names": [{"givenName": "Changed", "familyName": "Last3"}]}"#,
            isConsented: true, laws: 14),
        Vendor(
            name: "salesforce",
            connection:
                #"login: URL, client-id: tandem, grant: jwt-bearer, username: ann@example.com, private-key: "@key.pem""#,
            contacts: "Contact", firms: "Account", deals: "Opportunity", id: "Id",
            edit: #"{"FirstName": "Changed"}"#, laws: 14),
        Vendor(
            name: "zoho",
            connection:
                "login: URL, client-id: tandem, client-secret: secret, daily-credits: 100000000",
            contacts: "Contacts", firms: "Accounts", deals: "Deals", id: "id",
            edit: #"{"First_Name": "Changed"}"#,
            isConsented: true, laws: 14),
    ]
}

/// Descriptions from the vendors' documents, against servers that take nothing which is not in
/// them.
@Suite final class `A vendor by its documents` {
    private let program: Program

    init() throws { program = try Program() }

    private func start(_ vendor: Vendor, more: String = "") throws -> VendorServer {
        let server = try VendorServer(vendor.name, in: program)
        if vendor.isOurs {
            for (name, text) in Vendor.ledgerFiles {
                try program.write("mappings/ledger/\(name)", text)
            }
        }
        if !more.isEmpty {
            try program.write(
                "mappings/\(vendor.name)/contacts.yaml",
                try shipped(vendor, "contacts").trimmingCharacters(in: .newlines) + more + "\n")
        }
        if !vendor.isOurs {
            // These servers show at once what they were given.
            try program.write(
                "mappings/\(vendor.name)/app.yaml",
                try shipped(vendor, "app").replacing(#/\n *read-lag: .*/#, with: ""))
        }
        var syncs = ["people": "contacts"]
        if !vendor.firms.isEmpty { syncs.merge(["firms": "companies", "deals": "deals"]) { $1 } }
        let list = syncs.map { "\($0): {connection: app, object: \($1), blanks: clear}" }
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections:
              app: {app: \(vendor.name), \(vendor.connection.replacing("URL", with: "\"\(server.url)\""))}
            syncs: {\(list.joined(separator: ", "))}
            """)
        try makeKey()
        try consent(vendor)
        return server
    }

    private func shipped(_ vendor: Vendor, _ file: String) throws -> String {
        let folder = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../mappings/\(vendor.name)")
        return try String(contentsOf: folder.appending(path: "\(file).yaml"), encoding: .utf8)
    }

    private func consent(_ vendor: Vendor) throws {
        guard vendor.isConsented else { return }
        let connected = try program.connect("app")
        try #require(connected.code == 0, "\(connected.out)")
    }

    /// The key of a service account, for the program and for the server.
    private func makeKey() throws {
        try program.tool("openssl", "genrsa", "-out", "key.pem", "2048")
        try program.tool("openssl", "rsa", "-in", "key.pem", "-pubout", "-out", "key.pub")
    }

    @Test(arguments: Vendor.all) func `keeps the adapter laws`(_ vendor: Vendor) throws {
        let server = try start(vendor, more: vendor.more)
        #expect(try program.lawsKept(by: "people") == vendor.laws)
        #expect(try server.violations == [])
    }

    @Test(arguments: Vendor.all) func `stays the same as the CRM`(_ vendor: Vendor) throws {
        let server = try start(vendor)
        let rows = (0..<30).map { "p\($0)@example.com,First\($0),Last\($0),+49 30 55500\($0)\n" }
        try program.write("in.csv", "email,firstname,lastname,phone\n" + rows.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        try program.must("sync")
        #expect(try server.records(vendor.contacts).count == 30)
        #expect(try program.writes() == 0)

        let edited = try server.record(vendor.contacts, with: "p3@example.com")
        let key = try #require(edited[vendor.id].map { "\($0)" })
        let edit = try JSONSerialization.jsonObject(with: Data(vendor.edit.utf8))
        try server.people("POST", "\(vendor.contacts)/\(key)", edit as? [String: Any])
        try program.must(
            "crm", "update", "contacts", "p4@example.com", "firstname=O'Neil \"é\"", "phone=")
        try program.must("sync")
        #expect(try program.contacts()["p3@example.com"]?["firstname"] == "Changed")
        let changed = try VendorServer.text(
            of: server.record(vendor.contacts, with: "p4@example.com"))
        #expect(changed.contains(#"O'Neil \"é\""#) && !changed.contains("555004"), "\(changed)")

        let leaving = try server.record(vendor.contacts, with: "p5@example.com")
        let gone = try #require(leaving[vendor.id].map { "\($0)" })
        try server.people("DELETE", "\(vendor.contacts)/\(gone)")
        try program.must("sync", "--full")
        #expect(try program.status("people")["deleted_in_app"] as? Int == 1)
        #expect(try program.status("people")["failed"] as? Int == 0)
        #expect(try program.writes() == 0)
        // Cursors and tokens that count no more cost a listing, and nothing else.
        try server.people("POST", "forget")
        #expect(try program.writes() == 0)
        #expect(try server.violations == [])
    }

    @Test(arguments: Vendor.all.filter { !$0.firms.isEmpty })
    func `carries companies and deals, and what they name`(_ vendor: Vendor) throws {
        let server = try start(vendor)
        try program.must(
            "crm", "create", "companies", "name=Acme", "website=https://acme.example", "city=Oslo",
            "phone=+47 1234567")
        let acme = try program.id("companies", "Acme")
        try program.must(
            "crm", "create", "contacts", "email=ann@acme.example", "firstname=Ann", "lastname=Lee",
            "associatedcompanyid=\(acme)")
        try program.must(
            "crm", "create", "deals", "dealname=Big", "amount=1200.5",
            "closedate=2027-01-31T00:00:00Z", "dealstage=appointmentscheduled")
        let big = try program.id("deals", "Big")
        try program.must("crm", "associate", "deals", big, "companies", acme)
        try program.must("sync")
        #expect(try program.writes() == 0)
        let firm = try server.record(vendor.firms, with: #":"Acme""#)
        let key = try #require(firm[vendor.id].map { "\($0)" })
        let contact = try server.record(vendor.contacts, with: "ann@acme.example")
        #expect(try VendorServer.text(of: contact).contains(key))
        let deal = try VendorServer.text(of: server.record(vendor.deals, with: #":"Big""#))
        #expect(deal.contains("1200.5") && deal.contains("2027-01-31"), "\(deal)")

        // Another CRM gets it all from there, with what belongs together.
        let names = deal.contains(key)
        for file in ["tandem.db", "tandem.db-wal", "tandem.db-shm", "tandem.db.ids"] {
            try? FileManager.default.removeItem(at: program.file(file))
        }
        try consent(vendor)
        try program.must("sync")
        let there = try program.id("companies", "Acme")
        #expect(try program.contacts()["ann@acme.example"]?["associatedcompanyid"] == there)
        let copy = try program.id("deals", "Big")
        #expect(try program.linked("deals", copy, "companies") == (names ? [there] : []))
        #expect(names == (vendor.name != "odoo"))
        #expect(try program.writes() == 0)
        #expect(try server.violations == [])
    }

    /// An app that knows one name gets the whole of it, and gives it back whole.
    @Test(arguments: Vendor.all.filter { ["odoo", "pipedrive"].contains($0.name) })
    func `keeps a name together`(_ vendor: Vendor) throws {
        let server = try start(vendor)
        func name() throws -> String? {
            try server.record(vendor.contacts, with: "maria@x.example")["name"] as? String
        }
        try program.must(
            "crm", "create", "contacts", "email=maria@x.example", "lastname=Garcia Lopez")
        try program.must("sync")
        #expect(try program.writes() == 0)
        #expect(try name() == "Garcia Lopez")
        try program.must("crm", "update", "contacts", "maria@x.example", "firstname=Maria")
        try program.must("sync")
        #expect(try name() == "Maria Garcia Lopez")
        #expect(try program.contacts()["maria@x.example"]?["lastname"] == "Garcia Lopez")
        let id = try server.record(vendor.contacts, with: "maria@x.example")[vendor.id]
        try server.people("POST", "\(vendor.contacts)/\(id ?? 0)", ["name": "Sting"])
        try program.must("sync")
        let contact = try program.contacts()["maria@x.example"] ?? [:]
        #expect([contact["firstname"], contact["lastname"] ?? ""] == ["Sting", ""])
        #expect(try program.writes() == 0)
        #expect(try server.violations == [])
    }
}
