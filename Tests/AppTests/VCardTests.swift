import TandemModel
import Testing

@testable import AppCardDAV

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
            "BEGIN:VCARD\r\nVERSION:3.0\r\nNOTE;ENCODING=QUOTED-PRINTABLE:=41\r\nEND:VCARD\r\n",
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
}
