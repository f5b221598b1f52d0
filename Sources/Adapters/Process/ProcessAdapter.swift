package import AdapterKit
import FoundationEssentials
import Synchronization
package import TandemModel
package import TandemSupport

/// An app that a program of somebody's reaches: JSON lines on its standard input and output.
///
/// `Docs/process.md` is the protocol. The program says itself what it can do.
package final class ProcessAdapter: Adapter {
    private let session: ProcessSession
    private let known = Mutex(AppCapabilities(conditionalWrites: false, createSafety: .clientID))

    /// - Parameters:
    ///   - settings: How the program is run.
    ///   - object: The app's object that it is asked for.
    ///   - fields: The fields that the mapping names.
    ///   - parameters: What the user says to the program, secrets filled in.
    package init(
        _ settings: ProgramSettings, object: String, fields: [AppField],
        parameters: [String: String]
    ) {
        session = ProcessSession(
            settings,
            greeting: .object([
                "protocol": .number(1), "object": .text(object),
                "fields": .list(fields.map { .text($0.text) }),
                "settings": .object(parameters.mapValues { .text($0) }),
            ]))
    }

    package var capabilities: AppCapabilities { known.withLock { $0 } }

    package func prepare() async throws(AppError) { _ = try await hello() }

    /// What the program says of itself; its capabilities hold from then on.
    private func hello() async throws(AppError) -> JSON {
        let hello: JSON
        do { hello = try await session.hello() } catch { throw error.error }
        let said = AppCapabilities(process: hello["capabilities"] ?? .null)
        known.withLock { $0 = said }
        return hello
    }

    package func profile() async throws(AppError) -> AppProfile {
        let hello = try await hello()
        guard let account = hello["account"]?.field, !account.isEmpty else {
            throw .askOperator(
                .mapping, "the program does not say whose account it is",
                remedy: "Let it answer `hello` with an `account` that stays the same.")
        }
        let schema = try await ask("schema", [:])
        return AppProfile(
            account: account, summary: hello["summary"]?.field ?? account,
            fields: (schema["fields"]?.elements ?? []).compactMap(FieldSchema.init(process:)))
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        ProcessListing(app: self, since: cursor)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        let answer = try await ask("read", ["ids": .list(ids.map { .text($0.text) })])
        let page = ChangePage(process: answer)
        let asked = Set(ids)
        var readings: [AppRecordID: AppReading] = [:]
        for record in page.records where asked.contains(record.id) {
            readings[record.id] = .present(record)
        }
        for id in page.gone where asked.contains(id) { readings[id] = .gone }
        for bad in page.unreadable where asked.contains(bad.id) {
            readings[bad.id] = .unreadable(bad.refusal, version: bad.version)
        }
        return readings
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        let answer = try await ask(
            "find",
            [
                "key": .text(key), "values": .object(process: values),
                "since": .text(since.description),
            ])
        if let why = answer["unknown"]?.field { return .unanswered(why) }
        return CreateLookup(ChangePage(process: answer).records)
    }

    package func apply(_ writes: [AppWrite]) async throws(AppError) -> [WriteOutcome] {
        let answer: JSON
        do {
            answer = try await session.call(
                "write", ["writes": .list(writes.map { .object($0.process) })])
        } catch {
            // A program that ended in the middle may have written anything of it, or nothing.
            guard case .unanswered(let why) = error else { throw error.error }
            return writes.map { _ in .unknown(why.message) }
        }
        let outcomes = answer["outcomes"]?.elements ?? []
        guard outcomes.count == writes.count else {
            let text = "\(writes.count) writes have \(outcomes.count) outcomes"
            return writes.map { _ in .unknown(text) }
        }
        return outcomes.map { WriteOutcome(process: $0) }
    }

    /// Asks the program for a page of what changed.
    func page(_ parameters: [String: JSON]) async throws(AppError) -> (
        page: ChangePage, next: JSON?
    ) {
        let answer = try await ask("changes", parameters)
        return (ChangePage(process: answer), answer["next"].flatMap { $0 == .null ? nil : $0 })
    }

    private func ask(_ method: String, _ parameters: [String: JSON]) async throws(AppError) -> JSON
    {
        do { return try await session.call(method, parameters) } catch { throw error.error }
    }
}

/// A listing that the program gives page by page.
final class ProcessListing: ChangeListing {
    private let app: ProcessAdapter
    private let since: Cursor?
    private let place = Mutex<Place>(.next(.null))
    /// Pages that were asked for.
    private let asked = Mutex<Set<JSON>>([])

    private enum Place {
        case next(JSON)
        case end
    }

    init(app: ProcessAdapter, since: Cursor?) {
        self.app = app
        self.since = since
    }

    func next() async throws(AppError) -> ChangePage? {
        guard case .next(let token) = place.withLock({ $0 }) else { return nil }
        var (page, next) = try await app.page([
            "since": since.map { .text($0.text) } ?? .null, "page": token,
        ])
        let isNew = asked.withLock { $0.insert(token).inserted }
        if !isNew || next == token {
            throw .askOperator(
                .mapping, "the program gives the same page again",
                remedy: "Let `next` name the page that follows.")
        }
        if asked.withLock({ $0.count }) == 1 && next == nil { page.mayHaveDrifted = false }
        place.withLock { $0 = next.map { .next($0) } ?? .end }
        return page
    }
}
