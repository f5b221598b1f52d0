package import AdapterKit
import FoundationEssentials
import Synchronization
package import TandemModel
package import TandemSupport

/// A Singer tap (singer.io specification 0.3) as an app that is only read.
///
/// Each listing is one run of the tap: with the state of the last one, or without for everything.
/// The cursor is that state.
package final class SingerAdapter: Adapter {
    let settings: Settings
    private let stream = Mutex<SingerStream?>(nil)

    /// How a tap is run.
    package struct Settings: Hashable, Sendable {
        package let program: ProgramSettings
        /// The stream that is read.
        package let stream: String
        /// The fields that the mapping names; `/` leads into an object: `address/city`.
        package let fields: [AppField]
        /// What the tap gets as `--config`, secrets filled in.
        package let config: [String: JSON]
        /// `catalog`, or `properties` for taps of before 2018.
        package let catalogOption: String
        /// The column by which a tap that leaves the choice to the user tells what is new.
        package let replicationKey: String?

        package init(
            _ program: ProgramSettings, stream: String, fields: [AppField],
            config: [String: JSON], catalogOption: String, replicationKey: String?
        ) {
            self.program = program
            self.stream = stream
            self.fields = fields
            self.config = config
            self.catalogOption = catalogOption
            self.replicationKey = replicationKey
        }
    }

    package init(_ settings: Settings) { self.settings = settings }

    /// A tap that gives the whole stream each time proves what is missing; any other one is asked
    /// for everything now and then.
    package var capabilities: AppCapabilities {
        AppCapabilities(
            conditionalWrites: false, createSafety: .clientID, readBatch: 5_000, canDelete: false,
            reportsDeletions: stream.withLock { $0?.isAlwaysWhole ?? false },
            listsWholeRecords: true, isReadOnly: true)
    }

    package func prepare() async throws(AppError) { _ = try await discovered() }

    package func profile() async throws(AppError) -> AppProfile {
        let found = try await discovered()
        let kind = found.isAlwaysWhole ? "the whole stream each time" : "what changed since a state"
        return AppProfile(
            account: "\(settings.program.name) \(settings.stream)",
            summary: "stream \(settings.stream), \(kind)", fields: found.schema)
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        var state: JSON?
        if let cursor {
            guard let known = JSON(parsing: Array(cursor.text.utf8)), known.members != nil else {
                throw .cursorExpired("the cursor is no state of a tap")
            }
            state = known
        }
        let stream = try await discovered()
        // A state of a stream that is given whole would only leave out what came before it.
        return SingerListing(
            SingerRun(settings, stream, state: stream.isAlwaysWhole ? nil : state), stream)
    }

    /// Runs the whole tap once for all ids: a tap cannot be asked for a record.
    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        let listing = try await changes(since: nil)
        let asked = Set(ids)
        var readings: [AppRecordID: AppReading] = [:]
        var isWhole = false
        while let page = try await listing.next() {
            for record in page.records where asked.contains(record.id) {
                readings[record.id] = .present(record)
            }
            for id in page.gone where asked.contains(id) { readings[id] = .gone }
            isWhole = isWhole || page.isCompleteListing
        }
        if isWhole { for id in asked where readings[id] == nil { readings[id] = .gone } }
        return readings
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    { .none }

    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        writes.map { _ in .refused(Refusal(.permission, "a Singer tap is only read")) }
    }

    private func discovered() async throws(AppError) -> SingerStream {
        if let known = stream.withLock({ $0 }) { return known }
        let found = try await SingerRun(settings, nil, state: nil).discover()
        stream.withLock { $0 = found }
        return found
    }
}

/// What a tap's catalog says of the stream that is read.
struct SingerStream: Hashable, Sendable {
    /// The catalog with this stream selected and no other.
    let catalog: JSON
    /// What its messages may call it.
    let names: Set<String>
    let keys: [String]
    /// Each run gives every record, so that one it leaves out is gone.
    let isAlwaysWhole: Bool
    let schema: [FieldSchema]

    /// - Throws: ``AppError`` if the catalog has no such stream.
    init(_ catalog: JSON, stream name: String, replicationKey: String?) throws(AppError) {
        let streams = catalog["streams"]?.elements ?? []
        let names = streams.compactMap { ($0["tap_stream_id"] ?? $0["stream"])?.text }
        guard let place = names.firstIndex(of: name), case .object(var chosen) = streams[place]
        else {
            throw .askOperator(
                .mapping, "the tap has no stream `\(name)`\(suggestion(for: name, in: names))",
                remedy: "Name one of \(names.joined(separator: ", ")) as `app-object`.")
        }
        self.names = Set([name, chosen["stream"]?.text].compactMap(\.self))
        var whole = chosen["replication_method"]?.text
        var keys = chosen["key_properties"]?.elements?.compactMap(\.text) ?? []
        var metadata: [JSON] = []
        for entry in chosen["metadata"]?.elements ?? [] {
            guard case .object(var entry) = entry else { continue }
            var facts = entry["metadata"]?.members ?? [:]
            facts["selected"] = .flag(true)
            if entry["breadcrumb"]?.elements?.isEmpty == true {
                whole =
                    (facts["replication-method"] ?? facts["forced-replication-method"])?.text
                    ?? whole
                let listed = facts["table-key-properties"]?.elements?.compactMap(\.text) ?? []
                if keys.isEmpty { keys = listed }
                // Taps that leave the choice to the user get the one that misses nothing.
                if let replicationKey {
                    whole = "INCREMENTAL"
                    facts["replication-key"] = .text(replicationKey)
                }
                if whole == nil || replicationKey != nil {
                    facts["replication-method"] = .text(whole ?? "FULL_TABLE")
                }
            }
            entry["metadata"] = .object(facts)
            metadata.append(.object(entry))
        }
        chosen["metadata"] = .list(metadata)
        var schema = chosen["schema"]?.members ?? [:]
        schema["selected"] = .flag(true)
        chosen["schema"] = .object(schema)
        self.catalog = .object(["streams": .list([.object(chosen)])])
        self.keys = keys
        isAlwaysWhole = (whole ?? "FULL_TABLE") == "FULL_TABLE"
        self.schema = Self.fields(.object(schema), "")
    }

    /// The single values of a record, those inside of objects, too.
    private static func fields(_ schema: JSON, _ path: String) -> [FieldSchema] {
        (schema["properties"]?.members ?? [:]).sorted { $0.key < $1.key }.flatMap { name, schema in
            schema["properties"] != nil
                ? fields(schema, "\(path)\(name)/")
                : [FieldSchema(AppField(path + name), type: type(schema), isWritable: false)]
        }
    }

    private static func type(_ schema: JSON) -> ValueType? {
        let types = schema["type"]?.elements?.compactMap(\.text) ?? [schema["type"]?.text ?? ""]
        if types.contains("boolean") { return .bool }
        if types.contains("integer") || types.contains("number") { return .number }
        switch schema["format"]?.text {
        case "date-time": return .datetime
        case "date": return .date
        default: return types.contains("string") ? .string : nil
        }
    }
}
