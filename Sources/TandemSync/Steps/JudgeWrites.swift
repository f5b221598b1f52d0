import AdapterKit
import TandemCore
import TandemModel
import TandemSupport

/// What a reading says of our own writes: whether they have arrived, and in which form.
extension Cycle {
    /// Judges a write by the read that follows it.
    ///
    /// A field that shows what was sent has arrived, in whatever form if the record is at the version
    /// that the write gave it. Another value under another version may be somebody's edit; a field
    /// that shows what was there before, be it what was read last or the base, or nothing, was not
    /// written.
    func settle(
        _ awaiting: Pair.Awaiting, of pair: inout Pair, by mapped: MappedRecord, isOwn: Bool
    ) -> Bool {
        pair.awaiting = nil
        let before = pair.appValues
        return awaiting.sent.reduce(true) { hasArrived, field in
            take(field.key, field.value, in: &pair, from: mapped, before: before, isOwn: isOwn)
                && hasArrived
        }
    }

    /// Takes what a record shows of a field that was written to it; `before` is what it showed before,
    /// and `isOwn` says that it shows our own write and nobody's edit.
    ///
    /// - Returns: Whether the value has arrived.
    func take(
        _ property: PropertyName, _ sent: String, in pair: inout Pair, from mapped: MappedRecord,
        before: Values, isOwn: Bool
    ) -> Bool {
        let unshown = tuning.defects.has(.unshownIsWritten) ? sent : nil
        guard let held = mapped.values[property] ?? unshown else { return false }
        let isSame = isEqual(property, held, sent)
        // What was read last may be a stale read, from before the write that the base knows of.
        let isOld = held == before[property] ?? "" || held == pair.appBase[property]
        if isOld, !isSame, !tuning.defects.has(.oldFormIsTaken) {
            if !tuning.defects.has(.forgetsIgnored) { pair.ignored[property] = sent }
            return false
        }
        pair.ignored[property] = nil
        pair.crmBase[property] = sent
        // What may be somebody's edit counts as one, also if it is taken back before the next plan.
        pair.appBase[property] = isOwn || isSame ? held : Pair.unseenBase
        if tuning.defects.has(.oneBaseForBoth) { pair.appBase[property] = sent }
        return true
    }

    func isEqual(_ property: PropertyName, _ left: String, _ right: String) -> Bool {
        let type = sync.mapping.fields.first { $0.crm == property }?.type ?? .string
        return type.equal(left, right)
    }

    /// Finds out which fields of a write without answer have arrived: those that show what was sent
    /// where they showed something else before.
    func recogniseWrite(
        in pair: inout Pair, by mapped: MappedRecord, _ tx: CycleTransaction
    ) throws {
        let arrived = pair.unacknowledgedWrite.filter { property, sent in
            guard let held = mapped.values[property], held != pair.appValues[property] else {
                return false
            }
            return isEqual(property, held, sent)
        }
        pair.unacknowledgedWrite = [:]
        if arrived.isEmpty { return }
        // What the app held before is known from the journal alone, once the base is another one.
        try tx.journal.append(
            .bind, on: .app, of: pair, reason: "an update without answer has arrived",
            before: arrived.keys.reduce(into: [:]) { $0[$1] = pair.appValues[$1] ?? "" },
            after: arrived)
        for (property, sent) in arrived {
            pair.crmBase[property] = sent
            pair.appBase[property] = mapped.values[property]
        }
    }

    /// A moment that was stored by the Julian calendar and is read by the Gregorian one has not moved.
    func takeCalendar(of pair: inout Pair, from values: Values) {
        for field in sync.mapping.fields where field.type == .datetime {
            guard let now = values[field.crm], let base = pair.appBase[field.crm],
                Timestamp.wasReadAsJulian(now, as: base)
            else { continue }
            pair.appBase[field.crm] = now
        }
    }

    /// Whether a read still shows what was there before our own last write (P26).
    func isStale(
        _ values: Values, _ record: AppRecord, _ pair: Pair, now: Timestamp
    ) -> Bool {
        guard let staleReadGuard = pair.staleReadGuard, staleReadGuard.until > now,
            record.version == nil || record.version != pair.appVersion,
            !tuning.defects.has(.believesStaleReads)
        else { return false }
        return staleReadGuard.old.allSatisfy { values[$0.key] == $0.value }
    }
}
