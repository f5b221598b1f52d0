import Foundation
import Testing

/// Edits and creates that an app takes in another way than it says, through a small program that does so.
@Suite struct `An app that does not take what it is given` {
    private let program: Program

    /// Keeps records in db.json; `mode` says how it misbehaves.
    private static let script = #"""
        import json, os, sys
        load = lambda: json.load(open("db.json")) if os.path.exists("db.json") else {}
        FIELDS = ["email", "firstname", "phone", "stage"]
        mode = open("mode").read().strip() if os.path.exists("mode") else ""
        show = lambda rows, key: {"id": key, "version": str(rows[key]["v"]), "values": rows[key]["values"]}
        def form(values):
            values = dict(values)
            if mode == "digits" and values.get("phone"): values["phone"] = "".join(c for c in values["phone"] if c.isdigit())[-8:]
            if mode == "ignores": values.pop("firstname", None)
            return values
        for line in sys.stdin:
            request = json.loads(line); ask = request["params"]; rows = load()
            mode = open("mode").read().strip() if os.path.exists("mode") else ""
            if request["method"] == "hello":
                result = {"protocol": 1, "account": "x", "capabilities": {"create-safety": "search", "search-lag": 0,
                    "conditional-writes": True, "lists-whole-records": True}}
            elif request["method"] == "schema": result = {"fields": [{"name": name} for name in FIELDS]}
            elif request["method"] == "changes":
                shown = [] if mode == "hides" else [show(rows, key) for key in rows]
                result = {"records": shown, "cursor": "c", "complete": mode != "hides"}
            elif request["method"] == "read":
                result = {"records": [show(rows, key) for key in ask["ids"] if key in rows], "gone": [key for key in ask["ids"] if key not in rows]}
            elif request["method"] == "find": result = {"records": []}
            else:
                outcomes = []
                for order in ask["writes"]:
                    if "create" in order:
                        key = "r%d" % (len(rows) + 1)
                        rows[key] = {"v": 1, "values": {**dict.fromkeys(FIELDS, ""), **form(order["values"])}}
                        outcomes.append({"accepted": ""} if mode == "hides" else {"written": show(rows, key)})
                    elif "update" in order:
                        row = rows[order["update"]]
                        row["values"].update(form(order["values"])); row["v"] += 1
                        outcomes.append({"written": show(rows, order["update"])})
                    else:
                        rows.pop(order["delete"], None); outcomes.append({"deleted": True})
                json.dump(rows, open("db.json", "w")); result = {"outcomes": outcomes}
            print(json.dumps({"id": request["id"], "result": result}), flush=True)
        """#

    init() throws {
        program = try Program()
        try program.write("app.py", Self.script)
        try configure(stages: "lead: New")
    }

    private func configure(stages: String, sync: String = "people") throws {
        try program.write(
            "mappings/process/contacts.yaml",
            """
            object: contacts
            app-object: people
            fields:
              - {crm: email, app: email, type: email}
              - {crm: firstname, app: firstname}
              - {crm: phone, app: phone, type: phone}
              - {crm: lifecyclestage, app: stage, options: {\(stages)}}
            """)
        try program.write(
            "tandem.yaml",
            """
            store: tandem.db
            mappings: ./mappings
            connections:
              app: {app: process, command: [python3, app.py]}
            syncs:
              \(sync): {connection: app, object: contacts}
            """)
    }

    private func records() throws -> [[String: Any]] {
        try #require(try program.json("records")["records"] as? [[String: Any]])
    }

    /// The values that the app holds, by address.
    private func held() throws -> [String: [String: String]] {
        let document = try JSONSerialization.jsonObject(
            with: Data(contentsOf: program.file("db.json")))
        let rows = try #require(document as? [String: [String: Any]])
        return rows.values.reduce(into: [:]) { held, row in
            let values = row["values"] as? [String: String] ?? [:]
            held[values["email"] ?? ""] = values
        }
    }

    @Test func `keeps its own form, and the CRM keeps what was typed`() throws {
        try program.write("mode", "digits")
        try program.must(
            "crm", "create", "contacts", "email=a@x.example", "phone=+47 (22) 33 44-55")
        try program.must("sync")
        try program.must("sync")
        #expect(try program.contacts()["a@x.example"]?["phone"] == "+47 (22) 33 44-55")
        #expect(try held()["a@x.example"]?["phone"] == "22334455")
        #expect(try program.writes() == 0)
    }

    @Test func `and keeps the old value is named until somebody changes something`() throws {
        try program.must("crm", "create", "contacts", "email=a@x.example", "firstname=Ann")
        try program.must("sync")
        try program.write("mode", "ignores")
        try program.must("crm", "update", "contacts", "a@x.example", "firstname=Anna", "phone=11")
        #expect(try program.run(["sync"]).code == 3)
        let row = try #require(try records().first)
        #expect(row["state"] as? String == "failed")
        #expect((row["message"] as? String)?.contains("accepted `Anna` and keeps `Ann`") == true)
        #expect(try held()["a@x.example"]?["phone"] == "11")
        // It is not sent again and again.
        #expect(try program.writes(codes: [0, 3]) == 0)
        try program.write("mode", "")
        try program.must("retry")
        #expect(try held()["a@x.example"]?["firstname"] == "Anna")
        #expect(try records().first?["state"] as? String == "in-sync")
    }

    @Test func `is left apart if a person accepts it, until somebody changes something`() throws {
        try program.must("crm", "create", "contacts", "email=a@x.example", "firstname=Ann")
        try program.must("sync")
        try program.write("mode", "ignores")
        try program.must("crm", "update", "contacts", "a@x.example", "firstname=Anna")
        #expect(try program.run(["sync"]).code == 3)
        let wrong = try program.run(["accept", "1", "phone"])
        #expect(wrong.code != 0 && (wrong.out + wrong.err).contains("those are firstname"))
        try program.must("accept", "1", "firstname")
        try program.must("sync")
        let row = try #require(try records().first)
        #expect(row["state"] as? String == "in-sync")
        #expect((row["message"] as? String)?.contains("kept apart") == true)
        #expect(try program.status("people")["accepted"] as? Int == 1)
        #expect(try held()["a@x.example"]?["firstname"] == "Ann")
        // A change of the field ends it; one of another field does not.
        try program.must("crm", "update", "contacts", "a@x.example", "phone=22")
        try program.must("sync")
        #expect(try held()["a@x.example"]?["phone"] == "22")
        #expect(try program.status("people")["accepted"] as? Int == 1)
        try program.must("crm", "update", "contacts", "a@x.example", "firstname=Annie")
        #expect(try program.run(["sync"]).code == 3)
        #expect(try program.status("people")["accepted"] as? Int == 0)
        try program.write("mode", "")
        try program.must("retry")
        #expect(try held()["a@x.example"]?["firstname"] == "Annie")
    }

    @Test func `for want of an option gets it when the table is completed`() throws {
        try program.must(
            "crm", "create", "contacts", "email=a@x.example", "lifecyclestage=customer")
        for _ in 1...2 {
            #expect([0, 3].contains(try program.run(["sync"]).code))
            let row = try #require(try records().first)
            #expect(row["category"] as? String == "option-unknown", "\(row)")
        }
        try configure(stages: "lead: New, customer: Won")
        try program.must("sync")
        #expect(try held()["a@x.example"]?["stage"] == "Won")
        #expect(try records().first?["state"] as? String == "in-sync")
    }

    @Test func `or does not say what it made is not asked to make it again`() throws {
        try program.write("mode", "hides")
        for number in 1...3 {
            try program.must("crm", "create", "contacts", "email=p\(number)@x.example")
        }
        for _ in 1...4 { _ = try program.run(["sync"]) }
        #expect(try held().count == 3)
        #expect(try records().allSatisfy { $0["state"] as? String == "pending" })
        // When it shows them, they are ours and no strangers.
        try program.write("mode", "")
        try program.must("sync")
        try program.must("sync")
        #expect(try held().count == 3)
        #expect(try program.contacts().count == 3)
        #expect(try records().allSatisfy { $0["state"] as? String == "in-sync" })
    }

    @Test func `stops under a new name, until the pairs are renamed or forgotten`() throws {
        try program.must("crm", "create", "contacts", "email=a@x.example", "firstname=Ann")
        try program.must("sync")
        try configure(stages: "lead: New", sync: "clients")
        let stopped = try program.run(["sync"])
        #expect(
            stopped.code == 1 && stopped.err.contains("tandem rename people NEW"), "\(stopped.err)")
        let orphans = try program.json("status")["orphans"] as? [[String: Any]]
        #expect(orphans?.first?["name"] as? String == "people")
        let checked = try program.run(["check"])
        #expect(checked.code == 1 && checked.out.contains("tandem rename people NEW"))
        #expect(try program.run(["rename", "persons", "clients"]).code == 1)
        try program.must("rename", "people", "clients")
        #expect(try program.writes() == 0)
        #expect(try program.status("clients")["in_sync"] as? Int == 1)

        try configure(stages: "lead: New", sync: "others")
        #expect(try program.run(["sync"]).code == 1)
        try program.must("remove", "clients", "--yes")
        try program.must("sync")
        #expect(try program.status("others")["in_sync"] as? Int == 1)
    }
}
