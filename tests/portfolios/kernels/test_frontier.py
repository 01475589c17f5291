"""The exact frontier: published turning points, optimal everywhere by a second method, straight between turning points."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import lsq_linear

from portfolios.kernels.direct import solve_direct
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.frontier import exact_frontier
from portfolios.kernels.mandate import Group, Mandate, Robust
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.types import Moments
from tests.portfolios.kernels.problems import KINDS, random_moments

ORLIB = Path(__file__).resolve().parents[4] / "shared" / "data" / "orlib"
TEN = tuple(f"X{i:02d}" for i in range(1, 11))

# Bailey and Lopez de Prado, "An Open-Source Implementation of the Critical-Line Algorithm for Portfolio Optimization",
# Algorithms 6 (2013): their ten assets, and what they print of the turning points. Weights between 0 and 1.
MEAN = [1.175, 1.19, 0.396, 1.12, 0.346, 0.679, 0.089, 0.73, 0.481, 1.08]
LOWER = """
0.40755159
0.03175842 0.9063047
0.05183923 0.03136385 0.19490901
0.05663904 0.02687256 0.04408485 0.19528471
0.0330226 0.01917172 0.03006772 0.02777345 0.34059105
0.00827775 0.00934384 0.01322738 0.00526665 0.00777055 0.15983874
0.02165938 0.02495043 0.03525971 0.01375808 0.02067844 0.02105575 0.68056711
0.01332419 0.00761036 0.0115493 0.00780878 0.00736409 0.00518686 0.01377882 0.95526918
0.0343476 0.02874874 0.0427563 0.02914176 0.02542657 0.01723737 0.04627027 0.0106553 0.31681584
0.02249903 0.01336866 0.02057303 0.01640377 0.01284075 0.00723779 0.01926088 0.00760955 0.01854318 0.11079287
"""
# risk tolerance, then weights; the digits are those of the library portfolio_allocation_js (MIT) on the same example.
TURNING = """
58.30308533333371 0 1 0 0 0 0 0 0 0 0
4.1742728458857385 0.6493694070931811 0.3506305929068189 0 0 0 0 0 0 0 0
1.9455661414558894 0.4339841341086239 0.23124750065448754 0 0.334768365236889 0 0 0 0 0 0
0.16458117494477595 0.12688785385570883 0.07234334721032556 0 0.28125374926334057 0 0 0 0 0 0.5195150496706249
0.1473887508934171 0.12320100405906734 0.07044407130753655 0 0.2789935668090118 0 0 0 0.006435564362887149 0 0.5209257934614971
0.056172204002751545 0.0869215492990579 0.050451042268558385 0 0.22359401742288823 0 0.17383161507156486 0 0.03017301555135618 0 0.4350287603865743
0.05204819067458028 0.0846709411996219 0.049253858741118525 0 0.21963390336360733 0 0.18003923464176064 0 0.03102980185535347 0.006485702415438152 0.42888655778310003
0.03652161374727064 0.07378925302280315 0.043828660769718863 0 0.19897560805881487 0.026158159857441972 0.19815187227970524 0 0.03341958639919798 0.027902966026643668 0.3977738935856743
0.030971168861678777 0.06834400480527462 0.041387026820649334 0.015215259551836627 0.18813443107045838 0.03416248599274816 0.20231943214747125 0 0.0339293235595669 0.03363264959172938 0.38287538646026537
0 0.03696858147921504 0.02690083780081047 0.0949424305647986 0.1257759521946726 0.0767460810325476 0.21935567131616898 0.029987096882220312 0.035963284621386274 0.06134983772972688 0.29201022637845325
"""  # noqa: E501
PUBLISHED_RETURNS = [1.190, 1.180, 1.160, 1.111, 1.108, 1.022, 1.015, 0.973, 0.950, 0.803]


def ten_assets() -> Moments:
    cov = np.zeros((10, 10))
    for i, line in enumerate(LOWER.split("\n")[1:-1]):
        cov[i, : i + 1] = cov[: i + 1, i] = [float(x) for x in line.split()]
    return Moments(TEN, np.array(MEAN), cov)


def anything(moments: Moments, **limits) -> Mandate:
    return Mandate(moments.codes, objective="min_volatility", **limits)


def residual(path, theta: float) -> float:
    """By how much, in units of the largest variance, no multipliers at all make the weights optimal: bounded least squares."""
    unit, weights = path.standard.unit, path.at_theta(theta)
    at_rows = unit.rows @ weights
    assert (weights >= unit.low - 1e-12).all() and (weights <= unit.high + 1e-12).all()
    assert (at_rows >= unit.row_low - 1e-10).all() and (at_rows <= unit.row_high + 1e-10).all()
    scale = max(np.abs(unit.cov).max(), 1e-3) * max(theta, 1.0)
    trade = weights - unit.current
    slope = [np.where(trade > 1e-10, unit.buy, -unit.sell), np.where(trade < -1e-10, -unit.sell, unit.buy)]
    held = [np.where(np.abs(weights - unit.high) < 1e-10, -np.inf, 0.0), np.where(np.abs(weights - unit.low) < 1e-10, np.inf, 0.0)]
    rows = [np.where(np.abs(at_rows - unit.row_high) < 1e-10, -np.inf, 0.0), np.where(np.abs(at_rows - unit.row_low) < 1e-10, np.inf, 0.0)]
    columns = np.hstack([-unit.rows.T, -np.eye(len(weights)), theta / scale * np.eye(len(weights))])
    low, high = (np.concatenate([rows[i], held[i], slope[i]]) for i in (0, 1))
    wanted = (theta * unit.gain - unit.cov @ weights) / scale - columns[:, low == high] @ low[low == high]
    choice = low < high
    return float(
        np.abs(lsq_linear(columns[:, choice], wanted, (low[choice], high[choice]), method="bvls", tol=1e-15, max_iter=3000).fun).max()
    )


def linear_mandate(seed: int, kind: str) -> tuple[Moments, Mandate]:
    """Moments of a kind, and linear limits that some portfolio keeps: overlapping groups, shorts, costs, locks as they come."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 14))
    mean, cov = random_moments(rng, n, kind)
    codes = tuple(f"F{i:02d}" for i in range(n))
    kept = dict(zip(codes, rng.dirichlet(np.ones(n)).tolist(), strict=True))
    limits = {"long_only": rng.random() < 0.7, "default_bounds": (0.0, 1.0)}
    if not limits["long_only"]:
        limits["default_bounds"] = (-0.3, max(0.5, *kept.values(), 1.3 / n))
    if rng.random() < 0.5:
        limits["default_bounds"] = (limits["default_bounds"][0], max(0.3, *kept.values()))
    members = [tuple(code for code in codes if rng.random() < 0.5) for _ in range(int(rng.integers(0, 4)))]
    totals = [sum(kept[code] for code in funds) for funds in members]
    limits["groups"] = tuple(Group(f"g{i}", m, t - 0.02, t + 0.05) for i, (m, t) in enumerate(zip(members, totals, strict=True)) if m)
    if rng.random() < 0.5:
        limits["current"] = kept if rng.random() < 0.5 else dict.fromkeys(codes, 1 / n)
        limits["buy_cost"] = {code: float(rng.choice([0.0, 0.01, 0.02])) for code in codes}
        limits["sell_cost"] = {code: float(rng.uniform(0, 0.01)) for code in codes}
    if rng.random() < 0.3:
        limits["locked"] = {codes[0]: kept[codes[0]]}
    moments = Moments(codes, mean, cov)
    return moments, anything(moments, **limits)


def test_the_turning_points_are_the_published_ones():
    path = exact_frontier(ten_assets(), anything(ten_assets()))
    published = np.array([[float(x) for x in line.split()] for line in TURNING.strip().splitlines()])
    assert path.thetas == pytest.approx(published[:, 0], rel=1e-12, abs=1e-15)
    assert np.abs(path.weights - published[:, 1:]).max() <= 1e-12
    assert path.expected_returns == pytest.approx(PUBLISHED_RETURNS, abs=5.001e-4)
    assert (path.turning_points()[0].risk_aversion, path.turning_points()[-1].risk_aversion) == (pytest.approx(1 / 58.30308533333371), None)


@pytest.mark.real_data
def test_the_or_library_frontier_is_met_at_fifty_points():
    numbers = (ORLIB / "port1.txt").read_text().split()
    n = int(numbers[0])
    mean, deviation = np.array(numbers[1 : 1 + 2 * n], float).reshape(n, 2).T
    cov = np.zeros((n, n))
    for i, j, correlation in np.array(numbers[1 + 2 * n :], float).reshape(-1, 3):
        i, j = int(i) - 1, int(j) - 1
        cov[i, j] = cov[j, i] = correlation * deviation[i] * deviation[j]
    codes = tuple(f"F{i:02d}" for i in range(n))
    path = exact_frontier(Moments(codes, mean, cov), Mandate(codes, objective="min_volatility"))
    published = np.loadtxt(ORLIB / "portef1.txt")
    for expected_return, variance in published[np.linspace(0, len(published) - 1, 50).round().astype(int)]:
        # Published returns have ten decimals: the last one may lie a digit beyond the highest return there is.
        theta = float(np.interp(min(expected_return, path.expected_returns[0]), path.expected_returns[::-1], path.thetas[::-1]))
        found = path.point(theta)
        assert found.volatility**2 == pytest.approx(variance, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=12, deadline=None)
@given(st.integers(0, 100_000))
def test_every_point_is_optimal_by_a_second_method(kind, seed):
    path = exact_frontier(*linear_mandate(seed, kind))
    turning = path.thetas.tolist()
    between = [(a + b) / 2 for a, b in pairwise(turning)]
    for theta in [turning[0] * 2 + 0.1, *turning, *between]:
        assert residual(path, theta) <= 1e-10 + 2 * path.ridge / max(path.standard.unit.cov.max(), 1e-3)
    assert (np.diff(path.thetas) < 0).all() and path.thetas[-1] == 0.0
    assert (np.diff(path.net_returns) <= 1e-12).all() and (np.diff(path.volatilities) <= 1e-9).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.3, 300), st.sampled_from(["regular", "equal means", "duplicates", "zero variance"]))
def test_weights_between_turning_points_are_those_of_a_single_solve(seed, gamma, kind):
    moments, mandate = linear_mandate(seed, kind)
    single = solve_direct(moments, replace(mandate, objective="utility", risk_aversion=gamma))
    assert np.abs(exact_frontier(moments, mandate).at(gamma) - single.weights).max() <= 1e-9


def test_weights_are_straight_in_risk_tolerance_and_not_in_risk_aversion():
    path = exact_frontier(ten_assets(), anything(ten_assets()))
    low, high = path.thetas[2], path.thetas[1]
    middle = (path.weights[1] + path.weights[2]) / 2
    assert path.at(2 / (low + high)) == pytest.approx(middle, abs=1e-14)
    assert np.abs(path.at((1 / low + 1 / high) / 2) - middle).max() > 0.01


def test_the_order_of_funds_does_not_matter():
    moments, order = ten_assets(), [4, 0, 9, 2, 7, 1, 3, 8, 6, 5]
    shuffled = Moments(tuple(TEN[i] for i in order), moments.mean[order], moments.cov[np.ix_(order, order)])
    path, again = exact_frontier(moments, anything(moments)), exact_frontier(shuffled, anything(shuffled))
    assert again.codes == path.codes
    assert again.thetas == pytest.approx(path.thetas, rel=1e-12)
    assert np.abs(again.weights - path.weights).max() <= 1e-12


def test_one_fund_is_one_point():
    path = exact_frontier(Moments(("A",), np.array([0.05]), np.array([[0.04]])), Mandate(("A",), objective="min_volatility"))
    assert (path.thetas.tolist(), path.weights.tolist()) == ([0.0], [[1.0]])
    assert [point.risk_aversion for point in path.points(3)] == [None] * 3
    assert path.at(5.0).tolist() == [1.0]


def test_equal_means_leave_only_the_least_variance():
    moments = replace(ten_assets(), mean=np.full(10, 0.05))
    path = exact_frontier(moments, anything(moments))
    least = solve_direct(moments, Mandate(TEN, objective="min_volatility")).weights
    assert path.thetas.tolist() == [0.0]
    assert path.weights[0] == pytest.approx(least, abs=1e-12)


def test_without_any_variance_equally_good_funds_share():
    moments = Moments(TEN, np.array([0.02] * 6 + [0.03] * 4), np.zeros((10, 10)))
    path = exact_frontier(moments, anything(moments))
    assert path.weights == pytest.approx(np.array([[0.0] * 6 + [0.25] * 4]), abs=1e-12)


def test_the_last_point_has_the_highest_return_among_those_of_least_variance():
    moments = Moments(("A", "B", "C"), np.array([0.01, 0.02, 0.08]), np.diag([0.0, 0.0, 0.04]))
    path = exact_frontier(moments, anything(moments))
    assert path.weights[-1].tolist() == [0.0, 1.0, 0.0]
    assert path.thetas[0] == pytest.approx(0.04 / 0.06)  # there 0.04 w = theta (0.08 - 0.02) reaches w = 1


def test_a_path_with_costs_rests_where_trading_does_not_pay():
    moments = Moments(("A", "B"), np.array([0.03, 0.06]), np.diag([0.01, 0.04]))
    costs = {"buy_cost": {"A": 0.03, "B": 0.03}, "sell_cost": {"A": 0.03, "B": 0.03}, "horizon_years": 3.0}
    path = exact_frontier(moments, anything(moments, current={"A": 0.5, "B": 0.5}, **costs))
    # B at half: variance slope 0.02 - 0.005 against theta (0.03 -+ 0.02), which the bracket of costs widens to an interval.
    resting = path.thetas[np.isclose(path.weights[:, 1], 0.5)]
    assert resting == pytest.approx([0.015 / 0.01, 0.015 / 0.05])
    assert path.net_returns[0] < path.expected_returns[0]


def test_points_are_evenly_spaced_in_return_and_each_is_optimal_at_its_risk_aversion():
    moments = ten_assets()
    path = exact_frontier(moments, anything(moments, default_bounds=(0.0, 0.3)))
    points = path.points(9)
    returns = [point.expected_return for point in points]
    assert np.diff(returns) == pytest.approx(np.full(8, (returns[-1] - returns[0]) / 8), rel=1e-9)
    assert points[0].risk_aversion == pytest.approx(1 / path.thetas[0]) and points[-1].risk_aversion is None
    for point in points[:-1]:
        single = solve_direct(moments, Mandate(TEN, point.risk_aversion, default_bounds=(0.0, 0.3)))
        assert np.abs(single.weights - point.weights).max() <= 1e-9
    assert [len(path.points(n)) for n in (0, 1, 2)] == [0, 1, 2]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 100_000), st.floats(0.02, 0.98))
def test_the_loss_asked_of_the_path_is_found_exactly(seed, share):
    path = exact_frontier(*linear_mandate(seed, "regular"))
    sweep = [path.point(float(theta)) for theta in np.linspace(0, path.thetas[0], 400)]
    cvars = [NORMAL_CVAR_95 * point.volatility - point.expected_return for point in sweep]
    limit = min(cvars) + share * (max(cvars) - min(cvars)) + 1e-9
    theta = path.theta_at_cvar(limit, 0.0, float(path.thetas[0]))
    reached = path.point(theta)
    assert NORMAL_CVAR_95 * reached.volatility - reached.expected_return <= limit + 1e-12
    later = [cvar for cvar, at in zip(cvars, np.linspace(0, path.thetas[0], 400), strict=True) if at > theta + 1e-9]
    assert all(cvar > limit - 1e-12 for cvar in later)
    assert path.least_cvar(0.0, float(path.thetas[0])) <= min(cvars) + 1e-12


def test_the_path_says_when_no_point_keeps_the_loss_asked():
    assert exact_frontier(ten_assets(), anything(ten_assets())).theta_at_cvar(-1.0) is None


LIMITS = [
    ({"max_turnover": 0.5}, "turnover"),
    ({"cvar_limit": 0.1}, "cvar"),
    ({"objective": None, "target_volatility": 0.3}, "target_volatility"),
    ({"objective": None, "target_return": 0.3}, "target_return"),
    ({"objective": "utility", "risk_aversion": 3.0, "robust": Robust(0.5, TEN, np.eye(10))}, "robust"),
    ({"max_funds": 3}, "max_funds"),
    ({"min_weight_if_held": 0.05}, "min_weight_if_held"),
]


@pytest.mark.parametrize(("fields", "limit"), LIMITS)
def test_limits_that_are_not_linear_are_refused_by_name(fields, limit):
    with pytest.raises(DataError) as raised:
        exact_frontier(ten_assets(), replace(anything(ten_assets()), **fields))
    assert (raised.value.code, raised.value.params) == ("not_linear", {"limit": limit})


@pytest.mark.parametrize(
    "limits",
    [
        {"groups": (Group("left", TEN[:5], 0.6), Group("right", TEN[5:], 0.6))},
        {"default_bounds": (0.0, 0.05)},
        {"bounds": {"X01": (0.5, 1.0)}, "excluded": ("X01",)},
    ],
)
def test_limits_that_contradict_each_other_are_infeasible(limits):
    with pytest.raises(InfeasibleError) as raised:
        exact_frontier(ten_assets(), anything(ten_assets(), **limits))
    assert raised.value.code == "limits_contradict"


def test_a_risk_aversion_of_zero_is_refused_and_an_infinite_one_is_the_end():
    path = exact_frontier(ten_assets(), anything(ten_assets()))
    assert path.at(float("inf")).tolist() == path.weights[-1].tolist()
    with pytest.raises(DataError):
        path.at(0.0)


@pytest.mark.parametrize("seed", range(4))
def test_funds_that_differ_by_a_hair_are_told_apart_or_shown_to_have_been_moved(seed):
    rng = np.random.default_rng(seed)
    mean, cov = random_moments(rng, 10, "duplicates")
    cov = cov + np.diag(rng.uniform(0, 10.0 ** -(9 + seed), 10))
    moments = Moments(TEN, mean, cov)
    path = exact_frontier(moments, anything(moments, default_bounds=(0.0, 0.4)))
    assert path.ridge <= 1e-7 * cov.max()
    for theta in [*path.thetas, *(path.thetas[:-1] + path.thetas[1:]) / 2]:
        assert residual(path, float(theta)) <= 1e-8 + 2 * path.ridge / cov.max()
