package import TandemCore
package import TandemModel
package import TandemSupport

/// One CRM record bound to one app record in one sync, or one of the two still alone: the row
/// that everything known about them is kept on.
package struct Pair: Hashable, Sendable {
    /// Whether the app has the record, as far as was observed.
    package enum AppPresence: Int64, Hashable, Sendable {
        case absent, present, gone
    }

    /// A create that was sent, and whose record is not known yet.
    package struct Intent: Hashable, Sendable {
        /// What is known of it.
        package enum Status: Int64, Hashable, Sendable {
            /// It has no answer: the record may be there or not.
            case unanswered
            /// It was answered with success: the record is there, under an id that the app did not say.
            case made
            /// The app cannot be asked for it; a person must say.
            case held
        }

        package let key: String
        /// What was sent, in CRM names.
        package let values: Values
        package let at: Timestamp
        package var status = Status.unanswered
    }

    /// The base of a field of which it is not known what the app made of our write: no value of an app is
    /// equal to it, because none has a NUL.
    package static let unseenBase = "\0"

    /// More creates of one record are not sent again, whatever a search says.
    package static let repeatLimit: Int64 = 2

    /// A write whose effect the app may not show yet.
    package struct StaleReadGuard: Hashable, Sendable {
        /// The values that were written over; a read that still shows them is stale.
        package let old: Values
        package let until: Timestamp
    }

    /// A write that the app accepted without showing what it made of it.
    package struct Awaiting: Hashable, Sendable {
        /// What was sent, in CRM names; until it is read back, plans take it for delivered.
        package let sent: Values
        /// The version that the write gave the record, if the app said so.
        package let version: String?
    }

    /// 0 for a pair that is not stored yet.
    package var id: Int64 = 0
    package var crmID: RecordID?
    package var appID: AppRecordID?
    package var appPresence = AppPresence.absent
    package var appVersion: String?
    /// The app's record is of a kind that is not synced.
    package var isForeign = false
    /// What was last read of the app's record, in CRM names.
    package var appValues: Values = [:]
    /// Fields of it that were not understood; under `""` the whole record.
    package var appRefusals: [PropertyName: Refusal] = [:]
    package var appKeys: [MatchKey] = []
    package var appCreatedAt: Timestamp?
    /// The app itself gave that time; else it is when the record was first seen.
    package var hasCreationTime = false
    package var crmBase: Values = [:]
    package var appBase: Values = [:]
    package var wasReconciled = false
    package var state = PairState.pending
    package var attempts = 0
    /// When the pair is to be planned; `nil` until something changes.
    package var workAt: Timestamp?
    /// The oldest change that has not reached the other side.
    package var changedAt: Timestamp?
    package var syncedAt: Timestamp?
    /// The listing that last named the record.
    package var generation: Int64 = 0
    /// The app did not name the record where it should have; a point read decides.
    package var needsDeletionCheck = false
    /// When the record is to be read by itself.
    package var recheckAt: Timestamp?
    /// The app's values changed since the last plan.
    package var appChanged = false
    package var intent: Intent?
    /// How many creates were given up, on the app's word that it has no such record.
    package var repeats: Int64 = 0
    package var staleReadGuard: StaleReadGuard?
    package var isDeletionApproved = false
    /// What was written and not read back yet.
    package var awaiting: Awaiting?
    /// What a write without answer carried, in CRM names: a read that shows it shows our own write.
    package var unacknowledgedWrite: Values = [:]
    /// What the app accepted and did not take, in CRM names: it is not sent again.
    package var ignored: Values = [:]
    /// Fields of which the CRM took a part, with what kept it from taking the rest; and those that the app
    /// changed when others were written, under `""` what is not mapped.
    package var refused: [PropertyName: Refusal] = [:]
    /// What went back in time with the app and waits for a person: the older values that it shows again, in
    /// CRM names, or none of a record that is missing there.
    package var rewound: Values? {
        didSet { if rewound == nil { isRewritten = false } }
    }
    /// Those values are what the app showed after our own write, and whose they are is not known.
    package var isRewritten = false
    /// Fields whose difference a person has accepted, each with both sides' values at that time as
    /// ``acceptance(of:)`` gives them; blank before the next plan.
    package var accepted: Values = [:]
    /// No listing has named the record since we last wrote to it, or the one that did was not brought to its
    /// end.
    package var isUnlisted = false
    /// The keys stand in the index by which CRM records find app records without counterpart.
    package var isFindable = false

    /// Marks the pair for the next plan; `changedAt` is kept if an older change waits.
    mutating func wake(changedAt moment: Timestamp?) {
        state = .pending
        workAt = Timestamp(milliseconds: 0)
        attempts = 0
        if let moment { changedAt = min(changedAt ?? moment, moment) }
    }

    /// What an accepted difference of a field lasts for.
    static func acceptance(of decision: FieldDecision) -> String {
        [decision.crm.now, decision.app.now].map { $0 ?? "\0" }.joined(separator: "\u{1}")
    }

    /// Leaves what cannot be decided yet to a cycle a minute later.
    mutating func putOff(from now: Timestamp) { workAt = now + .seconds(60) }

    /// Ends the plan of this pair in `state`; the pair sleeps until something changes.
    mutating func settle(_ state: PairState) {
        self.state = state
        workAt = nil
        attempts = 0
        appChanged = false
    }

    /// Leaves a create of which nothing is known to a person.
    mutating func hold(_ why: String?, now: Timestamp) {
        let reason = why.map { ": \($0)" } ?? ""
        let again = "`tandem retry --record \(crmID?.description ?? "") --create-again`"
        fail(
            Refusal(
                .unknownOutcome,
                "which record the create made is not known\(reason). Look in the app; if it is not there, \(again) makes it anew"
            ),
            now: now, jitter: 0, afterSeconds: nil)
        workAt = nil
    }

    /// Notes a failure; a transient one is tried again by itself.
    mutating func fail(_ refusal: Refusal, now: Timestamp, jitter: Double, afterSeconds: Int64?) {
        state = .failed(refusal)
        attempts += 1
        appChanged = false
        workAt =
            refusal.category.isTransient
            ? now
                + RetryPolicy.wait(attempts: attempts, jitter: jitter, afterSeconds: afterSeconds)
            : nil
    }
}
