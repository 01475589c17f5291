"""What becomes of the level in force: waiting times of a rise, holds, confirmations, and behaviour between assessments."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from advisor.errors import Refused
from advisor.kernels.risk_profile import Measure
from advisor.models import (
    AdvicePayload,
    AdviceRecord,
    Assessment,
    BehaviourReading,
    Clearance,
    Consent,
    Household,
    Investor,
    LevelChange,
    LevelHold,
    Notice,
    Override,
    Proposal,
    ProposalDue,
    ReviewTrigger,
    Task,
)
from advisor.selectors import sentence
from advisor.selectors.level_news import what_waits
from advisor.selectors.level_words import rule_sentence
from advisor.selectors.reassessment import notices_of, pending_rise, rise_facts
from advisor.services import (
    apply_behaviour,
    apply_due_levels,
    confirm_rise,
    decline_rise,
    hold_level,
    lower_level,
    request_level_review,
    sign_level_review,
)
from advisor.services.rises import cancel_pending_rise
from portfolios.models import Portfolio
from tests.advisor.level_world import assess
from tests.advisor.site_world import CHOSEN, make_goal, make_proposal, tomorrow
from tests.portfolios.market import make_fund

REASON = "She sells her flat next spring."
MONDAY = datetime(2026, 3, 2, 4, 0, tzinfo=UTC)

pytestmark = pytest.mark.django_db


@pytest.fixture
def clock():
    with time_machine.travel(MONDAY, tick=False) as travelling:
        yield travelling


def level_of(investor):
    investor.refresh_from_db()
    return investor.level


def refused(work, **kwargs) -> str:
    with pytest.raises(Refused) as found:
        work(**kwargs)
    assert "%(" not in sentence(found.value.code, found.value.params)
    return found.value.code


def test_a_rise_takes_effect_a_day_later_and_a_fall_at_once(people, clock):
    investor = people.anna_investor
    assess(investor, 2)
    clock.shift(timedelta(days=60))
    goal = make_goal(investor)
    done = assess(investor, 3)
    assert (investor.level, done.level, done.pending_level, done.kept_by) == (2, 3, 3, "")
    assert investor.level_valid_until.isoformat() == "2027-05-01"
    waiting = pending_rise(done)
    assert (waiting.level, waiting.takes_effect_at, waiting.waits_for_advisor) == (3, timezone.now() + timedelta(hours=24), False)
    assert "24 hours" in rule_sentence("cooling_off", level="C2", day=timezone.localdate(waiting.takes_effect_at))
    clock.shift(timedelta(hours=23, minutes=59))
    assert (apply_due_levels(), level_of(investor)) == (0, 2)
    clock.shift(timedelta(minutes=1))
    assert (apply_due_levels(), level_of(investor)) == (1, 3)
    assert (apply_due_levels(), pending_rise(Assessment.objects.latest("pk"))) == (0, None)
    change = LevelChange.objects.latest("pk")
    assert (change.from_level, change.to_level, change.assessment) == (2, 3, done)
    assert [row.kind for row in notices_of(investor)] == ["raised"] and ProposalDue.objects.get().goal == goal
    assert assess(investor, 1).pending_level is None and level_of(investor) == 1
    told = AdviceRecord.objects.filter(investor=investor, kind="level").count()
    assert told == 4


def test_two_levels_at_once_wait_for_an_advisor_who_confirms_that_assessment(people, clock):
    investor = people.anna_investor
    assess(investor, 1)
    clock.shift(timedelta(days=60))
    first = assess(investor, 3)
    assert first.needs_confirmation and Task.objects.get(kind="confirm_rise").params["assessment"] == first.pk
    assert "two levels" in rule_sentence("two_levels", level="C1")
    clock.shift(timedelta(days=3))
    assert (apply_due_levels(), level_of(investor)) == (0, 1)
    for stranger in (people.bob, people.sue, people.anna, people.mark):  # the household has an advisor of its own
        with pytest.raises(PermissionDenied):
            confirm_rise(assessment=first, advisor=stranger, reason=REASON)
    # Another assessment takes its place: the confirmation would be of the wrong one.
    second = assess(investor, 4)
    assert refused(confirm_rise, assessment=first, advisor=people.ada, reason=REASON) == "no_rise_waits"
    assert Assessment.objects.get(pk=first.pk).kept_by == "newer_assessment"
    clock.shift(timedelta(hours=1))
    confirmed = confirm_rise(assessment=second, advisor=people.ada, reason=REASON)
    assert (confirmed.confirmed_by, level_of(investor), apply_due_levels()) == (people.ada, 1, 0), "the day of cooling off still runs"
    assert refused(confirm_rise, assessment=second, advisor=people.ada, reason=REASON) == "already_confirmed"
    clock.shift(timedelta(hours=23))
    assert (apply_due_levels(), level_of(investor)) == (1, 4)
    assert not Task.objects.filter(kind="confirm_rise", state="open").exists()


def test_after_the_day_a_confirmation_takes_effect_at_once_and_a_declined_rise_never(people, clock):
    for user, confirm, level in [(people.anna_investor, confirm_rise, 3), (people.ben_investor, decline_rise, 1)]:
        assess(user, 1)
        clock.shift(timedelta(days=1))
        done = assess(user, 3)
        clock.shift(timedelta(days=2))
        if user == people.ben_investor:  # nobody advises him any more: the branch's supervisor may
            Household.objects.filter(investors=user).update(primary_advisor=None, branch=people.sue.staff_member.branch)
        confirm(assessment=done, advisor=people.ada if user == people.anna_investor else people.sue, reason=REASON)
        assert level_of(user) == level and apply_due_levels() == 0
        clock.shift(timedelta(days=-3))
    assert Assessment.objects.latest("pk").kept_by == "declined"


def test_what_stands_against_a_rise_keeps_the_old_level_and_is_named(people, clock):
    investor = people.anna_investor
    assess(investor, 2)
    clock.shift(timedelta(days=60))
    now = timezone.now()

    # A purchase above the level was stopped on Friday 1 May, a holiday until the 5th: five trading days later is the 12th.
    stopped = {"portfolio_id": 1, "fund": make_fund("EQ1", grade=4), "side": "buy", "risk_grade": 4, "at": now}
    Clearance.objects.create(investor=investor, verdict="forbid", reasons=["fund_closed"], **stopped)
    assert rise_facts(investor.pk, now).blocked_purchase_until is None
    Clearance.objects.create(investor=investor, verdict="warn", reasons=["above_level"], **stopped)
    assert rise_facts(investor.pk, now).blocked_purchase_until.isoformat() == "2026-05-12"
    done = assess(investor, 3)
    assert (done.kept_by, done.level, done.pending_level, level_of(investor)) == ("blocked_purchase", 3, None, 2)
    assert done.working["rise"] == {"rule": "blocked_purchase", "granted": 2, "pending": None, "until": "2026-05-12"}
    assert "five trading days" in rule_sentence(done.kept_by, level="C2", day=timezone.localdate())
    clock.shift(timedelta(days=11))
    assert assess(investor, 3).kept_by == "blocked_purchase"
    clock.shift(timedelta(days=1))
    assert assess(investor, 3).pending_level == 3

    # An advisor's hold ends the rise that waits, and the next ones up to its last day.
    assert refused(hold_level, investor=investor, advisor=people.ada, until_date=timezone.localdate(), reason=REASON) == "hold_out_of_range"
    until = timezone.localdate() + timedelta(days=10)
    with pytest.raises(PermissionDenied):
        hold_level(investor=investor, advisor=people.bob, until_date=until, reason=REASON)
    held = hold_level(investor=investor, advisor=people.ada, until_date=until, reason=REASON)
    assert hold_level(investor=investor, advisor=people.ada, until_date=until, reason=REASON) == held
    last = Assessment.objects.latest("pk")
    assert LevelHold.objects.count() == 1 and last.kept_by == "held" and pending_rise(last) is None
    clock.shift(timedelta(days=10))
    assert (apply_due_levels(), assess(investor, 3).kept_by) == (0, "held")
    assert assess(investor, 2).kept_by == "", "no rise, so nothing stands against it"
    clock.shift(timedelta(days=1))
    assert assess(investor, 3).kept_by == ""
    clock.shift(timedelta(days=1))
    assert (apply_due_levels(), level_of(investor)) == (1, 3)
    clock.shift(timedelta(days=29))
    assert assess(investor, 4).kept_by == "recent_rise" and level_of(investor) == 3


def test_after_a_deep_fall_of_the_portfolio_answers_lower_and_do_not_raise_for_ninety_days(people, clock):
    investor = people.anna_investor
    assess(investor, 3)
    today = timezone.localdate()
    ReviewTrigger.objects.create(investor=investor, kind="portfolio_down", about="1:start", since=today, opened_at=timezone.now())
    clock.shift(timedelta(days=89))
    assert assess(investor, 4).kept_by == "portfolio_down"
    assert assess(investor, 2).kept_by == "" and level_of(investor) == 2
    clock.shift(timedelta(days=1))
    assert assess(investor, 3).kept_by == ""


@pytest.mark.parametrize("rule", ["blocked_purchase", "portfolio_down"])
@pytest.mark.parametrize("to_level", [3, 4])
def test_what_comes_while_a_rise_waits_stands_against_it_too(people, clock, rule, to_level):
    investor = people.anna_investor
    assess(investor, 2)
    clock.shift(timedelta(days=60))
    done = assess(investor, to_level)
    assert done.pending_level == to_level
    clock.shift(timedelta(hours=20))
    now = timezone.now()
    if rule == "blocked_purchase":
        stopped = {"portfolio_id": 1, "fund": make_fund("EQ1", grade=4), "side": "buy", "risk_grade": 4, "at": now}
        Clearance.objects.create(investor=investor, verdict="warn", reasons=["above_level"], **stopped)
    else:
        today = timezone.localdate()
        ReviewTrigger.objects.create(investor=investor, kind="portfolio_down", about="1:start", since=today, opened_at=now)
    if to_level == 4:
        clock.shift(timedelta(days=1))
        confirm_rise(assessment=done, advisor=people.ada, reason=REASON)
    clock.shift(timedelta(hours=4))
    assert (apply_due_levels(), level_of(investor)) == (0, 2)
    done.refresh_from_db()
    assert (done.pending_level, done.kept_by, done.level) == (None, rule, to_level)
    until = rise_facts(investor.pk, timezone.now()).blocked_purchase_until or timezone.localdate(now) + timedelta(days=89)
    assert what_waits(done, "C2") == rule_sentence(rule, level="C2", day=until)
    assert done.working["rise"]["until"] == until.isoformat()
    assert f'"why":"{rule}"' in AdvicePayload.objects.filter(investor=investor).latest("seq").text
    clock.move_to(datetime.combine(until, datetime.min.time(), UTC) + timedelta(days=1))
    assert apply_due_levels() == 0, "it is not kept for later"
    again = assess(investor, 3)
    clock.shift(timedelta(days=1))
    assert (again.kept_by, apply_due_levels(), level_of(investor)) == ("", 1, 3)


def test_a_hold_that_ends_a_rise_that_waits_says_until_when(people, clock):
    investor = people.anna_investor
    assess(investor, 2)
    clock.shift(timedelta(days=60))
    done = assess(investor, 3)
    until = timezone.localdate() + timedelta(days=20)
    hold_level(investor=investor, advisor=people.ada, until_date=until, reason=REASON)
    done.refresh_from_db()
    assert what_waits(done, "C2") == rule_sentence("held", level="C2", day=until)
    assert done.working["rise"] == {"rule": "held", "granted": 2, "pending": None, "until": until.isoformat()}


def test_whatever_lowers_a_level_ends_the_rise_that_waits(people, clock):
    investor = people.anna_investor
    assess(investor, 2)
    clock.shift(timedelta(days=60))
    done = assess(investor, 3)
    lower_level(investor=investor, advisor=people.ada, to_level=1, reason=REASON)
    clock.shift(timedelta(days=2))
    done.refresh_from_db()
    assert (apply_due_levels(), level_of(investor), done.kept_by) == (0, 1, "lowered")
    assert not cancel_pending_rise(investor_id=investor.pk, why="again")
    clock.shift(timedelta(days=60))
    assess(investor, 2)
    Investor.objects.update(level_valid_until=timezone.localdate() - timedelta(days=1))
    clock.shift(timedelta(days=2))
    assert (apply_due_levels(), level_of(investor)) == (0, 1)
    assert Assessment.objects.latest("pk").kept_by == "expired"


def test_a_signed_review_of_age_lifts_that_limit_at_one_assessment_only(people, clock):
    investor, old = people.anna_investor, {"age": "65-or-more"}
    from advisor.services import complete_assessment, start_assessment
    from tests.advisor.level_world import answers_for, fill

    def answer():
        draft = start_assessment(investor=investor, amount_minor=1_000_000)
        return complete_assessment(assessment=fill(draft, answers_for(5, draft.instrument) | old))

    first = answer()
    assert first.level == 3 and {"name": "age", "level": 3, "binds": True} in first.working["caps"]
    review = request_level_review(investor=investor, advisor=people.ada, kind="age", reason=REASON)
    with pytest.raises(PermissionDenied):
        sign_level_review(review=review, supervisor=people.ada)
    sign_level_review(review=review, supervisor=people.sue)
    assert (level_of(investor), apply_due_levels()) == (3, 0), "a review raises nothing"
    second = answer()
    review.refresh_from_db()
    assert second.level > 3 and second.working["age_reviewed"] and review.used_by == second and level_of(investor) == 3
    clock.shift(timedelta(days=1))
    assert answer().level == 3


# ── Behaviour between assessments ────────────────────────────────────────────────────────────────────────────────

PANIC = {"panic": Measure(1.0, 1.0, months_since_sale=2.0)}
CALM = {"panic": Measure(0.0, 1.0)}


@pytest.fixture
def behave(monkeypatch):
    """Let everybody's ledger say the same."""

    def say(measures):
        monkeypatch.setattr("advisor.services.levels.measures_of_many", lambda ids: dict.fromkeys(ids, measures))

    return say


def agree(investor, is_given=True):
    Consent.objects.create(investor=investor, purpose="profiling", is_given=is_given, source="test")


def test_behaviour_only_lowers_also_when_a_panic_leaves_the_window(people, clock, behave):
    investor, everybody = people.anna_investor, [people.anna_investor.pk, people.ben_investor.pk]
    assess(investor, 4)
    assess(people.ben_investor, 4)
    goal = make_goal(investor, portfolio=Portfolio.objects.create())
    proposal = make_proposal(goal, 4)
    override = Override.objects.create(
        goal=goal,
        advisor=people.ada,
        weights=CHOSEN,
        price={"chosen": {"cvar": 0.9}},
        reason=REASON,
        expires_on=tomorrow(),
    )
    behave(PANIC)
    assert apply_behaviour(investor_ids=everybody) == 0, "nobody has agreed to profiling"
    agree(investor)
    assert (apply_behaviour(investor_ids=everybody), level_of(investor), level_of(people.ben_investor)) == (1, 3, 4)
    change = LevelChange.objects.latest("pk")
    assert (change.from_level, change.to_level, change.assessment, change.why) == (4, 3, None, "behaviour: panic")
    proposal.refresh_from_db()
    override.refresh_from_db()
    assert (proposal.state, override.state) == (Proposal.State.SUPERSEDED, Override.State.WITHDRAWN)
    assert ProposalDue.objects.get().goal == goal and notices_of(investor)[0].kind == "lowered"
    assert apply_behaviour(investor_ids=everybody) == 0
    behave(CALM)
    assert (apply_behaviour(investor_ids=everybody), level_of(investor)) == (0, 3)
    behave(PANIC)
    agree(investor, is_given=False)
    Investor.objects.filter(pk=investor.pk).update(level=4)
    assert apply_behaviour(investor_ids=everybody) == 0, "consent withdrawn: the ledger is not read"
    assert investor.level_valid_until == Investor.objects.get(pk=investor.pk).level_valid_until


def test_a_rise_that_waits_shrinks_with_behaviour(people, clock, behave):
    investor = people.anna_investor
    agree(investor)
    assess(investor, 1)
    clock.shift(timedelta(days=1))
    done = assess(investor, 4)
    behave(PANIC)
    assert apply_behaviour(investor_ids=[investor.pk]) == 0
    done.refresh_from_db()
    assert (done.pending_level, level_of(investor)) == (3, 1)
    assert '"pending":3' in AdvicePayload.objects.filter(investor=investor).latest("seq").text
    confirm_rise(assessment=done, advisor=people.ada, reason=REASON)
    clock.shift(timedelta(days=1))
    assert (apply_due_levels(), level_of(investor)) == (1, 3)
    second = assess(investor, 3)
    assert second.pending_level is None and Notice.objects.filter(investor=investor, kind="raised").count() == 1


def test_the_queries_of_a_night_do_not_grow_with_the_people(people, clock, behave, django_assert_num_queries):
    for investor in (people.anna_investor, people.ben_investor):
        agree(investor)
        assess(investor, 3)
    behave(CALM)
    for ids in ([people.anna_investor.pk], [people.anna_investor.pk, people.ben_investor.pk]):
        with django_assert_num_queries(2):
            assert apply_behaviour(investor_ids=ids) == 0


def test_an_assessment_weighs_what_was_done_with_what_was_said(people, clock):
    investor, sold_on = people.anna_investor, timezone.localdate() - timedelta(days=60)
    calm = {name: {"value": 0.0, "evidence": 1.0} for name in ("turnover", "disposition", "concentration", "chasing")}
    measures = calm | {"panic": {"value": 1.0, "evidence": 1.0}}
    BehaviourReading.objects.create(investor=investor, as_of=sold_on, due_on=sold_on, measures=measures, panic_on=sold_on, damage=8.0)
    alone = assess(investor, 4)
    assert (alone.level, alone.working["blend"]["damage"], alone.confidence) == (4, 0.0, "medium"), "without consent nothing is read"
    agree(investor)
    weighed = assess(investor, 4)
    assert (weighed.level, investor.level, weighed.working["blend"]["damage"], weighed.working["lowered_by"]) == (3, 3, 8.0, ["panic_sale"])
    assert weighed.working["behaviour"]["panic"]["value"] == 1.0 and weighed.tolerance == alone.tolerance
