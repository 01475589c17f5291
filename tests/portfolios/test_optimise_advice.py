"""The advice over the current pool."""

from dataclasses import replace

import numpy as np
import pytest

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.gamma import smallest_gamma
from portfolios.kernels.risk import cvar_of_record
from portfolios.models import Fund, PoolFund
from portfolios.selectors import error_sentence, weights_risk
from portfolios.selectors.model_sets import market_of_models
from portfolios.services import request_models, solve_advice, store_histories
from portfolios.services.levels import advised_funds, level_mandate, solve_within_loss
from tests.portfolios.advice_pool import add_fund, make_pool, simulate
from tests.portfolios.models_world import approve_current_models

pytestmark = pytest.mark.django_db


@pytest.fixture
def bare_pool():
    return make_pool()


@pytest.fixture
def pool(bare_pool):
    approve_current_models()
    return bare_pool


@pytest.fixture
def market(pool):
    return market_of_models(approve_current_models())


@pytest.mark.parametrize("level", [0, 1, 2, 3, 4, 5])
def test_every_level_keeps_its_grades_caps_and_budget(pool, level):
    rules = jurisdiction()
    answer = solve_advice(level=level, horizon_years=4)
    funds = {fund.code: fund for fund in Fund.objects.all()}
    assert sum(answer.weights.values()) == pytest.approx(1, abs=1e-12)
    assert answer.cvar <= rules.levels[level].cvar_budget
    for code, weight in answer.weights.items():
        assert funds[code].risk_grade <= rules.levels[level].max_grade
        assert rules.advice.min_weight <= weight <= (0.5 if funds[code].asset_class == "money_market" else 0.18)
        assert level > 0 or funds[code].asset_class == "money_market"
    assert [row["code"] for row in answer.funds] == sorted(answer.weights, key=lambda code: (-answer.weights[code], code))
    assert sum(row["why"]["risk_share"] for row in answer.funds) == pytest.approx(1)
    assert answer.as_json()["data_date"] == "2024-12-31"


def test_the_figures_of_the_advice_are_those_of_its_weights(pool):
    answer = solve_advice(level=4, horizon_years=4)
    risk = weights_risk(answer.weights)
    assert (risk.expected_return, risk.volatility, risk.cvar) == pytest.approx(
        (answer.expected_return, answer.volatility, answer.cvar), rel=1e-12
    )
    assert risk.highest_grade == max(row["risk_grade"] for row in answer.funds)
    assert risk.annual_fee_bps == pytest.approx(50)
    assert 0 < risk.purchase_fee_bps < 20


def test_a_lower_stated_loss_raises_risk_aversion_until_both_estimates_just_keep_it(pool):
    free = solve_advice(level=5, horizon_years=6)
    asked = solve_advice(level=5, horizon_years=6, stated_loss=0.04)
    assert asked.gamma > free.gamma == 2.0
    assert not free.budget_binds
    assert asked.budget_binds
    assert max(asked.cvar, asked.cvar_of_record) == pytest.approx(0.04, abs=2e-4)  # the smallest holdings went last
    assert max(asked.cvar, asked.cvar_of_record) <= 0.04 == asked.cvar_limit


def test_the_normal_form_alone_would_take_more_risk_than_the_estimator_of_record_allows(market):
    mandate = level_mandate(advised_funds(market, 5), 5)
    lenient = smallest_gamma(market.moments, mandate, 0.04).solution
    strict = solve_within_loss(market, mandate, 0.04)
    assert lenient.cvar == pytest.approx(0.04, abs=1e-9)
    assert strict.solution.gamma > lenient.gamma
    assert strict.cvar_of_record == pytest.approx(0.04, abs=1e-5) and strict.cvar_of_record <= 0.04
    alone = cvar_of_record(market.record, by_fund(strict, market), strict.solution.expected_return, strict.solution.costs / 5)
    assert alone == pytest.approx(strict.cvar_of_record, abs=1e-9)


def by_fund(found, market) -> np.ndarray:
    weights = dict(zip(found.solution.codes, found.solution.weights, strict=True))
    return np.array([weights.get(code, 0.0) for code in market.moments.codes])


def test_a_loss_that_only_the_estimator_of_record_refuses_is_named_as_such(market):
    mandate = level_mandate(advised_funds(market, 3), 3)
    calm = solve_within_loss(market, mandate, 0.12)
    never = replace(market, record=replace(market.record, weekly=market.record.weekly * 60.0))
    with pytest.raises(InfeasibleError) as raised:
        solve_within_loss(never, mandate, 0.12)
    assert raised.value.code == "cvar_budget_of_record"
    assert raised.value.params["limit"] == 0.12 < raised.value.params["reached"]
    assert calm.cvar_of_record <= 0.12
    assert "12.00%" in error_sentence(raised.value.code, raised.value.params)


def test_a_fund_too_young_for_the_estimator_of_record_is_not_advised_and_said(pool):
    common = np.zeros(252 * 6)
    add_fund(pool, "young", "money")
    store_histories([simulate("young", 0.0005, common, 0.0, np.random.default_rng(3), 252 + 90)])
    approve_current_models()
    answer = solve_advice(level=1, horizon_years=3)
    assert "young" not in answer.weights
    assert "short_record:young" in answer.notes


def test_a_stated_loss_above_the_budget_changes_nothing(pool):
    assert solve_advice(level=2, horizon_years=3, stated_loss=0.5).weights == solve_advice(level=2, horizon_years=3).weights


def test_the_frontier_falls_from_high_return_to_low_risk(pool):
    points = np.array(solve_advice(level=5, horizon_years=3).frontier)
    assert (np.diff(points, axis=0) <= 1e-9).all()


def test_a_fund_without_history_is_left_out_and_said(pool):
    add_fund(pool, "new", "equity")
    young = simulate("young", 0.2, np.zeros(300), 0.0, np.random.default_rng(1), 60)
    add_fund(pool, "young", "equity")
    store_histories([young])
    approve_current_models()
    answer = solve_advice(level=5, horizon_years=3)
    assert {"short_history:new", "short_history:young"} <= set(answer.notes)
    with pytest.raises(DataError) as raised:
        weights_risk({"new": 1.0})
    assert (raised.value.code, raised.value.params) == ("fund_without_moments", {"fund": "new"})


def test_a_closed_fund_is_not_advised(pool):
    Fund.objects.filter(category="money").update(is_open=False)
    with pytest.raises(InfeasibleError) as raised:
        solve_advice(level=0, horizon_years=1)
    assert raised.value.code == "no_money_market_fund"


def test_one_money_market_fund_cannot_hold_everything(pool):
    Fund.objects.filter(category="money").exclude(code="money0").update(is_open=False)
    with pytest.raises(InfeasibleError) as raised:
        solve_advice(level=0, horizon_years=1)
    assert raised.value.code == "bounds_cannot_sum_to_one"


def test_a_loss_that_no_portfolio_of_the_level_keeps_is_named(pool):
    PoolFund.objects.filter(fund__risk_grade__lt=4).delete()  # what has left the pool since is not bought either
    with pytest.raises(InfeasibleError) as raised:
        solve_advice(level=5, horizon_years=1, stated_loss=0.01)
    assert raised.value.code == "cvar_budget"
    assert raised.value.params["limit"] == 0.01
    assert raised.value.params["reached"] > 0.01


def test_without_approved_models_there_is_no_advice(bare_pool):
    draft = request_models(n_draws=0)
    for asked in (None, draft.pk):
        with pytest.raises(InfeasibleError) as raised:
            solve_advice(level=3, horizon_years=1, model_set_id=asked)
        assert raised.value.code == "no_models"


def test_figures_of_no_weights_are_refused(pool):
    with pytest.raises(DataError) as raised:
        weights_risk({"money0": 0.0})
    assert raised.value.code == "no_fund"
