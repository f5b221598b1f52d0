import AdapterKit
import TandemCRM
import TandemCore
import TandemModel
import TandemSupport

/// Ids that an app gives to somebody else.
extension Cycle {
    /// Whether the app gave the id of a deleted record to another one: nothing that records are matched by
    /// is the same.
    ///
    /// Of a record that was there all along, other values prove nothing; one without any of them, or with
    /// one in common, came back (P70).
    func isAnother(
        _ record: AppRecord, _ values: Values, than pair: Pair, _ tx: CycleTransaction
    ) throws -> Bool {
        guard let id = pair.crmID, !tuning.defects.has(.idsAreEternal) else { return false }
        let properties = try tx.crm.record(id)?.properties ?? [:]
        let old = keys(of: properties).union(pair.appKeys)
        let new = keys(of: record, values)
        // Two people of one company have its keys in common; as in matching, an address decides.
        let (newMails, oldMails) = (new.filter(\.isEmail), old.filter(\.isEmail))
        if !newMails.isEmpty && !oldMails.isEmpty { return oldMails.isDisjoint(with: newMails) }
        return !new.isEmpty && !old.isEmpty && old.isDisjoint(with: new)
    }

    /// Whether the app says that its record was made later than it said before: its id was given again.
    ///
    /// Two times that are whole minutes or seconds are only known as well as that.
    func wasMadeAgain(_ record: AppRecord, after pair: Pair) -> Bool {
        guard pair.hasCreationTime, let before = pair.appCreatedAt, let now = record.createdAt,
            !tuning.defects.has(.idsAreEternal)
        else { return false }
        let precision =
            [before, now].map { time -> Int64 in
                time.milliseconds % 60_000 == 0
                    ? 60_000 : time.milliseconds % 1_000 == 0 ? 1_000 : 1
            }.max() ?? 1
        return (now - before).milliseconds > precision
    }

    /// Leaves a deleted record its place under an id that no app gives.
    ///
    /// - Returns: What a person should know of the record that has its id now.
    @discardableResult
    func part(
        _ deleted: Pair, from id: AppRecordID, isRewound: Bool = false, isLate: Bool,
        _ tx: CycleTransaction
    ) throws -> String {
        var deleted = deleted
        if deleted.appPresence == .present {
            deleted.appPresence = .gone
            deleted.needsDeletionCheck = false
            deleted.recheckAt = nil
            deleted.appRefusals = [:]
            deleted.staleReadGuard = nil
            deleted.awaiting = nil
            deleted.unacknowledgedWrite = [:]
            deleted.isUnlisted = false
            try wakeClaims(to: Set(deleted.appKeys), isLate: isLate, tx)
            if isRewound { deleted.rewound = [:] }
            deleted.wake(changedAt: nil)
        }
        deleted.appID = AppRecordID("\(id) (deleted, pair \(deleted.id))")
        try tx.pairs.save(deleted)
        let owner = deleted.crmID.map { "\($0)" } ?? "-"
        return "the app's id \(id) belonged to CRM record \(owner), which was deleted in the app; "
            + "`tandem retry --record \(id)` brings it in as a new record"
    }
}

extension MatchKey {
    fileprivate var isEmail: Bool { kind == Self.email }
}
