package import TandemDatabase
package import TandemModel
package import TandemSupport

/// What happened with a record outside its properties, and must survive a merge.
///
/// Subscriptions, form submissions, workflow enrolments, playbooks; inside a transaction.
package struct TimelineTable {
    let connection: any SQLConnection

    package init(_ connection: any SQLConnection) { self.connection = connection }

    /// Whether an address gets one kind of mail.
    package struct Subscription: Hashable, Sendable {
        package let email: String
        package let name: String
        package let isSubscribed: Bool
        package let legalBasis: String
        package let at: Timestamp
        package let origin: Origin
    }

    package struct Submission: Hashable, Sendable {
        package let id: Int64
        package let record: RecordID
        package let form: String
        package let email: String
        /// The token of the visitor's cookie; empty if there was none.
        package let cookie: String
        package let values: Values
        package let at: Timestamp
    }

    package struct Workflow: Hashable, Sendable {
        package let id: Int64
        package let name: String
        package let object: ObjectName
        /// A record that a merge made of an enrolled one enters it.
        package let enrolsMerged: Bool
    }

    package struct Playbook: Hashable, Sendable {
        package enum State: String, Hashable, Sendable, CaseIterable {
            case logged, draft
        }
        package let id: Int64
        package let record: RecordID
        package let name: String
        package let state: State
        package let body: String
        package let at: Timestamp
    }

    /// Opts an address in or out; there is one set of subscriptions for an address, whoever has it.
    package func subscribe(
        _ email: String, to name: String, _ isSubscribed: Bool, legalBasis: String,
        by origin: Origin,
        at now: Timestamp
    ) throws {
        guard email.isEmailAddress else {
            throw CRMError.invalidValue("email", email, expected: ValueType.email.example)
        }
        try connection.run(
            """
            INSERT INTO subscription VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (email, name) DO UPDATE
            SET status = excluded.status, legal_basis = excluded.legal_basis, at = excluded.at,
            origin = excluded.origin
            """,
            [
                .text(email.trimmed.lowercased()), .text(name),
                .text(isSubscribed ? "SUBSCRIBED" : "UNSUBSCRIBED"), .text(legalBasis),
                .integer(now.milliseconds), .text(origin.text),
            ])
    }

    package func subscriptions(of emails: some Collection<String>) throws -> [Subscription] {
        if emails.isEmpty { return [] }
        let places = emails.map { _ in "?" }.joined(separator: ", ")
        return try connection.rows(
            """
            SELECT email, name, status, legal_basis, at, origin FROM subscription
            WHERE email IN (\(places)) ORDER BY email, name
            """, emails.map { .text($0.trimmed.lowercased()) }
        ) { row in
            Subscription(
                email: row.text(0) ?? "", name: row.text(1) ?? "",
                isSubscribed: row.text(2) == "SUBSCRIBED", legalBasis: row.text(3) ?? "",
                at: Timestamp(milliseconds: row.integer(4) ?? 0), origin: Origin(row.text(5) ?? ""))
        }
    }

    /// The submissions of a record, oldest first.
    package func submissions(of id: RecordID) throws -> [Submission] {
        try connection.rows(
            """
            SELECT id, record_id, form, email, cookie, content, at FROM form_submission
            WHERE record_id = ? ORDER BY id
            """, [.integer(id.number)]
        ) { row in
            Submission(
                id: row.integer(0) ?? 0, record: RecordID(row.integer(1) ?? 0),
                form: row.text(2) ?? "", email: row.text(3) ?? "", cookie: row.text(4) ?? "",
                values: FlatJSON.values(row.text(5) ?? "") ?? [:],
                at: Timestamp(milliseconds: row.integer(6) ?? 0))
        }
    }

    /// Adds a workflow, or changes whether merged records enter it.
    package func save(workflow name: String, of object: ObjectName, enrolsMerged: Bool) throws {
        try connection.run(
            """
            INSERT INTO workflow (name, object, enrols_merged) VALUES (?, ?, ?)
            ON CONFLICT (name) DO UPDATE SET enrols_merged = excluded.enrols_merged
            """, [.text(name), .text(object.text), .integer(enrolsMerged ? 1 : 0)])
    }

    package func workflows() throws -> [Workflow] {
        try connection.rows("SELECT id, name, object, enrols_merged FROM workflow ORDER BY name") {
            row in
            Workflow(
                id: row.integer(0) ?? 0, name: row.text(1) ?? "",
                object: ObjectName(row.text(2) ?? ""), enrolsMerged: row.integer(3) == 1)
        }
    }

    /// - Throws: ``CRMError/notFound(_:_:)`` for a workflow that is not there, or of another object.
    package func enrol(_ record: CRMRecord, in name: String, at now: Timestamp) throws {
        guard let workflow = try workflows().first(where: { $0.name == name }),
            workflow.object == record.object
        else { throw CRMError.notFound("workflows", name) }
        try connection.run(
            "INSERT INTO enrolment VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            [.integer(workflow.id), .integer(record.id.number), .integer(now.milliseconds)])
    }

    /// The names of the workflows that a record is in.
    package func enrolments(of id: RecordID) throws -> [String] {
        try connection.rows(
            """
            SELECT workflow.name FROM enrolment JOIN workflow ON workflow.id = workflow_id
            WHERE record_id = ? ORDER BY workflow.name
            """, [.integer(id.number)]
        ) { $0.text(0) ?? "" }
    }

    package func add(
        playbook name: String, _ state: Playbook.State, body: String, to id: RecordID,
        at now: Timestamp
    ) throws {
        try connection.run(
            "INSERT INTO playbook (record_id, name, state, body, at) VALUES (?, ?, ?, ?, ?)",
            [
                .integer(id.number), .text(name), .text(state.rawValue), .text(body),
                .integer(now.milliseconds),
            ])
    }

    package func playbooks(of id: RecordID) throws -> [Playbook] {
        try connection.rows(
            "SELECT id, record_id, name, state, body, at FROM playbook WHERE record_id = ? ORDER BY id",
            [.integer(id.number)]
        ) { row in
            Playbook(
                id: row.integer(0) ?? 0, record: RecordID(row.integer(1) ?? 0),
                name: row.text(2) ?? "",
                state: Playbook.State(rawValue: row.text(3) ?? "") ?? .draft,
                body: row.text(4) ?? "", at: Timestamp(milliseconds: row.integer(5) ?? 0))
        }
    }
}
