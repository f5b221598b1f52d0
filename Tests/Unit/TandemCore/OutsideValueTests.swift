import TandemCore
import TandemModel
import TandemSupport
import Testing

/// What comes from outside: odd, huge, impossible.
@Suite struct `Values from outside` {
    private static let odd = [
        "0", "-0", "007", "1e400", "1e-400", "9223372036854775807", "-9223372036854775808",
        "9223372036854775808", "0.10000000000000001", "1.0e+3", "NaN", "Infinity", "-",
        String(repeating: "9", count: 400), "0001-01-01T00:00:00Z", "0000-01-01", "1500-03-01",
        "1500-02-29", "1582-10-10", "9999-12-31T23:59:59.9999Z", "10000-01-01", "-0001-01-01",
        "2026-02-30", "2026-13-01", "2026-11-22T24:00:00Z", "2026-11-22T10:00:00+25:00",
        "0044-03-15 BC", "true", "NO", "b; a;;b", ";", "a\u{0}b", "\u{FEFF}a", "Å", "A\u{30A}",
        " Ann@Example.com ", "tel:+47 1", "https://x.example/a b", "\u{202E}abc",
    ]

    @Test(arguments: ValueType.allCases) func `have a normal form that is its own`(
        _ type: ValueType
    ) {
        for text in Self.odd {
            guard let once = type.canonical(text) else { continue }
            #expect(type.canonical(once) == once, "\(text) -> \(once)")
            #expect(type.equal(once, once) && type.equal(once, type.canonical(once) ?? ""))
        }
    }

    @Test(arguments: [
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000Z" as String?),
        ("1500-03-01T00:00:00Z", "1500-03-01T00:00:00.000Z"),
        ("1582-10-10", "1582-10-10T00:00:00.000Z"), ("2026-02-30T00:00:00Z", nil),
        ("1900-02-29T00:00:00Z", nil), ("2000-02-29T00:00:00Z", "2000-02-29T00:00:00.000Z"),
        ("10000-01-01T00:00:00Z", nil), ("9999-12-31T23:59:59-01:00", nil),
        ("0000-01-01T00:00:00+01:00", nil),
    ])
    func `of time are of one calendar, and exist`(_ text: String, _ expected: String?) {
        #expect(ValueType.datetime.canonical(text) == expected)
    }

    @Test func `that an old store read by another calendar are told from edits`() {
        #expect(
            Timestamp.wasReadAsJulian("1500-03-01T00:00:00.000Z", as: "1500-03-21T00:00:00.000Z"))
        #expect(
            !Timestamp.wasReadAsJulian("1500-03-01T00:00:00.000Z", as: "1500-03-12T00:00:00.000Z"))
        #expect(
            !Timestamp.wasReadAsJulian("1900-03-01T00:00:00.000Z", as: "1900-03-10T00:00:00.000Z"))
    }

    @Test func `of time never leave their range`() {
        let ends = [Int64.min, .min + 1, -1, 0, 1, .max - 1, .max]
        for milliseconds in ends {
            let moment = Timestamp(milliseconds: milliseconds)
            #expect(!moment.description.isEmpty)
            for other in ends {
                let span = moment - Timestamp(milliseconds: other)
                #expect(
                    (moment + span).milliseconds <= .max && (moment - span).milliseconds >= .min)
                #expect((moment + .seconds(other)) >= moment || other < 0)
            }
        }
    }

    @Test(arguments: [
        ("Fri, 31 Dec 1965 23:59:59 GMT", "1965-12-31T23:59:59.000Z"),
        ("Tue, 24 Nov 2026 22:38:20 GMT", "2026-11-24T22:38:20.000Z"),
        ("Sat, 01 Jan 0000 00:00:00 GMT", "0000-01-01T00:00:00.000Z"),
    ])
    func `of time go through HTTP`(_ text: String, _ moment: String) {
        #expect(Timestamp(httpDate: text)?.description == moment)
        #expect(Timestamp(rfc3339: moment)?.httpDate == text)
        #expect(Timestamp(milliseconds: .max).httpDate == nil)
        #expect(Timestamp(milliseconds: .min).httpDate == nil)
    }

    @Test(arguments: [
        (#"{"a":1,"a":2}"#, true), (#"[1e400,-0,0.10000000000000001]"#, true), (#""\ud800""#, true),
        ("{", false), ("[1,]", false), ("01", false), ("\"a\u{1}\"", false), ("nul", false),
        ("", false), ("[] x", false), ("\u{FEFF}[]", true), (#""\u00""#, false),
        (String(repeating: "[", count: 64) + String(repeating: "]", count: 64), true),
        (String(repeating: "[", count: 65) + String(repeating: "]", count: 65), false),
        (String(repeating: "[", count: 200_000), false),
        (String(repeating: #"{"a":"#, count: 200_000), false),
    ])
    func `in JSON are read or refused`(_ text: String, _ isJSON: Bool) {
        #expect((JSON(parsing: Array(text.utf8)) != nil) == isJSON, "\(text.prefix(40))")
    }

    @Test func `in JSON keep what can be kept`() throws {
        let bytes = Array(#"{"good":"x","broken":"a\udc00b","long":12345678901234567890.5}"#.utf8)
        let document = try #require(JSON(parsing: bytes))
        #expect(document["good"] == .text("x"))
        // Only this value cannot be used.
        guard case .text(let broken)? = document["broken"] else {
            Issue.record("no text")
            return
        }
        #expect(ValueType.string.canonical(broken) == nil)
        #expect(document["long"]?.field == "12345678901234567890.5")
    }
}
