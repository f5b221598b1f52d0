import ArgumentParser
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

extension CRMReader {
    /// Finds a record whose object is not said: by id, a contact by an email address, a company by a
    /// domain.
    ///
    /// - Throws: ``CRMError/notFound(_:_:)``.
    func find(_ text: String) throws -> CRMRecord {
        if let number = Int64(text), let found = try record(current(RecordID(number))) {
            return found
        }
        if Int64(text) != nil { throw CRMError.notFound("records", text) }
        return try resolve(text, in: text.contains("@") ? .contacts : .companies)
    }
}

struct CRMMerge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge", abstract: "Make one record of two of the same object.",
        discussion: """
            The first one's values win; what it lacks comes from the second. The result has an id of its \
            own, and both old ids go on finding it. `crm unmerge` undoes it within 90 days.
            """)
    @OptionGroup var shared: SharedOptions
    @Argument(help: "Whose values win: an id, an email address, or a domain.") var primary: String
    @Argument(help: "The other one.") var secondary: String
    @Option(
        parsing: .upToNextOption,
        help: "property=secondary: take the second one's value; property=primary is the rule.")
    var keep: [String] = []
    @Flag(help: "Show what the result would be, and change nothing.") var dryRun = false

    private struct Preview: Encodable {
        let primary: String
        let secondary: String
        let properties: [String: String]
    }

    func run() async throws {
        try await reporting {
            let picked = try picked()
            let context = try shared.context()
            if dryRun { return try preview(context, picked) }
            let result = try context.writing { reader, writer in
                let (one, other) = try pair(reader, context)
                return try writer.merge(one.id, other.id, picked: picked)
            }
            if shared.json { return try Terminal.printJSON(RecordDocument(result)) }
            Terminal.write("\(result.id)\n")
        }
    }

    private func pair(_ reader: CRMReader, _ context: AppContext) throws -> (CRMRecord, CRMRecord) {
        let (one, other) = (try reader.find(primary), try reader.find(secondary))
        if one.object == .companies && context.refusesCompanyMerges {
            throw CRMError.cannotMerge("a Salesforce connection syncs companies")
        }
        return (one, other)
    }

    /// The properties of which the second record's value is wanted.
    private func picked() throws -> Set<PropertyName> {
        var picked: Set<PropertyName> = []
        for (name, side) in try assignments(keep) {
            switch side {
            case "secondary": picked.insert(name)
            case "primary": break
            default:
                throw CommandFailure.usage(
                    "`\(name)=\(side)`: expected \(name)=primary or \(name)=secondary")
            }
        }
        return picked
    }

    private func preview(_ context: AppContext, _ picked: Set<PropertyName>) throws {
        let (one, other, values) = try context.database.read { connection in
            let reader = context.store.reader(in: connection)
            let writer = try context.store.writer(
                in: connection, now: AppContext.now, origin: .user)
            let (one, other) = try pair(reader, context)
            return (one, other, try writer.plannedMerge(one.id, other.id, picked: picked))
        }
        if shared.json {
            return try Terminal.printJSON(
                Preview(
                    primary: "\(one.id)", secondary: "\(other.id)",
                    properties: values.reduce(into: [:]) { $0[$1.key.text] = $1.value }))
        }
        var table = TextTable(["PROPERTY", "\(one.id)", "\(other.id)", "RESULT"])
        let names = Set(values.keys).union(one.properties.keys).union(other.properties.keys)
        for name in names.sorted() {
            table.add([
                name.text, one.properties[name] ?? "", other.properties[name] ?? "",
                values[name] ?? "",
            ])
        }
        Terminal.write(table.text)
    }
}

struct CRMUnmerge: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unmerge", abstract: "Split a merged record into the two it was made of.",
        discussion: """
            Both come back as they were, under their ids. What was written to the result since is \
            listed and stays with it, in the bin.
            """)
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The merged record: its id, or one of the old ids.") var record: String

    private struct Document: Encodable {
        let restored: [String]
        let later: [Edit]
    }

    private struct Edit: Encodable {
        let at: String
        let source: String
        let properties: [String: String]
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let undone = try context.writing { reader, writer in
                try writer.unmerge(reader.find(record).id)
            }
            let restored = [undone.merge.primary, undone.merge.secondary].map(\.description)
            if shared.json {
                return try Terminal.printJSON(
                    Document(
                        restored: restored,
                        later: undone.later.map { change in
                            Edit(
                                at: change.at.description, source: change.origin.text,
                                properties: change.patch.reduce(into: [:]) {
                                    $0[$1.key.text] = $1.value
                                })
                        }))
            }
            Terminal.write("Records \(restored.joined(separator: " and ")) are back.\n")
            if undone.later.isEmpty { return }
            Terminal.write("Written since, and left with record \(undone.merge.result):\n")
            var table = TextTable(["AT", "SOURCE", "PROPERTY", "VALUE"])
            for change in undone.later {
                for (name, value) in change.patch.sorted(by: { $0.key < $1.key }) {
                    table.add([change.at.description, change.origin.text, name.text, value])
                }
            }
            Terminal.write(table.text)
        }
    }
}
