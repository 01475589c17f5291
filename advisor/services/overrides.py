"""Overrides: an advisor's allocation in place of the proposed one, with a reason, its price, and an end."""

from collections.abc import Iterable
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor import rules
from advisor.errors import Refused
from advisor.kernels.suitability import Verdict
from advisor.models import Goal, Investor, Override, OverrideEvent, RecordKind
from advisor.selectors.overrides import OverridePrice, latest_proposal, loss_budget, loss_limit, price_of, price_sha, rounded
from advisor.selectors.suitability import decide_portfolio, decide_weights, fund_suits, level_for_goal, recommendable_funds
from advisor.services.queue import open_task
from advisor.services.record import append_record, lock_chain
from advisor.services.record_payloads import override_told
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import KernelError
from portfolios.models import Fund

SHORTEST_REASON = 10
LONGEST_REASON = 500
LONGEST = timedelta(days=365)
MONEY_MARKET = "money_market"
CVAR_SLACK = 1e-6  # the engine's own optimum may stand on the limit; figures are kept to six places


def check_override(*, goal: Goal, weights: dict[str, float]) -> OverridePrice:
    """Write nothing; return the price of an allocation that the goal may have, or raise Refused with its reason."""
    level, proposal = level_for_goal(goal.account.investor, goal), latest_proposal(goal)
    if level is None:
        raise Refused("no_valid_level")
    if proposal is None:
        raise Refused("no_proposal")
    weights = rounded(weights)
    _check_weights(weights)
    _check_funds(weights, level)
    try:
        price = price_of(goal, proposal, weights, level)
    except KernelError as error:
        raise Refused("no_figures", code=error.code) from error
    limit = loss_limit(goal, proposal, level)
    if price.chosen.cvar > limit + CVAR_SLACK:
        raise Refused("above_budget", cvar=price.chosen.cvar, limit=limit, level=jurisdiction().levels[level].code)
    return price


def check_fund(*, goal: Goal, code: str) -> None:
    """Write nothing; raise Refused when a fund may not stand in the goal's allocation."""
    level = level_for_goal(goal.account.investor, goal)
    if level is None:
        raise Refused("no_valid_level")
    _check_funds({code: 0.0}, level)


def _check_weights(weights: dict[str, float]) -> None:
    if any(weight < 0 or weight > 1 for weight in weights.values()):
        raise Refused("weight_out_of_range")
    total = sum(weights.values())
    if abs(total - 1) > 1e-6:
        raise Refused("sum", total=total)


def _check_funds(weights: dict[str, float], level: int) -> None:
    """Refuse what may not be recommended: the same gate as every proposal's, asked fund by fund."""
    funds = Fund.objects.in_bulk(list(weights), field_name="code")
    offered = set(recommendable_funds(level).filter(code__in=weights).values_list("code", flat=True))
    table, limits = jurisdiction(), jurisdiction().advice
    for code, weight in weights.items():
        fund = funds.get(code)
        if fund is None:
            raise Refused("unknown_fund", code=code)
        said = {"code": code, "name": fund.name}
        if not fund_suits(level, fund):
            raise Refused("above_level", **said, grade=fund.risk_grade, level=table.levels[level].code)
        if not fund.is_open:
            raise Refused("closed_fund", **said)
        if code not in offered:
            raise Refused("not_in_pool", **said)
        cap = limits.money_fund_cap if fund.asset_class == MONEY_MARKET else limits.fund_cap
        if weight > cap + 1e-9:
            raise Refused("above_cap", **said, weight=weight, cap=cap)


def _check_words(reason: str, expires_on: date | None) -> date:
    today = timezone.localdate()
    check_reason(reason)
    if expires_on is None or not today < expires_on <= today + LONGEST:
        raise Refused("expiry_out_of_range", first=today + timedelta(days=1), last=today + LONGEST)
    return expires_on


def check_reason(reason: str, most: int = LONGEST_REASON) -> None:
    """Write nothing; raise Refused unless the reason says something and fits its column."""
    if len(reason) < SHORTEST_REASON:
        raise Refused("reason_too_short", least=SHORTEST_REASON)
    if len(reason) > most:
        raise Refused("reason_too_long", most=most)


def make_override(
    *, goal: Goal, advisor: Any, weights: dict[str, float], reason: str, expires_on: date | None, expected_price_sha: str
) -> Override:
    """Write the override in force and its event, if it costs what was shown. The same one posted again is returned as it is."""
    if not rules.may_override(advisor, goal.account.investor):
        raise PermissionDenied
    weights, reason = rounded(weights), reason.strip()
    if expires_on and (same := _already_made(goal, advisor, weights, reason, expires_on)):
        return same
    price = check_override(goal=goal, weights=weights)
    ends = _check_words(reason, expires_on)
    if price_sha(weights, price) != expected_price_sha:
        raise Refused("price_changed")
    try:
        with transaction.atomic():
            return _write(goal, advisor, weights, price, reason, ends)
    except IntegrityError as error:  # two at the same moment: the constraint lets one through
        if same := _already_made(goal, advisor, weights, reason, ends):
            return same
        raise Refused("already_active") from error


def _already_made(goal: Goal, advisor: Any, weights: dict[str, float], reason: str, expires_on: date) -> Override | None:
    """What a double click or a replayed form finds: the very override that it asks for."""
    active = Override.objects.filter(goal=goal, state=Override.State.ACTIVE, advisor=advisor, reason=reason, expires_on=expires_on)
    return next((one for one in active if one.weights == weights), None)


def _write(goal: Goal, advisor: Any, weights: dict[str, float], price: OverridePrice, reason: str, expires_on: date) -> Override:
    # The level may have been lowered, a fund graded higher or a new proposal made since the price was worked out.
    investor = Investor.objects.select_for_update().get(pk=goal.account.investor_id)
    latest = latest_proposal(goal)
    if level_for_goal(investor, goal) != price.level or latest is None or latest.pk != price.proposal_id:
        raise Refused("price_changed")
    limit = loss_limit(goal, latest, price.level)
    if decide_portfolio(investor, weights, goal, loss=price.chosen.cvar, limit=limit).verdict != Verdict.RECOMMEND:
        raise Refused("price_changed")
    _expire(Override.objects.filter(goal=goal, state=Override.State.ACTIVE, expires_on__lte=timezone.localdate()))
    if _in_force(goal):
        raise Refused("already_active")
    override = Override.objects.create(
        goal=goal, advisor=advisor, weights=weights, price=price.as_json(), reason=reason, expires_on=expires_on
    )
    OverrideEvent.objects.create(override=override, to_state=Override.State.ACTIVE, actor=advisor, why=reason)
    append_record(investor_id=investor.pk, kind=RecordKind.OVERRIDE, payload=override_told(override), at=override.made_at)
    return override


def _in_force(goal: Goal) -> bool:
    return Override.objects.filter(goal=goal, state=Override.State.ACTIVE).exists()


@transaction.atomic
def withdraw_override(*, override: Override, actor: Any, reason: str) -> bool:
    """Write that an override is withdrawn, by whom and why; False when it was no longer in force. Safe to repeat."""
    if not rules.may_override(actor, override.goal.account.investor):
        raise PermissionDenied
    check_reason(reason.strip())
    return _end(override, Override.State.WITHDRAWN, actor, reason.strip())


def withdraw_overrides_above(*, investor: Investor, actor: Any, why: str) -> int:
    """Write withdrawals of the overrides that hold what the investor's level no longer allows. Safe to repeat."""
    n_ended = 0
    for override in Override.objects.filter(goal__account__investor=investor, state=Override.State.ACTIVE).select_related("goal__account"):
        level = level_for_goal(investor, override.goal)
        if level is None or _is_above(override, level, loss_budget(investor.pk, level)):
            n_ended += _end(override, Override.State.WITHDRAWN, actor, why)
    return n_ended


def _is_above(override: Override, level: int, budget: float) -> bool:
    funds = Fund.objects.in_bulk(sorted(override.weights), field_name="code")
    known = {code: float(weight) for code, weight in override.weights.items() if code in funds}
    decision = decide_weights(level, known, funds, loss=override.price["chosen"]["cvar"], limit=budget)
    return decision.verdict != Verdict.RECOMMEND


def expire_overrides(limit: int = 1000) -> int:
    """Write the end of overrides whose day has come and open a task for each client, a short transaction each. Safe to repeat."""
    due = Override.objects.filter(state=Override.State.ACTIVE, expires_on__lte=timezone.localdate()).order_by("pk")
    return _expire(due.select_related("goal__account")[:limit])


def _expire(overrides: Iterable[Override]) -> int:
    n_ended = 0
    for override in overrides:
        with transaction.atomic():
            if _end(override, Override.State.EXPIRED, None, ""):
                params = {"goal": override.goal_id, "override": override.pk}
                open_task(investor_id=override.goal.account.investor_id, kind="override_expired", params=params)
                n_ended += 1
    return n_ended


@transaction.atomic
def _end(override: Override, state: str, actor: Any, why: str) -> bool:
    """One transition out of force, once: whoever comes second writes nothing."""
    investor_id = override.goal.account.investor_id
    lock_chain(investor_id)  # before the override, as whoever makes one locks them
    if not Override.objects.filter(pk=override.pk, state=Override.State.ACTIVE).update(state=state):
        return False
    OverrideEvent.objects.create(override=override, to_state=state, actor=actor, why=why)
    told = {"override": override.pk, "goal": override.goal_id, "state": str(state), "why": why, "by": actor.pk if actor else None}
    append_record(investor_id=investor_id, kind=RecordKind.OVERRIDE_ENDED, payload=told)
    return True
