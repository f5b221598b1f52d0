import TandemCore
import TandemDatabase
import TandemModel

/// The last look before anything is written.
///
/// Each limit first counts what is unusual, on an index of its own, and looks at the whole only if
/// that is above the limit: a cycle with nothing to do reads nothing here.
extension Cycle {
    /// Stops the sync if so many app records are missing that it looks like an accident.
    func judgeMissing(_ run: CycleRun) throws {
        try transaction(run) { tx in
            let missing = try tx.pairs.ids("suspect = 1 AND crm_id IS NOT NULL")
            if missing.isEmpty { return }
            let others = try tx.pairs.has("app_presence = 1 AND suspect = 0")
            let finding = tuning.safetyLimits.judge(
                missing: missing.count, linked: try linked(tx), appIsEmpty: !others)
            if let finding { try requireAcknowledged(finding, missing, of: try linked(tx), tx) }
        }
    }

    /// Stops the sync if what is about to be written looks like an accident; ends the initial
    /// phase otherwise.
    func checkRails(_ run: inout CycleRun) throws {
        try transaction(run) { tx in
            let changed = try tx.pairs.ids("app_changed = 1 AND has_met = 1 AND state = 'pending'")
            if changed.count > tuning.safetyLimits.changedRecords, !run.state.isRewound,
                let finding = tuning.safetyLimits.judge(
                    changed: changed.count, linked: try linked(tx))
            {
                try requireAcknowledged(finding, changed, of: try linked(tx), tx)
            }
            if sync.deletions == .propagate { try judgeDeletionsInCRM(tx) }
            if run.state.isInitial { try judgeFirstRun(tx) }
            if run.state.isRewound {
                // What could not be asked for yet, or may be what has no id, may be missing since then.
                try tx.connection.run(
                    """
                    UPDATE pair SET rewound = '{}' WHERE sync_id = ? AND crm_id IS NOT NULL
                    AND rewound IS NULL AND (suspect = 1 OR app_presence = 1 AND generation < ?)
                    """, [.integer(tx.syncID), .integer(run.generation)])
                try tx.syncs.set("rewound", 0, of: tx.syncID)
            }
            // What was acknowledged has gone through; the next finding is a new one.
            try tx.syncs.clearFinding(tx.syncID)
            if run.state.isInitial { try tx.syncs.set("is_initial", 0, of: tx.syncID) }
        }
        try reload(&run)
    }

    private func linked(_ tx: CycleTransaction) throws -> Int {
        try tx.pairs.count("app_presence = 1 AND crm_id IS NOT NULL")
    }

    private func judgeDeletionsInCRM(_ tx: CycleTransaction) throws {
        let deleted = try tx.pairs.ids(
            """
            work_at IS NOT NULL AND app_presence = 1 AND EXISTS (SELECT 1 FROM record
            WHERE record.id = pair.crm_id AND record.archived_at IS NOT NULL
            AND record.merged_into IS NULL AND NOT EXISTS (SELECT 1 FROM merge
            WHERE merge.result_id = record.id AND merge.undone_at IS NOT NULL))
            """)
        guard deleted.count > tuning.safetyLimits.deletedRecords else { return }
        let finding = tuning.safetyLimits.judge(
            missing: deleted.count, linked: try linked(tx), appIsEmpty: false)
        if let finding { try requireAcknowledged(finding, deleted, of: try linked(tx), tx) }
    }

    private func judgeFirstRun(_ tx: CycleTransaction) throws {
        guard let limit = tuning.firstActivationLimit else { return }
        let alone = try tx.pairs.ids("state = 'pending' AND (crm_id IS NULL OR app_id IS NULL)")
        if alone.count > limit { try requireAcknowledged(.firstActivation, alone, of: limit, tx) }
    }

    private func requireAcknowledged(
        _ finding: SafetyLimits.SafetyStop, _ pairs: [Int64], of linked: Int, _ tx: CycleTransaction
    ) throws {
        try requireAcknowledged(
            finding, records: pairs.count, of: linked, detail: "\(pairs.count)", tx)
    }

    /// Passes if a person acknowledged exactly this finding; stops the sync otherwise.
    func requireAcknowledged(
        _ finding: SafetyLimits.SafetyStop, records: Int, of linked: Int, detail: String,
        _ tx: CycleTransaction
    ) throws {
        let digest = "\(finding.rawValue) \(detail)"
        if try tx.syncs.isAcknowledged(digest, of: tx.syncID) { return }
        let text = finding.explanation(records, of: linked)
        throw SafetyStopError(finding: .init(kind: finding.rawValue, text: text, digest: digest))
    }
}

/// A safety limit found something that a person has to judge; nothing of the transaction stays.
struct SafetyStopError: Error {
    let finding: SyncState.SafetyStop
}
