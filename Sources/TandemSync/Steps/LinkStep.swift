import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel

/// Fields that name another record: an app holds its own id of a company, the CRM another one.
///
/// Both sides of such a field are planned in the app's ids; the pairs of the sync that carries the
/// other object translate. A record that is not paired there yet has no translation: the field is
/// then planned as not read, and waits (behaviour §5).
struct LinkStep {
    private let fields: [FieldMapping]
    private let targets: [ObjectName: PairTable]
    private let tx: CycleTransaction
    /// Properties that the CRM has; a link without one is an association.
    private let properties: [PropertyName: PropertyDefinition]
    /// What those without a property are in the CRM; one whose label has gone is left alone.
    private let types: [PropertyName: LinkType]

    /// A field whose record has no counterpart yet.
    struct Wait: Hashable {
        let property: PropertyName
        let object: ObjectName
        /// The side that names the record, and its id there.
        let side: Side
        let target: String
    }

    init(_ sync: SyncSettings, _ tx: CycleTransaction) throws {
        self.tx = tx
        fields = sync.mapping.fields.filter { $0.association != nil }
        var targets: [ObjectName: PairTable] = [:]
        for object in Set(fields.compactMap(\.association)) {
            guard let companion = sync.companions[object], let state = try tx.syncs.state(companion)
            else { continue }
            targets[object] = PairTable(connection: tx.connection, syncID: state.id)
        }
        self.targets = targets
        let properties = fields.isEmpty ? [:] : tx.writer.schema.objects[sync.object] ?? [:]
        self.properties = properties
        types = try fields.reduce(into: [:]) { types, field in
            guard let object = field.association, properties[field.crm] == nil else { return }
            types[field.crm] = LinkType(
                from: sync.object, to: object, label: field.label,
                among: try tx.crm.associationTypes(from: sync.object, to: object))
        }
    }

    func has(_ property: PropertyName) -> Bool { fields.contains { $0.crm == property } }

    /// Puts the app's ids in the place of the CRM's; a field without translation is left out.
    func translate(_ values: inout Values, of record: CRMRecord, _ pair: Pair) throws -> [Wait] {
        var waits: [Wait] = []
        for field in fields {
            guard let object = field.association else { continue }
            if properties[field.crm] == nil && types[field.crm] == nil {
                values[field.crm] = nil
                continue
            }
            let linked = try current(field, values, record, pair)
            values[field.crm] = linked == nil ? "" : nil
            guard let linked else { continue }
            if let id = try appID(of: linked, object, since: pair.appBase[field.crm]) {
                values[field.crm] = id.text
            } else {
                waits.append(
                    Wait(property: field.crm, object: object, side: .crm, target: "\(linked)"))
            }
        }
        return waits
    }

    /// The record that the CRM names in a field.
    private func current(
        _ field: FieldMapping, _ values: Values, _ record: CRMRecord, _ pair: Pair
    ) throws -> RecordID? {
        guard let object = field.association else { return nil }
        if properties[field.crm] != nil {
            let number = values[field.crm].flatMap { Int64($0) }
            return try number.map { try tx.crm.current(RecordID($0)) }
        }
        guard let type = types[field.crm] else { return nil }
        let preferred = try pair.appBase[field.crm].flatMap { try crmID(of: $0, object) }
        return try tx.crm.link(of: record.id, to: object, type, preferring: preferred)
    }

    /// Values for the CRM: those of properties in its own ids, and links that no property holds.
    struct Incoming {
        var properties: Values
        var links: [(field: FieldMapping, target: RecordID?)] = []
        var waits: [Wait] = []
    }

    func incoming(_ values: Values) throws -> Incoming {
        var incoming = Incoming(properties: values)
        for field in fields {
            guard let object = field.association, let value = values[field.crm] else { continue }
            incoming.properties[field.crm] = nil
            let target = try value.isEmpty ? nil : crmID(of: value, object)
            if !value.isEmpty && target == nil {
                incoming.waits.append(
                    Wait(property: field.crm, object: object, side: .app, target: value))
            } else if properties[field.crm] != nil {
                incoming.properties[field.crm] = target.map { "\($0)" } ?? ""
            } else {
                incoming.links.append((field, target))
            }
        }
        return incoming
    }

    /// Sets the links that no property holds.
    func set(
        _ links: [(field: FieldMapping, target: RecordID?)], of record: CRMRecord, _ pair: Pair
    )
        throws
    {
        for (field, target) in links {
            guard let type = types[field.crm] else { continue }
            let old = try current(field, [:], record, pair)
            try tx.writer.setLink(of: record.id, type, from: old, to: target)
        }
    }

    /// The app's id of a record.
    ///
    /// One that is gone there is still what the CRM has named all along, if it was so when both sides
    /// last agreed: only the app can have moved since.
    private func appID(of id: RecordID, _ object: ObjectName, since base: String?) throws
        -> AppRecordID?
    {
        guard let pair = try targets[object]?.pair(crm: id),
            pair.appPresence == .present || base != nil && pair.appID?.text == base
        else { return nil }
        return pair.appID
    }

    private func crmID(of id: String, _ object: ObjectName) throws -> RecordID? {
        guard let pair = try targets[object]?.pair(app: AppRecordID(id)),
            pair.appPresence == .present, let crmID = pair.crmID,
            try tx.crm.record(crmID)?.archivedAt == nil
        else { return nil }
        return crmID
    }
}

/// What waits, and what need not wait any more.
extension LinkStep {
    /// Forgets what a pair waited for before this plan.
    func forget(_ pair: Pair) throws {
        if fields.isEmpty { return }
        try tx.connection.run(
            "DELETE FROM waiting WHERE sync_id = ? AND pair_id = ?",
            [.integer(tx.syncID), .integer(pair.id)])
    }

    /// Remembers what a pair waits for.
    func remember(_ waits: [Wait], of pair: Pair) throws {
        for wait in waits {
            try tx.connection.run(
                "INSERT INTO waiting VALUES (?, ?, ?, ?, ?, ?)",
                [
                    .integer(tx.syncID), .integer(pair.id), .text(wait.property.text),
                    .text(wait.object.text), .text(wait.side.rawValue), .text(wait.target),
                ])
        }
    }

    /// Wakes the pairs that wait for a record which has its counterpart now.
    ///
    /// - Returns: Whether there are any.
    func wakeCompleted() throws -> Bool {
        var isAny = false
        for (object, target) in targets.sorted(by: { $0.key < $1.key }) {
            for (side, isThere) in [
                (
                    Side.app,
                    """
                    t.app_id = w.target AND EXISTS (
                    SELECT 1 FROM record r WHERE r.id = t.crm_id AND r.archived_at IS NULL)
                    """
                ),
                (.crm, "t.crm_id = CAST(w.target AS INTEGER) AND t.app_id IS NOT NULL"),
            ] {
                let woken = try tx.connection.rows(
                    """
                    UPDATE pair SET work_at = 0, state = 'pending' WHERE state = 'in-sync' AND id IN (
                        SELECT w.pair_id FROM waiting w JOIN pair t
                        ON t.sync_id = ? AND t.app_presence = 1 AND \(isThere)
                        WHERE w.sync_id = ? AND w.object = ? AND w.side = ?)
                    RETURNING id
                    """,
                    [
                        .integer(target.syncID), .integer(tx.syncID), .text(object.text),
                        .text(side.rawValue),
                    ]
                ) { $0.integer(0) }
                isAny = isAny || !woken.isEmpty
            }
        }
        return isAny
    }
}

extension Cycle {
    /// Has fields that waited for a record of another sync go on if that record is paired now.
    ///
    /// - Returns: Whether any does.
    @discardableResult
    func completeLinks(_ run: CycleRun) throws -> Bool {
        guard sync.mapping.fields.contains(where: { $0.association != nil }) else { return false }
        return try transaction(run) { tx in try LinkStep(sync, tx).wakeCompleted() }
    }
}
