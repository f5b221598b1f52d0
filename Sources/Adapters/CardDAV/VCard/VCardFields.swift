import Foundation
import TandemModel
import TandemSupport

/// A card as fields: how it is read.
extension VCard {
    /// Every field an address book has for us.
    static let fields: [AppField] = [
        "email", "other_emails", "firstname", "lastname", "phone", "mobilephone", "fax", "company",
        "jobtitle", "website", "address", "city", "state", "zip", "country", "birthday", "note",
        "categories",
    ]

    /// The fields of the card; one that the card lacks is blank.
    var values: [AppField: String] {
        Self.fields.reduce(into: [:]) { $0[$1] = self[$1] }
    }

    subscript(field: AppField) -> String {
        switch field {
        case "email": return preferredEmail.map { address(at: $0) } ?? ""
        case "other_emails":
            return all("EMAIL").filter { $0 != preferredEmail }.map { address(at: $0) }
                .joined(separator: ";")
        case "firstname", "lastname": return name[field == "firstname" ? 1 : 0]
        case "categories":
            return all("CATEGORIES").flatMap { VCardText.components(lines[$0].value, at: ",") }
                .map { VCardText.unescaped($0).trimmed }.filter { !$0.isEmpty }.joined(
                    separator: ";")
        case "company" where place(of: field) == nil && isOrganization: return displayName
        default: break
        }
        guard let index = place(of: field) else { return "" }
        switch field {
        case "birthday": return birthday(at: index)
        case "phone", "mobilephone", "fax": return number(at: index)
        default: break
        }
        guard let component = Self.component(of: field) else { return text(at: index) }
        let parts = VCardText.components(lines[index].value)
        return component < parts.count ? VCardText.unescaped(parts[component]) : ""
    }

    func text(at index: Int) -> String { VCardText.unescaped(lines[index].value) }

    /// An address, also where it is written as a link.
    func address(at index: Int) -> String { Self.plain(text(at: index), of: "mailto:") }

    /// A number, also where it is written as a link (RFC 6350 §6.4.1), without the parameters of that
    /// (RFC 3966 §3).
    private func number(at index: Int) -> String {
        let text = text(at: index)
        let plain = Self.plain(text, of: "tel:")
        return plain == text ? text : String(plain.prefix { $0 != ";" })
    }

    private static func plain(_ text: String, of scheme: String) -> String {
        guard text.lowercased().hasPrefix(scheme) else { return text }
        let rest = String(text.dropFirst(scheme.count))
        return rest.percentDecoded ?? rest
    }

    /// The line a field is read from, by the rules of the default mapping.
    func place(of field: AppField) -> Int? {
        switch field {
        case "email": preferredEmail
        case "phone":
            first("TEL") { $0.types.contains("work") && !$0.isCellOrFax }
                ?? first("TEL") { !$0.isCellOrFax }
        case "mobilephone": first("TEL") { $0.types.contains("cell") }
        case "fax": first("TEL") { $0.types.contains("fax") }
        case "company": first("ORG")
        case "jobtitle": first("TITLE")
        case "website": first("URL")
        case "birthday": first("BDAY")
        case "note": first("NOTE")
        case "address", "city", "state", "zip", "country":
            first("ADR") { $0.types.contains("work") } ?? first("ADR")
        default: nil
        }
    }

    /// The component of a structured property, counted from 0 (RFC 6350 §6.3.1, §6.6.4).
    static func component(of field: AppField) -> Int? {
        let places: [AppField: Int] = [
            "company": 0, "address": 2, "city": 3, "state": 4, "zip": 5, "country": 6,
        ]
        return places[field]
    }

    /// The preferred address, else the first.
    var preferredEmail: Int? {
        all("EMAIL").min { (lines[$0].preference, $0) < (lines[$1].preference, $1) }
    }

    /// The five parts of N; taken from FN where a card has no N and is a person's.
    var name: [String] {
        if let index = first("N") {
            let parts = VCardText.components(lines[index].value).map(VCardText.unescaped)
            return parts + Array(repeating: "", count: max(0, 5 - parts.count))
        }
        if isOrganization { return Array(repeating: "", count: 5) }
        let words = displayName.split(separator: " ")
        let last = words.count > 1 ? String(words.last ?? "") : ""
        let first = words.count > 1 ? words.dropLast().joined(separator: " ") : displayName
        return [last, first, "", "", ""]
    }

    var displayName: String { first("FN").map { text(at: $0) } ?? "" }

    /// The parameter with which Apple says that a year is none: it names the year that stands in for it.
    static let omittedYear = "X-APPLE-OMIT-YEAR"

    private func birthday(at index: Int) -> String {
        let date = Self.extended(date: text(at: index))
        guard let year = lines[index].parameter(Self.omittedYear), date.hasPrefix("\(year)-")
        else { return date }
        return "-" + date.dropFirst(year.count)
    }

    /// `19900412` and `1990-04-12T…` as `1990-04-12`; a partial `--0412` as `--04-12`.
    private static func extended(date: String) -> String {
        let day = date.prefix { $0 != "T" }
        if day.count == 8, day.allSatisfy(\.isNumber) {
            return "\(day.prefix(4))-\(day.dropFirst(4).prefix(2))-\(day.suffix(2))"
        }
        if day.count == 6, day.hasPrefix("--"), day.dropFirst(2).allSatisfy(\.isNumber) {
            return "--\(day.dropFirst(2).prefix(2))-\(day.suffix(2))"
        }
        return String(day)
    }
}

extension VCardLine {
    fileprivate var isCellOrFax: Bool { types.contains("cell") || types.contains("fax") }
}
