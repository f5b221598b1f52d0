import Foundation
import TandemHTTP
import TandemModel
import TandemSupport

/// The address book that was found.
struct AddressBook: Sendable {
    /// With a slash at its end.
    let url: String
    let name: String
    /// The server has `sync-collection` (RFC 6578).
    let hasSync: Bool
    /// The versions of vCard that the server says it can give; none if it says nothing.
    let versions: Set<String>

    /// The id of a card: the path of its address, as servers write it in any form.
    ///
    /// `%40` and `@`, `%2c` and `%2C` are the same place, so each part is decoded and encoded anew.
    func id(of href: String) -> AppRecordID {
        let absolute = HTTPClient.absolute(href, from: url) ?? href
        let path = URL(string: absolute)?.path(percentEncoded: true) ?? href
        let parts = path.split(separator: "/", omittingEmptySubsequences: false).map { part in
            (String(part).percentDecoded ?? String(part)).percentEncoded()
        }
        return AppRecordID(parts.joined(separator: "/"))
    }

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
