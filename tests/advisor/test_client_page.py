"""One client's page, the tasks done from it, and the level lowered from it."""

import re

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from advisor.errors import Refused
from advisor.models import Investor, LevelChange, Override, Proposal, Task
from advisor.services import close_task, lower_level, open_task
from config.jobs import finish_job
from portfolios.models import Fund, Holding, Portfolio
from tests.advisor.site_world import CHOSEN, REASON, give_level, make_assessment, make_goal, make_market, make_proposal, tomorrow


@pytest.fixture
def client(client):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def anna(people):
    give_level(people.anna_investor)
    return people.anna_investor


def address(investor):
    return reverse("advisors:client", args=[investor.pk])


def page_of(client, user, investor):
    client.force_login(user)
    return client.get(address(investor)).content.decode()


def lower(people, investor, to_level, who="ada", reason=REASON):
    return lower_level(investor=investor, advisor=getattr(people, who), to_level=to_level, reason=reason)


# ── Who sees it ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("who", "status"), [("ada", 200), ("cora", 200), ("sue", 200), ("bob", 404), ("mark", 403), ("adam", 403), ("anna", 403), ("ben", 403)]
)
def test_who_opens_the_page(client, people, anna, who, status):
    client.force_login(getattr(people, who))
    assert client.get(address(anna)).status_code == status


@pytest.mark.parametrize(("who", "status"), [("cora", 302), ("sue", 403), ("bob", 404), ("mark", 403), ("adam", 403), ("anna", 403)])
def test_who_changes_something(client, people, anna, who, status):
    task = open_task(investor_id=anna.pk, kind="call_me")
    client.force_login(getattr(people, who))
    assert client.post(reverse("advisors:task_done", args=[task.pk])).status_code == status
    answer = client.post(reverse("advisors:client_level", args=[anna.pk]), {"to_level": "2", "reason": REASON})
    assert answer.status_code == status
    anna.refresh_from_db()
    task.refresh_from_db()
    changed = who == "cora"
    assert (anna.level, task.state) == ((2, "done") if changed else (3, "open"))


def test_a_client_who_does_not_exist_is_not_found(client, people):
    client.force_login(people.ada)
    assert client.get(reverse("advisors:client", args=[999_999])).status_code == 404


def test_changes_are_posts(client, people, anna):
    client.force_login(people.ada)
    assert client.get(reverse("advisors:client_level", args=[anna.pk])).status_code == 405
    assert client.post(address(anna)).status_code == 405


# ── What it says ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_about_whom_nothing_is_known_yet(client, people):
    page = page_of(client, people.ada, people.anna_investor)
    for said in ("No risk level yet", "has not been completed yet", "No goal has been named yet", "Nothing to do for this client"):
        assert said in page


def test_level_evidence_and_holdings(client, people, anna):
    make_market()
    make_assessment(anna)
    LevelChange.objects.create(investor=anna, to_level=3, assessment=anna.assessments.get(), why="x")
    goal = make_goal(anna, portfolio=Portfolio.objects.create(cash_minor=12_300))
    make_proposal(goal)
    fund = Fund.objects.get(code="MM1")
    Holding.objects.create(portfolio=goal.portfolio, fund=fund, units_centi=100_000, cost_minor=100_000)
    page = page_of(client, people.ada, anna)
    for said in (
        "C3",
        "valid until",
        "55.5",
        "61.2",
        "56.9",
        "you can bear to lose 20 %",
        "at most C3",
        "Fund MM1",
        "100.0\u00a0%",
        "40.0\u00a0%",
        "¥123",
    ):
        assert said in page, said
    # The answers stand in words, about the money they were asked about.
    assert "100,000" in page
    assert 'href="' + reverse("advisors:override", args=[goal.pk]) in page
    assert " style=" not in page
    assert "<script>" not in page


@pytest.mark.parametrize(("days", "said"), [(-1, "Risk level has expired"), (10, "Risk level expires soon")])
def test_flags_of_the_level(client, people, anna, days, said):
    give_level(anna, days=days)
    assert said in page_of(client, people.ada, anna)


def test_an_unknown_questionnaire_still_shows_its_answers(client, people, anna):
    assessment = make_assessment(anna)
    type(assessment).objects.update(instrument="older@7", answers={"age": "a"})
    assert "older@7" in page_of(client, people.ada, anna)


def test_the_override_in_force_is_the_target(client, people, anna):
    make_market()
    goal = make_goal(anna)
    make_proposal(goal)
    price = {"chosen": {"bad_year_minor": 500_000, "cvar": 0.05}, "proposed": {"bad_year_minor": 400_000, "cvar": 0.04}}
    Override.objects.create(goal=goal, advisor=people.ada, weights=CHOSEN, price=price, reason=REASON, expires_on=tomorrow(9))
    page = page_of(client, people.ada, anna)
    assert "Holdings beside the override" in page
    assert "¥5,000" in page
    assert "Withdraw the override" in page
    page = page_of(client, people.sue, anna)
    assert "Withdraw the override" not in page
    assert "Lower the level" not in page
    assert "You see this client as a supervisor" in page


def test_queries_do_not_grow_with_goals_and_tasks(client, people, anna):
    make_market()
    client.force_login(people.ada)
    client.get(address(anna))  # the first look within half an hour is noted: one statement more
    counted = []
    for n in (1, 6):
        for _ in range(n):
            goal = make_goal(anna, portfolio=Portfolio.objects.create())
            make_proposal(goal)
            Override.objects.create(
                goal=goal, advisor=people.ada, weights=CHOSEN, price={}, reason=REASON, expires_on=tomorrow(9), state="withdrawn"
            )
            open_task(investor_id=anna.pk, kind=f"kind_{goal.pk}")
        with CaptureQueriesContext(connection) as queries:
            client.get(address(anna))
        counted.append(len(queries))
    assert counted[0] == counted[1] <= 24


# ── Tasks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_open_task_a_kind(people, anna):
    first = open_task(investor_id=anna.pk, kind="call_me", params={"a": 1}, due_date=tomorrow())
    assert open_task(investor_id=anna.pk, kind="call_me", params={"a": 2}) == first
    assert open_task(investor_id=people.ben_investor.pk, kind="call_me") != first
    assert close_task(task_id=first.pk, actor=people.ada)
    assert not close_task(task_id=first.pk, actor=people.bob)
    first.refresh_from_db()
    assert (first.state, first.done_by) == ("done", people.ada)
    assert open_task(investor_id=anna.pk, kind="call_me") != first


def test_a_task_is_done_once_from_the_page(client, people, anna):
    task = open_task(investor_id=anna.pk, kind="call_me")
    there = reverse("advisors:task_done", args=[task.pk]) + "?q=an&page=3"
    client.force_login(people.ada)
    answer = client.post(there)
    assert answer.url == address(anna) + "?q=an&page=3#tasks"
    done_at = Task.objects.get().done_at
    client.force_login(people.cora)
    assert client.post(there).status_code == 302
    assert (Task.objects.get().done_at, Task.objects.get().done_by) == (done_at, people.ada)
    assert "Asks to be called." in client.get(address(anna)).content.decode()


# ── Lowering a level ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_level_is_lowered_with_a_reason(people, anna):
    change = lower(people, anna, 1)
    anna.refresh_from_db()
    assert anna.level == 1
    assert (change.from_level, change.to_level, change.actor, change.why, change.assessment) == (3, 1, people.ada, REASON, None)


@pytest.mark.parametrize("to_level", [3, 4, 5, 6, -1])
def test_a_level_is_never_raised_here(people, anna, to_level):
    with pytest.raises(Refused, match="not_lower"):
        lower(people, anna, to_level)
    anna.refresh_from_db()
    assert (anna.level, LevelChange.objects.count()) == (3, 0)


def test_lowering_twice_writes_one_change(people, anna):
    lower(people, anna, 2)
    with pytest.raises(Refused, match="not_lower"):
        lower(people, anna, 2)
    assert LevelChange.objects.count() == 1


@pytest.mark.parametrize(("reason", "code"), [("", "reason_too_short"), ("  no   ", "reason_too_short"), ("x" * 301, "reason_too_long")])
def test_lowering_wants_a_reason_that_fits(people, anna, reason, code):
    with pytest.raises(Refused, match=code):
        lower(people, anna, 2, reason=reason)
    anna.refresh_from_db()
    assert anna.level == 3


def test_without_a_level_there_is_nothing_to_lower(people):
    with pytest.raises(Refused, match="no_level_to_lower"):
        lower(people, people.anna_investor, 0)


@pytest.mark.parametrize("who", ["bob", "sue", "mark", "adam", "anna"])
def test_only_the_clients_own_advisors_lower(people, anna, who):
    with pytest.raises(PermissionDenied):
        lower(people, anna, 1, who=who)


def test_what_the_lower_level_does_not_allow_is_taken_back(people, anna):
    make_market()
    goal, old, modest = make_goal(anna), make_goal(anna), make_goal(anna)
    ready, accepted = make_proposal(goal), make_proposal(old, state="accepted")
    within = make_proposal(modest, level=2)
    price = {"chosen": {"cvar": 0.03}}
    holds_r3 = Override.objects.create(goal=old, advisor=people.ada, weights=CHOSEN, price=price, reason=REASON, expires_on=tomorrow(9))
    calm = Override.objects.create(
        goal=modest, advisor=people.ada, weights={"MM1": 0.5, "BO1": 0.5}, price=price, reason=REASON, expires_on=tomorrow(9)
    )
    lower(people, anna, 2)
    states = {row.pk: row.state for row in Proposal.objects.all()}
    assert (states[ready.pk], states[accepted.pk], states[within.pk]) == ("superseded", "accepted", "ready")
    assert ready.events.get().actor == people.ada
    # A new one is asked for at the lower level, for the goal whose proposal was taken back.
    [asked] = Proposal.objects.filter(goal=goal).exclude(pk=ready.pk)
    assert (asked.level, asked.state, asked.status) == (2, "working", "queued")
    holds_r3.refresh_from_db()
    calm.refresh_from_db()
    assert (holds_r3.state, calm.state) == ("withdrawn", "active")
    assert holds_r3.events.get().why == REASON


def test_a_proposal_still_being_worked_out_above_the_level_is_discarded(people, anna):
    import uuid

    proposal = make_proposal(make_goal(anna), status="running", state="working", result=None, claim=uuid.uuid4())
    lower(people, anna, 2)
    assert not finish_job(Proposal, proposal.pk, proposal.claim, state="ready")
    proposal.refresh_from_db()
    assert (proposal.state, proposal.status) == ("superseded", "failed")


def test_lowered_from_the_page(client, people, anna):
    client.force_login(people.ada)
    there = reverse("advisors:client_level", args=[anna.pk])
    for posted, said in [
        ({"to_level": "2", "reason": "no"}, "at least 10 characters"),
        ({"to_level": "5", "reason": REASON}, "It can only be lowered here"),
        ({"to_level": "9", "reason": REASON}, "not one of the available choices"),
        ({"to_level": "", "reason": REASON}, "This field is required"),
        ({}, "This field is required"),
    ]:
        answer = client.post(there, posted)
        assert answer.status_code == 422
        assert said in answer.content.decode(), posted
    assert Investor.objects.get(pk=anna.pk).level == 3
    assert client.post(there, {"to_level": "2", "reason": REASON}).status_code == 302
    page = client.get(address(anna)).content.decode()
    assert REASON.replace("'", "&#x27;") in page
    assert "C2" in page


def test_the_language_changes_on_a_refused_form_without_losing_the_page(client, people, anna):
    client.force_login(people.ada)
    page = client.post(reverse("advisors:client_level", args=[anna.pk]), {}).content.decode()
    there = re.search(r'name="next" value="([^"]*)"', page).group(1)
    assert client.post(reverse("set_language"), {"language": "zh-hans", "next": there}, follow=True).status_code == 200
