import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Observing the CRM store: its change feed wakes pairs.
extension Cycle {
    func observeCRM(_ run: inout CycleRun) throws {
        if run.state.crmSequence == nil { try walkAllRecords(&run) }
        try followFeed(&run)
        try reload(&run)
    }

    /// Makes a pair for every living record; the feed is followed from before the walk began.
    private func walkAllRecords(_ run: inout CycleRun) throws {
        let watermark = try store.database.read { try store.reader(in: $0).latestSequence() }
        var last = RecordID(0)
        var isDone = false
        while !isDone {
            (last, isDone) = try transaction(run) { tx in
                let records = try tx.crm.records(of: sync.object, after: last, limit: tuning.batch)
                let known = try tx.pairs.pairs(crm: records.map(\.id))
                for record in records where known[record.id] == nil {
                    var pair = Pair()
                    pair.crmID = record.id
                    pair.wake(changedAt: nil)
                    try tx.pairs.save(pair)
                }
                guard let end = records.last else {
                    try tx.syncs.set("crm_sequence", .integer(watermark), of: tx.syncID)
                    return (last, true)
                }
                return (end.id, false)
            }
        }
        try reload(&run)
    }

    /// Wakes the pairs of records that others changed since the last cycle.
    private func followFeed(_ run: inout CycleRun) throws {
        var last = run.state.crmSequence ?? 0
        let own = Origin.sync(sync.name)
        var isDone = false
        while !isDone {
            (last, isDone) = try transaction(run) { tx in
                let changes = try tx.crm.changes(of: sync.object, after: last, limit: tuning.batch)
                guard let end = changes.last else {
                    let reached = try tx.crm.latestSequence()
                    if reached > last {
                        try tx.syncs.set("crm_sequence", .integer(reached), of: tx.syncID)
                    }
                    return (reached, true)
                }
                let others = changes.filter { change in
                    change.origin != own
                        && !(tuning.defects.has(.skipsEverySync)
                            && change.origin.text.hasPrefix("sync:"))
                }
                try wake(others, tx)
                // At the end of the feed, changes of other objects need not be looked at again.
                let isEnd = changes.count < tuning.batch
                let reached = isEnd ? try tx.crm.latestSequence() : end.sequence
                try tx.syncs.set("crm_sequence", .integer(reached), of: tx.syncID)
                return (reached, isEnd)
            }
        }
    }

    private func wake(_ changes: [CRMChange], _ tx: CycleTransaction) throws {
        for change in changes { try follow(change, tx) }
        // A record that was merged goes on as the result.
        let aliases = try tx.crm.aliases(of: Set(changes.map(\.recordID)))
        let ids = Set(changes.map { aliases[$0.recordID] ?? $0.recordID })
        var pairs = try tx.pairs.pairs(crm: ids)
        let records = try tx.crm.records(Array(ids))
        let keys = records.values.flatMap { self.keys(of: $0.properties) }
        for chunk in Array(Set(keys)).chunks(of: 500) {
            try wakeClaims(to: Set(chunk), isLate: false, tx)
        }
        try tx.pairs.wakeRefused(by: Set(changes.map(\.recordID)).union(ids))
        for change in changes {
            let id = aliases[change.recordID] ?? change.recordID
            var pair = pairs[id] ?? Pair()
            // A record that came and went between two cycles was never ours.
            if pair.id == 0 && [.archive, .purge, .unmerge, .erase].contains(change.kind) {
                continue
            }
            pair.crmID = id
            pair.wake(changedAt: change.at)
            pairs[id] = try tx.pairs.save(pair)
        }
    }

    /// What a change means for pairs beyond that of its record.
    private func follow(_ change: CRMChange, _ tx: CycleTransaction) throws {
        switch change.kind {
        case .merge:
            if let merge = try tx.crm.merge(of: change.recordID) {
                try MergeFollower(tx: tx).follow(merge)
            }
        case .unmerge:
            if let merge = try tx.crm.merge(of: change.recordID) {
                try MergeFollower(tx: tx).goBack(from: merge)
            }
        case .archive: try tx.pairs.wakeWaiting(for: change.recordID)
        case .erase:
            try tx.pairs.wakeWaiting(for: change.recordID)
            try tx.journal.forget(change.recordID)
            if var pair = try tx.pairs.pair(crm: change.recordID) {
                pair.crmBase = [:]
                try tx.pairs.save(pair)
            }
        default: break
        }
    }

    func reload(_ run: inout CycleRun) throws {
        if let state = try store.database.read({ try SyncTable($0).state(sync.name) }) {
            run.state = state
        }
    }
}
