import AdapterKit
import FoundationEssentials
import Synchronization
import TandemModel
import TandemSupport

/// What changed in a table since a cursor, or everything, in pages.
///
/// A row that commits late is not missed: a cursor never stands after a change that could still
/// become visible. See ``PostgresCursor``.
final class PostgresListing: ChangeListing {
    let app: PostgresAdapter
    let shape: TableShape
    let since: PostgresCursor?
    private let place = Mutex(Place())

    private struct Place {
        /// Where the next listing starts; taken before the first page.
        var watermark: PostgresCursor?
        /// What the last row of the page before was.
        var last: [String?] = []
        var isDone = false
    }

    init(_ app: PostgresAdapter, _ shape: TableShape, since cursor: Cursor?) async throws(AppError)
    {
        self.app = app
        self.shape = shape
        guard let cursor else {
            since = nil
            return
        }
        guard let known = PostgresCursor(cursor), known.mode == shape.settings.mode else {
            throw .cursorExpired("the cursor belongs to another way of telling changes")
        }
        since = known
    }

    func next() async throws(AppError) -> ChangePage? {
        let (isDone, last, known) = place.withLock { ($0.isDone, $0.last, $0.watermark) }
        if isDone { return nil }
        return try await appErrors("list \(shape.name)") {
            var watermark = known
            if watermark == nil { watermark = try await self.watermark() }
            let rows = try await isLog ? logPage(behind: last) : tablePage(behind: last)
            let ends = rows.count < PostgresAdapter.page
            var page = try await isLog ? logged(rows) : listed(rows)
            if ends {
                page.cursor = watermark?.cursor
                page.isCompleteListing = isWhole
            }
            place.withLock { place in
                place.watermark = watermark
                place.last = rows.last.map { Array($0.dropFirst(markStart)) } ?? []
                place.isDone = ends
            }
            return page
        }
    }

    var connection: PGConnection { app.connection }

    /// A listing of everything, or one that can only be of everything.
    private var isWhole: Bool { since == nil || shape.settings.changes == .none }

    /// Behind the record stand the columns that the next page goes on from.
    private var markStart: Int { isLog ? 0 : shape.recordWidth }

    private var isLog: Bool { shape.settings.changes == .log && since != nil }

    /// The rows as records; those that count as deleted are gone.
    private func listed(_ rows: PGConnection.Rows) -> ChangePage {
        var page = ChangePage(fields: Set(shape.columns.keys.map { AppField($0) }))
        for (place, row) in rows.enumerated() {
            if let empty = shape.emptyKey(of: row[...]) {
                let location = AppLocation("row \(place + 1)")
                page.unidentified.append(
                    .init(location, "\(location) of \(shape.name) has no \(empty)"))
            } else if let record = shape.record(row[...]) {
                page.records.append(record)
            } else {
                page.gone.append(shape.id(row[...]))
            }
        }
        return page
    }

    /// What became of the rows that entries of the log name.
    private func logged(_ rows: PGConnection.Rows) async throws -> ChangePage {
        let keys = rows.map { row in
            JSON(parsing: Array((row[2] ?? "[]").utf8))?.elements?.compactMap(\.text) ?? []
        }
        if keys.contains(where: \.isEmpty) {
            throw AppError.cursorExpired("\(shape.name) was emptied")
        }
        var page = ChangePage(fields: Set(shape.columns.keys.map { AppField($0) }))
        let readings = try await app.read(Set(keys.map { AppRecordID(parts: $0) }).sorted())
        for (id, reading) in readings.sorted(by: { $0.key < $1.key }) {
            if case .present(let record) = reading {
                page.records.append(record)
            } else {
                page.gone.append(id)
            }
        }
        return page
    }

    /// The entries of the log behind a place.
    private func logPage(behind last: [String?]) async throws(PGFailure) -> PGConnection.Rows {
        let start =
            last.isEmpty
            ? "l.xid >= $2::xid8" : "(l.xid, l.id) > ($2::xid8, $3::bigint)"
        let places = last.isEmpty ? [since?.floor] : [last[0], last[1]]
        return try await connection.rows(
            """
            SELECT l.xid::text, l.id::text, array_to_json(l.key)::text
            FROM \(ChangeLog(shape).name) l WHERE l.relation = $1 AND \(start)
            ORDER BY l.xid, l.id LIMIT \(PostgresAdapter.page)
            """, [shape.name] + places)
    }

    /// The rows of one page, in an order that goes on where the last page ended, whatever is
    /// written meanwhile.
    private func tablePage(behind last: [String?]) async throws(PGFailure) -> PGConnection.Rows {
        var parameters: [String?] = []
        var conditions: [String] = []
        func parameter(_ value: String?) -> String {
            parameters.append(value)
            return "$\(parameters.count)"
        }
        var order = shape.key
        if isWhole && shape.settings.deleted != nil {
            conditions.append("NOT (\(shape.isDeleted))")
        }
        if let since, !isWhole {
            switch shape.settings.changes {
            case .column(let name, _):
                if let column = shape.columns[name] {
                    order = [column] + order
                    conditions.append(
                        "t.\(name.sqlName) >= \(parameter(since.floor))::\(column.type)")
                }
            case .transaction:
                // A row's number has 32 bits of the 64 and comes round again; counted from the
                // floor, whatever came later is in the lower half (manual, §25.1.5).
                conditions.append(
                    "((t.xmin::text::bigint - \(parameter(since.floor))::bigint) & 4294967295) "
                        + "< 2147483648")
            case .log, .none: break
            }
        }
        let names = order.map { "t.\($0.name.sqlName)" }
        if !last.isEmpty {
            let places = zip(last, order).map { "\(parameter($0))::\($1.type)" }
            conditions.append(
                "(\(names.joined(separator: ", "))) > (\(places.joined(separator: ", ")))")
        }
        return try await connection.rows(
            """
            SELECT \(shape.recordColumns), \(names.map { $0 + "::text" }.joined(separator: ", "))
            FROM \(shape.sqlName) t
            \(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "))
            ORDER BY \(names.joined(separator: ", ")) LIMIT \(PostgresAdapter.page)
            """, parameters)
    }
}
