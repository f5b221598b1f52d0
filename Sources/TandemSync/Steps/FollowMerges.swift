import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Pairs follow their records through merges of the CRM, and back (BEHAVIOUR.md §8).
struct MergeFollower {
    let tx: CycleTransaction

    /// Moves the pairs of the two records that became one, and remembers from where.
    ///
    /// The primary's pair follows to the result; the secondary's app record stays outside. If only
    /// the secondary has an app record, its pair follows.
    func follow(_ merge: Merge) throws {
        let pairs = try tx.pairs.pairs(crm: [merge.primary, merge.secondary, merge.result])
        if let early = pairs[merge.result] {
            // An app record was matched with the result before the feed told of it.
            if early.hasApp {
                for id in [merge.primary, merge.secondary] {
                    if let pair = pairs[id] { try setAside(pair, merge) }
                }
                return
            }
            // One that the walk over all records made has nothing on it yet.
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
        try takeBackRest(of: merge)
        try tx.connection.run(
            "DELETE FROM followed_merge WHERE sync_id = ? AND result_id = ?",
            [.integer(tx.syncID), .integer(merge.result.number)])
    }

    /// The app record that the result got since the merge, or had before this sync followed any,
    /// goes on as the primary's, or as the secondary's if that one has its own: its record must not
    /// look deleted.
    private func takeBackRest(of merge: Merge) throws {
        guard var rest = try tx.pairs.pair(crm: merge.result) else { return }
        if !rest.hasApp { return try tx.pairs.delete(rest) }
        for record in [merge.primary, merge.secondary] {
            let own = try tx.pairs.pair(crm: record)
            if let own, own.hasApp { continue }
            if let own { try tx.pairs.delete(own) }
            rest.crmID = record
            rest.wake(changedAt: tx.now)
            return _ = try tx.pairs.save(rest)
        }
    }

    /// How a pair is to be planned whose record took part in a merge.
    enum MergeDisposition {
        /// As any other.
        case ordinary
        /// Not before the feed has told where it goes.
        case waits
        /// Not at all: its app record stays outside.
        case outside
    }

    /// Judges a pair that is due by its CRM record, and by how far this sync has read the feed.
    ///
    /// A deletion is never carried over from a record that was merged, or from a result that was
    /// split again.
    func disposition(_ pair: Pair, _ record: CRMRecord?, isMerged: Bool, feedReadTo sequence: Int64)
        throws -> MergeDisposition
    {
        if isMerged {
            let followed = try tx.connection.number(
                "SELECT COUNT(*) FROM followed_merge WHERE sync_id = ? AND pair_id = ? AND crm_id = ?",
                [.integer(tx.syncID), .integer(pair.id), .optional(pair.crmID?.number)])
            return followed > 0 ? .outside : .waits
        }
        // Also when the bin was emptied of it since.
        guard let id = pair.crmID, record.map({ $0.archivedAt != nil }) ?? true,
            try tx.crm.merge(of: id)?.undoneAt != nil
        else { return .ordinary }
        let split = try tx.crm.lastChange(of: id, .unmerge)
        return split > sequence ? .waits : .outside
    }

    /// Follows the merge of a pair's record that the feed told of before the pair was there: a first
    /// walk over all records that was broken off leaves pairs, and the next one begins later in the
    /// feed.
    ///
    /// - Returns: The pairs that took part in it, which are not what they were.
    func followMissed(_ pair: Pair, feedReadTo sequence: Int64) throws -> Set<Int64> {
        guard let record = pair.crmID, let merge = try tx.crm.merge(from: record),
            merge.sequence <= sequence
        else { return [] }
        let pairs = try tx.pairs.pairs(crm: [merge.primary, merge.secondary, merge.result])
        try follow(merge)
        return Set(pairs.values.map(\.id))
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
