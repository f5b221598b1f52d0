"""What other clients need on the wire; most of it the official client never sends."""
import concurrent.futures

from .support import (
    KINDS, TIMESTAMP, check, companies, contacts, for_each, get, hub, raw, same, server, truth,
    unique, unique_email)

OLD_TYPES = [
    "contact", "contacts", "company", "companies", "deal", "deals", "ticket", "calls", "emails",
    "meetings", "notes", "tasks", "leads", "deal_split", "product", "line_item", "goal_targets",
    "form",
]
TYPES = {
    "string", "number", "bool", "date", "datetime", "enumeration", "json", "phone_number",
    "object_coordinates",
}


@for_each({name: name for name in OLD_TYPES})
def the_old_list_of_properties_is_an_array_and_not_empty(name):
    found = get(f"/properties/v2/{name}/properties")
    truth(isinstance(found, list) and found, found)
    truth({prop["type"] for prop in found} <= TYPES, {prop["type"] for prop in found})
    truth(all(prop["name"] and prop["label"] is not None for prop in found), "a name is missing")


@check
def objects_go_by_many_names():
    made = contacts.create()
    for name in ["contacts", "contact", "0-1", "Contacts", "CONTACT"]:
        same(get(f"/crm/v3/objects/{name}/{made.id}")["id"], made.id)
    for name in ["companies", "company", "0-2", "deals", "deal", "0-3", "tickets", "ticket", "0-5",
                 "products", "product", "0-7"]:
        get(f"/crm/v3/objects/{name}?limit=1")
        get(f"/crm/v3/properties/{name}")


@check
def names_come_repeated_joined_and_mixed():
    made = contacts.create(lastname="Byron")
    for query in [
        "properties=email&properties=lastname", "properties=email,lastname",
        "properties=email%2Clastname", "properties=email,lastname&properties=firstname",
    ]:
        found = get(f"/crm/v3/objects/contacts/{made.id}?{query}")["properties"]
        same((found["lastname"], "email" in found), ("Byron", True))
    found = get(f"/crm/v3/objects/contacts/{made.id}?properties=")["properties"]
    same(found["hs_object_id"], made.id)


@check
def truth_is_spelled_in_any_case():
    made = contacts.create()
    contacts.api.basic_api.archive(made.id)
    for word in ["true", "True", "TRUE"]:
        same(get(f"/crm/v3/objects/contacts/{made.id}?archived={word}")["archived"], True)
    for word in ["false", "False"]:
        same(raw("GET", f"/crm/v3/objects/contacts/{made.id}?archived={word}").status_code, 404)


@check
def slashes_and_question_marks_at_the_end_do_no_harm():
    for path in [
        "/crm/v3/owners/", "/crm/v3/owners", "/crm/v3/owners/?limit=500", "/crm/v3/owners?limit=500",
        "/crm/v3/objects/contacts/", "/crm/v3/objects/contacts?", "/crm/v3/objects/contacts/?limit=1",
        "/crm/v3/lists/?listIds=1", "/crm/v3/lists?listIds=1", "/crm/v3/schemas/", "/crm/v3/schemas",
        "/crm-object-schemas/v3/schemas", "/crm/v3/pipelines/deals/", "/crm/v3/properties/contacts/",
    ]:
        same((path, raw("GET", path).status_code), (path, 200))


@check
def tickets_are_listed_under_version_four():
    KINDS["tickets"].create()
    found = get("/crm/v4/objects/tickets?limit=100&associations=contact,company,deals"
                "&properties=subject&archived=False")
    truth("subject" in found["results"][0]["properties"], found["results"][0])


@for_each(KINDS)
def the_link_to_the_next_page_leads_there(kind):
    for _ in range(3):
        kind.create()
    first = get(f"/crm/v3/objects/{kind.name}?limit=1&properties=hs_object_id&archived=false")
    link, after = first["paging"]["next"]["link"], first["paging"]["next"]["after"]
    truth(link.startswith(server.url + "/"), f"{link} does not begin with {server.url}")
    followed = get(link)
    asked = get(f"/crm/v3/objects/{kind.name}?limit=1&properties=hs_object_id&after={after}")
    same([row["id"] for row in followed["results"]], [row["id"] for row in asked["results"]])
    same(len(followed["results"]), 1)
    truth(followed["results"][0]["id"] != first["results"][0]["id"], "the same page again")


@check
def records_look_as_they_do_at_hubspot():
    company, made = companies.create(), contacts.create()
    hub().crm.associations.v4.basic_api.create_default(
        "contacts", made.id, "companies", company.id)
    found = get(f"/crm/v3/objects/contacts/{made.id}?associations=companies")
    same((found["id"], found["archived"]), (made.id, False))
    for moment in [found["createdAt"], found["updatedAt"], found["properties"]["createdate"],
                   found["properties"]["lastmodifieddate"]]:
        truth(TIMESTAMP.fullmatch(moment), f"{moment} is no time as HubSpot writes it")
    row = found["associations"]["companies"]["results"][0]
    same(row["id"], company.id)
    truth(row["type"].startswith("contact_to_company"), row)
    truth("archivedAt" not in found and "paging" not in found["associations"]["companies"], found)


@check
def answers_have_the_codes_that_the_official_client_knows():
    made = raw("POST", "/crm/v3/objects/contacts", {"properties": {"email": unique_email()}})
    same(made.status_code, 201)
    path = f"/crm/v3/objects/contacts/{made.json()['id']}"
    same(raw("PATCH", path, {"properties": {"firstname": "Ada"}}).status_code, 200)
    batch = raw("POST", "/crm/v3/objects/contacts/batch/create", {
        "inputs": [{"properties": {"email": unique_email()}}]})
    same(batch.status_code, 201)
    same(raw("POST", "/crm/v3/objects/contacts/batch/archive", {
        "inputs": [{"id": batch.json()["results"][0]["id"]}]}).status_code, 204)
    company = companies.create()
    between = f"/crm/v4/objects/contacts/{made.json()['id']}/associations"
    same(raw("PUT", f"{between}/default/companies/{company.id}").status_code, 200)
    same(raw("PUT", f"{between}/companies/{company.id}", [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 1}]).status_code, 201)
    same(raw("POST", "/crm/v3/lists/", {
        "name": unique("List "), "objectTypeId": "0-1", "processingType": "MANUAL"
    }).status_code, 200)
    same(raw("DELETE", path).status_code, 204)


@check
def every_answer_but_a_search_tells_the_limits():
    answer = raw("GET", "/crm/v3/objects/contacts?limit=1")
    for name in ["Max", "Remaining", "Interval-Milliseconds"]:
        truth(answer.headers.get(f"X-HubSpot-RateLimit-{name}", "").isdigit(), name)
    same(answer.headers["X-HubSpot-RateLimit-Interval-Milliseconds"], "10000")
    answer = raw("POST", "/crm/v3/objects/contacts/search", {"limit": 1})
    truth("X-HubSpot-RateLimit-Max" not in answer.headers, "a search has the headers, too")


@check
def plain_requests_of_the_client_reach_the_server():
    made = contacts.create()
    answer = hub().api_request({
        "method": "GET", "path": f"/crm/v3/objects/contacts/{made.id}",
        "qs": {"archived": False, "properties": ["email", "firstname"]}})
    same((answer.status_code, answer.json()["properties"]["firstname"]), (200, "Ada"))


@check
def long_addresses_are_accepted():
    names = ",".join(f"no_such_property_{number:04}" for number in range(680))
    truth(len(names) > 14_900, len(names))
    get(f"/crm/v3/objects/contacts?limit=1&properties={names}")


@check
def names_of_unknown_objects_among_the_associations_do_no_harm():
    made = contacts.create()
    get(f"/crm/v3/objects/contacts/{made.id}?associations=emails,meetings,notes,tasks,calls,"
        "conversations,contacts,companies,deals,tickets")


@check
def many_short_connections_at_once_are_served():
    def make(_):
        return hub().crm.contacts.basic_api.create({"properties": {"email": unique_email()}}).id

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        made = list(pool.map(make, range(64)))
    same(len(set(made)), 64)
