import Crypto
package import TandemHTTP
package import TandemModel
import TandemTasks

/// One object of an app that is reached by its description.
package struct RESTApp: App {
    var connection: RESTConnection
    let object: RESTDescription.Object
    /// The fields that are read and written.
    let fields: [AppField]

    private let timeoutSeconds: Int64

    /// How far the app's clock may be behind ours.
    private static let skew = Span.seconds(600)

    /// - Parameters:
    ///   - description: How the app is reached.
    ///   - object: The object's name in it.
    ///   - variables: What the connection says, with `url`.
    ///   - types: The fields that the mapping names, with their types.
    ///   - budget: Shared by everything that asks this account.
    ///   - tokens: Shared likewise; for an app that gives access by OAuth.
    ///   - options: Limits of the requests.
    /// - Throws: ``AppError`` if the description has no such object.
    package init(
        _ description: RESTDescription, object: String, variables: [String: String],
        types: [AppField: ValueType], budget: RateBudget, tokens: TokenSource?,
        options: HTTPClient.Options
    ) throws(AppError) {
        guard let found = description.objects[object] ?? description.objects["*"] else {
            throw .askOperator(
                .mapping, "\(description.title) has no object `\(object)`",
                remedy: "Name one of \(description.objects.keys.sorted().joined(separator: ", ")).")
        }
        self.object = found
        fields = types.keys.sorted()
        timeoutSeconds = Int64(options.timeoutSeconds)
        connection = RESTConnection(
            description, variables.merging(["object": object]) { $1 }, HTTPClient(options), budget,
            tokens, types: types)
    }

    /// Requests in flight.
    var width: Int { connection.description.limits.concurrency }

    package var capabilities: AppCapabilities {
        // A create may be carried out as late as its request times out, and be found by a search
        // when the index has it. A batch is what goes out at once, so that none waits for others.
        let lag = object.changes.lagSeconds + timeoutSeconds
        return AppCapabilities(
            conditionalWrites: !object.condition.isEmpty,
            createSafety: object.find == nil ? .clientID : .search(lagSeconds: lag),
            readBatch: object.read?.size ?? 100, writeBatch: width,
            reportsDeletions: object.shape.deleted != nil, listsWholeRecords: true)
    }

    /// The id that a record gets whose create has this key.
    static func id(for key: String) -> String {
        SHA256.hash(data: Array(key.utf8)).prefix(16).hexadecimal
    }

    package func profile() async throws(AppError) -> AppProfile {
        let description = connection.description
        let (account, _) = try await connection.call(description.account, .init())
        guard let id = account.at(description.accountID)?.field, !id.isEmpty else {
            throw .askOperator(
                .authentication, "\(description.account.path) does not say whose account it is",
                remedy: "Correct the credentials, or `account` in the app's description.")
        }
        var names: [String] = []
        if let asked = object.schema {
            let (schema, _) = try await connection.call(asked.call, .init())
            names = (schema.at(asked.fields)?.elements ?? []).compactMap {
                $0.at(asked.name)?.field
            }
        }
        let url = connection.variables["url"] ?? ""
        let count = object.schema == nil ? "any fields" : "\(names.count) fields"
        return AppProfile(
            account: "\(url) \(id)", summary: "\(description.title), account \(id), \(count)",
            fields: names.map { FieldSchema(AppField($0)) })
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        guard let cursor else { return RESTListing(app: self, since: nil) }
        guard let known = RESTCursor(cursor) else {
            throw .cursorExpired("the cursor is none of this app's")
        }
        return RESTListing(app: self, since: known)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        var readings: [AppRecordID: AppReading] = [:]
        if let batch = object.read {
            var arguments = RESTConnection.Arguments()
            arguments.ids = ids
            arguments.fields = fields
            let (body, _) = try await connection.call(batch.call, arguments)
            guard let records = body.at(batch.records)?.elements else {
                throw unexpected(batch.call)
            }
            let asked = Set(ids)
            for case let record? in records.map(record) where asked.contains(record.id) {
                readings[record.id] = .present(record)
            }
        }
        let silent = ids.filter { readings[$0] == nil }
        let alone = await silent.mapped(atMost: width) { await read($0) }
        for (id, reading) in zip(silent, alone) { readings[id] = reading }
        return readings
    }

    /// Asks for one record; `nil` if the app does not say whether it has it, or answers with another
    /// one that it was merged into.
    func read(_ id: AppRecordID) async -> AppReading? {
        var arguments = RESTConnection.Arguments()
        arguments.fields = fields
        arguments.texts["id"] = id.text
        guard let response = try? await connection.send(object.single, arguments) else {
            return nil
        }
        if [404, 410].contains(response.status) { return .gone }
        guard response.status == 200,
            let record = RESTConnection.json(response)?.at(object.single.record).flatMap(record)
        else { return nil }
        return record.id == id ? .present(record) : .gone
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> [AppRecord]
    {
        guard let find = object.find else {
            let readings = try await read([AppRecordID(Self.id(for: key))])
            return readings.values.compactMap {
                if case .present(let made) = $0 { made } else { nil }
            }
        }
        let sent = values.filter { !$0.value.isEmpty }
        let usual = find.fields.filter { sent[$0] != nil }
        guard let searched = usual.first ?? sent.keys.min(), let value = sent[searched] else {
            return []
        }
        var arguments = RESTConnection.Arguments()
        arguments.fields = Set(fields + Array(sent.keys)).sorted()
        let start = since - Self.skew
        arguments.texts = [
            "field": searched.text, "value": value, "since": "\(start.milliseconds)",
        ]
        let (body, _) = try await connection.call(find.call, arguments)
        guard let records = body.at(find.records)?.elements else { throw unexpected(find.call) }
        return records.compactMap(record).filter { record in
            (record.createdAt.map { $0 >= start } ?? true)
                && usual.allSatisfy { record.values[$0]?.lowercased() == sent[$0]?.lowercased() }
        }
    }

    /// A record as the app shows it; `nil` for something without id.
    func record(_ json: JSON) -> AppRecord? {
        let shape = object.shape
        guard let id = json.at(shape.id)?.field, !id.isEmpty else { return nil }
        let all = json.at(shape.values)
        var values: [AppField: String] = [:]
        for field in fields {
            // An app that takes any field leaves out those that a record has not got.
            let absent: String? = object.schema == nil ? "" : nil
            values[field] = all?.at("/" + field.text)?.fieldOrSet ?? absent
        }
        func moment(_ pointer: String?) -> Timestamp? {
            pointer.flatMap { json.at($0)?.field }.flatMap { text in
                Int64(text).map { Timestamp(milliseconds: $0) } ?? Timestamp(rfc3339: text)
            }
        }
        return AppRecord(
            id: AppRecordID(id),
            version: (shape.version ?? shape.modified).flatMap { json.at($0)?.field },
            values: values, createdAt: moment(shape.created), modifiedAt: moment(shape.modified))
    }

    func unexpected(_ call: RESTDescription.Call) -> AppError {
        .askOperator(
            .mapping, "\(call.path) answers without the list that its description names",
            remedy: "Correct the app's description.")
    }
}
