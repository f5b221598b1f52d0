import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Pairs follow their records through merges of the CRM, and back (behaviour.md §8).
struct MergeFollower {
    let tx: CycleTransaction

    /// Moves the pairs of the two records that became one, and remembers from where.
    ///
    /// The primary's pair follows to the result; the secondary's app record stays outside. If only
    /// the secondary has an app record, its pair follows.
    func follow(_ merge: Merge) throws {
        let pairs = try tx.pairs.pairs(crm: [merge.primary, merge.secondary, merge.result])
        // One that the walk over all records made for the result has nothing on it yet.
        if let early = pairs[merge.result] {
            if early.hasApp { return }
            try tx.pairs.delete(early)
        }
        let (one, other) = (pairs[merge.primary], pairs[merge.secondary])
        if let one, one.hasApp || other.map({ !$0.hasApp }) ?? true {
            try move(one, to: merge)
            if let other { try setAside(other, merge) }
        } else if let other {
            if let one { try tx.pairs.delete(one) }
            try move(other, to: merge)
        }
    }

    /// Takes the pairs back to where they were before a merge that was undone.
    func goBack(from merge: Merge) throws {
        let followed = try tx.connection.rows(
            "SELECT pair_id, crm_id FROM followed_merge WHERE sync_id = ? AND result_id = ?",
            [.integer(tx.syncID), .integer(merge.result.number)]
        ) { ($0.integer(0) ?? 0, RecordID($0.integer(1) ?? 0)) }
        for (id, record) in followed {
            guard var pair = try tx.pairs.pair(id) else { continue }
            if let other = try tx.pairs.pair(crm: record), other.id != id {
                if other.hasApp { continue }
                try tx.pairs.delete(other)
            }
            pair.crmID = record
            pair.wake(changedAt: tx.now)
            try tx.pairs.save(pair)
        }
        try tx.connection.run(
            "DELETE FROM followed_merge WHERE sync_id = ? AND result_id = ?",
            [.integer(tx.syncID), .integer(merge.result.number)])
    }

    /// Ends the plan of a pair whose record went into another: its app record stays outside, unless
    /// the feed has yet to tell where the pair goes.
    ///
    /// - Returns: Whether the pair stays outside.
    func settle(_ pair: Pair) throws -> Bool {
        let isFollowed = try tx.connection.number(
            "SELECT COUNT(*) FROM followed_merge WHERE sync_id = ? AND pair_id = ?",
            [.integer(tx.syncID), .integer(pair.id)])
        if isFollowed == 0 { return false }
        if pair.appPresence != .present {
            try tx.pairs.delete(pair)
        } else {
            var pair = pair
            pair.changedAt = nil
            pair.settle(.excluded(.merged))
            try tx.pairs.save(pair)
        }
        return true
    }

    private func move(_ pair: Pair, to merge: Merge) throws {
        var pair = pair
        try remember(pair, merge)
        pair.crmID = merge.result
        pair.wake(changedAt: merge.at)
        try tx.pairs.save(pair)
    }

    private func setAside(_ pair: Pair, _ merge: Merge) throws {
        if !pair.hasApp { return try tx.pairs.delete(pair) }
        try remember(pair, merge)
        var pair = pair
        try tx.pairs.removeKeys(of: &pair)
        pair.changedAt = nil
        // A create without answer is settled first; what it made is then set aside.
        pair.intent == nil ? pair.settle(.excluded(.merged)) : pair.wake(changedAt: nil)
        try tx.pairs.save(pair)
    }

    private func remember(_ pair: Pair, _ merge: Merge) throws {
        guard let record = pair.crmID else { return }
        try tx.connection.run(
            "INSERT INTO followed_merge VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
            [
                .integer(tx.syncID), .integer(merge.result.number), .integer(pair.id),
                .integer(record.number),
            ])
    }
}

extension Pair {
    /// The app has a record of it, or may have one.
    fileprivate var hasApp: Bool { appPresence == .present || intent != nil }
}
