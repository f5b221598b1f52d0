import AdapterKit
import Synchronization
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync

/// The invariants of PITFALLS.md §1, checked on a world that has become quiet.
extension SimWorld {
    func checkInvariants() throws {
        try store.database.read { connection in
            let reader = store.reader(in: connection)
            let records = try reader.records(of: object, after: RecordID(0), limit: 10_000)
            let living = Dictionary(uniqueKeysWithValues: records.map { ($0.id, $0) })
            var lost: Set<String> = []
            for (index, said) in settings.enumerated() {
                guard let state = try SyncTable(connection).state(said.name) else { continue }
                let sync = said.respecting(readOnly: state.readOnly)
                let pairs = try PairTable(connection: connection, syncID: state.id)
                    .select("sync_id = ? ORDER BY id", [.integer(state.id)])
                for entry in try journal(of: state.id, in: connection) {
                    tell(entry, of: sync)
                    // Of an app whose lag nobody knows, the journal has what an old value wrote over.
                    let lags = servers[index].with { state, _ in
                        state.profile.faults.isSuperset(of: [.staleRead, .undeclaredLag])
                    }
                    if entry.kind == .conflict || entry.kind == .update && lags {
                        lost.formUnion(entry.before.values.flatMap(Oracle.tokens))
                    }
                    if entry.kind == .delete && entry.side == .crm {
                        // What no app sees is in the bin with its record.
                        let unseen = entry.before.filter { name, _ in
                            !sync.mapping.fields.contains { $0.crm == name }
                        }
                        lost.formUnion(unseen.values.flatMap(Oracle.tokens))
                    }
                }
                var kept: Set<String> = []
                // Also under a name that the sync had when it had no pairs.
                let ids = try connection.rows("SELECT id FROM sync ORDER BY id") {
                    $0.integer(0) ?? 0
                }
                for original in try ids.flatMap({
                    try deletedOriginals(of: $0, in: connection).map(\.original)
                }) {
                    let values = FlatJSON.values(original, as: AppField.self) ?? [:]
                    lost.formUnion(values.values.flatMap(Oracle.tokens))
                    if let unmapped = values["unmapped"] { kept.insert(unmapped) }
                }
                for (id, unmapped) in servers[index].with({ state, _ in state.deletedByUs })
                // Whoever is forgotten is forgotten here, too.
                where !kept.contains(unmapped) && erased.isEmpty {
                    violate("I1", "\(sync.name) deleted \(id) and did not keep it whole")
                }
                for pair in pairs { check(pair, sync, servers[index], living) }
                checkExchanges(pairs, sync, living)
                try checkLinks(pairs, sync, servers[index], reader)
                checkCoverage(pairs, sync, servers[index], living)
                checkServer(servers[index], sync)
            }
            checkLoss(living, conflicts: lost)
            try checkReasons(connection)
        }
    }

    private func tell(_ entry: JournalEntry, of sync: SyncSettings) {
        func list(_ values: Values) -> String {
            values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(
                separator: ", ")
        }
        let ids = "\(entry.crmID?.number ?? 0)/\(entry.appID?.text ?? "-")"
        story.append(
            "\(entry.at)  journal of \(sync.name): \(entry.kind.rawValue) \(ids) in \(entry.side.rawValue), "
                + "\(entry.reason): \(list(entry.before)) -> \(list(entry.after))")
    }

    private func violate(_ invariant: String, _ text: String) {
        violations.append("\(invariant): \(text)")
    }

    /// I3: every pair is in a listed state, and pairs in sync agree under the mapping.
    private func check(
        _ pair: Pair, _ sync: SyncSettings, _ server: SimServer, _ living: [RecordID: CRMRecord]
    ) {
        let name =
            "\(sync.name) pair \(pair.id) (\(pair.crmID?.number ?? 0), \(pair.appID?.text ?? "-"))"
        if let id = pair.crmID, erased.contains(id), pair.state != .excluded(.privacy) {
            return violate("I9", "\(name) is \(pair.state.kind.rawValue) although it was erased")
        }
        if pair.state == .pending { return violate("I3", "\(name) is still pending") }
        // What waits for a person has no time of its own.
        if case .failed(let refusal) = pair.state, refusal.category.isTransient, pair.workAt != nil
        {
            return violate("I3", "\(name) still fails with \(refusal.category.rawValue)")
        }
        checkKeptOut(pair, name, sync, server, living)
        guard pair.state == .inSync, let id = pair.crmID, let record = living[id] else {
            if pair.state == .inSync { violate("I3", "\(name) is in sync without a CRM record") }
            return
        }
        guard let app = server.with({ state, _ in state.records[pair.appID ?? ""] }), !app.isDeleted
        else { return violate("I12", "\(name) is in sync with a record that is gone") }
        let mapped = sync.mapping.crmValues(of: app.values)
        let crm = sync.mapping.view(of: record.properties)
        for field in sync.mapping.fields where field.association == nil {
            guard let now = mapped.values[field.crm] else { continue }
            // A field that the app kept to itself, in the listing and in the read, is not known.
            let isOmitted =
                pair.appValues[field.crm] == nil
                && server.with { state, _ in state.profile.faults.contains(.omitsField) }
            if now != pair.appValues[field.crm] && !isOmitted {
                violate(
                    "I12",
                    "\(name) \(field.crm): app has `\(now)`, we read `\(pair.appValues[field.crm] ?? "-")`"
                )
            }
            // What the app drops when it is given it is known to differ, and is not a clearing.
            if isOmitted || now.isEmpty && pair.appBase[field.crm] == "" { continue }
            let isBothWays =
                sync.direction == .both && field.direction == .both && field.rule == .overwrite
            let ours = crm[field.crm] ?? ""
            if !isBothWays || sync.blanks == .keep && (ours.isEmpty || now.isEmpty) { continue }
            if field.type.hasSpelling,
                ours != pair.crmBase[field.crm] || now != pair.appBase[field.crm]
            {
                violate(
                    "I3",
                    "\(name) \(field.crm): the CRM's `\(ours)` or the app's `\(now)` was spelled anew and "
                        + "not carried")
            }
            let taken = server.with { state, _ in state.normalised(field.app, ours) }
            // What a rule of the app made of a value, its answer showed as its form.
            let isRuled = now.hasPrefix("auto") && now == pair.appBase[field.crm]
            if !isRuled && !field.type.equal(taken, now) && !field.type.equal(ours, now) {
                violate("I3", "\(name) \(field.crm): CRM has `\(ours)`, app has `\(now)`")
            }
        }
    }

    /// I3: nobody is kept out because of an address that is not his first.
    private func checkKeptOut(
        _ pair: Pair, _ name: String, _ sync: SyncSettings, _ server: SimServer,
        _ living: [RecordID: CRMRecord]
    ) {
        guard case .failed(let refusal) = pair.state, refusal.category == .duplicateInApp,
            object == .contacts, pair.crmID == nil, let id = pair.appID,
            let app = server.with({ state, _ in state.records[id] }), !app.isDeleted,
            let mail = MatchKey.emails(["email": app.values["mail"] ?? ""]).first
        else { return }
        let isTaken = living.values.contains { MatchKey.emails($0.properties).contains(mail) }
        let others = MatchKey.emails(["hs_additional_emails": app.values["mails"] ?? ""])
        func otherKeys(_ values: Values) -> Set<MatchKey> {
            Set(MatchKey.keys(of: values, object: object, rules: sync.match)).filter {
                $0.kind != MatchKey.email
            }
        }
        // By name and company it may be one who has two records there.
        let keys = otherKeys(sync.mapping.crmValues(of: app.values).values)
        let isNamesake = living.values.contains {
            !otherKeys($0.properties).isDisjoint(with: keys)
        }
        if isTaken || others.isEmpty || isNamesake { return }
        violate("I3", "\(name) is kept out, though nobody has its first address")
    }

    /// I3: no two records wait for each other to give up an address; an additional one that no app of them
    /// shows is not for a sync to give away.
    private func checkExchanges(
        _ pairs: [Pair], _ sync: SyncSettings, _ living: [RecordID: CRMRecord]
    ) {
        func primary(_ id: String) -> String? {
            Int64(id).flatMap { living[RecordID($0)] }?.properties["email"]?.lowercased()
        }
        var waits: [String: String] = [:]
        for pair in pairs {
            if case .failed(let refusal) = pair.state, refusal.category == .duplicateInApp,
                pair.appPresence == .present, let id = pair.crmID, let owner = refusal.otherID,
                object != .contacts
                    || primary(owner) == pair.appValues["email"]?.trimmed.lowercased()
            {
                waits["\(id)"] = owner
            }
        }
        for (id, owner) in waits.sorted(by: { $0.key < $1.key }) where waits[owner] == id {
            violate(
                "I3", "\(sync.name) CRM records \(id) and \(owner) wait for each other's address")
        }
    }

    /// I3: two companies belong together on both sides, unless one of them is only on one side.
    private func checkLinks(
        _ pairs: [Pair], _ sync: SyncSettings, _ server: SimServer, _ reader: CRMReader
    ) throws {
        guard let field = sync.mapping.fields.first(where: { $0.association != nil }),
            sync.direction == .both, field.direction == .both, field.rule == .overwrite,
            let type = try Self.parent(reader)
        else { return }
        let records = server.with { state, _ in state.records }
        var there: [RecordID: String] = [:]
        for pair in pairs where pair.appPresence == .present {
            guard let id = pair.crmID, let record = try reader.record(id),
                record.archivedAt == nil
            else { continue }
            there[id] = pair.appID?.text
        }
        for pair in pairs where pair.state == .inSync {
            guard let id = pair.crmID, let app = records[pair.appID ?? ""] else { continue }
            let boss = app.values[field.app] ?? ""
            let parent = try reader.link(
                of: id, to: object, type,
                preferring: there.first { $0.value == boss }?.key)
            guard boss.isEmpty || there.values.contains(boss) else { continue }
            let ours = parent.map { there[$0] ?? "" } ?? ""
            // What has no counterpart is waited for; what had one when both sides agreed is not.
            let base = pair.appBase[field.crm]
            let hadOne = pairs.contains {
                $0.crmID == parent && $0.appID != nil && $0.appID?.text == base
            }
            if parent != nil && ours.isEmpty && (!hadOne || boss.isEmpty) { continue }
            let isDropped = boss.isEmpty && base == ""
            let isKept = sync.blanks == .keep && (ours.isEmpty || boss.isEmpty)
            if ours == boss || isDropped || isKept { continue }
            violate(
                "I3",
                "\(sync.name) \(id): belongs to \(parent?.number ?? 0) `\(ours)`, in the app to "
                    + "`\(boss)`, at the last agreement `\(base ?? "-")`")
        }
    }

    /// I6, I11, I12: every record is known once; nothing that we made is an orphan.
    private func checkCoverage(
        _ pairs: [Pair], _ sync: SyncSettings, _ server: SimServer, _ living: [RecordID: CRMRecord]
    ) {
        let known = Dictionary(grouping: pairs, by: { $0.appID ?? "" })
        let bound = Set(
            pairs.filter { $0.appPresence != .absent && $0.crmID != nil }.compactMap(\.appID))
        // Where a search cannot tell which record a create made, a person is shown all of them.
        let shown = pairs.compactMap { pair in
            switch pair.state {
            case .ambiguous(let text): text
            case .failed(let refusal) where refusal.category == .duplicateInApp: refusal.message
            default: nil
            }
        }.joined(separator: " ")
        for (id, record) in server.with({ state, _ in state.records }) where !record.isDeleted {
            if known[id] == nil { violate("I12", "\(sync.name) never saw app record \(id)") }
            // A create that is left to a person names the CRM record.
            let isHeld = pairs.contains { $0.intent != nil && $0.intent?.key == record.key }
            // Of somebody who is forgotten the app keeps its own.
            let isForgotten = known[id]?.contains { $0.state == .excluded(.privacy) } ?? false
            let isStranger = server.with { state, _ in
                state.lives > 0 && !state.hasSentMail(of: record)
            }
            if record.isOurs && !bound.contains(id) && !isHeld && !isForgotten && !isStranger
                && !hasTwin(id, record, on: server)
                && !shown.contains(id.text)
            {
                violate("I6", "\(sync.name) made app record \(id) and lost it")
            }
        }
        let crm = Set(pairs.compactMap(\.crmID))
        for id in living.keys where !crm.contains(id) {
            violate("I12", "\(sync.name) never saw CRM record \(id)")
        }
    }

    /// Whether an app that can only be searched holds another record that nothing tells from this
    /// one: which of the two answers a lost create, nobody can know.
    private func hasTwin(
        _ id: AppRecordID, _ record: SimServer.Record, on server: SimServer
    ) -> Bool {
        let (profile, records) = server.with { state, _ in (state.profile, state.records) }
        guard case .search = profile.safety else { return false }
        let fields: [AppField] = ["mail", "first", "last"]
        return records.contains { other in
            other.key != id && other.value.key != nil
                && fields.allSatisfy { record.values[$0] ?? "" == other.value.values[$0] ?? "" }
        }
    }

    /// I8, I9: what is not mapped is as it was; nothing was deleted unless it was to be.
    private func checkServer(_ server: SimServer, _ sync: SyncSettings) {
        let (records, deletes, isReliable, redundant) = server.with { state, _ in
            let disturbing: Set<Fault> = [.lostAfter, .staleRead, .omitsField]
            return (
                state.records, state.deletes, state.profile.faults.isDisjoint(with: disturbing),
                state.redundantWrites
            )
        }
        for (id, record) in records where !(record.values["unmapped"] ?? "").hasPrefix("u") {
            violate("I8", "\(server.name) \(id): the unmapped field changed")
        }
        if let forbidden = server.with({ state, _ in state.forbiddenWrites.first }) {
            violate("I2", "\(server.name) was told what it does not let be written: \(forbidden)")
        }
        if let moment = server.with({ state, _ in state.madeUpMoments.first }) {
            violate("I2", "\(server.name) was told a moment that nobody gave: \(moment)")
        }
        if let again = server.with({ state, _ in state.repeatedCreates.first }) {
            violate("I6", "\(server.name) was sent a create again that had made a record: \(again)")
        }
        if sync.deletions == .track && deletes > 0 {
            violate("I9", "\(server.name): \(deletes) records were deleted")
        }
        // An app that answers truly and at once is never told what it already has, and a value
        // never returns to where it came from.
        if isReliable, server.with({ state, _ in state.profile.answersWithRecord }),
            !hasForgotten, let first = redundant.first
        {
            violate("I2/I10", "\(server.name) was told what it had: \(first)")
        }
    }

    /// I1: every edit is somewhere, or was answered, or is in the conflict log.
    private func checkLoss(_ living: [RecordID: CRMRecord], conflicts: Set<String>) {
        var present = conflicts
        for record in living.values {
            present.formUnion(record.properties.values.flatMap(Oracle.tokens))
        }
        for server in servers {
            for record in server.with({ state, _ in state.records }).values where !record.isDeleted
            {
                present.formUnion(record.values.values.flatMap(Oracle.tokens))
            }
        }
        for (token, place) in oracle.open.sorted(by: { $0.key < $1.key })
        where !present.contains(token) {
            violate("I1", "edit t\(token) at \(place) is lost")
        }
    }

    /// I16: each write of the reports has its entry with a reason.
    private func checkReasons(_ connection: any SQLConnection) throws {
        let entries = try connection.number(
            "SELECT COUNT(*) FROM journal WHERE kind IN ('create', 'update', 'delete') AND reason <> ''"
        )
        let writes = reports.reduce(0) { $0 + $1.writes }
        if !hasForgotten && entries != Int64(writes) {
            violate("I16", "\(writes) writes, but \(entries) journal entries with a reason")
        }
    }
}
