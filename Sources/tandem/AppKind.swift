import AppREST

/// The apps this program can reach; an adapter is one case here and one in ``World``.
enum AppKind: String, CaseIterable {
    case carddav, csv

    /// What may be said about a connection besides `app`.
    var connectionKeys: [String] {
        switch self {
        case .carddav:
            ["url", "username", "password", "address-book", "ca-file", "timeout"]
        case .csv: ["folder", "id-column"]
        }
    }

    var requiredKeys: [String] {
        switch self {
        case .carddav: ["url"]
        case .csv: ["folder"]
        }
    }

    /// Keys that hold paths, which are relative to the configuration file.
    var pathKeys: [String] {
        switch self {
        case .carddav: ["ca-file"]
        case .csv: ["folder"]
        }
    }

    var summary: String {
        switch self {
        case .carddav:
            "address books over CardDAV (RFC 6352): Radicale, Nextcloud, Fastmail and others"
        case .csv: "CSV files that somebody keeps in a folder, one for each object"
        }
    }
}

/// How an app is reached: by an adapter of its own, or by the description in its folder.
enum AppReach {
    case builtIn(AppKind)
    case described(RESTDescription)

    /// What may be said about a connection besides `app`.
    var connectionKeys: [String] {
        switch self {
        case .builtIn(let kind): kind.connectionKeys
        case .described(let description):
            description.variables.map(\.name) + ["ca-file", "timeout"]
        }
    }

    var requiredKeys: [String] {
        switch self {
        case .builtIn(let kind): kind.requiredKeys
        case .described(let description):
            description.variables.filter(\.isRequired).map(\.name)
        }
    }

    var pathKeys: [String] {
        switch self {
        case .builtIn(let kind): kind.pathKeys
        case .described: ["ca-file"]
        }
    }

    /// What holds for a key that a connection leaves out.
    var fallbacks: [String: String] {
        guard case .described(let description) = self else { return [:] }
        return description.variables.reduce(into: [:]) { $0[$1.name] = $1.fallback }
    }

    var description: RESTDescription? {
        if case .described(let description) = self { description } else { nil }
    }
}
