import ArgumentParser
import TandemCRM
import TandemCore
import TandemModel

struct CRMDuplicates: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "duplicates", abstract: "List records that are likely the same.",
        discussion: """
            By mailbox, name with phone, company or mail domain; companies by domain, by name without \
            legal form, by phone and city. What more than 50 records share is left out.
            """)
    @OptionGroup var shared: SharedOptions
    @Argument(help: "contacts or companies.") var object: String

    private struct Group: Encodable {
        let reasons: [String]
        let records: [Row]
    }
    private struct Row: Encodable {
        let id: String
        let label: String
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let object = try context.object(object)
            guard [.contacts, .companies].contains(object) else {
                throw CommandFailure.usage("duplicates are looked for among contacts and companies")
            }
            var groups: [Group] = []
            try context.reading { reader in
                try reader.duplicates(of: object) { group in
                    groups.append(
                        Group(
                            reasons: group.reasons.map(\.rawValue),
                            records: group.records.map {
                                Row(id: $0.id.description, label: Self.label($0, object))
                            }))
                }
            }
            if shared.json { return try Terminal.printJSON(["groups": groups]) }
            var table = TextTable(["IDS", "RECORDS", "REASONS"])
            for group in groups {
                table.add([
                    group.records.map(\.id).joined(separator: " "),
                    group.records.map(\.label).joined(separator: " / "),
                    group.reasons.joined(separator: ", "),
                ])
            }
            Terminal.write(table.text)
            Terminal.write("\n\(groups.count) groups\n")
        }
    }

    private static func label(_ record: CRMRecord, _ object: ObjectName) -> String {
        let names: [PropertyName] =
            object == .contacts ? ["firstname", "lastname", "email"] : ["name", "domain"]
        return names.compactMap { record.properties[$0] }.joined(separator: " ")
    }
}
