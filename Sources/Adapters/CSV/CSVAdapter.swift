package import AdapterKit
import FoundationEssentials
import Glibc
import Synchronization
package import TandemCSV
package import TandemModel
package import TandemSupport

/// A spreadsheet that somebody keeps, as a CSV file: one row is one record.
///
/// A row is named by its id column, or where that is blank or missing by its natural key. A change
/// is noticed by content. Writes replace the file in one step; columns that are not mapped, the
/// order of rows, separators and line ends stay as they are. A file that somebody saves while
/// we write is not written over: the write is made again on the new content.
package struct CSVAdapter: Adapter {
    let path: String
    /// The header of the id column.
    let idColumn: String
    /// The file must have that column, because somebody named it.
    let needsIDColumn: Bool
    /// Headers that name a row without id, first match first.
    let naturalKey: [String]
    /// Columns of a file that is made by us.
    let newColumns: [String]
    /// Other headers that mean the same field: `phone` may be headed "Phone Number".
    let labels: [AppField: String]
    /// For how long a file must have been as it is before it counts as complete though it lost rows or
    /// ends in the middle of one.
    let restSeconds: Int64
    /// How the characters of a file without a byte order mark are written.
    let encoding: CSVEncoding
    let memory = MemoryBox()

    /// How many rows a page has.
    static let page = 500
    /// How often a write is made anew because somebody saves the file.
    static let attempts = 5

    package init(
        path: String, idColumn: String? = nil, naturalKey: [String], newColumns: [String],
        labels: [AppField: String], restSeconds: Int64 = 30, encoding: CSVEncoding = .utf8
    ) {
        self.path = path
        self.idColumn = idColumn ?? "id"
        needsIDColumn = idColumn != nil
        self.naturalKey = naturalKey
        self.newColumns = newColumns
        self.labels = labels
        self.restSeconds = restSeconds
        self.encoding = encoding
    }

    package var capabilities: AppCapabilities {
        AppCapabilities(
            conditionalWrites: true, createSafety: .clientID, readBatch: 5_000, writeBatch: 5_000,
            listsWholeRecords: true, checksCreates: true, putsBackOriginals: true)
    }

    /// The fields of the file as it is now; those of a new one if there is none.
    ///
    /// - Throws: As ``profile()``.
    func fields() throws(AppError) -> Set<AppField> {
        Set(try table()?.fields ?? fields(of: newColumns))
    }

    /// The file as it is now; `nil` if there is none.
    ///
    /// - Throws: ``AppError`` as `CSVTable.read`, and if the id column that was named is missing, or every
    ///   column that could name a row.
    func table(isWhole: Bool = true) throws(AppError) -> CSVTable? {
        guard let table = try CSVTable.read(path, encoding, isWhole: isWhole, naming: fields(of:))
        else {
            return nil
        }
        let header = table.header
        if needsIDColumn, !table.fields.contains(AppField(idColumn)) {
            throw .askOperator(
                .mapping,
                "\(path) has no column `\(idColumn)`\(suggestion(for: idColumn, in: header))",
                remedy: "Name one of its columns as `id-column`, or add the column to the file.")
        }
        let keys = [idColumn] + naturalKey
        guard keys.contains(where: { table.fields.contains(AppField($0)) }) else {
            let names = keys.map { "`\($0)`" }.joined(separator: " or ")
            throw .askOperator(
                .mapping,
                "\(path) has no column \(names), so nothing tells its rows apart; its columns are "
                    + header.map { "`\($0)`" }.joined(separator: ", "),
                remedy: "Give the column its name back, or name the right one in the mapping or as "
                    + "`id-column`; nothing is read or written before.")
        }
        return table
    }

    package func profile() async throws(AppError) -> AppProfile {
        let table = try table()
        let (parent, _) = path.folderAndName
        let folder = parent.isEmpty ? "." : parent
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw .askOperator(
                .permission, "cannot write in \(folder)",
                remedy: "Give the daemon's user the right to write there.")
        }
        return AppProfile(
            account: path,
            summary: table.map { "\($0.rows.count) rows" }
                ?? "no file \(path); a first sync makes it, a later one waits for it to come back",
            fields: (table?.fields ?? fields(of: newColumns)).filter { !$0.text.isEmpty }
                .map { FieldSchema($0) })
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        try await takeLateSaves()
        let state = await look()
        guard let (found, isOpen) = try table(in: state) else {
            // No file is no proof that every row was deleted; an empty one with a header is.
            if cursor == nil { return CSVListing(app: self, table: nil) }
            throw .tryLater(.appUnavailable, "\(path) is not there", afterSeconds: nil)
        }
        if cursor == found.cursor { return CSVListing(app: self, table: nil) }
        let before = cursor.flatMap { CSVTable.Extent($0) } ?? memory.withLock(\.before)
        let isUnfinished = !state.isAtRest && (isOpen || found.extent.isLess(than: before))
        // Until it is at rest, a row without its line end may be half of one.
        let table = isUnfinished && !isOpen ? try table(isWhole: false) ?? found : found
        guard FileStamp(path) == state.stamp else { throw beingSaved }
        memory.withLock { memory in
            memory.unfinished = isUnfinished ? state.stamp : nil
            if !isUnfinished { memory.before = found.extent }
        }
        return CSVListing(app: self, table: table, isComplete: !isUnfinished)
    }

    /// The file never goes back; what it was tells a listing of everything whether rows are missing.
    package func confirm(_ cursor: Cursor) async throws(AppError) {
        memory.withLock { $0.before = $0.before ?? CSVTable.Extent(cursor) }
    }

    /// Whether a file that was read may be the beginning of one that somebody is saving.
    private func isUnfinished(_ table: CSVTable) -> Bool {
        let stamp = FileStamp(path)
        let known = memory.withLock { $0 }
        if known.unfinished == stamp { return true }
        return table.extent.isLess(than: known.before) && known.own != stamp
            && stamp.ageSeconds < Double(restSeconds)
    }

    /// What the file is now, and whether it ends in an open quote, as half a file may.
    private func table(in state: FileState) throws(AppError) -> (CSVTable, isOpen: Bool)? {
        do throws(AppError) { return try table().map { ($0, false) } } catch {
            guard !state.isAtRest, case .askOperator(.invalidValue, _, _) = error else {
                throw error
            }
            return try table(isWhole: false).map { ($0, true) }
        }
    }

    /// Looks whether somebody may be saving the file; our own last save is none.
    func look() async -> FileState {
        if let own = memory.withLock(\.own), own == FileStamp(path) {
            return FileState(stamp: own, isAtRest: true)
        }
        return await FileState(path, atRestFor: restSeconds)
    }

    /// What this process knows of the file.
    struct Memory {
        /// What we saved last.
        var own: FileStamp?
        /// The state in which the file may still be being saved.
        var unfinished: FileStamp?
        /// What it was when it was last read whole; `nil` after our own save.
        var before: CSVTable.Extent?
    }

    final class MemoryBox: Sendable {
        private let memory = Mutex(Memory())
        func withLock<Value: Sendable>(_ work: (inout sending Memory) -> sending Value) -> Value {
            memory.withLock(work)
        }
    }

    var beingSaved: AppError {
        .tryLater(.versionConflict, "\(path) is being saved by somebody", afterSeconds: nil)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        guard let table = try table() else {
            throw .tryLater(.appUnavailable, "\(path) is not there", afterSeconds: nil)
        }
        let rows = named(table)
        return ids.reduce(into: [:]) { readings, id in
            if let place = rows.places[id] {
                readings[id] = .present(record(id, table.rows[place], table))
            } else if let why = rows.unreadable[id] {
                readings[id] = .unreadable(Refusal(.invalidValue, why), version: nil)
            } else if rows.unidentified.isEmpty && !isUnfinished(table) {
                readings[id] = .gone
            }
        }
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        let id = newID(key, values, fields: Array(try fields()))
        switch try await read([id])[id] {
        case .present(let record)?: return .found([record])
        case .gone?: return .none
        case .foreign?, .unreadable?, nil: return .unanswered("\(path) has rows without a name")
        }
    }

    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        if let holder = EditorLock.holder(of: path) {
            throw .tryLater(
                .appUnavailable,
                "\(path) is open in an editor (\(holder)); it is written when it is closed there",
                afterSeconds: nil)
        }
        for _ in 0..<Self.attempts {
            let stamp = await look().stamp
            // The rest of what somebody is saving would go nowhere.
            if stamp.inode != 0, memory.withLock(\.unfinished) == stamp { throw beingSaved }
            var table = try table()
            if let table, isUnfinished(table) { throw beingSaved }
            if table == nil { table = try empty() }
            guard let table else { continue }
            var edit = CSVEdit(app: self, table: table)
            var outcomes: [WriteOutcome] = []
            for write in writes { outcomes.append(edit.perform(write)) }
            guard edit.isChanged, let content = table.file(edit.content) else { return outcomes }
            if try replace(table, with: content, unless: stamp) { return outcomes }
        }
        throw beingSaved
    }

    static func target(of path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Writes a whole file that is on the disk when this returns, with the owner and the rights of
    /// the one that it replaces.
    static func write(_ content: [UInt8], to path: String, like stamp: FileStamp) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw CocoaError(.fileWriteNoPermission) }
        defer { close(file) }
        guard writeAll(content, to: file) == nil else { throw CocoaError(.fileWriteOutOfSpace) }
        // Only root may give a file away; for everybody else it is theirs already.
        _ = fchown(file, stamp.owner, stamp.group)
        guard fchmod(file, stamp.permissions) == 0, fsync(file) == 0 else {
            throw CocoaError(.fileWriteUnknown)
        }
    }

    private func empty() throws(AppError) -> CSVTable {
        try CSVTable(
            Array(CSVFormat().line(newColumns).utf8), encoding, path: path, naming: fields(of:))
    }

    /// Puts new content in the place of the file.
    ///
    /// - Returns: `false`, and nothing is changed, if somebody saved the file since `stamp`.
    func replace(_ table: CSVTable, with content: [UInt8], unless stamp: FileStamp)
        throws(AppError) -> Bool
    {
        // The file itself is replaced, not a link to it.
        let path = Self.target(of: path)
        let temporary = path + ".tandem-new"
        do {
            try Self.write(content, to: temporary, like: stamp)
            guard FileStamp(path) == stamp else {
                try FileManager.default.removeItem(atPath: temporary)
                return false
            }
            try keepReplaced(path, table.file(table.bytes) ?? table.bytes, stamp)
            guard Glibc.rename(temporary, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
            memory.withLock { ($0.own, $0.before) = (FileStamp(path), nil) }
            return true
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw .tryLater(.appUnavailable, "cannot write \(path): \(error)", afterSeconds: nil)
        }
    }
}

/// Rows as records.
extension CSVAdapter {
    /// The rows of a table by what names them.
    struct NamedRows {
        var places: [AppRecordID: Int] = [:]
        /// Records that are there and cannot be read, with the reason.
        var unreadable: [AppRecordID: String] = [:]
        /// Rows that may be any record, with the reason.
        var unidentified: [(row: CSVParser.Row, why: String)] = []
    }

    func named(_ table: CSVTable) -> NamedRows {
        var named = NamedRows()
        let keys = [idColumn] + naturalKey
        let columns = keys.map { table.fields.firstIndex(of: AppField($0)) }
        var rows: [AppRecordID: [Int]] = [:]
        for (place, row) in table.rows.enumerated() where !row.isBlank {
            let candidates = zip(keys, columns).compactMap { key, column -> AppRecordID? in
                guard let column, column < row.cells.count, !row.cells[column].trimmed.isEmpty
                else {
                    return nil
                }
                let text = row.cells[column].trimmed
                return AppRecordID(key == idColumn ? text : "\(key):\(text.lowercased())")
            }
            if row.cells.dropFirst(table.header.count).contains(where: { !$0.trimmed.isEmpty }) {
                // A comma without quotes shifts every value behind it, but none in the first column.
                let why =
                    "line \(row.line) has \(row.cells.count) cells, the header "
                    + "\(table.header.count); quote commas inside cells"
                if columns[0] == 0, let id = candidates.first {
                    named.unreadable[id] = why
                } else {
                    named.unidentified.append((row, why))
                }
            } else if let id = candidates.first {
                rows[id, default: []].append(place)
            } else {
                let keys = zip(keys, columns).filter { $1 != nil }.map(\.0)
                let names = keys.joined(separator: " or ")
                named.unidentified.append(
                    (row, "line \(row.line) has no \(names), so it has no name"))
            }
        }
        for (id, places) in rows.sorted(by: { $0.value[0] < $1.value[0] }) {
            if places.count == 1 && named.unreadable[id] == nil {
                named.places[id] = places[0]
                continue
            }
            // Which of them has a name that was pasted over its own, nobody can know.
            let lines = places.map { "\(table.rows[$0].line)" }.joined(separator: " and ")
            let why = "lines \(lines) have the same key \(id)"
            named.unreadable[id] = named.unreadable[id] ?? why
            named.unidentified += places.map { (table.rows[$0], why) }
        }
        return named
    }

    func record(_ id: AppRecordID, _ row: CSVParser.Row, _ table: CSVTable) -> AppRecord {
        var values: [AppField: String] = [:]
        values.reserveCapacity(table.fields.count)
        for (column, field) in table.fields.enumerated() where !field.text.isEmpty {
            values[field] = column < row.cells.count ? row.cells[column] : ""
        }
        return AppRecord(id: id, version: table.version(of: table.bytes[row.range]), values: values)
    }

    /// The fields that headers stand for: by the name that the mapping says, or else by label, without case.
    ///
    /// A label stands for a field only if no column has the field's own name. A blank header stands for none.
    func fields(of headers: [String]) -> [AppField] {
        let named = headers.map { header in
            newColumns.first { $0.lowercased() == header.trimmed.lowercased() }.map { AppField($0) }
        }
        let taken = Set(named.compactMap(\.self))
        return zip(headers, named).map { header, field in
            if let field { return field }
            let name = header.trimmed.lowercased()
            let labelled = labels.filter {
                !taken.contains($0.key) && $0.value.lowercased() == name
            }
            return labelled.keys.min() ?? AppField(header.trimmed)
        }
    }

    func newID(_ key: String, _ values: [AppField: String], fields: [AppField]) -> AppRecordID {
        let hasIDs = fields.contains(AppField(idColumn))
        let natural = naturalKey.first { !(values[AppField($0)] ?? "").trimmed.isEmpty }
        guard !hasIDs, let natural else { return AppRecordID(key) }
        return AppRecordID("\(natural):\((values[AppField(natural)] ?? "").trimmed.lowercased())")
    }
}
