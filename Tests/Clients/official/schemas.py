"""Custom objects: the schema, and records of it."""
import contextlib

from .support import check, companies, hub, ids, raw, refused, same, truth, unique
from hubspot.crm.objects import (
    BatchInputSimplePublicObjectBatchInputForCreate, BatchInputSimplePublicObjectBatchInputUpsert,
    BatchInputSimplePublicObjectId, Filter, FilterGroup, PublicObjectSearchRequest,
    SimplePublicObjectBatchInputForCreate, SimplePublicObjectBatchInputUpsert, SimplePublicObjectId,
    SimplePublicObjectInput, SimplePublicObjectInputForCreate)
from hubspot.crm.schemas import (
    AssociationDefinitionEgg, ObjectSchemaEgg, ObjectTypeDefinitionLabels,
    ObjectTypeDefinitionPatch, ObjectTypePropertyCreate)


def api():
    return hub().crm.schemas.core_api


def objects():
    return hub().crm.objects


def egg(name):
    return ObjectSchemaEgg(
        name=name, labels=ObjectTypeDefinitionLabels(singular="Boat", plural="Boats"),
        primary_display_property="name", required_properties=["name"],
        searchable_properties=["name"], associated_objects=["COMPANY"],
        properties=[
            ObjectTypePropertyCreate(name="name", label="Name", type="string", field_type="text"),
            ObjectTypePropertyCreate(
                name="length", label="Length", type="number", field_type="number"),
            ObjectTypePropertyCreate(
                name="hull", label="Hull", type="string", field_type="text", has_unique_value=True),
        ])


@contextlib.contextmanager
def boats():
    """A new custom object, which goes with its records at the end."""
    made = api().create(egg(unique("boat")))
    try:
        yield made
    finally:
        left = ids(objects().basic_api.get_page(made.object_type_id, limit=100))
        if left:
            objects().batch_api.archive(made.object_type_id, BatchInputSimplePublicObjectId(
                inputs=[SimplePublicObjectId(id=record) for record in left]))
        api().archive(made.object_type_id)


def create(boat, **properties):
    return objects().basic_api.create(boat.object_type_id, SimplePublicObjectInputForCreate(
        properties={"name": unique("Boat "), **properties}))


@check
def a_custom_object_is_made_and_found_by_all_its_names():
    with boats() as made:
        same((made.labels.singular, made.labels.plural), ("Boat", "Boats"))
        truth(made.object_type_id.startswith("2-"), made.object_type_id)
        truth({"name", "length", "hull", "hs_object_id"} <= {prop.name for prop in made.properties},
              [prop.name for prop in made.properties])
        for name in [made.object_type_id, made.fully_qualified_name, f"p_{made.name}", made.name]:
            same(api().get_by_id(name).id, made.id)
            truth(isinstance(objects().basic_api.get_page(name).results, list), name)
        listed = [item.id for item in api().get_all(archived=False).results]
        truth(made.id in listed, "not listed")
        old = raw("GET", "/crm/v3/schemas").json()["results"]
        truth(made.name in [item["name"] for item in old], "not listed under the old path")


@check
def a_custom_object_is_changed():
    with boats() as made:
        api().update(made.object_type_id, ObjectTypeDefinitionPatch(
            labels=ObjectTypeDefinitionLabels(singular="Ship", plural="Ships")))
        same(api().get_by_id(made.object_type_id).labels.plural, "Ships")


@check
def records_of_a_custom_object_are_like_all_others():
    with boats() as made:
        kind, basic = made.object_type_id, objects().basic_api
        record = create(made, length="7.5")
        found = basic.get_by_id(kind, record.id, properties=["name", "length"])
        same(found.properties["length"], "7.5")
        basic.update(kind, record.id, SimplePublicObjectInput(properties={"length": "8"}))
        found = basic.get_by_id(kind, record.id, properties_with_history=["length"])
        same([entry.value for entry in found.properties_with_history["length"]], ["8", "7.5"])
        answer = objects().search_api.do_search(kind, PublicObjectSearchRequest(filter_groups=[
            FilterGroup(filters=[Filter(property_name="length", operator="GT", value="7.9")])]))
        same(ids(answer), [record.id])
        same(basic.archive(kind, record.id), None)
        refused(404, basic.get_by_id, kind, record.id)


@check
def all_records_of_a_custom_object_are_listed_page_by_page():
    with boats() as made:
        records = [create(made).id for _ in range(5)]
        seen, after, pages = [], None, 0
        while pages < 10:
            page = objects().basic_api.get_page(made.object_type_id, limit=2, after=after)
            seen += ids(page)
            pages += 1
            if page.paging is None:
                break
            after = page.paging.next.after
        same((seen, pages), (records, 3))
        same([item.id for item in objects().get_all(made.object_type_id)], records)


@check
def the_link_to_the_next_page_is_complete():
    with boats() as made:
        company = companies.create()
        records = [create(made, length=str(number)).id for number in range(3)]
        for record in records:
            hub().crm.associations.v4.basic_api.create_default(
                made.object_type_id, record, "companies", company.id)
        path = (f"/crm/v3/objects/{made.object_type_id}?limit=1&properties=length"
                "&associations=companies&archived=false")
        seen = []
        while path and len(seen) < 5:
            page = raw("GET", path).json()
            same(len(page["results"]), 1)
            row = page["results"][0]
            same({link["id"] for link in row["associations"]["companies"]["results"]}, {company.id})
            seen.append((row["id"], row["properties"]["length"]))
            path = page["paging"]["next"]["link"] if "paging" in page else None
            truth(path is None or path.startswith("http"), f"{path} is not absolute")
        same(seen, [(record, str(number)) for number, record in enumerate(records)])


@check
def records_of_a_custom_object_are_upserted_by_a_unique_property():
    with boats() as made:
        hull = unique("hull")
        for expected, length in [(True, "7"), (False, "8")]:
            answer = objects().batch_api.upsert(
                made.object_type_id, BatchInputSimplePublicObjectBatchInputUpsert(inputs=[
                    SimplePublicObjectBatchInputUpsert(id=hull, id_property="hull", properties={
                        "name": "Argo", "length": length})]))
            same(answer.results[0].new, expected)
        found = objects().basic_api.get_by_id(
            made.object_type_id, hull, id_property="hull", properties=["length", "hull"])
        same((found.properties["length"], found.properties["hull"]), ("8", hull))


@check
def records_of_a_custom_object_are_made_in_a_batch_and_merged():
    with boats() as made:
        answer = objects().batch_api.create(
            made.object_type_id, BatchInputSimplePublicObjectBatchInputForCreate(inputs=[
                SimplePublicObjectBatchInputForCreate(properties={"name": name})
                for name in ["Argo", "Beagle"]]))
        first, second = ids(answer)
        merged = raw("POST", f"/crm/v3/objects/{made.object_type_id}/merge", {
            "primaryObjectId": first, "objectIdToMerge": second})
        same(merged.status_code, 200)
        for record in [first, second]:
            found = objects().basic_api.get_by_id(made.object_type_id, record)
            same(found.id, merged.json()["id"])


@check
def a_custom_object_gets_another_kind_of_association():
    with boats() as made:
        definition = api().create_association(made.object_type_id, AssociationDefinitionEgg(
            from_object_type_id=made.object_type_id, to_object_type_id="0-3", name="boat_to_deal"))
        truth(definition.id, "no id")
        listed = {item.id for item in api().get_by_id(made.object_type_id).associations}
        truth(definition.id in listed, listed)
        same(api().archive_association(made.object_type_id, definition.id), None)


@check
def a_deleted_custom_object_is_gone():
    made = api().create(egg(unique("boat")))
    same(api().archive(made.object_type_id), None)
    refused(404, api().get_by_id, made.object_type_id)
    status = raw("GET", f"/crm/v3/objects/{made.object_type_id}").status_code
    truth(status in (400, 404), status)


@check
def the_name_of_a_custom_object_is_taken_once():
    with boats() as made:
        try:
            api().create(egg(made.name))
        except Exception as error:
            truth(getattr(error, "status", None) in (400, 409), error)
        else:
            raise AssertionError("accepted twice")
