import TandemModel

extension CRMSchema {
    /// The properties that every store has; names and types as HubSpot's public reference of
    /// default properties gives them (2026).
    static let standardProperties: [ObjectName: [PropertyDefinition]] = [
        .contacts: contacts + kept("lastmodifieddate") + calculatedOfContacts,
        .companies: companies + kept(), .deals: deals + kept(), .tickets: tickets + kept(),
        .products: products + kept(), .calls: calls + kept(), .notes: notes + kept(),
        .emails: emails + kept(), .meetings: meetings + kept(), .tasks: tasks + kept(),
    ]

    /// What the store knows of every record by itself.
    package static var kept: [PropertyDefinition] { kept() }

    static func kept(_ modified: PropertyName = "hs_lastmodifieddate") -> [PropertyDefinition] {
        [
            .init("hs_object_id", "Record ID", .number, keeper: .calculation),
            .init("createdate", "Create Date", .datetime, keeper: .calculation),
            .init(modified, "Last Modified Date", .datetime, keeper: .calculation),
            .init("hs_merged_object_ids", "Merged record IDs", .multiEnumeration, keeper: .store),
        ]
    }

    private static let calculatedOfContacts: [PropertyDefinition] = [
        .init("hs_email_domain", "Email Domain", keeper: .calculation),
        .init("hs_full_name_or_email", "Full name or email", keeper: .calculation),
        .init("hs_calculated_merged_vids", "Merged contact IDs", keeper: .store),
        .init(
            "hs_marketable_status", "Marketing contact status", .enumeration,
            options: [
                .init("true", label: "Marketing contact"),
                .init("false", label: "Non-marketing contact"),
            ], keeper: .store),
        .init(
            "hs_marketable_until_renewal", "Marketing contact until next update", .enumeration,
            options: [.init("true", label: "Yes"), .init("false", label: "No")], keeper: .store),
        .init("num_conversion_events", "Number of Form Submissions", .number, keeper: .store),
        .init(
            "num_unique_conversion_events", "Number of Unique Forms Submitted", .number,
            keeper: .store),
    ]

    private static let analytics: [PropertyDefinition] = [
        .init(
            "hs_analytics_source", "Original Traffic Source", .enumeration,
            options: [
                "ORGANIC_SEARCH", "PAID_SEARCH", "EMAIL_MARKETING", "SOCIAL_MEDIA", "REFERRALS",
                "OTHER_CAMPAIGNS", "DIRECT_TRAFFIC", "OFFLINE", "PAID_SOCIAL", "AI_REFERRALS",
            ].map { PropertyOption($0) }),
        .init("hs_analytics_source_data_1", "Original Traffic Source Drill-Down 1"),
        .init("hs_analytics_source_data_2", "Original Traffic Source Drill-Down 2"),
        .init("hs_analytics_num_page_views", "Number of Pageviews", .number),
        .init("hs_analytics_num_visits", "Number of Sessions", .number),
        .init("hs_analytics_num_event_completions", "Number of event completions", .number),
    ]

    private static let lifecycleStages = [
        "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity",
        "customer", "evangelist", "other",
    ].map { PropertyOption($0) }

    private static let contacts: [PropertyDefinition] =
        [
            .init("email", "Email", .email),
            .init("hs_additional_emails", "Additional email addresses", .multiEnumeration),
            .init("firstname", "First Name"),
            .init("lastname", "Last Name", isIndexed: true),
            .init("salutation", "Salutation"),
            .init("phone", "Phone Number", .phone),
            .init("mobilephone", "Mobile Phone Number", .phone),
            .init("fax", "Fax Number", .phone),
            .init("company", "Company Name"),
            .init("company_email", "Company Email", .email),
            .init("jobtitle", "Job Title"),
            .init("website", "Website URL", .url),
            .init("address", "Street Address"),
            .init("city", "City"),
            .init("state", "State/Region"),
            .init("zip", "Postal Code"),
            .init("country", "Country/Region"),
            .init("date_of_birth", "Date of birth"),
            .init("notes", "Notes"),
            .init("categories", "Categories", .multiEnumeration),
            .init("industry", "Industry"),
            .init("lifecyclestage", "Lifecycle Stage", .enumeration, options: lifecycleStages),
            .init("hs_lead_status", "Lead Status", .enumeration),
            .init("hubspot_owner_id", "Contact owner", .enumeration),
            .init("associatedcompanyid", "Primary Associated Company ID", .number),
            .init("closedate", "Close Date", .datetime),
            .init("hs_email_optout", "Unsubscribed from all email", .bool),
            .init("hs_legal_basis", "Legal basis for processing contact's data", .multiEnumeration),
        ] + analytics

    private static let companies: [PropertyDefinition] =
        [
            .init("name", "Company name"),
            .init("domain", "Company Domain Name"),
            .init("hs_additional_domains", "Additional Domains", .multiEnumeration),
            .init("website", "Website URL", .url),
            .init("phone", "Phone Number", .phone),
            .init("industry", "Industry"),
            .init("type", "Type"),
            .init("description", "Description"),
            .init("address", "Street Address"),
            .init("address2", "Street Address 2"),
            .init("city", "City"),
            .init("state", "State/Region"),
            .init("zip", "Postal Code"),
            .init("country", "Country/Region"),
            .init("numberofemployees", "Number of Employees", .number),
            .init("annualrevenue", "Annual Revenue", .number),
            .init("founded_year", "Year Founded"),
            .init("lifecyclestage", "Lifecycle Stage", .enumeration, options: lifecycleStages),
            .init("hubspot_owner_id", "Company owner", .enumeration),
        ] + analytics

    private static let deals: [PropertyDefinition] = [
        .init("dealname", "Deal Name"),
        .init("amount", "Amount", .number),
        .init("closedate", "Close Date", .datetime),
        .init("pipeline", "Pipeline", .enumeration),
        .init("dealstage", "Deal Stage", .enumeration),
        .init("dealtype", "Deal Type", .enumeration),
        .init("description", "Deal Description"),
        .init("hubspot_owner_id", "Deal owner", .enumeration),
    ]

    private static let tickets: [PropertyDefinition] = [
        .init("subject", "Ticket name"),
        .init("content", "Ticket description"),
        .init("hs_pipeline", "Pipeline", .enumeration),
        .init("hs_pipeline_stage", "Ticket status", .enumeration),
        .init(
            "hs_ticket_priority", "Priority", .enumeration,
            options: ["LOW", "MEDIUM", "HIGH", "URGENT"].map { PropertyOption($0) }),
        .init("hs_ticket_category", "Category", .multiEnumeration),
        .init("hs_ticket_id", "Ticket ID", .number, keeper: .calculation),
        .init("hubspot_owner_id", "Ticket owner", .enumeration),
    ]

    private static let products: [PropertyDefinition] = [
        .init("name", "Name"),
        .init("hs_sku", "SKU"),
        .init("description", "Product description"),
        .init("price", "Unit price", .number),
        .init("hs_cost_of_goods_sold", "Unit cost", .number),
        .init("hs_url", "URL", .url),
    ]
    private static let calls: [PropertyDefinition] =
        timeline + [
            .init("hs_call_title", "Call title"),
            .init("hs_call_body", "Call notes"),
            .init("hs_call_direction", "Call direction", .enumeration),
            .init("hs_call_status", "Call status", .enumeration),
            .init("hs_call_duration", "Call duration", .number),
        ]

    private static let notes: [PropertyDefinition] =
        timeline + [
            .init("hs_note_body", "Note body")
        ]

    private static let emails: [PropertyDefinition] =
        timeline + [
            .init("hs_email_subject", "Email subject"),
            .init("hs_email_text", "Email body"),
            .init("hs_email_direction", "Email direction", .enumeration),
            .init("hs_email_status", "Email send status", .enumeration),
        ]

    private static let meetings: [PropertyDefinition] =
        timeline + [
            .init("hs_meeting_title", "Meeting name"),
            .init("hs_meeting_body", "Meeting description"),
            .init("hs_meeting_start_time", "Meeting start time", .datetime),
            .init("hs_meeting_end_time", "Meeting end time", .datetime),
            .init("hs_meeting_outcome", "Meeting outcome", .enumeration),
        ]

    private static let tasks: [PropertyDefinition] =
        timeline + [
            .init("hs_task_subject", "Task title"),
            .init("hs_task_body", "Task notes"),
            .init("hs_task_status", "Task status", .enumeration),
            .init("hs_task_priority", "Priority", .enumeration),
        ]

    /// What every activity has.
    private static let timeline: [PropertyDefinition] = [
        .init("hs_timestamp", "Activity date", .datetime),
        .init("hubspot_owner_id", "Activity assigned to", .enumeration),
    ]
}
