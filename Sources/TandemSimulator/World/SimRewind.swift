import TandemCRM
import TandemDatabase
import TandemModel
import TandemSync

/// Apps whose backup is put back.
extension SimWorld {
    /// Takes a backup of an app that counts its changes, or puts the last one back.
    func backUpOrRewind(_ index: Int) throws {
        let server = servers[index]
        let rewound = server.with { state, _ -> [String]? in
            guard state.profile.style == .feed, state.strikes(.rewound, rate: 0.15) else {
                return nil
            }
            return state.backUpOrRewind()
        }
        guard let rewound else { return }
        say("\(server.name) goes back in time")
        watch.reused = []
        watch.twins = []
        // What nobody but the app had is gone with it.
        let kept = try userStore.database.read { connection in
            try userStore.reader(in: connection).records(
                of: object, after: RecordID(0), limit: 10_000)
        }.flatMap(\.properties.values).flatMap(Oracle.tokens)
        let elsewhere = servers.filter { $0 !== server }.flatMap { other in
            other.with { state, _ in
                state.records.values.filter { !$0.isDeleted }.flatMap(\.values.values)
            }
        }.flatMap(Oracle.tokens)
        for token in Set(rewound).subtracting(kept).subtracting(elsewhere) { oracle.lose(token) }
        // What the app held before it went back, a store that was put back itself does not know; so its older
        // values are edits to it.
        if wasPutBack { for token in kept { oracle.lose(token) } }
    }

    /// A person looks at what went back with an app, and keeps the CRM's side.
    func approveRewound(_ index: Int) throws {
        let outcome = try userStore.database.write { connection in
            guard let id = try SyncTable(connection).state(settings[index].name)?.id else {
                return Remedies.Outcome()
            }
            return try Remedies(store: userStore, connection: connection, now: clock.now)
                .approve(id, records: nil)
        }
        if outcome.done > 0 { say("operator: approves \(outcome.done) records") }
    }
}

extension SimServer.State {
    /// - Returns: The tokens of everything that was there, if a backup was put back.
    mutating func backUpOrRewind() -> [String]? {
        guard let backup else {
            backup = .init(records: records, log: log, nextID: nextID)
            return nil
        }
        self.backup = nil
        let values = records.values.flatMap(\.values.values)
        let deleted = records.filter(\.value.isDeleted).keys
        records = backup.records
        // What had been deleted and is back, somebody has put there.
        for id in deleted { records[id]?.isOurs = false }
        log = backup.log
        nextID = backup.nextID
        lives += 1
        for id in records.keys {
            records[id]?.stale = nil
            records[id]?.undo = nil
        }
        return values.flatMap(Oracle.tokens)
    }

    /// Where the log ends, as cursors say it; `nil` for one of another life.
    func position(_ cursor: Cursor) -> Int? {
        let parts = cursor.text.split(separator: ".")
        guard parts.count == 2, Int(parts[0]) == lives else { return nil }
        return Int(parts[1])
    }

    func cursor(at position: Int) -> Cursor { Cursor("\(lives).\(position)") }
}
