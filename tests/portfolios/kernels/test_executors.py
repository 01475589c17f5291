"""The executors of one mandate are equal, and a second independent solver on a model of its own agrees with them.

N_MANDATES sets how many random mandates are drawn; `make prove` draws 2,000.
"""

import os
from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolios.kernels.batch import Investors, solve_batch
from portfolios.kernels.direct import is_direct
from portfolios.kernels.errors import DataError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.optimise import optimise
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.solve import solve
from portfolios.kernels.standard import standardise
from portfolios.kernels.types import Moments, Solution
from tests.portfolios.kernels.random_mandates import CONIC, QUADRATIC, random_mandate

N_MANDATES = int(os.environ.get("N_MANDATES", "60"))
some = settings(max_examples=N_MANDATES, deadline=None)
seeds = st.integers(0, 10**9)


def solved(seed: int, kinds: tuple[str, ...]) -> tuple[Moments, Mandate, Solution] | None:
    moments, mandate = random_mandate(seed, kinds)
    try:
        return moments, mandate, solve(moments, mandate)
    except DataError as error:
        assert error.code in ("no_positive_excess", "ratio_without_limit")
        return None


def natural_model(moments: Moments, mandate: Mandate) -> cp.Problem:
    """The mandate as a textbook would write it, sharing nothing with the executors but the mandate itself."""
    place = {code: i for i, code in enumerate(moments.codes)}
    w = cp.Variable(len(place))
    by_fund = lambda values: np.array([values.get(code, 0.0) for code in moments.codes])  # noqa: E731
    trade = w - by_fund(mandate.current)
    costs = by_fund(mandate.buy_cost) @ cp.pos(trade) + by_fund(mandate.sell_cost) @ cp.pos(-trade)
    root = np.linalg.cholesky(moments.cov + 1e-15 * np.eye(len(place)))
    limits = [cp.sum(w) == 1]
    limits += [limit for code, i in place.items() for limit in (w[i] >= mandate.bound(code)[0], w[i] <= mandate.bound(code)[1])]
    limits += [w >= 0] if mandate.long_only else []
    for group in mandate.groups:
        total = sum(w[place[code]] for code in group.funds)
        limits += [total >= group.min] if group.min is not None else []
        limits += [total <= group.max] if group.max is not None else []
    limits += [w[place[code]] == weight for code, weight in mandate.locked.items()]
    if mandate.cash is not None:
        limits.append(w[place[mandate.cash[0]]] >= mandate.cash[1])
    if mandate.max_turnover is not None:
        limits.append(cp.norm1(trade) <= 2 * mandate.max_turnover)
    if mandate.cvar_limit is not None:
        limits.append(NORMAL_CVAR_95 * cp.norm2(root.T @ w) - moments.mean @ w <= mandate.cvar_limit)
    net = moments.mean @ w - costs / mandate.horizon_years
    if mandate.robust is not None:
        net -= mandate.robust.kappa * cp.norm2(np.linalg.cholesky(mandate.robust.mean_cov).T @ w)
    variance = cp.sum_squares(root.T @ w)
    if mandate.kind == "utility":
        return cp.Problem(cp.Maximize(net - mandate.risk_aversion / 2 * variance), limits)
    if mandate.kind == "target_volatility":
        return cp.Problem(cp.Maximize(net), [*limits, cp.norm2(root.T @ w) <= mandate.target_volatility])
    if mandate.kind == "target_return":
        limits.append(moments.mean @ w >= mandate.target_return)
    return cp.Problem(cp.Minimize(variance), limits)


@some
@given(seeds)
def test_cvxpy_and_the_direct_path_agree_on_quadratic_mandates(seed):
    found = solved(seed, QUADRATIC)
    if found is None:
        return
    moments, mandate, ours = found
    other = optimise(moments, mandate)
    assert is_direct(mandate) and ours.solver != other.solver
    assert np.abs(ours.weights - other.weights).max() <= 1e-6
    assert ours.objective == pytest.approx(other.objective, abs=1e-9)
    assert max(ours.gap, other.gap) <= 1e-10


@some
@given(seeds)
def test_cvxpy_and_the_path_agree_on_conic_mandates(seed):
    found = solved(seed, CONIC)
    if found is None:
        return
    moments, mandate, ours = found
    other = optimise(moments, mandate)
    assert ours.objective == pytest.approx(other.objective, abs=1e-7)
    # Where the target volatility leaves room, many portfolios may share the highest return: the path takes the calmest.
    has_room = mandate.target_volatility is not None and ours.volatility < mandate.target_volatility - 1e-7
    if has_room:
        assert ours.volatility <= other.volatility + 1e-7
    elif other.solver.endswith("newton") or np.linalg.eigvalsh(moments.cov)[0] > 1e-9:
        # An interior point left without a proof on a market with twins: any mixture of the twins is as good. Elsewhere it
        # may be as far from the optimum as its gap allows: curvature / 2 |dw|^2 <= gap.
        curvature = (mandate.risk_aversion or 0.0) * np.linalg.eigvalsh(moments.cov)[0]
        allowed = np.sqrt(2 * other.gap / curvature) if curvature > 0 else 0.0
        assert np.abs(ours.weights - other.weights).max() <= max(1e-5, allowed)


@some
@given(seeds)
def test_a_second_solver_on_a_model_of_its_own_agrees(seed):
    found = solved(seed, (*QUADRATIC[:3], *CONIC))
    if found is None:
        return
    moments, mandate, ours = found
    quadratic = mandate.kind in QUADRATIC and mandate.cvar_limit is None and mandate.robust is None
    problem = natural_model(moments, mandate)
    if quadratic:
        problem.solve(solver=cp.PIQP, eps_abs=1e-10, eps_rel=1e-10)
    else:
        problem.solve(solver=cp.SCS, eps_abs=1e-9, eps_rel=1e-9, max_iters=200_000)
        if problem.status != cp.OPTIMAL:  # a first-order method may stop far from its end; the textbook model then goes to another
            problem.solve(solver=cp.CLARABEL)
    # An interior point may miss its own tight tolerance by a little, or run out of steps there: what counts is that the values agree.
    assert problem.status in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE, cp.USER_LIMIT)
    assert ours.objective == pytest.approx(problem.value, abs=1e-8 if quadratic else 1e-6)


@some
@given(seeds)
def test_the_batch_agrees_with_one_alone(seed):
    moments, mandate = random_mandate(seed, ("utility",))
    mandate = replace(mandate, max_turnover=None)
    standard = standardise(moments, mandate)
    investors = Investors(np.array([1.0 / mandate.risk_aversion]), standard.unit.current[None, :], np.array([mandate.horizon_years]))
    together = solve_batch(standard, investors)
    assert together.gap[0] <= 1e-10
    assert np.abs(together.weights[0] - solve(moments, mandate).weights).max() <= 1e-6


@some
@given(seeds, st.randoms(use_true_random=False))
def test_the_order_of_funds_does_not_matter(seed, random):
    found = solved(seed, QUADRATIC)
    if found is None:
        return
    moments, mandate, ours = found
    order = list(range(len(moments.codes)))
    random.shuffle(order)
    shuffled = Moments(tuple(moments.codes[i] for i in order), moments.mean[order], moments.cov[np.ix_(order, order)])
    backwards = replace(mandate, funds=mandate.funds[::-1], groups=mandate.groups[::-1])
    again = solve(shuffled, backwards)
    assert again.codes == ours.codes
    assert np.abs(again.weights - ours.weights).max() <= 1e-9


def test_twins_that_cost_differently_are_not_mistaken_for_each_other():
    """The path's first point counts no costs: a face from there once passed for proven where they count."""
    mean = np.array([0.03134818, 0.03134818, 0.04613477, 0.01705161])
    third = [-0.03327583, -0.03327583, 0.05683116, 0.02774642]
    twin = [0.03579992, 0.03579992, -0.03327583, -0.02175425]
    cov = np.array([twin, twin, third, [-0.02175425, -0.02175425, 0.02774642, 0.05723536]])
    codes = ("A", "B", "C", "D")
    mandate = Mandate(
        codes,
        target_volatility=0.155,
        current=dict(zip(codes, (0.284, 0.303, 0.111, 0.301), strict=True)),
        buy_cost={"D": 0.009},
        sell_cost={"A": 0.003, "B": 0.0037},
    )
    ours = solve(Moments(codes, mean, cov), mandate)
    assert ours.objective == pytest.approx(optimise(Moments(codes, mean, cov), mandate).objective, abs=1e-7)
    assert ours.weights[0] == 0 < ours.weights[1]
