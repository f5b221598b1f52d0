/// Which way values may flow.
///
/// A hard limit: nothing is ever written against it.
package enum Direction: String, Hashable, Sendable, CaseIterable, Codable {
    case both
    case toCRM = "to-crm"
    case toApp = "to-app"

    /// Whether values may be written on `side`.
    package func allows(writingTo side: Side) -> Bool {
        self == .both || self == (side == .crm ? .toCRM : .toApp)
    }

    /// What both limits allow; `nil` if they leave nothing.
    package func intersection(_ other: Direction) -> Direction? {
        if self == .both { return other }
        return other == .both || other == self ? self : nil
    }
}

/// When a value may be written over another.
package enum FieldRule: String, Hashable, Sendable, CaseIterable, Codable {
    case overwrite
    case onlyIfEmpty = "only-if-empty"
    case never
}

/// Which part of a full name in one app field a CRM property stands for.
package enum NamePart: String, Hashable, Sendable, CaseIterable, Codable {
    case first, last
}

/// One line of a mapping: a CRM property and the app's field that says the same.
package struct FieldMapping: Hashable, Sendable {
    package let crm: PropertyName
    package let app: AppField
    package var type: ValueType
    package var direction: Direction
    package var rule: FieldRule
    /// CRM option to app option; empty if values are the same on both sides.
    package var options: [String: String]
    /// Text with `{property}` places that makes the app's value; such a field flows to the app only.
    package var template: String?
    package var namePart: NamePart?
    /// The object whose record the field names: by its id in the app there, by that in the CRM here.
    package var association: ObjectName?
    /// Which associations the field stands for, where not any.
    package var label: String?
    /// The app refuses a record without it.
    package var isRequired: Bool

    package init(
        _ crm: PropertyName, _ app: AppField, type: ValueType = .string,
        direction: Direction = .both, rule: FieldRule = .overwrite,
        options: [String: String] = [:], template: String? = nil, namePart: NamePart? = nil,
        association: ObjectName? = nil, label: String? = nil, isRequired: Bool = false
    ) {
        self.crm = crm
        self.app = app
        self.type = type
        self.direction = template == nil ? direction : .toApp
        self.rule = rule
        self.options = options
        self.template = template
        self.namePart = namePart
        self.association = association
        self.label = label
        self.isRequired = isRequired
    }
}

/// How one object of the CRM and one of the app stand for each other.
package struct ObjectMapping: Hashable, Sendable {
    package let object: ObjectName
    package let appObject: String
    package var fields: [FieldMapping]
    /// App fields that are read for matching only, by the CRM property whose key they give.
    package var matchKeys: [PropertyName: [AppField]]

    package init(
        object: ObjectName, appObject: String, fields: [FieldMapping],
        matchKeys: [PropertyName: [AppField]] = [:]
    ) {
        self.object = object
        self.appObject = appObject
        self.fields = fields
        self.matchKeys = matchKeys
    }
}
