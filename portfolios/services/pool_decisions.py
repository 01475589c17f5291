"""Putting a fund in or keeping it out by hand: one person asks with a reason, another one approves.

An approved exclude takes effect at once: a new version of the current pool is written without the fund, and advice buys
nothing more of what has left the pool. An include waits for the next screen, which also lays all decisions in force anew.
"""

import re
from datetime import date, timedelta
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from portfolios.models import Fund, Pool, PoolDecision, PoolFund
from portfolios.selectors.pool import barred_gates, excluded_now

SHORTEST_REASON = 10
LONGEST_REASON = 300
LONGEST_DAYS = 366
TRIES = 3
_NUMBER = re.compile(r" \((\d+)\)$")
_KIND, _STATE = PoolDecision.Kind, PoolDecision.State


class DecisionRefused(Exception):
    """A decision about the pool that the rules do not allow. Nothing was written. `code` names the rule, `params` what it met."""

    def __init__(self, code: str, /, **params: Any) -> None:
        super().__init__(code, params)
        self.code = code
        self.params = params


class _PoolMoved(Exception):
    """Another version became current while one was being written."""


def request_decision(*, fund: Fund, kind: str, reason: str, expires_date: date, actor: Any) -> PoolDecision:
    """Ask that a fund be included or excluded until a day, that day itself within; it waits for a second person.

    The same wish by the same person while it waits is returned as it is. Raises PermissionDenied without the right to,
    DecisionRefused("reason_too_short" | "reason_too_long" | "ends_past" | "ends_late" | "ended" | "not_open" | "barred" |
    "already_waiting").
    """
    if not actor.has_perm("portfolios.add_pooldecision"):
        raise PermissionDenied
    wish = {"fund": fund, "kind": _KIND(kind), "reason": _checked_reason(reason), "expires_date": expires_date}
    _check_end(expires_date)
    _check_can_be_bought(fund, kind)
    try:
        with transaction.atomic():
            waiting = PoolDecision.objects.filter(fund=fund, state=_STATE.WAITING).first()
            return _same(waiting, wish, actor) if waiting else PoolDecision.objects.create(asked_by=actor, **wish)
    except IntegrityError:  # somebody else's came first
        return _same(PoolDecision.objects.get(fund=fund, state=_STATE.WAITING), wish, actor)


def _same(waiting: PoolDecision, wish: dict[str, Any], actor: Any) -> PoolDecision:
    if waiting.asked_by_id == actor.pk and all(getattr(waiting, name) == value for name, value in wish.items()):
        return waiting
    raise DecisionRefused("already_waiting", decision=waiting.pk)


def _checked_reason(reason: str, code: str = "reason_too_short") -> str:
    reason = " ".join(reason.split())
    if len(reason) < SHORTEST_REASON:
        raise DecisionRefused(code, least=SHORTEST_REASON)
    if len(reason) > LONGEST_REASON:
        raise DecisionRefused("reason_too_long", most=LONGEST_REASON)
    return reason


def _check_end(expires_date: date) -> None:
    today = timezone.localdate()
    if expires_date <= today:
        raise DecisionRefused("ends_past", today=today)
    if expires_date > today + timedelta(days=LONGEST_DAYS):
        raise DecisionRefused("ends_late", latest=today + timedelta(days=LONGEST_DAYS))


def _check_can_be_bought(fund: Fund, kind: str) -> None:
    """The screen would not carry such an include out; so nobody is left to wait for it."""
    if kind != _KIND.INCLUDE:
        return
    if fund.ended_on is not None:
        raise DecisionRefused("ended", day=fund.ended_on)
    if not fund.is_open:
        raise DecisionRefused("not_open")
    if gates := barred_gates(fund):
        raise DecisionRefused("barred", gates=gates)


def approve_decision(*, decision: PoolDecision, actor: Any, answer: str = "") -> PoolDecision:
    """Put a waiting decision in force in place of an earlier one about the fund; an exclude takes it out of the pool at once.

    Raises PermissionDenied without the right to, DecisionRefused("four_eyes") for whoever asked, ("not_waiting") where it
    was decided on meanwhile, ("expired") after its last day, and what keeps an include from being carried out.
    """
    _check_decider(decision, actor)
    if decision.expires_date < timezone.localdate():
        raise DecisionRefused("expired", day=decision.expires_date)
    _check_can_be_bought(Fund.objects.get(pk=decision.fund_id), decision.kind)
    for _ in range(TRIES):
        try:
            with transaction.atomic():
                PoolDecision.objects.filter(fund=decision.fund_id, state=_STATE.APPROVED).update(state=_STATE.REPLACED)
                _decide(decision, actor, answer.strip()[:LONGEST_REASON], _STATE.APPROVED)
                leave_out_excluded()
            decision.refresh_from_db()
            return decision
        except _PoolMoved:
            continue
    raise DecisionRefused("pool_moved")


def return_decision(*, decision: PoolDecision, actor: Any, answer: str) -> PoolDecision:
    """Return a waiting decision with a reason; the pool stays as it is. Raises as `approve_decision`, ("answer_too_short")."""
    _check_decider(decision, actor)
    reason = _checked_reason(answer, "answer_too_short")
    with transaction.atomic():
        _decide(decision, actor, reason, _STATE.RETURNED)
    decision.refresh_from_db()
    return decision


def withdraw_decision(*, decision: PoolDecision, actor: Any) -> PoolDecision:
    """Take back one's own decision while it waits. Raises DecisionRefused("not_yours" | "not_waiting")."""
    if decision.asked_by_id != actor.pk:
        raise DecisionRefused("not_yours")
    with transaction.atomic():
        waiting = PoolDecision.objects.filter(pk=decision.pk, state=_STATE.WAITING)
        if not waiting.update(state=_STATE.WITHDRAWN, decided_at=timezone.now()):
            raise DecisionRefused("not_waiting")
    decision.refresh_from_db()
    return decision


def _check_decider(decision: PoolDecision, actor: Any) -> None:
    if not actor.has_perm("portfolios.change_pooldecision"):
        raise PermissionDenied
    if decision.asked_by_id == actor.pk:
        raise DecisionRefused("four_eyes")


def _decide(decision: PoolDecision, actor: Any, answer: str, state: str) -> None:
    waiting = PoolDecision.objects.filter(pk=decision.pk, state=_STATE.WAITING)
    if not waiting.update(state=state, decided_by=actor, decided_at=timezone.now(), answer=answer):
        raise DecisionRefused("not_waiting")


def leave_out_excluded() -> Pool | None:
    """Make a version of the current pool without the funds that decisions in force exclude; None where it holds none of them.

    Runs inside the caller's transaction: a pool is far below 5,000 rows. Also called once a screen is published, for what
    was approved while it was being worked out.
    """
    pool, out = Pool.objects.filter(is_current=True).first(), excluded_now()
    leaving = list(PoolFund.objects.filter(pool=pool, fund_id__in=out).values_list("fund_id", flat=True)) if pool else []
    if pool is None or not leaving:
        return None
    kept = PoolFund.objects.filter(pool=pool).exclude(fund_id__in=leaving).values_list("fund_id", "reason")
    last = max(out[fund] for fund in leaving)
    version = Pool.objects.create(name=_next_name(pool.name), screen_run_id=pool.screen_run_id, decision_id=last)
    PoolFund.objects.bulk_create((PoolFund(pool=version, fund_id=fund, reason=reason) for fund, reason in kept), batch_size=500)
    if not Pool.objects.filter(pk=pool.pk, is_current=True).update(is_current=False):
        raise _PoolMoved
    Pool.objects.filter(pk=version.pk).update(is_current=True)
    version.is_current = True
    return version


def _next_name(name: str) -> str:
    """The name of the version after: 2026-11-20 is followed by 2026-11-20 (2)."""
    numbered = _NUMBER.search(name)
    number = int(numbered[1]) + 1 if numbered else 2
    return f"{_NUMBER.sub('', name)[:70]} ({number})"
