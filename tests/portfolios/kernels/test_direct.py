"""Mandates of linear limits: exact for every objective, explained, and refused for certain or not at all."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolios.kernels import quadratic
from portfolios.kernels.active_set import from_weights
from portfolios.kernels.direct import is_direct, solve_direct
from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.mandate import Group, Mandate, Robust
from portfolios.kernels.optimise import optimise
from portfolios.kernels.quadratic import optimum_of
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.solve import solve
from portfolios.kernels.types import Moments
from tests.portfolios.kernels.problems import best_objective, random_mandate, random_moments, random_problem

seeds = st.integers(0, 100_000)
SIX = tuple("ABCDEF")


def market(seed=5, n=6):
    mean, cov = random_moments(np.random.default_rng(seed), n, "regular")
    return Moments(SIX[:n], mean, cov)


@settings(max_examples=50, deadline=None)
@given(seeds, st.booleans())
def test_both_solvers_lead_to_the_one_optimum(seed, large):
    problem, kept = random_problem(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quadratic, "DAQP_FUNDS", 0 if large else 100)
        found = optimum_of(problem)
    assert np.abs(found.weights - from_weights(problem, kept).weights).max() <= 1e-9


@settings(max_examples=30, deadline=None)
@given(seeds)
def test_a_second_solver_agrees_on_every_objective(seed):
    moments, mandate = random_mandate(seed)
    if not is_direct(mandate):
        return
    try:
        found = solve_direct(moments, mandate)
    except InfeasibleError:
        assert best_objective(moments, mandate) is None
        return
    except DataError as error:
        assert error.code in ("no_positive_excess", "ratio_without_limit")
        return
    assert found.objective == pytest.approx(best_objective(moments, mandate), abs=1e-6)
    assert found.gap <= 1e-10
    assert abs(found.weights.sum() - 1) <= 1e-12
    assert mandate.cvar_limit is None or found.cvar <= mandate.cvar_limit + 1e-10
    assert mandate.target_volatility is None or found.volatility <= mandate.target_volatility + 1e-10
    assert mandate.target_return is None or found.expected_return >= mandate.target_return - 1e-10
    assert all(limit.shadow_price is None or limit.shadow_price >= 0 for limit in found.binding)


@settings(max_examples=25, deadline=None)
@given(seeds)
def test_names_and_order_of_funds_do_not_matter(seed):
    moments, mandate = random_mandate(seed)
    if not is_direct(mandate) or mandate.kind == "max_sharpe":
        return
    order = np.random.default_rng(seed).permutation(len(moments.codes))
    new = dict(zip((moments.codes[i] for i in order), moments.codes, strict=True))
    renamed = Moments(moments.codes, moments.mean[order], moments.cov[np.ix_(order, order)])
    maps = {name: {new[fund]: x for fund, x in getattr(mandate, name).items()} for name in ("current", "buy_cost", "sell_cost")}
    groups = tuple(replace(group, funds=tuple(new[fund] for fund in group.funds)) for group in mandate.groups)
    other = replace(mandate, groups=groups, **maps)
    try:
        expected = solve_direct(moments, mandate).weights[order]
    except InfeasibleError:
        with pytest.raises(InfeasibleError):
            solve_direct(renamed, other)
        return
    assert np.abs(solve_direct(renamed, other).weights - expected).max() <= 1e-9


def relaxed(mandate, limit, by):
    """The mandate with one limit given way by so much."""
    if limit == "long_only":
        low, high = mandate.default_bounds
        return replace(mandate, long_only=False, default_bounds=(low - by, high))
    single = {"turnover": ("max_turnover", by), "cvar": ("cvar_limit", by), "target_return": ("target_return", -by)}
    single["target_volatility"] = ("target_volatility", by)
    if limit in single:
        name, change = single[limit]
        return replace(mandate, **{name: getattr(mandate, name) + change})
    kind, name, side = limit.split(":")
    if kind == "group":
        widened = {"min": lambda g: replace(g, min=g.min - by), "max": lambda g: replace(g, max=g.max + by)}[side]
        return replace(mandate, groups=tuple(widened(group) if group.name == name else group for group in mandate.groups))
    low, high = mandate.bound(name)
    return replace(mandate, bounds={**mandate.bounds, name: (low - by, high) if side == "min" else (low, high + by)})


@settings(max_examples=40, deadline=None)
@given(seeds)
def test_a_shadow_price_is_what_relaxing_its_limit_gains(seed):
    moments, mandate = random_mandate(seed * 5)
    if not is_direct(mandate):
        return
    try:
        found = solve_direct(moments, mandate)
    except (InfeasibleError, DataError):
        return
    sign = -1.0 if mandate.kind in ("min_volatility", "target_return") else 1.0
    for limit in found.binding:
        if limit.limit == "sum" or limit.shadow_price is None:
            continue
        large, small = (
            sign * (solve_direct(moments, relaxed(mandate, limit.limit, by)).objective - found.objective) / by for by in (1e-5, 1e-7)
        )
        # The gain is concave (a ratio nearly so): per 1.00 it rises to its price as the step falls, steeply where room is short.
        assert large <= small * 1.001 + 1e-5
        assert small <= limit.shadow_price * 1.001 + 1e-5
        assert small >= 0.5 * limit.shadow_price if large < 0.9 * small else small == pytest.approx(limit.shadow_price, rel=0.02, abs=1e-5)


def test_the_price_of_one_bound_by_hand():
    moments = Moments(("A", "B"), np.array([0.06, 0.02]), np.diag([0.04, 0.01]))
    found = solve_direct(moments, Mandate(("A", "B"), risk_aversion=1.0, bounds={"A": (0.0, 0.3)}))
    # d/dw of 0.06 w + 0.02 (1 - w) - (0.04 w^2 + 0.01 (1 - w)^2)/2 at 0.3
    assert {limit.limit: limit.shadow_price for limit in found.binding}["fund:A:max"] == pytest.approx(0.04 - 0.012 + 0.007)


def test_limits_of_one_name_are_one_with_the_sum_of_prices():
    moments = Moments(SIX, np.array([0.1, 0.01, 0.01, 0.01, 0.01, 0.01]), np.eye(6) * 0.0001)
    found = solve_direct(moments, Mandate(SIX, risk_aversion=1.0, bounds={"A": (0.0, 2.0)}))
    prices = [limit for limit in found.binding if limit.limit == "long_only"]
    assert len(prices) == 1
    assert prices[0].shadow_price == pytest.approx(5 * (0.09 - 0.0001))


def test_at_a_corner_a_limit_costs_nothing_while_another_stands_beside_it():
    moments = Moments(("A", "B"), np.array([0.1, 0.01]), np.eye(2) * 0.0001)
    both = solve_direct(moments, Mandate(("A", "B"), risk_aversion=1.0))
    # neither more of A than 1 nor less of B than 0 is of use alone: the weights sum to 1
    assert {limit.limit: limit.shadow_price for limit in both.binding if limit.limit != "sum"} == {"long_only": 0.0, "fund:A:max": 0.0}


def test_the_ratio_is_the_highest_of_all_on_a_grid():
    moments = market(n=3)
    found = solve_direct(moments, Mandate(SIX[:3], objective="max_sharpe", risk_free=0.01))
    grid = [np.array([a, b, 100 - a - b]) / 100 for a in range(101) for b in range(101 - a)]
    ratios = [(moments.mean @ w - 0.01) / np.sqrt(w @ moments.cov @ w) for w in grid]
    assert max(ratios) <= found.objective <= max(ratios) + 1e-3
    assert found.gamma == pytest.approx(found.objective / found.volatility)


def test_cash_at_the_risk_free_rate_shares_its_ratio_and_the_most_even_mix_is_taken():
    mean, cov = np.array([0.02, 0.06, 0.05]), np.diag([0.0, 0.04, 0.02])
    moments, ask = Moments(SIX[:3], mean, cov), {"objective": "max_sharpe"}
    found = solve_direct(moments, Mandate(SIX[:3], risk_free=0.02, **ask))
    # the risky part is 0.04/0.04 : 0.03/0.02 = 2 : 3; x of it and 1 - x of cash have least squares where 1 - x = 13/25 x
    assert found.weights == pytest.approx([13 / 38, 10 / 38, 15 / 38], abs=1e-9)
    assert found.objective == pytest.approx(np.sqrt(0.04**2 / 0.04 + 0.03**2 / 0.02))
    for executor in (solve_direct, optimise):
        with pytest.raises(DataError, match="ratio_without_limit"):
            executor(moments, Mandate(SIX[:3], risk_free=0.01, **ask))
    with pytest.raises(DataError, match="no_positive_excess"):
        solve_direct(moments, Mandate(SIX[:3], risk_free=0.06, **ask))


def test_the_price_of_a_ratio_at_the_end_of_the_path():
    moments = Moments(("A", "B"), np.array([0.03, 0.06]), np.diag([0.03, 0.01]))
    asked = Mandate(("A", "B"), objective="max_sharpe", risk_free=0.02, bounds={"B": (0.0, 0.3)})
    found = solve_direct(moments, asked)
    assert found.weights == pytest.approx([0.7, 0.3], abs=1e-15)
    assert found.gamma == pytest.approx(found.objective / found.volatility)
    wider = solve_direct(moments, replace(asked, bounds={"B": (0.0, 0.3 + 1e-6)}))
    price = {limit.limit: limit.shadow_price for limit in found.binding}["fund:B:max"]
    assert (wider.objective - found.objective) / 1e-6 == pytest.approx(price, rel=1e-4)


def test_a_target_volatility_has_two_ends():
    moments = market()
    least = solve_direct(moments, Mandate(SIX, objective="min_volatility")).volatility
    with pytest.raises(InfeasibleError, match="limits_contradict"):
        solve_direct(moments, Mandate(SIX, target_volatility=least - 1e-6))
    tight = solve_direct(moments, Mandate(SIX, target_volatility=least))
    assert tight.volatility == pytest.approx(least, abs=1e-9)
    assert tight.gamma is None
    assert {limit.limit: limit.shadow_price for limit in tight.binding}["target_volatility"] is None
    loose = solve_direct(moments, Mandate(SIX, target_volatility=9.0, default_bounds=(0.0, 2.0)))
    assert loose.objective == pytest.approx(moments.mean.max(), abs=1e-12)
    assert "target_volatility" not in [limit.limit for limit in loose.binding]
    prices = {limit.limit: limit.shadow_price for limit in loose.binding}
    assert prices["long_only"] == pytest.approx((moments.mean.max() - moments.mean).sum())


@pytest.mark.parametrize("objective", [{"risk_aversion": 5.0}, {"objective": "min_volatility"}, {"target_volatility": 0.0}])
def test_a_loss_limit_that_only_the_riskless_fund_keeps_leaves_nothing_else(objective):
    moments = Moments(SIX[:3], np.array([0.02, 0.05, 0.08]), np.diag([0.0, 0.01, 0.04]))
    found = solve_direct(moments, Mandate(SIX[:3], cvar_limit=-0.02, **objective))
    assert found.weights == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)


def test_no_risk_at_all_still_takes_the_best_of_the_riskless():
    moments = Moments(SIX[:3], np.array([0.01, 0.02, 0.08]), np.diag([0.0, 0.0, 0.04]))
    found = solve_direct(moments, Mandate(SIX[:3], target_volatility=0.0))
    assert found.weights == pytest.approx([0.0, 1.0, 0.0], abs=1e-8)
    price = {limit.limit: limit.shadow_price for limit in found.binding}["target_volatility"]
    assert price == pytest.approx((0.08 - 0.02) / 0.2)
    even = solve_direct(moments, Mandate(SIX[:3], objective="min_volatility"))
    assert even.weights == pytest.approx([0.5, 0.5, 0.0], abs=1e-15)


def test_costs_are_charged_over_the_horizon_and_printed_once():
    moments = Moments(("A", "B"), np.array([0.05, 0.05]), np.eye(2) * 0.04)
    asked = Mandate(("A", "B"), risk_aversion=2.0, current={"A": 1.0}, buy_cost={"B": 0.01}, sell_cost={"A": 0.02}, horizon_years=2.0)
    found = solve_direct(moments, asked)
    # the gain from the last unit moved, 2 * 0.04 (w_A - w_B), is the cost of it a year: 0.03/2
    assert found.weights == pytest.approx([0.59375, 0.40625], abs=1e-14)
    assert found.costs == pytest.approx(0.40625 * 0.03)
    assert found.objective == pytest.approx(0.05 - 0.40625 * 0.015 - (0.59375**2 + 0.40625**2) * 0.04)
    calm = solve_direct(moments, replace(asked, risk_aversion=None, objective="min_volatility"))
    assert calm.weights == pytest.approx([0.5, 0.5], abs=1e-15)
    assert calm.costs == pytest.approx(0.015)


@pytest.mark.parametrize("gamma", [1e-6, 1e-3, 1e3, 1e6])
def test_extreme_risk_aversions_are_still_proven(gamma):
    moments = market()
    found = solve(moments, Mandate(SIX, risk_aversion=gamma))
    assert found.gap <= 1e-10
    end = np.eye(6)[moments.mean.argmax()] if gamma < 1 else solve(moments, Mandate(SIX, objective="min_volatility")).weights
    assert found.weights == pytest.approx(end, abs=0.01 if gamma == 1e3 else 1e-4)


def test_bounds_that_just_sum_to_one_and_equal_groups_are_solved():
    codes = tuple(f"F{i}" for i in range(10))
    moments = Moments(codes, np.linspace(0.01, 0.1, 10), np.eye(10) * 0.04)
    tight = solve(moments, Mandate(codes, risk_aversion=3.0, default_bounds=(0.0, 0.1)))
    assert tight.weights == pytest.approx(np.full(10, 0.1), abs=1e-15)
    sevenths = tuple(Group(f"g{i}", codes[i::7], 1 / 7, 1 / 7) for i in range(7))
    shared = solve(moments, Mandate(codes, risk_aversion=3.0, groups=sevenths))
    assert all(shared.weights[i::7].sum() == pytest.approx(1 / 7, abs=1e-12) for i in range(7))


@pytest.mark.parametrize(
    "fields",
    [
        {"default_bounds": (0.0, 0.16)},
        {"default_bounds": (0.2, 1.0)},
        {"groups": (Group("left", SIX[:3], 0.6), Group("right", SIX[3:], 0.6))},
        {"locked": {"A": 0.5}, "bounds": {"A": (0.0, 0.2)}},
        {"current": {"A": 1.0}, "max_turnover": 0.4, "excluded": ("A",)},
        {"cvar_limit": -0.5},
    ],
)
def test_limits_that_contradict_each_other_are_said_to(fields):
    with pytest.raises(InfeasibleError, match="limits_contradict"):
        solve(market(), Mandate(SIX, risk_aversion=2.0, **fields))


def test_a_holding_of_nearly_nothing_is_nothing():
    asked = Mandate(SIX, risk_aversion=3.0, buy_cost=dict.fromkeys(SIX, 0.01), sell_cost=dict.fromkeys(SIX, 0.01))
    tiny = replace(asked, current=dict.fromkeys(SIX, 1e-17))
    assert (solve(market(), tiny).weights == solve(market(), asked).weights).all()


def test_one_fund_is_all():
    one = Moments(("A",), np.array([0.05]), np.array([[0.04]]))
    for asked in (
        {"risk_aversion": 2.0},
        {"objective": "max_sharpe", "risk_free": 0.0},
        {"target_return": 0.05},
        {"target_volatility": 0.2},
    ):
        assert solve(one, Mandate(("A",), **asked)).weights.tolist() == [1.0]
    with pytest.raises(InfeasibleError):
        solve(one, Mandate(("A",), target_return=0.06))


def test_many_funds_go_another_way_to_the_same_place():
    codes = tuple(f"F{i:03d}" for i in range(120))
    mean, cov = random_moments(np.random.default_rng(3), 120, "regular")
    asked = Mandate(codes, risk_aversion=4.0, default_bounds=(0.0, 0.05), buy_cost=dict.fromkeys(codes, 0.004), current={codes[0]: 1.0})
    found = solve(Moments(codes, mean, cov), asked)
    assert found.solver == "piqp+active-set"
    assert found.gap <= 1e-10
    assert found.objective == pytest.approx(best_objective(Moments(codes, mean, cov), asked), abs=1e-7)


def test_what_is_not_exact_here_is_left_to_others():
    assert is_direct(Mandate(SIX, risk_aversion=2.0, cvar_limit=0.2))
    assert is_direct(Mandate(SIX, objective="min_volatility", cvar_limit=0.2, buy_cost={"A": 0.01}))
    assert not is_direct(Mandate(SIX, risk_aversion=2.0, cvar_limit=0.2, buy_cost={"A": 0.01}))
    assert not is_direct(Mandate(SIX, risk_aversion=2.0, max_funds=3))
    assert not is_direct(Mandate(SIX, risk_aversion=2.0, min_weight_if_held=0.05))
    assert not is_direct(Mandate(SIX, risk_aversion=2.0, robust=Robust(1.0, SIX, np.eye(6) * 0.001)))


def test_the_price_of_a_loss_limit_is_what_one_more_percent_of_loss_gains():
    moments = market()
    free = solve(moments, Mandate(SIX, risk_aversion=1.0))
    asked = Mandate(SIX, risk_aversion=1.0, cvar_limit=free.cvar - 0.02)
    found = solve(moments, asked)
    assert found.cvar == pytest.approx(asked.cvar_limit, abs=1e-12)
    assert found.cvar == pytest.approx(NORMAL_CVAR_95 * found.volatility - found.expected_return)
    price = {limit.limit: limit.shadow_price for limit in found.binding}["cvar"]
    wider = solve(moments, replace(asked, cvar_limit=asked.cvar_limit + 1e-6))
    assert (wider.objective - found.objective) / 1e-6 == pytest.approx(price, rel=1e-3)


def test_moments_are_checked_and_the_fund_is_named():
    moments = market()
    with pytest.raises(DataError) as raised:
        solve(replace(moments, mean=np.where(np.arange(6) == 2, np.nan, moments.mean)), Mandate(SIX, risk_aversion=2.0))
    assert raised.value.params["fund"] == "C"
    with pytest.raises(DataError, match="fund_without_moments"):
        solve(moments, Mandate((*SIX, "Z"), risk_aversion=2.0))


def test_a_missing_solver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "daqp", None)
    with pytest.raises(SolverError) as raised:
        solve(market(), Mandate(SIX, risk_aversion=2.0))
    assert (raised.value.code, raised.value.params["solver"]) == ("solver_missing", "daqp")


def test_a_solver_that_breaks_is_an_error_of_its_own(monkeypatch):
    import daqp

    def broken(*args, **kwargs):
        raise ValueError("out of memory")

    monkeypatch.setattr(daqp, "solve", broken)
    with pytest.raises(SolverError) as raised:
        solve(market(), Mandate(SIX, risk_aversion=2.0))
    assert (raised.value.code, raised.value.params["solver"]) == ("solver_failed", "daqp")


def test_a_solver_that_gives_up_changes_nothing(monkeypatch):
    expected = solve(market(), Mandate(SIX, risk_aversion=2.0)).weights
    monkeypatch.setattr(quadratic, "_near", lambda problem: None)
    assert np.abs(solve(market(), Mandate(SIX, risk_aversion=2.0)).weights - expected).max() <= 1e-12
