import AdapterCSV
import AdapterKit
import Foundation
import TandemCSV
import TandemModel
import TandemSupport
import Testing

@Suite struct `CSV text` {
    private func rows(_ text: String, delimiter: String = ",") throws -> [[String]] {
        var parser = CSVParser(CSVFormat(delimiter: delimiter.utf8.first ?? 44))
        var rows: [[String]] = []
        try parser.take(Array(text.utf8)) { rows.append($0.cells) }
        try parser.finish { rows.append($0.cells) }
        return rows
    }

    @Test(arguments: [
        ("a,b\r\n1,2\r\n", [["a", "b"], ["1", "2"]]), ("a,b", [["a", "b"]]),
        ("\"a,\"\"b\"\"\r\nc\",d\n", [["a,\"b\"\r\nc", "d"]]), ("\"\"\n", [[""]]),
        ("a,\n\n,b\n", [["a", ""], ["", "b"]]), ("", []),
        ("x\"y,z\n", [["x\"y", "z"]]),
    ])
    func `is split by RFC 4180`(_ text: String, _ expected: [[String]]) throws {
        #expect(try rows(text) == expected)
    }

    @Test func `goes out so that it comes back`() throws {
        let cells = ["plain", "with, comma", "with \"quote\"", "two\nlines", " blank ", "", "Å"]
        #expect(try rows(CSVFormat().line(cells)) == [cells])
    }

    @Test func `that ends inside a quote is refused with its line`() {
        #expect(throws: CSVParser.Problem.openQuote(line: 2)) { try rows("a\n\"b\nc\n") }
    }

    @Test func `is known by its first line`() {
        let format = CSVFormat(guessing: Array("a;\"b,c,d\";e\r\n".utf8))
        #expect(format == CSVFormat(delimiter: 59, lineEnd: .both))
        #expect(
            CSVFormat(guessing: Array("a\tb,c\td\re\r".utf8))
                == CSVFormat(delimiter: 9, lineEnd: .return))
        var said = CSVFormat(delimiter: UInt8(ascii: "|"), lineEnd: .both)
        said.preamble = 7
        #expect(CSVFormat(guessing: Array("sep=|\r\na,b|c\r\n".utf8)) == said)
    }

    @Test func `of very old programs has lines that end with CR`() throws {
        var parser = CSVParser(CSVFormat(lineEnd: .return))
        var rows: [CSVParser.Row] = []
        try parser.take(Array("a,b\r1,\"x\ry\"\r".utf8)) { rows.append($0) }
        try parser.finish { rows.append($0) }
        #expect(rows.map(\.cells) == [["a", "b"], ["1", "x\ry"]] && rows[1].range == 4..<11)
    }

    private static let text = "Åsa,日本,😀\r\n"

    /// However a file is cut into pieces, its characters come whole.
    @Test(arguments: CSVEncoding.allCases)
    func `is read from any encoding, piece by piece`(_ encoding: CSVEncoding) throws {
        let text = encoding == .windows1252 ? "Åsa,€ “x”\r\n" : Self.text
        let bytes = try #require(encoding.bytes(of: text.utf8))
        for size in 1...5 {
            var decoder = CSVDecoder(encoding)
            var read: [UInt8] = []
            for start in stride(from: 0, to: bytes.count, by: size) {
                read += decoder.take(Array(bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(String(decoding: read, as: UTF8.self) == text && !decoder.isCut)
        }
    }

    @Test func `says its encoding by its mark`() {
        for (mark, encoding) in [
            ([0xEF, 0xBB, 0xBF], CSVEncoding.utf8), ([0xFF, 0xFE], .utf16LittleEndian),
            ([0xFE, 0xFF], .utf16BigEndian),
        ] as [([UInt8], CSVEncoding)] {
            var decoder = CSVDecoder(.windows1252)
            let text = decoder.take(mark + (encoding.bytes(of: Self.text.utf8) ?? []))
            #expect(decoder.encoding == encoding && decoder.mark == mark.count)
            #expect(String(decoding: text, as: UTF8.self) == Self.text)
        }
    }
}

@Suite final class `A CSV file as an app` {
    private let folder: URL
    private let file: URL

    init() throws {
        folder = URL(filePath: "/tmp").appending(path: "tandem-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        file = folder.appending(path: "contacts.csv")
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    private func app(_ encoding: CSVEncoding = .utf8) -> CSVAdapter {
        CSVAdapter(
            path: file.path(), naturalKey: ["email"], newColumns: ["id", "email", "phone"],
            labels: ["phone": "Phone Number"], restSeconds: 0, encoding: encoding)
    }

    /// A file that is not UTF-8 stays what it is, and every row that is not changed keeps its bytes.
    @Test(arguments: CSVEncoding.allCases)
    func `is written in the encoding that it has`(_ encoding: CSVEncoding) async throws {
        let text = "sep=;\r\nid;email;phone;Årsak;;\r\n1;a@x.example;1;é\r\n2;b@x.example;2;ü;;\r\n"
        try Data(try #require(encoding.bytes(of: text.utf8))).write(to: file)
        let app = app(encoding)
        let listing = try await app.changes(since: nil)
        let page = try #require(try await listing.next())
        #expect(page.records.map { $0.values["Årsak"] } == ["é", "ü"])
        let write = AppWrite(
            .update("1", version: page.records[0].version), values: ["phone": "+4€"])
        guard case .written = try await app.apply([write])[0] else {
            return _ = Issue.record("it was not written")
        }
        let expected = text.replacing("a@x.example;1;é", with: "a@x.example;+4€;é")
        #expect(try Array(Data(contentsOf: file)) == encoding.bytes(of: expected.utf8))
        let foreign = AppWrite(.update("2", version: nil), values: ["phone": "日"])
        let outcome = try await app.apply([foreign])[0]
        if encoding == .windows1252 {
            guard case .refused(let refusal) = outcome else {
                return _ = Issue.record("\(outcome)")
            }
            #expect(refusal.message.contains("windows-1252"))
        } else {
            guard case .written = outcome else { return _ = Issue.record("\(outcome)") }
        }
    }

    /// What a column is, the mapping says; a label stands for a field only where no column has its name.
    @Test func `takes a column for what the mapping says`() async throws {
        try Data("Notes,Comments,E-mail 1 - Value\nx,y,a@x.example\n".utf8).write(to: file)
        let app = CSVAdapter(
            path: file.path(), naturalKey: ["E-mail 1 - Value"],
            newColumns: ["id", "E-mail 1 - Value", "Comments"],
            labels: ["Comments": "Notes", "E-mail 1 - Value": "Email"], restSeconds: 0)
        let page = try #require(try await app.changes(since: nil).next())
        #expect(page.records.first?.id == "E-mail 1 - Value:a@x.example")
        #expect(page.records.first?.values["Comments"] == "y")
        #expect(page.records.first?.values["Notes"] == "x")
    }

    @Test func `fails a row with too many cells alone, and takes emptied rows for none`()
        async throws
    {
        try put("id,email,phone\n1,a@b.co,5\n,,\n2,c@d.co,6,7\n3,e@f.co\n")
        let (records, last) = try await list(app())
        #expect(records.map(\.id) == ["1", "3"])
        #expect(last?.unreadable.map(\.id) == ["2"])
        let readings = try await app().read(["2", "4"])
        #expect(readings["4"] == .gone)
        guard case .unreadable(let refusal, _) = readings["2"] else {
            Issue.record("a row that is there is not gone")
            return
        }
        #expect(refusal.message.contains("line 4 has 4 cells"))
    }

    @Test func `waits for saves`() async throws {
        try put("id,email,phone\n" + (0..<40).map { "\($0),p\($0)@b.co,\($0)\n" }.joined())
        let app = CSVAdapter(
            path: file.path(), naturalKey: ["email"], newColumns: ["id", "email", "phone"],
            labels: [:], restSeconds: 100_000)
        let path = file.path()
        let subject = LawSubject(
            app, texts: ("phone", "email"),
            values: { ["email": "law\($0)@b.co", "phone": "\($0)"] },
            now: { Timestamp(milliseconds: Int64(Date().timeIntervalSince1970 * 1_000)) },
            wait: { _ in },
            save: { work in
                let whole = try Data(contentsOf: URL(filePath: path))
                let handle = try FileHandle(forWritingTo: URL(filePath: path))
                try handle.truncate(atOffset: 0)
                let half = whole.count * 2 / 3
                try handle.write(contentsOf: whole.prefix(half))
                try await work()
                try handle.write(contentsOf: whole.dropFirst(half))
                try handle.close()
            })
        #expect(try await AppLaw.waitsForSaves.check(subject) == .kept)
        #expect(try text().split(separator: "\n").count == 41)
    }

    @Test func `needs the id column that was named`() async throws {
        try put("Id No,email\n1,a@b.co\n")
        let app = CSVAdapter(
            path: file.path(), idColumn: "Id Nr", naturalKey: ["email"],
            newColumns: ["Id Nr", "email"], labels: [:], restSeconds: 0)
        await #expect {
            _ = try await app.changes(since: nil)
        } throws: {
            "\($0)".contains("did you mean `Id No`")
        }
    }

    private func put(_ text: String) throws { try Data(text.utf8).write(to: file) }
    /// With the byte order mark, which reading as text would take away.
    private func text() throws -> String {
        String(decoding: try Data(contentsOf: file), as: UTF8.self)
    }

    private func list(_ app: CSVAdapter, since cursor: Cursor? = nil) async throws -> (
        records: [AppRecord], last: ChangePage?
    ) {
        let listing = try await app.changes(since: cursor)
        var records: [AppRecord] = []
        var last: ChangePage?
        while let page = try await listing.next() {
            records += page.records
            last = page
        }
        return (records, last)
    }

    @Test func `changes only the cells it is told to, byte for byte`() async throws {
        try put(
            "\u{FEFF}id;Comment;Phone Number;EMAIL\r\n1;\"x;y\";;a@b.co\r\n\r\n2; z ;12;c@d.co\r\n")
        let app = app()
        let records = try await list(app).records
        #expect(records.map(\.id) == ["1", "2"])
        #expect(records[1].values["phone"] == "12" && records[1].values["email"] == "c@d.co")
        let outcomes = try await app.apply([
            AppWrite(.update("2", version: records[1].version), values: ["phone": "3;4"]),
            AppWrite(.create(key: "new"), values: ["email": "e@f.co"]),
        ])
        #expect(outcomes.count == 2)
        #expect(
            try text()
                == "\u{FEFF}id;Comment;Phone Number;EMAIL\r\n1;\"x;y\";;a@b.co\r\n\r\n2; z ;\"3;4\";c@d.co\r\nnew;;;e@f.co\r\n"
        )
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path())
                .filter { !$0.hasPrefix(".") } == ["contacts.csv"])
    }

    @Test func `does not write over what somebody saved meanwhile`() async throws {
        try put("id,email,phone\n1,a@b.co,1\n")
        let app = app()
        let record = try #require(try await list(app).records.first)
        try put("id,email,phone\n1,a@b.co,2\n")
        let outcomes = try await app.apply([
            AppWrite(.update("1", version: record.version), values: ["phone": "3"])
        ])
        #expect(outcomes == [.conflict])
        #expect(try text() == "id,email,phone\n1,a@b.co,2\n")
    }

    @Test func `makes a record once, however often it is told to`() async throws {
        let app = app()
        let write = AppWrite(.create(key: "k1"), values: ["email": "a@b.co"])
        guard case .written(let first) = try await app.apply([write])[0] else {
            Issue.record("not written")
            return
        }
        #expect(try await app.apply([write]) == [.exists(first)])
        #expect(try text() == "id,email,phone\nk1,a@b.co,\n")
        #expect(
            try await app.find(key: "k1", values: [:], since: Timestamp(milliseconds: 0)).records
                .count == 1
        )
    }

    @Test func `has nothing to say while the file is as it was`() async throws {
        try put("id,email\n1,a@b.co\n")
        let app = app()
        let (_, last) = try await list(app)
        #expect(last?.isCompleteListing == true)
        let again = try await list(app, since: last?.cursor)
        #expect(again.records == [] && again.last == nil)
        try FileManager.default.removeItem(at: file)
        await #expect(throws: AppError.self) { try await list(app, since: last?.cursor) }
    }

    @Test func `names rows without id by their natural key and says which rows have no name`()
        async throws
    {
        try put("id,email,phone\n,A@b.co,1\n,,2\n7,x@y.co,3\n7,z@y.co,4\n")
        let (records, last) = try await list(app())
        #expect(records.map(\.id) == ["email:a@b.co"])
        // Which of two rows has the key of the other, nobody can know.
        #expect(last?.unreadable.map(\.id) == ["7"])
        #expect(last?.unidentified.map(\.location) == ["line 3", "line 4", "line 5"])
        #expect(try await app().read(["8"]) == [:])
    }

    @Test func `refuses a file that is not UTF-8`() async throws {
        try Data([0x69, 0x64, 0x0A, 0xE5, 0x0A]).write(to: file)
        await #expect(throws: AppError.self) { try await app().profile() }
    }
}
