import AdapterKit
import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Reading an app that went back in time.
extension Cycle {
    /// Notes which values of a record only went back: they are what the app once had.
    ///
    /// Any other value is an edit, made after the backup was put back; and so is a later change of one that
    /// waits for a person.
    func recordRewound(
        _ pair: inout Pair, from before: Pair, _ run: CycleRun, _ tx: CycleTransaction
    )
        throws
    {
        guard isFirstSight(of: before, run) else {
            guard let waiting = pair.rewound else { return }
            let left = waiting.filter { pair.appValues[$0.key] == $0.value }
            // Who edits what went back has not seen the CRM's value.
            for property in waiting.keys
            where left[property] == nil && !tuning.defects.has(.editsOverRewound) {
                pair.crmBase[property] = Pair.unseenBase
            }
            pair.rewound = left.isEmpty ? nil : left
            return
        }
        if !run.state.isRewound { pair.rewound = nil }
        // One that seemed to be gone with the backup is seen for the first time, too.
        let wasThere = before.appPresence == .present || before.rewound?.isEmpty ?? false
        guard pair.crmID != nil, pair.wasReconciled, wasThere else { return }
        let moved = pair.appValues.filter { property, now in
            before.appValues[property].map { $0 != now } ?? false
        }
        if moved.isEmpty { return }
        let entries = try tx.journal.entries(of: pair)
        let held = heldValues(of: pair, entries)
        let back = moved.filter { property, now in
            held[property]?.contains { isEqual(property, $0, now) } ?? false
        }
        // Anything else is an edit, by somebody who may not have seen what was carried since the backup.
        let carried = Set(entries.flatMap(\.after.keys))
        for property in moved.keys
        where back[property] == nil && carried.contains(property)
            && !tuning.defects.has(.editsOverRewound)
        {
            pair.crmBase[property] = Pair.unseenBase
        }
        if !back.isEmpty { pair.rewound = (pair.rewound ?? [:]).merging(back) { $1 } }
    }

    /// Whether a record has not been seen since its app went back: the listing that followed may have had it
    /// among those without id.
    func isFirstSight(of pair: Pair?, _ run: CycleRun) -> Bool {
        run.state.isRewound || pair?.rewound?.isEmpty ?? false
    }

    /// The values that the journal and the bases show the app to have held.
    private func heldValues(of pair: Pair, _ entries: [JournalEntry]) -> [PropertyName: Set<String>]
    {
        var held = pair.appBase.mapValues { Set([$0]) }
        for entry in entries {
            // Before a change of the app was carried, both sides had what the CRM had.
            let shown =
                entry.side == .app || entry.kind == .update
                ? [entry.before, entry.after] : [entry.after]
            for (property, value) in shown.joined() { held[property, default: []].insert(value) }
        }
        return held
    }

    /// Whether an id that was given after the backup has another owner now: one without any key that the
    /// last one has or ever had, or without any at all and made later.
    func isNobodyKnown(
        _ record: AppRecord, _ values: Values, in pair: Pair, _ tx: CycleTransaction
    ) throws -> Bool {
        let now = keys(of: record, values)
        if now.isEmpty {
            guard let made = record.createdAt, let known = pair.appCreatedAt else { return false }
            return made > known
        }
        guard try isAnother(record, values, than: pair, tx) else { return false }
        let held = heldValues(of: pair, try tx.journal.entries(of: pair)).values.joined()
        return now.allSatisfy { key in !held.contains { $0.lowercased() == key.value } }
    }
}
