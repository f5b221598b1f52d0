package import AdapterKit
package import TandemModel
import TandemSupport

/// Writing rows in sets: one statement for all writes that set the same columns.
///
/// A set that the database refuses is halved until the row that it is about stands alone.
extension PostgresAdapter {
    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        let shape = try await shape()
        do {
            let (outcomes, commit) = try await connection.transaction {
                connection throws(PGFailure) in try connection.perform(writes, shape)
            }
            return switch commit {
            case .done: outcomes
            case .undone:
                writes.map { _ in
                    .notNow(.appUnavailable, "the transaction was undone", afterSeconds: nil)
                }
            case .unknown: writes.map { _ in .unknown("the commit was not answered") }
            }
        } catch {
            // Without a commit nothing was written: not by a failure before it, and of a failed
            // commit the server itself said so.
            throw error.appError("write \(shape.name)")
        }
    }
}

/// Writes that one statement can carry out.
private struct WriteSet: Hashable {
    enum Kind: Hashable { case create, update, delete }
    let kind: Kind
    let columns: [String]

    init(_ write: AppWrite) {
        columns = write.values.keys.map(\.text).sorted()
        kind =
            switch write.kind {
            case .create: .create
            case .update: .update
            case .delete: .delete
            }
    }
}

extension AppWrite {
    fileprivate var target: (id: AppRecordID, version: String?)? {
        switch kind {
        case .create: nil
        case .update(let id, let version), .delete(let id, let version): (id, version)
        }
    }

    fileprivate var key: String? { if case .create(let key) = kind { key } else { nil } }
}

extension PGConnection {
    /// Carries out a batch inside a transaction.
    ///
    /// - Throws: ``PGFailure`` only if the connection is lost.
    fileprivate func perform(_ writes: [AppWrite], _ shape: TableShape) throws(PGFailure)
        -> [WriteOutcome]
    {
        // A constraint that waits for the commit would fail the batch instead of its row.
        _ = try rows("SET CONSTRAINTS ALL IMMEDIATE")
        let plain = writes
        let writes = writes.map { whole($0, shape) }
        var outcomes = writes.map { refusal(of: $0, shape).map { WriteOutcome.refused($0) } }
        let open = writes.indices.filter { outcomes[$0] == nil }
        let sets = Dictionary(grouping: open) { WriteSet(writes[$0]) }
        for (set, places) in sets.sorted(by: { $0.value[0] < $1.value[0] }) {
            let answers = try carryOut(set, places.map { writes[$0] }, shape)
            for (place, answer) in zip(places, answers) { outcomes[place] = answer }
        }
        // What the table no longer takes of a row that was deleted keeps the rest of it from nobody.
        for (place, write) in plain.enumerated() where write.original != nil {
            guard case .refused = outcomes[place] else { continue }
            outcomes[place] = try perform([AppWrite(write.kind, values: write.values)], shape)[0]
        }
        return outcomes.map { $0 ?? .unknown("no outcome") }
    }

    /// A row that was deleted, with its other columns, but for its key and what the table computes.
    private func whole(_ write: AppWrite, _ shape: TableShape) -> AppWrite {
        guard let text = write.original, let members = JSON(parsing: Array(text.utf8))?.members
        else {
            return write
        }
        // What tells of this row's making and changes is not what told of the old one's.
        let own = [
            shape.settings.origin, shape.settings.created, shape.settings.version,
            shape.settings.deleted, shape.settings.changes.column,
        ]
        let key = Set(shape.key.map(\.name) + own.compactMap(\.self))
        let others = members.reduce(into: [AppField: String]()) { others, member in
            guard let column = shape.columns[member.key], !column.isComputed,
                !key.contains(column.name), let value = member.value.field
            else { return }
            others[AppField(column.name)] = value
        }
        return AppWrite(write.kind, values: others.merging(write.values) { $1 })
    }

    /// Why a write cannot even be sent.
    private func refusal(of write: AppWrite, _ shape: TableShape) -> Refusal? {
        let unknown = write.values.keys.first { shape.columns[$0.text] == nil }
        if let unknown { return Refusal(.mapping, "\(shape.name) has no column `\(unknown)`") }
        if let zero = write.values.first(where: { $0.value.unicodeScalars.contains("\0") }) {
            return Refusal(.invalidValue, "\(zero.key): PostgreSQL keeps no text with U+0000 in it")
        }
        let isDelete = if case .delete = write.kind { true } else { false }
        return write.values.isEmpty && !isDelete
            ? Refusal(.requiredField, "no column of \(shape.name) has a value") : nil
    }

    private func carryOut(_ set: WriteSet, _ writes: [AppWrite], _ shape: TableShape)
        throws(PGFailure) -> [WriteOutcome]
    {
        do {
            return try attempt { () throws(PGFailure) in
                switch set.kind {
                case .create: try create(set, writes, shape)
                case .update, .delete: try change(set, writes, shape)
                }
            }
        } catch {
            if error.isLost { throw error }
            // A lock or a full disk is not found by looking for it row by row.
            guard error.isAboutRows else { return writes.map { _ in error.outcome } }
            if writes.count == 1 { return [try outcome(of: error, writes[0], shape)] }
        }
        var outcomes: [WriteOutcome] = []
        for half in writes.chunks(of: (writes.count + 1) / 2) {
            outcomes += try carryOut(set, Array(half), shape)
        }
        return outcomes
    }

    private func create(_ set: WriteSet, _ writes: [AppWrite], _ shape: TableShape)
        throws(PGFailure) -> [WriteOutcome]
    {
        let columns = set.columns.compactMap { shape.columns[$0] }
        var names = columns.map(\.name.sqlName)
        var values = columns.enumerated().map { $0.element.value("v.c\($0.offset)") }
        var arrays = set.columns.map { name in
            writes.map { $0.values[AppField(name)] }.sqlArray
        }
        if let origin = shape.settings.origin, !set.columns.contains(origin) {
            names.append(origin.sqlName)
            values.append("v.c\(arrays.count)")
            arrays.append(writes.map(\.key).sqlArray)
        }
        // A plan of an insert from an ordered query returns its rows in that order.
        let made = try rows(
            """
            INSERT INTO \(shape.sqlName) AS t (\(names.joined(separator: ", ")))
            SELECT \(values.joined(separator: ", ")) FROM \(Self.unnest(arrays.count))
            ORDER BY v.n RETURNING \(shape.recordColumns)
            """, arrays)
        guard made.count == writes.count else {
            throw PGFailure(state: "P0001", message: "the table takes the row and does not keep it")
        }
        return made.map { row in
            shape.record(row[...]).map { .written($0) } ?? .accepted(shape.id(row[...]))
        }
    }

    /// Updates or deletes; a row that does not answer is gone, or another version than expected.
    private func change(_ set: WriteSet, _ writes: [AppWrite], _ shape: TableShape)
        throws(PGFailure) -> [WriteOutcome]
    {
        let width = shape.key.count
        let keys = writes.map { $0.target?.id.parts(width) ?? Array(repeating: "", count: width) }
        var arrays = (0..<width).map { place in keys.map { $0[place] }.sqlArray }
        arrays.append(writes.map { $0.target?.version }.sqlArray)
        arrays += set.columns.map { name in writes.map { $0.values[AppField(name)] }.sqlArray }
        let source = Self.unnest(arrays.count)
        let isNamed = shape.key.enumerated().map {
            "t.\($0.element.name.sqlName) = v.c\($0.offset)::\($0.element.type)"
        }
        let condition =
            "\(isNamed.joined(separator: " AND ")) AND NOT (\(shape.isDeleted)) "
            + "AND (v.c\(width) IS NULL OR \(shape.version) = v.c\(width))"
        let sql =
            if let assignments = assignments(set, shape) {
                "UPDATE \(shape.sqlName) t SET \(assignments) FROM \(source) WHERE \(condition)"
            } else {
                "DELETE FROM \(shape.sqlName) t USING \(source) WHERE \(condition)"
            }
        let done = try rows("\(sql) RETURNING v.n::text, \(shape.recordColumns)", arrays)
        var outcomes: [WriteOutcome?] = Array(repeating: nil, count: writes.count)
        for row in done {
            guard let place = row[0].flatMap({ Int($0) }) else { continue }
            outcomes[place - 1] =
                set.kind == .delete
                ? .deleted
                : shape.record(row.dropFirst()).map { .written($0) }
                    ?? .accepted(shape.id(row.dropFirst()))
        }
        let silent = outcomes.indices.filter { outcomes[$0] == nil }
        if !silent.isEmpty {
            let there = try present(silent.map { keys[$0] }, shape)
            for place in silent {
                let isThere = writes[place].target.map { there.contains($0.id) } ?? false
                outcomes[place] = isThere ? .conflict : .gone
            }
        }
        return outcomes.compactMap(\.self)
    }

    /// What an update sets, or a deletion that only marks; `nil` for one that takes the row away.
    private func assignments(_ set: WriteSet, _ shape: TableShape) -> String? {
        if set.kind == .delete {
            guard let mark = shape.settings.deleted.flatMap({ shape.columns[$0] }) else {
                return nil
            }
            let value = mark.category == "B" ? "true" : "clock_timestamp()::\(mark.type)"
            return "\(mark.name.sqlName) = \(value)"
        }
        let first = shape.key.count + 1
        return set.columns.compactMap { shape.columns[$0] }.enumerated().map {
            "\($0.element.name.sqlName) = \($0.element.value("v.c\(first + $0.offset)"))"
        }.joined(separator: ", ")
    }

    private func present(_ keys: [[String]], _ shape: TableShape) throws(PGFailure)
        -> Set<AppRecordID>
    {
        let found = try rows(
            """
            SELECT \(shape.keyTexts) FROM \(shape.sqlName) t
            WHERE \(shape.isNamed(from: 1)) AND NOT (\(shape.isDeleted))
            """, shape.key.indices.map { place in keys.map { $0[place] }.sqlArray })
        return Set(found.map { shape.id($0[...]) })
    }

    /// `unnest($1::text[], …) WITH ORDINALITY AS v(c0, …, n)`.
    private static func unnest(_ count: Int) -> String {
        let arrays = (1...count).map { "$\($0)::text[]" }.joined(separator: ", ")
        let names = (0..<count).map { "c\($0)" }.joined(separator: ", ")
        return "unnest(\(arrays)) WITH ORDINALITY AS v(\(names), n)"
    }

    /// What a refusal means for the one write that it is about.
    private func outcome(of failure: PGFailure, _ write: AppWrite, _ shape: TableShape)
        throws(PGFailure) -> WriteOutcome
    {
        if failure.isAboutText, let id = write.target?.id {
            // A text that is no value of the key names no row.
            let keys = id.parts(shape.key.count).map { [$0] } ?? []
            do { _ = try attempt { () throws(PGFailure) in try present(keys, shape) } } catch {
                guard error.isAboutText else { throw error }
                return .gone
            }
        }
        guard case .refused(let refusal) = failure.outcome, failure.state == "23505",
            let constraint = failure.constraint
        else { return failure.outcome }
        let other = try attempt { () throws(PGFailure) in try holder(constraint, write, shape) }
        return .refused(Refusal(refusal.category, refusal.message, otherID: other?.text))
    }

    /// The row that has what a unique constraint lets only one row have.
    private func holder(_ constraint: String, _ write: AppWrite, _ shape: TableShape)
        throws(PGFailure) -> AppRecordID?
    {
        let names = try rows(
            """
            SELECT a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid,
            unnest(i.indkey) AS k(number) JOIN pg_attribute a ON a.attnum = k.number
            WHERE i.indrelid = $1::regclass AND a.attrelid = i.indrelid AND c.relname = $2
            """, [shape.sqlName, constraint]
        ).compactMap { $0[0] }
        let columns = names.compactMap { shape.columns[$0] }
        let values = names.map { write.values[AppField($0)] }
        guard !columns.isEmpty, columns.count == names.count, !values.contains(nil) else {
            return nil
        }
        let conditions = columns.enumerated().map {
            "t.\($0.element.name.sqlName) = \($0.element.value("$\($0.offset + 1)::text"))"
        }
        return try rows(
            """
            SELECT \(shape.keyTexts) FROM \(shape.sqlName) t
            WHERE \(conditions.joined(separator: " AND ")) LIMIT 1
            """, values
        ).first.map { shape.id($0[...]) }
    }
}
