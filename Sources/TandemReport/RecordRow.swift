import TandemCRM
package import TandemDatabase
package import TandemModel
package import TandemSupport
import TandemSync

/// One line of the record view: a pair as a person looks at it.
package struct RecordRow: Hashable, Sendable {
    /// Every column there is, in its usual order.
    package static let columns = [
        "sync", "object", "crm_id", "app_id", "label", "state", "category", "reason", "message",
        "remedy", "attempts", "changed_at", "synced_at", "lag_seconds",
    ]

    private let cells: [String: String]

    /// - Returns: The text of a column; empty where there is nothing to say.
    package subscript(column: String) -> String { cells[column] ?? "" }

    init(_ pair: Pair, label: String, sync: SyncName, object: ObjectName) {
        var cells = [
            "sync": sync.text, "object": object.text, "crm_id": pair.crmID?.description ?? "",
            "app_id": pair.appID?.text ?? "", "label": label,
            "state": pair.state.kind.rawValue, "attempts": "\(pair.attempts)",
            "changed_at": pair.changedAt?.description ?? "",
            "synced_at": pair.syncedAt?.description ?? "",
        ]
        switch pair.state {
        case .failed(let refusal):
            cells["category"] = refusal.category.rawValue
            cells["message"] = refusal.message
            cells["remedy"] = refusal.category.remedy
        case .excluded(let reason): cells["reason"] = reason.rawValue
        case .ambiguous(let candidates):
            cells["message"] = candidates
            cells["remedy"] = "Merge the records, or change them so that only one fits."
        case .awaitingApproval(.rewound), .awaitingApproval(.rewritten):
            cells["reason"] = pair.isRewritten ? "rewritten" : "rewound"
            cells["message"] = pair.rewoundText
            cells["remedy"] =
                "`tandem approve` carries the CRM's values to the app, `tandem reject` takes the app's."
        case .inSync where !pair.accepted.isEmpty:
            let fields = pair.accepted.keys.sorted().map(\.text).joined(separator: ", ")
            cells["message"] = "kept apart, as you accepted, until either side changes: \(fields)"
        case .inSync, .pending, .deletedInCRM, .deletedInApp, .awaitingApproval(.deletion): break
        }
        if let changed = pair.changedAt, let synced = pair.syncedAt {
            cells["lag_seconds"] = "\((synced - changed).seconds)"
        }
        self.cells = cells.mapValues(\.printable)
    }

    /// Something in the app that is no record yet, because nothing says which one it is.
    init(_ location: AppLocation, reason: String, sync: SyncName, object: ObjectName) {
        let category = FailureCategory.invalidValue
        cells = [
            "sync": sync.text, "object": object.text, "app_id": location.text,
            "state": PairStateKind.failed.rawValue, "category": category.rawValue,
            "message": reason, "remedy": category.remedy, "attempts": "0",
        ].mapValues(\.printable)
    }
}

/// Which rows of the record view are wanted.
package struct RecordQuery: Hashable, Sendable {
    package var syncs: Set<SyncName> = []
    package var object: ObjectName?
    package var state: PairStateKind?
    package var category: FailureCategory?
    package var since: Timestamp?
    package var until: Timestamp?
    /// Text that the label, an id or the message contains, without case.
    package var search: String?
    /// A column of ``RecordRow``; `nil` keeps the order in which the records were met.
    package var sort: String?

    package init() {}

    /// Hands the rows of some syncs to `visit`, in order.
    ///
    /// Without a sort column the rows stream, and memory does not grow with their number.
    package func each(
        of all: [SyncSettings], in connection: any SQLConnection,
        _ visit: (RecordRow) throws -> Void
    ) throws {
        var sorted: [RecordRow] = []
        for sync in all where syncs.isEmpty || syncs.contains(sync.name) {
            guard object == nil || object == sync.object,
                let state = try SyncTable(connection).state(sync.name)
            else { continue }
            try stream(sync, state.id, connection) { row in
                if sort == nil { try visit(row) } else { sorted.append(row) }
            }
            for row in unidentified(state, sync) where matches(row) {
                if sort == nil { try visit(row) } else { sorted.append(row) }
            }
        }
        guard let sort else { return }
        for row in sorted.sorted(by: { $0[sort] < $1[sort] }) { try visit(row) }
    }

    private func stream(
        _ sync: SyncSettings, _ syncID: Int64, _ connection: any SQLConnection,
        _ visit: (RecordRow) throws -> Void
    ) throws {
        let pairs = PairTable(connection: connection, syncID: syncID)
        let reader = CRMReader(in: connection)
        var last: Int64 = 0
        while case let batch = try pairs.select(
            """
            sync_id = ? AND id > ? AND (? IS NULL OR state = ?) AND (? IS NULL OR category = ?)
            ORDER BY id LIMIT 500
            """,
            [
                .integer(syncID), .integer(last), .optional(state?.rawValue),
                .optional(state?.rawValue), .optional(category?.rawValue),
                .optional(category?.rawValue),
            ]), let end = batch.last
        {
            let records = try reader.records(batch.compactMap(\.crmID))
            for pair in batch where isInTime(pair) {
                let values = pair.crmID.flatMap { records[$0]?.properties } ?? pair.appValues
                let row = RecordRow(
                    pair, label: Self.label(values), sync: sync.name, object: sync.object)
                if matches(row) { try visit(row) }
            }
            last = end.id
        }
    }

    /// What the app shows without a name; nothing is known of its time.
    private func unidentified(_ known: SyncState, _ sync: SyncSettings) -> [RecordRow] {
        guard state ?? .failed == .failed, category ?? .invalidValue == .invalidValue,
            since == nil, until == nil
        else { return [] }
        return known.unidentified.examples.sorted { $0.key < $1.key }.map {
            RecordRow($0.key, reason: $0.value, sync: sync.name, object: sync.object)
        }
    }

    private func isInTime(_ pair: Pair) -> Bool {
        guard since != nil || until != nil else { return true }
        guard let moment = pair.changedAt ?? pair.syncedAt else { return false }
        return (since.map { moment >= $0 } ?? true) && (until.map { moment < $0 } ?? true)
    }

    private func matches(_ row: RecordRow) -> Bool {
        guard let search = search?.lowercased() else { return true }
        return ["label", "crm_id", "app_id", "message"].contains {
            row[$0].lowercased().contains(search)
        }
    }

    /// What a person calls the record: its name, or else its email or domain.
    private static func label(_ values: Values) -> String {
        let person = ["firstname", "lastname"].compactMap { values[$0] }.filter { !$0.isEmpty }
        if !person.isEmpty { return person.joined(separator: " ") }
        let others: [PropertyName] = ["name", "dealname", "subject", "company", "email", "domain"]
        return others.lazy.compactMap { values[$0] }.first { !$0.isEmpty } ?? ""
    }
}

extension Pair {
    /// What of an app that went back in time waits for a person.
    fileprivate var rewoundText: String {
        guard let rewound, !rewound.isEmpty else {
            return "the app went back in time and does not have the record"
        }
        let values = rewound.sorted { $0.key < $1.key }.map { "\($0.key) `\($0.value)`" }
        let what =
            isRewritten
            ? "after our own write the app shows something else, which may be somebody's edit"
            : "the app went back in time and shows again"
        return "\(what): \(values.joined(separator: ", "))"
    }
}
