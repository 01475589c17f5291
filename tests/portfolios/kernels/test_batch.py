"""Many investors at once: each must get the answer that a solver finds for that investor alone."""

import csv
from dataclasses import replace
from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from portfolios.kernels import batch, batch_polish
from portfolios.kernels.batch import BatchSolution, Investors, solve_batch
from portfolios.kernels.direct import solve_direct
from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.standard import Quadratic, Standard, standardise
from portfolios.kernels.types import FloatArray, Moments

ETF_PRICES = Path(__file__).resolve().parents[4] / "shared" / "data" / "etf" / "ETFs_TotalReturnIndices.csv"


def stocks(n: int, seed: int) -> Moments:
    random = np.random.default_rng(seed)
    loadings = random.normal(0.1, 0.08, (n, 3))
    cov = loadings @ loadings.T + np.diag(random.uniform(0.01, 0.08, n))
    return Moments(tuple(f"F{i:03d}" for i in range(n)), random.uniform(0.0, 0.12, n), cov)


def fund_pool(n: int, seed: int) -> Moments:
    """From money-market funds of 0.3 % a year to equity of 25 %, many of one class nearly the same, gains equal within a class."""
    random = np.random.default_rng(seed)
    kind = np.resize([0, 0, 1, 1, 2, 2, 3, 3, 4], n)
    volatility = np.array([0.003, 0.03, 0.08, 0.18, 0.25])[kind] * random.uniform(0.8, 1.2, n)
    style = np.array([[0.9, 0.1, 0.0], [0.3, 0.9, 0.1], [0.1, 0.5, 0.7], [0.0, 0.1, 0.9], [0.1, 0.0, 0.8]])[kind] + random.normal(
        0, 0.08, (n, 3)
    )
    style /= np.linalg.norm(style, axis=1)[:, None]
    own = random.choice([0.002, 0.05, 0.3], n)
    correlation = style @ style.T * np.sqrt(np.outer(1 - own, 1 - own)) + np.diag(own)
    mean = np.array([0.018, 0.03, 0.045, 0.065, 0.075])[kind]
    return Moments(tuple(f"F{i:03d}" for i in range(n)), mean, correlation * np.outer(volatility, volatility))


def laid_out(moments: Moments, cost: float = 0.005, **fields) -> Standard:
    fields.setdefault("default_bounds", (0.0, max(0.3, 1.3 / len(moments.codes))))
    costs = {key: dict.fromkeys(moments.codes, cost) for key in ("buy_cost", "sell_cost")}
    return standardise(moments, Mandate(moments.codes, 1.0, **{**costs, **fields}))


def some_investors(n: int, count: int, seed: int, mean_funds: float = 0.5) -> Investors:
    random = np.random.default_rng(seed)
    return Investors(
        1.0 / random.uniform(2, 200, count), random.dirichlet(np.full(n, mean_funds), count), random.choice([1.0, 3.0, 5.0], count)
    )


def problem_of(standard: Standard, investors: Investors, k: int) -> Quadratic:
    theta = investors.theta[k]
    yearly = theta * standard.mandate.horizon_years / investors.horizon_years[k]
    unit = standard.unit
    return replace(unit, gain=theta * unit.gain, buy=yearly * unit.buy, sell=yearly * unit.sell, current=investors.current[k])


def by_clarabel(problem: Quadratic) -> FloatArray:
    weights = cp.Variable(len(problem.gain))
    trade = weights - problem.current
    scale = 1.0 / np.diag(problem.cov).max()
    root = np.linalg.cholesky(problem.cov * scale).T
    costs = scale * (problem.buy @ cp.pos(trade) + problem.sell @ cp.neg(trade))
    inside = [problem.low <= weights, weights <= problem.high]
    for row, low, high in zip(problem.rows, problem.row_low, problem.row_high, strict=True):
        inside += [row @ weights == low] if low == high else []
        inside += [row @ weights >= low] if low != high and np.isfinite(low) else []
        inside += [row @ weights <= high] if low != high and np.isfinite(high) else []
    programme = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(root @ weights) - scale * problem.gain @ weights + costs), inside)
    tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 1e-13)
    programme.solve(cp.CLARABEL, **tight, reduced_tol_gap_abs=1e-11, reduced_tol_gap_rel=1e-11, reduced_tol_feas=1e-11)
    return weights.value


def least_residual(problem: Quadratic, weights: FloatArray) -> float:
    """The smallest violation of the optimality conditions that any multipliers of the rows reach, by a linear programme."""
    force = problem.gain - problem.cov @ weights
    bought = np.where(weights >= problem.current, problem.buy, -problem.sell)
    sold = np.where(weights <= problem.current, -problem.sell, problem.buy)
    at_rows = problem.rows @ weights
    below_top, above_bottom = weights < problem.high, weights > problem.low
    m = len(problem.rows)
    matrix = np.vstack(
        [
            np.column_stack([problem.rows.T, -np.ones(len(force))])[below_top],
            -np.column_stack([problem.rows.T, np.ones(len(force))])[above_bottom],
        ]
    )
    right = np.concatenate([(bought - force)[below_top], (force - sold)[above_bottom]])
    equal = problem.row_low == problem.row_high
    may_push = equal | (at_rows <= problem.row_low + 1e-11)
    may_pull = equal | (at_rows >= problem.row_high - 1e-11)
    signs = [(None if pull else 0.0, None if push else 0.0) for push, pull in zip(may_push, may_pull, strict=True)]
    found = linprog(np.append(np.zeros(m), 1.0), A_ub=matrix * 1e3, b_ub=right * 1e3, bounds=[*signs, (0.0, None)], method="highs")
    missed = np.maximum(problem.row_low - at_rows, at_rows - problem.row_high).max()
    return max(float(found.fun), float(missed), float((problem.low - weights).max()), float((weights - problem.high).max()))


def judged(standard: Standard, investors: Investors, solution: BatchSolution) -> None:
    assert solution.proven.all()
    for k, weights in enumerate(solution.weights):
        assert solution.gap[k] <= 1e-10
        assert least_residual(problem_of(standard, investors, k), weights) <= 1e-9


overlapping = (
    Group("first", tuple(f"F{i:03d}" for i in range(4)), 0.1, 0.45),
    Group("middle", tuple(f"F{i:03d}" for i in range(2, 6)), None, 0.5),
)


@settings(max_examples=15, deadline=None)
@given(st.integers(9, 15), st.integers(0, 10**6), st.booleans(), st.sampled_from([0.0, 0.005, 0.03]))
def test_each_investor_gets_the_weights_that_clarabel_finds(n, seed, grouped, cost):
    standard = laid_out(stocks(n, seed), cost, groups=overlapping if grouped else ())
    investors = some_investors(n, 3, seed)
    solution = solve_batch(standard, investors)
    for k, weights in enumerate(solution.weights):
        problem = problem_of(standard, investors, k)
        other = by_clarabel(problem)
        assert np.abs(weights - other).max() <= 1e-6
    judged(standard, investors, solution)


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 40), st.integers(0, 10**6), st.booleans())
def test_a_pool_from_money_market_to_equity_is_proven_for_everyone(n, seed, grouped):
    standard = laid_out(fund_pool(n, seed), groups=overlapping if grouped and n > 8 else ())
    investors = some_investors(n, 6, seed)
    judged(standard, investors, solve_batch(standard, investors))


def test_nobody_in_a_plain_pool_has_to_be_solved_alone():
    standard = laid_out(fund_pool(60, 3))
    solution = solve_batch(standard, some_investors(60, 1500, 4))
    assert solution.proven.all() and not solution.alone.any()


def test_costs_may_differ_by_fund_and_by_side():
    random = np.random.default_rng(8)
    moments = stocks(12, 8)
    buy, sell = (dict(zip(moments.codes, random.choice([0.0, 0.002, 0.015], 12), strict=True)) for _ in range(2))
    standard = laid_out(moments, buy_cost=buy, sell_cost=sell, long_only=False, default_bounds=(-0.2, 0.5))
    investors = some_investors(12, 30, 8)
    judged(standard, investors, solve_batch(standard, investors))


def test_the_order_of_funds_and_of_investors_does_not_show():
    moments, n = fund_pool(30, 5), 30
    back = np.arange(n)[::-1]
    renamed = Moments(moments.codes, moments.mean[back], moments.cov[np.ix_(back, back)])
    investors = some_investors(n, 200, 6)
    mixed = np.random.default_rng(0).permutation(200)
    turned = Investors(investors.theta[mixed], investors.current[mixed][:, back], investors.horizon_years[mixed])
    first, second = solve_batch(laid_out(moments), investors), solve_batch(laid_out(renamed), turned)
    assert np.abs(first.weights[mixed][:, back] - second.weights).max() <= 1e-9


def test_small_drift_is_not_worth_its_cost_and_stays_to_the_last_bit():
    standard = laid_out(stocks(15, 1), default_bounds=(0.0, 1.0))
    theta = np.full(20, 0.1)
    best = solve_batch(standard, Investors(theta, np.zeros((20, 15)), np.full(20, 3.0))).weights
    exchange = np.random.default_rng(1).normal(size=(20, 15)) * (best > 0.01) * 1e-4
    drifted = np.maximum(best + exchange - (best > 0.01) * (exchange.sum(1) / (best > 0.01).sum(1))[:, None], 0.0)
    drifted /= drifted.sum(axis=1, keepdims=True)
    held = solve_batch(standard, Investors(theta, drifted, np.full(20, 3.0)))
    assert held.proven.all()
    assert (held.weights == drifted).all()


def test_costs_so_high_that_nobody_trades_leave_every_holding_exactly_as_it_is():
    standard = laid_out(stocks(10, 2), cost=100.0, default_bounds=(0.0, 1.0))
    investors = some_investors(10, 40, 2)
    solution = solve_batch(standard, replace(investors, horizon_years=np.ones(40)))
    assert np.abs(solution.weights - investors.current).max() <= 1e-12
    assert solution.proven.all()


def test_a_longer_horizon_spreads_the_costs_as_in_a_mandate_of_that_horizon():
    moments = stocks(9, 3)
    standard = laid_out(moments)
    investors = some_investors(9, 6, 3)
    solution = solve_batch(standard, investors)
    for k, weights in enumerate(solution.weights):
        current = dict(zip(moments.codes, investors.current[k].tolist(), strict=True))
        own = replace(standard.mandate, risk_aversion=1 / investors.theta[k], horizon_years=investors.horizon_years[k], current=current)
        assert np.abs(solve_direct(moments, own).weights - weights).max() <= 1e-9


def test_holdings_that_break_the_limits_are_traded_into_them():
    standard = laid_out(stocks(8, 4), cost=5.0, default_bounds=(0.0, 0.4))
    current = np.zeros((3, 8))
    current[0, 0], current[1, :2], current[2] = 1.0, [1.6, -0.6], 0.7
    investors = Investors(np.full(3, 0.02), current, np.full(3, 1.0))
    solution = solve_batch(standard, investors)
    judged(standard, investors, solution)
    assert solution.weights[0, 0] == 0.4


def test_holdings_of_nearly_nothing_are_nothing():
    standard = laid_out(fund_pool(20, 7))
    theta, years = np.array([0.01, 0.1, 0.5]), np.full(3, 3.0)
    none = solve_batch(standard, Investors(theta, np.zeros((3, 20)), years))
    dust = solve_batch(standard, Investors(theta, np.full((3, 20), 1e-17), years))
    assert dust.proven.all()
    assert np.abs(none.weights - dust.weights).max() <= 1e-12


def test_without_costs_holdings_and_horizon_do_not_matter():
    standard = laid_out(stocks(12, 5), cost=0.0)
    investors = replace(some_investors(12, 50, 5), theta=np.full(50, 0.07))
    solution = solve_batch(standard, investors)
    judged(standard, investors, solution)
    assert (solution.weights == solution.weights[0]).all()


def test_no_risk_tolerance_is_the_least_variance_and_much_of_it_the_highest_return():
    moments = stocks(10, 6)
    standard = laid_out(moments, cost=0.0)
    calm, bold = solve_batch(standard, Investors(np.array([0.0, 1e6]), np.zeros((2, 10)), np.ones(2))).weights
    assert (
        np.abs(calm - solve_direct(moments, replace(standard.mandate, risk_aversion=None, objective="min_volatility")).weights).max()
        <= 1e-9
    )
    best = np.argsort(-moments.mean)[:4]
    assert bold[best[:3]] == pytest.approx(0.3) and bold[best[3]] == pytest.approx(0.1)


def test_nobody_and_one_investor_and_one_fund():
    standard = laid_out(stocks(6, 7))
    none = solve_batch(standard, Investors(np.zeros(0), np.zeros((0, 6)), np.zeros(0)))
    assert none.weights.shape == (0, 6) and none.proven.shape == (0,)
    investors = some_investors(6, 1, 7)
    judged(standard, investors, solve_batch(standard, investors))
    alone = solve_batch(laid_out(stocks(1, 7)), Investors(np.ones(2), np.array([[0.0], [3.0]]), np.ones(2)))
    assert alone.proven.all() and alone.weights == pytest.approx(np.ones((2, 1)), abs=1e-12)


def test_equal_funds_share_what_is_theirs():
    moments = stocks(6, 9)
    twice = [0, 1, 2, 3, 4, 5, 0, 1]
    pool = Moments(tuple(f"F{i:03d}" for i in range(8)), moments.mean[twice], moments.cov[np.ix_(twice, twice)])
    solution = solve_batch(laid_out(pool), replace(some_investors(8, 12, 9), current=np.zeros((12, 8))))
    assert solution.proven.all()
    assert np.abs(solution.weights[:, :2] - solution.weights[:, 6:]).max() <= 1e-9


def test_funds_without_variance_and_fewer_days_than_funds_are_solved():
    random = np.random.default_rng(10)
    returns = random.normal(0, 0.05, (7, 14))
    returns[:, :3] = 0.0
    moments = Moments(tuple(f"F{i:03d}" for i in range(14)), random.choice([0.015, 0.04, 0.07], 14), returns.T @ returns)
    standard = laid_out(moments, groups=overlapping)
    investors = some_investors(14, 25, 10)
    judged(standard, investors, solve_batch(standard, investors))


def test_limits_stated_twice_do_no_harm():
    moments = stocks(8, 11)
    first, rest = moments.codes[:3], moments.codes[3:]
    groups = (
        Group("a", first, 0.3, 0.3),
        Group("b", first, 0.3, 0.3),
        Group("rest", rest, 0.7, 0.7),
        Group("all", moments.codes, 0.0, 1.0),
    )
    standard = laid_out(moments, groups=groups)
    investors = some_investors(8, 20, 11)
    judged(standard, investors, solve_batch(standard, investors))


def test_locked_and_excluded_funds_keep_their_weight():
    moments = stocks(9, 12)
    standard = laid_out(moments, locked={"F002": 0.11}, excluded=("F004",))
    solution = solve_batch(standard, some_investors(9, 20, 12))
    assert solution.proven.all()
    assert (solution.weights[:, 2] == 0.11).all() and (solution.weights[:, 4] == 0.0).all()


def test_limits_that_contradict_are_refused():
    moments = stocks(8, 13)
    for fields in (
        {"default_bounds": (0.0, 0.1)},
        {"groups": (Group("low", moments.codes[:4], None, 0.2), Group("high", moments.codes[4:], None, 0.2))},
        {"bounds": {"F001": (0.5, 0.6)}, "excluded": ("F001",)},
    ):
        with pytest.raises(InfeasibleError) as refused:
            solve_batch(laid_out(moments, **fields), some_investors(8, 5, 13))
        assert refused.value.code == "limits_contradict"


def test_a_turnover_limit_is_kept_by_everyone_who_can():
    moments = stocks(8, 14)
    standard = laid_out(moments, cost=0.001, max_turnover=0.1)
    current = np.vstack([np.full((4, 8), 0.125), np.eye(8)[:1]])
    investors = Investors(np.array([0.001, 0.02, 0.1, 0.5, 0.1]), current, np.full(5, 3.0))
    solution = solve_batch(standard, investors)
    assert solution.proven.tolist() == [True, True, True, True, False]
    assert np.isnan(solution.weights[4]).all() and solution.gap[4] == np.inf
    for k in range(4):
        own = replace(
            standard.mandate, risk_aversion=1 / investors.theta[k], current=dict(zip(moments.codes, current[k].tolist(), strict=True))
        )
        assert np.abs(solve_direct(moments, own).weights - solution.weights[k]).max() <= 1e-6
        assert np.abs(solution.weights[k] - current[k]).sum() / 2 <= 0.1 + 1e-12


def test_what_the_batch_cannot_prove_is_solved_alone_and_says_so(monkeypatch):
    standard = laid_out(fund_pool(20, 15))
    investors = some_investors(20, 30, 15)
    whole = solve_batch(standard, investors)
    monkeypatch.setattr(batch, "_ROUNDS", 1)
    polish = batch.polish_columns
    monkeypatch.setattr(batch, "polish_columns", lambda *arguments, most_steps: polish(*arguments, most_steps=4))
    short = solve_batch(standard, investors)
    assert short.alone.any() and short.proven.all()
    assert np.abs(whole.weights - short.weights).max() <= 1e-9

    def fails(*arguments):
        raise SolverError("solver_failed", solver="daqp", detail="")

    monkeypatch.setattr(batch, "optimum_of", fails)
    unproven = solve_batch(standard, investors)
    assert (unproven.proven == ~short.alone).all() and (unproven.gap[short.alone] == np.inf).all()


def test_equations_singular_to_the_last_bit_are_solved_by_least_norm():
    matrices = np.array([[[2.0, 2.0], [2.0, 2.0]], [[2.0, 0.0], [0.0, 4.0]]])
    solved = batch_polish._solved(matrices, np.array([[[4.0], [4.0]], [[2.0], [4.0]]]))
    assert solved[..., 0] == pytest.approx(np.ones((2, 2)))


@pytest.mark.parametrize(
    ("field", "values", "code"),
    [
        ("theta", [0.1, np.nan], "field_not_a_number"),
        ("theta", [0.1, -0.1], "field_negative"),
        ("horizon_years", [3.0, 0.0], "horizon_not_positive"),
        ("horizon_years", [3.0, np.inf], "field_not_a_number"),
        ("current", [[0.5, 0.5, np.nan, 0, 0, 0], [0] * 6], "field_not_a_number"),
    ],
)
def test_wrong_investors_are_refused_by_field(field, values, code):
    with pytest.raises(DataError) as refused:
        solve_batch(laid_out(stocks(6, 16)), replace(some_investors(6, 2, 16), **{field: np.array(values, float)}))
    assert refused.value.code == code


@pytest.mark.parametrize(("field", "values"), [("theta", [0.1]), ("current", [[0.5, 0.5], [0.5, 0.5]]), ("horizon_years", [[3.0], [3.0]])])
def test_arrays_that_do_not_fit_each_other_are_refused_by_field(field, values):
    with pytest.raises(ValueError, match=field):
        solve_batch(laid_out(stocks(6, 16)), replace(some_investors(6, 2, 16), **{field: np.array(values)}))


def test_a_limit_that_is_not_linear_is_refused_by_name():
    with pytest.raises(DataError) as refused:
        solve_batch(laid_out(stocks(6, 17), cvar_limit=0.1), some_investors(6, 2, 17))
    assert (refused.value.code, refused.value.params) == ("not_linear", {"limit": "cvar"})


@pytest.mark.real_data
def test_funds_of_the_real_market_from_treasury_bills_to_emerging_equity():
    with ETF_PRICES.open(encoding="utf-8-sig") as file:
        rows = list(csv.reader(file))
    prices = np.array([[np.nan if cell == "NA" else float(cell) for cell in row[1:]] for row in rows[1:]])
    weekly = prices[~np.isnan(prices).any(axis=1)][::5]
    returns = weekly[1:] / weekly[:-1] - 1
    moments = Moments(tuple(rows[0][1:]), returns.mean(axis=0) * 52, np.cov(returns.T) * 52)
    named = standardise(moments, Mandate(moments.codes, 1.0, default_bounds=(0.0, 0.18), buy_cost=dict.fromkeys(moments.codes, 0.005)))
    investors = some_investors(len(moments.codes), 60, 18)
    solution = solve_batch(named, investors)
    judged(named, investors, solution)
    assert not solution.alone.any()
