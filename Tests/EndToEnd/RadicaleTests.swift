import Foundation
import Testing

/// The main job against a real server.
@Suite(.serialized) struct `A real CardDAV server` {
    private let program: Program
    private let server: Radicale

    init() throws {
        program = try Program()
        server = try Radicale()
        try program.write("secret", Radicale.password + "\n")
        try configure()
    }

    private func configure(_ extra: String = "") throws {
        try program.write(
            "tandem.yaml",
            """
            store: tandem.db
            poll: 1s
            connections:
              home: {app: carddav, url: "\(server.url)", username: me, password: "@secret"}
            syncs:
              people: {connection: home, object: contacts\(extra)}
            """)
    }

    private func count(_ key: String) throws -> Int {
        try program.status("people")[key] as? Int ?? -1
    }

    private static let firstNames = [
        "Ann", "Zoë", "Øyvind", "José", "Łukasz", "Nguyễn", "李", "Мария", "Søren", "Æsa",
    ]

    @Test func `keeps the adapter laws`() throws {
        try server.start()
        #expect(try program.lawsKept(by: "people") == 15)
    }

    /// A thousand on each side: 300 share an address, 50 cards have only name and company, 20
    /// addresses have two cards, 40 cards have no address at all, 5 are broken, 3 are groups.
    @Test func `brings two thousand contacts together, once`() throws {
        var rows = ["email,firstname,lastname,company,phone"]
        for i in 0..<1_000 {
            let first = Self.firstNames[i % 10]
            rows.append("p\(i)@example.com,\(first),L\(i),Firm \(i % 97),+47 \(1_000 + i)")
        }
        try program.write("in.csv", rows.joined(separator: "\n") + "\n")
        try program.must("crm", "import", "contacts", "in.csv")
        for i in 0..<300 {
            try server.seed(
                "shared-\(i)",
                [
                    "FN:\(Self.firstNames[i % 10]) L\(i)", "N:L\(i);\(Self.firstNames[i % 10]);;;",
                    "EMAIL;TYPE=INTERNET:P\(i)@Example.com", "NOTE:from the book \(i)",
                    "X-KEEP;A=b:\(i)",
                ])
        }
        for i in 300..<350 {
            try server.seed(
                "named-\(i)",
                [
                    "FN:x", "N:L\(i);\(Self.firstNames[i % 10]);;;", "ORG:Firm \(i % 97);Sales",
                    "TITLE:Boss \(i)",
                ])
        }
        for i in 0..<20 {
            for copy in ["a", "b"] {
                try server.seed(
                    "twin-\(i)-\(copy)",
                    [
                        "FN:Twin", "N:Twin\(i);\(copy);;;", "EMAIL:twin\(i)@example.com",
                    ])
            }
        }
        for i in 0..<40 { try server.seed("silent-\(i)", ["FN:S \(i)", "N:S\(i);S;;;"]) }
        for i in 0..<562 {
            try server.seed(
                "own-\(i)",
                [
                    "FN:Own \(i)", "N:Own\(i);\(Self.firstNames[i % 10]);;;",
                    "item1.EMAIL:own\(i)@example.org",
                    "item1.X-ABLabel:Work", "TEL;TYPE=CELL:+46 \(i)",
                    "ADR;TYPE=WORK:;;Street \(i);Malmö;;21;SE",
                ])
        }
        for i in 0..<5 {
            try Data(
                "BEGIN:VCARD\r\nVERSION:2.1\r\nUID:bad-\(i)\r\nFN:bad\r\nN:bad\r\nEND:VCARD\r\n"
                    .utf8
            )
            .write(to: server.book.appending(path: "bad-\(i).vcf"))
        }
        for i in 0..<3 {
            try server.seed(
                "group-\(i)", ["FN:All", "N:All;;;;", "X-ADDRESSBOOKSERVER-KIND:group"])
        }
        try server.start()
        let result = try program.run(["sync"])
        #expect(result.code == 3, "\(result.err)")

        let contacts = try program.contacts()
        #expect(contacts.count == 1_000 + 20 + 562)
        #expect(contacts["p7@example.com"]?["notes"] == "from the book 7")
        #expect(contacts["p320@example.com"]?["jobtitle"] == "Boss 320")
        #expect(contacts["own5@example.org"]?["city"] == "Malmö")
        let status = try program.status("people")
        #expect(status["in_sync"] as? Int == 1_582)
        let failures = status["failures"] as? [[String: Any]] ?? []
        let byCategory = failures.reduce(into: [String: Int]()) {
            $0[$1["category"] as? String ?? ""] = $1["count"] as? Int
        }
        #expect(byCategory == ["duplicate-in-app": 20, "invalid-value": 5])
        let cards = try server.cards()
        #expect(cards.count == 1_000 + 650)
        #expect(cards["shared-7.vcf"]?.contains("X-KEEP;A=b:7") == true)
        #expect(cards["shared-7.vcf"]?.contains("TEL;TYPE=WORK:+47 1007") == true)
        #expect(cards["named-320.vcf"]?.contains("p320@example.com") == true)

        #expect(try program.run(["sync"]).code == 0)
        #expect(try server.cards() == cards)
        #expect(try program.contacts().count == contacts.count)
    }

    private func seedThree() throws {
        for i in 0..<3 {
            try server.seed(
                "c\(i)",
                [
                    "FN:Person \(i)", "N:\(i);Person;;;", "EMAIL:c\(i)@example.com",
                    "TEL;TYPE=WORK:\(i)",
                ])
        }
        try server.start()
        try program.must("sync")
    }

    @Test func `carries edits of the same and of different fields`() throws {
        try seedThree()
        try program.must(
            "crm", "update", "contacts", "c0@example.com", "jobtitle=Boss", "phone=crm")
        try server.edit("c0.vcf") { card in
            card.replacing("TEL;TYPE=WORK:0", with: "TEL;TYPE=WORK:app")
                .replacing("END:VCARD", with: "NOTE:from the app\nEND:VCARD")
        }
        try program.must("sync")
        let contact = try #require(try program.contacts()["c0@example.com"])
        #expect(contact["notes"] == "from the app" && contact["phone"] == "crm")
        let card = try #require(try server.cards()["c0.vcf"])
        #expect(card.contains("TITLE:Boss") && card.contains("TEL;TYPE=WORK:crm"))
        let plan = try program.json("sync", "--dry-run")["plan"] as? [Any]
        #expect(plan?.isEmpty == true)
    }

    @Test func `keeps the survivor of a deletion and resyncs on both sides`() throws {
        try seedThree()
        try server.delete("c1.vcf")
        try program.must("crm", "delete", "contacts", "c2@example.com")
        try program.must("sync")
        #expect(try count("deleted_in_app") == 1)
        #expect(try count("deleted_in_crm") == 1)
        #expect(try server.cards()["c2.vcf"] != nil)
        #expect(try program.contacts()["c1@example.com"] != nil)
        try program.must("resync-deleted", "--in", "app", "--all")
        try program.must("resync-deleted", "--in", "crm", "--all")
        #expect(try count("in_sync") == 3)
        #expect(try server.cards().count == 3)
        #expect(try program.contacts().count == 3)
    }

    @Test func `survives a server that stops, is wiped, and comes back older`() throws {
        for i in 0..<40 {
            try server.seed("c\(i)", ["FN:P \(i)", "N:\(i);P;;;", "EMAIL:c\(i)@example.com"])
        }
        try server.start()
        try program.must("sync")
        let backup = server.folder.appending(path: "backup")
        try FileManager.default.copyItem(at: server.data, to: backup)
        try program.must("crm", "create", "contacts", "email=late@example.com", "lastname=Late")
        try program.must("sync")

        server.stop()
        let down = try program.run(["sync"])
        #expect(down.code == 1 && down.err.contains("connect"))
        try server.start()
        try program.must("sync")

        server.stop()
        try FileManager.default.removeItem(at: server.book)
        try FileManager.default.createDirectory(at: server.book, withIntermediateDirectories: true)
        try Data(#"{"tag": "VADDRESSBOOK", "D:displayname": "Friends"}"#.utf8)
            .write(to: server.book.appending(path: ".Radicale.props"))
        try server.start()
        let wiped = try program.run(["sync"])
        #expect(wiped.code == 1 && wiped.err.contains("suddenly empty"), "\(wiped.err)")
        #expect(try server.cards().isEmpty)
        #expect(try program.contacts().count == 41)

        server.stop()
        try FileManager.default.removeItem(at: server.data)
        try FileManager.default.copyItem(at: backup, to: server.data)
        try server.start()
        try program.must("sync")
        #expect(try program.contacts().count == 41)
        #expect(try server.cards().count == 40)
        #expect(try count("in_sync") == 40)
        #expect(try count("deleted_in_app") == 1)
        try program.must("resync-deleted", "--in", "app", "--all")
        #expect(try server.cards().count == 41)
    }

    /// The daemon is killed thirty times while a CRM user and another client edit without pause.
    @Test func `loses nothing when the daemon is killed again and again`() throws {
        for i in 0..<10 {
            try server.seed(
                "k\(i)", ["FN:K \(i)", "N:\(i);K;;;", "EMAIL:k\(i)@example.com", "NOTE:0"])
        }
        try server.start()
        try program.must("sync")
        var phones: [Int: Int] = [:]
        var notes: [Int: Int] = [:]
        var made = 0
        var edit = 0
        for kill in 0..<30 {
            let daemon = try program.start(["serve"])
            daemon.standardOutput = FileHandle.nullDevice
            daemon.standardError = FileHandle.nullDevice
            try daemon.run()
            let end = Date(timeIntervalSinceNow: Double.random(in: 0.1...0.9))
            while Date() < end {
                edit += 1
                let (one, two) = (edit % 10, (edit * 7 + 3) % 10)
                try program.must(
                    "crm", "update", "contacts", "k\(one)@example.com", "phone=\(edit)")
                phones[one] = edit
                try server.edit("k\(two).vcf") { card in
                    card.replacing(#/NOTE:\d+/#, with: "NOTE:\(edit)")
                }
                notes[two] = edit
            }
            try program.must(
                "crm", "create", "contacts", "email=new\(kill)@example.com", "lastname=N")
            made += 1
            Foundation.kill(daemon.processIdentifier, SIGKILL)
            daemon.waitUntilExit()
        }
        // What the last process left under way is taken up at once, and again after back-off.
        let deadline = Date(timeIntervalSinceNow: 120)
        repeat {
            try program.run(["sync"])
        } while try count("in_sync") < 10 + made && Date() < deadline
        try program.must("sync")

        let contacts = try program.contacts()
        let cards = try server.cards()
        #expect(contacts.count == 10 + made)
        #expect(cards.count == 10 + made)
        for (i, edit) in phones {
            #expect(contacts["k\(i)@example.com"]?["phone"] == "\(edit)")
            #expect(cards["k\(i).vcf"]?.contains("TEL;TYPE=WORK:\(edit)") == true)
        }
        for (i, edit) in notes {
            #expect(contacts["k\(i)@example.com"]?["notes"] == "\(edit)")
            #expect(cards["k\(i).vcf"]?.contains("NOTE:\(edit)\r\n") == true)
        }
        #expect(try count("in_sync") == 10 + made)
        #expect(try count("failed") == 0)
        #expect(edit >= 30)
    }
}
