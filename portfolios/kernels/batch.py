"""Many investors on one universe: shared moments, limits and cost rates; own risk tolerance, horizon and holdings.

Two stages. `_approach` runs all investors of similar risk tolerance through one factorisation by the alternating direction
method of multipliers (Boyd, Parikh, Chu, Peleato and Eckstein, Foundations and Trends in Machine Learning 3 (2011);
Stellato, Banjac, Goulart, Bemporad and Boyd, Mathematical Programming Computation 12 (2020)): bounds and costs are a closed
form there. It finds nearly the right face, in single precision, and `kernels.batch_polish` makes it exact and proves it.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.batch_polish import Columns, polish_columns, tied
from portfolios.kernels.errors import DataError, InfeasibleError, SolverError
from portfolios.kernels.faces import KKT_TOLERANCE
from portfolios.kernels.quadratic import optimum_of
from portfolios.kernels.standard import Quadratic, Standard
from portfolios.kernels.types import FloatArray, IntArray

BoolArray = NDArray[np.bool_]

_CHUNK_CELLS = 100_000  # investors times funds at once: few enough for the cache, enough to hide the cost of a call
_ROUNDS = 40  # measured on stocks and fund pools of 20 to 200: fewer cost more steps of the polish, more gain none
_RELAXATION = 1.6
_SPREAD_SHARE = 0.4  # measured: the best metric is the same share of the spread of gains at every risk tolerance
_TOLERANCE_RATIO = 2.5
_SINGULAR = 1e-10  # smallest to largest eigenvalue of a covariance below which ties are looked for


@dataclass(frozen=True)
class Investors:
    """Risk tolerance theta = 1 / risk aversion (N,), current weights (N, n) in the order of the mandate's funds, years (N,)."""

    theta: FloatArray
    current: FloatArray
    horizon_years: FloatArray


@dataclass(frozen=True)
class BatchSolution:
    """Weights (N, n), KKT residual (N,), whether it is small enough to be a proof (N,), and who was solved alone (N,).

    Where an investor's own turnover limit cannot be kept, the weights are NaN, the gap infinite and nothing is proven.
    """

    weights: FloatArray
    gap: FloatArray
    proven: BoolArray
    alone: BoolArray


def solve_batch(standard: Standard, investors: Investors) -> BatchSolution:
    """Minimise w'Sw/2 - theta (mean'w - costs/horizon) for each investor within the mandate's linear limits.

    Costs are charged against the investor's own holdings, which may break the limits; the mandate's own risk aversion,
    holdings and horizon are not read. Who is proven has a KKT residual of at most 1e-10 (times the largest gain where that is
    above 1); equal investors are solved once, and neither their order nor that of the funds shows. Ties go to the least sum
    of squares. Memory is a multiple of the answer's. Raises DataError naming a field that is wrong or a limit that is not
    linear, InfeasibleError("limits_contradict") where no portfolio keeps the shared limits, SolverError; ValueError for arrays
    that do not fit each other.
    """
    _check(standard, investors)
    unit = standard.unit
    problem = replace(unit, buy=unit.buy * standard.mandate.horizon_years, sell=unit.sell * standard.mandate.horizon_years)
    if (problem.low > problem.high).any():
        raise InfeasibleError("limits_contradict")
    first, same_as = _distinct(problem, investors)
    order = first[np.argsort(investors.theta[first], kind="stable")]
    count, n = investors.current.shape
    found = BatchSolution(np.zeros((count, n)), np.full(count, np.inf), np.zeros(count, bool), np.zeros(count, bool))
    singular = _is_singular(problem.cov)
    chunk = max(64, _CHUNK_CELLS // n)
    for begin in range(0, len(order), chunk):
        _solve_chunk(problem, investors, order[begin : begin + chunk], singular, found)
    return BatchSolution(found.weights[same_as], found.gap[same_as], found.proven[same_as], found.alone[same_as])


def _check(standard: Standard, investors: Investors) -> None:
    mandate, n = standard.mandate, len(standard.unit.gain)
    curved = {"cvar": mandate.cvar_limit, "target_volatility": mandate.target_volatility, "robust": mandate.robust}
    for name, value in {**curved, "max_funds": mandate.max_funds, "min_weight_if_held": mandate.min_weight_if_held}.items():
        if value is not None:
            raise DataError("not_linear", limit=name)
    shapes = {"theta": (len(investors.current),), "current": (len(investors.theta), n), "horizon_years": (len(investors.theta),)}
    for name, shape in shapes.items():
        values = getattr(investors, name)
        if values.shape != shape:
            raise ValueError(f"{name} has the shape {values.shape} where {shape} is wanted")
        if not np.isfinite(values).all():
            raise DataError("field_not_a_number", field=name, value=float(values[~np.isfinite(values)][0]))
    if (investors.theta < 0).any():
        raise DataError("field_negative", field="theta", value=float(investors.theta.min()))
    if (investors.horizon_years <= 0).any():
        raise DataError("horizon_not_positive", value=float(investors.horizon_years.min()))


def _distinct(problem: Quadratic, investors: Investors) -> tuple[IntArray, IntArray]:
    """The first investor of each distinct problem, and for every investor which one has the same problem."""
    parts = [investors.theta[:, None]]
    if problem.has_kinks:
        # Adding 0 makes one zero of the two that floating point has.
        parts += [investors.current + 0.0, investors.horizon_years[:, None]]
    first: dict[bytes, int] = {}
    keys = np.concatenate(parts, axis=1)
    same_as = np.array([first.setdefault(key.tobytes(), i) for i, key in enumerate(keys)], int)
    return np.array(list(first.values()), int), same_as


def _is_singular(cov: FloatArray) -> bool:
    """Whether equally good portfolios can exist at all."""
    values = np.linalg.eigvalsh(cov)
    return bool(values[0] <= _SINGULAR * max(float(values[-1]), 0.0))


def _solve_chunk(problem: Quadratic, investors: Investors, who: IntArray, singular: bool, found: BatchSolution) -> None:
    """Solve these investors, ascending in theta, and write their answers into `found`."""
    columns, current = _columns(problem, investors, who)
    start = np.empty_like(current)
    for part in _alike(investors.theta[who]):
        start[part] = _approach(problem, columns.take(part), np.clip(current[part], problem.low, problem.high))
    polished = polish_columns(problem, columns, start, most_steps=100 + len(problem.gain))
    found.weights[who], found.gap[who] = polished.weights, polished.residual
    found.proven[who] = polished.residual <= KKT_TOLERANCE * np.maximum(1.0, np.abs(columns.gain).max(axis=1))
    beyond = np.abs(polished.weights - current).sum(axis=1) > problem.max_trade
    found.gap[who[beyond]], found.proven[who[beyond]] = np.inf, False
    left = ~found.proven[who]
    if singular:
        left |= tied(problem, columns, polished)
    for k in np.flatnonzero(left):
        _solve_alone(problem, investors, int(who[k]), found)


def _columns(problem: Quadratic, investors: Investors, who: IntArray) -> tuple[Columns, FloatArray]:
    """The parts of these investors' problems that are their own, and their current weights."""
    theta = investors.theta[who, None]
    current = investors.current[who]
    yearly = theta / investors.horizon_years[who, None]
    buy, sell = yearly * problem.buy, yearly * problem.sell
    bend = np.clip(current, problem.low, problem.high)
    free_of_charge = (buy + sell == 0.0) & np.isfinite(problem.low)
    return Columns(theta * problem.gain, buy, sell, np.where(free_of_charge, problem.low, bend)), current


def _alike(theta: FloatArray) -> list[slice]:
    """Runs of ascending theta within a factor of `_TOLERANCE_RATIO`: near enough to share a factorisation."""
    largest = max(float(theta[-1]), np.finfo(float).tiny)
    levels = np.floor(np.log(np.maximum(theta / largest, 1e-4)) / np.log(_TOLERANCE_RATIO))
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), len(theta)]
    return [slice(begin, end) for begin, end in pairwise(edges)]


def _approach(problem: Quadratic, columns: Columns, start: FloatArray) -> FloatArray:
    """Weights (k, n) near the optimum, exactly on the bounds and bends where the method puts them.

    Over-relaxed ADMM in single precision on w'Sw/2 - gain'w with sum w = 1 and the like kept by the factorisation, and a copy
    of (w, rows w) that keeps bounds, ranges and costs fund by fund. Scaled multipliers rise by at most a bound's width a
    round, so besides the variance the metric has a share of the spread of gains: the force that must be met.
    """
    n, equal = len(problem.gain), problem.row_low == problem.row_high
    split = np.vstack([np.eye(n), problem.rows[~equal]])
    low, high = np.append(problem.low, problem.row_low[~equal]), np.append(problem.high, problem.row_high[~equal])
    variance = problem.cov.diagonal()
    metric = variance + _SPREAD_SHARE * float(np.ptp(columns.gain, axis=1).mean()) + 1e-4 * (float(variance.mean()) or 1.0)
    metric = np.append(metric, np.full(len(split) - n, metric.mean()))
    kept = problem.rows[equal]
    give = np.diag(np.full(len(kept), 1e-9 / metric.mean()))  # for rows that say the same twice
    inverse = np.linalg.inv(np.block([[problem.cov + (split.T * metric) @ split, kept.T], [kept, -give]]))
    response = inverse[:n, :n] @ split.T
    constant = columns.gain @ response + (split @ inverse[:n, n:]) @ problem.row_low[equal]
    slack = np.zeros((len(start), len(split) - n))
    bend = np.hstack([columns.bend, slack])
    buy, sell = np.hstack([columns.buy, slack]) / metric, np.hstack([columns.sell, slack]) / metric
    first = np.clip(start @ split.T, low, high)
    copy = _rounds([(metric[:, None] * split) @ response, constant, bend, buy, sell, low, high], first)[:, :n]
    # Single precision has moved bounds and bends: put what lies on them there exactly.
    weights = np.where(copy == bend[:, :n].astype(np.float32), columns.bend, copy)
    weights = np.where(copy <= problem.low.astype(np.float32), problem.low, weights)
    return np.where(copy >= problem.high.astype(np.float32), problem.high, weights)


def _rounds(arrays: list[FloatArray], first: FloatArray) -> NDArray[np.float32]:
    """The copy after `_ROUNDS` rounds from `first`; its prox cuts at bend - sell and bend + buy, then at the bounds."""
    shared, constant, bend, buy, sell, low, high = (array.astype(np.float32) for array in arrays)
    copy = first.astype(np.float32)
    dual = np.zeros_like(copy)
    for _ in range(_ROUNDS):
        point = (copy - dual) @ shared
        point += constant
        point *= np.float32(_RELAXATION)
        copy *= np.float32(1.0 - _RELAXATION)
        point += copy
        point += dual
        np.minimum(point + sell, bend, out=copy)
        np.maximum(copy, point - buy, out=copy)
        np.clip(copy, low, high, out=copy)
        np.subtract(point, copy, out=dual)
    return copy


def _solve_alone(problem: Quadratic, investors: Investors, who: int, found: BatchSolution) -> None:
    """One investor by the executor for single mandates: ties, an own turnover limit, and whom the batch could not prove.

    Where that executor fails, the batch's answer stands as it is: one investor's trouble is not everybody's.
    """
    theta, current = float(investors.theta[who]), investors.current[who]
    yearly = theta / float(investors.horizon_years[who])
    own = replace(problem, gain=theta * problem.gain, buy=yearly * problem.buy, sell=yearly * problem.sell, current=current)
    found.alone[who] = True
    try:
        optimum = optimum_of(own)
    except InfeasibleError:
        if not np.isfinite(problem.max_trade):
            raise
        found.weights[who], found.gap[who], found.proven[who] = np.nan, np.inf, False
        return
    except SolverError:
        return
    found.weights[who], found.gap[who], found.proven[who] = optimum.weights, optimum.residual, True
