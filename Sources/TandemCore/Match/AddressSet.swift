package import TandemModel
import TandemSupport

/// A contact's addresses, or a company's domains: one set, of which one member is the primary one.
///
/// Whoever writes a record keeps the set whole: a member that is made the primary one changes places with
/// it, one from outside takes its place, and the primary one is never among the others.
package struct AddressSet {
    package let primary: PropertyName
    package let additional: PropertyName
    /// Equal for two spellings of one member.
    private let key: (String) -> String

    /// `nil` for an object that has no such set.
    package init?(_ object: ObjectName) {
        switch object {
        case .contacts:
            (primary, additional) = ("email", "hs_additional_emails")
            key = { $0.trimmed.lowercased() }
        case .companies:
            (primary, additional) = ("domain", "hs_additional_domains")
            key = { MatchKey.normalised(domain: $0) ?? $0.trimmed.lowercased() }
        default: return nil
        }
    }

    /// What is to be written so that the set stays whole.
    ///
    /// - Parameters:
    ///   - values: What somebody writes.
    ///   - old: What the record has; nothing for a new one.
    /// - Returns: The values, with those of the set that follow from them.
    package func whole(_ values: Values, over old: Values) -> Values {
        guard values[primary] != nil || values[additional] != nil else { return values }
        let before = old[primary] ?? ""
        let now = values[primary] ?? before
        var others = ValueType.parts(values[additional] ?? old[additional] ?? "")
        if values[additional] == nil, !now.isEmpty, !before.isEmpty,
            others.contains(where: { key($0) == key(now) })
        {
            others.append(before)
        }
        var seen: Set<String> = now.isEmpty ? [] : [key(now)]
        let kept = others.filter { seen.insert(key($0)).inserted }
        let text = Set(kept).sorted().joined(separator: ";")
        if values[additional] == nil && text == old[additional] ?? "" { return values }
        return values.merging([additional: text]) { $1 }
    }

    /// What an app writes that shows a member of its own set as an additional one now which was the primary
    /// one here: it stays in the set, though the new primary one comes from outside.
    ///
    /// - Parameters:
    ///   - values: What the app writes.
    ///   - old: What the record has.
    ///   - shown: What the app shows of the record.
    /// - Returns: The values, with the former primary one among the others if it stays.
    package func keeping(_ values: Values, over old: Values, shown: Values) -> Values {
        guard values[primary] != nil, values[additional] == nil, let before = old[primary],
            ValueType.parts(shown[additional] ?? "").contains(where: { key($0) == key(before) })
        else { return values }
        let others = ValueType.parts(old[additional] ?? "") + [before]
        return values.merging([additional: others.joined(separator: ";")]) { $1 }
    }

    /// The values of an app's record; some list the primary one among the others, too.
    package func listedOnce(_ values: Values) -> Values {
        guard let first = values[primary], !first.isEmpty else { return values }
        let others = ValueType.parts(values[additional] ?? "")
        let kept = others.filter { key($0) != key(first) }
        if kept.count == others.count { return values }
        return values.merging([additional: kept.joined(separator: ";")]) { $1 }
    }
}
