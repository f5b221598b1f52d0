/// A name or id that is a string inside and a type of its own outside.
package protocol StringKey: Hashable, Sendable, Comparable, Codable, ExpressibleByStringLiteral,
    CustomStringConvertible
{
    var text: String { get }
    init(_ text: String)
}

extension StringKey {
    package init(stringLiteral value: String) { self.init(value) }
    package init(from decoder: any Decoder) throws {
        self.init(try decoder.singleValueContainer().decode(String.self))
    }
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(text)
    }
    package var description: String { text }
    package static func < (left: Self, right: Self) -> Bool { left.text < right.text }
}

/// The internal name of a CRM property, such as `firstname`.
package struct PropertyName: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// The name of a field on the app's side, as the adapter spells it.
package struct AppField: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// A record type of the CRM store: `contacts`, `companies`, `deals`, `tickets`, `products`,
/// or the name of a custom object.
package struct ObjectName: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }

    package static let contacts: Self = "contacts"
    package static let companies: Self = "companies"
    package static let deals: Self = "deals"
    package static let tickets: Self = "tickets"
    package static let products: Self = "products"
}

/// The unique name of a sync, as the configuration spells it.
package struct SyncName: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// The name of a connection, as the configuration spells it.
package struct ConnectionName: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// The id of a record on the app's side: opaque, compared byte for byte.
package struct AppRecordID: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// Where something without an id stands in an app, for people: `line 4`, `element 3`.
package struct AppLocation: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// Where an app's next listing starts: opaque text that only its adapter understands.
package struct Cursor: StringKey {
    package let text: String
    package init(_ text: String) { self.text = text }
}

/// The id of a record in the CRM store: positive, never used twice, printed as a string.
package struct RecordID: Hashable, Sendable, Comparable, CustomStringConvertible {
    package let number: Int64
    package init(_ number: Int64) { self.number = number }
    package var description: String { String(number) }
    package static func < (left: Self, right: Self) -> Bool { left.number < right.number }
}

/// One of the two sides of a sync.
package enum Side: String, Hashable, Sendable, CaseIterable, Codable {
    case crm, app

    package var other: Side { self == .crm ? .app : .crm }
}

/// One value per property; an absent key is *missing* (not read), `""` is *empty* (read, blank).
package typealias Values = [PropertyName: String]
