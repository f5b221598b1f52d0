import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import TandemSync

/// What a cycle that went to its end has seen and carried: judged at once, because a later one heals it.
extension SimWorld {
    /// I12: what the app held before a cycle began is in the pairs behind it.
    func watchSeen(_ index: Int, since startedAt: Timestamp, _ pairs: PairTable) throws {
        let (profile, records, offset, savedUntil) = servers[index].with { state, _ in
            (state.profile, state.records, state.offset, state.savedUntil)
        }
        let hiding: Set<Fault> = [
            .missingInListing, .pageDrift, .omitsField, .fieldVanishes, .losesName, .staleRead,
            .partialRead, .wiped, .readOutage, .equalTimes,
        ]
        guard profile.faults.isDisjoint(with: hiding), offset == 0, profile.granularity == 1,
            // What is still being saved is read when it is saved.
            savedUntil <= startedAt.milliseconds
        else { return }
        // What the app alone may change, and the CRM alone may tell, flows nowhere.
        let locked: Set<AppField> = profile.faults.contains(.readOnlyField) ? ["title"] : []
        let mapping = settings[index].respecting(readOnly: locked).mapping
        for (id, record) in records.sorted(by: { $0.key < $1.key })
        where !record.isDeleted && record.modifiedAt < startedAt.milliseconds {
            guard let pair = try pairs.pair(app: id) else {
                violations.append("I12: \(settings[index].name) did not see app record \(id)")
                continue
            }
            let values = mapping.crmValues(of: record.values).values
            for (property, value) in values.sorted(by: { $0.key < $1.key })
            where pair.appValues[property] != value && pair.awaiting == nil {
                violations.append(
                    "I12: \(settings[index].name) did not see that \(id) has \(property) `\(value)`"
                )
            }
        }
    }

    /// I3: a value for a field that the app has lost is not in sync.
    func watchDelivered(
        _ index: Int, since startedAt: Timestamp, _ state: SyncState, _ pairs: PairTable,
        _ reader: CRMReader
    ) throws {
        let sync = settings[index]
        let (isLost, isLocked) = servers[index].with { state, _ in
            (state.hasLostField, state.profile.faults.contains(.readOnlyField))
        }
        guard isLost, !isLocked, state.missingFields["title"] != nil, sync.direction == .both,
            let field = sync.mapping.fields.first(where: { $0.app == "title" }),
            field.direction == .both, field.rule == .overwrite
        else { return }
        for pair in try pairs.select("sync_id = ? AND state = 'in-sync'", [.integer(state.id)]) {
            guard let record = try pair.crmID.flatMap(reader.record),
                pair.awaiting == nil, record.updatedAt < startedAt,
                let value = record.properties[field.crm],
                !value.isEmpty, value != pair.crmBase[field.crm]
            else { continue }
            violations.append(
                "I3: \(sync.name) says that \(record.id) is in sync, whose \(field.crm) `\(value)` the app "
                    + "cannot have")
        }
    }
}
