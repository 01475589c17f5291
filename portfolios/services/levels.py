"""What a level may be advised on a pool: its funds, its mandate, and the risk aversion that keeps its loss limit.

Proposals and the nightly review both stand on these functions, so that they cannot disagree.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import numpy as np

from portfolios.jurisdictions import LevelRule, jurisdiction
from portfolios.kernels.errors import DataError, InfeasibleError
from portfolios.kernels.frontier import Frontier, exact_frontier
from portfolios.kernels.gamma import gamma_on
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.risk import MIN_RECORD_WEEKS, Record, cvar_of_record
from portfolios.kernels.solve import solve
from portfolios.kernels.types import GammaSolution, Moments
from portfolios.models import Fund, Pool
from portfolios.selectors.risk import advice_market, data_date

MONEY_MARKET = "money_market"
RECORD_TOLERANCE = 1e-5  # of a year's loss: nearer to the limit than this is near enough
RECORD_STEPS = 40


@dataclass(frozen=True)
class AdviceMarket:
    """A pool with the moments of its funds and what the estimator of record draws from; `funds` are all of the pool."""

    pool_id: int
    funds: dict[str, Fund]
    moments: Moments
    record: Record
    data_date: date

    def has_record(self, code: str) -> bool:
        """Whether a fund has weeks enough for the estimator of record, without which it is not advised."""
        place = {fund: column for column, fund in enumerate(self.moments.codes)}
        return code in place and int(np.isfinite(self.record.weekly[:, place[code]]).sum()) >= MIN_RECORD_WEEKS


def market_of(pool: Pool) -> AdviceMarket:
    """Read a pool's funds and estimate their moments, on its prices of now; raises DataError("no_history") without any."""
    pooled = list(pool.funds.order_by("code"))
    moments, record = advice_market(pooled)
    last = data_date(pooled)
    if last is None:
        raise DataError("no_history")
    return AdviceMarket(pool.pk, {fund.code: fund for fund in pooled}, moments, record, last)


def is_allowed(rule: LevelRule, risk_grade: int, asset_class: str) -> bool:
    """Whether a level may hold a fund of this grade and class."""
    return risk_grade <= rule.max_grade and (rule.only_classes is None or asset_class in rule.only_classes)


def require_some(rule: LevelRule, funds: Mapping[str, Any]) -> None:
    """Raise InfeasibleError naming what is missing where a level has no fund to hold."""
    if not funds and rule.only_classes is not None:
        raise InfeasibleError("no_money_market_fund", level=rule.code)
    if not funds:
        raise InfeasibleError("no_fund_of_grade", level=rule.code, max_grade=rule.max_grade)


def loss_limit(rule: LevelRule, stated_loss: float | None) -> float:
    """The one-year loss a person may be shown: the level's budget, or their own stated one where it is lower."""
    return rule.cvar_budget if stated_loss is None else min(rule.cvar_budget, stated_loss)


def advised_funds(market: AdviceMarket, level: int) -> dict[str, Fund]:
    """The open funds of the pool that a level may be advised: none above it, ever. Raises InfeasibleError where there is none."""
    rule = jurisdiction().levels[level]
    allowed = {code: fund for code, fund in market.funds.items() if fund.is_open and is_allowed(rule, fund.risk_grade, fund.asset_class)}
    usable = {code: fund for code, fund in allowed.items() if market.has_record(code)}
    require_some(rule, usable)
    return usable


def level_mandate(funds: Mapping[str, Fund], horizon_years: float, redemption_rate: float = 0.0) -> Mandate:
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


def solve_within_loss(market: AdviceMarket, mandate: Mandate, limit: float) -> GammaSolution:
    """Solve at the smallest risk aversion that keeps a loss limit by both estimators; raises as `gamma_within_loss` does."""
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
    place = {code: column for column, code in enumerate(market.moments.codes)}
    record = replace(market.record, weekly=market.record.weekly[:, [place[code] for code in path.codes]])
    standard = path.standard
    return cvar_of_record(record, weights, float(standard.unit.gain @ weights), standard.costs(weights) / standard.mandate.horizon_years)
