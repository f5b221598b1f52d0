import TandemCore
import TandemModel
import TandemSupport
import Testing

@Suite struct `Property values` {
    @Test(arguments: [
        (ValueType.email, "Ann@Example.com", "ann@example.com ", true),
        (.email, "ann@example.com", "bob@example.com", false),
        (.phone, "+46 (70) 12-34", "+46701234", true), (.phone, "12", "13", false),
        (.phone, "n/a", "none", false), (.number, "1.50", "1.5", true),
        (.number, "1e3", "1000", true), (.number, "0.1", "0.10000000000000001", false),
        (.string, "a\r\nb", "a\nb", true), (.string, "Å", "A\u{30A}", true),
        (.string, "a", "A", false), (.string, "", " ", false),
        (.multiEnumeration, "b; a", "a;b", true), (.multiEnumeration, "a", "a;b", false),
        (.datetime, "2026-11-22T10:00:00+01:00", "2026-11-22T09:00:00Z", true),
        (.date, "2026-11-22", "2026-11-23", false),
    ])
    func `are equal by the rule of their type`(
        _ type: ValueType, _ left: String, _ right: String, _ expected: Bool
    ) {
        #expect(type.equal(left, right) == expected)
        #expect(type.equal(right, left) == expected)
    }

    @Test(arguments: [
        (ValueType.number, "007.50", "7.5" as String?), (.number, "12,5", nil),
        (.bool, "Yes", "true"),
        (.bool, "maybe", nil), (.date, "2026-11-22T10:00:00Z", "2026-11-22"),
        (.date, "22.11.2026", nil), (.datetime, "2026-11-22", "2026-11-22T00:00:00.000Z"),
        (.multiEnumeration, " b ;a;b", "a;b"), (.string, " kept as is ", " kept as is "),
    ])
    func `are checked and brought into canonical form`(
        _ type: ValueType, _ raw: String, _ expected: String?
    ) {
        #expect(type.canonical(raw) == expected)
    }

    @Test func `survive storing whatever is in them`() {
        let values: Values = [
            "plain": "x", "quotes": "\"\\\"", "control": "\u{0}\u{1}\t\n\r", "wide": "日本 👩‍👩‍👧 Å",
            "": "",
        ]
        #expect(FlatJSON.values(FlatJSON.text(values)) == values)
        #expect(FlatJSON.text(["b": "2", "a": "1"] as Values) == #"{"a":"1","b":"2"}"#)
        for broken in ["", "{", "{\"a\":1}", "{\"a\":\"b\"", "{\"a\":\"\\x\"}", "[]", "{}x"] {
            #expect(FlatJSON.values(broken, as: PropertyName.self) == nil, "\(broken)")
        }
    }

    @Test(arguments: [
        ("1970-01-01T00:00:00.000Z", 0), ("2000-02-29T12:00:00.001Z", 951_825_600_001),
        ("1969-12-31T23:59:59.999Z", -1), ("2026-11-22T14:48:48.250Z", 1_795_358_928_250),
    ])
    func `of time print as RFC 3339`(_ text: String, _ milliseconds: Int64) {
        #expect(Timestamp(milliseconds: milliseconds).description == text)
        #expect(Timestamp(rfc3339: text)?.milliseconds == milliseconds)
    }
}

@Suite struct `Matching` {
    private func keys(_ values: Values, _ object: ObjectName = .contacts) -> Set<String> {
        Set(
            MatchKey.keys(of: values, object: object, rules: SyncSettings.defaultMatch(object))
                .map { "\($0.kind)=\($0.value)" })
    }

    @Test func `contacts have keys by email and by person at a company`() {
        #expect(
            keys([
                "email": "Ann@Acme.com", "firstname": "Ann", "lastname": "Lee",
                "company": "ACME  Ltd",
            ])
                == [
                    "email=ann@acme.com", "person-company=ann lee|acme ltd",
                    "person-company-domain=ann lee|acme.com",
                ])
        #expect(keys(["email": "ann@gmail.com", "firstname": "Ann"]) == ["email=ann@gmail.com"])
        #expect(keys(["company": "Acme"]) == ["company=acme"])
        #expect(keys(["website": "https://acme.com", "firstname": "Ann"]) == [])
    }

    @Test(arguments: [
        ("https://www.Acme.com/about", "acme.com" as String?),
        ("bücher.example", "xn--bcher-kva.example"),
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"), ("nonsense", nil), ("a b.com", nil),
    ])
    func `domains compare in one form`(_ raw: String, _ expected: String?) {
        #expect(MatchKey.normalised(domain: raw) == expected)
    }

    private static let email = MatchKey(kind: "email", value: "a@b.c")
    private static let person = MatchKey(kind: "person-company", value: "ann|acme")

    private func candidate(
        _ id: Int64, _ keys: Set<MatchKey>, hasEmail: Bool = true, isBound: Bool = false
    ) -> MatchCandidate {
        MatchCandidate(id: RecordID(id), shared: keys, hasEmail: hasEmail, isBound: isBound)
    }

    @Test func `an email decides before everything else`() {
        let subject = MatchSubject(id: "x", keys: [Self.email, Self.person], createdAt: nil)
        let byPerson = candidate(1, [Self.person], hasEmail: false)
        #expect(
            MatchDecision(subject, candidates: [byPerson, candidate(2, [Self.email])])
                == .bind(RecordID(2), by: "email"))
        #expect(
            MatchDecision(subject, candidates: [byPerson])
                == .bind(RecordID(1), by: "person-company"))
    }

    @Test func `company keys do not count where both have an email`() {
        let subject = MatchSubject(id: "x", keys: [Self.email, Self.person], createdAt: nil)
        #expect(MatchDecision(subject, candidates: [candidate(1, [Self.person])]) == .alone)
    }

    @Test func `nothing is guessed between several, and a bound one is not taken`() {
        let subject = MatchSubject(id: "x", keys: [Self.person], createdAt: nil)
        let (one, two) = (candidate(1, [Self.person]), candidate(2, [Self.person]))
        #expect(
            MatchDecision(subject, candidates: [two, one])
                == .ambiguous([RecordID(1), RecordID(2)]))
        #expect(
            MatchDecision(subject, candidates: [candidate(3, [Self.person], isBound: true)])
                == .duplicate(of: RecordID(3)))
    }

    @Test func `of two claims the one with more keys stands, then the older`() {
        let keys: Set = [Self.email, Self.person]
        let rich = MatchSubject(id: "b", keys: keys, createdAt: nil)
        let old = MatchSubject(id: "c", keys: [Self.email], createdAt: Timestamp(milliseconds: 1))
        let new = MatchSubject(id: "a", keys: [Self.email], createdAt: Timestamp(milliseconds: 2))
        #expect(rich.precedes(old, for: keys) && old.precedes(new, for: keys))
        #expect(!new.precedes(old, for: keys))
    }
}

@Suite struct `Mapping` {
    private let mapping = ObjectMapping(
        object: .contacts, appObject: "people",
        fields: [
            FieldMapping("firstname", "name", namePart: .first),
            FieldMapping("lastname", "name", namePart: .last),
            FieldMapping(
                "lifecyclestage", "status", type: .enumeration,
                options: ["lead": "New", "customer": "Won"]),
            FieldMapping("amount", "sum", type: .number),
            FieldMapping("fullname", "display", template: "{firstname} {lastname}"),
            FieldMapping("email", "mail", type: .email, isRequired: true),
        ])

    @Test func `names split and join`() {
        let record = mapping.crmValues(of: ["name": "Ann Marie Lee"])
        #expect(record.values["firstname"] == "Ann Marie" && record.values["lastname"] == "Lee")
        let fields = mapping.appFields(
            for: ["lastname": "Doe"], current: ["firstname": "Ann", "lastname": "Lee"],
            isCreate: false)
        #expect(fields.fields["name"] == "Ann Doe")
    }

    /// The app has one name, and the CRM two parts: it is one edit, whichever word it touches.
    @Test(arguments: [
        // CRM before; CRM and app now; what is written, on which side.
        ("Maria|Garcia Lopez", "Mary|Garcia Lopez", "Maria Garcia Lopez", "app: Mary Garcia Lopez"),
        (
            "Maria|Garcia Lopez", "Maria|Garcia Lopez", "Maria Garcia Perez",
            "crm: Maria Garcia|Perez"
        ),
        ("Ann|Lee", "Ann|Lee", "Lee", "crm: Lee|"),
        ("|Dahl", "Carl|Dahl", "Dahl", "app: Carl Dahl"),
        ("|Dahl", "|Dahl", "Dahl", ""), ("Gordon|Sumner", "Gordon|Sumner", "Sting", "crm: Sting|"),
        ("Eve|Ek Berg", "|Ek Berg", "Eve Ek Berg", "app: Ek Berg"),
        ("Ann|Lee", "Mary|Lee", "Ann Berg", "app: Mary Lee"), ("Ann|Lee", "Ann|Lee", "", ""),
    ])
    func `a name is one thing`(_ before: String, _ crm: String, _ app: String, _ write: String) {
        let settings = SyncSettings(
            name: "names", connection: "app", app: "app",
            mapping: ObjectMapping(
                object: .contacts, appObject: "people",
                fields: Array(mapping.fields.prefix(2))),
            winner: .crm, requiresEmail: false, blanks: .keep)
        func values(_ text: String) -> Values {
            let parts = text.split(separator: "|", omittingEmptySubsequences: false)
            return ["firstname": String(parts[0]), "lastname": String(parts[1])]
        }
        let joined = before.split(separator: "|").joined(separator: " ")
        let base = mapping.crmValues(of: ["name": joined]).values
        let plan = Planner(settings).plan(
            PairView(
                crm: .present(values(crm)),
                app: .present(mapping.crmValues(of: ["name": app]).values),
                crmBase: values(before), appBase: base, wasReconciled: true,
                isDeletionApproved: false))
        let written = plan.actions.map { action in
            switch action {
            case .write(.app, let sent):
                let fields = mapping.appFields(for: sent, current: [:], isCreate: false)
                return "app: \(fields.fields["name"] ?? "-")"
            case .write(.crm, let sent):
                return "crm: \(sent["firstname"] ?? "-")|\(sent["lastname"] ?? "-")"
            default: return "\(action)"
            }
        }
        #expect(written.joined() == write)
    }

    @Test func `an unknown option fails its field and no other`() {
        let record = mapping.crmValues(of: ["status": "Odd", "sum": "x", "mail": "a@b.c"])
        #expect(record.values == ["email": "a@b.c"])
        #expect(record.refusals["lifecyclestage"]?.category == .optionUnknown)
        #expect(record.refusals["amount"]?.category == .invalidValue)
        let fields = mapping.appFields(
            for: ["lifecyclestage": "other", "email": "a@b.c"], current: [:], isCreate: false)
        #expect(fields.fields == ["mail": "a@b.c"])
        #expect(fields.refusals["lifecyclestage"]?.category == .optionUnknown)
    }

    @Test func `a required field must be filled, and templates fill from properties`() {
        let fields = mapping.appFields(for: ["firstname": "Ann"], current: [:], isCreate: true)
        #expect(fields.refusals["email"]?.category == .requiredField)
        let view = mapping.view(of: ["lastname": "Lee"])
        #expect(view["fullname"] == "Lee" && view["firstname"] == "")
    }
}

@Suite struct `Filters` {
    @Test(arguments: [
        (Filter.Condition.oneOf(["SE", "NO"]), "no", true), (.oneOf(["SE"]), "DK", false),
        (.noneOf(["SE"]), "", true), (.contains(["cust"]), "Customers", true),
        (.containsNone(["x"]), "abc", true), (.startsWith("ab"), "Abc", true),
        (.known(true), " ", false), (.known(false), "", true), (.lessThan("10"), "9", true),
        (.lessThan("10"), "", false), (.atMost("10"), "10", true), (.atLeast("10"), "9.5", false),
        (.greaterThan("b"), "c", true), (.between("1", "3"), "3", true),
        (.between("1", "3"), "4", false),
    ])
    func `hold or not`(_ condition: Filter.Condition, _ value: String, _ expected: Bool) {
        let filter = Filter.any([.all([.condition("p", condition)])])
        #expect(filter.admits(["p": value]) == expected)
    }
}

@Suite struct `Cursors and retries` {
    @Test func `a time cursor stays behind the watermark by the lag and on the app's grid`() {
        let cursor = TimeCursor(
            watermark: Timestamp(milliseconds: 125_500), lag: .seconds(30),
            granularity: .seconds(60)
        )
        #expect(cursor.floor.milliseconds == 60_000)
        #expect(TimeCursor(cursor.cursor) == cursor)
        #expect(TimeCursor("x") == nil)
    }

    @Test func `waits double up to an hour and never undercut the app's word`() {
        let waits = (1...12).map {
            RetryPolicy.wait(attempts: $0, jitter: 0, afterSeconds: nil).seconds
        }
        #expect(waits.prefix(3) == [15, 30, 60] && waits.last == 3_600)
        #expect(RetryPolicy.wait(attempts: 1, jitter: 1, afterSeconds: nil).seconds == 18.75)
        #expect(RetryPolicy.wait(attempts: 1, jitter: 1, afterSeconds: 90).seconds == 90)
    }

    @Test func `safety limits trip above share and number together`() {
        let limits = SafetyLimits()
        #expect(limits.judge(missing: 26, linked: 100, appIsEmpty: false) == .massDeletion)
        #expect(limits.judge(missing: 25, linked: 100, appIsEmpty: false) == nil)
        #expect(limits.judge(missing: 26, linked: 1_000, appIsEmpty: false) == nil)
        #expect(limits.judge(missing: 3, linked: 3, appIsEmpty: true) == .suddenlyEmpty)
        #expect(limits.judge(changed: 90, linked: 100) == .everythingChanged)
    }

    @Test func `a misspelled word finds its neighbour`() {
        #expect(nearest(to: "frstname", in: ["firstname", "lastname"]) == "firstname")
        #expect(nearest(to: "zzz", in: ["firstname"]) == nil)
    }
}
