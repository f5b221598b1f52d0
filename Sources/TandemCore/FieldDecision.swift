package import TandemModel

/// What should happen to one field of a pair, with everything it was judged by.
package struct FieldDecision: Hashable, Sendable {
    /// One side's field: its value when the sides last agreed, and now.
    ///
    /// `nil` now: not read.
    package struct Reading: Hashable, Sendable {
        package let base: String?
        package let now: String?
        package init(base: String?, now: String?) {
            self.base = base
            self.now = now
        }
    }

    /// Every way a decision can go.
    package enum Kind: String, Hashable, Sendable, CaseIterable {
        /// A side was not read, so nothing is known and nothing is done.
        case unread
        /// Neither side moved since they last agreed.
        case settled
        /// The sides hold the same by themselves; only the bases follow.
        case agreed
        /// One side moved; the other takes its value.
        case carried
        /// At the first meeting one side was blank and is filled.
        case filled
        /// At the first meeting the values differ and the default side's stands.
        case firstMeeting = "first-meeting"
        /// Both sides moved, to different values, and the default side's stands.
        case conflict
        /// Direction forbids the write.
        case heldByDirection = "held-by-direction"
        /// The side that moved was cleared, and clearing is not carried.
        case heldByBlank = "held-by-blank"
        /// The field's rule forbids writing over a value.
        case heldByRule = "held-by-rule"
    }

    /// What limits a decision.
    package struct Limits: Hashable, Sendable {
        package let type: ValueType
        package let direction: Direction?
        package let rule: FieldRule
        package let winner: Side
        package let blanks: BlankRule

        /// `direction` is what sync and field allow together; `nil` allows nothing.
        package init(
            type: ValueType, direction: Direction?, rule: FieldRule, winner: Side,
            blanks: BlankRule
        ) {
            self.type = type
            self.direction = direction
            self.rule = rule
            self.winner = winner
            self.blanks = blanks
        }
    }

    package let kind: Kind
    package let crm: Reading
    package let app: Reading
    /// The side that is to be written; `nil` if none is.
    package let target: Side?

    /// The value to be written on ``target``.
    package var value: String? {
        target.map { reading($0.other).now ?? "" }
    }

    /// The value that the write takes away from somebody who has not seen the new one.
    ///
    /// Set for lost conflicts and first meetings, and where the target was held apart before,
    /// so that its value never reached the other side.
    package var lost: String? {
        guard let target, let now = reading(target).now, !now.isEmpty else { return nil }
        switch kind {
        case .conflict, .firstMeeting: return now
        case .carried: return crm.base == app.base ? nil : now
        case .unread, .settled, .agreed, .filled, .heldByDirection, .heldByBlank, .heldByRule:
            return nil
        }
    }

    /// Whether both bases move to the present values without a write.
    ///
    /// True also for a first meeting that direction or rule holds: the two have met, the
    /// decision is made, and from now on the side that moves is carried.
    package var movesBases: Bool {
        switch kind {
        case .agreed: true
        case .heldByDirection, .heldByRule, .heldByBlank: crm.base == nil || app.base == nil
        case .unread, .settled, .carried, .filled, .firstMeeting, .conflict: false
        }
    }

    package func reading(_ side: Side) -> Reading { side == .crm ? crm : app }

    /// Decides one field; equal readings and limits always give an equal decision.
    ///
    /// Each side is compared with its own base, never with the other's: an app that rewrites
    /// what it is given (trims, reformats a phone) would otherwise look edited for ever.
    package init(crm: Reading, app: Reading, limits: Limits) {
        self.crm = crm
        self.app = app
        (kind, target) = Self.decide(crm, app, limits)
    }

    private init(_ kind: Kind, _ target: Side?, crm: Reading, app: Reading) {
        self.kind = kind
        self.target = target
        self.crm = crm
        self.app = app
    }

    /// The same decision on a part of what it was about.
    func onPart(crm: Reading, app: Reading) -> FieldDecision {
        FieldDecision(kind, target, crm: crm, app: app)
    }

    private static func decide(_ crm: Reading, _ app: Reading, _ limits: Limits) -> (Kind, Side?) {
        guard let crmNow = crm.now, let appNow = app.now else { return (.unread, nil) }
        let same = limits.type.equal(crmNow, appNow)
        guard let crmBase = crm.base, let appBase = app.base else {
            return same ? (.agreed, nil) : meeting(crmNow, appNow, limits)
        }
        let crmMoved = !limits.type.equal(crmNow, crmBase)
        let appMoved = !limits.type.equal(appNow, appBase)
        guard crmMoved || appMoved else { return (.settled, nil) }
        if same { return (.agreed, nil) }
        if crmMoved && appMoved {
            let winner =
                (limits.winner == .crm ? crmNow : appNow).isEmpty
                ? limits.winner.other : limits.winner
            return write(.conflict, to: winner.other, crmNow, appNow, limits)
        }
        let cleared = crmMoved ? crmNow.isEmpty : appNow.isEmpty
        if cleared && limits.blanks == .keep { return (.heldByBlank, nil) }
        return write(.carried, to: crmMoved ? .app : .crm, crmNow, appNow, limits)
    }

    private static func meeting(
        _ crmNow: String, _ appNow: String, _ limits: Limits
    ) -> (Kind, Side?) {
        if crmNow.isEmpty { return write(.filled, to: .crm, crmNow, appNow, limits) }
        if appNow.isEmpty { return write(.filled, to: .app, crmNow, appNow, limits) }
        return write(.firstMeeting, to: limits.winner.other, crmNow, appNow, limits)
    }

    private static func write(
        _ kind: Kind, to target: Side, _ crmNow: String, _ appNow: String, _ limits: Limits
    ) -> (Kind, Side?) {
        guard let direction = limits.direction, direction.allows(writingTo: target) else {
            return (.heldByDirection, nil)
        }
        let present = target == .crm ? crmNow : appNow
        switch limits.rule {
        case .never: return (.heldByRule, nil)
        case .onlyIfEmpty where !present.isEmpty: return (.heldByRule, nil)
        case .onlyIfEmpty, .overwrite: return (kind, target)
        }
    }
}
