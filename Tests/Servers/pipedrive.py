"""Pipedrive's API v2 (developers.pipedrive.com/docs/api/v1): persons, organizations, deals."""
import base64, json, re
from vendor import Refused, Vendor, Violation, known_or_odd

TOKEN = "0123456789abcdef"
PERSON = {"name", "owner_id", "org_id", "emails", "phones", "visible_to", "label_ids", "custom_fields"}
ORGANIZATION = {"name", "owner_id", "visible_to", "label_ids", "address", "custom_fields"}
DEAL = {"title", "owner_id", "person_id", "org_id", "pipeline_id", "stage_id", "value", "currency", "status",
        "expected_close_date", "probability", "lost_reason", "visible_to", "label_ids", "custom_fields"}
OBJECTS = {"persons": (PERSON, "name"), "organizations": (ORGANIZATION, "name"), "deals": (DEAL, "title")}
INTEGERS = {"owner_id", "org_id", "person_id", "pipeline_id", "stage_id", "visible_to"}
SEARCHED = {"persons": {"custom_fields", "email", "notes", "phone", "name"},
            "organizations": {"address", "custom_fields", "notes", "name"}, "deals": {"custom_fields", "notes", "title"}}
MOMENT = "%Y-%m-%dT%H:%M:%SZ"


def no(status, error):
    return Refused(status, {"success": False, "error": error, "error_info": "Please check developers.pipedrive.com",
                            "data": None, "additional_data": None})


class Pipedrive(Vendor):
    objects = tuple(OBJECTS)

    def wrong(self, text): return no(400, f"Validation failed: {text}")

    def answer(self, ask):
        if ask.headers.get("x-api-token") != TOKEN: raise no(401, "unauthorized access")
        if ask.parts == ["api", "v1", "users", "me"]:
            return {"success": True, "data": {"id": 1, "company_id": 77, "name": "Ann"}}
        if ask.parts[:2] != ["api", "v2"] or ask.parts[2] not in OBJECTS: raise no(404, "no such path")
        name, rest = ask.parts[2], ask.parts[3:]
        if rest == ["search"]: return self.searched(ask, name)
        if rest == [] and ask.method == "GET": return self.listed(ask, name, lambda one: not one.get("archive_time"))
        if rest == ["archived"] and name == "deals":
            return self.listed(ask, name, lambda one: one.get("archive_time") is not None)
        if rest == [] and ask.method == "POST":
            one = {"id": self.new_id(), "is_deleted": False, "custom_fields": {},
                   "add_time": self.moment(MOMENT, self.tick())}
            if name == "deals": one.update(status="open", is_archived=False, currency="EUR", value=0)
            self.write(name, one, ask.json, new=True)
            self.records[name][str(one["id"])] = one
            return {"success": True, "data": one}
        one = self.records[name].get(rest[0])
        if not one or one["is_deleted"]: raise no(404, f"{name[:-1].capitalize()} not found")
        if ask.method == "PATCH":
            if one.get("archive_time"): raise no(400, "archived deals cannot be edited")
            self.write(name, one, ask.json, new=False)
        elif ask.method == "DELETE":
            self.remove(name, rest[0])
            return {"success": True, "data": {"id": one["id"]}}
        elif ask.method != "GET": raise Violation(ask.method)
        return {"success": True, "data": one}

    def listed(self, ask, name, kept):
        more = ["status"] if name == "deals" else []
        asked = ask.only("cursor", "limit", "updated_since", "sort_by", "sort_direction", "ids", *more)
        if not 1 <= int(asked.get("limit", 100)) <= 500: raise Violation("limit")
        since = asked.get("updated_since", "")
        if since and not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", since): raise Violation(since)
        if asked.get("sort_by", "id") not in ("id", "update_time", "add_time"): raise Violation("sort_by")
        status = asked.get("status", "").split(",") if "status" in asked else None
        found = [one for one in self.records[name].values()
                 if (one["status"] in status if status else not one["is_deleted"]) and kept(one)
                 and one["update_time"] >= since]
        if "ids" in asked:
            ids = asked["ids"].split(",")
            if len(ids) > 100: raise Violation("more than 100 ids")
            found = [one for one in found if str(one["id"]) in ids]
        found.sort(key=lambda one: (one[asked.get("sort_by", "id")], one["id"]))
        start = json.loads(base64.b64decode(asked["cursor"])) if "cursor" in asked else 0
        found = [one for one in found if one["id"] > start]
        page = found[:int(asked.get("limit", 100))]
        after = base64.b64encode(json.dumps(page[-1]["id"]).encode()).decode() if len(page) < len(found) else None
        return {"success": True, "data": page, "additional_data": {"next_cursor": after}}

    def searched(self, ask, name):
        asked = ask.only("fields", "exact_match", "limit", "cursor", needed=["term"])
        exact = asked.get("exact_match") == "true"
        if len(asked["term"]) < (1 if exact else 2): raise Violation("term")
        known_or_odd(asked["fields"].split(","), SEARCHED[name], "the search field")
        term, items = asked["term"].lower(), []
        for one in self.records[name].values():
            emails, phones = ([entry["value"] for entry in one.get(kind, [])] for kind in ("emails", "phones"))
            texts = [text.lower() for text in [one.get("name") or one.get("title"), *emails, *phones]]
            if not one["is_deleted"] and (term in texts if exact else any(term in text for text in texts)):
                items.append({"result_score": 0.5, "item": {"id": one["id"], "type": name[:-1], "emails": emails,
                                                            "phones": phones, "name": texts[0]}})
        return {"success": True, "data": {"items": items}, "additional_data": {"next_cursor": None}}

    def write(self, name, one, body, new):
        known, required = OBJECTS[name]
        known_or_odd(body, known, f"the field of {name}")
        if (new or required in body) and not body.get(required): raise no(400, f"Validation failed: {required} is required")
        for field in INTEGERS & set(body):
            if body[field] is not None and type(body[field]) is not int: raise Violation(f"{field} {body[field]!r}")
        if "value" in body and body["value"] is not None and not isinstance(body["value"], (int, float)):
            raise Violation(f"value {body['value']!r}")
        for kind in ("emails", "phones"):
            for entry in body.get(kind) or []:
                known_or_odd(entry, ("value", "primary", "label"), kind)
                if not entry.get("value"): raise Violation(f"an entry of {kind} without value")
                entry.setdefault("label", "work")
        if "address" in body and body["address"] is not None and "value" not in body["address"]:
            raise Violation("an address without value")
        if len(body.get(required) or "") > 255: raise no(400, f"Validation failed: {required} is too long")
        one.update({"org_id": None} if name == "persons" and new else {})
        if new and name == "persons": one.update(emails=[], phones=[])
        one.update({**body, "custom_fields": {**one["custom_fields"], **body.get("custom_fields", {})}})
        self.touch(name, one)

    def touch(self, name, one):
        one["update_time"] = self.moment(MOMENT, self.tick())
        if name == "persons":
            words = (one.get("name") or "").split(" ")
            one["first_name"], one["last_name"] = " ".join(words[:-1]) or words[0], words[-1]

    def remove(self, name, key):
        self.records[name][key]["is_deleted"] = True
        if name == "deals": self.records[name][key]["status"] = "deleted"
        self.records[name][key]["update_time"] = self.moment(MOMENT, self.tick())


server = Pipedrive
