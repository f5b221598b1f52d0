/// Whether clearing a field clears the other side.
package enum BlankRule: String, Hashable, Sendable, CaseIterable, Codable {
    case keep, clear
}

/// What a deletion on one side means for the other.
package enum DeletionRule: String, Hashable, Sendable, CaseIterable, Codable {
    case track, approve, propagate
}

/// What happens to a pair that stops passing the filter.
package enum LeavingRule: String, Hashable, Sendable, CaseIterable, Codable {
    case keep, exclude
}

/// What records met for the first time are matched by: `email` and `company` for contacts,
/// `domain` and `name` for companies, else the name of any property, compared as text.
package struct MatchRule: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// Everything a user decides about one sync.
package struct SyncSettings: Hashable, Sendable {
    package var name: SyncName
    package let connection: ConnectionName
    package var app: String
    package var mapping: ObjectMapping
    package var direction: Direction
    /// Whose value wins a real conflict, unless it is empty.
    ///
    /// Never overrides the direction.
    package var winner: Side
    package var requiresEmail: Bool
    package var match: [MatchRule]
    package var filterToApp: Filter?
    package var filterToCRM: Filter?
    package var onLeavingFilter: LeavingRule
    package var deletions: DeletionRule
    package var blanks: BlankRule
    /// Whether the app lets records be made; else new ones of the CRM stay outside.
    package var createsInApp = true
    /// Contacts that this sync makes in the CRM become marketing contacts under these rules.
    package var marketing: MarketingRules?
    /// The syncs of other objects of the same connection: what association fields go through.
    package var companions: [ObjectName: SyncName] = [:]
    /// Every sync of the configuration; empty where there is none.
    package var configured: Set<SyncName> = []

    package var object: ObjectName { mapping.object }

    package init(
        name: SyncName, connection: ConnectionName, app: String, mapping: ObjectMapping,
        direction: Direction = .both, winner: Side = .crm, requiresEmail: Bool? = nil,
        match: [MatchRule]? = nil, filterToApp: Filter? = nil, filterToCRM: Filter? = nil,
        onLeavingFilter: LeavingRule = .keep, deletions: DeletionRule = .track,
        blanks: BlankRule = .keep, marketing: MarketingRules? = nil
    ) {
        self.name = name
        self.connection = connection
        self.app = app
        self.mapping = mapping
        self.direction = direction
        self.winner = winner
        self.requiresEmail = requiresEmail ?? (mapping.object == .contacts)
        self.match = match ?? Self.defaultMatch(mapping.object)
        self.filterToApp = filterToApp
        self.filterToCRM = filterToCRM
        self.onLeavingFilter = onLeavingFilter
        self.deletions = deletions
        self.blanks = blanks
        self.marketing = marketing
    }

    /// The keys of BEHAVIOUR.md §2: contacts by email, then company; companies by domain or
    /// name; products by SKU, then name; everything else is not matched unless the user says so.
    package static func defaultMatch(_ object: ObjectName) -> [MatchRule] {
        switch object {
        case .contacts: ["email", "company"]
        case .companies: ["domain", "name"]
        case .products: ["hs_sku", "name"]
        default: []
        }
    }

    /// The same for an app that does not let some fields be written: they flow to the CRM only.
    package func respecting(readOnly: Set<AppField>) -> SyncSettings {
        if readOnly.isEmpty { return self }
        var settings = self
        settings.mapping.fields = mapping.fields.compactMap { field in
            guard readOnly.contains(field.app) else { return field }
            guard let direction = field.direction.intersection(.toCRM) else { return nil }
            var field = field
            field.direction = direction
            return field
        }
        return settings
    }

    /// A text that differs whenever a setting that can change a plan differs.
    package var fingerprint: String {
        let fields = mapping.fields.map(\.fingerprint).joined(separator: ",")
        return [
            direction.rawValue, winner.rawValue, "\(requiresEmail)",
            match.map(\.text).joined(separator: "+"), "\(filterToApp as Any)",
            "\(filterToCRM as Any)", onLeavingFilter.rawValue, deletions.rawValue,
            blanks.rawValue, fields, "\(mapping.matchKeys.sorted { $0.key < $1.key })",
        ].joined(separator: "|")
    }
}

extension FieldMapping {
    /// A text that differs whenever this field's meaning differs.
    package var fingerprint: String {
        let options = options.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
        return "\(crm):\(app):\(type.rawValue):\(direction.rawValue):\(rule.rawValue):"
            + "\(options.joined(separator: "&")):\(template ?? ""):\(namePart?.rawValue ?? "")"
            + (association.map { ":\($0)" } ?? "") + (label.map { ":\($0)" } ?? "")
    }
}
