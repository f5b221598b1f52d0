import TandemCore
import TandemDatabase
import TandemModel

/// The last look before anything is written.
extension Cycle {
    /// Stops the sync if so many app records are missing that it looks like an accident.
    func judgeMissing(_ run: CycleRun) throws {
        try transaction(run) { tx in
            let missing = try tx.pairs.count("suspect = 1 AND crm_id IS NOT NULL")
            if missing == 0 { return }
            let linked = try tx.pairs.count("app_presence = 1 AND crm_id IS NOT NULL")
            let others = try tx.pairs.count("app_presence = 1 AND suspect = 0")
            let finding = tuning.rails.judge(
                missing: missing, linked: linked, appIsEmpty: others == 0)
            guard let finding else { return }
            let suspects = try tx.pairs.select(
                "sync_id = ? AND suspect = 1 AND crm_id IS NOT NULL ORDER BY id",
                [.integer(tx.syncID)])
            try letThrough(
                finding, records: missing, of: linked,
                detail: suspects.map { "\($0.id)" }.joined(separator: ","), tx)
        }
    }

    /// Stops the sync if what is about to be written looks like an accident; ends the initial
    /// phase otherwise.
    func checkRails(_ run: inout CycleRun) throws {
        try transaction(run) { tx in
            let linked = try tx.pairs.count("app_presence = 1 AND crm_id IS NOT NULL")
            let changed = try tx.pairs.select(
                """
                sync_id = ? AND app_changed = 1 AND has_met = 1 AND state = 'pending' ORDER BY id
                """, [.integer(tx.syncID)])
            if let finding = tuning.rails.judge(changed: changed.count, linked: linked) {
                let detail = changed.map { "\($0.id):\($0.appVersion ?? "")" }.joined(
                    separator: ",")
                try letThrough(finding, records: changed.count, of: linked, detail: detail, tx)
            }
            if sync.deletions == .propagate { try judgeDeletionsInCRM(linked: linked, tx) }
            if run.state.isInitial, let limit = tuning.firstActivationLimit {
                let alone = try tx.pairs.count(
                    "state = 'pending' AND (crm_id IS NULL OR app_id IS NULL)")
                if alone > limit {
                    try letThrough(
                        .firstActivation, records: alone, of: limit, detail: "\(alone)", tx)
                }
            }
            if run.state.finding != nil { try tx.syncs.clearFinding(tx.syncID) }
            if run.state.isInitial { try tx.syncs.set("is_initial", 0, of: tx.syncID) }
        }
        try reload(&run)
    }

    private func judgeDeletionsInCRM(linked: Int, _ tx: CycleTransaction) throws {
        let deleted = try tx.pairs.select(
            """
            sync_id = ? AND state = 'pending' AND app_presence = 1 AND EXISTS (SELECT 1 FROM record
            WHERE record.id = pair.crm_id AND record.archived_at IS NOT NULL) ORDER BY id
            """, [.integer(tx.syncID)])
        let finding = tuning.rails.judge(
            missing: deleted.count, linked: linked, appIsEmpty: false)
        guard let finding else { return }
        try letThrough(
            finding, records: deleted.count, of: linked,
            detail: deleted.map { "\($0.id)" }.joined(separator: ","), tx)
    }

    /// Passes if a person acknowledged exactly this finding; stops the sync otherwise.
    func letThrough(
        _ finding: Rails.Finding, records: Int, of linked: Int, detail: String,
        _ tx: CycleTransaction
    ) throws {
        let digest = "\(finding.rawValue)-\(String(fnv1a(detail), radix: 16))"
        if try tx.syncs.isAcknowledged(digest, of: tx.syncID) { return }
        let text = finding.explanation(records, of: linked)
        throw RailStop(finding: .init(kind: finding.rawValue, text: text, digest: digest))
    }
}

/// A rail found something that a person has to judge; nothing of the transaction stays.
struct RailStop: Error {
    let finding: SyncState.Finding
}

/// FNV-1a with 64 bits (Fowler, Noll, Vo): names a finding; nothing secret depends on it.
private func fnv1a(_ text: String) -> UInt64 {
    text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3 }
}
