import TandemCore
import TandemDatabase
import TandemModel

/// Finding out what became of creates whose answer never came.
extension Cycle {
    /// Asks the app for every record that a create may have made, before anything is matched or
    /// sent again: a record found this way is the pair's own and no stranger.
    func settleIntents(_ run: inout CycleRun) async throws {
        if tuning.defects.has(.repeatsCreates) { return try forgetIntents(run) }
        // A repeat under the same id meets the first record, so there is nothing to ask.
        if app.capabilities.createSafety == .clientID { return }
        var last: Int64 = 0
        while true {
            let open = try transaction(run) { tx in try tx.pairs.withIntent(after: last, limit: 50) }
            guard let end = open.last else { return }
            last = end.id
            for pair in open {
                guard let intent = pair.intent else { continue }
                let fields = sync.mapping.appFields(for: intent.values, current: [:], isCreate: true)
                let found = try await app.find(
                    key: intent.key, values: fields.fields, since: intent.at)
                run.report.count("intent-lookup")
                try transaction(run) { tx in try settle(pair.id, found, run, tx) }
            }
        }
    }

    private func settle(
        _ id: Int64, _ found: [AppRecord], _ run: CycleRun, _ tx: CycleTransaction
    ) throws {
        guard var pair = try tx.pairs.pair(id), let intent = pair.intent else { return }
        let known = try tx.pairs.pairs(app: found.map(\.id))
        let free = found.filter { known[$0.id]?.crmID == nil }
        switch (free.count, app.capabilities.createSafety) {
        case (1, _):
            try adopt(free[0], by: pair, run, tx)
        case (0, .search(let lag)) where tx.now < intent.at + .seconds(lag + 1):
            pair.fail(
                Refusal(.unknownOutcome, "the answer to the create was lost; the app is asked again"),
                now: tx.now, jitter: 0, afterSeconds: lag + 1)
            try tx.pairs.save(pair)
        case (0, _):
            pair.intent = nil
            pair.wake(changedAt: nil)
            try tx.pairs.save(pair)
        default:
            let ids = free.map(\.id.text).sorted().joined(separator: ", ")
            pair.intent = nil
            pair.settle(.ambiguous("one of these may be the record just created: \(ids)"))
            try tx.pairs.save(pair)
        }
    }

    /// Binds the record that a create made. What was sent is the base of both sides, so an edit
    /// made in the app since then shows as one.
    func adopt(_ record: AppRecord, by pair: Pair, _ run: CycleRun, _ tx: CycleTransaction) throws {
        try note(.present(record), of: record.id, run, tx)
        guard var app = try tx.pairs.pair(app: record.id), let intent = pair.intent else { return }
        try tx.pairs.delete(pair)
        try tx.pairs.removeKeys(of: app)
        app.crmID = pair.crmID
        app.crmBase = intent.values
        app.appBase = intent.values
        app.hasMet = true
        app.changedAt = pair.changedAt
        app.wake(changedAt: nil)
        try tx.pairs.save(app)
        try tx.journal.note(
            .bind, on: .app, of: app, reason: "found by the key of a create without answer",
            after: intent.values)
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
