"""Random problems and mandates on which executors are compared, and a second solver that shares no line with them."""

from dataclasses import replace

import cvxpy as cp
import numpy as np

from portfolios.kernels.mandate import Group, Mandate
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.standard import Quadratic, standardise
from portfolios.kernels.types import Moments

TIGHT = {"tol_gap_abs": 1e-10, "tol_gap_rel": 1e-10, "tol_feas": 1e-10}


def random_moments(rng, n, kind):
    """Factor-model moments; by kind also equal means, zero variance, rank one, duplicates, near-ties of 1e-10."""
    loadings = rng.normal(scale=0.1, size=(n, 3))
    cov, mean = loadings @ loadings.T + np.diag(rng.uniform(1e-5, 0.03, n)), rng.uniform(0.0, 0.12, n)
    if kind == "equal means":
        mean = rng.choice([0.02, 0.05, 0.07], n)
    elif kind == "zero variance":
        cov[: n // 2], cov[:, : n // 2], mean[: n // 2] = 0.0, 0.0, 0.015
    elif kind == "rank one":
        cov = np.outer(loadings[:, 0], loadings[:, 0])
    elif kind in ("duplicates", "near-ties"):
        twin = rng.integers(0, n // 2 + 1, n)
        cov, mean = cov[np.ix_(twin, twin)], mean[twin]
        mean = mean + 1e-10 * rng.integers(-1, 2, n) * (kind == "near-ties")
    elif kind == "no variance":
        cov, mean = np.zeros((n, n)), 0.016 + 1e-10 * rng.integers(0, 3, n)
    return mean, (cov + cov.T) / 2.0


KINDS = ("regular", "equal means", "zero variance", "rank one", "duplicates", "near-ties", "no variance")


def random_problem(seed, n_max=12):
    """A feasible problem in standard form, with groups, costs, holdings and a turnover limit as they come; and weights that keep it."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, n_max + 1))
    mean, cov = random_moments(rng, n, KINDS[seed % len(KINDS)])
    theta = float(np.exp(rng.uniform(np.log(0.005), np.log(3.0)))) if rng.random() < 0.9 else 0.0
    kept = rng.dirichlet(np.ones(n))
    low = np.minimum(kept, 0.02) if rng.random() < 0.3 else np.zeros(n)
    high = np.maximum(max(0.18, 1.5 / n), kept) if rng.random() < 0.6 else np.ones(n)
    if rng.random() < 0.2:
        low[0] = high[0] = kept[0]
    rows = np.vstack([np.ones(n), (rng.random((int(rng.integers(0, 4)), n)) < 0.5).astype(float)])
    at = rows @ kept
    row_low = np.where(rng.random(len(rows)) < 0.5, at - rng.choice([0.0, 0.05]), -np.inf)
    row_high = np.where(rng.random(len(rows)) < 0.7, at + rng.choice([0.0, 0.05]), np.inf)
    row_low[0] = row_high[0] = 1.0
    zero = np.zeros(n)
    problem = Quadratic(cov, theta * mean, rows, row_low, row_high, low, high, zero, zero, zero)
    if rng.random() < 0.6:
        current = kept * (rng.random(n) < 0.7) if rng.random() < 0.5 else kept.copy()
        problem = replace(problem, current=current)
        if rng.random() < 0.7:
            problem = replace(problem, buy=theta * rng.uniform(0, 0.01, n), sell=theta * rng.choice([0.0, 0.005], n))
        if rng.random() < 0.5:
            problem = replace(problem, max_trade=float(np.abs(kept - current).sum() + rng.choice([0.0, 0.05, 0.3])))
    return problem, kept


def shuffled(problem, seed):
    """The same problem with its funds in another order, and that order."""
    order = np.random.default_rng(seed).permutation(len(problem.gain))
    fields = ("gain", "low", "high", "current", "buy", "sell")
    moved = {name: getattr(problem, name)[order] for name in fields}
    return replace(problem, cov=problem.cov[np.ix_(order, order)], rows=problem.rows[:, order], **moved), order


def root_of(cov):
    values, vectors = np.linalg.eigh(cov)
    return (vectors * np.sqrt(np.maximum(values, 0.0))).T


def best_value(problem):
    """The least value of the problem by cvxpy and Clarabel."""
    w = cp.Variable(len(problem.gain))
    size = max(np.abs(problem.gain).max(), np.abs(problem.cov).max()) or 1.0
    low, high = np.isfinite(problem.row_low), np.isfinite(problem.row_high)
    limits = [w >= problem.low, w <= problem.high]
    limits += [problem.rows[low] @ w >= problem.row_low[low], problem.rows[high] @ w <= problem.row_high[high]]
    if np.isfinite(problem.max_trade):
        limits.append(cp.norm1(w - problem.current) <= problem.max_trade)
    costs = problem.buy @ cp.pos(w - problem.current) + problem.sell @ cp.neg(w - problem.current)
    value = 0.5 * cp.sum_squares(root_of(problem.cov) @ w) - problem.gain @ w + costs
    found = cp.Problem(cp.Minimize(value / size), limits)
    found.solve(solver="CLARABEL", **TIGHT)
    return found.value * size


def random_mandate(seed, n_max=10):
    """Moments and a mandate of any objective, with groups, costs, holdings, turnover and CVaR limits as they come."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, n_max + 1))
    mean, cov = random_moments(rng, n, KINDS[seed % 5])
    codes = tuple(f"F{i:02d}" for i in range(n))
    kept = rng.dirichlet(np.ones(n))
    volatility = float(np.sqrt(kept @ cov @ kept))
    asks = (
        {"risk_aversion": float(np.exp(rng.uniform(-0.5, 4.5)))},
        {"objective": "min_volatility"},
        {"objective": "max_sharpe", "risk_free": float(rng.uniform(-0.01, 0.03))},
        {"target_volatility": volatility * float(rng.uniform(0.9, 1.2))},
        {"target_return": float(mean @ kept + rng.uniform(-0.01, 0.01))},
    )
    asked = dict(asks[seed % 7 % 5])
    if rng.random() < 0.5:
        asked["current"] = dict(zip(codes, map(float, rng.dirichlet(np.ones(n))), strict=True))
        if rng.random() < 0.7:
            asked["buy_cost"] = {code: float(rng.uniform(0, 0.02)) for code in codes}
            asked["sell_cost"] = {code: float(rng.choice([0.0, 0.01])) for code in codes}
        if rng.random() < 0.4:
            away = np.abs(kept - np.array(list(asked["current"].values()))).sum() / 2
            asked["max_turnover"] = float(away + rng.choice([0.001, 0.1]))
    if "objective" not in asked and rng.random() < 0.3:
        asked["cvar_limit"] = float(NORMAL_CVAR_95 * volatility - mean @ kept + rng.choice([-0.01, 0.0, 0.01, 0.03]))
    if rng.random() < 0.6:
        names = tuple(code for code in codes if rng.random() < 0.5) or codes[:1]
        held = float(sum(kept[codes.index(code)] for code in names))
        asked["groups"] = (Group("some", names, max(held - 0.1, 0.0), held + 0.1),)
    high = max(float(rng.choice([0.3, 1.0])), float(kept.max()) * 1.01, 1.5 / n)
    return Moments(codes, mean, cov), Mandate(codes, default_bounds=(0.0, high), **asked)


def best_objective(moments, mandate):
    """The printed objective by cvxpy and Clarabel, max_sharpe by homogenisation; None where they find the limits contradicting."""
    unit = standardise(moments, mandate).unit
    w, root = cp.Variable(len(unit.gain)), root_of(unit.cov)
    scale = cp.Variable(nonneg=True) if mandate.kind == "max_sharpe" else 1.0
    low, high = np.isfinite(unit.row_low), np.isfinite(unit.row_high)
    limits = [w >= unit.low * scale, w <= unit.high * scale]
    limits += [unit.rows[low] @ w >= unit.row_low[low] * scale, unit.rows[high] @ w <= unit.row_high[high] * scale]
    trade, volatility = w - unit.current * scale, cp.norm(root @ w)
    if np.isfinite(unit.max_trade):
        limits.append(cp.norm1(trade) <= unit.max_trade * scale)
    if mandate.cvar_limit is not None:
        limits.append(NORMAL_CVAR_95 * volatility - unit.gain @ w <= mandate.cvar_limit)
    net = unit.gain @ w - unit.buy @ cp.pos(trade) - unit.sell @ cp.neg(trade)
    if mandate.kind == "max_sharpe":
        found = cp.Problem(cp.Minimize(volatility), [*limits, net - mandate.risk_free * scale >= 1])
    elif mandate.kind == "utility":
        found = cp.Problem(cp.Maximize(net - mandate.risk_aversion / 2 * cp.sum_squares(root @ w)), limits)
    elif mandate.kind == "target_volatility":
        found = cp.Problem(cp.Maximize(net), [*limits, volatility <= mandate.target_volatility])
    else:
        found = cp.Problem(cp.Minimize(cp.sum_squares(root @ w)), limits)
    found.solve(solver="CLARABEL", **TIGHT)
    if found.status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        return None
    return 1.0 / found.value if mandate.kind == "max_sharpe" else found.value
