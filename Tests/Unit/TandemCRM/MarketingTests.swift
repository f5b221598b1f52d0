import TandemCRM
import TandemModel
import TandemSupport
import Testing

/// BEHAVIOUR.md §9.
@Suite final class `Marketing contacts` {
    private let scratch: Scratch
    private let rules = MarketingRules(limit: 10)

    init() throws { scratch = try Scratch() }

    deinit { scratch.remove() }

    private func contacts(_ count: Int) throws -> [RecordID] {
        try scratch.write { writer in
            try (0..<count).map { _ in try writer.create(.contacts, [:]).id }
        }
    }

    private func status(_ id: RecordID) throws -> [String?] {
        let record = try scratch.read { try $0.record(id) }
        return ["hs_marketable_status", "hs_marketable_until_renewal"].map {
            record?.properties[$0]
        }
    }

    private func count() throws -> Int { try scratch.read { try $0.marketingCount() } }

    @Test func `cannot be made by writing the property`() throws {
        let id = try contacts(1)[0]
        #expect(throws: CRMError.readOnly("hs_marketable_status")) {
            try scratch.write { try $0.update(id, ["hs_marketable_status": "true"]) }
        }
    }

    @Test func `are made at once and end at the next update date`() throws {
        let id = try contacts(1)[0]
        let made = try scratch.write { try $0.setMarketing([id], to: true, rules) }
        #expect(made.changed == 1 && made.count == 1)
        #expect(try status(id) == ["true", "false"])
        let ended = try scratch.write { try $0.setMarketing([id], to: false, rules) }
        #expect(ended.changed == 1 && ended.count == 1)
        #expect(try status(id) == ["true", "true"])
        let next = rules.nextUpdate(after: scratch.now)
        let before = next - .seconds(1)
        #expect(try scratch.write(at: before) { try $0.applyMarketingUpdates() } == 0)
        #expect(try scratch.write(at: next) { try $0.applyMarketingUpdates() } == 1)
        #expect(try status(id) == ["false", "false"])
        #expect(try count() == 0)
        let kinds = try scratch.read { try $0.history(of: id) }.map(\.patch)
        #expect(kinds.compactMap { $0["hs_marketable_status"] } == ["true", "false"])
    }

    @Test func `stay when they are set again before the date`() throws {
        let id = try contacts(1)[0]
        for isOn in [true, false, true] {
            _ = try scratch.write { try $0.setMarketing([id], to: isOn, rules) }
        }
        let next = rules.nextUpdate(after: scratch.now)
        #expect(try scratch.write(at: next) { try $0.applyMarketingUpdates() } == 0)
        #expect(try status(id) == ["true", "false"])
    }

    @Test(arguments: [
        ("2026-11-24T10:00:00Z", 1, "2026-12-01T00:00:00.000Z"),
        ("2026-11-24T10:00:00Z", 28, "2026-11-28T00:00:00.000Z"),
        ("2026-12-01T00:00:00Z", 1, "2027-01-01T00:00:00.000Z"),
        ("2027-01-31T23:59:59Z", 15, "2027-02-15T00:00:00.000Z"),
    ])
    func `end on the update day`(_ now: String, _ day: Int, _ expected: String) throws {
        let moment = try #require(Timestamp(rfc3339: now))
        #expect(MarketingRules(updateDay: day).nextUpdate(after: moment).description == expected)
    }

    @Test func `warn at ninety per cent and refuse above the limit`() throws {
        let ids = try contacts(11)
        let eight = try scratch.write { try $0.setMarketing(ids.prefix(8), to: true, rules) }
        #expect(eight.warning == nil)
        let nine = try scratch.write { try $0.setMarketing([ids[8]], to: true, rules) }
        #expect(nine.warning == "9 of 10 marketing contacts are used")
        #expect(throws: CRMError.self) {
            try scratch.write { try $0.setMarketing(ids, to: true, rules) }
        }
        #expect(try count() == 9)
        let open = MarketingRules(limit: 10, allowsOverage: true)
        let over = try scratch.write { try $0.setMarketing(ids, to: true, open) }
        #expect(over.warning == "11 marketing contacts are more than the limit of 10")
        #expect(try count() == 11)
    }

    @Test func `free their place in the bin and take it again`() throws {
        let id = try contacts(1)[0]
        _ = try scratch.write { try $0.setMarketing([id], to: true, rules) }
        try scratch.write { try $0.archive(id) }
        #expect(try count() == 0)
        try scratch.write { try $0.restore(id) }
        #expect(try count() == 1)
    }

    @Test func `come from forms unless that is switched off or there is no room`() throws {
        func submit(_ name: String, _ rules: MarketingRules) throws -> String? {
            let id = try scratch.write {
                try $0.submit(form: "f", ["email": "\(name)@example.com"], cookie: nil, rules)
            }
            return try status(id)[0]
        }
        #expect(try submit("a", MarketingRules()) == "true")
        #expect(try submit("b", MarketingRules(includesForms: false)) == nil)
        #expect(try submit("c", MarketingRules(limit: 1)) == nil)
    }
}
