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
