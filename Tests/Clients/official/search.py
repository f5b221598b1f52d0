"""Search: every operator, sorting, paging, and what is too much."""
from .support import (
    check, companies, contacts, deals, for_each, hub, ids, raw, refused, same, truth, unique,
    unique_email)
from hubspot.crm.contacts import Filter, FilterGroup

# Four deals with amounts that sort differently as text, and one without amount or date.
DEALS = {
    "north": {"dealname": "North Wind", "amount": "5", "closedate": "2024-01-01T00:00:00.000Z"},
    "south": {"dealname": "South wind", "amount": "10", "closedate": "2024-02-01T00:00:00.000Z"},
    "east": {"dealname": "East Bridge", "amount": "20", "closedate": "2024-03-01T00:00:00.000Z"},
    "west": {"dealname": "Westgate", "amount": "100", "closedate": "2024-04-01T00:00:00.000Z"},
    "none": {"dealname": "Nothing", "dealstage": "qualifiedtobuy"},
}
MARCH = "1709251200000"  # 2024-03-01 in milliseconds
EVERY = {*DEALS}

# What each filter finds; for a record without a value HubSpot does not say, so `none` may be either.
FILTERS = {
    "EQ": ({"property_name": "amount", "operator": "EQ", "value": "10"}, {"south"}),
    "EQ of text in another case": (
        {"property_name": "dealname", "operator": "EQ", "value": "north WIND"}, {"north"}),
    "EQ of an option": (
        {"property_name": "dealstage", "operator": "EQ", "value": "qualifiedtobuy"}, {"none"}),
    "NEQ": ({"property_name": "amount", "operator": "NEQ", "value": "10"},
            {"north", "east", "west"}),
    "LT": ({"property_name": "amount", "operator": "LT", "value": "20"}, {"north", "south"}),
    "LTE": ({"property_name": "amount", "operator": "LTE", "value": "20"},
            {"north", "south", "east"}),
    "GT": ({"property_name": "amount", "operator": "GT", "value": "10"}, {"east", "west"}),
    "GTE": ({"property_name": "amount", "operator": "GTE", "value": "10"},
            {"south", "east", "west"}),
    "GTE of a date in milliseconds": (
        {"property_name": "closedate", "operator": "GTE", "value": MARCH}, {"east", "west"}),
    "LT of a date as text": (
        {"property_name": "closedate", "operator": "LT", "value": "2024-03-01T00:00:00.000Z"},
        {"north", "south"}),
    "BETWEEN": (
        {"property_name": "amount", "operator": "BETWEEN", "value": "7", "high_value": "50"},
        {"south", "east"}),
    "IN": ({"property_name": "amount", "operator": "IN", "values": ["5", "100"]},
           {"north", "west"}),
    "IN of text": (
        {"property_name": "dealname", "operator": "IN", "values": ["north wind", "westgate"]},
        {"north", "west"}),
    "NOT_IN": ({"property_name": "amount", "operator": "NOT_IN", "values": ["5", "100"]},
               {"south", "east"}),
    "HAS_PROPERTY": ({"property_name": "amount", "operator": "HAS_PROPERTY"}, EVERY - {"none"}),
    "NOT_HAS_PROPERTY": ({"property_name": "amount", "operator": "NOT_HAS_PROPERTY"}, {"none"}),
    "CONTAINS_TOKEN": (
        {"property_name": "dealname", "operator": "CONTAINS_TOKEN", "value": "wind"},
        {"north", "south"}),
    "CONTAINS_TOKEN of a part of a word": (
        {"property_name": "dealname", "operator": "CONTAINS_TOKEN", "value": "gate"}, set()),
    "CONTAINS_TOKEN with a star": (
        {"property_name": "dealname", "operator": "CONTAINS_TOKEN", "value": "*gate"}, {"west"}),
    "NOT_CONTAINS_TOKEN": (
        {"property_name": "dealname", "operator": "NOT_CONTAINS_TOKEN", "value": "wind"},
        {"east", "west", "none"}),
}
OPEN = {"NEQ", "NOT_IN"}


class Sample:
    """The five deals, made once for the checks that only read them."""
    tag = records = None

    @classmethod
    def make(cls):
        if cls.tag is None:
            tag = unique("sample")
            cls.records = {
                deals.create(description=tag, **properties).id: name
                for name, properties in DEALS.items()
            }
            cls.tag = tag

    @classmethod
    def search(cls, *filters, **request):
        cls.make()
        own = Filter(property_name="description", operator="EQ", value=cls.tag)
        return deals.search(
            filter_groups=[FilterGroup(filters=[own, *filters])], limit=100, **request)

    @classmethod
    def names(cls, answer):
        return [cls.records[record] for record in ids(answer)]


@for_each(FILTERS)
def finds_what_it_should(row):
    options, expected = row
    answer = Sample.search(Filter(**options))
    found = set(Sample.names(answer))
    if options["operator"] in OPEN:
        found.discard("none")
    same(found, expected)
    same(answer.total, len(answer.results))


@check
def groups_are_joined_by_or():
    Sample.make()
    own = Filter(property_name="description", operator="EQ", value=Sample.tag)
    groups = [
        FilterGroup(filters=[own, Filter(property_name="amount", operator="EQ", value=amount)])
        for amount in ["5", "20"]
    ]
    same(set(Sample.names(deals.search(filter_groups=groups))), {"north", "east"})


@check
def filters_without_a_group_are_one_group():
    Sample.make()
    answer = raw("POST", "/crm/v3/objects/deals/search", {"filters": [
        {"propertyName": "description", "operator": "EQ", "value": Sample.tag},
        {"propertyName": "amount", "operator": "GTE", "value": 20}]})
    same(answer.status_code, 200)
    same({Sample.records[row["id"]] for row in answer.json()["results"]}, {"east", "west"})


@check
def numbers_and_dates_sort_by_value_in_both_directions():
    for name in ["amount", "closedate"]:
        for direction, expected in [("ASCENDING", ["north", "south", "east", "west"]),
                                    ("DESCENDING", ["west", "east", "south", "north"])]:
            answer = Sample.search(sorts=[{"propertyName": name, "direction": direction}])
            same([name for name in Sample.names(answer) if name != "none"], expected)


@check
def a_sort_may_be_a_word_with_a_minus():
    answer = Sample.search(sorts=["-amount"])
    same([name for name in Sample.names(answer) if name != "none"],
         ["west", "east", "south", "north"])


@check
def the_ids_of_records_compare_and_sort_as_numbers():
    Sample.make()
    second = sorted(Sample.records, key=int)[1]
    answer = Sample.search(
        Filter(property_name="hs_object_id", operator="GTE", value=second),
        sorts=[{"propertyName": "hs_object_id", "direction": "ASCENDING"}])
    same(ids(answer), sorted(Sample.records, key=int)[1:])


@check
def pages_of_a_search_are_counted_from_zero():
    Sample.make()
    own = Filter(property_name="description", operator="EQ", value=Sample.tag)
    seen, after = [], None
    for expected in ["2", "4", None]:
        page = deals.search(filter_groups=[FilterGroup(filters=[own])], limit=2, after=after)
        same(page.total, len(DEALS))
        seen += ids(page)
        after = page.paging.next.after if page.paging else None
        same(after, expected)
    same(sorted(seen), sorted(Sample.records))
    answer = raw("POST", "/crm/v3/objects/deals/search", {"limit": 2, "after": 4, "filterGroups": [
        {"filters": [{"propertyName": "description", "operator": "EQ", "value": Sample.tag}]}]})
    same(len(answer.json()["results"]), 1)
    truth("paging" not in answer.json(), "the last page has paging")


@check
def a_search_brings_the_properties_it_names():
    answer = Sample.search(
        Filter(property_name="amount", operator="EQ", value="5"), properties=["description"])
    found = answer.results[0].properties
    same(found["description"], Sample.tag)
    truth("hs_object_id" in found and "dealname" not in found, found)


@check
def a_query_looks_into_names_and_addresses():
    word = unique("zephyr")
    by_name = contacts.create(firstname=word)
    by_email = contacts.create(email=f"{word}@example.com")
    contacts.create()
    same(set(ids(contacts.search(query=word))), {by_name.id, by_email.id})
    company = companies.create(name=f"{word} Works")
    same(ids(companies.search(query=word)), [company.id])
    same(ids(contacts.search(query=word.upper(), filter_groups=[FilterGroup(filters=[
        Filter(property_name="firstname", operator="EQ", value=word)])])), [by_name.id])


@check
def an_email_address_is_found_by_its_domain():
    domain = unique("d") + ".example.com"
    made = contacts.create(email=f"ada@{domain}")
    answer = contacts.search(filter_groups=[FilterGroup(filters=[
        Filter(property_name="email", operator="CONTAINS_TOKEN", value=f"*@{domain}")])])
    same(ids(answer), [made.id])


@check
def records_are_found_by_what_they_are_associated_with():
    company, contact = companies.create(), contacts.create()
    hub().crm.associations.v4.basic_api.create_default(
        "contacts", contact.id, "companies", company.id)
    answer = contacts.search(filter_groups=[FilterGroup(filters=[
        Filter(property_name="associations.company", operator="EQ", value=company.id)])])
    same(ids(answer), [contact.id])


@check
def what_was_just_written_is_found_and_what_was_archived_is_not():
    email = unique_email()
    made = contacts.create(email=email)
    group = [FilterGroup(filters=[Filter(property_name="email", operator="EQ", value=email)])]
    same(ids(contacts.search(filter_groups=group)), [made.id])
    contacts.api.basic_api.archive(made.id)
    same(contacts.search(filter_groups=group).total, 0)


def group_of(count):
    return FilterGroup(filters=[
        Filter(property_name="email", operator="EQ", value=f"{number}@example.com")
        for number in range(count)])


TOO_MUCH = {
    "six groups": {"filter_groups": [group_of(1)] * 6},
    "seven filters in a group": {"filter_groups": [group_of(7)]},
    "nineteen filters": {"filter_groups": [group_of(5), group_of(5), group_of(5), group_of(4)]},
    "a query of 3,001 characters": {"query": "x" * 3001},
    "a page behind the ten thousandth result": {"after": "10000"},
    "an unknown property": {"filter_groups": [FilterGroup(filters=[
        Filter(property_name="no_such_property", operator="EQ", value="1")])]},
    "an unknown operator": {"filter_groups": [FilterGroup(filters=[
        Filter(property_name="email", operator="LIKE", value="1")])]},
}


@for_each(TOO_MUCH)
def is_refused(request):
    same(refused(400, contacts.search, **request)["category"], "VALIDATION_ERROR")


@check
def the_largest_search_is_accepted():
    groups = [group_of(6), group_of(6), group_of(6)]
    same(contacts.search(filter_groups=groups, query="x" * 3000, limit=200).total, 0)
    same(contacts.search(filter_groups=[group_of(1)] * 5).total, 0)


@check
def a_limit_above_two_hundred_is_refused_or_cut():
    answer = raw("POST", "/crm/v3/objects/contacts/search", {"limit": 201})
    truth(answer.status_code == 400 or len(answer.json()["results"]) <= 200, answer.status_code)
