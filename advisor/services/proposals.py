"""Proposals: asked for with frozen inputs, worked out by a claimed job, replaced by newer ones."""

import hashlib
import json
from datetime import date
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from advisor.errors import Refused
from advisor.kernels.amounts import order_amounts
from advisor.kernels.suitability import Verdict
from advisor.models import Assessment, Goal, Investor, Proposal, ProposalEvent, RecordKind
from advisor.selectors.suitability import decide_weights, level_for_goal
from advisor.services.capacity import capacity_reference, give_back_capacity, has_promised_capacity, promise_capacity
from advisor.services.record import append_record, lock_chain
from advisor.services.record_payloads import asked_told, proposed_told
from config.jobs import Job, claim_job, fail_job, finish_job, ring_by_name
from portfolios import selectors as portfolio_selectors
from portfolios import services as portfolio_services
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError, InfeasibleError, KernelError
from portfolios.kernels.types import AdviceSolution
from portfolios.models import Fund, ModelSet
from portfolios.money import BPS_PER_UNIT, split_purchase

TASK = "advisor.execute_proposal"
LEASE_SECONDS = 120
MONEY_MARKET = "money_market"
GROWTH_POINTS = 261  # one a week over five years is as fine as the chart can show
OPEN = (Job.Status.QUEUED, Job.Status.RUNNING)
ROOM_TRIES = 3


def request_proposal(*, goal: Goal, actor: Any = None) -> Proposal:
    """Write a queued proposal with its inputs frozen and ring the worker; the same inputs again return the one there is.

    Raises Refused without a level in force or without approved model portfolios; then nothing is written.
    """
    inputs, assessment = _freeze_inputs(goal)
    sha256 = _sha256(inputs)
    same = Proposal.objects.filter(goal=goal, inputs_sha256=sha256)
    with transaction.atomic():
        lock_chain(goal.account.investor_id)
        found = same.filter(status__in=OPEN).first() or _still_good(same)
        if found is not None:
            return found
        try:
            with transaction.atomic():
                proposal = Proposal.objects.create(
                    goal=goal, assessment=assessment, level=inputs["level"], inputs=inputs, inputs_sha256=sha256
                )
        except IntegrityError:  # the other of two clicks was quicker
            return same.get(status__in=OPEN)
        ProposalEvent.objects.create(proposal=proposal, to_state=Proposal.State.WORKING, actor=actor)
        append_record(investor_id=goal.account.investor_id, kind=RecordKind.PROPOSAL_ASKED, payload=asked_told(proposal))
        ring_by_name(TASK, proposal.pk, queue="now")
    return proposal


def _still_good(same: QuerySet[Proposal]) -> Proposal | None:
    """The newest answer to the same question, unless the capacity that it had promised has lapsed: then it is asked anew."""
    found = same.filter(state__in=[Proposal.State.READY, Proposal.State.INFEASIBLE]).order_by("-pk").first()
    if found is None or found.state == Proposal.State.INFEASIBLE or found.inputs["funding"] == "none":
        return found
    return found if has_promised_capacity(found.pk) else None


def _freeze_inputs(goal: Goal) -> tuple[dict[str, Any], Assessment]:
    investor = goal.account.investor
    level = level_for_goal(investor, goal)
    if level is None:
        raise Refused("no_level" if investor.level is None else "level_expired")
    completed = Assessment.objects.filter(investor=investor, state=Assessment.State.COMPLETED)
    assessment = completed.order_by("-completed_at", "-pk").first()
    if assessment is None:
        raise Refused("no_level")
    models = portfolio_selectors.current_models()
    if models is None:
        raise Refused("no_models")
    funds = _funds_of(models)
    dates = [row["last_nav_date"] for row in funds if row["last_nav_date"]]
    if not dates:
        raise Refused("no_pool")
    amount_minor, funding = _money_of(goal)
    inputs = {
        "goal": goal.pk,
        "assessment": assessment.pk,
        "person_level": investor.level,
        "level": level,
        "stated_loss": assessment.stated_loss,
        "horizon_years": round(goal.horizon_years(), 2),
        "amount_minor": amount_minor,
        "funding": funding,
        "models": models.pk,
        "pool": models.pool_id,
        "funds_sha256": _sha256(funds),
        "data_date": max(dates).isoformat(),
        "rules": jurisdiction().version,
    }
    return inputs, assessment


def _funds_of(models: ModelSet) -> list[dict[str, Any]]:
    """What the advice asks again of the models' funds: one that closes, ends, sells less or changes its grade makes other inputs."""
    facts = ("code", "asset_class", "risk_grade", "is_open", "ended_on", "purchase_fee_bps", "annual_fee_bps", "last_nav_date")
    return list(models.pool.funds.order_by("code").values(*facts, "units_centi", "daily_limit_minor"))


def _sha256(data: Any) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True, separators=(",", ":"), default=str).encode()).hexdigest()


def _money_of(goal: Goal) -> tuple[int, str]:
    """What a proposal is worked out for: the first payment, the cash that waits, or - to look at only - all there is."""
    if goal.portfolio_id is None:
        return goal.amount_minor, "deposit"
    totals = portfolio_selectors.portfolio_totals([goal.portfolio_id])[goal.portfolio_id]
    if totals.cash_minor >= jurisdiction().min_purchase_minor:
        return totals.cash_minor, "cash"
    return totals.total_minor or goal.amount_minor, "none"


def execute_proposal(pk: int) -> bool:
    """Claim a proposal, work it out and write its result and state; False when it is somebody else's. Safe to repeat."""
    token = claim_job(Proposal, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    proposal = Proposal.objects.select_related("goal__account__investor").get(pk=pk)
    for attempt in range(ROOM_TRIES):
        try:
            state, fields = Proposal.State.READY, {"result": _work_out(proposal)}
        except InfeasibleError as error:
            state, fields = Proposal.State.INFEASIBLE, {"error": _as_data(error)}
        except (KernelError, Refused) as error:
            return fail_job(Proposal, pk, token, _as_data(error))
        try:
            return _record(proposal, token, state, fields)
        except CapacityTaken as error:  # others were quicker: worked out again on the room that is left
            if attempt + 1 == ROOM_TRIES:
                return fail_job(Proposal, pk, token, {"code": "no_room", "params": {"funds": error.funds}})
    return False


class CapacityTaken(Exception):
    """Funds that filled up between the solve and the promise; nothing of the proposal was written."""

    def __init__(self, funds: list[str]) -> None:
        super().__init__(funds)
        self.funds = funds


def _record(proposal: Proposal, token: Any, state: str, fields: dict[str, Any]) -> bool:
    """Write a proposal's end with the capacity it promises, in one transaction; False when the claim was lost.

    What it replaces gives its capacity back first, and is locked before the funds are, as it is by whoever accepts it.
    """
    with transaction.atomic():
        investor_id = proposal.goal.account.investor_id
        lock_chain(investor_id)  # before any proposal, as whoever accepts one locks them
        if not finish_job(Proposal, proposal.pk, token, state=state, **fields):
            return False
        told = proposed_told(proposal.pk, state, result=fields.get("result"), error=fields.get("error"))
        append_record(investor_id=investor_id, kind=RecordKind.PROPOSAL, payload=told)
        _enter(proposal, state)
        is_newest = _ready_of(proposal.goal_id)[:1] == [proposal.pk]  # an older one that ends late is replaced as it is ready
        if state == Proposal.State.READY and is_newest and proposal.inputs["funding"] != "none":
            result = fields["result"]
            funds = Fund.objects.in_bulk(sorted(result["amounts"]), field_name="code")
            if full := promise_capacity(proposal=proposal, result=result, funds=funds):
                raise CapacityTaken(full)
    return True


def _as_data(error: KernelError | Refused) -> dict[str, Any]:
    return {"code": error.code, "params": json.loads(json.dumps(error.params, default=str))}


def _enter(proposal: Proposal, state: str) -> None:
    """Write the event of a proposal's end, and replace what is older than the newest ready one of its goal."""
    ProposalEvent.objects.create(proposal=proposal, to_state=state)
    if state != Proposal.State.READY:
        return
    for pk in _ready_of(proposal.goal_id)[1:]:
        if Proposal.objects.filter(pk=pk, state=Proposal.State.READY).update(state=Proposal.State.SUPERSEDED):
            ProposalEvent.objects.create(proposal_id=pk, to_state=Proposal.State.SUPERSEDED, why="a newer proposal is ready")
            give_back_capacity([pk])


def _ready_of(goal_id: int) -> list[int]:
    """The proposals of a goal that can be accepted, newest first."""
    return list(Proposal.objects.filter(goal=goal_id, state=Proposal.State.READY).order_by("-pk").values_list("pk", flat=True))


def _work_out(proposal: Proposal) -> dict[str, Any]:
    inputs = proposal.inputs
    investor = proposal.goal.account.investor
    level = level_for_goal(investor, proposal.goal)
    if level is None:
        raise Refused("level_expired")
    if level < proposal.level:
        raise Refused("level_fell", level=level)
    solution = portfolio_services.solve_advice(
        level=proposal.level,
        horizon_years=inputs["horizon_years"],
        stated_loss=inputs["stated_loss"],
        model_set_id=inputs.get("models"),
        amount_minor=inputs["amount_minor"],
        own_references=[capacity_reference(pk) for pk in (proposal.pk, *_ready_of(proposal.goal_id))],
    )
    funds = Fund.objects.in_bulk(sorted(solution.weights), field_name="code")
    _check_funds(proposal.level, solution, funds)
    return result_of(solution, inputs["amount_minor"], funds)


def result_of(solution: AdviceSolution, amount_minor: int, funds: dict[str, Fund], growth: dict[str, Any] | None = None) -> dict[str, Any]:
    """What a proposal shows of a solution for this money: its figures, orders and fees, and the past of its weights."""
    amounts = _amounts(amount_minor, solution, funds)
    return solution.as_json() | _in_money(amount_minor, amounts, solution, funds) | {"growth": growth or _growth(solution)}


def _check_funds(level: int, solution: AdviceSolution, funds: dict[str, Fund]) -> None:
    """Ask the gate about the whole portfolio once more: what a solver returns is not a recommendation yet."""
    unknown = sorted(set(solution.weights) - set(funds))
    if unknown:
        raise DataError("unknown_fund", fund=unknown[0])
    decision = decide_weights(level, solution.weights, funds, loss=solution.cvar, limit=solution.cvar_limit)
    against = decision.funds or tuple(code for code in solution.weights if not funds[code].can_be_bought)
    if against:
        raise DataError("fund_not_suitable", fund=against[0], grade=funds[against[0]].risk_grade, level=level)
    if decision.verdict != Verdict.RECOMMEND:
        raise DataError("above_budget", level=level, cvar=solution.cvar, limit=solution.cvar_limit)


def _amounts(amount_minor: int, solution: AdviceSolution, funds: dict[str, Fund]) -> dict[str, int]:
    """Orders in minor units; what is too small for one goes to the money-market fund, within its cap."""
    limits, smallest = jurisdiction().advice, jurisdiction().min_purchase_minor
    is_money = {code: fund.asset_class == MONEY_MARKET for code, fund in funds.items()}
    held = [code for code, weight in solution.weights.items() if weight > 0]
    residual = min(held, key=lambda code: (not is_money[code], funds[code].risk_grade, -solution.weights[code], code))
    amounts = order_amounts(amount_minor, solution.weights, smallest_minor=smallest, residual_code=residual)
    cap = limits.money_fund_cap if is_money[residual] else limits.fund_cap
    most = max(cap, solution.weights[residual]) * amount_minor + 1
    if not amounts or amounts.get(residual, 0) > most:
        least = min(solution.weights[code] for code in held)
        raise InfeasibleError("amount_too_small", amount_minor=amount_minor, enough_minor=int(smallest / least) + 1)
    return amounts


def _in_money(amount_minor: int, amounts: dict[str, int], solution: AdviceSolution, funds: dict[str, Fund]) -> dict[str, Any]:
    """The three figures of the first screen in minor units, and each order's fee by outside deduction."""
    fees = {code: split_purchase(part, funds[code].purchase_fee_bps, 1_000_000)[0] for code, part in amounts.items()}
    yearly = sum(part * funds[code].annual_fee_bps for code, part in amounts.items())
    return {
        "amounts": amounts,
        "fees": fees,
        "amount_minor": amount_minor,
        "bad_year_minor": max(0, round(solution.cvar * amount_minor)),
        "annual_cost_minor": round(yearly / BPS_PER_UNIT),
        "purchase_cost_minor": sum(fees.values()),
    }


def _growth(solution: AdviceSolution) -> dict[str, Any] | None:
    """The past of these weights, rebalanced monthly, thinned to what a chart shows; None where there is none."""
    last = date.fromisoformat(solution.data_date)
    since = last.replace(year=last.year - jurisdiction().advice.history_years, day=1)
    try:
        past = portfolio_selectors.growth_of(solution.weights, since)
    except DataError:
        return None
    if len(past.dates) < 2:
        return None
    kept = np.unique(np.linspace(0, len(past.dates) - 1, min(GROWTH_POINTS, len(past.dates))).round().astype(int))
    worst = int(np.argmin(past.drawdown))
    kept = np.unique(np.append(kept, worst))
    return {
        "dates": [date.fromordinal(int(day)).isoformat() for day in past.dates[kept]],
        "growth": [round(float(value), 5) for value in past.growth[kept]],
        "drawdown": [round(float(value), 5) for value in past.drawdown[kept]],
    }


@transaction.atomic
def supersede_proposals_above(*, investor: Investor, actor: Any, why: str) -> list[Goal]:
    """Take back proposals above the level that are ready, or still worked out: their worker loses its claim and discards.

    Returns their goals. Safe to repeat.
    """
    lock_chain(investor.pk)
    above = Proposal.objects.filter(goal__account__investor=investor, level__gt=investor.level)
    open_ones = above.filter(state__in=(Proposal.State.READY, Proposal.State.WORKING))
    goals = set()
    for pk, goal_id in list(open_ones.order_by("pk").values_list("pk", "goal_id")):
        unfinished = Proposal.objects.filter(pk=pk, status__in=(Job.Status.QUEUED, Job.Status.RUNNING))
        unfinished.update(status=Job.Status.FAILED, claim=None, lease_until=None, error={"code": "level_lowered"})
        if Proposal.objects.filter(pk=pk, state__in=(Proposal.State.READY, Proposal.State.WORKING)).update(state=Proposal.State.SUPERSEDED):
            ProposalEvent.objects.create(proposal_id=pk, to_state=Proposal.State.SUPERSEDED, actor=actor, why=why[:300])
            told = {"proposal": pk, "why": why, "by": actor.pk if actor else None}
            append_record(investor_id=investor.pk, kind=RecordKind.PROPOSAL_TAKEN_BACK, payload=told)
            give_back_capacity([pk])
            goals.add(goal_id)
    return list(Goal.objects.filter(pk__in=goals).select_related("account__investor").order_by("pk"))
