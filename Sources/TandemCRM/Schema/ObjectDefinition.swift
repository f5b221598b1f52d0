package import TandemModel
package import TandemSupport

/// What one object of the store is called, and by which ids HubSpot's interfaces know it.
package struct ObjectDefinition: Hashable, Sendable {
    package let name: ObjectName
    /// `0-1` for contacts; `2-7` for the seventh custom object.
    package let typeID: String
    package var singular: String
    package var plural: String
    package var description: String
    /// The property that names a record to people.
    package var primaryProperty: PropertyName
    package var secondaryProperties: [PropertyName]
    package var requiredProperties: [PropertyName]
    package var searchableProperties: [PropertyName]
    package let createdAt: Timestamp
    package var updatedAt: Timestamp

    package var isCustom: Bool { typeID.hasPrefix("2-") }

    /// Calls, notes and the like: what happened with a record rather than a record of its own.
    package var isActivity: Bool { ObjectName.activities.contains(name) }

    package init(
        _ name: ObjectName, typeID: String, singular: String, plural: String,
        primaryProperty: PropertyName, description: String = "",
        secondaryProperties: [PropertyName] = [], requiredProperties: [PropertyName] = [],
        searchableProperties: [PropertyName] = [],
        createdAt: Timestamp = Timestamp(milliseconds: 0), updatedAt: Timestamp? = nil
    ) {
        self.name = name
        self.typeID = typeID
        self.singular = singular
        self.plural = plural
        self.primaryProperty = primaryProperty
        self.description = description
        self.secondaryProperties = secondaryProperties
        self.requiredProperties = requiredProperties
        self.searchableProperties = searchableProperties
        self.createdAt = createdAt
        self.updatedAt = updatedAt ?? createdAt
    }

    /// The objects that every store has.
    ///
    /// Type ids and the properties that a search looks into are
    /// those of HubSpot's public reference ("Object type IDs", "CRM search", 2026).
    package static let standard: [ObjectDefinition] = [
        .init(
            .contacts, typeID: "0-1", singular: "Contact", plural: "Contacts",
            primaryProperty: "email",
            searchableProperties: [
                "firstname", "lastname", "email", "phone", "hs_additional_emails", "fax",
                "mobilephone", "company",
            ]),
        .init(
            .companies, typeID: "0-2", singular: "Company", plural: "Companies",
            primaryProperty: "name", searchableProperties: ["website", "phone", "name", "domain"]),
        .init(
            .deals, typeID: "0-3", singular: "Deal", plural: "Deals", primaryProperty: "dealname",
            searchableProperties: ["dealname", "pipeline", "dealstage", "description", "dealtype"]),
        .init(
            .tickets, typeID: "0-5", singular: "Ticket", plural: "Tickets",
            primaryProperty: "subject",
            searchableProperties: [
                "subject", "content", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_id",
            ]),
        .init(
            .products, typeID: "0-7", singular: "Product", plural: "Products",
            primaryProperty: "name", searchableProperties: ["name", "description", "hs_sku"]),
        .init(
            .notes, typeID: "0-46", singular: "Note", plural: "Notes",
            primaryProperty: "hs_note_body", searchableProperties: ["hs_note_body"]),
        .init(
            .meetings, typeID: "0-47", singular: "Meeting", plural: "Meetings",
            primaryProperty: "hs_meeting_title",
            searchableProperties: ["hs_meeting_title", "hs_meeting_body"]),
        .init(
            .calls, typeID: "0-48", singular: "Call", plural: "Calls",
            primaryProperty: "hs_call_title",
            searchableProperties: ["hs_call_title", "hs_call_body"]),
        .init(
            .emails, typeID: "0-49", singular: "Email", plural: "Emails",
            primaryProperty: "hs_email_subject", searchableProperties: ["hs_email_subject"]),
        .init(
            .tasks, typeID: "0-27", singular: "Task", plural: "Tasks",
            primaryProperty: "hs_task_subject",
            searchableProperties: ["hs_task_subject", "hs_task_body"]),
    ]
}

extension ObjectName {
    package static let calls: Self = "calls"
    package static let notes: Self = "notes"
    package static let emails: Self = "emails"
    package static let meetings: Self = "meetings"
    package static let tasks: Self = "tasks"

    /// The entries of a record's timeline; objects of their own, associated with the record.
    package static let activities: Set<Self> = [.calls, .notes, .emails, .meetings, .tasks]
}
