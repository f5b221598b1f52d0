import FoundationEssentials
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSync

/// What people do to our own side: to the names in the configuration, and to the store's file.
extension SimWorld {
    /// Somebody gives a sync another name in the configuration, and after a while says so or takes it back.
    func renameOrSettle(_ index: Int) throws {
        let isStruck = servers[index].with { state, _ in
            state.strikes(.renamedSync, rate: 0.05)
        }
        if configured[index] != nil {
            if random.chance(0.6) { try settleName(index) }
        } else if isStruck {
            let old = settings[index].name
            configured[index] = old
            call(index, SyncName("\(old)n"))
            say("\(old) is called \(settings[index].name) in the configuration")
        }
    }

    /// The configuration and the store call a sync the same again.
    func settleName(_ index: Int) throws {
        guard let old = configured.removeValue(forKey: index) else { return }
        let new = settings[index].name
        let (isOld, hasPairs) = (random.chance(0.5), try pairs(of: old) > 0)
        if try userStore.database.read({ try SyncTable($0).state(new) }) != nil {
            // Without pairs there was nothing to go on with.
            if hasPairs { violations.append("I3: \(new) began without the pairs of \(old)") }
        } else if isOld {
            call(index, old)
            say("\(new) is called \(old) again")
        } else if hasPairs {
            try userStore.database.write { try SyncTable($0).rename(old, to: new) }
            say("operator: renames \(old) to \(new)")
        }
    }

    private func pairs(of name: SyncName) throws -> Int {
        try userStore.database.read { connection in
            guard let state = try SyncTable(connection).state(name) else { return 0 }
            return try PairTable(connection: connection, syncID: state.id).count("TRUE")
        }
    }

    private func call(_ index: Int, _ name: SyncName) {
        settings[index].name = name
        settings[index].companions = [object: name]
        let names = Set(settings.map(\.name))
        for place in settings.indices { settings[place].configured = names }
        watch.reused = []
    }

    /// What the store may call the syncs: one that has a new name goes by that where the old one had no pairs.
    var storedNames: [SyncName] {
        settings.indices.flatMap { [configured[$0], settings[$0].name].compactMap(\.self) }
    }

    private var copy: String { path + ".copy" }

    /// Copies the store, or puts the last copy in its place.
    func copyOrPutBack() throws {
        let isStruck = servers[0].with { state, _ in state.strikes(.storePutBack, rate: 0.15) }
        guard isStruck else { return }
        guard FileManager.default.fileExists(atPath: copy) else {
            try copyStore(to: copy)
            return say("the store is copied")
        }
        let (given, logged) = try userStore.database.read { connection in
            let states = try storedNames.compactMap { try SyncTable(connection).state($0) }
            let entries = try states.flatMap { try journal(of: $0.id, in: connection) }
            return (
                try connection.number("SELECT seq FROM sqlite_sequence WHERE name = 'record'"),
                entries.filter { $0.kind == .conflict }.flatMap(\.before.values)
            )
        }
        try restart { path in
            for suffix in ["-wal", "-shm"] {
                try? FileManager.default.removeItem(atPath: path + suffix)
            }
            try FileManager.default.removeItem(atPath: path)
            try copyFile(from: self.copy, to: path)
            try FileManager.default.removeItem(atPath: self.copy)
        }
        say("the store is put back from its copy")
        wasPutBack = true
        // What has lost a conflict is in the log that is lost.
        for token in logged.flatMap(Oracle.tokens) { oracle.lose(token) }
        try forgetWhatFollowed(RecordID(given))
    }

    /// What nobody but the lost store knew can be asked of nobody.
    private func forgetWhatFollowed(_ given: RecordID) throws {
        var next = Watch()
        next.shared = watch.shared
        next.given = max(watch.given, given)
        var held: Set<String> = []
        var known: [Set<AppRecordID>] = []
        var open: Set<String> = []
        try userStore.database.read { connection in
            let reader = userStore.reader(in: connection)
            let records = try reader.records(of: object, after: RecordID(0), limit: 10_000)
            held.formUnion(records.flatMap(\.properties.values).flatMap(Oracle.tokens))
            // Who was forgotten since is there again.
            erased.subtract(records.map(\.id))
            next.sequence = try connection.number("SELECT COALESCE(MAX(sequence), 0) FROM change")
            configured = [:]
            for (index, sync) in settings.enumerated() {
                configured[index] = try SyncTable(connection).predecessor(of: sync)?.name
                let name = configured[index] ?? sync.name
                guard let state = try SyncTable(connection).state(name) else {
                    known.append([])
                    continue
                }
                let pairs = try PairTable(connection: connection, syncID: state.id)
                    .select("sync_id = ?", [.integer(state.id)])
                known.append(Set(pairs.filter { $0.crmID != nil }.compactMap(\.appID)))
                open.formUnion(pairs.compactMap(\.intent?.key))
                // What came back to what the copy knows looks as if it had never moved.
                for token in pairs.flatMap(\.appBase.values).flatMap(Oracle.tokens) {
                    oracle.lose(token)
                }
            }
        }
        for (server, known) in zip(servers, known) {
            server.with { state, _ in
                for (id, record) in state.records {
                    if !record.isDeleted {
                        held.formUnion(record.values.values.flatMap(Oracle.tokens))
                    }
                    let isOurs = known.contains(id) || record.key.map(open.contains) ?? false
                    state.records[id]?.isOurs = record.isOurs && isOurs
                }
                state.made = [:]
                state.unnamedMakers = []
                state.deletedByUs = [:]
            }
        }
        for token in oracle.open.keys where !held.contains(token) { oracle.lose(token) }
        watch = next
    }
}
