"""Drafts, completion, and levels written in bulk."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import IntegrityError
from django.template.loader import render_to_string
from django.utils import timezone

from advisor.instruments import load_instrument
from advisor.kernels.risk_profile import AnswerError
from advisor.models import AdvicePayload, AdviceRecord, Assessment, Goal, Investor, LevelChange, Proposal
from advisor.selectors.assessments import bad_year_minor, lifts_of, reasons_of
from advisor.selectors.onboarding import next_question
from advisor.selectors.record import verify_record
from advisor.services import (
    BulkAssessment,
    GoalError,
    GoalRequest,
    add_goal,
    assess_in_bulk,
    change_goal,
    complete_assessment,
    give_consent,
    save_answer,
    start_assessment,
)
from advisor.services.assessments import valid_until_from
from advisor.services.record import append_record
from advisor.services.record_history import record_history
from tests.advisor.test_onboarding import ANSWERS

pytestmark = pytest.mark.django_db
IN_TEN_YEARS = timezone.localdate() + timedelta(days=3653)


@pytest.fixture
def investor(people):
    return people.anna_investor


@pytest.fixture
def draft(investor):
    return start_assessment(investor=investor, amount_minor=10_000_000)


def fill(draft, **changed):
    for item, option in (ANSWERS | changed).items():
        draft = save_answer(assessment=draft, item=item, option=option, seconds=5)
    return draft


def goal_request(**changed):
    return GoalRequest(**({"name": "Home", "kind": "home", "amount_minor": 1_000_000, "target_date": IN_TEN_YEARS} | changed))


# ── Drafts ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_starting_again_goes_on_with_the_same_draft(investor, draft):
    assert start_assessment(investor=investor, amount_minor=1) == draft
    assert draft.instrument_sha256 == load_instrument(draft.instrument).sha256


def test_a_draft_left_for_a_month_is_set_aside(investor, draft):
    Assessment.objects.update(started_at=timezone.now() - timedelta(days=31))
    assert start_assessment(investor=investor, amount_minor=1) != draft
    draft.refresh_from_db()
    assert draft.state == "abandoned"


def test_a_person_has_one_draft(investor, draft):
    with pytest.raises(IntegrityError):
        Assessment.objects.create(investor=investor, instrument="standard@1")


def test_two_tabs_do_not_lose_each_others_answers(draft):
    one, other = Assessment.objects.get(pk=draft.pk), Assessment.objects.get(pk=draft.pk)
    save_answer(assessment=one, item="income", option="steady")
    save_answer(assessment=other, item="debt", option="none")
    draft.refresh_from_db()
    assert draft.answers == {"income": "steady", "debt": "none"}


def test_a_later_answer_replaces_an_earlier_one(draft):
    save_answer(assessment=draft, item="income", option="steady", seconds=4)
    draft = save_answer(assessment=draft, item="income", option="none", seconds=99999)
    draft = save_answer(assessment=draft, item="income", option="none", seconds=0)  # looked at once more
    assert (draft.answers, draft.seconds) == ({"income": "none"}, {"income": 3600})


@pytest.mark.parametrize(("item", "option", "code"), [("colour", "red", "unknown_item"), ("income", "red", "unknown_option")])
def test_what_is_not_in_the_questionnaire_is_not_kept(draft, item, option, code):
    with pytest.raises(AnswerError) as refused:
        save_answer(assessment=draft, item=item, option=option)
    assert refused.value.code == code
    draft.refresh_from_db()
    assert draft.answers == {}


def test_the_next_question_follows_and_then_fills_the_gaps(draft):
    assert next_question(draft) == "income"
    draft = save_answer(assessment=draft, item="experience", option="never")
    assert next_question(draft, after="experience") == "income"
    assert next_question(draft, after="income") == "reserve"
    assert next_question(fill(draft), after="income") is None


# ── Completion ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_completing_writes_every_number_and_the_level_in_force(people, investor, draft):
    done = complete_assessment(assessment=fill(draft), actor=people.anna)
    assert (done.state, done.raw_level, done.level, done.stated_loss) == ("completed", 4, 3, 0.2)
    assert done.working["blend"]["score"] == done.score
    assert done.working["caps"] == [{"name": "loss_20", "level": 3, "binds": True}]
    investor.refresh_from_db()
    assert (investor.level, investor.level_valid_until) == (3, valid_until_from(done.completed_at))
    change = LevelChange.objects.get()
    assert (change.from_level, change.to_level, change.assessment, change.actor) == (None, 3, done, people.anna)


def test_completing_twice_changes_nothing(draft):
    fill(draft)
    complete_assessment(assessment=draft)
    before = Assessment.objects.values().get()
    complete_assessment(assessment=draft)
    assert Assessment.objects.values().get() == before
    assert LevelChange.objects.count() == 1


def test_an_answer_missing_leaves_the_draft_open(draft):
    save_answer(assessment=draft, item="income", option="steady")
    with pytest.raises(AnswerError) as refused:
        complete_assessment(assessment=draft)
    assert refused.value.code == "missing_answers" and len(refused.value.params["items"]) == 15
    draft.refresh_from_db()
    assert draft.state == "draft" and not LevelChange.objects.exists()


def test_a_completed_sheet_takes_no_more_answers(draft):
    complete_assessment(assessment=fill(draft))
    with pytest.raises(AnswerError) as refused:
        save_answer(assessment=draft, item="income", option="none")
    assert refused.value.code == "closed"


def test_without_a_pool_the_level_stands_and_no_proposal_is_made(investor, draft):
    add_goal(investor=investor, request=goal_request())
    complete_assessment(assessment=fill(draft))
    assert Investor.objects.get(pk=investor.pk).level == 3
    assert not Proposal.objects.exists()


@pytest.mark.parametrize(
    ("completed", "last_day"),
    [
        (datetime(2026, 3, 5, 4, 0, tzinfo=UTC), date(2027, 3, 5)),
        (datetime(2026, 3, 5, 17, 0, tzinfo=UTC), date(2027, 3, 6)),  # already the sixth in Shanghai
        (datetime(2028, 2, 29, 4, 0, tzinfo=UTC), date(2029, 2, 28)),
        (datetime(2026, 12, 31, 4, 0, tzinfo=UTC), date(2027, 12, 31)),
    ],
)
def test_a_level_is_valid_for_twelve_months(completed, last_day):
    assert valid_until_from(completed) == last_day


# ── What the result says ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("level", "stated_loss", "bad_year"), [(3, None, 1_200_000), (3, 0.05, 500_000), (5, 1.0, 3_500_000), (0, 0.0, 1_000)]
)
def test_a_bad_year_is_the_smaller_of_budget_and_stated_loss(level, stated_loss, bad_year):
    assert bad_year_minor(level, stated_loss, 10_000_000) == bad_year


def test_three_reasons_the_decisive_one_first(draft):
    changed = {"debt": "consumer", "loss": "more", "mix": "e", "attitude": "growth", "coin": "1.2", "reaction": "buy"}
    done = complete_assessment(assessment=fill(draft, **changed))
    reasons = reasons_of(done)
    assert len(reasons) == 3
    assert reasons[0].kind == "ceiling" and len(lifts_of(done)) == 1
    gated = Assessment(investor=draft.investor, instrument=done.instrument, answers=ANSWERS | {"loss": "nothing"}, working=done.working)
    gated.working = done.working | {"gate": "no_loss"}
    assert reasons_of(gated)[0].kind == "gate"


def test_a_high_level_is_told_as_no_surer_than_another_sheet_would_be(draft):
    """The best answer but once: p is near 1 and nobody is queued, but another sheet falls back to the group's mean."""
    items = [item for item in load_instrument(draft.instrument).items if item.block != "knowledge"]
    best = {item.code: max(item.options, key=lambda one: one.score or 0.0).code for item in items}
    give_consent(investor=draft.investor, purpose="profiling", is_given=True, source="test")
    done = complete_assessment(assessment=fill(draft, **(best | {"reaction": "hold"})))
    said = done.working
    assert (done.level, said["confidence_by_p"], done.confidence, said["confidence"]) == (5, "high", "medium", "medium")
    assert said["certainty"] > 0.85 > said["retest"] > 0.6 and not said["is_queued"]
    assert set(said["forecast"]) == {"tolerance", "tolerance_error", "capacity", "capacity_error"}


def test_only_whoever_is_in_the_queue_is_told_of_an_advisor():
    words = {"confidence": "low"}
    told = {is_queued: render_to_string("advisor/_confidence.html", words | {"is_queued": is_queued}) for is_queued in (True, False)}
    assert told[True] != told[False]
    assert told[True].count("<p>") == told[False].count("<p>") == 1


# ── Many at once ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_sheets_in_bulk_give_what_one_by_one_gives(people, draft):
    alone = complete_assessment(assessment=fill(draft))
    early, late = timezone.now() - timedelta(days=400), timezone.now() - timedelta(days=10)
    ben = people.ben_investor
    sheets = [
        BulkAssessment(ben.pk, ANSWERS, 10_000_000, late),
        BulkAssessment(ben.pk, ANSWERS | {"loss": "nothing"}, 10_000_000, early),
    ]
    assert assess_in_bulk(sheets=sheets) == 2
    ben.refresh_from_db()
    assert (ben.level, ben.level_valid_until) == (alone.level, valid_until_from(late))
    latest = Assessment.objects.filter(investor=ben).latest("completed_at")
    assert (latest.working, latest.score, latest.instrument_sha256) == (alone.working, alone.score, alone.instrument_sha256)
    assert list(LevelChange.objects.filter(investor=ben).order_by("at").values_list("from_level", "to_level")) == [(None, 0), (0, 3)]
    assert not AdviceRecord.objects.filter(investor=ben).exists(), "his chain is begun by record_history"


def test_sheets_written_in_bulk_stand_in_a_chain_that_has_been_begun(people):
    anna, ben = people.anna_investor, people.ben_investor
    append_record(investor_id=anna.pk, kind="consent", payload={})
    at = timezone.now() - timedelta(days=3)
    assess_in_bulk(sheets=[BulkAssessment(one.pk, ANSWERS, 10_000_000, at) for one in (anna, ben)])
    assert record_history() == 1, "of ben alone"
    entries = list(AdviceRecord.objects.order_by("investor", "seq").values_list("investor", "kind"))
    assert entries == [(anna.pk, "consent"), (anna.pk, "assessment"), (anna.pk, "level"), (ben.pk, "assessment")]
    told = json.loads(AdvicePayload.objects.get(investor=anna, seq=2).text)
    row = Assessment.objects.get(investor=anna)
    assert (told["assessment"], told["level"], told["answers"], told["working"]) == (row.pk, row.level, row.answers, row.working)
    assert told["written_later_at"] and json.loads(AdvicePayload.objects.get(investor=anna, seq=3).text)["to"] == row.level
    assert verify_record().n_findings == 0


# ── Goals ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"amount_minor": 9_999}, "amount_too_small"),
        ({"amount_minor": 10_000_000_001}, "amount_too_large"),
        ({"target_date": timezone.localdate()}, "date_not_in_future"),
        ({"target_date": timezone.localdate() + timedelta(days=21_916)}, "date_too_far"),
    ],
)
def test_a_goal_outside_the_bounds_is_not_written(investor, wrong, code):
    with pytest.raises(GoalError) as refused:
        add_goal(investor=investor, request=goal_request(**wrong))
    assert refused.value.code == code
    assert not Goal.objects.exists()


def test_a_goal_with_a_portfolio_is_not_changed(investor):
    from portfolios.models import Portfolio

    goal = add_goal(investor=investor, request=goal_request())
    Goal.objects.update(portfolio=Portfolio.objects.create())
    changed = change_goal(goal=goal, request=goal_request(amount_minor=2_000_000))
    assert changed.amount_minor == 1_000_000


def test_one_persons_form_key_never_returns_anothers_goal(people):
    from uuid import uuid4

    key = uuid4()
    mine = add_goal(investor=people.anna_investor, request=goal_request(), key=key)
    assert add_goal(investor=people.anna_investor, request=goal_request(), key=key) == mine
    bens = add_goal(investor=people.ben_investor, request=goal_request(), key=key)
    assert bens != mine
    assert add_goal(investor=people.ben_investor, request=goal_request(), key=key) == bens
