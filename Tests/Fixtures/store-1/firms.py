"""The app of the sync `firms`: records in firms.json; a create is carried out and never answered while `hang` is there."""
import json, os, sys, time

FIELDS = ("name", "domain", "phone", "city", "industry", "website", "state", "zip", "country", "address", "description")
load = lambda: json.load(open("firms.json")) if os.path.exists("firms.json") else {}
show = lambda rows, key: {"id": key, "version": str(rows[key]["version"]), "values": rows[key]["values"]}

def write(rows, order):
    if "create" in order:
        key = order["create"]
        if key in rows:
            return {"exists": show(rows, key)}
        rows[key] = {"version": 1, "values": {**dict.fromkeys(FIELDS, ""), **order["values"]}}
    elif "update" in order:
        key = order["update"]
        rows[key] = {"version": rows[key]["version"] + 1, "values": {**rows[key]["values"], **order["values"]}}
    else:
        rows.pop(order["delete"], None)
        return {"deleted": True}
    return {"written": show(rows, key)}

for line in sys.stdin:
    request = json.loads(line)
    ask, rows = request["params"], load()
    if request["method"] == "hello":
        result = {"protocol": 1, "account": "firms", "summary": "firms", "capabilities": {
            "create-safety": "client-id", "conditional-writes": True, "lists-whole-records": True}}
    elif request["method"] == "schema":
        result = {"fields": [{"name": name} for name in FIELDS]}
    elif request["method"] == "changes":
        result = {"records": [show(rows, key) for key in rows], "cursor": "all", "complete": True}
    elif request["method"] in ("read", "find"):
        keys = ask["ids"] if request["method"] == "read" else [ask["key"]]
        result = {"records": [show(rows, key) for key in keys if key in rows], "gone": [key for key in keys if key not in rows]}
    else:
        result = {"outcomes": [write(rows, order) for order in ask["writes"]]}
        json.dump(rows, open("firms.json", "w"), indent=1)
        while os.path.exists("hang"):
            time.sleep(0.1)
    print(json.dumps({"id": request["id"], "result": result}), flush=True)
