package import TandemCRM
import TandemCore
package import TandemDatabase
package import TandemModel
package import TandemSupport

/// What a person can do about records that are stuck or gone; the next cycle carries it out.
package struct Remedies {
    private let store: CRMStore
    private let connection: any SQLConnection
    private let now: Timestamp

    package init(store: CRMStore, connection: any SQLConnection, now: Timestamp) {
        self.store = store
        self.connection = connection
        self.now = now
    }

    /// What came of a request for some records of a sync.
    package struct Outcome: Hashable, Sendable {
        package var done = 0
        /// Records that could not be helped, with the reason.
        package var refused: [String] = []
        /// The CRM and app ids of the records that the request was for.
        package var met: Set<String> = []

        package init() {}

        /// Takes in what came of the same request in another sync.
        package mutating func add(_ other: Outcome) {
            done += other.done
            refused += other.refused
            met.formUnion(other.met)
        }

        mutating func meet(_ pair: Pair) {
            met.formUnion([pair.crmID?.description, pair.appID?.text].compactMap(\.self))
        }
    }

    /// Makes deleted records of one side exist again: a CRM record comes back from the bin under
    /// its old id (or is made anew once the bin was emptied), an app record gets a new id.
    ///
    /// `records` names CRM or app ids; `nil` stands for all.
    package func resync(deletedIn side: Side, of syncID: Int64, records: Set<String>?) throws
        -> Outcome
    {
        let state: PairStateKind = side == .crm ? .deletedInCRM : .deletedInApp
        var outcome = Outcome()
        let pairs = PairTable(connection: connection, syncID: syncID)
        for var pair in try select(state, nil, records, in: pairs) {
            outcome.meet(pair)
            do {
                if side == .crm { try restoreInCRM(&pair, pairs) } else { pair.forgetApp() }
                pair.wake(changedAt: nil)
                try pairs.save(pair)
                outcome.done += 1
            } catch let error as CRMError {
                outcome.refused.append("record \(pair.crmID?.description ?? "-"): \(error)")
            }
        }
        try bringBack(whatWeDeletedIn: side, records, pairs, &outcome)
        return outcome
    }

    /// Restores CRM records whose deletion a sync has carried over, from one side or to the other; the next
    /// cycle makes the app's record anew, as it was.
    private func bringBack(
        whatWeDeletedIn side: Side, _ records: Set<String>?, _ pairs: PairTable,
        _ outcome: inout Outcome
    ) throws {
        let deleted = try connection.rows(
            side == .app
                ? "SELECT DISTINCT crm_id, app_id FROM deleted_original WHERE sync_id = ? ORDER BY 1"
                : """
                SELECT DISTINCT crm_id, app_id FROM journal
                WHERE sync_id = ? AND kind = 'delete' AND side = 'crm' ORDER BY 1
                """, [.integer(pairs.syncID)]
        ) { (id: $0.integer(0).map { RecordID($0) }, app: $0.text(1) ?? "") }
        for entry in deleted {
            guard let id = entry.id,
                records.map({ !$0.isDisjoint(with: ["\(id)", entry.app]) }) ?? true,
                !outcome.met.contains("\(id)"),
                let record = try store.reader(in: connection).record(id), record.archivedAt != nil
            else { continue }
            outcome.met.formUnion(["\(id)", entry.app])
            do {
                try store.writer(in: connection, now: now, origin: .user).restore(id)
                outcome.done += 1
            } catch let error as CRMError {
                outcome.refused.append("record \(id): \(error)")
            }
        }
    }

    private func restoreInCRM(_ pair: inout Pair, _ pairs: PairTable) throws {
        let record = try pair.crmID.flatMap { try store.reader(in: connection).record($0) }
        if let record {
            guard record.archivedAt != nil else { return }
            try store.writer(in: connection, now: now, origin: .user).restore(record.id)
        } else {
            pair.crmID = nil
            pair.crmBase = [:]
            pair.appBase = [:]
            pair.wasReconciled = false
        }
    }

    /// Has failed records tried again in the next cycle, and ambiguous ones that are named.
    ///
    /// `makesAnew` is a person's word that a create, of which the app could not be asked, made nothing.
    package func retry(
        _ syncID: Int64, category: FailureCategory?, records: Set<String>?,
        makesAnew: Bool = false
    ) throws -> Outcome {
        let pairs = PairTable(connection: connection, syncID: syncID)
        var outcome = Outcome()
        var chosen = try select(.failed, category, records, in: pairs)
        if records != nil {
            chosen += try select(.ambiguous, category, records, in: pairs)
            chosen += try select(.inSync, category, records, in: pairs).filter {
                !$0.accepted.isEmpty
            }
        }
        for var pair in chosen {
            outcome.meet(pair)
            if pair.intent?.status == .held {
                if makesAnew { (pair.intent, pair.repeats) = (nil, 0) }
            } else if makesAnew {
                outcome.refused.append(
                    "record \(pair.crmID?.description ?? "-"): no create of it waits for a person")
                continue
            }
            pair.wake(changedAt: nil)
            pair.ignored = [:]
            // The value that did not come through whole is to be written once more.
            for (property, refusal) in pair.refused {
                if refusal.category == .changedByServer {
                    pair.crmBase[property] = Pair.unseenBase
                } else {
                    pair.appBase[property] = ""
                }
            }
            pair.refused = [:]
            pair.accepted = [:]
            if pair.appID != nil { pair.recheckAt = now }
            try pairs.save(pair)
            outcome.done += 1
        }
        return outcome
    }

    /// Carries over what waits for a person in the next cycle: deletions, and of an app that went back in
    /// time the CRM's values.
    package func approve(_ syncID: Int64, records: Set<String>?) throws -> Outcome {
        try change(.awaitingApproval, of: syncID, records) { pair in
            guard let back = pair.rewound else {
                pair.isDeletionApproved = true
                return nil
            }
            if pair.appPresence == .gone {
                pair.forgetApp()
            } else {
                // The CRM's values count as the newer ones.
                for (property, value) in back {
                    pair.appBase[property] = value
                    pair.crmBase[property] = Pair.unseenBase
                }
            }
            pair.rewound = nil
            return nil
        }
    }

    /// Leaves a field of failed records apart until either side changes it.
    package func accept(_ field: PropertyName, _ syncID: Int64, records: Set<String>) throws
        -> Outcome
    {
        try change(.failed, of: syncID, records) { pair in
            let unshown = Set(pair.crmBase.keys).subtracting(pair.appValues.keys)
            let apart = Set(pair.refused.keys).union(pair.ignored.keys).union(pair.appRefusals.keys)
                .union(unshown).subtracting([""])
            guard apart.contains(field) else {
                let known = apart.sorted().map(\.text).joined(separator: ", ")
                return "`\(field)` is none of the fields that keep it from being in sync"
                    + (known.isEmpty ? "" : "; those are \(known)")
            }
            pair.accepted[field] = ""
            return nil
        }
    }

    /// Takes what an app shows that went back in time: its older values, and that a record is missing.
    package func reject(_ syncID: Int64, records: Set<String>?) throws -> Outcome {
        try change(.awaitingApproval, of: syncID, records) { pair in
            guard let back = pair.rewound else {
                return "a deletion waits, which `tandem resync-deleted` undoes"
            }
            let record = try pair.crmID.flatMap { try store.reader(in: connection).record($0) }
            for property in back.keys where pair.appPresence == .present {
                pair.appBase[property] = Pair.unseenBase
                // An association has its bases in the app's ids, and no property.
                if let record, store.schema.objects[record.object]?[property] != nil {
                    pair.crmBase[property] = record.properties[property] ?? ""
                }
            }
            pair.rewound = nil
            return nil
        }
    }

    /// Changes the pairs in one state, and has the next cycle plan them; what `change` gives says why one
    /// cannot be helped, and that one is left as it is.
    private func change(
        _ state: PairStateKind, of syncID: Int64, _ records: Set<String>?,
        _ change: (inout Pair) throws -> String?
    ) throws -> Outcome {
        let pairs = PairTable(connection: connection, syncID: syncID)
        var outcome = Outcome()
        for var pair in try select(state, nil, records, in: pairs) {
            outcome.meet(pair)
            if let why = try change(&pair) {
                let name = pair.crmID?.description ?? pair.appID?.text ?? "-"
                outcome.refused.append("record \(name): \(why)")
                continue
            }
            pair.wake(changedAt: nil)
            try pairs.save(pair)
            outcome.done += 1
        }
        return outcome
    }

    private func select(
        _ state: PairStateKind, _ category: FailureCategory?, _ records: Set<String>?,
        in pairs: PairTable
    ) throws -> [Pair] {
        let found = try pairs.select(
            "sync_id = ? AND state = ? AND (? IS NULL OR category = ?) ORDER BY id",
            [
                .integer(pairs.syncID), .text(state.rawValue), .optional(category?.rawValue),
                .optional(category?.rawValue),
            ])
        guard let records else { return found }
        return found.filter { pair in
            records.contains(pair.crmID?.description ?? "")
                || records.contains(pair.appID?.text ?? "")
        }
    }
}

extension Pair {
    /// The app's record is to be made anew, as if it had never been there.
    fileprivate mutating func forgetApp() {
        appID = nil
        appPresence = .absent
        appVersion = nil
        appValues = [:]
        appRefusals = [:]
        appKeys = []
        crmBase = [:]
        appBase = [:]
        wasReconciled = false
        staleReadGuard = nil
        recheckAt = nil
        rewound = nil
    }
}
