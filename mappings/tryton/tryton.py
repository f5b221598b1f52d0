#!/usr/bin/env python3
"""Tryton (7.x) for Tandem's `process` adapter (Docs/process.md), over its JSON-RPC.

Emails, phones and addresses of a party are records of their own in Tryton; here they are fields of the
party. A party of the category that `settings: {company-category: …}` names is a company, any other one a
contact. What changed is asked for with one domain over the party and its children; a child that was
deleted by itself leaves no trace in Tryton and shows in the next full listing.
"""
import base64, datetime, json, sys, urllib.error, urllib.request

MECHANISMS = ["email", "phone", "mobile", "fax", "website"]
ADDRESS = {"street": "street", "city": "city", "zip": "postal_code"}
CHILDREN = ["contact_mechanisms", "addresses"]
SHOWN = (["name", "create_date", "write_date", "_timestamp"]
         + [f"contact_mechanisms.{name}" for name in ["type", "value", "sequence", "_timestamp", "write_date"]]
         + [f"addresses.{name}" for name in [*ADDRESS.values(), "_timestamp", "write_date"]])
PAGE = 200
EVERYTHING = {"active_test": False}
OVERLAP_SECONDS = 60  # a date is that of the transaction's start, which may commit later


class Refused(Exception):
    """Tryton's own no."""


class Conflict(Exception):
    """Somebody changed the record meanwhile."""


class ForeignCursor(Exception):
    """A cursor that did not come from here."""


class Server:
    def __init__(self, settings):
        self.settings, self.session = settings, None

    def call(self, method, *arguments):
        for attempt in range(2):
            if not self.session:
                self.log_in()
            try:
                return self.post(method, arguments, {"Authorization": f"Session {self.session}"})
            except urllib.error.HTTPError as error:
                if error.code != 401 or attempt:
                    raise
                self.session = None

    def log_in(self):
        name, password = self.settings["username"], self.settings["password"]
        user, session, *_ = self.post("common.db.login", [name, {"password": password}], {})
        self.session = base64.b64encode(f"{name}:{user}:{session}".encode()).decode()

    def post(self, method, arguments, headers):
        body = json.dumps({"id": 1, "method": method, "params": list(arguments)}).encode()
        url = f"{self.settings['url'].rstrip('/')}/{self.settings['database']}/"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers})
        with urllib.request.urlopen(request, timeout=50) as reply:
            answer = json.loads(reply.read())
        if "error" not in answer:
            return answer["result"]
        kind, detail = answer["error"][0], answer["error"][1]
        if kind == "ConcurrencyException":
            raise Conflict()
        raise Refused(detail[0] if isinstance(detail, list) else f"{kind} {detail}".strip())


def moment(value):
    """A Tryton date as text that sorts; None for none."""
    parts = value and [value[name] for name in ["year", "month", "day", "hour", "minute", "second", "microsecond"]]
    return parts and datetime.datetime(*parts).isoformat(timespec="microseconds")


class Parties:
    def __init__(self, server, kind):
        self.server, self.kind = server, kind
        name = server.settings.get("company-category", "Company")
        found = server.call("model.party.category.search", [["name", "=", name]], 0, 1, None, {})
        self.category = found[0] if found else None

    def mine(self):
        if self.category is None:  # nobody has made a company yet
            return ["id", "=" if self.kind == "companies" else ">", 0]
        return ["categories", "=" if self.kind == "companies" else "!=", self.category]

    def made_category(self):
        if self.category is None:
            name = self.server.settings.get("company-category", "Company")
            self.category = self.server.call("model.party.category.create", [{"name": name}], {})[0]
        return self.category

    def rows(self, domain, limit=PAGE):
        return self.server.call("model.party.party.search_read", [self.mine(), *domain], 0, limit,
                                [["id", "ASC"]], SHOWN, EVERYTHING)

    def record(self, row):
        values = {"name": row["name"] or ""}
        for kind in MECHANISMS:
            first = self.first(row, kind)
            values[kind] = first["value"] if first else ""
        address = (row["addresses."] or [{}])[0]
        values.update({name: address.get(field) or "" for name, field in ADDRESS.items()})
        stamps = {f"party.party,{row['id']}": row["_timestamp"]}
        for child, model in zip(CHILDREN, ["party.contact_mechanism", "party.address"]):
            stamps.update({f"{model},{one['id']}": one["_timestamp"] for one in row[child + "."]})
        return {"id": str(row["id"]), "version": json.dumps(stamps, sort_keys=True), "values": values,
                "created": moment(row["create_date"]) + "Z"}

    @staticmethod
    def first(row, kind):
        fitting = [one for one in row["contact_mechanisms."] if one["type"] == kind and one["value"]]
        return min(fitting, key=lambda one: (one["sequence"] is not None, one["sequence"], one["id"]), default=None)

    def commands(self, values, row):
        """What creates or changes a party: a child is changed in place, made, or taken away."""
        order = {"name": values["name"]} if "name" in values else {}
        mechanisms = []
        for kind in [kind for kind in MECHANISMS if kind in values]:
            first = row and self.first(row, kind)
            if first and values[kind]:
                mechanisms.append(["write", [first["id"]], {"value": values[kind]}])
            elif first:
                mechanisms.append(["delete", [first["id"]]])
            elif values[kind]:
                mechanisms.append(["create", [{"type": kind, "value": values[kind]}]])
        address = {field: values[name] for name, field in ADDRESS.items() if name in values}
        there = row and row["addresses."]
        if address and there:
            order["addresses"] = [["write", [there[0]["id"]], address]]
        elif any(address.values()):
            order["addresses"] = [["create", [address]]]
        return {**order, **({"contact_mechanisms": mechanisms} if mechanisms else {})}

    def changes(self, since, page):
        position = json.loads(page) if page else {"id": 0, "newest": since or ""}
        if since:
            try:
                start = datetime.datetime.fromisoformat(since) - datetime.timedelta(seconds=OVERLAP_SECONDS)
            except ValueError:
                raise ForeignCursor("not one of our cursors")
            dates = ["create_date", "write_date"] + [f"{c}.{d}" for c in CHILDREN for d in ["create_date", "write_date"]]
            news = [["OR", *[[date, ">=", str(start)] for date in dates]]]
        else:
            news = []
        rows = self.rows([["id", ">", position["id"]], *news])
        for row in rows:
            for one in [row, *row["contact_mechanisms."], *row["addresses."]]:
                position["newest"] = max(position["newest"], moment(one.get("write_date")) or "")
            position["id"] = row["id"]
        result = {"records": [self.record(row) for row in rows]}
        if len(rows) == PAGE:
            return {**result, "next": json.dumps(position)}
        # Without any party there is no date yet; the first listing is then asked for again.
        return {**result, "complete": since is None, **({"cursor": position["newest"]} if position["newest"] else {})}

    def read(self, ids):
        rows = self.rows([["id", "in", [int(one) for one in ids if one.isdigit()]]], None)
        found = {str(row["id"]) for row in rows}
        return {"records": [self.record(row) for row in rows], "gone": [one for one in ids if one not in found]}

    def find(self, values, since):
        # The clocks of the two machines may differ.
        start = str(datetime.datetime.fromisoformat(since.rstrip("Z")) - datetime.timedelta(minutes=10))
        rows = self.rows([["create_date", ">=", start], ["name", "=", values.get("name") or None]])
        made = [self.record(row) for row in rows]
        return {"records": [one for one in made if one["values"]["email"].lower() == values.get("email", "").lower()]}

    def write(self, order):
        try:
            if "create" in order:
                party = self.commands(order["values"], None)
                if self.kind == "companies":
                    party["categories"] = [["add", [self.made_category()]]]
                return {"accepted": str(self.server.call("model.party.party.create", [party], {})[0])}
            key = order.get("update") or order["delete"]
            rows = self.rows([["id", "=", int(key)]])
            if not rows:
                return {"gone": True}
            if order["version"] and order["version"] != self.record(rows[0])["version"]:
                return {"conflict": True}
            stamps = {"_timestamp": json.loads(order["version"] or self.record(rows[0])["version"])}
            if "delete" in order:
                self.server.call("model.party.party.delete", [int(key)], stamps)
                return {"deleted": True}
            change = self.commands(order["values"], rows[0])
            if change:
                self.server.call("model.party.party.write", [int(key)], change, stamps)
            return {"accepted": key}
        except Conflict:
            return {"conflict": True}
        except Refused as refusal:
            return {"refused": {"category": "invalid-value", "message": str(refusal)}}
        except (OSError, ValueError) as error:  # the reply was lost; what was written before stays
            return {"unknown": str(error)}

    def answer(self, method, ask):
        if method == "schema":
            return {"fields": [{"name": name} for name in ["name", *MECHANISMS, *ADDRESS]]}
        if method == "changes":
            return self.changes(ask["since"], ask["page"])
        if method == "read":
            return self.read(ask["ids"])
        if method == "find":
            return self.find(ask["values"], ask["since"])
        return {"outcomes": [self.write(order) for order in ask["writes"]]}

    def hello(self):
        settings = self.server.settings
        return {"protocol": 1, "account": f"{settings['url']} {settings['database']}",
                "summary": f"Tryton, database {settings['database']}, as {settings['username']}",
                "capabilities": {"create-safety": "search", "search-lag": 60, "conditional-writes": True,
                                 "lists-whole-records": True, "write-batch": 20}}


def trouble(error):
    if isinstance(error, ForeignCursor):
        return {"kind": "cursor-expired", "message": str(error)}
    if isinstance(error, urllib.error.HTTPError) and error.code in (401, 403):
        return {"kind": "operator", "category": "authentication", "message": f"Tryton answers {error.code}",
                "remedy": "Correct `username` and `password` in `settings`."}
    if isinstance(error, (KeyError, Refused)):
        return {"kind": "operator", "category": "mapping", "message": f"{type(error).__name__}: {error}",
                "remedy": "Correct `settings`: url, database, username and password are needed."}
    return {"kind": "later", "message": str(error)}


def main():
    parties = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["method"] == "hello":
                parties = Parties(Server(request["params"]["settings"]), request["params"]["object"])
                result = parties.hello()
            else:
                result = parties.answer(request["method"], request["params"])
            reply = {"id": request["id"], "result": result}
        except (ForeignCursor, Refused, KeyError, OSError, ValueError) as error:
            reply = {"id": request["id"], "error": trouble(error)}
        print(json.dumps(reply), flush=True)


main()
