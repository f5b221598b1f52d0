import Foundation
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport
import Testing

/// Ids of records, pairs and changes are given once, whatever becomes of the store's file.
@Suite struct `The ledger of ids` {
    private let folder: URL
    private var path: String { folder.appending(path: "store.db").path() }

    init() throws {
        folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    }

    /// One life of a process that has the store open.
    private func open<Value>(
        ahead: Int64 = 0, _ work: (CRMStore, SQLiteDatabase, IDLedger.Finding) throws -> Value
    ) throws -> Value {
        let ledger = try IDLedger(store: path, tables: ["record", "change"], ahead: ahead)
        let database = try SQLiteDatabase(
            path: path, durability: .process, hasReaders: false, ids: ledger)
        defer { try? database.close() }
        try database.migrate(
            CRMSchema.migrations + [IDLedger.migration], filling: SQLiteDatabase.filling)
        let finding = try database.beginIDs { _, _ in }
        return try work(CRMStore(database: database), database, finding)
    }

    @discardableResult
    private func add(_ store: CRMStore) throws -> Int64 {
        try store.database.write { connection in
            try store.writer(in: connection, now: Timestamp(milliseconds: 1), origin: .user)
                .create("contacts", ["firstname": "A"]).id.number
        }
    }

    private func epoch() throws -> String {
        let ledger = try String(contentsOfFile: IDLedger.path(of: path), encoding: .utf8)
        return ledger.split(separator: "\n").dropFirst().first.map(String.init) ?? ""
    }

    @Test func `counts on from process to process without a gap`() throws {
        for id in Int64(1)...3 {
            let given = try open { store, _, finding in
                #expect(finding == .fits)
                return try add(store)
            }
            #expect(given == id)
        }
    }

    @Test func `gives no id twice when an older copy is put back, and says so`() throws {
        try open { store, _, _ in _ = try add(store) }
        try FileManager.default.copyItem(atPath: path, toPath: path + ".copy")
        try open { store, _, _ in
            try add(store)
            try add(store)
        }
        let before = try epoch()
        try FileManager.default.removeItem(atPath: path)
        try FileManager.default.moveItem(atPath: path + ".copy", toPath: path)
        try open { store, _, finding in
            guard case .putBack(let text) = finding else {
                Issue.record("an older copy was not noticed: \(finding)")
                return
            }
            #expect(text.contains("up to 3 were given"))
            let next = try add(store)
            #expect(next == 4)
        }
        let after = try epoch()
        #expect(after != before)
        try open { _, _, finding in #expect(finding == .fits) }
    }

    @Test func `goes on behind the block that a killed daemon had reserved`() throws {
        try open(ahead: 10) { store, _, _ in _ = try add(store) }
        try open(ahead: 10) { store, _, finding in
            #expect(finding == .fits)
            let next = try add(store)
            #expect(next == 12)
        }
    }

    @Test func `takes back what an orderly end leaves over`() throws {
        try open(ahead: 10) { store, database, _ in
            try add(store)
            try database.releaseIDs()
        }
        let next = try open { store, _, _ in try add(store) }
        #expect(next == 2)
    }

    @Test(arguments: ["", "tandem-ids 1\nepoch x\nrecord 9999999999999999999 1\n"])
    func `leaves a wide gap where the ledger is lost or damaged`(_ damage: String) throws {
        try open { store, _, _ in _ = try add(store) }
        try damage.write(toFile: IDLedger.path(of: path), atomically: false, encoding: .utf8)
        try open { store, _, finding in
            guard case .lost = finding else {
                Issue.record("a lost ledger was not noticed: \(finding)")
                return
            }
            let next = try add(store)
            #expect(next == IDLedger.leap + 2)
        }
    }

    @Test func `writes nothing once its file is taken away`() throws {
        try open { store, _, _ in
            try FileManager.default.removeItem(atPath: IDLedger.path(of: path))
            #expect(throws: DatabaseFailure.self) { try add(store) }
        }
        let next = try open { store, _, _ in try add(store) }
        #expect(next > IDLedger.leap)
    }

    @Test func `has an empty store in the place of another one go on behind it`() throws {
        try open { store, _, _ in _ = try add(store) }
        try FileManager.default.removeItem(atPath: path)
        try open { store, _, finding in
            #expect(finding == .fits)
            let next = try add(store)
            #expect(next == 2)
        }
    }

    @Test func `is no older copy after a transaction that was undone`() throws {
        struct Undone: Error {}
        try open { store, database, _ in
            try? database.write { connection in
                _ = try store.writer(
                    in: connection, now: Timestamp(milliseconds: 1), origin: .user
                ).create("contacts", ["firstname": "A"])
                throw Undone()
            }
        }
        try open { store, _, finding in
            #expect(finding == .fits)
            let next = try add(store)
            #expect(next == 1)
        }
    }
}
