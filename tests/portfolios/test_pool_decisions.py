"""Funds put in or kept out by hand: who may, what is refused, and that an approved exclude is out of the pool at once."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.utils import timezone

from identity.roles import Role
from portfolios.models import Fund, Pool, PoolDecision
from portfolios.selectors.pool import excluded_now, funds_like, pool_summary, pools_shown, with_touched
from portfolios.services import (
    DecisionRefused,
    approve_decision,
    execute_screen,
    request_decision,
    request_screen,
    return_decision,
    withdraw_decision,
)
from portfolios.services.pool_decisions import leave_out_excluded
from tests.conftest import make_user
from tests.portfolios.pages.screens_world import CLOSED, make_pool, make_run
from tests.portfolios.screen_world import DATA_DATE, make_market

REASON = "Its manager left on Monday."
DAY = date(2026, 10, 30)


@pytest.fixture
def market(people):
    run = make_run(DAY, {"F1": 0.95, "F2": 0.9, "F3": 0.5, "F4": 0.3}, gates={"F4": [CLOSED]})
    make_pool(run)
    people.sid = make_user("sid", Role.SUPERVISOR)
    return people


def until(n_days=30) -> date:
    return timezone.localdate() + timedelta(days=n_days)


def ask(who, code="F1", kind="exclude", **changed) -> PoolDecision:
    wish: dict[str, Any] = {"reason": REASON, "expires_date": until()} | changed
    return request_decision(fund=Fund.objects.get(code=code), kind=kind, actor=who, **wish)


def codes(pool: Pool) -> list[str]:
    return sorted(pool.funds.values_list("code", flat=True))


def refused(call, *args, **kwargs) -> str:
    with pytest.raises(DecisionRefused) as error:
        call(*args, **kwargs)
    return error.value.code


def test_an_approved_exclude_makes_a_version_of_the_pool_without_the_fund(market):
    before = Pool.objects.get(is_current=True)
    decision = ask(market.ada)
    assert codes(Pool.objects.get(is_current=True)) == ["F1", "F2"], "nothing happens while it waits"
    approve_decision(decision=decision, actor=market.sue)
    now = Pool.objects.get(is_current=True)
    assert (codes(now), now.decision, now.screen_run) == (["F2"], decision, before.screen_run)
    assert codes(before) == ["F1", "F2"], "an earlier version stays as it was"
    assert now.name == f"{before.name} (2)"
    assert now.members.get().reason == "enters 0.900"
    shown = pool_summary(pools_shown().get(is_current=True))
    assert [one.fund.code for one in shown.taken_out] == ["F1"]


def test_each_exclude_is_one_more_version_and_an_include_waits_for_the_screen(market):
    approve_decision(decision=ask(market.ada, "F1"), actor=market.sue)
    approve_decision(decision=ask(market.ada, "F2"), actor=market.sue)
    approve_decision(decision=ask(market.ada, "F3", "include"), actor=market.sue)
    now = Pool.objects.get(is_current=True)
    assert codes(now) == []
    assert (now.name, Pool.objects.count()) == (f"{DAY} (3)", 3)


def test_an_exclude_of_a_fund_outside_the_pool_makes_no_version(market):
    approve_decision(decision=ask(market.ada, "F3"), actor=market.sue)
    assert Pool.objects.count() == 1
    assert set(excluded_now()) == {Fund.objects.get(code="F3").pk}


def test_what_was_approved_while_a_screen_ran_is_left_out_of_its_pool(market):
    approve_decision(decision=ask(market.ada), actor=market.sue)
    make_pool(make_run(DAY + timedelta(days=21), {"F1": 0.9, "F2": 0.9}))
    leave_out_excluded()
    assert codes(Pool.objects.get(is_current=True)) == ["F2"]
    assert leave_out_excluded() is None, "a second time there is nothing to do"


def test_a_screen_that_was_asked_for_before_an_approval_publishes_its_pool_without_the_fund(people):
    make_market()
    first = request_screen(data_date=DATA_DATE)
    execute_screen(first.pk)
    fund = Pool.objects.get(is_current=True).funds.order_by("code")[0]
    decision = ask(people.ada, fund.code)
    later = request_screen(data_date=DATA_DATE)
    assert later.versions["decisions"] == []
    approve_decision(decision=decision, actor=people.sue)
    execute_screen(later.pk)
    now = Pool.objects.get(is_current=True)
    assert (now.screen_run, now.decision) == (later, decision)
    assert fund.code not in codes(now) and later.rows.get(fund=fund).is_in


def test_nobody_approves_or_returns_their_own_and_only_a_supervisor_decides(market):
    own = ask(market.sue)
    assert refused(approve_decision, decision=own, actor=market.sue) == "four_eyes"
    assert refused(return_decision, decision=own, actor=market.sue, answer="Not like that, please.") == "four_eyes"
    with pytest.raises(PermissionDenied):
        approve_decision(decision=own, actor=market.ada)
    with pytest.raises(PermissionDenied):
        ask(market.adam, "F2")
    approve_decision(decision=own, actor=market.sid)
    assert PoolDecision.objects.get().decided_by == market.sid


def test_a_second_answer_changes_nothing(market):
    decision = ask(market.ada)
    approve_decision(decision=decision, actor=market.sue, answer="Yes.")
    stale = PoolDecision.objects.get()
    stale.state = "waiting"
    assert refused(approve_decision, decision=stale, actor=market.sid) == "not_waiting"
    assert refused(return_decision, decision=stale, actor=market.sid, answer="Not like that, please.") == "not_waiting"
    assert refused(withdraw_decision, decision=stale, actor=market.ada) == "not_waiting"
    kept = PoolDecision.objects.get()
    assert (kept.state, kept.decided_by, kept.answer) == ("approved", market.sue, "Yes.")
    assert Pool.objects.count() == 2


def test_the_same_wish_twice_is_one_and_another_one_about_the_fund_is_refused(market):
    assert ask(market.ada) == ask(market.ada)
    assert refused(ask, market.bob) == "already_waiting"
    assert refused(ask, market.ada, kind="include") == "already_waiting"
    assert PoolDecision.objects.count() == 1


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"reason": "   too   \n"}, "reason_too_short"),
        ({"reason": "x" * 301}, "reason_too_long"),
        ({"expires_date": until(0)}, "ends_past"),
        ({"expires_date": until(367)}, "ends_late"),
    ],
)
def test_a_wish_without_reason_or_end_is_refused(market, changed, code):
    assert refused(ask, market.ada, **changed) == code
    assert not PoolDecision.objects.exists()


def test_a_fund_that_cannot_be_bought_is_not_put_in_by_hand(market):
    assert refused(ask, market.ada, "F4", "include") == "barred"
    Fund.objects.filter(code="F3").update(is_open=False)
    assert refused(ask, market.ada, "F3", "include") == "not_open"
    Fund.objects.filter(code="F3").update(ended_on=DAY)
    assert refused(ask, market.ada, "F3", "include") == "ended"
    assert ask(market.ada, "F4").kind == "exclude", "to keep it out is no contradiction"


def test_a_fund_that_closes_while_its_include_waits_is_refused_at_approval(market):
    decision = ask(market.ada, "F3", "include")
    Fund.objects.filter(code="F3").update(is_open=False)
    assert refused(approve_decision, decision=decision, actor=market.sue) == "not_open"
    assert PoolDecision.objects.get().state == "waiting"


def test_after_its_last_day_a_decision_can_only_be_returned_and_one_in_force_stops_counting(market):
    late = ask(market.ada, "F1")
    PoolDecision.objects.filter(pk=late.pk).update(expires_date=until(-1))
    late.refresh_from_db()
    assert refused(approve_decision, decision=late, actor=market.sue) == "expired"
    return_decision(decision=late, actor=market.sue, answer="Too late, ask again.")
    approve_decision(decision=ask(market.ada, "F2"), actor=market.sue)
    assert excluded_now()
    PoolDecision.objects.filter(state="approved").update(expires_date=until(-1))
    assert not excluded_now()


def test_a_later_approved_decision_replaces_the_earlier_one(market):
    first = approve_decision(decision=ask(market.ada, expires_date=until(300)), actor=market.sue)
    approve_decision(decision=ask(market.ada, expires_date=until(1)), actor=market.sue)
    first.refresh_from_db()
    assert first.state == "replaced"
    PoolDecision.objects.filter(state="approved").update(expires_date=until(-1))
    assert not excluded_now(), "the longer one does not come back"


def test_a_return_needs_a_reason_and_leaves_the_pool(market):
    decision = ask(market.ada)
    assert refused(return_decision, decision=decision, actor=market.sue, answer="no") == "answer_too_short"
    return_decision(decision=decision, actor=market.sue, answer="The new manager is known to us.")
    assert PoolDecision.objects.get().state == "returned"
    assert Pool.objects.count() == 1
    assert ask(market.ada).pk != decision.pk, "it can be asked for anew"


def test_only_who_asked_withdraws(market):
    decision = ask(market.ada)
    assert refused(withdraw_decision, decision=decision, actor=market.bob) == "not_yours"
    assert withdraw_decision(decision=decision, actor=market.ada).state == "withdrawn"


def test_what_a_decision_touches_names_the_shortage_that_it_would_make(market):
    run = make_run(DAY + timedelta(days=21), {f"G{i}": 0.9 for i in range(5)})
    Fund.objects.filter(code__startswith="G").update(company="A")
    make_pool(run)
    [touched] = with_touched([ask(market.ada, "G0")])
    assert touched.is_in_pool
    assert "grade R3 has 4 funds and needs 5" in touched.shortage
    [touched] = with_touched([ask(market.ada, "F3")])
    assert (touched.is_in_pool, touched.shortage) == (False, "")


def test_funds_are_found_by_code_first_and_then_by_part_of_the_name(market):
    assert [fund.code for fund in funds_like(" f1 ")] == ["F1"]
    assert [fund.code for fund in funds_like("Fund F")] == ["F1", "F2", "F3", "F4"]
    assert funds_like("%") == funds_like(" ") == []
