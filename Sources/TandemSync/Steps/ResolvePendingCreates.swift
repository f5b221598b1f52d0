import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Finding the records of creates that are not known yet.
extension Cycle {
    /// Asks the app for every record that a create may have made, and looks for it among the app's new
    /// records, before anything is matched or sent again: a record found this way is the pair's own and
    /// no stranger.
    func resolvePendingCreates(_ run: inout CycleRun) async throws {
        if tuning.defects.has(.repeatsCreates) { return try forgetIntents(run) }
        var last: Int64 = 0
        while true {
            let open = try transaction(run) { tx in try tx.pairs.withIntent(after: last, limit: 50)
            }
            guard let end = open.last else { return }
            last = end.id
            for pair in open {
                guard let intent = pair.intent, try !isForgotten(pair, run) else { continue }
                if try isAskedFor(intent, of: pair, run) {
                    let fields = sync.mapping.appFields(
                        for: intent.values, current: [:], isCreate: true)
                    let found = try await app.find(
                        key: intent.key, values: fields.fields, since: intent.at)
                    run.report.count("intent-lookup")
                    try transaction(run) { tx in try settle(pair.id, found, &run, tx) }
                }
                try transaction(run) { tx in try recognise(pair.id, run, tx) }
            }
        }
    }

    /// Whether the person whose record was to be made is forgotten by now; then so is the create.
    private func isForgotten(_ pair: Pair, _ run: CycleRun) throws -> Bool {
        try transaction(run) { tx in
            guard let id = pair.crmID, try tx.crm.wasErased(id) else { return false }
            var pair = pair
            pair.intent = nil
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
            return true
        }
    }

    /// Whether the app is to be asked now.
    ///
    /// An index that may not show the record yet is not asked: each question costs, and no answer of it
    /// would count. Nor is one that could not be asked before.
    private func isAskedFor(_ intent: Pair.Intent, of pair: Pair, _ run: CycleRun) throws -> Bool {
        if intent.status == .held && pair.workAt == nil { return false }
        guard case .search(let lag) = app.capabilities.createSafety else { return true }
        let end = intent.at + .seconds(lag + 1)
        if dependencies.now() >= end { return true }
        if case .failed = pair.state { return false }
        if intent.status == .made { return false }
        try transaction(run) { tx in
            var pair = pair
            pair.fail(
                Refusal(
                    .unknownOutcome,
                    "the answer to the create was lost; the app is asked when it must show the record"
                ),
                now: tx.now, jitter: 0, afterSeconds: (end - tx.now).milliseconds / 1_000 + 1)
            try tx.pairs.save(pair)
        }
        return false
    }

    private func settle(
        _ id: Int64, _ lookup: CreateLookup, _ run: inout CycleRun, _ tx: CycleTransaction
    ) throws {
        guard var pair = try tx.pairs.pair(id), let intent = pair.intent else { return }
        let known = try tx.pairs.pairs(app: lookup.records.map(\.id))
        let free = lookup.records.filter { known[$0.id]?.crmID == nil }
        switch lookup {
        case .found where free.count == 1: try adopt(free[0], by: pair, run, tx)
        case .found where free.count > 1:
            let ids = free.map(\.id.text).sorted().joined(separator: ", ")
            pair.intent = nil
            pair.settle(.ambiguous("one of these may be the record just created: \(ids)"))
            try tx.pairs.save(pair)
        case .unanswered where tuning.defects.has(.silenceIsNo):
            try notFound(&pair, intent, &run, tx)
        case .unanswered(let why): try hold(&pair, why, &run, tx)
        case .found, .none: try notFound(&pair, intent, &run, tx)
        }
    }

    /// The app says that it has no record of a create (yet).
    private func notFound(
        _ pair: inout Pair, _ intent: Pair.Intent, _ run: inout CycleRun, _ tx: CycleTransaction
    ) throws {
        // What was answered with success, or is left to a person, is not made again because it cannot be
        // seen.
        if intent.status != .unanswered && !tuning.defects.has(.absenceIsNoCreate) {
            let why =
                intent.status == .made
                ? "the app answered the create with success and does not show the record" : nil
            return try hold(&pair, why, &run, tx)
        }
        guard case .search = app.capabilities.createSafety else {
            let record = try pair.crmID.flatMap { try tx.crm.record($0) }
            if record == nil || record?.archivedAt != nil { pair.intent = nil }
            // Sent again under the same key. The intent keeps what was sent first: should that
            // arrive after all, an older base shows our newer value as an edit, never the reverse.
            // A refusal for good, or an exclusion, waits for a change like any other.
            if pair.intent == nil || pair.workAt != nil { pair.wake(changedAt: nil) }
            return _ = try tx.pairs.save(pair)
        }
        guard pair.repeats < Pair.repeatLimit else {
            return try hold(&pair, "it was sent \(pair.repeats + 1) times", &run, tx)
        }
        pair.repeats += 1
        pair.intent = nil
        pair.wake(changedAt: nil)
        try tx.pairs.save(pair)
    }

    /// A create of which nothing can be known is not sent again before a person says so.
    private func hold(
        _ pair: inout Pair, _ why: String?, _ run: inout CycleRun, _ tx: CycleTransaction
    ) throws {
        run.report.count("create-held")
        // What was made may still show.
        if let intent = pair.intent, intent.status == .made,
            tx.now < intent.at + .seconds(tuning.sweepSeconds)
        {
            pair.putOff(from: tx.now)
            return _ = try tx.pairs.save(pair)
        }
        pair.intent?.status = .held
        run.report.failed += 1
        pair.hold(why, now: tx.now)
        try tx.pairs.save(pair)
    }

    /// Binds the app's new record that holds all that a create sent, if there is one such.
    private func recognise(_ id: Int64, _ run: CycleRun, _ tx: CycleTransaction) throws {
        guard let pair = try tx.pairs.pair(id), let intent = pair.intent,
            intent.status != .unanswered
        else { return }
        let fitting = try tx.pairs.alone(limit: 1_000).filter {
            isRecord($0, of: intent)
        }
        if let only = fitting.first, fitting.count == 1 { try bind(only, by: pair, run, tx) }
    }

    /// Whether an app record without counterpart may be the one that a create made: it holds all that
    /// was sent and is not older.
    func isRecord(_ pair: Pair, of intent: Pair.Intent) -> Bool {
        guard pair.appCreatedAt.map({ $0 + .seconds(600) >= intent.at }) ?? true else {
            return false
        }
        return !intent.values.isEmpty
            && intent.values.allSatisfy { property, sent in
                pair.appValues[property].map { isEqual(property, $0, sent) } ?? false
            }
    }

    /// Binds the record that a create made.
    ///
    /// What was sent is the base of both sides, so an edit made in the app since then shows as one.
    func adopt(_ record: AppRecord, by pair: Pair, _ run: CycleRun, _ tx: CycleTransaction) throws {
        try recordReading(.present(record), of: record.id, isListed: false, run, tx)
        guard let app = try tx.pairs.pair(app: record.id), pair.intent != nil else { return }
        guard app.crmID == nil else {
            var pair = pair
            pair.intent = nil
            pair.fail(
                .bound(record.id), now: tx.now, jitter: 0, afterSeconds: nil)
            try tx.pairs.save(pair)
            return
        }
        try bind(app, by: pair, run, tx)
    }

    private func bind(_ app: Pair, by pair: Pair, _ run: CycleRun, _ tx: CycleTransaction) throws {
        guard let intent = pair.intent else { return }
        var app = app
        try tx.pairs.delete(pair, replacedBy: app)
        try tx.pairs.removeKeys(of: &app)
        app.crmID = pair.crmID
        app.crmBase = [:]
        app.appBase = [:]
        for (property, sent) in intent.values {
            // A field that the app does not show, or shows blank, has not arrived.
            guard let held = app.appValues[property], !held.isEmpty || sent.isEmpty else {
                continue
            }
            app.crmBase[property] = sent
            app.appBase[property] = isEqual(property, held, sent) ? held : ""
        }
        app.wasReconciled = true
        // Our own record is no news of the app.
        app.appChanged = false
        app.changedAt = pair.changedAt
        app.wake(changedAt: nil)
        try tx.pairs.save(app)
        try tx.journal.append(
            .bind, on: .app, of: app, reason: "found by the key of a create without answer",
            after: intent.values)
        for var other in try tx.pairs.alone(limit: 1_000)
        where other.state.kind == .ambiguous && isRecord(other, of: intent) {
            other.wake(changedAt: nil)
            try tx.pairs.save(other)
        }
    }

    private func forgetIntents(_ run: CycleRun) throws {
        try transaction(run) { tx in
            for var pair in try tx.pairs.withIntent(after: 0, limit: 500) {
                pair.intent = nil
                pair.wake(changedAt: nil)
                try tx.pairs.save(pair)
            }
        }
    }
}

extension Refusal {
    /// A create came to a record that belongs to somebody else.
    static func bound(_ id: AppRecordID) -> Refusal {
        Refusal(
            .duplicateInApp, "app record \(id) is bound to another CRM record", otherID: id.text)
    }
}
