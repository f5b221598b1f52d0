import TandemCore
import TandemDatabase
import TandemModel

/// Having every pair follow settings that changed, batch by batch.
///
/// A cycle that is cut off goes on with the next batch; nothing is observed or planned before all
/// pairs have followed.
extension Cycle {
    func followSettings(_ run: inout CycleRun) throws {
        // Only the holder of the lease may take over changed settings.
        run.state = try transaction(run) { tx in try tx.syncs.adopt(sync) }
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
