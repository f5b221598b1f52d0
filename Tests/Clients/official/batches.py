"""Batches of records, with answers for each item."""
from .support import KINDS, check, contacts, for_each, ids, raw, refused, same, truth, unique_email
from hubspot.crm.contacts import (
    BatchInputSimplePublicObjectBatchInput, BatchInputSimplePublicObjectBatchInputForCreate,
    BatchInputSimplePublicObjectBatchInputUpsert, BatchInputSimplePublicObjectId,
    BatchReadInputSimplePublicObjectId, SimplePublicObjectBatchInput,
    SimplePublicObjectBatchInputForCreate, SimplePublicObjectBatchInputUpsert, SimplePublicObjectId)

MISSING = "999999999999"


@for_each(KINDS)
def a_batch_is_created_read_updated_and_archived(kind):
    api = kind.api.batch_api
    made = api.create(BatchInputSimplePublicObjectBatchInputForCreate(inputs=[
        SimplePublicObjectBatchInputForCreate(properties=kind.make()) for _ in range(3)]))
    same((made.status, len(made.results)), ("COMPLETE", 3))

    (name, value), = kind.change.items()
    changed = api.update(BatchInputSimplePublicObjectBatchInput(inputs=[
        SimplePublicObjectBatchInput(id=record, properties=kind.change) for record in ids(made)]))
    same(set(ids(changed)), set(ids(made)))

    found = api.read(reading(ids(made), properties=[name], history=[name]))
    same(set(ids(found)), set(ids(made)))
    same({record.properties[name] for record in found.results}, {value})
    truth(all(record.properties_with_history[name] for record in found.results), "no history")

    same(api.archive(naming(ids(made))), None)
    refused(404, kind.read, made.results[0].id)
    found = api.read(reading(ids(made)), archived=True)
    same({record.archived for record in found.results}, {True})


@check
def a_batch_is_read_by_email_address():
    emails = [unique_email(), unique_email()]
    made = {contacts.create(email=email).id for email in emails}
    found = contacts.api.batch_api.read(reading(emails, id_property="email"))
    same(set(ids(found)), made)


@check
def a_record_that_is_missing_from_a_batch_read_is_an_error_beside_the_others():
    made = contacts.create()
    found = contacts.api.batch_api.read(reading([made.id, MISSING]))
    same(type(found).__name__, "BatchResponseSimplePublicObjectWithErrors")
    same(ids(found), [made.id])
    same(found.num_errors, 1)
    same((found.errors[0].status, found.errors[0].category), ("error", "OBJECT_NOT_FOUND"))
    truth(MISSING in str(found.errors[0].context), found.errors[0].context)


@check
def a_record_that_is_missing_from_a_batch_update_is_an_error_beside_the_others():
    made = contacts.create()
    changed = contacts.api.batch_api.update(BatchInputSimplePublicObjectBatchInput(inputs=[
        SimplePublicObjectBatchInput(id=record, properties={"lastname": "Byron"})
        for record in [made.id, MISSING]]))
    same(type(changed).__name__, "BatchResponseSimplePublicObjectWithErrors")
    same((ids(changed), changed.num_errors), ([made.id], 1))
    same(contacts.read(made.id).properties["lastname"], "Byron")


@check
def a_batch_create_without_trace_ids_fails_as_a_whole():
    taken, free = unique_email(), unique_email()
    first = contacts.create(email=taken)
    body = refused(409, contacts.api.batch_api.create, creating([
        {"properties": {"email": free}}, {"properties": {"email": taken}}]))
    same(body["category"], "CONFLICT")
    truth(f"Existing ID: {first.id}" in body["message"], body["message"])
    refused(404, contacts.read, free, id_property="email")


@check
def a_batch_create_with_trace_ids_answers_for_each_item():
    taken, free = unique_email(), unique_email()
    contacts.create(email=taken)
    made = contacts.api.batch_api.create(creating([
        {"properties": {"email": free}, "object_write_trace_id": "one"},
        {"properties": {"email": taken}, "object_write_trace_id": "two"}]))
    same(type(made).__name__, "BatchResponseSimplePublicObjectWithErrors")
    same([record.object_write_trace_id for record in made.results], ["one"])
    same((made.num_errors, made.errors[0].category), (1, "CONFLICT"))
    same(made.errors[0].context.get("objectWriteTraceId"), ["two"])
    same(contacts.read(free, id_property="email").id, made.results[0].id)


@check
def a_batch_create_with_an_unknown_property_is_refused():
    body = refused(400, contacts.api.batch_api.create, creating([
        {"properties": {"email": unique_email(), "no_such_property": "1"}}]))
    same(body["category"], "VALIDATION_ERROR")


@check
def an_upsert_creates_once_and_updates_then():
    email = unique_email()
    for expected, name in [(True, "Ada"), (False, "Grace")]:
        answer = contacts.api.batch_api.upsert(BatchInputSimplePublicObjectBatchInputUpsert(inputs=[
            SimplePublicObjectBatchInputUpsert(
                id=email, id_property="email", properties={"firstname": name})]))
        same(answer.results[0].new, expected)
        same(answer.results[0].properties["firstname"], name)
    same(contacts.read(email, id_property="email").id, answer.results[0].id)


@check
def an_update_in_a_batch_may_name_a_record_by_its_email_address():
    email = unique_email()
    made = contacts.create(email=email)
    changed = contacts.api.batch_api.update(BatchInputSimplePublicObjectBatchInput(inputs=[
        SimplePublicObjectBatchInput(
            id=email, id_property="email", properties={"lastname": "Byron"})]))
    same(ids(changed), [made.id])


@check
def archiving_a_batch_takes_no_notice_of_records_that_are_missing():
    made = contacts.create()
    same(contacts.api.batch_api.archive(naming([MISSING, made.id])), None)
    refused(404, contacts.read, made.id)


@check
def a_batch_of_a_hundred_is_accepted_and_one_more_is_refused():
    inputs = [{"properties": {"email": unique_email()}} for _ in range(100)]
    made = contacts.api.batch_api.create(creating(inputs))
    same(len(set(ids(made))), 100)
    same(len(contacts.api.batch_api.read(reading(ids(made))).results), 100)
    body = refused(400, contacts.api.batch_api.read, reading([*ids(made), MISSING]))
    same(body["category"], "VALIDATION_ERROR")


@check
def a_batch_read_of_records_that_all_exist_has_no_errors():
    made = contacts.create()
    answer = raw("POST", "/crm/v3/objects/contacts/batch/read", {"inputs": [{"id": made.id}]})
    same(answer.status_code, 200)
    truth("errors" not in answer.json() and "numErrors" not in answer.json(), answer.json())


def creating(inputs):
    return BatchInputSimplePublicObjectBatchInputForCreate(
        inputs=[SimplePublicObjectBatchInputForCreate(**item) for item in inputs])


def reading(records, properties=(), history=(), id_property=None):
    return BatchReadInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=record) for record in records],
        properties=list(properties), properties_with_history=list(history), id_property=id_property)


def naming(records):
    return BatchInputSimplePublicObjectId(
        inputs=[SimplePublicObjectId(id=record) for record in records])
