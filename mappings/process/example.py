#!/usr/bin/env python3
"""A complete app for Tandem's `process` adapter: records in one JSON file. See Docs/process.md.

connections: {notes: {app: process, command: [python3, example.py], settings: {file: notes.json}}}
"""
import hashlib, json, os, sys

FIELDS = ["email", "firstname", "lastname", "phone", "company", "jobtitle", "city", "name", "domain"]

def own_id(key):
    return hashlib.sha256(key.encode()).hexdigest()[:20]

class Notebook:
    def __init__(self, path, kind):
        self.path, self.count, self.rows = f"{path}.{kind}", 0, {}  # rows: id to (count, values or None)
        if os.path.exists(self.path):
            self.count, self.rows = json.load(open(self.path))

    def save(self):
        with open(self.path + ".new", "w") as file:
            file.write(json.dumps([self.count, self.rows]))
            file.flush(), os.fsync(file.fileno())
        os.replace(self.path + ".new", self.path)

    def show(self, key):
        count, values = self.rows.get(key, (0, None))
        return values and {"id": key, "version": str(count), "values": values}

    def put(self, key, values):
        self.count += 1
        self.rows[key] = (self.count, values)
        return {"written": self.show(key)} if values else {"deleted": True}

    def write(self, order):
        if "create" in order:  # the id follows from the key, so a repeat finds the first
            key, blank = own_id(order["create"]), dict.fromkeys(FIELDS, "")
            return {"exists": self.show(key)} if self.show(key) else self.put(key, {**blank, **order["values"]})
        key = order.get("update") or order["delete"]
        there = self.show(key)
        if not there:
            return {"gone": True}
        if order["version"] not in (None, there["version"]):
            return {"conflict": True}
        return self.put(key, None if "delete" in order else {**there["values"], **order["values"]})

    def page(self, keys, **more):
        shown = {key: self.show(key) for key in keys}
        return {"records": [row for row in shown.values() if row],
                "gone": [key for key, row in shown.items() if not row], **more}

def answer(book, method, ask):
    if method == "schema":
        return {"fields": [{"name": name, "type": "string"} for name in FIELDS]}
    if method == "changes":  # one page; a cursor is the count of changes when it was given
        if ask["since"] is not None and not ask["since"].isdigit():
            raise LookupError("not one of our cursors")
        news = [key for key, (count, _) in book.rows.items() if count > int(ask["since"] or 0)]
        return book.page(news, cursor=str(book.count), complete=ask["since"] is None)
    if method in ("read", "find"):
        return book.page(ask["ids"] if method == "read" else [own_id(ask["key"])])
    outcomes = [book.write(order) for order in ask["writes"]]
    book.save()  # nothing is called done before it is on the disk
    return {"outcomes": outcomes}

for line in sys.stdin:
    request = json.loads(line)
    try:
        if request["method"] == "hello":
            path = os.path.abspath(request["params"]["settings"].get("file", "notes.json"))
            book = Notebook(path, request["params"]["object"])
            result = {"protocol": 1, "account": path, "summary": f"{len(book.rows)} notes", "capabilities": {
                "create-safety": "client-id", "conditional-writes": True, "reports-deletions": True,
                "lists-whole-records": True}}
        else:
            result = answer(book, request["method"], request["params"])
        reply = {"id": request["id"], "result": result}
    except LookupError as error:
        reply = {"id": request["id"], "error": {"kind": "cursor-expired", "message": str(error)}}
    print(json.dumps(reply), flush=True)
