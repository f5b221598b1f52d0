package import TandemModel
package import TandemSupport

/// A CRM record that shares a key with an app record met for the first time.
package struct MatchCandidate: Hashable, Sendable {
    package let id: RecordID
    package let shared: Set<MatchKey>
    package let hasEmail: Bool
    /// Whether it already is one half of a pair whose app record lives.
    package let isBound: Bool

    package init(id: RecordID, shared: Set<MatchKey>, hasEmail: Bool, isBound: Bool) {
        self.id = id
        self.shared = shared
        self.hasEmail = hasEmail
        self.isBound = isBound
    }
}

/// An app record without counterpart, as far as matching looks at it.
package struct MatchSubject: Hashable, Sendable {
    package let id: AppRecordID
    package let keys: Set<MatchKey>
    package let createdAt: Timestamp?
    /// The address that is the first of several; `nil` where none is known to be.
    package let firstEmail: String?

    package init(
        id: AppRecordID, keys: Set<MatchKey>, createdAt: Timestamp?, firstEmail: String? = nil
    ) {
        self.id = id
        self.keys = keys
        self.createdAt = createdAt
        self.firstEmail = firstEmail?.trimmed.lowercased()
    }

    package var hasEmail: Bool { keys.contains { $0.kind == MatchKey.email } }

    /// Whether shared keys say that this is somebody whom another app record stands for already.
    ///
    /// A second address may be that of two people, such as the office's; the first one is a person's own.
    package func isIdentified(by shared: Set<MatchKey>) -> Bool {
        let emails = shared.filter { $0.kind == MatchKey.email }.map(\.value)
        if emails.isEmpty { return !shared.isEmpty }
        guard let firstEmail, keys.contains(MatchKey(kind: MatchKey.email, value: firstEmail))
        else {
            return true
        }
        return emails.contains(firstEmail)
    }
}

/// Where an app record met for the first time belongs.
package enum MatchDecision: Hashable, Sendable {
    /// To this CRM record; `by` is the kind of the strongest shared key.
    case bind(RecordID, by: String)
    /// To one of several; a person must say which.
    case ambiguous([RecordID])
    /// The only records it fits are bound to other app records, and not by a second address alone.
    case duplicate(of: RecordID)
    /// To none.
    case alone

    /// Decides for one app record; the order of candidates does not matter.
    ///
    /// A shared email decides alone. Only then, and only when one of the two has no email, do
    /// the company keys of contacts count. For other objects all keys weigh the same.
    package init(_ subject: MatchSubject, candidates: [MatchCandidate]) {
        let byEmail = candidates.filter { candidate in
            candidate.shared.contains { $0.kind == MatchKey.email }
                && (!candidate.isBound || subject.isIdentified(by: candidate.shared))
        }
        let others = candidates.filter { !(subject.hasEmail && $0.hasEmail) }
        let fitting = byEmail.isEmpty ? others : byEmail
        let free = fitting.filter { !$0.isBound }.sorted { $0.id < $1.id }
        if let only = free.first, free.count == 1 {
            let emails = only.shared.filter { $0.kind == MatchKey.email }
            self = .bind(
                only.id, by: emails.isEmpty ? only.shared.min()?.kind ?? "" : MatchKey.email)
        } else if free.count > 1 {
            self = .ambiguous(free.map(\.id))
        } else if let bound = fitting.map(\.id).min() {
            self = .duplicate(of: bound)
        } else {
            self = .alone
        }
    }
}

extension MatchSubject {
    /// Whether this record has the better claim to a CRM record with `keys` than `rival`:
    /// more shared keys, then the older record, then the smaller id.
    package func precedes(_ rival: MatchSubject, for keys: Set<MatchKey>) -> Bool {
        let (mine, theirs) = (
            self.keys.intersection(keys).count, rival.keys.intersection(keys).count
        )
        if mine != theirs { return mine > theirs }
        let unknown = Timestamp(milliseconds: .max)
        let (mineAt, theirsAt) = (createdAt ?? unknown, rival.createdAt ?? unknown)
        return mineAt == theirsAt ? id < rival.id : mineAt < theirsAt
    }
}
