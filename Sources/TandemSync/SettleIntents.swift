import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Finding out what became of creates whose answer never came.
extension Cycle {
    /// Asks the app for every record that a create may have made, before anything is matched or
    /// sent again: a record found this way is the pair's own and no stranger.
    func settleIntents(_ run: inout CycleRun) async throws {
        if tuning.defects.has(.repeatsCreates) { return try forgetIntents(run) }
        var last: Int64 = 0
        while true {
            let open = try transaction(run) { tx in try tx.pairs.withIntent(after: last, limit: 50)
            }
            guard let end = open.last else { return }
            last = end.id
            for pair in open {
                guard let intent = pair.intent, try isFindable(intent, of: pair, run) else {
                    continue
                }
                let fields = sync.mapping.appFields(
                    for: intent.values, current: [:], isCreate: true)
                let found = try await app.find(
                    key: intent.key, values: fields.fields, since: intent.at)
                run.report.count("intent-lookup")
                try transaction(run) { tx in try settle(pair.id, found, run, tx) }
            }
        }
    }

    /// An index that may not show the record yet is not asked: each question costs, and no answer of it
    /// would count.
    private func isFindable(_ intent: Pair.Intent, of pair: Pair, _ run: CycleRun) throws -> Bool {
        guard case .search(let lag) = app.capabilities.createSafety else { return true }
        let end = intent.at + .seconds(lag + 1)
        if surroundings.now() >= end { return true }
        if case .failed = pair.state { return false }
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
        _ id: Int64, _ found: [AppRecord], _ run: CycleRun, _ tx: CycleTransaction
    ) throws {
        guard var pair = try tx.pairs.pair(id), pair.intent != nil else { return }
        let known = try tx.pairs.pairs(app: found.map(\.id))
        let free = found.filter { known[$0.id]?.crmID == nil }
        switch (free.count, app.capabilities.createSafety) {
        case (1, _):
            try adopt(free[0], by: pair, run, tx)
        case (0, .search):
            pair.intent = nil
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
        case (0, .clientID), (0, .lookupByKey):
            let record = try pair.crmID.flatMap { try tx.crm.record($0) }
            if record == nil || record?.archivedAt != nil { pair.intent = nil }
            // Sent again under the same key. The intent keeps what was sent first: should that
            // arrive after all, an older base shows our newer value as an edit, never the reverse.
            // A refusal for good, or an exclusion, waits for a change like any other.
            if pair.intent == nil || pair.workAt != nil { pair.wake(changedAt: nil) }
            try tx.pairs.save(pair)
        default:
            let ids = free.map(\.id.text).sorted().joined(separator: ", ")
            pair.intent = nil
            pair.settle(.ambiguous("one of these may be the record just created: \(ids)"))
            try tx.pairs.save(pair)
        }
    }

    /// Binds the record that a create made.
    ///
    /// What was sent is the base of both sides, so an edit made in the app since then shows as one.
    func adopt(_ record: AppRecord, by pair: Pair, _ run: CycleRun, _ tx: CycleTransaction) throws {
        try note(.present(record), of: record.id, run, tx)
        guard var app = try tx.pairs.pair(app: record.id), let intent = pair.intent else { return }
        guard app.crmID == nil else {
            var pair = pair
            pair.intent = nil
            pair.fail(
                Refusal(
                    .duplicateInApp, "app record \(record.id) is bound to another CRM record",
                    otherID: record.id.text),
                now: tx.now, jitter: 0, afterSeconds: nil)
            try tx.pairs.save(pair)
            return
        }
        try tx.pairs.delete(pair, replacedBy: app)
        try tx.pairs.removeKeys(of: &app)
        app.crmID = pair.crmID
        app.crmBase = intent.values
        app.appBase = intent.values.reduce(into: [:]) { base, sent in
            base[sent.key] = baseAfter(sending: sent.value, holding: app.appValues[sent.key])
        }
        app.hasMet = true
        // Our own record is no news of the app.
        app.appChanged = false
        app.changedAt = pair.changedAt
        app.wake(changedAt: nil)
        try tx.pairs.save(app)
        try tx.journal.note(
            .bind, on: .app, of: app, reason: "found by the key of a create without answer",
            after: intent.values)
    }

    /// The app's base for a value that was sent, where what the app shows may have been edited
    /// since: what it made of the value, or the value itself, so that the edit shows.
    func baseAfter(sending sent: String, holding held: String?) -> String {
        guard let held, ValueType.looksRewritten(sent, as: held) else { return sent }
        return held
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
