import AdapterKit
import TandemCRM
import TandemCore
import TandemModel

/// Asking before a record is made that a listing may have left out.
extension Cycle {
    /// Leaves out creates whose record the app turns out to have: it is matched like any other.
    ///
    /// An app that shows its records in an order that moves, or that holds something without an id, may have
    /// records that no listing has named.
    func absent(_ items: [OutboxItem], _ run: inout CycleRun) async throws -> [OutboxItem] {
        let hasUnidentified = run.state.unidentified.count > 0
        guard app.capabilities.canSearch, hasUnidentified || run.state.mayHaveDrifted else {
            return items
        }
        var absent: [OutboxItem] = []
        for item in items {
            guard case .create = item.write.kind, !item.isRepeat,
                run.searched.insert(item.pair.id).inserted
            else {
                absent.append(item)
                continue
            }
            let lookup = try await app.search(item.write.values)
            run.report.count("searched")
            // Where no search can tell, a second listing can.
            var isUnanswered = false
            if case .unanswered = lookup { isUnanswered = true }
            let needsLook = isUnanswered && !hasUnidentified && run.hasDrifted
            run.hasUnsearchable = run.hasUnsearchable || needsLook
            let held = try transaction(run) { tx in
                try recordSearch(
                    lookup, for: item.pair, isHeld: isUnanswered && (hasUnidentified || needsLook),
                    run, tx)
            }
            if let held {
                run.found.formUnion(needsLook ? [item.pair.id] : held)
            } else {
                absent.append(item)
            }
        }
        return absent
    }

    /// Has those whose record was found planned in this cycle, once they are matched.
    func wakeFound(_ run: inout CycleRun) throws {
        try transaction(run) { tx in
            for id in run.found.sorted() {
                guard var pair = try tx.pairs.pair(id) else { continue }
                pair.wake(changedAt: nil)
                try tx.pairs.save(pair)
            }
        }
        run.found = []
    }

    /// Notes what a search before a create has found, and puts it off until it is matched.
    ///
    /// - Returns: The pairs that were put off, if the record is not to be made now: the app has one with a
    ///   key of it that is bound to none. None of them if it is only held.
    private func recordSearch(
        _ lookup: CreateLookup, for pair: Pair, isHeld: Bool, _ run: CycleRun,
        _ tx: CycleTransaction
    ) throws -> Set<Int64>? {
        guard var pair = try tx.pairs.pair(pair.id), let id = pair.crmID,
            let record = try tx.crm.record(id)
        else { return [] }
        let keys = keys(of: record.properties)
        let known = try tx.pairs.pairs(app: lookup.records.map(\.id))
        let news = lookup.records.filter { found in
            let values = sync.mapping.crmValues(of: found.values).values
            return known[found.id]?.crmID == nil
                && !keys.isDisjoint(with: self.keys(of: found, values))
        }
        guard !news.isEmpty || isHeld else { return nil }
        var held: Set<Int64> = news.isEmpty ? [] : [pair.id]
        pair.intent = nil
        pair.putOff(from: tx.now)
        try tx.pairs.save(pair)
        for found in news {
            try recordReading(.present(found), of: found.id, isListed: false, run, tx)
            guard var other = try tx.pairs.pair(app: found.id), other.crmID == nil else { continue }
            other.putOff(from: tx.now)
            held.insert(try tx.pairs.save(other).id)
        }
        return held
    }
}
