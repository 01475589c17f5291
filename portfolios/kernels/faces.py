"""The face of a quadratic programme on which weights lie: its equations, the optimum on it, and the proof that it is the optimum of all."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

KKT_TOLERANCE = 1e-10
LOW, FREE, HIGH, KINK = -1, 0, 1, 2
_ROUNDING = 1e-13  # slopes below this, relative to the problem's own size, are none: so near-ties are told apart from ties


@dataclass(frozen=True)
class Face:
    """Which limits hold with equality, and which way each fund is traded.

    `funds` (n,): LOW, HIGH, FREE or KINK (at its current weight, where trading costs or is limited); a fixed pair counts as
    LOW. `rows` (m,): -1 at the lower side, +1 at the upper one, 0 neither. `trades` (n,): +1 bought, -1 sold, 0 at the kink
    or where trading neither costs nor is limited. `turnover`: whether the limit on sum |w - current| binds.
    """

    funds: IntArray
    rows: IntArray
    trades: IntArray
    turnover: bool = False

    @cached_property
    def sides(self) -> IntArray:
        """Funds, then rows (n + m,): 0 where nothing holds."""
        return np.concatenate([self.funds, self.rows])

    @cached_property
    def free(self) -> IntArray:
        """Places of the free funds."""
        return (self.funds == FREE).nonzero()[0]

    @cached_property
    def kinks(self) -> IntArray:
        """Places of the funds that stand at their kink."""
        return (self.funds == KINK).nonzero()[0]


@dataclass(frozen=True)
class Optimum:
    """Proven weights, the face they lie on, the largest violation of the optimality conditions, and the prices of limits.

    A price is how much the objective of the problem falls per 1.00 that a limit is relaxed: `low_prices`, `high_prices`
    (n,), `trade_price`, and `row_prices` (m,), which is positive where the lower side binds and negative for the upper.
    """

    weights: FloatArray
    face: Face
    residual: float
    low_prices: FloatArray
    high_prices: FloatArray
    row_prices: FloatArray
    trade_price: float


@dataclass(frozen=True)
class Line:
    """The optimum on one face as gain and costs are scaled by theta: weights start + theta * step, multipliers likewise.

    `rows_start`, `rows_step` (m + 1,) are the multipliers of the rows and last the one of the turnover limit, negated.
    """

    start: FloatArray
    step: FloatArray
    rows_start: FloatArray
    rows_step: FloatArray


@dataclass(frozen=True)
class Point:
    """The solution of a face's equations: weights, row multipliers (turnover last), and whether they were singular."""

    weights: FloatArray
    multipliers: FloatArray
    singular: bool


@dataclass(frozen=True)
class Slopes:
    """Slope of the Lagrangian in each weight (n,): if bought, if sold, and on the face's side of the kink.

    `wrong` (n + m + 1,): how fast the objective would fall by leaving each held limit: funds, rows, turnover; 0 for free and
    for fixed ones.
    """

    up: FloatArray
    down: FloatArray
    own: FloatArray
    wrong: FloatArray


def tolerance_of(problem: Quadratic) -> float:
    """Return the slope below which a slope is rounding."""
    return _ROUNDING * problem.size


def face_of(problem: Quadratic, weights: FloatArray, slack: float) -> Face:
    """Read off the face on which nearly right weights lie: limits and kinks within `slack` of them hold."""
    funds = _sides(weights, problem.low, problem.high, slack)
    rows = _sides(problem.rows @ weights, problem.row_low, problem.row_high, slack)
    if not problem.has_kinks:
        return Face(funds, rows, np.zeros(len(weights), int))
    trade = weights - problem.current
    bent = bends(problem)
    at_kink = bent & (np.abs(trade) <= slack) & (problem.low < problem.current) & (problem.current < problem.high)
    funds = np.where(at_kink & (problem.low != problem.high), KINK, funds)
    trades = np.where(bent & ~at_kink, _directions(problem, weights, funds), 0)
    return Face(funds, rows, trades, bool(np.abs(trade).sum() >= problem.max_trade - slack))


def _sides(value: FloatArray, low: FloatArray, high: FloatArray, slack: float) -> IntArray:
    sides = np.where(value - low <= slack, LOW, np.where(high - value <= slack, HIGH, FREE))
    return np.where(low == high, LOW, sides)


def bends(problem: Quadratic) -> np.ndarray:
    """Return for each fund (n,) whether the objective bends at its current weight."""
    if problem.limits_trade:
        return np.ones(len(problem.gain), bool)
    return (problem.buy > 0) | (problem.sell > 0)


def _directions(problem: Quadratic, weights: FloatArray, funds: IntArray) -> IntArray:
    """+1 where a fund is bought, -1 where it is sold; a fund held where it stands could only be traded away from its limit."""
    exact = np.where(funds == LOW, problem.low, np.where(funds == HIGH, problem.high, weights))
    stays = exact == problem.current
    return np.where(stays, np.where(funds == HIGH, -1, 1), np.where(exact > problem.current, 1, -1))


def pieces(problem: Quadratic, face: Face) -> tuple[FloatArray, FloatArray]:
    """Return the bounds (n,) within which each fund stays on the face's side of its kink."""
    if not problem.has_kinks:
        return problem.low, problem.high
    low = np.where(face.trades > 0, np.maximum(problem.low, problem.current), problem.low)
    return low, np.where(face.trades < 0, np.minimum(problem.high, problem.current), problem.high)


def linear_gain(problem: Quadratic, face: Face) -> FloatArray:
    """Return gain less costs as one slope a fund (n,), on the face's side of each kink."""
    if not problem.has_kinks:
        return problem.gain
    return problem.gain - np.where(face.trades > 0, problem.buy, 0.0) + np.where(face.trades < 0, problem.sell, 0.0)


def fixed_weights(problem: Quadratic, face: Face) -> FloatArray:
    """Return the weights (n,) of the funds that are not free; 0 for those that are."""
    fixed = np.where(face.funds == LOW, problem.low, np.where(face.funds == HIGH, problem.high, 0.0))
    if len(face.kinks):
        fixed[face.kinks] = problem.current[face.kinks]
    return fixed


def equalities_on(problem: Quadratic, face: Face, fixed: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Return normals (h, n) of the held rows and the turnover limit, what the free funds must give them, and their places."""
    held = face.rows.nonzero()[0]
    normals = problem.rows[held]
    wanted = np.where(face.rows < 0, problem.row_low, problem.row_high)[held] - normals @ fixed
    if face.turnover:
        normals = np.vstack([normals, face.trades])
        wanted = np.append(wanted, problem.max_trade - face.trades @ (fixed - problem.current))
        held = np.append(held, len(face.rows))
    return normals, wanted, held


def solve_on(problem: Quadratic, face: Face) -> Point:
    """Return the optimum with the face's limits as equalities; of least norm where that leaves a choice."""
    fixed, free = fixed_weights(problem, face), face.free
    normals, wanted, held = equalities_on(problem, face, fixed)
    right = np.concatenate([linear_gain(problem, face)[free] - problem.cov[free] @ fixed, wanted])
    answer, singular = _solve_system(problem, free, normals, right)
    fixed[free] = answer[: len(free)]
    multipliers = np.zeros(len(face.rows) + 1)
    multipliers[held] = answer[len(free) :]
    return Point(fixed, multipliers, singular)


def line_on(unit: Quadratic, face: Face) -> Line | None:
    """Return how the optimum on a face moves as theta scales gain and costs; None where it moves by no straight line."""
    fixed, free = fixed_weights(unit, face), face.free
    normals, wanted, held = equalities_on(unit, face, fixed)
    gain = linear_gain(unit, face)
    right = np.zeros((len(free) + len(held), 2))
    right[: len(free), 0], right[len(free) :, 0] = -unit.cov[free] @ fixed, wanted
    right[: len(free), 1] = gain[free]
    answer, singular = _solve_system(unit, free, normals, right)
    weights, multipliers = np.zeros((len(fixed), 2)), np.zeros((len(face.rows) + 1, 2))
    weights[:, 0] = fixed
    weights[free], multipliers[held] = answer[: len(free)], answer[len(free) :]
    if singular:
        left = unit.cov[free] @ weights - normals[:, free].T @ multipliers[held]
        left[:, 1] -= gain[free]
        if float(np.abs(left).max(initial=0.0)) > 10 * tolerance_of(unit) * max(1.0, float(np.abs(weights).max())):
            return None
    return Line(weights[:, 0], weights[:, 1], multipliers[:, 0], multipliers[:, 1])


def is_last(unit: Quadratic, face: Face, line: Line) -> bool:
    """Return whether a larger theta never leaves this face nor moves the weights on it: no higher return can be had."""
    if float(np.abs(line.step).max()) > 1e-12:
        return False
    rates = Point(line.step, line.rows_step, singular=False)
    return float(slopes_at(unit, rates, face).wrong.max()) <= tolerance_of(unit)


def _solve_system(problem: Quadratic, free: IntArray, normals: FloatArray, right: FloatArray) -> tuple[FloatArray, bool]:
    """Solve [S -N'; N 0] [w; y] = right for the free funds, refined once; by least squares where it is singular."""
    from scipy.linalg.lapack import dgesv, dgetrs

    n_free, n_held = len(free), len(normals)
    if n_free + n_held == 0:
        return right, False
    size = problem.largest_variance
    matrix = np.zeros((n_free + n_held, n_free + n_held))
    # Multipliers are scaled to the covariance, else a pivot could not tell a small variance from none.
    matrix[:n_free, :n_free] = problem.cov[free[:, None], free] / size
    matrix[n_free:, :n_free] = normals[:, free]
    matrix[:n_free, n_free:] = -matrix[n_free:, :n_free].T
    right = right.copy()
    right[:n_free] /= size
    factors, pivots, answer, failed = dgesv(matrix, right)
    diagonal = np.abs(factors.diagonal())
    singular = failed != 0 or bool(diagonal.min() <= 1e-13 * diagonal.max())
    if singular:
        answer = np.linalg.lstsq(matrix, right, rcond=1e-13)[0]
        answer += np.linalg.lstsq(matrix, right - matrix @ answer, rcond=1e-13)[0]
    else:
        answer += dgetrs(factors, pivots, right - matrix @ answer)[0]
    answer[n_free:] *= size
    return answer, singular


def excess_over(problem: Quadratic, weights: FloatArray, face: Face) -> tuple[FloatArray, np.ndarray]:
    """Return by how much each limit that is not held is broken, and whether at its lower side: funds, rows, last turnover."""
    value = np.concatenate([weights, problem.rows @ weights])
    lower, upper = problem.lower, problem.upper
    if problem.has_kinks:
        low, high = pieces(problem, face)
        lower, upper = np.concatenate([low, problem.row_low]), np.concatenate([high, problem.row_high])
    below, excess = np.empty(len(value) + 1), np.empty(len(value) + 1)
    np.subtract(lower, value, out=below[:-1])
    np.subtract(value, upper, out=excess[:-1])
    below[-1] = excess[-1] = -np.inf
    if problem.limits_trade and not face.turnover:
        excess[-1] = np.abs(weights - problem.current).sum() - problem.max_trade
    is_below = below > excess
    np.maximum(below, excess, out=excess)
    excess[:-1][face.sides != 0] = -np.inf
    return excess, is_below


def held_at(problem: Quadratic, face: Face, sides: IntArray) -> Face:
    """Return the face with further limits held, given by side (n + m + 1,), 0 for none."""
    n = len(face.funds)
    hold = sides[:n]
    funds = np.where(hold != 0, hold, face.funds)
    trades = face.trades
    if problem.has_kinks:
        at_kink = ((hold < 0) & (trades > 0) & (problem.current > problem.low)) | (
            (hold > 0) & (trades < 0) & (problem.current < problem.high)
        )
        funds, trades = np.where(at_kink, KINK, funds), np.where(at_kink, 0, trades)
    rows = np.where(sides[n:-1] != 0, sides[n:-1], face.rows)
    return Face(funds, rows, trades, face.turnover or bool(sides[-1]))


def released(problem: Quadratic, face: Face, limit: int, up: FloatArray) -> Face:
    """Return the face without one limit (funds, rows, last turnover); from a kink the fund goes where the objective falls."""
    n = len(face.funds)
    if limit == n + len(face.rows):
        return replace(face, turnover=False)
    if limit >= n:
        rows = face.rows.copy()
        rows[limit - n] = 0
        return replace(face, rows=rows)
    funds, trades = face.funds.copy(), face.trades.copy()
    if funds[limit] == KINK:
        trades[limit] = 1 if up[limit] < 0 else -1
    funds[limit] = FREE
    return replace(face, funds=funds, trades=trades)


def slopes_at(problem: Quadratic, point: Point, face: Face) -> Slopes:
    """Return the slopes of the Lagrangian at a point with its multipliers, and what leaving each limit of the face would gain."""
    prices, theta = point.multipliers[:-1], -point.multipliers[-1]
    own = problem.cov @ point.weights - problem.gain - prices @ problem.rows
    up = down = own
    if problem.has_kinks:
        up, down = own + problem.buy + theta, own - problem.sell - theta
        own = np.where(face.trades < 0, down, up)
    wrong = np.empty(len(own) + len(prices) + 1)
    # A limit that holds at its lower side, -1, is left upwards, where the objective falls by -slope.
    np.multiply(face.funds, own, out=wrong[: len(own)])
    np.multiply(face.rows, prices, out=wrong[len(own) : -1])
    if len(face.kinks):
        wrong[face.kinks] = np.maximum(-up, down)[face.kinks]
    wrong[:-1][problem.is_fixed] = 0.0
    wrong[-1] = -theta if face.turnover else 0.0
    return Slopes(up, down, own, wrong)


def proven(problem: Quadratic, point: Point, face: Face, slopes: Slopes) -> Optimum | None:
    """Return a point with its slopes as an optimum, its bounds held exactly; None where its residual is too large."""
    tolerance = tolerance_of(problem)
    weights = np.minimum(np.maximum(point.weights, problem.low), problem.high)
    if (weights != point.weights).any():
        slopes = slopes_at(problem, replace(point, weights=weights), face)
    stationarity = float(np.abs(slopes.own[face.free]).max(initial=0.0))
    at_rows = problem.rows @ weights
    missed = float(max((problem.row_low - at_rows).max(), (at_rows - problem.row_high).max(), 0.0))
    if problem.limits_trade:
        missed = max(missed, float(np.abs(weights - problem.current).sum()) - problem.max_trade)
    residual = max(max(float(slopes.wrong.max()), stationarity) / max(1.0, problem.size), missed)
    if residual > KKT_TOLERANCE or (point.singular and stationarity > tolerance):
        return None
    low_prices, high_prices = slopes.own, -slopes.own
    if problem.has_kinks:
        low_prices = np.where(problem.low <= problem.current, slopes.down, slopes.up)
        high_prices = -np.where(problem.high >= problem.current, slopes.up, slopes.down)
    at_low, at_high = face.funds == LOW, (face.funds == HIGH) | problem.is_fixed[: len(weights)]
    return Optimum(
        weights,
        face,
        residual,
        np.where(at_low & (low_prices > tolerance), low_prices, 0.0),
        np.where(at_high & (high_prices > tolerance), high_prices, 0.0),
        point.multipliers[:-1],
        max(0.0, -float(point.multipliers[-1])),
    )
