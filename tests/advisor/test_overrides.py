"""An override: what is refused and why, what is written, and how it ends."""

from datetime import timedelta

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from advisor.errors import Refused
from advisor.models import Assessment, Override, OverrideEvent, Task
from advisor.services import (
    check_override,
    complete_assessment,
    expire_overrides,
    make_override,
    start_assessment,
    withdraw_override,
)
from portfolios.models import Fund
from tests.advisor.site_world import CHOSEN, REASON, give_level, make_assessment, make_goal, make_market, make_proposal, shown_sha, tomorrow
from tests.advisor.test_onboarding import ANSWERS


@pytest.fixture
def client(client):
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return client


@pytest.fixture
def goal(people):
    make_market()
    give_level(people.anna_investor)
    return make_goal(people.anna_investor)


@pytest.fixture
def proposal(goal):
    return make_proposal(goal)


def save(people, goal, proposal, weights=CHOSEN, who="ada", **changes):
    said = {"reason": REASON, "expires_on": tomorrow(30)} | changes
    sha = said.pop("sha", None) or shown_sha(goal, proposal, weights)
    return make_override(goal=goal, advisor=getattr(people, who), weights=weights, expected_price_sha=sha, **said)


def refused(people, goal, weights, code, **changes):
    """The refusal itself; nothing is written."""
    with pytest.raises(Refused) as caught:
        make_override(
            goal=goal,
            advisor=people.ada,
            weights=weights,
            **({"reason": REASON, "expires_on": tomorrow(30), "expected_price_sha": "0" * 64} | changes),
        )
    assert caught.value.code == code
    assert not Override.objects.exists()
    assert not OverrideEvent.objects.exists()
    return caught.value.params


def test_an_override_keeps_its_price_and_says_who_and_why(people, goal, proposal):
    made = save(people, goal, proposal)
    assert made.weights == CHOSEN
    assert made.price["chosen"]["cvar"] > made.price["proposed"]["cvar"] > 0
    assert made.price["chosen"]["bad_year_minor"] == pytest.approx(
        goal.amount_minor * made.price["chosen"]["cvar"], abs=goal.amount_minor * 1e-6
    )
    assert made.price["chosen"]["annual_cost_minor"] == 50_000  # half a per cent of 100,000 yuan, in fen
    [event] = made.events.all()
    assert (event.to_state, event.actor, event.why) == ("active", people.ada, REASON)


@pytest.mark.parametrize(
    ("weights", "code"),
    [
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "BO3": 0.1}, "sum"),
        ({"MM1": 0.5, "BO1": 0.2, "BO2": 0.2, "BO3": 0.2}, "sum"),
        ({}, "sum"),
        ({"MM1": 1.2, "BO1": -0.2}, "weight_out_of_range"),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "EQ1": 0.2}, "above_level"),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "NOPE": 0.2}, "unknown_fund"),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "BO5": 0.2}, "closed_fund"),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "BO6": 0.2}, "not_in_pool"),
        ({"MM1": 0.4, "BO1": 0.3, "BO2": 0.2, "BO3": 0.1}, "above_cap"),
        ({"MM1": 0.6, "BO1": 0.2, "BO2": 0.2}, "above_cap"),
        ({"MM1": 0.4, "IX1": 0.2, "IX2": 0.2, "IX3": 0.2}, "above_budget"),
    ],
)
def test_an_allocation_that_the_goal_may_not_have_is_refused(people, goal, proposal, weights, code):
    refused(people, goal, weights, code)


def test_half_in_one_money_market_fund_is_allowed(people, goal, proposal):
    weights = {"MM1": 0.5, "BO1": 0.2, "BO2": 0.2, "BO3": 0.1}
    assert save(people, goal, proposal, weights).weights == weights


@pytest.mark.parametrize("reason", ["", "too short", "   short   ", "\n\n\n\n\n\n\n\n\n\n\n\n"])
def test_a_reason_is_wanted(people, goal, proposal, reason):
    refused(people, goal, CHOSEN, "reason_too_short", reason=reason)


def test_a_reason_that_does_not_fit_is_refused_not_cut(people, goal, proposal):
    refused(people, goal, CHOSEN, "reason_too_long", reason="x" * 501)


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_the_end_lies_between_tomorrow_and_a_year_from_now(people, goal, proposal, days):
    refused(people, goal, CHOSEN, "expiry_out_of_range", expires_on=tomorrow(days))


def test_no_end_is_refused(people, goal, proposal):
    refused(people, goal, CHOSEN, "expiry_out_of_range", expires_on=None)


def test_what_was_not_shown_is_not_saved(people, goal, proposal):
    other = CHOSEN | {"IX1": 0.05, "IX2": 0.05}
    refused(people, goal, CHOSEN, "price_changed", expected_price_sha=shown_sha(goal, proposal, other))


def test_new_prices_between_preview_and_save_are_shown_first(people, goal, proposal):
    sha = shown_sha(goal, proposal, CHOSEN)
    Fund.objects.filter(code="IX1").update(annual_fee_bps=80)
    refused(people, goal, CHOSEN, "price_changed", expected_price_sha=sha)


def test_without_a_proposal_or_a_valid_level_nothing_is_saved(people, goal):
    refused(people, goal, CHOSEN, "no_proposal")
    give_level(people.anna_investor, days=-1)
    goal.account.investor.refresh_from_db()
    refused(people, goal, CHOSEN, "no_valid_level")


def test_the_horizon_lowers_what_the_goal_may_hold(people, goal, proposal):
    goal.target_date = tomorrow(200)  # below a year: C2 at most
    goal.save()
    assert refused(people, goal, CHOSEN, "above_level")["level"] == "C2"


def test_the_investors_own_limit_binds_where_it_is_tighter(people, goal):
    make_proposal(goal, result={"weights": CHOSEN, "cvar": 0.001, "cvar_limit": 0.001})
    refused(people, goal, CHOSEN, "above_budget")


def test_a_second_override_waits_until_the_first_is_withdrawn(people, goal, proposal):
    first = save(people, goal, proposal)
    other = CHOSEN | {"IX1": 0.05, "IX2": 0.05}
    with pytest.raises(Refused, match="already_active"):
        save(people, goal, proposal, other)
    assert withdraw_override(override=first, actor=people.ada, reason=REASON)
    assert save(people, goal, proposal, other).state == "active"


def test_a_double_click_makes_one_override(people, goal, proposal):
    assert save(people, goal, proposal).pk == save(people, goal, proposal).pk
    assert OverrideEvent.objects.count() == 1


def test_the_constraint_lets_one_of_two_through(people, goal, proposal, monkeypatch):
    first = save(people, goal, proposal)
    with pytest.raises(IntegrityError), transaction.atomic():
        Override.objects.create(goal=goal, advisor=people.ada, weights=CHOSEN, price={}, reason=REASON, expires_on=tomorrow())
    # The other request looked before the first was written, and finds out only at the constraint.
    monkeypatch.setattr("advisor.services.overrides._in_force", lambda goal: False)
    with pytest.raises(Refused, match="already_active"):
        save(people, goal, proposal, CHOSEN | {"IX1": 0.05, "IX2": 0.05})
    assert list(Override.objects.all()) == [first]


def test_a_level_lowered_while_the_price_was_worked_out_stops_the_save(people, goal, proposal, monkeypatch):
    from advisor.models import Investor
    from advisor.services import overrides

    def lowered_meanwhile(**said):
        price = overrides_check(**said)
        Investor.objects.update(level=2)
        return price

    overrides_check = overrides.check_override
    monkeypatch.setattr(overrides, "check_override", lowered_meanwhile)
    with pytest.raises(Refused, match="price_changed"):
        save(people, goal, proposal)
    assert not Override.objects.exists()


@pytest.mark.parametrize("who", ["bob", "sue", "mark", "adam", "anna"])
def test_only_the_clients_own_advisors_override(people, goal, proposal, who):
    with pytest.raises(PermissionDenied):
        save(people, goal, proposal, who=who)
    made = save(people, goal, proposal)
    with pytest.raises(PermissionDenied):
        withdraw_override(override=made, actor=getattr(people, who), reason=REASON)


def test_nobody_overrides_their_own_money(people, goal, proposal):
    household = people.anna_investor.household
    from identity.roles import Role
    from identity.services import give_role

    give_role(user=people.anna, role=Role.ADVISOR)
    household.primary_advisor = people.anna
    household.save()
    with pytest.raises(PermissionDenied):
        save(people, goal, proposal, who="anna")


def test_the_covering_advisor_may(people, goal, proposal):
    assert save(people, goal, proposal, who="cora").advisor == people.cora


def test_withdrawing_twice_writes_one_event(people, goal, proposal):
    made = save(people, goal, proposal)
    assert withdraw_override(override=made, actor=people.ada, reason=REASON)
    assert not withdraw_override(override=made, actor=people.ada, reason=REASON)
    assert [event.to_state for event in made.events.order_by("pk")] == ["active", "withdrawn"]


def test_withdrawing_wants_a_reason(people, goal, proposal):
    made = save(people, goal, proposal)
    with pytest.raises(Refused, match="reason_too_short"):
        withdraw_override(override=made, actor=people.ada, reason="no")
    made.refresh_from_db()
    assert made.state == "active"


def test_the_nightly_job_ends_what_is_due_and_opens_a_task(people, goal, proposal):
    made = save(people, goal, proposal, expires_on=tomorrow())
    assert expire_overrides() == 0
    Override.objects.update(expires_on=timezone.localdate())
    assert expire_overrides() == 1
    assert expire_overrides() == 0
    made.refresh_from_db()
    assert made.state == "expired"
    assert [(event.to_state, event.actor) for event in made.events.order_by("pk")] == [("active", people.ada), ("expired", None)]
    [task] = Task.objects.all()
    assert (task.kind, task.investor, task.params["goal"]) == ("override_expired", people.anna_investor, goal.pk)


def test_one_that_is_due_does_not_block_the_next(people, goal, proposal):
    save(people, goal, proposal)
    Override.objects.update(expires_on=timezone.localdate() - timedelta(days=1))
    other = CHOSEN | {"IX1": 0.05, "IX2": 0.05}
    save(people, goal, proposal, other)
    assert sorted(Override.objects.values_list("state", flat=True)) == ["active", "expired"]


# ── The page ──────────────────────────────────────────────────────────────────────────────────────────────────────


def form_of(weights, step, **fields):
    return {f"weight_{code}": f"{weight * 100:.2f}" for code, weight in weights.items()} | {"step": step} | fields


def address(goal):
    return reverse("advisors:override", args=[goal.pk])


def test_the_form_starts_from_the_proposal(client, people, goal, proposal):
    client.force_login(people.ada)
    page = client.get(address(goal)).content.decode()
    assert 'name="weight_MM1" value="40.00"' in page
    assert 'name="weight_IX2" value="5.00"' in page
    assert "buys and sells nothing" in page


def test_previewed_then_saved(client, people, goal, proposal):
    client.force_login(people.ada)
    shown = client.post(address(goal), form_of(CHOSEN, "preview"))
    assert shown.status_code == 200
    assert "A bad year could cost" in shown.content.decode()
    assert not Override.objects.exists()
    fields = {"expected_price_sha": shown.context["price_sha"], "reason": REASON, "expires_on": tomorrow(30).isoformat()}
    saved = client.post(address(goal) + "?q=an&page=2", form_of(CHOSEN, "save", **fields))
    assert saved.status_code == 302
    assert saved.url == reverse("advisors:client", args=[people.anna_investor.pk]) + f"?q=an&page=2#goal-{goal.pk}"
    assert Override.objects.get().weights == CHOSEN


def test_saving_without_a_preview_shows_the_price_and_saves_nothing(client, people, goal, proposal):
    client.force_login(people.ada)
    fields = {"reason": REASON, "expires_on": tomorrow(30).isoformat()}
    answer = client.post(address(goal), form_of(CHOSEN, "save", **fields))
    assert answer.status_code == 422
    assert "The figures have changed" in answer.content.decode()
    assert len(answer.context["price_sha"]) == 64
    assert not Override.objects.exists()


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (CHOSEN | {"MM1": 0.3}, "add up to 90.00\u00a0%"),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "EQ1": 0.2}, "Fund EQ1 (EQ1) is graded R4"),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "NOPE": 0.2}, "There is no fund with the code NOPE."),
        ({"MM1": 0.4, "BO1": 0.2, "BO2": 0.2, "BO5": 0.2}, "is closed for purchase"),
        ({"MM1": 0.4, "BO1": 0.3, "BO2": 0.2, "BO3": 0.1}, "would have 30.00\u00a0%; one fund may have at most 20.00\u00a0%"),
        ({"MM1": 0.4, "IX1": 0.2, "IX2": 0.2, "IX3": 0.2}, "this goal, at level C3, bears 12.00\u00a0%"),
    ],
)
def test_each_refusal_is_a_sentence(client, people, goal, proposal, weights, said):
    client.force_login(people.ada)
    answer = client.post(address(goal), form_of(weights, "preview"))
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert "Save the override" not in answer.content.decode()


@pytest.mark.parametrize("typed", ["abc", "-1", "101", "10.001", "NaN", "1e400", "Infinity"])
def test_a_weight_that_is_no_percentage_is_refused(client, people, goal, proposal, typed):
    client.force_login(people.ada)
    answer = client.post(address(goal), form_of(CHOSEN, "preview") | {"weight_MM1": typed})
    assert answer.status_code == 422
    assert "price_sha" not in answer.context


def test_the_rest_is_shared_out_and_what_is_kept_stays(client, people, goal, proposal):
    client.force_login(people.ada)
    typed = {"weight_MM1": "40", "weight_BO1": "10", "weight_BO2": "20", "keep_MM1": "on", "step": "share", "reason": REASON}
    answer = client.post(address(goal), typed)
    page = answer.content.decode()
    assert 'name="weight_MM1" value="40"' in page
    assert 'name="weight_BO1" value="20.00"' in page
    assert 'name="weight_BO2" value="40.00"' in page
    assert REASON in page


def test_a_fund_is_added_by_its_code_if_the_goal_may_hold_it(client, people, goal, proposal):
    client.force_login(people.ada)
    added = client.post(address(goal), form_of(CHOSEN, "add", add="IX3"))
    assert 'name="weight_IX3"' in added.content.decode()
    for code in ("EQ1", "BO5", "BO6", "NOPE", "MM1", ""):
        answer = client.post(address(goal), form_of(CHOSEN, "add", add=code))
        assert answer.status_code == 422, code


def test_a_supervisor_sees_the_allocation_and_cannot_post(client, people, goal, proposal):
    client.force_login(people.sue)
    page = client.get(address(goal)).content.decode()
    assert 'name="weight_MM1"' in page
    assert 'name="step"' not in page
    assert client.post(address(goal), form_of(CHOSEN, "preview")).status_code == 403
    assert client.post(address(goal), form_of(CHOSEN, "save")).status_code == 403


@pytest.mark.parametrize(("who", "status"), [("bob", 404), ("cora", 200), ("mark", 403), ("adam", 403), ("anna", 403)])
def test_who_opens_the_page(client, people, goal, proposal, who, status):
    client.force_login(getattr(people, who))
    assert client.get(address(goal)).status_code == status
    assert client.post(address(goal), form_of(CHOSEN, "preview")).status_code == status


def test_withdrawn_from_the_page(client, people, goal, proposal):
    made = save(people, goal, proposal)
    there = reverse("advisors:override_withdraw", args=[made.pk])
    client.force_login(people.bob)
    assert client.post(there, {"reason": REASON}).status_code == 404
    client.force_login(people.sue)
    assert client.post(there, {"reason": REASON}).status_code == 403
    client.force_login(people.ada)
    client.post(there, {"reason": "no"})
    made.refresh_from_db()
    assert made.state == "active"
    assert client.post(there, {"reason": REASON}).status_code == 302
    assert client.post(there, {"reason": REASON}).status_code == 302
    made.refresh_from_db()
    assert made.state == "withdrawn"
    assert made.events.count() == 2


def test_a_reason_too_long_to_withdraw_is_said_as_that(client, people, goal, proposal):
    made = save(people, goal, proposal)
    client.force_login(people.ada)
    page = client.post(reverse("advisors:override_withdraw", args=[made.pk]), {"reason": "x" * 600}, follow=True).content.decode()
    assert "at most 500 characters" in page and "at least" not in page.split("<main")[1].split("<h1")[0]
    made.refresh_from_db()
    assert made.state == "active"


def test_a_fund_code_that_no_database_can_look_for_is_left_out(client, people, goal, proposal):
    client.force_login(people.ada)
    address = reverse("advisors:override", args=[goal.pk])
    assert client.post(address, {"weight_A\x00": "100", "step": "preview"}).status_code == 422


def test_an_allocation_stays_within_the_loss_stated_since_its_proposal(people, goal, proposal):
    price = save(people, goal, proposal).price["chosen"]["cvar"]
    Override.objects.all().delete()
    assessment = make_assessment(people.anna_investor, 3)
    Assessment.objects.filter(pk=assessment.pk).update(stated_loss=price - 0.001)
    with pytest.raises(Refused, match="above_budget"):
        check_override(goal=goal, weights=CHOSEN)


def test_a_questionnaire_that_lowers_the_level_takes_back_what_is_above_it(people, goal, proposal):
    made = save(people, goal, proposal)
    assert Fund.objects.filter(code__in=made.weights, risk_grade=3).exists()
    draft = start_assessment(investor=people.anna_investor, amount_minor=goal.amount_minor)
    Assessment.objects.filter(pk=draft.pk).update(answers=ANSWERS | {"loss": "up-to-5"})
    assert complete_assessment(assessment=draft, actor=people.anna).level == 2
    made.refresh_from_db()
    proposal.refresh_from_db()
    assert (made.state, proposal.state) == ("withdrawn", "superseded")
    assert goal.proposals.filter(level=2, state="working").count() == 1, "a proposal of the new level is asked for"


def test_an_override_in_force_is_named_on_the_page(client, people, goal, proposal):
    save(people, goal, proposal)
    client.force_login(people.ada)
    page = client.get(address(goal)).content.decode()
    assert "An override is in force" in page
    assert 'name="weight_IX1" value="10.00"' in page
    fields = {"expected_price_sha": "0" * 64, "reason": REASON, "expires_on": tomorrow(31).isoformat()}
    answer = client.post(address(goal), form_of(CHOSEN, "save", **fields))
    assert answer.status_code == 422
    assert Override.objects.count() == 1


def test_without_a_proposal_the_page_says_so(client, people, goal):
    client.force_login(people.ada)
    assert "nothing to depart from" in client.get(address(goal)).content.decode()
    assert client.post(address(goal), form_of(CHOSEN, "save")).status_code == 200
    assert not Override.objects.exists()
