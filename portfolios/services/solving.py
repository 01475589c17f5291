"""The advice: the optimum of a level over the current pool, under its budget and the caps."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from portfolios.jurisdictions import LevelRule, jurisdiction
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.frontier import sampled_frontier
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import pick
from portfolios.kernels.optimise import smallest_gamma
from portfolios.kernels.types import AdviceSolution, GammaSolution, Moments
from portfolios.models import Fund
from portfolios.selectors.risk import advice_moments, current_pool, data_date

MONEY_MARKET = "money_market"


def solve_advice(*, level: int, horizon_years: float, stated_loss: float | None = None) -> AdviceSolution:
    """Solve for one level on the current pool; writes nothing, so calling it again only costs time.

    Raises InfeasibleError naming the limit that cannot be kept or what the pool lacks, DataError where no fund has a history.
    """
    rules = jurisdiction()
    rule = rules.levels[level]
    pool = current_pool()
    if pool is None:
        raise InfeasibleError("no_pool")
    pooled = list(pool.funds.order_by("code"))
    allowed = {fund.code: fund for fund in pooled if fund.is_open and is_allowed(rule, fund.risk_grade, fund.asset_class)}
    require_some(rule, allowed)
    moments = advice_moments(pooled)
    usable = {code: fund for code, fund in allowed.items() if code in moments.codes}
    require_some(rule, usable)
    mandate = _mandate(usable, horizon_years)
    limit = loss_limit(rule, stated_loss)
    found = _without_crumbs(moments, mandate, limit)
    weights = {code: float(w) for code, w in zip(found.solution.codes, found.solution.weights, strict=True) if w > 0}
    return AdviceSolution(
        level=level,
        weights=weights,
        expected_return=found.solution.expected_return,
        volatility=found.solution.volatility,
        cvar=found.solution.cvar,
        cvar_limit=limit,
        gamma=found.solution.gamma,
        budget_binds=found.budget_binds,
        data_date=data_date(pooled).isoformat(),  # type: ignore[union-attr]
        pool_id=pool.pk,
        moments={**moments.versions, "jurisdiction": rules.version},
        funds=_fund_rows(found, moments, usable, mandate),
        frontier=[[point.volatility, point.expected_return] for point in sampled_frontier(moments, mandate)],
        notes=list(moments.notes),
    )


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


def _mandate(funds: Mapping[str, Fund], horizon_years: float) -> Mandate:
    limits = jurisdiction().advice
    caps = {code: limits.money_fund_cap if fund.asset_class == MONEY_MARKET else limits.fund_optimised_cap for code, fund in funds.items()}
    return Mandate(
        funds=tuple(funds),
        risk_aversion=limits.gamma_min,
        bounds={code: (0.0, cap) for code, cap in caps.items()},
        buy_cost={code: fund.purchase_fee_bps / 10_000 for code, fund in funds.items()},
        horizon_years=min(max(horizon_years, 1.0), 5.0),
    )


def _without_crumbs(moments: Moments, mandate: Mandate, limit: float) -> GammaSolution:
    """Solve, drop funds below the least weight worth an order, and solve again on the rest until none is below it."""
    advice = jurisdiction().advice
    found = smallest_gamma(moments, mandate, limit, (advice.gamma_min, advice.gamma_max))
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
            found = smallest_gamma(moments, fewer, limit, (advice.gamma_min, advice.gamma_max))
        except InfeasibleError:
            break  # the few that are left cannot keep the limits: a small holding is the lesser evil
    return found


def _fund_rows(found: GammaSolution, moments: Moments, funds: Mapping[str, Fund], mandate: Mandate) -> list[dict[str, Any]]:
    """One row a held fund, largest first, with its figures and the reason it is held."""
    solution = found.solution
    binding = {limit.limit for limit in solution.binding}
    own = pick(moments, solution.codes)
    risk = own.cov @ solution.weights
    variance = max(float(solution.weights @ risk), 1e-18)
    rows = []
    for i, code in enumerate(solution.codes):
        weight = float(solution.weights[i])
        if weight <= 0:
            continue
        fund = funds[code]
        share = weight * float(risk[i]) / variance
        rows.append(
            {
                "code": code,
                "name_zh": fund.name_zh,
                "name_en": fund.name_en,
                "asset_class": fund.asset_class,
                "category": fund.category,
                "risk_grade": fund.risk_grade,
                "weight": weight,
                "expected_return": float(own.mean[i]),
                "volatility": float(np.sqrt(own.cov[i, i])),
                "annual_fee_bps": fund.annual_fee_bps,
                "purchase_fee_bps": fund.purchase_fee_bps,
                "why": {
                    "code": _why(share / weight, float(own.mean[i]), solution.expected_return),
                    "risk_share": share,
                    "at_cap": f"fund:{code}:max" in binding,
                    "cap": mandate.bound(code)[1],
                },
            }
        )
    return sorted(rows, key=lambda row: (-row["weight"], row["code"]))


def _why(risk_per_weight: float, mean: float, portfolio_mean: float) -> str:
    """steadies: it carries less risk than its weight; grows: more return than the whole; spreads: risk of another kind."""
    if mean > portfolio_mean:
        return "grows" if risk_per_weight >= 1 else "grows_calmly"
    return "steadies" if risk_per_weight < 1 else "spreads"
