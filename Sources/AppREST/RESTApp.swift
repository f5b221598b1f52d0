package import TandemHTTP
package import TandemModel
import TandemTasks

/// One object of an app that is reached by its description.
package struct RESTApp: App {
    let connection: RESTConnection
    let object: RESTDescription.Object
    /// The fields that are read and written.
    let fields: [AppField]

    private let timeoutSeconds: Int64

    /// Requests in flight.
    static let inFlight = 4

    /// How far the app's clock may be behind ours.
    private static let skew = Span.seconds(600)

    /// - Parameters:
    ///   - description: How the app is reached.
    ///   - object: The object's name in it.
    ///   - variables: What the connection says, with `url`.
    ///   - fields: The fields that the mapping names.
    ///   - options: Limits of the requests.
    /// - Throws: ``AppError`` if the description has no such object.
    package init(
        _ description: RESTDescription, object: String, variables: [String: String],
        fields: [AppField], options: HTTPClient.Options
    ) throws(AppError) {
        guard let found = description.objects[object] else {
            throw .askOperator(
                .mapping, "\(description.title) has no object `\(object)`",
                remedy: "Name one of \(description.objects.keys.sorted().joined(separator: ", ")).")
        }
        self.object = found
        self.fields = fields
        timeoutSeconds = Int64(options.timeoutSeconds)
        connection = RESTConnection(
            description, variables.merging(["object": object]) { $1 }, HTTPClient(options))
    }

    package var capabilities: AppCapabilities {
        // A create may be carried out as late as its request times out, and be found by a search
        // when the index has it. A batch is what goes out at once, so that none waits for others.
        AppCapabilities(
            conditionalWrites: false,
            createSafety: .search(lagSeconds: object.changes.lagSeconds + timeoutSeconds),
            readBatch: object.read.batch, writeBatch: Self.inFlight, reportsDeletions: false,
            listsWholeRecords: true)
    }

    package func profile() async throws(AppError) -> AppProfile {
        let description = connection.description
        let (account, _) = try await connection.call(description.account, .init())
        guard let id = account.at(description.accountID)?.field, !id.isEmpty else {
            throw .askOperator(
                .mapping, "\(description.account.path) does not say whose account it is",
                remedy: "Correct `account` in the app's description.")
        }
        let (schema, _) = try await connection.call(object.schema.call, .init())
        let names = (schema.at(object.schema.fields)?.elements ?? [])
            .compactMap { $0.at(object.schema.name)?.field }
        let url = connection.variables["url"] ?? ""
        return AppProfile(
            account: "\(url) \(id)",
            summary: "\(description.title), account \(id), \(names.count) fields",
            fields: names.map { FieldSchema(AppField($0)) })
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        if let cursor, Int64(cursor.text) == nil {
            throw .cursorExpired("the cursor is none of this app's")
        }
        return RESTListing(app: self, since: cursor)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        var arguments = RESTConnection.Arguments()
        arguments.ids = ids
        arguments.fields = fields
        let (body, _) = try await connection.call(object.read.call, arguments)
        guard let records = body.at(object.read.records)?.elements else {
            throw unexpected(object.read.call)
        }
        var readings: [AppRecordID: AppReading] = [:]
        let asked = Set(ids)
        for case let record? in records.map(record) where asked.contains(record.id) {
            readings[record.id] = .present(record)
        }
        let silent = ids.filter { readings[$0] == nil }
        let alone = await silent.mapped(atMost: Self.inFlight) { await read($0) }
        for (id, reading) in zip(silent, alone) { readings[id] = reading }
        return readings
    }

    /// Asks for one record; `nil` if the app does not say whether it has it, or answers with another
    /// one that it was merged into.
    private func read(_ id: AppRecordID) async -> AppReading? {
        var arguments = RESTConnection.Arguments()
        arguments.fields = fields
        arguments.texts["id"] = id.text
        guard let response = try? await connection.send(object.read.single, arguments) else {
            return nil
        }
        if [404, 410].contains(response.status) { return .gone }
        guard response.status == 200,
            let record = RESTConnection.json(response).flatMap(record)
        else { return nil }
        return record.id == id ? .present(record) : .gone
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> [AppRecord]
    {
        let sent = values.filter { !$0.value.isEmpty }
        let usual = object.find.fields.filter { sent[$0] != nil }
        guard let searched = usual.first ?? sent.keys.min(), let value = sent[searched] else {
            return []
        }
        var arguments = RESTConnection.Arguments()
        arguments.fields = Set(fields + Array(sent.keys)).sorted()
        let start = since - Self.skew
        arguments.texts = [
            "field": searched.text, "value": value, "since": "\(start.milliseconds)",
        ]
        let (body, _) = try await connection.call(object.find.call, arguments)
        guard let records = body.at(object.find.records)?.elements else {
            throw unexpected(object.find.call)
        }
        return records.compactMap(record).filter { record in
            (record.createdAt.map { $0 >= start } ?? true)
                && usual.allSatisfy { record.values[$0]?.lowercased() == sent[$0]?.lowercased() }
        }
    }

    /// A record as the app shows it; `nil` for something without id.
    func record(_ json: JSON) -> AppRecord? {
        guard let id = json.at(object.shape.id)?.field, !id.isEmpty else { return nil }
        let all = json.at(object.shape.values)
        var values: [AppField: String] = [:]
        for field in fields {
            if let value = all?.at("/" + field.text)?.field { values[field] = value }
        }
        func moment(_ pointer: String?) -> Timestamp? {
            pointer.flatMap { json.at($0)?.field }.flatMap { Timestamp(rfc3339: $0) }
        }
        return AppRecord(
            id: AppRecordID(id), version: object.shape.modified.flatMap { json.at($0)?.field },
            values: values, createdAt: moment(object.shape.created),
            modifiedAt: moment(object.shape.modified))
    }

    func unexpected(_ call: RESTDescription.Call) -> AppError {
        .askOperator(
            .mapping, "\(call.path) answers without the list that its description names",
            remedy: "Correct the app's description.")
    }
}
