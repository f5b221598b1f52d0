import TandemCRM
import TandemCore
import TandemDatabase
import TandemModel
import TandemSupport
import Testing

/// BEHAVIOUR.md §8, rule by rule.
@Suite final class Merging {
    private let scratch: Scratch
    private let later: Timestamp

    init() throws {
        scratch = try Scratch()
        later = scratch.now + .seconds(60)
    }

    deinit { scratch.remove() }

    private func make(_ object: ObjectName, _ values: Values, at moment: Timestamp? = nil) throws
        -> RecordID
    {
        try scratch.write(at: moment ?? scratch.now) { try $0.create(object, values).id }
    }

    private func merge(_ one: RecordID, _ other: RecordID, picked: Set<PropertyName> = []) throws
        -> CRMRecord
    {
        try scratch.write(at: later) { try $0.merge(one, other, picked: picked) }
    }

    private func merged(_ object: ObjectName, _ one: Values, _ other: Values) throws -> CRMRecord {
        try merge(make(object, one), make(object, other))
    }

    private func timeline<Value>(_ work: (TimelineTable) throws -> Value) throws -> Value {
        try scratch.database.write { try work(TimelineTable($0)) }
    }

    @Test(arguments: [
        ObjectName.contacts, .companies, .deals, .tickets, .products, .notes,
    ])
    func `makes a new record that both old ids find, for every object`(_ object: ObjectName) throws
    {
        let (one, other) = (try make(object, [:]), try make(object, [:]))
        let result = try merge(one, other)
        #expect(result.id != one && result.id != other)
        #expect(result.properties["hs_merged_object_ids"] == "\(one);\(other)")
        for id in [one, other, result.id] {
            #expect(try scratch.read { try $0.resolve("\(id)", in: object).id } == result.id)
        }
        #expect(try scratch.read { try $0.count(of: object) } == 1)
        let binned = try scratch.read {
            try $0.records(of: object, after: RecordID(0), limit: 10, areArchived: true)
        }
        #expect(binned.isEmpty)
    }

    @Test func `keeps every old id through a chain of merges`() throws {
        let ids = try (0..<4).map { _ in try make(.deals, [:]) }
        let first = try merge(ids[0], ids[1])
        let second = try merge(ids[2], ids[3])
        // An old id names the result here too.
        let last = try merge(ids[1], second.id)
        for id in ids + [first.id, second.id] {
            #expect(try scratch.read { try $0.current(id) } == last.id)
        }
        let all = (ids + [first.id, second.id]).sorted().map(\.description)
        #expect(last.properties["hs_merged_object_ids"] == all.joined(separator: ";"))
    }

    @Test func `takes the primary's values and fills what it lacks`() throws {
        let result = try merged(
            .deals, ["dealname": "One", "amount": "1"], ["dealname": "Two", "dealtype": "new"])
        #expect(result.properties["dealname"] == "One")
        #expect(result.properties["amount"] == "1")
        #expect(result.properties["dealtype"] == "new")
    }

    @Test func `takes the secondary's values where the caller picks them`() throws {
        let one = try make(.contacts, ["email": "a@example.com", "city": "Oslo"])
        let other = try make(.contacts, ["email": "b@example.com", "city": "Rome", "zip": "1"])
        let result = try merge(one, other, picked: ["city", "email"])
        #expect(result.properties["city"] == "Rome")
        #expect(result.properties["email"] == "b@example.com")
        #expect(result.properties["hs_additional_emails"] == "a@example.com")
    }

    @Test func `shows what it would make and changes nothing`() throws {
        let one = try make(.contacts, ["firstname": "Ann"])
        let other = try make(.contacts, ["lastname": "Lee"])
        let values = try scratch.write { try $0.plannedMerge(one, other) }
        #expect(values["firstname"] == "Ann" && values["lastname"] == "Lee")
        #expect(try scratch.read { try $0.count(of: .contacts) } == 2)
    }

    @Test func `takes the older create date`() throws {
        let young = try make(.contacts, [:], at: scratch.now + .seconds(10))
        let old = try make(.contacts, [:])
        #expect(try merge(young, old).createdAt == scratch.now)
    }

    @Test func `keeps the history of both with a merge event`() throws {
        let one = try make(.contacts, ["city": "Oslo"])
        let other = try make(.contacts, ["city": "Rome"])
        let result = try merge(one, other)
        let history = try scratch.read { try $0.history(of: result.id) }
        #expect(history.map(\.kind) == [.create, .create, .merge])
        #expect(history.map { $0.patch["city"] } == ["Oslo", "Rome", "Oslo"])
    }

    @Test func `keeps the primary's address and the other one beside it`() throws {
        let result = try merged(
            .contacts,
            ["email": "a@example.com", "hs_additional_emails": "c@example.com"],
            ["email": "B@example.com", "hs_additional_emails": "d@example.com"])
        #expect(result.properties["email"] == "a@example.com")
        #expect(
            result.properties["hs_additional_emails"]
                == "B@example.com;c@example.com;d@example.com")
        for email in ["a@example.com", "b@example.com", "c@example.com", "d@example.com"] {
            #expect(
                try scratch.read { try $0.resolve(email, in: .contacts).id } == result.id)
        }
    }

    @Test(arguments: [
        ("lead", "customer", "customer"), ("customer", "lead", "customer"),
        ("", "lead", "lead"), ("opportunity", "", "opportunity"),
    ])
    func `takes the lifecycle stage furthest down the funnel`(
        _ one: String, _ other: String, _ expected: String
    ) throws {
        for object in [ObjectName.contacts, .companies] {
            let result = try merged(
                object, ["lifecyclestage": one], ["lifecyclestage": other])
            #expect(result.properties["lifecyclestage"] == expected)
        }
    }

    @Test func `adds conversions and unique forms`() throws {
        let ids = try scratch.write { writer in
            try [("a", ["f", "f"]), ("b", ["g"])].map { name, forms in
                var id = RecordID(0)
                for form in forms {
                    id = try writer.submit(
                        form: form, ["email": "\(name)@example.com"], cookie: name,
                        MarketingRules(includesForms: false))
                }
                return id
            }
        }
        let result = try merge(ids[0], ids[1])
        #expect(result.properties["num_conversion_events"] == "3")
        #expect(result.properties["num_unique_conversion_events"] == "2")
    }

    @Test func `leads submissions of both addresses and cookies to the result`() throws {
        let rules = MarketingRules(includesForms: false)
        let ids = try scratch.write { writer in
            try ["a", "b"].map { (name: String) in
                try writer.submit(
                    form: "f", ["email": "\(name)@example.com"], cookie: name, rules)
            }
        }
        let result = try merge(ids[0], ids[1])
        #expect(try timeline { try $0.submissions(of: result.id) }.map(\.cookie) == ["a", "b"])
        let again = try scratch.write { writer in
            try [
                writer.submit(form: "g", ["email": "b@example.com"], cookie: nil, rules),
                writer.submit(form: "g", ["city": "Oslo"], cookie: "b", rules),
            ]
        }
        #expect(again == [result.id, result.id])
    }

    @Test(arguments: [ObjectName.contacts, .companies])
    func `adds analytics totals`(_ object: ObjectName) throws {
        let result = try merged(
            object, ["hs_analytics_num_page_views": "3", "hs_analytics_num_visits": "1"],
            ["hs_analytics_num_page_views": "4"])
        #expect(result.properties["hs_analytics_num_page_views"] == "7")
        #expect(result.properties["hs_analytics_num_visits"] == "1")
    }

    @Test func `takes the older original source, unless one was set by hand`() throws {
        func source(_ origins: [Origin]) throws -> String? {
            let sources = ["REFERRALS", "PAID_SEARCH"]
            let ids = try origins.indices.map { index in
                try scratch.database.write { connection in
                    let moment = scratch.now + .seconds(Int64(index))
                    let writer = try scratch.store.writer(
                        in: connection, now: moment, origin: origins[index])
                    return try writer.create(
                        .contacts,
                        [
                            "hs_analytics_source": sources[index],
                            "hs_analytics_source_data_1": "\(index)",
                        ]
                    ).id
                }
            }
            // The younger one is the primary.
            let result = try merge(ids[1], ids[0])
            let place = sources.firstIndex(of: result.properties["hs_analytics_source"] ?? "")
            #expect(result.properties["hs_analytics_source_data_1"] == place.map(String.init))
            return result.properties["hs_analytics_source"]
        }
        #expect(try source([.import, .import]) == "REFERRALS")
        #expect(try source([.import, .user]) == "PAID_SEARCH")
        #expect(try source([.user, .import]) == "REFERRALS")
    }

    @Test func `keeps the legal bases of both`() throws {
        let result = try merged(
            .contacts, ["hs_legal_basis": "consent;contract"], ["hs_legal_basis": "interest"])
        #expect(result.properties["hs_legal_basis"] == "consent;contract;interest")
    }

    @Test(arguments: [("true", "false"), ("false", "true"), ("", "true")])
    func `keeps an opt-out of either side`(_ one: String, _ other: String) throws {
        let result = try merged(
            .contacts, ["hs_email_optout": one], ["hs_email_optout": other])
        #expect(result.properties["hs_email_optout"] == "true")
    }

    @Test func `keeps one set of subscriptions for each address`() throws {
        try timeline { table in
            for (email, isIn) in [("a@example.com", true), ("b@example.com", false)] {
                try table.subscribe(
                    email, to: "News", isIn, legalBasis: "consent", by: .user, at: scratch.now)
            }
        }
        let result = try merged(
            .contacts, ["email": "a@example.com"], ["email": "b@example.com"])
        let emails = MatchKey.emails(result.properties)
        let all = try timeline { try $0.subscriptions(of: emails) }
        #expect(all.map(\.email) == ["a@example.com", "b@example.com"])
        #expect(all.map(\.isSubscribed) == [true, false])
    }

    @Test func `takes the most marketable status`() throws {
        let rules = MarketingRules()
        func status(_ one: [Bool], _ other: [Bool]) throws -> [String?] {
            let ids = try [one, other].map { steps in
                let id = try make(.contacts, [:])
                for isOn in steps {
                    _ = try scratch.write { try $0.setMarketing([id], to: isOn, rules) }
                }
                return id
            }
            let result = try merge(ids[0], ids[1])
            return [
                result.properties["hs_marketable_status"],
                result.properties["hs_marketable_until_renewal"],
            ]
        }
        let before = try scratch.read { try $0.marketingCount() }
        #expect(try status([], [true]) == ["true", "false"])
        #expect(try status([true, false], [true]) == ["true", "false"])
        #expect(try status([true, false], []) == ["true", "true"])
        #expect(try status([], []) == [nil, nil])
        #expect(try scratch.read { try $0.marketingCount() } == before + 3)
    }

    @Test func `keeps the primary's domain and the other one beside it`() throws {
        let both = try merged(
            .companies, ["domain": "a.example"], ["domain": "www.b.example"])
        #expect(both.properties["domain"] == "a.example")
        #expect(both.properties["hs_additional_domains"] == "www.b.example")
        let one = try merged(.companies, ["name": "Acme"], ["domain": "c.example"])
        #expect(one.properties["domain"] == "c.example")
        #expect(one.properties["hs_additional_domains"] == nil)
        #expect(
            try scratch.read { try $0.resolve("b.example", in: .companies).id } == both.id)
    }

    @Test func `keeps the associations of both and the primary's primary company`() throws {
        let companies = try ["A", "B"].map { try make(.companies, ["name": $0]) }
        let (one, other) = (try make(.contacts, [:]), try make(.contacts, [:]))
        let note = try make(.notes, ["hs_note_body": "Called"])
        let deal = try make(.deals, ["dealname": "Big"])
        try scratch.write { writer in
            try writer.associate(one, companies[0])
            try writer.associate(other, companies[1])
            try writer.associate(other, note)
            try writer.associate(one, deal)
            try writer.associate(one, other)
        }
        let result = try merge(one, other)
        func types(_ object: ObjectName) throws -> [RecordID: [Int64]] {
            let all = try scratch.read { try $0.associations(of: result.id, to: object, limit: 9) }
            return Dictionary(uniqueKeysWithValues: all.map { ($0.to, $0.types.map(\.id)) })
        }
        #expect(try types(.companies) == [companies[0]: [1, 279], companies[1]: [279]])
        #expect(result.properties["associatedcompanyid"] == "\(companies[0])")
        #expect(try types(.notes) == [note: [201]])
        #expect(try types(.deals) == [deal: [4]])
        #expect(try types(.contacts) == [:])
        let back = try scratch.read {
            try $0.associations(of: companies[1], to: .contacts, limit: 9)
        }
        #expect(back.map(\.to) == [result.id])
    }

    @Test func `has the secondary's company keep its label where the primary had none`() throws {
        let company = try make(.companies, ["name": "A"])
        let (one, other) = (try make(.contacts, [:]), try make(.contacts, [:]))
        try scratch.write { try $0.associate(other, company) }
        #expect(try merge(one, other).properties["associatedcompanyid"] == "\(company)")
    }

    @Test func `has contacts of a merged company follow to the result`() throws {
        let companies = try ["A", "B"].map { try make(.companies, ["name": $0]) }
        let contacts = try (0..<2).map { _ in try make(.contacts, [:]) }
        try scratch.write { writer in
            for (contact, company) in zip(contacts, companies) {
                try writer.associate(contact, company)
            }
        }
        let result = try merge(companies[0], companies[1])
        for contact in contacts {
            let record = try #require(try scratch.read { try $0.record(contact) })
            #expect(record.properties["associatedcompanyid"] == "\(result.id)")
            let kinds = try scratch.read { try $0.history(of: contact) }.map(\.kind)
            #expect(kinds.suffix(2) == [.associate, .update])
        }
    }

    @Test func `takes the secondary out of static lists and asks active ones anew`() throws {
        let (one, other) = (
            try make(.contacts, ["city": "Oslo"]), try make(.contacts, ["zip": "1"])
        )
        let now = scratch.now
        func lists<Value>(_ work: (ListTable) throws -> Value) throws -> Value {
            try scratch.database.write {
                try work(ListTable($0, scratch.store.schema, now: now))
            }
        }
        let made = try lists { table in
            let filter = ListFilter(equal: ["zip": "1"])
            let lists = [
                try table.create("one", of: .contacts, .manual, filter: nil),
                try table.create("other", of: .contacts, .manual, filter: nil),
                try table.create("zip", of: .contacts, .active, filter: filter),
            ]
            try table.add(one, to: lists[0])
            try table.add(other, to: lists[1])
            return lists
        }
        let result = try merge(one, other)
        let members = try lists { table in
            try made.map { try table.members(of: $0, after: RecordID(0), limit: 9).map(\.record) }
        }
        #expect(members == [[result.id], [], [result.id]])
        try scratch.write(at: later) { _ = try $0.unmerge(result.id) }
        let again = try lists { table in
            try made.map { try table.members(of: $0, after: RecordID(0), limit: 9).map(\.record) }
        }
        #expect(again == [[one], [other], [other]])
    }

    @Test func `leaves all workflows and enters those that allow it`() throws {
        let (one, other) = (try make(.contacts, [:]), try make(.contacts, [:]))
        try timeline { table in
            try table.save(workflow: "open", of: .contacts, enrolsMerged: true)
            try table.save(workflow: "closed", of: .contacts, enrolsMerged: false)
            for (id, name) in [(one, "closed"), (other, "open"), (one, "open")] {
                let record = try #require(try scratch.read { try $0.record(id) })
                try table.enrol(record, in: name, at: scratch.now)
            }
        }
        let result = try merge(one, other)
        #expect(try timeline { try $0.enrolments(of: result.id) } == ["open"])
        #expect(try timeline { try $0.enrolments(of: one) } == [])
    }

    @Test func `keeps logged playbooks and lets drafts go`() throws {
        let (one, other) = (try make(.contacts, [:]), try make(.contacts, [:]))
        try timeline { table in
            try table.add(playbook: "a", .logged, body: "", to: one, at: scratch.now)
            try table.add(playbook: "b", .draft, body: "", to: one, at: scratch.now)
            try table.add(playbook: "c", .logged, body: "", to: other, at: scratch.now)
        }
        let result = try merge(one, other)
        #expect(try timeline { try $0.playbooks(of: result.id) }.map(\.name) == ["a", "c"])
        try scratch.write(at: later) { _ = try $0.unmerge(result.id) }
        #expect(try timeline { try $0.playbooks(of: one) }.map(\.name) == ["a", "b"])
    }

    @Test func `is refused for a record with itself, for two objects, and for the bin`() throws {
        let contact = try make(.contacts, [:])
        let company = try make(.companies, [:])
        let binned = try make(.contacts, [:])
        try scratch.write { try $0.archive(binned) }
        #expect(throws: CRMError.cannotMerge("both are record \(contact)")) {
            try merge(contact, contact)
        }
        #expect(throws: CRMError.self) { try merge(contact, company) }
        #expect(throws: CRMError.archived(binned)) { try merge(contact, binned) }
        #expect(throws: CRMError.notFound("records", "99")) { try merge(contact, RecordID(99)) }
        #expect(throws: CRMError.readOnly("hs_marketable_status")) {
            try merge(contact, make(.contacts, [:]), picked: ["hs_marketable_status"])
        }
        #expect(try scratch.read { try $0.record(contact)?.archivedAt } == nil)
    }

    @Test func `is refused above 250 merges`() throws {
        let last = try scratch.write { writer in
            var last = try writer.create(.deals, [:]).id
            for _ in 0..<251 {
                last = try writer.merge(last, try writer.create(.deals, [:]).id).id
            }
            return last
        }
        #expect(throws: CRMError.self) { try merge(last, make(.deals, [:])) }
        #expect(
            try scratch.read { try $0.record(last)?.properties["hs_merged_object_ids"] }?
                .split(separator: ";").count == 502)
    }
}

@Suite final class Unmerging {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    deinit { scratch.remove() }

    private func pair() throws -> (RecordID, RecordID, CRMRecord) {
        try scratch.write { writer in
            let one = try writer.create(
                .contacts, ["email": "a@example.com", "city": "Oslo"]
            ).id
            let other = try writer.create(
                .contacts, ["email": "b@example.com", "city": "Rome"]
            ).id
            return (one, other, try writer.merge(one, other))
        }
    }

    @Test func `brings both back as they were, and lists what was written since`() throws {
        let company = try scratch.write { try $0.create(.companies, ["name": "A"]).id }
        let (one, other) = try scratch.write { writer in
            let one = try writer.create(.contacts, ["email": "a@example.com"]).id
            let other = try writer.create(.contacts, ["email": "b@example.com", "zip": "1"]).id
            try writer.associate(other, company)
            return (one, other)
        }
        let before = try scratch.read { try $0.records([one, other]) }.mapValues(\.properties)
        let result = try scratch.write { try $0.merge(one, other) }
        try scratch.write { try $0.update(result.id, ["jobtitle": "CEO"]) }
        let undone = try scratch.write { try $0.unmerge(other) }
        #expect(undone.later.map(\.patch) == [["jobtitle": "CEO"]])
        let after = try scratch.read { try $0.records([one, other]) }
        #expect(after.mapValues(\.properties) == before)
        #expect(after.values.allSatisfy { $0.archivedAt == nil && $0.mergedInto == nil })
        #expect(try scratch.read { try $0.record(result.id)?.archivedAt } == scratch.now)
        for (email, id) in [("a@example.com", one), ("b@example.com", other)] {
            #expect(try scratch.read { try $0.resolve(email, in: .contacts).id } == id)
        }
        let linked = try scratch.read { try $0.associations(of: company, to: .contacts, limit: 9) }
        #expect(linked.map(\.to) == [other])
    }

    @Test func `leaves a primary company that was chosen since, and follows what was merged since`()
        throws
    {
        let companies = try scratch.write { writer in
            try ["A", "B", "C"].map { try writer.create(.companies, ["name": $0]).id }
        }
        let contact = try scratch.write { try $0.create(.contacts, [:]).id }
        try scratch.write { try $0.associate(contact, companies[0]) }
        let result = try scratch.write { try $0.merge(companies[0], companies[1]) }
        try scratch.write { try $0.associate(contact, companies[2], labels: [1]) }
        try scratch.write { _ = try $0.unmerge(result.id) }
        let linked = try scratch.read {
            try $0.associations(of: contact, to: .companies, limit: 9)
        }
        #expect(linked.map(\.to) == [companies[0], companies[2]])
        #expect(linked.map { $0.types.map(\.id) } == [[279], [1, 279]])
        #expect(
            try scratch.read { try $0.record(contact)?.properties["associatedcompanyid"] }
                == "\(companies[2])")

        let (one, other, merged) = try pair()
        try scratch.write { try $0.associate(merged.id, companies[0]) }
        let twice = try scratch.write { writer in
            try writer.unmerge(merged.id)
            try writer.associate(other, companies[1])
            return try writer.merge(one, other)
        }
        let final = try scratch.write { try $0.merge(companies[1], companies[2]) }
        try scratch.write { _ = try $0.unmerge(twice.id) }
        let followed = try scratch.read { try $0.associations(of: other, to: .companies, limit: 9) }
        #expect(followed.map(\.to) == [final.id])
    }

    @Test func `undoes a chain of merges one by one`() throws {
        let (one, other, first) = try pair()
        let third = try scratch.write { try $0.create(.contacts, ["zip": "3"]).id }
        let second = try scratch.write { try $0.merge(first.id, third) }
        try scratch.write { _ = try $0.unmerge(second.id) }
        #expect(try scratch.read { try $0.current(one) } == first.id)
        try scratch.write { _ = try $0.unmerge(one) }
        #expect(try scratch.read { try $0.current(one) } == one)
        #expect(try scratch.read { try $0.record(other)?.archivedAt } == nil)
    }

    @Test func `is refused after ninety days, twice, and for what was never merged`() throws {
        let (one, _, result) = try pair()
        let late = scratch.now + .seconds(91 * 86_400)
        #expect(throws: CRMError.cannotUnmerge("it is more than 90 days old")) {
            try scratch.write(at: late) { try $0.unmerge(result.id) }
        }
        try scratch.write { _ = try $0.unmerge(result.id) }
        #expect(throws: CRMError.cannotUnmerge("it was undone already")) {
            try scratch.write { try $0.unmerge(result.id) }
        }
        #expect(throws: CRMError.cannotUnmerge("record \(one) was not made by one")) {
            try scratch.write { try $0.unmerge(one) }
        }
    }

    @Test func `is refused while somebody else has one of the addresses`() throws {
        let (one, _, result) = try pair()
        let thief = try scratch.write { writer in
            try writer.update(result.id, ["hs_additional_emails": ""])
            return try writer.create(.contacts, ["email": "b@example.com"]).id
        }
        #expect(throws: CRMError.duplicateEmail("b@example.com", of: thief)) {
            try scratch.write { try $0.unmerge(result.id) }
        }
        #expect(try scratch.read { try $0.current(one) } == result.id)
    }

    @Test func `is over when the bin is emptied; the old ids go on leading to the result`() throws {
        let (one, _, result) = try pair()
        let late = scratch.now + .seconds(91 * 86_400)
        #expect(try scratch.write(at: late) { try $0.emptyBin() } == 2)
        #expect(try scratch.read { try $0.resolve("\(one)", in: .contacts).id } == result.id)
    }
}
