"""Lists of records: kept by hand, and by a filter."""
import time

from .support import check, contacts, hub, raw, refused, same, truth, unique
from hubspot.crm.lists import (
    ListCreateRequest, ListFilterUpdateRequest, ListSearchRequest, MembershipChangeRequest)

WAIT_SECONDS = 10


def api():
    # Not strict: the client's own model of a filter accepts no filter that HubSpot documents.
    return hub(strict=False).crm.lists.lists_api


def members_api():
    return hub().crm.lists.memberships_api


def make(**more):
    return api().create(ListCreateRequest(**{
        "name": unique("List "), "object_type_id": "0-1", "processing_type": "MANUAL", **more
    })).list


def named(first_name):
    """The filter for contacts with this first name, as HubSpot writes it."""
    return {
        "filterBranchType": "OR", "filterBranchOperator": "OR", "filters": [], "filterBranches": [{
            "filterBranchType": "AND", "filterBranchOperator": "AND", "filterBranches": [],
            "filters": [{
                "filterType": "PROPERTY", "property": "firstname", "operation": {
                    "operationType": "MULTISTRING", "operator": "IS_EQUAL_TO",
                    "values": [first_name], "includeObjectsWithNoValueSet": False}}]}]}


def members(made):
    return {row.record_id for row in members_api().get_page(made.list_id, limit=100).results}


def expect_members(made, expected):
    """A list with a filter may take a moment."""
    deadline = time.monotonic() + WAIT_SECONDS
    while members(made) != expected and time.monotonic() < deadline:
        time.sleep(0.2)
    same(members(made), expected)


@check
def a_list_is_made_and_found():
    made = make()
    same((made.object_type_id, made.processing_type), ("0-1", "MANUAL"))
    found = api().get_by_id(made.list_id).list
    same((found.list_id, found.name), (made.list_id, made.name))
    same(api().get_by_name(made.name, "0-1").list.list_id, made.list_id)
    several = api().get_all(list_ids=[made.list_id, make().list_id]).lists
    same(len(several), 2)


@check
def members_are_added_and_removed_by_hand():
    made, people = make(), [contacts.create().id for _ in range(2)]
    answer = members_api().add(made.list_id, [*people, "999999999999"])
    same(set(answer.records_ids_added), set(people))
    same(answer.record_ids_missing, ["999999999999"])
    same(members(made), set(people))
    same(members_api().add(made.list_id, people).records_ids_added, [])
    answer = members_api().remove(made.list_id, people[:1])
    same(answer.record_ids_removed, people[:1])
    answer = members_api().add_and_remove(made.list_id, MembershipChangeRequest(
        record_ids_to_add=people[:1], record_ids_to_remove=people[1:]))
    same((answer.records_ids_added, answer.record_ids_removed), (people[:1], people[1:]))
    same(members(made), set(people[:1]))
    same(members_api().remove_all(made.list_id), None)
    same(members(made), set())


@check
def the_spelling_of_the_ids_added_is_hubspots():
    made, person = make(), contacts.create().id
    answer = raw("PUT", f"/crm/v3/lists/{made.list_id}/memberships/add", [person]).json()
    same(answer["recordsIdsAdded"], [person])


@check
def members_come_in_pages_in_both_orders():
    made, people = make(), [contacts.create().id for _ in range(3)]
    for person in reversed(people):
        members_api().add(made.list_id, [person])
    for read in [members_api().get_page, members_api().get_page_ordered_by_added_to_list_date]:
        seen, after = [], None
        while len(seen) < 5:
            page = read(made.list_id, limit=2, after=after)
            seen += [row.record_id for row in page.results]
            if page.paging is None or page.paging.next is None:
                break
            after = page.paging.next.after
        same(sorted(seen), sorted(people))
    first = members_api().get_page(made.list_id, limit=1).results[0].record_id
    same(first, min(people, key=int))


@check
def a_record_knows_its_lists():
    made, person = make(), contacts.create().id
    members_api().add(made.list_id, [person])
    same([row.list_id for row in members_api().get_lists("0-1", person).results], [made.list_id])


@check
def all_members_of_another_list_are_added():
    source, target, person = make(), make(), contacts.create().id
    members_api().add(source.list_id, [person])
    same(members_api().add_all_from_list(target.list_id, source.list_id), None)
    expect_members(target, {person})


@check
def a_list_is_renamed_deleted_and_restored():
    made, name = make(), unique("Renamed ")
    same(api().update_name(made.list_id, list_name=name).updated_list.name, name)
    same(api().remove(made.list_id), None)
    body = refused(404, api().get_by_id, made.list_id)
    truth(f"List does not exist with ID {made.list_id}" in body["message"], body["message"])
    same(body["context"]["listId"], [made.list_id])
    same(api().restore(made.list_id), None)
    same(api().get_by_id(made.list_id).list.name, name)


@check
def lists_are_searched_by_name():
    word = unique("quokka")
    made = [make(name=f"{word} {number}") for number in range(3)]
    found = api().do_search(ListSearchRequest(
        query=word, count=2, offset=0, additional_properties=["hs_list_size"]))
    same((found.total, len(found.lists), found.has_more), (3, 2, True))
    rest = api().do_search(ListSearchRequest(query=word, count=2, offset=found.offset))
    same((len(rest.lists), rest.has_more), (1, False))
    listed = {row.list_id for row in [*found.lists, *rest.lists]}
    same(listed, {item.list_id for item in made})
    same(found.lists[0].additional_properties["hs_list_size"], "0")


@check
def a_search_of_lists_is_cut_rather_than_refused():
    for body in [{"count": 1000, "sort": "HS_UPDATED_AT"}, {"count": 250, "sort": "-HS_UPDATED_AT"},
                 {}]:
        answer = raw("POST", "/crm/v3/lists/search", body)
        same(answer.status_code, 200)
        truth({"lists", "offset", "hasMore", "total"} <= set(answer.json()), answer.json())


@check
def an_active_list_follows_its_filter():
    first, second = unique("Zora"), unique("Zora")
    people = {name: contacts.create(firstname=name).id for name in [first, second]}
    made = make(processing_type="DYNAMIC", filter_branch=named(first))
    expect_members(made, {people[first]})
    later = contacts.create(firstname=first).id
    expect_members(made, {people[first], later})
    api().update_list_filters(made.list_id, ListFilterUpdateRequest(filter_branch=named(second)))
    expect_members(made, {people[second]})
    contacts.api.basic_api.archive(people[second])
    expect_members(made, set())


@check
def the_filter_of_an_active_list_shows_when_asked_for():
    made = make(processing_type="DYNAMIC", filter_branch=named("Zora"))
    path = f"/crm/v3/lists/{made.list_id}"
    found = raw("GET", f"{path}?includeFilters=true").json()["list"]["filterBranch"]
    same(found["filterBranches"][0]["filters"][0]["operation"]["values"], ["Zora"])
    truth("filterBranch" not in raw("GET", path).json()["list"], "shown without being asked for")


@check
def the_members_of_an_active_list_cannot_be_written():
    made = make(processing_type="DYNAMIC", filter_branch=named(unique("Zora")))
    refused(400, members_api().add, made.list_id, [contacts.create().id])


@check
def a_missing_list_is_not_found():
    for call in [api().get_by_id, members_api().get_page, members_api().remove_all]:
        refused(404, call, "999999999")
