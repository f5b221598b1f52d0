package import TandemModel
import TandemSupport
import Yams

/// Collects everything that is wrong with one file, each with its line.
final class Problems {
    let file: String
    private(set) var lines: [(line: Int, text: String)] = []
    /// Properties that the file names and that only the store can tell to exist.
    private(set) var named: [NamedProperty] = []

    init(file: String) { self.file = file }

    func add(_ node: Node?, _ text: String) {
        lines.append((node?.mark?.line ?? 1, text))
    }

    func name(_ property: PropertyName, of object: ObjectName, at node: Node?) {
        let place = "\(file):\(node?.mark?.line ?? 1)"
        named.append(NamedProperty(place: place, object: object, property: property))
    }

    /// Finds texts with a NUL in them: a path would end there, and no app takes one.
    func requireText(_ node: Node) {
        if node.scalar?.string.contains("\0") == true {
            add(node, "a text has a NUL character in it; take it out")
        }
        node.sequence?.forEach(requireText)
        node.mapping?.forEach { key, value in
            requireText(key)
            requireText(value)
        }
    }

    /// All problems in the order of the file, one a line.
    var report: String {
        lines.sorted { $0.line < $1.line }.map { "\(file):\($0.line): \($0.text)" }
            .joined(separator: "\n")
    }
}

/// A CRM property that the configuration names.
package struct NamedProperty {
    /// `file:line`.
    package let place: String
    package let object: ObjectName
    package let property: PropertyName
}

/// A YAML mapping with known keys; what is unknown or of the wrong kind becomes a problem.
struct YAMLReader {
    let node: Node
    let problems: Problems
    private let entries: [String: Node]

    /// `what` names the mapping in error texts; `known` are the keys it may have, `nil` allows any.
    init?(_ node: Node, what: String, known: [String]?, problems: Problems) {
        self.node = node
        self.problems = problems
        guard let mapping = node.mapping else {
            problems.add(node, "\(what): expected a mapping of keys and values")
            return nil
        }
        var entries: [String: Node] = [:]
        for (key, value) in mapping {
            let name = key.string ?? ""
            if let known, !known.contains(name) {
                problems.add(
                    key, "\(what): unknown key `\(name)`\(suggestion(for: name, in: known))")
            } else if entries.updateValue(value, forKey: name) != nil {
                problems.add(key, "\(what): `\(name)` is given twice")
            }
        }
        self.entries = entries
    }

    var keys: [String] { entries.keys.sorted() }

    subscript(key: String) -> Node? { entries[key] }

    /// A text; any scalar is one.
    func text(_ key: String) -> String? {
        guard let node = entries[key] else { return nil }
        if let text = node.scalar?.string { return text }
        problems.add(node, "`\(key)`: expected a text")
        return nil
    }

    /// A text that must be there.
    func requiredText(_ key: String, example: String) -> String {
        guard entries[key] != nil else {
            problems.add(node, "`\(key)` is missing; expected something like `\(key): \(example)`")
            return ""
        }
        return text(key) ?? ""
    }

    func flag(_ key: String) -> Bool? {
        guard let node = entries[key] else { return nil }
        if let flag = node.bool { return flag }
        problems.add(node, "`\(key)`: expected true or false")
        return nil
    }

    /// One of the words of an enumeration.
    func word<Word: RawRepresentable & CaseIterable>(_ key: String, as type: Word.Type) -> Word?
    where Word.RawValue == String {
        text(key).flatMap { word($0, of: key) }
    }

    /// A list of such words, or one of them.
    func words<Word: RawRepresentable & CaseIterable>(_ key: String, as type: Word.Type) -> [Word]?
    where Word.RawValue == String {
        texts(key)?.compactMap { word($0, of: key) }
    }

    private func word<Word: RawRepresentable & CaseIterable>(_ text: String, of key: String)
        -> Word?
    where Word.RawValue == String {
        if let word = Word(rawValue: text) { return word }
        let words = Word.allCases.map(\.rawValue)
        problems.add(
            entries[key],
            "`\(key): \(text)`: expected one of \(words.joined(separator: ", "))"
                + suggestion(for: text, in: words))
        return nil
    }

    /// A whole number.
    func number(_ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let node = entries[key], let text = text(key) else { return nil }
        if let number = Int(text), range.contains(number) { return number }
        problems.add(
            node,
            "`\(key): \(text)`: expected a number from \(range.lowerBound) to \(range.upperBound)")
        return nil
    }

    /// A length of time such as `90s`, `10m`, `2h`, or plain seconds.
    func seconds(_ key: String, in range: ClosedRange<Int64>) -> Int64? {
        guard let node = entries[key], let text = text(key) else { return nil }
        let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600, "d": 86_400]
        let unit = text.last.flatMap { units[$0] }
        let digits = unit == nil ? text : String(text.dropLast())
        if let number = Int64(digits),
            case let (seconds, overflow) = number.multipliedReportingOverflow(by: unit ?? 1),
            !overflow, range.contains(seconds)
        {
            return seconds
        }
        problems.add(
            node,
            "`\(key): \(text)`: expected a time from \(range.lowerBound)s to \(range.upperBound)s, such as `10m`"
        )
        return nil
    }

    /// A list of texts; a single text is a list of one.
    func texts(_ key: String) -> [String]? {
        guard let node = entries[key] else { return nil }
        if let text = node.scalar?.string { return [text] }
        if let sequence = node.sequence, case let texts = sequence.compactMap(\.scalar?.string),
            texts.count == sequence.count
        {
            return texts
        }
        problems.add(node, "`\(key)`: expected a list of texts")
        return nil
    }
}
