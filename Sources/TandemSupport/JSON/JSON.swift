package import FoundationEssentials

/// Any JSON value (RFC 8259), as an app sends or takes it.
package enum JSON: Encodable, Hashable, Sendable {
    case null
    case flag(Bool)
    /// As it was written, so that no digit is lost.
    case number(Decimal)
    case text(String)
    case list([JSON])
    case object([String: JSON])

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .flag(let flag): try container.encode(flag)
        case .number(let number): try container.encode(number)
        case .text(let text): try container.encode(text)
        case .list(let list): try container.encode(list)
        case .object(let object): try container.encode(object)
        }
    }

    /// Stands where an app's text had something that is no character, such as half of a surrogate pair:
    /// a noncharacter (Unicode §23.7) that no text of anybody has.
    package static let brokenCharacter = Unicode.Scalar(0xFDD0 as UInt32) ?? "\u{FFFD}"

    /// Reads a document; `nil` for what is no JSON, or is nested more than 64 deep.
    ///
    /// A number that would lose digits is a text. What is no character in a text becomes
    /// ``brokenCharacter``, so that only this text cannot be used.
    package init?(parsing bytes: some Collection<UInt8>) {
        guard let value = JSONParser.document(bytes) else { return nil }
        self = value
    }

    /// The document in UTF-8, on one line, keys in order.
    package var bytes: [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // None of the cases can hold what JSON could not.
        return (try? encoder.encode(self)).map { [UInt8]($0) } ?? []
    }

    /// A member of an object; `nil` for none, and for what is no object.
    package subscript(name: String) -> JSON? {
        if case .object(let object) = self { object[name] } else { nil }
    }

    /// The value at a place (RFC 6901); `nil` if there is none.
    package func at(_ pointer: String) -> JSON? {
        var value = self
        for part in pointer.split(separator: "/") {
            let name = String(part).replacing("~1", with: "/").replacing("~0", with: "~")
            switch value {
            case .object(let object):
                guard let next = object[name] else { return nil }
                value = next
            case .list(let list):
                guard let index = Int(name), list.indices.contains(index) else { return nil }
                value = list[index]
            default: return nil
            }
        }
        return value
    }

    /// The value as a field holds it; `nil` for what is no single value.
    package var field: String? {
        switch self {
        case .null: ""
        case .flag(let flag): flag ? "true" : "false"
        case .number(let number): "\(number)"
        case .text(let text): text
        case .list, .object: nil
        }
    }

    /// As ``field``; a list of single values is a set of options.
    package var fieldOrSet: String? {
        if let field { return field }
        guard let parts = elements?.map(\.field), !parts.contains(nil) else { return nil }
        return parts.compactMap(\.self).joined(separator: ";")
    }

    package var text: String? { if case .text(let text) = self { text } else { nil } }

    package var flag: Bool? { if case .flag(let flag) = self { flag } else { nil } }

    package var elements: [JSON]? { if case .list(let list) = self { list } else { nil } }

    package var members: [String: JSON]? {
        if case .object(let object) = self { object } else { nil }
    }

    /// A whole number; `nil` for anything else.
    package var integer: Int64? {
        if case .number(let number) = self { Int64("\(number)") } else { nil }
    }
}
