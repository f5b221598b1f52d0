import TandemCore
import TandemDatabase
import TandemModel

/// Observing the app: what it lists goes into the pairs, and the cursor with it.
extension Cycle {
    /// Reads what changed in the app, then whatever was marked to be read by itself.
    ///
    /// - Throws: ``AppError`` if the app cannot be read, ``RailStop`` if so many records are
    ///   missing that it looks like an accident.
    func observeApp(_ run: inout CycleRun, _ listing: DueListing) async throws {
        do {
            try await list(since: listing == .changes ? run.state.cursor : nil, &run)
        } catch let error as AppError where error.category == .rateLimit && listing == .sweep {
            // The room that is left is for changes; the sweep stays due.
            run.report.count("sweep-put-off")
            try await list(since: run.state.cursor, &run)
        } catch AppError.cursorExpired {
            run.report.count("cursor-expired")
            try await askApp(&run)
            try await list(since: nil, &run)
        }
        try judgeMissing(run)
        try await recheck(&run)
    }

    /// What of the app is to be listed.
    enum DueListing {
        case changes
        /// Everything, although the changes could be told.
        case sweep
        case everything
    }

    func dueListing(_ run: CycleRun) -> DueListing {
        if run.state.isInitial || run.state.cursor == nil { return .everything }
        let period = app.capabilities.reportsDeletions ? tuning.auditSeconds : tuning.sweepSeconds
        let sweepAt = (run.state.sweptAt ?? Timestamp(milliseconds: 0)) + .seconds(period)
        return surroundings.now() >= sweepAt ? .sweep : .changes
    }

    /// Asks the app whose account it is, and what it lets be written.
    ///
    /// - Throws: ``AppError`` if it does not say; ``RailStop`` if it is another account.
    func askApp(_ run: inout CycleRun) async throws {
        let profile = try await app.profile()
        let readOnly = profile.fields.filter { !$0.isWritable }.map(\.field.text).sorted()
        try transaction(run) { tx in
            if let known = run.state.account, known != profile.account {
                try letThrough(
                    .otherAccount, records: 0, of: 0, detail: "\(known) -> \(profile.account)", tx)
            }
            try tx.syncs.set("account", .text(profile.account), of: tx.syncID)
            try tx.syncs.set(
                "read_only", .text(readOnly.joined(separator: "\n")), of: tx.syncID)
        }
        try reload(&run)
    }

    private func list(since cursor: Cursor?, _ run: inout CycleRun) async throws {
        // Changes that came meanwhile are in the next listing, too: everything can wait for them.
        try await Urgency.$current.withValue(cursor == nil ? .later : .fresh) {
            try await read(since: cursor, &run)
        }
    }

    private func read(since cursor: Cursor?, _ run: inout CycleRun) async throws {
        let startedAt = surroundings.now()
        let listing = try await app.changes(since: cursor)
        var provesAbsence = false
        var end: Cursor?
        while let page = try await listing.next() {
            try leaveIfStopping()
            try await record(page, &run)
            if page.provesAbsence {
                provesAbsence = true
                end = page.cursor
            }
            // Defect P52 plans what it has while the listing still runs.
            if tuning.defects.has(.createsBeforeObserving) {
                try observeCRM(&run)
                try await planAndApply(&run)
            }
        }
        try transaction(run) { tx in
            if provesAbsence {
                try tx.pairs.suspectUnseen(before: run.generation, now: startedAt)
                // Together with what is missing, or a crash between would hide it: from this cursor
                // on, no deletion of before is told again.
                if let end { try tx.syncs.set("cursor", .text(end.text), of: tx.syncID) }
            }
            if cursor == nil {
                try tx.syncs.set("swept_at", .integer(startedAt.milliseconds), of: tx.syncID)
            }
            try tx.syncs.set("read_at", .integer(startedAt.milliseconds), of: tx.syncID)
        }
    }

    /// Puts one page into the pairs; its cursor is stored behind it, that of a page that proves
    /// absence by the caller.
    private func record(_ page: ChangePage, _ run: inout CycleRun) async throws {
        if tuning.defects.has(.cursorBeforePage) { try store(page.cursor, run) }
        var news = try transaction(run) { tx in try unknownVersions(page.sightings, run, tx) }
        news += partial(page.records)
        for try await readings in readings(of: news) {
            try leaveIfStopping()
            run.report.read += readings.count
            try transaction(run) { tx in
                for (id, reading) in readings.sorted(by: { $0.key < $1.key }) {
                    try note(reading, of: id, run, tx)
                }
            }
        }
        run.report.read += page.records.count + page.unreadable.count
        let partial = Set(news)
        try transaction(run) { tx in
            try note(page.records.filter { !partial.contains($0.id) }, run, tx)
            for bad in page.unreadable {
                try note(.unreadable(bad.refusal, version: bad.version), of: bad.id, run, tx)
            }
            for pair in try tx.pairs.pairs(app: page.gone).values { try suspect(pair, tx) }
        }
        if !page.provesAbsence { try store(page.cursor, run) }
    }

    private func store(_ cursor: Cursor?, _ run: CycleRun) throws {
        guard let cursor else { return }
        try transaction(run) { tx in
            try tx.syncs.set("cursor", .text(cursor.text), of: tx.syncID)
        }
    }

    /// Listed records that lack a mapped field: a listing may show less than a read (P36).
    private func partial(_ records: [AppRecord]) -> [AppRecordID] {
        if app.capabilities.listsWholeRecords { return [] }
        let fields = sync.mapping.fields.map(\.app)
        let ids = records.filter { record in fields.contains { record.values[$0] == nil } }.map(
            \.id)
        return Array(Set(ids)).sorted()
    }

    /// The sighted records that must be read: new ones, and those whose version is news.
    private func unknownVersions(
        _ sightings: [ChangePage.Sighting], _ run: CycleRun, _ tx: CycleTransaction
    ) throws -> [AppRecordID] {
        var news: [AppRecordID] = []
        for chunk in sightings.chunks(of: 500) {
            let known = try tx.pairs.pairs(app: chunk.map(\.id))
            var same: [Pair] = []
            for sighting in chunk {
                if let pair = known[sighting.id], pair.appVersion == sighting.version,
                    pair.appPresence == .present, !pair.isSuspect
                {
                    same.append(pair)
                } else {
                    news.append(sighting.id)
                }
            }
            try tx.pairs.touch(same, generation: run.generation)
        }
        return news
    }

    /// Reads records in batches; an id the app gave no answer for comes back as not available.
    private func readings(of ids: [AppRecordID]) -> ReadAhead {
        ReadAhead(
            app: app, batches: ids.chunks(of: app.capabilities.readBatch), isOn: tuning.readsAhead)
    }

    /// Reads by themselves the records that are suspected missing or known to be stale.
    private func recheck(_ run: inout CycleRun) async throws {
        var last = (Timestamp(milliseconds: -1), Int64(0))
        while true {
            let pairs = try transaction(run) { tx in
                try tx.pairs.toRecheck(
                    after: last, now: tx.now, limit: app.capabilities.readBatch)
            }
            guard let end = pairs.last else { return }
            last = (end.recheckAt ?? Timestamp(milliseconds: 0), end.id)
            let ids = pairs.compactMap(\.appID)
            let readings: [AppRecordID: AppReading] =
                tuning.defects.has(.absenceIsDeletion)
                ? Dictionary(uniqueKeysWithValues: ids.map { ($0, .gone) })
                : try await app.read(ids)
            run.report.count("point-read")
            try transaction(run) { tx in
                for (id, reading) in readings.sorted(by: { $0.key < $1.key }) {
                    guard reading == .gone else {
                        try note(reading, of: id, run, tx)
                        continue
                    }
                    if var pair = try tx.pairs.pair(app: id) { try noteGone(&pair, tx) }
                }
            }
        }
    }
}

/// Writing one observation into a pair.
extension Cycle {
    private func note(_ records: [AppRecord], _ run: CycleRun, _ tx: CycleTransaction) throws {
        for chunk in records.chunks(of: 500) {
            var known = try tx.pairs.pairs(app: Set(chunk.map(\.id)))
            for record in chunk {
                known[record.id] = try note(record, in: known[record.id], run, tx)
            }
        }
    }

    /// Notes what a read of one record gave; also used for what a write gave back.
    func note(_ reading: AppReading, of id: AppRecordID, _ run: CycleRun, _ tx: CycleTransaction)
        throws
    {
        let known = try tx.pairs.pair(app: id)
        switch reading {
        case .present(let record): _ = try note(record, in: known, run, tx)
        case .gone:
            if let known { try suspect(known, tx) }
        case .foreign(let version):
            var pair = known ?? Pair()
            pair.appID = id
            pair.appPresence = .present
            pair.appVersion = version
            pair.isForeign = true
            pair.generation = run.generation
            pair.isSuspect = false
            pair.recheckAt = nil
            pair.settle(.excluded(.filter))
            try tx.pairs.save(pair)
        case .unreadable(let refusal, let version):
            var pair = known ?? Pair()
            pair.appID = id
            pair.appPresence = .present
            pair.appVersion = version
            pair.generation = run.generation
            pair.isSuspect = false
            // A record that was not answered for is asked for again; a broken one when it changes.
            pair.recheckAt = refusal.category == .appUnavailable ? tx.now : nil
            pair.appRefusals = ["": refusal]
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
        }
    }

    /// - Returns: The pair as it is stored now.
    private func note(
        _ record: AppRecord, in known: Pair?, _ run: CycleRun, _ tx: CycleTransaction
    ) throws -> Pair {
        let mapped = sync.mapping.crmValues(of: record.values)
        var pair = known ?? Pair()
        if let known, isStale(mapped.values, record, known, now: tx.now) {
            pair.recheckAt = known.echo?.until
            pair.generation = run.generation
            return try tx.pairs.save(pair)
        }
        if pair.isUnconfirmed { confirm(&pair, by: mapped) }
        if !pair.unanswered.isEmpty { recogniseWrite(in: &pair, by: mapped) }
        // What a read leaves out is known only as long as the record is the same version: whatever
        // was there before may have been edited (P36). So it is not known either where the app
        // gave a value that was not understood.
        let isSameVersion = record.version != nil && record.version == pair.appVersion
        var values = isSameVersion ? pair.appValues : [:]
        values.merge(mapped.values) { $1 }
        for field in mapped.refusals.keys { values[field] = nil }
        if tuning.defects.has(.missingIsEmpty) {
            for field in sync.mapping.fields where mapped.values[field.crm] == nil {
                values[field.crm] = ""
            }
        }
        // A field that is left out is no news, or an app that hides one looks like mass change.
        let isNews =
            known == nil || values.contains { pair.appValues[$0.key] != $0.value }
            || mapped.refusals != pair.appRefusals || pair.appPresence != .present
        let keys = MatchKey.keys(
            of: sync.mapping.matchValues(values, app: record.values), object: sync.object,
            rules: sync.match)
        if keys != pair.appKeys {
            try tx.pairs.removeKeys(of: &pair)
            pair.appKeys = keys
        }
        pair.appID = record.id
        pair.appPresence = .present
        pair.isForeign = false
        pair.appVersion = record.version
        pair.appValues = values
        pair.appRefusals = mapped.refusals
        pair.appCreatedAt = record.createdAt ?? pair.appCreatedAt ?? tx.now
        pair.generation = run.generation
        pair.isSuspect = false
        pair.recheckAt = recheckTime(of: pair, after: mapped, now: tx.now)
        if let echo = pair.echo, echo.until <= tx.now || isNews { pair.echo = nil }
        if isNews {
            pair.wake(changedAt: record.modifiedAt ?? run.state.readAt)
            pair.appChanged = true
        }
        let becomesFindable = pair.crmID == nil && !pair.isFindable
        if becomesFindable { pair.isFindable = true }
        pair = try tx.pairs.save(pair)
        // Keys name a pair by its id, which a new one has got only now.
        if becomesFindable { try tx.pairs.insertKeys(of: pair) }
        return pair
    }

    /// Takes what the app made of the values it was last sent as its base.
    private func confirm(_ pair: inout Pair, by mapped: MappedRecord) {
        pair.isUnconfirmed = false
        for (property, base) in pair.appBase {
            pair.appBase[property] = baseAfter(sending: base, holding: mapped.values[property])
        }
    }

    /// Finds out which fields of a write without answer have arrived: what the app shows instead of
    /// the old value, and looks like what was sent, is ours and no edit of the app.
    private func recogniseWrite(in pair: inout Pair, by mapped: MappedRecord) {
        for (property, sent) in pair.unanswered {
            guard let held = mapped.values[property], held != pair.appValues[property],
                ValueType.looksRewritten(sent, as: held), held.isEmpty == sent.isEmpty
            else { continue }
            pair.crmBase[property] = sent
            pair.appBase[property] = held
        }
        pair.unanswered = [:]
    }

    /// When to read again a record that came without a field it had before (P36); `nil` if it
    /// came whole.
    func recheckTime(of pair: Pair, after mapped: MappedRecord, now: Timestamp) -> Timestamp? {
        let isPartial = pair.appBase.keys.contains {
            mapped.values[$0] == nil && mapped.refusals[$0] == nil
        }
        return isPartial ? now + .seconds(tuning.partialSeconds) : nil
    }

    /// Whether a read still shows what was there before our own last write (P26).
    private func isStale(
        _ values: Values, _ record: AppRecord, _ pair: Pair, now: Timestamp
    ) -> Bool {
        guard let echo = pair.echo, echo.until > now,
            record.version == nil || record.version != pair.appVersion,
            !tuning.defects.has(.believesStaleReads)
        else { return false }
        return echo.old.allSatisfy { values[$0.key] == $0.value }
    }

    /// App records that could not be placed look again, because what stood in their way changed.
    func wakeClaims(to keys: Set<MatchKey>, _ tx: CycleTransaction) throws {
        if keys.isEmpty { return }
        let ids = try tx.pairs.owners(of: keys).values.reduce(into: Set<Int64>()) {
            $0.formUnion($1)
        }
        for id in ids.sorted() {
            guard var pair = try tx.pairs.pair(id), pair.crmID == nil, pair.appPresence == .present,
                pair.state.kind == .failed || pair.state.kind == .ambiguous
            else { continue }
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
        }
    }

    private func suspect(_ pair: Pair, _ tx: CycleTransaction) throws {
        guard pair.appPresence == .present else { return }
        var pair = pair
        pair.isSuspect = true
        pair.recheckAt = max(tx.now, pair.echo?.until ?? tx.now)
        try tx.pairs.save(pair)
    }

    /// A point read found no record, which proves the deletion unless we have just written it.
    private func noteGone(_ pair: inout Pair, _ tx: CycleTransaction) throws {
        if let echo = pair.echo, echo.until > tx.now {
            pair.recheckAt = echo.until
        } else {
            pair.appPresence = .gone
            pair.appRefusals = [:]
            pair.isSuspect = false
            pair.recheckAt = nil
            pair.echo = nil
            pair.wake(changedAt: nil)
            try tx.pairs.removeKeys(of: &pair)
            try wakeClaims(to: Set(pair.appKeys), tx)
        }
        try tx.pairs.save(pair)
    }
}
