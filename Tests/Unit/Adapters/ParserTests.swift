import Foundation
import Synchronization
import TandemCSV
import TandemModel
import TandemSimulator
import TandemSupport
import TandemTasks
import Testing

@testable import AdapterCardDAV
@testable import TandemHTTP

/// Whatever bytes come: each parser reads them or says no, and never ends the process.
///
/// `make fuzz` plays many more than the few of an ordinary run (`FUZZ_SECONDS`).
@Suite struct `Parsers take any bytes` {
    /// A parser, and documents to begin from; what once broke it stays here.
    struct Parser: Sendable, CustomTestStringConvertible {
        let name: String
        let corpus: [String]
        let parse: @Sendable ([UInt8]) -> Void
        var testDescription: String { name }
    }

    static let all = [
        Parser(
            name: "JSON",
            corpus: [
                #"{"a":[1,-2.5e3,true,null,"x\u00e5\ud83d\ude00"],"b":{"c":""}}"#,
                #"["\ud800",1e400,-9223372036854775809]"#,
            ]
        ) { bytes in
            guard let document = JSON(parsing: bytes) else { return }
            // What was read can be written, and is the same when it is read again.
            let again = JSON(parsing: document.bytes)
            if again != document { Issue.record("\(String(decoding: bytes, as: UTF8.self))") }
        },
        Parser(
            name: "flat JSON", corpus: [#"{"email":"a@x.example","note":"a\"\\\n\u0001"}"#]
        ) { bytes in
            _ = FlatJSON.values(String(decoding: bytes, as: UTF8.self), as: PropertyName.self)
        },
        Parser(name: "vCard", corpus: [`vCards`.rich]) { bytes in
            guard let card = try? VCard(String(decoding: bytes, as: UTF8.self)) else { return }
            _ = card.values
        },
        Parser(
            name: "XML of CardDAV",
            corpus: [
                """
                <?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response><d:href>/a.vcf</d:href>
                <d:propstat><d:prop><d:getetag>"1"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status>
                </d:propstat></d:response><d:sync-token>t</d:sync-token></d:multistatus>
                """, "<d:error xmlns:d=\"DAV:\"><d:valid-sync-token/></d:error>",
            ]
        ) { bytes in _ = DAVReply(bytes) },
        Parser(name: "CSV", corpus: ["id,\"na\"\"me\"\r\n1,\"a\nb\"\n;\u{FEFF},x\"y\n"]) { bytes in
            let format = CSVFormat(guessing: bytes)
            var parser = CSVParser(format)
            try? parser.take(bytes.dropFirst(format.preamble)) { _ in }
            try? parser.finish { _ in }
        },
        Parser(
            name: "times",
            corpus: [
                "2026-11-22T09:30:00.123+01:00", "Tue, 24 Nov 2026 22:38:20 GMT",
                "0001-01-01T00:00:00Z",
            ]
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for moment in [Timestamp(rfc3339: text), Timestamp(httpDate: text)] {
                guard let moment else { continue }
                if Timestamp(rfc3339: moment.description) != moment { Issue.record("\(text)") }
            }
        },
        Parser(
            name: "values", corpus: ["1,5", "-12.50e3", "true", "2026-11-22", "b; a", "+47 (22) 1"]
        ) { bytes in
            let text = String(decoding: bytes, as: UTF8.self)
            for type in ValueType.allCases {
                guard let once = type.canonical(text) else { continue }
                if type.canonical(once) != once { Issue.record("\(type) of \(text): \(once)") }
            }
        },
        Parser(
            name: "Retry-After",
            corpus: ["120", "Tue, 24 Nov 2026 22:38:20 GMT", "9223372036854775807"]
        ) { bytes in
            let response = HTTPResponse(
                status: 429, url: "https://x.example",
                headers: [
                    ("Retry-After", String(decoding: bytes, as: UTF8.self)),
                    ("Date", "Tue, 24 Nov 2026 22:38:20 GMT"),
                ], body: [])
            if let wait = response.retryAfterSeconds, !(0...86_400).contains(wait) {
                Issue.record("waits \(wait)")
            }
        },
    ]

    @Test(arguments: all) func `and live`(_ parser: Parser) {
        let seconds = ProcessInfo.processInfo.environment["FUZZ_SECONDS"].flatMap(Int.init)
        let seed = seconds == nil ? 1 : UInt64.random(in: 0 ... .max)
        var random = SplitMix(seed: seed)
        let end = ContinuousClock.now + .seconds(seconds ?? 0)
        var inputs = 0
        var pool = parser.corpus.map { Array($0.utf8) }
        pool.forEach(parser.parse)
        while inputs < 400 || ContinuousClock.now < end {
            let input = mutated(random.pick(pool), from: pool, &random)
            if seconds != nil { remember(input, for: parser) }
            parser.parse(input)
            inputs += 1
            // Mutations of mutations go further.
            if random.chance(0.05) && input.count < 4_000 {
                pool.count < 64 ? pool.append(input) : (pool[random.below(64)] = input)
            }
        }
        if seconds != nil { print("\(parser.name): \(inputs) inputs from seed \(seed)") }
    }

    /// Leaves what is tried in a file: should it end the process, it is there.
    private func remember(_ input: [UInt8], for parser: Parser) {
        let file = FileManager.default.temporaryDirectory
            .appending(path: "tandem-fuzz-\(parser.name.replacing(" ", with: "-"))")
        try? Data(input).write(to: file)
    }

    private func mutated(
        _ bytes: [UInt8], from pool: [[UInt8]], _ random: inout SplitMix
    ) -> [UInt8] {
        var bytes = bytes
        for _ in 0...random.below(4) {
            let place = random.below(bytes.count + 1)
            switch random.below(7) {
            case 0: bytes.insert(UInt8(truncatingIfNeeded: random.next()), at: place)
            case 1 where place < bytes.count:
                bytes[place] = UInt8(truncatingIfNeeded: random.next())
            case 2: bytes.removeSubrange(place..<min(bytes.count, place + 1 + random.below(8)))
            case 3: bytes.insert(contentsOf: bytes[place...].prefix(random.below(64)), at: place)
            case 4:
                let hard = random.pick([
                    "\u{0}", "\u{FEFF}", "9223372036854775808", "-0", "1e999", "\\ud800", "\"",
                    "\r",
                    ";;;", "<a>", "2026-02-30", "\u{202E}", "\n ", "\\", "%00", "]]>", "&#0;",
                ])
                bytes.insert(contentsOf: hard.utf8, at: place)
            case 5:
                let other = random.pick(pool)
                let from = random.below(other.count + 1)
                bytes = Array(bytes[..<place] + other[from...])
            default: bytes.insert(contentsOf: [0xC3, 0x28, 0xED, 0xA0, 0x80].prefix(2), at: place)
            }
        }
        return bytes
    }

    @Test func `also names that are no text`() {
        let name =
            Array("<d:error xmlns:d=\"DAV:\"><d:val".utf8) + [0xDA] + Array("id/></d:error>".utf8)
        #expect(DAVReply(name) == nil)
        let latin = Array("<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><error><caf".utf8)
        let reply = DAVReply(latin + [0xE9] + Array("/></error>".utf8))
        #expect(reply?.errors.contains("café") == true)
    }

    @Test func `and give up what is nested without end`() {
        let deep = String(repeating: "<a>", count: 200_000)
        #expect(DAVReply(Array(deep.utf8)) == nil)
        #expect(JSON(parsing: Array(String(repeating: "[", count: 200_000).utf8)) == nil)
    }
}

/// One record that breaks the answer for its whole batch.
@Suite struct `A batch with something bad in it` {
    private struct Broken: Error {}

    private final class Asked: Sendable {
        let requests = Mutex(0)
    }

    private func split(
        bad: Set<Int>, isDown: Bool = false, _ asked: Asked
    ) -> BatchSplit<Int, String, Broken> {
        BatchSplit(mayBeContent: { _ in true }) { ids throws(Broken) in
            asked.requests.withLock { $0 += 1 }
            if isDown || ids.contains(where: bad.contains) { throw Broken() }
            return ids.reduce(into: [:]) { $0[$1] = "\($1)" }
        }
    }

    @Test(arguments: [[], [17], [0], [99], [3, 4], [10, 50, 90]] as [[Int]])
    func `is read but for that`(_ bad: [Int]) async throws {
        let asked = Asked()
        let outcome = try await split(bad: Set(bad), asked).read(Array(0..<100), known: nil)
        #expect(outcome.broken.sorted() == bad)
        #expect(outcome.values.count == 100 - bad.count)
        #expect(asked.requests.withLock(\.self) <= 1 + bad.count * 2 * 7)
    }

    @Test func `is the app's failure if nothing can be read`() async {
        let asked = Asked()
        await #expect(throws: Broken.self) {
            try await split(bad: [], isDown: true, asked).read(Array(0..<1_000), known: 7_000)
        }
        #expect(asked.requests.withLock(\.self) < 30)
        // One record alone says nothing about itself.
        await #expect(throws: Broken.self) {
            try await split(bad: [], isDown: true, asked).read([1], known: 2)
        }
        await #expect(throws: Broken.self) {
            try await split(bad: [1], asked).read([1], known: nil)
        }
    }

    @Test func `of one is named if another can be read`() async throws {
        let outcome = try await split(bad: [1], Asked()).read([1], known: 2)
        #expect(outcome.broken == [1])
    }
}
