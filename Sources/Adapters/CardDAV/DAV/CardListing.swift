import AdapterKit
import Synchronization
import TandemHTTP
import TandemModel

/// A listing of an address book: paths and ETags; the engine reads what it does not know.
final class CardListing: ChangeListing {
    private let app: CardDAVAdapter
    private let book: AddressBook
    private let isFull: Bool
    /// The token to go on from; `nil` once everything was listed.
    private let place: Mutex<Cursor?>

    private static let sync = "sync:"
    private static let tag = "ctag:"

    init(app: CardDAVAdapter, book: AddressBook, since cursor: Cursor?) {
        self.app = app
        self.book = book
        isFull = cursor == nil
        place = Mutex(cursor ?? Cursor(book.hasSync ? Self.sync : Self.tag))
    }

    func next() async throws(AppError) -> ChangePage? {
        guard let cursor = place.withLock({ $0 }) else { return nil }
        if cursor.text.hasPrefix(Self.sync) {
            return try await syncCollection(String(cursor.text.dropFirst(Self.sync.count)))
        }
        return try await allTags(known: String(cursor.text.dropFirst(Self.tag.count)))
    }

    /// One answer of `sync-collection`; a cut one (507 for the collection itself) is gone on from.
    private func syncCollection(_ token: String) async throws(AppError) -> ChangePage {
        let response = try await app.connection.report(
            book.url, DAVBody.syncCollection(token: token))
        guard let reply = DAVReply(response.body), response.status == 207 else {
            if (400..<500).contains(response.status) && !token.isEmpty {
                throw .cursorExpired("the server no longer knows our sync token")
            }
            throw .tryLater(
                .appUnavailable, "\(book.url) answers \(response.status) to sync-collection",
                afterSeconds: nil)
        }
        var page = ChangePage()
        var isCut = false
        for (place, item) in reply.items.enumerated() {
            if item.href.isEmpty {
                page.unidentified.append(Self.nameless(place))
                continue
            }
            let id = book.id(of: item.href)
            if item.status == 507 {
                isCut = true
            } else if item.status == 404 || item.status == 410 || item.missing.contains("getetag") {
                // RFC 6578 §3.5.2 has the status beside the address; some say it of the property.
                page.gone.append(id)
            } else if let etag = item.texts["getetag"] {
                // Who is named in a report has changed, also where a card that was made again has the ETag
                // of the one before it.
                page.listedVersions.append(.init(id: id, version: isFull ? etag : nil))
            }
        }
        guard let next = reply.syncToken, !next.isEmpty else {
            throw .tryLater(.appUnavailable, "\(book.url) gave no sync token", afterSeconds: nil)
        }
        let cursor = Cursor(Self.sync + next)
        place.withLock { $0 = isCut ? cursor : nil }
        page.cursor = isCut && isFull ? nil : cursor
        page.isCompleteListing = isFull && !isCut
        return page
    }

    private static func nameless(_ place: Int) -> ChangePage.Unidentified {
        .init(
            AppLocation("response \(place + 1)"),
            "response \(place + 1) of the server names no card")
    }

    /// Every ETag, if the collection's tag is news.
    private func allTags(known: String) async throws(AppError) -> ChangePage {
        place.withLock { $0 = nil }
        let (head, _) = try await app.connection.propfind(
            book.url, depth: 0, ["S:getctag", "D:getetag"])
        let texts = head.items.first?.texts ?? [:]
        let tag = texts["getctag"] ?? texts["getetag"] ?? ""
        if !tag.isEmpty && tag == known { return ChangePage() }
        let (reply, _) = try await app.connection.propfind(
            book.url, depth: 1, ["D:getetag", "D:resourcetype"])
        var page = ChangePage()
        for (place, item) in reply.items.enumerated() where !item.kinds.contains("collection") {
            if item.href.isEmpty {
                page.unidentified.append(Self.nameless(place))
            } else if let etag = item.texts["getetag"] {
                page.listedVersions.append(.init(id: book.id(of: item.href), version: etag))
            }
        }
        page.cursor = Cursor(Self.tag + tag)
        page.isCompleteListing = true
        return page
    }
}
