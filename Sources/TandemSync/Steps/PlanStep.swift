import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// A write to the app that a plan asked for, and what is needed to record its outcome.
struct OutboxItem {
    let pair: Pair
    let write: AppWrite
    /// What is written, in CRM names.
    var sent: Values
    let reason: String
    /// A create that may have been sent before under the same key.
    var isRepeat = false
}

/// Planning and applying, batch by batch.
extension Cycle {
    /// Plans every pair that is due: CRM writes commit with their bases, journal and states in
    /// one transaction; the app's writes go out as soon as they fill one of its batches, and their
    /// outcomes are recorded.
    func planAndApply(_ run: inout CycleRun) async throws {
        let open = try openCreates(run)
        var last: (Timestamp, Int64)?
        var waiting: [OutboxItem] = []
        while true {
            if waiting.isEmpty { try leaveIfStopping() }
            let (end, outbox, report) = try transaction(run) { tx in
                let due = try tx.pairs.due(after: last, now: tx.now, limit: tuning.batch)
                let records = try tx.crm.records(due.compactMap(\.crmID))
                var step = try PlanStep(cycle: self, tx: tx, run: run)
                let aliases = try tx.crm.aliases(of: due.compactMap(\.crmID))
                let merges = MergeFollower(tx: tx)
                for pair in due
                where try !step.done.contains(pair.id) && !waits(pair, for: open, tx) {
                    let record = pair.crmID.flatMap { records[$0] }
                    let disposition = try merges.disposition(
                        pair, record, isMerged: pair.crmID.map { aliases[$0] != nil } ?? false,
                        feedReadTo: run.state.crmSequence ?? 0)
                    switch disposition {
                    case .ordinary: try step.applyPlan(pair, record: record)
                    case .waits:
                        let moved = try merges.followMissed(
                            pair, feedReadTo: run.state.crmSequence ?? 0)
                        step.done.formUnion(moved)
                    case .outside: try step.keepOut(pair, .merged)
                    }
                }
                return (due.last, step.outbox, step.report)
            }
            run.report = report
            waiting += outbox
            if end == nil || waiting.count >= app.capabilities.writeBatch {
                try await send(waiting, &run)
                waiting = []
            }
            guard let end else { return }
            last = (end.workAt ?? Timestamp(milliseconds: 0), end.id)
        }
    }

    /// While a create without answer cannot be looked up for sure, new app records wait that may be the
    /// one it made (P44): all of them before the app was asked, later those that hold what was sent.
    private func openCreates(_ run: CycleRun) throws -> [Pair.Intent] {
        guard case .search = app.capabilities.createSafety,
            !tuning.defects.has(.repeatsCreates)
        else { return [] }
        return try transaction(run) { tx in
            try tx.pairs.withIntent(after: 0, limit: 1_000).compactMap(\.intent)
        }
    }

    /// Whether a pair waits for what becomes of creates; one that may be the record of a create that a
    /// person has to look for is shown to that person.
    private func waits(_ pair: Pair, for open: [Pair.Intent], _ tx: CycleTransaction) throws -> Bool
    {
        if open.isEmpty || pair.crmID != nil { return false }
        if open.contains(where: { $0.status == .held && isRecord(pair, of: $0) }) {
            var pair = pair
            pair.settle(.ambiguous("may be what a create without answer has made"))
            try tx.pairs.save(pair)
            return true
        }
        return open.contains { $0.status == .unanswered || isRecord(pair, of: $0) }
    }
}

/// Carries out the plans of one batch inside its transaction.
struct PlanStep {
    let cycle: Cycle
    let tx: CycleTransaction
    /// Changes from before the first run are no part of the window.
    let isInitial: Bool
    /// What is known of the app.
    let state: SyncState
    var report: CycleReport
    var outbox: [OutboxItem] = []
    /// Records exchange unique values just now.
    var isExchanging = false
    /// Whose first address an address becomes by the exchange.
    var firsts: [String: RecordID] = [:]
    /// Pairs of the batch that were planned with another one already.
    var done: Set<Int64> = []
    let links: LinkStep
    /// Which life of the store this is.
    let epoch: String?

    init(cycle: Cycle, tx: CycleTransaction, run: CycleRun) throws {
        self.cycle = cycle
        self.tx = tx
        isInitial = run.wasInitial
        state = run.state
        report = run.report
        links = try LinkStep(cycle.sync, tx)
        epoch = run.epoch
    }

    var mapping: ObjectMapping { cycle.sync.mapping }

    mutating func applyPlan(_ pair: Pair, record: CRMRecord?) throws {
        if pair.isForeign && pair.appPresence == .present {
            var pair = pair
            pair.settle(.excluded(.group))
            return _ = try tx.pairs.save(pair)
        }
        if let id = pair.crmID, record == nil, try tx.crm.wasErased(id) {
            return try keepOut(pair, .privacy)
        }
        if let refusal = pair.appRefusals[""] {
            return try fail(pair, refusal)
        }
        if pair.appPresence == .gone && pair.rewound != nil && record?.archivedAt == nil {
            // Whether it is made again, a person says.
            var pair = pair
            pair.settle(.awaitingApproval(.rewound))
            report.count("rewound")
            return _ = try tx.pairs.save(pair)
        }
        let (view, unlinked) = try view(of: pair, record)
        try links.forget(pair)
        try links.remember(unlinked, of: pair)
        let plan = Planner(cycle.sync).plan(view)
        // A create without answer is settled first, or the record it made would be a stranger.
        if pair.intent != nil && plan.actions == [.forget] { return }
        var pair = pair
        count(plan, of: pair)
        try moveBases(of: &pair, plan)
        try recordLost(plan, of: pair)
        pair.state = .pending
        // An approval is for this deletion only, not for one that may come later.
        if !plan.actions.contains(where: \.isDelete) { pair.isDeletionApproved = false }
        var waits = false
        for action in plan.actions {
            switch action {
            case .create(.crm, let values):
                return try createInCRM(&pair, values)
            case .write(.crm, let values):
                guard try !isLooping(pair, values, plan, on: .crm), try write(values, to: &pair)
                else {
                    return
                }
            case .delete(.crm):
                try deleteInCRM(pair)
            case .forget where !waits:
                // Our own delete may be what ended it, with the answer lost.
                if pair.appPresence == .gone { try recordUnseen(pair, pair.appValues, on: .app) }
                return try tx.pairs.delete(pair)
            case .create(.app, _), .write(.app, _), .delete(.app):
                switch try hand(action, of: &pair, plan) {
                case .waits: waits = true
                case .nothing: break
                case .done: return
                }
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

    /// Keeps in the conflict log what the plan writes over and its writer has not seen.
    private func recordLost(_ plan: Plan, of pair: Pair) throws {
        for (property, decision) in plan.decisions.sorted(by: { $0.key < $1.key }) {
            guard let target = decision.target else { continue }
            // What the app keeps of a field that it did not take may be somebody's edit.
            let kept = pair.ignored[property].flatMap {
                $0 == decision.value ? nil : decision.app.now
            }
            guard let lost = decision.lost ?? (target == .app ? kept : nil), !lost.isEmpty else {
                continue
            }
            try tx.journal.append(
                .conflict, on: target, of: pair, reason: "\(property): \(decision.kind.rawValue)",
                before: [property: lost], after: [property: decision.value ?? ""])
        }
    }

    /// What could not be identified in the app may be the very record that would be made.
    var createsWait: Bool {
        state.unidentified.count > 0 && !cycle.app.capabilities.checksCreates
            && !cycle.app.capabilities.canSearch
            && !cycle.tuning.defects.has(.namelessProvesAbsence)
    }

    /// Whether a create must not be sent again under its key: what is known of it does not change by that,
    /// or the app does not tell by the key that it has the record.
    func isSettledOnly(_ intent: Pair.Intent) -> Bool {
        if intent.status != .unanswered { return !cycle.tuning.defects.has(.absenceIsNoCreate) }
        if case .search = cycle.app.capabilities.createSafety { return true }
        return false
    }

    /// The record is to be read before it can be written under a condition.
    func mustBeRead(_ pair: Pair) -> Bool {
        cycle.app.capabilities.conditionalWrites && pair.appVersion == nil && pair.recheckAt != nil
    }

    /// What the planner may look at, and the fields that it may not because they wait.
    func view(of pair: Pair, _ record: CRMRecord?) throws -> (PairView, [LinkStep.Wait]) {
        var waits: [LinkStep.Wait] = []
        let crm: Presence
        switch (pair.crmID, record) {
        case (.some, .some(let record)) where record.archivedAt == nil:
            var values = mapping.view(of: record.properties)
            waits = try links.translate(&values, of: record, pair)
            crm = .present(values)
        case (.none, _): crm = .absent
        case (.some, _): crm = .deleted
        }
        let app: Presence =
            switch pair.appPresence {
            case .absent: .absent
            case .present: .present(pair.appValues.merging(pair.awaiting?.sent ?? [:]) { $1 })
            case .gone: cycle.tuning.defects.has(.recreatesDeleted) ? .absent : .deleted
            }
        // A write that is not read back yet counts as delivered.
        let delivered = pair.awaiting?.sent ?? [:]
        let view = PairView(
            crm: crm, app: app, crmBase: pair.crmBase.merging(delivered) { $1 },
            appBase: pair.appBase.merging(delivered) { $1 }, wasReconciled: pair.wasReconciled,
            isDeletionApproved: pair.isDeletionApproved)
        return (pair.rewound.map(view.without) ?? view, waits)
    }

    private mutating func count(_ plan: Plan, of pair: Pair) {
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
        pair.wasReconciled = true
        for (property, decision) in plan.decisions where decision.movesBases {
            pair.crmBase[property] = decision.crm.now
            pair.appBase[property] = decision.app.now
            if decision.kind == .agreed { pair.refused[property] = nil }
        }
    }

    /// Ends the plan of a pair: its state, and the window if a change has arrived.
    mutating func conclude(_ pair: inout Pair, _ plan: Plan, hasWritten: Bool) throws {
        if hasWritten, !isInitial, let changedAt = pair.changedAt,
            pair.syncedAt != nil || pair.wasReconciled
        {
            let cause = try cycle.causeOfMissing(changedAt, tx)
            try tx.window.record(pair, changedAt: changedAt, syncedAt: tx.now, cause: cause)
        }
        keepAccepted(&pair, plan)
        let refusals = [pair.appRefusals, pair.refused].compactMap { refusals in
            refusals.filter { pair.accepted[$0.key] == nil }.min { $0.key < $1.key }?.value
        }
        if plan.state == .inSync, let refusal = refusals.first {
            pair.changedAt = nil
            return try fail(pair, refusal)
        }
        if plan.state == .inSync, let property = ignored(by: plan, pair) {
            return try fail(
                pair,
                Refusal(
                    .invalidValue,
                    "\(property): the app accepted `\(pair.ignored[property] ?? "")` and keeps "
                        + "`\(pair.appValues[property] ?? "")`"))
        }
        if plan.state == .inSync, let property = undelivered(by: plan, pair),
            !cycle.tuning.defects.has(.unreadIsInSync)
        {
            return try undelivered(property, &pair)
        }
        if plan.state == .inSync, pair.rewound?.isEmpty == false {
            pair.changedAt = nil
            report.count(pair.isRewritten ? "rewritten" : "rewound")
            pair.settle(.awaitingApproval(pair.isRewritten ? .rewritten : .rewound))
            return _ = try tx.pairs.save(pair)
        }
        if plan.state == .inSync || plan.state.kind == .excluded {
            pair.changedAt = nil
            pair.syncedAt = plan.state == .inSync ? tx.now : pair.syncedAt
        }
        if case .deletedInCRM = plan.state {
            try tx.pairs.addKeys(of: &pair)
        } else if pair.crmID != nil {
            try tx.pairs.removeKeys(of: &pair)
        }
        pair.settle(plan.state)
        try tx.pairs.save(pair)
    }

    /// A difference stays accepted as long as neither side changes.
    private func keepAccepted(_ pair: inout Pair, _ plan: Plan) {
        for (property, then) in pair.accepted {
            guard let decision = plan.decisions[property] else { continue }
            let now = Pair.acceptance(of: decision)
            pair.accepted[property] = then.isEmpty || then == now ? now : nil
        }
    }

    /// The first field whose value the plan would send although the app did not take it before.
    private func ignored(by plan: Plan, _ pair: Pair) -> PropertyName? {
        guard let wanted = plan.values(writtenTo: .app) else { return nil }
        return wanted.filter {
            pair.ignored[$0.key] == $0.value && pair.accepted[$0.key] == nil
        }.keys.min()
    }

    /// The first field whose CRM value has not reached the app, of those that it has or had.
    private func undelivered(by plan: Plan, _ pair: Pair) -> PropertyName? {
        plan.undelivered.first { property in
            if pair.accepted[property] != nil { return false }
            guard let known = state.appFields else { return true }
            return mapping.fields.contains { $0.crm == property && known.contains($0.app) }
        }
    }

    /// Ends the plan of a pair with a field that the app does not show: its value waits in the CRM until
    /// the app shows the field.
    private mutating func undelivered(_ property: PropertyName, _ pair: inout Pair) throws {
        let field = mapping.fields.first { $0.crm == property }?.app ?? ""
        let isMissing = state.missingFields[field] != nil
        if !isMissing && pair.recheckAt == nil {
            pair.recheckAt = tx.now + .seconds(cycle.tuning.partialSeconds)
        }
        let what =
            isMissing
            ? "the app has no field `\(field)` now"
            : "the app does not show the field `\(field)` of this record"
        try fail(
            pair, Refusal(.mapping, "\(property): \(what), so the CRM's value waits"))
    }

    /// Ends the plan of a pair that is to stay outside; without an app record nothing is left of it.
    mutating func keepOut(_ pair: Pair, _ reason: ExclusionReason) throws {
        if pair.appPresence != .present { return try tx.pairs.delete(pair) }
        report.count("excluded-\(reason.rawValue)")
        var pair = pair
        pair.changedAt = nil
        // If a person adds somebody again who was forgotten, the record is not made twice.
        if reason == .privacy { try tx.pairs.addKeys(of: &pair) }
        pair.settle(.excluded(reason))
        try tx.pairs.save(pair)
    }

    mutating func fail(_ pair: Pair, _ refusal: Refusal, afterSeconds: Int64? = nil) throws {
        report.failed += 1
        report.count("failed-\(refusal.category.rawValue)")
        var pair = pair
        pair.fail(
            refusal, now: tx.now, jitter: cycle.dependencies.jitter(), afterSeconds: afterSeconds)
        if cycle.tuning.defects.has(.dropsFailures) && refusal.category.isTransient {
            pair.settle(.inSync)
        }
        try tx.pairs.save(pair)
    }
}

extension PairView {
    /// The same pair as if these fields had not moved on either side: they wait for a person.
    fileprivate func without(_ waiting: Values) -> PairView {
        func still(_ presence: Presence, _ base: Values) -> Presence {
            guard case .present(var values) = presence else { return presence }
            for property in waiting.keys { values[property] = base[property] }
            return .present(values)
        }
        return PairView(
            crm: still(crm, crmBase), app: still(app, appBase), crmBase: crmBase, appBase: appBase,
            wasReconciled: wasReconciled, isDeletionApproved: isDeletionApproved)
    }
}

extension CRMError {
    /// What a record that the store refused shows to the user of a sync.
    var refusal: Refusal {
        switch self {
        case .duplicateEmail(_, let id), .duplicateValue(_, _, let id):
            Refusal(.duplicateInApp, description, otherID: "\(id)")
        case .invalidValue: Refusal(.invalidValue, description)
        case .unknownProperty, .unknownObject, .readOnly, .badName, .standardObject:
            Refusal(.mapping, description)
        case .blocked: Refusal(.permission, description)
        case .notFound, .archived, .notArchived, .alreadyExists, .unknownAssociationType,
            .tooManyAssociations, .limit, .cannotMerge, .cannotUnmerge:
            Refusal(.notFound, description)
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
