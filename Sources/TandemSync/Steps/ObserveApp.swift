import AdapterKit
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Observing the app: what it lists goes into the pairs, and the cursor with it.
extension Cycle {
    /// Reads what changed in the app, then whatever was marked to be read by itself.
    ///
    /// - Throws: ``AppError`` if the app cannot be read, ``SafetyStopError`` if so many records are
    ///   missing that it looks like an accident.
    func observeApp(_ run: inout CycleRun, _ listing: DueListing) async throws {
        do { try await look(listing, &run) } catch AppError.wentBack {
            try acceptRewind(&run)
            try await look(.everything, &run)
        }
        // What went back with the app is no deletion.
        if !run.state.isRewound { try judgeMissing(run) }
        try await recheck(&run)
    }

    /// Lists what is due, and what must be listed instead.
    private func look(_ listing: DueListing, _ run: inout CycleRun) async throws {
        do {
            if listing != .changes { try await confirm(run) }
            try await list(since: listing == .changes ? run.state.cursor : nil, &run)
            if listing == .everything && lacksIndex(run) { try await lookAgain(&run) }
        } catch let error as AppError where error.category == .rateLimit && listing == .sweep {
            // The room that is left is for changes; the sweep stays due.
            run.report.count("sweep-put-off")
            try await list(since: run.state.cursor, &run)
        } catch let error as AppError where error.isAboutCursor(tuning.defects) {
            run.report.count("cursor-expired")
            try await confirm(run)
            try await askApp(&run)
            try await list(since: nil, &run)
            try await lookAgain(&run)
        }
    }

    /// Asks whether the app has gone back, where a listing of everything would not show it.
    private func confirm(_ run: CycleRun) async throws {
        guard let cursor = run.state.cursor, !run.state.isRewound,
            !tuning.defects.has(.rewindIsEdit)
        else { return }
        try await app.confirm(cursor)
    }

    /// What was seen of the app so far proves of no record that the app lacks it.
    private func lacksIndex(_ run: CycleRun) -> Bool { run.wasInitial || run.wasPutBack }

    /// Lists everything once more at once where records can have slipped through: a key that the app has
    /// is missing in two listings only if its record has moved in both.
    func lookAgain(_ run: inout CycleRun) async throws {
        guard run.hasDrifted, !tuning.defects.has(.oneListingProvesAbsence) else { return }
        run.report.count("listed-again")
        try await list(since: nil, &run)
        run.hasDrifted = false
        try transaction(run) { tx in
            if run.state.mayHaveDrifted { try tx.syncs.set("drifts", 1, of: tx.syncID) }
        }
    }

    /// Whether a record is to be made that the only listing of this run may have left out; an app that can
    /// be searched is asked instead.
    func needsSecondLook(_ run: CycleRun) throws -> Bool {
        guard run.hasDrifted, !app.capabilities.canSearch else { return false }
        return try transaction(run) { tx in
            try tx.pairs.has(
                "work_at IS NOT NULL AND state = 'pending' AND app_id IS NULL AND intent_key IS NULL"
            )
        }
    }

    /// Goes on with an app that went back in time, if a person has said so.
    ///
    /// - Throws: ``SafetyStopError`` if nobody has.
    private func acceptRewind(_ run: inout CycleRun) throws {
        try transaction(run) { tx in
            let since = run.state.readAt?.milliseconds ?? 0
            try requireAcknowledged(.rewound, records: 0, of: 0, detail: "\(since)", tx)
            try tx.syncs.set("rewound", 1, of: tx.syncID)
        }
        try reload(&run)
    }

    /// What of the app is to be listed.
    enum DueListing {
        case changes
        /// Everything, although the changes could be told.
        case sweep
        case everything
    }

    func dueListing(_ run: CycleRun) -> DueListing {
        let state = run.state
        if state.isInitial || state.cursor == nil || state.wasPutBack || state.isRewound {
            return .everything
        }
        var period = app.capabilities.reportsDeletions ? tuning.auditSeconds : tuning.sweepSeconds
        // As long as something has no name, no deletion is proven.
        if run.state.unidentified.count > 0 { period = min(period, tuning.partialSeconds) }
        let sweepAt = (run.state.sweptAt ?? Timestamp(milliseconds: 0)) + .seconds(period)
        return dependencies.now() >= sweepAt ? .sweep : .changes
    }

    func isKnownAccount(_ run: CycleRun) async throws -> Bool {
        guard let account = run.state.account else { return true }
        return try await app.resume(account)
    }

    /// Asks the app whose account it is, and what it lets be written.
    ///
    /// - Throws: ``AppError`` if it does not say; ``SafetyStopError`` if it is another account.
    func askApp(_ run: inout CycleRun) async throws {
        let profile = try await app.profile()
        if let lacking = profile.lacking, run.state.isInitial { throw lacking }
        let readOnly = profile.fields.filter { !$0.isWritable }.map(\.field.text).sorted()
        try transaction(run) { tx in
            if let known = run.state.account, known != profile.account {
                try requireAcknowledged(
                    .otherAccount, records: 0, of: 0, detail: "\(known) -> \(profile.account)", tx)
                // What changed since a moment of the other one says nothing of this one.
                try tx.syncs.set("cursor", .null, of: tx.syncID)
            }
            try tx.syncs.set("account", .text(profile.account), of: tx.syncID)
            try tx.syncs.set(
                "read_only", .text(readOnly.joined(separator: "\n")), of: tx.syncID)
        }
        try reload(&run)
    }

    private func list(since cursor: Cursor?, _ run: inout CycleRun) async throws {
        // Changes that came meanwhile are in the next listing, too: everything can wait for them.
        try await RequestPriority.$current.withValue(cursor == nil ? .background : .interactive) {
            try await read(since: cursor, &run)
        }
    }

    private func read(since cursor: Cursor?, _ run: inout CycleRun) async throws {
        let startedAt = dependencies.now()
        let listing = try await app.changes(since: cursor)
        var summary = ListingSummary()
        while let page = try await listing.next() {
            try leaveIfStopping()
            try await record(page, &run)
            summary.add(page)
            if let notice = page.notice { run.report.notices.append(notice) }
            // Defect P52 plans what it has while the listing still runs.
            if tuning.defects.has(.createsBeforeObserving) {
                try observeCRM(&run)
                try await planAndApply(&run)
            }
        }
        try requireIdentified(summary)
        try transaction(run) { tx in
            if summary.isComplete {
                if summary.unidentified.count == 0 || tuning.defects.has(.namelessProvesAbsence) {
                    try tx.pairs.markUnseenMissing(before: run.generation, now: startedAt)
                }
                // Together with what is missing, or a crash between would hide it: from this cursor
                // on, no deletion of before is told again.
                if let end = summary.end {
                    try tx.syncs.set("cursor", .text(end.text), of: tx.syncID)
                }
            }
            try tx.pairs.concludeListing(run.generation)
            if !tuning.defects.has(.trustsStateCursors) {
                try tx.pairs.recheckUnlisted(before: run.generation, now: startedAt)
            }
            try recordSummary(summary, run, tx)
            if summary.isComplete { run.hasDrifted = summary.mayHaveDrifted }
            if cursor == nil || summary.isComplete {
                try tx.syncs.set("drifts", summary.mayHaveDrifted ? 2 : 0, of: tx.syncID)
            }
            if cursor == nil {
                try tx.syncs.set("put_back", 0, of: tx.syncID)
                try tx.syncs.set("swept_at", .integer(startedAt.milliseconds), of: tx.syncID)
            }
            try tx.syncs.set("read_at", .integer(startedAt.milliseconds), of: tx.syncID)
        }
        run.report.failed += summary.unidentified.count
        try reload(&run)
    }

    /// What a listing showed as a whole.
    private struct ListingSummary {
        /// It went through everything there is.
        var isComplete = false
        var end: Cursor?
        var identified = 0
        var unidentified = SyncState.Unidentified()
        var mayHaveDrifted = false

        mutating func add(_ page: ChangePage) {
            identified += page.records.count + page.listedVersions.count + page.unreadable.count
            unidentified.add(page.unidentified)
            mayHaveDrifted = mayHaveDrifted || page.mayHaveDrifted
            if page.isCompleteListing {
                isComplete = true
                end = page.cursor
            }
        }
    }

    /// A listing in which nothing can be identified was not understood.
    ///
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` for one.
    private func requireIdentified(_ summary: ListingSummary) throws(AppError) {
        guard summary.isComplete, summary.identified == 0,
            let first = summary.unidentified.examples.min(by: <)
        else { return }
        throw .askOperator(
            .mapping,
            "none of \(summary.unidentified.count) records can be identified; "
                + "\(first.key): \(first.value)",
            remedy: "Give the records their ids, or correct the app's description.")
    }

    /// Remembers what is no record yet.
    private func recordSummary(_ summary: ListingSummary, _ run: CycleRun, _ tx: CycleTransaction)
        throws
    {
        // What a listing of changes does not show again may still be there.
        if summary.isComplete && summary.unidentified != run.state.unidentified {
            try tx.syncs.set(summary.unidentified, of: tx.syncID)
        }
    }

    /// A field that the app never had is none of its; one that it had, or that records have values of,
    /// is missing.
    private func recordFields(_ fields: Set<AppField>, _ run: CycleRun, _ tx: CycleTransaction)
        throws
    {
        var known = fields.union(run.state.appFields ?? [])
        var missing: [AppField: String] = [:]
        for field in Set(sync.mapping.fields.map(\.app)).subtracting(fields) {
            if let records = run.state.missingFields[field] {
                missing[field] = "\(records)"
                continue
            }
            // Records have no values of a field that was never there; a store of before this was
            // remembered has to be looked through once.
            if run.state.appFields.map({ !$0.contains(field) }) ?? false { continue }
            let properties = sync.mapping.fields.filter { $0.app == field }.map(\.crm)
            let records = try properties.map(tx.pairs.countValues(of:)).max() ?? 0
            if records > 0 { known.insert(field) }
            if known.contains(field) { missing[field] = "\(records)" }
        }
        if known != run.state.appFields {
            let lines = known.sorted().map(\.text).joined(separator: "\n")
            try tx.syncs.set("app_fields", .text(lines), of: tx.syncID)
        }
        if Set(missing.keys) != Set(run.state.missingFields.keys) {
            try tx.syncs.set("missing_fields", .text(FlatJSON.text(missing)), of: tx.syncID)
        }
        // What a field says that is new or back, no listing of changes has to tell; and where one went, an
        // app may tell versions by all that are left.
        let before = run.state.appFields?.subtracting(run.state.missingFields.keys) ?? known
        let isMore = sync.mapping.fields.contains { field in
            fields.contains(field.app) && !before.contains(field.app)
        }
        let gone = Set(missing.keys).subtracting(run.state.missingFields.keys)
        for field in sync.mapping.fields where gone.contains(field.app) {
            try tx.pairs.wakeWithout(field.crm)
        }
        let isLess = !gone.isEmpty
        if isLess || isMore && !tuning.defects.has(.returnIsNoNews) {
            try tx.pairs.recheckAll(now: tx.now)
        }
    }

    /// Puts one page into the pairs; its cursor is stored behind it, that of a page that proves
    /// absence by the caller.
    private func record(_ page: ChangePage, _ run: inout CycleRun) async throws {
        if tuning.defects.has(.cursorBeforePage) { try store(page.cursor, run) }
        if let fields = page.fields, fields != run.fields {
            // Before the page's records, which lack what the app does not have.
            try transaction(run) { tx in try recordFields(fields, run, tx) }
            try reload(&run)
            run.fields = fields
        }
        var news = try transaction(run) { tx in try unknownVersions(page.listedVersions, run, tx) }
        news += partial(page.records, without: page.fields)
        for try await readings in readings(of: news) {
            try leaveIfStopping()
            run.report.read += readings.count
            try transaction(run) { tx in
                for (id, reading) in readings.sorted(by: { $0.key < $1.key }) {
                    try recordReading(reading, of: id, isListed: true, run, tx)
                }
            }
        }
        run.report.read += page.records.count + page.unreadable.count
        let partial = Set(news)
        try transaction(run) { tx in
            try recordReadings(page.records.filter { !partial.contains($0.id) }, run, tx)
            for bad in page.unreadable {
                try recordReading(
                    .unreadable(bad.refusal, version: bad.version), of: bad.id, isListed: true,
                    run, tx)
            }
            for pair in try tx.pairs.pairs(app: page.gone).values { try markMissing(pair, tx) }
            if !page.unidentified.isEmpty {
                // Before its cursor: behind it no listing of changes shows it again.
                var known = run.state.unidentified
                known.add(page.unidentified)
                try tx.syncs.set(known, of: tx.syncID)
                run.state.unidentified = known
            }
        }
        if !page.isCompleteListing { try store(page.cursor, run) }
    }

    private func store(_ cursor: Cursor?, _ run: CycleRun) throws {
        guard let cursor else { return }
        try transaction(run) { tx in
            try tx.syncs.set("cursor", .text(cursor.text), of: tx.syncID)
        }
    }

    /// Listed records that lack a mapped field that the app has: a listing may show less than a read
    /// (P36).
    private func partial(_ records: [AppRecord], without known: Set<AppField>?) -> [AppRecordID] {
        if app.capabilities.listsWholeRecords { return [] }
        let fields = sync.mapping.fields.map(\.app).filter { known?.contains($0) ?? true }
        let ids = records.filter { record in fields.contains { record.values[$0] == nil } }.map(
            \.id)
        return Array(Set(ids)).sorted()
    }

    /// The sighted records that must be read: new ones, and those whose version is news.
    private func unknownVersions(
        _ listedVersions: [ChangePage.ListedVersion], _ run: CycleRun, _ tx: CycleTransaction
    ) throws -> [AppRecordID] {
        var news: [AppRecordID] = []
        for chunk in listedVersions.chunks(of: 500) {
            let known = try tx.pairs.pairs(app: chunk.map(\.id))
            var same: [Pair] = []
            for listed in chunk {
                if let pair = known[listed.id], let version = listed.version,
                    pair.appVersion == version,
                    pair.appPresence == .present, !pair.needsDeletionCheck,
                    !isFirstSight(of: pair, run) || tuning.defects.has(.trustsRewoundVersions)
                {
                    same.append(pair)
                } else {
                    news.append(listed.id)
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
                        try recordReading(reading, of: id, isListed: false, run, tx)
                        continue
                    }
                    guard var pair = try tx.pairs.pair(app: id) else { continue }
                    // As long as it is listed.
                    if pair.appRefusals[""]?.category == .notFound && !pair.needsDeletionCheck {
                        pair.recheckAt = tx.now + .seconds(tuning.partialSeconds)
                        try tx.pairs.save(pair)
                    } else {
                        try recordGone(&pair, run, tx)
                    }
                }
            }
        }
    }
}

extension AppError {
    /// The cursor counts no more, so everything is listed.
    fileprivate func isAboutCursor(_ defects: Defects) -> Bool {
        switch self {
        case .cursorExpired: true
        case .wentBack: defects.has(.rewindIsEdit)
        case .tryLater, .askOperator: false
        }
    }
}
