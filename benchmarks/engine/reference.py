"""The answer everybody is judged by, proven optimal in its own right with none of the product's code."""

import clarabel
import numpy as np

from benchmarks.engine.problems import Task, clarabel_problem
from benchmarks.engine.universes import FloatArray

PROVEN = 1e-11  # the largest violation of an optimality condition in a reference answer
_NEAR = (1e-7, 1e-6, 1e-8, 1e-5, 1e-9, 1e-4)  # how near to a limit counts as on it, tried in this order


class NoReferenceError(Exception):
    """No reference answer could be proven: the benchmark has nothing to judge by."""


def reference(task: Task, start: FloatArray | None = None) -> FloatArray:
    """The optimal weights, every optimality condition kept to 1e-11: a solver's answer, solved exactly on the face it lies on.

    The problem is strictly concave, so what keeps the conditions is the one optimum, whoever found it: `start` may come
    from anywhere, and where it does not lead to a proof, Clarabel's answer is tried.
    """
    least = np.inf
    for point in (start, None):
        point = clarabel_weights(task, 1e-12) if point is None else point
        for near in _NEAR:
            weights, wrong = _on_face(task, point, near)
            least = min(least, wrong)
            if wrong <= PROVEN:
                return weights
    raise NoReferenceError(f"{task.universe.name}, gamma {task.gamma:.3g}: optimality conditions kept only to {least:.1e}")


def _on_face(task: Task, start: FloatArray, near: float) -> tuple[FloatArray, float]:
    """Weights with the limits near `start` held, one mended at a time; and the worst violation of an optimality condition."""
    rows, low, high = task.rows
    at = rows @ start
    row_side = np.where(np.abs(at - high) < near, 1, np.where(np.abs(at - low) < near, -1, 0))
    row_side[0] = 1
    if task.cost:
        held = np.abs(start - task.current) < near
        trade = np.where(held, 0, np.sign(start - task.current)).astype(int)
    else:
        held, trade = np.zeros(len(start), bool), np.zeros(len(start), int)
    pinned = np.where(start < near, 0.0, np.where(start > task.cap - near, task.cap, np.where(held, task.current, np.nan)))
    best, least = start, np.inf
    for _ in range(len(start)):
        weights, multipliers = _solve_face(task, pinned, trade, row_side)
        if not np.isnan(pinned).any():
            multipliers[0] = _price_of_the_sum(task, weights)
        wrong, fund = _violation(task, weights, multipliers, row_side)
        if wrong < least:
            best, least = weights, wrong
        if wrong <= PROVEN or fund is None:
            break
        _mend(task, weights, pinned, trade, fund, multipliers)
    return best, least


def _solve_face(task: Task, pinned: FloatArray, trade: np.ndarray, row_side: np.ndarray) -> tuple[FloatArray, FloatArray]:
    u = task.universe
    rows, low, high = task.rows
    free, on = np.isnan(pinned), row_side != 0
    weights = np.where(free, 0.0, pinned)
    a = rows[np.ix_(on, free)]
    cov = task.gamma * u.cov
    scale = float(np.abs(cov).max())
    kkt = np.block([[cov[np.ix_(free, free)] / scale, a.T], [a, np.zeros((len(a), len(a)))]])
    gain = u.mean[free] - task.annual_cost * trade[free] - cov[free] @ weights
    target = np.where(row_side > 0, high, low)[on] - rows[on] @ weights
    right = np.concatenate([gain / scale, target])
    answer = np.linalg.lstsq(kkt, right, rcond=None)[0]
    for _ in range(2):
        answer += np.linalg.lstsq(kkt, right - kkt @ answer, rcond=None)[0]
    weights[free] = answer[: free.sum()]
    multipliers = np.zeros(len(rows))
    multipliers[on] = answer[free.sum() :] * scale
    return weights, multipliers


def _violation(task: Task, weights: FloatArray, multipliers: FloatArray, row_side: np.ndarray) -> tuple[float, int | None]:
    """The worst violated condition, from weights and row multipliers alone, and the fund it belongs to (None: a row)."""
    rows, low, high = task.rows
    more, less = _gains(task, weights)
    more, less = more - rows.T @ multipliers, less + rows.T @ multipliers
    wrong = np.maximum(np.where(weights < task.cap - 1e-14, more, 0), np.where(weights > 1e-14, less, 0))
    wrong = np.maximum(wrong, np.maximum(-weights, weights - task.cap))
    row_wrong = np.maximum(low - rows @ weights, rows @ weights - high)
    row_wrong[1:] = np.maximum(row_wrong[1:], -(row_side * multipliers)[1:])
    fund = int(np.argmax(wrong))
    return float(max(wrong[fund], row_wrong.max())), fund if wrong[fund] >= row_wrong.max() else None


def _gains(task: Task, weights: FloatArray) -> tuple[FloatArray, FloatArray]:
    """What the objective gains by a little more of each fund, and by a little less (n,)."""
    slope = task.universe.mean - task.gamma * task.universe.cov @ weights
    # Buying costs where at or above the current weight and saves a sale below it; selling the reverse.
    buy = np.where(weights >= task.current - 1e-14, 1, -1) * task.annual_cost
    sell = np.where(weights <= task.current + 1e-14, 1, -1) * task.annual_cost
    return slope - buy, -slope - sell


def _price_of_the_sum(task: Task, weights: FloatArray) -> float:
    """Where every fund is on a limit the face does not say it: half way between the best purchase and the best sale."""
    more, less = _gains(task, weights)
    return float(more[weights < task.cap].max(initial=-1.0) - less[weights > 0].max(initial=-1.0)) / 2


def _mend(task: Task, weights: FloatArray, pinned: FloatArray, trade: np.ndarray, fund: int, multipliers: FloatArray) -> None:
    """Move one fund to the side where its condition is kept."""
    if np.isnan(pinned[fund]):
        pinned[fund] = 0.0 if weights[fund] < 0 else task.cap if weights[fund] > task.cap else np.nan
        if task.cost and np.isnan(pinned[fund]):
            pinned[fund], trade[fund] = task.current[fund], 0
        return
    pinned[fund] = np.nan
    if task.cost:
        slope = task.universe.mean - task.gamma * task.universe.cov @ weights - task.rows[0].T @ multipliers
        trade[fund] = int(np.sign(slope[fund]))


def clarabel_weights(task: Task, tolerance: float) -> FloatArray:
    """Weights by bare Clarabel; with costs in the split form."""
    problem, back = clarabel_problem(task)
    settings = clarabel.DefaultSettings()
    settings.verbose = False
    settings.tol_gap_abs = settings.tol_gap_rel = settings.tol_feas = tolerance
    answer = clarabel.DefaultSolver(*problem, settings).solve()
    if str(answer.status) not in ("Solved", "AlmostSolved", "InsufficientProgress"):
        raise NoReferenceError(f"Clarabel ended with {answer.status}")
    return back(np.array(answer.x))
