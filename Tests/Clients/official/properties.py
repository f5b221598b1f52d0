"""Properties and their groups."""
from .support import KINDS, check, code, contacts, for_each, hub, refused, same, truth, unique
from hubspot.crm.properties import (
    BatchInputPropertyCreate, BatchInputPropertyName, BatchReadInputPropertyName, OptionInput,
    PropertyCreate, PropertyGroupCreate, PropertyGroupUpdate, PropertyName, PropertyUpdate)


def core():
    return hub().crm.properties.core_api


def group():
    """A group that exists."""
    return hub().crm.properties.groups_api.get_all("contacts").results[0].name


def text(name=None, **more):
    return PropertyCreate(**{
        "name": name or unique("field_"), "label": "Field", "type": "string", "field_type": "text",
        "group_name": group(), **more})


@for_each(KINDS)
def every_object_lists_its_properties(kind):
    found = {prop.name: prop for prop in core().get_all(kind.name).results}
    truth(kind.defaults <= set(found), f"{kind.defaults - set(found)} missing")
    same(found["hs_object_id"].modification_metadata.read_only_value, True)
    same(found["createdate"].type, "datetime")
    same({prop.archived for prop in found.values()}, {False})


@check
def a_created_property_holds_values():
    made = core().create("contacts", text(description="What it is for"))
    same((made.type, made.field_type, made.description), ("string", "text", "What it is for"))
    same((made.hubspot_defined, made.archived), (False, False))
    record = contacts.create(**{made.name: "something"})
    same(contacts.read(record.id, properties=[made.name]).properties[made.name], "something")
    same(core().get_by_name("contacts", made.name).label, "Field")


@check
def a_property_is_renamed():
    made = core().create("contacts", text())
    core().update("contacts", made.name, PropertyUpdate(label="Another", description="changed"))
    found = core().get_by_name("contacts", made.name)
    same((found.name, found.label, found.description), (made.name, "Another", "changed"))


@check
def an_archived_property_shows_only_when_asked_for():
    made = core().create("contacts", text())
    same(core().archive("contacts", made.name), None)
    refused(404, core().get_by_name, "contacts", made.name)
    same(core().get_by_name("contacts", made.name, archived=True).archived, True)
    names = {prop.name for prop in core().get_all("contacts", archived=True).results}
    truth(made.name in names, "not among the archived ones")
    truth(made.name not in {prop.name for prop in core().get_all("contacts").results}, "still there")


@check
def every_type_of_property_can_be_made():
    for type_, field in [
        ("string", "textarea"), ("number", "number"), ("date", "date"), ("datetime", "date"),
    ]:
        made = core().create("contacts", text(type=type_, field_type=field))
        same((made.type, made.field_type), (type_, field))


@check
def an_enumeration_takes_its_options_and_no_others():
    made = core().create("contacts", text(type="enumeration", field_type="select", options=[
        OptionInput(label="Red", value="red", hidden=False, display_order=0),
        OptionInput(label="Blue", value="blue", hidden=False, display_order=1)]))
    same([option.value for option in made.options], ["red", "blue"])
    record = contacts.create(**{made.name: "blue"})
    same(contacts.read(record.id, properties=[made.name]).properties[made.name], "blue")
    body = refused(400, contacts.create, **{made.name: "green"})
    same(code(body, made.name), "INVALID_OPTION")


@check
def an_option_is_added():
    red = OptionInput(label="Red", value="red", hidden=False, display_order=0)
    made = core().create("contacts", text(
        type="enumeration", field_type="checkbox", options=[red]))
    core().update("contacts", made.name, PropertyUpdate(options=[
        red, OptionInput(label="Blue", value="blue", hidden=False, display_order=1)]))
    record = contacts.create(**{made.name: "red;blue"})
    same(contacts.read(record.id, properties=[made.name]).properties[made.name], "blue;red")


@check
def a_unique_property_finds_a_record():
    made = core().create("contacts", text(has_unique_value=True))
    same(made.has_unique_value, True)
    key = unique()
    record = contacts.create(**{made.name: key})
    same(contacts.read(key, id_property=made.name).id, record.id)
    body = refused_with_any(contacts.create, **{made.name: key})
    truth(made.name in str(body) or record.id in str(body), body)


@check
def a_name_is_taken_once():
    made = core().create("contacts", text())
    refused(409, core().create, "contacts", text(made.name))


@check
def an_unknown_property_or_object_is_not_found():
    refused(404, core().get_by_name, "contacts", "no_such_property")
    refused_with_any(core().get_all, "no_such_object")


@check
def properties_are_made_read_and_archived_in_batches():
    api = hub().crm.properties.batch_api
    inputs = [text(), text()]
    names = [PropertyName(name=item.name) for item in inputs]
    made = api.create("contacts", BatchInputPropertyCreate(inputs=inputs))
    same([prop.name for prop in made.results], [item.name for item in inputs])
    found = api.read("contacts", BatchReadInputPropertyName(archived=False, inputs=names))
    same({prop.name for prop in found.results}, {item.name for item in inputs})
    for _ in range(2):
        same(api.archive("contacts", BatchInputPropertyName(inputs=names)), None)
    refused(404, core().get_by_name, "contacts", inputs[0].name)


@check
def groups_are_made_renamed_and_archived():
    api = hub().crm.properties.groups_api
    name = unique("group_")
    made = api.create("contacts", PropertyGroupCreate(name=name, label="Group", display_order=3))
    same((made.name, made.label, made.archived), (name, "Group", False))
    api.update("contacts", name, PropertyGroupUpdate(label="Renamed"))
    same(api.get_by_name("contacts", name).label, "Renamed")
    truth(name in {item.name for item in api.get_all("contacts").results}, "not listed")
    prop = core().create("contacts", text(group_name=name))
    same(core().get_by_name("contacts", prop.name).group_name, name)
    core().archive("contacts", prop.name)
    same(api.archive("contacts", name), None)
    refused(404, api.get_by_name, "contacts", name)


def refused_with_any(call, *arguments, **options):
    """HubSpot publishes no status for this refusal: 400, 404 or 409."""
    try:
        call(*arguments, **options)
    except Exception as error:
        status = getattr(error, "status", None)
        truth(status in (400, 404, 409), f"{error}")
        return error.body
    raise AssertionError("accepted")
