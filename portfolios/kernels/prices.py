"""What each binding limit costs where multipliers are not unique: at a corner that more limits meet than would fix it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray

Limit = tuple[str, int]
BINDS = 1e-9  # a limit this near holds with equality


def is_corner(problem: Quadratic, weights: FloatArray) -> bool:
    """Return whether the limits that hold at weights (n,) are too many for their multipliers to be unique."""
    inside = (weights > problem.low + BINDS) & (weights < problem.high - BINDS)
    if problem.has_kinks:
        trade = weights - problem.current
        inside &= (np.abs(trade) > BINDS) | ((problem.buy == 0.0) & (problem.sell == 0.0) & (not problem.limits_trade))
    at_rows = problem.rows @ weights
    normals = problem.rows[(at_rows <= problem.row_low + BINDS) | (at_rows >= problem.row_high - BINDS)]
    if problem.limits_trade and np.abs(weights - problem.current).sum() >= problem.max_trade - BINDS:
        normals = np.vstack([normals, np.sign(weights - problem.current)])
    normals = normals[:, inside]
    if normals.shape[1] < len(normals):
        return True
    # A zero eigenvalue of the Gram matrix comes out as rounding, some 1e-16 of the largest.
    values = np.linalg.eigvalsh(normals @ normals.T) if len(normals) > 1 else np.ones(1)
    return bool(values[0] <= 1e-12 * values[-1])


def least_prices(problem: Quadratic, weights: FloatArray, names: Mapping[str, Sequence[Limit]]) -> dict[str, float] | None:
    """Return for each name how much the objective falls per 1.00 that its limits are relaxed, None if the programme fails.

    A name stands for limits (kind, place), as ("row_low" or "row_high" or "low" or "high", i) or ("turnover", 0). The derivative
    of a convex programme's value is the least of all multipliers that prove the optimum (Rockafellar, "Convex Analysis",
    section 29), hence a linear programme a name, where every limit that holds at the weights has a multiplier.
    """
    from scipy.optimize import linprog

    matrix, right, places = _conditions(problem, weights)
    size = max(float(problem.cov.diagonal().max()), float(np.abs(problem.gain).max())) or 1.0
    found = {}
    for name, limits in names.items():
        costs = np.zeros(matrix.shape[1])
        costs[[places[limit] for limit in limits if limit in places]] = 1.0
        answer = linprog(costs, A_eq=matrix, b_eq=right / size, bounds=(0.0, None), method="highs")
        if answer.status != 0:
            return None
        found[name] = max(float(answer.fun), 0.0) * size
    return found


def _conditions(problem: Quadratic, weights: FloatArray) -> tuple[Any, FloatArray, dict[Limit, int]]:
    """The optimality conditions as matrix @ multipliers = right, multipliers >= 0, and the column of each limit's multiplier.

    Where a fund stands at its kink, the slope of its costs may be anything between selling and buying: buy + theta - a,
    with a + b = buy + sell + 2 theta, theta being the multiplier of the turnover limit.
    """
    from scipy import sparse

    n, trade, at_rows = len(weights), weights - problem.current, problem.rows @ weights
    lows, highs = np.flatnonzero(at_rows <= problem.row_low + BINDS), np.flatnonzero(at_rows >= problem.row_high - BINDS)
    at_low, at_high = np.flatnonzero(weights <= problem.low + BINDS), np.flatnonzero(weights >= problem.high - BINDS)
    kinks = np.flatnonzero(np.abs(trade) <= BINDS) if problem.has_kinks else np.zeros(0, int)
    limited = bool(np.abs(trade).sum() >= problem.max_trade - BINDS)
    sold = trade < -BINDS
    one, n_kinks = sparse.identity(n, format="csc"), len(kinks)
    turnover = np.where(sold, -1.0, 1.0)[:, None] if limited else np.zeros((n, 0))
    slopes = [-problem.rows[lows].T, problem.rows[highs].T, -one[:, at_low], one[:, at_high], turnover, -one[:, kinks]]
    n_limits = sum(block.shape[1] for block in slopes[:4])
    widths = sparse.hstack(
        [
            sparse.csc_matrix((n_kinks, n_limits)),
            np.full((n_kinks, turnover.shape[1]), -2.0),
            sparse.identity(n_kinks),
            sparse.identity(n_kinks),
        ]
    )
    matrix = sparse.vstack([sparse.hstack([*slopes, sparse.csc_matrix((n, n_kinks))]), widths], format="csc")
    slope = problem.cov @ weights - problem.gain + np.where(sold, -problem.sell, problem.buy)
    sides = {"row_low": lows, "row_high": highs, "low": at_low, "high": at_high, "turnover": np.zeros(int(limited), int)}
    limits = [(side, place) for side, found in sides.items() for place in found.tolist()]
    right = np.concatenate([-slope, (problem.buy + problem.sell)[kinks]])
    return matrix, right, {limit: column for column, limit in enumerate(limits)}
