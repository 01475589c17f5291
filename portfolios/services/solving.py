"""The advice: the optimum of a level on the approved models' market, under its budget and the caps."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import InfeasibleError
from portfolios.kernels.frontier import exact_frontier
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.reasons import holdings_reasons
from portfolios.kernels.types import AdviceSolution, GammaSolution, Moments
from portfolios.models import ModelPortfolio, ModelSet
from portfolios.selectors.capacity import room_shares
from portfolios.selectors.model_sets import FundFacts, current_models, horizon_bin, market_of_models
from portfolios.services.levels import advised_funds, level_mandate, loss_limit, solve_advised

FRONTIER_POINTS = 25
ROOM_MARGIN = 1e-4


def solve_advice(
    *,
    level: int,
    horizon_years: float,
    stated_loss: float | None = None,
    model_set_id: int | None = None,
    amount_minor: int = 0,
    own_references: Iterable[str] = (),
) -> AdviceSolution:
    """Solve for one level with an approved model's moments, pool, bounds and risk aversion; writes nothing.

    It is the model itself, unless a lower stated loss raises the risk aversion, a fund may no longer be bought, or it has
    not the room for its part of `amount_minor` (what `own_references` have reserved is free for it). `model_set_id` names the set that
    was current when the question was put; else the current one answers. Raises InfeasibleError("no_models") without an
    approved set, or naming the limit that cannot be kept or what the pool lacks.
    """
    rules = jurisdiction()
    rule = rules.levels[level]
    models = _approved(model_set_id)
    model = approved_model(models, level, horizon_years)
    market = market_of_models(models)
    funds = advised_funds(market, level)
    mandate = within_room(level_mandate(funds, model.horizon_years), amount_minor, own_references)
    found = solve_advised(market, mandate, loss_limit(rule, stated_loss), model.gamma or rules.advice.gamma_min)
    weights = {code: float(w) for code, w in zip(found.solution.codes, found.solution.weights, strict=True) if w > 0}
    return AdviceSolution(
        level=level,
        weights=weights,
        expected_return=found.solution.expected_return,
        volatility=found.solution.volatility,
        cvar=found.solution.cvar,
        cvar_limit=found.cvar_limit,
        gamma=found.solution.gamma or rules.advice.gamma_max,
        budget_binds=found.budget_binds,
        data_date=market.data_date.isoformat(),
        pool_id=market.pool_id,
        moments={**market.moments.versions, "jurisdiction": models.rules_version, "model_set": models.pk},
        funds=_fund_rows(found, market.moments, funds, mandate),
        frontier=[[point.volatility, point.expected_return] for point in exact_frontier(market.moments, mandate).points(FRONTIER_POINTS)],
        notes=[*market.moments.notes, *(f"short_record:{code}" for code in market.moments.codes if not market.has_record(code))],
        cvar_of_record=found.cvar_of_record,
    )


def within_room(mandate: Mandate, amount_minor: int, own_references: Iterable[str] = ()) -> Mandate:
    """Bound each fund by its room for this amount: below the least weight worth an order it is left out. Raises InfeasibleError."""
    limits = jurisdiction().advice
    room = room_shares(mandate.funds, amount_minor, but_for=own_references) if amount_minor else {}
    # What a purchase takes at most is rounded up to a hundredth of a unit; a ten-thousandth less leaves room for it.
    caps = {code: share - ROOM_MARGIN for code, share in room.items() if share - ROOM_MARGIN < mandate.bound(code)[1]}
    if not caps:
        return mandate
    bounds = {code: (0.0, caps[code] if caps[code] >= limits.min_weight else 0.0) for code in caps}
    if sum(bounds.get(code, mandate.bound(code))[1] for code in mandate.funds) < 1.0:
        raise InfeasibleError("no_room", n_funds=len(bounds))
    return replace(mandate, bounds={**mandate.bounds, **bounds})


def _approved(model_set_id: int | None) -> ModelSet:
    """The set asked for, which may have been replaced since but never was a draft, or the current one."""
    if model_set_id is None:
        models = current_models()
    else:
        approved = (ModelSet.State.APPROVED, ModelSet.State.RETIRED)
        models = ModelSet.objects.filter(pk=model_set_id, decided_at__isnull=False, state__in=approved).first()
    if models is None:
        raise InfeasibleError("no_models")
    return models


def approved_model(models: ModelSet, level: int, horizon_years: float) -> ModelPortfolio:
    """The model of a level and of a goal's years; raises InfeasibleError with its reason where there is none."""
    place = horizon_bin(horizon_years)
    model = ModelPortfolio.objects.filter(model_set=models, level=level, horizon_bin=place).first()
    if model is None:
        raise InfeasibleError("no_models")
    if model.error:
        raise InfeasibleError(model.error["code"], **model.error.get("params", {}))
    return model


def _fund_rows(found: GammaSolution, moments: Moments, funds: Mapping[str, FundFacts], mandate: Mandate) -> list[dict[str, Any]]:
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
