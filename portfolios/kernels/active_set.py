"""From a nearly right answer to the exact optimum of a convex quadratic programme, with its proof."""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.feasible import FEASIBLE, feasible_weights
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

__all__ = [
    "KKT_TOLERANCE",
    "Face",
    "Line",
    "Optimum",
    "Quadratic",
    "face_of",
    "from_weights",
    "is_last",
    "line_on",
    "linear_gain",
    "polish",
    "walk",
]

KKT_TOLERANCE = 1e-10
LOW, FREE, HIGH, KINK = -1, 0, 1, 2
_MAX_CHANGES = 200
_MAX_REPEATS = 5
_KEPT = 1e-13  # a limit missed by less is kept: the weights are then put on it
_SLACKS = (1e-9, 1e-7, 1e-5)


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
class _Point:
    """The solution of a face's equations: weights, row multipliers (turnover last), and whether they were singular."""

    weights: FloatArray
    multipliers: FloatArray
    singular: bool


def face_of(problem: Quadratic, weights: FloatArray, slack: float) -> Face:
    """Read off the face on which nearly right weights lie: limits and kinks within `slack` of them hold."""
    funds = _sides(weights, problem.low, problem.high, slack)
    rows = _sides(problem.rows @ weights, problem.row_low, problem.row_high, slack)
    if not problem.has_kinks:
        return Face(funds, rows, np.zeros(len(weights), int))
    trade = weights - problem.current
    bends = _bends(problem)
    at_kink = bends & (np.abs(trade) <= slack) & (problem.low < problem.current) & (problem.current < problem.high)
    funds = np.where(at_kink & (problem.low != problem.high), KINK, funds)
    trades = np.where(bends & ~at_kink, _directions(problem, weights, funds), 0)
    return Face(funds, rows, trades, bool(np.abs(trade).sum() >= problem.max_trade - slack))


def _sides(value: FloatArray, low: FloatArray, high: FloatArray, slack: float) -> IntArray:
    sides = np.where(value - low <= slack, LOW, np.where(high - value <= slack, HIGH, FREE))
    return np.where(low == high, LOW, sides)


def _bends(problem: Quadratic) -> np.ndarray:
    """Funds whose objective bends at the current weight."""
    if np.isfinite(problem.max_trade):
        return np.ones(len(problem.gain), bool)
    return (problem.buy > 0) | (problem.sell > 0)


def _directions(problem: Quadratic, weights: FloatArray, funds: IntArray) -> IntArray:
    """+1 where a fund is bought, -1 where it is sold; a fund held where it stands could only be traded away from its limit."""
    exact = np.where(funds == LOW, problem.low, np.where(funds == HIGH, problem.high, weights))
    stays = exact == problem.current
    return np.where(stays, np.where(funds == HIGH, -1, 1), np.where(exact > problem.current, 1, -1))


def from_weights(problem: Quadratic, weights: FloatArray) -> Optimum | None:
    """Return the proven optimum from weights near it, or from any others, which only takes longer.

    First the face is guessed at several slacks and polished; where no guess holds, `walk` goes from face to face, at last
    from a feasible point. None where no weights keep the limits, or where rounding is larger than what is to be proven.
    """
    for slack in _SLACKS:
        found = polish(problem, face_of(problem, weights, slack))
        if found is not None:
            return found
    face = walk(problem, weights)
    found = polish(problem, face) if face is not None else None
    start = feasible_weights(problem) if found is None else None
    if start is None:
        return found
    face = walk(problem, start)
    found = polish(problem, face) if face is not None else None
    # Limits that contradict each other by rounding leave no face without a limit broken by as much.
    return found or polish(problem, face_of(problem, start, FEASIBLE), kept=FEASIBLE)


def polish(problem: Quadratic, face: Face, max_changes: int = _MAX_CHANGES, kept: float = _KEPT) -> Optimum | None:
    """Solve on the face, and move to the neighbouring face while a limit is broken or a multiplier has the wrong sign.

    Returns weights that hold their bounds exactly, with a KKT residual of at most `KKT_TOLERANCE` (in units of the largest
    gain where that is above 1), or None where no face is found in `max_changes`: start again from better weights, or
    `walk`. A limit missed by no more than `kept` is none. Ties (directions of no variance and equal gain) go to the least
    sum of squares. A face of a problem without costs says nothing of trades and is refused where they cost.
    """
    if problem.has_kinks and ((face.trades == 0) & _bends(problem) & (face.funds != KINK)).any():
        return None
    seen: set[bytes] = set()
    repeats, tolerance = 0, _tolerance(problem)
    while len(seen) <= max_changes and repeats < _MAX_REPEATS:
        point = _solve_on(problem, face)
        excess, side = _excess(problem, point.weights, face)
        repeats += _key(face) in seen
        seen.add(_key(face))
        if excess.max() > kept:
            # All broken limits at once; one at a time where that has led in a circle.
            held = excess > kept if not repeats else np.arange(len(excess)) == int(np.argmax(excess))
            face = _held(problem, face, np.where(held, side, 0))
        else:
            up, down, slope = _slopes(problem, point, face)
            wrong = _wrong(problem, point, face, up, down, slope)
            worst = int(np.argmax(wrong))
            if wrong[worst] <= tolerance:
                found = _proven(problem, point, face, tolerance)
                return _evened(problem, found, point, (up, down, wrong), tolerance) if found is not None else None
            face = _released(problem, face, worst, up)
    return None


def _tolerance(problem: Quadratic) -> float:
    """Slopes below this are rounding: it follows the problem's own size, so that near-ties are told apart from ties."""
    return 1e-13 * _size(problem)


def _size(problem: Quadratic) -> float:
    size = max(float(problem.cov.diagonal().max()), float(np.abs(problem.gain).max()), float(problem.buy.max()), float(problem.sell.max()))
    return size or 1.0


def _key(face: Face) -> bytes:
    return face.funds.tobytes() + face.rows.tobytes() + face.trades.tobytes() + bytes([face.turnover])


def linear_gain(problem: Quadratic, face: Face) -> FloatArray:
    """Return gain less costs as one slope a fund (n,), on the face's side of each kink."""
    if not problem.has_kinks:
        return problem.gain
    return problem.gain - np.where(face.trades > 0, problem.buy, 0.0) + np.where(face.trades < 0, problem.sell, 0.0)


def fixed_weights(problem: Quadratic, face: Face) -> FloatArray:
    """The weights of the funds that are not free; 0 for those that are."""
    fixed = np.where(face.funds == LOW, problem.low, 0.0)
    fixed[face.funds == HIGH] = problem.high[face.funds == HIGH]
    kink = face.funds == KINK
    if kink.any():
        fixed[kink] = problem.current[kink]
    return fixed


def equalities_on(problem: Quadratic, face: Face, fixed: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Normals (h, n) of the held rows and the turnover limit, what the free funds must give them, and their places."""
    held = np.flatnonzero(face.rows)
    normals = problem.rows[held]
    wanted = np.where(face.rows[held] < 0, problem.row_low[held], problem.row_high[held]) - normals @ fixed
    if face.turnover:
        normals = np.vstack([normals, face.trades])
        wanted = np.append(wanted, problem.max_trade - face.trades @ (fixed - problem.current))
        held = np.append(held, len(face.rows))
    return normals, wanted, held


def _solve_on(problem: Quadratic, face: Face) -> _Point:
    """Optimum with the face's limits as equalities; least norm where that leaves a choice."""
    fixed = fixed_weights(problem, face)
    normals, wanted, held = equalities_on(problem, face, fixed)
    free = np.flatnonzero(face.funds == FREE)
    right = np.concatenate([linear_gain(problem, face)[free] - problem.cov[free] @ fixed, wanted])
    answer, singular = _solve_system(problem, free, normals, right)
    fixed[free] = answer[: len(free)]
    multipliers = np.zeros(len(face.rows) + 1)
    multipliers[held] = answer[len(free) :]
    return _Point(fixed, multipliers, singular)


def line_on(unit: Quadratic, face: Face) -> Line | None:
    """Return how the optimum on a face moves as theta scales gain and costs; None where it moves by no straight line."""
    fixed = fixed_weights(unit, face)
    normals, wanted, held = equalities_on(unit, face, fixed)
    free = np.flatnonzero(face.funds == FREE)
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
        if float(np.abs(left).max(initial=0.0)) > 10 * _tolerance(unit) * max(1.0, float(np.abs(weights).max())):
            return None
    return Line(weights[:, 0], weights[:, 1], multipliers[:, 0], multipliers[:, 1])


def is_last(unit: Quadratic, face: Face, line: Line) -> bool:
    """Return whether a larger theta never leaves this face nor moves the weights on it: no higher return can be had."""
    if float(np.abs(line.step).max()) > 1e-12:
        return False
    rates = _Point(line.step, line.rows_step, singular=False)
    up, down, slope = _slopes(unit, rates, face)
    return float(_wrong(unit, rates, face, up, down, slope).max()) <= _tolerance(unit)


def _solve_system(problem: Quadratic, free: IntArray, normals: FloatArray, right: FloatArray) -> tuple[FloatArray, bool]:
    """Solve [S -N'; N 0] [w; y] = right for the free funds, refined once; by least squares where it is singular."""
    from scipy.linalg.lapack import dgesv, dgetrs

    n_free, n_held = len(free), len(normals)
    if n_free + n_held == 0:
        return right, False
    size = float(problem.cov.diagonal().max()) or 1.0
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


def _excess(problem: Quadratic, weights: FloatArray, face: Face) -> tuple[FloatArray, IntArray]:
    """By how much each limit that is not held is broken, and on which side: funds, then rows, last the turnover limit."""
    low, high = problem.low, problem.high
    if problem.has_kinks:
        low = np.where(face.trades > 0, np.maximum(low, problem.current), low)
        high = np.where(face.trades < 0, np.minimum(high, problem.current), high)
    at_rows = problem.rows @ weights
    below = np.concatenate([low - weights, problem.row_low - at_rows, [-np.inf]])
    above = np.concatenate([weights - high, at_rows - problem.row_high, [-np.inf]])
    if np.isfinite(problem.max_trade):
        above[-1] = np.abs(weights - problem.current).sum() - problem.max_trade
    excess = np.maximum(below, above)
    excess[:-1][np.concatenate([face.funds, face.rows]) != 0] = -np.inf
    if face.turnover:
        excess[-1] = -np.inf
    return excess, np.where(below > above, -1, 1)


def _held(problem: Quadratic, face: Face, sides: IntArray) -> Face:
    """The face with further limits held, given by side (n + m + 1,), 0 for none."""
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


def _released(problem: Quadratic, face: Face, limit: int, up: FloatArray) -> Face:
    """The face without one limit (funds, then rows, last turnover); from a kink the fund goes where the objective falls."""
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


def _slopes(problem: Quadratic, point: _Point, face: Face) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Slope of the Lagrangian in each weight: if bought, if sold, and on the face's side of the kink."""
    gradient = problem.cov @ point.weights - problem.gain - point.multipliers[:-1] @ problem.rows
    if not problem.has_kinks:
        return gradient, gradient, gradient
    theta = -point.multipliers[-1]
    up, down = gradient + problem.buy + theta, gradient - problem.sell - theta
    return up, down, np.where(face.trades < 0, down, up)


def _wrong(problem: Quadratic, point: _Point, face: Face, up: FloatArray, down: FloatArray, slope: FloatArray) -> FloatArray:
    """How fast the objective would fall by leaving each held limit: funds, rows, turnover; 0 for free and for fixed ones."""
    funds = np.where(face.funds == LOW, -slope, np.where(face.funds == HIGH, slope, 0.0))
    kink = face.funds == KINK
    if kink.any():
        funds = np.where(kink, np.maximum(-up, down), funds)
    funds[problem.low == problem.high] = 0.0
    prices = point.multipliers[:-1]
    rows = np.where(face.rows < 0, -prices, np.where(face.rows > 0, prices, 0.0))
    rows[problem.row_low == problem.row_high] = 0.0
    return np.concatenate([funds, rows, [point.multipliers[-1] if face.turnover else 0.0]])


def _proven(problem: Quadratic, point: _Point, face: Face, tolerance: float) -> Optimum | None:
    """The point as an optimum, its bounds held exactly; None where its residual is too large."""
    weights = np.clip(point.weights, problem.low, problem.high)
    exact = replace(point, weights=weights)
    up, down, slope = _slopes(problem, exact, face)
    wrong = float(_wrong(problem, exact, face, up, down, slope).max())
    stationarity = float(np.abs(slope[face.funds == FREE]).max(initial=0.0))
    at_rows = problem.rows @ weights
    missed = float(max(np.maximum(problem.row_low - at_rows, at_rows - problem.row_high).max(), 0.0))
    if np.isfinite(problem.max_trade):
        missed = max(missed, float(np.abs(weights - problem.current).sum()) - problem.max_trade)
    residual = max(max(wrong, stationarity) / max(1.0, _size(problem)), missed)
    if residual > KKT_TOLERANCE or (point.singular and stationarity > tolerance):
        return None
    low_prices = np.where(problem.low <= problem.current, down, up)
    high_prices = -np.where(problem.high >= problem.current, up, down)
    return Optimum(
        weights,
        face,
        residual,
        np.where((face.funds == LOW) & (low_prices > tolerance), low_prices, 0.0),
        np.where(((face.funds == HIGH) | (problem.low == problem.high)) & (high_prices > tolerance), high_prices, 0.0),
        point.multipliers[:-1],
        max(0.0, -float(point.multipliers[-1])),
    )


def _evened(problem: Quadratic, found: Optimum, point: _Point, slopes: tuple[FloatArray, ...], tolerance: float) -> Optimum:
    """Among equally good weights, those of least sum of squares.

    All optima share every set of multipliers: so they are the weights with the same S @ w that keep the limits, and keep
    with equality those whose multiplier is not 0. On that set the sum of squares is a quadratic programme of its own.
    """
    face = found.face
    up, down, wrong = slopes
    n = len(face.funds)
    loose = (wrong[:n] >= -tolerance) & (problem.low != problem.high)
    weak_rows = (face.rows != 0) & (wrong[n:-1] >= -tolerance) & (problem.row_low != problem.row_high)
    weak_turnover = face.turnover and bool(wrong[-1] >= -tolerance)
    if not (point.singular or weak_turnover or weak_rows.any() or (loose & (face.funds != FREE)).any()):
        return found
    some = np.flatnonzero(loose)
    if len(some) < 2:
        return found
    values, vectors = np.linalg.eigh(problem.cov[some[:, None], some])
    ranged = values > 1e-13 * max(float(values[-1]), 1e-300)
    if ranged.all():
        return found
    second = _second_stage(problem, found, up, down, loose, wrong[n:] < -tolerance)
    basis = np.zeros((int(ranged.sum()), n))
    basis[:, some] = vectors[:, ranged].T
    at = basis @ found.weights
    second = replace(
        second,
        rows=np.vstack([second.rows, basis]),
        row_low=np.concatenate([second.row_low, at]),
        row_high=np.concatenate([second.row_high, at]),
    )
    even = _least_squares(second, found.weights)
    if even is None or float(even @ even) >= float(found.weights @ found.weights):
        return found
    near = face_of(problem, even, 1e-12)
    priced = np.abs(point.multipliers) > tolerance
    # What the even weights rest on stays held, priced or not: the face alone must lead back to them.
    turnover = near.turnover or (face.turnover and bool(priced[-1]))
    near = replace(near, rows=np.where(priced[:-1], face.rows, near.rows), turnover=turnover)
    return _proven(problem, replace(point, weights=even), near, tolerance) or found


def _second_stage(
    problem: Quadratic, found: Optimum, up: FloatArray, down: FloatArray, loose: np.ndarray, tight_rows: np.ndarray
) -> Quadratic:
    """Least sum of squares over the weights that are as good as those found; the directions of variance are left to add."""
    n, weights = len(found.weights), found.weights
    low, high = np.where(loose, problem.low, weights), np.where(loose, problem.high, weights)
    tolerance = _tolerance(problem)
    bent = loose & (up - down > tolerance)
    # Where trading costs, a fund can only move to the side on which its slope is 0.
    low = np.where(bent & (np.abs(down) > tolerance), np.maximum(low, problem.current), low)
    high = np.where(bent & (np.abs(up) > tolerance), np.minimum(high, problem.current), high)
    sides = found.face.rows
    row_low = np.where(tight_rows[:-1] & (sides > 0), problem.row_high, problem.row_low)
    row_high = np.where(tight_rows[:-1] & (sides < 0), problem.row_low, problem.row_high)
    rows, max_trade = problem.rows, problem.max_trade
    if tight_rows[-1]:
        trades = np.where(found.face.trades != 0, found.face.trades, np.where(np.abs(up) <= tolerance, 1, -1))
        rows = np.vstack([rows, trades])
        total = float(trades @ (problem.current)) + problem.max_trade
        row_low, row_high, max_trade = np.append(row_low, total), np.append(row_high, total), np.inf
    zero = np.zeros(n)
    return Quadratic(np.eye(n), zero, rows, row_low, row_high, low, high, problem.current, zero, zero, max_trade)


def _least_squares(second: Quadratic, weights: FloatArray) -> FloatArray | None:
    """The optimum of the second stage: first guessed with every fund free that may move, then from the weights known."""
    near = face_of(second, weights, 1e-12)
    free = second.low != second.high
    start = replace(near, funds=np.where(free, FREE, near.funds), rows=np.where(second.row_low == second.row_high, near.rows, 0))
    if second.has_kinks:
        start = near
    even = polish(second, start) or from_weights(second, weights)
    return None if even is None else even.weights


def walk(problem: Quadratic, weights: FloatArray) -> Face | None:
    """From nearly feasible weights, step down the objective from face to face until no limit is worth leaving.

    The classical primal active-set method (Nocedal and Wright, Numerical Optimization, algorithm 16.3), with the kinks of
    trading as further limits: slower than the guesses of `polish`, but every step keeps the limits and lowers the
    objective, so a poor start only costs time. Returns None where it ends without an optimum.
    """
    tolerance = _tolerance(problem)
    at = _feasible(problem, weights)
    face = face_of(problem, at, 1e-12)
    n_limits = len(face.funds) + len(face.rows) + 1
    for count in range(50 * n_limits):
        point = _solve_on(problem, face)
        up, down, slope = _slopes(problem, point, face)
        # Funds without variance but of different gain have no optimum on the face: what least squares leaves over is the
        # direction in which the objective falls without end, until a limit stops it.
        endless = (face.funds == FREE) & (np.abs(slope) > tolerance / 2 * max(1.0, float(np.abs(point.weights).max())))
        course = _without_variance(problem, face, np.where(endless, -slope, 0.0)) if point.singular and endless.any() else None
        is_endless = course is not None
        if course is None:
            course = point.weights - at
        reach, side = _reach(problem, face, at, course)
        blocking = int(np.argmin(reach))
        if reach[blocking] < (np.inf if is_endless else 1.0):
            at = at + reach[blocking] * course
            sides = np.zeros(n_limits, int)
            sides[blocking] = side[blocking]
            face = _held(problem, face, sides)
            continue
        if is_endless:
            return None
        at = point.weights
        wrong = _wrong(problem, point, face, up, down, slope)
        if wrong.max() <= tolerance:
            return face
        # The most wrong limit first; once that may go in circles, the first one (Bland's rule) cannot.
        face = _released(problem, face, int(np.argmax(wrong) if count < 10 * n_limits else np.argmax(wrong > tolerance)), up)
    return None


def _without_variance(problem: Quadratic, face: Face, course: FloatArray) -> FloatArray | None:
    """The part of a course along which neither variance nor a held limit changes, brought to length 1; None where it has none."""
    course = course / np.abs(course).max()
    free = np.flatnonzero(face.funds == FREE)
    normals, _, _ = equalities_on(problem, face, np.zeros(len(course)))
    size = float(problem.cov.diagonal().max()) or 1.0
    _, values, vectors = np.linalg.svd(np.vstack([problem.cov[free[:, None], free] / size, normals[:, free]]))
    kernel = vectors[values <= 1e-12 * values[0]]
    clean = np.zeros(len(course))
    clean[free] = (kernel @ course[free]) @ kernel
    return clean if float(np.abs(clean).max()) > 1e-6 else None


def _reach(problem: Quadratic, face: Face, at: FloatArray, course: FloatArray) -> tuple[FloatArray, IntArray]:
    """How far each limit that is not held lets the weights go along a course, and which side of it is met."""
    low, high = problem.low, problem.high
    if problem.has_kinks:
        low = np.where(face.trades > 0, np.maximum(low, problem.current), low)
        high = np.where(face.trades < 0, np.minimum(high, problem.current), high)
    traded = float(face.trades @ (at - problem.current)) if np.isfinite(problem.max_trade) else 0.0
    value = np.concatenate([at, problem.rows @ at, [traded]])
    step = np.concatenate([course, problem.rows @ course, [float(face.trades @ course)]])
    ends = np.concatenate([high, problem.row_high, [problem.max_trade]]), np.concatenate([low, problem.row_low, [-np.inf]])
    room = np.where(step > 0, ends[0] - value, value - ends[1])
    held = np.concatenate([face.funds, face.rows, [int(face.turnover)]]) != 0
    moving = ~held & (np.abs(step) > 1e-14)
    reach = np.divide(np.maximum(room, 0.0), np.abs(step), out=np.full(len(step), np.inf), where=moving)
    return reach, np.where(step > 0, 1, -1)


def _feasible(problem: Quadratic, weights: FloatArray) -> FloatArray:
    """The nearest weights that keep every limit, or where that is not found, that keep their bounds."""
    zero = np.zeros(len(weights))
    nearest = replace(problem, cov=np.eye(len(weights)), gain=weights, buy=zero, sell=zero)
    fixed_rows = np.where(problem.row_low == problem.row_high, -1, 0)
    for face in (face_of(nearest, np.clip(weights, problem.low, problem.high), slack) for slack in _SLACKS):
        for rows, turnover in ((face.rows, face.turnover), (fixed_rows, False)):
            found = polish(nearest, replace(face, rows=rows, turnover=turnover))
            if found is not None:
                return found.weights
    return np.clip(weights, problem.low, problem.high)
