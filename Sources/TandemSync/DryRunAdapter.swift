package import AdapterKit
package import TandemModel
package import TandemSupport

/// Reads the app as it is and answers writes without sending them, for previews.
package struct DryRunAdapter: Adapter {
    private let base: any Adapter

    package init(_ base: any Adapter) { self.base = base }

    package var capabilities: AppCapabilities { base.capabilities }

    package func prepare() async throws(AppError) { try await base.prepare() }

    package func resume(_ account: String) async throws(AppError) -> Bool {
        try await base.resume(account)
    }

    package func profile() async throws(AppError) -> AppProfile { try await base.profile() }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        try await base.changes(since: cursor)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        try await base.read(ids)
    }

    package func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String] {
        try await base.originals(of: ids)
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        try await base.find(key: key, values: values, since: since)
    }

    package func confirm(_ cursor: Cursor) async throws(AppError) {
        try await base.confirm(cursor)
    }

    package func search(_ values: [AppField: String]) async throws(AppError) -> CreateLookup {
        try await base.search(values)
    }

    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        writes.map { write in
            switch write.kind {
            case .create(let key):
                .written(AppRecord(id: AppRecordID(key), version: nil, values: write.values))
            case .update(let id, _): .written(AppRecord(id: id, version: nil, values: write.values))
            case .delete: .deleted
            }
        }
    }
}
