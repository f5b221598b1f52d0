import Foundation
import TandemModel
import Testing

@testable import AdapterCardDAV

@Suite struct `vCards` {
    /// Odd and folded lines, groups, parameters, a photo: nothing of it is ours.
    static let rich = """
        BEGIN:VCARD\r
        VERSION:3.0\r
        PRODID:-//Some//App//EN\r
        UID:abc\r
        N:Lee;Ann;Mid;Dr.;\r
        FN:Dr. Ann Lee\r
        item1.EMAIL;type=INTERNET;type=HOME:home@example.com\r
        EMAIL;TYPE=internet,pref:work@example.com\r
        item1.X-ABLabel:_$!<Home>!$_\r
        TEL;TYPE=FAX,WORK:+1 1\r
        TEL;TYPE=CELL:+1 2\r
        TEL;TYPE=HOME:+1 3\r
        TEL;TYPE=WORK,VOICE:+1 4\r
        ADR;TYPE=HOME:;;Home 1;Hometown;;11;NO\r
        ADR;TYPE=WORK;LABEL="a;b:c":;Suite 2;Work 1\\, rear;Oslo;;0150;Norway\r
        ORG:Acme\\; Inc;Dept\r
        PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAAEBAQEBAQEBAQEBAQEB\r
         AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\r
        NOTE:first\\nsecond\\, third\r
        CATEGORIES:b,a\\,c\r
        X-ODD;X=1:kept  as it is \r
        BDAY:19800229\r
        END:VCARD\r

        """

    @Test func `read as fields by type and preference`() throws {
        let values = try VCard(Self.rich).values
        let expected: [AppField: String] = [
            "email": "work@example.com", "other_emails": "home@example.com", "firstname": "Ann",
            "lastname": "Lee", "phone": "+1 4", "mobilephone": "+1 2", "fax": "+1 1",
            "company": "Acme; Inc", "jobtitle": "", "website": "", "address": "Work 1, rear",
            "city": "Oslo", "state": "", "zip": "0150", "country": "Norway",
            "birthday": "1980-02-29", "note": "first\nsecond, third", "categories": "b;a,c",
        ]
        #expect(values == expected)
    }

    @Test func `come back byte for byte when nothing changes`() throws {
        var card = try VCard(Self.rich)
        card.apply(card.values)
        #expect(card.text == Self.rich)
    }

    /// Every field in turn: the changed line differs and every other one is as it was.
    @Test(arguments: VCard.fields)
    func `keep every other line when one field changes`(_ field: AppField) throws {
        var card = try VCard(Self.rich)
        let value = field == "email" || field == "other_emails" ? "new@example.com" : "1999-01-01"
        card.apply([field: value])
        #expect(try VCard(card.text).values[field] == value)
        let before = Set(Self.rich.split(separator: "\r\n"))
        let gone = before.subtracting(card.text.split(separator: "\r\n"))
        let allowed =
            field == "firstname" || field == "lastname" ? 2 : field == "other_emails" ? 2 : 1
        #expect(gone.count <= allowed, "\(gone)")
        for (other, old) in try VCard(Self.rich).values where other != field {
            #expect(try VCard(card.text).values[other] == old, "\(other)")
        }
    }

    @Test(arguments: VCard.fields)
    func `lose a field that is cleared, and nothing else`(_ field: AppField) throws {
        var card = try VCard(Self.rich)
        card.apply([field: ""])
        let after = try VCard(card.text)
        // The next address or number moves up when the first is gone.
        let next: [AppField: String] = ["email": "home@example.com", "phone": "+1 3"]
        #expect(after.values[field] == next[field] ?? "")
        #expect(after.text.contains("X-ODD;X=1:kept  as it is \r\n"))
        #expect(after.text.contains("\r\n AQEBAQEBAQEBAQ"))
    }

    @Test func `fold at 75 octets and never inside a character`() throws {
        var card = VCard(uid: "x")
        let note = String(repeating: "Åé日本👩‍👩‍👧", count: 40)
        card.apply(["note": note, "firstname": "A"])
        #expect(try VCard(card.text).values["note"] == note)
        for line in card.text.split(separator: "\r\n") {
            #expect(line.utf8.count <= 75)
        }
    }

    @Test func `keep the display name in step unless somebody chose it`() throws {
        var card = try VCard(Self.rich)
        card.apply(["jobtitle": "Boss"])
        #expect(card.text.contains("FN:Dr. Ann Lee\r\n"))
        card.apply(["lastname": "Doe"])
        #expect(card.text.contains("FN:Ann Doe\r\n"))
        var other = try VCard(
            "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Annie\r\nN:Lee;Ann\r\nEND:VCARD\r\n")
        other.apply(["phone": "5"])
        #expect(other.text.contains("FN:Annie\r\n") && other.text.contains("N:Lee;Ann\r\n"))
        var empty = VCard(uid: "x")
        empty.apply(["email": "a@b.co"])
        #expect(empty.text.contains("FN:a@b.co\r\n") && empty.text.contains("N:;;;;\r\n"))
    }

    @Test(arguments: [
        ("BEGIN:VCARD\r\nVERSION:2.1\r\nN:x\r\nEND:VCARD\r\n", "2.1"),
        ("BEGIN:VCARD\r\nN:x\r\nEND:VCARD\r\n", "VERSION"),
        ("BEGIN:VCARD\r\nVERSION:3.0\r\n", "END:VCARD"),
        (
            "BEGIN:VCARD\r\nVERSION:3.0\r\nNOTE;ENCODING=QUOTED-PRINTABLE:=FF\r\nEND:VCARD\r\n",
            "quoted"
        ),
        ("BEGIN:VCARD\r\nVERSION:3.0\r\nbroken line\r\nEND:VCARD\r\n", "broken line"),
        ("<html>no</html>", "no name and value"),
        (
            "BEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\nBEGIN:VCARD\r\nVERSION:3.0\r\nEND:VCARD\r\n",
            "more"
        ),
    ])
    func `that are broken say why`(_ text: String, _ reason: String) {
        #expect {
            _ = try VCard(text)
        } throws: { ($0 as? VCard.Broken)?.reason.contains(reason) == true }
    }

    @Test func `of version 4 use its dates and preferences`() throws {
        var card = try VCard(
            "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:A\r\nEMAIL;PREF=2:b@x.co\r\nEMAIL;PREF=1:a@x.co\r\nBDAY:--0412\r\nKIND:individual\r\nEND:VCARD\r\n"
        )
        #expect(card.values["email"] == "a@x.co" && card.values["birthday"] == "--04-12")
        card.apply(["birthday": "1990-04-12"])
        #expect(card.text.contains("BDAY:19900412\r\n"))
        #expect(!card.isGroup)
        #expect(
            try VCard("BEGIN:VCARD\r\nVERSION:4.0\r\nKIND:group\r\nFN:G\r\nEND:VCARD\r\n").isGroup)
    }

    @Test func `with bare line feeds and tabs are read`() throws {
        let card = try VCard("BEGIN:VCARD\nVERSION:3.0\nFN:Ann\n\tLee\nTEL;WORK:1\nEND:VCARD")
        #expect(card.values["firstname"] == "AnnLee" && card.values["phone"] == "1")
    }

    /// A card of these lines, as it comes through XML: its line ends are bare line feeds.
    private static func card(_ lines: String..., version: String = "3.0") throws -> VCard {
        try VCard(
            (["BEGIN:VCARD", "VERSION:\(version)"] + lines + ["END:VCARD"]).joined(separator: "\n"))
    }

    @Test(arguments: [
        ("N:Lee;A\\,n,Mid;Dr.,Prof.;;x", "lastname", "Doe", "N:Doe;A\\,n,Mid;Dr.,Prof.;;x"),
        ("N;SORT-AS=\"Lee\":Lee;Ann;;;", "lastname", "Doe", "N:Doe;Ann;;;"),
        ("ORG:Acme;a\\nb\\;,c", "company", "B; C", "ORG:B\\; C;a\\nb\\;,c"),
        (
            "ADR;TYPE=WORK:;x,y;S\\N1;Oslo;;0;NO", "city", "Bergen",
            "ADR;TYPE=WORK:;x,y;S\\N1;Bergen;;0;NO"
        ),
        (
            "ADR;LABEL=\"S 1;Oslo\";TYPE=WORK:;;S 1;Oslo;;;", "city", "Hell",
            "ADR;TYPE=WORK:;;S 1;Hell;;;"
        ),
        ("CATEGORIES:a,b\\;c,d\\,e", "categories", "d,e;b;c", "CATEGORIES:b\\;c,d\\,e"),
        ("CATEGORIES:a\\;b", "categories", "a;b;new", "CATEGORIES:a\\;b,new"),
        ("TEL;TYPE=work;VALUE=uri:tel:+1-2;ext=3", "phone", "+4 5", "TEL;TYPE=work:+4 5"),
        (
            "TEL;VALUE=uri;TYPE=\"cell,voice\":tel:+1", "mobilephone", "9",
            "TEL;TYPE=\"cell,voice\":9"
        ),
        (
            "BDAY;VALUE=date;X-APPLE-OMIT-YEAR=1604:1604-04-12", "birthday", "--05-13",
            "BDAY;X-APPLE-OMIT-YEAR=1604:1604-05-13"
        ),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12", "birthday", "1990-04-12", "BDAY:1990-04-12"),
        ("BDAY;VALUE=text:circa 1800", "birthday", "1801-02-03", "BDAY:1801-02-03"),
        ("NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=C3=A5", "note", "ø, x", "NOTE:ø\\, x"),
        ("EMAIL:mailto:a@x.example", "email", "b@x.example", "EMAIL:b@x.example"),
    ])
    func `change one part of a line and leave the rest of it`(
        _ before: String, _ field: AppField, _ value: String, _ after: String
    ) throws {
        var card = try Self.card("FN:x", before, "X-ODD:kept")
        card.apply([field: value])
        let lines = card.text.components(separatedBy: "\r\n")
        #expect(lines.contains(after), "\(card.text)")
        #expect(lines.contains("X-ODD:kept") && lines.allSatisfy { !$0.contains("\n") })
        #expect(field == "categories" || card[field] == value)
    }

    @Test(arguments: [
        ("TEL;TYPE=cell;VALUE=uri:tel:+66-77-889900;ext=1", "mobilephone", "+66-77-889900"),
        ("TEL:TEL:%2B1", "phone", "+1"), ("EMAIL:mailto:a%2Bb@x.example", "email", "a+b@x.example"),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1604-04-12", "birthday", "--04-12"),
        ("BDAY;X-APPLE-OMIT-YEAR=1604:1990-04-12", "birthday", "1990-04-12"),
        (
            "N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=4D=C3=BCller;=41=6E=6E;;;", "lastname",
            "Müller"
        ),
        ("NOTE;QUOTED-PRINTABLE:a=0D=0Ab=\nc", "note", "a\nbc"),
        ("NOTE;ENCODING=QUOTED-PRINTABLE;CHARSET=ISO-8859-1:=E5", "note", "å"),
    ])
    func `read a value as its parameters say`(_ line: String, _ field: AppField, _ value: String)
        throws
    {
        #expect(try Self.card("FN:x", line)[field] == value)
    }

    @Test func `of a company have no person's name, and are named after it`() throws {
        for mark in ["KIND:org", "X-ABShowAs:COMPANY", "X-ADDRESSBOOKSERVER-KIND:org"] {
            var card = try Self.card(mark, "FN:Muster GmbH & Co. KG", version: "4.0")
            let values = card.values
            #expect(values["firstname"] == "" && values["lastname"] == "")
            #expect(values["company"] == "Muster GmbH & Co. KG")
            card.apply(["jobtitle": "x"])
            #expect(!card.text.contains("ORG"))
            card.apply(["company": "Muster AG"])
            #expect(
                card.text.contains("\r\nORG:Muster AG\r\n")
                    && card.text.contains("\r\nFN:Muster AG\r\n"))
            #expect(card.text.contains("\r\n\(mark)\r\n"))
            card.apply(["lastname": "Muster"])
            #expect(card["company"] == "Muster AG" && card["lastname"] == "Muster")
            #expect(card.text.contains("FN:Muster AG\r\n"))
        }
    }

    /// The office's number and address stand beside those at home, which the card showed before it had any.
    @Test func `keep what is at home when the office is written`() throws {
        let home = ["TEL;TYPE=HOME,VOICE:+47 1", "ADR;TYPE=HOME:;;Home 1;Town;;1000;NO"]
        var card = try Self.card("FN:x", home[0], home[1])
        card.apply(["phone": "+47 2", "city": "Oslo"])
        #expect(home.allSatisfy { card.text.contains($0 + "\r\n") })
        #expect(card.text.contains("TEL;TYPE=WORK:+47 2\r\n"))
        #expect(card.text.contains("ADR;TYPE=WORK:;;Home 1;Oslo;;1000;NO\r\n"))
        #expect(card["phone"] == "+47 2" && card["zip"] == "1000")
        card.apply(["phone": ""])
        #expect(card["phone"] == "+47 1")
        card.apply(["phone": ""])
        #expect(card.text.contains(home[0]))
    }

    @Test func `with a byte order mark are read`() throws {
        #expect(
            try VCard("\u{FEFF}BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Bo\r\nEND:VCARD").displayName
                == "Bo")
    }
}
