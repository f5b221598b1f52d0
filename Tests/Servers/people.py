"""Google's People API v1, contacts (developers.google.com/people/api/rest/v1/people)."""
import json
from vendor import Refused, Versioned, Violation, known_or_odd

FIELDS = {"names", "emailAddresses", "phoneNumbers", "organizations", "addresses", "urls", "biographies", "birthdays", "nicknames"}
PARTS = {"names": ("givenName", "familyName"), "emailAddresses": ("value", "type"), "phoneNumbers": ("value", "type"),
         "organizations": ("name", "title", "department", "type"), "urls": ("value", "type"),
         "addresses": ("streetAddress", "city", "region", "postalCode", "country", "type"),
         "biographies": ("value", "contentType"), "nicknames": ("value",), "birthdays": ("date",)}
# Saved beside the parts, and not made from them any more.
FREE = {"names": "unstructuredName", "addresses": "formattedValue"}
CALCULATED = {"metadata", "displayName", "canonicalForm", "formattedType", "countryCode"}
STALE = "Request person.etag is different than the current person.etag. Clear local cache and get the latest person."


def no(code, status, message, reason=None):
    error = {"code": code, "message": message, "status": status}
    if reason: error["details"] = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason}]
    return Refused(code, {"error": error})


class People(Versioned):
    objects = ("people",)

    def wrong(self, text): return no(400, "INVALID_ARGUMENT", text)
    def denied(self): return no(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")

    def answer(self, ask):
        if ask.path == "/o/oauth2/v2/auth" or ask.path == "/token":
            if ask.method == "GET" and (ask.query["access_type"], ask.query["prompt"], ask.query["scope"]) != (
                    "offline", "consent", "https://www.googleapis.com/auth/contacts"): raise Violation("consent")
            if ask.method == "GET":
                ask.path = "/authorize"
            return self.oauth(ask, "tandem", "secret")
        self.admit(ask)
        if ask.parts == ["v1", "people", "me"]:
            ask.only("personFields")
            return {"resourceName": "people/77", "etag": "%E", "metadata": {"sources": [{"type": "PROFILE", "id": "77"}]}}
        name = "/".join(ask.parts[1:])
        if name == "people/me/connections": return self.listed(ask)
        if name == "people:batchGet": return self.several(ask)
        if name == "people:createContact":
            mask = self.mask(ask.only("sources", needed=["personFields"])["personFields"])
            one = {"resourceName": f"people/c{self.new_id()}"}
            self.write(one, ask.json, FIELDS)
            self.records["people"][one["resourceName"]] = one
            return self.shown(one, mask)
        name, _, verb = name.partition(":")
        one = self.records["people"].get(name)
        if not one: raise no(404, "NOT_FOUND", "Requested entity was not found.")
        if verb == "" and ask.method == "GET":
            return self.shown(one, self.mask(ask.only("sources", needed=["personFields"])["personFields"]))
        if verb == "deleteContact" and ask.method == "DELETE":
            self.remove("people", name)
            return {}
        if verb != "updateContact" or ask.method != "PATCH": raise Violation(f"{ask.method} {verb}")
        asked = ask.only("personFields", "sources", needed=["updatePersonFields"])
        body = ask.json
        if "etag" not in body: raise no(400, "INVALID_ARGUMENT", "Request must set person.etag or person.metadata.sources.etag")
        if body.pop("etag") != one["etag"]: raise no(400, "FAILED_PRECONDITION", STALE)
        masked = set(asked["updatePersonFields"].split(","))
        known_or_odd(masked, FIELDS, "updatePersonFields")
        if masked != set(body): raise Violation(f"{sorted(body)} with the mask {sorted(masked)}")
        self.write(one, body, masked)
        return self.shown(one, self.mask(asked["personFields"]))

    def mask(self, text):
        names = set(text.split(","))
        known_or_odd(names, FIELDS | {"metadata"}, "personFields")
        return names

    def shown(self, one, mask):
        return {name: value for name, value in one.items() if value != [] and (name in mask or name in ("resourceName", "etag"))}

    def listed(self, ask):
        asked = ask.only("pageSize", "pageToken", "requestSyncToken", "syncToken", "sortOrder", "sources", needed=["personFields"])
        mask = self.mask(asked["personFields"])
        if asked.get("sources") != "READ_SOURCE_TYPE_CONTACT": raise Violation("sources")
        if not 1 <= int(asked["pageSize"]) <= 1000: raise Violation("pageSize")
        if asked.get("sortOrder"):
            if asked.get("requestSyncToken"): raise Violation("sortOrder with requestSyncToken")
            if asked["sortOrder"] != "LAST_MODIFIED_DESCENDING": raise Violation("sortOrder")
            found = sorted(self.records["people"].values(), key=lambda one: -one["metadata"]["version"])
            return {"connections": [self.shown(one, mask) for one in found[:int(asked["pageSize"])]]} if found else {}
        same = [asked["personFields"], asked["pageSize"], asked["requestSyncToken"]]
        since, start, after = 0, self.version, 0
        if "syncToken" in asked:
            since, held = json.loads(asked["syncToken"])
            if held != same: raise no(400, "INVALID_ARGUMENT", "Parameters differ from those of the first call")
            if since < self.oldest:
                raise no(400, "FAILED_PRECONDITION",
                         "Sync token is expired. Clear local cache and retry call without the sync token.", "EXPIRED_SYNC_TOKEN")
        if "pageToken" in asked: start, after = json.loads(asked["pageToken"])
        rows = [(one["metadata"]["version"], self.shown(one, mask)) for one in self.records["people"].values()]
        if since: rows += [(version, {"resourceName": key, "etag": "%E", "metadata": {"deleted": True}}) for key, version in self.gone.items()]
        rows = sorted((row for row in rows if row[0] > since), key=lambda row: row[0])
        page = rows[after:after + 10]
        answer = {"connections": [row for _, row in page]} if page else {}
        if after + 10 < len(rows): answer["nextPageToken"] = json.dumps([start, after + 10])
        else: answer["nextSyncToken"] = json.dumps([start, same])
        return answer

    def several(self, ask):
        mask = self.mask(ask.only("sources", needed=["personFields", "resourceNames"])["personFields"])
        names = ask.lists["resourceNames"]
        if len(names) > 200: raise Violation("more than 200 names")
        known = self.records["people"]
        return {"responses": [{"requestedResourceName": name, **({"person": self.shown(known[name], mask), "status": {}}
                               if name in known else {"status": {"code": 5}})} for name in names]}

    def write(self, one, body, masked):
        known_or_odd(body, masked, "the field")
        for name in masked & set(body):
            entries = body[name]
            if name in ("names", "biographies", "birthdays") and len(entries) > 1:
                raise no(400, "INVALID_ARGUMENT", f"{name} is a singleton")
            kept = []
            for entry in entries:
                known_or_odd(entry, {*PARTS[name], *CALCULATED, FREE.get(name)}, name)
                if FREE.get(name) in entry and entry.get("metadata", {}).get("primary", name == "names"):
                    raise Violation(f"{FREE[name]} is sent beside its parts")
                kept.append({part: text for part, text in entry.items() if part in PARTS[name] and text not in (None, "")})
            kept = [entry for entry in kept if set(entry) - {"type"}]
            for index, entry in enumerate(kept):
                entry["metadata"] = {"source": {"type": "CONTACT", "id": "1"}, **({"primary": True} if index == 0 else {})}
                if name in FREE:
                    entry[FREE[name]] = " ".join(str(entry[part]) for part in PARTS[name] if part in entry)
                if name == "names":
                    entry["displayName"] = " ".join(entry[part] for part in PARTS[name] if part in entry)
            one[name] = kept
        self.touch("people", one)

    def touch(self, name, one):
        self.version += 1
        one["etag"] = f"%EgUBAgM{self.version}"
        one["metadata"] = {"version": self.version, "sources": [{"type": "CONTACT", "id": "1", "etag": f"#{self.version}=",
                           "updateTime": self.moment("%Y-%m-%dT%H:%M:%S.000000Z", self.tick())}], "objectType": "PERSON"}


server = People
