import TandemModel

extension CRMSchema {
    /// The objects and properties that every store has; names as HubSpot's public reference
    /// of default properties gives them (2026).
    static let standard = CRMSchema(
        objects: [
            .contacts: contacts, .companies: companies, .deals: deals, .tickets: tickets,
            .products: products,
        ].mapValues { definitions in
            // Names are written once in the lists below.
            Dictionary(definitions.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        })

    private static let lifecycleStages = [
        "subscriber", "lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity",
        "customer", "evangelist", "other",
    ]

    private static let contacts: [PropertyDefinition] = [
        .init("email", "Email", .email),
        .init("hs_additional_emails", "Additional email addresses", .multiEnumeration),
        .init("firstname", "First Name"),
        .init("lastname", "Last Name"),
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
    ]

    private static let companies: [PropertyDefinition] = [
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
    ]

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
            options: ["LOW", "MEDIUM", "HIGH", "URGENT"]),
        .init("hs_ticket_category", "Category", .multiEnumeration),
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
}
