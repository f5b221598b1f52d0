import Foundation
import FoundationNetworking
import Synchronization
import Testing

/// A program that uses the API.
private struct Caller: Sendable {
    let base: String
    let token: String

    struct Reply: Sendable {
        let code: Int
        let headers: [String: String]
        let body: Data

        /// A text at the top of the document.
        func text(_ key: String) -> String? {
            let object = try? JSONSerialization.jsonObject(with: body) as? [String: Any]
            return object?[key] as? String
        }
    }

    @concurrent
    func send(_ method: String, _ path: String, _ body: String? = nil) async throws -> Reply {
        var request = URLRequest(url: try #require(URL(string: base + path)))
        request.httpMethod = method
        request.setValue("Bearer \(token)", forHTTPHeaderField: "Authorization")
        if let body {
            request.httpBody = Data(body.utf8)
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        }
        let (data, response) = try await URLSession.shared.data(for: request)
        let http = try #require(response as? HTTPURLResponse)
        var headers: [String: String] = [:]
        for (name, value) in http.allHeaderFields { headers["\(name)"] = "\(value)" }
        return Reply(code: http.statusCode, headers: headers, body: data)
    }
}

/// The ids of the records that were answered to be made.
private final class Tally: Sendable {
    let made = Mutex<Set<String>>([])
}

/// The CRM API, as programs meet it.
@Suite final class `The CRM API` {
    private let program: Program
    private var daemon: Process?
    private var base = ""

    init() throws { program = try Program() }

    deinit { if let daemon { kill(daemon.processIdentifier, SIGKILL) } }

    /// Starts the daemon with the API on a port that the system picks.
    private func serve(_ http: String = "", marketing: String = "") throws {
        try program.write(
            "tandem.yaml", "http: {listen: \"127.0.0.1:0\"\(http)}\nmarketing: {\(marketing)}\n")
        let daemon = try program.serve()
        self.daemon = daemon
        let line = #/listening.*|address=.*:([0-9]+) .*listening/#
        try program.wait(for: "the API") { try program.read("log").contains(line) }
        let log = try program.read("log")
        let address = try #require(log.firstMatch(of: #/127\.0\.0\.1:([0-9]+)/#))
        base = "http://127.0.0.1:\(address.1)"
    }

    private func token(_ scopes: String...) throws -> String {
        try program.run(["token", "create", "--scope"] + scopes).out
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func send(
        _ method: String, _ path: String, _ body: String? = nil, token: String
    ) async throws -> Caller.Reply {
        try await Caller(base: base, token: token).send(method, path, body)
    }

    /// Runs a client in a Python that has it; the tests are set up by `make test`.
    private func client(_ python: String, _ script: String, _ arguments: [String]) throws -> (
        code: Int32, out: String
    ) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        let path = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../Clients/\(script)").standardizedFileURL.path()
        process.arguments =
            [ProcessInfo.processInfo.environment[python] ?? "python3", path] + arguments
        process.currentDirectoryURL = program.folder
        try program.write("client.log", "")
        let log = try FileHandle(forWritingTo: program.file("client.log"))
        process.standardOutput = log
        process.standardError = log
        try process.run()
        process.waitUntilExit()
        return (process.terminationStatus, try program.read("client.log"))
    }

    @Test func `serves the official Python client unchanged`() throws {
        try serve(", rate-limit: 10000000")
        let result = try client(
            "TANDEM_CLIENT", "official_client.py",
            [base, token("*"), token("crm.objects.contacts.read")])
        let failed = result.out.split(separator: "\n").filter { $0.hasPrefix("FAILED") }
        #expect(result.code == 0 && failed == [], "\(result.out.suffix(2_000))")
        let count = result.out.firstMatch(of: #/([0-9]+) passed, 0 failed/#)
        #expect((count.flatMap { Int($0.1) } ?? 0) > 240)
    }

    @Test func `serves Singer's tap unchanged`() throws {
        try serve(", rate-limit: 10000000")
        let result = try client("TANDEM_TAP", "run_tap.py", [base, token("*")])
        #expect(result.code == 0, "\(result.out.suffix(2_000))")
        #expect(result.out.contains("all records and changes arrived"))
    }

    @Test func `counts the requests of each token and says when it was enough`() async throws {
        try serve(", rate-limit: 2, daily-limit: 100000")
        let (one, other) = (try token("*"), try token("*"))
        let first = try await send("GET", Self.contacts, token: one)
        #expect(first.headers["X-HubSpot-RateLimit-Max"] == "2")
        #expect(first.headers["X-HubSpot-RateLimit-Remaining"] == "1")
        #expect(first.headers["X-HubSpot-RateLimit-Daily-Remaining"] == "99999")
        let refused = try #require(await refusal(of: one))
        #expect(refused.text("errorType") == "RATE_LIMIT")
        #expect(refused.text("policyName") == "TEN_SECONDLY_ROLLING")
        let seconds = refused.headers["Retry-After"].flatMap { Int($0) }
        #expect(seconds.map { (1...10).contains($0) } == true)
        #expect(try await send("GET", Self.contacts, token: other).code == 200)
    }

    @Test func `counts the requests of a day and names no time to wait`() async throws {
        try serve(", rate-limit: 100000, daily-limit: 2")
        let (one, other) = (try token("*"), try token("*"))
        let refused = try #require(await refusal(of: one))
        #expect(refused.text("policyName") == "DAILY")
        #expect(refused.headers["Retry-After"] == nil)
        #expect(try await send("GET", Self.contacts, token: other).code == 200)
    }

    private static let contacts = "/crm/v3/objects/contacts"

    /// Reads until the limit answers.
    ///
    /// However slow the machine is, of a thousand reads three fall into one span of ten seconds.
    private func refusal(of token: String) async throws -> Caller.Reply? {
        for _ in 0..<1_000 {
            let answer = try await send("GET", Self.contacts, token: token)
            guard answer.code == 200 else { return answer.code == 429 ? answer : nil }
        }
        return nil
    }

    @Test func `lets in who shows a valid token, as far as it goes`() async throws {
        try serve()
        let token = try token("crm.objects.contacts.read")
        let path = "/crm/v3/objects/contacts"
        #expect(try await send("GET", path, token: token).code == 200)
        #expect(try await send("POST", path, "{\"properties\":{}}", token: token).code == 403)
        #expect(try await send("GET", "/crm/v3/objects/deals", token: token).code == 403)
        #expect(try await send("GET", "/crm/v3/objects/deals", token: "none").code == 401)
        let stored =
            try Data(contentsOf: program.file("tandem.db"))
            + ((try? Data(contentsOf: program.file("tandem.db-wal"))) ?? Data())
        #expect(stored.range(of: Data(token.utf8)) == nil)
        try program.must("token", "revoke", "1")
        #expect(try await send("GET", path, token: token).code == 401)
    }

    @Test func `keeps a token to its objects in merges, links and searches`() async throws {
        try serve()
        let (all, products, contacts) = (
            try token("*"), try token("crm.objects.products.write"),
            try token("crm.objects.contacts.write")
        )
        for object in ["contacts", "contacts", "companies"] {
            let made = try await send(
                "POST", "/crm/v3/objects/\(object)", "{\"properties\":{}}", token: all)
            #expect(made.code == 201)
        }
        let merge = "{\"primaryObjectId\":1,\"objectIdToMerge\":2}"
        let wrong = try await send(
            "POST", "/crm/v3/objects/products/merge", merge, token: products)
        #expect(wrong.code == 404)
        let link = "/crm/v4/objects/contacts/1/associations/default/companies/3"
        #expect(try await send("PUT", link, token: contacts).code == 403)
        #expect(try await send("PUT", link, token: all).code == 200)
        let shown = "/crm/v3/objects/contacts/1?associations=companies"
        #expect(try await send("GET", shown, token: contacts).code == 403)
        let search =
            "{\"filters\":[{\"propertyName\":\"associations.company\",\"operator\":\"EQ\",\"value\":3}]}"
        let path = "/crm/v3/objects/contacts/search"
        #expect(try await send("POST", path, search, token: contacts).code == 403)
        #expect(try await send("POST", path, search, token: all).code == 200)
    }

    /// Input that arithmetic or recursion could fall over; the daemon answers and lives on.
    @Test(arguments: [
        ("/contacts/search", "{\"after\":\"9223372036854775807\"}"),
        ("/contacts", "{\"properties\":{\"closedate\":\"-9223372036854775808\"}}"),
        ("/contacts", "{\"properties\":{\"closedate\":9223372036854775807}}"),
        ("/contacts/batch/read", "{\"inputs\":[{\"id\":\"-9223372036854775808\"},{\"id\":\"\"}]}"),
        ("/contacts", "{\"properties\":{\"firstname\":\"a\\u0000b\"}}"),
        ("/contacts", String(repeating: "[", count: 100_000)),
    ])
    func `survives`(_ place: String, _ body: String) async throws {
        try serve()
        let token = try token("*")
        let reply = try await send("POST", "/crm/v3/objects" + place, body, token: token)
        #expect([200, 207, 400].contains(reply.code))
        #expect(try await send("GET", "/crm/v3/objects/contacts", token: token).code == 200)
    }

    @Test func `says that its address is taken, and ends`() throws {
        try serve()
        let port = base.split(separator: ":").last ?? ""
        let second = try Program()
        try second.write("tandem.yaml", "http: {listen: \"127.0.0.1:\(port)\"}\n")
        let result = try second.run(["serve"])
        #expect(result.code == 1)
        #expect(result.err.contains("cannot listen on 127.0.0.1:\(port)"))
    }

    /// Writers send while the daemon is killed: what they were told is made is there.
    @Test func `has everything on the disk that it answered`() async throws {
        try serve()
        let caller = Caller(base: base, token: try token("*"))
        let process = try #require(daemon).processIdentifier
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for writer in 0..<4 {
                group.addTask {
                    for number in 0..<100_000 {
                        let body =
                            "{\"properties\":{\"email\":\"w\(writer)-\(number)@example.com\"}}"
                        let reply = try? await caller.send(
                            "POST", "/crm/v3/objects/contacts", body)
                        guard let reply, reply.code == 201, let id = reply.text("id") else {
                            return
                        }
                        let count = tally.made.withLock { made in
                            made.insert(id)
                            return made.count
                        }
                        if count == 300 { kill(process, SIGKILL) }
                    }
                }
            }
        }
        daemon?.waitUntilExit()
        let answered = tally.made.withLock { $0 }
        #expect(answered.count >= 300)
        let document = try program.json("crm", "list", "contacts", "--limit", "1000000")
        let records = try #require(document["results"] as? [[String: Any]])
        let there = Set(records.compactMap { $0["id"] as? String })
        #expect(there.isSuperset(of: answered))
        // At most the requests under way were written without an answer.
        #expect(there.count <= answered.count + 4)
    }

    /// A third of the requests meet a taken address, a third are refused after their record was
    /// written, because what it is to be associated with is not there.
    @Test func `undoes of a common commit only what was refused`() async throws {
        try serve()
        let caller = Caller(base: base, token: try token("*"))
        let codes = try await withThrowingTaskGroup(of: Int.self) { group in
            for number in 0..<60 {
                group.addTask {
                    let email = number % 3 == 0 ? "same" : "e\(number)"
                    let link = number % 3 == 1 ? ",\"associations\":[{\"to\":{\"id\":999999}}]" : ""
                    return try await caller.send(
                        "POST", "/crm/v3/objects/contacts",
                        "{\"properties\":{\"email\":\"\(email)@example.com\"}\(link)}"
                    ).code
                }
            }
            return try await group.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(codes == [201: 21, 409: 19, 404: 20])
        #expect(try program.contacts().count == 21)
    }

    @Test func `makes marketing contacts for tokens that may, up to the limit`() async throws {
        try serve(marketing: "limit: 1")
        let may = try token("crm.objects.contacts.write", "marketing")
        let mayNot = try token("crm.objects.contacts.write")
        let path = "/crm/v3/objects/contacts?marketing=true"
        #expect(try await send("POST", path, "{\"properties\":{}}", token: mayNot).code == 403)
        let body = "{\"properties\":{\"email\":\"a@example.com\"}}"
        #expect(try await send("POST", path, body, token: may).code == 201)
        #expect(try await send("POST", path, "{\"properties\":{}}", token: may).code == 400)
        #expect(try program.contacts().count == 1)
        let status = try program.contacts()["a@example.com"]?["hs_marketable_status"]
        #expect(status == "true")
    }
}
