package import TandemModel

/// What one side of a pair holds.
package enum Presence: Hashable, Sendable {
    /// Never had a record of this pair.
    case absent
    /// Has one, with these values (mapped to CRM names).
    case present(Values)
    /// Had one, and it is proven gone.
    case deleted

    package var values: Values? {
        if case .present(let values) = self { values } else { nil }
    }
}

/// Everything the planner may look at: one pair, as observed.
package struct PairView: Hashable, Sendable {
    package let crm: Presence
    package let app: Presence
    /// Values both sides held when they last agreed, per side; a field in neither has not met.
    package let crmBase: Values
    package let appBase: Values
    /// Whether the two records have been planned together before.
    package let wasReconciled: Bool
    /// A person allowed the deletion that waits.
    package let isDeletionApproved: Bool

    package init(
        crm: Presence, app: Presence, crmBase: Values = [:], appBase: Values = [:],
        wasReconciled: Bool = false, isDeletionApproved: Bool = false
    ) {
        self.crm = crm
        self.app = app
        self.crmBase = crmBase
        self.appBase = appBase
        self.wasReconciled = wasReconciled
        self.isDeletionApproved = isDeletionApproved
    }
}

/// What should happen to one pair, and why.
///
/// A value: printed, stored, compared, then carried out.
package struct Plan: Hashable, Sendable {
    package enum Action: Hashable, Sendable {
        case create(on: Side, Values)
        /// Changes these values of the record on this side, and no others.
        case write(on: Side, Values)
        case delete(on: Side)
        /// Both records are gone: the pair goes too.
        case forget

        package var isDelete: Bool { if case .delete = self { true } else { false } }
    }

    package var actions: [Action] = []
    /// The state of the pair once the actions have succeeded.
    package var state: PairState
    /// Field by field what was decided, for pairs that have both records.
    package var decisions: [PropertyName: FieldDecision] = [:]

    package init(_ actions: [Action] = [], state: PairState) {
        self.actions = actions
        self.state = state
    }

    /// The fields whose CRM value has not reached the app, because it does not show them.
    package var undelivered: [PropertyName] {
        decisions.filter(\.value.isUndelivered).keys.sorted()
    }

    package func values(writtenTo side: Side) -> Values? {
        for case .write(side, let values) in actions { return values }
        return nil
    }
}
