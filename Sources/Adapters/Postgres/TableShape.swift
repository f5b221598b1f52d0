import AdapterKit
import TandemModel
import TandemSupport

/// What the server's catalog says of a table (manual, chapter 53), and how its values are written
/// in SQL.
struct TableShape: Hashable, Sendable {
    struct Column: Hashable, Sendable {
        let name: String
        /// As SQL names it, without a length: a cast to `varchar(12)` would cut what is longer, where
        /// an assignment refuses it, and `character` alone is one of them (manual, §8.3).
        let type: String
        /// `pg_type.typcategory`: S text, N number, B truth, D time, E enumeration, A array.
        let category: String
        /// `pg_type.typname`.
        let kind: String
        let isRequired: Bool
        /// Generated, or always an identity.
        let isComputed: Bool
        let maximumLength: Int?
        let isNullable: Bool
        /// A time of whole seconds or tenths, which stands below the moment that it is of.
        let isCoarse: Bool
    }

    /// `"public"."people"`.
    let sqlName: String
    /// `public.people`.
    let name: String
    /// `"public"`.
    let schema: String
    /// The server, the database and the table; a copy on another server has another one.
    let identity: String
    let columns: [String: Column]
    let key: [Column]
    /// It has rows of its own, and so their transactions; a view has not.
    let isTable: Bool
    let settings: PostgresSettings
    /// The mapped columns that there are.
    let fields: [Column]
    /// Says of the others that they are not there.
    let lacking: AppError?

    /// Reads the catalog.
    ///
    /// - Throws: ``AppError/askOperator(_:_:remedy:)`` for a table, a column or a key that is not
    ///   there.
    static func read(_ settings: PostgresSettings, _ connection: PGConnection)
        async throws(AppError) -> TableShape
    {
        try await appErrors("read the catalog") {
            let table = try await connection.rows(
                """
                SELECT c.oid::text, n.nspname, c.relname, c.relkind::text,
                (SELECT system_identifier::text FROM pg_control_system()) || '/' || d.oid::text,
                current_database(), current_setting('server_version_num')
                FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, pg_database d
                WHERE c.oid = to_regclass($1) AND d.datname = current_database()
                """,
                [
                    Self.names(in: settings.table).map(\.sqlName).joined(separator: ".")
                ])
            guard let row = table.first?.map({ $0 ?? "" }) else {
                throw AppError.askOperator(
                    .mapping, "the database has no table `\(settings.table)`, or hides it",
                    remedy:
                        "Name one that its user may read as `app-object`, such as public.people.")
            }
            if (Int(row[6]) ?? 0) < 130_000 {
                throw AppError.askOperator(
                    .mapping, "the server is PostgreSQL \(row[6])",
                    remedy: "Bring it to version 13 or later.")
            }
            let columns = try await connection.rows(Self.columnsSQL, [row[0]])
            let primary = try await connection.rows(
                """
                SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(number, place),
                pg_attribute a WHERE i.indrelid = $1::oid AND i.indisprimary
                AND a.attrelid = i.indrelid AND a.attnum = k.number ORDER BY k.place
                """, [row[0]])
            return try TableShape(
                settings, row, columns, primaryKey: primary.compactMap { $0[0] })
        }
    }

    /// The names in `public.people` or `public."my.people"`: a dot in quotes is one of the name's own.
    static func names(in text: String) -> [String] {
        var names = [""]
        var isQuoted = false
        for character in text {
            if character == "\"" {
                isQuoted.toggle()
            } else if character == "." && !isQuoted {
                names.append("")
            } else {
                names[names.count - 1].append(character)
            }
        }
        return names
    }

    private static let columnsSQL = """
        SELECT a.attname,
        CASE t.typname WHEN 'bpchar' THEN 'bpchar' WHEN 'bit' THEN 'varbit'
        ELSE format_type(a.atttypid, NULL) END, t.typcategory::text, t.typname,
        (a.attnotnull AND NOT a.atthasdef AND a.attidentity = '')::text,
        (a.attgenerated <> '' OR a.attidentity = 'a')::text,
        CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4
        THEN (a.atttypmod - 4)::text END, (NOT a.attnotnull)::text,
        (t.typname IN ('timestamp', 'timestamptz') AND a.atttypmod BETWEEN 0 AND 5)::text
        FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
        WHERE a.attrelid = $1::oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
        """

    private init(
        _ settings: PostgresSettings, _ row: [String], _ rows: PGConnection.Rows,
        primaryKey: [String]
    ) throws(AppError) {
        self.settings = settings
        sqlName = "\(row[1].sqlName).\(row[2].sqlName)"
        name = "\(row[1]).\(row[2])"
        schema = row[1].sqlName
        identity = "\(row[5])/\(row[4])/\(name)"
        isTable = ["r", "p", "m"].contains(row[3])
        let columns = rows.reduce(into: [String: Column]()) { columns, row in
            let name = row[0] ?? ""
            columns[name] = Column(
                name: name, type: row[1] ?? "text", category: row[2] ?? "S", kind: row[3] ?? "text",
                isRequired: row[4] == "true", isComputed: row[5] == "true",
                maximumLength: row[6].flatMap { Int($0) }, isNullable: row[7] == "true",
                isCoarse: row[8] == "true")
        }
        self.columns = columns
        let table = name
        func column(_ name: String) throws(AppError) -> Column {
            if let column = columns[name] { return column }
            let known = columns.keys.sorted()
            throw .askOperator(
                .mapping, "\(table) has no column `\(name)`\(suggestion(for: name, in: known))",
                remedy: "Name one of \(known.joined(separator: ", ")).")
        }
        let keyNames = settings.key.isEmpty ? primaryKey : settings.key
        guard !keyNames.isEmpty else {
            throw .askOperator(
                .mapping, "\(table) has no primary key",
                remedy: "Name the columns that name a row: `tables: {\(table): {key: [id]}}`.")
        }
        key = try keyNames.map(column)
        fields = settings.fields.compactMap { columns[$0.text] }
        do {
            for field in settings.fields { _ = try column(field.text) }
            lacking = nil
        } catch { lacking = error }
        if case .column(let name, _) = settings.changes, try !column(name).canTellChanges {
            throw .askOperator(
                .mapping, "`\(name)` of \(table) is neither a time nor a whole number",
                remedy: "Name a column that every change sets to a later time or a greater number.")
        }
        if case .transaction = settings.changes, !isTable {
            throw .askOperator(
                .mapping, "\(table) is a view, and has no transactions",
                remedy: "Say `changes: COLUMN`, or `changes: none` to list it as a whole each time."
            )
        }
        for name in [settings.deleted, settings.version, settings.created, settings.origin] {
            if let name { _ = try column(name) }
        }
    }

    var profileFields: [FieldSchema] {
        columns.values.sorted { $0.name < $1.name }.map { column in
            FieldSchema(
                AppField(column.name), type: column.valueType, isWritable: !column.isComputed,
                isRequired: column.isRequired, maximumLength: column.maximumLength)
        }
    }
}

/// Pieces of SQL; the row is always `t`.
extension TableShape {
    /// What names a row: `t."a", t."b"`.
    var keyList: String { key.map { "t.\($0.name.sqlName)" }.joined(separator: ", ") }

    /// The key as texts.
    var keyTexts: String { key.map { "t.\($0.name.sqlName)::text" }.joined(separator: ", ") }

    /// A text that differs when the row differs as far as it is mapped.
    var version: String {
        if let version = settings.version { return "t.\(version.sqlName)::text" }
        // NULL and blank differ here, as they do in the table.
        return "md5(ROW(\(fields.map { "t.\($0.name.sqlName)" }.joined(separator: ", ")))::text)"
    }

    /// Whether a row counts as deleted: an SQL condition.
    var isDeleted: String {
        guard let name = settings.deleted, let column = columns[name] else { return "false" }
        return column.category == "B"
            ? "coalesce(t.\(name.sqlName), false)" : "t.\(name.sqlName) IS NOT NULL"
    }

    /// Everything that a record is made of, in the order of ``record(_:)``.
    var recordColumns: String {
        let created = settings.created.flatMap { columns[$0] }.map { $0.text } ?? "NULL"
        return
            ([keyTexts, version, "(\(isDeleted))::text", created] + fields.map(\.text))
            .joined(separator: ", ")
    }

    /// How many columns ``recordColumns`` has.
    var recordWidth: Int { key.count + 3 + fields.count }

    /// The column of the key that a row has nothing in; `nil` for a row with its whole key.
    func emptyKey(of row: ArraySlice<String?>) -> String? {
        zip(key, row).first { $1?.isEmpty ?? true }?.0.name
    }

    func id(_ row: ArraySlice<String?>) -> AppRecordID {
        AppRecordID(parts: row.prefix(key.count).map { $0 ?? "" })
    }

    /// A row of ``recordColumns``; `nil` if it counts as deleted.
    func record(_ row: ArraySlice<String?>) -> AppRecord? {
        let rest = Array(row.dropFirst(key.count))
        guard rest[1] != "true" else { return nil }
        var values: [AppField: String] = [:]
        for (place, column) in fields.enumerated() {
            values[AppField(column.name)] = rest[3 + place] ?? ""
        }
        return AppRecord(
            id: id(row), version: rest[0], values: values,
            createdAt: rest[2].flatMap { Timestamp(rfc3339: $0) })
    }
}

extension TableShape.Column {
    /// The value as a text in the form of our values.
    var text: String {
        let name = "t.\(name.sqlName)"
        let moment = "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"'"
        return switch kind {
        case "timestamptz": told("to_char(\(name) AT TIME ZONE 'UTC', \(moment))")
        case "timestamp": told("to_char(\(name), \(moment))")
        case "date": told("to_char(\(name), 'YYYY-MM-DD')")
        case _ where category == "A": "array_to_string(\(name), ';')"
        default: "\(name)::text"
        }
    }

    /// A time in `form`, which has neither eras nor years of five digits: others are in the server's own, which
    /// no type of ours takes.
    private func told(_ form: String) -> String {
        let name = "t.\(name.sqlName)"
        return "CASE WHEN \(name) < '0001-01-01' OR \(name) >= '10000-01-01' THEN \(name)::text "
            + "ELSE \(form) END"
    }

    /// The value that a text stands for; blank is NULL where the column may be.
    func value(_ text: String) -> String {
        let blank = category == "S" && !isNullable ? text : "nullif(\(text), '')"
        return switch kind {
        case "timestamp": "(\(blank)::timestamptz AT TIME ZONE 'UTC')"
        case _ where category == "A": "string_to_array(\(blank), ';')::\(type)"
        default: "\(blank)::\(type)"
        }
    }

    var valueType: ValueType? {
        switch (category, kind) {
        case ("N", _): .number
        case ("B", _): .bool
        case ("D", "date"): .date
        case ("D", "timestamp"), ("D", "timestamptz"): .datetime
        case ("E", _): .enumeration
        case ("A", _): .multiEnumeration
        case ("S", _): .string
        default: nil
        }
    }
}
