"""The critical line: the optimum of a quadratic programme followed from face to face while its gain moves along a line."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.linalg import lapack

from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.feasible import feasible_weights
from portfolios.kernels.quadratic import DAQP_EQUALITY, DAQP_INFINITE
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray

_BROKEN = 1e-9  # a slack below this is a broken condition; all is scaled so that variances and means are about 1
_STILL = 1e-12  # a slack whose rate is below this does not move
_NEUTRAL = 1e-11  # a slack within this of zero that does not move is decided by the tie-break
_NO_RANK = 1e-12  # a singular value of a face's equations below this part of the largest counts as zero
_DELICATE = 1e-6  # equations with a reciprocal condition below this are solved with residuals in long double
_AT_ONCE = 1e-11  # events nearer to each other than this part of the parameter happen at once
_BREAK = 1e-7  # weights have no business leaping along a course of risk tolerance: where they do, the path is lost
_TURNS = 20  # how often faces met at one parameter may come round before another way is tried
_FAR = 1e8  # beyond this the gain weighs so much that variance is lost in its rounding: nearer means count as equal
_RESTARTS = (1e-7, 1e-5, 1e-9, 1e-3)


@dataclass(frozen=True)
class Shape:
    """What stays the same along a path: variance, limits, and each fund's knots, all scaled.

    The cost of a fund is linear between neighbouring knots (n, 3): lower bound, `current` where a cost bends there, upper
    bound. `left` and `right` (n, 3) are its slopes on the two sides of each knot, infinite where a bound ends the range.
    """

    cov: FloatArray
    rows: FloatArray
    row_low: FloatArray
    row_high: FloatArray
    knots: FloatArray
    left: FloatArray
    right: FloatArray
    singular: bool


@dataclass(frozen=True)
class Course:
    """The gain at t is gain[:, 0] + t gain[:, 1], shape (n, 2); costs count cost[0] + t cost[1] times."""

    gain: FloatArray
    cost: FloatArray


@dataclass(frozen=True)
class Place:
    """A face: fund at knot k: 2k, between knots k and k + 1: 2k + 1; row at its low limit -1, at its high one 1, else 0."""

    funds: np.ndarray
    rows: np.ndarray

    @property
    def key(self) -> bytes:
        return self.funds.tobytes() + self.rows.tobytes()


@dataclass(frozen=True)
class _Piece:
    """The optimum on one face: weights (n, 2) as constant and rate in t, and the slack of each condition (2n + 2m, 2).

    `second` is what decides where a slack is zero all along: the same under a vanishing extra variance of every fund.
    `jump` (n,) is the direction without variance in which the optimum leaves the face at once, None where there is none.
    """

    weights: FloatArray
    slack: FloatArray
    second: FloatArray | None
    jump: FloatArray | None

    def at(self, t: float) -> FloatArray:
        return self.weights[:, 0] + t * self.weights[:, 1]


@dataclass(frozen=True)
class Trace:
    """The corners (t, weights) met on the way in their order, the last face, and its weights (n, 2): constant and rate."""

    corners: list[tuple[float, FloatArray]]
    place: Place
    weights: FloatArray


def settled(cov: FloatArray, least: float = 3e-12) -> tuple[FloatArray, bool]:
    """Return a covariance whose eigenvalues are clearly zero or clearly not, and whether one of them is zero.

    `cov` is scaled to a largest variance of 1. Eigenvalues below `least` become zero, which moves no optimality condition
    by more than that: funds that are equal but for rounding then tie, as equal ones do.
    """
    try:
        np.linalg.cholesky(cov - least * np.eye(len(cov)))
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(cov)
        if not (np.abs(values[values < least]) > 1e-15).any():
            return cov, True
        values = np.where(values < least, 0.0, values)
        return (vectors * values) @ vectors.T, True
    return cov, False


def start(shape: Shape, gain: FloatArray, cost: float) -> Place:
    """Return the face of the optimum for one gain (n,) with costs counting `cost` times.

    DAQP solves with the costs straightened out; from its face the bends are put in along a course of their own, on which
    what it got wrong is set right as well. Where it fails, that course starts at any weights that keep the limits, with the
    gain for which they are the optimum. Raises InfeasibleError where no weights keep the limits.
    """
    movable = shape.knots[:, 0] < shape.knots.max(axis=1)
    inner = np.where(np.isfinite(shape.right[:, 1]), shape.right[:, 1], shape.right[:, 0])
    straight = np.where(movable, (shape.right[:, 0] + inner) / 2, 0.0)
    found = _face_by_daqp(shape, gain - cost * straight)
    place, weights = found or _face_by_feasibility(shape)
    k = place.funds >> 1
    own = np.where(place.funds & 1, _pick(shape.right, k), np.where(k > 0, _pick(shape.left, k), shape.right[:, 0]))
    own = np.where(movable & np.isfinite(own), own, 0.0)
    bend = gain + cost * np.where(movable, own - straight, 0.0) if found else shape.cov @ weights + cost * own
    course = Course(np.column_stack([bend, gain - bend]), np.array([cost, 0.0]))
    return trace(shape, course, (place, weights), (0.0, 1.0)).place


def trace(
    shape: Shape,
    course: Course,
    first: tuple[Place, FloatArray | None],
    way: tuple[float, float],
    restart: Callable[[float], Place] | None = None,
) -> Trace:
    """Follow the optimum from t = way[0], where `first` is its face and nearly it, to way[1], which may be infinite.

    Parametric active set: on a face weights and multipliers are linear in t; the first that would break a condition moves
    to the neighbouring face (Markowitz, Naval Research Logistics Quarterly 3, 1956; Best, in: Applied Mathematics and
    Parallel Computing, 1996). Where the faces met at one t go in circles, `restart` gives the face a little further on.
    Raises SolverError where that does not help either.
    """
    (place, at), (t, end) = first, way
    sign = 1.0 if end > t else -1.0
    corners: list[tuple[float, FloatArray]] = []
    seen: set[bytes] = set()
    turns = 0
    for _ in range(200 + 100 * sum(shape.rows.shape)):
        turns += place.key in seen
        if turns > _TURNS:
            if restart is None or at is None:
                raise SolverError("not_proven_optimal", at=t)
            place, turns = _around(shape, course, (t, at), sign, restart), 0
            seen.clear()
        seen.add(place.key)
        piece = _piece(shape, course, place, t, sign)
        if piece.jump is None:
            now = _now(shape, piece, t, at)
            step, event = _next_event(shape, piece, place, (t, now), sign, turns)
        elif at is None:
            raise SolverError("not_proven_optimal", at=t)
        else:
            step, event = 0.0, _blocking(shape, piece.jump, place, at)
        if step > 0 and restart is not None and corners and np.abs(now - corners[-1][1]).max() > _BREAK:
            raise SolverError("not_proven_optimal", at=t)
        if (end - t) * sign <= step or t + sign * step > _FAR:
            return Trace(corners, place, piece.weights)
        if step > _AT_ONCE * max(abs(t), 1e-9):
            seen.clear()
            turns = 0
        if piece.jump is None:
            t += sign * step
            at = within(shape, now + sign * step * piece.weights[:, 1])
            place = _moved(place, event)
            at = _snapped(shape, place, at)
            if step > 0:
                corners.append((t, at))
        else:
            place = _moved(place, event)
    raise SolverError("not_proven_optimal", at=t)


def _now(shape: Shape, piece: _Piece, t: float, at: FloatArray | None) -> FloatArray:
    """The weights at t: those the last face led to where the new face agrees, since a steep one magnifies the rounding of t."""
    own = piece.at(t)
    if at is None:
        return own
    apart = own - at
    if not apart.any():
        return own
    rounding = np.minimum(1e-10 * (np.abs(piece.weights[:, 0]) + np.abs(t * piece.weights[:, 1])), 1e-3)
    agree = (np.abs(apart) <= _BROKEN + rounding).all() and np.abs(shape.cov @ apart).max() <= _BROKEN / 10
    return at if agree else own


def _snapped(shape: Shape, place: Place, weights: FloatArray) -> FloatArray:
    """The weights with every fund held at a knot exactly there, where rounding alone keeps it away."""
    knot = _pick(shape.knots, place.funds >> 1)
    return np.where(((place.funds & 1) == 0) & (np.abs(weights - knot) <= _BREAK), knot, weights)


def within(shape: Shape, weights: FloatArray) -> FloatArray:
    """Return the weights without what rounding put beyond their bounds."""
    return np.clip(weights, shape.knots[:, 0], shape.knots.max(axis=1))


def _pick(table: FloatArray, column: np.ndarray) -> FloatArray:
    return table[np.arange(len(table)), column]


def _piece(shape: Shape, course: Course, place: Place, t: float, sign: float) -> _Piece:
    """The optimum on a face, for all t: its own equations solved once for the constant and once for the rate."""
    k = place.funds >> 1
    free, held_rows = np.flatnonzero(place.funds & 1), np.flatnonzero(place.rows)
    weights = np.zeros((len(k), 2))
    weights[:, 0] = knot = _pick(shape.knots, k)
    weights[free] = 0.0
    rows = shape.rows[held_rows]
    gain = course.gain.copy()
    gain[free] -= shape.right[free, k[free]][:, None] * course.cost
    limit = np.where(place.rows < 0, shape.row_low, shape.row_high)[held_rows]
    right = np.vstack([(gain - shape.cov @ weights)[free], -rows @ weights])
    right[len(free) :, 0] += limit
    matrix = _kkt_matrix(shape, free, rows)
    solve, null = _factor(matrix)
    answer = solve(right)
    weights[free] = answer[: len(free)]
    prices = np.zeros((len(place.rows), 2))
    prices[held_rows] = answer[len(free) :]
    jump = None if null is None else _jump(null[: len(free)], right, free, t, sign, len(k))
    missed = (right - matrix @ answer) @ (1.0, t)
    if jump is None and np.abs(missed).max(initial=0.0) > _BROKEN * (1.0 + abs(t)):
        raise SolverError("not_proven_optimal", at=t)
    slack = _slack(shape, place, weights, shape.cov @ weights - course.gain - shape.rows.T @ prices, prices, course.cost, knot)
    second = None
    if shape.singular:
        extra = np.zeros_like(right)
        extra[: len(free)] = -weights[free]
        answer = solve(extra)
        more, more_prices = np.zeros_like(weights), np.zeros_like(prices)
        more[free], more_prices[held_rows] = answer[: len(free)], answer[len(free) :]
        slope = shape.cov @ more + weights - shape.rows.T @ more_prices
        second = _slack(shape, place, more, slope, more_prices, np.zeros(2), None)
    return _Piece(weights, slack, second, jump)


def _kkt_matrix(shape: Shape, free: np.ndarray, rows: FloatArray) -> FloatArray:
    n, m = len(free), len(rows)
    matrix = np.zeros((n + m, n + m))
    matrix[:n, :n] = shape.cov[free[:, None], free]
    matrix[n:, :n] = rows[:, free]
    matrix[:n, n:] = -matrix[n:, :n].T
    return matrix


def _factor(matrix: FloatArray) -> tuple[Callable[[FloatArray], FloatArray], FloatArray | None]:
    """A solver for right-hand sides (k, j), and the null space (k, d) of a singular matrix, whose answers are of least norm."""
    if not len(matrix):
        return lambda right: right, None
    lu, pivots, info = lapack.dgetrf(matrix)
    if info == 0:
        condition, _ = lapack.dgecon(lu, float(np.abs(matrix).sum(axis=0).max()))
        if condition > _NO_RANK / 10:
            delicate = condition < _DELICATE
            exact, rounds = (matrix.astype(np.longdouble), 3) if delicate else (matrix, 1)

            def solve(right: FloatArray) -> FloatArray:
                answer = lapack.dgetrs(lu, pivots, right)[0]
                for _ in range(rounds):
                    answer = answer + lapack.dgetrs(lu, pivots, (right - exact @ answer).astype(float))[0]
                return answer

            return solve, None
    u, values, vt = np.linalg.svd(matrix)
    rank = int((values > _NO_RANK * values[0]).sum())
    inverse = (vt[:rank].T / values[:rank]) @ u[:, :rank].T
    return lambda right: inverse @ right, vt[rank:].T


def _jump(null: FloatArray, right: FloatArray, free: np.ndarray, t: float, sign: float, n: int) -> FloatArray | None:
    """Where gain and rate have a part along the directions without variance: that part, scattered to all funds."""
    along = null @ (null.T @ right[: len(free)])
    now = along[:, 0] + t * along[:, 1]
    part = now if np.abs(now).max(initial=0.0) > _BROKEN else sign * along[:, 1]
    if np.abs(part).max(initial=0.0) <= _BROKEN:
        return None
    jump = np.zeros(n)
    jump[free] = part
    return jump


def _slack(
    shape: Shape, place: Place, weights: FloatArray, slope: FloatArray, prices: FloatArray, cost: FloatArray, knot: FloatArray | None
) -> FloatArray:
    """What is left of each condition, (2n + 2m, 2): funds downwards and upwards, then rows; (1, 0) where there is none.

    A free fund or row must keep off its two limits. A fund held at a knot must not gain by leaving it, upwards in the first
    block, downwards in the second; a row held at its low limit has its price in the first, at its high one in the second.
    `knot` None: the limits themselves count as zero, which is how much `second` may move them.
    """
    n, m = len(weights), len(prices)
    k = place.funds >> 1
    between = (place.funds & 1) == 1
    slack = np.empty((2 * (n + m), 2))
    right, left = _pick(shape.right, k), _pick(shape.left, k)
    leave = slope + np.where(np.isfinite(right), right, 0.0)[:, None] * cost
    back = -slope - np.where(np.isfinite(left), left, 0.0)[:, None] * cost
    leave[np.isinf(right)] = back[np.isinf(left)] = (1.0, 0.0)
    down, up = weights.copy(), -weights
    value = shape.rows @ weights
    above, below = value, -value
    if knot is not None:
        down[:, 0] -= knot
        up[:, 0] += _pick(shape.knots, np.minimum(k + 1, 2))
        above, below = value.copy(), -value
        above[:, 0] -= shape.row_low
        below[:, 0] += shape.row_high
    slack[:n] = np.where(between[:, None], down, leave)
    slack[n : 2 * n] = np.where(between[:, None], up, back)
    open_row = (place.rows == 0)[:, None]
    fixed = shape.row_low == shape.row_high
    slack[2 * n : 2 * n + m] = np.where(open_row, above, prices)
    slack[2 * n + m :] = np.where(open_row, below, -prices)
    none_low = np.where(place.rows == 0, np.isinf(shape.row_low), fixed | (place.rows > 0))
    none_high = np.where(place.rows == 0, np.isinf(shape.row_high), fixed | (place.rows < 0))
    slack[2 * n :][np.concatenate([none_low, none_high])] = (1.0, 0.0)
    return slack


def _next_event(shape: Shape, piece: _Piece, place: Place, now: tuple[float, FloatArray], sign: float, turns: int) -> tuple[float, int]:
    """How far the face stays optimal (0 where it is not), and the condition that ends it, -1 for none.

    Of several that end it at once the most broken goes first, in its `turns`-th circle of faces another one.
    """
    t, weights = now
    value, rate = piece.slack[:, 0] + t * piece.slack[:, 1], sign * piece.slack[:, 1]
    moved = weights - piece.at(t)
    if moved.any():
        by_fund, by_row = np.where(place.funds & 1, moved, 0.0), np.where(place.rows, 0.0, shape.rows @ moved)
        value += np.concatenate([by_fund, -by_fund, by_row, -by_row])
    broken = np.where(value < -_BROKEN - 1e-11 * np.abs(t * rate) - 1e-14 * abs(t), value, 0.0)
    if piece.second is not None:
        tied = (np.abs(value) <= _NEUTRAL) & (np.abs(rate) <= _STILL)
        value = np.where(tied, piece.second[:, 0] + t * piece.second[:, 1], value)
        rate = np.where(tied, sign * piece.second[:, 1], rate)
        broken = np.where(tied & (value < -_BROKEN), np.minimum(broken, value), broken)
    if broken.any():
        return 0.0, int(np.argmin(broken)) if not turns else _another(np.flatnonzero(broken), turns)
    falling = rate < -_STILL
    if not falling.any():
        return np.inf, -1
    steps = np.full(len(value), np.inf)
    steps[falling] = np.maximum(value[falling], 0.0) / -rate[falling]
    event = int(np.argmin(steps))
    if turns and steps[event] <= _AT_ONCE * max(abs(t), 1e-9):
        event = _another(np.flatnonzero(steps <= _AT_ONCE * max(abs(t), 1e-9)), turns)
    return float(steps[event]), event


def _another(events: np.ndarray, turns: int) -> int:
    return int(events[(7919 * turns) % len(events)])


def _blocking(shape: Shape, jump: FloatArray, place: Place, at: FloatArray) -> int:
    """The first limit met from weights `at` in a direction without variance; the parameter stands still meanwhile."""
    n, m = len(at), len(place.rows)
    k = place.funds >> 1
    course = np.column_stack([at, jump])
    slack = _slack(shape, place, course, np.zeros((n, 2)), np.zeros((m, 2)), np.zeros(2), _pick(shape.knots, k))
    limits = np.concatenate([np.tile(place.funds & 1, 2), np.tile(place.rows == 0, 2)]) == 1
    falling = limits & (slack[:, 1] < -_STILL)
    if not falling.any():
        raise SolverError("not_proven_optimal", at="unbounded")
    steps = np.where(falling, np.maximum(slack[:, 0], 0.0) / np.where(falling, -slack[:, 1], 1.0), np.inf)
    return int(np.argmin(steps))


def _moved(place: Place, event: int) -> Place:
    """The face on the other side of a condition."""
    n, m = len(place.funds), len(place.rows)
    funds, rows = place.funds.copy(), place.rows.copy()
    if event < 2 * n:
        fund, first = event % n, event < n
        between = funds[fund] & 1
        funds[fund] += -1 if bool(between) == first else 1
    else:
        row, first = (event - 2 * n) % m, event < 2 * n + m
        rows[row] = (-1 if first else 1) if rows[row] == 0 else 0
    return Place(funds, rows)


def _around(shape: Shape, course: Course, here: tuple[float, FloatArray], sign: float, restart: Callable[[float], Place]) -> Place:
    """A face a little further along that the optimum at `here` also lies on: there the path goes on from `here`."""
    t, at = here
    for distance in _RESTARTS:
        place = restart(t * (1.0 + sign * distance))
        piece = _piece(shape, course, place, t, sign)
        if piece.jump is None and np.abs(piece.at(t) - at).max() <= 1e-8:
            return place
    raise SolverError("not_proven_optimal", at=t)


def _face_by_daqp(shape: Shape, gain: FloatArray) -> tuple[Place, FloatArray] | None:
    """The face of the optimum without bends as DAQP sees it, with rows that do not depend on each other; None where it fails."""
    import daqp

    n = len(gain)
    low, high = shape.knots[:, 0], shape.knots.max(axis=1)
    fixed = np.concatenate([low == high, shape.row_low == shape.row_high])
    ridge = (1e-9 if shape.singular else 0.0) * np.eye(n)
    upper = np.concatenate([high, np.minimum(shape.row_high, DAQP_INFINITE)])
    lower = np.concatenate([low, np.maximum(shape.row_low, -DAQP_INFINITE)])
    sense = np.where(fixed, DAQP_EQUALITY, 0).astype(np.int32)
    weights, _, flag, info = daqp.solve(
        np.ascontiguousarray(shape.cov + ridge), -gain, np.ascontiguousarray(shape.rows), upper, lower, sense, primal_tol=1e-9
    )
    if flag <= 0:
        return None
    prices = np.asarray(info["lam"])
    bent, funds = np.isfinite(shape.right[:, 1]), _between(shape, weights)
    funds = np.where(prices[:n] > 0, np.where(bent, 4, 2), np.where(prices[:n] < 0, 0, funds))
    funds = np.where(fixed[:n], 0, funds)
    rows = np.where(fixed[n:], -1, np.sign(prices[n:])).astype(int)
    return Place(funds, _independent(shape, np.flatnonzero(funds & 1), rows)), np.clip(weights, low, high)


def _face_by_feasibility(shape: Shape) -> tuple[Place, FloatArray]:
    """Weights that keep the limits, and a face on which nothing but what cannot move is held."""
    low, high, nothing = shape.knots[:, 0], shape.knots.max(axis=1), np.zeros(len(shape.knots))
    problem = Quadratic(shape.cov, nothing, shape.rows, shape.row_low, shape.row_high, low, high, nothing, nothing, nothing)
    weights = feasible_weights(problem)
    if weights is None:
        raise InfeasibleError("limits_contradict")
    funds = np.where(low == high, 0, _between(shape, weights))
    rows = np.where(shape.row_low == shape.row_high, -1, 0)
    return Place(funds, _independent(shape, np.flatnonzero(funds & 1), rows)), weights


def _between(shape: Shape, weights: FloatArray) -> np.ndarray:
    return np.where(np.isfinite(shape.right[:, 1]) & (weights > shape.knots[:, 1]), 3, 1)


def _independent(shape: Shape, free: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The held rows without those that follow, on the free funds, from the ones before; equalities come first."""
    base = np.zeros((0, len(free)))
    kept = np.zeros_like(rows)
    held = np.flatnonzero(rows)
    for row in sorted(held, key=lambda row: (shape.row_low[row] != shape.row_high[row], row)):
        own = shape.rows[row, free]
        rest = own - base.T @ (base @ own)
        rest -= base.T @ (base @ rest)
        length = float(np.linalg.norm(rest))
        if length > 1e-9 * max(float(np.linalg.norm(own)), 1.0):
            base = np.vstack([base, rest / length])
            kept[row] = rows[row]
    return kept
