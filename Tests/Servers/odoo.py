"""Odoo's external API over JSON-RPC (odoo.com/documentation/18.0/developer/reference/external_api.html)."""
import re
from vendor import Refused, Vendor, Violation, known_or_odd

DATABASE, LOGIN, KEY, UID = "crm", "tandem@example.com", "s3cret", 7
COMMON = {"id", "create_date", "write_date", "active"}
MODELS = {
    "res.partner": COMMON | {"name", "is_company", "type", "parent_id", "email", "phone", "street", "street2", "city", "zip",
                             "country_id", "state_id", "website", "function", "vat", "ref", "comment"},
    "crm.lead": COMMON | {"name", "type", "partner_id", "expected_revenue", "date_deadline", "probability", "description"},
}
MANY2ONE = {"parent_id", "country_id", "state_id", "partner_id"}
FLAGS, NUMBERS = {"active", "is_company"}, {"expected_revenue", "probability"}
MOMENT = "%Y-%m-%d %H:%M:%S"


def no(name, message):
    return Refused(200, {"jsonrpc": "2.0", "id": 1, "error": {"code": 200, "message": "Odoo Server Error",
                         "data": {"name": name, "message": message, "arguments": [message], "context": {}, "debug": ""}}})


class Odoo(Vendor):
    objects = tuple(MODELS)

    def wrong(self, text): return no("builtins.ValueError", text)

    def answer(self, ask):
        if ask.path != "/jsonrpc" or ask.method != "POST": raise Violation(ask.path)
        body = ask.json
        known_or_odd(body, ("jsonrpc", "method", "id", "params"), "the call")
        if (body["jsonrpc"], body["method"]) != ("2.0", "call"): raise Violation("no JSON-RPC 2.0 call")
        asked, args = body["params"], body["params"]["args"]
        if asked["service"] == "common" and asked["method"] == "login":
            return {"jsonrpc": "2.0", "id": body["id"], "result": UID if args == [DATABASE, LOGIN, KEY] else False}
        if (asked["service"], asked["method"]) != ("object", "execute_kw"): raise Violation(asked["service"])
        if args[:3] != [DATABASE, UID, KEY]: raise no("odoo.exceptions.AccessDenied", "Access Denied")
        model, method, given, named = args[3], args[4], args[5], args[6] if len(args) > 6 else {}
        if model == "res.users" and method == "read":
            if given[0] != [UID]: raise Violation("another user")
            return {"jsonrpc": "2.0", "id": body["id"], "result": [{"id": UID, "login": LOGIN}]}
        if model not in MODELS: raise no("odoo.exceptions.UserError", f"Object {model} doesn't exist")
        do = {"search_read": self.search_read, "create": self.create, "write": self.written, "unlink": self.unlinked}.get(method)
        if not do: raise Violation(method)
        return {"jsonrpc": "2.0", "id": body["id"], "result": do(model, given, named)}

    def search_read(self, model, given, named):
        known_or_odd(named, ("domain", "fields", "offset", "limit", "order", "context"), "search_read")
        domain = named.get("domain", given[0] if given else [])
        terms = [self.term(model, term) for term in domain]
        # Archived records are left out unless the question itself names `active`.
        if not any(term[0] == "active" for term in domain): terms.append(lambda one: one["active"])
        for name in named["fields"]:
            if name not in MODELS[model]: raise no("builtins.ValueError", f"Invalid field '{name}' on model '{model}'")
        if named.get("order", "id") not in ("id", "id asc", "write_date asc, id asc"): raise Violation(named["order"])
        found = [one for one in self.records[model].values() if all(term(one) for term in terms)]
        found.sort(key=lambda one: one["id"])
        start = named.get("offset", 0)
        return [{"id": one["id"], **{name: one[name] for name in named["fields"]}}
                for one in found[start:start + (named.get("limit") or len(found))]]

    def term(self, model, term):
        name, operator, wanted = term
        if name not in MODELS[model]: raise no("builtins.ValueError", f"Invalid field {model}.{name}")
        if name == "id" and not all(type(value) is int for value in (wanted if operator == "in" else [wanted])):
            raise Violation(f"id {wanted!r}")
        if name in ("write_date", "create_date") and not re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", wanted):
            raise Violation(f"{name} {wanted!r}")
        tests = {"=": lambda held: held == wanted, ">": lambda held: held > wanted, ">=": lambda held: held >= wanted,
                 "in": lambda held: held in wanted}
        if operator not in tests: raise Violation(operator)
        return lambda one: tests[operator](one[name])

    def create(self, model, given, named):
        if len(given) != 1 or not isinstance(given[0], dict): raise Violation("create")
        one = {name: False for name in MODELS[model]}
        one.update(id=self.new_id(), active=True, create_date=self.moment(MOMENT, self.tick()),
                   type="contact" if model == "res.partner" else "lead")
        self.change(model, one, given[0])
        self.records[model][str(one["id"])] = one
        return one["id"]

    def written(self, model, given, named):
        ids, values = given
        for key in ids:
            if str(key) not in self.records[model]:
                raise no("odoo.exceptions.MissingError", f"Record does not exist or has been deleted.\n(Record: {model}({key},), User: {UID})")
        for key in ids: self.change(model, self.records[model][str(key)], values)
        return True

    def unlinked(self, model, given, named):
        for key in given[0]: self.records[model].pop(str(key), None)
        return True

    def change(self, model, one, values):
        new = dict(one)
        for name, value in values.items():
            if name not in MODELS[model]: raise no("builtins.ValueError", f"Invalid field '{name}' on model '{model}'")
            if name in COMMON - {"active"}: raise Violation(f"{name} is written")
            if name in FLAGS: right = isinstance(value, bool)
            elif name in MANY2ONE: right = value is False or type(value) is int
            elif name in NUMBERS: right = value is False or isinstance(value, (int, float))
            else: right = value is False or isinstance(value, str) and value != ""
            if not right: raise Violation(f"{name} = {value!r}")
            if name in MANY2ONE and value:
                if str(value) not in self.records["res.partner"]:
                    raise no("odoo.exceptions.ValidationError", "The operation cannot be completed: another model is missing")
                value = [value, self.records["res.partner"][str(value)]["name"]]
            new[name] = value
        if model == "res.partner" and new["type"] == "contact" and not new["name"]:
            raise no("odoo.exceptions.ValidationError", "The operation cannot be completed: Contacts require a name")
        one.update(new)
        self.touch(model, one)

    def touch(self, name, one): one["write_date"] = self.moment(MOMENT, self.tick())


server = Odoo
