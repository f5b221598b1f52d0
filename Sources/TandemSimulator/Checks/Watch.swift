import Synchronization
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync

/// What the world remembers from one cycle to the next, to judge each cycle by itself: some
/// mistakes heal before the world is quiet, and are mistakes all the same.
struct Watch {
    /// Two CRM records that one app record fits equally well, as long as nobody touches them.
    struct Twins {
        let server: String
        let crm: [RecordID]
        let app: AppRecordID
    }

    /// One value that a CRM property had.
    struct Held {
        let value: String
        let origin: Origin
    }

    /// A deleted record's id that another one has now, and whose it was.
    struct Reused {
        let sync: SyncName
        let app: AppRecordID
        let crm: RecordID
        /// The stranger's address.
        let mail: String
    }

    var twins: [Twins] = []
    var reused: [Reused] = []
    /// Tokens that users wrote on both sides: neither is the other's echo.
    var shared: Set<String> = []
    /// The change feed up to here was judged.
    var sequence: Int64 = 0
    var history: [RecordID: [PropertyName: [Held]]] = [:]
    /// Ids up to here were given before the store was put back, and are nobody's who is new.
    var given = RecordID(0)
}

extension SimWorld {
    /// Judges what one cycle did.
    func watchCycle(_ index: Int, since startedAt: Timestamp, isWhole: Bool) throws {
        collectEdits()
        try userStore.database.read { connection in
            let sync = settings[index]
            guard let state = try SyncTable(connection).state(sync.name) else { return }
            let reader = userStore.reader(in: connection)
            let pairs = PairTable(connection: connection, syncID: state.id)
            let entries = try journal(of: state.id, in: connection)
            let conflicts = entries.filter { $0.kind == .conflict }
                .flatMap { $0.before.values.compactMap(Oracle.token) }
            // A first meeting that was cut short goes on in a later cycle.
            let recently = startedAt - .seconds(900)
            let met = entries.filter { [.bind, .rebind].contains($0.kind) && $0.at >= recently }
                .compactMap(\.crmID)
            for change in try reader.changes(of: object, after: watch.sequence, limit: 10_000) {
                watch.sequence = change.sequence
                // What another sync did to one of two twins can tell them apart.
                watch.twins.removeAll { twins in
                    change.kind != .create && twins.crm.contains(change.recordID)
                        && (twins.server != servers[index].name
                            || change.origin != .sync(sync.name))
                }
                // Two that meet fill each other's blanks.
                if !met.contains(change.recordID), canTellForms(index) {
                    watchReturns(change, Set(conflicts))
                }
                watchMangled(change)
                try watchDuplicate(change, index, reader)
                if change.kind == .create && change.recordID <= watch.given {
                    violations.append("I11: the id \(change.recordID) is given to another one")
                }
                remember(change)
            }
            try watchTwins(index, pairs)
            watchDeletions(index, entries.filter { $0.at >= startedAt })
            try watchAppDuplicates(index, since: startedAt, pairs)
            if isWhole {
                try watchSeen(index, since: startedAt, pairs)
                try watchDelivered(index, since: startedAt, state, pairs, reader)
            }
            for one in watch.reused where one.sync == sync.name {
                guard let pair = try pairs.pair(app: one.app), pair.crmID == one.crm,
                    pair.appPresence == .present,
                    pair.appKeys.contains(where: { $0.value == one.mail })
                else { continue }
                watch.reused.removeAll { $0.app == one.app }
                violations.append(
                    "I5: \(sync.name) took the stranger \(one.app) for CRM record \(one.crm)")
            }
        }
    }

    /// The CRM record of which a sync knows that its record in the app was deleted; `nil` if nothing
    /// tells it from another one.
    func counterpart(ofDeleted id: AppRecordID, on index: Int) -> RecordID? {
        do {
            return try userStore.database.read { connection in
                guard let state = try SyncTable(connection).state(settings[index].name),
                    let pair = try PairTable(connection: connection, syncID: state.id).pair(
                        app: id),
                    pair.appPresence == .gone, !pair.appKeys.isEmpty
                else { return nil }
                return pair.crmID
            }
        } catch {
            violations.append("the store failed the watch: \(error)")
            return nil
        }
    }

    /// The CRM records of the app records that a sync takes for theirs.
    func bound(on index: Int) -> [AppRecordID: RecordID] {
        do {
            return try userStore.database.read { connection in
                guard let state = try SyncTable(connection).state(settings[index].name) else {
                    return [:]
                }
                return try PairTable(connection: connection, syncID: state.id).select(
                    "sync_id = ? AND app_presence = 1 AND crm_id IS NOT NULL AND app_created_given = 1",
                    [.integer(state.id)]
                ).reduce(into: [:]) { $0[$1.appID ?? ""] = $1.crmID }
            }
        } catch {
            violations.append("the store failed the watch: \(error)")
            return [:]
        }
    }

    /// Whether the app always shows its form of what it was sent in a way that tells it from an edit.
    private func canTellForms(_ index: Int) -> Bool {
        let profile = servers[index].with { state, _ in state.profile }
        if hasForgotten || profile.faults.contains(.lostAfter) { return false }
        // An old value that nobody says may be old is an edit to everybody.
        if profile.faults.isSuperset(of: [.staleRead, .undeclaredLag]) { return false }
        // A read is ours by its version, if nobody was there before it.
        return profile.answersWithRecord
            || profile.faults.isDisjoint(with: [
                .versionless, .versionNoise, .automation, .editDuringCycle, .partialRead,
            ])
    }

    /// I9: nobody is deleted in the CRM whose record the app has had all the time.
    private func watchDeletions(_ index: Int, _ entries: [JournalEntry]) {
        servers[index].with { state, _ in
            // What lost its id in a listing that left it out is, for all that can be known, not there.
            if state.profile.faults.contains(.losesName) { return }
            for entry in entries where entry.kind == .delete && entry.side == .crm {
                guard let id = entry.appID, state.records[id]?.isDeleted == false, state.lives == 0,
                    !state.log.contains(where: { $0.id == id && $0.isDeleted })
                else { continue }
                violations.append(
                    "I9: \(settings[index].name) deleted CRM record \(entry.crmID?.number ?? 0), and "
                        + "\(id) is there")
            }
        }
    }

    /// I10: what a sync writes into the CRM is news there: neither the app's form of what the CRM
    /// has, nor a value that a CRM user replaced.
    private func watchReturns(_ change: CRMChange, _ conflicts: Set<String>) {
        guard change.kind == .update, change.origin != .user else { return }
        for (property, value) in change.patch.sorted(by: { $0.key < $1.key }) {
            guard let token = Oracle.token(value), !watch.shared.contains(token),
                let held = watch.history[change.recordID]?[property], let last = held.last
            else { continue }
            let replaced = Oracle.token(last.value)
            if let replaced, conflicts.contains(replaced) { continue }
            let name = "CRM record \(change.recordID) \(property)"
            if replaced == token {
                violations.append("I10: \(name): `\(last.value)` came back as `\(value)`")
            } else if last.origin == .user,
                held.dropLast().contains(where: { Oracle.token($0.value) == token })
            {
                violations.append("I10: \(name): `\(value)` came back over `\(last.value)`")
            }
        }
    }

    /// I2: what an app made by itself of a field that was only sent along does not come into the CRM.
    ///
    /// It may, where somebody takes it for a value of the app's: in a first meeting, or after a write of
    /// whose outcome nobody knows.
    private func watchMangled(_ change: CRMChange) {
        let excusing: Set<Fault> = [
            .putBack, .settingsChanged, .storePutBack, .renamedSync, .rewound, .undelete,
            .recreated,
            .reusedID, .crmMerge, .crmUnmerge, .crmErase, .mergedAway, .wiped, .lostAfter,
            .crashInApp,
            .crashInStore, .readOutage,
        ]
        guard change.origin != .user,
            servers.allSatisfy({ server in
                server.with { state, _ in state.profile.faults.isDisjoint(with: excusing) }
            })
        else { return }
        for (property, value) in change.patch where value.contains(SimServer.State.mangled) {
            violations.append(
                "I2: CRM record \(change.recordID) \(property): `\(value)` is of the app's making")
        }
    }

    private func remember(_ change: CRMChange) {
        switch change.kind {
        case .create, .update:
            for (property, value) in change.patch {
                watch.history[change.recordID, default: [:]][property, default: []]
                    .append(.init(value: value, origin: change.origin))
            }
        // What was in the bin comes back with everything it had.
        case .associate, .dissociate: break
        case .archive, .restore, .purge, .merge, .unmerge, .erase:
            watch.history[change.recordID] = nil
        }
    }

    /// I5: no sync makes a CRM record for somebody who is there.
    private func watchDuplicate(_ change: CRMChange, _ index: Int, _ reader: CRMReader) throws {
        guard change.kind == .create, change.origin == .sync(settings[index].name) else { return }
        let rules = settings[index].match
        let keys = Set(MatchKey.keys(of: change.patch, object: object, rules: rules))
        for (key, ids) in try reader.owners(of: keys, in: object).sorted(by: { $0.key < $1.key }) {
            for id in ids.sorted() where id < change.recordID {
                guard let record = try reader.record(id), record.updatedAt < change.at else {
                    continue
                }
                let emails = [record.properties, change.patch].map { MatchKey.emails($0).isEmpty }
                if key.kind != MatchKey.email && emails == [false, false] { continue }
                violations.append(
                    "I5: \(settings[index].name) made CRM record \(change.recordID), which is \(id)"
                )
            }
        }
    }

    /// I5: where two records fit equally well, none is taken.
    private func watchTwins(_ index: Int, _ pairs: PairTable) throws {
        for twins in watch.twins where twins.server == servers[index].name {
            guard let id = try pairs.pair(app: twins.app)?.crmID, twins.crm.contains(id),
                // One of the two may have got an app record of its own before this one was seen.
                try twins.crm.allSatisfy({ try $0 == id || pairs.pair(crm: $0)?.appID == nil })
            else { continue }
            watch.twins.removeAll { $0.app == twins.app }
            violations.append(
                "I5: \(settings[index].name) guessed that \(twins.app) is CRM record \(id)")
        }
    }

    /// I5: no sync makes an app record for somebody whom the app has had since before the cycle.
    private func watchAppDuplicates(_ index: Int, since startedAt: Timestamp, _ pairs: PairTable)
        throws
    {
        let (profile, records, offset) = servers[index].with { state, _ in
            (state.profile, state.records, state.offset)
        }
        let hidden: Set<Fault> = [
            .missingInListing, .omitsField, .staleRead, .partialRead, .wiped,
            .stateCursor, .clockJump,
        ]
        guard profile.faults.isDisjoint(with: hidden), offset == 0, profile.granularity == 1 else {
            return
        }
        let sync = settings[index]
        func keys(_ record: SimServer.Record) -> Set<MatchKey> {
            let values = sync.mapping.crmValues(of: record.values).values
            return Set(MatchKey.keys(of: values, object: object, rules: sync.match))
        }
        let start = startedAt.milliseconds
        let living = records.filter { !$0.value.isDeleted }.sorted { $0.key < $1.key }
        for (id, made) in living where made.isOurs && made.createdAt >= start {
            for (other, old) in living where old.modifiedAt < start {
                let shared = keys(made).intersection(keys(old))
                let haveEmail = [made, old].allSatisfy { !($0.values["mail"] ?? "").isEmpty }
                let isSame = shared.contains { $0.kind == MatchKey.email }
                // A search by mail tells nothing of a nameless record without one.
                if old.isNameless && profile.canSearch && !isSame { continue }
                let pair = try pairs.pair(app: other)
                guard isSame || !shared.isEmpty && !haveEmail, pair?.crmID == nil else {
                    continue
                }
                // By its address it is somebody else's second record.
                if case .failed(let refusal) = pair?.state, refusal.category == .duplicateInApp {
                    continue
                }
                violations.append("I5: \(sync.name) made \(id) in the app, which is \(other)")
            }
        }
    }
}
