package import TandemModel

/// Decides what happens to a pair: a pure function of what was observed and what the user set.
///
/// It is total: every combination ends in actions, or in a listed state with its reason.
package struct Planner: Sendable {
    private let settings: SyncSettings

    package init(_ settings: SyncSettings) { self.settings = settings }

    package func plan(_ pair: PairView) -> Plan {
        switch (pair.crm, pair.app) {
        case (.present(let crm), .present(let app)): merge(pair, crm: crm, app: app)
        case (.present(let values), .absent): create(on: .app, from: values)
        case (.absent, .present(let values)): create(on: .crm, from: values)
        case (.present, .deleted): deletion(in: .app, of: pair)
        case (.deleted, .present): deletion(in: .crm, of: pair)
        case (.absent, .absent), (.absent, .deleted), (.deleted, .absent), (.deleted, .deleted):
            Plan([.forget], state: .inSync)
        }
    }

    /// Decides every mapped field of a pair, whether or not the pair may enter the sync.
    package func decisions(_ pair: PairView, crm: Values, app: Values)
        -> [PropertyName: FieldDecision]
    {
        var decisions: [PropertyName: FieldDecision] = [:]
        let split = settings.mapping.splitLikeApp(crm)
        for field in settings.mapping.fields {
            let limits = FieldDecision.Limits(
                type: field.type, direction: settings.direction.intersection(field.direction),
                rule: field.rule, winner: settings.winner, blanks: settings.blanks)
            let decision = FieldDecision(
                crm: .init(base: whole(field, pair.crmBase), now: whole(field, split)),
                app: .init(base: whole(field, pair.appBase), now: whole(field, app)),
                limits: limits)
            decisions[field.crm] =
                field.namePart == nil
                ? decision
                : decision.onPart(
                    crm: .init(base: pair.crmBase[field.crm], now: split[field.crm]),
                    app: .init(base: pair.appBase[field.crm], now: app[field.crm]))
        }
        return decisions
    }

    /// What a field is judged by: its value, and of a part of a name the whole name, because where
    /// that is split the CRM and the app do not agree.
    private func whole(_ field: FieldMapping, _ values: Values) -> String? {
        field.namePart == nil
            ? values[field.crm] : settings.mapping.fullName(field.app, in: values)
    }

    private func merge(_ pair: PairView, crm: Values, app: Values) -> Plan {
        if let reason = exclusion(of: pair, crm: crm, app: app) {
            return Plan(state: .excluded(reason))
        }
        var plan = Plan(state: .inSync)
        plan.decisions = decisions(pair, crm: crm, app: app)
        for side in Side.allCases {
            let written = plan.decisions.compactMapValues { $0.target == side ? $0.value : nil }
            if !written.isEmpty { plan.actions.append(.write(on: side, written)) }
        }
        return plan
    }

    private func exclusion(of pair: PairView, crm: Values, app: Values) -> ExclusionReason? {
        if !pair.wasReconciled && TestRecord.isOne(app) { return .test }
        if pair.wasReconciled && settings.onLeavingFilter == .keep { return nil }
        if settings.requiresEmail && !pair.wasReconciled && ![crm, app].contains(where: hasEmail) {
            return .noEmail
        }
        // A field that was left out of the last read has not left the filter by that.
        let lastKnown = pair.appBase.merging(app) { $1 }
        let admitted =
            (settings.direction.allows(writingTo: .app) && admits(settings.filterToApp, crm))
            || (settings.direction.allows(writingTo: .crm)
                && admits(settings.filterToCRM, lastKnown))
        return admitted ? nil : .filter
    }

    private func create(on side: Side, from values: Values) -> Plan {
        guard settings.direction.allows(writingTo: side), side == .crm || settings.createsInApp
        else {
            return Plan(state: .excluded(.direction))
        }
        if TestRecord.isOne(values) { return Plan(state: .excluded(.test)) }
        if settings.requiresEmail && !hasEmail(values) { return Plan(state: .excluded(.noEmail)) }
        guard admits(side == .app ? settings.filterToApp : settings.filterToCRM, values) else {
            return Plan(state: .excluded(.filter))
        }
        let fields = settings.mapping.fields.filter { field in
            field.rule != .never
                && settings.direction.intersection(field.direction)?.allows(writingTo: side) == true
        }
        let split = settings.mapping.splitLikeApp(values)
        let filled = fields.compactMap { field -> (PropertyName, String)? in
            guard let value = split[field.crm], !value.isEmpty else { return nil }
            return (field.crm, value)
        }
        // Two lines of a mapping for one property are refused with the configuration.
        let created = Dictionary(filled, uniquingKeysWith: { first, _ in first })
        return Plan([.create(on: side, created)], state: .inSync)
    }

    private func deletion(in side: Side, of pair: PairView) -> Plan {
        let deleted: PairState = side == .crm ? .deletedInCRM : .deletedInApp
        let survivor = side.other
        guard settings.direction.allows(writingTo: survivor), pair.wasReconciled,
            !wasEdited(survivor, of: pair)
        else { return Plan(state: deleted) }
        switch settings.deletions {
        case .track: return Plan(state: deleted)
        case .approve where !pair.isDeletionApproved:
            return Plan(state: .awaitingApproval(.deletion(in: side)))
        case .approve, .propagate: return Plan([.delete(on: survivor), .forget], state: deleted)
        }
    }

    /// Whether the surviving record was edited since the sides last agreed: an edit outlives the
    /// deletion of the other side.
    private func wasEdited(_ side: Side, of pair: PairView) -> Bool {
        let (now, base) =
            side == .crm ? (pair.crm.values, pair.crmBase) : (pair.app.values, pair.appBase)
        return settings.mapping.fields.contains { field in
            // A value that is there and was not understood may be an edit.
            guard let value = now.flatMap({ whole(field, $0) }) else {
                return base[field.crm] != nil
            }
            let before = whole(field, base) ?? ""
            return field.type.hasSpelling ? value != before : !field.type.equal(value, before)
        }
    }

    private func hasEmail(_ values: Values) -> Bool {
        values["email"]?.isEmailAddress == true
    }

    private func admits(_ filter: Filter?, _ values: Values) -> Bool {
        filter?.admits(values) ?? true
    }
}
