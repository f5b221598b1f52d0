import TandemModel
import TandemSupport

/// A card as fields: how it is changed.
extension VCard {
    /// Changes fields and leaves every other line as it is; a value with a character that no card may have
    /// is not taken, so the card shows what it had.
    mutating func apply(_ given: [AppField: String]) {
        let changes = given.filter { Self.control(in: $0.value) == nil }
        let old = (name: name, company: self["company"])
        if changes["email"] != nil || changes["other_emails"] != nil {
            setEmails(
                changes["email"] ?? self["email"],
                others: ValueType.parts(changes["other_emails"] ?? self["other_emails"]))
        }
        for field in Self.fields where field != "email" && field != "other_emails" {
            guard let value = changes[field], value != self[field] else { continue }
            set(field, value)
        }
        keepDisplayName(of: old.name, company: old.company)
    }

    private mutating func set(_ field: AppField, _ value: String) {
        switch field {
        case "firstname": setName(1, VCardText.escaped(value))
        case "lastname": setName(0, VCardText.escaped(value))
        case "categories": setCategories(ValueType.parts(value))
        case "birthday": setBirthday(value)
        default:
            guard let component = Self.component(of: field) else {
                return write(VCardText.escaped(value), to: field)
            }
            setComponent(component, of: field, VCardText.escaped(value))
        }
    }

    /// The line a field is written to: the one it is read from, unless that says that it is another thing
    /// than what the CRM has, as a number at home does; then there is none yet.
    private func target(of field: AppField) -> Int? {
        guard let index = place(of: field) else { return nil }
        switch field {
        case "phone", "address", "city", "state", "zip", "country":
            let types = lines[index].types
            return types.contains("work") || types.isDisjoint(with: Self.otherPlaces) ? index : nil
        default: return index
        }
    }

    /// Types of numbers and addresses that are not those of the office (RFC 2426 §3.2.1, §3.3.1).
    private static let otherPlaces: Set = [
        "home", "pager", "car", "bbs", "modem", "isdn", "pcs", "video", "textphone",
    ]

    private mutating func write(_ value: String, to field: AppField) {
        if let index = target(of: field) {
            // A number that is written is no link any more.
            let stale: Set<String> = lines[index].name == "TEL" ? ["VALUE"] : []
            if value.isEmpty { remove(index) } else { set(index, value, without: stale) }
        } else if !value.isEmpty {
            add(Self.head(of: field), value)
        }
    }

    /// Parameters that say of a structured value what holds for the old one only: how it sorts, where it
    /// lies, how it is printed.
    private static let derived: Set = ["SORT-AS", "GEO", "LABEL"]

    private mutating func setComponent(_ component: Int, of field: AppField, _ value: String) {
        let index = target(of: field)
        // What the card shows for the office's address is the rest of it.
        var parts = place(of: field).map { VCardText.components(lines[$0].value) } ?? []
        let size = max(component + 1, Self.head(of: field).hasPrefix("ADR") ? 7 : 1)
        while parts.count < size { parts.append("") }
        parts[component] = value
        let text = parts.allSatisfy(\.isEmpty) ? "" : parts.joined(separator: ";")
        if let index {
            if text.isEmpty { remove(index) } else { set(index, text, without: Self.derived) }
        } else if !text.isEmpty {
            add(Self.head(of: field), text)
        }
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

    /// Sets the addresses: each keeps its line, with its type, label and group, and only the mark of the
    /// preferred one moves.
    private mutating func setEmails(_ primary: String, others: [String]) {
        func key(_ index: Int) -> String { address(at: index).lowercased() }
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
        if primary != address(at: index) { set(index, VCardText.escaped(primary)) }
        if preferredEmail != index {
            for other in all("EMAIL") { prefer(other, other == index) }
        }
    }

    /// Sets categories; those that stay keep their place and bytes, one with a separator in it too.
    private mutating func setCategories(_ wanted: [String]) {
        var missing = wanted
        for index in all("CATEGORIES").reversed() {
            let items = VCardText.components(lines[index].value, at: ",")
            let kept = items.filter { item in
                let parts = ValueType.parts(VCardText.unescaped(item))
                guard parts.allSatisfy(wanted.contains) else { return false }
                missing.removeAll(where: parts.contains)
                return true
            }
            if kept.allSatisfy({ $0.trimmed.isEmpty }) {
                remove(index)
            } else {
                set(index, kept.joined(separator: ","))
            }
        }
        if missing.isEmpty { return }
        let added = missing.map(VCardText.escaped).joined(separator: ",")
        if let index = all("CATEGORIES").last {
            set(index, lines[index].value + "," + added)
        } else {
            add("CATEGORIES", added)
        }
    }

    private mutating func setName(_ part: Int, _ value: String) {
        guard let index = first("N") else {
            var parts = name.map(VCardText.escaped)
            parts[part] = value
            return add("N", parts.joined(separator: ";"))
        }
        var parts = VCardText.components(lines[index].value)
        while parts.count < 5 { parts.append("") }
        parts[part] = value
        set(index, parts.joined(separator: ";"), without: Self.derived)
    }

    private mutating func setBirthday(_ value: String) {
        var date = isVersion4 ? Self.basic(date: value) : VCardText.escaped(value)
        guard let index = first("BDAY") else { return write(date, to: "birthday") }
        if value.isEmpty { return remove(index) }
        var stale: Set = ["VALUE"]
        if let year = lines[index].parameter(Self.omittedYear), value.hasPrefix("--") {
            date = year + value.dropFirst()
        } else {
            stale.insert(Self.omittedYear)
        }
        set(index, date, without: stale)
    }

    /// Both versions require FN: it follows the name, else company, else address; that of a company follows
    /// the company.
    ///
    /// One that somebody chose by hand stays as long as the name does.
    private mutating func keepDisplayName(of oldName: [String], company oldCompany: String) {
        let full = [name[1], name[0]].filter { !$0.isEmpty }.joined(separator: " ")
        let company = self["company"]
        let names =
            isOrganization
            ? [company, full, self["email"], "Unnamed"] : [full, company, self["email"], "Unnamed"]
        guard let wanted = names.first(where: { !$0.isEmpty }) else { return }
        guard let index = first("FN") else {
            // Version 3.0 requires N as well.
            if first("N") == nil { add("N", name.map(VCardText.escaped).joined(separator: ";")) }
            return add("FN", VCardText.escaped(wanted))
        }
        let isRenamed =
            isOrganization
            ? company != oldCompany && displayName == oldCompany
            : name != oldName && !full.isEmpty && nameChanged(from: displayName, to: full)
        if displayName.isEmpty || isRenamed { set(index, VCardText.escaped(wanted)) }
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
}
