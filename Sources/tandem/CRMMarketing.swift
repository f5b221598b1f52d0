import ArgumentParser
import TandemCRM
import TandemCore
import TandemModel

struct CRMSetMarketing: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "set-marketing",
        abstract: "Make contacts marketing contacts, or have them stop being it.",
        discussion: """
            The number of contacts that --where selects must be typed, so that a slip does not spend \
            the quota. To marketing takes effect at once; with --off it ends at the next update date.
            """)
    @OptionGroup var shared: SharedOptions
    @Option(
        parsing: .upToNextOption, help: "Only contacts with property=value; may be repeated.")
    var `where`: [String] = []
    @Flag(help: "All contacts.") var all = false
    @Option(help: "How many contacts that is.") var confirmCount: Int?
    @Flag(help: "Have them stop being marketing contacts.") var off = false

    private struct Document: Encodable {
        let selected: Int
        let changed: Int
        let marketingContacts: Int
        let warning: String?

        enum CodingKeys: String, CodingKey {
            case selected, changed, warning
            case marketingContacts = "marketing_contacts"
        }
    }

    func run() async throws {
        try await reporting {
            let wanted = try assignments(`where`)
            guard wanted.isEmpty == all else {
                throw CommandFailure.usage("name the contacts with --where, or say --all")
            }
            let world = try shared.world()
            let (selected, outcome) = try world.writing { reader, writer in
                let ids = try reader.contacts(with: wanted, world.store.schema)
                guard confirmCount == ids.count else {
                    throw CommandFailure.failed(
                        "this selects \(ids.count) contacts; repeat it with --confirm-count \(ids.count)"
                    )
                }
                let rules = world.configuration.marketing
                return (ids.count, try writer.setMarketing(ids, to: !off, rules))
            }
            if let warning = outcome.warning { Terminal.complain("Warning: \(warning).") }
            if shared.json {
                return try Terminal.printJSON(
                    Document(
                        selected: selected, changed: outcome.changed,
                        marketingContacts: outcome.count, warning: outcome.warning))
            }
            Terminal.write(
                "\(selected) contacts selected, \(outcome.changed) changed; \(outcome.count) marketing contacts\n"
            )
        }
    }
}

extension CRMReader {
    /// The ids of living contacts that have all of these values; an empty one asks for none.
    fileprivate func contacts(with wanted: Values, _ schema: CRMSchema) throws -> [RecordID] {
        let filters = wanted.sorted { $0.key < $1.key }.map { name, value in
            SearchFilter(name, value.isEmpty ? .lacks : .equal, value.isEmpty ? [] : [value])
        }
        let query = SearchQuery(groups: filters.isEmpty ? [] : [filters], limit: Int(Int32.max))
        return try search(.contacts, query, schema).records.map(\.id)
    }
}
