import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Matching: records met for the first time find their counterpart.
extension Cycle {
    func match(_ run: inout CycleRun) throws {
        var last: (Timestamp, Int64)?
        defer { run.hasMatched = true }
        while true {
            let (end, counts) = try transaction(run) { tx in
                let due = try tx.pairs.due(after: last, now: tx.now, limit: tuning.batch)
                var matcher = try Matcher(cycle: self, tx: tx, pairs: due)
                for pair in due { try matcher.place(pair) }
                return (due.last, matcher.counts)
            }
            for (decision, count) in counts {
                run.report.decisions[decision, default: 0] += count
                if decision == "duplicate-in-app" { run.report.failed += count }
            }
            guard let end else { return }
            last = (end.workAt ?? Timestamp(milliseconds: 0), end.id)
        }
    }
}

/// Places the records of one batch that have no counterpart; everything is looked up in the
/// index, so the outcome does not depend on what else is in the batch.
private struct Matcher {
    let cycle: Cycle
    let tx: CycleTransaction
    var counts: [String: Int] = [:]
    /// Pairs that were bound or taken up by another one; what the batch holds of them is old.
    private var placed: Set<Int64> = []
    private var owners: [MatchKey: Set<RecordID>]
    private var claims: [MatchKey: Set<Int64>]

    init(cycle: Cycle, tx: CycleTransaction, pairs: [Pair]) throws {
        self.cycle = cycle
        self.tx = tx
        let keys = Set(pairs.filter(\.isAppAlone).flatMap(\.appKeys))
        owners = try tx.crm.owners(of: keys, in: cycle.sync.object)
        claims = try tx.pairs.owners(of: keys)
    }

    mutating func place(_ pair: Pair) throws {
        if placed.contains(pair.id) || pair.intent != nil { return }
        if pair.isAppAlone {
            try placeApp(pair)
        } else if pair.appID == nil {
            try placeCRM(pair)
        }
    }

    private mutating func placeApp(_ pair: Pair) throws {
        if pair.appRefusals[""] != nil || pair.isForeign { return }
        let subject = pair.subject
        switch try decision(for: pair) {
        case .bind(let id, let key):
            if try isUnanswered(createOf: id) {
                // Whether the app has another record of it, made by us, shows when it can be asked.
                var pair = pair
                pair.putOff(from: tx.now)
                return _ = try tx.pairs.save(pair)
            }
            let keys = try crmKeys(of: id)
            if let rival = try rivals(of: pair, for: keys).first(where: {
                $0.subject.precedes(subject, for: keys)
            }), case .bind(id, _) = try decision(for: rival) {
                guard subject.isIdentified(by: subject.keys.intersection(keys)) else {
                    return count("alone")
                }
                return try refuse(pair, rival: rival, record: id)
            }
            try bind(pair, to: id, by: key)
        case .ambiguous(let ids):
            if cycle.tuning.defects.has(.guessesMatches) {
                return try bind(pair, to: ids[0], by: "guess")
            }
            count("ambiguous")
            var pair = pair
            let names = ids.map { "\($0)" }.joined(separator: ", ")
            pair.settle(.ambiguous("fits the CRM records \(names)"))
            try tx.pairs.save(pair)
        case .duplicate(let id):
            if cycle.tuning.defects.has(.ignoresBound) { return }
            try refuse(pair, rival: nil, record: id)
        case .alone:
            let rivals = try rivals(of: pair, for: subject.keys)
            let older = rivals.first { rival in
                rival.state == .pending && rival.subject.precedes(subject, for: subject.keys)
                    && pair.fits(rival)
            }
            if let older { return try refuse(pair, rival: older, record: nil) }
            count("alone")
        }
    }

    /// A CRM record looks for app records that are alone, each of which then decides by its own
    /// rules; so both sides come to the same result.
    private mutating func placeCRM(_ pair: Pair) throws {
        guard let id = pair.crmID, let record = try tx.crm.record(id), record.archivedAt == nil
        else { return }
        let keys = cycle.keys(of: record.properties)
        let ids = try tx.pairs.owners(of: keys).values.reduce(into: Set<Int64>()) {
            $0.formUnion($1)
        }
        var best: (pair: Pair, key: String)?
        for candidateID in ids.sorted() {
            guard let candidate = try tx.pairs.pair(candidateID),
                candidate.appPresence == .present, try !hasLivingRecord(candidate)
            else { continue }
            switch try freshDecision(for: candidate) {
            case .bind(id, let key):
                if best.map({ candidate.subject.precedes($0.pair.subject, for: keys) }) ?? true {
                    best = (candidate, key)
                }
            case .ambiguous(let ids) where ids.contains(id):
                count("ambiguous")
                var pair = pair
                pair.settle(.ambiguous("fits the app record \(candidate.appID?.text ?? "")"))
                try tx.pairs.save(pair)
                return
            case .bind, .ambiguous, .duplicate, .alone: continue
            }
        }
        if let best { try bind(best.pair, to: id, by: best.key) } else { count("alone") }
    }

    private func isUnanswered(createOf id: RecordID) throws -> Bool {
        guard case .search = cycle.app.capabilities.createSafety else { return false }
        return try tx.pairs.pair(crm: id)?.intent?.status == .unanswered
    }

    private func hasLivingRecord(_ pair: Pair) throws -> Bool {
        guard let id = pair.crmID, let record = try tx.crm.record(id) else { return false }
        return record.archivedAt == nil
    }

    private func decision(for pair: Pair) throws -> MatchDecision {
        try decision(for: pair, owners: owners)
    }

    /// As ``decision(for:)`` for a pair outside the batch.
    private func freshDecision(for pair: Pair) throws -> MatchDecision {
        let keys = Set(pair.appKeys)
        return try decision(for: pair, owners: tx.crm.owners(of: keys, in: cycle.sync.object))
    }

    private func decision(for pair: Pair, owners: [MatchKey: Set<RecordID>]) throws
        -> MatchDecision
    {
        var shared: [RecordID: Set<MatchKey>] = [:]
        for key in pair.appKeys {
            for id in owners[key] ?? [] { shared[id, default: []].insert(key) }
        }
        if shared.isEmpty { return .alone }
        let records = try tx.crm.records(Array(shared.keys))
        let bound = try tx.pairs.pairs(crm: shared.keys)
        let candidates = shared.map { id, keys in
            MatchCandidate(
                id: id, shared: keys,
                hasEmail: records[id].map { !MatchKey.emails($0.properties).isEmpty } ?? false,
                isBound: bound[id]?.appPresence == .present)
        }
        return MatchDecision(pair.subject, candidates: candidates)
    }

    /// Other app records without counterpart that have any of these keys.
    private func rivals(of pair: Pair, for keys: Set<MatchKey>) throws -> [Pair] {
        let known = keys.allSatisfy { claims[$0] != nil } ? claims : try tx.pairs.owners(of: keys)
        let ids = keys.reduce(into: Set<Int64>()) { $0.formUnion(known[$1] ?? []) }
        return try ids.subtracting([pair.id]).subtracting(placed).sorted().compactMap { id in
            guard let rival = try tx.pairs.pair(id), rival.isAppAlone else { return nil }
            return rival
        }
    }

    private func crmKeys(of id: RecordID) throws -> Set<MatchKey> {
        let properties = try tx.crm.record(id)?.properties ?? [:]
        return cycle.keys(of: properties)
    }

    private mutating func refuse(_ pair: Pair, rival: Pair?, record: RecordID?) throws {
        count("duplicate-in-app")
        let bound = try record.flatMap { try tx.pairs.pair(crm: $0)?.appID }
        let other = rival?.appID ?? bound
        var pair = pair
        pair.fail(
            Refusal(
                .duplicateInApp,
                "app records \(pair.appID?.text ?? "") and \(other?.text ?? "") are the same "
                    + (record.map { "CRM record \($0)" } ?? "person or company"),
                otherID: other?.text),
            now: tx.now, jitter: 0, afterSeconds: nil)
        try tx.pairs.save(pair)
    }

    /// Makes one pair of an app record and a CRM record; the app record's row stays.
    private mutating func bind(_ pair: Pair, to id: RecordID, by key: String) throws {
        var pair = pair
        var kind = JournalEntry.Kind.bind
        if let other = try tx.pairs.pair(crm: id) {
            if other.appPresence == .gone || pair.crmID != nil { kind = .rebind }
            pair.changedAt = [pair.changedAt, other.changedAt].compactMap(\.self).min()
            placed.insert(other.id)
            try tx.pairs.delete(other, replacedBy: pair)
        }
        placed.insert(pair.id)
        try tx.pairs.removeKeys(of: &pair)
        pair.crmID = id
        pair.wasReconciled = false
        pair.crmBase = [:]
        pair.appBase = [:]
        pair.wake(changedAt: nil)
        try tx.pairs.save(pair)
        try wakeOtherClaims(to: pair)
        try tx.journal.append(kind, on: .crm, of: pair, reason: "matched by \(key)")
        count("\(kind.rawValue)-by-\(key)")
    }

    /// CRM records that were held because this app record might have been theirs look again.
    private func wakeOtherClaims(to pair: Pair) throws {
        let owners = try tx.crm.owners(of: Set(pair.appKeys), in: cycle.sync.object)
        let ids = owners.values.reduce(into: Set<RecordID>()) { $0.formUnion($1) }
        for var other in try tx.pairs.pairs(crm: ids).values where other.state.kind == .ambiguous {
            other.wake(changedAt: nil)
            try tx.pairs.save(other)
        }
    }

    private mutating func count(_ decision: String) { counts[decision, default: 0] += 1 }
}

extension Pair {
    /// The app has a record, and it never had a counterpart.
    fileprivate var isAppAlone: Bool { crmID == nil && appPresence == .present }

    fileprivate var subject: MatchSubject {
        MatchSubject(
            id: appID ?? "", keys: Set(appKeys), createdAt: appCreatedAt,
            firstEmail: appValues["email"])
    }

    /// Whether two app records are one person or company by the rules of matching.
    fileprivate func fits(_ other: Pair) -> Bool {
        let shared = Set(appKeys).intersection(other.appKeys)
        if shared.contains(where: { $0.kind == MatchKey.email }) {
            return subject.isIdentified(by: shared)
        }
        return !shared.isEmpty && !(subject.hasEmail && other.subject.hasEmail)
    }
}
