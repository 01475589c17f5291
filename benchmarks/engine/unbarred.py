"""What no bar is set for: mandates that bend (volatility, CVaR, robust), a hard turnover limit, and an impossible one."""

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.engine import ours, peers
from benchmarks.engine.problems import COST, Task, holdings
from benchmarks.engine.race import Contender, Judgement, Section, race
from benchmarks.engine.universes import FloatArray, synthetic
from portfolios.kernels.mandate import Robust

CVAR = 2.062713  # volatilities of a normal law's worst 5 % of years
OBJECTIVE, BROKEN = 1e-7, 1e-7
Limit = Callable[[FloatArray], float]


@dataclass(frozen=True)
class Bent:
    """A task, what is added to the mandate, and the same for cvxpy: what the objective loses, and what must not exceed 0."""

    name: str
    task: Task
    more: dict[str, object]
    penalty: Callable[[Any, Any], Any]  # of (weights, the module that knows how: numpy or cvxpy)
    limit: Callable[[Any, Any], Any]


class _Numbers:
    """The words of cvxpy that a Bent uses, for numbers."""

    @staticmethod
    def norm2(x: FloatArray) -> float:
        return float(np.linalg.norm(x))

    @staticmethod
    def norm1(x: FloatArray) -> float:
        return float(np.abs(x).sum())


def bent(n: int) -> list[Bent]:
    universe = synthetic(n)
    root = np.linalg.cholesky(universe.cov).T
    plain = Task(universe, 2.0)
    moved = Task(universe, 6.0, cost=COST, current=holdings(n, np.random.default_rng(7)))
    return_seeking = Task(universe, 1e-9)
    robust = Robust(0.2, universe.codes, universe.cov / 10)

    def nothing(w: Any, words: Any) -> Any:
        return 0.0

    def volatility(w: Any, words: Any) -> Any:
        return words.norm2(root @ w)

    return [
        Bent(
            "volatility <= 6 %",
            return_seeking,
            {"target_volatility": 0.06, "risk_aversion": None},
            nothing,
            lambda w, words: volatility(w, words) - 0.06,
        ),
        Bent("CVaR <= 8 %", plain, {"cvar_limit": 0.08}, nothing, lambda w, words: CVAR * volatility(w, words) - universe.mean @ w - 0.08),
        Bent(
            "robust mean",
            plain,
            {"robust": robust},
            lambda w, words: 0.2 / np.sqrt(10) * volatility(w, words),
            lambda w, words: volatility(w, words) - 1.0,  # no limit: nobody is as volatile
        ),
        Bent("turnover <= 20 %", moved, {"max_turnover": 0.2}, nothing, lambda w, words: words.norm1(w - moved.current) / 2 - 0.2),
    ]


def by_cvxpy(case: Bent, tolerance: float) -> peers.Solve:
    """cvxpy written for each solve, by Clarabel."""
    import cvxpy as cp

    task = case.task
    u = task.universe

    def solve() -> FloatArray:
        w = cp.Variable(len(u))
        gain = u.mean @ w - task.gamma / 2 * cp.quad_form(w, cp.psd_wrap(u.cov)) - case.penalty(w, cp)
        if task.cost:
            gain = gain - task.annual_cost * cp.norm1(w - task.current)
        limits = [cp.sum(w) == 1, w >= 0, w <= task.cap, case.limit(w, cp) <= 0]
        for _, member, low, high in task.groups:
            limits += [member @ w >= low, member @ w <= high]
        gaps = {"tol_gap_abs": tolerance, "tol_gap_rel": tolerance, "tol_feas": tolerance}
        cp.Problem(cp.Maximize(gain), limits).solve(solver=cp.CLARABEL, **gaps)
        return np.array(w.value)

    return solve


def unbarred(quick: bool) -> Iterator[Section]:
    """Mandates that need a cone, and the explanation of an impossible one; without a bar."""
    for case in bent(50):
        with warnings.catch_warnings():
            # Asked for more than floating point has; whether it is near enough is judged by who comes near it from elsewhere.
            warnings.simplefilter("ignore")
            best = by_cvxpy(case, 1e-11)()
        contenders = [
            Contender("ours", "Hengtou", partial(ours.one_solve, case.task, **case.more)),
            Contender("cvxpy", "cvxpy rebuilt (Clarabel)", partial(by_cvxpy, case, 1e-8)),
        ]
        section = Section(f"{case.name}, synthetic 50, box + five groups")
        yield race(section, contenders, partial(_judged, case, best), 0.3 if quick else 4.0)
    impossible = Task(synthetic(50), 6.0, limits=((0.25, 1.0),) * 5)
    contenders = [
        Contender("ours", "Hengtou, explained", partial(ours.explanation, impossible)),
        Contender("peer", "PyPortfolioOpt", partial(_refusal, peers.pypfopt, impossible)),
        Contender("peer", "skfolio", partial(_refusal, peers.skfolio, impossible)),
        Contender("peer", "Riskfolio-Lib", partial(_refusal, peers.riskfolio, impossible)),
    ]
    yield race(Section("Impossible: five groups of at least 25 %, synthetic 50"), contenders, _explained, 0.3 if quick else 4.0)


def _judged(case: Bent, best: FloatArray, contender: Contender, weights: FloatArray) -> Judgement:
    """By the objective and the limits: funds of nearly no variance make weights a poor measure of a cone solver."""

    def value(w: FloatArray) -> float:
        return case.task.utility(w) - float(case.penalty(w, _Numbers))

    loss = value(best) - value(weights)
    broken = max(case.task.broken(weights), float(case.limit(weights, _Numbers)))
    wrong = not (abs(loss) <= OBJECTIVE and broken <= BROKEN)
    return Judgement(abs(loss), wrong, "the error is the objective" + (f", wrong: limits broken by {broken:.0e}" if wrong else ""))


def _refusal(prepare: Callable[[Task], peers.Solve], task: Task) -> Callable[[], str]:
    """What a peer says of a mandate that nobody can keep."""
    solve = prepare(task)

    def ask() -> str:
        try:
            return f"answers {np.round(solve(), 3).max()} at most in a fund"
        except Exception as refusal:
            return f"{type(refusal).__name__}: {' '.join(str(refusal).split())[:70]}"

    return ask


def _explained(contender: Contender, answer: Any) -> Judgement:
    if contender.kind != "ours":
        return Judgement(float("nan"), False, f"says {answer}")
    # 5 x 25 % is 25 points too many: one limit by all of it, the alphabetically first.
    right = len(answer) == 1 and answer[0][0] == "group:g0:min" and abs(answer[0][1] - 0.25) <= 2e-6
    return Judgement(0.0 if right else 1.0, not right, f"says relax {answer}")
