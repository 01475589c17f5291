"""The nightly review: what it says of each goal, and what it never advises."""

import uuid
from datetime import datetime, time, timedelta

import pytest
from django.utils import timezone

from advisor.models import Goal
from advisor.selectors.review_inputs import fund_table, load_goals
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, Order, Portfolio
from portfolios.services import solve_advice
from tests.advisor.review_world import client_with, hold, review_of
from tests.advisor.site_world import give_level, make_goal, make_market

MODEL = {"BO1": 1_800_000, "BO2": 1_800_000, "BO3": 1_800_000, "BO4": 1_800_000, "MM1": 2_800_000}


@pytest.fixture
def market(people):
    make_market()


def test_who_holds_what_is_advised_may_keep_it(people, market):
    advised = solve_advice(level=3, horizon_years=5).weights
    goal = client_with(people.anna_investor, 3, **{code: round(weight * 10_000_000) for code, weight in advised.items()})
    row = review_of(goal)
    assert row.action == "keep"
    assert row.turnover < 0.02 and row.gain < 0.0005
    assert row.cvar_limit == pytest.approx(0.12)


def test_cash_that_lies_idle_is_worth_an_adjustment(people, market):
    row = review_of(client_with(people.anna_investor, 2, cash_minor=10_000_000))
    assert row.action == "adjust"
    assert row.turnover == pytest.approx(1.0)
    assert row.gain > 0.01
    assert row.cost == pytest.approx(0.0015, abs=1e-6)  # 15 basis points for each purchase
    assert sum(row.weights.values()) == pytest.approx(1.0, abs=1e-3)
    assert row.cvar_now == 0.0 < row.cvar_limit


def test_a_bad_year_above_the_stated_loss_is_said_before_all_else(people, market):
    row = review_of(client_with(people.anna_investor, 3, stated_loss=0.05, IX1=5_000_000, IX2=5_000_000))
    assert row.action == "too_risky"
    assert row.cvar_limit == 0.05 < row.cvar_now
    assert row.cvar_then <= 0.05 + 1e-6


def test_a_fee_of_redeeming_weighs_on_a_young_portfolio(people, market):
    goal = client_with(people.anna_investor, 2, **MODEL)
    old = review_of(goal)
    goal.portfolio.opened_at = timezone.now() - timedelta(days=3)
    goal.portfolio.save()
    young = review_of(goal)
    assert young.turnover <= old.turnover
    assert young.gain <= old.gain + 1e-9


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5])
def test_nothing_above_the_level_is_ever_advised(people, market, level):
    goal = client_with(people.anna_investor, level, cash_minor=1_000_000, EQ1=5_000_000, IX1=3_000_000, BO1=1_000_000, MM1=2_000_000)
    row = review_of(goal)
    funds = Fund.objects.in_bulk(list(row.weights), field_name="code")
    rule = jurisdiction().levels[level]
    assert row.weights or row.action == "impossible"
    for code, fund in funds.items():
        assert fund.risk_grade <= rule.max_grade and fund.is_open, code
        assert rule.only_classes is None or fund.asset_class in rule.only_classes, code
        assert row.weights[code] <= (0.5 if fund.asset_class == "money_market" else 0.18) + 1e-5
    assert row.is_breach is (level < 4)


def test_the_lowest_class_is_advised_money_market_funds_only(people, market):
    row = review_of(client_with(people.anna_investor, 0, stated_loss=0.0, cash_minor=5_000_000, MM1=5_000_000))
    assert set(Fund.objects.filter(code__in=row.weights).values_list("asset_class", flat=True)) <= {"money_market"}


def test_a_held_fund_that_is_closed_or_above_the_level_stays_and_the_rest_is_advised(people, market):
    closed = review_of(client_with(people.anna_investor, 3, BO5=5_000_000, MM1=5_000_000))  # the fifth is closed
    assert not closed.is_breach
    assert closed.outside == pytest.approx(0.5, abs=1e-3)
    assert "BO5" not in closed.weights and closed.weights
    above = review_of(client_with(people.ben_investor, 2, EQ1=9_000_000, MM1=1_000_000))
    assert above.is_breach
    assert above.outside == pytest.approx(0.9, abs=1e-3)
    assert above.action == "too_risky" and above.cvar_then > above.cvar_limit  # it stays: no sale is forced
    assert above.turnover <= 0.1 + 1e-6


def test_only_funds_from_outside_leave_nothing_to_advise(people, market):
    row = review_of(client_with(people.anna_investor, 4, EQ6=9_000_000))  # the sixth is outside of the pool
    assert row.outside == pytest.approx(1.0)
    assert (row.weights, row.gain) == ({}, None)
    assert row.cvar_now == pytest.approx(row.cvar_then)


def test_a_fund_whose_risk_is_not_known_is_not_taken_for_safe(people, market):
    Fund.objects.create(code="NEW", category="equity", asset_class="equity", risk_grade=3, source="test", last_nav_micro=1_000_000)
    row = review_of(client_with(people.anna_investor, 3, NEW=5_000_000, MM1=5_000_000))
    assert (row.action, row.cvar_now) == ("unknown", None)


def test_a_person_without_a_level_in_force_is_said_so_and_advised_nothing(people, market):
    goal = hold(make_goal(people.anna_investor), MM1=1_000_000)
    assert (review_of(goal).action, review_of(goal).weights) == ("no_level", {})
    give_level(people.anna_investor, 3, days=-1)
    assert review_of(goal).action == "no_level"


def test_the_years_that_are_left_cap_the_level(people, market):
    goal = client_with(people.anna_investor, 4, cash_minor=1_000_000)
    Goal.objects.filter(pk=goal.pk).update(target_date=timezone.localdate() + timedelta(days=200))
    assert review_of(goal).level == 2


def test_a_level_without_funds_is_impossible_and_says_why(people, market):
    Fund.objects.filter(category="money").update(is_open=False)
    row = review_of(client_with(people.anna_investor, 0, MM1=1_000_000))
    assert row.action == "impossible"
    assert row.error["code"] == "no_money_market_fund"


def test_a_loss_limit_that_no_portfolio_keeps_is_impossible_and_names_the_limit(people, market):
    Fund.objects.filter(code__startswith="MM").update(is_open=False)  # four bond funds at their cap leave a part to the index funds
    row = review_of(client_with(people.anna_investor, 3, stated_loss=0.01, IX1=1_000_000))
    assert row.action == "impossible"
    assert row.error["params"]["limit"] == "0.01"


def test_money_on_its_way_counts_once(people, market):
    goal = client_with(people.anna_investor, 2, cash_minor=1_000_000, MM1=1_000_000)
    fund = Fund.objects.get(code="BO1")
    common = {"portfolio": goal.portfolio, "fund": fund, "origin": "investor", "placed_at": timezone.now()}
    for side, state, amount in [("buy", "placed", 2_000_000), ("sell", "confirmed", 1_000_000), ("buy", "confirmed", 9_000_000)]:
        Order.objects.create(
            side=side, state=state, amount_minor=amount, units_centi=1, clearance_id=uuid.uuid4(), idempotency_key=uuid.uuid4(), **common
        )
    row = review_of(goal)
    # A fifth each of cash at hand, cash arriving and MM1, two of BO1: what is sold and bought tells what was read.
    moved = sum(max(0.0, row.weights.get(code, 0.0) - share) for code, share in {"MM1": 0.2, "BO1": 0.4}.items())
    others = sum(weight for code, weight in row.weights.items() if code not in ("MM1", "BO1"))
    sold = sum(max(0.0, share - row.weights.get(code, 0.0)) for code, share in {"MM1": 0.2, "BO1": 0.4}.items())
    assert row.turnover == pytest.approx((moved + others + sold + 0.4) / 2, abs=1e-3)


def test_the_age_of_a_portfolio_is_counted_in_shanghai_days(people, market):
    goal = client_with(people.anna_investor, 3, MM1=1_000_000)
    today = timezone.localdate()
    early = timezone.make_aware(datetime.combine(today - timedelta(days=6), time(1, 0)))  # the day before in UTC
    Portfolio.objects.filter(pk=goal.portfolio_id).update(opened_at=early)
    assert load_goals(goal.pk, goal.pk, fund_table(), today).days_open.tolist() == [6]
