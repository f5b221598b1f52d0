"""Merging two records of one object."""
from .support import (
    KINDS, check, companies, contacts, for_each, hub, ids, raw, refused, same, truth, unique_email)
from hubspot.crm.contacts import Filter, FilterGroup, PublicMergeInput


@for_each({name: kind for name, kind in KINDS.items() if name != "products"})
def both_old_ids_lead_to_the_merged_record(kind):
    primary, secondary = kind.create(), kind.create()
    merged = merge(kind, primary, secondary)
    for old in [primary.id, secondary.id, merged.id]:
        same(kind.read(old).id, merged.id)
    found = kind.read(merged.id, properties=["hs_merged_object_ids"]).properties
    same(set(found["hs_merged_object_ids"].split(";")), {primary.id, secondary.id})


@check
def products_merge_as_well():
    kind = KINDS["products"]
    primary, secondary = kind.create(), kind.create()
    answer = raw("POST", "/crm/v3/objects/products/merge", {
        "primaryObjectId": primary.id, "objectIdToMerge": secondary.id})
    same(answer.status_code, 200)
    same(kind.read(secondary.id).id, answer.json()["id"])


@check
def the_values_of_the_primary_win_and_its_blanks_are_filled():
    primary = contacts.create(firstname="Ada", lastname="")
    secondary = contacts.create(firstname="Grace", lastname="Hopper", jobtitle="Admiral")
    merged = merge(contacts, primary, secondary)
    found = contacts.read(merged.id, properties=["firstname", "lastname", "jobtitle"]).properties
    same((found["firstname"], found["lastname"], found["jobtitle"]), ("Ada", "Hopper", "Admiral"))


@check
def the_email_address_of_the_secondary_becomes_an_additional_one():
    one, two = unique_email(), unique_email()
    merged = merge(contacts, contacts.create(email=one), contacts.create(email=two))
    found = contacts.read(merged.id, properties=["email", "hs_additional_emails"]).properties
    same((found["email"], found["hs_additional_emails"]), (one, two))


@check
def the_domain_of_the_secondary_becomes_an_additional_one():
    one, two = companies.create(), companies.create()
    merged = merge(companies, one, two)
    found = companies.read(merged.id, properties=["domain", "hs_additional_domains"]).properties
    same(found["domain"], one.properties["domain"])
    same(found["hs_additional_domains"], two.properties["domain"])


@check
def the_merged_record_has_the_associations_of_both():
    api = hub().crm.associations.v4.basic_api
    primary, secondary = contacts.create(), contacts.create()
    firms = [companies.create(), companies.create()]
    for contact, company in zip([primary, secondary], firms):
        api.create_default("contacts", contact.id, "companies", company.id)
    merged = merge(contacts, primary, secondary)
    found = api.get_page("contacts", merged.id, "companies")
    same({row.to_object_id for row in found.results}, {company.id for company in firms})


@check
def merging_again_lists_every_id_that_ever_went_in():
    records = [contacts.create() for _ in range(3)]
    first = merge(contacts, records[0], records[1])
    second = merge(contacts, first, records[2])
    found = contacts.read(second.id, properties=["hs_merged_object_ids"]).properties
    listed = set(found["hs_merged_object_ids"].split(";"))
    truth({record.id for record in records} <= listed, listed)
    same(contacts.read(records[0].id).id, second.id)


@check
def only_the_merged_record_is_found_by_a_search():
    primary, secondary = contacts.create(), contacts.create()
    merged = merge(contacts, primary, secondary)
    answer = contacts.search(filter_groups=[
        FilterGroup(filters=[Filter(property_name="hs_object_id", operator="EQ", value=record.id)])
        for record in [primary, secondary, merged]])
    same(ids(answer), [merged.id])


@check
def a_record_cannot_be_merged_with_itself_or_with_nothing():
    made = contacts.create()
    same(refused(400, merge, contacts, made, made)["category"], "VALIDATION_ERROR")
    refused(404, contacts.api.basic_api.merge, PublicMergeInput(
        primary_object_id=made.id, object_id_to_merge="999999999999"))


def merge(kind, primary, secondary):
    return kind.api.basic_api.merge(kind.models.PublicMergeInput(
        primary_object_id=primary.id, object_id_to_merge=secondary.id))
