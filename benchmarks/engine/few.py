"""At most six funds, each at least 5 % if held: the peers by way of SCIP, and a bare branch and bound to judge by."""

from collections.abc import Callable

import numpy as np

from benchmarks.engine.peers import Solve, package
from benchmarks.engine.problems import Task
from benchmarks.engine.universes import FloatArray

MOST, LEAST = 6, 0.05
GAP = 1e-9  # in utility: what a branch must promise above the best known to be looked into


def scip_cvxpy(task: Task) -> Solve:
    """cvxpy's own mixed-integer form, written for each solve, by SCIP."""
    package("pyscipopt")
    import cvxpy as cp

    u = task.universe

    def solve() -> FloatArray:
        w, held = cp.Variable(len(u)), cp.Variable(len(u), boolean=True)
        gain = u.mean @ w - task.gamma / 2 * cp.quad_form(w, cp.psd_wrap(u.cov))
        limits = [cp.sum(w) == 1, w >= LEAST * held, w <= task.cap * held, cp.sum(held) <= MOST]
        cp.Problem(cp.Maximize(gain), limits).solve(solver=cp.SCIP)
        return np.asarray(w.value)

    return solve


def scip_raw(task: Task) -> Solve:
    """SCIP by PySCIPOpt, the quadratic as one constraint on the objective."""
    scip = package("pyscipopt")
    u, n = task.universe, len(task.universe)

    def solve() -> FloatArray:
        model = scip.Model()
        model.hideOutput()
        w = [model.addVar(ub=task.cap) for _ in range(n)]
        held = [model.addVar(vtype="B") for _ in range(n)]
        risk = model.addVar(lb=None)
        model.addCons(scip.quicksum(w) == 1)
        model.addCons(scip.quicksum(held) <= MOST)
        for i in range(n):
            model.addCons(w[i] <= task.cap * held[i])
            model.addCons(w[i] >= LEAST * held[i])
        model.addCons(scip.quicksum(task.gamma / 2 * u.cov[i, j] * w[i] * w[j] for i in range(n) for j in range(n)) <= risk)
        model.setObjective(scip.quicksum(u.mean[i] * w[i] for i in range(n)) - risk, "maximize")
        model.optimize()
        return np.array([model.getVal(x) for x in w])

    return solve


def riskfolio_few(task: Task) -> Solve:
    """Riskfolio-Lib's `card`: its lower bound also is one if held; its cone form, by SCIP."""
    package("riskfolio")
    package("pyscipopt")
    from benchmarks.engine.peers import riskfolio_model

    model, settings = riskfolio_model(task)

    def solve() -> FloatArray:
        for name, value in settings.items():
            setattr(model, name, value)
        model.card, model.lowerlng, model.solvers = MOST, LEAST, ["SCIP"]
        found = model.optimization(model="Classic", rm="MV", obj="Utility", rf=0, l=task.gamma / 2, hist=True)
        if found is None:
            raise ValueError("prints that there is no solution and returns None")
        return np.asarray(found["weights"])

    return solve


def branching(task: Task) -> Solve:
    """Depth first over which funds are in and out, each node one bare DAQP solve without the count: the prototype to match."""
    daqp = package("daqp")
    u, n = task.universe, len(task.universe)
    hessian, linear = np.ascontiguousarray(task.gamma * u.cov), -u.mean
    row, sense = np.ones((1, n)), np.zeros(n + 1, np.int32)
    sense[n] = 5

    def relaxed(low: FloatArray, high: FloatArray) -> tuple[FloatArray, float] | None:
        if low.sum() > 1 or high.sum() < 1:
            return None
        x, value, flag, _ = daqp.solve(hessian, linear, row, np.append(high, 1.0), np.append(low, 1.0), sense)
        return (x, -value) if flag == 1 else None

    def solve() -> FloatArray:
        best, known = np.full(n, np.nan), -np.inf
        waiting = [(np.zeros(n), np.full(n, task.cap))]
        while waiting:
            low, high = waiting.pop()
            if (low > 0).sum() == MOST:
                high = np.where(low > 0, high, 0.0)
            found = relaxed(low, high)
            if found is None or found[1] <= known + GAP:
                continue
            weights, value = found
            held = weights > 1e-9
            crumbs = held & (weights < LEAST - 1e-9)
            if held.sum() <= MOST and not crumbs.any():
                best, known = weights, value
                continue
            undecided = held & (low == 0)
            at = int(np.argmax(np.where(undecided, weights, -1.0)))
            without, having = high.copy(), low.copy()
            without[at], having[at] = 0.0, LEAST
            waiting += [(low, without), (having, high)]
        return best

    return solve


def broken(task: Task, weights: FloatArray) -> float:
    """By how much the worst limit is broken, one fund too many counting 1."""
    held = weights > 1e-6
    return max(task.broken(weights), float(held.sum() - MOST), float(LEAST - weights[held].min()), 0.0)


def every_choice(task: Task) -> Callable[[], float]:
    """The best utility over every set of six funds: what twenty funds allow, and nobody can argue with."""
    from itertools import combinations

    daqp = package("daqp")
    u = task.universe

    def solve() -> float:
        best = -np.inf
        sense = np.zeros(MOST + 1, np.int32)
        sense[MOST] = 5
        for size in range(int(np.ceil(1 / task.cap - 1e-9)), MOST + 1):
            row, high, low = np.ones((1, size)), np.append(np.full(size, task.cap), 1.0), np.append(np.full(size, LEAST), 1.0)
            sense = np.zeros(size + 1, np.int32)
            sense[size] = 5
            for chosen in combinations(range(len(u)), size):
                at = list(chosen)
                _, value, flag, _ = daqp.solve(task.gamma * u.cov[np.ix_(at, at)], -u.mean[at], row, high, low, sense)
                best = max(best, -value) if flag == 1 else best
        return best

    return solve
