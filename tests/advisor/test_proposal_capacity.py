"""What proposals promise of the funds' capacity: reserved when ready, bounded by the room, given back when replaced."""

import pytest

from advisor import services
from advisor.errors import Refused
from advisor.models import Proposal
from advisor.selectors import sentence
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
