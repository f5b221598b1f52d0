"""Zoho CRM's API v8 (zoho.com/crm/developer/docs/api/v8): contacts, accounts, deals."""
import re
from vendor import Refused, Vendor, Violation, known_or_odd

SYSTEM = {"id", "Created_Time", "Modified_Time"}
OBJECTS = {
    "Contacts": {"First_Name": 40, "Last_Name": 80, "Email": 100, "Phone": 30, "Mobile": 30, "Fax": 30, "Title": 100,
                 "Department": 50, "Mailing_Street": 250, "Mailing_City": 100, "Mailing_State": 100, "Mailing_Zip": 30,
                 "Mailing_Country": 100, "Account_Name": None, "Description": 32000},
    "Accounts": {"Account_Name": 200, "Website": 200, "Phone": 30, "Fax": 30, "Employees": 0, "Annual_Revenue": 0,
                 "Billing_Street": 250, "Billing_City": 100, "Billing_State": 100, "Billing_Code": 30, "Billing_Country": 100,
                 "Description": 32000},
    "Deals": {"Deal_Name": 120, "Stage": 120, "Closing_Date": 0, "Amount": 0, "Account_Name": None, "Contact_Name": None},
}
REQUIRED = {"Contacts": ["Last_Name"], "Accounts": ["Account_Name"], "Deals": ["Deal_Name", "Stage"]}
LOOKUPS = {("Contacts", "Account_Name"): "Accounts", ("Deals", "Account_Name"): "Accounts", ("Deals", "Contact_Name"): "Contacts"}
NUMBERS = {"Employees", "Annual_Revenue", "Amount"}
STAMP = "%Y-%m-%dT%H:%M:%S+00:00"
MOMENT = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
SCOPES = "ZohoCRM.modules.ALL,ZohoCRM.coql.READ,ZohoCRM.settings.fields.READ,ZohoCRM.org.READ"


def problem(code, message, **details):
    return {"code": code, "details": details, "message": message, "status": "error"}


def no(status, code, message, **details): return Refused(status, problem(code, message, **details))


class Row(Exception):
    """One record of several that is refused."""

    def __init__(self, code, message, **details): self.body = problem(code, message, **details)


class Zoho(Vendor):
    objects = tuple(OBJECTS)
    scheme = "Zoho-oauthtoken"
    calls_per_token = 200

    def __init__(self, url):
        super().__init__(url)
        self.deleted, self.last_id = {name: [] for name in OBJECTS}, 5725767000000000001

    @property
    def token_members(self): return {"api_domain": self.url, "expires_in": 3600}

    def wrong(self, text): return no(400, "INVALID_QUERY", text)
    def denied(self): return no(401, "INVALID_TOKEN", "invalid oauth token")

    def answer(self, ask):
        if ask.path == "/oauth/v2/auth":
            if (ask.query["access_type"], ask.query["prompt"], ask.query["scope"]) != ("offline", "consent", SCOPES):
                raise Violation("consent")
            ask.path = "/authorize"
        if ask.path in ("/authorize", "/oauth/v2/token"):
            try: return self.oauth(ask, "tandem", "secret")
            except Refused as refused:
                # What goes wrong with a token is told with status 200.
                if refused.status == 302: raise
                return 200, refused.body
        self.admit(ask)
        if ask.parts[:2] != ["crm", "v8"]: raise no(404, "INVALID_URL_PATTERN", "Please check if the URL is correct")
        name, rest = ask.parts[2], ask.parts[3:]
        if name == "org": return {"org": [{"id": "5725767000000020001", "zgid": "755", "company_name": "Us"}]}
        if name == "coql": return self.coql(ask)
        if name == "settings" and rest == ["fields"]: return {"fields": self.described(ask.only(needed=["module"])["module"])}
        if name not in OBJECTS: raise no(400, "INVALID_MODULE", "the module name given seems to be invalid")
        if rest == ["deleted"]: return self.gone(ask, name)
        if ask.method == "GET": return self.read(ask, name, rest)
        if ask.method == "POST" and rest == []: return self.rows(ask, lambda row: self.make(name, row))
        if ask.method == "PUT" and rest:
            if len(ask.json["data"]) != 1: raise Violation("more than one record")
            one = self.records[name].get(rest[0])
            if not one: raise no(400, "INVALID_DATA", "the id given seems to be invalid", resource_path_index=0)
            since = ask.headers.get("If-Unmodified-Since")
            if since:
                if not re.fullmatch(MOMENT, since): raise Violation(f"If-Unmodified-Since {since}")
                if one["Modified_Time"] > since:
                    late = problem("ALREADY_MODIFIED", "record updated time has already passed if-unmodified-since time", id=rest[0])
                    raise Refused(412, {"data": [late]})
            return self.rows(ask, lambda row: self.change(name, one, row))
        if ask.method != "DELETE": raise Violation(ask.method)
        if ask.headers.get("If-Unmodified-Since"): raise Violation("a condition on DELETE")
        ids = rest or ask.only(needed=["ids"])["ids"].split(",")
        if len(ids) > 100: raise Violation("more than 100 ids")
        done = []
        for key in ids:
            if key not in self.records[name]:
                done.append(problem("INVALID_DATA", "record not deleted", id=key))
                continue
            self.remove(name, key)
            done.append({"code": "SUCCESS", "details": {"id": key}, "message": "record deleted", "status": "success"})
        wrong = sum(row["status"] == "error" for row in done)
        if wrong and rest: raise no(400, "INVALID_DATA", "invalid record id", resource_path_index=0)
        return (200 if not wrong else 400 if wrong == len(done) else 207), {"data": done}

    def rows(self, ask, work):
        body, done = ask.json, []
        known_or_odd(body, ("data", "trigger"), "the body")
        if len(body["data"]) > 100: raise Violation("more than 100 records")
        for row in body["data"]:
            try: one = work(row)
            except Row as refused: done.append(refused.body)
            else:
                details = {key: one[key] for key in sorted(SYSTEM)}
                done.append({"code": "SUCCESS", "details": details, "message": "record saved", "status": "success"})
        wrong = sum(row["status"] == "error" for row in done)
        fine = 201 if ask.method == "POST" else 200
        return (fine if not wrong else 400 if wrong == len(done) else 207), {"data": done}

    def shown(self, name, one, fields):
        known_or_odd(fields, {*OBJECTS[name], *SYSTEM}, "the field")
        return {"id": one["id"], **{field: one.get(field) for field in fields}}

    def read(self, ask, name, rest):
        if rest:
            one = self.records[name].get(rest[0])
            if not one: return 204, None
            return {"data": [self.shown(name, one, ask.only(needed=["fields"])["fields"].split(","))]}
        asked = ask.only(needed=["ids", "fields"])
        fields, ids = asked["fields"].split(","), asked["ids"].split(",")
        if len(fields) > 50 or len(ids) > 100: raise Violation("too many fields or ids")
        found = [self.shown(name, self.records[name][key], fields) for key in ids if key in self.records[name]]
        return {"data": found, "info": {"more_records": False}} if found else (204, None)

    def coql(self, ask):
        text = ask.json["select_query"]
        parts = re.fullmatch(r"select (.+?) from (\w+) where (.+?)( order by id( asc)?)? limit (\d+)", text)
        if not parts or parts.group(2) not in OBJECTS: raise Violation(text)
        name, limit = parts.group(2), int(parts.group(6))
        if limit > 2000: raise no(400, "LIMIT_EXCEEDED", "limit")
        fields = re.split(r", ?", parts.group(1))
        if len(set(fields)) < len(fields): raise no(400, "DUPLICATE_DATA", "duplicate column", column_name="?")
        terms = re.findall(r"(\w+) (>=|>|=) ('(?:[^']|'')*')(?: and |$)", parts.group(3))
        if len(terms) > 2 or " and ".join(" ".join(term) for term in terms) != parts.group(3): raise Violation(parts.group(3))
        found = sorted((one for one in self.records[name].values() if all(self.holds(name, one, *term) for term in terms)),
                       key=lambda one: int(one["id"]))[:limit]
        if not found: return 204, None
        return {"data": [self.shown(name, one, fields) for one in found], "info": {"count": len(found), "more_records": False}}

    def holds(self, name, one, field, operator, value):
        text = value[1:-1].replace("''", "'")
        if field == "id": return int(one["id"]) > int(text) if operator == ">" else one["id"] == text
        if field in ("Modified_Time", "Created_Time"):
            if not re.fullmatch(MOMENT, text): raise Violation(f"{field} {text}")
            return one[field] >= text if operator == ">=" else one[field] > text
        if field not in OBJECTS[name] or operator != "=": raise no(400, "INVALID_QUERY", "invalid operator found", column_name=field)
        return (one[field] or "").lower() == text.lower()

    def gone(self, ask, name):
        asked = ask.only("type", "page", "per_page")
        since = ask.headers.get("If-Modified-Since", "")
        if since and not re.fullmatch(MOMENT, since): raise Violation(f"If-Modified-Since {since}")
        found = [row for row in self.deleted[name] if row["deleted_time"] > since]
        size = int(asked["per_page"])
        if size > 200: raise Violation("per_page")
        page = found[(int(asked["page"]) - 1) * size:][:size]
        return {"data": page, "info": {"more_records": False}} if page else ((304 if since else 204), None)

    def make(self, name, row):
        one = {field: None for field in OBJECTS[name]}
        one.update(id=str(self.new_id()), Created_Time=self.moment(STAMP, self.tick()))
        self.change(name, one, row)
        self.records[name][one["id"]] = one
        return one

    def change(self, name, one, row):
        new = dict(one)
        for field, value in row.items():
            # What it does not know Zoho ignores; nobody should count on that.
            if field not in OBJECTS[name]: raise Violation(f"the field {field}")
            if value == "": raise Violation(f"{field} is written blank instead of null")
            module = LOOKUPS.get((name, field))
            if module and value is not None:
                if set(value) != {"id"} or not isinstance(value["id"], str): raise Violation(f"{field} = {value!r}")
                if value["id"] not in self.records[module]:
                    raise Row("INVALID_DATA", "the id given seems to be invalid", api_name=field)
                first = REQUIRED[module][0]
                value = {"name": self.records[module][value["id"]][first], "id": value["id"]}
            elif value is not None and not isinstance(value, (int, float) if field in NUMBERS else str):
                raise Violation(f"{field} = {value!r}")
            if OBJECTS[name][field] and len(value or "") > OBJECTS[name][field]:
                raise Row("INVALID_DATA", "invalid data", api_name=field, maximum_length=OBJECTS[name][field])
            if field == "Email" and value and not re.fullmatch(r"[^@\s]+@[^@\s]+\.\w+", value):
                raise Row("INVALID_DATA", "invalid data", api_name=field, expected_data_type="email")
            new[field] = value
        for field in REQUIRED[name]:
            if not new[field]: raise Row("MANDATORY_NOT_FOUND", "required field not found", api_name=field)
        one.update(new)
        self.touch(name, one)
        return one

    def touch(self, name, one): one["Modified_Time"] = self.moment(STAMP, self.tick())

    def remove(self, name, key):
        del self.records[name][key]
        self.deleted[name].append({"id": key, "type": "recycle", "display_name": "x", "deleted_by": None, "created_by": None,
                                   "deleted_time": self.moment(STAMP, self.tick())})

    def described(self, name):
        kinds = {"Email": "email", "Phone": "phone", "Website": "website", "Closing_Date": "date", "Stage": "picklist",
                 **{field: "integer" for field in NUMBERS}}
        return [{"api_name": field, "data_type": "lookup" if (name, field) in LOOKUPS else kinds.get(field, "text"),
                 "length": length or 0, "system_mandatory": field in REQUIRED[name],
                 "operation_type": {"api_create": True, "api_update": True}, "pick_list_values": []}
                for field, length in OBJECTS[name].items()]


server = Zoho
