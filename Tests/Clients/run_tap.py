"""Runs the unmodified Singer tap for HubSpot against another server and compares what arrives.

usage: run_tap.py URL TOKEN       with the Python of the environment in which the tap is installed

First it makes records over plain HTTP, then it lets the tap discover the schema, selects every
stream with every field, lets the tap sync, and looks for each record among the RECORD messages.
At last it changes some records and syncs again from the state that the tap left.
"""
import datetime
import json
import os
import subprocess
import sys
import tempfile
import uuid

import requests

URL, TOKEN = sys.argv[1].rstrip("/"), sys.argv[2]
HERE = os.path.dirname(os.path.abspath(__file__))
TAP = os.path.join(os.path.dirname(sys.executable), "tap-hubspot")
LIMIT_SECONDS = 300

# What the tap must offer. The streams that it has beyond these (forms, workflows, e-mail ...) are
# selected too; for them the server answers that a scope is missing, and the tap goes on.
STREAMS = [
    "contacts", "companies", "deals", "tickets", "owners", "deal_pipelines", "contact_lists",
    "list_memberships", "contacts_by_company",
]


def main():
    made = make_records()
    with tempfile.TemporaryDirectory() as folder:
        catalog = discover(folder)
        offered = {stream["tap_stream_id"]: stream for stream in catalog["streams"]}
        missing = [name for name in [*STREAMS, made["object"]] if name not in offered]
        expect(not missing, f"discover offers no {', '.join(missing)}")
        check_schema(offered, made)
        select_everything(catalog)
        messages = sync(folder, catalog)
        check_messages(messages, made)
        change(made)
        check_change(sync(folder, catalog, last_state(messages)), made)
    counts = count(messages)
    print("tap: " + ", ".join(f"{name} {number}" for name, number in sorted(counts.items())))
    print(f"tap: {len(offered)} streams offered, all records and changes arrived")


# --- the records ---------------------------------------------------------------------------------

def make_records():
    tag = uuid.uuid4().hex[:10]
    custom = make_object_type(f"boat{tag}")
    made = {
        "tag": tag,
        "object": custom["name"],
        "contact": create("contacts", {"email": f"tap-{tag}@example.com", "firstname": "Ada"}),
        "company": create("companies", {"name": f"Tap {tag}", "domain": f"{tag}.example.com"}),
        "deal": create("deals", {
            "dealname": f"Tap {tag}", "amount": "10.5", "pipeline": "default",
            "dealstage": "appointmentscheduled", "closedate": "2024-01-17T19:55:04.281Z"}),
        "ticket": create("tickets", {
            "subject": f"Tap {tag}", "hs_pipeline": "0", "hs_pipeline_stage": "1"}),
        "custom": create(custom["objectTypeId"], {"name": f"Tap {tag}", "length": "7.5"}),
    }
    call("PUT", f"/crm/v4/objects/contacts/{made['contact']}/associations/default/companies/"
         f"{made['company']}")
    call("PUT", f"/crm/v4/objects/contacts/{made['contact']}/associations/default/deals/"
         f"{made['deal']}")
    made["list"] = call("POST", "/crm/v3/lists/", {
        "name": f"Tap {tag}", "objectTypeId": "0-1", "processingType": "MANUAL"})["list"]["listId"]
    call("PUT", f"/crm/v3/lists/{made['list']}/memberships/add", [made["contact"]])
    return made


def make_object_type(name):
    return call("POST", "/crm-object-schemas/v3/schemas", {
        "name": name,
        "labels": {"singular": "Boat", "plural": "Boats"},
        "primaryDisplayProperty": "name",
        "requiredProperties": ["name"],
        "associatedObjects": ["CONTACT"],
        "properties": [
            {"name": "name", "label": "Name", "type": "string", "fieldType": "text"},
            {"name": "length", "label": "Length", "type": "number", "fieldType": "number"},
        ]})


def create(kind, properties):
    return call("POST", f"/crm/v3/objects/{kind}", {"properties": properties})["id"]


def call(method, path, body=None):
    try:
        answer = requests.request(
            method, URL + path, json=body, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    except requests.RequestException as error:
        sys.exit(f"tap: {method} {path}: {error}")
    expect(answer.ok, f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
    return answer.json() if answer.content else None


def change(made):
    """What the second sync has to bring."""
    for kind, record, properties in [
        ("contacts", made["contact"], {"firstname": "Grace"}),
        ("companies", made["company"], {"name": "Renamed"}),
        ("deals", made["deal"], {"amount": "20"}),
        ("tickets", made["ticket"], {"hs_pipeline_stage": "2"}),
    ]:
        call("PATCH", f"/crm/v3/objects/{kind}/{record}", {"properties": properties})


# --- the tap -------------------------------------------------------------------------------------

def discover(folder):
    return json.loads(run_tap(folder, "--discover"))


def sync(folder, catalog, state=None):
    arguments = ["--properties", write(folder, "catalog.json", catalog)]
    if state:
        arguments += ["--state", write(folder, "state.json", state)]
    return [json.loads(line) for line in run_tap(folder, *arguments).splitlines()]


def last_state(messages):
    return [message["value"] for message in messages if message["type"] == "STATE"][-1]


def run_tap(folder, *arguments):
    yesterday = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=1)
    config = write(folder, "config.json", {
        "api_key": TOKEN, "start_date": yesterday.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "request_timeout": 30})
    environment = {**os.environ, "TANDEM_API": URL, "PYTHONPATH": os.path.join(HERE, "hook")}
    finished = subprocess.run(
        [TAP, "--config", config, *arguments], env=environment, capture_output=True, text=True,
        timeout=LIMIT_SECONDS)
    log = finished.stderr.splitlines()
    expect(finished.returncode == 0,
           f"tap-hubspot {arguments[0]} ended with {finished.returncode}:\n" + "\n".join(log[-40:]))
    return finished.stdout


def write(folder, name, value):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        json.dump(value, file)
    return path


def select_everything(catalog):
    for stream in catalog["streams"]:
        for entry in stream["metadata"]:
            entry["metadata"]["selected"] = True


# --- what arrived --------------------------------------------------------------------------------

def check_schema(offered, made):
    fields = {name: stream["schema"]["properties"] for name, stream in offered.items()}
    for stream, names in {
        "contacts": ["id", "updatedAt", "property_email", "property_firstname"],
        "companies": ["companyId", "property_name", "property_hs_lastmodifieddate"],
        "deals": ["dealId", "property_dealname", "property_amount", "property_hs_lastmodifieddate"],
        "tickets": ["id", "updatedAt", "property_subject", "property_hs_pipeline_stage"],
        made["object"]: ["id", "updatedAt", "property_name", "property_length"],
    }.items():
        lost = [name for name in names if name not in fields[stream]]
        expect(not lost, f"the schema of {stream} lacks {', '.join(lost)}")


def check_messages(messages, made):
    number = {name: int(made[name]) for name in ["contact", "company", "deal"]}

    contact = the(messages, "contacts", id=made["contact"])
    same("contact e-mail", contact["property_email"], f"tap-{made['tag']}@example.com")
    same("contact first name", contact["property_firstname"], "Ada")
    expect(contact["updatedAt"] and contact["createdAt"], "the contact has no dates")
    deals = [row["id"] for row in contact["associations"]["deals"]["results"]]
    same("deals of the contact", set(deals), {made["deal"]})

    company = the(messages, "companies", companyId=number["company"])
    same("company name", company["property_name"]["value"], f"Tap {made['tag']}")
    expect(company["property_hs_lastmodifieddate"]["timestamp"], "the company has no change date")

    deal = the(messages, "deals", dealId=number["deal"])
    same("deal name", deal["property_dealname"]["value"], f"Tap {made['tag']}")
    same("deal amount", deal["property_amount"]["value"], 10.5)
    same("deal close date", deal["property_closedate"]["value"], "2024-01-17T19:55:04.281000Z")
    same("contacts of the deal", deal["associations"]["associatedVids"], [number["contact"]])

    ticket = the(messages, "tickets", id=made["ticket"])
    same("ticket subject", ticket["property_subject"], f"Tap {made['tag']}")
    same("ticket stage", ticket["property_hs_pipeline_stage"], "1")

    custom = the(messages, made["object"], id=made["custom"])
    same("boat length", custom["property_length"], 7.5)

    listed = the(messages, "contact_lists", listId=made["list"])
    same("list name", listed["name"], f"Tap {made['tag']}")
    member = the(messages, "list_memberships", listId=made["list"])
    same("member of the list", member["recordId"], made["contact"])
    pair = {"company-id": number["company"], "contact-id": number["contact"]}
    the(messages, "contacts_by_company", **pair)

    pipeline = the(messages, "deal_pipelines", pipelineId="default")
    stages = [stage["stageId"] for stage in pipeline["stages"]]
    expect("appointmentscheduled" in stages, f"the default pipeline has the stages {stages}")

    owners = call("GET", "/crm/v3/owners/?limit=1")["results"]
    if owners and fresh(owners[0]):
        the(messages, "owners", id=owners[0]["id"])


def check_change(messages, made):
    contact = the(messages, "contacts", id=made["contact"])
    same("changed first name", contact["property_firstname"], "Grace")
    company = the(messages, "companies", companyId=int(made["company"]))
    same("changed company name", company["property_name"]["value"], "Renamed")
    deal = the(messages, "deals", dealId=int(made["deal"]))
    same("changed amount", deal["property_amount"]["value"], 20)
    ticket = the(messages, "tickets", id=made["ticket"])
    same("changed stage", ticket["property_hs_pipeline_stage"], "2")


def the(messages, stream, **keys):
    """The newest record of the stream with these keys; the tap may send one twice."""
    rows = [
        message["record"] for message in messages
        if message["type"] == "RECORD" and message["stream"] == stream
        and all(message["record"].get(key) == value for key, value in keys.items())
    ]
    expect(rows, f"no record of {stream} has {keys}")
    return rows[-1]


def fresh(owner):
    """Whether the owner changed after the tap's start date, with an hour to spare."""
    changed = datetime.datetime.fromisoformat(owner["updatedAt"].replace("Z", "+00:00"))
    age = datetime.datetime.now(datetime.timezone.utc) - changed
    return age < datetime.timedelta(hours=23)


def count(messages):
    counts = {}
    for message in messages:
        if message["type"] == "RECORD":
            counts[message["stream"]] = counts.get(message["stream"], 0) + 1
    return counts


def same(what, found, expected):
    expect(found == expected, f"{what}: {found!r} arrived, {expected!r} was written")


def expect(condition, problem):
    if not condition:
        sys.exit(f"tap: {problem}")


main()
