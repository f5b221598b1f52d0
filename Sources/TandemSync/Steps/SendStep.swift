import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Sending writes to the app and recording what came of them.
extension Cycle {
    /// Sends what is due in its order: what failed before comes after what is new, and can wait for it.
    func send(_ outbox: [OutboxItem], _ run: inout CycleRun) async throws {
        for chunk in outbox.chunks(of: app.capabilities.writeBatch) {
            let isRetry = chunk.allSatisfy { $0.pair.attempts > 0 }
            do {
                try await RequestPriority.$current.withValue(
                    isRetry ? .background : RequestPriority.current
                ) {
                    try await send(chunk: Array(chunk), &run)
                }
            } catch let error as AppError {
                // Nothing of it reached the app, so there is nothing to look up later.
                try dropIntents(of: outbox[chunk.startIndex...], run)
                throw error
            }
        }
    }

    private func send(chunk: [OutboxItem], _ run: inout CycleRun) async throws {
        var items = try await stillCurrent(chunk, &run)
        items = try await kept(items, run)
        items = try await absent(items, &run)
        if items.isEmpty { return }
        dependencies.onWriting(true)
        defer { dependencies.onWriting(false) }
        let outcomes = try await app.apply(items.map(\.write))
        let readBack = await readings(of: outcomes)
        let report = try transaction(run) { tx in
            var step = RecordStep(
                step: try PlanStep(cycle: self, tx: tx, run: run), run: run)
            for (index, item) in items.enumerated() {
                let outcome =
                    index < outcomes.count
                    ? outcomes[index] : .unknown("the app gave no answer")
                try step.record(outcome, of: item, readBack: readBack)
            }
            return step.step.report
        }
        run.report = report
    }

    /// An intent that is older than this sending stays: what was sent then may still arrive.
    private func dropIntents(of outbox: ArraySlice<OutboxItem>, _ run: CycleRun) throws {
        try transaction(run) { tx in
            for item in outbox where !item.isRepeat {
                guard var pair = try tx.pairs.pair(item.pair.id), pair.intent != nil else {
                    continue
                }
                pair.intent = nil
                try tx.pairs.save(pair)
            }
        }
    }

    /// The largest record that is deleted without being asked: what it takes away has to be kept.
    private static let originalLimit = 1 << 20

    /// Keeps whole what is to be deleted, before it is; what cannot be kept is not deleted.
    private func kept(_ items: [OutboxItem], _ run: CycleRun) async throws -> [OutboxItem] {
        let deleted = items.compactMap { item in
            if case .delete(let id, _) = item.write.kind { id } else { nil as AppRecordID? }
        }
        if deleted.isEmpty { return items }
        var originals: [AppRecordID: String] = [:]
        for chunk in deleted.chunks(of: app.capabilities.readBatch) {
            originals.merge(try await app.originals(of: Array(chunk))) { $1 }
        }
        return try transaction(run) { tx in
            try items.filter { item in
                guard case .delete(let id, _) = item.write.kind else { return true }
                guard var pair = try tx.pairs.pair(item.pair.id) else { return false }
                guard let original = originals[id] else {
                    // It is gone, or cannot be read now; the next cycle finds out which.
                    pair.recheckAt = tx.now
                    try tx.pairs.save(pair)
                    return false
                }
                if original.utf8.count > Self.originalLimit && !pair.isDeletionApproved {
                    pair.settle(.awaitingApproval(.deletion(in: .crm)))
                    try tx.pairs.save(pair)
                    return false
                }
                if !tuning.defects.has(.keepsNoOriginals) {
                    try tx.journal.keep(original, of: item.pair, id)
                }
                return true
            }
        }
    }

    /// Where an app cannot write under a condition, the records are read again just before, and
    /// those that changed are planned anew instead of being written over (P92).
    private func stillCurrent(_ items: [OutboxItem], _ run: inout CycleRun) async throws
        -> [OutboxItem]
    {
        if app.capabilities.conditionalWrites || tuning.defects.has(.writesUnconditionally) {
            return items
        }
        let ids = items.compactMap { item -> AppRecordID? in
            if case .create = item.write.kind { return nil }
            return item.pair.appID
        }
        if ids.isEmpty { return items }
        var readings: [AppRecordID: AppReading] = [:]
        for chunk in ids.chunks(of: app.capabilities.readBatch) {
            readings.merge(try await app.read(Array(chunk))) { $1 }
        }
        return try transaction(run) { tx in
            try items.filter { item in
                guard let id = item.pair.appID, item.pair.appPresence == .present else {
                    return true
                }
                guard let reading = readings[id] else { return false }
                if case .present(let record) = reading {
                    let now = sync.mapping.crmValues(of: record.values).values
                    if now.allSatisfy({ item.pair.appValues[$0.key] == $0.value }) { return true }
                }
                try recordReading(reading, of: id, isListed: false, run, tx)
                return false
            }
        }
    }

    /// Reads back what the app accepted without showing what it made of it.
    ///
    /// An app whose reads lag would only show what was there before; it is read later.
    private func readings(of outcomes: [WriteOutcome]) async -> [AppRecordID: AppReading] {
        if app.capabilities.readLagSeconds > 0 && !tuning.defects.has(.believesStaleReads) {
            return [:]
        }
        let ids = outcomes.compactMap { outcome -> AppRecordID? in
            switch outcome {
            case .accepted(let id, _), .acceptedPartly(let id, _, _): id
            default: nil
            }
        }
        var readings: [AppRecordID: AppReading] = [:]
        for chunk in ids.chunks(of: app.capabilities.readBatch) {
            // The write itself has happened; if it cannot be read now, it is read later.
            do { readings.merge(try await app.read(Array(chunk))) { $1 } } catch { break }
        }
        return readings
    }
}

/// Records the outcomes of one batch of writes inside one transaction.
struct RecordStep {
    var step: PlanStep
    let run: CycleRun

    private var tx: CycleTransaction { step.tx }
    private var cycle: Cycle { step.cycle }

    mutating func record(
        _ outcome: WriteOutcome, of item: OutboxItem, readBack: [AppRecordID: AppReading]
    ) throws {
        guard var pair = try tx.pairs.pair(item.pair.id) else { return }
        switch outcome {
        case .written(let record): try written(record, item, &pair)
        case .rewritten(let record, let rewriting):
            try written(record, item, &pair, isOurs: rewriting.isOurs, rewriting)
        case .exists(let record):
            step.report.count("create-repeated")
            try cycle.adopt(record, by: pair, run, tx)
        // A record that is only marked as deleted may still let itself be written.
        case .accepted(let id, _) where readBack[id] == .gone && pair.appID != nil: try gone(&pair)
        case .accepted(let id, let version):
            if case .present(let record) = readBack[id] {
                let isOurs = version != nil && version == record.version
                try written(record, item, &pair, isOurs: isOurs)
            } else {
                try acceptedUnseen(id, version, item, &pair)
            }
        case .acceptedPartly(let id, let version, let refusals):
            var item = item
            for field in cycle.sync.mapping.fields {
                guard let refusal = refusals[field.app],
                    let sent = item.sent.removeValue(forKey: field.crm)
                else { continue }
                pair.ignored[field.crm] = sent
                pair.refused[field.crm] = refusal
            }
            try tx.pairs.save(pair)
            try record(.accepted(id, version: version), of: item, readBack: readBack)
        case .madeUnnamed(let message):
            pair.intent?.status = .made
            pair.putOff(from: tx.now)
            step.report.count("create-unnamed")
            try journal(item, old: [:], pair, note: message)
            try tx.pairs.save(pair)
        case .deleted:
            step.report.deletedInApp += 1
            try step.recordUnseen(pair, pair.appValues, on: .app)
            try tx.journal.append(
                .delete, on: .app, of: pair, reason: item.reason, before: pair.appValues)
            try tx.pairs.delete(pair)
        case .conflict:
            step.report.count("version-conflict")
            pair.recheckAt = tx.now
            try step.fail(
                pair, Refusal(.versionConflict, "the record changed in the app meanwhile"),
                afterSeconds: nil)
        case .gone: try gone(&pair)
        case .refused(let refusal):
            if !item.isRepeat { pair.intent = nil }
            try step.fail(pair, refusal)
            try nameRing(through: pair.id)
        case .unknown(let message):
            if pair.appID != nil {
                pair.recheckAt = tx.now
                pair.isUnlisted = true
                pair.unacknowledgedWrite.merge(item.sent) { $1 }
            }
            try step.fail(pair, Refusal(.unknownOutcome, message))
        case .notNow(let category, let message, let afterSeconds):
            if !item.isRepeat { pair.intent = nil }
            try step.fail(pair, Refusal(category, message), afterSeconds: afterSeconds)
        }
    }

    /// More records than this are not looked at for a ring.
    private static let ringLimit = 200

    /// Records that exchange a unique value, in an app that looks at each write by itself, fail together:
    /// each of them names the whole ring, which no order of writes can resolve.
    private mutating func nameRing(through id: Int64) throws {
        var ring: [Pair] = []
        var next = try tx.pairs.pair(id)
        while let pair = next, case .failed(let refusal) = pair.state,
            refusal.category == .duplicateInApp, pair.appPresence == .present,
            // What the CRM refused names a record of the CRM.
            pair.refused.isEmpty, let owner = refusal.otherID
        {
            ring.append(pair)
            next = try tx.pairs.pair(app: AppRecordID(owner))
            if next?.id == id { break }
            guard ring.count < Self.ringLimit, !ring.contains(where: { $0.id == next?.id }) else {
                return
            }
        }
        guard ring.count > 1, next?.id == id else { return }
        let names = ring.compactMap(\.appID?.text).sorted().joined(separator: ", ")
        for var pair in ring {
            guard case .failed(let refusal) = pair.state else { continue }
            let text =
                "the app records \(names) exchange a value in the CRM that only one may have at a time, and "
                + "the app looks at each write by itself; give one of them another value there first"
            pair.fail(
                Refusal(refusal.category, text, otherID: refusal.otherID), now: tx.now, jitter: 0,
                afterSeconds: nil)
            try tx.pairs.save(pair)
        }
    }

    /// Nothing was written; the record is asked for once more.
    private func gone(_ pair: inout Pair) throws {
        pair.needsDeletionCheck = true
        pair.recheckAt = tx.now
        try tx.pairs.save(pair)
    }

    /// What the app made of a value becomes its base; what was sent becomes the CRM's.
    ///
    /// Of a record that was read back the same holds if it is at the version that the write gave it.
    /// Otherwise what differs from what was sent may be an edit, and stays visible as one. A field
    /// that the record does not show, or shows as it was before, was not written.
    private mutating func written(
        _ record: AppRecord, _ item: OutboxItem, _ pair: inout Pair, isOurs: Bool = true,
        _ rewriting: Rewriting? = nil
    ) throws {
        if pair.appID == nil, try !adopt(record, item, &pair) { return }
        let mapped = cycle.sync.mapping.crmValues(of: record.values)
        let old = pair.appValues
        pair.appValues.merge(mapped.values) { $1 }
        pair.appVersion = record.version
        pair.recheckAt = cycle.recheckTime(of: pair, after: mapped, run, now: tx.now)
        pair.wasReconciled = true
        pair.isUnlisted = true
        pair.intent = nil
        pair.awaiting = nil
        pair.unacknowledgedWrite = [:]
        // Who can be written is there, whatever a listing left out.
        pair.needsDeletionCheck = false
        for (property, value) in item.sent {
            _ = cycle.take(
                property, value, in: &pair, from: mapped, before: old, isOwn: isOurs)
            pair.refused[property] = nil
        }
        pair.refused[""] = rewriting?.lost.map { lost in
            Refusal(.changedByServer, "the app keeps the record without \(lost), which were sent")
        }
        if let rewriting, !cycle.tuning.defects.has(.rewritingIsEdit) {
            take(rewriting, of: &pair, mapped, sent: item.sent)
        }
        guardAgainstStaleReads(of: item, old: old, &pair)
        try journal(item, old: old, pair)
        try replan(&pair)
    }

    /// Takes what became of the fields that were only sent along with others.
    ///
    /// What the app made of them is its form, and not sent again; where it may be somebody's edit, neither
    /// side's value is carried before a person has looked.
    private func take(
        _ rewriting: Rewriting, of pair: inout Pair, _ found: MappedRecord, sent: Values
    ) {
        let whole = cycle.sync.mapping.crmValues(of: rewriting.sent).values
        for (property, value) in found.values {
            guard let wanted = whole[property], wanted != value else { continue }
            let isSame = cycle.isEqual(property, wanted, value)
            if !rewriting.isOurs && !isSame && pair.ignored[property] == nil {
                pair.rewound = (pair.rewound ?? [:]).merging([property: value]) { $1 }
                pair.isRewritten = true
            } else if sent[property] == nil && pair.appBase[property] != nil {
                pair.appBase[property] = value
                pair.refused[property] =
                    isSame
                    ? nil
                    : Refusal(
                        .changedByServer,
                        "\(property): the app was sent `\(wanted)` with the rest of the record and keeps `\(value)`"
                    )
            }
        }
    }

    /// Takes the new record's id into the pair.
    ///
    /// - Returns: `false` if the app names a record that is another pair's; the pair failed.
    private mutating func adopt(_ record: AppRecord, _ item: OutboxItem, _ pair: inout Pair) throws
        -> Bool
    {
        if let other = try tx.pairs.pair(app: record.id) {
            if other.crmID == nil {
                // It was listed before we knew that it is ours.
                try tx.pairs.delete(other)
            } else if other.appPresence == .gone {
                // The app gives the id of a deleted record anew.
                try cycle.part(other, from: record.id, isLate: true, tx)
            } else {
                pair.intent = nil
                try step.fail(pair, Refusal.bound(record.id))
                return false
            }
        }
        pair.appID = record.id
        pair.appPresence = .present
        pair.appCreatedAt = record.createdAt ?? tx.now
        pair.hasCreationTime = record.createdAt != nil
        pair.generation = run.generation
        let values = cycle.sync.mapping.crmValues(of: record.values).values
        pair.appKeys = cycle.keys(of: record, values)
        return true
    }

    /// Done, but what the app made of it is not known yet: the record is read again, and until then
    /// plans take what was sent for delivered.
    private mutating func acceptedUnseen(
        _ id: AppRecordID, _ version: String?, _ item: OutboxItem, _ pair: inout Pair
    ) throws {
        if pair.appID == nil {
            let bare = AppRecord(id: id, version: nil, values: [:])
            if try !adopt(bare, item, &pair) { return }
        }
        let old = pair.appValues
        if cycle.tuning.defects.has(.sentIsBase) {
            pair.crmBase.merge(item.sent) { $1 }
            pair.appBase.merge(item.sent) { $1 }
        } else {
            pair.awaiting = Pair.Awaiting(sent: item.sent, version: version)
        }
        pair.wasReconciled = true
        pair.isUnlisted = true
        pair.intent = nil
        pair.needsDeletionCheck = false
        pair.unacknowledgedWrite = [:]
        pair.recheckAt = tx.now + .seconds(cycle.app.capabilities.readLagSeconds)
        pair.appVersion = nil
        guardAgainstStaleReads(of: item, old: old, &pair)
        try journal(item, old: old, pair)
        try replan(&pair)
    }

    private func guardAgainstStaleReads(of item: OutboxItem, old: Values, _ pair: inout Pair) {
        let lag = cycle.app.capabilities.readLagSeconds
        guard lag > 0 else { return }
        let written = item.sent.reduce(into: Values()) { $0[$1.key] = old[$1.key] ?? "" }
        pair.staleReadGuard = Pair.StaleReadGuard(old: written, until: tx.now + .seconds(lag))
    }

    private mutating func journal(
        _ item: OutboxItem, old: Values, _ pair: Pair, note: String? = nil
    ) throws {
        let isCreate = if case .create = item.write.kind { true } else { false }
        // Another deletion takes away another record.
        if isCreate && item.write.original != nil { try tx.journal.drop(originalOf: pair.crmID) }
        if isCreate { step.report.createdInApp += 1 } else { step.report.updatedInApp += 1 }
        try tx.journal.append(
            isCreate ? .create : .update, on: .app, of: pair,
            reason: item.reason + (note.map { ": \($0)" } ?? ""),
            before: item.sent.reduce(into: [:]) { $0[$1.key] = old[$1.key] ?? "" },
            after: item.sent)
    }

    /// Looks once more, because either side may have moved while the write was under way.
    private mutating func replan(_ pair: inout Pair) throws {
        let record = try pair.crmID.flatMap { try tx.crm.record($0) }
        if cycle.tuning.defects.has(.basesOnLaterValues), let record {
            pair.crmBase.merge(cycle.sync.mapping.view(of: record.properties)) { $1 }
        }
        let plan = try Planner(cycle.sync).plan(step.view(of: pair, record).0)
        for (property, decision) in plan.decisions where decision.movesBases {
            pair.crmBase[property] = decision.crm.now
            pair.appBase[property] = decision.app.now
        }
        let isDone = plan.actions.allSatisfy { action in
            guard case .write(.app, let values) = action else { return false }
            return !canSend(values, of: pair)
        }
        guard isDone else {
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
            return
        }
        try step.conclude(&pair, plan, hasWritten: true)
    }

    /// Whether any of these values is worth sending: the app did not ignore it before, and the mapping can
    /// express it.
    private func canSend(_ values: Values, of pair: Pair) -> Bool {
        let open = values.filter { pair.ignored[$0.key] != $0.value }
        let fields = cycle.sync.mapping.appFields(
            for: open, current: pair.appValues, isCreate: false)
        return !fields.fields.isEmpty
    }
}
