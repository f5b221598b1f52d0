import Foundation
import Testing

/// An app that differs from the usual in everything that a description can say: a login, errors at
/// status 200, batches with a result for each record, addresses in a list that is written whole, a
/// feed of deletions, pages by offset.
@Suite final class `An app with a dialect of its own` {
    private let program: Program
    private let server = Process()

    init() throws {
        program = try Program()
        let port = try freePort()
        try program.write("server.py", Self.server)
        try program.write("state.json", "[]")
        server.executableURL = URL(filePath: "/usr/bin/env")
        server.arguments = ["python3", program.file("server.py").path(), "\(port)"]
        server.standardError = FileHandle.nullDevice
        try server.run()
        try program.write("log", "")
        try program.wait(for: "the server") {
            FileManager.default.fileExists(atPath: self.program.file("server.py.ready").path())
        }
        try program.write("mappings/odd/app.yaml", Self.description)
        try program.write(
            "mappings/odd/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: "mails[main=true]/value", type: email}
              - {crm: firstname, app: given}
              - {crm: lastname, app: family}
              - {crm: city, app: home/town}
            """)
        try program.write(
            "tandem.yaml",
            """
            mappings: mappings
            connections: {odd: {app: odd, url: "http://127.0.0.1:\(port)", secret: letmein}}
            syncs: {people: {connection: odd, object: contacts, blanks: clear}}
            """)
    }

    deinit { kill(server.processIdentifier, SIGKILL) }

    @Test func `keeps the adapter laws`() throws {
        #expect(try program.lawsKept(by: "people") == 13)
    }

    @Test func `keeps what is not ours in a list that is written whole`() throws {
        try program.write(
            "in.csv", "email,firstname\n" + (0..<30).map { "p\($0)@example.com,Ann\n" }.joined())
        try program.must("crm", "import", "contacts", "in.csv")
        try program.must("sync")
        #expect(try program.writes() == 0)
        try program.must("crm", "update", "contacts", "p3@example.com", "email=new@example.com")
        try program.must("sync")
        let data = Data(try program.read("state.json").utf8)
        let people = try #require(JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(people.count == 30)
        let mails = people.compactMap { $0["mails"] as? [[String: Any]] }
        #expect(mails.allSatisfy { $0.contains { $0["value"] as? String == "spare@example.com" } })
        #expect(mails.contains { $0.contains { $0["value"] as? String == "new@example.com" } })
        #expect(try program.writes() == 0)
    }

    private static let description = """
        title: Odd
        summary: a server with a dialect of its own
        connection: {url: {required: true}, secret: {required: true, secret: true}}
        login: {post: /, body: {do: login, secret: "{secret}"}, access: /result}
        account: {post: /, body: {do: who, session: "{access}"}, id: /result}
        failure: /error
        message: [/error/text, /text]
        errors:
          - {code: {at: /error/code, is: [session]}, means: access-expired}
          - {code: {at: [/error/code, /code], is: [missing]}, means: gone}
        objects:
          people:
            record: {id: /id, values: "", created: /made, modified: /changed, typed: true}
            list: {post: /, body: {do: list, session: "{access}", from: "{after:number}"}, records: /result, next-offset: true, start: "0", overlap: 2}
            changes: {post: /, body: {do: list, session: "{access}", since: "{since}", from: "{after:number}"}, records: /result, next-offset: true, start: "0", since: utc, lag: 5s}
            deletions: {post: /, body: {do: deleted, session: "{access}", since: "{since}", from: "{after:number}"}, records: /result, next-offset: true, start: "0", id: /id, keeps: 30d}
            read: {post: /, body: {do: read, session: "{access}", ids: "{ids:number}"}, records: /result, batch: 20}
            single: {post: /, body: {do: get, session: "{access}", id: "{id:number}"}, record: /result}
            find: {post: /, body: {do: find, session: "{access}", key: "{key-id}"}, records: /result}
            create:
              post: /
              body: {do: create, session: "{access}", rows: [{"...": "{values}", key: "{key-id}"}]}
              record: /result/0
              batch:
                post: /
                body: {do: create, session: "{access}", rows: {each-write: {"...": "{values}", key: "{key-id}"}}}
                results: /result
                success: {at: /ok, is: ["true"]}
                size: 20
            update: {post: /, body: {do: update, session: "{access}", id: "{id:number}", values: "{values}"}}
            delete: {post: /, body: {do: delete, session: "{access}", id: "{id:number}"}}
        """

    private static let server = """
        import email.utils, http.server, json, os, sys, time
        here = os.path.dirname(os.path.abspath(__file__))
        people, deleted, sessions, calls = {}, [], ["s0"], [0]
        def now(): return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
        class No(Exception): pass
        def do(ask):
            what = ask["do"]
            if what == "login":
                if ask["secret"] != "letmein": return False
                sessions.append(f"s{len(sessions)}"); return sessions[-1]
            calls[0] += 1
            # A session holds for forty calls.
            if calls[0] % 40 == 0: sessions.append("over")
            if ask["session"] != sessions[-1]: raise No("session")
            if what == "who": return 7
            if what == "list":
                found = [p for p in people.values() if p["changed"] >= ask.get("since", "")]
                return found[ask["from"]:ask["from"] + 10]
            if what == "deleted": return [d for d in deleted if d["at"] >= ask["since"]][ask["from"]:ask["from"] + 10]
            if what == "read": return [people[i] for i in ask["ids"] if i in people]
            if what == "find": return [p for p in people.values() if p["key"] == ask["key"]]
            if what == "create":
                made = []
                for row in ask["rows"]:
                    one = {**row, "id": len(people) + len(deleted) + 1, "made": now(), "changed": now()}
                    one["mails"] = one.get("mails", []) + [{"value": "spare@example.com", "main": False}]
                    people[one["id"]] = one; made.append({"ok": True, "id": one["id"]})
                return made
            if ask["id"] not in people: raise No("missing")
            one = people[ask["id"]]
            if what == "get": return one
            if what == "update": one.update(ask["values"]); one["changed"] = now(); return True
            del people[ask["id"]]; deleted.append({"id": ask["id"], "at": now()}); return True
        class App(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                ask = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                try: body = {"result": do(ask)}
                except No as no: body = {"error": {"code": str(no), "text": f"no: {no}"}}
                json.dump(list(people.values()), open(here + "/state.json", "w"))
                data = json.dumps(body).encode()
                self.send_response(200); self.send_header("Content-Length", str(len(data))); self.end_headers(); self.wfile.write(data)
            def log_message(self, *_): pass
        server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), App)
        open(here + "/server.py.ready", "w").write("")
        server.serve_forever()
        """
}
