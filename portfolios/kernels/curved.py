"""The best choice of funds where a limit or the objective is curved: CVaR, volatility, a robust mean."""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.branching import NONE, BoolArray, Choices, Incumbent, Relaxed, Search
from portfolios.kernels.direct import is_direct, solve_direct
from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.explain import is_feasible
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.perspective import Perspective, Prices
from portfolios.kernels.risk import NORMAL_CVAR_95
from portfolios.kernels.standard import Standard
from portfolios.kernels.support import MAX_NODES, BestChoice, feasible_options, offer_rounded
from portfolios.kernels.types import FloatArray, Moments, Solution

_FLAT = 1e-9  # a price of variance below which the shadow is no quadratic programme


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


def cost_of(solution: Solution, mandate: Mandate) -> float:
    """The objective of a solution as something to minimise."""
    return solution.objective if mandate.kind in ("min_volatility", "target_return") else -solution.objective


def proven_curved(standard: Standard, choices: Choices, tolerance: float, known: BoolArray | None = None) -> BestChoice | None:
    """Return the options of the best portfolio over all choices of funds, or None where none is feasible.

    A node is bounded first by a quadratic programme that no feasible portfolio beats (the curved limits priced as at the
    optimum without choices, tangents in place of what is not quadratic), and where that is not enough by the mandate
    itself on the node's box. Of choices that tie within `tolerance` the first found is returned, which need not be the
    alphabetical one. Raises SolverError("not_proven_optimal", gap) after `MAX_NODES` nodes.
    """
    start = choices.settled(choices.allowed)
    boxes = _Boxes(standard, choices)
    first = None if start is None else boxes.solve(start)
    if start is None or first is None:
        return None
    boxes = replace(boxes, shadow=_shadow(standard, choices, first))
    search = Search(boxes, choices, tolerance, MAX_NODES)
    at_root = boxes.shadow.nodes.root(start, Prices()) if boxes.shadow is not None else None
    prices = Prices() if at_root is None else at_root.prices
    relaxed = boxes.relax(start, prices, np.inf)
    if relaxed is None:
        return None
    search.offer(known)
    offer_rounded(search, relaxed)
    if search.best is None:
        options = feasible_options(standard.at(0.0), choices)
        if options is None:
            return None
        search.offer(options)
    search.run(prices)
    return None if search.best is None else BestChoice(search.best.value, search.best.options)


@dataclass(frozen=True)
class _Shadow:
    """A quadratic programme whose value times `worth` plus `constant` is at most the objective of any portfolio that keeps the limits."""

    nodes: Perspective
    worth: float
    constant: float


def _shadow(standard: Standard, choices: Choices, first: Solution) -> _Shadow | None:
    """The Lagrangian at the prices of the optimum without choices; None where nothing in it is curved.

    vol <= limit is priced as a square; of 2.062713 vol and of the robust penalty the tangent at that optimum is taken,
    which lies below them everywhere.
    """
    mandate, unit, weights = standard.mandate, standard.unit, first.weights
    price = {one.limit: one.shadow_price or 0.0 for one in first.binding}
    limit = mandate.target_volatility or 0.0
    worth = {"utility": mandate.risk_aversion or 0.0, "target_volatility": price.get("target_volatility", 0.0) / (limit or np.inf)}.get(
        mandate.kind, 2.0
    )
    if worth <= _FLAT:
        return None
    charges = mandate.kind in ("utility", "target_volatility")
    gain = unit.gain.copy() if charges else np.zeros_like(unit.gain)
    constant = -0.5 * worth * limit**2
    if mandate.cvar_limit is not None and first.volatility > 0.0:
        each = price.get("cvar", 0.0)
        gain += each * (unit.gain - NORMAL_CVAR_95 / first.volatility * (unit.cov @ weights))
        constant -= each * mandate.cvar_limit
    if mandate.robust is not None:
        spread = mandate.robust.sorted_cov @ weights
        length = float(np.sqrt(max(float(weights @ spread), 0.0)))
        gain -= mandate.robust.kappa * spread / length if length > 0.0 else 0.0
    share = (1.0 if charges else 0.0) / worth
    problem = replace(unit, gain=gain / worth, buy=share * unit.buy, sell=share * unit.sell)
    return _Shadow(Perspective(problem, choices), worth, constant)


@dataclass(frozen=True)
class _Boxes:
    """Nodes bounded by the shadow, then by the mandate itself on the box round what they allow."""

    standard: Standard
    choices: Choices
    shadow: _Shadow | None = None

    def solve(self, allowed: BoolArray) -> Solution | None:
        mandate = boxed(self.standard, *self.choices.hull(allowed))
        try:
            return solve_on(self.standard.moments, mandate)
        except InfeasibleError:
            return None
        except SolverError:
            # A box that hardly lets anything through can look like a failure to an interior-point solver.
            if is_feasible(self.standard.moments, mandate):
                raise
            return None

    def relax(self, allowed: BoolArray, prices: Prices, enough: float) -> Relaxed | None:
        below = None
        if self.shadow is not None:
            below = self.shadow.nodes.relax(allowed, prices, (enough - self.shadow.constant) / self.shadow.worth)
            if below is None:
                return None
            bound = self.shadow.worth * below.bound + self.shadow.constant
            below = replace(below, bound=bound, doubt=self.shadow.worth * below.doubt, beyond=self.shadow.worth * below.beyond)
            if bound >= enough:
                return below
        solution = self.solve(allowed)
        if solution is None:
            return None
        bound = cost_of(solution, self.standard.mandate) - max(solution.gap, 0.0)
        if below is not None:
            best = max(bound, below.bound)
            return replace(below, bound=best, weights=solution.weights, beyond=below.beyond + (below.bound - best))
        least = max(self.standard.mandate.min_weight_if_held or 0.0, 1.0 / self.choices.most)
        held = np.where(allowed[NONE], np.minimum(np.abs(solution.weights) / least, 1.0), 1.0)
        return Relaxed(bound, solution.weights, held, np.minimum(held, 1.0 - held), np.zeros_like(self.choices.lows), prices)

    def may_reach(self, options: BoolArray, value: float) -> bool:
        return True

    def promised(self, options: BoolArray) -> Incumbent | None:
        solution = self.solve(options)
        if solution is None:
            return None
        value = cost_of(solution, self.standard.mandate)
        return Incumbent(value, solution.weights, options, np.zeros_like(self.choices.lows))

    def exact(self, promised: Incumbent) -> Incumbent | None:
        return promised
