"""An allocation of an advisor's own beside the proposed one: what it may hold, and what it costs in risk and money."""

import hashlib
import json
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone

from advisor.models import Assessment, Goal, Override, Proposal
from advisor.selectors.suitability import level_for_goal, recommendable_funds
from portfolios import selectors as portfolio_selectors
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import WeightsRisk
from portfolios.models import Fund

WEIGHT_PLACES = 6  # what an allocation is kept and hashed with: a hundredth of a basis point


@dataclass(frozen=True)
class Figures:
    """What an allocation means for this goal's money: fractions of 1 a year, basis points, and minor units."""

    volatility: float
    cvar: float
    annual_fee_bps: float
    purchase_fee_bps: float
    bad_year_minor: int
    annual_cost_minor: int
    purchase_cost_minor: int


@dataclass(frozen=True)
class OverridePrice:
    """The price of the choice: its figures beside the proposal's, on the same amount and the same moments."""

    proposal_id: int
    level: int
    amount_minor: int
    chosen: Figures
    proposed: Figures

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class AllocationRow:
    """One fund of the form: what the proposal gives it and what the advisor does."""

    fund: Fund
    proposed: float
    chosen: float


def active_overrides(on: date | None = None) -> QuerySet[Override]:
    """Overrides in force on a day: also before the nightly job has written down that others have ended."""
    return Override.objects.filter(state=Override.State.ACTIVE, expires_on__gt=on or timezone.localdate())


def latest_proposal(goal: Goal) -> Proposal | None:
    """The proposal an override departs from: the last one worked out and not replaced."""
    usable = (Proposal.State.READY, Proposal.State.ACCEPTED)
    return Proposal.objects.filter(goal=goal, state__in=usable, result__isnull=False).order_by("-pk").first()


def offered_funds(goal: Goal) -> QuerySet[Fund]:
    """What may be put into this goal's allocation: the open pool funds that its level may be recommended."""
    level = level_for_goal(goal.account.investor, goal)
    return Fund.objects.none() if level is None else recommendable_funds(level)


def loss_budget(investor_id: int, level: int) -> float:
    """The largest 95 % CVaR a year at a level: its budget, or the loss stated in the latest questionnaire where that is smaller."""
    budget = jurisdiction().levels[level].cvar_budget
    completed = Assessment.objects.filter(investor=investor_id, state=Assessment.State.COMPLETED).order_by("-completed_at", "-pk")
    stated = completed.values_list("stated_loss", flat=True).first()
    return budget if stated is None else min(budget, stated)


def loss_limit(goal: Goal, proposal: Proposal, level: int) -> float:
    """The largest 95 % CVaR a year that the goal may have: the person's at this level, or the proposal's tighter limit."""
    budget = loss_budget(goal.account.investor_id, level)
    return min(budget, float((proposal.result or {}).get("cvar_limit", budget)))


def amount_of(goal: Goal) -> int:
    """The money the allocation is for: what the portfolio holds, or what is to be invested while it holds nothing."""
    if goal.portfolio_id is None:
        return goal.amount_minor
    return portfolio_selectors.portfolio_totals([goal.portfolio_id])[goal.portfolio_id].total_minor or goal.amount_minor


def rounded(weights: dict[str, float]) -> dict[str, float]:
    """The weights as they are kept: funds without a weight left out, in the order of their codes."""
    return {code: round(weight, WEIGHT_PLACES) for code, weight in sorted(weights.items()) if round(weight, WEIGHT_PLACES)}


def price_of(goal: Goal, proposal: Proposal, weights: dict[str, float], level: int) -> OverridePrice:
    """Work out what the weights mean beside the proposal's. Raises the engine's DataError for a fund without a history."""
    amount = amount_of(goal)
    proposed = {code: float(weight) for code, weight in (proposal.result or {})["weights"].items()}
    return OverridePrice(
        proposal_id=proposal.pk,
        level=level,
        amount_minor=amount,
        chosen=figures(portfolio_selectors.weights_risk(rounded(weights)), amount),
        proposed=figures(portfolio_selectors.weights_risk(rounded(proposed)), amount),
    )


def figures(risk: WeightsRisk, amount_minor: int) -> Figures:
    return Figures(
        volatility=round(risk.volatility, 6),
        cvar=round(risk.cvar, 6),
        annual_fee_bps=round(risk.annual_fee_bps, 2),
        purchase_fee_bps=round(risk.purchase_fee_bps, 2),
        bad_year_minor=round(amount_minor * risk.cvar),
        annual_cost_minor=round(amount_minor * risk.annual_fee_bps / 10_000),
        purchase_cost_minor=round(amount_minor * risk.purchase_fee_bps / 10_000),
    )


def price_sha(weights: dict[str, float], price: OverridePrice) -> str:
    """Name what was shown: the form carries it, so that nothing else can be saved."""
    shown = {"weights": rounded(weights), "price": price.as_json()}
    return hashlib.sha256(json.dumps(shown, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def allocation_rows(proposal: Proposal, weights: dict[str, float]) -> list[AllocationRow]:
    """The funds of the proposal and of the weights, the heaviest of the proposal first."""
    proposed = {code: float(weight) for code, weight in (proposal.result or {})["weights"].items()}
    funds = Fund.objects.in_bulk(sorted(proposed.keys() | weights.keys()), field_name="code")
    rows = [AllocationRow(fund, proposed.get(code, 0.0), weights.get(code, 0.0)) for code, fund in funds.items()]
    return sorted(rows, key=lambda row: (-row.proposed, row.fund.code))
