import ArgumentParser
import TandemCRM
import TandemModel
import TandemSupport

/// One associated record as `--json` prints it.
struct AssociationDocument: Encodable {
    let id: String
    let labels: [String]
}

extension AppContext {
    /// How many associated records of one object are shown.
    private static let shown = 100

    /// The records that one is associated with, by object; at most a hundred of each.
    func associations(of id: RecordID) throws -> [String: [AssociationDocument]] {
        try reading { reader in
            var all: [String: [AssociationDocument]] = [:]
            for object in store.schema.objects.keys {
                let list = try reader.associations(of: id, to: object, limit: Self.shown + 1)
                if list.isEmpty { continue }
                if list.count > Self.shown {
                    Terminal.complain("There are more than \(Self.shown) associated \(object).")
                }
                all[object.text] = list.prefix(Self.shown).map { association in
                    AssociationDocument(
                        id: association.to.description,
                        labels: association.types.compactMap(\.label))
                }
            }
            return all
        }
    }
}

struct CRMAssociate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "associate", abstract: "Associate two records, or end that.",
        discussion: """
            The first company of a record becomes its primary one; --label Primary moves that. Labels \
            that are named replace those there are.
            """)
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object of one record.") var object: String
    @Argument(help: "Its id, or an email address, or a domain.") var record: String
    @Argument(help: "The object of the other record.") var otherObject: String
    @Argument(help: "Its id, or an email address, or a domain.") var otherRecord: String
    @Option(help: "How they belong together; may be repeated. `crm labels` lists them.")
    var label: [String] = []
    @Flag(help: "End the association, or with --label only that label.") var remove = false

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let (from, to) = (try context.object(object), try context.object(otherObject))
            let changed = try context.writing { reader, writer in
                let one = try reader.resolve(record, in: from).id
                let other = try reader.resolve(otherRecord, in: to).id
                let types = try reader.associationTypes(from: from, to: to)
                let ids = label.isEmpty ? nil : Set(try label.map { try id(of: $0, in: types) })
                return remove
                    ? try writer.dissociate(one, other, labels: ids)
                    : try writer.associate(one, other, labels: ids)
            }
            if shared.json { return try Terminal.printJSON(["changed": changed]) }
            Terminal.write(changed ? "done\n" : "nothing to do\n")
        }
    }

    private func id(of label: String, in types: [AssociationType]) throws -> Int64 {
        if let type = types.first(where: { $0.label?.lowercased() == label.lowercased() }) {
            return type.id
        }
        let known = types.compactMap(\.label)
        throw CommandFailure.failed(
            "no label `\(label)` from \(object) to \(otherObject)"
                + "\(suggestion(for: label, in: known)); `tandem crm labels \(object) \(otherObject)` lists them"
        )
    }
}

struct CRMLabels: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "labels",
        abstract: "List the association types between two objects, or add one.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "One object.") var object: String
    @Argument(help: "The other.") var otherObject: String
    @Option(help: "Add a label of this name.") var add: String?
    @Option(help: "What the label is called from the other side; the same if not given.")
    var inverse: String?

    func validate() throws {
        if add == nil && inverse != nil {
            throw ValidationError("--inverse names a label to --add.")
        }
    }

    private struct Row: Encodable {
        let id: String
        let label: String
        let inverse: String
        let category: String
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let (from, to) = (try context.object(object), try context.object(otherObject))
            if let add {
                if add.trimmed.isEmpty { throw CommandFailure.usage("--add takes a name") }
                try context.writing { _, writer in
                    _ = try writer.addLabel(add, inverse: inverse, from: from, to: to)
                }
            }
            let rows = try context.reading { try $0.associationTypes(from: from, to: to) }.map {
                Row(
                    id: "\($0.id)", label: $0.label ?? "", inverse: "\($0.inverse)",
                    category: $0.isCustom ? "USER_DEFINED" : "HUBSPOT_DEFINED")
            }
            if shared.json { return try Terminal.printJSON(["results": rows]) }
            var table = TextTable(["ID", "LABEL", "INVERSE", "CATEGORY"])
            for row in rows { table.add([row.id, row.label, row.inverse, row.category]) }
            Terminal.write(table.text)
        }
    }
}
