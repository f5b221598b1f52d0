import FoundationEssentials
import Glibc
import Synchronization
import TandemCSV
package import TandemModel

/// A spreadsheet that somebody keeps, as a CSV file: one row is one record.
///
/// A row is named by its id column, or where that is blank or missing by its natural key. A change
/// is noticed by content. Writes replace the file in one step; columns that are not mapped, the
/// order of rows, separators and line ends stay as they are. A file that somebody saves while
/// we write is not written over: the write is made again on the new content.
package struct CSVApp: App {
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

    /// How many rows a page has.
    static let page = 500
    /// How often a write is made anew because somebody saves the file.
    static let attempts = 5

    package init(
        path: String, idColumn: String? = nil, naturalKey: [String], newColumns: [String],
        labels: [AppField: String]
    ) {
        self.path = path
        self.idColumn = idColumn ?? "id"
        needsIDColumn = idColumn != nil
        self.naturalKey = naturalKey
        self.newColumns = newColumns
        self.labels = labels
    }

    package var capabilities: AppCapabilities {
        AppCapabilities(
            conditionalWrites: true, createSafety: .clientID, readBatch: 5_000, writeBatch: 5_000,
            listsWholeRecords: true)
    }

    /// The fields of the file as it is now; those of a new one if there is none.
    ///
    /// - Throws: As ``profile()``.
    func fields() throws(AppError) -> Set<AppField> {
        Set(try table()?.fields ?? newColumns.map(field(of:)))
    }

    /// The file as it is now; `nil` if there is none.
    ///
    /// - Throws: ``AppError`` as `CSVTable.read`, and if the id column that was named is missing.
    private func table() throws(AppError) -> CSVTable? {
        let table = try CSVTable.read(path, naming: field(of:))
        guard needsIDColumn, let table, !table.fields.contains(AppField(idColumn)) else {
            return table
        }
        let header = table.header
        throw .askOperator(
            .mapping,
            "\(path) has no column `\(idColumn)`\(suggestion(for: idColumn, in: header))",
            remedy: "Name one of its columns as `id-column`, or add the column to the file.")
    }

    package func profile() async throws(AppError) -> AppProfile {
        let table = try table()
        let folder =
            path.contains("/") ? String(path[...(path.lastIndex(of: "/") ?? path.startIndex)]) : "."
        guard FileManager.default.isWritableFile(atPath: folder) else {
            throw .askOperator(
                .permission, "cannot write in \(folder)",
                remedy: "Give the daemon's user the right to write there.")
        }
        return AppProfile(
            account: path,
            summary: table.map { "\($0.rows.count) rows" }
                ?? "no file \(path); a first sync makes it, a later one waits for it to come back",
            fields: (table?.fields ?? newColumns.map(field(of:))).map { FieldSchema($0) })
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        guard let table = try table() else {
            // No file is no proof that every row was deleted; an empty one with a header is.
            if cursor == nil { return CSVListing(app: self, table: nil) }
            throw .tryLater(.appUnavailable, "\(path) is not there", afterSeconds: nil)
        }
        if cursor?.text == table.digest { return CSVListing(app: self, table: nil) }
        return CSVListing(app: self, table: table)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        guard let table = try table() else {
            throw .tryLater(.appUnavailable, "\(path) is not there", afterSeconds: nil)
        }
        let rows = named(table)
        let bad = Dictionary(
            rows.bad.map { ($0.id, $0.why) }, uniquingKeysWith: { first, _ in first })
        return ids.reduce(into: [:]) { readings, id in
            if let place = rows.places[id] {
                readings[id] = .present(record(id, table.rows[place], table))
            } else {
                readings[id] =
                    bad[id].map { .unreadable(Refusal(.invalidValue, $0), version: nil) } ?? .gone
            }
        }
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> [AppRecord]
    {
        let fields = Array(try fields())
        let readings = try await read([newID(key, values, fields: fields)])
        return readings.values.compactMap {
            if case .present(let record) = $0 { record } else { nil }
        }
    }

    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        for _ in 0..<Self.attempts {
            let stamp = FileStamp(path)
            var table = try table()
            if table == nil { table = try empty() }
            guard let table else { continue }
            var edit = CSVEdit(app: self, table: table)
            var outcomes: [WriteOutcome] = []
            for write in writes { outcomes.append(edit.perform(write)) }
            guard edit.isChanged else { return outcomes }
            if try replace(with: edit.content, unless: stamp) { return outcomes }
        }
        throw .tryLater(.versionConflict, "\(path) is being saved by somebody", afterSeconds: nil)
    }

    private static func target(of path: String) -> String {
        guard let resolved = realpath(path, nil) else { return path }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    /// Writes a whole file that is on the disk when this returns, with the owner and the rights of
    /// the one that it replaces.
    private static func write(_ content: [UInt8], to path: String, like stamp: FileStamp) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw CocoaError(.fileWriteNoPermission) }
        defer { close(file) }
        var rest = content[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) }
            guard written > 0 else { throw CocoaError(.fileWriteOutOfSpace) }
            rest = rest.dropFirst(written)
        }
        // Only root may give a file away; for everybody else it is theirs already.
        _ = fchown(file, stamp.owner, stamp.group)
        guard fchmod(file, stamp.permissions) == 0, fsync(file) == 0 else {
            throw CocoaError(.fileWriteUnknown)
        }
    }

    private func empty() throws(AppError) -> CSVTable {
        try CSVTable(
            Array(CSVFormat().line(newColumns).utf8), path: path, naming: field(of:))
    }

    /// Puts new content in the place of the file.
    ///
    /// - Returns: `false`, and nothing is changed, if somebody saved the file since `stamp`.
    private func replace(with content: [UInt8], unless stamp: FileStamp) throws(AppError) -> Bool {
        // The file itself is replaced, not a link to it.
        let path = Self.target(of: path)
        let temporary = path + ".tandem-new"
        do {
            try Self.write(content, to: temporary, like: stamp)
            guard FileStamp(path) == stamp else {
                try FileManager.default.removeItem(atPath: temporary)
                return false
            }
            guard Glibc.rename(temporary, path) == 0 else { throw CocoaError(.fileWriteUnknown) }
            return true
        } catch {
            try? FileManager.default.removeItem(atPath: temporary)
            throw .tryLater(.appUnavailable, "cannot write \(path): \(error)", afterSeconds: nil)
        }
    }
}

/// Rows as records.
extension CSVApp {
    /// The rows of a table by id, and those that have none or one that is taken.
    func named(_ table: CSVTable) -> (
        places: [AppRecordID: Int], bad: [(id: AppRecordID, why: String)]
    ) {
        var places: [AppRecordID: Int] = [:]
        var bad: [(AppRecordID, String)] = []
        let keys = [idColumn] + naturalKey
        let columns = keys.map { table.fields.firstIndex(of: AppField($0)) }
        for (place, row) in table.rows.enumerated() where !row.isBlank {
            let candidates = zip(keys, columns).compactMap { key, column -> AppRecordID? in
                guard let column, column < row.cells.count, !row.cells[column].trimmed.isEmpty
                else {
                    return nil
                }
                let text = row.cells[column].trimmed
                return AppRecordID(key == idColumn ? text : "\(key):\(text.lowercased())")
            }
            guard let id = candidates.first else {
                let keys = keys.joined(separator: " or ")
                bad.append(
                    (
                        AppRecordID("line:\(row.line)"),
                        "line \(row.line) has no \(keys), so it has no name"
                    ))
                continue
            }
            if let first = places[id] {
                let text = "lines \(table.rows[first].line) and \(row.line) have the same key \(id)"
                bad.append((AppRecordID("line:\(row.line)"), text))
            } else if row.cells.count > table.header.count {
                // A comma without quotes shifts every value behind it.
                bad.append(
                    (
                        id,
                        "line \(row.line) has \(row.cells.count) cells, the header "
                            + "\(table.header.count); quote commas inside cells"
                    ))
            } else {
                places[id] = place
            }
        }
        return (places, bad)
    }

    func record(_ id: AppRecordID, _ row: CSVParser.Row, _ table: CSVTable) -> AppRecord {
        var values: [AppField: String] = [:]
        values.reserveCapacity(table.fields.count)
        for (column, field) in table.fields.enumerated() {
            values[field] = column < row.cells.count ? row.cells[column] : ""
        }
        return AppRecord(id: id, version: version(of: table.bytes[row.range]), values: values)
    }

    /// FNV-1a of the row's bytes: tells one content of a row from another.
    func version(of bytes: ArraySlice<UInt8>) -> String {
        let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) {
            ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01b3
        }
        return String(hash, radix: 36)
    }

    /// The field a header stands for: by name or by label, without case.
    func field(of header: String) -> AppField {
        let name = header.trimmed.lowercased()
        if let known = newColumns.first(where: { $0.lowercased() == name }) {
            return AppField(known)
        }
        return labels.first { $0.value.lowercased() == name }?.key ?? AppField(header.trimmed)
    }

    func newID(_ key: String, _ values: [AppField: String], fields: [AppField]) -> AppRecordID {
        let hasIDs = fields.contains(AppField(idColumn))
        let natural = naturalKey.first { !(values[AppField($0)] ?? "").trimmed.isEmpty }
        guard !hasIDs, let natural else { return AppRecordID(key) }
        return AppRecordID("\(natural):\((values[AppField(natural)] ?? "").trimmed.lowercased())")
    }
}

/// What tells one saved state of a file from the next; all zero if there is none.
struct FileStamp: Equatable {
    let inode: UInt64
    let size: Int64
    let modifiedNanoseconds: Int64
    let permissions: UInt32
    let owner: UInt32
    let group: UInt32

    init(_ path: String) {
        var status = stat()
        let isThere = stat(path, &status) == 0
        inode = isThere ? UInt64(status.st_ino) : 0
        size = isThere ? Int64(status.st_size) : 0
        modifiedNanoseconds =
            isThere
            ? Int64(status.st_mtim.tv_sec) * 1_000_000_000 + Int64(status.st_mtim.tv_nsec) : 0
        owner = isThere ? status.st_uid : getuid()
        group = isThere ? status.st_gid : getgid()
        permissions = isThere ? UInt32(status.st_mode & 0o777) : 0o600
    }
}
