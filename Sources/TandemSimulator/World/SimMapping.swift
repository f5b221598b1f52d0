import TandemModel

/// The mappings between the CRM store and the simulated app.
enum SimMapping {
    /// Draws a mapping: always the keys, and now and then a field that flows one way only.
    static func mapping(_ object: ObjectName, random: inout SplitMix) -> ObjectMapping {
        var fields =
            object == .contacts
            ? [
                FieldMapping("email", "mail", type: .email),
                FieldMapping("firstname", "first"), FieldMapping("lastname", "last"),
                FieldMapping("phone", "tel", type: .phone), FieldMapping("company", "org"),
                FieldMapping("jobtitle", "title"), FieldMapping("city", "town"),
                FieldMapping(
                    "lifecyclestage", "stage", type: .enumeration,
                    options: ["lead": "New", "customer": "Won"]),
                FieldMapping("closedate", "when", type: .datetime),
                FieldMapping("hs_additional_emails", "mails", type: .multiEnumeration),
            ]
            : [
                FieldMapping("name", "first"), FieldMapping("domain", "mail"),
                FieldMapping("phone", "tel", type: .phone), FieldMapping("industry", "org"),
                FieldMapping("description", "title"), FieldMapping("city", "town"),
                FieldMapping("state", "last"),
                FieldMapping("parent", "boss", association: .companies),
                FieldMapping("closedate", "when", type: .datetime),
            ]
        for index in fields.indices.dropFirst(3) where random.chance(0.1) {
            fields[index].direction = random.pick([.toCRM, .toApp])
            if random.chance(0.3) { fields[index].rule = .onlyIfEmpty }
        }
        return ObjectMapping(object: object, appObject: "people", fields: fields)
    }
}
