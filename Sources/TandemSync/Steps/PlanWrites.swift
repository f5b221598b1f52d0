import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport

/// Writing the CRM side.
extension PlanStep {
    mutating func createInCRM(_ pair: inout Pair, _ values: Values) throws {
        let incoming = try links.incoming(values)
        var (accepted, refusals) = checked(incoming.properties)
        let record: CRMRecord
        do {
            record = try withoutTaken(&accepted, &refusals, isNew: true) {
                try tx.writer.create(cycle.sync.object, $0)
            }
            try tx.pairs.removeKeys(of: &pair)
            pair.crmID = record.id
        } catch CRMError.blocked {
            return try keepOut(pair, .privacy)
        } catch let error as CRMError {
            return try fail(pair, error.refusal)
        }
        report.createdInCRM += 1
        try tx.journal.append(
            .create, on: .crm, of: pair, reason: "new in the app", after: accepted)
        // The record is there and bound, whatever becomes of its links.
        do { try links.set(incoming.links, of: record, pair) } catch let error as CRMError {
            return try fail(pair, error.refusal)
        }
        settle(&pair, accepted, incoming, values, stored: record.properties)
        pair.wasReconciled = true
        pair.refused = refusals.filter { accepted[$0.key] != nil }
        pair.appRefusals.merge(refusals) { first, _ in first }
        // A full quota keeps nobody out of the CRM; the contact is then a non-marketing one.
        if let rules = cycle.sync.marketing, cycle.sync.object == .contacts,
            try tx.crm.hasRoom(rules)
        {
            _ = try tx.writer.setMarketing([record.id], to: true, rules)
        }
        // What the create could not carry (fields that flow to the app only) is planned at once;
        // that also saves the pair.
        try applyPlan(pair, record: record)
    }

    /// - Returns: `false` if the pair failed and is done with.
    mutating func write(_ values: Values, to pair: inout Pair) throws -> Bool {
        guard let id = pair.crmID else { return true }
        let incoming = try links.incoming(values)
        var (accepted, refusals) = checked(incoming.properties)
        if let isOpen = try exchange(values, accepted, of: &pair) { return isOpen }
        let record = try tx.crm.record(id)
        let before = record?.properties ?? [:]
        if let set = AddressSet(cycle.sync.object) {
            accepted = set.keeping(accepted, over: before, shown: pair.appValues)
        }
        giveWay(&accepted, &refusals, of: id)
        let changed: Values
        do {
            changed = try withoutTaken(&accepted, &refusals, isNew: false) {
                try tx.writer.update(id, $0)
            }
            if !changed.isEmpty {
                try tx.pairs.wakeRefused(by: [id], matchedAgainAt: tx.now)
                let after = before.merging(changed) { $1 }
                let freed = cycle.keys(of: before).subtracting(cycle.keys(of: after))
                try cycle.wakeClaims(to: freed, isLate: true, tx)
            }
            if let record { try links.set(incoming.links, of: record, pair) }
        } catch let error as CRMError {
            try fail(pair, error.refusal)
            return false
        }
        settle(&pair, accepted, incoming, values, stored: before.merging(changed) { $1 })
        // What was taken in part stays apart from the app's whole until somebody changes it; a list of
        // addresses can be refused that only their first one touched.
        for name in Set(values.keys).union(refusals.keys) {
            pair.refused[name] = accepted[name] == nil ? nil : refusals[name]
            pair.appRefusals[name] = refusals[name]
        }
        try links.remember(incoming.waits, of: pair)
        // What the CRM had already, or does not keep, is no change of it.
        if changed.isEmpty && incoming.links.isEmpty { return true }
        report.updatedInCRM += 1
        try tx.journal.append(
            .update, on: .crm, of: pair, reason: "changed in the app",
            before: accepted.reduce(into: [:]) { $0[$1.key] = before[$1.key] ?? "" },
            after: accepted)
        return true
    }

    mutating func deleteInCRM(_ pair: Pair) throws {
        guard let id = pair.crmID else { return }
        let before = try tx.crm.record(id)?.properties ?? [:]
        try recordUnseen(pair, mapping.view(of: before), on: .crm)
        try tx.writer.archive(id)
        try tx.pairs.wakeRefused(by: [id], matchedAgainAt: tx.now)
        try cycle.wakeClaims(to: cycle.keys(of: before), isLate: true, tx)
        try tx.pairs.wakeWaiting(for: id)
        report.deletedInCRM += 1
        try tx.journal.append(
            .delete, on: .crm, of: pair, reason: "deleted in the app", before: before)
    }

    /// Values that a deletion takes away and that the side it comes from never saw, or of which that is
    /// not known: those that direction or rule kept apart, and those that were written to the app and
    /// that it had not shown yet.
    ///
    /// They go to the conflict log.
    func recordUnseen(_ pair: Pair, _ values: Values, on side: Side) throws {
        for field in mapping.fields {
            let needsReadBack = side == .crm && pair.awaiting?.sent[field.crm] != nil
            guard let value = values[field.crm], !value.isEmpty,
                needsReadBack || pair.crmBase[field.crm] != pair.appBase[field.crm]
            else { continue }
            try tx.journal.append(
                .conflict, on: side, of: pair, reason: "\(field.crm): deleted on the other side",
                before: [field.crm: value])
        }
    }

    /// What the CRM has made of what was written is its base; of a link in the app's ids.
    private func settle(
        _ pair: inout Pair, _ accepted: Values, _ incoming: LinkStep.Incoming, _ values: Values,
        stored: Values
    ) {
        for property in accepted.keys {
            let crm = links.has(property) ? values[property] : stored[property]
            setBases(of: &pair, property, crm: crm)
        }
        for (field, _) in incoming.links { setBases(of: &pair, field.crm, crm: values[field.crm]) }
    }

    private func setBases(of pair: inout Pair, _ property: PropertyName, crm: String?) {
        pair.crmBase[property] = crm ?? ""
        pair.appBase[property] = pair.appValues[property] ?? ""
    }

    /// Writes values, and leaves out what belongs to another record already: that fails its field, and
    /// the rest of the record is written.
    ///
    /// - Throws: ``CRMError`` for anything else; of a new record also for its primary address, without
    ///   which it would be a second one of the same person.
    private func withoutTaken<Value>(
        _ values: inout Values, _ refusals: inout [PropertyName: Refusal], isNew: Bool,
        _ write: (Values) throws -> Value
    ) throws -> Value {
        while true {
            do { return try write(values) } catch let error as CRMError {
                guard !cycle.tuning.defects.has(.takenHoldsRecord),
                    let property = leaveOut(error, of: &values, isNew: isNew)
                else {
                    throw error
                }
                refusals[property] = error.refusal
            }
        }
    }

    /// Takes a value out that another record has.
    ///
    /// - Returns: The property that it was a value of; `nil` if the record cannot do without it.
    private func leaveOut(_ error: CRMError, of values: inout Values, isNew: Bool) -> PropertyName?
    {
        let additional: PropertyName = "hs_additional_emails"
        switch error {
        case .duplicateEmail(let address, _):
            let parts = ValueType.parts(values[additional] ?? "")
            let rest = parts.filter { $0.lowercased() != address.lowercased() }
            if rest.count < parts.count {
                values[additional] = rest.joined(separator: ";")
                return additional
            }
            return !isNew && values.removeValue(forKey: "email") != nil ? "email" : nil
        case .duplicateValue(let property, _, _):
            let isKey = cycle.sync.match.contains { $0.text == property.text }
            if isNew && isKey { return nil }
            return values.removeValue(forKey: property) == nil ? nil : property
        default: return nil
        }
    }

    /// Values that the CRM's schema takes, in stored form, and refusals for the others: a value
    /// that does not fit fails its field, not the record.
    func checked(_ values: Values) -> (Values, [PropertyName: Refusal]) {
        var accepted: Values = [:]
        var refusals: [PropertyName: Refusal] = [:]
        for (name, value) in values {
            do {
                let property = try tx.writer.schema.property(name, of: cycle.sync.object)
                accepted[name] = try property.accepted(value)
            } catch {
                refusals[name] = error.refusal
            }
        }
        return (accepted, refusals)
    }
}

/// Handing writes to the app's side.
extension PlanStep {
    /// What became of the part of a plan that is for the app.
    enum Handed {
        /// A write waits for the app.
        case waits
        /// There is nothing to write, and the plan goes on.
        case nothing
        /// The pair failed or was put off, and is saved.
        case done
    }

    /// Hands one action on the app's side to the outbox, or puts it off.
    mutating func hand(_ action: Plan.Action, of pair: inout Pair, _ plan: Plan) throws -> Handed {
        switch action {
        case .create(_, let values):
            let waitsForAnswer = pair.intent.map(isSettledOnly) ?? false
            if waitsForAnswer || createsWait {
                // The app is asked for it, or a person; what is sent again could make a second one.
                pair.putOff(from: tx.now)
                if waitsForAnswer, pair.intent?.status == .held { pair.hold(nil, now: tx.now) }
                try tx.pairs.save(pair)
                return .done
            }
            return try enqueueCreate(&pair, values) ? .waits : .done
        case .write, .delete:
            // Without the version that the condition needs, an edit would be written over.
            guard mustBeRead(pair) else { return try handChange(action, of: &pair, plan) }
            pair.workAt = pair.recheckAt
            try tx.pairs.save(pair)
            return .done
        case .forget: return .nothing
        }
    }

    private mutating func handChange(_ action: Plan.Action, of pair: inout Pair, _ plan: Plan)
        throws
        -> Handed
    {
        guard case .write(_, let wanted) = action else {
            enqueue(.delete(pair.appID ?? "", version: pair.appVersion), of: pair)
            return .waits
        }
        let values = wanted.filter {
            pair.ignored[$0.key] != $0.value
                && !(plan.decisions[$0.key]?.kind == .respelled
                    && cycle.tuning.defects.has(.dropsSpellings))
        }
        if values.isEmpty { return .nothing }
        if let staleReadGuard = pair.staleReadGuard, staleReadGuard.until > tx.now {
            // Until the app shows the last write, an older value could not be told from an edit.
            pair.workAt = staleReadGuard.until
            try tx.pairs.save(pair)
            return .done
        }
        if try isLooping(pair, values, plan, on: .app) { return .done }
        return try enqueueUpdate(&pair, values, plan) ? .waits : .nothing
    }

    /// - Returns: Whether a write waits for the app; `false` if the pair failed.
    mutating func enqueueCreate(_ pair: inout Pair, _ values: Values) throws -> Bool {
        let fields = mapping.appFields(for: values, current: [:], isCreate: true)
        let missing = fields.refusals.sorted { $0.key < $1.key }
            .first { $0.value.category == .requiredField }
        if let missing {
            try fail(pair, missing.value)
            return false
        }
        let sent = values.filter { fields.refusals[$0.key] == nil }
        let isRepeat = pair.intent != nil
        let key = pair.intent?.key ?? keyOfCreate(pair)
        pair.intent = Pair.Intent(
            key: key, values: isRepeat ? pair.intent?.values ?? sent : sent,
            at: pair.intent?.at ?? tx.now)
        pair.appRefusals = fields.refusals
        var written = fields.fields
        var original: String?
        if cycle.app.capabilities.putsBackOriginals {
            original = try tx.journal.original(of: pair.crmID)
        }
        if original != nil {
            // Of what is mapped the CRM's values stand, also the blank ones.
            for field in mapping.fields
            where written[field.app] == nil && field.direction != .toCRM && field.namePart == nil {
                written[field.app] = ""
            }
        }
        outbox.append(
            OutboxItem(
                pair: pair,
                write: AppWrite(.create(key: key), values: written, original: original), sent: sent,
                reason: "new in the CRM", isRepeat: isRepeat))
        return true
    }

    /// What no other create has, also of another life of the store, in which the pair's id was another
    /// one's.
    private func keyOfCreate(_ pair: Pair) -> String {
        let parts = [
            epoch, cycle.sync.name.text, "\(pair.id)", "\(tx.now.milliseconds)",
        ].compactMap(\.self)
        return "tandem-" + parts.joined(separator: "-")
    }

    /// - Returns: Whether a write waits for the app; `false` if no field of it can be written.
    mutating func enqueueUpdate(_ pair: inout Pair, _ values: Values, _ plan: Plan) throws
        -> Bool
    {
        let fields = mapping.appFields(for: values, current: pair.appValues, isCreate: false)
        for name in values.keys { pair.appRefusals[name] = fields.refusals[name] }
        if fields.fields.isEmpty { return false }
        let kinds = values.keys.sorted().map { "\($0): \(plan.decisions[$0]?.kind.rawValue ?? "")" }
        let version = cycle.tuning.defects.has(.writesUnconditionally) ? nil : pair.appVersion
        outbox.append(
            OutboxItem(
                pair: pair,
                write: AppWrite(.update(pair.appID ?? "", version: version), values: fields.fields),
                sent: values.filter { fields.refusals[$0.key] == nil },
                reason: kinds.joined(separator: ", ")))
        return true
    }

    mutating func enqueue(_ kind: AppWrite.Kind, of pair: Pair) {
        outbox.append(
            OutboxItem(
                pair: pair, write: AppWrite(kind), sent: [:], reason: "deleted in the CRM"))
    }

    /// Freezes a pair one of whose fields flips to and fro: more than five times in an hour to
    /// the same value on the same side; spellings of one value do not count.
    mutating func isLooping(_ pair: Pair, _ values: Values, _ plan: Plan, on side: Side) throws
        -> Bool
    {
        let recent = try tx.connection.rows(
            """
            SELECT after_values FROM journal
            WHERE pair_id = ? AND kind = 'update' AND side = ? AND at > ?
            """,
            [
                .integer(pair.id), .text(side.rawValue),
                .integer((tx.now - .seconds(3_600)).milliseconds),
            ]
        ) { FlatJSON.values($0.text(0) ?? "") ?? [:] }
        for (property, value) in values.sorted(by: { $0.key < $1.key })
        where plan.decisions[property]?.kind != .respelled
            && recent.filter({ $0[property] == value }).count >= 5
        {
            try fail(
                pair,
                Refusal(
                    .loop,
                    "\(property) was set to `\(value)` five times within an hour and came back"))
            return true
        }
        return false
    }
}
