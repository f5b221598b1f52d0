import ArgumentParser
import FoundationEssentials
import Glibc
import TandemCRM
import TandemCSV
import TandemConfig
import TandemDatabase
import TandemModel
import TandemSupport

struct CRMImport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Import records from a CSV file.",
        discussion: """
            Columns are headed by property names or labels, in any order. Rows that are refused \
            go to FILE.rejects.csv with their line and the reason; the others are imported. With \
            --marketing the contacts of one file become marketing contacts; the number of its rows \
            must be typed.
            """)
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Argument(help: "The file, or several.", completion: .file(extensions: ["csv"]))
    var files: [String]
    @Option(help: "Update records found by email or id instead of making new ones.") var updateBy:
        String?

    @Option(
        name: .customLong("map"), parsing: .singleValue,
        help: "What a column stands for: Header=property; may be repeated.")
    var maps: [String] = []
    @Flag(help: "Leave out columns that are no property.") var skipUnknown = false
    @Option(help: "How the files are written, if they have no byte order mark.") var encoding:
        String?
    @Flag(help: "The contacts become marketing contacts.") var marketing = false
    @Option(help: "How many rows the file has, with --marketing.") var confirmCount: Int?

    enum Key: String, CaseIterable {
        case email, id
    }

    func run() async throws {
        try await reporting {
            let key = try word(updateBy, "--update-by", Key.self)
            let encoding = try word(encoding, "--encoding", CSVEncoding.self) ?? .utf8
            let columns = try Columns(maps: maps, skipsUnknown: skipUnknown)
            let context = try shared.context()
            let object = try context.object(object)
            if marketing { try confirmMarketing(object, encoding) }
            if confirmCount != nil && !marketing {
                throw CommandFailure.usage("--confirm-count goes with --marketing")
            }
            var result = Importer.Result()
            for file in files {
                let importer = try Importer(
                    context: context, object: object,
                    source: CSVSource(file: file, encoding: encoding),
                    key: key, columns: columns, isMarketing: marketing)
                result.add(try importer.run())
            }
            if shared.json {
                try Terminal.printJSON(result)
            } else {
                Terminal.write(
                    "\(result.created) created, \(result.updated) updated, \(result.rejected) rejected\n"
                )
                if result.rejected > 0 {
                    Terminal.complain("The rejected rows are in \(result.rejects).")
                }
            }
            if result.rejected > 0 { throw ExitCode(3) }
        }
    }

    /// - Throws: ``CommandFailure`` unless the one file of contacts has as many rows as was typed.
    private func confirmMarketing(_ object: ObjectName, _ encoding: CSVEncoding) throws {
        guard object == .contacts, files.count == 1 else {
            throw CommandFailure.usage("--marketing takes one file of contacts")
        }
        let rows = try CSVSource(file: files[0], encoding: encoding).count()
        guard confirmCount == rows else {
            throw CommandFailure.failed(
                "\(files[0]) has \(rows) rows; repeat it with --confirm-count \(rows)")
        }
    }
}

/// What the user said of the columns of a file.
struct Columns {
    /// Properties by headers in lower case.
    var named: [String: PropertyName] = [:]
    let skipsUnknown: Bool

    /// - Throws: ``CommandFailure`` for anything but `Header=property`.
    init(maps: [String], skipsUnknown: Bool) throws {
        self.skipsUnknown = skipsUnknown
        for map in maps {
            // A header may have an equals sign in it, a property has none.
            guard let mark = map.lastIndex(of: "="), mark != map.startIndex,
                map.index(after: mark) != map.endIndex
            else { throw CommandFailure.usage("--map \(map): expected Header=property") }
            named[String(map[..<mark]).trimmed.lowercased()] =
                PropertyName(String(map[map.index(after: mark)...]).trimmed)
        }
    }
}

/// A CSV file, read piece by piece.
struct CSVSource {
    let file: String
    let encoding: CSVEncoding

    /// Hands every row to `take`, the header first.
    ///
    /// - Throws: ``CommandFailure`` if it cannot be read; ``CSVParser/Problem``.
    func each(_ take: (CSVParser.Row) throws -> Void) throws {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw CommandFailure.failed("cannot read \(file): \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        var decoder = CSVDecoder(encoding)
        var parser: CSVParser?
        while case let chunk = try read(descriptor), !chunk.isEmpty {
            let text = decoder.take(chunk)
            if parser == nil {
                let format = CSVFormat(guessing: text)
                parser = CSVParser(format)
                try parser?.take(text.dropFirst(format.preamble), row: take)
            } else {
                try parser?.take(text, row: take)
            }
        }
        if decoder.isCut {
            throw CommandFailure.failed("\(file) ends in the middle of a character")
        }
        try parser?.finish(row: take)
    }

    /// How many rows there are besides the header and those that are empty.
    func count() throws -> Int {
        var count = -1
        do { try each { count += $0.isBlank && count >= 0 ? 0 : 1 } } catch let problem
            as CSVParser.Problem
        {
            throw CommandFailure.failed("\(file): \(problem)")
        }
        return max(0, count)
    }

    private func read(_ descriptor: Int32) throws -> [UInt8] {
        var isBroken = false
        let bytes = [UInt8](unsafeUninitializedCapacity: 1 << 18) { buffer, count in
            var got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            while got < 0 && errno == EINTR {
                got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            }
            isBroken = got < 0
            count = max(0, got)
        }
        if isBroken {
            throw CommandFailure.failed("cannot read \(file): \(String(cString: strerror(errno)))")
        }
        return bytes
    }
}

/// Imports one file, in transactions of some hundred rows, with memory for one of them.
final class Importer {
    struct Result: Encodable {
        var created = 0
        var updated = 0
        var rejected = 0
        var rejects = ""

        mutating func add(_ other: Self) {
            created += other.created
            updated += other.updated
            rejected += other.rejected
            if !other.rejects.isEmpty {
                rejects += (rejects.isEmpty ? "" : ", ") + other.rejects
            }
        }
    }

    private static let batch = 500
    private let context: AppContext
    private let object: ObjectName
    private let source: CSVSource
    private let key: CRMImport.Key?
    private let said: Columns
    private let isMarketing: Bool
    private var columns: [PropertyName?] = []
    private var idColumn: Int?
    private var waiting: [CSVParser.Row] = []
    private var result = Result()
    private var rejects: AtomicFile?
    private var header: [String] = []

    init(
        context: AppContext, object: ObjectName, source: CSVSource, key: CRMImport.Key?,
        columns: Columns,
        isMarketing: Bool
    ) throws {
        if key == .email && object != .contacts {
            throw CommandFailure.usage("--update-by email is for contacts; use --update-by id")
        }
        self.context = context
        self.object = object
        self.source = source
        self.key = key
        said = columns
        self.isMarketing = isMarketing
    }

    private var file: String { source.file }

    func run() throws -> Result {
        do { try source.each { try take($0) } } catch let problem as CSVParser.Problem {
            try flush()
            try rejects?.commit()
            throw CommandFailure.failed(
                "\(file): \(problem); \(result.created + result.updated) rows before it are imported"
            )
        }
        if header.isEmpty { Terminal.complain("\(file) is empty.") }
        try flush()
        try rejects?.commit()
        Terminal.progress("")
        return result
    }

    private func take(_ row: CSVParser.Row) throws {
        if header.isEmpty { return try takeHeader(row) }
        // What a spreadsheet leaves behind where rows were emptied is no record.
        if row.isBlank { return }
        waiting.append(row)
        if waiting.count == Self.batch { try flush() }
    }

    private func takeHeader(_ row: CSVParser.Row) throws {
        let cells = row.cells.map(\.trimmed)
        header = Array(cells.prefix((cells.lastIndex { !$0.isEmpty } ?? -1) + 1))
        if header.isEmpty {
            throw CommandFailure.failed("\(file): the first line is blank; expected headers")
        }
        let properties = try context.store.schema.properties(of: object)
        let byLabel = Dictionary(
            properties.values.map { ($0.label.lowercased(), $0.name) },
            uniquingKeysWith: { first, _ in first })
        let known = properties.keys.map(\.text) + properties.values.map(\.label)
        var unknown: [String] = []
        for (index, name) in header.enumerated() {
            let word = name.lowercased()
            let mapped = said.named[word]
            if let mapped, properties[mapped] == nil {
                throw CommandFailure.failed(
                    "--map \(name)=\(mapped): there is no property `\(mapped)`"
                        + suggestion(for: mapped.text, in: known))
            }
            if mapped == nil, word == "id" || word == "record id" {
                idColumn = index
                columns.append(nil)
            } else if let property = mapped ?? properties[PropertyName(word)]?.name ?? byLabel[word]
            {
                if columns.contains(property) {
                    throw CommandFailure.failed("\(file): two columns stand for `\(property)`")
                }
                columns.append(property)
            } else {
                if !name.isEmpty {
                    unknown.append("`\(name)`\(suggestion(for: name, in: known))")
                }
                columns.append(nil)
            }
        }
        if let strange = said.named.keys.filter({ name in
            !header.contains { $0.lowercased() == name }
        }).min() {
            throw CommandFailure.failed("\(file) has no column `\(strange)`, which --map names")
        }
        if !unknown.isEmpty && (!said.skipsUnknown || columns.allSatisfy { $0 == nil }) {
            throw CommandFailure.failed(
                "\(file): no property is called \(unknown.joined(separator: ", ")); "
                    + "`tandem crm properties \(object)` lists them. --map \"Header=property\" says what a "
                    + "column stands for, --skip-unknown leaves out the rest")
        }
        if key != .id && idColumn != nil {
            Terminal.complain(
                "The column `\(header[idColumn ?? 0])` is not used: new records get ids of their own; "
                    + "--update-by id updates the records with these ids.")
        }
        if key == .id && idColumn == nil {
            throw CommandFailure.failed("\(file): --update-by id needs a column `id`")
        }
        if key == .email && !columns.contains("email") {
            throw CommandFailure.failed("\(file): --update-by email needs a column `email`")
        }
    }

    private func flush() throws {
        let rows = waiting
        waiting = []
        let refused = try context.database.write { connection in
            let writer = try context.store.writer(
                in: connection, now: AppContext.now, origin: .import)
            let reader = context.store.reader(in: connection)
            return try rows.compactMap { row -> (CSVParser.Row, String)? in
                do {
                    // One contact too many for the quota leaves nothing behind.
                    if isMarketing {
                        try connection.nested { try put(row, reader, writer) }
                    } else {
                        try put(row, reader, writer)
                    }
                    return nil
                } catch let error as CRMError {
                    return (row, error.description)
                } catch let error as CommandFailure {
                    return (row, error.description)
                }
            }
        }
        for (row, reason) in refused { try reject(row, reason) }
        Terminal.progress("\(result.created + result.updated + result.rejected) rows")
    }

    private func put(_ row: CSVParser.Row, _ reader: CRMReader, _ writer: CRMWriter) throws {
        guard row.cells.dropFirst(header.count).allSatisfy({ $0.trimmed.isEmpty }) else {
            throw CommandFailure.failed(
                "it has \(row.cells.count) cells, the header \(header.count); quote commas inside cells"
            )
        }
        var values: Values = [:]
        for (column, cell) in zip(columns, row.cells) {
            if let column { values[column] = cell }
        }
        let known = try target(row, values, reader)
        let id = try known ?? writer.create(object, values).id
        if known != nil { try writer.update(id, values) }
        if isMarketing {
            _ = try writer.setMarketing([id], to: true, context.configuration.marketing)
        }
        if known == nil { result.created += 1 } else { result.updated += 1 }
    }

    /// The record that a row updates; `nil` if it makes a new one.
    private func target(_ row: CSVParser.Row, _ values: Values, _ reader: CRMReader) throws
        -> RecordID?
    {
        switch key {
        case .none: return nil
        case .id:
            let text = idColumn.flatMap { $0 < row.cells.count ? row.cells[$0].trimmed : nil } ?? ""
            return text.isEmpty ? nil : try reader.resolve(text, in: object).id
        case .email:
            let email = values["email"]?.trimmed ?? ""
            if email.isEmpty { return nil }
            do { return try reader.resolve(email, in: object).id } catch CRMError.notFound {
                return nil
            }
        }
    }

    private func reject(_ row: CSVParser.Row, _ reason: String) throws {
        let path = file + ".rejects.csv"
        if rejects == nil {
            rejects = try AtomicFile(path)
            rejects?.write(CSVFormat().line(["line", "reason"] + header))
        }
        result.rejected += 1
        result.rejects = path
        rejects?.write(CSVFormat().line(["\(row.line)", reason] + row.cells))
    }
}

struct CRMExport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write all living records of an object as CSV.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Option(help: "The file to write; standard output if none is named.", completion: .file())
    var output: String?

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let object = try context.object(object)
            guard let output else { return try export(context, object) { Terminal.write($0) } }
            let file = try AtomicFile(output)
            try export(context, object) { file.write($0) }
            try file.commit()
        }
    }

    private func export(_ context: AppContext, _ object: ObjectName, to sink: (String) -> Void)
        throws
    {
        let names = try context.store.schema.properties(of: object).values
            .filter { !$0.isReadOnly && $0.archivedAt == nil }.map(\.name).sorted()
        let format = CSVFormat()
        sink(format.line(["id"] + names.map(\.text)))
        try context.reading { reader in
            var last = RecordID(0)
            while case let batch = try reader.records(of: object, after: last, limit: 500),
                let end = batch.last
            {
                for record in batch {
                    sink(
                        format.line(
                            [record.id.description] + names.map { record.properties[$0] ?? "" }))
                }
                last = end.id
            }
        }
    }
}
