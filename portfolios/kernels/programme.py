"""Linear and mixed-integer programmes by HiGHS, and the same with a volatility in them by Clarabel, for `kernels.elastic`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.sparse import csc_array, csr_array

from portfolios.kernels.errors import SolverError
from portfolios.kernels.types import FloatArray

SOLVER_TOLERANCE = 1e-10
_MAX_NODES = 1_000_000


@dataclass(frozen=True)
class Programme:
    """min cost'x with rows @ x <= at_most and low <= x <= high, some of x whole numbers; shapes (k,), (m, k), (m,)."""

    cost: FloatArray
    rows: FloatArray
    at_most: FloatArray
    low: FloatArray
    high: FloatArray
    whole: np.ndarray


def solve(programme: Programme, tolerance: float = SOLVER_TOLERANCE) -> FloatArray | None:
    """Return an optimum (k,) by HiGHS, None if there is no solution; raises SolverError where HiGHS gives up."""
    return run(open_solver(programme, tolerance))


def open_solver(programme: Programme, tolerance: float = SOLVER_TOLERANCE) -> Any:
    """A HiGHS instance that holds a programme: tight tolerances, no gap, one thread."""
    import highspy

    solver = highspy.Highs()
    options: dict[str, Any] = {
        "output_flag": False,
        "parallel": "off",
        "primal_feasibility_tolerance": tolerance,
        "dual_feasibility_tolerance": tolerance,
        "mip_feasibility_tolerance": tolerance,
        "mip_rel_gap": 0.0,
        "mip_abs_gap": SOLVER_TOLERANCE,
        "mip_max_nodes": _MAX_NODES,
    }
    for name, value in options.items():
        solver.setOptionValue(name, value)
    model, rows = highspy.HighsLp(), csr_array(programme.rows)
    model.num_col_, model.num_row_ = len(programme.cost), len(programme.at_most)
    model.col_cost_, model.col_lower_, model.col_upper_ = programme.cost, programme.low, programme.high
    model.row_lower_, model.row_upper_ = np.full(len(programme.at_most), -np.inf), programme.at_most
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.start_, model.a_matrix_.index_, model.a_matrix_.value_ = rows.indptr, rows.indices, rows.data
    if programme.whole.any():
        kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
        model.integrality_ = [kinds[bool(is_whole)] for is_whole in programme.whole]
    solver.passModel(model)
    return solver


def add_row(solver: Any, row: FloatArray, at_most: float) -> None:
    """Add row'x <= at_most to what a HiGHS instance holds; columns after the row's end have no part in it."""
    used = np.flatnonzero(row).astype(np.int32)
    solver.addRow(-np.inf, at_most, len(used), used, row[used])


def run(solver: Any) -> FloatArray | None:
    """The optimum of what a HiGHS instance holds now, None if it has no solution."""
    import highspy

    for is_cold in (False, True):
        if is_cold:  # on a basis handed down through many changes it can lose its way
            solver.clearSolver()
        solver.run()
        status = solver.getModelStatus()
        if status == highspy.HighsModelStatus.kOptimal:
            return np.array(solver.getSolution().col_value)
        if status == highspy.HighsModelStatus.kInfeasible:
            return None
    raise SolverError("solver_failed", detail=solver.modelStatusToString(status))


def solve_conic(programme: Programme, root: FloatArray, volatility_at: int, *, least_gap: bool = False) -> FloatArray | None:
    """Return a nearly optimal x (k,) with x[volatility_at] >= |root @ first n of x| by Clarabel, None where it finds none.

    With `least_gap` the cost is not read: that volatility may be too low, and by as little as possible. Nothing here is proof:
    the caller checks what comes back.
    """
    import clarabel

    n, k, is_fixed = len(root), len(programme.cost), programme.low == programme.high
    if least_gap:
        programme = _with_columns(replace(programme, cost=np.zeros(k)), cost=[1.0], high=[np.inf])
        is_fixed = np.append(is_fixed, False)
    size = len(programme.cost)
    rows, at_most, n_equal = _merged(programme)
    bounds = np.eye(size)
    upper, lower = np.isfinite(programme.high) & ~is_fixed, np.isfinite(programme.low) & ~is_fixed
    cone = np.zeros((1 + n, size))
    cone[0, volatility_at], cone[1:, :n] = -1.0, -root
    if least_gap:
        cone[0, k] = -1.0
    left = np.vstack([rows[:n_equal], bounds[is_fixed], rows[n_equal:], bounds[upper], -bounds[lower], cone])
    right = [at_most[:n_equal], programme.low[is_fixed], at_most[n_equal:], programme.high[upper], -programme.low[lower], np.zeros(1 + n)]
    n_zero = n_equal + int(is_fixed.sum())
    n_above = len(left) - n_zero - 1 - n
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = SOLVER_TOLERANCE
    cones = [clarabel.ZeroConeT(n_zero), clarabel.NonnegativeConeT(n_above), clarabel.SecondOrderConeT(1 + n)]
    matrix = csc_array(left)
    solver = clarabel.DefaultSolver(csc_array((size, size)), programme.cost, matrix, np.concatenate(right), cones, settings)
    found = solver.solve()
    status = clarabel.SolverStatus
    if found.status not in (status.Solved, status.AlmostSolved, status.InsufficientProgress):
        return None
    return np.array(found.x)[:k]


def _merged(programme: Programme) -> tuple[FloatArray, FloatArray, int]:
    """The rows without the weaker of two alike, and how many of them, put first, are equalities in truth: two rows that leave no room.

    An interior-point solver needs room between the limits that are no equalities.
    """
    columns = programme.low != programme.high
    tightest: dict[bytes, int] = {}
    plain = programme.rows + 0.0  # no negative zeros: rows are compared by their bytes
    alike = np.where(columns, plain, 0.0) + 0.0
    room = programme.at_most - plain @ np.where(columns, 0.0, programme.low)
    for i, row in enumerate(alike):
        at = tightest.setdefault(row.tobytes(), i)
        if room[i] < room[at]:
            tightest[row.tobytes()] = i
    equal, above = [], []
    for i in tightest.values():
        opposite = tightest.get((-alike[i] + 0.0).tobytes())
        if opposite is None or room[i] + room[opposite] > SOLVER_TOLERANCE:
            above.append(i)
        elif i < opposite:
            equal.append(i)
    order = [i for i in equal + above if alike[i].any()]
    return plain[order], programme.at_most[order], sum(bool(alike[i].any()) for i in equal)


def with_fixed(programme: Programme, values: FloatArray) -> Programme:
    """The programme with its whole numbers fixed at those of values (k,), rounded."""
    low, high, fixed = programme.low.copy(), programme.high.copy(), np.round(values[programme.whole])
    low[programme.whole], high[programme.whole] = fixed, fixed
    return replace(programme, low=low, high=high, whole=np.zeros(len(low), bool))


def with_row(programme: Programme, row: FloatArray, at_most: float) -> Programme:
    """The programme with one more row, of which columns after its end have no part."""
    padded = np.append(row, np.zeros(len(programme.cost) - len(row)))
    return replace(programme, rows=np.vstack([programme.rows, padded]), at_most=np.append(programme.at_most, at_most))


def with_largest(programme: Programme, columns: Sequence[int], j: int) -> tuple[Programme, FloatArray]:
    """The programme with columns for the sum of the j largest of some columns, and the terms of that sum.

    That sum is the least, over t, of j t + the sum of max(x - t, 0): Ogryczak and Tamir (2003), Minimizing the sum of the k
    largest functions in linear time.
    """
    before, many = len(programme.cost), len(columns)
    grown = _with_columns(programme, cost=[0.0] * (1 + many), high=[np.inf] * (1 + many))
    for i, column in enumerate(columns):
        row = np.zeros(before + 1 + many)
        row[column], row[before], row[before + 1 + i] = 1.0, -1.0, -1.0
        grown = with_row(grown, row, 0.0)
    return grown, np.concatenate([np.zeros(before), [float(j)], np.ones(many)])


def _with_columns(programme: Programme, cost: list[float], high: list[float]) -> Programme:
    """The programme with more columns, at least zero and in no row yet."""
    many = len(cost)
    return replace(
        programme,
        cost=np.append(programme.cost, cost),
        rows=np.hstack([programme.rows, np.zeros((len(programme.rows), many))]),
        low=np.append(programme.low, np.zeros(many)),
        high=np.append(programme.high, high),
        whole=np.append(programme.whole, np.zeros(many, bool)),
    )
