package import AdapterKit
import Synchronization
import TandemHTTP
package import TandemModel
package import TandemSupport
import TandemTasks

/// One address book of a CardDAV server (RFC 6352).
///
/// Ids are the paths of the cards, versions their ETags. Listings use `sync-collection`
/// (RFC 6578) where the server has it, else the collection's ctag and all ETags.
package struct CardDAVAdapter: Adapter {
    package struct Settings: Hashable, Sendable {
        /// A server, a user's address, or an address book; `https` if nothing else is said.
        package var url: String
        package var username: String?
        package var password: String?
        /// The display name or last path part of the book, where there are several.
        package var addressBook: String?
        package var caFile: String?
        package var timeoutSeconds: Int
        /// The only way in which the password may be shown; `nil` for what the server offers.
        package var auth: Auth?

        /// How a password is shown (RFC 7617, RFC 7616).
        package enum Auth: String, Hashable, Sendable, CaseIterable {
            case basic, digest
        }

        package init(
            url: String, username: String? = nil, password: String? = nil,
            addressBook: String? = nil, caFile: String? = nil, timeoutSeconds: Int = 60,
            auth: Auth? = nil
        ) {
            self.url = url
            self.username = username
            self.password = password
            self.auth = auth
            self.addressBook = addressBook
            self.caFile = caFile
            self.timeoutSeconds = timeoutSeconds
        }
    }

    /// Cards in one multiget, and requests in flight.
    private static let multiget = 100
    static let inFlight = 4

    let connection: DAVConnection
    private let discovery: AddressBookDiscovery
    private let memory = Memory()

    /// What earlier readings have shown.
    private struct Seen {
        /// A card that could be read together with others.
        var good: AppRecordID?
        /// Cards that break the answer for others; they are read alone.
        var broken: Set<AppRecordID> = []
        /// The server takes one write at a time.
        var isSerial = false
    }

    private final class Memory: Sendable {
        private let seen = Mutex(Seen())
        func withLock<Value: Sendable>(_ work: (inout sending Seen) -> sending Value) -> Value {
            seen.withLock(work)
        }
    }

    /// - Throws: ``AppError`` if the address is neither a host name nor an `http(s)` URL.
    package init(_ settings: Settings) throws(AppError) {
        connection = DAVConnection(settings)
        discovery = try AddressBookDiscovery(settings, connection)
    }

    package var capabilities: AppCapabilities {
        AppCapabilities(
            conditionalWrites: true, createSafety: .clientID, readBatch: 400, writeBatch: 100,
            putsBackOriginals: true)
    }

    package func resume(_ account: String) async throws(AppError) -> Bool {
        discovery.recall(account)
        return try await book().url == account
    }

    func book() async throws(AppError) -> AddressBook { try await discovery.book() }

    var writesInFlight: Int { memory.withLock(\.isSerial) ? 1 : Self.inFlight }

    func writesOneByOne() { memory.withLock { $0.isSerial = true } }

    package func profile() async throws(AppError) -> AppProfile {
        let book = try await book()
        let way = book.hasSync ? "sync-collection" : "ctag and ETags"
        return AppProfile(
            account: book.url, summary: "address book `\(book.name)`, read by \(way)",
            fields: VCard.fields.map { FieldSchema($0) })
    }

    package func changes(since cursor: Cursor?) async throws(AppError) -> any ChangeListing {
        CardListing(app: self, book: try await book(), since: cursor)
    }

    package func read(_ ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: AppReading] {
        var readings: [AppRecordID: AppReading] = [:]
        for (id, card) in try await cards(ids) { readings[id] = card.reading(id) }
        return readings
    }

    package func originals(of ids: [AppRecordID]) async throws(AppError) -> [AppRecordID: String] {
        try await cards(ids).compactMapValues(\.text)
    }

    /// What the server has for a path.
    struct Card: Sendable {
        let etag: String?
        let text: String?
        /// It is there, and no text.
        var isBroken = false

        func reading(_ id: AppRecordID) -> AppReading {
            if isBroken {
                return .unreadable(
                    Refusal(.invalidValue, "the card \(id) is not read: it is not UTF-8"),
                    version: etag)
            }
            guard let text else { return .gone }
            // SOGo keeps its lists as files of their own kind.
            if text.hasPrefix("BEGIN:VLIST") { return .foreign(version: etag) }
            do {
                let card = try VCard(text)
                if card.isGroup { return .foreign(version: etag) }
                return .present(AppRecord(id: id, version: etag, values: card.values))
            } catch {
                return .unreadable(
                    Refusal(.invalidValue, "the card \(id) is not read: \(error.reason)"),
                    version: etag)
            }
        }
    }

    /// Fetches cards, a hundred a request and several requests at a time; in a version of vCard that is asked
    /// for, or as the server shows them unasked.
    func cards(_ ids: [AppRecordID], version: String? = nil) async throws(AppError)
        -> [AppRecordID: Card]
    {
        let book = try await book()
        let broken = memory.withLock(\.broken)
        let whole = ids.filter { !broken.contains($0) }
        let chunks = stride(from: 0, to: whole.count, by: Self.multiget).map {
            Array(whole[$0..<min($0 + Self.multiget, whole.count)])
        }
        let results = await chunks.mapped(atMost: Self.inFlight) {
            chunk async -> Result<[AppRecordID: Card], AppError> in
            do throws(AppError) {
                return .success(try await read(chunk, version, in: book))
            } catch { return .failure(error) }
        }
        var cards: [AppRecordID: Card] = [:]
        for result in results { cards.merge(try result.get()) { $1 } }
        // RFC 6352 §8.7 has a 404 for each card that is not there; some servers leave it out, and
        // silence is no proof.
        // So are cards that broke the answer for others.
        let silent = ids.filter { cards[$0] == nil }
        let alone = await silent.mapped(atMost: Self.inFlight) {
            await self.card($0, version, in: book)
        }
        for (id, card) in zip(silent, alone) { cards[id] = card }
        return cards
    }

    /// Fetches one card by itself; `nil` if the server does not say whether it is there.
    private func card(_ id: AppRecordID, _ version: String?, in book: AddressBook) async -> Card? {
        let kind = version.map { [(name: "Accept", value: "text/vcard; version=\($0)")] } ?? []
        guard
            let response = try? await connection.send(
                HTTPRequest("GET", book.address(of: id), headers: kind))
        else { return nil }
        switch response.status {
        case 200:
            let text = String(validating: response.body, as: UTF8.self)
            return Card(etag: response.header("ETag"), text: text, isBroken: text == nil)
        case 404, 410: return Card(etag: nil, text: nil)
        default: return nil
        }
    }

    /// Fetches cards in one request, or in more where one of them breaks the answer.
    private func read(_ ids: [AppRecordID], _ version: String?, in book: AddressBook)
        async throws(AppError) -> [AppRecordID: Card]
    {
        let split = BatchSplit<AppRecordID, Card, MultigetFailure>(
            mayBeContent: { if case .content = $0 { true } else { false } },
            fetch: { ids async throws(MultigetFailure) in
                try await multiget(ids, version, in: book)
            })
        do throws(MultigetFailure) {
            let outcome = try await split.read(ids, known: memory.withLock(\.good))
            memory.withLock { memory in
                memory.good = outcome.values.first { $0.value.text != nil }?.key ?? memory.good
                memory.broken.formUnion(outcome.broken)
            }
            return outcome.values
        } catch { throw error.error }
    }

    /// Why a multiget has no answer.
    private enum MultigetFailure: Error {
        /// An answer that one card may have spoilt.
        case content(AppError)
        case app(AppError)

        var error: AppError {
            switch self {
            case .content(let error), .app(let error): error
            }
        }
    }

    private func multiget(_ ids: [AppRecordID], _ version: String?, in book: AddressBook)
        async throws(MultigetFailure) -> [AppRecordID: Card]
    {
        let body = DAVBody.multiget(ids.map(\.text), version)
        let response: HTTPResponse
        do throws(AppError) {
            response = try await connection.report(book.url, body, passing: [500])
        } catch { throw .app(error) }
        guard response.status == 207, let reply = DAVReply(response.body) else {
            let what =
                response.status == 207 ? "with broken XML" : "\(response.status)"
            throw .content(
                .tryLater(
                    .appUnavailable, "\(book.url) answers \(what) to a multiget",
                    afterSeconds: nil))
        }
        var cards: [AppRecordID: Card] = [:]
        for item in reply.items {
            let id = book.id(of: item.href)
            if let text = item.texts["address-data"], item.status == 200 {
                cards[id] = Card(etag: item.texts["getetag"], text: text)
            } else if item.status == 404 || item.status == 410 {
                cards[id] = Card(etag: nil, text: nil)
            }
        }
        return cards
    }

    package func find(key: String, values: [AppField: String], since: Timestamp)
        async throws(AppError) -> CreateLookup
    {
        let id = try await book().newID(key)
        switch try await cards([id])[id]?.reading(id) {
        case .present(let record)?: return .found([record])
        case .gone?: return .none
        case .foreign?, .unreadable?, nil: return .unanswered("\(id) cannot be read")
        }
    }
}
