package import TandemModel

/// A text that two records share when they are likely the same person or company.
///
/// Weaker than a ``MatchKey``: a person looks at what it finds, nothing is bound by it.
package struct DuplicateKey: Hashable, Sendable {
    /// Why sharing it is suspicious.
    package enum Reason: String, Hashable, Sendable, CaseIterable {
        case email = "same mailbox"
        case nameAndPhone = "same name and phone"
        case nameAndCompany = "same name and company"
        case nameAndDomain = "same name and mail domain"
        case domain = "same domain"
        case companyName = "same name but for the legal form"
        case companyPhone = "same phone and city"
    }
    package let reason: Reason
    package let value: String

    /// The keys of a contact or company; none for other objects.
    package static func keys(of values: Values, object: ObjectName) -> [DuplicateKey] {
        switch object {
        case .contacts: contactKeys(values)
        case .companies: companyKeys(values)
        default: []
        }
    }

    private static func contactKeys(_ values: Values) -> [DuplicateKey] {
        let emails = MatchKey.emails(values).sorted()
        var keys = emails.map { Self(reason: .email, value: mailbox($0)) }
        let person = MatchKey.folded(
            [values["firstname"] ?? "", values["lastname"] ?? ""].joined(separator: " "))
        if person.isEmpty { return keys }
        for phone in ["phone", "mobilephone"] as [PropertyName] {
            let digits = subscriber(values[phone] ?? "")
            if !digits.isEmpty {
                keys.append(.init(reason: .nameAndPhone, value: person + "|" + digits))
            }
        }
        let company = legalName(values["company"] ?? "")
        if !company.isEmpty {
            keys.append(.init(reason: .nameAndCompany, value: person + "|" + company))
        }
        for domain in Set(emails.compactMap(MatchKey.companyDomain(ofEmail:))).sorted() {
            keys.append(.init(reason: .nameAndDomain, value: person + "|" + domain))
        }
        return keys
    }

    private static func companyKeys(_ values: Values) -> [DuplicateKey] {
        var keys = MatchKey.domains(values).sorted().map { Self(reason: .domain, value: $0) }
        let name = legalName(values["name"] ?? "")
        if !name.isEmpty { keys.append(.init(reason: .companyName, value: name)) }
        let (phone, city) = (
            subscriber(values["phone"] ?? ""), MatchKey.folded(values["city"] ?? "")
        )
        if !phone.isEmpty && !city.isEmpty {
            keys.append(.init(reason: .companyPhone, value: phone + "|" + city))
        }
        return keys
    }

    /// The address without what mail providers ignore: what stands behind a plus, and at Gmail the
    /// dots.
    private static func mailbox(_ email: String) -> String {
        let parts = email.split(separator: "@", maxSplits: 1)
        guard parts.count == 2 else { return email }
        var name = String(parts[0].prefix { $0 != "+" })
        if ["gmail.com", "googlemail.com"].contains(parts[1]) { name.removeAll { $0 == "." } }
        return "\(name)@\(parts[1])"
    }

    /// The last eight digits of a number, which are the same with and without country code; too few
    /// digits say nothing.
    private static func subscriber(_ phone: String) -> String {
        let digits = phone.utf8.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        return digits.count < 7 ? "" : String(decoding: digits.suffix(8), as: UTF8.self)
    }

    /// A company's name without marks, "the" and its legal form.
    private static func legalName(_ name: String) -> String {
        let words = MatchKey.folded(name).split { !$0.isLetter && !$0.isNumber }
        let core = words.filter { !legalForms.contains(String($0)) }
        return (core.isEmpty ? words : core).joined(separator: " ")
    }

    private static let legalForms: Set<String> = [
        "the", "inc", "incorporated", "llc", "llp", "ltd", "limited", "plc", "corp", "corporation",
        "co", "company", "gmbh", "ag", "kg", "ug", "sa", "sas", "sarl", "srl", "spa", "bv", "nv",
        "ab",
        "as", "aps", "oy", "oyj", "pty", "kk", "sl", "lda", "sro", "doo", "kft", "zrt",
    ]
}
