"""Mailchimp's Marketing API 3.0: members of one audience (mailchimp.com/developer/marketing/api/list-members)."""
import base64, hashlib, re
from vendor import Refused, Vendor, Violation, known_or_odd

KEY, AUDIENCE = "0123456789abcdef-us6", "f34247943d"
EMPTY = {"FNAME": "", "LNAME": "", "ADDRESS": "", "PHONE": "", "BIRTHDAY": "", "COMPANY": ""}
WRITABLE = ["email_address", "status", "merge_fields", "email_type", "language", "vip", "tags"]
LISTED = ["count", "offset", "status", "since_last_changed", "sort_field", "sort_dir", "fields", "exclude_fields"]


def problem(status, title, detail, **more):
    return Refused(status, {"type": "https://mailchimp.com/developer/marketing/docs/errors/", "title": title,
                            "status": status, "detail": detail, "instance": "0", **more})


class Mailchimp(Vendor):
    objects = ("members",)
    concurrency = 10

    def wrong(self, text): return problem(400, "Bad Request", text)

    def answer(self, ask):
        name, _, key = base64.b64decode(ask.headers.get("Authorization", "")[6:]).decode().partition(":")
        if key != KEY: raise problem(401, "API Key Invalid", "Your API key may be invalid.")
        if ask.parts[:2] != ["3.0", "lists"] or ask.parts[2] != AUDIENCE:
            raise problem(404, "Resource Not Found", "The requested resource could not be found.")
        if len(ask.parts) == 3 and ask.method == "GET":
            ask.only("fields")
            return {"id": AUDIENCE, "web_id": 7}
        if ask.parts[3:] == ["members"]:
            return self.listed(ask) if ask.method == "GET" else self.made(ask)
        return self.single(ask, self.found(ask.parts[4]))

    def found(self, key):
        for one in self.records["members"].values():
            if key in (one["contact_id"], one["id"]) or key.lower() == one["email_address"].lower(): return one
        raise problem(404, "Resource Not Found", "The requested resource could not be found.")

    def listed(self, ask):
        asked = ask.only(*LISTED)
        if int(asked["count"]) > 1000: raise Violation("count")
        if asked.get("sort_field", "last_changed") not in ("timestamp_opt", "timestamp_signup", "last_changed"):
            raise Violation("sort_field")
        since = asked.get("since_last_changed", "")
        if since and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|\+00:00)", since): raise Violation(since)
        found = [one for one in self.records["members"].values()
                 # Archived members are listed only by their name, and `since` is exclusive.
                 if (one["status"] == asked["status"] if "status" in asked else one["status"] != "archived")
                 and one["last_changed"] > since.replace("Z", "+00:00")]
        found.sort(key=lambda one: (one[asked.get("sort_field", "last_changed")], one["contact_id"]))
        start = int(asked.get("offset", 0))
        return {"members": found[start:start + int(asked["count"])], "list_id": AUDIENCE, "total_items": len(found)}

    def made(self, ask):
        body = ask.json
        ask.only("skip_merge_validation")
        address = body["email_address"]
        if body["status"] not in ("subscribed", "unsubscribed", "cleaned", "pending", "transactional"):
            raise Violation("status")
        if any(one["email_address"].lower() == address.lower() for one in self.records["members"].values()):
            raise problem(400, "Member Exists",
                          f"{address} is already a list member. Use PUT to insert or update list members.")
        key = hashlib.md5(f"contact {self.new_id()}".encode()).hexdigest()
        moment = self.moment("%Y-%m-%dT%H:%M:%S+00:00", self.tick())
        one = {"contact_id": key, "merge_fields": dict(EMPTY), "timestamp_opt": moment, "language": "",
               "vip": False, "tags": [], "stats": {"avg_open_rate": 0}}
        self.write(one, body)
        self.records["members"][key] = one
        return one

    def single(self, ask, one):
        if ask.method == "GET": return one
        if ask.method == "DELETE":
            if one["status"] == "archived":
                raise problem(405, "Method Not Allowed", "This list member cannot be removed.", )
            self.remove("members", one["contact_id"])
            return 204, None
        if ask.method != "PATCH": raise Violation(ask.method)
        if one["status"] == "archived": raise problem(405, "Method Not Allowed", "archived")
        body = ask.json
        if "tags" in body: raise Violation("tags cannot be patched")
        address = body.get("email_address", one["email_address"]).lower()
        if any(other is not one and other["email_address"].lower() == address
               for other in self.records["members"].values()):
            raise problem(400, "Invalid Resource", f'"{address}" is already in this list with a status of "Subscribed".')
        self.write(one, body)
        return one

    def write(self, one, body):
        known_or_odd(body, WRITABLE, "the member")
        fields = body.get("merge_fields", {})
        if not isinstance(fields, dict): raise Violation("merge_fields is no object")
        for tag, value in fields.items():
            if tag == "ADDRESS" and value != "" and not all(value.get(part) for part in ("addr1", "city", "state", "zip")):
                raise problem(400, "Invalid Resource", "Your merge fields were invalid.",
                              errors=[{"field": "ADDRESS", "message": "Please enter a complete address"}])
            if isinstance(value, str) and len(value.encode()) > 255:
                raise problem(400, "Invalid Resource", "Your merge fields were invalid.",
                              errors=[{"field": tag, "message": "Please enter a value of at most 255"}])
            if value is None: raise Violation(f"{tag} is null")
        if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", body.get("email_address", "a@b.c")):
            raise problem(400, "Invalid Resource", "Please provide a valid email address.")
        one.update({name: value for name, value in body.items() if name != "merge_fields"})
        # A tag that the audience has not got is ignored.
        one["merge_fields"].update({tag: value for tag, value in fields.items() if tag in EMPTY})
        self.touch("members", one)

    def touch(self, name, one):
        one["last_changed"] = self.moment("%Y-%m-%dT%H:%M:%S+00:00", self.tick())
        one["id"] = hashlib.md5(one["email_address"].lower().encode()).hexdigest()

    def remove(self, name, key):
        self.records["members"][key]["status"] = "archived"
        self.touch(name, self.records["members"][key])


server = Mailchimp
