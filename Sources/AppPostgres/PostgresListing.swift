import FoundationEssentials
import Synchronization
import TandemModel

/// What changed in a table since a cursor, or everything, in pages.
///
/// A row that commits late is not missed: a cursor never stands after a change that could still
/// become visible. See ``PostgresCursor``.
final class PostgresListing: ChangeListing {
    let app: PostgresApp
    let shape: TableShape
    let since: PostgresCursor?
    private let place = Mutex(Place())

    private struct Place {
        /// Where the next listing starts; taken before the first page.
        var signpost: PostgresCursor?
        /// What the last row of the page before was.
        var last: [String?] = []
        var isDone = false
    }

    init(_ app: PostgresApp, _ shape: TableShape, since cursor: Cursor?) async throws(AppError) {
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
        let (isDone, last, known) = place.withLock { ($0.isDone, $0.last, $0.signpost) }
        if isDone { return nil }
        do {
            var signpost = known
            if signpost == nil { signpost = try await self.signpost() }
            guard let signpost else { return nil }
            let rows = try await page(behind: last)
            let page = try await changes(in: rows, signpost)
            let ends = rows.count < PostgresApp.page
            let mark = rows.last.map { Array($0.suffix($0.count - markStart)) } ?? []
            place.withLock { place in
                place.signpost = signpost
                place.last = mark
                place.isDone = ends
            }
            return page
        } catch let failure as PGFailure {
            throw failure.appError("list \(shape.name)")
        } catch let error as AppError {
            throw error
        } catch { throw .tryLater(.internal, "\(error)", afterSeconds: nil) }
    }

    var connection: PGConnection { app.connection }

    /// A listing of everything, or one that can only be of everything.
    private var isWhole: Bool { since == nil || shape.settings.changes == .none }

    /// Behind the record stand the columns that the next page goes on from.
    private var markStart: Int { isLog ? 0 : shape.recordWidth }

    private var isLog: Bool { shape.settings.changes == .log && since != nil }

    private func changes(in rows: PGConnection.Rows, _ signpost: PostgresCursor)
        async throws -> ChangePage
    {
        let ends = rows.count < PostgresApp.page
        var page = ChangePage(provesAbsence: ends && isWhole)
        if ends { page.cursor = signpost.cursor }
        if isLog {
            let keys = rows.map { row in
                JSON(parsing: Array((row[2] ?? "[]").utf8))?.elements?.compactMap(\.text) ?? []
            }
            if keys.contains(where: \.isEmpty) {
                throw AppError.cursorExpired("\(shape.name) was emptied")
            }
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
        for row in rows {
            if let record = shape.record(row[...]) {
                page.records.append(record)
            } else {
                page.gone.append(shape.id(row[...]))
            }
        }
        return page
    }

    /// The rows of one page, in an order that goes on where the last page ended, whatever is
    /// written meanwhile.
    private func page(behind last: [String?]) async throws(PGFailure) -> PGConnection.Rows {
        var parameters: [String?] = []
        var conditions: [String] = []
        func parameter(_ value: String?) -> String {
            parameters.append(value)
            return "$\(parameters.count)"
        }
        if isLog, let since {
            conditions = ["l.relation = \(parameter(shape.name))"]
            if last.isEmpty {
                conditions.append("l.xid >= \(parameter(since.floor))::xid8")
            } else {
                conditions.append(
                    "(l.xid, l.id) > (\(parameter(last[0]))::xid8, \(parameter(last[1]))::bigint)")
            }
            return try await connection.rows(
                """
                SELECT l.xid::text, l.id::text, array_to_json(l.key)::text
                FROM \(ChangeLog(shape).name) l
                WHERE \(conditions.joined(separator: " AND "))
                ORDER BY l.xid, l.id LIMIT \(PostgresApp.page)
                """, parameters)
        }
        var order = shape.key
        if let since, !isWhole {
            switch shape.settings.changes {
            case .column(let name, _):
                let column = shape.columns[name]
                if let column {
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
        if !last.isEmpty {
            let places = order.enumerated().map {
                "\(parameter(last[$0.offset]))::\($0.element.type)"
            }
            let names = order.map { "t.\($0.name.sqlName)" }
            conditions.append(
                "(\(names.joined(separator: ", "))) > (\(places.joined(separator: ", ")))")
        }
        if isWhole && shape.settings.deleted != nil {
            conditions.append("NOT (\(shape.isDeleted))")
        }
        let names = order.map { "t.\($0.name.sqlName)" }
        return try await connection.rows(
            """
            SELECT \(shape.recordColumns), \(names.map { $0 + "::text" }.joined(separator: ", "))
            FROM \(shape.sqlName) t
            \(conditions.isEmpty ? "" : "WHERE " + conditions.joined(separator: " AND "))
            ORDER BY \(names.joined(separator: ", ")) LIMIT \(PostgresApp.page)
            """, parameters)
    }
}
