package import AdapterREST
import TandemSupport

/// The adapters that a connection can name; one is a case here, in ``ConnectionSettings`` and in
/// ``AppContext/app(for:)``.
package enum AppKind: String, CaseIterable {
    case carddav, csv, postgres, process, singer

    /// What may be said about a connection besides `app`.
    package var connectionKeys: [String] {
        switch self {
        case .carddav:
            ["url", "username", "password", "address-book", "auth", "ca-file", "timeout"]
        case .csv: ["folder", "id-column", "encoding", "rest"]
        case .postgres: ["url", "username", "password", "tables", "ca-file", "timeout"]
        case .process: ["command", "folder", "settings", "timeout", "memory"]
        case .singer:
            [
                "command", "folder", "config", "catalog-option", "replication-key", "timeout",
                "memory",
            ]
        }
    }

    package var requiredKeys: [String] {
        switch self {
        case .carddav, .postgres: ["url"]
        case .csv: ["folder"]
        case .process, .singer: ["command"]
        }
    }

    /// Nothing can be written, so a sync can only go to the CRM.
    package var isReadOnly: Bool { self == .singer }

    package var summary: String {
        switch self {
        case .carddav:
            "address books over CardDAV (RFC 6352): Radicale, Nextcloud, Fastmail and others"
        case .csv: "CSV files that somebody keeps in a folder, one for each object"
        case .postgres: "a table or view in a PostgreSQL database, version 13 or later"
        case .process: "any program that speaks JSON lines (Docs/process.md)"
        case .singer: "any Singer tap, read only; the tap's streams are the objects"
        }
    }
}

/// Where an app is: an adapter of its own, or a folder that describes it.
package struct AdapterDefinition {
    /// `nil` for an app that is reached over HTTP as its folder says.
    package let kind: AppKind?
    package var description: RESTDescription?
    /// What the folder says about every connection; the user's own words come first.
    var defaults: YAMLReader?
    /// The folder, with a slash at its end.
    package var folder = ""
    package var summary = ""

    package var connectionKeys: [String] {
        if let kind { return kind.connectionKeys }
        return (description?.variables.map(\.name) ?? []) + ["ca-file", "timeout"]
    }

    package var requiredKeys: [String] {
        if let kind { return kind.requiredKeys }
        return (description?.variables ?? []).filter(\.isRequired).map(\.name)
    }

    package var isReadOnly: Bool { kind?.isReadOnly ?? false }
}

extension AdapterDefinition {
    /// An adapter of its own, of which no folder says anything.
    package init(_ kind: AppKind) { self.init(kind: kind) }
}
