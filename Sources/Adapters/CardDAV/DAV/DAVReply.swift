import Foundation
import FoundationXML

/// A parsed `multistatus` (RFC 4918 §13), or the error body of a refused request.
struct DAVReply {
    /// One `response` of it.
    struct Item {
        var href = ""
        /// Of the response itself, or else 200.
        var status = 200
        /// Text of the properties that were found (`propstat` 200), by local name.
        var texts: [String: String] = [:]
        /// Address inside a property, such as `current-user-principal`, by local name.
        var hrefs: [String: String] = [:]
        /// Properties that are not there (`propstat` 404), by local name.
        var missing: Set<String> = []
        /// The versions of vCard that the server says it can give (RFC 6352 §6.2.2).
        var versions: Set<String> = []
        /// Local names of the elements inside `resourcetype` and `supported-report-set`.
        var kinds: Set<String> = []
    }
    var items: [Item] = []
    var syncToken: String?
    /// Local names of the elements inside `error`.
    var errors: Set<String> = []

    /// Elements nested deeper than this are no answer of a server.
    private static let depthLimit = 100

    /// - Returns: `nil` if the bytes are not well-formed XML, or nested more than a hundred deep.
    init?(_ bytes: [UInt8]) {
        // A name that is not UTF-8 would end the process inside Foundation.
        guard String(validating: bytes, as: UTF8.self) != nil || Self.isOfOtherEncoding(bytes)
        else {
            return nil
        }
        let parser = XMLParser(data: Data(bytes))
        parser.shouldProcessNamespaces = true
        parser.shouldResolveExternalEntities = false
        let reader = DAVReader()
        parser.delegate = reader
        guard parser.parse(), !reader.isTooDeep else { return nil }
        self = reader.reply
    }

    private init() {}

    /// Whether the XML declaration names an encoding other than UTF-8, from which the parser converts.
    private static func isOfOtherEncoding(_ bytes: [UInt8]) -> Bool {
        let head = String(
            decoding: bytes.prefix(100).prefix { $0 != UInt8(ascii: ">") }, as: UTF8.self)
        guard head.hasPrefix("<?xml"),
            let encoding = head.firstMatch(of: #/encoding=["']([A-Za-z0-9._-]+)/#)?.1
        else { return false }
        return encoding.lowercased().filter { $0 != "-" } != "utf8"
    }

    /// Follows the parser's events; property names are unique over the namespaces we ask for.
    private final class DAVReader: NSObject, XMLParserDelegate {
        var reply = DAVReply()
        private(set) var isTooDeep = false
        private var path: [String] = []
        private var text = ""
        private var item: Item?
        /// Properties of the present `propstat`, whose status comes last.
        private var found = Item()
        private var status = 200

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            path.append(name)
            if path.count > DAVReply.depthLimit {
                isTooDeep = true
                return parser.abortParsing()
            }
            text = ""
            switch name {
            case "response": item = Item()
            case "propstat":
                found = Item()
                status = 200
            default: break
            }
            if name == "address-data-type", let version = attributes["version"],
                attributes["content-type"] ?? "text/vcard" == "text/vcard"
            {
                found.versions.insert(version)
            }
            if path.contains("resourcetype") || path.contains("supported-report-set") {
                found.kinds.insert(name)
            }
            if path.first == "error" || path.contains("error") { reply.errors.insert(name) }
        }

        func parser(_ parser: XMLParser, foundCharacters string: String) { text += string }

        func parser(_ parser: XMLParser, foundCDATA block: Data) {
            text += String(decoding: block, as: UTF8.self)
        }

        func parser(
            _ parser: XMLParser, didEndElement name: String, namespaceURI: String?,
            qualifiedName: String?
        ) {
            if isTooDeep { return }
            path.removeLast()
            let parent = path.last ?? ""
            let trimmed = text.trimmingCharacters(in: .whitespacesAndNewlines)
            switch (parent, name) {
            case ("response", "href"): item?.href = trimmed
            case ("response", "status"): item?.status = Self.code(trimmed)
            case ("propstat", "status"): status = Self.code(trimmed)
            case ("response", "propstat"): takeFound()
            case ("multistatus", "sync-token"): reply.syncToken = trimmed
            case ("prop", _): found.texts[name] = name == "address-data" ? text : trimmed
            case (_, "href") where path.contains("prop"): found.hrefs[parent] = trimmed
            case (_, "response"):
                if let item { reply.items.append(item) }
                item = nil
            default: break
            }
            text = ""
        }

        private func takeFound() {
            if status == 404 { item?.missing.formUnion(found.texts.keys) }
            guard status == 200 else { return }
            item?.versions.formUnion(found.versions)
            item?.texts.merge(found.texts) { $1 }
            item?.hrefs.merge(found.hrefs) { $1 }
            item?.kinds.formUnion(found.kinds)
        }

        /// The code in `HTTP/1.1 404 Not Found`.
        private static func code(_ line: String) -> Int {
            let words = line.split(separator: " ")
            return words.count > 1 ? Int(words[1]) ?? 500 : 500
        }
    }
}

/// The request bodies we send.
enum DAVBody {
    private static let head = #"<?xml version="1.0" encoding="utf-8"?>"#
    private static let spaces =
        #"xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav" xmlns:S="http://calendarserver.org/ns/""#

    static func propfind(_ properties: [String]) -> [UInt8] {
        let names = properties.map { "<\($0)/>" }.joined()
        return Array("\(head)<D:propfind \(spaces)><D:prop>\(names)</D:prop></D:propfind>".utf8)
    }

    /// RFC 6578 §3.2.
    static func syncCollection(token: String) -> [UInt8] {
        Array(
            """
            \(head)<D:sync-collection \(spaces)><D:sync-token>\(escaped(token))</D:sync-token>\
            <D:sync-level>1</D:sync-level><D:prop><D:getetag/></D:prop></D:sync-collection>
            """.utf8)
    }

    /// RFC 6352 §8.7; the version is one of those that the server names (§10.4).
    static func multiget(_ hrefs: [String], _ version: String?) -> [UInt8] {
        let kind = version.map { #" content-type="text/vcard" version="\#($0)""# } ?? ""
        let list = hrefs.map { "<D:href>\(escaped($0))</D:href>" }.joined()
        return Array(
            """
            \(head)<C:addressbook-multiget \(spaces)><D:prop><D:getetag/><C:address-data\(kind)/></D:prop>\
            \(list)</C:addressbook-multiget>
            """.utf8)
    }

    private static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
    }
}
