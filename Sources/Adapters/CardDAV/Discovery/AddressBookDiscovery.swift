import Foundation
import Synchronization
import TandemHTTP
import TandemModel
import TandemSupport

/// Finds the address book behind whatever address the user gave (RFC 6764 §6, RFC 6352 §7).
final class AddressBookDiscovery: Sendable {
    private let start: String
    /// What was given is a domain and nothing else, which may say elsewhere where its server is.
    private let domain: String?
    private let wanted: String?
    private let connection: DAVConnection
    private let found = Mutex(Found())

    private struct Found {
        var book: AddressBook?
        /// The address of the book that was used before.
        var known: String?
    }

    private static let properties = [
        "D:resourcetype", "D:displayname", "D:current-user-principal", "D:supported-report-set",
        "C:addressbook-home-set", "C:supported-address-data",
    ]

    init(_ settings: CardDAVAdapter.Settings, _ connection: DAVConnection) throws(AppError) {
        let text = settings.url.trimmed
        let address = text.contains("://") ? text : "https://" + text
        guard let url = URL(string: address), ["http", "https"].contains(url.scheme ?? ""),
            url.host?.isEmpty == false
        else {
            throw .askOperator(
                .mapping, "`\(text)` is no address of a server",
                remedy: "Write it like https://dav.example.com/ or dav.example.com.")
        }
        if url.user != nil || url.password != nil {
            throw .askOperator(
                .mapping, "`url` has a user name or password in it",
                remedy: "Move them to `username` and `password`.")
        }
        let isName = url.host?.contains { $0.isLetter } == true && url.host?.contains(".") == true
        domain = isName && !text.contains("/") && url.port == nil ? url.host : nil
        start = url.path().isEmpty ? address + "/" : address
        wanted = settings.addressBook
        self.connection = connection
    }

    /// Says which book was used before; where there are several, it is used again.
    func recall(_ address: String) { found.withLock { $0.known = address } }

    /// The book; looked for once.
    func book() async throws(AppError) -> AddressBook {
        if let book = found.withLock({ $0.book }) { return book }
        let book = try await discover()
        found.withLock { $0.book = book }
        return book
    }

    /// An address that names a place is that place or nothing; one that names a server leads to the books of
    /// the user.
    private func discover() async throws(AppError) -> AddressBook {
        if domain == nil && Self.path(start) != "/" { return try await bookAtPlace() }
        let (reply, url) = try await entrance()
        if let item = reply.items.first, item.kinds.contains("addressbook") {
            return book(item, at: url)
        }
        let home = try await home(from: reply, at: url)
        return try choose(try await books(in: home), home)
    }

    /// The book at the address that was given, or one of those of the principal or home that it is.
    private func bookAtPlace() async throws(AppError) -> AddressBook {
        let reply: DAVReply
        let url: String
        do {
            (reply, url) = try await connection.propfind(start, depth: 0, Self.properties)
        } catch {
            guard case .askOperator(let category, let message, _) = error,
                category == .notFound || category == .permission
            else { throw error }
            throw await nothing(at: start, message, category)
        }
        guard let item = reply.items.first else {
            throw await nothing(at: start, "\(start) has nothing to say of itself", .notFound)
        }
        if item.kinds.contains("addressbook") { return book(item, at: url) }
        if item.kinds.contains("calendar") {
            throw await nothing(at: url, "\(url) is a calendar", .notFound)
        }
        let home: String
        do { home = try await self.home(from: reply, at: url) } catch {
            throw await nothing(at: url, error.message, .notFound)
        }
        // Every place says who the user is; only those above the user's books lead to them.
        guard
            item.hrefs["addressbook-home-set"] != nil
                || Self.path(home).hasPrefix(Self.path(url))
                || principal(of: item, at: url).map({ Self.path($0).hasPrefix(Self.path(url)) })
                    == true
        else { throw await nothing(at: url, "\(url) is no address book", .notFound) }
        return try choose(try await books(in: home), home)
    }

    /// An error that names the books that there are.
    private func nothing(at place: String, _ message: String, _ category: FailureCategory) async
        -> AppError
    {
        // Where the server cannot be asked for them either, what is wrong with the place is said alone.
        let books = (try? await otherBooks()) ?? []
        let names = books.map { "\($0.url) (`\($0.name)`)" }.joined(separator: ", ")
        return .askOperator(
            category, message,
            remedy: names.isEmpty
                ? "Correct `url`; it may be the server, the user's address, or the address book."
                : "Correct `url`; the address books of this user are \(names).")
    }

    /// The books to which one of the places above the given one leads, or the server.
    private func otherBooks() async throws(AppError) -> [AddressBook] {
        var place = start
        for _ in 0..<Self.path(start).split(separator: "/").count {
            guard let above = HTTPClient.absolute(place.hasSuffix("/") ? "../" : "./", from: place)
            else { break }
            place = above
            if let (reply, url) = try? await entrance(at: place),
                let home = try? await home(from: reply, at: url)
            {
                return try await books(in: home)
            }
        }
        return []
    }

    private func books(in home: String) async throws(AppError) -> [AddressBook] {
        let (list, url) = try await connection.propfind(home, depth: 1, Self.properties)
        return list.items.filter { $0.kinds.contains("addressbook") }
            .map { book($0, at: HTTPClient.absolute($0.href, from: url) ?? url) }
    }

    /// The path of an address, with a slash at its end.
    private static func path(_ address: String) -> String {
        let path = URL(string: address)?.path() ?? ""
        return path.hasSuffix("/") ? path : path + "/"
    }

    /// The server's entrance: for a bare domain the one that its SRV record names (RFC 6764 §3).
    private func entrance() async throws(AppError) -> (DAVReply, String) {
        if let address = try await addressByName() {
            return try await connection.propfind(address, depth: 0, Self.properties)
        }
        return try await entrance(at: start)
    }

    /// The root of a server, or the well-known address where that says nothing (RFC 6764 §5).
    private func entrance(at root: String) async throws(AppError) -> (DAVReply, String) {
        do {
            let (reply, url) = try await connection.propfind(root, depth: 0, Self.properties)
            let item = reply.items.first
            let says = item.map { !$0.hrefs.isEmpty || $0.kinds.contains("addressbook") } ?? false
            if says { return (reply, url) }
        } catch AppError.askOperator(.notFound, _, _) {}
        guard let wellKnown = HTTPClient.absolute("/.well-known/carddav", from: root) else {
            throw .askOperator(.notFound, "\(root) is no address", remedy: "Correct `url`.")
        }
        return try await connection.propfind(wellKnown, depth: 0, Self.properties)
    }

    private func addressByName() async throws(AppError) -> String? {
        guard let domain, let service = await ServiceRecord.find("_carddavs._tcp", at: domain)
        else { return nil }
        // Anybody on the way could have written the answer, and the password goes there
        // (RFC 6764 §8): a host of the domain itself is shown to be one by its certificate.
        guard service.host == domain || service.host.hasSuffix("." + domain) else {
            throw .askOperator(
                .notFound,
                "\(domain) names \(service.host) as its server, a host of another domain",
                remedy: "If that is right, write https://\(service.host)/ in `url`.")
        }
        let port = service.port == 443 ? "" : ":\(service.port)"
        return "https://\(service.host)\(port)\(service.path ?? "/.well-known/carddav")"
    }

    private func home(from reply: DAVReply, at url: String) async throws(AppError) -> String {
        let item = reply.items.first
        if let home = item?.hrefs["addressbook-home-set"] {
            return HTTPClient.absolute(home, from: url) ?? home
        }
        guard let address = item.flatMap({ principal(of: $0, at: url) }) else {
            throw .askOperator(
                .notFound, "\(url) does not say who the user is",
                remedy: "Give the address of the address book itself in `url`.")
        }
        let (second, place) = try await connection.propfind(address, depth: 0, Self.properties)
        guard let home = second.items.first?.hrefs["addressbook-home-set"] else {
            throw .askOperator(
                .notFound, "\(address) has no address books", remedy: "Correct `url` or `username`."
            )
        }
        return HTTPClient.absolute(home, from: place) ?? home
    }

    private func principal(of item: DAVReply.Item, at url: String) -> String? {
        item.hrefs["current-user-principal"].flatMap { HTTPClient.absolute($0, from: url) }
    }

    private func book(_ item: DAVReply.Item, at url: String) -> AddressBook {
        let name = item.texts["displayname"].flatMap { $0.isEmpty ? nil : $0 }
        let address = url.hasSuffix("/") ? url : url + "/"
        return AddressBook(
            url: address, name: name ?? Self.lastPart(address),
            hasSync: item.kinds.contains("sync-collection"), versions: item.versions)
    }

    private func choose(_ books: [AddressBook], _ home: String) throws(AppError) -> AddressBook {
        let known = found.withLock(\.known)
        let fitting = books.filter {
            wanted == nil || $0.name == wanted || Self.lastPart($0.url) == wanted
        }
        let names = books.map { "`\(Self.lastPart($0.url))` (\($0.name))" }.joined(separator: ", ")
        if let known, wanted == nil, HTTPClient.isSameOrigin(known, home) {
            if let book = books.first(where: { $0.url == known }) { return book }
            throw .askOperator(
                .notFound,
                "the address book \(known), which was synced, is not there any more"
                    + (names.isEmpty ? "" : "; there is \(names)"),
                remedy: "Bring it back on the server, or name another one in `address-book`.")
        }
        if let only = fitting.first, fitting.count == 1 { return only }
        if books.isEmpty {
            throw .askOperator(
                .notFound, "\(home) has no address book", remedy: "Make one on the server.")
        }
        throw .askOperator(
            .notFound,
            wanted.map { "there is no address book `\($0)`; there is \(names)" }
                ?? "there are several address books: \(names)",
            remedy: "Name one of them in `address-book`.")
    }

    private static func lastPart(_ url: String) -> String {
        let part = url.split(separator: "/").last.map(String.init) ?? url
        return part.percentDecoded ?? part
    }
}
