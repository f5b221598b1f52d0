import TandemCore
import TandemDatabase
package import TandemModel
import TandemSupport

extension CRMWriter {
    /// Takes a form that somebody filled in: finds the contact by the address, then by the cookie,
    /// or makes one, and counts the submission.
    ///
    /// - Parameters:
    ///   - form: The form's name.
    ///   - values: What was filled in, by property.
    ///   - cookie: The token of the visitor's cookie; it finds the contact from now on.
    ///   - rules: Whether a contact that a form makes is a marketing contact.
    /// - Returns: The contact.
    /// - Throws: As ``create(_:_:)`` and ``update(_:_:)``.
    package func submit(
        form: String, _ values: Values, cookie: String?, _ rules: MarketingRules
    ) throws -> RecordID {
        let email = (values["email"] ?? "").trimmed.lowercased()
        let id: RecordID
        if let known = try contact(email, cookie) {
            id = known
            try update(id, values.filter { $0.key != "email" && !$0.value.isEmpty })
        } else {
            id = try create(.contacts, values).id
            // A full quota does not turn a person away; the contact is then a non-marketing one.
            if rules.includesForms, try reader.hasRoom(rules) {
                _ = try setMarketing([id], to: true, rules)
            }
        }
        let isNewForm =
            try connection.number(
                "SELECT COUNT(*) FROM form_submission WHERE record_id = ? AND form = ?",
                [.integer(id.number), .text(form)]) == 0
        try connection.run(
            """
            INSERT INTO form_submission (record_id, form, email, cookie, content, at)
            VALUES (?, ?, ?, ?, ?, ?)
            """,
            [
                .integer(id.number), .text(form), .text(email), .text(cookie ?? ""),
                .text(FlatJSON.text(values)), .integer(now.milliseconds),
            ])
        if let cookie {
            try connection.run(
                "INSERT INTO cookie VALUES (?, ?) ON CONFLICT (token) DO UPDATE SET record_id = excluded.record_id",
                [.text(cookie), .integer(id.number)])
        }
        try count(id, "num_conversion_events", 1)
        try count(id, "num_unique_conversion_events", isNewForm ? 1 : 0)
        return id
    }

    private func contact(_ email: String, _ cookie: String?) throws -> RecordID? {
        if !email.isEmpty {
            let key = MatchKey(kind: MatchKey.email, value: email)
            if let id = try reader.owners(of: [key], in: .contacts)[key]?.min() { return id }
        }
        guard let cookie else { return nil }
        let id = try connection.row(
            "SELECT record_id FROM cookie WHERE token = ?", [.text(cookie)]
        ) { RecordID($0.integer(0) ?? 0) }
        guard let id, let record = try reader.record(id), record.archivedAt == nil else {
            return nil
        }
        let own = record.properties["email"] ?? ""
        // Another address than the one known is another person at the same browser.
        return email.isEmpty || own.isEmpty ? id : nil
    }

    private func count(_ id: RecordID, _ property: PropertyName, _ more: Int) throws {
        let contact = try living(id)
        let before = Int(contact.properties[property] ?? "") ?? 0
        try set(contact, [property: String(before + more)])
    }
}
