import HTTPTypes
import Hummingbird
import NIOCore
import TandemModel
import TandemSupport

/// A request, as far as an endpoint needs to know it.
struct APIRequest: Sendable {
    let path: String
    let parameters: [String: String]
    let query: Query
    let body: ByteBuffer
    /// `http://host:port`, as the caller wrote it.
    let base: String

    /// A variable part of the path; it is there whenever the route matched.
    func parameter(_ name: String) -> String { parameters[name] ?? "" }

    /// - Throws: ``APIError`` if the body is not what the endpoint takes.
    func input<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try APIJSON.read(type, from: body)
    }

    /// The address of another page of this listing: the same question with another `after`.
    func link(after: String) -> String {
        var parts = query.pairs.filter { $0.0 != "after" }
        parts.append(("after", after))
        let text = parts.map { "\($0.0.percentEncoded())=\($0.1.percentEncoded())" }
        return "\(base)\(path)?\(text.joined(separator: "&"))"
    }
}

/// The part of an address behind the question mark.
struct Query: Sendable {
    let pairs: [(String, String)]

    init(_ text: String?) {
        pairs = (text ?? "").split(separator: "&").map { part in
            let sign = part.firstIndex(of: "=") ?? part.endIndex
            return (
                Self.plain(part[..<sign]),
                sign == part.endIndex ? "" : Self.plain(part[part.index(after: sign)...])
            )
        }
    }

    /// The last value of a name; `nil` if it is not there or empty.
    subscript(name: String) -> String? {
        let value = pairs.last { $0.0 == name }?.1
        return value?.isEmpty ?? true ? nil : value
    }

    /// All values of a name, whether it is repeated or has commas.
    func list(_ name: String) -> [String] {
        pairs.filter { $0.0 == name }.flatMap { $0.1.split(separator: ",") }
            .map { String($0).trimmed }.filter { !$0.isEmpty }
    }

    func has(_ name: String) -> Bool { pairs.contains { $0.0 == name } }

    /// Python's clients write `True`.
    func flag(_ name: String) -> Bool { self[name]?.lowercased() == "true" }

    /// - Throws: ``APIError`` if it is no number within the bounds.
    func number(_ name: String, default usual: Int, in range: ClosedRange<Int>) throws -> Int {
        guard let text = self[name] else { return usual }
        guard let number = Int(text), range.contains(number) else {
            throw APIError.invalid(
                "\(name) `\(text)`: expected a number from \(range.lowerBound) to \(range.upperBound)"
            )
        }
        return number
    }

    /// Where a listing goes on: the number that the page before gave as its cursor.
    ///
    /// - Throws: ``APIError`` if it is no number, or less than `least`.
    func cursor(atLeast least: Int64 = .min) throws -> Int64 {
        let text = self["after"] ?? "0"
        guard let after = Int64(text), after >= least else {
            throw APIError.invalid("after `\(text)` is no cursor of this listing")
        }
        return after
    }

    private static func plain(_ text: Substring) -> String {
        decoded(String(text.replacing("+", with: " ")))
    }

    /// One that is not encoded rightly stays.
    static func decoded(_ text: String) -> String { text.percentDecoded ?? text }
}

/// What an endpoint answers.
struct APIResponse: Sendable {
    let status: HTTPResponse.Status
    /// `nil` for an answer without body.
    let body: (any Encodable & Sendable)?

    static func ok(_ body: any Encodable & Sendable) -> Self { Self(status: .ok, body: body) }
    static func created(_ body: any Encodable & Sendable) -> Self {
        Self(status: .created, body: body)
    }
    static let none = Self(status: .noContent, body: nil)
}
