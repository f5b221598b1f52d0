"""Pipelines, their stages, and owners."""
from .support import check, code, deals, hub, raw, refused, same, truth, unique
from hubspot.crm.pipelines import (
    PipelineInput, PipelinePatchInput, PipelineStageInput, PipelineStagePatchInput)


def api():
    return hub().crm.pipelines.pipelines_api


def stages_api():
    return hub().crm.pipelines.pipeline_stages_api


def stage(label, order=0, probability="0.5"):
    return PipelineStageInput(
        label=label, display_order=order, metadata={"probability": probability})


def make():
    return api().create("deals", PipelineInput(
        label=unique("Sales "), display_order=1, stages=[stage("First"), stage("Second", 1)]))


@check
def deals_and_tickets_have_a_default_pipeline():
    found = api().get_by_id("deals", "default")
    truth("closedwon" in [item.id for item in found.stages], [item.id for item in found.stages])
    truth(all("probability" in item.metadata for item in found.stages), "no probability")
    found = api().get_by_id("tickets", "0")
    truth("1" in [item.id for item in found.stages], [item.id for item in found.stages])


@check
def a_pipeline_is_made_with_its_stages():
    made = make()
    same([item.label for item in made.stages], ["First", "Second"])
    same(made.stages[0].metadata["probability"], "0.5")
    truth(made.id in [item.id for item in api().get_all("deals").results], "not listed")
    found = api().get_by_id("deals", made.id)
    same((found.label, found.archived), (made.label, False))


@check
def a_deal_goes_through_a_pipeline_of_its_own():
    made = make()
    deal = deals.create(pipeline=made.id, dealstage=made.stages[1].id)
    found = deals.read(deal.id).properties
    same((found["pipeline"], found["dealstage"]), (made.id, made.stages[1].id))


@check
def a_deal_cannot_be_in_an_unknown_stage():
    body = refused(400, deals.create, dealstage="no_such_stage")
    same(code(body, "dealstage"), "INVALID_OPTION")


@check
def a_pipeline_is_renamed_replaced_and_archived():
    made = make()
    api().update("deals", made.id, PipelinePatchInput(label="Renamed"))
    same(api().get_by_id("deals", made.id).label, "Renamed")
    api().replace("deals", made.id, PipelineInput(
        label="Replaced", display_order=2, stages=[stage("Only")]))
    found = api().get_by_id("deals", made.id)
    same((found.label, [item.label for item in found.stages]), ("Replaced", ["Only"]))
    same(api().archive("deals", made.id, validate_references_before_delete=True), None)
    refused(404, api().get_by_id, "deals", made.id)


@check
def stages_are_made_renamed_replaced_and_archived():
    made = make()
    new = stages_api().create("deals", made.id, stage("Third", 2, "0.9"))
    same((new.label, new.metadata["probability"], new.archived), ("Third", "0.9", False))
    stages_api().update("deals", made.id, new.id, PipelineStagePatchInput(
        label="Renamed", metadata={"probability": "0.8"}))
    found = stages_api().get_by_id("deals", made.id, new.id)
    same((found.label, found.metadata["probability"]), ("Renamed", "0.8"))
    stages_api().replace("deals", made.id, new.id, stage("Replaced", 2, "0.7"))
    labels = [item.label for item in stages_api().get_all("deals", made.id).results]
    same(set(labels), {"First", "Second", "Replaced"})
    same(stages_api().archive("deals", made.id, new.id), None)
    labels = [item.label for item in stages_api().get_all("deals", made.id).results]
    same(set(labels), {"First", "Second"})


@check
def a_stage_of_a_deal_needs_a_probability():
    made = make()
    refused(400, stages_api().create, "deals", made.id, PipelineStageInput(
        label="Third", display_order=2, metadata={}))


@check
def pipelines_and_stages_answer_for_their_changes():
    made = make()
    found = hub().crm.pipelines.pipeline_audits_api.get_audit("deals", made.id)
    truth(isinstance(found.results, list), found)
    # The client leaves the pipeline out of the path of a stage's audit, so this one goes without it.
    path = f"/crm/v3/pipelines/deals/{made.id}/stages/{made.stages[0].id}/audit"
    same(raw("GET", path).status_code, 200)


@check
def an_unknown_pipeline_is_not_found():
    refused(404, api().get_by_id, "deals", "no_such_pipeline")
    refused(404, stages_api().get_by_id, "deals", "default", "no_such_stage")


@check
def owners_are_listed_and_found_by_id():
    owners = hub().crm.owners.get_all()
    for owner in owners[:3]:
        found = hub().crm.owners.owners_api.get_by_id(owner.id)
        same((found.id, found.email, found.archived), (owner.id, owner.email, False))
    found = hub().crm.owners.owners_api.get_page(email=f"{unique()}@example.com", limit=10)
    same(found.results, [])
    refused(404, hub().crm.owners.owners_api.get_by_id, "999999999")
    truth(isinstance(hub().crm.owners.owners_api.get_page(archived=True).results, list), "no list")
