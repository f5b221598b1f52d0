import Foundation
import Testing

/// A real Tryton server, where emails and phones are records of their own.
@Suite final class `A Tryton server` {
    private let server: TrytonServer
    private let program: Program

    init() throws {
        server = try TrytonServer()
        program = try Program()
        try program.write(
            "tandem.yaml",
            """
            connections: {erp: {app: tryton, settings: {\(server.settings)}}}
            syncs:
              people: {connection: erp, object: contacts, blanks: clear}
              firms: {connection: erp, object: companies}
            """)
    }

    @Test(arguments: ["people", "firms"])
    func `keeps the adapter laws`(_ sync: String) throws {
        #expect(try program.lawsKept(by: sync) == 14)
    }

    @Test func `is the same as the CRM, children of a party included`() throws {
        try program.must(
            "crm", "create", "contacts", "email=ann@example.com", "firstname=Ann", "lastname=Lee",
            "phone=+46 1", "city=Oslo")
        try program.must("crm", "create", "companies", "name=Acme", "city=Bern")
        try server.call(
            "model.party.party.create",
            [
                [
                    [
                        "name": "Bo Berg",
                        "contact_mechanisms": [
                            ["create", [["type": "email", "value": "bo@example.com"]]]
                        ],
                    ]
                ], [String: String](),
            ])
        try program.must("sync")
        #expect(try server.parties().count == 3)
        #expect(
            try server.mechanisms("Ann Lee") == ["email": "ann@example.com", "phone": "+46 1"])
        #expect(try program.contacts()["bo@example.com"]?["lastname"] == "Berg")
        #expect(try program.writes() == 0)

        // A child is added by itself, in Tryton; others are changed and taken away from here.
        let bo = try #require(
            try server.parties().first { $0["name"] as? String == "Bo Berg" }?["id"] as? Int)
        try server.call(
            "model.party.contact_mechanism.create",
            [[["party": bo, "type": "mobile", "value": "+46 70"]], [String: String]()])
        try program.must(
            "crm", "update", "contacts", "ann@example.com", "phone=", "mobilephone=+46 71",
            "lastname=Leo")
        try program.must("sync")
        #expect(try program.contacts()["bo@example.com"]?["mobilephone"] == "+46 70")
        #expect(
            try server.mechanisms("Ann Leo") == ["email": "ann@example.com", "mobile": "+46 71"])
        #expect(try program.writes() == 0)
    }

    @Test func `says what is wrong with the connection`() throws {
        for (settings, words) in [
            (server.settings.replacing("admin-password", with: "wrong"), "Tryton answers 401"),
            ("url: \"http://127.0.0.1:1\", database: crm, username: a, password: b", "refused"),
            ("url: \"http://127.0.0.1:\(server.port)\"", "database, username and password"),
        ] {
            try program.write(
                "tandem.yaml",
                """
                connections: {erp: {app: tryton, settings: {\(settings)}}}
                syncs: {people: {connection: erp, object: contacts}}
                """)
            let result = try program.run(["check"])
            #expect(result.code == 1)
            #expect(result.out.contains(words), "\(result.out)")
        }
    }
}
