package import AdapterKit
import Synchronization
import TandemHTTP
package import TandemModel
package import TandemSupport

/// Requests and answers as they went over the wire, without secrets.
package final class RESTTrace: Sendable {
    /// One request and its answer.
    package struct Exchange: Encodable, Hashable, Sendable {
        package let method: String
        package let url: String
        package let headers: [String: String]
        package let body: JSON?
        package let status: Int
        package let answerHeaders: [String: String]
        /// The answer as JSON; as a text if it is none.
        package let answer: JSON

        enum CodingKeys: String, CodingKey {
            case method, url, headers, body, status, answer
            case answerHeaders = "answer_headers"
        }
    }

    private let exchanges = Mutex<[Exchange]>([])
    /// Texts that nobody may see.
    private let secrets: [String]

    static let mask = "***"
    private static let longestText = 2_000

    init(secrets: [String]) {
        self.secrets = secrets.filter { !$0.isEmpty }.sorted { $0.count > $1.count }
    }

    /// What was sent and answered since it was taken last.
    package func take() -> [Exchange] {
        exchanges.withLock { exchanges in
            defer { exchanges = [] }
            return exchanges
        }
    }

    /// Notes one exchange.
    ///
    /// - Parameters:
    ///   - request: As it was sent.
    ///   - response: The answer to it.
    ///   - access: The token, to be hidden wherever it stands; a text of a few letters is none.
    func append(_ request: HTTPRequest, _ response: HTTPResponse, hiding access: String?) {
        let secrets = secrets + [access].compactMap(\.self).filter { $0.count >= 8 }
        func masked(_ text: String) -> String { Self.masked(text, secrets) }
        func document(_ bytes: [UInt8]) -> JSON {
            let text = masked(String(decoding: bytes, as: UTF8.self))
            return JSON(parsing: Array(text.utf8)) ?? .text(String(text.prefix(Self.longestText)))
        }
        let hidden = Set(request.secrets.map { $0.name.lowercased() })
        let shown = (request.headers + request.secrets).reduce(into: [String: String]()) {
            $0[$1.name] = hidden.contains($1.name.lowercased()) ? Self.mask : masked($1.value)
        }
        let exchange = Exchange(
            method: request.method, url: masked(request.url), headers: shown,
            body: request.body.map(document), status: response.status,
            answerHeaders: response.allHeaders.reduce(into: [:]) { $0[$1.name] = masked($1.value) },
            answer: document(response.body))
        exchanges.withLock { $0.append(exchange) }
    }

    static func masked(_ text: String, _ secrets: [String]) -> String {
        secrets.filter { !$0.isEmpty }.reduce(text) { text, secret in
            text.replacing(secret, with: mask).replacing(secret.percentEncoded(), with: mask)
        }
    }
}

/// What became of one call that was tried.
package struct RESTTrial: Encodable, Hashable, Sendable {
    /// `list`, `single` and so on, as the description names it.
    package let call: String
    /// `nil` if all was well.
    package let problem: String?
    /// Of a listing: what its first page showed.
    package let shown: String?
    package let exchanges: [RESTTrace.Exchange]
}

extension RESTAdapter {
    /// The same app, with all that it sends and is answered noted.
    package var traced: (app: RESTAdapter, trace: RESTTrace) {
        let trace = RESTTrace(secrets: connection.secrets)
        var app = self
        app.connection.trace = trace
        return (app, trace)
    }

    /// Tries every call that only reads; a first record of the app is what is asked for.
    ///
    /// - Returns: What the app says of itself, and a trial for each call of the description, in the
    ///   order in which a sync makes them; those that need a record are left out if it has none.
    package func trials() async -> (profile: Result<AppProfile, AppError>, trials: [RESTTrial]) {
        let (app, trace) = traced
        var trials: [RESTTrial] = []
        var profile = Result<AppProfile, AppError>.failure(
            unexpected(connection.description.account))
        var shown: String?
        func attempt(_ name: String, _ work: () async throws(AppError) -> Void) async {
            var problem: String?
            shown = nil
            do { try await work() } catch { problem = error.sentences }
            trials.append(
                RESTTrial(call: name, problem: problem, shown: shown, exchanges: trace.take()))
        }
        await attempt("account") { () async throws(AppError) in
            do throws(AppError) { profile = .success(try await app.profile()) } catch {
                profile = .failure(error)
                throw error
            }
        }
        var first: AppRecord?
        var cursor: Cursor?
        await attempt("list") { () async throws(AppError) in
            let listing = RESTListing(app: app, since: nil)
            let page = try await listing.next() ?? ChangePage()
            first = page.records.first
            cursor = page.cursor
            shown = app.summary(of: page, hasMore: listing.hasMore)
        }
        if let since = cursor ?? app.now {
            await attempt("changes") { () async throws(AppError) in
                _ = try await app.changes(since: since).next()
            }
        }
        guard let first else { return (profile, trials) }
        await attempt("single") { () async throws(AppError) in
            guard case .here = await app.look(at: first.id) else {
                throw app.unexpected(app.object.single, without: app.object.single.record)
            }
        }
        if object.read != nil {
            await attempt("read") { () async throws(AppError) in _ = try await app.read([first.id])
            }
        }
        if object.find != nil {
            await attempt("find") { () async throws(AppError) in
                let since = first.createdAt ?? Timestamp(milliseconds: 0)
                _ = try await app.find(key: "", values: first.values, since: since)
            }
        }
        return (profile, trials)
    }

    /// How many elements and ids a page showed, which mapped fields none of them had, and whether there is
    /// another one.
    private func summary(of page: ChangePage, hasMore: Bool) -> String {
        let named = page.records.count + page.gone.count
        let silent =
            page.records.isEmpty
            ? []
            : fields.filter { field in !page.records.contains { $0.values[field]?.isEmpty == false }
            }
        let missing = silent.map { "`\($0)`" }.joined(separator: ", ")
        return "\(named + page.unidentified.count) elements, \(named) with an id"
            + (missing.isEmpty ? "" : "; none has a value of \(missing)")
            + (hasMore ? "; a further page follows" : "; no further page")
    }

    /// A cursor that leaves nothing to list; `nil` where only a whole listing gives one.
    private var now: Cursor? {
        // The year 2100: no app has changed anything later.
        let future = Timestamp(milliseconds: 4_102_444_800_000)
        switch object.changes?.watermark {
        case .date(let form): return RESTCursor(form.text(future), at: nil).cursor
        case .header: return RESTCursor("\(future.milliseconds)", at: nil).cursor
        case .token, .link, nil: return nil
        }
    }
}
