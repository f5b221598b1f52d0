import FoundationEssentials
import NIOCore
import TandemSupport

/// Reading and writing the bodies of requests and answers.
enum APIJSON {
    static func data(_ value: some Encodable) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .withoutEscapingSlashes
        return try encoder.encode(value)
    }

    /// The value as text, for a message that quotes it.
    static func text(_ value: some Encodable) -> String {
        (try? data(value)).map { String(decoding: $0, as: UTF8.self) } ?? "[]"
    }

    /// Reads a body.
    ///
    /// - Throws: ``APIError`` that says where it is not JSON, or what is missing in it.
    static func read<Value: Decodable>(_ type: Value.Type, from body: ByteBuffer) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(body.readableBytesView))
        } catch let error as DecodingError {
            throw APIError.invalid(message(error, body))
        }
    }

    private static func message(_ error: DecodingError, _ body: ByteBuffer) -> String {
        switch error {
        case .keyNotFound(let key, let context):
            let path = (context.codingPath + [key]).map(name).joined(separator: ".")
            return "Invalid input JSON: Some required fields were not set: [\(path)]"
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            let path = context.codingPath.map(name).joined(separator: ".")
            if path.isEmpty { return "Invalid input JSON: expected an object or a list" }
            return "Invalid input JSON: the value of `\(path)` is of the wrong kind"
        case .dataCorrupted(let context):
            let path = context.codingPath.map(name).joined(separator: ".")
            if !path.isEmpty { return "Invalid input JSON: `\(path)`: \(context.debugDescription)" }
            let (line, column) = end(of: body)
            return "Invalid input JSON on line \(line), column \(column) or before it"
        @unknown default: return "Invalid input JSON: \(error)"
        }
    }

    private static func name(_ key: any CodingKey) -> String {
        key.intValue.map(String.init) ?? key.stringValue
    }

    /// The decoder does not say where it stopped; the document ends here.
    private static func end(of body: ByteBuffer) -> (line: Int, column: Int) {
        let lines = body.readableBytesView.split(
            separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        return (max(1, lines.count), (lines.last?.count ?? 0) + 1)
    }
}

/// A property's value as clients send it: text, number, truth value or nothing.
struct LooseText: Decodable, Sendable {
    /// Empty for null.
    let text: String

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            text = ""
        } else if let string = try? container.decode(String.self) {
            text = string
        } else if let flag = try? container.decode(Bool.self) {
            text = flag ? "true" : "false"
        } else if let number = try? container.decode(Decimal.self) {
            text = "\(number)"
        } else {
            throw DecodingError.typeMismatch(
                String.self,
                .init(
                    codingPath: decoder.codingPath,
                    debugDescription: "expected a text, a number, true, false or null"))
        }
    }
}

/// Any list as `{"results": […]}`, with the way to the next page where there is one.
struct ListBody<Element: Encodable & Sendable>: Encodable, Sendable {
    let results: [Element]
    var paging: Paging?
    var total: Int?

    init(_ results: [Element], paging: Paging? = nil, total: Int? = nil) {
        self.results = results
        self.paging = paging
        self.total = total
    }
}

struct Paging: Encodable, Sendable {
    let next: Next

    struct Next: Encodable, Sendable {
        let after: String
        let link: String?
    }

    init(after: String, link: String? = nil) { next = Next(after: after, link: link) }
}
