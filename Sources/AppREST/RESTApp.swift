package import TandemHTTP
package import TandemModel

/// One object of an app that is reached by its description.
package struct RESTApp: App {
    let connection: RESTConnection
    let object: RESTDescription.Object
    /// The fields that are read and written.
    let fields: [AppField]

    /// Requests in flight.
    private static let inFlight = 4

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
        connection = RESTConnection(
            description, variables.merging(["object": object]) { $1 }, HTTPClient(options))
    }

    package var capabilities: AppCapabilities {
        AppCapabilities(
            conditionalWrites: false, createSafety: .search(lagSeconds: object.changes.lagSeconds),
            readBatch: object.read.batch, writeBatch: 40, reportsDeletions: false,
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
            fields: names.map { AppField($0) })
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        RESTListing(app: self, since: cursor)
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
        for id in ids { readings[id] = .gone }
        for case let record? in records.map(record) { readings[record.id] = .present(record) }
        return readings
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> [AppRecord]
    {
        let searched = object.find.fields.first { !(values[$0] ?? "").isEmpty }
        guard let searched, let value = values[searched] else { return [] }
        var arguments = RESTConnection.Arguments()
        arguments.fields = fields
        arguments.texts = ["field": searched.text, "value": value]
        let (body, _) = try await connection.call(object.find.call, arguments)
        guard let records = body.at(object.find.records)?.elements else {
            throw unexpected(object.find.call)
        }
        // The app's clock may be a little behind ours.
        let start = since - .seconds(60)
        return records.compactMap(record).filter { $0.createdAt.map { $0 >= start } ?? true }
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

    /// Applies `work` to each item, at most ``inFlight`` at a time; results in order.
    func mapped<Item: Sendable, Value: Sendable>(
        _ items: [Item], _ work: @escaping @Sendable (Item) async -> Value
    ) async -> [Value] {
        var values: [Value] = []
        for chunk in items.chunks(of: Self.inFlight) {
            values += await withTaskGroup(of: (Int, Value).self) { group in
                for (place, item) in chunk.enumerated() {
                    group.addTask { (place, await work(item)) }
                }
                var part: [(Int, Value)] = []
                for await value in group { part.append(value) }
                return part.sorted { $0.0 < $1.0 }.map(\.1)
            }
        }
        return values
    }
}
