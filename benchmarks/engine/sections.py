"""The rows of "Figures to beat", each a race on one task or one thousand."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.engine import few, ours, peers, raw
from benchmarks.engine.problems import COST, Task, holdings, investors
from benchmarks.engine.race import Contender, Judgement, Result, Section, race
from benchmarks.engine.reference import reference
from benchmarks.engine.report import claims
from benchmarks.engine.unbarred import unbarred
from benchmarks.engine.universes import SOURCES, FloatArray, NotHereError, Universe
from benchmarks.rows import Row

OURS_ERROR = 1e-6  # in any weight
OTHERS_LOSS, OTHERS_BROKEN = 1e-5, 1e-4  # utility a year given away, a limit broken: beyond it others are wrong
OTHERS_VOLATILITY = 1e-5  # a peer's frontier point off the exact frontier
POINTS = 20
SHARES = {"ETF 20": 50, "synthetic 20": 50, "synthetic 50": 50, "synthetic 200": 20}  # investors a slow peer is timed on


def universe_of(name: str) -> Universe | None:
    """The universe of a name, or None where its data are not beside the project."""
    try:
        return SOURCES[name]()
    except NotHereError:
        return None


def by_weights(task: Task, best: FloatArray, contender: Contender, weights: FloatArray) -> Judgement:
    """Ours by its weights; others by what they give away and break, for a solver's tolerance is its user's choice."""
    error = float(np.abs(weights - best).max())
    if contender.kind == "ours":
        return Judgement(error, not error <= OURS_ERROR)
    loss, broken = task.utility(best) - task.utility(weights), task.broken(weights)
    fine = loss <= OTHERS_LOSS and broken <= OTHERS_BROKEN
    return Judgement(error, not fine, "" if fine else f"wrong by {error:.0e}: utility {loss:.0e}, limits {broken:.0e}")


def one_solve(quick: bool) -> Iterator[Section]:
    """One solve through the public door, the moments in memory: box, five groups, without and with costs."""
    plan = [("ETF 20", 0.0), ("ETF 32", 0.0), ("OR-Library 31", 0.0), ("synthetic 20", 0.0), ("synthetic 50", 0.0)]
    plan += [("synthetic 200", 0.0), ("ETF 20", COST), ("synthetic 50", COST)]
    if quick:
        plan = [("ETF 20", 0.0), ("synthetic 20", 0.0), ("synthetic 50", 0.0), ("synthetic 50", COST)]
    for name, cost in plan:
        title = f"One solve, {name}, box + five groups" + (", 50 bp costs" if cost else "")
        if (universe := universe_of(name)) is None:
            yield missing(title)
            continue
        barred = len(universe) == 50 or (len(universe) == 20 and not cost)
        section = Section(title, "ms", (2.0 if cost else 1.0) if barred else None, None, 10.0 if barred and not cost else None)
        task = Task(universe, 6.0, cost=cost, current=holdings(len(universe), np.random.default_rng(7)))
        best = reference(task)
        yield race(section, _one_solve_contenders(task), partial(by_weights, task, best), 0.3 if quick else 8.0)


def _one_solve_contenders(task: Task) -> list[Contender]:
    return [
        Contender("ours", "Hengtou", partial(ours.one_solve, task)),
        Contender("peer", "PyPortfolioOpt", partial(peers.pypfopt, task)),
        Contender("peer", "skfolio", partial(peers.skfolio, task)),
        Contender("peer", "Riskfolio-Lib", partial(peers.riskfolio, task)),
        Contender("cvxpy", "cvxpy rebuilt (Clarabel)", partial(peers.cvxpy_rebuilt, task)),
        Contender("cvxpy", "cvxpy reused (DPP, Clarabel)", partial(peers.cvxpy_reused, task)),
        Contender("raw", "Clarabel", partial(raw.clarabel_raw, task)),
        Contender("raw", "DAQP", partial(raw.daqp_raw, task)),
        Contender("raw", "PIQP", partial(raw.piqp_raw, task)),
        Contender("raw", "OSQP, polished", partial(raw.osqp_raw, task)),
    ]


def many_investors(quick: bool) -> Iterator[Section]:
    """A thousand investors of one universe, each with an own risk aversion and holdings, costs both ways, one core."""
    bars = {"ETF 20": 15_000.0, "synthetic 20": 15_000.0, "synthetic 50": 4_000.0, "synthetic 200": 500.0}
    count = 100 if quick else 1000
    plan = [(name, False) for name in bars] + [("synthetic 50", True)]
    if quick:
        plan = [("ETF 20", False), ("synthetic 20", False), ("synthetic 50", False), ("synthetic 50", True)]
    for name, grouped in plan:
        title = f"{count:,} investors, {name}, box{' + five groups' if grouped else ''}, 50 bp costs"
        if (universe := universe_of(name)) is None:
            yield missing(title)
            continue
        tasks = investors(universe, count, grouped)
        starts = _piqp_starts(tasks)
        best = np.array([reference(task, start) for task, start in zip(tasks, starts, strict=True)])
        section = Section(title, "a second", None, None if grouped else bars[name])
        contenders = _many_contenders(tasks, SHARES[name] if not quick else 5)
        yield race(section, contenders, partial(_many_judged, tasks, best), 0.3 if quick else 12.0)


def _piqp_starts(tasks: Sequence[Task]) -> Sequence[FloatArray | None]:
    try:
        return list(raw.piqp_loop(tasks, 1e-12)())
    except NotHereError:
        return [None] * len(tasks)


def _many_contenders(tasks: Sequence[Task], few_tasks: int) -> list[Contender]:
    some, more = tasks[:few_tasks], tasks[: 5 * few_tasks]

    def loop(solve_one: Any) -> Any:
        package_at_hand = [solve_one(task) for task in some]
        return lambda: np.array([solve() for solve in package_at_hand])

    def reused() -> Any:
        solve = peers.cvxpy_reused_many(some[0])
        return lambda: np.array([solve(task) for task in some])

    return [
        Contender("ours", "Hengtou", partial(ours.batch, tasks), len(tasks)),
        Contender("peer", f"PyPortfolioOpt, first {len(some)}", partial(loop, peers.pypfopt), len(some)),
        Contender("peer", f"skfolio, first {len(some)}", partial(loop, peers.skfolio), len(some)),
        Contender("peer", "Riskfolio-Lib", partial(loop, peers.riskfolio), len(some)),
        Contender("cvxpy", f"cvxpy reused (DPP, Clarabel), first {len(some)}", reused, len(some)),
        Contender("raw", f"PIQP loop, split form, 1e-8, first {len(more)}", partial(raw.piqp_loop, more, 1e-8), len(more)),
        Contender("raw", f"PIQP loop, split form, 1e-12, first {len(more)}", partial(raw.piqp_loop, more, 1e-12), len(more)),
    ]


def _many_judged(tasks: Sequence[Task], best: FloatArray, contender: Contender, weights: FloatArray) -> Judgement:
    each = [by_weights(task, b, contender, w) for task, b, w in zip(tasks, best, weights, strict=False)]
    worst = max(each, key=lambda judgement: (judgement.wrong, judgement.error))
    wrong = sum(judgement.wrong for judgement in each)
    note = f"{wrong} of {len(each)} wrong, the worst: {worst.note.removeprefix('wrong ')}" if wrong else ""
    return Judgement(max(judgement.error for judgement in each), bool(wrong), note)


def frontier(quick: bool) -> Iterator[Section]:
    """All turning points of the efficient frontier; beside it a peer's twenty points."""
    plan = [("synthetic 50", False), ("synthetic 50", True)]
    if not quick:
        plan += [("ETF 20", False), ("ETF 32", False), ("OR-Library 31", False), ("synthetic 200", False)]
    for name, grouped in plan:
        title = f"Exact frontier, {name}, box{' + five groups' if grouped else ''}"
        if (universe := universe_of(name)) is None:
            yield missing(title)
            continue
        task = Task(universe, 6.0, grouped=grouped)
        section = Section(title, "ms", 30.0 if len(universe) == 50 and not grouped else None)
        contenders = [
            Contender("ours", "Hengtou, all turning points", partial(ours.frontier, task)),
            Contender("peer", f"skfolio, {POINTS} points", partial(peers.skfolio_frontier, task, POINTS)),
            Contender("raw", "cvxcla, all turning points", partial(raw.cvxcla_frontier, task)),
        ]
        yield race(section, contenders, partial(_frontier_judged, task), 0.3 if quick else 6.0)


def _frontier_judged(task: Task, contender: Contender, answer: Any) -> Judgement:
    """Turning points by the optimum half way (in 1/gamma) between each two, and beyond the first; points by their volatility."""
    if contender.kind == "peer":
        return _points_judged(task, answer)
    tolerance, weights = answer  # 1/gamma (k,) falling to 0, weights (k, n); the first may be infinite
    first = int(np.argmax(np.isfinite(tolerance)))
    asked = [(2 * tolerance[first], weights[first])]  # from the first turning point on nothing changes any more
    for i in range(first, len(tolerance) - 1):
        if tolerance[i] - tolerance[i + 1] > 1e-9:
            asked.append(((tolerance[i] + tolerance[i + 1]) / 2, (weights[i] + weights[i + 1]) / 2))
    error = max(float(np.abs(reference(replace(task, gamma=1 / at), point) - point).max()) for at, point in asked)
    wrong = not (error <= OURS_ERROR and tolerance[-1] <= 1e-9)
    return Judgement(error, wrong, f"{len(tolerance)} turning points" + (f", wrong by {error:.0e}" if wrong else ""))


def _points_judged(task: Task, points: FloatArray) -> Judgement:
    """Worst distance in volatility from the exact frontier at the same return, its turning points by cvxcla or by ours."""
    try:
        _, exact = raw.cvxcla_frontier(task)()
    except NotHereError:
        _, exact = ours.frontier(task)()
    cov, means = task.universe.cov, exact @ task.universe.mean
    worst = 0.0
    for weights in points:
        at = float(weights @ task.universe.mean)
        i = int(np.clip(np.searchsorted(-means, -at) - 1, 0, len(means) - 2))
        share = np.clip((means[i] - at) / max(means[i] - means[i + 1], 1e-15), 0, 1)
        on = exact[i] + share * (exact[i + 1] - exact[i])
        worst = max(worst, abs(float(np.sqrt(weights @ cov @ weights) - np.sqrt(on @ cov @ on))))
    wrong = worst > OTHERS_VOLATILITY
    return Judgement(worst, wrong, f"{len(points)} points; the error is volatility" + (", wrong" if wrong else ""))


def cardinality(quick: bool) -> Iterator[Section]:
    """At most six funds, each at least 5 % if held, proven."""
    for name in ("ETF 20", "synthetic 20", "synthetic 50") if not quick else ("synthetic 20", "synthetic 50"):
        title = f"<= {few.MOST} funds, >= 5 % if held, {name}"
        if (universe := universe_of(name)) is None:
            yield missing(title)
            continue
        task = Task(universe, 60.0, grouped=False)
        try:
            best = task.utility(few.branching(task)())
            if len(universe) <= 20 and abs(few.every_choice(task)() - best) > 1e-9:
                raise AssertionError(f"{title}: the branch and bound to judge by disagrees with every choice tried")
        except NotHereError:
            yield missing(title, "DAQP, to judge by, is not installed")
            continue
        contenders = [
            Contender("ours", "Hengtou, proven", partial(ours.one_solve, task, max_funds=few.MOST, min_weight_if_held=few.LEAST)),
            Contender("peer", "skfolio (SCIP)", partial(_skfolio_few, task)),
            Contender("peer", "Riskfolio-Lib (SCIP)", partial(few.riskfolio_few, task)),
            Contender("cvxpy", "cvxpy (SCIP)", partial(few.scip_cvxpy, task)),
            Contender("raw", "SCIP", partial(few.scip_raw, task)),
            Contender("raw", "bare branch and bound on DAQP", partial(few.branching, task)),
        ]
        section = Section(title, "ms", 250.0)
        yield race(section, contenders, partial(_few_judged, task, best), 0.3 if quick else 15.0)


def _skfolio_few(task: Task) -> peers.Solve:
    peers.package("pyscipopt")
    return peers.skfolio(task, cardinality=few.MOST, threshold_long=few.LEAST, solver="SCIP")


def _few_judged(task: Task, best: float, contender: Contender, weights: FloatArray) -> Judgement:
    """By utility: two sets of six may be as good. SCIP's own gap and tolerances are what others are held to."""
    loss, broken = best - task.utility(weights), few.broken(task, weights)
    fine = (loss <= 1e-8 and broken <= 1e-8) if contender.kind == "ours" else (loss <= OTHERS_LOSS and broken <= OTHERS_BROKEN)
    return Judgement(loss, not fine, "the error is utility" if fine else f"wrong by {loss:.0e} of utility, limits {broken:.0e}")


def missing(title: str, why: str = "the data sets are not beside the project") -> Section:
    section = Section(title)
    section.results.append(Result(title, "ours", "–", note=f"not measured: {why}"))
    return section


def engine(quick: bool) -> Iterator[Row]:
    """The races as claims for `python -m benchmarks`; raises WrongAnswerError where ours is wrong."""
    with threadpool_limits(1):
        for section in SECTIONS:
            for each in section(quick):
                yield from claims(each, quick)


SECTIONS = (one_solve, many_investors, frontier, cardinality, unbarred)
