import ArgumentParser
import TandemCRM
import TandemConfig
import TandemCore
import TandemModel
import TandemSupport

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
                throw CommandFailure.usage(
                    "name the contacts with --where, or say --all, one of the two")
            }
            let context = try shared.context()
            let ids = try context.contacts(with: wanted)
            guard confirmCount == ids.count else {
                throw CommandFailure.failed(
                    "this selects \(ids.count) contacts; repeat it with --confirm-count \(ids.count)"
                )
            }
            let outcome = try context.setMarketing(ids, to: !off)
            let selected = ids.count
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

extension AppContext {
    /// How many contacts one transaction changes, so that others get their turn.
    private static let batch = 1_000

    /// The ids of living contacts that have all of these values; an empty one asks for none.
    fileprivate func contacts(with wanted: Values) throws -> [RecordID] {
        let filters = wanted.sorted { $0.key < $1.key }.map { name, value in
            SearchFilter(name, value.isEmpty ? .lacks : .equal, value.isEmpty ? [] : [value])
        }
        var ids: [RecordID] = []
        return try reading { reader in
            while true {
                let next = SearchFilter("hs_object_id", .greater, ["\(ids.last?.number ?? 0)"])
                let query = SearchQuery(
                    groups: [filters + [next]], limit: Self.batch, countsAll: false)
                let found = try reader.search(.contacts, query, store.schema).records
                if found.isEmpty { return ids }
                ids += found.map(\.id)
            }
        }
    }

    /// - Throws: ``CRMError/limit(_:)`` before anything is changed, if they are too many.
    fileprivate func setMarketing(_ ids: [RecordID], to isOn: Bool) throws -> MarketingOutcome {
        let rules = configuration.marketing
        if isOn {
            let new = try reading { reader in
                try ids.chunks(of: 500).reduce(0) { count, chunk in
                    try count
                        + reader.records(Array(chunk)).values.count {
                            $0.properties["hs_marketable_status"] != "true"
                        }
                }
            }
            try reading { try $0.requireRoom(for: new, rules) }
        }
        var outcome = MarketingOutcome()
        for chunk in ids.chunks(of: Self.batch) {
            let part = try writing { try $1.setMarketing(chunk, to: isOn, rules) }
            outcome.changed += part.changed
            (outcome.count, outcome.warning) = (part.count, part.warning)
        }
        return outcome
    }
}
