import FoundationEssentials
import TandemModel
import TandemSupport

/// What a call is filled in with besides the connection's variables.
struct Arguments: Sendable {
    var texts: [String: String] = [:]
    var ids: [AppRecordID] = []
    var fields: [AppField] = []
    /// The members of a record's values that are written.
    var values: [String: JSON] = [:]
    /// The value of the one field that is written.
    var value: JSON?
    /// A whole record, as it is to be.
    var record: JSON?
    /// The records of a batch, each with its `{id}` and `{values}`.
    var writes: [Arguments] = []
    /// The address of a page, in the place of the call's own.
    var address: String?
    var headers: [String: String] = [:]
    var access: Access?
}

/// Filling in templates.
///
/// A place is `{name}`, or `{name:form}` for a number or a moment in another form. In addresses what
/// is filled in is escaped; `{+name}` keeps what has a meaning there (RFC 6570 §3.2.3).
extension RESTConnection {
    /// What the paths of calls follow on, without a slash at its end.
    func root(_ arguments: Arguments) -> String {
        let root = description.root.filling { name in
            name == "base" ? arguments.access?.base ?? "" : variables[name]
        }
        return root.hasSuffix("/") ? String(root.dropLast()) : root
    }

    /// The path with its query; parts of the query without a value are left out.
    func address(_ template: String, _ arguments: Arguments) -> String {
        let parts = template.split(separator: "?", maxSplits: 1).map(String.init)
        // What nobody escaped in a description is escaped here, such as a blank in a query language.
        let path = filled(parts.first ?? "", arguments, .address)
        guard parts.count == 2 else { return path }
        let pairs = parts[1].split(separator: "&").flatMap { pair in
            repeated(String(pair), arguments).map { filled($0.0, $0.1, .address) }
        }
        let said = pairs.filter { $0.last != "=" }
        return said.isEmpty ? path : "\(path)?\(said.joined(separator: "&"))"
    }

    /// `id={ids*}` stands once for each of the ids (RFC 6570 §3.2.8).
    private func repeated(_ pair: String, _ arguments: Arguments) -> [(String, Arguments)] {
        guard pair.contains("{ids*}") else { return [(pair, arguments)] }
        return arguments.ids.map { id in
            var one = arguments
            one.texts["id"] = id.text
            return (pair.replacing("{ids*}", with: "{id}"), one)
        }
    }

    enum Place { case address, text }

    func filled(_ template: String, _ arguments: Arguments, _ place: Place) -> String {
        guard place == .address else {
            return template.filling { text(of: CallPlace($0), arguments) }
        }
        return template.filling { name in
            let place = CallPlace(name)
            let value = text(of: place, arguments)
            // Commas separate the names of a list.
            return value?.percentEncoded(keeping: place.isKept ? "/:=,;@!$'()*" : ",")
        }.escaped
    }

    private func text(of place: CallPlace, _ arguments: Arguments) -> String? {
        let value =
            switch place.name {
            case "fields": arguments.fields.map(\.text).joined(separator: ",")
            case "members": members(arguments).joined(separator: ",")
            case "ids": arguments.ids.map(\.text).joined(separator: ",")
            case "access": arguments.access?.token.field
            case "base": arguments.access?.base
            default: arguments.texts[place.name] ?? variables[place.name]
            }
        guard let value, let form = place.form,
            let written = RESTDescription.TimeForm(rawValue: form)
        else {
            return value
        }
        return Timestamp(loose: value).map(written.text) ?? value
    }

    /// The members of a record that are asked for, or written.
    private func members(_ arguments: Arguments) -> [String] {
        arguments.values.isEmpty
            ? Set(arguments.fields.map { FieldPath($0.text).member }).sorted()
            : arguments.values.keys.sorted()
    }

    func json(_ template: RESTDescription.Template, _ arguments: Arguments) -> JSON {
        switch template {
        case .text(let text): value(text, arguments)
        case .number(let number): .number(Decimal(number))
        case .flag(let flag): .flag(flag)
        case .null: .null
        case .list(let list): .list(list.flatMap { elements($0, arguments) })
        case .object(let object, let spread):
            spread.reduce(.object(object.mapValues { json($0, arguments) })) { object, more in
                object.merging(json(more, arguments))
            }
        case .elements(let list): json(list, arguments)
        case .eachID(let element):
            .list(
                arguments.ids.map { id in
                    var arguments = arguments
                    arguments.texts["id"] = id.text
                    return json(element, arguments)
                })
        case .eachWrite(let element):
            .list(
                arguments.writes.map { write in
                    var one = arguments
                    one.texts.merge(write.texts) { $1 }
                    one.values = write.values
                    return json(element, one)
                })
        }
    }

    private func elements(_ template: RESTDescription.Template, _ arguments: Arguments) -> [JSON] {
        guard case .elements = template else { return [json(template, arguments)] }
        return json(template, arguments).elements ?? []
    }

    /// A text of a body; a place alone stands for what it is.
    private func value(_ text: String, _ arguments: Arguments) -> JSON {
        guard text.hasPrefix("{"), text.hasSuffix("}"), !text.dropFirst().contains("{") else {
            return .text(filled(text, arguments, .text))
        }
        let place = CallPlace(String(text.dropFirst().dropLast()))
        let form = place.form
        func texts(_ list: [String]) -> JSON { .list(list.map { Self.number($0, form) }) }
        return switch place.name {
        case "ids": texts(arguments.ids.map(\.text))
        case "fields": texts(arguments.fields.map(\.text))
        case "members": texts(members(arguments))
        case "values": .object(arguments.values)
        case "record": arguments.record ?? .null
        case "value" where arguments.value != nil && form == nil: arguments.value ?? .null
        case "access": arguments.access?.token ?? .null
        default: Self.number(filled(text, arguments, .text), form)
        }
    }

    private static func number(_ text: String, _ form: String?) -> JSON {
        guard form == "number" else { return .text(text) }
        return Decimal(canonical: text).map { .number($0) } ?? .null
    }
}

extension String {
    /// The address with everything escaped that may not stand in one (RFC 3986 §2).
    fileprivate var escaped: String {
        percentEncoded(keeping: "%:/?#[]@!$&'()*+,;=")
    }
}

extension RESTDescription.Call {
    /// Whether a place of this name is filled in anywhere in the call.
    package func mentions(_ place: String) -> Bool {
        path.mentions(place) || headers.values.contains { $0.mentions(place) }
            || body?.mentions(place) ?? false
    }
}

extension RESTDescription.Call {
    /// Whether so many records are asked for in the query or the body: a number that stands by itself.
    func asks(for count: Int) -> Bool {
        let query = path.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
        let isInQuery = query.split(separator: "&").contains { $0.hasSuffix("=\(count)") }
        return isInQuery || body?.holds(count) ?? false
    }
}

extension RESTDescription.Template {
    fileprivate func holds(_ count: Int) -> Bool {
        switch self {
        case .number(let number): number == count
        case .text, .flag, .null: false
        case .list(let list): list.contains { $0.holds(count) }
        case .object(let object, let spread):
            object.values.contains { $0.holds(count) } || spread.contains { $0.holds(count) }
        case .elements(let inner), .eachID(let inner), .eachWrite(let inner): inner.holds(count)
        }
    }

    fileprivate func mentions(_ place: String) -> Bool {
        switch self {
        case .text(let text): text.mentions(place)
        case .number, .flag, .null: false
        case .list(let list): list.contains { $0.mentions(place) }
        case .object(let object, let spread):
            object.values.contains { $0.mentions(place) } || spread.contains { $0.mentions(place) }
        case .elements(let inner), .eachID(let inner), .eachWrite(let inner): inner.mentions(place)
        }
    }
}

extension String {
    /// Whether a place of this name is in it, in any form.
    package func mentions(_ name: String) -> Bool {
        places.contains { CallPlace($0).name == name }
    }
}

/// What stands between the braces of a place: `name`, `name:form` or `+name`.
package struct CallPlace: Hashable, Sendable {
    package let name: String
    /// A number, or a form of moments; `nil` for what there is.
    package let form: String?
    /// What has a meaning in addresses is not escaped (RFC 6570 §3.2.3).
    let isKept: Bool

    package init(_ text: String) {
        isKept = text.hasPrefix("+")
        let parts = text.dropFirst(isKept ? 1 : 0).split(separator: ":", maxSplits: 1)
        name = parts.first.map { String($0) } ?? ""
        form = parts.count == 2 ? String(parts[1]) : nil
    }
}

extension JSON {
    /// The members of both; of a member that is an object in both, again the members of both, else that of
    /// the other one.
    fileprivate func merging(_ other: JSON) -> JSON {
        guard let own = members, let more = other.members else { return other }
        return .object(own.merging(more) { $0.merging($1) })
    }
}
