import Foundation
import Testing

/// One vendor whose description Tandem ships, and what is particular about it.
struct Vendor: Sendable, CustomTestStringConvertible {
    let name: String
    /// What the connection says besides `app` and `url`.
    let connection: String
    /// The object of its contacts, in its server.
    let contacts: String
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

    static let all = [
        Vendor(
            name: "mailchimp",
            connection:
                "api-key: 0123456789abcdef-us6, audience: f34247943d, status: transactional",
            contacts: "members", id: "contact_id",
            edit: #"{"merge_fields": {"FNAME": "Changed"}}"#,
            more: "\n  - {crm: company, app: merge_fields/COMPANY}", laws: 13),
        Vendor(
            name: "pipedrive", connection: "token: 0123456789abcdef, daily-points: 100000000",
            contacts: "persons", id: "id", edit: #"{"name": "Changed Last3"}"#,
            more:
                "\n  - {crm: city, app: custom_fields/c17}\n  - {crm: state, app: custom_fields/c18}",
            laws: 13),
        Vendor(
            name: "odoo",
            connection: "database: crm, username: tandem@example.com, password: s3cret",
            contacts: "res.partner", id: "id", edit: #"{"name": "Changed Last3"}"#, laws: 13),
        Vendor(
            name: "graph", connection: "login: LOGIN, client-id: tandem", contacts: "contacts",
            id: "id", edit: #"{"givenName": "Changed"}"#, isConsented: true, laws: 13),
        Vendor(
            name: "people",
            connection:
                "login: LOGIN, tokens: LOGIN, client-id: tandem, client-secret: secret, points-per-minute: 100000000",
            contacts: "people", id: "resourceName",
            edit: #"{"names": [{"givenName": "Changed", "familyName": "Last3"}]}"#,
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
        let shipped = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../mappings/\(vendor.name)/contacts.yaml").standardizedFileURL
        let mapping = try String(contentsOf: shipped, encoding: .utf8)
        try program.write(
            "mappings/\(vendor.name)/contacts.yaml",
            mapping.trimmingCharacters(in: .newlines) + more + "\n")
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections:
              app: {app: \(vendor.name), url: "\(server.url)", \(vendor.connection.replacing("LOGIN", with: "\"\(server.url)\""))}
            syncs: {people: {connection: app, object: contacts, blanks: clear}}
            """)
        if vendor.isConsented {
            let connected = try program.connect("app")
            try #require(connected.code == 0, "\(connected.out)")
        }
        return server
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
}
