import Foundation
import Synchronization
import TandemHTTP
import TandemModel

/// The address book that was found.
struct AddressBook: Sendable {
    /// With a slash at its end.
    let url: String
    let name: String
    /// The server has `sync-collection` (RFC 6578).
    let hasSync: Bool

    /// The id of a card: the path of its address, as servers write it in any form.
    ///
    /// `%40` and `@`, `%2c` and `%2C` are the same place, so each part is decoded and encoded anew.
    func id(of href: String) -> AppRecordID {
        let absolute = HTTPClient.absolute(href, from: url) ?? href
        let path = URL(string: absolute)?.path(percentEncoded: true) ?? href
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map { part in
            let plain = part.removingPercentEncoding ?? String(part)
            return plain.addingPercentEncoding(withAllowedCharacters: Self.unreserved) ?? plain
        }
        return AppRecordID(parts.joined(separator: "/"))
    }

    /// RFC 3986 §2.3.
    private static let unreserved = CharacterSet(
        charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

    /// Where a card made with this key goes: the same key, the same place.
    func newID(_ key: String) -> AppRecordID {
        let name = key.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") ? $0 : "_" }
        return id(of: url + String(name) + ".vcf")
    }

    /// Whether a path lies in the book.
    func holds(_ id: AppRecordID) -> Bool {
        let folder = self.id(of: url).text
        return id.text.hasPrefix(folder) && id.text.count > folder.count
    }

    func address(of id: AppRecordID) -> String {
        HTTPClient.absolute(id.text, from: url) ?? id.text
    }
}

/// Finds the address book behind whatever address the user gave (RFC 6764 §6, RFC 6352 §7).
final class AddressBookDiscovery: Sendable {
    private let start: String
    /// What was given is a domain and nothing else, which may say elsewhere where its server is.
    private let domain: String?
    private let wanted: String?
    private let connection: DAVConnection
    private let found = Mutex<AddressBook?>(nil)

    private static let properties = [
        "D:resourcetype", "D:displayname", "D:current-user-principal", "D:supported-report-set",
        "C:addressbook-home-set",
    ]

    init(_ settings: CardDAVApp.Settings, _ connection: DAVConnection) throws(AppError) {
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

    /// The book; looked for once.
    func book() async throws(AppError) -> AddressBook {
        if let book = found.withLock({ $0 }) { return book }
        let book = try await discover()
        found.withLock { $0 = book }
        return book
    }

    private func discover() async throws(AppError) -> AddressBook {
        let (reply, url) = try await entrance()
        if let item = reply.items.first, item.kinds.contains("addressbook") {
            return book(item, at: url)
        }
        let home = try await home(from: reply, at: url)
        let (list, homeURL) = try await connection.propfind(home, depth: 1, Self.properties)
        let books = list.items.filter { $0.kinds.contains("addressbook") }
            .map { book($0, at: HTTPClient.absolute($0.href, from: homeURL) ?? homeURL) }
        return try choose(books, home)
    }

    /// The given address, or the well-known one where that says nothing (RFC 6764 §5); for a bare
    /// domain first the server that its SRV record names (RFC 6764 §3).
    private func entrance() async throws(AppError) -> (DAVReply, String) {
        if let address = try await addressByName() {
            return try await connection.propfind(address, depth: 0, Self.properties)
        }
        do {
            let (reply, url) = try await connection.propfind(start, depth: 0, Self.properties)
            let item = reply.items.first
            let says = item.map { !$0.hrefs.isEmpty || $0.kinds.contains("addressbook") } ?? false
            if says { return (reply, url) }
        } catch AppError.askOperator(.notFound, _, _) {}
        guard let wellKnown = HTTPClient.absolute("/.well-known/carddav", from: start) else {
            throw .askOperator(.notFound, "\(start) is no address", remedy: "Correct `url`.")
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
        guard let principal = item?.hrefs["current-user-principal"],
            let address = HTTPClient.absolute(principal, from: url)
        else {
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

    private func book(_ item: DAVReply.Item, at url: String) -> AddressBook {
        let name = item.texts["displayname"].flatMap { $0.isEmpty ? nil : $0 }
        let address = url.hasSuffix("/") ? url : url + "/"
        return AddressBook(
            url: address, name: name ?? Self.lastPart(address),
            hasSync: item.kinds.contains("sync-collection"))
    }

    private func choose(_ books: [AddressBook], _ home: String) throws(AppError) -> AddressBook {
        let fitting = books.filter {
            wanted == nil || $0.name == wanted || Self.lastPart($0.url) == wanted
        }
        if let only = fitting.first, fitting.count == 1 { return only }
        let names = books.map { "`\(Self.lastPart($0.url))` (\($0.name))" }.joined(separator: ", ")
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
        return part.removingPercentEncoding ?? part
    }
}
