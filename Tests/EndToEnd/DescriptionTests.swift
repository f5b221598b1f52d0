import Foundation
import Testing

/// Ways in which apps differ, and that a description can say; a small server that knows them all.
@Suite final class `A described app` {
    private let program: Program
    private let server = Process()
    private let port: Int

    init() throws {
        program = try Program()
        port = try freePort()
        try program.write(
            "server.py",
            """
            import http.server, json, sys, time, urllib.parse
            PEOPLE = [{"id": n, "email": f"p{n}@example.com", "age": n, "home": {"city": "Oslo"}} for n in range(25)]
            asked = []
            class App(http.server.BaseHTTPRequestHandler):
                def answer(self, body, status=200, **headers):
                    data = json.dumps(body).encode()
                    self.send_response(status)
                    for name, value in headers.items(): self.send_header(name.replace("_", "-"), value)
                    self.send_header("Content-Length", str(len(data))); self.end_headers(); self.wfile.write(data)
                def do_GET(self):
                    url = urllib.parse.urlsplit(self.path)
                    ask = dict(urllib.parse.parse_qsl(url.query))
                    host = "http://" + self.headers["Host"]
                    asked.append(self.path)
                    if url.path == "/me": return self.answer({"me": "test"})
                    if url.path == "/busy" and asked.count(self.path) < 3:
                        return self.answer({"error": "busy"}, 429, Retry_After="1")
                    if url.path == "/full": return self.answer({"error": {"code": "QUOTA"}}, 400)
                    if url.path == "/html":
                        data = b"<h1>\\n  No such   host\\n</h1>"
                        self.send_response(400); self.send_header("Content-Length", str(len(data)))
                        self.end_headers(); return self.wfile.write(data)
                    if url.path == "/deep":
                        data = b'{"people":' + b"[" * 500 + b"]" * 500 + b"}"
                        self.send_response(200); self.send_header("Content-Length", str(len(data)))
                        self.end_headers(); return self.wfile.write(data)
                    if url.path == "/ring": return self.answer({"people": PEOPLE[:10], "next": str(10 - int(ask.get("after") or 0))})
                    if url.path == "/nameless": return self.answer({"people": PEOPLE[:11] + [{"email": "who@example.com"}]})
                    if url.path == "/same": return self.answer({"people": PEOPLE[:10]})
                    start = int(ask.get("after") or 0)
                    if url.path in ("/page", "/counted"): start = (start - 1) * 10
                    if url.path == "/counted" and start >= 25: return self.answer({"error": "no such page"}, 404)
                    page, more = PEOPLE[start:start + 10], start + 10 < len(PEOPLE)
                    body = {"people": page, "next": str(start + 10) if more else None, "pages": 3, "total": 25}
                    if url.path == "/link": body["next"] = f"{url.path}?after={start + 10}" if more else None
                    if url.path == "/thief": body["next"] = host.replace("127.0.0.1", "localhost") + "/thief?after=10"
                    link = {"Next": f"{host}/header?after={start + 10}"} if more else {}
                    self.answer(body, **(link if url.path == "/header" else {}))
                def log_message(self, *_): pass
            http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
            """)
        server.executableURL = URL(filePath: "/usr/bin/env")
        server.arguments = ["python3", program.file("server.py").path(), "\(port)"]
        server.standardError = FileHandle.nullDevice
        try server.run()
        try program.write("log", "")
        let port = port
        try program.wait(for: "the server") { isOpen(port) }
    }

    deinit { kill(server.processIdentifier, SIGKILL) }

    private func configure(_ list: String, more: String = "", id: String = "/id") throws {
        try program.write(
            "mappings/people/app.yaml",
            """
            title: People
            summary: a server that pages in many ways
            connection: {url: {required: true}}
            account: {get: /me, id: /me}
            message: [/error/code, /error]
            \(more)
            objects:
              "*":
                record: {id: \(id), values: "", typed: true}
                list: {records: /people, \(list)}
                changes: {records: /people, get: "/token?after={after}&since={since}", next: /next}
                single: {get: "/people/{id}"}
                create: {put: "/people/{key-id}", body: "{values}"}
                update: {patch: "/people/{id}", body: "{values}"}
                delete: {delete: "/people/{id}"}
            """)
        try program.write(
            "mappings/people/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: email, type: email}
              - {crm: city, app: home/city}
            """)
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections: {people: {app: people, url: "http://127.0.0.1:\(port)"}}
            syncs: {people: {connection: people, object: contacts, direction: to-crm}}
            """)
    }

    @Test(arguments: [
        #"get: "/token?after={after}", next: /next"#, #"get: "/link", next-link: /next"#,
        #"get: "/header", next-header: Next"#,
        #"get: "/page?after={after}", next-page: true, start: "1""#,
        #"get: "/offset?after={after}", next-offset: true, start: "0""#,
        #"get: "/busy?after={after}", next: /next"#,
        #"get: "/counted?after={after}", next-page: true, start: 1, pages: /pages"#,
        #"get: "/counted?after={after}", next-page: true, start: 1, total: /total"#,
        #"get: "/counted?after={after}", next-page: true, start: 1, end: 404"#,
        #"get: "/counted?after={after}", next-page: true, start: 1, end: {at: /error}"#,
    ])
    func `gives every page, whatever leads to the next`(_ list: String) throws {
        try configure(list)
        try program.must("sync")
        let contacts = try program.contacts()
        #expect(contacts.count == 25)
        #expect(contacts["p24@example.com"]?["city"] == "Oslo")
    }

    @Test(arguments: [
        (#"get: "/thief", next-link: /next"#, "next page on another host"),
        (#"get: "/same?after={after}", next-page: true, start: "1""#, "gives the same page again"),
        (
            #"get: "/same?after={after}", next-offset: true, start: "0""#,
            "gives the same page again"
        ),
        (#"get: "/ring?after={after}", next: /next"#, "gives the same page again"),
        (#"get: "/deep""#, #"no JSON: status 200: {"people":[["#),
        (#"get: "/counted?after={after}", next-page: true, start: 1"#, "no such page"),
        (#"get: "/html?after={after}", next: /next"#, "status 400: <h1> No such host </h1>"),
        (#"get: "/full?after={after}", next: /next"#, "QUOTA"),
    ])
    func `is given up with a reason when a page leads nowhere`(_ list: String, _ words: String)
        throws
    {
        let paging = list.contains("deep") ? list + ", next-link: /next" : list
        try configure(
            paging, more: "errors: [{code: {at: /error/code, is: [QUOTA]}, category: rate-limit}]")
        let result = try program.run(["sync"])
        #expect(result.code == 1)
        #expect(result.err.contains(words), "\(result.err)")
        #expect(try program.contacts().isEmpty)
    }

    @Test func `stops when nothing in it has an id`() throws {
        try configure(#"get: "/token?after={after}", next: /next"#, id: "/pk")
        let stopped = try program.run(["sync"])
        #expect(stopped.code == 1 && stopped.err.contains("/pk"), "\(stopped.err)")
        #expect(try program.contacts().isEmpty)
    }

    @Test func `shows what has no id, and takes nothing for deleted meanwhile`() throws {
        try configure(#"get: "/token?after={after}", next: /next"#)
        try program.must("sync")
        try configure(#"get: "/nameless?after={after}", next: /next"#)
        let shown = try program.run(["sync", "--full"])
        #expect(shown.code == 3, "\(shown.out)\(shown.err)")
        let status = try program.status("people")
        #expect((status["unidentified"] as? [[String: Any]])?.count == 1)
        #expect(status["deleted_in_app"] as? Int == 0)
        #expect(try program.contacts().count == 25)
        #expect(try program.must("records").contains("has no id"))
    }

    /// The limit is met at once and lasts an hour: nobody sits it out.
    ///
    /// The account is asked first and costs one; the pages are three. A first sync leaves a quarter.
    @Test(arguments: [(1, 3), (10, 20), (10, 40)])
    func `keeps to its limits`(_ cost: Int, _ limit: Int) throws {
        try configure(
            #"get: "/token?after={after}", cost: \#(cost), next: /next"#,
            more: "limits: {windows: [{points: \(limit), per: 1h}]}")
        let result = try program.run(["sync"])
        #expect(result.code == 1)
        #expect(result.err.contains("limits leave no room"), "\(result.err)")
    }

    @Test func `shows what is used of a day`() throws {
        try configure(
            #"get: "/token?after={after}", cost: 10, next: /next"#,
            more: "limits: {windows: [{points: 1000, per: 1d}, {requests: 9, per: 1s}]}")
        try program.must("sync")
        let quotas = try #require(try program.json("status")["quotas"] as? [[String: Any]])
        #expect(quotas.count == 1)
        #expect(quotas.first?["connection"] as? String == "people")
        #expect(quotas.first?["counts"] as? String == "points")
        #expect(quotas.first?["used"] as? Int == 31)
        #expect(quotas.first?["limit"] as? Int == 1000)
        #expect(try program.must("status").contains("31 of 1000 points in 24 hours are used"))
    }

    /// Each record would fail by itself, and all at once when the property is there.
    @Test func `is not well where a line names a property that the CRM does not have`() throws {
        try configure(#"get: "/token?after={after}", next: /next"#)
        let mapping = try program.read("mappings/people/contacts.yaml")
        try program.write(
            "mappings/people/contacts.yaml", mapping + "\n  - {crm: nick, app: age}\n")
        let result = try program.run(["check"])
        #expect(result.code == 1)
        #expect(result.out.contains("tandem crm properties contacts --add nick"), "\(result.out)")
        #expect(try program.run(["sync"]).code == 3)
        #expect(try program.status("people")["failed"] as? Int == 25)
        try program.must("sync", "--full")
        #expect(try program.status("people")["failed"] as? Int == 25)
        try program.must("crm", "properties", "contacts", "--add", "nick")
        try program.must("retry")
        try program.must("sync")
        #expect(try program.status("people")["in_sync"] as? Int == 25)
    }

    /// What its reader knows is what its document says (`make docs`).
    @Test func `has all its keys in the document`() throws {
        let keys = try program.must("apps", "--keys")
        let document = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../Docs/rest.md").standardizedFileURL
        #expect(keys.contains("`read-lag`"))
        #expect(try String(contentsOf: document, encoding: .utf8).hasSuffix(keys))
    }

    @Test func `is refused with all its mistakes, each with its line`() throws {
        try configure(
            #"get: "/token?aftr={aftr}", next: /next"#,
            more:
                "root: '{ulr}'\nerrors: [{stauts: 400, category: rate-limit}]\nlimits: {windows: [{requests: 0, per: 1h}, {points: 5}]}"
        )
        let result = try program.run(["check"])
        #expect(result.code == 78)
        for words in [
            "nothing fills in `{aftr}` (did you mean `after`?)", "`{after}` is missing",
            "`root`: nothing fills in `{ulr}` (did you mean `url`?)",
            "unknown key `stauts` (did you mean `status`?)", "`requests: 0`", "`per` is missing",
            "app.yaml:",
        ] {
            #expect(result.err.contains(words), "\(words)\n\(result.err)")
        }
    }
}

/// Whether somebody listens on a port of this machine.
private func isOpen(_ port: Int) -> Bool {
    let curl = Process()
    curl.executableURL = URL(filePath: "/usr/bin/env")
    curl.arguments = ["curl", "-s", "-o", "/dev/null", "http://127.0.0.1:\(port)/me"]
    guard (try? curl.run()) != nil else { return false }
    curl.waitUntilExit()
    return curl.terminationStatus == 0
}
