package import TandemModel
import TandemSupport

/// A normalised text by which records of the two sides find each other.
package struct MatchKey: Hashable, Sendable, Comparable {
    /// What the key is made of.
    ///
    /// Keys of different kinds never match.
    package let kind: String
    package let value: String

    package init(kind: String, value: String) {
        self.kind = kind
        self.value = value
    }

    package static let email = "email"
    private static let unique = "unique:"
    private static let property = "property:"

    /// No two living records of an object may have it.
    package var isUnique: Bool { kind == Self.email || kind.hasPrefix(Self.unique) }

    /// The property whose values are unique that this key stands for.
    package var uniqueProperty: PropertyName? {
        kind.hasPrefix(Self.unique) ? PropertyName(String(kind.dropFirst(Self.unique.count))) : nil
    }

    /// The key by which a record is found by the value of a property.
    ///
    /// Equal keys are a hint: the values are equal but for case, blanks and what stands behind the
    /// first 200 characters.
    package static func indexed(_ value: String, by property: PropertyName) -> Self? {
        let whole = folded(value)
        let text = whole.utf8.count > 200 ? String(whole.prefix(200)) : whole
        return text.isEmpty ? nil : Self(kind: Self.property + property.text, value: text)
    }

    /// The key that only one record may have, for a property whose values are unique.
    package static func unique(_ value: String, by property: PropertyName) -> Self? {
        let text = folded(value)
        return text.isEmpty ? nil : Self(kind: unique + property.text, value: text)
    }

    package static func < (left: Self, right: Self) -> Bool {
        (left.kind, left.value) < (right.kind, right.value)
    }

    /// The keys of a record, each once, in order.
    ///
    /// `values` are in CRM names, for app records as mapped; `rules` is what the sync, or the
    /// store's index, matches by.
    package static func keys(
        of values: Values, object: ObjectName, rules: [MatchRule]
    ) -> [MatchKey] {
        var keys: Set<MatchKey> = []
        for rule in rules {
            switch (object, rule.text) {
            case (.contacts, "email"):
                keys.formUnion(emails(values).map { Self(kind: email, value: $0) })
            case (.contacts, "company"): keys.formUnion(companyKeys(values))
            case (.companies, "domain"):
                keys.formUnion(domains(values).map { Self(kind: "domain", value: $0) })
            default:
                let text = folded(values[PropertyName(rule.text)] ?? "")
                if !text.isEmpty { keys.insert(Self(kind: rule.text, value: text)) }
            }
        }
        return keys.sorted()
    }

    /// The primary and additional addresses, lower case.
    package static func emails(_ values: Values) -> Set<String> {
        let additional = ValueType.parts(values["hs_additional_emails"] ?? "")
        let all = [values["email"] ?? ""] + additional
        return Set(all.map { $0.trimmed.lowercased() }.filter(\.isEmailAddress))
    }

    /// A person is matched with the company's email, name or domain; a contact without any
    /// person name is a company in contact's clothes and is matched by those alone.
    private static func companyKeys(_ values: Values) -> [MatchKey] {
        let names = [values["firstname"] ?? "", values["lastname"] ?? ""]
        let person = folded(names.joined(separator: " "))
        let prefix = person.isEmpty ? "" : "person-"
        var parts: [(kind: String, value: String)] = []
        parts.append(("company", folded(values["company"] ?? "")))
        parts.append(("company-email", (values["company_email"] ?? "").trimmed.lowercased()))
        var companyDomains = emails(values).compactMap(companyDomain(ofEmail:))
        if let domain = normalised(domain: values["domain"] ?? "") { companyDomains.append(domain) }
        parts += companyDomains.map { ("company-domain", $0) }
        return parts.filter { !$0.value.isEmpty }.map {
            MatchKey(
                kind: prefix + $0.kind, value: person.isEmpty ? $0.value : "\(person)|\($0.value)")
        }
    }

    static func domains(_ values: Values) -> Set<String> {
        let all = [values["domain"] ?? ""] + ValueType.parts(values["hs_additional_domains"] ?? "")
        return Set(all.compactMap(normalised(domain:)).filter { !freeMailDomains.contains($0) })
    }

    /// Lower case, without `www.`, port and path, internationalised labels as punycode.
    package static func normalised(domain: String) -> String? {
        var text = domain.trimmed.lowercased()
        // A bare name, the usual case, has nothing to cut off.
        if text.utf8.contains(where: { "/:?#".utf8.contains($0) }) {
            if let scheme = text.firstRange(of: "://") { text = String(text[scheme.upperBound...]) }
            text = String(text.prefix { !"/:?#".contains($0) })
        }
        if text.hasPrefix("www.") { text.removeFirst(4) }
        // No name in the DNS is longer (RFC 1035 §2.3.4).
        guard text.contains("."), !text.contains(" "), text.utf8.count <= 253 else { return nil }
        let labels = text.split(separator: ".").map { label in
            label.utf8.allSatisfy { $0 < 128 } ? String(label) : "xn--" + Punycode.encoded(label)
        }
        return labels.joined(separator: ".")
    }

    static func companyDomain(ofEmail email: String) -> String? {
        guard let at = email.lastIndex(of: "@"),
            let domain = normalised(domain: String(email[email.index(after: at)...])),
            !freeMailDomains.contains(domain)
        else { return nil }
        return domain
    }

    /// Lower case with single blanks between the words.
    static func folded(_ text: String) -> String {
        let words =
            text.utf8.allSatisfy { $0 == UInt8(ascii: " ") || $0.isVisibleASCII }
            ? text.utf8.split(separator: UInt8(ascii: " ")).compactMap { String($0) }
            : text.split { $0.isWhitespace || $0.unicodeScalars.first?.value ?? 0 < 0x20 }
                .map { String($0) }
        return words.joined(separator: " ").lowercased()
    }

    /// Mail providers whose domains say nothing about a company.
    private static let freeMailDomains: Set<String> = [
        "126.com", "163.com", "aol.com", "bluewin.ch", "comcast.net", "fastmail.com", "free.fr",
        "gmail.com", "gmx.at", "gmx.ch", "gmx.de", "gmx.net", "googlemail.com", "hey.com",
        "hotmail.co.uk", "hotmail.com", "hotmail.de", "hotmail.fr", "icloud.com", "laposte.net",
        "libero.it", "live.com", "mac.com", "mail.com", "mail.ru", "me.com", "msn.com", "naver.com",
        "orange.fr", "outlook.com", "outlook.de", "proton.me", "protonmail.com", "qq.com",
        "t-online.de", "tutanota.com", "web.de", "yahoo.co.jp", "yahoo.co.uk", "yahoo.com",
        "yahoo.de", "yahoo.fr", "yandex.com", "yandex.ru", "zoho.com",
    ]
}
