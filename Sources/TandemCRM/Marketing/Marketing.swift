import TandemDatabase
package import TandemModel
import TandemSupport

/// What an action on marketing contacts did.
package struct MarketingOutcome: Hashable, Sendable {
    /// How many contacts changed, or will at the next update date.
    package var changed = 0
    /// How many marketing contacts there are now.
    package var count = 0
    /// Something that the user should know: 90 % of the limit, or more than all of it.
    package var warning: String?

    package init(count: Int = 0) { self.count = count }
}

extension CRMReader {
    /// How many living contacts are marketing contacts, with those that stop at the next update.
    package func marketingCount() throws -> Int {
        Int(try connection.number("SELECT contacts FROM marketing_total"))
    }

    /// Whether so many more contacts can be marketing contacts.
    package func hasRoom(for more: Int = 1, _ rules: MarketingRules) throws -> Bool {
        guard let limit = rules.limit, !rules.allowsOverage else { return true }
        return try marketingCount() + more <= limit
    }

    /// - Throws: ``CRMError/limit(_:)`` if so many more marketing contacts are too many.
    package func requireRoom(for more: Int, _ rules: MarketingRules) throws {
        guard let limit = rules.limit, try !hasRoom(for: more, rules) else { return }
        throw CRMError.limit(
            "there can be \(limit) marketing contacts; set others to non-marketing first, or raise "
                + "`marketing: limit`")
    }
}

extension CRMWriter {
    private static let status: PropertyName = "hs_marketable_status"
    private static let untilRenewal: PropertyName = "hs_marketable_until_renewal"

    /// Makes living contacts marketing contacts at once, or has them stop at the next update date.
    ///
    /// Contacts that are so already are left alone; making one a marketing contact again cancels
    /// that it stops.
    /// - Throws: ``CRMError/limit(_:)`` if more than the limit would be marketing contacts and the
    ///   rules allow no overage; nothing is changed then. ``CRMError/notFound(_:_:)``,
    ///   ``CRMError/archived(_:)``.
    package func setMarketing(
        _ ids: some Sequence<RecordID>, to isOn: Bool, _ rules: MarketingRules
    )
        throws -> MarketingOutcome
    {
        var outcome = MarketingOutcome(count: try reader.marketingCount())
        let next = rules.nextUpdate(after: now)
        for id in ids {
            let contact = try living(id)
            guard contact.object == .contacts else {
                throw CRMError.notFound(.contacts, id.description)
            }
            let isMarketing = contact.properties[Self.status] == "true"
            let ends = contact.properties[Self.untilRenewal] == "true"
            guard isOn ? !isMarketing || ends : isMarketing && !ends else { continue }
            if isOn && !isMarketing {
                outcome.count += 1
                try reader.requireRoom(for: 1, rules)
            }
            try set(
                contact,
                isOn
                    ? [Self.status: "true", Self.untilRenewal: "false"]
                    : [Self.untilRenewal: "true"])
            try connection.run(
                "UPDATE marketing_contact SET effective_at = ? WHERE record_id = ?",
                [isOn ? .null : .integer(next.milliseconds), .integer(id.number)])
            outcome.changed += 1
        }
        outcome.warning = warning(outcome.count, rules)
        return outcome
    }

    /// Ends the marketing status of contacts whose update date has come.
    ///
    /// - Returns: How many; at most 500 a call.
    package func applyMarketingUpdates() throws -> Int {
        let due = try connection.rows(
            "SELECT record_id FROM marketing_contact WHERE effective_at <= ? LIMIT 500",
            [.integer(now.milliseconds)]
        ) { RecordID($0.integer(0) ?? 0) }
        for id in due {
            try set(living(id), [Self.status: "false", Self.untilRenewal: "false"])
        }
        return due.count
    }

    private func warning(_ count: Int, _ rules: MarketingRules) -> String? {
        guard let limit = rules.limit, count * 10 >= limit * 9 else { return nil }
        return count > limit
            ? "\(count) marketing contacts are more than the limit of \(limit)"
            : "\(count) of \(limit) marketing contacts are used"
    }

    /// Keeps the table of marketing contacts in step with a contact's values.
    func followMarketing(_ id: RecordID, from old: Values, to new: Values) throws {
        let (was, now) = (old[Self.status] == "true", new[Self.status] == "true")
        if was == now { return }
        guard now else {
            try connection.run(
                "DELETE FROM marketing_contact WHERE record_id = ?", [.integer(id.number)])
            return
        }
        // One that comes back from the bin and was to stop does so at the next look.
        let ends = new[Self.untilRenewal] == "true"
        try connection.run(
            "INSERT INTO marketing_contact VALUES (?, ?)",
            [.integer(id.number), ends ? .integer(self.now.milliseconds) : .null])
    }

    /// The result of a merge takes over the more marketable status with its end.
    func followMarketing(of result: CRMRecord, mergedFrom both: [SQLValue]) throws {
        guard result.properties[Self.status] == "true" else { return }
        let ends = result.properties[Self.untilRenewal] == "true"
        let last = try connection.number(
            "SELECT MAX(effective_at) FROM marketing_contact WHERE record_id IN (?, ?)", both)
        try connection.run(
            "INSERT INTO marketing_contact VALUES (?, ?)",
            [.integer(result.id.number), ends ? .integer(last) : .null])
    }
}
