"""The server under test, records to make, and what every answer must keep to."""
import importlib
import json
import re
import uuid

import requests
from hubspot import HubSpot

checks = []
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
JSON = "application/json;charset=utf-8"


class Server:
    url = token = readonly = None


server = Server()


def connect(url, token, readonly):
    server.url, server.token, server.readonly = url.rstrip("/"), token, readonly


def check(function):
    """Adds the function to the checks; its name is a sentence."""
    checks.append((function.__name__.replace("_", " "), function))
    return function


def for_each(table):
    """Adds the function once for each row of the table, named after the row."""
    def add(function):
        sentence = function.__name__.replace("_", " ")
        for name, row in table.items():
            checks.append((f"{name}: {sentence}", lambda row=row: function(row)))
        return function
    return add


def hub(token=None, strict=True):
    """The official client. Strict: it refuses answers that lack what the specification requires."""
    return HubSpot(
        access_token=token or server.token, host=server.url, base_url=server.url,
        client_side_validation=strict)


# --- records -------------------------------------------------------------------------------------

def unique(word="x"):
    return word + uuid.uuid4().hex[:12]


def unique_email():
    return unique("ada") + "@example.com"


class Kind:
    """One of the standard objects, with the part of the client made for it."""

    def __init__(self, name, make, change, defaults, modified="hs_lastmodifieddate"):
        self.name, self.make, self.change = name, make, change
        self.defaults = {*defaults, "createdate", "hs_object_id", modified}
        self.models = importlib.import_module(f"hubspot.crm.{name}")

    @property
    def api(self):
        return getattr(hub().crm, self.name)

    def create(self, associations=None, **properties):
        return self.api.basic_api.create(self.models.SimplePublicObjectInputForCreate(
            properties={**self.make(), **properties}, associations=associations))

    def read(self, record, **options):
        return self.api.basic_api.get_by_id(record, **options)

    def search(self, **request):
        return self.api.search_api.do_search(self.models.PublicObjectSearchRequest(**request))


contacts = Kind(
    "contacts", lambda: {"email": unique_email(), "firstname": "Ada"}, {"firstname": "Grace"},
    ["email", "firstname", "lastname"], modified="lastmodifieddate")
companies = Kind(
    "companies", lambda: {"name": unique("Acme "), "domain": unique("acme") + ".example.com"},
    {"name": "Renamed"}, ["name", "domain"])
deals = Kind(
    "deals", lambda: {
        "dealname": unique("Deal "), "pipeline": "default", "dealstage": "appointmentscheduled"},
    {"dealstage": "qualifiedtobuy"}, ["dealname", "amount", "closedate", "pipeline", "dealstage"])
tickets = Kind(
    "tickets", lambda: {"subject": unique("Help "), "hs_pipeline": "0", "hs_pipeline_stage": "1"},
    {"hs_pipeline_stage": "2"}, [
        "content", "hs_pipeline", "hs_pipeline_stage", "hs_ticket_category", "hs_ticket_priority",
        "subject"])
products = Kind(
    "products", lambda: {"name": unique("Kettle "), "price": "10"}, {"price": "12.5"}, [])

KINDS = {kind.name: kind for kind in [contacts, companies, deals, tickets, products]}


# --- asking --------------------------------------------------------------------------------------

def raw(method, path, body=None, token=None, headers=None, data=None):
    """One request without the client; the path may be a whole address."""
    answer = requests.request(
        method, path if path.startswith("http") else server.url + path, json=body, data=data,
        headers={"Authorization": f"Bearer {token or server.token}", **(headers or {})}, timeout=30)
    keep_to_the_wire(answer)
    return answer


def get(path):
    answer = raw("GET", path)
    same(answer.status_code, 200)
    return answer.json()


def keep_to_the_wire(answer):
    """What holds for every answer, whatever was asked."""
    if answer.status_code == 204:
        same(answer.content, b"")
        return
    same(answer.headers.get("Content-Type"), JSON)
    body = answer.json()
    if isinstance(body, dict):
        truth("paging" not in body or body["paging"], "`paging` is sent without a value")
    if answer.status_code >= 400:
        envelope(body)


def refused(status, call, *arguments, **options):
    """The body of the refusal, whichever of the client's many exceptions brings it."""
    try:
        answer = call(*arguments, **options)
    except Exception as error:
        if not hasattr(error, "body") or not error.body:
            raise
        same(error.status, status)
        same(error.headers["Content-Type"], JSON)
        return envelope(json.loads(error.body))
    raise AssertionError(f"accepted, with {str(answer)[:200]}; expected a refusal with {status}")


def envelope(body):
    same(body["status"], "error")
    truth(body["message"], "the error has no message")
    uuid.UUID(body["correlationId"])
    return body


# --- comparing -----------------------------------------------------------------------------------

def same(found, expected):
    if found != expected:
        raise AssertionError(f"found {found!r}, expected {expected!r}")


def truth(condition, problem):
    if not condition:
        raise AssertionError(problem)


def ids(answer):
    return [record.id for record in answer.results]


def code(body, property_name):
    """The code of the error about one property."""
    found = [
        error["code"] for error in body["errors"]
        if property_name in error.get("context", {}).get("propertyName", [])
    ]
    truth(found, f"no error about {property_name} in {body}")
    return found[0]
