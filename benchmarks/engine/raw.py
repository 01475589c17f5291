"""The bare solvers, handed arrays: what is left of a solve when nobody checks, labels or explains anything.

Like the peers, each function prepares a task and returns a function that sets the solver up, solves and returns weights.
"""

from collections.abc import Callable, Sequence

import clarabel
import numpy as np

from benchmarks.engine.peers import Solve, package
from benchmarks.engine.problems import Task, clarabel_problem
from benchmarks.engine.universes import FloatArray


def clarabel_raw(task: Task) -> Solve:
    """Clarabel at its own tolerances (1e-8)."""
    problem, back = clarabel_problem(task)
    settings = clarabel.DefaultSettings()
    settings.verbose = False

    def solve() -> FloatArray:
        return back(np.array(clarabel.DefaultSolver(*problem, settings).solve().x))

    return solve


def _dense(task: Task) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, Callable[[FloatArray], FloatArray]]:
    """Hessian, linear, rows, their limits, upper bounds (lower: zero), the way back; the objective divided by risk aversion."""
    n = len(task.universe)
    if task.cost:
        hessian, linear, rows, low, high, upper = task.split
        return hessian / task.gamma, linear / task.gamma, rows, low, high, upper, lambda x: task.current + x[:n] - x[n:]
    rows, low, high = task.rows
    return task.universe.cov, -task.universe.mean / task.gamma, rows, low, high, np.full(n, task.cap), lambda x: x


def daqp_raw(task: Task) -> Solve:
    """DAQP, dual active set; with costs the split form is singular and it regularises by itself."""
    daqp = package("daqp")
    hessian, linear, rows, low, high, upper, back = _dense(task)
    most, least = np.concatenate([upper, high]), np.concatenate([np.zeros(len(upper)), low])
    sense = np.zeros(len(most), np.int32)
    sense[len(upper)] = 5  # the sum is an equality
    rows = np.ascontiguousarray(rows)

    def solve() -> FloatArray:
        return back(daqp.solve(hessian, linear, rows, most, least, sense, eps_prox=-1.0 if task.cost else 0.0)[0])

    return solve


def piqp_raw(task: Task, tolerance: float = 1e-8) -> Solve:
    """PIQP, dense interior point, set up afresh; 1e-8 is its own tolerance."""
    piqp = package("piqp")
    hessian, linear, rows, low, high, upper, back = _dense(task)
    hessian = np.asfortranarray(hessian)

    def solve() -> FloatArray:
        solver = _piqp_set_up(piqp, tolerance, hessian, linear, rows, low, high, upper)
        solver.solve()
        return back(solver.result.x)

    return solve


def _piqp_set_up(piqp, tolerance, hessian, linear, rows, low, high, upper):  # type: ignore[no-untyped-def]
    solver = piqp.DenseSolver()
    solver.settings.eps_abs = solver.settings.eps_rel = tolerance
    solver.settings.check_duality_gap = False
    groups = (rows[1:], low[1:], high[1:]) if len(rows) > 1 else (None, None, None)
    solver.setup(hessian, linear, rows[:1], low[:1], *groups, np.zeros(len(upper)), upper)
    return solver


def piqp_loop(tasks: Sequence[Task], tolerance: float) -> Callable[[], FloatArray]:
    """PIQP over investors on one universe: set up once, then only what differs is updated; weights (investors, n)."""
    piqp = package("piqp")
    forms = [_dense(task) for task in tasks]
    hessian = np.asfortranarray(forms[0][0])

    def solve() -> FloatArray:
        solver = _piqp_set_up(piqp, tolerance, hessian, *forms[0][1:6])
        weights = np.empty((len(tasks), len(tasks[0].universe)))
        for i, (_, linear, rows, low, high, upper, back) in enumerate(forms):
            groups = {"h_l": low[1:], "h_u": high[1:]} if len(rows) > 1 else {}
            solver.update(c=linear, b=low[:1], x_u=upper, **groups)
            solver.solve()
            weights[i] = back(solver.result.x)
        return weights

    return solve


def osqp_raw(task: Task) -> Solve:
    """OSQP with its polish, tolerance 1e-8."""
    osqp = package("osqp")
    import scipy.sparse as sp

    hessian, linear, rows, low, high, upper, back = _dense(task)
    matrix = sp.vstack([sp.csc_matrix(rows), sp.identity(len(upper))], format="csc")
    least, most = np.concatenate([low, np.zeros(len(upper))]), np.concatenate([high, upper])
    quadratic = sp.csc_matrix(np.triu(hessian))

    def solve() -> FloatArray:
        solver = osqp.OSQP()
        solver.setup(quadratic, linear, matrix, least, most, eps_abs=1e-8, eps_rel=1e-8, max_iter=100_000, polishing=True, verbose=False)
        return back(solver.solve().x)

    return solve


def cvxcla_frontier(task: Task) -> Callable[[], tuple[FloatArray, FloatArray]]:
    """cvxcla's critical line: every turning point as (1/gamma (k,), weights (k, n)), the first at infinity."""
    cvxcla = package("cvxcla")
    u, n = task.universe, len(task.universe)
    rows, low, high = task.rows
    groups = {"g": np.vstack([rows[1:], -rows[1:]]), "h": np.concatenate([high[1:], -low[1:]])} if task.groups else {}

    def solve() -> tuple[FloatArray, FloatArray]:
        found = cvxcla.CLA(
            mean=u.mean,
            covariance=u.cov,
            lower_bounds=np.zeros(n),
            upper_bounds=np.full(n, task.cap),
            a=rows[:1],
            b=np.ones(1),
            **groups,
        ).turning_points
        return np.array([point.lamb for point in found]), np.array([point.weights for point in found])

    return solve
