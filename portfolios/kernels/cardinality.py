"""At most so many funds, none held below a least weight: the optimum proven by our own branch and bound."""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.branching import LONG, NONE, SHORT, BoolArray, Choices, Incumbent, Relaxed, Search, choices_of
from portfolios.kernels.direct import is_direct, solve_direct
from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.perspective import Perspective
from portfolios.kernels.standard import Quadratic, Standard, standardise
from portfolios.kernels.types import Binding, FloatArray, IntArray, Moments, Solution

PROVEN_WITHIN = 2e-10  # in the objective of the mandate
CURVED_WITHIN = 1e-7  # where cvxpy solves the nodes: it knows no better
MAX_NODES = 200_000
_KEPT_OUT = 1e-12
_ROUNDING = 1e-13  # of the largest variance: no difference below this means anything
_SHRINKS = 0.8  # a problem is set up again once this share of its funds, or less, can still be held


@dataclass(frozen=True)
class Found:
    """The proven optimum: its value, and the option taken of every fund (3, n)."""

    value: float
    options: BoolArray


@dataclass(frozen=True)
class _Part:
    """A problem on the funds `at` that can still be held; the others are 0 and cost `offset`."""

    problem: Quadratic
    choices: Choices
    at: IntArray
    offset: float = 0.0


def solve_cardinality(moments: Moments, mandate: Mandate) -> Solution:
    """Return the proven optimum of a mandate with `max_funds` or `min_weight_if_held`, on annual moments that name all its funds.

    A fund is held where its weight is not 0, and then is at least `min_weight_if_held` long or short. Nothing is better by
    more than the solution's `gap`, 2e-10 of the objective where all limits are linear, 1e-7 otherwise; its weights are the
    exact optimum on its funds. Where exchanging one fund changes nothing, the alphabetically first is held.

    The price of `max_funds` is what one fund more would improve, found by solving again. That of `min_weight_if_held` is
    the derivative on the same funds: 0 where the limit only keeps funds out. Raises InfeasibleError("limits_contradict")
    where no choice of funds keeps the limits, SolverError("not_proven_optimal", gap) where the tree grows too large.
    """
    standard = standardise(moments, mandate)
    choices = choices_of(standard.unit.low, standard.unit.high, mandate.max_funds, mandate.min_weight_if_held)
    task = _Task(standard, choices)
    found = task.proven(choices)
    if found is None:
        raise InfeasibleError("limits_contradict")
    solution = solve_on(moments, boxed(standard, *choices.hull(found.options)))
    binding, is_blocked = _renamed(standard, found.options, solution)
    n_held = int((~found.options[NONE]).sum())
    if mandate.max_funds is not None and n_held >= mandate.max_funds:
        price = task.price_of_a_fund(found) if is_blocked else 0.0
        binding = (*binding, Binding("max_funds", price))
    elif is_blocked and all(one.limit != "min_weight_if_held" for one in binding):
        binding = (*binding, Binding("min_weight_if_held", 0.0))
    gap = max(solution.gap, task.cost_of(solution) - task.unit * (found.value - task.tolerance))
    return replace(solution, binding=binding, gap=gap, solver=f"branch-and-bound+{solution.solver}")


@dataclass(frozen=True)
class _Task:
    """A mandate as the tree sees it: its linear limits as a quadratic programme, or each node by the executor it needs."""

    standard: Standard
    choices: Choices

    @property
    def is_linear(self) -> bool:
        """Whether all limits are linear and the objective quadratic."""
        mandate = self.standard.mandate
        return mandate.kind != "target_volatility" and mandate.cvar_limit is None and mandate.robust is None

    @property
    def unit(self) -> float:
        """What 1 of the value the tree minimises is worth in the mandate's objective."""
        if not self.is_linear:
            return 1.0
        return self.standard.mandate.risk_aversion or 2.0

    @property
    def tolerance(self) -> float:
        return PROVEN_WITHIN / self.unit if self.is_linear else CURVED_WITHIN

    def cost_of(self, solution: Solution) -> float:
        """The objective of a solution as something to minimise."""
        return solution.objective if self.standard.mandate.kind in ("min_volatility", "target_return") else -solution.objective

    def proven(self, choices: Choices, known: BoolArray | None = None) -> Found | None:
        if not self.is_linear:
            return _proven_curved(self, choices, known)
        return proven(self.standard.at(1.0 / (self.standard.mandate.risk_aversion or np.inf)), choices, self.tolerance, known)

    def price_of_a_fund(self, found: Found) -> float | None:
        """How much one fund more improves the objective; None where that is not proven within the tree's size."""
        try:
            better = self.proven(replace(self.choices, most=self.choices.most + 1), found.options)
        except SolverError:
            return None
        return None if better is None else max(self.unit * (found.value - better.value), 0.0)


def solve_on(moments: Moments, mandate: Mandate) -> Solution:
    """Solve a mandate that leaves no choice of funds: exactly where it can be, else by cvxpy."""
    if is_direct(mandate):
        return solve_direct(moments, mandate)
    from portfolios.kernels.optimise import optimise

    return optimise(moments, mandate)


def boxed(standard: Standard, low: FloatArray, high: FloatArray) -> Mandate:
    """The mandate without choices of funds and with other bounds, where these differ from what bounds a fund already."""
    mandate, unit = standard.mandate, standard.unit
    changed = np.flatnonzero((low != unit.low) | (high != unit.high))
    bounds = {**mandate.bounds, **{mandate.funds[i]: (float(low[i]), float(high[i])) for i in changed}}
    hard = tuple(name for name in mandate.hard if name not in ("max_funds", "min_weight_if_held"))
    return replace(mandate, max_funds=None, min_weight_if_held=None, bounds=bounds, hard=hard)


def _renamed(standard: Standard, options: BoolArray, solution: Solution) -> tuple[tuple[Binding, ...], bool]:
    """The binding limits of the mandate, not of the box that the choices left of it; and whether a fund is kept out by them."""
    unit, least = standard.unit, standard.mandate.min_weight_if_held or 0.0
    kept_out = _names(standard, options[NONE] & (unit.low != 0.0), options[NONE] & (unit.high != 0.0))
    raised = _names(standard, options[LONG] & (unit.low < least), options[SHORT] & (unit.high > -least))
    at_least = raised if least > 0.0 else set()
    kept = [one for one in solution.binding if one.limit not in kept_out | at_least]
    prices = [one.shadow_price or 0.0 for one in solution.binding if one.limit in at_least]
    if prices:
        kept.append(Binding("min_weight_if_held", sum(prices)))
    is_blocked = any(one.limit in kept_out and (one.shadow_price or 0.0) > _KEPT_OUT for one in solution.binding)
    return tuple(kept), is_blocked


def _names(standard: Standard, lower: BoolArray, upper: BoolArray) -> set[str]:
    funds = standard.mandate.funds
    return {f"fund:{funds[i]}:min" for i in np.flatnonzero(lower)} | {f"fund:{funds[i]}:max" for i in np.flatnonzero(upper)}


def proven(problem: Quadratic, choices: Choices, tolerance: float, known: BoolArray | None = None) -> Found | None:
    """Return the options of the least value of a quadratic programme over all choices of funds, or None where none is feasible.

    `known` are options known to be good. Funds that cannot be part of anything better than the best portfolio seen are
    dropped and the problem is set up again without them: the bound is then tighter and the nodes cheaper. Raises
    SolverError("not_proven_optimal", gap) after `MAX_NODES` nodes.
    """
    tolerance = max(tolerance, _ROUNDING * float(np.diag(problem.cov).max()))
    part: _Part | None = _Part(problem, choices, np.arange(len(problem.gain)))
    best = None
    while part is not None:
        relaxation = Perspective(part.problem, part.choices)
        search = Search(relaxation, part.choices, tolerance, MAX_NODES, np.inf if best is None else best.value - part.offset)
        prices = relaxation.first_prices(np.inf)
        relaxed = relaxation.relax(part.choices.allowed, prices, np.inf)
        if relaxed is None:
            break
        search.offer(known)
        known = None
        _offer_rounded(search, relaxed)
        if best is None and search.best is None:
            search.offer(_feasible_options(problem, choices))
        search.swap()
        smaller = _without_hopeless(part, search, relaxed)
        if smaller is not None and len(smaller.at) > _SHRINKS * len(part.at):
            search.run(prices)
            smaller = None
        if search.best is not None:
            options = np.zeros((3, len(problem.gain)), bool)
            options[NONE] = True
            options[:, part.at] = search.best.options
            best = Found(search.best.value + part.offset, options)
        part = smaller
    return best


def _without_hopeless(part: _Part, search: Search, relaxed: Relaxed) -> _Part | None:
    """The part without the options, and the funds, that cannot be in anything better; None where nothing better is left."""
    if relaxed.bound >= search.enough:
        return None
    allowed = part.choices.settled(part.choices.allowed & (relaxed.bound + relaxed.beyond < search.enough))
    if allowed is None:
        return None
    search.choices = replace(part.choices, allowed=allowed)
    keep = np.flatnonzero(allowed[LONG] | allowed[SHORT])
    if len(keep) == 0:
        return None
    p, c = part.problem, part.choices
    gone = np.delete(p.current, keep)
    offset = float(np.delete(p.buy, keep) @ np.maximum(-gone, 0.0) + np.delete(p.sell, keep) @ np.maximum(gone, 0.0))
    cut = {name: getattr(p, name)[keep] for name in ("gain", "low", "high", "current", "buy", "sell")}
    smaller = replace(p, cov=p.cov[np.ix_(keep, keep)], rows=p.rows[:, keep], max_trade=p.max_trade - float(np.abs(gone).sum()), **cut)
    most = min(c.most, len(keep))
    return _Part(smaller, Choices(c.lows[:, keep], c.highs[:, keep], allowed[:, keep], most), part.at[keep], part.offset + offset)


def _offer_rounded(search: Search, relaxed: Relaxed) -> None:
    """Try the funds that a relaxation holds most of: as many as may be held, or only those near a least weight."""
    allowed = search.choices.allowed
    side = np.where(allowed[SHORT] & (~allowed[LONG] | (relaxed.weights < 0)), SHORT, LONG)
    order = np.lexsort((-np.abs(relaxed.weights), -relaxed.held.round(6), allowed[NONE]))
    order = order[(allowed[LONG] | allowed[SHORT])[order]]
    n_must = int((~allowed[NONE]).sum())
    enough_held = [int((relaxed.held >= share).sum()) for share in (0.99, 0.5, 1e-6)]
    for count in sorted({min(max(count, n_must, 1), search.choices.most) for count in (*enough_held, search.choices.most)}):
        options = np.zeros_like(allowed)
        options[NONE] = True
        chosen = order[:count]
        options[NONE, chosen] = False
        options[side[chosen], chosen] = True
        search.offer(options)


def _feasible_options(problem: Quadratic, choices: Choices) -> BoolArray | None:
    """Options under which some weights keep the linear limits, by a mixed-integer linear programme; None where there are none."""
    from scipy.optimize import Bounds, LinearConstraint, milp

    n = len(problem.gain)
    one, none = np.eye(n), np.zeros((n, n))
    lows, highs = (np.where(choices.allowed, side, 0.0) for side in (choices.lows, choices.highs))
    # Variables: weights, what is traded, and whether LONG and SHORT are taken.
    limits = [
        LinearConstraint(np.hstack([one, none, -np.diag(lows[LONG]), -np.diag(lows[SHORT])]), 0.0, np.inf),
        LinearConstraint(np.hstack([one, none, -np.diag(highs[LONG]), -np.diag(highs[SHORT])]), -np.inf, 0.0),
        LinearConstraint(np.hstack([problem.rows, np.zeros((len(problem.rows), 3 * n))]), problem.row_low, problem.row_high),
        LinearConstraint(np.hstack([none, none, one, one]), np.where(choices.allowed[NONE], 0.0, 1.0), 1.0),
        LinearConstraint(np.repeat([0.0, 0.0, 1.0, 1.0], n)[None], 0.0, choices.most),
    ]
    if np.isfinite(problem.max_trade):
        limits += [
            LinearConstraint(np.hstack([one, -one, none, none]), -np.inf, problem.current),
            LinearConstraint(np.hstack([-one, -one, none, none]), -np.inf, -problem.current),
            LinearConstraint(np.repeat([0.0, 1.0, 0.0, 0.0], n)[None], 0.0, problem.max_trade),
        ]
    low, high = choices.hull(choices.allowed)
    taken = choices.allowed[1:].astype(float).ravel()
    bounds = Bounds(np.concatenate([low, np.zeros(3 * n)]), np.concatenate([high, np.full(n, np.inf), taken]))
    found = milp(np.zeros(4 * n), integrality=np.repeat([0, 0, 1, 1], n), bounds=bounds, constraints=limits)
    if found.x is None:
        return None
    taken = found.x[2 * n :].reshape(2, n) > 0.5
    return np.vstack([~taken.any(axis=0), taken])


def _proven_curved(task: _Task, choices: Choices, known: BoolArray | None) -> Found | None:
    """The same for limits or objectives that are not quadratic: every node is solved by the executor that the mandate needs."""
    nodes = _Boxes(task)
    search = Search(nodes, choices, task.tolerance, MAX_NODES)
    start = choices.settled(choices.allowed)
    relaxed = None if start is None else nodes.relax(start, None, np.inf)
    if relaxed is None:
        return None
    search.offer(known)
    _offer_rounded(search, relaxed)
    if search.best is None:
        search.offer(_feasible_options(task.standard.at(0.0), choices))
    search.run(None)
    return None if search.best is None else Found(search.best.value, search.best.options)


@dataclass(frozen=True)
class _Boxes:
    """Nodes bounded by the mandate on the box round what they allow: no more than that, but right for any mandate."""

    task: _Task

    def relax(self, allowed: BoolArray, prices: object, enough: float) -> Relaxed | None:
        choices = self.task.choices
        try:
            solution = solve_on(self.task.standard.moments, boxed(self.task.standard, *choices.hull(allowed)))
        except InfeasibleError:
            return None
        weights = solution.weights
        part = np.abs(weights) / max(self.task.standard.mandate.min_weight_if_held or 0.0, 1.0 / choices.most)
        held = np.where(allowed[NONE], np.minimum(part, 1.0), 1.0)
        return Relaxed(self.task.cost_of(solution) - max(solution.gap, 0.0), weights, held, np.zeros_like(choices.lows), prices)

    def exact(self, options: BoolArray) -> Incumbent | None:
        found = self.relax(options, None, np.inf)
        if found is None:
            return None
        return Incumbent(found.bound, found.weights, options, np.zeros_like(self.task.choices.lows))
