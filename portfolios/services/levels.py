"""What a level may be advised on a pool: its funds, its mandate, and the risk aversion that keeps its loss limit.

Proposals and the nightly review both stand on these functions, so that they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np

from portfolios.jurisdictions import LevelRule, jurisdiction
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.frontier import Frontier, exact_frontier
from portfolios.kernels.gamma import gamma_on
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.risk import cvar_of_record
from portfolios.kernels.solve import solve
from portfolios.kernels.types import FloatArray, GammaSolution, Solution
from portfolios.selectors.model_sets import AdviceMarket, FundFacts

__all__ = ["AdviceMarket", "FundFacts"]
MONEY_MARKET = "money_market"
RECORD_TOLERANCE = 1e-5  # of a year's loss: nearer to the limit than this is near enough
RECORD_STEPS = 40
FIRST_RAISE = 1.02  # dropping small weights moves the loss by little; each further step is the square of the last
GAMMA_PRECISION = 1.002  # a raised risk aversion is at most this factor too large
_ROUNDING = 1e-12


def require_some(rule: LevelRule, funds: Mapping[str, Any]) -> None:
    """Raise InfeasibleError naming what is missing where a level has no fund to hold."""
    if not funds and rule.only_classes is not None:
        raise InfeasibleError("no_money_market_fund", level=rule.code)
    if not funds:
        raise InfeasibleError("no_fund_of_grade", level=rule.code, max_grade=rule.max_grade)


def loss_limit(rule: LevelRule, stated_loss: float | None) -> float:
    """The one-year loss a person may be shown: the level's budget, or their own stated one where it is lower."""
    return rule.cvar_budget if stated_loss is None else min(rule.cvar_budget, stated_loss)


def advised_funds(market: AdviceMarket, level: int) -> dict[str, FundFacts]:
    """The open funds of the pool that a level may be advised: none above it, ever. Raises InfeasibleError where there is none."""
    rule = jurisdiction().levels[level]
    allowed = {code: fund for code, fund in market.funds.items() if fund.is_open and rule.allows(fund.risk_grade, fund.asset_class)}
    usable = {code: fund for code, fund in allowed.items() if market.has_record(code)}
    require_some(rule, usable)
    return usable


def level_mandate(funds: Mapping[str, FundFacts], horizon_years: float, redemption_rate: float = 0.0) -> Mandate:
    """The mandate of a level over its funds: the caps, the fee of each purchase, and one fee of redeeming all but money-market funds."""
    rules = jurisdiction()
    limits = rules.advice
    caps = {code: limits.money_fund_cap if fund.asset_class == MONEY_MARKET else limits.fund_optimised_cap for code, fund in funds.items()}
    if sum(caps.values()) < 1.0:
        raise InfeasibleError("bounds_cannot_sum_to_one", n_funds=len(caps))
    redeemed = {code: redemption_rate for code, fund in funds.items() if fund.category not in rules.redemption_exempt_categories}
    return Mandate(
        funds=tuple(funds),
        risk_aversion=limits.gamma_min,
        bounds={code: (0.0, cap) for code, cap in caps.items()},
        buy_cost={code: fund.purchase_fee_bps / 10_000 for code, fund in funds.items()},
        sell_cost=redeemed if redemption_rate else {},
        horizon_years=min(max(horizon_years, 1.0), 5.0),
    )


def solve_advised(market: AdviceMarket, mandate: Mandate, limit: float, least_gamma: float) -> GammaSolution:
    """Solve without small weights at the smallest risk aversion, `least_gamma` or above, that keeps a loss limit by both estimators.

    A model is this at the least risk aversion of all; a personal solve is this from the model's risk aversion on, and so the
    model itself where nothing is different. Where no portfolio keeps the limit without its small weights, these stay.
    Raises as `gamma_within_loss` does.
    """
    most = jurisdiction().advice.gamma_max
    found = solve_without_crumbs(market, mandate, least_gamma)
    if keeps(market, mandate, found, limit):
        return _judged(market, mandate, found, limit)
    first = max(least_gamma, gamma_within_loss(market, level_path(market, mandate), limit)[0])
    low = high = first
    step = FIRST_RAISE
    while not keeps(market, mandate, found := solve_without_crumbs(market, mandate, high), limit):
        if high >= most:
            return _judged(market, mandate, solve(market.moments, replace(mandate, risk_aversion=first)), limit)
        low, high, step = high, min(high * step, most), step * step
    while high > low * GAMMA_PRECISION:
        middle = sqrt(low * high)
        tried = solve_without_crumbs(market, mandate, middle)
        if keeps(market, mandate, tried, limit):
            high, found = middle, tried
        else:
            low = middle
    return _judged(market, mandate, found, limit)


def solve_without_crumbs(market: AdviceMarket, mandate: Mandate, gamma: float) -> Solution:
    """Solve at a risk aversion, drop funds below the least weight worth an order, and solve again until none is below it."""
    least = jurisdiction().advice.min_weight
    found = solve(market.moments, replace(mandate, risk_aversion=gamma))
    for _ in range(len(mandate.funds)):
        weights = dict(zip(found.codes, found.weights.tolist(), strict=True))
        kept = tuple(code for code, weight in weights.items() if weight >= least)
        if len(kept) == sum(weight > 0 for weight in weights.values()):
            break
        fewer = replace(
            mandate,
            risk_aversion=gamma,
            funds=kept,
            bounds={code: mandate.bound(code) for code in kept},
            current={code: weight for code, weight in mandate.current.items() if code in kept},
            buy_cost={code: cost for code, cost in mandate.buy_cost.items() if code in kept},
            sell_cost={code: cost for code, cost in mandate.sell_cost.items() if code in kept},
        )
        try:
            found = solve(market.moments, fewer)
        except InfeasibleError:
            break  # the few that are left cannot keep the limits: a small holding is the lesser evil
    return found


def keeps(market: AdviceMarket, mandate: Mandate, found: Solution, limit: float) -> bool:
    """Whether a portfolio keeps a loss limit by the normal form and by the estimator of record."""
    return found.cvar <= limit + _ROUNDING and record_of(market, mandate, found) <= limit


def record_of(market: AdviceMarket, mandate: Mandate, found: Solution) -> float:
    """What the estimator of record says of a solution, its costs charged as the mandate charges them."""
    return _record_at(market, found.codes, found.weights, found.costs / mandate.horizon_years)


def _judged(market: AdviceMarket, mandate: Mandate, found: Solution, limit: float) -> GammaSolution:
    binds = (found.gamma or 0.0) > jurisdiction().advice.gamma_min
    return GammaSolution(found, limit, binds, record_of(market, mandate, found))


def solve_within_loss(market: AdviceMarket, mandate: Mandate, limit: float) -> GammaSolution:
    """Solve, small weights included, at the smallest risk aversion that keeps a loss limit; raises as `gamma_within_loss` does."""
    gamma, recorded = gamma_within_loss(market, level_path(market, mandate), limit)
    found = solve(market.moments, replace(mandate, risk_aversion=gamma))
    return GammaSolution(found, limit, gamma > jurisdiction().advice.gamma_min, recorded)


def level_path(market: AdviceMarket, mandate: Mandate) -> Frontier:
    """All optima of a level's mandate over the risk aversion, which its loss limits share."""
    return exact_frontier(market.moments, mandate)


def gamma_within_loss(market: AdviceMarket, path: Frontier, limit: float) -> tuple[float, float]:
    """Return the smallest risk aversion whose optimum keeps a loss limit, and what the estimator of record says of it.

    By the normal form it is exact on the path of all optima; from there it is raised until the estimator of record agrees.
    Raises InfeasibleError("cvar_budget") or ("cvar_budget_of_record") where the largest risk aversion does not keep the limit.
    """
    advice = jurisdiction().advice
    gamma = gamma_on(path, limit, (advice.gamma_min, advice.gamma_max))
    theta, recorded = _agreed(market, path, limit, (1.0 / advice.gamma_max, 1.0 / gamma))
    return min(max(1.0 / theta, advice.gamma_min), advice.gamma_max), recorded


def _agreed(market: AdviceMarket, path: Frontier, limit: float, between: tuple[float, float]) -> tuple[float, float]:
    """The largest risk tolerance (to `RECORD_TOLERANCE`) at which the estimator of record keeps the limit, and its estimate."""
    low, high = between
    above = _recorded(market, path, high)
    if above <= limit:
        return high, above
    below = _recorded(market, path, low)
    if below > limit:
        raise InfeasibleError("cvar_budget_of_record", limit=limit, reached=below)
    for step in range(RECORD_STEPS):
        if limit - below <= RECORD_TOLERANCE or high <= low * (1.0 + 1e-9):
            break
        # Where a straight line crosses just under the limit; every third step halves, should the curve be none.
        share = 0.5 if step % 3 == 2 else (limit - RECORD_TOLERANCE / 2 - below) / (above - below)
        middle = low + min(max(share, 0.01), 0.99) * (high - low)
        found = _recorded(market, path, middle)
        if found <= limit:
            low, below = middle, found
        else:
            high, above = middle, found
    return low, below


def _recorded(market: AdviceMarket, path: Frontier, theta: float) -> float:
    """What the estimator of record says of the optimum at a risk tolerance, its costs charged as the mandate charges them."""
    weights = path.at_theta(theta)
    standard = path.standard
    return _record_at(market, path.codes, weights, standard.costs(weights) / standard.mandate.horizon_years)


def _record_at(market: AdviceMarket, codes: tuple[str, ...], weights: FloatArray, costs: float) -> float:
    place = {code: column for column, code in enumerate(market.moments.codes)}
    at = np.array([place[code] for code in codes], int)
    record = replace(market.record, weekly=market.record.weekly[:, at])
    return cvar_of_record(record, weights, float(market.moments.mean[at] @ weights), costs)
