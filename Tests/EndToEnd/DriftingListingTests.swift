import Foundation
import Testing

/// Two hundred people on both sides, and an app whose pages move while they are read.
@Suite struct `A listing that drifts` {
    private let program: Program
    private let server: VendorServer

    init() throws {
        program = try Program()
        server = try VendorServer("numbered", in: program)
        try program.mapPeople(of: "numbered")
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections: {app: {app: numbered, url: "\(server.url)"}}
            syncs: {people: {connection: app, object: contacts, default: app}}
            """)
        let people = (0..<200).map { "no\($0)@x.example,No\($0),Same" }
        try program.write(
            "people.csv", (["email,firstname,lastname"] + people).joined(separator: "\n") + "\n")
    }

    private func describe(find: String) throws {
        try program.write(
            "mappings/numbered/app.yaml",
            """
            title: Numbered
            summary: pages by number
            connection: {url: {required: true}}
            account: {get: /account, id: /id}
            message: /error
            objects:
              people:
                record: {id: /id, values: "", modified: /changed}
                list: {get: "/people?page=1", records: /results, next-link: /next}
                changes: {get: "/people?page=1&since={since}", records: /results, next-link: /next, since: ms}
                deletions: sweep
                single: {get: "/people/{id}"}
                find: {get: "\(find)", records: /results, fields: [email], lag: 0s, since: ms}
                create: {post: /people, body: "{values}"}
                update: {patch: "/people/{id}", body: "{values}"}
                delete: {delete: "/people/{id}"}
            """)
    }

    @Test(arguments: ["/people?email={value}", "/people?page=1&since={since}"])
    func `makes nobody a second time`(_ find: String) throws {
        try describe(find: find)
        let imported = try program.run(["crm", "import", "contacts", "people.csv"])
        try #require(imported.code == 0, "\(imported.err)\(imported.out)")
        let sync = try program.run(["sync"])
        #expect(sync.code == 0, "\(sync.out)\(sync.err)")
        #expect(try server.records("people").count == 200)
        let contacts = try program.run(["crm", "list", "contacts", "--limit", "500"])
        #expect(contacts.out.split(separator: "\n").count == 201)
        #expect(try server.violations == [])
    }
}
