import Foundation
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import Testing

/// A store in a folder of its own.
struct Scratch {
    let folder: URL
    let database: SQLiteDatabase
    let store: CRMStore
    let now = Timestamp(milliseconds: 1_700_000_000_000)

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        database = try SQLiteDatabase(
            path: folder.appending(path: "a.db").path(), durability: .process, hasReaders: true)
        try database.migrate(CRMSchema.migrations, filling: SQLiteDatabase.filling)
        store = try CRMStore(database: database)
    }

    @discardableResult
    func write<Value>(_ work: (CRMWriter) throws -> Value) throws -> Value {
        try write(at: now, work)
    }

    @discardableResult
    func write<Value>(at moment: Timestamp, _ work: (CRMWriter) throws -> Value) throws -> Value {
        try database.write { try work(try store.writer(in: $0, now: moment, origin: .user)) }
    }

    func read<Value>(_ work: (CRMReader) throws -> Value) throws -> Value {
        try database.read { try work(store.reader(in: $0)) }
    }

    func remove() { try? FileManager.default.removeItem(at: folder) }
}

@Suite struct `The CRM store` {
    @Test(
        arguments: [
            // Held; written; held then.
            ("a|b", ["email": "b"], "b|a"), ("a|b;c", ["email": "C"], "C|a;b"),
            ("a|b", ["email": "d"], "d|b"), ("a|b", ["hs_additional_emails": ""], "a|"),
            ("a|b", ["hs_additional_emails": "a;c"], "a|c"), ("a|b", ["email": ""], "|b"),
            ("a|b", ["email": "b", "hs_additional_emails": "c"], "b|c"),
        ] as [(String, Values, String)])
    func `keeps addresses one set with a mark`(
        _ before: String, _ written: Values, _ after: String
    ) throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        func whole(_ text: some StringProtocol) -> String {
            text.split(separator: ";").map { "\($0)@x.example" }.joined(separator: ";")
        }
        let parts = before.split(separator: "|")
        let id = try scratch.write {
            try $0.create(
                .contacts,
                [
                    "email": whole(parts[0]),
                    "hs_additional_emails": whole(parts[0] + ";" + parts[1]),
                ]
            ).id
        }
        try scratch.write { try $0.update(id, written.mapValues { whole($0) }) }
        let held = try #require(try scratch.read { try $0.record(id) }).properties
        let sides = after.split(separator: "|", omittingEmptySubsequences: false)
        #expect(held["email"] ?? "" == whole(sides[0]))
        #expect(held["hs_additional_emails"] ?? "" == whole(sides[1]))
    }

    @Test func `ends a read that takes too long, and goes on`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let endless =
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT MAX(i) FROM n"
        let failure = #expect(throws: DatabaseFailure.self) {
            try scratch.database.read(within: .init(seconds: 0.05)) { try $0.number(endless) }
        }
        #expect(failure?.kind == .tooSlow)
        // Nor one for whose answer nobody waits any more.
        let left = ReadLimit(seconds: 3_600) { false }
        let unwanted = #expect(throws: DatabaseFailure.self) {
            try scratch.database.read(within: left) { try $0.number(endless) }
        }
        #expect(unwanted?.kind == .tooSlow)
        let short = ReadLimit(seconds: 0.05)
        #expect(try scratch.database.read(within: short) { try $0.number("SELECT 7") } == 7)
        #expect(try scratch.database.read { try $0.number("SELECT 8") } == 8)
    }

    @Test func `lets addresses go round, and none be taken that is not given up`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let ids = try scratch.write { writer in
            try ["a", "b"].map { try writer.create(.contacts, ["email": "\($0)@x.example"]).id }
        }
        try scratch.write { writer in
            #expect(
                try writer.owners(of: ["email": "b@x.example"], for: ids[0], .contacts) == [ids[1]])
            for id in ids { try writer.release(id) }
            try writer.update(ids[0], ["email": "b@x.example"])
            #expect(throws: CRMError.self) { try writer.claim(ids[1]) }
            try writer.update(ids[1], ["email": "a@x.example"])
            for id in ids { try writer.claim(id) }
        }
        #expect(throws: CRMError.self) {
            try scratch.write { try $0.update(ids[0], ["email": "a@x.example"]) }
        }
    }

    @Test func `keeps what it was given and writes one change for each write`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let id = try scratch.write {
            try $0.create(.contacts, ["email": "Ann@Example.com", "city": ""]).id
        }
        try scratch.write { try $0.update(id, ["city": "Oslo", "phone": "1"]) }
        let nothing = try scratch.write { try $0.update(id, ["city": "Oslo"]) }
        #expect(nothing == [:])
        try scratch.write { try $0.update(id, ["phone": ""]) }
        let record = try #require(try scratch.read { try $0.record(id) })
        #expect(record.properties == ["email": "Ann@Example.com", "city": "Oslo"])
        let history = try scratch.read { try $0.history(of: id) }
        #expect(history.map(\.kind) == [.create, .update, .update])
        #expect(
            history.map(\.patch) == [
                ["email": "Ann@Example.com"], ["city": "Oslo", "phone": "1"], ["phone": ""],
            ])
        #expect(history.map(\.sequence) == history.map(\.sequence).sorted())
    }

    @Test func `lets an address belong to one living contact`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let ann = try scratch.write {
            try $0.create(
                .contacts, ["email": "ann@example.com", "hs_additional_emails": "a@x.org;b@x.org"]
            ).id
        }
        for email in ["ANN@example.com", "B@x.org"] {
            #expect(throws: CRMError.duplicateEmail(email.lowercased(), of: ann)) {
                try scratch.write { try $0.create(.contacts, ["email": email]) }
            }
        }
        try scratch.write { try $0.archive(ann) }
        let second = try scratch.write {
            try $0.create(.contacts, ["email": "ann@example.com"]).id
        }
        #expect(throws: CRMError.duplicateEmail("ann@example.com", of: second)) {
            try scratch.write { try $0.restore(ann) }
        }
        try scratch.write { try $0.archive(second) }
        try scratch.write { try $0.restore(ann) }
        let found = try scratch.read { try $0.resolve("b@x.org", in: .contacts) }
        #expect(found.id == ann)
    }

    @Test func `repeats the rule of one address as a constraint of the schema`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        try scratch.write { try $0.create(.contacts, ["email": "ann@example.com"]) }
        #expect {
            _ = try scratch.database.write {
                try $0.run(
                    "INSERT INTO unique_key VALUES ('contacts', 'email', 'ann@example.com', 99)", []
                )
            }
        } throws: { ($0 as? DatabaseFailure)?.kind == .constraint }
    }

    @Test func `refuses what does not fit, by name`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let cases: [(Values, CRMError)] = [
            (["frstname": "A"], .unknownProperty("frstname", of: .contacts, nearest: "firstname")),
            (
                ["email": "nobody"],
                .invalidValue("email", "nobody", expected: ValueType.email.example)
            ),
        ]
        for (values, expected) in cases {
            #expect(throws: expected) { try scratch.write { try $0.create(.contacts, values) } }
        }
        #expect(throws: CRMError.unknownObject("contact", nearest: "contacts")) {
            try scratch.write { try $0.create("contact", [:]) }
        }
        #expect(throws: (any Error).self) {
            try scratch.write { try $0.create(.contacts, ["lifecyclestage": "odd"]) }
        }
        #expect(try scratch.read { try $0.count(of: .contacts) } == 0)
        #expect(try scratch.read { try $0.latestSequence() } == 0)
    }

    @Test func `empties the bin after ninety days and not before`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let id = try scratch.write {
            try $0.create(.companies, ["name": "Acme", "domain": "acme.com"]).id
        }
        try scratch.write { try $0.archive(id) }
        let day = Int64(86_400)
        #expect(try scratch.write(at: scratch.now + .seconds(89 * day)) { try $0.emptyBin() } == 0)
        #expect(try scratch.write(at: scratch.now + .seconds(91 * day)) { try $0.emptyBin() } == 1)
        #expect(try scratch.read { try $0.record(id) } == nil)
        #expect(throws: CRMError.notFound("records", "\(id)")) {
            try scratch.write { try $0.restore(id) }
        }
    }

    @Test func `undoes a transaction that throws`() throws {
        struct Stop: Error {}
        let scratch = try Scratch()
        defer { scratch.remove() }
        #expect(throws: Stop.self) {
            try scratch.write { writer in
                try writer.create(.contacts, ["email": "a@b.co"])
                throw Stop()
            }
        }
        #expect(try scratch.read { try $0.count(of: .contacts) } == 0)
    }

    @Test func `takes new properties and objects, once`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        let size = PropertyDefinition("size", "Size", .number)
        let now = Timestamp(milliseconds: 1_000)
        let machines = ObjectDefinition(
            "machines", typeID: "", singular: "Machine", plural: "Machines", primaryProperty: "size"
        )
        try scratch.store.edit(at: now) { try $0.add(machines, properties: [size]) }
        #expect(scratch.store.schema.objects["machines"]?["size"] == size)
        #expect(scratch.store.schema.definitions["machines"]?.typeID == "2-1")
        #expect(throws: CRMError.alreadyExists("property `size` of machines")) {
            try scratch.store.edit(at: now) { try $0.add(size, to: "machines") }
        }
        #expect(throws: CRMError.unknownObject("machine", nearest: "machines")) {
            try scratch.store.edit(at: now) { try $0.add(size, to: "machine") }
        }
    }

    @Test func `refuses a file that a newer version made`() throws {
        let scratch = try Scratch()
        defer { scratch.remove() }
        _ = try scratch.database.write {
            try $0.run("INSERT INTO migration VALUES ('crm-999')", [])
        }
        #expect(throws: DatabaseFailure.self) {
            try scratch.database.migrate(CRMSchema.migrations, filling: SQLiteDatabase.filling)
        }
    }
}
