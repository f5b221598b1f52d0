import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Having every pair follow settings that changed, batch by batch.
///
/// A cycle that is cut off goes on with the next batch; nothing is observed or planned before all
/// pairs have followed.
extension Cycle {
    func followSettings(_ run: inout CycleRun) throws {
        // Only the holder of the lease may take over changed settings.
        run.state = try transaction(run) { tx in try tx.syncs.adopt(sync) }
        try followSpellings(&run)
        while let replan = run.state.replan {
            try leaveIfStopping()
            try transaction(run) { tx in
                let batch = try tx.pairs.batch(after: replan.after, limit: tuning.batch)
                for pair in batch { try tx.pairs.save(following(replan, pair, now: tx.now)) }
                let end = batch.last.map { SQLValue.integer($0.id) }
                try tx.syncs.set("replan_after", end ?? .null, of: tx.syncID)
            }
            try reload(&run)
        }
    }

    /// Takes for agreed, in a store of an earlier version, what differs from its base in its spelling only:
    /// it did not count as a change there.
    private func followSpellings(_ run: inout CycleRun) throws {
        while let after = run.state.spelledAfter {
            try leaveIfStopping()
            try transaction(run) { tx in
                let batch = try tx.pairs.batch(after: after, limit: tuning.batch)
                let records = try tx.crm.records(batch.compactMap(\.crmID))
                for pair in batch where pair.wasReconciled {
                    let crm = pair.crmID.flatMap { records[$0] }.map {
                        sync.mapping.view(of: $0.properties)
                    }
                    var spelled = pair
                    takeSpellings(&spelled.crmBase, from: crm ?? [:])
                    takeSpellings(&spelled.appBase, from: pair.appValues)
                    if spelled != pair { try tx.pairs.save(spelled) }
                }
                let end = batch.last.map { SQLValue.integer($0.id) }
                try tx.syncs.set("spelled_after", end ?? .null, of: tx.syncID)
            }
            try reload(&run)
        }
    }

    private func takeSpellings(_ base: inout Values, from values: Values) {
        for field in sync.mapping.fields where field.type.hasSpelling && field.association == nil {
            guard let old = base[field.crm], let now = values[field.crm],
                field.type.equal(old, now)
            else { continue }
            base[field.crm] = now
        }
    }

    /// Fields whose mapping changed lose their bases and follow the first-meeting rules, and so do
    /// values that the old direction kept apart.
    private func following(_ replan: SyncState.Replan, _ pair: Pair, now: Timestamp) -> Pair {
        var pair = pair
        for field in replan.fields { pair.appValues[field] = nil }
        if pair.appID != nil && pair.appPresence == .present {
            // What is known was read under the old mapping and matching.
            pair.appVersion = nil
            pair.recheckAt = now
        }
        for field in sync.mapping.fields {
            let isApart = !field.type.equal(
                pair.crmBase[field.crm] ?? "", pair.appBase[field.crm] ?? "")
            guard replan.fields.contains(field.crm) || replan.isWider && isApart else { continue }
            pair.crmBase[field.crm] = nil
            pair.appBase[field.crm] = nil
        }
        pair.wake(changedAt: nil)
        return pair
    }
}
