"""What is refused, and how."""
from .support import (
    KINDS, check, code, contacts, deals, for_each, hub, raw, refused, same, truth, unique_email)
from hubspot.crm.contacts import SimplePublicObjectInput, SimplePublicObjectInputForCreate

PATH = "/crm/v3/objects/contacts"
MISSING = "999999999999"


@check
def an_email_address_belongs_to_one_contact():
    email = unique_email()
    made = contacts.create(email=email)
    for again in [email, email.upper()]:
        body = refused(409, contacts.create, email=again)
        same(body["category"], "CONFLICT")
        same(body["message"], f"Contact already exists. Existing ID: {made.id}")
    other = contacts.create()
    refused(409, contacts.api.basic_api.update, other.id, SimplePublicObjectInput(
        properties={"email": email}))


@for_each(KINDS)
def an_unknown_record_is_not_found(kind):
    same(refused(404, kind.read, MISSING)["message"], "resource not found")
    body = refused(404, kind.read, "abc")
    same(body["message"], "Object not found.  objectId are usually numeric.")
    same((body["category"], body["context"]["id"]), ("OBJECT_NOT_FOUND", ["abc"]))


@for_each(KINDS)
def an_unknown_property_is_refused_by_name(kind):
    body = refused(400, kind.create, no_such_property="1")
    same(body["category"], "VALIDATION_ERROR")
    truth(body["message"].startswith("Property values were not valid: ["), body["message"])
    same(code(body, "no_such_property"), "PROPERTY_DOESNT_EXIST")


@for_each(KINDS)
def a_read_only_property_is_refused_by_name(kind):
    made = kind.create()
    for name in ["hs_object_id", "createdate"]:
        body = refused(400, kind.api.basic_api.update, made.id, kind.models.SimplePublicObjectInput(
            properties={name: "1"}))
        same((body["category"], code(body, name)), ("VALIDATION_ERROR", "READ_ONLY_VALUE"))


@check
def a_value_of_the_wrong_kind_is_refused_by_name():
    same(code(refused(400, contacts.create, email="nobody"), "email"), "INVALID_EMAIL")
    same(code(refused(400, contacts.create, lifecyclestage="none"), "lifecyclestage"),
         "INVALID_OPTION")
    truth(code(refused(400, deals.create, amount="much"), "amount").startswith("INVALID_"), "code")


@check
def every_wrong_property_is_named():
    body = refused(400, contacts.create, no_such_one="1", no_such_two="2")
    same({error["context"]["propertyName"][0] for error in body["errors"]},
         {"no_such_one", "no_such_two"})


@check
def nothing_is_written_when_a_property_is_wrong():
    made = contacts.create()
    refused(400, contacts.api.basic_api.update, made.id, SimplePublicObjectInput(
        properties={"firstname": "Grace", "no_such_property": "1"}))
    same(contacts.read(made.id).properties["firstname"], "Ada")


@check
def a_body_that_is_no_json_is_refused():
    for data in ["{", "", "[]", "null"]:
        answer = raw("POST", PATH, data=data, headers={"Content-Type": "application/json"})
        same((answer.status_code, answer.json()["category"]), (400, "VALIDATION_ERROR"))
    answer = raw("POST", PATH, data='{"properties": {', headers={"Content-Type": "application/json"})
    truth(answer.json()["message"].startswith("Invalid input JSON on line "), answer.json())


@check
def a_body_of_another_kind_is_not_supported():
    for kind in ["text/plain", "application/x-www-form-urlencoded", "application/xml"]:
        answer = raw("POST", PATH, data='{"properties": {}}', headers={"Content-Type": kind})
        same(answer.status_code, 415)
    answer = raw("POST", PATH, data='{"properties": {}}', headers={
        "Content-Type": "application/json; charset=UTF-8"})
    same(answer.status_code, 201)


@check
def an_unknown_object_is_refused():
    answer = raw("GET", "/crm/v3/objects/no_such_object")
    truth(answer.status_code in (400, 404), answer.status_code)


@check
def every_refusal_has_a_number_of_its_own():
    numbers = {refused(404, contacts.read, MISSING)["correlationId"] for _ in range(2)}
    same(len(numbers), 2)


@check
def the_client_of_generic_objects_is_refused_alike():
    body = refused(400, hub().crm.objects.basic_api.create, "0-1", SimplePublicObjectInputForCreate(
        properties={"no_such_property": "1"}))
    same(code(body, "no_such_property"), "PROPERTY_DOESNT_EXIST")
