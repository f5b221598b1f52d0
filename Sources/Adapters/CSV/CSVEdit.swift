import AdapterKit
import TandemCSV
import TandemModel
import TandemSupport

/// A new version of the file in the making.
struct CSVEdit {
    private let app: CSVAdapter
    private let table: CSVTable
    private let rows: CSVAdapter.NamedRows
    /// New cells of changed rows; `nil` for deleted ones.
    private var changed: [Int: [String]?] = [:]
    private var added: [AppRecordID: [String]] = [:]
    private var order: [AppRecordID] = []

    init(app: CSVAdapter, table: CSVTable) {
        self.app = app
        self.table = table
        rows = app.named(table)
    }

    var isChanged: Bool { !changed.isEmpty || !added.isEmpty }

    mutating func perform(_ write: AppWrite) -> WriteOutcome {
        switch write.kind {
        case .create(let key): create(key, write.values, write.original)
        case .update(let id, let version): update(id, version, write.values)
        case .delete(let id, let version): delete(id, version)
        }
    }

    private mutating func create(
        _ key: String, _ values: [AppField: String], _ original: String?
    ) -> WriteOutcome {
        let id = app.newID(key, values, fields: table.fields)
        if added[id] != nil {
            return .refused(
                Refusal(.duplicateInApp, "two new rows would have the key \(id)", otherID: id.text))
        }
        if let place = rows.places[id] { return .exists(app.record(id, table.rows[place], table)) }
        if let row = rows.unidentified.first(where: { mayBe($0.row, values) }) {
            return .refused(
                Refusal(
                    .duplicateInApp, "\(row.why), and it may be this record", otherID: nil))
        }
        if let refusal = refusal(of: values) { return refusal }
        let before = original.flatMap { FlatJSON.values($0, as: AppField.self) } ?? [:]
        var all = before.merging(values) { $1 }
        all[AppField(app.idColumn)] = id.text
        let cells = table.fields.map { all[$0] ?? "" }
        if added[id] == nil { order.append(id) }
        added[id] = cells
        return .written(record(id, cells))
    }

    private mutating func update(
        _ id: AppRecordID, _ version: String?, _ values: [AppField: String]
    ) -> WriteOutcome {
        guard let place = rows.places[id] else { return missing(id) ?? .gone }
        let row = table.rows[place]
        if let version, version != table.version(of: table.bytes[row.range]) { return .conflict }
        if let refusal = refusal(of: values) { return refusal }
        var cells =
            row.cells + Array(repeating: "", count: max(0, table.header.count - row.cells.count))
        for (column, field) in table.fields.enumerated() {
            if let value = values[field] { cells[column] = value }
        }
        changed[place] = .some(cells)
        return .written(record(id, cells))
    }

    /// What a value cannot be written for: the encoding of the file has not all of its characters.
    private func refusal(of values: [AppField: String]) -> WriteOutcome? {
        let wrong = values.filter { table.encoding.bytes(of: $0.value.utf8) == nil }.keys.min()
        return wrong.map { field in
            .refused(
                Refusal(
                    .invalidValue,
                    "\(field): `\(values[field] ?? "")` has characters that \(table.encoding.rawValue), "
                        + "in which \(app.path) is written, has not; save the file as \"CSV UTF-8\""
                ))
        }
    }

    private mutating func delete(_ id: AppRecordID, _ version: String?) -> WriteOutcome {
        guard let place = rows.places[id] else { return missing(id) ?? .deleted }
        if let version, version != table.version(of: table.bytes[table.rows[place].range]) {
            return .conflict
        }
        changed[place] = .some(nil)
        return .deleted
    }

    /// Takes the cells and the rows that are in `late` and were not in `base`.
    ///
    /// A row that is gone stays: what was saved late may be half a file.
    mutating func take(_ late: CSVTable, over base: CSVTable) {
        let (lateRows, baseRows) = (app.named(late), app.named(base))
        for (id, place) in lateRows.places.sorted(by: { $0.value < $1.value }) {
            let now = cells(of: late, place)
            let then = baseRows.places[id].map { cells(of: base, $0) } ?? [:]
            let edited = now.filter { $0.value != then[$0.key] ?? "" }
            if edited.isEmpty { continue }
            if rows.places[id] != nil {
                _ = update(id, nil, edited)
            } else if added[id] == nil {
                order.append(id)
                added[id] = table.fields.map { now[$0] ?? "" }
            }
        }
    }

    private func cells(of table: CSVTable, _ place: Int) -> [AppField: String] {
        Dictionary(
            zip(table.fields, table.rows[place].cells), uniquingKeysWith: { first, _ in first })
    }

    /// Why a record that is not found may be there all the same; `nil` if it is not there.
    private func missing(_ id: AppRecordID) -> WriteOutcome? {
        let why = rows.unreadable[id] ?? rows.unidentified.first?.why
        return why.map { .notNow(.appUnavailable, $0, afterSeconds: nil) }
    }

    /// Whether a row without a name may be a record: what both say is the same.
    private func mayBe(_ row: CSVParser.Row, _ values: [AppField: String]) -> Bool {
        let both = zip(table.fields, row.cells).compactMap { field, cell -> Bool? in
            guard let value = values[field], !value.isEmpty, !cell.trimmed.isEmpty else {
                return nil
            }
            return value.trimmed.lowercased() == cell.trimmed.lowercased()
        }
        return !both.isEmpty && both.allSatisfy { $0 }
    }

    private func record(_ id: AppRecordID, _ cells: [String]) -> AppRecord {
        let bytes = Array(
            table.format.line(cells).utf8.dropLast(table.format.lineEnd.rawValue.utf8.count))
        let row = CSVParser.Row(cells: cells, line: 0, range: 0..<0)
        let plain = app.record(id, row, table)
        return AppRecord(id: id, version: table.version(of: bytes[...]), values: plain.values)
    }

    /// The whole new file: untouched rows as they were, changed ones in their place, new ones last.
    var content: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(table.bytes.count + added.count * 100)
        let end = Array(table.format.lineEnd.rawValue.utf8)
        var from = 0
        for (place, cells) in changed.sorted(by: { $0.key < $1.key }) {
            let range = table.rows[place].range
            bytes += table.bytes[from..<range.lowerBound]
            from = range.upperBound
            if let cells {
                bytes += table.format.line(cells).utf8.dropLast(end.count)
            } else if table.bytes[from...].starts(with: end) {
                from += end.count
            }
        }
        bytes += table.bytes[from...]
        if let last = bytes.last, last != end.last, !added.isEmpty { bytes += end }
        for id in order { bytes += table.format.line(added[id] ?? []).utf8 }
        return bytes
    }
}
