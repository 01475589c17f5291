"""The optimum of a mandate: cvxpy finds the face, an active-set polish makes it exact and proves it."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from portfolios.kernels.active_set import Face, Optimum, Quadratic, face_of, polish, walk
from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import pick
from portfolios.kernels.risk import figures
from portfolios.kernels.types import Binding, FloatArray, GammaSolution, Moments, Solution

SOLVER = "clarabel+active-set"
_SLACKS = (1e-6, 1e-8, 1e-4, 1e-10)
_COARSE_STEPS = 12
_LOCK = Lock()  # a compiled problem holds its parameters: one thread at a time


class Optimiser:
    """One mandate's problem set up once, solved for as many risk aversions as asked; each solve starts from the last face."""

    def __init__(self, moments: Moments, mandate: Mandate) -> None:
        self.mandate = mandate
        self.moments = pick(moments, mandate.funds)
        cost = np.array([mandate.buy_cost.get(fund, 0.0) for fund in mandate.funds])
        self._net_mean = self.moments.mean - cost / mandate.horizon_years
        bounds = np.array([mandate.bound(fund) for fund in mandate.funds])
        rows = [np.ones(len(mandate.funds))] + [np.isin(mandate.funds, group.funds).astype(float) for group in mandate.groups]
        self._problem = Quadratic(
            self.moments.cov,
            np.zeros(len(mandate.funds)),
            np.array(rows),
            np.array([1.0, *(group.min for group in mandate.groups)]),
            np.array([1.0, *(group.max for group in mandate.groups)]),
            bounds[:, 0],
            bounds[:, 1],
        )
        self._face: Face | None = None

    def solve(self, gamma: float) -> Solution:
        """Return the optimum at a risk aversion; raises InfeasibleError where the groups contradict each other."""
        problem = replace(self._problem, gain=self._net_mean / gamma)
        found = polish(problem, self._face) if self._face is not None else None
        if found is None:
            found = _from(problem, _solve_cvxpy(problem))
        if found is None:
            raise SolverError("not_proven_optimal", gamma=gamma, n_funds=len(self.mandate.funds))
        self._face = found.face
        expected_return, volatility, cvar = figures(self.moments, found.weights)
        return Solution(
            self.mandate.funds,
            found.weights,
            expected_return,
            volatility,
            cvar,
            gamma,
            objective=float(self._net_mean @ found.weights) - gamma / 2 * volatility**2,
            binding=self._binding(found, gamma),
            kkt_residual=found.residual,
            solver=SOLVER,
        )

    def _binding(self, found: Optimum, gamma: float) -> tuple[Binding, ...]:
        """Limits that hold with equality; prices back in the objective's own unit, which the problem divides by gamma."""
        names = [f"fund:{fund}" for fund in self.mandate.funds] + [f"group:{group.name}" for group in self.mandate.groups]
        sides = [*found.face.funds.tolist(), *found.face.rows[1:].tolist()]
        prices = [*found.fund_prices.tolist(), *found.row_prices[1:].tolist()]
        side_name = {-1: "min", 1: "max"}
        return tuple(
            Binding(f"{name}:{side_name[side]}", gamma * price) for name, side, price in zip(names, sides, prices, strict=True) if side
        )


def _from(problem: Quadratic, weights: FloatArray) -> Optimum | None:
    """The proven optimum from weights near it: by guessing their face, and where no guess holds, by walking from them."""
    for slack in _SLACKS:
        found = polish(problem, face_of(problem, weights, slack))
        if found is not None:
            return found
    face = walk(problem, weights)
    return polish(problem, face) if face is not None else None


def optimise(moments: Moments, mandate: Mandate) -> Solution:
    """Return the optimum of a mandate on annual moments that name all its funds, in the order of their codes.

    Weights sum to 1 within 1e-12, keep their bounds exactly, and satisfy the optimality conditions within 1e-10, so
    neither the order of funds nor the solver shows in them. Raises InfeasibleError naming the limits that contradict
    each other, DataError for wrong labels, SolverError where no proven optimum was found (report it).
    """
    return Optimiser(moments, mandate).solve(mandate.risk_aversion)


def smallest_gamma(moments: Moments, mandate: Mandate, cvar_limit: float, gammas: tuple[float, float] = (2.0, 200.0)) -> GammaSolution:
    """Return the optimum at the smallest risk aversion in `gammas` whose normal CVaR is at most `cvar_limit` (loss positive).

    The mandate's own risk aversion is not read. Along rising risk aversion the CVaR first falls and may rise again (the
    mean it gives up then weighs more than the volatility it saves), so a coarse scan finds where to bisect. Raises
    InfeasibleError("cvar_budget") with the least CVaR reachable where no risk aversion keeps the limit.
    """
    optimiser = Optimiser(moments, mandate)
    first = optimiser.solve(gammas[0])
    if first.cvar <= cvar_limit:
        return GammaSolution(first, cvar_limit, budget_binds=False)
    below, kept = first, None
    tried = [first]
    for gamma in np.geomspace(*gammas, _COARSE_STEPS)[1:]:
        tried.append(optimiser.solve(float(gamma)))
        if tried[-1].cvar <= cvar_limit:
            below, kept = tried[-2], tried[-1]
            break
    if kept is None:
        below, kept = _least_cvar(optimiser.solve, tried)
        if kept.cvar > cvar_limit:
            raise InfeasibleError("cvar_budget", limit=cvar_limit, reached=kept.cvar, gamma=gammas[1])
    low, high = below.gamma, kept.gamma
    while high / low > 1 + 1e-9:
        middle = optimiser.solve(float(np.sqrt(low * high)))
        if middle.cvar <= cvar_limit:
            high, kept = middle.gamma, middle
        else:
            low = middle.gamma
    return GammaSolution(kept, cvar_limit, budget_binds=True)


def _least_cvar(solve: Callable[[float], Solution], tried: list[Solution]) -> tuple[Solution, Solution]:
    """The solution of least CVaR near the best one tried, by ternary search, and the tried one before it."""
    best = min(range(len(tried)), key=lambda i: tried[i].cvar)
    below = tried[max(best - 1, 0)]
    low, high = below.gamma, tried[min(best + 1, len(tried) - 1)].gamma
    least = tried[best]
    for _ in range(40):
        left, right = solve(low ** (2 / 3) * high ** (1 / 3)), solve(low ** (1 / 3) * high ** (2 / 3))
        least = min(least, left, right, key=lambda solution: solution.cvar)
        low, high = (low, right.gamma) if left.cvar <= right.cvar else (left.gamma, high)
    return below, least


def _solve_cvxpy(problem: Quadratic) -> FloatArray:
    """Weights near the optimum by Clarabel; the polish proves them, so an inexact answer is a start and never a result."""
    # Brought to a gain of 1: at a high risk aversion the objective is below the solver's absolute tolerance, and its answer
    # then too coarse to tell which limits bind (one frontier in three failed on a pool with money-market funds).
    scale = 1.0 / max(float(np.abs(problem.gain).max()), 1e-12)
    values, vectors = np.linalg.eigh(problem.cov * scale)
    with _LOCK:
        compiled = _compiled(len(problem.gain), len(problem.rows) - 1)
        compiled["root"].value = (vectors * np.sqrt(np.maximum(values, 0.0))).T
        compiled["gain"].value = problem.gain * scale
        compiled["low"].value, compiled["high"].value = problem.low, problem.high
        if len(problem.rows) > 1:
            compiled["rows"].value = problem.rows[1:]
            compiled["row_low"].value, compiled["row_high"].value = problem.row_low[1:], problem.row_high[1:]
        return _run(compiled)


def _run(compiled: dict[str, Any]) -> FloatArray:
    import cvxpy as cp

    try:
        compiled["problem"].solve(solver=cp.CLARABEL)
    except cp.SolverError as error:
        raise SolverError("solver_failed", detail=str(error)[:200]) from error
    status = compiled["problem"].status
    if status in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        raise InfeasibleError("groups_contradict")
    if compiled["weights"].value is None:
        raise SolverError("solver_failed", detail=status)
    return np.asarray(compiled["weights"].value, float)


@lru_cache(maxsize=64)
def _compiled(n_funds: int, n_groups: int) -> dict[str, Any]:
    """The problem of one shape as a disciplined parametrised programme, compiled once: rebuilding costs twenty solves."""
    import cvxpy as cp

    weights = cp.Variable(n_funds)
    root = cp.Parameter((n_funds, n_funds))
    parameters = {name: cp.Parameter(n_funds) for name in ("gain", "low", "high")}
    limits = [cp.sum(weights) == 1, weights >= parameters["low"], weights <= parameters["high"]]
    if n_groups:
        parameters["rows"] = cp.Parameter((n_groups, n_funds))
        parameters["row_low"], parameters["row_high"] = cp.Parameter(n_groups), cp.Parameter(n_groups)
        total = parameters["rows"] @ weights
        limits += [total >= parameters["row_low"], total <= parameters["row_high"]]
    objective = cp.Minimize(0.5 * cp.sum_squares(root @ weights) - parameters["gain"] @ weights)
    return {"problem": cp.Problem(objective, limits), "weights": weights, "root": root, **parameters}
