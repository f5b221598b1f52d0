import TandemModel
import TandemSupport

/// Where a field is among the values of a record: `city`, `address/city`, `phones/0`,
/// `emails[primary=true]/value`.
struct FieldPath: Hashable, Sendable {
    enum Step: Hashable, Sendable {
        /// A member of an object, or a number in a list.
        case name(String)
        /// The first element of a list that has this value at this place.
        case matching([String], String)
    }

    let steps: [Step]

    /// A JSON Pointer is one, too, but for its escapes.
    init(_ text: String) {
        var steps: [Step] = []
        for part in Self.parts(text) {
            guard let open = part.firstIndex(of: "["), part.hasSuffix("]") else {
                steps.append(.name(part))
                continue
            }
            if open > part.startIndex { steps.append(.name(String(part[..<open]))) }
            let sides = part[part.index(after: open)...].dropLast().split(
                separator: "=", maxSplits: 1)
            let place = sides.first.map { $0.split(separator: "/").map(String.init) } ?? []
            steps.append(.matching(place, sides.count == 2 ? String(sides[1]) : ""))
        }
        self.steps = steps
    }

    private init(steps: [Step]) { self.steps = steps }

    /// The text at its slashes, but for those in brackets.
    private static func parts(_ text: String) -> [String] {
        var parts: [String] = [""]
        var isInside = false
        for character in text {
            if character == "/" && !isInside {
                parts.append("")
                continue
            }
            if "[]".contains(character) { isInside = character == "[" }
            parts[parts.count - 1].append(character)
        }
        return parts.filter { !$0.isEmpty }
    }

    /// The member of the values that it is in.
    var member: String { if case .name(let name)? = steps.first { name } else { "" } }

    /// The number of the element that it ends at; 0 if it ends at none with a number.
    var number: Int { if case .name(let name)? = steps.last { Int(name) ?? 0 } else { 0 } }

    /// The path to the innermost element of a list that it leads through; `nil` for none.
    var element: FieldPath? {
        let last = steps.lastIndex { step in
            switch step {
            case .matching: true
            case .name(let name): Int(name) != nil
            }
        }
        return last.map { FieldPath(steps: Array(steps[...$0])) }
    }

    func value(in json: JSON) -> JSON? { Self.value(steps[...], json) }

    private static func value(_ steps: ArraySlice<Step>, _ json: JSON?) -> JSON? {
        guard let json, let step = steps.first else { return json }
        return value(steps.dropFirst(), place(of: step, in: json).flatMap { json[$0] })
    }

    fileprivate enum Place { case member(String), element(Int) }

    /// Where a step leads; `nil` for nowhere.
    private static func place(of step: Step, in json: JSON) -> Place? {
        switch (step, json) {
        case (.name(let name), .list): Int(name).map { .element($0) }
        case (.name(let name), _): .member(name)
        case (.matching(let place, let value), .list(let list)):
            list.firstIndex { Self.value(place.map { .name($0) }[...], $0)?.field == value }
                .map { .element($0) }
        default: nil
        }
    }

    /// The same values with another one here; lists and objects on the way are made.
    func setting(_ value: JSON, in json: JSON) -> JSON { Self.setting(steps[...], value, json) }

    private static func setting(_ steps: ArraySlice<Step>, _ value: JSON, _ json: JSON?) -> JSON {
        guard let step = steps.first else { return value }
        let rest = steps.dropFirst()
        switch (step, json) {
        case (.matching(let place, let wanted), _):
            var list = json?.elements ?? []
            if case .element(let index)? = Self.place(of: step, in: .list(list)) {
                list[index] = setting(rest, value, list[index])
            } else {
                let mark: JSON =
                    ["true", "false"].contains(wanted)
                    ? .flag(wanted == "true") : .text(wanted)
                let new = setting(place.map { .name($0) }[...], mark, nil)
                list.append(setting(rest, value, new))
            }
            return .list(list)
        case (.name(let name), .object(var members)?):
            members[name] = setting(rest, value, members[name])
            return .object(members)
        case (.name(let name), _):
            guard let index = Int(name) else { return .object([name: setting(rest, value, nil)]) }
            var list = json?.elements ?? []
            if list.indices.contains(index) {
                list[index] = setting(rest, value, list[index])
            } else {
                list.append(setting(rest, value, nil))
            }
            return .list(list)
        }
    }

    /// The same values without the element or member that it leads to.
    func removing(from json: JSON) -> JSON {
        guard let last = steps.last else { return json }
        let parent = FieldPath(steps: steps.dropLast())
        guard let whole = parent.value(in: json), let place = Self.place(of: last, in: whole) else {
            return json
        }
        switch (whole, place) {
        case (.list(var list), .element(let index)) where list.indices.contains(index):
            list.remove(at: index)
            return parent.setting(.list(list), in: json)
        case (.object(var members), .member(let name)) where members[name] != nil:
            members[name] = nil
            return parent.setting(.object(members), in: json)
        default: return json
        }
    }
}

extension JSON {
    fileprivate subscript(place: FieldPath.Place) -> JSON? {
        switch place {
        case .member(let name): self[name]
        case .element(let index):
            elements.flatMap { $0.indices.contains(index) ? $0[index] : nil }
        }
    }
}
