"""At most so many funds, none held below a least weight: the optimum proven by our own branch and bound."""

from dataclasses import dataclass, replace

import numpy as np

from portfolios.kernels.branching import LONG, NONE, SHORT, BoolArray, Choices, choices_of
from portfolios.kernels.curved import boxed, cost_of, proven_curved, solve_on
from portfolios.kernels.direct import is_direct
from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.standard import Standard, standardise
from portfolios.kernels.support import BestChoice, proven_support
from portfolios.kernels.types import Binding, Moments, Solution

PROVEN_WITHIN = 2e-10  # in the objective of the mandate
CURVED_WITHIN = 1e-7  # where cvxpy solves the nodes: it knows no better
_KEPT_OUT = 1e-12


def solve_cardinality(moments: Moments, mandate: Mandate) -> Solution:
    """Return the proven optimum of a mandate with `max_funds` or `min_weight_if_held`, on annual moments that name all its funds.

    A fund is held where its weight is not 0, and then is at least `min_weight_if_held` long or short. Nothing is better by
    more than the solution's `gap`, 2e-10 of the objective where all limits are linear, 1e-7 otherwise; its weights are the
    exact optimum on its funds. Where all limits are linear and exchanging one fund changes nothing, the alphabetically first
    is held; among choices that tie under a CVaR limit, a target volatility or a robust mean, the first found is.

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
    n_held = int(np.count_nonzero(solution.weights))
    if mandate.max_funds is not None and n_held >= mandate.max_funds:
        price = task.price_of_a_fund(found) if is_blocked else 0.0
        binding = (*binding, Binding("max_funds", price))
    elif is_blocked and all(one.limit != "min_weight_if_held" for one in binding):
        binding = (*binding, Binding("min_weight_if_held", 0.0))
    gap = max(solution.gap, cost_of(solution, mandate) - task.unit * (found.value - task.tolerance))
    return replace(solution, binding=binding, gap=gap, solver=f"branch-and-bound+{solution.solver}")


@dataclass(frozen=True)
class _Task:
    """A mandate as the tree sees it: its linear limits as a quadratic programme, or each node by the executor it needs."""

    standard: Standard
    choices: Choices

    @property
    def is_quadratic(self) -> bool:
        """Whether all limits are linear and the objective quadratic."""
        mandate = self.standard.mandate
        return mandate.kind != "target_volatility" and mandate.cvar_limit is None and mandate.robust is None

    @property
    def unit(self) -> float:
        """What 1 of the value the tree minimises is worth in the mandate's objective."""
        if not self.is_quadratic:
            return 1.0
        return self.standard.mandate.risk_aversion or 2.0

    @property
    def tolerance(self) -> float:
        if self.is_quadratic:
            return PROVEN_WITHIN / self.unit
        mandate = replace(self.standard.mandate, max_funds=None, min_weight_if_held=None, hard=())
        return PROVEN_WITHIN if is_direct(mandate) else CURVED_WITHIN

    def proven(self, choices: Choices, known: BoolArray | None = None) -> BestChoice | None:
        if not self.is_quadratic:
            return proven_curved(self.standard, choices, self.tolerance, known)
        theta = 1.0 / (self.standard.mandate.risk_aversion or np.inf)
        return proven_support(self.standard.at(theta), choices, self.tolerance, known, is_first=known is None)

    def price_of_a_fund(self, found: BestChoice) -> float | None:
        """How much one fund more improves the objective; None where that is not proven within the tree's size."""
        try:
            better = self.proven(replace(self.choices, most=self.choices.most + 1), found.options)
        except SolverError:
            return None
        return None if better is None else max(self.unit * (found.value - better.value), 0.0)


def _renamed(standard: Standard, options: BoolArray, solution: Solution) -> tuple[tuple[Binding, ...], bool]:
    """The binding limits of the mandate, not of the box that the choices left of it; and whether a fund is kept out by them."""
    unit, least = standard.unit, standard.mandate.min_weight_if_held or 0.0
    kept_out = _names(standard, options[NONE] & (unit.low != 0.0), options[NONE] & (unit.high != 0.0))
    raised = _names(standard, options[LONG] & (unit.low < least), options[SHORT] & (unit.high > -least))
    at_least = raised if least > 0.0 else set()
    kept = [one for one in solution.binding if one.limit not in kept_out | at_least]
    prices = [one.shadow_price for one in solution.binding if one.limit in at_least]
    if prices:
        known = [price for price in prices if price is not None]
        kept.append(Binding("min_weight_if_held", sum(known) if len(known) == len(prices) else None))
    is_blocked = any(one.limit in kept_out and (one.shadow_price is None or one.shadow_price > _KEPT_OUT) for one in solution.binding)
    return tuple(kept), is_blocked


def _names(standard: Standard, lower: BoolArray, upper: BoolArray) -> set[str]:
    funds = standard.mandate.funds
    return {f"fund:{funds[i]}:min" for i in np.flatnonzero(lower)} | {f"fund:{funds[i]}:max" for i in np.flatnonzero(upper)}
