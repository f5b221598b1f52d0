package import TandemDatabase
package import TandemModel
package import TandemSupport

/// The way that deals or tickets go, stage by stage.
package struct Pipeline: Hashable, Sendable {
    package var id: String
    package var label: String
    package var displayOrder: Int64
    package var createdAt: Timestamp
    package var updatedAt: Timestamp
    package var stages: [Stage]

    package struct Stage: Hashable, Sendable {
        package var id: String
        package var label: String
        package var displayOrder: Int64
        /// For deals `probability`, for tickets `ticketState`.
        package var metadata: [PropertyName: String]
        package var createdAt: Timestamp
        package var updatedAt: Timestamp

        package init(
            id: String, label: String, displayOrder: Int64, metadata: [PropertyName: String],
            createdAt: Timestamp, updatedAt: Timestamp
        ) {
            self.id = id
            self.label = label
            self.displayOrder = displayOrder
            self.metadata = metadata
            self.createdAt = createdAt
            self.updatedAt = updatedAt
        }
    }

    package init(
        id: String, label: String, displayOrder: Int64, createdAt: Timestamp, updatedAt: Timestamp,
        stages: [Stage]
    ) {
        self.id = id
        self.label = label
        self.displayOrder = displayOrder
        self.createdAt = createdAt
        self.updatedAt = updatedAt
        self.stages = stages
    }
}

/// One change of a pipeline or of a stage, for its audit.
package struct PipelineChange: Hashable, Sendable {
    package let identifier: String
    package let action: String
    package let at: Timestamp
    package let origin: Origin
    /// The label it had after the change.
    package let label: String
}

/// The pipelines of the store, inside a transaction.
package struct PipelineTable {
    let connection: any SQLConnection

    package init(_ connection: any SQLConnection) { self.connection = connection }

    /// In the order they are shown; each with its stages in theirs.
    package func pipelines(of object: ObjectName) throws -> [Pipeline] {
        var stages: [String: [Pipeline.Stage]] = [:]
        try connection.each(
            """
            SELECT pipeline_id, id, label, display_order, metadata, created_at, updated_at
            FROM pipeline_stage WHERE object = ? ORDER BY display_order, id
            """, [.text(object.text)]
        ) { row in
            let metadata = FlatJSON.values(row.text(4) ?? "") ?? [:]
            stages[row.text(0) ?? "", default: []].append(
                Pipeline.Stage(
                    id: row.text(1) ?? "", label: row.text(2) ?? "",
                    displayOrder: row.integer(3) ?? 0, metadata: metadata,
                    createdAt: Timestamp(milliseconds: row.integer(5) ?? 0),
                    updatedAt: Timestamp(milliseconds: row.integer(6) ?? 0)))
        }
        return try connection.rows(
            """
            SELECT id, label, display_order, created_at, updated_at FROM pipeline
            WHERE object = ? ORDER BY display_order, id
            """, [.text(object.text)]
        ) { row in
            let id = row.text(0) ?? ""
            return Pipeline(
                id: id, label: row.text(1) ?? "", displayOrder: row.integer(2) ?? 0,
                createdAt: Timestamp(milliseconds: row.integer(3) ?? 0),
                updatedAt: Timestamp(milliseconds: row.integer(4) ?? 0), stages: stages[id] ?? [])
        }
    }

    /// Writes a pipeline as it is to be, with all its stages; the audit shows what changed and who
    /// wanted it.
    package func save(_ pipeline: Pipeline, of object: ObjectName, by origin: Origin) throws {
        let old = try pipelines(of: object).first { $0.id == pipeline.id }
        let now = pipeline.updatedAt
        if old == nil || old?.label != pipeline.label || old?.displayOrder != pipeline.displayOrder
        {
            try connection.run(
                """
                INSERT INTO pipeline VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (object, id) DO UPDATE
                SET label = excluded.label, display_order = excluded.display_order,
                updated_at = excluded.updated_at
                """,
                [
                    .text(object.text), .text(pipeline.id), .text(pipeline.label),
                    .integer(pipeline.displayOrder), .integer(pipeline.createdAt.milliseconds),
                    .integer(now.milliseconds),
                ])
            try recordChange(
                object, pipeline.id, nil, old == nil ? "CREATE" : "UPDATE", pipeline.label, now,
                origin)
        }
        let before = old?.stages ?? []
        for stage in before where !pipeline.stages.contains(where: { $0.id == stage.id }) {
            try connection.run(
                "DELETE FROM pipeline_stage WHERE object = ? AND pipeline_id = ? AND id = ?",
                [.text(object.text), .text(pipeline.id), .text(stage.id)])
            try recordChange(object, pipeline.id, stage.id, "DELETE", stage.label, now, origin)
        }
        for stage in pipeline.stages where !before.contains(stage) {
            try connection.run(
                """
                INSERT INTO pipeline_stage VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (object, pipeline_id, id) DO UPDATE SET label = excluded.label,
                display_order = excluded.display_order, metadata = excluded.metadata,
                updated_at = excluded.updated_at
                """,
                [
                    .text(object.text), .text(pipeline.id), .text(stage.id), .text(stage.label),
                    .integer(stage.displayOrder), .text(FlatJSON.text(stage.metadata)),
                    .integer(stage.createdAt.milliseconds), .integer(now.milliseconds),
                ])
            let isNew = !before.contains { $0.id == stage.id }
            try recordChange(
                object, pipeline.id, stage.id, isNew ? "CREATE" : "UPDATE", stage.label, now, origin
            )
        }
    }

    package func delete(
        _ pipeline: Pipeline, of object: ObjectName, by origin: Origin, at: Timestamp
    )
        throws
    {
        try connection.run(
            "DELETE FROM pipeline_stage WHERE object = ? AND pipeline_id = ?",
            [.text(object.text), .text(pipeline.id)])
        try connection.run(
            "DELETE FROM pipeline WHERE object = ? AND id = ?",
            [.text(object.text), .text(pipeline.id)])
        try recordChange(object, pipeline.id, nil, "DELETE", pipeline.label, at, origin)
    }

    /// What happened to a pipeline, or to one of its stages; newest first, at most 500.
    package func changes(of object: ObjectName, pipeline: String, stage: String?) throws
        -> [PipelineChange]
    {
        try connection.rows(
            """
            SELECT action, at, origin, content FROM pipeline_change WHERE object = ?
            AND pipeline_id = ? AND COALESCE(stage_id, '') = ? ORDER BY sequence DESC LIMIT 500
            """, [.text(object.text), .text(pipeline), .text(stage ?? "")]
        ) { row in
            PipelineChange(
                identifier: stage ?? pipeline, action: row.text(0) ?? "",
                at: Timestamp(milliseconds: row.integer(1) ?? 0), origin: Origin(row.text(2) ?? ""),
                label: row.text(3) ?? "")
        }
    }

    private func recordChange(
        _ object: ObjectName, _ pipeline: String, _ stage: String?, _ action: String,
        _ label: String, _ at: Timestamp, _ origin: Origin
    ) throws {
        try connection.run(
            """
            INSERT INTO pipeline_change (object, pipeline_id, stage_id, action, at, origin, content)
            VALUES (?, ?, ?, ?, ?, ?, ?)
            """,
            [
                .text(object.text), .text(pipeline), .optional(stage), .text(action),
                .integer(at.milliseconds), .text(origin.text), .text(label),
            ])
    }

    /// Adds HubSpot's default pipelines to a store that never had one (guide "Pipelines", 2026).
    func addStandard() throws {
        if try connection.number("SELECT COUNT(*) FROM pipeline_change") > 0 { return }
        let deals: [(String, String, String)] = [
            ("appointmentscheduled", "Appointment Scheduled", "0.2"),
            ("qualifiedtobuy", "Qualified To Buy", "0.4"),
            ("presentationscheduled", "Presentation Scheduled", "0.6"),
            ("decisionmakerboughtin", "Decision Maker Bought-In", "0.8"),
            ("contractsent", "Contract Sent", "0.9"), ("closedwon", "Closed Won", "1.0"),
            ("closedlost", "Closed Lost", "0.0"),
        ]
        let tickets: [(String, String, String)] = [
            ("1", "New", "OPEN"), ("2", "Waiting on contact", "OPEN"),
            ("3", "Waiting on us", "OPEN"), ("4", "Closed", "CLOSED"),
        ]
        try add("default", "Sales Pipeline", .deals, deals, "probability")
        try add("0", "Support Pipeline", .tickets, tickets, "ticketState")
    }

    private func add(
        _ id: String, _ label: String, _ object: ObjectName, _ stages: [(String, String, String)],
        _ metadata: PropertyName
    ) throws {
        let start = Timestamp(milliseconds: 0)
        let pipeline = Pipeline(
            id: id, label: label, displayOrder: 0, createdAt: start, updatedAt: start,
            stages: stages.enumerated().map { order, stage in
                Pipeline.Stage(
                    id: stage.0, label: stage.1, displayOrder: Int64(order),
                    metadata: [metadata: stage.2], createdAt: start, updatedAt: start)
            })
        try save(pipeline, of: object, by: "store")
    }
}
