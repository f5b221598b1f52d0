package import AdapterKit
import Crypto
package import TandemHTTP
package import TandemModel
package import TandemSupport
import TandemTasks

/// One object of an app that is reached by its description.
package struct RESTAdapter: Adapter {
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
    ///   - access: Shared likewise; for an app that gives tokens or sessions.
    ///   - options: Limits of the requests.
    /// - Throws: ``AppError`` if the description has no such object.
    package init(
        _ description: RESTDescription, object: String, variables: [String: String],
        types: [AppField: ValueType], budget: RateBudget, access: (any AccessSource)?,
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
            access, types: types)
    }

    /// Requests in flight.
    var width: Int { connection.description.limits.concurrency }

    package var capabilities: AppCapabilities {
        let batches = [object.createBatch, object.updateBatch, object.deleteBatch]
        return AppCapabilities(
            conditionalWrites: isConditional, createSafety: createSafety,
            readBatch: object.read?.size ?? 100,
            // A batch is what goes out at once, so that none waits for others.
            writeBatch: max(width, batches.compactMap { $0?.size }.max() ?? 0),
            readLagSeconds: object.readLagSeconds, canDelete: object.delete != nil,
            reportsDeletions: reportsDeletions,
            listsWholeRecords: true, canSearch: canBeSearched,
            putsBackOriginals: object.schema != nil || object.shape.restores != .members([]))
    }

    /// Whether a write can be made to depend on the version, which tells nothing of associations that
    /// have calls of their own.
    private var isConditional: Bool {
        fields.allSatisfy { object.shape.associations[$0] == nil }
            && (!object.condition.isEmpty || object.update?.mentions("version") ?? false)
    }

    private var createSafety: CreateSafety {
        guard let find = object.find else { return .clientID }
        if isFoundByKey { return .lookupByKey }
        let changesLag = object.changes?.lagSeconds ?? RESTDescription.Changes.usualLagSeconds
        // A create may be carried out as late as its request times out, and be found by a search
        // when the index has it.
        return .search(lagSeconds: (find.lagSeconds ?? changesLag) + timeoutSeconds)
    }

    /// Whether `find` asks for a value, and not for whatever is new.
    private var canBeSearched: Bool {
        !isFoundByKey && object.find?.call.mentions("value") ?? false
    }

    private var isFoundByKey: Bool {
        object.find.map { $0.call.mentions("key-id") || $0.call.mentions("key") } ?? false
    }

    private var reportsDeletions: Bool {
        if object.changes == nil { return true }
        return switch object.deletions {
        case .sweep: false
        case .feed: true
        case .none: object.shape.deleted != nil
        }
    }

    /// The id that a record gets whose create has this key.
    static func id(for key: String) -> String {
        SHA256.hash(data: Array(key.utf8)).prefix(16).hexadecimal
    }

    package func profile() async throws(AppError) -> AppProfile {
        let description = connection.description
        let account = try await connection.call(description.account, .init()).body
        guard let id = account.at(description.accountID)?.field, !["", "false"].contains(id) else {
            throw .askOperator(
                .authentication, "\(description.account.path) does not say whose account it is",
                remedy: "Correct the credentials, or `account` in the app's description.")
        }
        let known = try await schema()
        let place = connection.variables["url"] ?? description.title
        let count = object.schema == nil ? "any fields" : "\(known.count) fields"
        let way =
            object.changes == nil
            ? "; each poll lists everything, as often as the limits allow" : ""
        return AppProfile(
            account: "\(place) \(id)",
            summary: "\(description.title), account \(id), \(count)\(way)",
            // An app that does not tell its fields takes those that are mapped.
            fields: schema(of: object.schema == nil ? undescribed : known))
    }

    private var undescribed: [FieldSchema] {
        fields.filter { object.shape.fields[$0] == nil }.map { FieldSchema($0) }
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        guard let cursor, object.changes != nil else {
            if let cursor { try await reserve(asMuchAs: cursor) }
            return RESTListing(app: self, since: nil)
        }
        guard let known = RESTCursor(cursor) else {
            throw .cursorExpired("the cursor is none of this app's")
        }
        return RESTListing(app: self, since: known)
    }

    /// Makes sure that a listing of everything can end before it is begun: half a one would have used the
    /// account's limits for nothing, again with each poll.
    ///
    /// - Parameter cursor: Of the last listing; its value is how many requests that took.
    /// - Throws: ``AppError`` if there is no room for them now, or never.
    private func reserve(asMuchAs cursor: Cursor) async throws(AppError) {
        guard let requests = RESTCursor(cursor).flatMap({ Int($0.value) }) else { return }
        let cost = object.list.map(\.call.cost).max() ?? 1
        let room = await connection.budget.reserve(requests: requests, cost: cost)
        let needs = "a listing of everything takes \(requests) requests"
        switch room {
        case .now: return
        case .later(let seconds):
            throw .tryLater(
                .rateLimit,
                "\(needs), and the account's limits leave no room for it now (`tandem status` shows them)",
                afterSeconds: seconds)
        case .never(let window):
            throw .askOperator(
                .rateLimit,
                "\(needs), and the account allows \(window.limit) \(window.counts.rawValue) in "
                    + "\(window.seconds) s",
                remedy: "Ask for larger pages, or describe `changes`, in the app's description.")
        }
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        var readings: [AppRecordID: AppReading] = [:]
        var broken: Set<AppRecordID> = []
        if let batch = object.read, ids.count >= batch.least {
            let split = BatchSplit<AppRecordID, AppReading, AppError>(
                mayBeContent: { error in
                    if case .tryLater(.appUnavailable, _, _) = error { true } else { false }
                },
                fetch: { ids throws(AppError) in try await self.read(ids, by: batch) })
            let outcome = try await split.read(ids, known: nil)
            readings = outcome.values
            broken = Set(outcome.broken)
        }
        let silent = ids.filter { readings[$0] == nil }
        let alone = await silent.mapped(atMost: width) { await read($0) }
        for (id, reading) in zip(silent, alone) {
            readings[id] = reading
            if reading == nil && broken.contains(id) {
                readings[id] = .unreadable(
                    Refusal(.appUnavailable, "the app fails whenever it is asked for \(id)"),
                    version: nil)
            }
        }
        return readings
    }

    private func read(_ ids: [AppRecordID], by batch: RESTDescription.BatchRead)
        async throws(AppError) -> [AppRecordID: AppReading]
    {
        var arguments = Arguments()
        arguments.ids = ids
        arguments.fields = askedFields
        let answer = try await connection.call(batch.call, arguments)
        guard let found = answer.elements(batch.records) else {
            throw unexpected(batch.call, without: batch.records.list)
        }
        let records = found.filter { !isDeleted($0) }.compactMap(record)
        let asked = Set(ids)
        return try await associated(records).reduce(into: [:]) { readings, record in
            if asked.contains(record.id) { readings[record.id] = .present(record) }
        }
    }

    package func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String] {
        let found = await ids.mapped(atMost: width) { id -> String? in
            guard case .here(_, let json) = await look(at: id) else { return nil }
            return String(decoding: json.bytes, as: UTF8.self)
        }
        return zip(ids, found).reduce(into: [:]) { $0[$1.0] = $1.1 }
    }

    /// The fields that the app says it has; none if it has no call for that.
    func schema() async throws(AppError) -> [FieldSchema] {
        guard let asked = object.schema else { return [] }
        return schema(in: try await connection.call(asked.call, .init()).body, asked)
    }

    /// The fields that the app is asked for with a record.
    var askedFields: [AppField] { fields.filter { object.shape.associations[$0] == nil } }

    /// What asking for one record came to.
    enum Sight {
        case here(AppRecord, JSON)
        case gone
        /// The app does not say whether it has it.
        case silent
    }

    /// Asks for one record; another one that comes is what it was merged into.
    func look(at id: AppRecordID) async -> Sight {
        var arguments = Arguments()
        arguments.fields = askedFields
        arguments.texts["id"] = id.text
        guard let answer = try? await connection.send(object.single, arguments) else {
            return .silent
        }
        let status = answer.response.status
        switch answer.verdict {
        case .known(.gone): return .gone
        case .known, .no: return .silent
        case .yes:
            if let json = RESTDescription.Records(list: object.single.record).first(
                in: answer.body), let record = record(json)
            {
                return isDeleted(json) || record.id != id ? .gone : .here(record, json)
            }
            // Nothing at all is a no where the description says so; a list of none is one.
            let isNone = answer.body.at(object.single.record)?.elements?.isEmpty ?? false
            let isNo = connection.meaning(of: answer.body, status) == .known(.gone)
            return isNone || isNo ? .gone : .silent
        }
    }

    /// Reads one record; `nil` if the app does not say whether it has it.
    func read(_ id: AppRecordID) async -> AppReading? {
        switch await look(at: id) {
        case .here(let record, _):
            return (try? await associated([record]))?.first.map { .present($0) }
        case .gone: return .gone
        case .silent: return nil
        }
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        guard let find = object.find else {
            let id = AppRecordID(Self.id(for: key))
            switch try await read([id])[id] {
            case .present(let made)?: return .found([made])
            case .gone?: return .none
            case .foreign?, .unreadable?, nil: return .unanswered("\(id) cannot be read")
            }
        }
        return try await lookUp(find, key: key, values, since: since)
    }

    package func search(_ values: [AppField: String]) async throws(AppError) -> CreateLookup {
        guard let find = object.find, canBeSearched else {
            return .unanswered("the description has no `find` by a value of the record")
        }
        return try await lookUp(find, key: "", values, since: nil)
    }

    /// Asks for records by their key, or by the first of the searched values that they would have; `since`
    /// leaves out older ones.
    private func lookUp(
        _ find: RESTDescription.Lookup, key: String, _ values: [AppField: String],
        since: Timestamp?
    ) async throws(AppError) -> CreateLookup {
        let isByKey = isFoundByKey
        let sent = ownValues(values).filter { !$0.value.isEmpty }
        // A value of any other field would ask for something else than the record.
        let named = find.fields.isEmpty && find.call.mentions("field") ? sent.keys.sorted() : []
        let searched = (find.fields + named).first { sent[$0] != nil }
        guard isByKey || searched != nil else {
            let fields = find.fields.map(\.text).joined(separator: ", ")
            return .unanswered("the record has no \(fields), which `find` searches by")
        }
        let start = since.map { $0 - Self.skew } ?? Timestamp(milliseconds: 0)
        var arguments = Arguments()
        arguments.fields = Set(askedFields + Array(sent.keys)).sorted()
        let value = searched.flatMap { sent[$0] } ?? ""
        arguments.texts = [
            "field": searched?.text ?? "", "since": find.since.text(start), "key": key,
            "key-id": Self.id(for: key),
            "value": value.map { find.escapes[String($0)] ?? String($0) }.joined(),
        ]
        let answer = try await connection.answer(to: find.call, arguments)
        if answer.verdict == .known(.gone) { return .none }
        let success = try connection.success(answer, find.call)
        guard let found = success.elements(find.records) else {
            throw unexpected(find.call, without: find.records.list)
        }
        let living = found.filter { !isDeleted($0) }
        let shown = living.compactMap(record)
        if shown.count < living.count {
            return .unanswered("\(find.call.path) shows a record without an id")
        }
        let records = find.isIndex ? try await themselves(shown) : try await associated(shown)
        guard let searched, !isByKey else { return CreateLookup(records) }
        let fitting = records.filter { isSame($0.values[searched] ?? "", value, searched) }
        if fitting.isEmpty && !records.isEmpty && find.call.mentions("value") {
            return .unanswered("\(find.call.path) shows other records than it was asked for")
        }
        return CreateLookup(fitting.filter { $0.createdAt.map { $0 >= start } ?? true })
    }

    /// Whether a record shows the value that was searched by.
    private func isSame(_ held: String, _ sent: String, _ field: AppField) -> Bool {
        type(of: field)?.equal(held, sent) ?? false || held.lowercased() == sent.lowercased()
    }

    /// The records that an index shows.
    ///
    /// - Throws: ``AppError`` if one of them cannot be read: it may be the one that is looked for.
    private func themselves(_ shown: [AppRecord]) async throws(AppError) -> [AppRecord] {
        var records: [AppRecord] = []
        for chunk in shown.map(\.id).chunks(of: capabilities.readBatch) {
            let readings = try await read(Array(chunk))
            for id in chunk {
                switch readings[id] {
                case .present(let record): records.append(record)
                case .gone, .foreign: break
                case .unreadable, nil:
                    throw .tryLater(
                        .appUnavailable, "\(id) was found and cannot be read", afterSeconds: nil)
                }
            }
        }
        return records
    }

    func unexpected(_ call: RESTDescription.Call, without place: String? = nil) -> AppError {
        let what = place.map { "anything at `\($0)`, which" } ?? "what"
        return .askOperator(
            .mapping, "\(call.path) answers without \(what) its description names",
            remedy: "Correct the app's description.")
    }
}
