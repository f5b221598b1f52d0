import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// A write to the app that a plan asked for, and what is needed to record its outcome.
struct OutboxItem {
    let pair: Pair
    let write: AppWrite
    /// What is written, in CRM names.
    let sent: Values
    let reason: String
    /// A create that may have been sent before under the same key.
    var isRepeat = false
}

/// Planning and applying, batch by batch.
extension Cycle {
    /// Plans every pair that is due: CRM writes commit with their bases, journal and states in
    /// one transaction; then the app's writes go out and their outcomes are recorded.
    func planAndApply(_ run: inout CycleRun) async throws {
        let holdsNew = try newcomersWait(run)
        var last: (Timestamp, Int64)?
        while true {
            try leaveIfStopping()
            let (end, outbox, report) = try transaction(run) { tx in
                let due = try tx.pairs.due(after: last, now: tx.now, limit: tuning.batch)
                let records = try tx.crm.records(due.compactMap(\.crmID))
                var step = PlanStep(
                    cycle: self, tx: tx, isInitial: run.wasInitial, report: run.report)
                for pair in due where !(holdsNew && pair.crmID == nil) {
                    try step.carryOut(pair, record: pair.crmID.flatMap { records[$0] })
                }
                return (due.last, step.outbox, step.report)
            }
            run.report = report
            guard let end else { return }
            last = (end.workAt ?? Timestamp(milliseconds: 0), end.id)
            try await send(outbox, &run)
        }
    }

    /// While a create without answer cannot be looked up for sure, new app records wait: one of
    /// them may be the one it made (P44).
    private func newcomersWait(_ run: CycleRun) throws -> Bool {
        guard case .search = app.capabilities.createSafety,
            !tuning.defects.has(.repeatsCreates)
        else { return false }
        return try transaction(run) { tx in try tx.pairs.count("intent_key IS NOT NULL") > 0 }
    }
}

/// Carries out the plans of one batch inside its transaction.
struct PlanStep {
    let cycle: Cycle
    let tx: CycleTransaction
    /// Changes from before the first run are no part of the window.
    let isInitial: Bool
    var report: CycleReport
    var outbox: [OutboxItem] = []

    private var mapping: ObjectMapping { cycle.sync.mapping }

    mutating func carryOut(_ pair: Pair, record: CRMRecord?) throws {
        if pair.isForeign && pair.appPresence == .present {
            var pair = pair
            pair.settle(.excluded(.filter))
            return _ = try tx.pairs.save(pair)
        }
        if let refusal = pair.appRefusals[""] {
            return try fail(pair, refusal)
        }
        let view = view(of: pair, record)
        let plan = Planner(cycle.sync).plan(view)
        // A create without answer is settled first, or the record it made would be a stranger.
        if pair.intent != nil && plan.actions == [.forget] { return }
        var pair = pair
        note(plan, of: pair)
        try moveBases(of: &pair, plan)
        for (property, decision) in plan.decisions.sorted(by: { $0.key < $1.key }) {
            guard let lost = decision.lost, let target = decision.target else { continue }
            try tx.journal.note(
                .conflict, on: target, of: pair, reason: "\(property): \(decision.kind.rawValue)",
                before: [property: lost], after: [property: decision.value ?? ""])
        }
        pair.state = .pending
        // An approval is for this deletion only, not for one that may come later.
        if !plan.actions.contains(where: \.isDelete) { pair.isDeletionApproved = false }
        var waits = false
        for action in plan.actions {
            switch action {
            case .create(.crm, let values):
                return try createInCRM(&pair, values)
            case .write(.crm, let values):
                guard try !isLooping(pair, values, on: .crm), try write(values, to: &pair) else {
                    return
                }
            case .delete(.crm):
                try deleteInCRM(pair)
            case .forget where !waits:
                // Our own delete may be what ended it, with the answer lost.
                if pair.appPresence == .gone { try noteUnseen(pair, pair.appValues, on: .app) }
                return try tx.pairs.delete(pair)
            case .create(.app, let values):
                guard try post(create: &pair, values) else { return }
                waits = true
            case .write(.app, let values):
                if let echo = pair.echo, echo.until > tx.now {
                    // Until the app shows the last write, an older value could not be told from
                    // an edit.
                    pair.workAt = echo.until
                    return _ = try tx.pairs.save(pair)
                }
                if try isLooping(pair, values, on: .app) { return }
                waits = try post(update: &pair, values, plan)
            case .delete(.app):
                waits = true
                post(.delete(pair.appID ?? "", version: pair.appVersion), of: pair)
            case .forget: break
            }
        }
        if waits {
            pair.workAt = Timestamp(milliseconds: 0)
            try tx.pairs.save(pair)
        } else {
            try conclude(&pair, plan, hasWritten: !plan.actions.isEmpty)
        }
    }

    /// What the planner may look at.
    func view(of pair: Pair, _ record: CRMRecord?) -> PairView {
        let crm: Presence =
            switch (pair.crmID, record) {
            case (.some, .some(let record)) where record.archivedAt == nil:
                .present(mapping.view(of: record.properties))
            case (.none, _): .absent
            case (.some, _): .deleted
            }
        let app: Presence =
            switch pair.appPresence {
            case .absent: .absent
            case .present: .present(pair.appValues)
            case .gone: cycle.tuning.defects.has(.recreatesDeleted) ? .absent : .deleted
            }
        return PairView(
            crm: crm, app: app, crmBase: pair.crmBase, appBase: pair.appBase, hasMet: pair.hasMet,
            isDeletionApproved: pair.isDeletionApproved)
    }

    private mutating func note(_ plan: Plan, of pair: Pair) {
        for decision in plan.decisions.values where decision.kind != .settled {
            report.count(decision.kind.rawValue)
        }
        for action in plan.actions {
            switch action {
            case .create(let side, _): report.count("create-in-\(side.rawValue)")
            case .delete(let side): report.count("delete-in-\(side.rawValue)")
            case .forget: report.count("forget")
            case .write: break
            }
        }
        if case .excluded(let reason) = plan.state { report.count("excluded-\(reason.rawValue)") }
        if plan.state != .inSync && plan.state != pair.state {
            report.count(plan.state.kind.rawValue)
        }
    }

    /// Fields that agree by themselves, or whose difference was decided on, are settled.
    private func moveBases(of pair: inout Pair, _ plan: Plan) throws {
        if plan.decisions.isEmpty { return }
        pair.hasMet = true
        for (property, decision) in plan.decisions where decision.movesBases {
            pair.crmBase[property] = decision.crm.now
            pair.appBase[property] = decision.app.now
        }
    }

    /// Ends the plan of a pair: its state, and the window if a change has arrived.
    mutating func conclude(_ pair: inout Pair, _ plan: Plan, hasWritten: Bool) throws {
        if hasWritten, !isInitial, let changedAt = pair.changedAt,
            pair.syncedAt != nil || pair.hasMet
        {
            let cause = try cycle.causeOfMissing(changedAt, tx)
            try tx.window.record(pair, changedAt: changedAt, syncedAt: tx.now, cause: cause)
        }
        if let (_, refusal) = pair.appRefusals.min(by: { $0.key < $1.key }), plan.state == .inSync {
            pair.changedAt = nil
            return try fail(pair, refusal)
        }
        if plan.state == .inSync || plan.state.kind == .excluded {
            pair.changedAt = nil
            pair.syncedAt = plan.state == .inSync ? tx.now : pair.syncedAt
        }
        if case .deletedInCRM = plan.state {
            try tx.pairs.addKeys(of: pair)
        } else if pair.crmID != nil {
            try tx.pairs.removeKeys(of: pair)
        }
        pair.settle(plan.state)
        try tx.pairs.save(pair)
    }

    mutating func fail(_ pair: Pair, _ refusal: Refusal, afterSeconds: Int64? = nil) throws {
        report.failed += 1
        report.count("failed-\(refusal.category.rawValue)")
        var pair = pair
        pair.fail(
            refusal, now: tx.now, jitter: cycle.surroundings.jitter(), afterSeconds: afterSeconds)
        if cycle.tuning.defects.has(.dropsFailures) && refusal.category.isTransient {
            pair.settle(.inSync)
        }
        try tx.pairs.save(pair)
    }
}

/// Writing the CRM side.
extension PlanStep {
    private mutating func createInCRM(_ pair: inout Pair, _ values: Values) throws {
        let (accepted, refusals) = checked(values)
        do {
            let id = try tx.writer.create(cycle.sync.object, accepted)
            try tx.pairs.removeKeys(of: pair)
            pair.crmID = id
        } catch let error as CRMError {
            return try fail(pair, error.refusal)
        }
        report.createdInCRM += 1
        for property in accepted.keys { setBases(of: &pair, property, crm: accepted[property]) }
        pair.hasMet = true
        pair.appRefusals.merge(refusals) { first, _ in first }
        try tx.pairs.save(pair)
        try tx.journal.note(.create, on: .crm, of: pair, reason: "new in the app", after: accepted)
        // What the create could not carry (fields that flow to the app only) is planned at once.
        let record = try pair.crmID.flatMap { try tx.crm.record($0) }
        try carryOut(pair, record: record)
    }

    /// - Returns: `false` if the pair failed and is done with.
    private mutating func write(_ values: Values, to pair: inout Pair) throws -> Bool {
        guard let id = pair.crmID else { return true }
        let (accepted, refusals) = checked(values)
        let before = try tx.crm.record(id)?.properties ?? [:]
        do {
            try tx.writer.update(id, accepted)
        } catch let error as CRMError {
            try fail(pair, error.refusal)
            return false
        }
        for property in accepted.keys { setBases(of: &pair, property, crm: accepted[property]) }
        for name in values.keys { pair.appRefusals[name] = refusals[name] }
        if accepted.isEmpty { return true }
        report.updatedInCRM += 1
        try tx.journal.note(
            .update, on: .crm, of: pair, reason: "changed in the app",
            before: accepted.reduce(into: [:]) { $0[$1.key] = before[$1.key] ?? "" },
            after: accepted)
        return true
    }

    private mutating func deleteInCRM(_ pair: Pair) throws {
        guard let id = pair.crmID else { return }
        let before = try tx.crm.record(id)?.properties ?? [:]
        try noteUnseen(pair, mapping.view(of: before), on: .crm)
        try tx.writer.archive(id)
        report.deletedInCRM += 1
        try tx.journal.note(
            .delete, on: .crm, of: pair, reason: "deleted in the app", before: before)
    }

    /// Values that a deletion takes away and that the side it comes from never saw: those that
    /// direction or rule kept apart.
    ///
    /// They go to the conflict log.
    func noteUnseen(_ pair: Pair, _ values: Values, on side: Side) throws {
        for field in mapping.fields {
            guard let value = values[field.crm], !value.isEmpty,
                pair.crmBase[field.crm] != pair.appBase[field.crm]
            else { continue }
            try tx.journal.note(
                .conflict, on: side, of: pair, reason: "\(field.crm): deleted on the other side",
                before: [field.crm: value])
        }
    }

    private func setBases(of pair: inout Pair, _ property: PropertyName, crm: String?) {
        pair.crmBase[property] = crm ?? ""
        pair.appBase[property] = pair.appValues[property] ?? ""
    }

    /// Values that the CRM's schema takes, in stored form, and refusals for the others: a value
    /// that does not fit fails its field, not the record.
    private func checked(_ values: Values) -> (Values, [PropertyName: Refusal]) {
        var accepted: Values = [:]
        var refusals: [PropertyName: Refusal] = [:]
        for (name, value) in values {
            do {
                let property = try cycle.store.schema.property(name, of: cycle.sync.object)
                accepted[name] = try property.accepted(value)
            } catch {
                refusals[name] = error.refusal
            }
        }
        return (accepted, refusals)
    }
}

/// Handing writes to the app's side.
extension PlanStep {
    /// - Returns: Whether a write waits for the app; `false` if the pair failed.
    private mutating func post(create pair: inout Pair, _ values: Values) throws -> Bool {
        let fields = mapping.appFields(for: values, current: [:], isCreate: true)
        let missing = fields.refusals.sorted { $0.key < $1.key }
            .first { $0.value.category == .requiredField }
        if let missing {
            try fail(pair, missing.value)
            return false
        }
        let sent = values.filter { fields.refusals[$0.key] == nil }
        let isRepeat = pair.intent != nil
        let key = pair.intent?.key ?? "tandem-\(cycle.sync.name)-\(pair.id)-\(tx.now.milliseconds)"
        pair.intent = Pair.Intent(
            key: key, values: isRepeat ? pair.intent?.values ?? sent : sent,
            at: pair.intent?.at ?? tx.now)
        pair.appRefusals = fields.refusals
        outbox.append(
            OutboxItem(
                pair: pair, write: AppWrite(.create(key: key), values: fields.fields), sent: sent,
                reason: "new in the CRM", isRepeat: isRepeat))
        return true
    }

    /// - Returns: Whether a write waits for the app; `false` if no field of it can be written.
    private mutating func post(update pair: inout Pair, _ values: Values, _ plan: Plan) throws
        -> Bool
    {
        let fields = mapping.appFields(for: values, current: pair.appValues, isCreate: false)
        for name in values.keys { pair.appRefusals[name] = fields.refusals[name] }
        if fields.fields.isEmpty { return false }
        let kinds = values.keys.sorted().map { "\($0): \(plan.decisions[$0]?.kind.rawValue ?? "")" }
        let version = cycle.tuning.defects.has(.writesUnconditionally) ? nil : pair.appVersion
        outbox.append(
            OutboxItem(
                pair: pair,
                write: AppWrite(.update(pair.appID ?? "", version: version), values: fields.fields),
                sent: values.filter { fields.refusals[$0.key] == nil },
                reason: kinds.joined(separator: ", ")))
        return true
    }

    private mutating func post(_ kind: AppWrite.Kind, of pair: Pair) {
        outbox.append(
            OutboxItem(
                pair: pair, write: AppWrite(kind), sent: [:], reason: "deleted in the CRM"))
    }

    /// Freezes a pair one of whose fields flips to and fro: more than five times in an hour to
    /// the same value on the same side.
    private mutating func isLooping(_ pair: Pair, _ values: Values, on side: Side) throws -> Bool {
        let recent = try tx.connection.rows(
            """
            SELECT after_values FROM journal
            WHERE pair_id = ? AND kind = 'update' AND side = ? AND at > ?
            """,
            [
                .integer(pair.id), .text(side.rawValue),
                .integer((tx.now - .seconds(3_600)).milliseconds),
            ]
        ) { FlatJSON.values($0.text(0) ?? "") ?? [:] }
        for (property, value) in values.sorted(by: { $0.key < $1.key })
        where recent.filter({ $0[property] == value }).count >= 5 {
            try fail(
                pair,
                Refusal(
                    .loop,
                    "\(property) was set to `\(value)` five times within an hour and came back"))
            return true
        }
        return false
    }
}

extension CRMError {
    /// What a record that the store refused shows to the user of a sync.
    var refusal: Refusal {
        switch self {
        case .duplicateEmail(_, let id): Refusal(.duplicateInApp, description, otherID: "\(id)")
        case .invalidValue: Refusal(.invalidValue, description)
        case .unknownProperty, .unknownObject, .readOnly: Refusal(.mapping, description)
        case .notFound, .archived, .notArchived, .alreadyExists: Refusal(.notFound, description)
        }
    }
}

extension Cycle {
    /// Why a change that is synced now took longer than the window; `nil` if it did not.
    func causeOfMissing(_ changedAt: Timestamp, _ tx: CycleTransaction) throws -> String? {
        let window = Span.seconds(tuning.windowSeconds)
        guard tx.now - changedAt > window else { return nil }
        guard let state = try tx.syncs.state(sync.name) else { return nil }
        if let problem = state.problem, problem.at > changedAt {
            return problem.category == .rateLimit ? "rate limit" : "app unavailable"
        }
        let previous = try tx.connection.number(
            "SELECT started_at FROM run WHERE sync_id = ? AND id < ? ORDER BY id DESC LIMIT 1",
            [.integer(tx.syncID), .integer(tx.journal.runID)])
        let isGap = tx.now - Timestamp(milliseconds: previous) > window
        return isGap ? "daemon not running" : "backlog"
    }
}
