"""Single records: create, read, update, archive, list."""
import datetime

from .support import (
    KINDS, check, companies, contacts, deals, for_each, ids, raw, refused, same, truth, unique,
    unique_email)
from hubspot.crm.contacts import (
    AssociationSpec, PublicAssociationsForObject, PublicGdprDeleteInput, PublicObjectId,
    SimplePublicObjectInput)


@for_each(KINDS)
def a_created_record_reads_back_with_its_default_properties(kind):
    made = kind.create()
    found = kind.read(made.id)
    same(found.id, made.id)
    same(found.archived, False)
    same(found.properties["hs_object_id"], made.id)
    truth(kind.defaults <= set(found.properties), f"{kind.defaults - set(found.properties)} missing")
    age = datetime.datetime.now(datetime.timezone.utc) - found.created_at
    truth(abs(age) < datetime.timedelta(minutes=5), f"created at {found.created_at}")
    truth(found.updated_at >= found.created_at, "updated before it was created")


@for_each(KINDS)
def named_properties_come_with_the_bookkeeping_ones_and_unknown_names_are_left_out(kind):
    made = kind.create()
    name, value = next(iter(kind.change.items()))
    found = kind.read(made.id, properties=[name, "no_such_property"]).properties
    truth(name in found and "no_such_property" not in found, found)
    truth({"createdate", "hs_object_id"} <= set(found), found)
    truth(all(text is None or isinstance(text, str) for text in found.values()), found)


@for_each(KINDS)
def an_update_changes_what_it_names_and_nothing_else(kind):
    made = kind.create()
    before = kind.read(made.id, properties=list(kind.make()))
    changed = kind.api.basic_api.update(
        made.id, kind.models.SimplePublicObjectInput(properties=kind.change))
    same(changed.id, made.id)
    after = kind.read(made.id, properties=list(kind.make()))
    for name in kind.make():
        same(after.properties[name], kind.change.get(name, before.properties[name]))
    truth(after.updated_at > before.updated_at, "the change date did not move")


@for_each(KINDS)
def an_archived_record_shows_only_when_asked_for(kind):
    made = kind.create()
    same(kind.api.basic_api.archive(made.id), None)
    refused(404, kind.read, made.id)
    found = kind.read(made.id, archived=True)
    same(found.archived, True)
    truth(found.archived_at is not None, "archivedAt is missing")
    refused(404, kind.api.basic_api.update, made.id,
            kind.models.SimplePublicObjectInput(properties=kind.change))


@for_each(KINDS)
def the_history_of_a_property_begins_with_its_newest_value(kind):
    made = kind.create()
    (name, new), = kind.change.items()
    old = kind.read(made.id, properties=[name]).properties[name]
    kind.api.basic_api.update(
        made.id, kind.models.SimplePublicObjectInput(properties=kind.change))
    history = kind.read(made.id, properties_with_history=[name]).properties_with_history[name]
    same([entry.value for entry in history], [new, old])
    truth(all(entry.source_type for entry in history), "an entry has no source")
    truth(history[0].timestamp >= history[-1].timestamp, "not newest first")


@for_each(KINDS)
def pages_follow_each_other_without_overlap(kind):
    for _ in range(5):
        kind.create()
    first = kind.api.basic_api.get_page(limit=2)
    same(len(first.results), 2)
    second = kind.api.basic_api.get_page(limit=2, after=first.paging.next.after)
    same(len(second.results), 2)
    truth(not set(ids(first)) & set(ids(second)), "a record is on both pages")
    found = [record.id for record in kind.api.get_all(limit=5)]
    same(len(set(found)), 5)
    same(found[:4], ids(first) + ids(second))


@for_each(KINDS)
def archived_records_have_a_list_of_their_own(kind):
    made = kind.create()
    kind.api.basic_api.archive(made.id)
    page = kind.api.basic_api.get_page(limit=100, archived=True)
    truth(page.results and all(record.archived for record in page.results), "a living one is listed")


@check
def a_contact_is_found_by_its_email_address():
    email = unique("ada+tag") + "@example.com"
    made = contacts.create(email=email)
    same(contacts.read(email, id_property="email").id, made.id)
    same(contacts.read(email.upper(), id_property="email").id, made.id)


@check
def a_contact_is_updated_by_its_email_address():
    email = unique_email()
    made = contacts.create(email=email)
    changed = contacts.api.basic_api.update(
        email, SimplePublicObjectInput(properties={"lastname": "Byron"}), id_property="email")
    same((changed.id, changed.properties["lastname"]), (made.id, "Byron"))


@check
def an_empty_string_clears_a_value():
    made = contacts.create(lastname="Byron")
    contacts.api.basic_api.update(made.id, SimplePublicObjectInput(properties={"lastname": ""}))
    found = contacts.read(made.id, properties=["lastname"], properties_with_history=["lastname"])
    truth(found.properties["lastname"] in (None, ""), found.properties)
    same([entry.value for entry in found.properties_with_history["lastname"]], ["", "Byron"])


@check
def a_known_property_without_a_value_is_null():
    found = contacts.read(contacts.create().id, properties=["jobtitle"]).properties
    truth("jobtitle" in found and found["jobtitle"] is None, found)


@check
def a_date_and_time_is_written_as_text_or_milliseconds_and_read_as_text():
    for written in ["2024-01-17T19:55:04.281Z", "1705521304281"]:
        made = deals.create(closedate=written)
        same(deals.read(made.id).properties["closedate"], "2024-01-17T19:55:04.281Z")


@check
def a_record_is_created_together_with_its_associations():
    company = companies.create()
    contact = contacts.create(associations=[PublicAssociationsForObject(
        to=PublicObjectId(id=company.id),
        types=[AssociationSpec(association_category="HUBSPOT_DEFINED", association_type_id=279)])])
    found = contacts.read(contact.id, associations=["companies", "deals"]).associations
    same({row.id for row in found["companies"].results}, {company.id})
    truth("deals" not in found, "deals are listed without any")
    back = companies.read(company.id, associations=["contact"]).associations
    same({row.id for row in back["contacts"].results}, {contact.id})


@check
def a_purged_contact_is_gone_for_good():
    made = contacts.create()
    same(contacts.api.basic_api.purge(PublicGdprDeleteInput(object_id=made.id)), None)
    refused(404, contacts.read, made.id)
    refused(404, contacts.read, made.id, archived=True)


@check
def a_contact_is_purged_by_its_email_address():
    email = unique_email()
    made = contacts.create(email=email)
    contacts.api.basic_api.purge(PublicGdprDeleteInput(object_id=email, id_property="email"))
    refused(404, contacts.read, made.id)
    refused(404, contacts.read, email, id_property="email")


@check
def an_archived_contact_leaves_its_email_address_free():
    email = unique_email()
    contacts.api.basic_api.archive(contacts.create(email=email).id)
    contacts.create(email=email)


@check
def companies_may_share_a_domain():
    domain = unique("acme") + ".example.com"
    truth(companies.create(domain=domain).id != companies.create(domain=domain).id, "one record")


@check
def archiving_twice_is_no_error_or_not_found():
    made = contacts.create()
    contacts.api.basic_api.archive(made.id)
    again = raw("DELETE", f"/crm/v3/objects/contacts/{made.id}")
    truth(again.status_code in (204, 404), again.status_code)
