"""What makes a new assessment due: opened for many at once, told to the advisors and to the person, closed by the next assessment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.utils import timezone

from advisor import rules
from advisor.errors import Refused
from advisor.models import Assessment, Investor, Notice, RecordKind, ReviewTrigger, Task
from advisor.selectors.level_words import LIFE_EVENTS
from advisor.selectors.reassessment import notice_kind
from advisor.services.overrides import check_reason
from advisor.services.queue import open_tasks
from advisor.services.record import append_record

Kind = ReviewTrigger.Kind
QUEUE_KINDS = tuple(str(kind) for kind in Kind if kind != Kind.ASKED)


@dataclass(frozen=True, slots=True)
class Cause:
    """What opens a trigger for one person: `about` names it, so that the same never opens twice."""

    investor_id: int
    about: str
    since: date
    details: dict[str, Any] = field(default_factory=dict)


def open_triggers(*, kind: str, causes: Sequence[Cause]) -> list[int]:
    """Open a trigger, a task for the advisors and a notice for each of at most a thousand people, in one short transaction.

    Who has one of the kind open, or had one about the same, is left out; returns whose are new. Safe to repeat.
    """
    today, now = timezone.localdate(), timezone.now()
    with transaction.atomic():
        known = ReviewTrigger.objects.filter(investor__in={cause.investor_id for cause in causes}, kind=kind)
        rows = list(known.values_list("investor_id", "about", "closed_at"))
        busy = {investor for investor, _, closed_at in rows if closed_at is None}
        past = {(investor, about) for investor, about, _ in rows}
        new = {one.investor_id: one for one in causes if one.investor_id not in busy and (one.investor_id, one.about) not in past}
        ReviewTrigger.objects.bulk_create(
            [
                ReviewTrigger(investor_id=one.investor_id, kind=kind, about=one.about, details=one.details, since=one.since, opened_at=now)
                for one in new.values()
            ],
            ignore_conflicts=True,
        )
        tell(kind, new, today)
    return sorted(new)


def tell(kind: str, causes: Mapping[int, Cause], on: date) -> None:
    """Write the task and the notice of triggers that were just opened, inside the caller's transaction."""
    if kind in QUEUE_KINDS:
        open_tasks(kind=kind, items={pk: [cause.about] for pk, cause in causes.items()})
    if told := notice_kind(kind):
        Notice.objects.bulk_create([Notice(investor_id=pk, kind=told, for_date=on) for pk in causes], ignore_conflicts=True)


def answer_triggers(*, assessment: Assessment) -> None:
    """Write that an assessment answers whatever asked for one, and that the advisors' tasks about it are done. Safe to repeat."""
    now = timezone.now()
    asking = ReviewTrigger.objects.filter(investor=assessment.investor_id, closed_at=None)
    asking.filter(opened_at=None).delete()  # only watched: what is held is looked at anew from now
    asking.update(closed_at=now, closed_by=assessment)
    tasks = Task.objects.filter(investor=assessment.investor_id, kind__in=QUEUE_KINDS, state=Task.State.OPEN)
    tasks.update(state=Task.State.DONE, done_at=now)


def report_life_event(*, investor: Investor, what: str, actor: Any) -> ReviewTrigger:
    """Write that the investor tells of a change in life, which makes a new assessment due; the level stays. Safe to repeat."""
    if actor.pk != investor.user_id:
        raise PermissionDenied
    if what not in LIFE_EVENTS:
        raise Refused("unknown_event")
    today = timezone.localdate()
    with transaction.atomic():
        cause = Cause(investor.pk, _next_about(investor, Kind.LIFE_EVENT), today, {"what": what})
        if open_triggers(kind=Kind.LIFE_EVENT, causes=[cause]):
            told = {"trigger": str(Kind.LIFE_EVENT), "what": what}
            append_record(investor_id=investor.pk, kind=RecordKind.REASSESSMENT, payload=told)
    return ReviewTrigger.objects.get(investor=investor, kind=Kind.LIFE_EVENT, closed_at=None)


def ask_reassessment(*, investor: Investor, advisor: Any, reason: str) -> ReviewTrigger:
    """Write that an advisor asks for a new assessment, and the notice that tells the investor. The level stays. Safe to repeat."""
    if not rules.may_lower_level(advisor, investor):
        raise PermissionDenied
    check_reason(reason := reason.strip(), most=300)
    now = timezone.now()
    with transaction.atomic():
        details = {"advisor": advisor.pk, "reason": reason}
        cause = Cause(investor.pk, _next_about(investor, Kind.ASKED), timezone.localdate(now), details)
        if open_triggers(kind=Kind.ASKED, causes=[cause]):
            told = {"trigger": str(Kind.ASKED)} | details
            append_record(investor_id=investor.pk, kind=RecordKind.REASSESSMENT, payload=told, at=now)
    return ReviewTrigger.objects.get(investor=investor, kind=Kind.ASKED, closed_at=None)


def _next_about(investor: Investor, kind: str) -> str:
    """What people say is counted: who says the same again after an assessment says something new."""
    return f"{kind}:{1 + ReviewTrigger.objects.filter(investor=investor, kind=kind).count()}"
