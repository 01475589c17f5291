"""What proposals promise of the funds' capacity: reserved when ready, bounded by the room, given back when replaced."""

from contextlib import suppress
from threading import Barrier, BrokenBarrierError, Thread

import pytest
from django.db import connections
from django.utils import timezone

from advisor import services
from advisor.errors import Refused
from advisor.models import Proposal
from advisor.selectors import sentence
from advisor.services import acceptance, proposals
from advisor.services.capacity import promise_capacity
from portfolios.models import CapacityReservation, Fund, Order
from portfolios.selectors.capacity import capacities
from tests.advisor.advice_world import WEIGHTS, answer_with, ready_proposal, ready_to_ask, solution

STATE = CapacityReservation.State


@pytest.fixture
def goal(people):
    return ready_to_ask(people.anna_investor)


def room_for(code: str, yuan: int) -> None:
    """Let a fund publish so many units that its stop leaves room for so much money."""
    fund = Fund.objects.get(code=code)
    capacity = capacities([fund.pk])[fund.pk]
    units_centi = -(-yuan * 100 * 1_000_000 // fund.last_nav_micro)
    Fund.objects.filter(pk=fund.pk).update(units_centi=int(units_centi / capacity.stop) + 1)


def test_a_ready_proposal_has_reserved_its_funds_and_its_orders_take_them(goal, monkeypatch):
    proposal = ready_proposal(monkeypatch, goal)
    promised = CapacityReservation.objects.filter(reference=f"proposal:{proposal.pk}")
    assert dict(promised.values_list("fund__code", "amount_minor")) == proposal.result["amounts"]
    assert set(promised.values_list("state", "holder")) == {(STATE.RESERVED, f"account:{goal.account_id}")}
    services.accept_proposal(proposal=proposal, actor=goal.account.investor.user)
    assert set(promised.values_list("state", flat=True)) == {STATE.PENDING}
    assert CapacityReservation.objects.count() == len(WEIGHTS)


def test_a_replaced_proposal_gives_its_funds_back(goal, monkeypatch):
    first = ready_proposal(monkeypatch, goal)
    goal.amount_minor += 100
    goal.save()
    second = ready_proposal(monkeypatch, goal)
    states = CapacityReservation.objects.values_list("reference", "state").distinct()
    assert set(states) == {(f"proposal:{first.pk}", STATE.RELEASED), (f"proposal:{second.pk}", STATE.RESERVED)}


def test_what_the_replaced_proposal_had_reserved_is_room_for_the_next(goal):
    first = services.request_proposal(goal=goal)
    services.execute_proposal(first.pk)
    first.refresh_from_db()
    code, amount = max(first.result["amounts"].items(), key=lambda one: one[1])
    room_for(code, amount // 100 + 1_000)  # the fund is full but for what this goal holds of it
    goal.amount_minor += 100
    goal.save()
    second = services.request_proposal(goal=goal)
    assert services.execute_proposal(second.pk)
    second.refresh_from_db()
    assert second.result["weights"] == pytest.approx(first.result["weights"])


def test_an_older_proposal_that_ends_after_a_newer_one_reserves_nothing(goal, monkeypatch):
    answer_with(monkeypatch, lambda: solution())
    older = services.request_proposal(goal=goal)
    goal.amount_minor += 100
    goal.save()
    newer = ready_proposal(monkeypatch, goal)
    assert services.execute_proposal(older.pk)
    older.refresh_from_db()
    assert older.state == Proposal.State.SUPERSEDED
    assert set(CapacityReservation.objects.filter(state=STATE.RESERVED).values_list("reference", flat=True)) == {f"proposal:{newer.pk}"}


def test_a_proposal_whose_promise_lapsed_is_worked_out_again_when_it_is_asked_for(goal, monkeypatch):
    first = ready_proposal(monkeypatch, goal)
    assert services.request_proposal(goal=goal).pk == first.pk
    CapacityReservation.objects.update(expires_at=timezone.now())
    second = ready_proposal(monkeypatch, goal)
    assert second.pk != first.pk
    first.refresh_from_db()
    assert (first.state, second.state) == (Proposal.State.SUPERSEDED, Proposal.State.READY)


@pytest.mark.parametrize("limit", [{"daily_limit_minor": 100_000}, {"units_centi": 1}])
def test_a_fund_that_sells_less_since_makes_a_new_proposal_when_it_is_asked_for(goal, monkeypatch, limit):
    first = ready_proposal(monkeypatch, goal)
    Fund.objects.filter(code="BO1").update(**limit)
    assert services.request_proposal(goal=goal).pk != first.pk


@pytest.mark.django_db(transaction=True)
def test_accepting_while_a_newer_proposal_becomes_ready_ends_in_one_or_the_other(people, monkeypatch):
    """Whoever replaces a proposal and whoever accepts it lock it before its funds, so that neither waits for the other for ever."""
    goal = ready_to_ask(people.anna_investor)
    first = ready_proposal(monkeypatch, goal)
    goal.amount_minor += 100
    goal.save()
    second, asked, outcomes = services.request_proposal(goal=goal), Barrier(2, timeout=2), []
    place = acceptance.place_order

    def meet() -> None:
        with suppress(BrokenBarrierError):  # who is kept waiting by the other does not come
            asked.wait()

    def place_late(request):
        meet()
        return place(request)

    def promise_early(**promised):
        full = promise_capacity(**promised)
        meet()
        return full

    monkeypatch.setattr(acceptance, "place_order", place_late)
    monkeypatch.setattr(proposals, "promise_capacity", promise_early)

    def run(step) -> None:
        try:
            outcomes.append(step())
        except Refused as refused:
            outcomes.append(refused.code)
        except Exception as error:
            outcomes.append(repr(error))
        finally:
            connections.close_all()

    user = goal.account.investor.user
    steps = [lambda: services.execute_proposal(second.pk), lambda: services.accept_proposal(proposal=first, actor=user).state]
    threads = [Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert True in outcomes
    assert set(outcomes) - {True} <= {"accepted", "superseded"} and len(outcomes) == 2, outcomes


def test_a_fund_with_little_room_gets_no_more_than_it_has(goal):
    proposal = services.request_proposal(goal=goal)
    services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    code, weight = max(proposal.result["weights"].items(), key=lambda one: one[1])
    Proposal.objects.all().update(state=Proposal.State.SUPERSEDED)
    CapacityReservation.objects.all().delete()
    room_for(code, int(goal.amount_minor / 100 * weight / 2))
    narrow = services.request_proposal(goal=goal)
    assert services.execute_proposal(narrow.pk)
    narrow.refresh_from_db()
    assert narrow.result["weights"][code] == pytest.approx(weight / 2, rel=0.01)
    assert sum(narrow.result["amounts"].values()) == goal.amount_minor


def test_a_fund_that_fills_up_meanwhile_is_worked_out_again_and_then_said(goal, monkeypatch):
    room_for("IX1", 1)
    calls = answer_with(monkeypatch, lambda: solution())
    proposal = services.request_proposal(goal=goal)
    assert services.execute_proposal(proposal.pk)
    proposal.refresh_from_db()
    assert (len(calls), proposal.status, proposal.error) == (3, "failed", {"code": "no_room", "params": {"funds": ["IX1"]}})
    assert not CapacityReservation.objects.exists()
    assert "cannot take more money" in sentence("no_room", proposal.error["params"])


def test_accepting_after_a_fund_filled_up_orders_nothing(goal, monkeypatch):
    proposal = ready_proposal(monkeypatch, goal)
    CapacityReservation.objects.all().update(state=STATE.RELEASED)  # it lapsed, and others bought
    room_for("BO1", 1)
    with pytest.raises(Refused, match="fund_full") as refused:
        services.accept_proposal(proposal=proposal, actor=goal.account.investor.user)
    assert "BO1" in sentence(refused.value.code, refused.value.params)
    assert not Order.objects.exists()
    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.READY


def test_accepting_beyond_a_daily_limit_orders_nothing_and_says_the_limit(goal, monkeypatch):
    proposal = ready_proposal(monkeypatch, goal)
    Fund.objects.filter(code="BO1").update(daily_limit_minor=100_000)
    with pytest.raises(Refused, match="daily_limit") as refused:
        services.accept_proposal(proposal=proposal, actor=goal.account.investor.user)
    assert "1,000" in sentence(refused.value.code, refused.value.params)
    assert not Order.objects.exists()
