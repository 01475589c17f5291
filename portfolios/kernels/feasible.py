"""Whether any portfolio keeps all linear limits, decided by a linear programme."""

from typing import Any

import numpy as np

from portfolios.kernels.errors import SolverError
from portfolios.kernels.standard import Quadratic
from portfolios.kernels.types import FloatArray

FEASIBLE = 1e-10  # limits missed by no more are kept: it is the residual that a proven optimum may have


def feasible_weights(problem: Quadratic) -> FloatArray | None:
    """Return weights (n,) that keep the limits within `FEASIBLE`, or None where it is certain that none do.

    An elastic linear programme by HiGHS: the least v by which the rows and the turnover limit must all give way while each
    fund keeps its bounds. It always has a solution, so a failing solver is never taken for contradicting limits: that
    raises SolverError.
    """
    if (problem.low > problem.high).any():
        return None
    from scipy.optimize import linprog

    costs, matrix, limits, bounds = _elastic(problem)
    options = {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10}
    for method in ("highs-ds", "highs-ipm"):
        found = linprog(costs, A_ub=matrix, b_ub=limits, bounds=bounds, method=method, options=options)
        if found.status == 0:
            return _checked(problem, np.asarray(found.x, float), float(found.fun))
    raise SolverError("solver_failed", solver="highs", detail=str(found.message)[:200])


def _elastic(problem: Quadratic) -> tuple[FloatArray, FloatArray, FloatArray, list[Any]]:
    """Variables: weights, then trades where turnover is limited, last the violation."""
    n = len(problem.gain)
    upper, lower = np.isfinite(problem.row_high), np.isfinite(problem.row_low)
    matrix = np.vstack([problem.rows[upper], -problem.rows[lower]])
    limits = np.concatenate([problem.row_high[upper], -problem.row_low[lower]])
    bounds = list(zip(problem.low, problem.high, strict=True))
    if np.isfinite(problem.max_trade):
        one, none = np.eye(n), np.zeros((len(matrix), n))
        total = np.concatenate([np.zeros(n), np.ones(n)])
        matrix = np.vstack([np.hstack([matrix, none]), total, np.hstack([one, -one]), np.hstack([-one, -one])])
        limits = np.concatenate([limits, [problem.max_trade], problem.current, -problem.current])
        bounds += [(0.0, None)] * n
    gives_way = np.zeros((len(matrix), 1))
    gives_way[: len(matrix) - (2 * n if np.isfinite(problem.max_trade) else 0)] = -1.0
    costs = np.zeros(matrix.shape[1] + 1)
    costs[-1] = 1.0
    return costs, np.hstack([matrix, gives_way]), limits, [*bounds, (0.0, None)]


def _checked(problem: Quadratic, answer: FloatArray, violation: float) -> FloatArray | None:
    weights = np.clip(answer[: len(problem.gain)], problem.low, problem.high)
    return weights if violation <= FEASIBLE else None
