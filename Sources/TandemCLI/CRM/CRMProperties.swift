import ArgumentParser
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

struct CRMProperties: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "properties", abstract: "List the properties of an object, or add one.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The object.") var object: String
    @Option(help: "Add a property of this name.") var add: String?
    @Option(help: "Its type: string, number, bool, date, datetime, enumeration, ….") var type =
        "string"
    @Option(help: "Its label; the name if none is given.") var label: String?
    @Option(help: "The options of an enumeration, with commas between.") var options: String?
    @Flag(help: "Make the object itself.") var newObject = false
    @Flag(help: "No two records have the same value of the added property.") var unique = false
    @Option(help: "Find records by this property without reading them all.") var index: String?

    func validate() throws {
        if add == nil && (label != nil || options != nil || unique) {
            throw ValidationError("--label, --options and --unique describe a property to --add.")
        }
    }

    private struct Row: Encodable {
        let name: String
        let label: String
        let type: String
        let options: [String]
        /// `read-only`, `calculated`, `unique`, `indexed`.
        let traits: [String]

        init(_ property: PropertyDefinition) {
            name = property.name.text
            label = property.label
            type = property.type.rawValue
            options = property.options.map(\.value)
            let all = [
                ("read-only", property.keeper == .store),
                ("calculated", property.keeper == .calculation), ("unique", property.isUnique),
                ("indexed", property.isIndexed),
            ]
            traits = all.filter(\.1).map(\.0)
        }
    }

    func run() async throws {
        try await reporting {
            let type = try word(type, "--type", ValueType.self) ?? .string
            let context = try shared.context()
            let object = ObjectName(object)
            if newObject {
                let definition = ObjectDefinition(
                    object, typeID: "", singular: object.text, plural: object.text,
                    primaryProperty: add.map { PropertyName($0) } ?? "hs_object_id",
                    createdAt: AppContext.now)
                try context.store.edit(at: AppContext.now) {
                    try $0.add(definition, properties: [])
                }
            }
            if let add {
                try context.store.edit(at: AppContext.now) {
                    try $0.add(property(add, type), to: object)
                }
            }
            if let index {
                try context.store.edit(at: AppContext.now) {
                    try $0.index(PropertyName(index), of: object)
                }
            }
            let rows = try context.store.schema.properties(of: object).values
                .filter { $0.archivedAt == nil }.sorted { $0.name < $1.name }.map(Row.init)
            if shared.json { return try Terminal.printJSON(["properties": rows]) }
            var table = TextTable(["NAME", "LABEL", "TYPE", "TRAITS", "OPTIONS"])
            for row in rows {
                table.add([
                    row.name, row.label, row.type, row.traits.joined(separator: ", "),
                    row.options.joined(separator: ", "),
                ])
            }
            Terminal.write(table.text)
        }
    }

    private func property(_ name: String, _ type: ValueType) -> PropertyDefinition {
        PropertyDefinition(
            PropertyName(name), label ?? name, type,
            options: (options ?? "").split(separator: ",").map {
                PropertyOption(String($0).trimmed)
            }, isUnique: unique, isCustom: true, createdAt: AppContext.now)
    }
}
