"""The optimum of whatever a mandate says, by cvxpy: one disciplined parametrised programme a shape, compiled once.

The other executors are quicker where they apply and are held against this one. Quadratic mandates end in the exact polish
of `kernels.active_set`; conic ones (a CVaR limit, a robust mean, a target volatility) in that of `kernels.conic`, or, where that
finds no proof, as Clarabel leaves them, which is why those have their own tolerance.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from threading import Lock
from typing import Any

import numpy as np

from portfolios.kernels.active_set import from_weights
from portfolios.kernels.conic import Conic, Sharp, sharpened
from portfolios.kernels.covariances import square_root
from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.faces import Optimum, face_of
from portfolios.kernels.feasible import feasible_weights
from portfolios.kernels.mandate import Kind, Mandate
from portfolios.kernels.prices import BINDS, is_corner
from portfolios.kernels.risk import NORMAL_CVAR_95, figures
from portfolios.kernels.solution import linear_bindings, objective_of, solution_of
from portfolios.kernels.standard import Quadratic, Standard, standardise
from portfolios.kernels.types import Binding, FloatArray, Moments, Solution

CONIC_SOLVER = "cvxpy+clarabel"
POLISHED_SOLVER = "cvxpy+clarabel+active-set"
_TOLERANCES = (1e-10, 1e-8)
_BINDS = 1e-6  # slack, in fractions of wealth, at which a conic answer's limit counts as held with equality
_FACE_SLACKS = (1e-8, 1e-7, 1e-6, 1e-5)
_NO_PRICE = 1e-8
_RATIO_STEPS = 500
_SETTLED = 1e-13
_LOCK = Lock()  # a compiled problem holds its parameters: one thread at a time


@dataclass(frozen=True)
class ProgrammeShape:
    """What makes two mandates the same compiled programme."""

    kind: Kind
    n_funds: int
    n_rows: int
    costs: bool
    turnover: bool
    cvar: bool
    robust: bool


@dataclass(frozen=True)
class Answer:
    """A compiled programme's answer: weights (n,), multipliers >= 0 of its named limits, and how near the solver says it is."""

    weights: FloatArray
    prices: dict[str, FloatArray]
    tolerance: float
    is_exact: bool

    def price(self, name: str) -> float:
        """The multiplier of one curved limit, 0 where the mandate has none of the name."""
        return float(self.prices[name][0]) if name in self.prices else 0.0


def optimise(moments: Moments, mandate: Mandate) -> Solution:
    """Return the optimum of any mandate but one that counts funds (`kernels.cardinality` does those).

    Weights sum to 1 and keep their limits within 1e-12 for quadratic mandates, whose KKT residual is at most 1e-10, and
    within 1e-8 for conic ones. Raises InfeasibleError("limits_contradict"), DataError for wrong labels or
    ("no_positive_excess"), SolverError where the solver fails or is missing (report it).
    """
    try:
        return _optimum(moments, mandate)
    except (InfeasibleError, SolverError) as error:
        # An interior point may take limits kept by a hair for contradicting ones, and may give up on those that contradict by one.
        if error.code == "solver_missing":
            raise
        from portfolios.kernels.explain import is_feasible

        if not is_feasible(moments, mandate):
            raise InfeasibleError("limits_contradict") from error
        if isinstance(error, InfeasibleError):
            raise SolverError("solver_failed", solver=CONIC_SOLVER, status="infeasible") from error
        raise


def _optimum(moments: Moments, mandate: Mandate) -> Solution:
    standard = standardise(moments, mandate)
    if (standard.unit.low > standard.unit.high).any():
        raise InfeasibleError("limits_contradict")
    shape = _shape(standard)
    theta = 1.0 / mandate.risk_aversion if mandate.risk_aversion is not None else float(mandate.kind in ("target_volatility", "max_sharpe"))
    problem = standard.at(theta)
    # Brought to a size of 1: at a high risk aversion the objective is else below the solver's absolute tolerance.
    size = float(np.abs(problem.gain).max()) if problem.gain.any() else float(problem.cov.diagonal().max())
    scale = 1.0 / max(size, 1e-12)
    is_conic = shape.cvar or shape.robust or mandate.kind == "target_volatility"
    try:
        found = _solve(shape, _values(standard, problem, scale))
    except SolverError as error:
        start = None if is_conic or mandate.kind == "max_sharpe" or error.code == "solver_missing" else feasible_weights(problem)
        if start is None:
            raise
        # The polish proves an optimum from any weights: without a solver's it only takes longer.
        return solution_of(standard, _polished(standard, theta, start), theta, "active-set")
    if is_conic:
        return _conic_solution(standard, found, theta, scale)
    if mandate.kind == "max_sharpe":
        return _highest_ratio(standard, found.weights)
    return solution_of(standard, _polished(standard, theta, found.weights), theta, POLISHED_SOLVER)


def _highest_ratio(standard: Standard, weights: FloatArray) -> Solution:
    """The exact optimum: of utility at the ratio's own risk tolerance, which each polish tells more exactly."""
    theta = _theta_of_ratio(standard, weights)
    for _ in range(_RATIO_STEPS):
        optimum = _polished(standard, theta, weights)
        before, weights = theta, optimum.weights
        theta = _theta_of_ratio(standard, weights)
        if abs(theta - before) <= _SETTLED * theta:
            return solution_of(standard, optimum, before, POLISHED_SOLVER)
    raise SolverError("not_proven_optimal", solver=POLISHED_SOLVER, n_funds=len(weights))


def _polished(standard: Standard, theta: float, weights: FloatArray) -> Optimum:
    optimum = from_weights(standard.at(theta), weights)
    if optimum is None:
        raise SolverError("not_proven_optimal", solver=POLISHED_SOLVER, n_funds=len(weights))
    return optimum


def _theta_of_ratio(standard: Standard, weights: FloatArray) -> float:
    """The risk tolerance at which utility has the optimum that the highest ratio has: variance over excess return."""
    expected_return, volatility, _ = figures(standard.moments, weights)
    mandate = standard.mandate
    excess = expected_return - standard.costs(weights) / mandate.horizon_years - float(mandate.risk_free or 0.0)
    if excess <= 0.0:
        raise DataError("no_positive_excess")
    if volatility == 0.0:
        raise DataError("ratio_without_limit")
    return volatility**2 / excess


def _shape(standard: Standard) -> ProgrammeShape:
    mandate, unit = standard.mandate, standard.unit
    n_rows = int(np.isfinite(unit.row_low[1:]).sum() + np.isfinite(unit.row_high[1:]).sum())
    return ProgrammeShape(
        mandate.kind,
        len(mandate.funds),
        n_rows,
        costs=bool(unit.buy.any() or unit.sell.any()) and mandate.kind not in ("min_volatility", "target_return"),
        turnover=bool(np.isfinite(unit.max_trade)),
        cvar=mandate.cvar_limit is not None,
        robust=mandate.robust is not None,
    )


def _values(standard: Standard, problem: Quadratic, scale: float) -> dict[str, Any]:
    """The parameters of a compiled programme; rows as G w <= h, for cvxpy takes no infinite bound."""
    mandate = standard.mandate
    has_low, has_high = np.isfinite(problem.row_low[1:]), np.isfinite(problem.row_high[1:])
    values: dict[str, Any] = {
        "root": square_root(problem.cov) * np.sqrt(scale if mandate.kind not in ("target_volatility", "max_sharpe") else 1.0),
        "gain": problem.gain * scale,
        "low": problem.low,
        "high": problem.high,
        "rows": np.vstack([-problem.rows[1:][has_low], problem.rows[1:][has_high]]),
        "row_max": np.concatenate([-problem.row_low[1:][has_low], problem.row_high[1:][has_high]]),
        "current": problem.current,
        "buy": problem.buy * scale,
        "sell": problem.sell * scale,
        "max_trade": problem.max_trade,
    }
    if mandate.kind == "max_sharpe":
        values |= {"gain": problem.gain - float(mandate.risk_free or 0.0), "buy": problem.buy, "sell": problem.sell}
    if mandate.cvar_limit is not None:
        values |= {"risk_root": NORMAL_CVAR_95 * square_root(problem.cov), "mean": standard.moments.mean, "cvar_limit": mandate.cvar_limit}
    if mandate.target_volatility is not None:
        values["target_volatility"] = mandate.target_volatility
    if mandate.robust is not None:
        theta = 1.0 / mandate.risk_aversion if mandate.risk_aversion is not None else 1.0
        values["robust_root"] = mandate.robust.kappa * theta * scale * square_root(mandate.robust.sorted_cov)
    return values


def _shortfall(mandate: Mandate, weights: FloatArray) -> float:
    """By how much the mean may fall short at the worst: 0 for a mandate that is not robust."""
    if mandate.robust is None:
        return 0.0
    return mandate.robust.kappa * float(np.sqrt(max(float(weights @ mandate.robust.sorted_cov @ weights), 0.0)))


def _solve(shape: ProgrammeShape, values: dict[str, Any]) -> Answer:
    try:
        import cvxpy as cp
    except ImportError as error:
        raise SolverError("solver_missing", solver="cvxpy") from error
    with _LOCK:
        compiled = _compiled(shape)
        for name, parameter in compiled["parameters"].items():
            parameter.value = values[name]
        status = ""
        for tolerance in _TOLERANCES:
            try:
                settings = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), tolerance)
                with warnings.catch_warnings():  # an inexact answer is judged by its status below
                    warnings.simplefilter("ignore", UserWarning)
                    # A warm start would let an answer hang on the mandates solved before it.
                    compiled["problem"].solve(solver=cp.CLARABEL, warm_start=False, **settings)
            except cp.SolverError:
                continue
            status = compiled["problem"].status
            if status in (cp.OPTIMAL, cp.INFEASIBLE, cp.UNBOUNDED):
                break
        if status == cp.INFEASIBLE:
            if shape.kind == "max_sharpe":
                _raise_why_no_sharpe(shape, values)
            raise InfeasibleError("limits_contradict")
        if status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
            raise SolverError("solver_failed", solver=CONIC_SOLVER, status=status)
        weights = np.asarray(compiled["weights"].value, float).ravel()
        if shape.kind == "max_sharpe":
            weights = weights / float(compiled["size"].value)
        prices = {name: np.maximum(np.atleast_1d(limit.dual_value), 0.0) for name, limit in compiled["limits"].items()}
        prices["sum"] = np.abs(np.atleast_1d(compiled["sum"].dual_value))
        return Answer(weights, prices, tolerance, is_exact=status == cp.OPTIMAL)


def _raise_why_no_sharpe(shape: ProgrammeShape, values: dict[str, Any]) -> None:
    """Tell limits that contradict each other from limits under which nothing beats the risk-free rate."""
    plain = ProgrammeShape("min_volatility", shape.n_funds, shape.n_rows, costs=False, turnover=shape.turnover, cvar=False, robust=False)
    compiled = _compiled(plain)
    for name, parameter in compiled["parameters"].items():
        parameter.value = values[name]
    import cvxpy as cp

    compiled["problem"].solve(solver=cp.CLARABEL)
    if compiled["problem"].status not in (cp.INFEASIBLE, cp.INFEASIBLE_INACCURATE):
        raise DataError("no_positive_excess")


@lru_cache(maxsize=64)
def _compiled(shape: ProgrammeShape) -> dict[str, Any]:
    """The programme of one shape: rebuilding costs twenty solves. Under max_sharpe all is homogeneous in `size`."""
    import cvxpy as cp

    n = shape.n_funds
    weights, size = cp.Variable(n), cp.Variable(nonneg=True) if shape.kind == "max_sharpe" else 1.0
    parameters = {name: cp.Parameter(n) for name in ("gain", "low", "high")} | {"root": cp.Parameter((n, n))}
    limits: dict[str, Any] = {"low": weights >= parameters["low"] * size, "high": weights <= parameters["high"] * size}
    whole = cp.sum(weights) == size
    always = [whole]
    if shape.n_rows:
        parameters |= {"rows": cp.Parameter((shape.n_rows, n)), "row_max": cp.Parameter(shape.n_rows)}
        limits["rows"] = parameters["rows"] @ weights <= parameters["row_max"] * size
    costs: Any = 0.0
    if shape.costs or shape.turnover:
        bought, sold = cp.Variable(n, nonneg=True), cp.Variable(n, nonneg=True)
        parameters["current"] = cp.Parameter(n)
        always.append(weights == parameters["current"] * size + bought - sold)
        if shape.costs:
            parameters |= {"buy": cp.Parameter(n, nonneg=True), "sell": cp.Parameter(n, nonneg=True)}
            costs = parameters["buy"] @ bought + parameters["sell"] @ sold
        if shape.turnover:
            parameters["max_trade"] = cp.Parameter(nonneg=True)
            limits["turnover"] = cp.sum(bought + sold) <= parameters["max_trade"] * size
    volatility = cp.norm2(parameters["root"] @ weights)
    if shape.cvar:
        parameters |= {"risk_root": cp.Parameter((n, n)), "mean": cp.Parameter(n), "cvar_limit": cp.Parameter()}
        limits["cvar"] = cp.norm2(parameters["risk_root"] @ weights) - parameters["mean"] @ weights <= parameters["cvar_limit"]
    shortfall: Any = 0.0
    if shape.robust:
        parameters["robust_root"] = cp.Parameter((n, n))
        shortfall = cp.norm2(parameters["robust_root"] @ weights)
    net_gain = parameters["gain"] @ weights - costs - shortfall
    half_variance = 0.5 * cp.sum_squares(parameters["root"] @ weights)
    if shape.kind == "target_volatility":
        parameters["target_volatility"] = cp.Parameter(nonneg=True)
        limits["target_volatility"] = volatility <= parameters["target_volatility"]
        objective = -net_gain
    elif shape.kind == "max_sharpe":
        always.append(net_gain >= 1.0)
        objective = half_variance
    else:
        objective = half_variance - (net_gain if shape.kind == "utility" else 0.0)
    problem = cp.Problem(cp.Minimize(objective), always + list(limits.values()))
    used = {parameter.id for parameter in problem.parameters()}
    return {
        "problem": problem,
        "weights": weights,
        "size": size,
        "sum": whole,
        "limits": limits,
        "parameters": {name: parameter for name, parameter in parameters.items() if parameter.id in used},
    }


def _conic_solution(standard: Standard, found: Answer, theta: float, scale: float) -> Solution:
    """The sharpened answer where Newton's method proves one, else the interior point's own."""
    mandate = standard.mandate
    # What one unit of the standard objective is worth: a programme was solved that is `scale` times that.
    worth = {"utility": 1.0 / theta if theta else 0.0, "target_volatility": 1.0}.get(mandate.kind, 2.0)
    sharp = _sharpened(standard, found, theta, scale)
    gamma = None
    if sharp is None:
        if not found.is_exact:  # a proof would have made up for that
            raise SolverError("not_proven_optimal", solver=CONIC_SOLVER, n_funds=len(found.weights))
        weights, gap, solver = np.clip(found.weights, standard.unit.low, standard.unit.high), found.tolerance * worth / scale, CONIC_SOLVER
        binding = _conic_binding(standard, found, weights, worth / scale)
    else:
        gamma = _gamma_of(standard, sharp, theta)
        optimum = sharp.optimum
        weights, gap, solver = optimum.weights, optimum.residual, f"{CONIC_SOLVER}+newton"
        corner = is_corner(sharp.problem, weights)
        curved = (("cvar", sharp.cvar_price), ("target_volatility", sharp.volatility_price))
        binding = (
            *linear_bindings(standard, optimum, sharp.problem, worth, is_ambiguous=corner),
            *(Binding(name, price * worth) for name, price in curved if price > 0.0 or _holds(standard, name, weights)),
        )
    expected_return, volatility, cvar = figures(standard.moments, weights)
    costs = standard.costs(weights)
    net = expected_return - costs / mandate.horizon_years
    return Solution(
        mandate.funds,
        weights,
        objective_of(standard, net, volatility) - _shortfall(mandate, weights),
        expected_return,
        costs,
        volatility,
        cvar,
        gamma=gamma,
        binding=binding,
        gap=gap,
        solver=solver,
        notes=standard.moments.notes,
    )


def _gamma_of(standard: Standard, sharp: Sharp, theta: float) -> float | None:
    """The risk aversion at which utility has this optimum: none where a robust mean or, beside costs, a CVaR limit bends it."""
    mandate, own = standard.mandate, float(standard.moments.cov.diagonal().max())
    counts_costs = bool(standard.unit.buy.any() or standard.unit.sell.any())
    tolerance = theta + sharp.cvar_price
    if mandate.robust is not None or (counts_costs and sharp.cvar_price > 0.0) or tolerance == 0.0 or own == 0.0:
        return None
    return float(sharp.problem.cov.diagonal().max()) / own / tolerance


def _holds(standard: Standard, name: str, weights: FloatArray) -> bool:
    """Whether the mandate has a curved limit of this name that holds with equality."""
    _, volatility, cvar = figures(standard.moments, weights)
    limit, at = (standard.mandate.cvar_limit, cvar) if name == "cvar" else (standard.mandate.target_volatility, volatility)
    return limit is not None and at >= limit - BINDS


def _sharpened(standard: Standard, found: Answer, theta: float, scale: float) -> Sharp | None:
    mandate = standard.mandate
    problem = standard.at(theta)
    shortfall = None if mandate.robust is None else (theta * mandate.robust.kappa) ** 2 * mandate.robust.sorted_cov
    conic = Conic(
        problem,
        standard.moments.mean,
        variance_weight=float(mandate.kind != "target_volatility"),
        shortfall=shortfall,
        cvar_limit=mandate.cvar_limit,
        max_volatility=mandate.target_volatility,
    )
    # A multiplier that an interior point leaves this small is that of a limit with room.
    cvar_price, volatility_price = (
        price if price > _NO_PRICE else 0.0 for price in (found.price("cvar") / scale, found.price("target_volatility") / scale)
    )
    for slack in _FACE_SLACKS:
        sharp = sharpened(conic, face_of(problem, found.weights, slack), found.weights, cvar_price, volatility_price)
        if sharp is not None:
            return sharp
    return None


def _conic_binding(standard: Standard, found: Answer, weights: FloatArray, unit: float) -> tuple[Binding, ...]:
    """Limits held with equality within `_BINDS`, at the solver's multipliers; limits of one name are one limit."""
    problem = standard.unit
    prices: dict[str, float] = {}
    names_of_rows = [f"{name}:min" if name.startswith("group:") else name for name in standard.row_names[1:]]
    has_low, has_high = np.isfinite(problem.row_low[1:]), np.isfinite(problem.row_high[1:])
    row_names = [name for name, has in zip(names_of_rows, has_low, strict=True) if has]
    row_names += [name.replace(":min", ":max") for name, has in zip(names_of_rows, has_high, strict=True) if has]
    at_rows = problem.rows[1:] @ weights
    row_slack = np.concatenate([(at_rows - problem.row_low[1:])[has_low], (problem.row_high[1:] - at_rows)[has_high]])
    listed = [
        ("sum", 0.0, found.prices["sum"][0]),
        *zip(standard.low_names, weights - problem.low, found.prices["low"], strict=True),
        *zip(standard.high_names, problem.high - weights, found.prices["high"], strict=True),
        *zip(row_names, row_slack, found.prices.get("rows", np.empty(0)), strict=True),
    ]
    if "turnover" in found.prices:
        # max_turnover is half of what is traded
        listed.append(("turnover", problem.max_trade - np.abs(weights - problem.current).sum(), 2.0 * found.prices["turnover"][0]))
    _, volatility, cvar = figures(standard.moments, weights)
    if "cvar" in found.prices:
        listed.append(("cvar", float(standard.mandate.cvar_limit or 0.0) - cvar, found.prices["cvar"][0]))
    if "target_volatility" in found.prices:
        listed.append(
            ("target_volatility", float(standard.mandate.target_volatility or 0.0) - volatility, found.prices["target_volatility"][0])
        )
    for name, slack, price in listed:
        if slack <= _BINDS:
            prices[name] = prices.get(name, 0.0) + float(price) * unit
    return tuple(Binding(name, price) for name, price in prices.items())
