"""Salesforce's REST API, version 67.0 (developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest)."""
import calendar, email.utils, re, time
from vendor import Refused, Vendor, Violation, known_or_odd

SYSTEM = {"Id", "SystemModstamp", "CreatedDate", "IsDeleted"}
OBJECTS = {
    "Contact": {"FirstName": 40, "LastName": 80, "Email": 80, "Phone": 40, "MobilePhone": 40, "Fax": 40, "Title": 128,
                "MailingStreet": 255, "MailingCity": 40, "MailingState": 80, "MailingPostalCode": 20,
                "MailingCountry": 80, "AccountId": 18, "Department": 80},
    "Account": {"Name": 255, "Website": 255, "Phone": 40, "Fax": 40, "BillingStreet": 255, "BillingCity": 40, "BillingState": 80,
                "BillingPostalCode": 20, "BillingCountry": 80, "NumberOfEmployees": 0, "AnnualRevenue": 0, "Description": 32000},
    "Opportunity": {"Name": 120, "StageName": 255, "CloseDate": 0, "Amount": 0, "AccountId": 18, "Description": 32000},
}
REQUIRED = {"Contact": ["LastName"], "Account": ["Name"], "Opportunity": ["Name", "StageName", "CloseDate"]}
TYPES = {"Email": "email", "Website": "url", "NumberOfEmployees": "int", "AnnualRevenue": "currency", "Amount": "currency",
         "CloseDate": "date", "StageName": "picklist", "AccountId": "reference", "MailingStreet": "textarea"}
PREFIX = {"Contact": "003", "Account": "001", "Opportunity": "006"}
STAMP = "%Y-%m-%dT%H:%M:%S.000+0000"


def no(status, code, message, **more):
    return Refused(status, [{"message": message, "errorCode": code, **more}])


class Salesforce(Vendor):
    objects = tuple(OBJECTS)
    folded = "/services/data/v67.0"

    @property
    def token_members(self):
        return {"instance_url": self.url, "id": "https://login.salesforce.com/id/00D000000000062EAA/005000000000001"}

    def wrong(self, text): return no(400, "MALFORMED_QUERY", text)
    def denied(self): return no(401, "INVALID_SESSION_ID", "Session expired or invalid")

    def claims(self, claims):
        if (claims["iss"], claims["sub"], claims["aud"]) != ("tandem", "ann@example.com", self.url):
            raise Refused(400, {"error": "invalid_grant", "error_description": "user hasn't approved this consumer"})
        if not time.time() < claims["exp"] < time.time() + 400: raise Violation("exp")

    def answer(self, ask):
        if ask.path.startswith("/services/oauth2/"): return self.oauth(ask, "tandem", "")
        self.admit(ask)
        if not ask.path.startswith(self.folded + "/"): raise no(404, "NOT_FOUND", "The requested resource does not exist")
        rest = ask.parts[3:]
        if rest[0] in ("query", "queryAll"): return self.query(ask, rest[0] == "queryAll")
        if rest[:2] == ["composite", "sobjects"]: return self.collection(ask, rest[2:])
        if rest[0] != "sobjects" or rest[1] not in OBJECTS: raise no(404, "NOT_FOUND", "The requested resource does not exist")
        name, rest = rest[1], rest[2:]
        if rest == ["describe"]: return {"name": name, "fields": self.described(name)}
        if rest == [] and ask.method == "POST":
            one = self.make(name, ask.json)
            return 201, {"id": one["Id"], "success": True, "errors": []}
        one = self.found(name, rest[0])
        if ask.method == "GET": return self.shown(name, one, ask.only(needed=["fields"])["fields"].split(","))
        condition = ask.headers.get("If-Unmodified-Since")
        if ask.method == "DELETE":
            if condition: raise Violation("a condition on DELETE")
            self.remove(name, rest[0])
            return 204, None
        if ask.method != "PATCH": raise Violation(ask.method)
        if condition:
            since = email.utils.parsedate_to_datetime(condition).timestamp()
            if calendar.timegm(time.strptime(one["SystemModstamp"], STAMP)) > since: raise no(412, "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "The record was modified")
        self.change(name, one, ask.json)
        return 204, None

    def found(self, name, key):
        one = self.records[name].get(key)
        if not one: raise no(404, "NOT_FOUND", "The requested resource does not exist")
        if one["IsDeleted"]: raise no(404, "ENTITY_IS_DELETED", "entity is deleted", fields=[])
        return one

    def shown(self, name, one, fields):
        for field in fields:
            if field not in OBJECTS[name] and field not in SYSTEM:
                raise no(400, "INVALID_FIELD", f"No such column '{field}' on entity '{name}'.")
        return {"attributes": {"type": name, "url": f"{self.folded}/sobjects/{name}/{one['Id']}"},
                **{field: one.get(field) for field in fields}}

    def query(self, ask, everything):
        text = ask.only(needed=["q"])["q"]
        if text == "SELECT Id FROM Organization":
            return {"totalSize": 1, "done": True, "records": [{"attributes": {"type": "Organization"}, "Id": "00D000000000062EAA"}]}
        parts = re.fullmatch(r"SELECT (.+) FROM (\w+) WHERE (.+?)( ORDER BY Id)?( LIMIT (\d+))?", text)
        if not parts or parts.group(2) not in OBJECTS: raise Violation(text)
        name = parts.group(2)
        fields = re.split(r", ?", parts.group(1))
        if len(set(fields)) < len(fields): raise no(400, "INVALID_FIELD", "duplicate field selected")
        # Conditions stand outside of quotes only.
        terms = re.findall(r"(\w+) (>=|>|=) ('(?:[^'\\]|\\['\\nrtbf])*'|[^' ]+)(?: AND |$)", parts.group(3))
        if " AND ".join(" ".join(term) for term in terms) != parts.group(3): raise Violation(parts.group(3))
        found = [one for one in self.records[name].values() if (everything or not one["IsDeleted"])
                 and all(self.holds(name, one, *term) for term in terms)]
        found.sort(key=lambda one: one["Id"])
        found = found[:int(parts.group(6) or 2000)]
        return {"totalSize": len(found), "done": True, "records": [self.shown(name, one, fields) for one in found]}

    def holds(self, name, one, field, operator, value):
        if field not in OBJECTS[name] and field not in SYSTEM: raise no(400, "INVALID_FIELD", f"No such column '{field}'")
        if field in ("SystemModstamp", "CreatedDate"):
            if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", value): raise Violation(f"{field} {value}")
            return one[field][:19] >= value[:19] if operator == ">=" else one[field][:19] > value[:19]
        if field == "IsDeleted": return one[field] == (value == "TRUE")
        if not value.startswith("'"): raise Violation(f"{field} {value}")
        text = re.sub(r"\\(.)", r"\1", value[1:-1])
        held = one.get(field) or ""
        return held > text if operator == ">" else held.lower() == text.lower()

    def collection(self, ask, rest):
        if rest and ask.method == "POST":
            body = ask.json
            known_or_odd(body, ("ids", "fields"), "the collection")
            if len(body["ids"]) > 2000: raise Violation("more than 2000 ids")
            known = self.records[rest[0]]
            return [self.shown(rest[0], known[key], body["fields"]) if key in known and not known[key]["IsDeleted"] else None
                    for key in body["ids"]]
        if ask.method == "DELETE":
            asked = ask.only("allOrNone", needed=["ids"])
            return [self.outcome(lambda key=key: self.gone(key)) for key in asked["ids"].split(",")]
        body = ask.json
        known_or_odd(body, ("allOrNone", "records"), "the collection")
        if len(body["records"]) > 200: raise Violation("more than 200 records")
        if ask.method != "POST": raise Violation(ask.method)
        return [self.outcome(lambda row=row: self.make(row["attributes"]["type"], {name: value for name, value in row.items() if name != "attributes"}))
                for row in body["records"]]

    def gone(self, key):
        name = next(name for name, prefix in PREFIX.items() if key.startswith(prefix))
        one = self.found(name, key)
        self.remove(name, key)
        return one

    def outcome(self, work):
        try: return {"id": work()["Id"], "success": True, "errors": []}
        except Refused as refused:
            first = refused.body[0]
            return {"success": False, "errors": [{"statusCode": first["errorCode"], "message": first["message"], "fields": []}]}

    def make(self, name, values):
        one = {field: None for field in OBJECTS[name]}
        one.update(Id=f"{PREFIX[name]}{self.new_id():012}AAA", IsDeleted=False, CreatedDate=self.moment(STAMP, self.tick()))
        self.change(name, one, values)
        self.records[name][one["Id"]] = one
        return one

    def change(self, name, one, values):
        new = dict(one)
        for field, value in values.items():
            if field not in OBJECTS[name]: raise no(400, "INVALID_FIELD", f"No such column '{field}' on sobject of type {name}")
            numeric = field in ("NumberOfEmployees", "AnnualRevenue", "Amount")
            if value is not None and not isinstance(value, (int, float) if numeric else str): raise Violation(f"{field} = {value!r}")
            if value == "": raise Violation(f"{field} is written blank instead of null")
            if OBJECTS[name][field] and len(value or "") > OBJECTS[name][field]:
                raise no(400, "STRING_TOO_LONG", f"{field}: data value too large", fields=[field])
            if field == "CloseDate" and value and not re.fullmatch(r"\d{4}-\d\d-\d\d", value): raise Violation(f"CloseDate {value}")
            if field == "AccountId" and value and value not in self.records["Account"]:
                raise no(400, "INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id", fields=[field])
            if field == "Email" and value and not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
                raise no(400, "INVALID_EMAIL_ADDRESS", f"Email: invalid email address: {value}", fields=[field])
            new[field] = value
        missing = [field for field in REQUIRED[name] if not new.get(field)]
        if missing: raise no(400, "REQUIRED_FIELD_MISSING", f"Required fields are missing: {missing}", fields=missing)
        one.update(new)
        self.touch(name, one)

    def touch(self, name, one): one["SystemModstamp"] = self.moment(STAMP, self.tick())

    def described(self, name):
        own = [{"name": field, "type": TYPES.get(field, "string"), "length": length, "createable": True, "updateable": True,
                "nillable": field not in REQUIRED[name], "defaultedOnCreate": False, "picklistValues": []}
               for field, length in OBJECTS[name].items()]
        return own + [{"name": field, "type": "datetime", "length": 0, "createable": False, "updateable": False,
                       "nillable": False, "defaultedOnCreate": True, "picklistValues": []} for field in sorted(SYSTEM)]

    def remove(self, name, key):
        self.records[name][key]["IsDeleted"] = True
        self.touch(name, self.records[name][key])


server = Salesforce
