import FoundationEssentials
package import TandemModel
package import TandemSupport

/// What becomes of the values of two records that are merged (BEHAVIOUR.md §8).
package struct MergeRules: Sendable {
    /// One of the two records.
    package struct Party: Sendable {
        package let id: RecordID
        package let values: Values
        package let createdAt: Timestamp
        /// A user set the original source by hand.
        package let hasManualSource: Bool

        package init(
            id: RecordID, values: Values, createdAt: Timestamp, hasManualSource: Bool = false
        ) {
            self.id = id
            self.values = values
            self.createdAt = createdAt
            self.hasManualSource = hasManualSource
        }

        /// The records that were merged into this one, in all.
        var ancestors: [String] { ValueType.parts(values["hs_merged_object_ids"] ?? "") }

        /// How many merges this one came out of.
        var merges: Int { ancestors.count / 2 }
    }

    package let object: ObjectName
    /// The stages of the funnel, from its top.
    package let lifecycle: [String]

    /// More merges than these in the two histories together are refused.
    package static let limit = 250

    package init(object: ObjectName, lifecycle: [String]) {
        self.object = object
        self.lifecycle = lifecycle
    }

    /// How many merges the two records have behind them.
    package static func merges(_ primary: Party, _ secondary: Party) -> Int {
        primary.merges + secondary.merges
    }

    /// The values of the record that is made of the two.
    ///
    /// The primary's, and where it has none the secondary's; except for what both add to.
    /// - Parameters:
    ///   - primary: Whose values win.
    ///   - secondary: Who fills what the primary lacks.
    ///   - picked: Properties of which the caller wants the secondary's value.
    /// - Returns: Only properties that have a value.
    package func values(_ primary: Party, _ secondary: Party, picked: Set<PropertyName>) -> Values {
        var values = secondary.values.merging(primary.values.filter { !$0.value.isEmpty }) { $1 }
        for property in picked { values[property] = secondary.values[property] ?? "" }
        if object == .contacts || object == .companies {
            takeFurthestStage(&values, primary, secondary, picked)
            takeTotals(&values, primary, secondary)
            takeSource(&values, primary, secondary, picked)
        }
        if object == .contacts {
            keepAll("email", "hs_additional_emails", &values, primary, secondary) {
                $0.trimmed.lowercased()
            }
            takeConsent(&values, primary, secondary)
        }
        if object == .companies {
            keepAll("domain", "hs_additional_domains", &values, primary, secondary) {
                MatchKey.normalised(domain: $0) ?? $0
            }
        }
        let ids = (primary.ancestors + secondary.ancestors).compactMap { Int64($0) }
        let merged = Set(ids + [primary.id.number, secondary.id.number])
        values["hs_merged_object_ids"] = merged.sorted().map(String.init).joined(separator: ";")
        return values.filter { !$0.value.isEmpty }
    }

    private func takeFurthestStage(
        _ values: inout Values, _ primary: Party, _ secondary: Party, _ picked: Set<PropertyName>
    ) {
        let property: PropertyName = "lifecyclestage"
        if picked.contains(property) { return }
        let stages = [primary, secondary].compactMap { $0.values[property] }
        values[property] = stages.max { place(of: $0) < place(of: $1) }
    }

    /// A stage that the funnel does not know is above its top.
    private func place(of stage: String) -> Int { lifecycle.firstIndex(of: stage) ?? -1 }

    private static let totals: [PropertyName] = [
        "num_conversion_events", "num_unique_conversion_events", "hs_analytics_num_page_views",
        "hs_analytics_num_visits", "hs_analytics_num_event_completions",
    ]

    private func takeTotals(_ values: inout Values, _ primary: Party, _ secondary: Party) {
        for property in Self.totals {
            let numbers = [primary, secondary].compactMap { party in
                party.values[property].flatMap { Decimal(canonical: $0) }
            }
            if !numbers.isEmpty { values[property] = "\(numbers.reduce(0, +))" }
        }
    }

    private static let source: [PropertyName] = [
        "hs_analytics_source", "hs_analytics_source_data_1", "hs_analytics_source_data_2",
    ]

    /// The older record's original source, unless one was set by hand.
    private func takeSource(
        _ values: inout Values, _ primary: Party, _ secondary: Party, _ picked: Set<PropertyName>
    ) {
        if !picked.isDisjoint(with: Self.source) { return }
        let older = secondary.createdAt < primary.createdAt ? secondary : primary
        let younger = older.id == primary.id ? secondary : primary
        let manual = [primary, secondary].first(where: \.hasManualSource)
        let first = manual ?? older
        let rest = [older, younger].filter { $0.id != first.id }
        let named = ([first] + rest).first { !($0.values[Self.source[0]] ?? "").isEmpty }
        guard let named else { return }
        for property in Self.source { values[property] = named.values[property] ?? "" }
    }

    /// Keeps every address or domain: the one that is the record's own, the others beside it.
    private func keepAll(
        _ own: PropertyName, _ additional: PropertyName, _ values: inout Values, _ primary: Party,
        _ secondary: Party, same: (String) -> String
    ) {
        let all = [primary, secondary].flatMap { party in
            [party.values[own] ?? ""] + ValueType.parts(party.values[additional] ?? "")
        }
        var seen: Set<String> = [same(values[own] ?? ""), ""]
        let others = all.filter { seen.insert(same($0)).inserted }
        values[additional] = others.sorted().joined(separator: ";")
    }

    private func takeConsent(_ values: inout Values, _ primary: Party, _ secondary: Party) {
        func has(_ party: Party, _ property: PropertyName) -> Bool {
            party.values[property] == "true"
        }
        let parties = [primary, secondary]
        // An opt-out on either side survives.
        if parties.contains(where: { has($0, "hs_email_optout") }) {
            values["hs_email_optout"] = "true"
        }
        let bases = parties.flatMap { ValueType.parts($0.values["hs_legal_basis"] ?? "") }
        values["hs_legal_basis"] = Set(bases).sorted().joined(separator: ";")
        let marketing = parties.filter { has($0, "hs_marketable_status") }
        if marketing.isEmpty { return }
        values["hs_marketable_status"] = "true"
        let endsSoon = marketing.allSatisfy { has($0, "hs_marketable_until_renewal") }
        values["hs_marketable_until_renewal"] = endsSoon ? "true" : "false"
    }
}
