package import AdapterKit
import Synchronization
package import TandemModel
package import TandemSupport

/// A table or view in somebody's PostgreSQL database; one row is one record.
///
/// Reads only the columns that are mapped. A value is a text as DESIGN.md §3 says; NULL is blank.
package final class PostgresAdapter: Adapter {
    let settings: PostgresSettings
    let connection: PGConnection
    private let known = Mutex<TableShape?>(nil)

    static let page = 1_000

    package init(_ settings: PostgresSettings) {
        self.settings = settings
        connection = PGConnection(
            settings.connection, timeoutSeconds: settings.timeoutSeconds,
            channel: settings.channel)
    }

    package var capabilities: AppCapabilities {
        // A listing of everything proves what is missing; a log and a mark tell of deletions.
        let reports = settings.changes == .log || settings.changes == .none
        return AppCapabilities(
            conditionalWrites: true,
            createSafety: settings.origin == nil ? .search(lagSeconds: 0) : .lookupByKey,
            readBatch: 1_000, writeBatch: 1_000,
            reportsDeletions: reports || settings.deleted != nil, listsWholeRecords: true,
            putsBackOriginals: true)
    }

    package func prepare() async throws(AppError) {
        // Columns come and go: each cycle looks anew.
        let shape = try await TableShape.read(settings, connection)
        known.withLock { $0 = shape }
    }

    func shape() async throws(AppError) -> TableShape {
        if let shape = known.withLock({ $0 }) { return shape }
        try await prepare()
        return try await shape()
    }

    package func profile() async throws(AppError) -> AppProfile {
        try await prepare()
        let shape = try await shape()
        if settings.changes == .log { try await changeLog().check(connection) }
        let key = shape.key.map(\.name).joined(separator: ", ")
        return AppProfile(
            account: "postgres \(shape.identity)",
            summary: "\(shape.isTable ? "table" : "view") \(shape.name), key \(key)",
            fields: shape.profileFields, lacking: shape.lacking)
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        try await PostgresListing(self, shape(), since: cursor)
    }

    package func confirm(_ cursor: Cursor) async throws(AppError) {
        do { try await PostgresListing(self, shape(), since: cursor).confirm() } catch {
            // Everything is listed anyway.
            guard case .cursorExpired = error else { throw error }
        }
    }

    package func hasNews() async -> Bool { await connection.hasNews() }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        let shape = try await shape()
        do { return try await rows(ids, shape) } catch {
            // A text that is no value of the key names no row; it is found by asking one by one.
            guard error.isAboutText else { throw error.appError("read \(shape.name)") }
            guard ids.count > 1 else { return ids.reduce(into: [:]) { $0[$1] = .gone } }
        }
        var readings: [AppRecordID: AppReading] = [:]
        for half in ids.chunks(of: (ids.count + 1) / 2) {
            readings.merge(try await read(Array(half))) { $1 }
        }
        return readings
    }

    /// Rows by their ids; one that is not there, or counts as deleted, is gone.
    private func rows(_ ids: [AppRecordID], _ shape: TableShape) async throws(PGFailure)
        -> [AppRecordID: AppReading]
    {
        let keys = ids.compactMap { $0.parts(shape.key.count) }
        let found = try await connection.rows(
            "SELECT \(shape.recordColumns) FROM \(shape.sqlName) t WHERE \(shape.isNamed(from: 1))",
            shape.key.indices.map { place in keys.map { $0[place] }.sqlArray })
        var readings: [AppRecordID: AppReading] = ids.reduce(into: [:]) { $0[$1] = .gone }
        for row in found {
            if let record = shape.record(row[...]) { readings[record.id] = .present(record) }
        }
        return readings
    }

    package func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String] {
        let shape = try await shape()
        let keys = ids.compactMap { $0.parts(shape.key.count) }
        do {
            let found = try await connection.rows(
                """
                SELECT \(shape.keyTexts), row_to_json(t)::text FROM \(shape.sqlName) t
                WHERE \(shape.isNamed(from: 1))
                """, shape.key.indices.map { place in keys.map { $0[place] }.sqlArray })
            return found.reduce(into: [:]) { $0[shape.id($1[...])] = $1.last ?? nil }
        } catch { throw error.appError("read \(shape.name)") }
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        let shape = try await shape()
        var conditions: [String] = []
        var parameters: [String?] = []
        // Compared as values, because 5 is stored as 5.00.
        func require(_ column: TableShape.Column, _ value: String) {
            parameters.append(value)
            let hasEquality = !["json", "xml", "point"].contains(column.kind)
            conditions.append(
                hasEquality
                    ? "t.\(column.name.sqlName) = \(column.value("$\(parameters.count)::text"))"
                    : "\(column.text) = $\(parameters.count)")
        }
        if let origin = settings.origin.flatMap({ shape.columns[$0] }) {
            require(origin, key)
        } else {
            for (field, value) in values.sorted(by: { $0.key < $1.key }) where !value.isEmpty {
                if let column = shape.columns[field.text] { require(column, value) }
            }
            if let created = settings.created.flatMap({ shape.columns[$0] }) {
                parameters.append((since - .seconds(60)).description)
                conditions.append(
                    "t.\(created.name.sqlName) >= $\(parameters.count)::timestamptz::\(created.type)"
                )
            }
        }
        if conditions.isEmpty { return .unanswered("no value to search by was sent") }
        do {
            let found = try await connection.rows(
                """
                SELECT \(shape.recordColumns) FROM \(shape.sqlName) t
                WHERE \(conditions.joined(separator: " AND ")) LIMIT 20
                """, parameters)
            return CreateLookup(found.compactMap { shape.record($0[...]) })
        } catch { throw error.appError("search \(shape.name)") }
    }
}

extension TableShape {
    /// A condition that a row's key is among those in arrays from one parameter on.
    func isNamed(from first: Int) -> String {
        let arrays = key.enumerated().map { "$\(first + $0.offset)::text[]" }
        let columns = key.enumerated().map { "k.c\($0.offset)::\($0.element.type)" }
        let names = key.indices.map { "c\($0)" }.joined(separator: ", ")
        return "(\(keyList)) IN (SELECT \(columns.joined(separator: ", ")) "
            + "FROM unnest(\(arrays.joined(separator: ", "))) AS k(\(names)))"
    }
}
