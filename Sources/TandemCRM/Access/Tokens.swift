import Crypto
import FoundationEssentials
package import TandemDatabase
import TandemModel
package import TandemSupport

/// What a program may do that shows a token; the secret itself is not kept.
package struct Token: Hashable, Sendable {
    package let id: Int64
    package let name: String
    /// HubSpot's names, such as `crm.objects.contacts.read`.
    package let scopes: Set<String>
    package let createdAt: Timestamp
    /// When it lost its rights.
    package let revokedAt: Timestamp?

    /// The scope without which nobody sets a marketing status.
    package static let marketing = "marketing"

    /// Stands for a request without a token.
    package static let nobody = Token(
        id: 0, name: "", scopes: [], createdAt: Timestamp(milliseconds: 0), revokedAt: nil)

    /// All scopes that a token can have, in order.
    package static let allScopes: [String] =
        [
            ("crm.objects", ObjectDefinition.standard.map(\.name.text) + ["custom"]),
            ("crm.schemas", ObjectDefinition.standard.map(\.name.text) + ["custom"]),
        ].flatMap { area, objects in
            objects.flatMap { ["\(area).\($0).read", "\(area).\($0).write"] }
        } + ["crm.objects.owners.read", "crm.lists.read", "crm.lists.write", "oauth", marketing]
}

/// The API tokens of the store, inside a transaction.
package struct TokenTable {
    let connection: any SQLConnection

    package init(_ connection: any SQLConnection) { self.connection = connection }

    /// Keeps a new token's hash.
    ///
    /// SHA-256 without salt is enough for a secret of 32 random bytes: nothing can be guessed.
    package func add(_ secret: String, name: String, scopes: Set<String>, now: Timestamp) throws
        -> Token
    {
        let id = try connection.row(
            "INSERT INTO token (name, hash, scopes, created_at) VALUES (?, ?, ?, ?) RETURNING id",
            [
                .text(name), .text(Self.hash(secret)),
                .text(scopes.sorted().joined(separator: " ")),
                .integer(now.milliseconds),
            ]
        ) { $0.integer(0) ?? 0 }
        return Token(id: id ?? 0, name: name, scopes: scopes, createdAt: now, revokedAt: nil)
    }

    /// The valid token with this secret.
    package func token(_ secret: String) throws -> Token? {
        try connection.row(
            "\(Self.selection) WHERE hash = ? AND revoked_at IS NULL",
            [.text(Self.hash(secret))], Self.token)
    }

    package func all() throws -> [Token] {
        try connection.rows("\(Self.selection) ORDER BY id", [], Self.token)
    }

    /// Takes a token's rights; at once, for every process.
    ///
    /// - Returns: Whether there was such a token.
    package func revoke(_ id: Int64, now: Timestamp) throws -> Bool {
        try connection.run(
            "UPDATE token SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL",
            [.integer(now.milliseconds), .integer(id)]) == 1
    }

    private static let selection = "SELECT id, name, scopes, created_at, revoked_at FROM token"

    private static func token(_ row: any SQLRow) -> Token {
        Token(
            id: row.integer(0) ?? 0, name: row.text(1) ?? "",
            scopes: Set((row.text(2) ?? "").split(separator: " ").map(String.init)),
            createdAt: Timestamp(milliseconds: row.integer(3) ?? 0),
            revokedAt: row.integer(4).map { Timestamp(milliseconds: $0) })
    }

    static func hash(_ text: String) -> String {
        SHA256.hash(data: Data(text.utf8)).hexadecimal
    }
}
