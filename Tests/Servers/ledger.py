"""No vendor's, but what some have: a key in the query, forms, records written whole, results that are capped, and
headers that say how many requests are left."""
import time
from vendor import Refused, Vendor, Violation, known_or_odd

FIELDS = ("email", "given", "family", "phone", "city", "note")


class Ledger(Vendor):
    objects = ("clients",)
    page, cap, allowed = 10, 30, 25

    def __init__(self, url):
        super().__init__(url)
        self.window, self.asked = 0, 0

    def wrong(self, text): return Refused(400, {"error": text})

    def headers(self):
        return {"X-Left": str(self.allowed - self.asked), "X-Reset": "1"}

    def answer(self, ask):
        if int(time.time()) != self.window: self.window, self.asked = int(time.time()), 0
        self.asked += 1
        if self.asked > self.allowed: raise Violation("more requests than were left")
        if ask.query.pop("api_key", None) != "k3y": raise Refused(401, {"error": "key"})
        if ask.path == "/account": return {"id": 5}
        rest, clients = ask.parts[1:], self.records["clients"]
        if rest == [] and ask.method == "GET":
            asked = ask.only("since", "email", "page")
            since = int(asked.get("since", 0))
            found = sorted((one for one in clients.values() if one["changed"] >= since
                            and asked.get("email", one["email"]).lower() == one["email"].lower()), key=lambda one: one["changed"])
            start = (int(asked.get("page", 1)) - 1) * self.page
            if start >= self.cap: raise Violation("a page behind the cap")
            return {"clients": found[start:start + self.page]}
        if rest == [] and ask.method == "POST":
            one = {"id": self.new_id(), "revision": 0, "plan": "gold", **{name: "" for name in FIELDS}}
            self.change(one, ask.form)
            clients[str(one["id"])] = one
            return 201, {"client": one}
        one = clients.get(rest[0])
        if not one: raise Refused(404, {"error": "no such client"})
        if ask.method == "DELETE":
            del clients[rest[0]]
            return 204, None
        if ask.method == "PUT":
            body = ask.json
            if set(body) != set(one): raise Violation(f"{sorted(set(one) ^ set(body))} in a whole record")
            if body["revision"] != one["revision"]: raise Refused(409, {"error": "another revision"})
            if body["plan"] != one["plan"]: raise Violation("the plan is written over")
            self.change(one, {name: body[name] for name in FIELDS})
        return {"client": one}

    def change(self, one, values):
        known_or_odd(values, FIELDS, "the field")
        one.update(values)
        self.touch("clients", one)

    def touch(self, name, one):
        one["revision"] += 1
        one["changed"] = self.tick() * 1000


server = Ledger
