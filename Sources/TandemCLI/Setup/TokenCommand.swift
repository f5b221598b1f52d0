import ArgumentParser
import FoundationEssentials
import TandemCRM
import TandemDatabase
import TandemModel
import TandemSupport

struct TokenCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "token", abstract: "Make, list and revoke tokens of the CRM API.",
        subcommands: [TokenCreate.self, TokenList.self, TokenRevoke.self])
}

private struct TokenCreate: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Make a token; it is shown this once and never again.",
        discussion: """
            Scopes are HubSpot's: crm.objects.contacts.read, crm.schemas.deals.write, \
            crm.lists.read and so on; `marketing` lets a token set marketing contacts. \
            `*` in a scope stands for any part: crm.objects.*.read.
            """)
    @OptionGroup var shared: SharedOptions
    @Option(help: "What it is for.") var name = "api"
    @Option(
        parsing: .upToNextOption, help: "What the program may do that shows it; at least one.")
    var scope: [String] = []

    private struct Document: Encodable {
        let id: String
        let name: String
        let token: String
        let scopes: [String]
    }

    func run() async throws {
        try await reporting {
            let scopes = try Self.scopes(scope)
            let context = try shared.context()
            let secret = "tandem-" + Self.random()
            let token = try context.database.write {
                try TokenTable($0).add(secret, name: name, scopes: scopes, now: AppContext.now)
            }
            if shared.json {
                return try Terminal.printJSON(
                    Document(
                        id: "\(token.id)", name: name, token: secret, scopes: scopes.sorted()))
            }
            Terminal.write("\(secret)\n")
        }
    }

    /// - Throws: ``CommandFailure`` for a scope that there is not.
    private static func scopes(_ words: [String]) throws -> Set<String> {
        let words = words.flatMap { $0.split { $0 == "," || $0 == " " }.map(String.init) }
        if words.isEmpty {
            throw CommandFailure.usage(
                "a token needs at least one --scope, such as crm.objects.contacts.read")
        }
        var scopes: Set<String> = []
        for word in words {
            let fitting = Token.allScopes.filter { matches($0, word) }
            if fitting.isEmpty {
                throw CommandFailure.usage(
                    "there is no scope `\(word)`\(suggestion(for: word, in: Token.allScopes)); there are "
                        + Token.allScopes.joined(separator: ", "))
            }
            scopes.formUnion(fitting)
        }
        return scopes
    }

    private static func matches(_ scope: String, _ word: String) -> Bool {
        let (parts, pattern) = (scope.split(separator: "."), word.split(separator: "."))
        if word == "*" { return true }
        return parts.count == pattern.count
            && zip(parts, pattern).allSatisfy { $1 == "*" || $0 == $1 }
    }

    /// 32 random bytes in hexadecimal.
    private static func random() -> String {
        var source = SystemRandomNumberGenerator()
        return (0..<4).map { _ in
            let digits = String(UInt64.random(in: 0 ... .max, using: &source), radix: 16)
            return String(repeating: "0", count: 16 - digits.count) + digits
        }.joined()
    }
}

private struct TokenList: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List the tokens, without their secrets.")
    @OptionGroup var shared: SharedOptions

    private struct Row: Encodable {
        let id: String
        let name: String
        let scopes: [String]
        let createdAt: String
        let revokedAt: String?

        enum CodingKeys: String, CodingKey {
            case id, name, scopes
            case createdAt = "created_at"
            case revokedAt = "revoked_at"
        }
    }

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let rows = try context.database.read { try TokenTable($0).all() }.map { token in
                Row(
                    id: "\(token.id)", name: token.name, scopes: token.scopes.sorted(),
                    createdAt: token.createdAt.description,
                    revokedAt: token.revokedAt?.description)
            }
            if shared.json { return try Terminal.printJSON(["tokens": rows]) }
            var table = TextTable(["ID", "NAME", "CREATED", "REVOKED", "SCOPES"])
            for row in rows {
                table.add([
                    row.id, row.name, row.createdAt, row.revokedAt ?? "",
                    row.scopes.joined(separator: " "),
                ])
            }
            Terminal.write(table.text)
        }
    }
}

private struct TokenRevoke: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "Take a token's rights, at once.")
    @OptionGroup var shared: SharedOptions
    @Argument(help: "The id of the token, as `token list` shows it.") var id: Int64

    func run() async throws {
        try await reporting {
            let context = try shared.context()
            let isDone = try context.database.write {
                try TokenTable($0).revoke(id, now: AppContext.now)
            }
            guard isDone else {
                throw CommandFailure.failed(
                    "there is no valid token \(id); `tandem token list` lists them")
            }
            if shared.json { return try Terminal.printJSON(["revoked": true]) }
            Terminal.write("revoked\n")
        }
    }
}
