"""Microsoft Graph v1.0, contacts of a mailbox (learn.microsoft.com/graph/api/resources/contact)."""
import re
from vendor import Refused, Versioned, Violation, known_or_odd

TEXTS = {"displayName", "givenName", "surname", "companyName", "jobTitle", "mobilePhone", "department",
         "businessHomePage", "personalNotes", "birthday", "title", "officeLocation"}
LISTS = {"businessPhones": 2, "homePhones": 2, "emailAddresses": 3, "categories": 99}
ADDRESSES = {"businessAddress", "homeAddress", "otherAddress"}
PARTS = ("street", "city", "state", "countryOrRegion", "postalCode")
WRITABLE = TEXTS | set(LISTS) | ADDRESSES
READABLE = WRITABLE | {"id", "changeKey", "createdDateTime", "lastModifiedDateTime"}
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def no(status, code, message="", **headers):
    return Refused(status, {"error": {"code": code, "message": message, "innerError": {"request-id": "0"}}}, **headers)


class Graph(Versioned):
    objects = ("contacts",)
    concurrency = 4

    def wrong(self, text): return no(400, "ErrorInvalidRequest", text)
    def denied(self): return no(401, "InvalidAuthenticationToken", "Access token has expired or is not yet valid.")

    def answer(self, ask):
        if ask.parts[1:3] == ["oauth2", "v2.0"]:
            if ask.parts[0] != "common": raise Violation("tenant")
            asked = ask.query if ask.path.endswith("/authorize") else ask.form
            if "authoriz" in ask.path and set(asked["scope"].split()) != {"Contacts.ReadWrite", "offline_access", "User.Read"}:
                raise Violation(f"scope {asked['scope']}")
            return self.oauth(ask, "tandem", "")
        self.admit(ask)
        if "ImmutableId" in ask.headers.get("Prefer", ""): raise Violation("ids that stay when a contact is deleted")
        if ask.parts == ["v1.0", "me"]: return {"id": "8f6"}
        if ask.parts[:3] != ["v1.0", "me", "contacts"]: raise no(404, "ResourceNotFound")
        rest = ask.parts[3:]
        if rest == ["delta"]: return self.delta(ask)
        if rest == [] and ask.method == "GET": return self.filtered(ask)
        if rest == [] and ask.method == "POST":
            one = {"id": f"AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A={self.new_id()}", "createdDateTime": self.moment(MOMENT, self.tick())}
            one.update({name: None for name in TEXTS}, **{name: [] for name in LISTS}, **{name: {} for name in ADDRESSES})
            self.write(one, ask.json)
            self.records["contacts"][one["id"]] = one
            return 201, self.shown(one, None)
        one = self.records["contacts"].get(rest[0])
        if not one: raise no(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        if ask.method == "GET": return self.shown(one, ask.only("$select").get("$select"))
        if ask.method == "PATCH":
            self.write(one, ask.json)
            return self.shown(one, None)
        if ask.method != "DELETE": raise Violation(ask.method)
        self.remove("contacts", rest[0])
        return 204, None

    def shown(self, one, select):
        names = set(select.split(",")) | {"id"} if select else set(one)
        known_or_odd(names, READABLE | {"version"}, "$select:")
        # Parts of an address that are not set are not there.
        return {"@odata.etag": f'W/"{one["changeKey"]}"', **{name: one[name] for name in sorted(names) if name != "version"}}

    def delta(self, ask):
        asked = ask.only("$select", "$skiptoken", "$deltatoken")
        if "$select" in asked: select, start, since, part = asked["$select"], self.version, 0, 0
        else:
            select, start, since, part = re.fullmatch(r"(.*)!(\d+)!(\d+)!(\d+)", asked.get("$skiptoken") or asked["$deltatoken"]).groups()
            start, since, part = int(start), int(since), int(part)
            if "$deltatoken" in asked: start, since = self.version, start
            if min(start, since or start) < self.oldest: raise no(410, "SyncStateNotFound", "The sync state generation is not found")
        rows = [(one["version"], self.shown(one, select)) for one in self.records["contacts"].values()]
        rows += [(version, {"id": key, "@removed": {"reason": "deleted"}}) for key, version in self.gone.items()]
        rows = [row for version, row in sorted(rows, key=lambda row: row[0]) if since < version]
        page = rows[part:part + 10]
        # A changed row has at least what changed, and may have no more.
        if since: page = [{name: value for name, value in row.items() if value not in (None, [], {})} for row in page]
        more = part + 10 < len(rows)
        place = f"$skiptoken={select}!{start}!{since}!{part + 10}" if more else f"$deltatoken={select}!{start}!0!0"
        return {"value": page, "@odata.nextLink" if more else "@odata.deltaLink": f"{self.url}/v1.0/me/contacts/delta?{place}"}

    def filtered(self, ask):
        asked = ask.only("$select", "$top", "$orderby", needed=["$filter"])
        if int(asked.get("$top", 10)) > 1000: raise Violation("$top")
        since = re.fullmatch(r"lastModifiedDateTime ge (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", asked["$filter"])
        if not since: raise Violation(asked["$filter"])
        found = [one for one in self.records["contacts"].values() if one["lastModifiedDateTime"] >= since.group(1)]
        if asked.get("$orderby") != "lastModifiedDateTime desc": raise Violation("$orderby")
        found.sort(key=lambda one: one["lastModifiedDateTime"], reverse=True)
        return {"value": [self.shown(one, asked.get("$select")) for one in found[:int(asked.get("$top", 10))]]}

    def write(self, one, body):
        known_or_odd(body, WRITABLE, "the property")
        for name, value in body.items():
            if name in LISTS:
                if len(value) > LISTS[name]: raise no(400, "ErrorInvalidProperty", f"{name} has too many entries")
                if name == "emailAddresses":
                    for entry in value: known_or_odd(entry, ("name", "address"), name)
                elif not all(isinstance(entry, str) for entry in value): raise Violation(f"{name} {value}")
            elif name in ADDRESSES:
                known_or_odd(value, PARTS, name)
                body[name] = {part: text for part, text in value.items() if text is not None}
            elif value is not None and not isinstance(value, str): raise Violation(f"{name} {value!r}")
        one.update(body)
        self.touch("contacts", one)

    def touch(self, name, one):
        self.version += 1
        one.update(version=self.version, changeKey=f"CQAAABYAA{self.version}", lastModifiedDateTime=self.moment(MOMENT, self.tick()))


server = Graph
