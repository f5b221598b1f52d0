import FoundationEssentials
import Glibc
import Synchronization

/// Which ids a store has given, in a file beside it, so that a copy of the store that is put back does not
/// give them to others.
///
/// An id is reserved here, and that is on the disk, before a transaction that uses it commits. Where the
/// file and the store differ when the first process opens them, the higher of the two goes on: an id that
/// may have been given is skipped. The file is held with a shared lock as long as the store is open
/// (flock(2)), so that the first process can be told from those that join it.
package final class IDLedger: Sendable {
    /// How the store and its ledger fit together.
    package enum Finding: Hashable, Sendable {
        case fits
        /// The store lacks ids that were given from it: it is an older copy. The text says which.
        case putBack(String)
        /// There was a ledger, and it is gone or cannot be read.
        case lost(String)
    }

    /// How far the ids of one table have got.
    private struct Mark: Hashable {
        /// Given, and committed when the rest was reserved.
        var given: Int64
        /// No id up to here is given again.
        var reserved: Int64
    }

    private struct Content: Hashable {
        /// Which life of the store this is: another one after each copy that was put back.
        var epoch: String
        var marks: [String: Mark]
    }

    /// Where a store keeps in which epoch it is; empty for one without a ledger.
    package static let migration = Migration(
        "ids-1", ["CREATE TABLE store_epoch (epoch TEXT NOT NULL) {strict}"])

    /// Ids that are reserved together by a process that gives many, one at a time.
    package static let block: Int64 = 1_000
    /// How far the next id stands behind the last known one when the ledger was lost.
    package static let leap: Int64 = 1_000_000

    private let path: String
    private let tables: [String]
    private let ahead: Int64
    private let newEpoch: @Sendable () -> String
    private let file: Int32
    /// Whether the ledger and the store were compared, so that what is used is reserved.
    private let begun = Mutex(false)

    var hasBegun: Bool { begun.withLock { $0 } }

    /// The ledger of the store at `store`, whether or not it is there.
    package static func path(of store: String) -> String { store + ".ids" }

    /// Opens or makes the ledger of a store.
    ///
    /// - Parameters:
    ///   - store: The path of the store file.
    ///   - tables: The tables whose ids are given once.
    ///   - ahead: How many ids are reserved beyond those that are used; ``block`` for a daemon.
    ///   - newEpoch: What a new life of the store is called, like no other one; letters and digits.
    /// - Throws: ``DatabaseFailure`` if the file cannot be opened.
    package init(
        store: String, tables: [String], ahead: Int64 = 0,
        newEpoch: @escaping @Sendable () -> String = { IDLedger.randomEpoch() }
    ) throws {
        self.newEpoch = newEpoch
        path = Self.path(of: store)
        self.tables = tables
        self.ahead = ahead
        file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        if file < 0 { throw Self.failure("cannot open \(path)") }
    }

    deinit { close(file) }

    /// Compares the ledger with the store, once, inside a transaction of the store.
    ///
    /// What is not as it was is put right: the store goes on behind every id that may have been given, in
    /// a new epoch.
    func begin(_ connection: any SQLConnection) throws -> Finding {
        let isFirst = flock(file, LOCK_EX | LOCK_NB) == 0
        defer { flock(file, LOCK_SH) }
        begun.withLock { $0 = true }
        let used = try used(connection)
        guard isFirst else { return .fits }
        let epoch = try connection.row("SELECT epoch FROM store_epoch") { $0.text(0) ?? "" }
        guard let known = content() else {
            // A store of before there were ledgers has no epoch.
            let leap = epoch == nil ? 0 : Self.leap
            try renew(connection, used.mapValues { $0 + leap })
            return leap == 0
                ? .fits
                : .lost(
                    "\(path) is not there or cannot be read, which says what ids were given; "
                        + "new records have ids from \((used["record"] ?? 0) + leap + 1)")
        }
        let reserved = used.merging(known.marks.mapValues(\.reserved)) { max($0, $1) }
        let missing = known.marks.filter { $0.value.given > used[$0.key] ?? 0 }
        if epoch == known.epoch && missing.isEmpty {
            try advance(connection, to: reserved, from: used)
            return .fits
        }
        try renew(connection, reserved)
        // A new store in the place of another one goes on behind its ids.
        let isNew = epoch == nil && used.values.allSatisfy { $0 == 0 }
        if missing.isEmpty || isNew { return .fits }
        return .putBack(
            "the store is an older copy: \(path) says that ids of records up to "
                + "\(known.marks["record"]?.reserved ?? 0) were given, and the store knows ids up to "
                + "\(used["record"] ?? 0); new ones have ids from \((reserved["record"] ?? 0) + 1)")
    }

    /// The last ids of the tables, as they are in this transaction.
    func used(_ connection: any SQLConnection) throws -> [String: Int64] {
        var used = Dictionary(uniqueKeysWithValues: tables.map { ($0, Int64(0)) })
        try connection.each("SELECT name, seq FROM sqlite_sequence", []) { row in
            if let name = row.text(0), used[name] != nil { used[name] = row.integer(1) ?? 0 }
        }
        return used
    }

    /// Reserves what a transaction has used, before it commits; `before` is what was used before it.
    func cover(_ connection: any SQLConnection, before: [String: Int64]) throws {
        let used = try used(connection)
        if used == before { return }
        guard var content = content() else {
            throw DatabaseFailure(
                .replaced, "\(path), which says what ids were given, was removed or damaged")
        }
        let short = used.filter { $0.value > content.marks[$0.key]?.reserved ?? 0 }
        if short.isEmpty { return }
        for (table, last) in short {
            content.marks[table] = Mark(given: before[table] ?? 0, reserved: last + ahead)
        }
        try write(content)
    }

    /// Gives back what was reserved and not used, at an orderly end.
    func release(_ connection: any SQLConnection) throws {
        guard ahead > 0, var content = content() else { return }
        content.marks = try used(connection).mapValues { Mark(given: $0, reserved: $0) }
        try write(content)
    }

    /// Begins a new epoch, with ids behind `last`.
    private func renew(_ connection: any SQLConnection, _ last: [String: Int64]) throws {
        let epoch = newEpoch()
        try connection.run("DELETE FROM store_epoch", [])
        try connection.run("INSERT INTO store_epoch VALUES (?)", [.text(epoch)])
        try advance(connection, to: last, from: try used(connection))
        try write(
            Content(epoch: epoch, marks: last.mapValues { Mark(given: $0, reserved: $0) }))
    }

    /// Six letters and digits that cannot be mistaken for each other.
    package static func randomEpoch() -> String {
        let letters = Array("abcdefghijkmnpqrstuvwxyz23456789")
        return String((0..<6).map { _ in letters.randomElement() ?? "a" })
    }

    /// The store is closed: whoever opens it next compares again.
    func end() { flock(file, LOCK_UN) }

    private func advance(
        _ connection: any SQLConnection, to last: [String: Int64], from used: [String: Int64]
    ) throws {
        for (table, id) in last where id > used[table] ?? 0 {
            try connection.run("DELETE FROM sqlite_sequence WHERE name = ?", [.text(table)])
            try connection.run(
                "INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)",
                [.text(table), .integer(id)])
        }
    }
}

/// The file: a line for the epoch and one for each table, filled up with blanks to one sector, which a disk
/// writes whole.
extension IDLedger {
    private static let size = 512

    private func content() -> Content? {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        // One that was removed is not read through the handle that is left.
        var (here, there) = (stat(), stat())
        guard fstat(file, &here) == 0, stat(path, &there) == 0, here.st_ino == there.st_ino,
            pread(file, &bytes, Self.size, 0) == Self.size
        else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
            .map { $0.split(separator: " ") }
        guard lines.first == ["tandem-ids", "1"], let epoch = lines.dropFirst().first,
            epoch.count == 2, epoch[0] == "epoch"
        else { return nil }
        var content = Content(epoch: String(epoch[1]), marks: [:])
        for table in tables {
            guard let line = lines.first(where: { $0.first.map(String.init) == table }),
                line.count == 3, let given = Int64(line[1]), let reserved = Int64(line[2])
            else { return nil }
            content.marks[table] = Mark(given: given, reserved: reserved)
        }
        return content
    }

    private func write(_ content: Content) throws {
        let marks = content.marks.sorted { $0.key < $1.key }.map {
            "\($0.key) \($0.value.given) \($0.value.reserved)"
        }
        let lines = ["tandem-ids 1", "epoch \(content.epoch)"] + marks
        var bytes = Array((lines.joined(separator: "\n") + "\n").utf8)
        bytes += [UInt8](repeating: UInt8(ascii: " "), count: Self.size - bytes.count - 1)
        bytes.append(UInt8(ascii: "\n"))
        guard pwrite(file, bytes, bytes.count, 0) == bytes.count, fsync(file) == 0 else {
            throw Self.failure("cannot write \(path)")
        }
    }

    private static func failure(_ what: String) -> DatabaseFailure {
        DatabaseFailure(
            errno == ENOSPC ? .full : .failed, "\(what): \(String(cString: strerror(errno)))")
    }
}
