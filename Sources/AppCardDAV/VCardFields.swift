import TandemModel

/// A card as fields, for reading and for writing.
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

    /// Changes fields and leaves every other line as it is.
    mutating func apply(_ changes: [AppField: String]) {
        let oldName = name
        if changes["email"] != nil || changes["other_emails"] != nil {
            setEmails(
                changes["email"] ?? self["email"],
                others: ValueType.parts(changes["other_emails"] ?? self["other_emails"]))
        }
        for field in Self.fields where field != "email" && field != "other_emails" {
            guard let value = changes[field], value != self[field] else { continue }
            set(field, value)
        }
        keepDisplayName(of: oldName)
    }

    private subscript(field: AppField) -> String {
        switch field {
        case "email": return preferredEmail.map { VCardText.unescaped(lines[$0].value) } ?? ""
        case "other_emails":
            return all("EMAIL").filter { $0 != preferredEmail }
                .map { VCardText.unescaped(lines[$0].value) }.joined(separator: ";")
        case "firstname", "lastname": return name[field == "firstname" ? 1 : 0]
        case "categories":
            return all("CATEGORIES").flatMap { VCardText.components(lines[$0].value, at: ",") }
                .map { VCardText.unescaped($0).trimmed }.filter { !$0.isEmpty }.joined(
                    separator: ";")
        case "birthday":
            return place(of: field).map {
                Self.extended(date: VCardText.unescaped(lines[$0].value))
            } ?? ""
        default:
            guard let index = place(of: field) else { return "" }
            guard let component = Self.component(of: field) else {
                return VCardText.unescaped(lines[index].value)
            }
            let parts = VCardText.components(lines[index].value)
            return component < parts.count ? VCardText.unescaped(parts[component]) : ""
        }
    }

    private mutating func set(_ field: AppField, _ value: String) {
        switch field {
        case "firstname", "lastname": setName(field == "firstname" ? 1 : 0, value)
        case "categories":
            for index in all("CATEGORIES").reversed() { remove(index) }
            let parts = ValueType.parts(value).map(VCardText.escaped)
            if !parts.isEmpty { add("CATEGORIES", parts.joined(separator: ",")) }
        case "birthday":
            write(isVersion4 ? Self.basic(date: value) : VCardText.escaped(value), to: field)
        default:
            guard let component = Self.component(of: field) else {
                return write(VCardText.escaped(value), to: field)
            }
            setComponent(component, of: field, VCardText.escaped(value))
        }
    }

    private mutating func write(_ value: String, to field: AppField) {
        if let index = place(of: field) {
            if value.isEmpty { remove(index) } else { set(index, value) }
        } else if !value.isEmpty {
            add(Self.head(of: field), value)
        }
    }

    private mutating func setComponent(_ component: Int, of field: AppField, _ value: String) {
        let index = place(of: field)
        var parts = index.map { VCardText.components(lines[$0].value) } ?? []
        let size = max(component + 1, Self.head(of: field).hasPrefix("ADR") ? 7 : 1)
        while parts.count < size { parts.append("") }
        parts[component] = value
        let text = parts.allSatisfy(\.isEmpty) ? "" : parts.joined(separator: ";")
        if let index {
            if text.isEmpty { remove(index) } else { set(index, text) }
        } else if !text.isEmpty {
            add(Self.head(of: field), text)
        }
    }

    /// The line a field lives on, by the rules of the default mapping.
    private func place(of field: AppField) -> Int? {
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
    private static func component(of field: AppField) -> Int? {
        let places: [AppField: Int] = [
            "company": 0, "address": 2, "city": 3, "state": 4, "zip": 5, "country": 6,
        ]
        return places[field]
    }

    /// How a new line for a field begins.
    private static func head(of field: AppField) -> String {
        let heads: [AppField: String] = [
            "email": "EMAIL;TYPE=INTERNET", "phone": "TEL;TYPE=WORK",
            "mobilephone": "TEL;TYPE=CELL",
            "fax": "TEL;TYPE=FAX", "company": "ORG", "jobtitle": "TITLE", "website": "URL",
            "birthday": "BDAY", "note": "NOTE",
        ]
        return heads[field] ?? "ADR;TYPE=WORK"
    }

    /// The preferred address, else the first.
    private var preferredEmail: Int? {
        all("EMAIL").min { (lines[$0].preference, $0) < (lines[$1].preference, $1) }
    }

    /// Sets the addresses: each keeps its line, with its type, label and group, and only the mark of the
    /// preferred one moves.
    private mutating func setEmails(_ primary: String, others: [String]) {
        func key(_ index: Int) -> String { VCardText.unescaped(lines[index].value).lowercased() }
        let wanted = Set(([primary] + others).map { $0.lowercased() }).subtracting([""])
        // An address from outside takes the place of the one that goes.
        if !primary.isEmpty, let index = preferredEmail, !wanted.contains(key(index)),
            !all("EMAIL").contains(where: { key($0) == primary.lowercased() })
        {
            set(index, VCardText.escaped(primary))
        }
        for index in all("EMAIL").reversed() where !wanted.contains(key(index)) { remove(index) }
        var present = Set(all("EMAIL").map(key))
        for email in [primary] + others
        where !email.isEmpty && present.insert(email.lowercased()).inserted {
            add("EMAIL;TYPE=INTERNET", VCardText.escaped(email))
        }
        guard !primary.isEmpty,
            let index = all("EMAIL").first(where: { key($0) == primary.lowercased() })
        else { return }
        if primary != VCardText.unescaped(lines[index].value) {
            set(index, VCardText.escaped(primary))
        }
        if preferredEmail != index {
            for other in all("EMAIL") { prefer(other, other == index) }
        }
    }

    /// The five parts of N; taken from FN where a card has no N.
    private var name: [String] {
        if let index = first("N") {
            let parts = VCardText.components(lines[index].value).map(VCardText.unescaped)
            return parts + Array(repeating: "", count: max(0, 5 - parts.count))
        }
        let words = displayName.split(separator: " ")
        let last = words.count > 1 ? String(words.last ?? "") : ""
        let first = words.count > 1 ? words.dropLast().joined(separator: " ") : displayName
        return [last, first, "", "", ""]
    }

    private var displayName: String {
        first("FN").map { VCardText.unescaped(lines[$0].value) } ?? ""
    }

    private mutating func setName(_ part: Int, _ value: String) {
        var parts = name
        parts[part] = value
        let text = parts.map(VCardText.escaped).joined(separator: ";")
        if let index = first("N") { set(index, text) } else { add("N", text) }
    }

    /// Both versions require FN: it follows the name, else company, else address.
    ///
    /// One that somebody chose by hand stays as long as the name does.
    private mutating func keepDisplayName(of oldName: [String]) {
        let full = [name[1], name[0]].filter { !$0.isEmpty }.joined(separator: " ")
        let names = [full, self["company"], self["email"], "Unnamed"]
        guard let wanted = names.first(where: { !$0.isEmpty }) else { return }
        guard let index = first("FN") else {
            // Version 3.0 requires N as well.
            if first("N") == nil { add("N", name.map(VCardText.escaped).joined(separator: ";")) }
            return add("FN", VCardText.escaped(wanted))
        }
        let isRenamed = name != oldName && !full.isEmpty
        if displayName.isEmpty || isRenamed && nameChanged(from: displayName, to: full) {
            set(index, VCardText.escaped(wanted))
        }
    }

    /// Whether the display name says something else than the name's own words.
    private func nameChanged(from before: String, to full: String) -> Bool {
        let words = Set(before.lowercased().split(separator: " "))
        return !full.lowercased().split(separator: " ").allSatisfy { words.contains($0) }
    }

    /// The form of version 4.0: `19900412`, `--0412`.
    private static func basic(date: String) -> String {
        guard date.wholeMatch(of: #/(\d{4}|-)-\d{2}-\d{2}/#) != nil else {
            return VCardText.escaped(date)
        }
        let rest = date.drop { $0 == "-" }
        return date.prefix(date.count - rest.count) + rest.filter { $0 != "-" }
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
