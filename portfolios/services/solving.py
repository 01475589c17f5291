"""The advice: the optimum of a level over the current pool, under its budget and the caps."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.frontier import exact_frontier
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.reasons import holdings_reasons
from portfolios.kernels.types import AdviceSolution, GammaSolution, Moments
from portfolios.models import Fund
from portfolios.selectors.risk import current_pool
from portfolios.services.levels import (
    AdviceMarket,
    advised_funds,
    is_allowed,
    level_mandate,
    loss_limit,
    market_of,
    require_some,
    solve_within_loss,
)

FRONTIER_POINTS = 25


def solve_advice(*, level: int, horizon_years: float, stated_loss: float | None = None) -> AdviceSolution:
    """Solve for one level on the current pool; writes nothing, so calling it again only costs time.

    Raises InfeasibleError naming the limit that cannot be kept or what the pool lacks, DataError where no fund has a history.
    """
    rules = jurisdiction()
    rule = rules.levels[level]
    pool = current_pool()
    if pool is None:
        raise InfeasibleError("no_pool")
    offered = pool.funds.filter(is_open=True).values_list("code", "risk_grade", "asset_class")
    require_some(rule, {code: None for code, grade, asset_class in offered if is_allowed(rule, grade, asset_class)})
    market = market_of(pool)
    funds = advised_funds(market, level)
    mandate = level_mandate(funds, horizon_years)
    limit = loss_limit(rule, stated_loss)
    found = _without_crumbs(market, mandate, limit)
    weights = {code: float(w) for code, w in zip(found.solution.codes, found.solution.weights, strict=True) if w > 0}
    return AdviceSolution(
        level=level,
        weights=weights,
        expected_return=found.solution.expected_return,
        volatility=found.solution.volatility,
        cvar=found.solution.cvar,
        cvar_limit=limit,
        gamma=found.solution.gamma or rules.advice.gamma_max,
        budget_binds=found.budget_binds,
        data_date=market.data_date.isoformat(),
        pool_id=pool.pk,
        moments={**market.moments.versions, "jurisdiction": rules.version},
        funds=_fund_rows(found, market.moments, funds, mandate),
        frontier=[[point.volatility, point.expected_return] for point in exact_frontier(market.moments, mandate).points(FRONTIER_POINTS)],
        notes=[*market.moments.notes, *(f"short_record:{code}" for code in market.moments.codes if not market.has_record(code))],
        cvar_of_record=found.cvar_of_record,
    )


def _without_crumbs(market: AdviceMarket, mandate: Mandate, limit: float) -> GammaSolution:
    """Solve, drop funds below the least weight worth an order, and solve again on the rest until none is below it."""
    advice = jurisdiction().advice
    found = solve_within_loss(market, mandate, limit)
    for _ in range(len(mandate.funds)):
        weights = dict(zip(found.solution.codes, found.solution.weights.tolist(), strict=True))
        kept = tuple(code for code, weight in weights.items() if weight >= advice.min_weight)
        if len(kept) == sum(weight > 0 for weight in weights.values()):
            break
        try:
            fewer = replace(
                mandate,
                funds=kept,
                bounds={code: mandate.bound(code) for code in kept},
                buy_cost={code: mandate.buy_cost[code] for code in kept},
            )
            found = solve_within_loss(market, fewer, limit)
        except InfeasibleError:
            break  # the few that are left cannot keep the limits: a small holding is the lesser evil
    return found


def _fund_rows(found: GammaSolution, moments: Moments, funds: Mapping[str, Fund], mandate: Mandate) -> list[dict[str, Any]]:
    """One row a held fund, largest first, with its figures and the reason it is held."""
    rows = []
    for reason in holdings_reasons(moments, found.solution):
        fund = funds[reason.fund]
        rows.append(
            {
                "code": reason.fund,
                "name_zh": fund.name_zh,
                "name_en": fund.name_en,
                "asset_class": fund.asset_class,
                "category": fund.category,
                "risk_grade": fund.risk_grade,
                "weight": reason.weight,
                "expected_return": reason.expected_return,
                "volatility": reason.volatility,
                "annual_fee_bps": fund.annual_fee_bps,
                "purchase_fee_bps": fund.purchase_fee_bps,
                "why": {
                    "code": reason.why,
                    "risk_share": reason.risk_share,
                    "at_cap": f"fund:{reason.fund}:max" in reason.limits,
                    "cap": mandate.bound(reason.fund)[1],
                },
            }
        )
    return rows
