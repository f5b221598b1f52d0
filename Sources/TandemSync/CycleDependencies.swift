package import TandemCore
import TandemModel
package import TandemSupport

/// The world as the engine sees it: time and chance, handed in.
package struct CycleDependencies: Sendable {
    package let now: @Sendable () -> Timestamp
    /// A number from 0 to 1 that spreads retries; never part of a decision.
    package let jitter: @Sendable () -> Double
    /// Whether the process is to end: a cycle then leaves after the batch in hand.
    package let isStopping: @Sendable () -> Bool

    /// Whether another holder of a lease may still be running; its lease then has to run out.
    package let isAlive: @Sendable (String) -> Bool

    /// Told that writes to an app are under way, and that their outcomes are recorded.
    package let onWriting: @Sendable (Bool) -> Void

    package init(
        now: @escaping @Sendable () -> Timestamp, jitter: @escaping @Sendable () -> Double,
        isStopping: @escaping @Sendable () -> Bool = { false },
        isAlive: @escaping @Sendable (String) -> Bool = { _ in true },
        onWriting: @escaping @Sendable (Bool) -> Void = { _ in }
    ) {
        self.isAlive = isAlive
        self.onWriting = onWriting
        self.now = now
        self.jitter = jitter
        self.isStopping = isStopping
    }
}

/// Sizes and limits of a cycle, and in debug builds its defects.
package struct Tuning: Sendable {
    package var safetyLimits = SafetyLimits()
    /// Pairs planned, and changes read, in one transaction.
    package var batch = 400
    /// How long a cycle may hold a sync without a sign of life.
    package var leaseSeconds: Int64 = 120
    /// The promise: a change is on the other side within this time.
    package var windowSeconds: Int64 = 600
    /// The first run stops before it makes more records than this; `nil` for no limit.
    package var firstActivationLimit: Int?
    /// How often an app that does not report deletions is listed from the start.
    package var sweepSeconds: Int64 = 6 * 3_600
    /// How often one that does is, because a feed may have kept something back (P13).
    package var auditSeconds: Int64 = 24 * 3_600
    /// When a record that came without a field it had before is read again.
    package var partialSeconds: Int64 = 3_600
    /// Reads the next batch while the last one is recorded.
    package var readsAhead = true
    package var defects: Defects = []

    package init() {}
}

/// Known mistakes that can be put back into the engine, to show that the simulation finds them.
///
/// Release builds have no defects: there ``has(_:)`` is always false.
package struct Defects: OptionSet, Hashable, Sendable {
    package let rawValue: Int
    package init(rawValue: Int) { self.rawValue = rawValue }

    /// P24: the base of the written side is what was sent, not what the app made of it.
    package static let oneBaseForBoth = Defects(rawValue: 1 << 0)
    /// P26: an old value read after a write is taken for an edit.
    package static let believesStaleReads = Defects(rawValue: 1 << 1)
    /// P27: changes of every sync are skipped, not only the sync's own.
    package static let skipsEverySync = Defects(rawValue: 1 << 2)
    /// P33: the CRM base is read again after the write, so an edit made meanwhile looks synced.
    package static let basesOnLaterValues = Defects(rawValue: 1 << 3)
    /// P36: a field that was not read counts as cleared.
    package static let missingIsEmpty = Defects(rawValue: 1 << 4)
    /// P42: a create without answer is sent again under a new key, unasked.
    package static let repeatsCreates = Defects(rawValue: 1 << 5)
    /// P46: the first of several candidates is taken.
    package static let guessesMatches = Defects(rawValue: 1 << 6)
    /// P52: records are created before the whole app was observed.
    package static let createsBeforeObserving = Defects(rawValue: 1 << 7)
    /// P58: an edit of the survivor makes a deleted record anew.
    package static let recreatesDeleted = Defects(rawValue: 1 << 8)
    /// P61: a record that was not listed counts as deleted.
    package static let absenceIsDeletion = Defects(rawValue: 1 << 9)
    /// P77: writes do not depend on the version that was read.
    package static let writesUnconditionally = Defects(rawValue: 1 << 10)
    /// P81: a transient failure ends the work on the record.
    package static let dropsFailures = Defects(rawValue: 1 << 11)
    /// P5: the cursor is stored before its page is.
    package static let cursorBeforePage = Defects(rawValue: 1 << 12)
    /// P45: a second claim on a bound record makes another record.
    package static let ignoresBound = Defects(rawValue: 1 << 13)
    /// P61: a listing with something in it that has no id counts as complete all the same.
    package static let namelessProvesAbsence = Defects(rawValue: 1 << 14)
    /// P26: a cursor that is a state of the app counts, though our own write lies between.
    package static let trustsStateCursors = Defects(rawValue: 1 << 15)
    /// P36: a field that the app does not show after a write counts as written.
    package static let unshownIsWritten = Defects(rawValue: 1 << 16)
    /// P81: an edit of a field that the app does not show counts as delivered.
    package static let unreadIsInSync = Defects(rawValue: 1 << 17)
    /// P24: what the app still holds after a write counts as its form of what was sent.
    package static let oldFormIsTaken = Defects(rawValue: 1 << 18)
    /// P37: an edit that leaves the value equal under the rule of its type counts as none.
    package static let dropsSpellings = Defects(rawValue: 1 << 19)
    /// P42: a create that was answered with success is sent again because it is not found.
    package static let absenceIsNoCreate = Defects(rawValue: 1 << 20)

    /// P61: a record that one drifting listing left out counts as absent.
    package static let oneListingProvesAbsence = Defects(rawValue: 1 << 21)

    /// P26: an older value of an app that went back in time is an edit, and a missing record a deletion.
    package static let rewindIsEdit = Defects(rawValue: 1 << 22)

    /// I1: what a deletion takes away is not kept.
    package static let keepsNoOriginals = Defects(rawValue: 1 << 23)
    /// I3: unique values of several records move one after the other.
    package static let movesOneByOne = Defects(rawValue: 1 << 24)
    /// P70: a record that has a known id is taken for the one that had it.
    package static let idsAreEternal = Defects(rawValue: 1 << 25)
    /// P42: a question that could not be asked counts as a no.
    package static let silenceIsNo = Defects(rawValue: 1 << 27)
    /// P36: a field that is back is not read again.
    package static let returnIsNoNews = Defects(rawValue: 1 << 28)
    /// P24: what was sent and not read back is the base of both sides.
    package static let sentIsBase = Defects(rawValue: 1 << 29)
    /// I4: a value that the app does not take is sent again and again.
    package static let forgetsIgnored = Defects(rawValue: 1 << 30)
    /// P26: a version that was given before the app went back still tells what was read.
    package static let trustsRewoundVersions = Defects(rawValue: 1 << 32)
    /// I1: an edit of what went back wins over a value that its author has not seen.
    package static let editsOverRewound = Defects(rawValue: 1 << 33)
    /// I3: a sync with a new name begins without the pairs that it had under the old one.
    package static let forgetsPredecessor = Defects(rawValue: 1 << 34)
    /// I11: an older copy of the store gives ids that were given already.
    package static let givesIDsAgain = Defects(rawValue: 1 << 35)
    /// I3: a value that another record has keeps out the whole record.
    package static let takenHoldsRecord = Defects(rawValue: 1 << 37)
    /// P24: what the app makes of a field that was only sent along counts as an edit.
    package static let rewritingIsEdit = Defects(rawValue: 1 << 38)
    /// P61: what is still being saved counts as all there is.
    package static let trustsHalfSaved = Defects(rawValue: 1 << 36)

    package func has(_ defect: Defects) -> Bool {
        #if DEFECTS
            contains(defect)
        #else
            false
        #endif
    }
}
