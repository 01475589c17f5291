"""From a nearly right answer to the exact optimum of a convex quadratic programme: from face to face, ties settled last."""

from dataclasses import replace

import numpy as np

from portfolios.kernels.faces import (
    FREE,
    KINK,
    Face,
    Optimum,
    Point,
    Slopes,
    bends,
    equalities_on,
    excess_over,
    face_of,
    held_at,
    pieces,
    proven,
    released,
    slopes_at,
    solve_on,
    tolerance_of,
)
from portfolios.kernels.feasible import FEASIBLE, feasible_weights
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray, IntArray

_MAX_CHANGES = 200
_MAX_REPEATS = 5
_KEPT = 1e-13  # a limit missed by less is kept: the weights are then put on it
_SLACKS = (1e-9, 1e-7, 1e-5)


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
    if problem.has_kinks and ((face.trades == 0) & bends(problem) & (face.funds != KINK)).any():
        return None
    seen: set[bytes] = set()
    repeats = 0
    while len(seen) <= max_changes and repeats < _MAX_REPEATS:
        point = solve_on(problem, face)
        excess, is_below = excess_over(problem, point.weights, face)
        key = face.sides.tobytes() + face.trades.tobytes() + bytes([face.turnover])
        repeats += key in seen
        seen.add(key)
        if excess.max() > kept:
            # All broken limits at once; one at a time where that has led in a circle.
            held = excess > kept if not repeats else np.arange(len(excess)) == int(np.argmax(excess))
            face = held_at(problem, face, np.where(held, np.where(is_below, -1, 1), 0))
        else:
            slopes = slopes_at(problem, point, face)
            worst = int(slopes.wrong.argmax())
            if slopes.wrong[worst] <= tolerance_of(problem):
                found = proven(problem, point, face, slopes)
                return _evened(problem, found, point, slopes) if found is not None else None
            face = released(problem, face, worst, slopes.up)
    return None


def _evened(problem: Quadratic, found: Optimum, point: Point, slopes: Slopes) -> Optimum:
    """Among equally good weights, those of least sum of squares.

    All optima share every set of multipliers: so they are the weights with the same S @ w that keep the limits, and keep
    with equality those whose multiplier is not 0. On that set the sum of squares is a quadratic programme of its own.
    """
    face, wrong, tolerance = found.face, slopes.wrong, tolerance_of(problem)
    n = len(face.funds)
    loose = (wrong[:-1] >= -tolerance) & ~problem.is_fixed
    weak_turnover = face.turnover and bool(wrong[-1] >= -tolerance)
    if not (point.singular or weak_turnover or (loose & (face.sides != 0)).any()):
        return found
    loose = loose[:n]
    some = np.flatnonzero(loose)
    if len(some) < 2:
        return found
    values, vectors = np.linalg.eigh(problem.cov[some[:, None], some])
    ranged = values > 1e-13 * max(float(values[-1]), 1e-300)
    if ranged.all():
        return found
    second = _second_stage(problem, found, slopes, loose)
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
    moved = replace(point, weights=even)
    return proven(problem, moved, near, slopes_at(problem, moved, near)) or found


def _second_stage(problem: Quadratic, found: Optimum, slopes: Slopes, loose: np.ndarray) -> Quadratic:
    """Least sum of squares over the weights that are as good as those found; the directions of variance are left to add."""
    n, weights = len(found.weights), found.weights
    low, high = np.where(loose, problem.low, weights), np.where(loose, problem.high, weights)
    up, down, tolerance = slopes.up, slopes.down, tolerance_of(problem)
    tight_rows = slopes.wrong[n:] < -tolerance
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
    tolerance = tolerance_of(problem)
    at = _feasible(problem, weights)
    face = _independent(problem, face_of(problem, at, 1e-12))
    n_limits = len(face.funds) + len(face.rows) + 1
    for count in range(50 * n_limits):
        point = solve_on(problem, face)
        slopes = slopes_at(problem, point, face)
        # Funds without variance but of different gain have no optimum on the face: what least squares leaves over is the
        # direction in which the objective falls without end, until a limit stops it.
        endless = (face.funds == FREE) & (np.abs(slopes.own) > tolerance / 2 * max(1.0, float(np.abs(point.weights).max())))
        course = _without_variance(problem, face, np.where(endless, -slopes.own, 0.0)) if point.singular and endless.any() else None
        is_endless = course is not None
        if course is None:
            course = point.weights - at
        reach, side = _reach(problem, face, at, course)
        blocking = int(np.argmin(reach))
        if reach[blocking] < (np.inf if is_endless else 1.0):
            at = at + reach[blocking] * course
            sides = np.zeros(n_limits, int)
            sides[blocking] = side[blocking]
            face = held_at(problem, face, sides)
            continue
        if is_endless:
            return None
        at = point.weights
        wrong = slopes.wrong
        if wrong.max() <= tolerance:
            return face
        # The most wrong limit first; once that may go in circles, the first one (Bland's rule) cannot.
        face = released(problem, face, int(np.argmax(wrong) if count < 10 * n_limits else np.argmax(wrong > tolerance)), slopes.up)
    return None


def _independent(problem: Quadratic, face: Face) -> Face:
    """The face without rows (and turnover limit) that the others imply over the free funds.

    Only where multipliers are unique do they say which limit to leave; a limit met later is never implied by those held.
    """
    normals, _, held = equalities_on(problem, face, np.zeros(len(face.funds)))
    basis: list[FloatArray] = []
    implied = np.zeros(len(face.rows) + 1, bool)
    for place, normal in zip(held.tolist(), normals[:, face.free], strict=True):
        rest = normal - sum((one * (one @ normal) for one in basis), np.zeros(len(normal)))
        length = float(np.sqrt(rest @ rest))
        implied[place] = length <= 1e-9
        if not implied[place]:
            basis.append(rest / length)
    return replace(face, rows=np.where(implied[:-1], 0, face.rows), turnover=face.turnover and not bool(implied[-1]))


def _without_variance(problem: Quadratic, face: Face, course: FloatArray) -> FloatArray | None:
    """The part of a course along which neither variance nor a held limit changes, brought to length 1; None where it has none."""
    course = course / np.abs(course).max()
    free = face.free
    normals, _, _ = equalities_on(problem, face, np.zeros(len(course)))
    _, lengths, vectors = np.linalg.svd(normals[:, free])
    kept = vectors[int((lengths > 1e-12).sum()) :]
    # Judged by the variance itself: of funds that are nearly the same, S times their difference is the root of rounding.
    variances, directions = np.linalg.eigh(kept @ problem.cov[free[:, None], free] @ kept.T)
    kernel = directions[:, variances <= 1e-12 * problem.largest_variance].T @ kept
    clean = np.zeros(len(course))
    clean[free] = (kernel @ course[free]) @ kernel
    return clean if float(np.abs(clean).max()) > 1e-6 else None


def _reach(problem: Quadratic, face: Face, at: FloatArray, course: FloatArray) -> tuple[FloatArray, IntArray]:
    """How far each limit that is not held lets the weights go along a course, and which side of it is met."""
    low, high = pieces(problem, face)
    traded = float(face.trades @ (at - problem.current)) if problem.limits_trade else 0.0
    value = np.concatenate([at, problem.rows @ at, [traded]])
    step = np.concatenate([course, problem.rows @ course, [float(face.trades @ course)]])
    ends = np.concatenate([high, problem.row_high, [problem.max_trade]]), np.concatenate([low, problem.row_low, [-np.inf]])
    room = np.where(step > 0, ends[0] - value, value - ends[1])
    held = np.append(face.sides, int(face.turnover)) != 0
    moving = ~held & (np.abs(step) > 1e-14)
    reach = np.divide(np.maximum(room, 0.0), np.abs(step), out=np.full(len(step), np.inf), where=moving)
    return reach, np.where((step > 0) & ~np.append(problem.is_fixed, False), 1, -1)


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
