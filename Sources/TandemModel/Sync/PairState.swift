/// Why a record stays outside a sync.
///
/// Not an error.
package enum ExclusionReason: String, Hashable, Sendable, CaseIterable, Codable {
    case filter
    /// The app's record is a distribution list, not a person.
    case group
    case noEmail = "no-email"
    /// It is one of the records with which an app is held to the adapter laws.
    case test = "test-record"
    case direction, merged, privacy, paused
}

/// The kind of state a pair is in, exactly one at a time, as users see it.
package enum PairStateKind: String, Hashable, Sendable, CaseIterable, Codable {
    case inSync = "in-sync"
    case pending, failed, excluded, ambiguous
    case deletedInCRM = "deleted-in-crm"
    case deletedInApp = "deleted-in-app"
    case awaitingApproval = "awaiting-approval"
}

/// The state of a pair with exactly the data that belongs to it.
package enum PairState: Hashable, Sendable {
    case inSync
    /// Something changed that no plan has looked at, or a write is under way.
    case pending
    case failed(Refusal)
    case excluded(ExclusionReason)
    /// Several counterparts fit; the text lists them.
    case ambiguous(String)
    case deletedInCRM
    case deletedInApp
    /// What happened on one side waits for a person before it is carried over.
    case awaitingApproval(Approval)

    /// What a person is to judge.
    package enum Approval: Hashable, Sendable {
        /// The record was deleted on this side.
        case deletion(in: Side)
        /// The app went back in time, and with it the record or some of its values.
        case rewound
        /// The app shows something else than it was sent, and does not say whether that is its own doing.
        case rewritten
    }

    package var kind: PairStateKind {
        switch self {
        case .inSync: .inSync
        case .pending: .pending
        case .failed: .failed
        case .excluded: .excluded
        case .ambiguous: .ambiguous
        case .deletedInCRM: .deletedInCRM
        case .deletedInApp: .deletedInApp
        case .awaitingApproval: .awaitingApproval
        }
    }
}
