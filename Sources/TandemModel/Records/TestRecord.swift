import TandemSupport

/// The records with which `tandem check --laws` tries an app: no sync of any store takes them in, also where
/// the app does not let them be deleted.
package enum TestRecord {
    /// The domain belongs to nobody (RFC 2606 §2).
    private static let domain = "example.invalid"
    private static let mark = "law-"

    /// An address that such a record has.
    package static func address(_ name: String) -> String { "\(mark)\(name)@\(domain)" }

    /// A company's domain that such a record has.
    package static func domain(_ name: String) -> String { "\(mark)\(name).\(domain)" }

    package static func isOne(_ values: Values) -> Bool {
        let keys = [values["email"], values["domain"]].compactMap { $0?.trimmed.lowercased() }
        return keys.contains {
            $0.hasPrefix(mark) && ($0.hasSuffix("@" + domain) || $0.hasSuffix("." + domain))
        }
    }
}
