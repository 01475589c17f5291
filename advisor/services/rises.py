"""Rises that wait: for the end of the cooling off, and two levels at once for an advisor. They end in force, or not at all."""

from datetime import date, datetime
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from advisor import rules
from advisor.errors import Refused
from advisor.jurisdictions import advice_rules
from advisor.kernels.rises import Rise, decide_rise
from advisor.models import Assessment, Goal, Investor, LevelChange, Notice, ProposalDue, RecordKind, Task
from advisor.selectors.reassessment import rise_facts
from advisor.services.overrides import check_reason
from advisor.services.record import append_record

WHY_RISEN = "waiting time over"
CONFIRM_TASK = "confirm_rise"
RISES_A_RUN = 5_000


def cancel_pending_rise(*, investor_id: int, why: str, besides: Assessment | None = None, until: date | None = None) -> bool:
    """Write that a rise which waits comes to nothing, the rule that ended it, and the last day on which that rule holds, if it has
    one; False where none waits. Safe to repeat."""
    waiting = Assessment.objects.filter(investor=investor_id, pending_level__isnull=False)
    if besides is not None:
        waiting = waiting.exclude(pk=besides.pk)
    is_ended = False
    for row in waiting:
        row.working["rise"] = row.working.get("rise", {}) | {"rule": why, "pending": None, "until": until.isoformat() if until else None}
        is_ended |= bool(waiting.filter(pk=row.pk).update(pending_level=None, kept_by=why, working=row.working))
    if is_ended:
        _close_task(investor_id)
    return is_ended


def _close_task(investor_id: int, actor: Any = None) -> None:
    tasks = Task.objects.filter(investor=investor_id, kind=CONFIRM_TASK, state=Task.State.OPEN)
    tasks.update(state=Task.State.DONE, done_at=timezone.now(), done_by=actor)


@transaction.atomic
def confirm_rise(*, assessment: Assessment, advisor: Any, reason: str) -> Assessment:
    """Write that an advisor confirms an assessment that rises by two levels or more; it takes effect once the cooling off is over.

    The confirmation is of this assessment and no other. Raises Refused once it is confirmed, replaced or ended.
    """
    investor = Investor.objects.select_for_update().get(pk=assessment.investor_id)
    row = _to_decide(assessment, investor, advisor, reason.strip())
    row.confirmed_by, row.confirmed_at = advisor, timezone.now()
    row.save(update_fields=["confirmed_by", "confirmed_at"])
    told = {"assessment": row.pk, "level": row.pending_level, "advisor": advisor.pk, "reason": reason.strip(), "confirmed": True}
    append_record(investor_id=investor.pk, kind=RecordKind.LEVEL_CONFIRMED, payload=told, at=row.confirmed_at)
    _close_task(investor.pk, advisor)
    if _due(timezone.now()).filter(pk=row.pk).exists():
        _raise_level(row, investor)
    return row


@transaction.atomic
def decline_rise(*, assessment: Assessment, advisor: Any, reason: str) -> Assessment:
    """Write that an advisor does not confirm a rise that waits: the level in force stays. Raises Refused as `confirm_rise`."""
    investor = Investor.objects.select_for_update().get(pk=assessment.investor_id)
    row = _to_decide(assessment, investor, advisor, reason.strip())
    told = {"assessment": row.pk, "level": row.pending_level, "advisor": advisor.pk, "reason": reason.strip(), "confirmed": False}
    append_record(investor_id=investor.pk, kind=RecordKind.LEVEL_CONFIRMED, payload=told)
    cancel_pending_rise(investor_id=investor.pk, why="declined")
    row.refresh_from_db()
    return row


def _to_decide(assessment: Assessment, investor: Investor, advisor: Any, reason: str) -> Assessment:
    if not rules.may_confirm_rise(advisor, investor):
        raise PermissionDenied
    check_reason(reason, most=300)
    row = Assessment.objects.select_for_update().get(pk=assessment.pk)
    if row.pending_level is None or not investor.has_valid_level():
        raise Refused("no_rise_waits")
    if not row.needs_confirmation:
        raise Refused("not_to_confirm")
    if row.confirmed_at is not None:
        raise Refused("already_confirmed")
    return row


def _due(at: Any) -> QuerySet[Assessment]:
    is_free = Q(needs_confirmation=False) | Q(confirmed_at__isnull=False)
    return Assessment.objects.filter(is_free, pending_level__isnull=False, takes_effect_at__lte=at)


def apply_due_levels(limit: int = RISES_A_RUN) -> int:
    """Put in force the rises whose waiting time is over, a short transaction each; returns how many levels rose. Safe to repeat."""
    n_risen = 0
    for pk, investor_id in list(_due(timezone.now()).order_by("takes_effect_at", "pk").values_list("pk", "investor_id")[:limit]):
        with transaction.atomic():
            investor = Investor.objects.select_for_update().get(pk=investor_id)
            row = _due(timezone.now()).filter(pk=pk).first()
            n_risen += row is not None and _raise_level(row, investor)
    return n_risen


def _against(investor: Investor, to_level: int, now: datetime) -> Rise | None:
    """What has come to stand against a rise since the assessment that it waits for: a blocked purchase, a deep fall."""
    facts, limits = rise_facts(investor.pk, now), advice_rules().reassessment.for_rises
    found = decide_rise(investor.level, to_level, now, timezone.localdate(now), facts, limits)
    return found if found.is_kept else None


def _keep_old(row: Assessment, investor: Investor, against: Rise) -> None:
    until = against.until.isoformat() if against.until else None
    row.kept_by = against.rule
    row.working["rise"] = row.working.get("rise", {}) | {"rule": against.rule, "pending": None, "until": until}
    told = {"assessment": row.pk, "from": investor.level, "to": investor.level, "pending": None, "why": against.rule, "until": until}
    append_record(investor_id=investor.pk, kind=RecordKind.LEVEL, payload=told)


def _raise_level(row: Assessment, investor: Investor) -> bool:
    """Put a waiting level in force, by the assessment that it came from; the caller holds the investor's lock."""
    to_level, now = row.pending_level, timezone.now()
    row.pending_level = None
    if not investor.has_valid_level():
        row.kept_by = "expired"
    elif to_level is not None and (against := _against(investor, to_level, now)):
        _keep_old(row, investor, against)
    row.save(update_fields=["pending_level", "kept_by", "working"])
    if to_level is None or row.kept_by or investor.level is None or to_level <= investor.level:
        return False
    Investor.objects.filter(pk=investor.pk).update(level=to_level)
    LevelChange.objects.create(investor=investor, from_level=investor.level, to_level=to_level, assessment=row, why=WHY_RISEN, at=now)
    told = {"assessment": row.pk, "from": investor.level, "to": to_level, "why": WHY_RISEN}
    append_record(investor_id=investor.pk, kind=RecordKind.LEVEL, payload=told, at=now)
    Notice.objects.get_or_create(investor=investor, kind=Notice.Kind.RAISED, for_date=timezone.localdate(now))
    goals = Goal.objects.filter(account__investor=investor, portfolio__isnull=True).values_list("pk", flat=True)
    # A goal that nothing was bought for yet is proposed anew at the level that holds now.
    ProposalDue.objects.bulk_create([ProposalDue(goal_id=pk, why="level_risen") for pk in goals], ignore_conflicts=True)
    investor.level = to_level
    return True
