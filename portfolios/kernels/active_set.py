"""From a nearly right answer to the exact optimum of a convex quadratic programme, with its proof."""

from dataclasses import dataclass

import numpy as np

from portfolios.kernels.types import FloatArray

KKT_TOLERANCE = 1e-10
_MAX_CHANGES = 200


@dataclass(frozen=True)
class Quadratic:
    """min 1/2 w'Sw - c'w with rows @ w between row_low and row_high and w between low and high; shapes (n, n), (n,), (m, n)."""

    cov: FloatArray
    gain: FloatArray
    rows: FloatArray
    row_low: FloatArray
    row_high: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True)
class Face:
    """Which limits hold with equality: -1 at the lower one, +1 at the upper one, 0 free; a fixed pair counts as lower."""

    funds: np.ndarray
    rows: np.ndarray


@dataclass(frozen=True)
class Optimum:
    """Proven weights, the face they lie on, the largest violation of the optimality conditions, and prices >= 0 of the face's limits."""

    weights: FloatArray
    face: Face
    residual: float
    fund_prices: FloatArray
    row_prices: FloatArray


def face_of(problem: Quadratic, weights: FloatArray, slack: float) -> Face:
    """Read off the face on which nearly right weights lie."""
    at_rows = problem.rows @ weights
    return Face(_sides(weights, problem.low, problem.high, slack), _sides(at_rows, problem.row_low, problem.row_high, slack))


def _sides(value: FloatArray, low: FloatArray, high: FloatArray, slack: float) -> np.ndarray:
    sides = np.where(value - low <= slack, -1, np.where(high - value <= slack, 1, 0))
    return np.where(low == high, -1, sides)


def polish(problem: Quadratic, face: Face) -> Optimum | None:
    """Solve on the face, move to the neighbouring face while a limit is broken or a multiplier has the wrong sign.

    Returns weights that hold their bounds exactly, with a KKT residual of at most `KKT_TOLERANCE`, or
    None where no face is found: start again from better weights. Ties (directions of no variance and equal gain) go to
    the least sum of squares within the face.
    """
    funds, rows = face.funds.copy(), face.rows.copy()
    seen: set[bytes] = set()
    for _ in range(_MAX_CHANGES):
        weights, multipliers = _solve_on(problem, funds, rows)
        broken = _first_broken(problem, weights, funds, rows, one=_key(funds, rows) in seen)
        seen.add(_key(funds, rows))
        if broken.any():
            n = len(funds)
            funds, rows = np.where(broken[:n] != 0, broken[:n], funds), np.where(broken[n:] != 0, broken[n:], rows)
            continue
        residual, wrong = _kkt(problem, weights, multipliers, funds, rows)
        if residual <= KKT_TOLERANCE:
            return _evened(problem, _optimum(problem, weights, multipliers, funds, rows))
        if wrong is None:
            return None
        if wrong < len(funds):
            funds[wrong] = 0
        else:
            rows[wrong - len(funds)] = 0
    return None


def _optimum(problem: Quadratic, weights: FloatArray, multipliers: FloatArray, funds: np.ndarray, rows: np.ndarray) -> Optimum:
    residual, _ = _kkt(problem, weights, multipliers, funds, rows)
    slope = problem.cov @ weights - problem.gain - problem.rows.T @ multipliers
    exact = np.clip(weights, problem.low, problem.high)
    return Optimum(exact, Face(funds, rows), residual, np.where(funds, np.abs(slope), 0.0), np.abs(multipliers))


def _evened(problem: Quadratic, found: Optimum) -> Optimum:
    """Release funds held at a limit that costs nothing: where equally good funds tie, all of them then share."""
    free_of_charge = (found.face.funds != 0) & (found.fund_prices <= 1e-13) & (problem.low != problem.high)
    if not free_of_charge.any():
        return found
    funds = np.where(free_of_charge, 0, found.face.funds)
    weights, multipliers = _solve_on(problem, funds, found.face.rows)
    if _first_broken(problem, weights, funds, found.face.rows, one=False).any():
        return found
    even = _optimum(problem, weights, multipliers, funds, found.face.rows)
    return even if even.residual <= KKT_TOLERANCE and (even.weights**2).sum() < (found.weights**2).sum() else found


def walk(problem: Quadratic, weights: FloatArray) -> Face | None:
    """From nearly feasible weights, step down the objective from face to face until no limit is worth leaving.

    The classical primal active-set method (Nocedal and Wright, Numerical Optimization, algorithm 16.3): slower than the
    guesses of `polish`, but every step keeps the limits and lowers the objective, so a poor start only costs time.
    """
    at = _feasible(problem, weights)
    n = len(at)
    face = face_of(problem, at, 1e-12)
    sides = np.concatenate([face.funds, face.rows])
    low, high = np.concatenate([problem.low, problem.row_low]), np.concatenate([problem.high, problem.row_high])
    for count in range(50 * len(sides)):
        target, multipliers = _solve_on(problem, sides[:n], sides[n:])
        value = np.concatenate([at, problem.rows @ at])
        slope = problem.cov @ target - problem.gain - problem.rows.T @ multipliers
        # Funds without variance but of different gain have no optimum on the face: what least squares leaves over is the
        # direction in which the objective falls without end, until a limit stops it.
        endless = np.where((sides[:n] == 0) & (np.abs(slope) > KKT_TOLERANCE), -slope, 0.0)
        course = endless if endless.any() else target - at
        step = np.concatenate([course, problem.rows @ course])
        room = np.where(step > 0, high - value, value - low)
        moving = (sides == 0) & (np.abs(step) > 1e-14)
        reach = np.divide(np.maximum(room, 0.0), np.abs(step), out=np.full(len(sides), np.inf), where=moving)
        blocking = int(np.argmin(reach))
        if reach[blocking] < (np.inf if endless.any() else 1.0):
            at = at + reach[blocking] * course
            sides[blocking] = 1 if step[blocking] > 0 else -1
            continue
        at = target
        wrong = _wrong(problem, at, multipliers, sides[:n], sides[n:])
        if wrong.max() <= KKT_TOLERANCE:
            return Face(sides[:n], sides[n:])
        # The most wrong limit first; once that may go in circles, the first one (Bland's rule) cannot.
        sides[int(np.argmax(wrong)) if count < 10 * len(sides) else int(np.argmax(wrong > KKT_TOLERANCE))] = 0
    return None


def _feasible(problem: Quadratic, weights: FloatArray) -> FloatArray:
    """The weights within their bounds and, by what room each fund has, summing to 1."""
    at = np.clip(weights, problem.low, problem.high)
    missing = problem.row_low[0] - at.sum()
    room = problem.high - at if missing > 0 else at - problem.low
    return at + missing * room / room.sum() if room.sum() > 0 else at


def _key(funds: np.ndarray, rows: np.ndarray) -> bytes:
    return funds.tobytes() + rows.tobytes()


def _solve_on(problem: Quadratic, funds: np.ndarray, rows: np.ndarray) -> tuple[FloatArray, FloatArray]:
    """Optimum with the face's limits as equalities; least norm where that leaves a choice. Returns weights, row multipliers."""
    free, held = np.flatnonzero(funds == 0), np.flatnonzero(rows)
    weights = np.where(funds < 0, problem.low, np.where(funds > 0, problem.high, 0.0))
    wanted = np.where(rows < 0, problem.row_low, problem.row_high)[held]
    a = problem.rows[np.ix_(held, free)]
    scale = float(np.abs(problem.cov).max()) or 1.0
    kkt = np.block([[problem.cov[np.ix_(free, free)] / scale, -a.T], [a, np.zeros((len(held), len(held)))]])
    right = np.concatenate([(problem.gain[free] - problem.cov[free] @ weights) / scale, wanted - problem.rows[held] @ weights])
    answer, *_ = np.linalg.lstsq(kkt, right, rcond=None)
    answer += np.linalg.lstsq(kkt, right - kkt @ answer, rcond=None)[0]
    weights[free] = answer[: len(free)]
    multipliers = np.zeros(len(rows))
    multipliers[held] = answer[len(free) :] * scale
    return weights, multipliers


def _first_broken(problem: Quadratic, weights: FloatArray, funds: np.ndarray, rows: np.ndarray, *, one: bool) -> np.ndarray:
    """Sides of the limits that the weights break (all, or only the worst), funds first, then rows; zeros where none."""
    at_rows = problem.rows @ weights
    value = np.concatenate([weights, at_rows])
    low = np.concatenate([problem.low, problem.row_low])
    high = np.concatenate([problem.high, problem.row_high])
    free = np.concatenate([funds, rows]) == 0
    excess = np.where(free, np.maximum(low - value, value - high), -1.0)
    broken = np.where((excess > 1e-13) & (low - value > value - high), -1, np.where(excess > 1e-13, 1, 0))
    if one and broken.any():
        worst = int(np.argmax(excess))
        broken = np.where(np.arange(len(broken)) == worst, broken, 0)
    return broken


def _kkt(problem: Quadratic, weights: FloatArray, multipliers: FloatArray, funds: np.ndarray, rows: np.ndarray) -> tuple[float, int | None]:
    """Largest violation of the optimality conditions, and the limit whose multiplier is most wrong (funds first, then rows)."""
    fixed_rows = problem.row_low == problem.row_high
    slope = problem.cov @ weights - problem.gain - problem.rows.T @ multipliers
    stationarity = np.abs(slope[funds == 0]).max(initial=0.0)
    feasibility = np.abs(problem.rows[fixed_rows] @ weights - problem.row_low[fixed_rows]).max(initial=0.0)
    wrong = _wrong(problem, weights, multipliers, funds, rows)
    worst = int(np.argmax(wrong))
    residual = float(max(stationarity, feasibility, wrong[worst]))
    return residual, worst if wrong[worst] > KKT_TOLERANCE else None


def _wrong(problem: Quadratic, weights: FloatArray, multipliers: FloatArray, funds: np.ndarray, rows: np.ndarray) -> FloatArray:
    """How much the objective would fall by leaving each held limit, funds first, then rows; never above 0 for a fixed one."""
    fixed_rows, fixed_funds = problem.row_low == problem.row_high, problem.low == problem.high
    slope = problem.cov @ weights - problem.gain - problem.rows.T @ multipliers
    # At a lower limit the slope must not be negative, at an upper one not positive; rows by their multiplier.
    fund_wrong = np.where(fixed_funds, 0.0, np.where(funds < 0, -slope, np.where(funds > 0, slope, 0.0)))
    row_wrong = np.where(fixed_rows, 0.0, np.where(rows < 0, -multipliers, np.where(rows > 0, multipliers, 0.0)))
    return np.concatenate([fund_wrong, row_wrong])
