"""From nearly right weights of many investors to the exact optimum of each, in step, one change of the face at a time.

The primal active-set method (Nocedal and Wright, Numerical Optimization, 2006, algorithm 16.3) on an objective that bends:
a free fund stands on one of two pieces, from its lower bound to the bend (sold) or from the bend to its upper bound (bought).
All investors share the covariance and the limits, so the equations of equally many unknowns are solved in one stacked call.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray

SideArray = NDArray[np.int8]

_ROUNDING = 1e-13  # slopes and limits missed by less, relative to the problem's own size, count as met
_STEP = 1e-15  # weights differ by rounding alone where they differ by less
_NO_VARIANCE = 1e-12  # less variance than this, relative to the largest, is none
_ROW_GIVE = 1e-13  # keeps the equations solvable where a held row has no free fund: the row then pulls with all but endless force


@dataclass(frozen=True)
class Columns:
    """What investors do not share, one a row (k, n): gain, slopes of buying and selling, and the weight at which they meet.

    `bend` lies within the bounds; it is the lower bound where trading is free, since nothing bends there.
    """

    gain: FloatArray
    buy: FloatArray
    sell: FloatArray
    bend: FloatArray

    def take(self, which: NDArray[np.bool_] | slice) -> Self:
        return replace(self, **{field.name: getattr(self, field.name)[which] for field in fields(self)})


@dataclass(frozen=True)
class Polished:
    """Weights (k, n), multipliers of the rows (k, m), the KKT residual (k,), and the number of steps each took (k,)."""

    weights: FloatArray
    prices: FloatArray
    residual: FloatArray
    steps: NDArray[np.int64]


@dataclass
class _Walkers:
    """The investors still walking: where they are, on which face, and whether they stand at the optimum of that face.

    `piece` (k, n): 0 held, else free: -1 below the bend, +1 above it. `hold` (k, m): the side at which a row holds, 0 free.
    """

    index: NDArray[np.int64]
    columns: Columns
    weights: FloatArray
    prices: FloatArray
    piece: SideArray
    hold: SideArray
    settled: NDArray[np.bool_]

    def keep(self, which: NDArray[np.bool_]) -> None:
        for field in fields(self):
            held = getattr(self, field.name)
            setattr(self, field.name, held.take(which) if isinstance(held, Columns) else held[which])


def slope_range(problem: Quadratic, columns: Columns, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The subdifferential of costs and bounds at weights (k, n), fund by fund: what the force on a fund must lie between."""
    least = np.where(weights <= columns.bend, -columns.sell, columns.buy)
    most = np.where(weights >= columns.bend, columns.buy, -columns.sell)
    least[weights == problem.low] = -np.inf
    most[weights == problem.high] = np.inf
    return least, most


def kkt_residual(problem: Quadratic, columns: Columns, weights: FloatArray, prices: FloatArray) -> FloatArray:
    """Largest violation (k,) of the optimality conditions by weights (k, n) within their bounds and row multipliers (k, m).

    The force gain - S w + rows' prices must lie in the subdifferential; a row's price is >= 0 at its lower side, <= 0 at its
    upper one, 0 between; rows hold.
    """
    force = columns.gain - weights @ problem.cov + prices @ problem.rows
    least, most = slope_range(problem, columns, weights)
    at_rows = weights @ problem.rows.T
    rows = np.abs(at_rows - np.clip(at_rows - prices, problem.row_low, problem.row_high))
    outside = np.maximum(problem.low - weights, weights - problem.high)
    funds = np.maximum(np.maximum(least - force, force - most), outside)
    return np.maximum(np.maximum(funds.max(axis=1), rows.max(axis=1)), 0.0)


def polish_columns(problem: Quadratic, columns: Columns, start: FloatArray, most_steps: int) -> Polished:
    """Walk from `start` (k, n), exact where it lies on a bound or a bend, to each investor's optimum; who is there leaves.

    Who has not arrived after `most_steps` has an infinite residual. Rows that `start` breaks are mended on the way.
    """
    k, size = len(start), _size(problem, columns)
    done = Polished(start.copy(), np.zeros((k, len(problem.rows))), np.full(k, np.inf), np.full(k, most_steps))
    equations = _equations(problem)
    at = _walkers(problem, columns, start)
    for step in range(most_steps):
        short, missing, finished = _release(problem, at, size)
        if finished.any():
            _leave(problem, at, done, finished, step)
            short, missing = short[~finished], missing[~finished]
        if not len(at.index):
            break
        course, change = _solve(equations, at, short, missing)
        at.prices += change
        _advance(problem, at, course)
    return done


def tied(problem: Quadratic, columns: Columns, found: Polished) -> NDArray[np.bool_]:
    """Whether other weights may be as good (k,): funds could be exchanged at no loss, and the exchange has no variance.

    Funds whose force meets an end of what bounds and costs allow may move; rows without a price do not stop them.
    """
    tolerance = 100.0 * _ROUNDING * _size(problem, columns)[:, None]
    force = columns.gain - found.weights @ problem.cov + found.prices @ problem.rows
    least, most = slope_range(problem, columns, found.weights)
    loose = ((most - force <= tolerance) | (force - least <= tolerance)) & (problem.low < problem.high)
    priced = (problem.row_low == problem.row_high) | (np.abs(found.prices) > tolerance)
    scale = float(problem.cov.diagonal().max(initial=0.0)) or 1.0
    answer = np.zeros(len(loose), bool)
    for members, part in _of_one_size(loose):
        kept = problem.rows[:, part].swapaxes(0, 1) * priced[members[:, 0], :, None]
        exchange = problem.cov[part[:, :, None], part[:, None, :]] / scale + kept.swapaxes(1, 2) @ kept
        answer[members[:, 0]] = np.linalg.eigvalsh(exchange)[:, 0] <= _NO_VARIANCE
    return answer


def _size(problem: Quadratic, columns: Columns) -> FloatArray:
    """What slopes are measured by (k,): the largest of an investor's gains and of the variances."""
    largest = max(float(problem.cov.diagonal().max(initial=0.0)), float(np.finfo(float).tiny))
    return np.maximum(np.abs(columns.gain).max(axis=1, initial=0.0), largest)


def _equations(problem: Quadratic) -> FloatArray:
    """The symmetric matrix of all optimality equations, of which each face takes its own part."""
    give = np.diag(np.full(len(problem.rows), _ROW_GIVE))
    size = float(problem.cov.diagonal().max(initial=0.0)) or 1.0
    # As much ridge as rounding is worth: steps are corrections, so what it bends is straightened by the next one.
    ridge = np.diag(np.full(len(problem.gain), 1e-14 * size))
    return np.block([[problem.cov + ridge, -problem.rows.T], [-problem.rows, -give]])


def _walkers(problem: Quadratic, columns: Columns, start: FloatArray) -> _Walkers:
    held = (start == problem.low) | (start == problem.high) | (start == columns.bend)
    piece = np.where(held, 0, np.where(start > columns.bend, 1, -1)).astype(np.int8)
    at_rows = start @ problem.rows.T
    near = 1e-6  # `start` comes from single precision
    hold = np.where(at_rows <= problem.row_low + near, -1, np.where(at_rows >= problem.row_high - near, 1, 0)).astype(np.int8)
    hold[:, problem.row_low == problem.row_high] = -1
    k = len(start)
    return _Walkers(np.arange(k), columns, start.copy(), np.zeros((k, len(problem.rows))), piece, hold, np.zeros(k, bool))


def _release(problem: Quadratic, at: _Walkers, size: FloatArray) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
    """Release the most wrongly held limit of who stands at the optimum of the face; who holds none wrongly is finished.

    Returns by how much the force on free funds (k, n) and the held rows (k, m) are off, and who is finished (k,).
    """
    columns, n = at.columns, at.weights.shape[1]
    tolerance = _ROUNDING * size[at.index]
    force = columns.gain - at.weights @ problem.cov + at.prices @ problem.rows
    short = np.where(at.piece == 0, 0.0, np.where(at.piece > 0, force - columns.buy, force + columns.sell))
    ends = np.where(at.hold < 0, problem.row_low, problem.row_high)
    missing = np.where(at.hold == 0, 0.0, ends - at.weights @ problem.rows.T)
    met = (np.abs(short).max(axis=1) <= tolerance) & (np.abs(missing).max(axis=1) <= _ROUNDING)
    least, most = slope_range(problem, columns, at.weights)
    excess = np.where(at.piece != 0, -np.inf, np.maximum(force - most, least - force))
    pulls = np.where((at.hold == 0) | (problem.row_low == problem.row_high), -np.inf, at.prices * at.hold)
    wrong = np.concatenate([excess, pulls], axis=1)
    worst = wrong.argmax(axis=1)
    right = wrong[np.arange(len(worst)), worst] <= tolerance
    leaving = np.flatnonzero((at.settled | met) & ~right)
    is_row = worst[leaving] >= n
    who, row = leaving[is_row], worst[leaving[is_row]] - n
    short[who] -= np.where(at.piece[who] != 0, at.prices[who, row, None] * problem.rows[row], 0.0)
    at.hold[who, row], at.prices[who, row], missing[who, row] = 0, 0.0, 0.0
    who, fund = leaving[~is_row], worst[leaving[~is_row]]
    up, past = force[who, fund] > most[who, fund], at.weights[who, fund] - columns.bend[who, fund]
    at.piece[who, fund] = np.where(up, np.where(past >= 0, 1, -1), np.where(past <= 0, -1, 1))
    slope = np.where(at.piece[who, fund] > 0, columns.buy[who, fund], -columns.sell[who, fund])
    short[who, fund] = force[who, fund] - slope
    return short, missing, met & right


def _leave(problem: Quadratic, at: _Walkers, done: Polished, finished: NDArray[np.bool_], step: int) -> None:
    """Write down who has arrived, with the residual of the final weights, and drop them."""
    index, weights, prices = at.index[finished], at.weights[finished], at.prices[finished]
    done.weights[index], done.prices[index], done.steps[index] = weights, prices, step
    done.residual[index] = kkt_residual(problem, at.columns.take(finished), weights, prices)
    at.keep(~finished)


def _solve(equations: FloatArray, at: _Walkers, short: FloatArray, missing: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Steps of the weights (k, n) and of the row prices (k, m) to the optimum of each face; faces of one size in one call."""
    n = short.shape[1]
    right = np.concatenate([short, -missing], axis=1)
    step = np.zeros_like(right)
    for members, part in _of_one_size(np.concatenate([at.piece != 0, at.hold != 0], axis=1)):
        matrices = equations[part[:, :, None], part[:, None, :]]
        step[members, part] = _solved(matrices, right[members, part][..., None])[..., 0]
    return step[:, :n], step[:, n:]


def _solved(matrices: FloatArray, right: FloatArray) -> FloatArray:
    """Stacked solutions; of least norm where one of the matrices is singular to the last bit, as with limits stated twice."""
    try:
        return np.asarray(np.linalg.solve(matrices, right), np.float64)
    except np.linalg.LinAlgError:
        return np.asarray(np.linalg.pinv(matrices, hermitian=True) @ right, np.float64)


def _of_one_size(active: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Rows with equally many true entries: their numbers (r, 1) and the places of those entries (r, count), for each count."""
    counts = active.sum(axis=1)
    for count in np.unique(counts[counts > 0]):
        members = np.flatnonzero(counts == count)
        yield members[:, None], active[members].nonzero()[1].reshape(-1, count)


def _advance(problem: Quadratic, at: _Walkers, course: FloatArray) -> None:
    """Go along `course` (k, n) as far as the pieces and the free rows allow; what stops an investor holds from then on."""
    bend, n = at.columns.bend, course.shape[1]
    at_rows, row_course = at.weights @ problem.rows.T, course @ problem.rows.T
    upper = np.where(at.piece > 0, problem.high, bend)
    lower = np.where(at.piece > 0, bend, problem.low)
    end = np.where(course > 0, upper, lower)
    row_end = np.where(row_course > 0, problem.row_high, problem.row_low)
    moves = np.concatenate([course, np.where(at.hold == 0, row_course, 0.0)], axis=1)
    room = np.concatenate([end - at.weights, row_end - at_rows], axis=1)
    # Less than rounding is no movement: a row whose funds only exchange weight among themselves does not stop them.
    moving = np.abs(moves) > _STEP
    reach = np.divide(room, moves, out=np.full_like(moves, np.inf), where=moving)
    share = np.clip(reach.min(axis=1), 0.0, 1.0)
    stopped = reach <= share[:, None]
    # Who arrives within a rounding of an end of its piece stands on it: what is not worth trading stays as it is to the last bit.
    arrived = at.weights + share[:, None] * course
    arrived = np.where(arrived - lower <= _STEP, lower, np.where(upper - arrived <= _STEP, upper, arrived))
    at.weights = np.where(at.piece == 0, at.weights, np.where(stopped[:, :n], end, arrived))
    at.piece[stopped[:, :n]] = 0
    at.hold = np.where(stopped[:, n:], np.where(row_course > 0, 1, -1), at.hold).astype(np.int8)
    at.settled = share == 1.0
