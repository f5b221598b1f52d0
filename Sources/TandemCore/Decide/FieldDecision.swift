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
        /// One side spells an equal value anew and the other one did not move: it takes the spelling.
        case respelled
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
    /// Set for lost conflicts and first meetings, where the target was held apart before, so that its
    /// value never reached the other side, and where it was spelled anew.
    package var lost: String? {
        guard let target, let now = reading(target).now, !now.isEmpty else { return nil }
        switch kind {
        case .conflict, .firstMeeting: return now
        case .carried, .respelled:
            return crm.base == app.base && now == reading(target).base ? nil : now
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
        case .unread, .settled, .carried, .respelled, .filled, .firstMeeting, .conflict: false
        }
    }

    /// The app does not show the field, and the CRM has a value for it that never arrived there.
    package let isUndelivered: Bool

    package func reading(_ side: Side) -> Reading { side == .crm ? crm : app }

    /// Decides one field; equal readings and limits always give an equal decision.
    ///
    /// Each side is compared with its own base, never with the other's: an app that rewrites
    /// what it is given (trims, reformats a phone) would otherwise look edited for ever.
    package init(crm: Reading, app: Reading, limits: Limits) {
        self.crm = crm
        self.app = app
        (kind, target) = Self.decide(crm, app, limits)
        isUndelivered = Self.isUndelivered(crm, app, limits)
    }

    private init(_ whole: FieldDecision, crm: Reading, app: Reading) {
        kind = whole.kind
        target = whole.target
        isUndelivered = whole.isUndelivered
        self.crm = crm
        self.app = app
    }

    /// The same decision on a part of what it was about.
    func onPart(crm: Reading, app: Reading) -> FieldDecision {
        FieldDecision(self, crm: crm, app: app)
    }

    private static func isUndelivered(_ crm: Reading, _ app: Reading, _ limits: Limits) -> Bool {
        guard app.now == nil, let now = crm.now, limits.rule == .overwrite,
            limits.direction?.allows(writingTo: .app) == true,
            !now.isEmpty || limits.blanks == .clear
        else { return false }
        return now != (crm.base ?? "")
    }

    /// How one side stands to what it held when the two last agreed.
    private enum Move {
        case none
        /// Its value is equal, and its text is another one.
        case spelling
        case value
    }

    private static func move(_ now: String, since base: String, _ type: ValueType) -> Move {
        if now == base { return .none }
        if !type.equal(now, base) { return .value }
        return type.hasSpelling ? .spelling : .none
    }

    private static func decide(_ crm: Reading, _ app: Reading, _ limits: Limits) -> (Kind, Side?) {
        guard let crmNow = crm.now, let appNow = app.now else { return (.unread, nil) }
        let same = limits.type.equal(crmNow, appNow)
        guard let crmBase = crm.base, let appBase = app.base else {
            return same ? (.agreed, nil) : meeting(crmNow, appNow, limits)
        }
        let moves = (
            crm: move(crmNow, since: crmBase, limits.type),
            app: move(appNow, since: appBase, limits.type)
        )
        switch moves {
        case (.none, .none): return (.settled, nil)
        case (.spelling, .none), (.none, .spelling):
            if crmNow == appNow { return (.agreed, nil) }
            let target: Side = moves.crm == .spelling ? .app : .crm
            return write(.respelled, to: target, crmNow, appNow, limits)
        case (.value, .value), (.spelling, .spelling):
            return same ? (.agreed, nil) : conflict(crmNow, appNow, limits)
        // A new spelling never stands against a new value.
        case (.value, _), (_, .value):
            if same { return (.agreed, nil) }
            let source: Side = moves.crm == .value ? .crm : .app
            let isCleared = (source == .crm ? crmNow : appNow).isEmpty
            // A set without its last member is one member less, like any other.
            if isCleared && limits.blanks == .keep && limits.type != .multiEnumeration {
                return (.heldByBlank, nil)
            }
            return write(.carried, to: source.other, crmNow, appNow, limits)
        }
    }

    private static func conflict(
        _ crmNow: String, _ appNow: String, _ limits: Limits
    ) -> (Kind, Side?) {
        let isBlank = (limits.winner == .crm ? crmNow : appNow).isEmpty
        let winner = isBlank ? limits.winner.other : limits.winner
        return write(.conflict, to: winner.other, crmNow, appNow, limits)
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
