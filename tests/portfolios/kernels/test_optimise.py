"""The optimum: exact, proven, independent of the order of funds and of the solver that found it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.mandate import Group, Mandate, Robust
from portfolios.kernels.optimise import Answer, optimise
from portfolios.kernels.risk import figures, grade_of_volatility
from portfolios.kernels.types import Moments

SIX = tuple("ABCDEF")


def random_moments(seed: int, n: int) -> Moments:
    """Factor-model moments; every third market has two funds without any variance, as money-market funds have."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(scale=0.1, size=(n, 3))
    cov = loadings @ loadings.T + np.diag(rng.uniform(1e-6, 0.02, n))
    mean = rng.choice([0.02, 0.05, 0.07], n) if seed % 2 else rng.uniform(0, 0.1, n)
    if seed % 3 == 0 and n > 3:
        cov[:2], cov[:, :2] = 0.0, 0.0
        mean[:2] = 0.015
    return Moments(tuple(f"F{i:02d}" for i in range(n)), mean, cov)


def random_mandate(seed: int, moments: Moments, gamma: float) -> Mandate:
    rng = np.random.default_rng(seed + 1)
    n = len(moments.codes)
    groups = ()
    if seed % 4 == 0 and n >= 12:
        groups = (Group("left", moments.codes[: n // 2], 0.1, 0.4), Group("middle", moments.codes[n // 4 : n // 2 + 3], 0.0, 0.35))
    costs = {code: float(cost) for code, cost in zip(moments.codes, rng.uniform(0, 0.01, n), strict=True)} if seed % 5 == 0 else {}
    return Mandate(moments.codes, gamma, default_bounds=(0.0, max(0.18, 1.3 / n)), groups=groups, buy_cost=costs)


markets = st.tuples(st.integers(0, 10_000), st.integers(2, 30), st.floats(0.5, 300))


@settings(max_examples=60, deadline=None)
@given(markets)
def test_weights_sum_to_one_and_keep_every_limit(market):
    seed, n, gamma = market
    moments = random_moments(seed, n)
    mandate = random_mandate(seed, moments, gamma)
    solution = optimise(moments, mandate)
    assert abs(solution.weights.sum() - 1) <= 1e-12
    for code, weight in zip(solution.codes, solution.weights, strict=True):
        low, high = mandate.bound(code)
        assert low <= weight <= high
    for group in mandate.groups:
        held = solution.weights[np.isin(solution.codes, group.funds)].sum()
        assert group.min - 1e-12 <= held <= group.max + 1e-12
    assert solution.gap <= 1e-10
    assert all(limit.shadow_price >= -1e-9 for limit in solution.binding)


@settings(max_examples=40, deadline=None)
@given(markets, st.randoms(use_true_random=False))
def test_the_order_of_funds_does_not_matter(market, random):
    seed, n, gamma = market
    moments = random_moments(seed, n)
    mandate = random_mandate(seed, moments, gamma)
    order = list(range(n))
    random.shuffle(order)
    shuffled = Moments(tuple(moments.codes[i] for i in order), moments.mean[order], moments.cov[np.ix_(order, order)])
    again = optimise(shuffled, replace(mandate, funds=tuple(moments.codes[i] for i in reversed(order))))
    assert np.abs(again.weights - optimise(moments, mandate).weights).max() <= 1e-9


@settings(max_examples=25, deadline=None)
@given(st.tuples(st.integers(0, 10_000), st.integers(2, 12), st.floats(1, 50)))
def test_a_second_independent_solver_finds_nothing_better(market):
    seed, n, gamma = market
    moments = random_moments(seed, n)
    mandate = random_mandate(seed, moments, gamma)
    solution = optimise(moments, mandate)
    cost = np.array([mandate.buy_cost.get(code, 0.0) for code in mandate.funds]) / mandate.horizon_years
    limits = [{"type": "eq", "fun": lambda w: w.sum() - 1}]
    for group in mandate.groups:
        member = np.isin(mandate.funds, group.funds).astype(float)
        limits += [{"type": "ineq", "fun": lambda w, m=member, g=group: m @ w - g.min}]
        limits += [{"type": "ineq", "fun": lambda w, m=member, g=group: g.max - m @ w}]
    other = minimize(
        lambda w: gamma / 2 * w @ moments.cov @ w - (moments.mean - cost) @ w,
        np.full(n, 1 / n),
        jac=lambda w: gamma * moments.cov @ w - moments.mean + cost,
        bounds=[mandate.bound(code) for code in mandate.funds],
        constraints=limits,
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 1000},
    )
    assert solution.objective >= -other.fun - 1e-9
    if other.success:
        assert solution.objective == pytest.approx(-other.fun, abs=1e-6)


def test_two_funds_without_a_limit_match_the_closed_form():
    mean, cov, gamma = np.array([0.03, 0.06]), np.array([[0.01, 0.002], [0.002, 0.04]]), 5.0
    spread = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    expected = (cov[0, 0] - cov[0, 1] + (mean[1] - mean[0]) / gamma) / spread
    solution = optimise(Moments(("A", "B"), mean, cov), Mandate(("B", "A"), gamma))
    assert solution.weights == pytest.approx([1 - expected, expected], abs=1e-12)


def test_equal_funds_share_equally():
    flat = Moments(SIX, np.full(6, 0.016), np.zeros((6, 6)))
    assert optimise(flat, Mandate(SIX, 2.0)).weights == pytest.approx(np.full(6, 1 / 6), abs=1e-12)


def test_a_shadow_price_is_what_a_little_more_room_gains():
    moments = random_moments(2, 8)
    tight = optimise(moments, Mandate(moments.codes, 5.0, default_bounds=(0.0, 0.2)))
    limit = max((limit for limit in tight.binding if limit.limit.endswith(":max")), key=lambda limit: limit.shadow_price)
    fund = limit.limit.split(":")[1]
    loose = optimise(moments, Mandate(moments.codes, 5.0, default_bounds=(0.0, 0.2), bounds={fund: (0.0, 0.2 + 1e-5)}))
    assert (loose.objective - tight.objective) / 1e-5 == pytest.approx(limit.shadow_price, rel=1e-2)


def test_moments_are_matched_by_label_and_a_missing_one_is_named():
    with pytest.raises(DataError) as raised:
        optimise(random_moments(1, 3), Mandate(("F00", "F09"), 2.0))
    assert (raised.value.code, raised.value.params) == ("fund_without_moments", {"fund": "F09"})


def test_groups_that_contradict_each_other_are_infeasible():
    groups = (Group("left", SIX[:3], 0.6, 1.0), Group("right", SIX[3:], 0.6, 1.0))
    with pytest.raises(InfeasibleError) as raised:
        optimise(Moments(SIX, np.full(6, 0.05), np.eye(6) * 0.04), Mandate(SIX, 2.0, groups=groups))
    assert raised.value.code == "limits_contradict"


@pytest.mark.parametrize("bounds", [(0.0, 0.1), (0.3, 1.0)])
def test_bounds_that_cannot_sum_to_one_are_infeasible(bounds):
    with pytest.raises(InfeasibleError) as raised:
        optimise(random_moments(1, 6), Mandate(random_moments(1, 6).codes, 2.0, default_bounds=bounds))
    assert raised.value.code == "limits_contradict"


@pytest.mark.parametrize(
    ("fields", "error", "code"),
    [
        ({"funds": ()}, DataError, "no_fund"),
        ({"funds": ("A", "A")}, DataError, "duplicate_fund"),
        ({"risk_aversion": 0.0}, DataError, "risk_aversion_not_positive"),
        ({"risk_aversion": float("inf")}, DataError, "risk_aversion_not_positive"),
        ({"horizon_years": 0.0}, DataError, "horizon_not_positive"),
        ({"buy_cost": {"A": -0.01}}, DataError, "cost_negative"),
        ({"bounds": {"A": (0.5, 0.2)}}, DataError, "bounds_cross"),
        ({"bounds": {"Z": (0.0, 0.2)}}, DataError, "fund_not_in_universe"),
        ({"groups": (Group("g", ("Z",)),)}, DataError, "fund_not_in_universe"),
        ({"groups": (Group("g", ("A",)), Group("g", ("B",)))}, DataError, "group_twice"),
        ({"groups": (Group("g", ("A", "A")),)}, DataError, "fund_twice_in_group"),
        ({"groups": (Group("g", ("A",), 0.5, 0.2),)}, DataError, "group_bounds_cross"),
        ({"risk_aversion": None}, DataError, "field_missing"),
        ({"risk_aversion": None, "objective": "max_sharpe"}, DataError, "field_missing"),
        ({"objective": "least_risk"}, DataError, "unknown_objective"),
        ({"objective": "utility", "target_return": 0.03}, DataError, "more_than_one_objective"),
        ({"target_volatility": 0.1, "target_return": 0.03}, DataError, "more_than_one_objective"),
        ({"target_return": 0.03}, DataError, "risk_aversion_without_utility"),
        ({"risk_aversion": None, "target_volatility": -0.1}, DataError, "field_negative"),
        ({"cvar_limit": float("nan")}, DataError, "field_not_a_number"),
        ({"risk_aversion": None, "objective": "max_sharpe", "risk_free": 0.01, "max_funds": 3}, DataError, "not_with_max_sharpe"),
        ({"locked": {"A": float("nan")}}, DataError, "weight_not_a_number"),
        ({"max_turnover": -0.1}, DataError, "field_negative"),
        ({"max_funds": 0}, DataError, "max_funds_below_one"),
        ({"max_grade": 2, "risk_grades": {"A": 1}}, DataError, "fund_without_grade"),
        ({"cash": ("Z", 0.1)}, DataError, "fund_not_in_universe"),
        ({"hard": ("group:bonds:min",)}, DataError, "unknown_limit"),
        ({"robust": Robust(1.0, ("A", "B"), np.eye(2))}, DataError, "robust_funds_differ"),
        ({"robust": Robust(-1.0, SIX, np.eye(6))}, DataError, "field_negative"),
    ],
)
def test_a_mandate_is_checked_when_it_is_written(fields, error, code):
    with pytest.raises(error) as raised:
        Mandate(**{"funds": SIX, "risk_aversion": 2.0, **fields})
    assert raised.value.code == code


@settings(max_examples=60, deadline=None)
@given(markets, st.integers(0, 1000))
def test_a_solver_that_is_far_off_costs_time_and_changes_nothing(market, start):
    seed, n, gamma = market
    moments = random_moments(seed, n)
    mandate = replace(random_mandate(seed, moments, gamma), groups=())
    true = optimise(moments, mandate)
    wrong = np.random.default_rng(start).dirichlet(np.ones(n))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("portfolios.kernels.optimise._solve", lambda shape, values: Answer(wrong, {}, 1e-10, is_exact=False))
        assert np.abs(optimise(moments, mandate).weights - true.weights).max() <= 1e-9


def test_a_solver_that_fails_is_an_error_of_its_own_unless_the_polish_proves_an_optimum_alone(monkeypatch):
    import cvxpy

    moments, mandate = random_moments(1, 3), Mandate(("F00", "F01", "F02"), 2.0)
    true = optimise(moments, mandate)

    def fail(*args, **kwargs):
        raise cvxpy.SolverError("out of memory")

    monkeypatch.setattr(cvxpy.Problem, "solve", fail)
    with pytest.raises(SolverError) as raised:
        optimise(moments, Mandate(mandate.funds, target_volatility=0.2))
    assert raised.value.code == "solver_failed"
    alone = optimise(moments, mandate)
    assert alone.weights == pytest.approx(true.weights, abs=1e-12)
    assert (alone.solver, alone.gap <= 1e-10) == ("active-set", True)


def test_figures_are_those_of_the_weights():
    moments = Moments(("A", "B"), np.array([0.02, 0.08]), np.array([[0.01, 0.0], [0.0, 0.09]]))
    mean, volatility, cvar = figures(moments, np.array([0.5, 0.5]))
    assert (mean, volatility, cvar) == pytest.approx((0.05, 0.025**0.5, 2.062713 * 0.025**0.5 - 0.05))


@pytest.mark.parametrize(("volatility", "grade"), [(0.0, 1), (0.0099, 1), (0.01, 2), (0.149, 3), (0.9, 5), (float("nan"), 5)])
def test_bands_give_the_lowest_grade_above_a_volatility(volatility, grade):
    assert grade_of_volatility(volatility, {1: 0.01, 2: 0.06, 3: 0.15, 4: 0.25, 5: 9.99}) == grade
