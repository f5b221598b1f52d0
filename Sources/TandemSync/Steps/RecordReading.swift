import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Writing one observation into a pair.
extension Cycle {
    func recordReadings(_ records: [AppRecord], _ run: CycleRun, _ tx: CycleTransaction) throws {
        for chunk in records.chunks(of: 500) {
            var known = try tx.pairs.pairs(app: Set(chunk.map(\.id)))
            for record in chunk {
                known[record.id] = try recordReading(
                    record, in: known[record.id], isListed: true, run, tx)
            }
        }
    }

    /// Notes what a read of one record gave; also used for what a write gave back.
    ///
    /// `isListed` says whether a listing named the record.
    func recordReading(
        _ reading: AppReading, of id: AppRecordID, isListed: Bool, _ run: CycleRun,
        _ tx: CycleTransaction
    ) throws {
        let known = try tx.pairs.pair(app: id)
        switch reading {
        case .present(let record):
            _ = try recordReading(record, in: known, isListed: isListed, run, tx)
        case .gone where isListed:
            // It was listed a moment ago, so this is no deletion: it is asked for again, and a listing
            // that leaves it out makes it missing.
            var pair = known ?? Pair()
            pair.appID = id
            pair.appPresence = .present
            pair.generation = run.generation
            pair.recheckAt = tx.now + .seconds(tuning.partialSeconds)
            pair.appRefusals = [
                "": Refusal(
                    .notFound, "the app lists \(id) and does not have it when it is asked for it")
            ]
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
        case .gone:
            if let known { try markMissing(known, tx) }
        case .foreign(let version):
            var pair = known ?? Pair()
            pair.appID = id
            pair.appPresence = .present
            pair.appVersion = version
            pair.isForeign = true
            pair.generation = run.generation
            pair.needsDeletionCheck = false
            pair.recheckAt = nil
            pair.settle(.excluded(.group))
            try tx.pairs.save(pair)
        case .unreadable(let refusal, let version):
            var pair = known ?? Pair()
            pair.appID = id
            pair.appPresence = .present
            pair.appVersion = version
            pair.generation = run.generation
            pair.needsDeletionCheck = false
            // A record that was not answered for is asked for again; a broken one when it changes.
            pair.recheckAt = refusal.category == .appUnavailable ? tx.now : nil
            pair.appRefusals = ["": refusal]
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
        }
    }

    /// - Returns: The pair as it is stored now.
    private func recordReading(
        _ record: AppRecord, in known: Pair?, isListed: Bool, _ run: CycleRun,
        _ tx: CycleTransaction
    ) throws -> Pair {
        let mapped = sync.mapping.crmValues(of: record.values)
        let isFirstSight = isFirstSight(of: known, run)
        var known = known
        var stranger: String?
        if var deleted = known, deleted.appPresence == .gone {
            if isListed, !unshown(mapped, run).isEmpty, keys(of: record, mapped.values).isEmpty {
                // Who it is, only the whole record says.
                deleted.recheckAt = tx.now
                return try tx.pairs.save(deleted)
            }
            let isReused = wasMadeAgain(record, after: deleted)
            if try isReused || isAnother(record, mapped.values, than: deleted, tx) {
                let text = try part(deleted, from: record.id, isLate: run.hasMatched, tx)
                // The app's own word leaves no doubt.
                stranger = isReused ? nil : text
                known = nil
            }
        } else if var replaced = known, replaced.crmID != nil, !isFirstSight,
            wasMadeAgain(record, after: replaced)
        {
            if isListed {
                // It is missing like any other, so the safety limits count it before anything is parted.
                replaced.needsDeletionCheck = true
                replaced.recheckAt = tx.now
                replaced.generation = run.generation
                return try tx.pairs.save(replaced)
            }
            try part(replaced, from: record.id, isLate: run.hasMatched, tx)
            known = nil
        }
        if isFirstSight, let before = known, before.appPresence == .present,
            before.crmID != nil, try isNobodyKnown(record, mapped.values, in: before, tx)
        {
            // The id was given after the backup, and is another one's now.
            try part(before, from: record.id, isRewound: true, isLate: run.hasMatched, tx)
            known = nil
        }
        var pair = known ?? Pair()
        if isListed { pair.isUnlisted = false }
        if let known, !isFirstSight,
            isStale(mapped.values, record, known, now: tx.now)
        {
            pair.recheckAt = known.staleReadGuard?.until
            pair.generation = run.generation
            return try tx.pairs.save(pair)
        }
        let expected = pair.appValues.merging(pair.awaiting?.sent ?? [:]) { $1 }
        // Versions of before the app went back are given again.
        let hasVersions = !isFirstSight
        let isOwn = pair.awaiting?.version.map { $0 == record.version && hasVersions } ?? false
        let hasArrived =
            pair.awaiting.map { settle($0, of: &pair, by: mapped, isOwn: isOwn) } ?? true
        if !pair.unacknowledgedWrite.isEmpty { try recogniseWrite(in: &pair, by: mapped, tx) }
        takeCalendar(of: &pair, from: mapped.values)
        // What a read leaves out is known only as long as the record is the same version: whatever
        // was there before may have been edited (P36). So it is not known either where the app
        // gave a value that was not understood.
        let isSameVersion =
            record.version != nil && record.version == pair.appVersion && hasVersions
        var values = isSameVersion ? pair.appValues : [:]
        values.merge(mapped.values) { $1 }
        for field in mapped.refusals.keys { values[field] = nil }
        if tuning.defects.has(.missingIsEmpty) {
            for field in sync.mapping.fields where mapped.values[field.crm] == nil {
                values[field.crm] = ""
            }
        }
        // A field that is left out is no news, or an app that hides one looks like mass change. A field that was
        // not understood and is now shows by its value; what the plan refused is no news of any reading.
        let isNews =
            known == nil || values.contains { expected[$0.key] != $0.value }
            || mapped.refusals.contains { pair.appRefusals[$0.key] != $0.value }
            || pair.appRefusals[""] != nil || pair.appPresence != .present
        let keys = keys(of: record, values)
        if keys != pair.appKeys {
            try tx.pairs.removeKeys(of: &pair)
            pair.appKeys = keys
        }
        if isListed && isNews && run.state.cursor != nil { pair.isUnlisted = true }
        pair.appID = record.id
        pair.appPresence = .present
        pair.isForeign = false
        pair.appVersion = record.version
        pair.appValues = values
        if isNews { pair.appRefusals = mapped.refusals }
        if let known { try recordRewound(&pair, from: known, run, tx) }
        if let createdAt = record.createdAt {
            (pair.appCreatedAt, pair.hasCreationTime) = (createdAt, true)
        } else if pair.appCreatedAt == nil {
            pair.appCreatedAt = tx.now
        }
        pair.generation = run.generation
        pair.needsDeletionCheck = false
        pair.recheckAt = recheckTime(of: pair, after: mapped, run, now: tx.now)
        if let staleReadGuard = pair.staleReadGuard, staleReadGuard.until <= tx.now || isNews {
            pair.staleReadGuard = nil
        }
        if isNews && !isOwn {
            pair.wake(changedAt: record.modifiedAt ?? run.state.readAt)
            pair.appChanged = true
        } else if isNews || !hasArrived {
            pair.wake(changedAt: nil)
        }
        if let stranger, try tx.crm.owners(of: Set(pair.appKeys), in: sync.object).isEmpty {
            // Whether it is the same person with another address, only a person can say.
            pair.settle(.ambiguous(stranger))
        }
        // What shows up while plans are carried out is matched first.
        if known == nil && run.hasMatched { pair.putOff(from: tx.now) }
        let becomesFindable = pair.crmID == nil && !pair.isFindable
        if becomesFindable { pair.isFindable = true }
        pair = try tx.pairs.save(pair)
        // Keys name a pair by its id, which a new one has got only now.
        if becomesFindable { try tx.pairs.insertKeys(of: pair) }
        return pair
    }

    /// What a CRM record with these values is matched by.
    func keys(of properties: Values) -> Set<MatchKey> {
        Set(MatchKey.keys(of: properties, object: sync.object, rules: sync.match))
    }

    /// What an app's record is matched by.
    func keys(of record: AppRecord, _ values: Values) -> [MatchKey] {
        MatchKey.keys(
            of: sync.mapping.matchValues(values, app: record.values), object: sync.object,
            rules: sync.match)
    }

    /// The fields that a record came without, of those that the app has.
    func unshown(_ mapped: MappedRecord, _ run: CycleRun) -> [FieldMapping] {
        sync.mapping.fields.filter { field in
            mapped.values[field.crm] == nil && mapped.refusals[field.crm] == nil
                && run.state.missingFields[field.app] == nil
        }
    }

    /// When to read again a record that came without a field it had before (P36); `nil` if it
    /// came whole.
    func recheckTime(
        of pair: Pair, after mapped: MappedRecord, _ run: CycleRun, now: Timestamp
    ) -> Timestamp? {
        let isPartial = unshown(mapped, run).contains { pair.appBase[$0.crm] != nil }
        return isPartial ? now + .seconds(tuning.partialSeconds) : nil
    }

    /// App records that could not be placed look again, because what stood in their way changed.
    ///
    /// Once a run has matched, they wait for the next one: nothing is planned that was not matched.
    func wakeClaims(to keys: Set<MatchKey>, isLate: Bool, _ tx: CycleTransaction) throws {
        if keys.isEmpty { return }
        let ids = try tx.pairs.owners(of: keys).values.reduce(into: Set<Int64>()) {
            $0.formUnion($1)
        }
        for id in ids.sorted() {
            guard var pair = try tx.pairs.pair(id), pair.crmID == nil, pair.appPresence == .present,
                pair.state.kind == .failed || pair.state.kind == .ambiguous
            else { continue }
            if isLate { pair.putOff(from: tx.now) } else { pair.wake(changedAt: nil) }
            try tx.pairs.save(pair)
        }
    }

    func markMissing(_ pair: Pair, _ tx: CycleTransaction) throws {
        guard pair.appPresence == .present else { return }
        var pair = pair
        pair.needsDeletionCheck = true
        pair.recheckAt = max(tx.now, pair.staleReadGuard?.until ?? tx.now)
        try tx.pairs.save(pair)
    }

    /// A point read found no record, which proves the deletion unless we have just written it, or
    /// something in the app has lost its name and may be it.
    func recordGone(_ pair: inout Pair, _ run: CycleRun, _ tx: CycleTransaction) throws {
        if let staleReadGuard = pair.staleReadGuard, staleReadGuard.until > tx.now {
            pair.recheckAt = staleReadGuard.until
        } else if run.state.unidentified.count > 0
            && !tuning.defects.has(.namelessProvesAbsence)
        {
            pair.recheckAt = tx.now + .seconds(tuning.partialSeconds)
        } else {
            pair.appPresence = .gone
            if run.state.isRewound && pair.crmID != nil { pair.rewound = [:] }
            pair.appRefusals = [:]
            pair.needsDeletionCheck = false
            pair.recheckAt = nil
            pair.staleReadGuard = nil
            pair.wake(changedAt: nil)
            try tx.pairs.removeKeys(of: &pair)
            try wakeClaims(to: Set(pair.appKeys), isLate: run.hasMatched, tx)
        }
        try tx.pairs.save(pair)
    }
}
