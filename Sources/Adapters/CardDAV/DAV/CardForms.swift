import Foundation
import TandemModel

/// A card as a server shows it that turns one version into another when it is asked to, or when it is not.
///
/// Nothing tells in which version the card is kept, and a conversion may lose something, such as a photo.
struct CardForms: Sendable {
    /// As it is shown unasked.
    var plain: CardDAVAdapter.Card
    /// As it is shown in the versions that the server names, if it names several.
    var asked: [String: CardDAVAdapter.Card] = [:]

    /// The form in which the card is whole: 3.0 if it is, else 4.0.
    ///
    /// - Returns: `nil` if there is no card.
    /// - Throws: ``VCard/Broken`` if it cannot be read, or each form lacks something that the other one has.
    func whole() throws(VCard.Broken) -> VCard? {
        guard let text = plain.text else { return nil }
        guard let old = try asked["3.0"]?.text.map(parsed),
            let new = try asked["4.0"]?.text.map(parsed)
        else { return try VCard(text) }
        let missing = old.missing(of: new)
        if missing.isEmpty { return old }
        if new.missing(of: old).isEmpty { return new }
        throw VCard.Broken(
            reason: "the server shows it in two versions, and neither is whole: 3.0 lacks "
                + missing.joined(separator: ", "))
    }

    private func parsed(_ text: String) throws(VCard.Broken) -> VCard { try VCard(text) }

    /// What was in these forms before, beside our fields, and is not now.
    func lost(since before: CardForms) -> Set<String> {
        asked.reduce(into: []) { lost, form in
            guard let old = before.asked[form.key]?.text.flatMap({ try? VCard($0) }),
                let new = form.value.text.flatMap({ try? VCard($0) })
            else { return }
            lost.formUnion(old.unmappedNames.subtracting(new.unmappedNames))
        }
    }
}

extension VCard {
    /// The names of the lines that another form of the same card has and this one has not, or not whole.
    fileprivate func missing(of other: VCard) -> [String] {
        var own = lines.map { Essence($0) }
        return other.lines.map { Essence($0) }.filter { theirs in
            if theirs.name == "VERSION" || theirs.isEmptied { return false }
            guard let index = own.firstIndex(where: theirs.isWhole) else { return true }
            own.remove(at: index)
            return false
        }.map(\.name)
    }

    /// What a line says, however a version writes it.
    private struct Essence {
        let name: String
        private let group: String?
        private let value: String
        private let parameters: Set<String>
        /// A photo or the like of which nothing is left.
        let isEmptied: Bool

        init(_ line: VCardLine) {
            name = line.name
            group = line.group
            // Each version has its own way to say these.
            let dialect: Set = ["VALUE", "ENCODING", "MEDIATYPE", "CHARSET", "PREF"]
            var words = Set(
                line.parameters.filter { $0.name != "TYPE" && !dialect.contains($0.name) }
                    .map { "\($0.name)=\($0.value.lowercased())" })
            let isData = ["PHOTO", "LOGO", "SOUND", "KEY"].contains(line.name)
            if !isData { words.formUnion(line.types.subtracting(["pref"])) }
            parameters = words
            value = isData ? Self.data(line.value) : VCardText.unescaped(line.value)
            isEmptied = isData && value.isEmpty
        }

        /// The bytes of a photo, from `data:image/png;base64,…` as from the bare text of 3.0; an address stays.
        private static func data(_ value: String) -> String {
            let plain = VCardText.unescaped(value)
            guard plain.lowercased().hasPrefix("data:") else { return plain }
            return plain.firstIndex(of: ",").map { String(plain[plain.index(after: $0)...]) } ?? ""
        }

        /// Whether another line says all that this one says.
        func isWhole(in other: Essence) -> Bool {
            name == other.name && group == other.group && value == other.value
                && parameters.isSubset(of: other.parameters)
        }
    }
}
