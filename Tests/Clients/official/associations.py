"""Associations between records: version 4 with labels, and version 3."""
from .support import (
    check, companies, contacts, deals, for_each, hub, raw, refused, same, tickets, truth, unique)
from hubspot.crm.associations import (
    BatchInputPublicAssociation, BatchInputPublicObjectId, PublicAssociation)
from hubspot.crm.associations.v4 import (
    AssociationSpec, BatchInputPublicAssociationMultiArchive, BatchInputPublicAssociationMultiPost,
    BatchInputPublicDefaultAssociationMultiPost, BatchInputPublicFetchAssociationsBatchRequest,
    PublicAssociationMultiArchive, PublicAssociationMultiPost, PublicDefaultAssociationMultiPost,
    PublicFetchAssociationsBatchRequest, PublicObjectId)
from hubspot.crm.associations.v4.schema import (
    PublicAssociationDefinitionCreateRequest, PublicAssociationDefinitionUpdateRequest)

PLAIN, PRIMARY = 279, 1
# From, to, the type between them, and the type the other way round.
PAIRS = {
    "contacts and companies": (contacts, companies, 279, 280),
    "contacts and deals": (contacts, deals, 4, 3),
    "contacts and tickets": (contacts, tickets, 15, 16),
    "deals and companies": (deals, companies, 341, 342),
    "tickets and companies": (tickets, companies, 339, 340),
    "deals and tickets": (deals, tickets, 27, 28),
    "contacts and contacts": (contacts, contacts, 449, 449),
    "companies and companies": (companies, companies, 450, 450),
}


def basic():
    return hub().crm.associations.v4.basic_api


def batch():
    return hub().crm.associations.v4.batch_api


def labels_api():
    return hub().crm.associations.v4.schema.definitions_api


def spec(type_id, category="HUBSPOT_DEFINED"):
    return AssociationSpec(association_category=category, association_type_id=type_id)


def types(kind, record, other):
    """The types of each association of the record, by the other record's id."""
    page = basic().get_page(kind.name, record.id, other.name)
    return {row.to_object_id: {item.type_id for item in row.association_types}
            for row in page.results}


def employment():
    contact, company = contacts.create(), companies.create()
    return contact, company


@for_each(PAIRS)
def the_plain_association_shows_from_both_sides(pair):
    kind, other, forward, back = pair
    one, two = kind.create(), other.create()
    made = basic().create_default(kind.name, one.id, other.name, two.id)
    listed = {(row._from.id, row.to.id, row.association_spec.association_type_id)
              for row in made.results}
    same(listed, {(one.id, two.id, forward), (two.id, one.id, back)})
    # The first company of a record is its primary one as well.
    truth(forward in types(kind, one, other)[two.id], types(kind, one, other))
    truth(back in types(other, two, kind)[one.id], types(other, two, kind))


@check
def ids_of_associated_records_are_numbers_and_ids_in_batches_are_text():
    contact, company = employment()
    basic().create_default("contacts", contact.id, "companies", company.id)
    listed = raw("GET", f"/crm/v4/objects/contacts/{contact.id}/associations/companies").json()
    same(listed["results"][0]["toObjectId"], int(company.id))
    read = raw("POST", "/crm/v4/associations/contacts/companies/batch/read", {
        "inputs": [{"id": contact.id}]}).json()
    same(read["results"][0]["from"]["id"], contact.id)
    same(read["results"][0]["to"][0]["toObjectId"], int(company.id))
    made = raw("PUT", f"/crm/v4/objects/contacts/{contact.id}/associations/companies/{company.id}", [
        {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": PRIMARY}]).json()
    same((made["fromObjectTypeId"], made["fromObjectId"]), ("0-1", int(contact.id)))
    same((made["toObjectTypeId"], made["toObjectId"]), ("0-2", int(company.id)))


@check
def the_primary_company_has_the_plain_type_as_well():
    contact, company = employment()
    made = basic().create("contacts", contact.id, "companies", company.id, [spec(PRIMARY)])
    same((made.from_object_id, made.to_object_id), (contact.id, company.id))
    same(types(contacts, contact, companies), {company.id: {PLAIN, PRIMARY}})
    same(types(companies, company, contacts), {contact.id: {280, 2}})


@check
def a_record_has_one_primary_company():
    contact, first = employment()
    second = companies.create()
    for company in [first, second]:
        basic().create("contacts", contact.id, "companies", company.id, [spec(PRIMARY)])
    same(types(contacts, contact, companies), {first.id: {PLAIN}, second.id: {PLAIN, PRIMARY}})


@check
def a_removed_association_is_gone_from_both_sides():
    contact, company = employment()
    basic().create_default("contacts", contact.id, "companies", company.id)
    for _ in range(2):
        same(basic().archive("contacts", contact.id, "companies", company.id), None)
        same(types(contacts, contact, companies), {})
        same(types(companies, company, contacts), {})


@check
def associations_come_in_pages():
    company = companies.create()
    people = {contacts.create().id for _ in range(3)}
    for person in people:
        basic().create_default("companies", company.id, "contacts", person)
    seen, after, pages = [], None, 0
    while pages < 5:
        page = basic().get_page("companies", company.id, "contacts", limit=2, after=after)
        seen += [row.to_object_id for row in page.results]
        pages += 1
        if page.paging is None:
            break
        after = page.paging.next.after
    same((set(seen), len(seen), pages), (people, 3, 2))


@check
def an_association_with_a_missing_record_or_an_unknown_type_is_refused():
    contact, company = employment()
    answer = raw("PUT", f"/crm/v4/objects/contacts/{contact.id}/associations/default/companies/"
                 "999999999999")
    truth(answer.status_code in (400, 404), answer.status_code)
    refused(400, basic().create, "contacts", contact.id, "companies", company.id, [spec(99999)])


@check
def a_label_is_made_used_renamed_and_removed():
    made = labels_api().create("contacts", "companies", PublicAssociationDefinitionCreateRequest(
        name=unique("advisor_"), label=unique("Advisor ")))
    label = made.results[0]
    same(label.category, "USER_DEFINED")

    contact, company = employment()
    answer = basic().create("contacts", contact.id, "companies", company.id, [
        spec(label.type_id, "USER_DEFINED")])
    same(answer.labels, [label.label])
    same(types(contacts, contact, companies), {company.id: {PLAIN, label.type_id}})

    renamed = unique("Coach ")
    same(labels_api().update("contacts", "companies", PublicAssociationDefinitionUpdateRequest(
        association_type_id=label.type_id, label=renamed)), None)
    listed = {item.type_id: item.label
              for item in labels_api().get_all("contacts", "companies").results}
    same((listed[label.type_id], listed[PLAIN]), (renamed, None))

    same(labels_api().remove("contacts", "companies", label.type_id), None)
    listed = [item.type_id for item in labels_api().get_all("contacts", "companies").results]
    truth(label.type_id not in listed, "still listed")
    same(types(contacts, contact, companies), {company.id: {PLAIN}})


@check
def a_label_with_another_name_the_other_way_round_is_a_pair():
    there, back = unique("Manager "), unique("Report ")
    made = labels_api().create("contacts", "contacts", PublicAssociationDefinitionCreateRequest(
        name=unique("manages_"), label=there, inverse_label=back))
    ids = {item.label: item.type_id for item in made.results}
    same(set(ids), {there, back})
    one, two = contacts.create(), contacts.create()
    basic().create("contacts", one.id, "contacts", two.id, [spec(ids[there], "USER_DEFINED")])
    truth(ids[there] in types(contacts, one, contacts)[two.id], "the label is missing")
    truth(ids[back] in types(contacts, two, contacts)[one.id], "the inverse label is missing")


@check
def new_labels_replace_the_old_ones():
    made = [
        labels_api().create("contacts", "companies", PublicAssociationDefinitionCreateRequest(
            name=unique("label_"), label=unique("Label "))).results[0].type_id
        for _ in range(2)
    ]
    contact, company = employment()
    for label in made:
        basic().create("contacts", contact.id, "companies", company.id, [
            spec(label, "USER_DEFINED")])
    same(types(contacts, contact, companies), {company.id: {PLAIN, made[1]}})


@check
def labels_are_served_under_the_new_path_as_well():
    paths = ["/crm/v4/associations/contacts/companies/labels",
             "/crm/associations/v4/contacts/companies/labels"]
    found = [raw("GET", path) for path in paths]
    same([answer.status_code for answer in found], [200, 200])
    same(found[0].json(), found[1].json())


@check
def the_definitions_of_limits_are_listed():
    api = hub().crm.associations.v4.schema.definition_configurations_api
    truth(isinstance(api.get_all().results, list), "no list")
    truth(isinstance(api.get_all_between_two_object_types("contacts", "companies").results, list),
          "no list")


@check
def associations_are_made_read_and_removed_in_batches():
    pairs = [employment() for _ in range(2)]
    made = batch().create("contacts", "companies", labelling(pairs, PRIMARY))
    same((made.status, len(made.results)), ("COMPLETE", 2))
    found = batch().get_page("contacts", "companies", fetching([one.id for one, _ in pairs]))
    same({row._from.id: {item.to_object_id for item in row.to} for row in found.results},
         {one.id: {two.id} for one, two in pairs})

    same(batch().archive_labels("contacts", "companies", labelling(pairs[:1], PRIMARY)), None)
    same(types(contacts, pairs[0][0], companies), {pairs[0][1].id: {PLAIN}})

    same(batch().archive("contacts", "companies", BatchInputPublicAssociationMultiArchive(inputs=[
        PublicAssociationMultiArchive(
            _from=PublicObjectId(id=one.id), to=[PublicObjectId(id=two.id)])
        for one, two in pairs])), None)
    same([types(contacts, one, companies) for one, _ in pairs], [{}, {}])


@check
def removing_the_plain_type_removes_all():
    pair = employment()
    batch().create("contacts", "companies", labelling([pair], PRIMARY))
    batch().archive_labels("contacts", "companies", labelling([pair], PLAIN))
    same(types(contacts, pair[0], companies), {})


@check
def plain_associations_are_made_in_a_batch():
    pairs = [employment() for _ in range(2)]
    made = batch().create_default(
        "contacts", "companies", BatchInputPublicDefaultAssociationMultiPost(inputs=[
            PublicDefaultAssociationMultiPost(
                _from=PublicObjectId(id=one.id), to=PublicObjectId(id=two.id))
            for one, two in pairs]))
    same((made.status, len(made.results)), ("COMPLETE", 4))
    same([types(contacts, one, companies) for one, _ in pairs],
         [{two.id: {PLAIN, PRIMARY}} for _, two in pairs])


@check
def a_record_without_associations_is_an_error_in_a_batch_read():
    contact, company = employment()
    alone = contacts.create()
    basic().create_default("contacts", contact.id, "companies", company.id)
    found = batch().get_page("contacts", "companies", fetching([contact.id, alone.id]))
    same(type(found).__name__, "BatchResponsePublicAssociationMultiWithLabelWithErrors")
    same([row._from.id for row in found.results], [contact.id])
    error, = found.errors
    same((error.category, error.sub_category),
         ("OBJECT_NOT_FOUND", "crm.associations.NO_ASSOCIATIONS_FOUND"))
    same(error.context["fromObjectId"], [alone.id])


@check
def version_three_names_the_types():
    found = hub().crm.associations.schema.types_api.get_all("contacts", "companies").results
    names = {item.name: item.id for item in found}
    same((names["contact_to_company"], names["contact_to_company_unlabeled"]), ("1", "279"))


@check
def version_three_makes_reads_and_removes_associations():
    api = hub().crm.associations.batch_api
    deal, contact = deals.create(), contacts.create()
    pair = BatchInputPublicAssociation(inputs=[PublicAssociation(
        _from=PublicObjectId(id=deal.id), to=PublicObjectId(id=contact.id),
        type="deal_to_contact")])
    made = api.create("Deals", "Contacts", pair)
    same((made.results[0]._from.id, made.results[0].to.id), (deal.id, contact.id))
    found = api.read("deal", "contact", BatchInputPublicObjectId(
        inputs=[PublicObjectId(id=deal.id)]))
    row, = found.results
    same((row._from.id, [(item.id, item.type) for item in row.to]),
         (deal.id, [(contact.id, "deal_to_contact")]))
    same(api.archive("deals", "contacts", pair), None)
    same(types(deals, deal, contacts), {})


@check
def version_three_reads_the_primary_company_only():
    contact, first = employment()
    second = companies.create()
    basic().create_default("contacts", contact.id, "companies", first.id)
    basic().create("contacts", contact.id, "companies", second.id, [spec(PRIMARY)])
    found = hub().crm.associations.batch_api.read(
        "contacts", "companies", BatchInputPublicObjectId(inputs=[PublicObjectId(id=contact.id)]))
    same([item.id for item in found.results[0].to], [second.id])


def labelling(pairs, type_id):
    return BatchInputPublicAssociationMultiPost(inputs=[
        PublicAssociationMultiPost(
            _from=PublicObjectId(id=one.id), to=PublicObjectId(id=two.id), types=[spec(type_id)])
        for one, two in pairs])


def fetching(records):
    return BatchInputPublicFetchAssociationsBatchRequest(
        inputs=[PublicFetchAssociationsBatchRequest(id=record) for record in records])
