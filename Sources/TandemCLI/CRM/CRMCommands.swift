import ArgumentParser
import FoundationEssentials
import TandemCRM
import TandemConfig
import TandemDatabase
import TandemModel
import TandemSupport

struct CRMCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "crm", abstract: "Work with the records of the CRM store.",
        subcommands: [
            CRMList.self, CRMShow.self, CRMCreate.self, CRMUpdate.self, CRMDelete.self,
            CRMRestore.self, CRMAssociate.self, CRMLabels.self, CRMMerge.self, CRMUnmerge.self,
            CRMDuplicates.self, CRMSetMarketing.self, CRMImport.self, CRMExport.self,
            CRMProperties.self, CRMOwners.self, CRMLists.self, CRMTimeline.self,
            CRMSubscribe.self, CRMSubmitForm.self, CRMWorkflow.self, CRMPlaybook.self,
        ])
}

/// A record as `--json` prints it.
struct RecordDocument: Encodable {
    let id: String
    let object: String
    let properties: [String: String]
    let createdAt: String
    let updatedAt: String
    let archived: Bool
    /// Only where they were asked for, by object.
    var associations: [String: [AssociationDocument]]?

    enum CodingKeys: String, CodingKey {
        case id, object, properties, archived, associations
        case createdAt = "created_at"
        case updatedAt = "updated_at"
    }

    init(_ record: CRMRecord) {
        id = record.id.description
        object = record.object.text
        properties = record.properties.reduce(into: [:]) { $0[$1.key.text] = $1.value }
        createdAt = record.createdAt.description
        updatedAt = record.updatedAt.description
        archived = record.archivedAt != nil
    }
}

/// Turns `name=value` words into values.
///
/// - Throws: ``CommandFailure`` for a word without `=`, or a name given twice.
func assignments(_ words: [String]) throws -> Values {
    var values: Values = [:]
    for word in words {
        guard let sign = word.firstIndex(of: "="), sign != word.startIndex else {
            throw CommandFailure.usage("`\(word)`: expected property=value")
        }
        let name = PropertyName(String(word[..<sign]))
        guard values.updateValue(String(word[word.index(after: sign)...]), forKey: name) == nil
        else {
            throw CommandFailure.usage("`\(name)` is given twice")
        }
    }
    return values
}

extension AppContext {
    /// Reads the CRM store as a command does.
    func reading<Value>(_ work: (CRMReader) throws -> Value) throws -> Value {
        try database.read { try work(store.reader(in: $0)) }
    }

    /// Writes the CRM store, as its user unless somebody else is named.
    func writing<Value>(
        as origin: Origin = .user, _ work: (CRMReader, CRMWriter) throws -> Value
    ) throws -> Value {
        try database.write { connection in
            try work(
                store.reader(in: connection),
                try store.writer(in: connection, now: AppContext.now, origin: origin))
        }
    }

    /// - Throws: ``CRMError/unknownObject(_:nearest:)``.
    func object(_ name: String) throws -> ObjectName {
        _ = try store.schema.properties(of: ObjectName(name))
        return ObjectName(name)
    }
}

struct CRMCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a record; prints its id.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "contacts, companies, deals, tickets, products, or a custom object.")
    var object: String
    @Argument(help: "property=value, as many as there are.") var values: [String]
    @Flag(help: "Make the contact a marketing contact.") var marketing = false

    func run() async throws {
        try await reporting {
            let values = try assignments(values)
            let context = try shared.context()
            let object = try context.object(object)
            if marketing && object != .contacts {
                throw CommandFailure.usage("--marketing is for contacts")
            }
            let rules = context.configuration.marketing
            let record = try context.writing { reader, writer in
                let record = try writer.create(object, values)
                guard marketing else { return record }
                let outcome = try writer.setMarketing([record.id], to: true, rules)
                if let warning = outcome.warning { Terminal.complain("Warning: \(warning).") }
                return try reader.record(record.id) ?? record
            }
            if shared.json { return try Terminal.printJSON(RecordDocument(record)) }
            Terminal.write("\(record.id)\n")
        }
    }
}

struct CRMUpdate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "update", abstract: "Change properties of a record.",
        discussion: "`property=` without a value clears it.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Argument(help: "An id, or an email address, or a domain.") var record: String
    @Argument(help: "property=value, as many as there are.") var values: [String]

    func run() async throws {
        try await reporting {
            let values = try assignments(values)
            try await change(record, of: object, shared) { try $0.update($1, values) }
        }
    }
}

struct CRMShow: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one record, or what happened to it.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Argument(help: "An id, or an email address, or a domain.") var record: String
    @Flag(help: "Every value that a property had, when, and who wrote it.") var history = false

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let object = try context.object(object)
            let found = try context.reading { try $0.resolve(record, in: object) }
            if history { return try showHistory(of: found.id, context) }
            let associations = try context.associations(of: found.id)
            if shared.json {
                var document = RecordDocument(found)
                document.associations = associations
                return try Terminal.printJSON(document)
            }
            var table = TextTable(["PROPERTY", "VALUE"])
            table.add(["id", found.id.description])
            for (name, value) in found.properties.sorted(by: { $0.key < $1.key }) {
                table.add([name.text, value.replacing("\n", with: " ")])
            }
            table.add(["created", found.createdAt.description])
            table.add(["updated", found.updatedAt.description])
            if let archivedAt = found.archivedAt {
                table.add(["in the bin since", archivedAt.description])
            }
            for (object, list) in associations.sorted(by: { $0.key < $1.key }) {
                for other in list {
                    table.add([
                        "in \(object)", "\(other.id) \(other.labels.joined(separator: ", "))",
                    ])
                }
            }
            Terminal.write(table.text)
        }
    }

    private struct Change: Encodable {
        let at: String
        let kind: String
        let source: String
        let properties: [String: String]
    }

    private func showHistory(of id: RecordID, _ context: AppContext) throws {
        let changes = try context.reading { try $0.history(of: id) }
        if shared.json {
            let history = changes.map { change in
                Change(
                    at: change.at.description, kind: change.kind.rawValue,
                    source: change.origin.text,
                    properties: Dictionary(
                        uniqueKeysWithValues: change.patch.map { ($0.key.text, $0.value) }))
            }
            return try Terminal.printJSON(["history": history])
        }
        var table = TextTable(["AT", "KIND", "SOURCE", "PROPERTY", "VALUE"])
        for change in changes {
            let head = [change.at.description, change.kind.rawValue, change.origin.text]
            if change.patch.isEmpty { table.add(head + ["", ""]) }
            for (name, value) in change.patch.sorted(by: { $0.key < $1.key }) {
                table.add(head + [name.text, value])
            }
        }
        Terminal.write(table.text)
    }
}

struct CRMList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List records of an object.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Option(help: "Only records with property=value; may be repeated.") var `where`: [String] = []
    @Option(help: "At most so many.") var limit = 100
    @Flag(help: "Those in the bin.") var archived = false

    func validate() throws {
        guard limit > 0 else { throw ValidationError("--limit takes a number above 0.") }
    }

    func run() async throws {
        try await reporting {
            let wanted = try assignments(`where`)
            let context = try shared.context()
            let object = try context.object(object)
            for name in wanted.keys { _ = try context.store.schema.property(name, of: object) }
            var found: [CRMRecord] = []
            try context.reading { reader in
                var last = RecordID(0)
                while found.count <= limit {
                    let batch = try reader.records(
                        of: object, after: last, limit: 500, areArchived: archived)
                    guard let end = batch.last else { break }
                    last = end.id
                    found += batch.filter { record in
                        wanted.allSatisfy { record.properties[$0.key, default: ""] == $0.value }
                    }
                }
            }
            let shown = found.prefix(limit)
            if found.count > limit {
                Terminal.complain("There are more than \(limit); --limit shows more of them.")
            }
            if shared.json {
                return try Terminal.printJSON(["results": shown.map(RecordDocument.init)])
            }
            show(Array(shown), object)
        }
    }

    private func show(_ records: [CRMRecord], _ object: ObjectName) {
        let usual: [ObjectName: [PropertyName]] = [
            .contacts: ["email", "firstname", "lastname", "company", "phone"],
            .companies: ["name", "domain", "city", "country"],
            .deals: ["dealname", "amount", "dealstage"],
            .tickets: ["subject", "hs_pipeline_stage"],
            .products: ["name", "hs_sku", "price"],
        ]
        let used = Set(records.flatMap { $0.properties.keys }).sorted()
        let columns = usual[object] ?? Array(used.prefix(5))
        var table = TextTable(["ID"] + columns.map { $0.text.uppercased() })
        for record in records {
            table.add(
                [record.id.description]
                    + columns.map { (record.properties[$0] ?? "").replacing("\n", with: " ") })
        }
        Terminal.write(table.text)
    }
}

struct CRMDelete: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "delete", abstract: "Move a record to the bin, where it stays for 90 days.",
        discussion: """
            --forever is for people who ask to be forgotten: the record, what was merged into it and \
            all values of its history are removed, and no sync makes a contact with its addresses again.
            """)
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Argument(help: "An id, or an email address, or a domain.") var record: String
    @Flag(help: "Remove it for good; nothing brings it back.") var forever = false
    @Flag(help: "Do not ask.") var yes = false

    func run() async throws {
        try await change(record, of: object, shared) { writer, id in
            guard forever else { return try writer.archive(id) }
            guard yes else {
                throw CommandFailure.failed(
                    "this removes \(object) \(id) and its history for good; say --yes to go on")
            }
            try writer.erase(id)
        }
    }
}

struct CRMRestore: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Bring a record back from the bin, under its id.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Argument(help: "The id.") var record: String

    func run() async throws {
        try await change(record, of: object, shared) { try $0.restore($1) }
    }
}

/// Does something to one record, and prints what it is then for programs.
private func change(
    _ name: String, of object: String, _ shared: SharedOptions,
    _ work: (CRMWriter, RecordID) throws -> Void
) async throws {
    try await reporting {
        let context = try shared.context()
        let object = try context.object(object)
        let changed = try context.writing { reader, writer in
            let id = try reader.resolve(name, in: object).id
            try work(writer, id)
            return try reader.record(id)
        }
        if shared.json, let changed { try Terminal.printJSON(RecordDocument(changed)) }
    }
}
