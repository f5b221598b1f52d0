"""Tokens, scopes, and what the account says of itself."""
from . import support
from .support import check, contacts, get, hub, raw, refused, same, server, truth, unique_email
from hubspot.crm.contacts import PublicObjectSearchRequest, SimplePublicObjectInputForCreate


@check
def a_token_tells_about_itself():
    found = hub().oauth.access_tokens_api.get(server.token)
    same(found.token, server.token)
    truth("crm.objects.contacts.read" in found.scopes, found.scopes)
    truth(found.hub_id and found.token_type, found)
    answer = raw("POST", "/oauth/v2/private-apps/get/access-token-info", {"tokenKey": server.token})
    same(answer.status_code, 200)
    same(answer.json()["hubId"], found.hub_id)
    truth({"userId", "appId", "scopes"} <= set(answer.json()), answer.json())


@check
def the_account_tells_about_itself():
    found = get("/account-info/v3/details")
    truth(isinstance(found["portalId"], int), found)
    truth({"accountType", "timeZone", "companyCurrency", "utcOffset"} <= set(found), found)
    get("/account-info/v3/api-usage/daily/private-apps")


@check
def a_wrong_token_is_refused():
    body = refused(401, hub("wrong").crm.contacts.basic_api.get_page)
    same(body["category"], "INVALID_AUTHENTICATION")
    truth(body["message"].startswith("Authentication credentials not found. This API supports OAuth"
                                     " 2.0 authentication"), body["message"])
    answer = raw("GET", "/crm/v3/objects/contacts", headers={"Authorization": ""})
    same(answer.status_code, 401)


def needs_a_readonly_token(function):
    """Adds the check when a second token is given."""
    return check(function) if support.server.readonly else function


@needs_a_readonly_token
def a_token_reads_what_its_scope_allows():
    made = contacts.create()
    api = hub(server.readonly).crm.contacts
    same(api.basic_api.get_by_id(made.id).id, made.id)
    api.search_api.do_search(PublicObjectSearchRequest(limit=1))


@needs_a_readonly_token
def a_token_without_the_scope_is_refused():
    api = hub(server.readonly).crm
    made = contacts.create()
    for call, arguments in [
        (api.contacts.basic_api.create, [SimplePublicObjectInputForCreate(
            properties={"email": unique_email()})]),
        (api.contacts.basic_api.archive, [made.id]),
        (api.companies.basic_api.get_page, []),
        (api.deals.basic_api.get_page, []),
    ]:
        body = refused(403, call, *arguments)
        same(body["category"], "MISSING_SCOPES")
        truth(body["errors"][0]["context"]["requiredGranularScopes"], body)
        truth(body["links"]["scopes"], body)
    same(contacts.read(made.id).id, made.id)


@check
def an_area_that_the_store_does_not_have_is_a_missing_scope():
    for path in ["/forms/v2/forms", "/marketing/v3/forms", "/automation/v3/workflows",
                 "/email/public/v1/campaigns/by-id", "/email/public/v1/events",
                 "/engagements/v1/engagements/modified/after"]:
        answer = raw("GET", path)
        if answer.status_code != 200:
            same((answer.status_code, answer.json()["category"]), (403, "MISSING_SCOPES"))
