package import AdapterPostgres
package import TandemModel

/// A database, and what is said of its tables.
package struct PostgresConnection: Sendable {
    /// Keywords of libpq.
    let parameters: [String: String]
    let timeoutSeconds: Int
    package let tables: [String: Table]

    package struct Table: Sendable {
        var key: [String] = []
        package var changes = PostgresSettings.Changes.transaction
        var deleted: String?
        var version: String?
        var created: String?
        var origin: String?
        var channel: String?
    }

    package func settings(of table: String, fields: [AppField]) -> PostgresSettings {
        let said = tables[table] ?? Table()
        return PostgresSettings(
            connection: parameters, timeoutSeconds: timeoutSeconds, table: table, key: said.key,
            changes: said.changes, deleted: said.deleted, version: said.version,
            created: said.created, origin: said.origin, channel: said.channel, fields: fields)
    }
}

extension ConnectionReader {
    private static let tableKeys = [
        "key", "changes", "lag", "deleted", "version", "created", "tandem-key", "listen",
    ]

    func postgres(_ said: ConnectionOptions) -> PostgresConnection? {
        var parameters: [String: String] = [:]
        parameters["user"] = said.text("username")
        parameters["password"] = said.text("password")
        guard let url = said.text("url") else { return nil }
        guard url.hasPrefix("postgres://") || url.hasPrefix("postgresql://") else {
            problems.add(
                node, "`\(name)`: `url`: expected an address such as postgres://user@host/database")
            return nil
        }
        parameters["dbname"] = url
        if let caFile = said.path("ca-file") {
            parameters["sslrootcert"] = caFile
            parameters["sslmode"] = "verify-full"
        } else if !url.contains("sslmode=") && !Self.isNear(url) {
            // libpq would go on without encryption if the server has none.
            parameters["sslmode"] = "require"
        }
        var tables: [String: PostgresConnection.Table] = [:]
        if let list = said.mapping("tables") {
            for table in list.keys {
                tables[table] = list[table].flatMap {
                    YAMLReader($0, what: table, known: Self.tableKeys, problems: problems)
                }.map(self.table)
            }
        }
        return PostgresConnection(
            parameters: parameters, timeoutSeconds: said.timeout(60), tables: tables)
    }

    private func table(_ keys: YAMLReader) -> PostgresConnection.Table {
        var table = PostgresConnection.Table()
        table.key = keys.texts("key") ?? []
        let lag = keys.seconds("lag", in: 0...86_400) ?? 0
        table.changes =
            switch keys.text("changes") ?? "xmin" {
            case "xmin": .transaction
            case "log": .log
            case "none": .none
            case let column: .column(column, lagSeconds: lag)
            }
        table.deleted = keys.text("deleted")
        table.version = keys.text("version")
        table.created = keys.text("created")
        table.origin = keys.text("tandem-key")
        table.channel = keys.text("listen")
        return table
    }

    /// Whether every server that an address names is on this machine: nobody listens between.
    ///
    /// A host may also be named by `host` and `hostaddr` in the query (libpq's manual, §34.1.1.2).
    private static func isNear(_ url: String) -> Bool {
        let place = url.split(separator: "://", maxSplits: 1).last ?? ""
        let parts = place.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let authority = parts[0].split(separator: "/", omittingEmptySubsequences: false)[0]
        let hosts = authority.split(separator: "@", omittingEmptySubsequences: false).last ?? ""
        let named = (parts.count > 1 ? parts[1] : "").split(separator: "&").compactMap { pair in
            ["host=", "hostaddr="].first { pair.hasPrefix($0) }.map { pair.dropFirst($0.count) }
        }
        return ([hosts] + named).flatMap { $0.split(separator: ",") }.allSatisfy { host in
            let name = host.hasPrefix("[") ? host : host.split(separator: ":").first ?? ""
            return name == "localhost" || host.hasPrefix("/") || host.lowercased().hasPrefix("%2f")
                || host.hasPrefix("[::1]") || host == "::1"
                || name.wholeMatch(of: #/127\.\d+\.\d+\.\d+/#) != nil
        }
    }
}
