"""The optimum of a quadratic programme: DAQP or PIQP find its face, the polish proves it."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from portfolios.kernels.active_set import from_weights, polish
from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.faces import FREE, HIGH, KINK, LOW, Face, Optimum
from portfolios.kernels.feasible import feasible_weights
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

DAQP_FUNDS = 100  # measured: up to about so many funds DAQP is the faster of the two, beyond it PIQP
DAQP_INFINITE = 1e30  # from here on a limit is none to DAQP
DAQP_EQUALITY = 5  # DAQP's word for it
_MAX_TURNS = 12
_WARM_CHANGES = 6  # by then a solver would have found the face from nothing


class _Near(NamedTuple):
    """A solver's answer: weights, and which side of each limit holds (funds, then rows): -1 the lower, +1 the upper, 0 none."""

    weights: FloatArray
    sides: IntArray
    duals: FloatArray


class _Guess(NamedTuple):
    weights: FloatArray
    face: Face


def solver_name(n_funds: int) -> str:
    """The names of what solves a quadratic mandate of so many funds."""
    return "daqp+active-set" if n_funds <= DAQP_FUNDS else "piqp+active-set"


def optimum_of(problem: Quadratic, face: Face | None = None) -> Optimum:
    """Return the proven optimum of a quadratic programme; a face that may be the right one, such as a neighbour's, is tried first.

    Raises InfeasibleError("limits_contradict") where a linear programme confirms that no weights keep the limits, and
    SolverError("solver_missing" or "solver_failed") naming the solver.
    """
    found = polish(problem, face, _WARM_CHANGES) if face is not None else None
    if found is not None:
        return found
    if (problem.low > problem.high).any():
        raise InfeasibleError("limits_contradict")
    guess = _kinked(problem) if problem.has_kinks else _smooth(problem)
    if guess is not None:
        found = polish(problem, guess.face) or from_weights(problem, guess.weights)
    if found is None:
        start = feasible_weights(problem)
        if start is None:
            raise InfeasibleError("limits_contradict")
        found = from_weights(problem, start)
    if found is None:
        raise SolverError("solver_failed", solver=solver_name(len(problem.gain)), detail="no_proven_optimum")
    return found


def _smooth(problem: Quadratic) -> _Guess | None:
    near = _near(problem)
    if near is None:
        return None
    n = len(problem.gain)
    return _Guess(near.weights, Face(near.sides[:n], near.sides[n:], np.zeros(n, int)))


def _kinked(problem: Quadratic) -> _Guess | None:
    """The face where trading costs or is limited: sides by the optimum without costs, else by weights known to keep the limits."""
    free_of_charge = replace(problem, buy=np.zeros_like(problem.buy), sell=np.zeros_like(problem.sell), max_trade=np.inf)
    first = _near(free_of_charge)
    if first is None:
        return None
    found = _turned(problem, first.weights)
    if found is None:
        start = feasible_weights(problem)
        found = _turned(problem, start) if start is not None else None
    return found


def _turned(problem: Quadratic, weights: FloatArray) -> _Guess | None:
    """Solve with each fund on one side of its holding, where costs and turnover are linear, and turn the sides that prove wrong.

    A fund that ends at its holding is turned where its multiplier there is more than trading both ways costs: then the
    other side is better. No turn loses what the one before gained.
    """
    n = len(weights)
    one_way = np.where(problem.current <= problem.low, 1, np.where(problem.current >= problem.high, -1, 0))
    trades = np.where(one_way != 0, one_way, np.where(weights >= problem.current, 1, -1))
    guess = None
    limited = bool(np.isfinite(problem.max_trade))
    for _ in range(_MAX_TURNS):
        part = _one_sided(problem, trades)
        near = _near(part)
        if near is None:
            return guess
        sides, rows = near.sides[:n], near.sides[n:]
        at_kink = (one_way == 0) & (sides == -trades)
        theta = max(0.0, float(near.duals[-1])) if limited else 0.0
        turned = at_kink & (np.abs(near.duals[:n]) > problem.buy + problem.sell + 2.0 * theta)
        funds = np.where(at_kink, KINK, sides)
        binds = limited and bool(rows[-1] > 0)
        guess = _Guess(near.weights, Face(funds, rows[: len(problem.rows)], np.where(at_kink, 0, trades), binds))
        if not turned.any():
            return guess
        trades = np.where(turned, -trades, trades)
    return guess


def _one_sided(problem: Quadratic, trades: IntArray) -> Quadratic:
    """The problem with each fund bought (+1) or sold (-1), without kinks: costs in the gain, the turnover limit as last row."""
    buys = trades > 0
    part = replace(
        problem,
        gain=problem.gain - np.where(buys, problem.buy, -problem.sell),
        low=np.where(buys, np.maximum(problem.low, problem.current), problem.low),
        high=np.where(buys, problem.high, np.minimum(problem.high, problem.current)),
    )
    if not np.isfinite(problem.max_trade):
        return part
    return replace(
        part,
        rows=np.vstack([problem.rows, trades]),
        row_low=np.append(problem.row_low, -np.inf),
        row_high=np.append(problem.row_high, problem.max_trade + trades @ problem.current),
    )


def _near(problem: Quadratic) -> _Near | None:
    """A solver's answer to the problem without its kinks, None where it found none; brought to a size of 1 for its tolerances."""
    size = max(float(problem.cov.diagonal().max()), float(np.abs(problem.gain).max())) or 1.0
    solve = _daqp if len(problem.gain) <= DAQP_FUNDS else _piqp
    return solve(problem, size)


def _daqp(problem: Quadratic, size: float) -> _Near | None:
    try:
        import daqp
    except ImportError as error:
        raise SolverError("solver_missing", solver="daqp") from error
    low, high = np.maximum(problem.lower, -DAQP_INFINITE), np.minimum(problem.upper, DAQP_INFINITE)
    sense = np.where(problem.is_fixed, np.int32(DAQP_EQUALITY), np.int32(0))
    try:
        weights, _, flag, info = daqp.solve(
            problem.cov / size, problem.gain / -size, problem.rows, high, low, sense, primal_tol=1e-9, iter_limit=2000
        )
    except Exception as error:  # whatever a compiled solver raises is its failure, and no contradiction of limits
        raise SolverError("solver_failed", solver="daqp", detail=str(error)[:200]) from error
    if flag != 1 or not np.isfinite(weights).all():
        return None
    duals = info["lam"] * size
    return _Near(weights, np.where(problem.is_fixed, LOW, np.sign(duals).astype(int)), duals)


def _piqp(problem: Quadratic, size: float) -> _Near | None:
    try:
        import piqp
    except ImportError as error:
        raise SolverError("solver_missing", solver="piqp") from error
    equal = problem.row_low == problem.row_high
    between = ~equal & (np.isfinite(problem.row_low) | np.isfinite(problem.row_high))
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = 1e-10
    solver.settings.eps_rel = 1e-10
    try:
        solver.setup(
            problem.cov / size,
            problem.gain / -size,
            problem.rows[equal],
            problem.row_low[equal],
            problem.rows[between],
            problem.row_low[between],
            problem.row_high[between],
            problem.low,
            problem.high,
        )
        status = solver.solve()
    except Exception as error:  # whatever a compiled solver raises is its failure, and no contradiction of limits
        raise SolverError("solver_failed", solver="piqp", detail=str(error)[:200]) from error
    answer = solver.result
    if status != piqp.PIQP_SOLVED or not np.isfinite(answer.x).all():
        return None
    return _of_interior_point(problem, answer, between, size)


def _of_interior_point(problem: Quadratic, answer: Any, between: Any, size: float) -> _Near:
    """Sides from an interior point: a limit holds where its multiplier is larger than its slack."""
    weights = np.asarray(answer.x, float)
    rows_low, rows_high = np.zeros(len(between)), np.zeros(len(between))
    rows_low[between], rows_high[between] = answer.z_l, answer.z_u
    at_rows = problem.rows @ weights
    value, low, high = np.concatenate([weights, at_rows]), problem.lower, problem.upper
    below, above = np.concatenate([answer.z_bl, rows_low]), np.concatenate([answer.z_bu, rows_high])
    sides = np.where(below > value - low, LOW, np.where(above > high - value, HIGH, FREE))
    return _Near(weights, np.where(problem.is_fixed, LOW, sides), (above - below) * size)
