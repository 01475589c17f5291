"""The level in force between assessments. It only falls here, by an advisor's judgement or by behaviour; no function raises one."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone

from advisor import rules
from advisor.errors import Refused
from advisor.jurisdictions import advice_rules
from advisor.kernels.risk_profile import AnswerError, Measure, Profile
from advisor.models import Assessment, Investor, LevelChange, LevelHold, Notice, Override, Proposal, ProposalDue, RecordKind
from advisor.selectors.behaviour import measures_of_many
from advisor.selectors.people import investors_with_consent
from advisor.services.overrides import check_reason, withdraw_overrides_above
from advisor.services.proposals import request_proposal, supersede_proposals_above
from advisor.services.record import append_record
from advisor.services.rises import cancel_pending_rise
from advisor.services.scoring import Known, profile_of

LONGEST_HOLD = timedelta(days=365)
PEOPLE_A_READ = 1000
PEOPLE_A_WRITE = 100
WHY_BEHAVIOUR = "behaviour"
CAN_FALL = 2  # behaviour never lowers below C1


@transaction.atomic
def lower_level(*, investor: Investor, advisor: Any, to_level: int, reason: str) -> LevelChange:
    """Write a lower level with its reason, and take back what it no longer allows, a rise that waits included. A repeat finds it
    lowered and is refused."""
    if not rules.may_lower_level(advisor, investor):
        raise PermissionDenied
    reason = reason.strip()
    check_reason(reason, most=300)
    locked = Investor.objects.select_for_update().get(pk=investor.pk)
    if locked.level is None:
        raise Refused("no_level_to_lower")
    if not 0 <= to_level < locked.level:
        raise Refused("not_lower", now=locked.get_level_display())
    if not Investor.objects.filter(pk=locked.pk, level__gt=to_level).update(level=to_level):
        raise Refused("not_lower", now=locked.get_level_display())
    change = LevelChange.objects.create(investor=locked, from_level=locked.level, to_level=to_level, actor=advisor, why=reason)
    cancel_pending_rise(investor_id=locked.pk, why="lowered")
    told = {"from": locked.level, "to": to_level, "why": reason, "advisor": advisor.pk}
    append_record(investor_id=locked.pk, kind=RecordKind.LEVEL, payload=told, at=change.at)
    locked.level = to_level
    goals = supersede_proposals_above(investor=locked, actor=advisor, why=reason)
    withdraw_overrides_above(investor=locked, actor=advisor, why=reason)
    for goal in goals:
        # A level that has run out asks for no proposal; the next questionnaire does.
        with suppress(Refused):
            request_proposal(goal=goal, actor=advisor)
    return change


@transaction.atomic
def hold_level(*, investor: Investor, advisor: Any, until_date: date | None, reason: str) -> LevelHold:
    """Write that no assessment raises the level up to and including a day, and end a rise that waits. The same hold again is returned."""
    if not rules.may_lower_level(advisor, investor):
        raise PermissionDenied
    check_reason(reason := reason.strip(), most=300)
    today = timezone.localdate()
    if until_date is None or not today < until_date <= today + LONGEST_HOLD:
        raise Refused("hold_out_of_range", first=today + timedelta(days=1), last=today + LONGEST_HOLD)
    locked = Investor.objects.select_for_update().get(pk=investor.pk)
    if locked.level is None:
        raise Refused("no_level_to_hold")
    if same := LevelHold.objects.filter(investor=locked, advisor=advisor, until_date=until_date, reason=reason).first():
        return same
    hold = LevelHold.objects.create(investor=locked, until_date=until_date, advisor=advisor, reason=reason)
    cancel_pending_rise(investor_id=locked.pk, why="held", until=until_date)
    told = {"level": locked.level, "until": until_date.isoformat(), "advisor": advisor.pk, "reason": reason}
    append_record(investor_id=locked.pk, kind=RecordKind.LEVEL_HOLD, payload=told, at=hold.made_at)
    return hold


# ── Behaviour between assessments ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Fall:
    """What tonight's behaviour says of one person: the level of their last answers with it, and which measures speak for it."""

    assessment_id: int
    level: int
    why: str


def apply_behaviour(*, investor_ids: Iterable[int]) -> int:
    """Lower the level in force of each person to what their last answers give with their behaviour now; returns how many fell.

    It only falls, also when a panic sale leaves the window, and a rise that waits shrinks with it. Without consent to profiling,
    or without a sheet that can be scored, a level stays. Reads in blocks, writes a few people at a time. Safe to repeat.
    """
    n_fallen, waiting = 0, iter(sorted(set(investor_ids)))
    while block := list(islice(waiting, PEOPLE_A_READ)):
        falls = _falls_among(block)
        for some in _parts(falls):
            n_fallen += _write_falls(some)
    return n_fallen


def _falls_among(ids: list[int]) -> dict[int, Fall]:
    """Those of a block whose level in force, or rise that waits, lies above what their behaviour allows. Four queries."""
    waiting = Assessment.objects.filter(investor=OuterRef("pk"), pending_level__isnull=False)
    agreed = investors_with_consent("profiling").filter(pk__in=ids, level__isnull=False)
    allowed = agreed.filter(Q(level__gte=CAN_FALL) | Exists(waiting))
    levels = dict(allowed.values_list("pk", "level"))
    measures = measures_of_many(list(levels))
    done = Assessment.objects.filter(investor__in=list(measures), state=Assessment.State.COMPLETED).order_by("completed_at", "pk")
    latest = {row.investor_id: row for row in done}
    scoring = advice_rules().for_scoring
    falls = {}
    for pk, row in latest.items():
        try:
            profile = profile_of(row, _known_then(row, measures[pk]), rules=scoring)
        except (AnswerError, LookupError):  # a questionnaire that is carried no longer: its level stays until the next one
            continue
        if profile.level < max(levels[pk] or 0, row.pending_level or 0):
            falls[pk] = Fall(row.pk, profile.level, why_of(profile))
    return falls


def _known_then(row: Assessment, measures: Mapping[str, Measure]) -> Known:
    """What the sheet was scored with on its day, with the behaviour of now."""
    return Known(True, measures, age_reviewed=bool(row.working.get("age_reviewed")))


def why_of(profile: Profile) -> str:
    """Which measures took something off, by name."""
    named = [reading.name for reading in profile.readings if reading.damage > 0]
    return f"{WHY_BEHAVIOUR}: {', '.join(named)}"[:300] if named else WHY_BEHAVIOUR


def _parts(falls: dict[int, Fall]) -> Iterator[dict[int, Fall]]:
    waiting = iter(sorted(falls.items()))
    while some := dict(islice(waiting, PEOPLE_A_WRITE)):
        yield some


@transaction.atomic
def _write_falls(falls: dict[int, Fall]) -> int:
    """Write the falls of a few people whose latest assessment is still the one that was scored; returns how many fell."""
    now = timezone.now()
    investors = list(Investor.objects.select_for_update().filter(pk__in=falls).order_by("pk"))
    done = Assessment.objects.filter(investor__in=falls, state=Assessment.State.COMPLETED).order_by("completed_at", "pk")
    latest = dict(done.values_list("investor_id", "pk"))
    fallen = []
    for investor in investors:
        fall = falls[investor.pk]
        if latest.get(investor.pk) != fall.assessment_id or investor.level is None:
            continue
        _shrink_rise(investor, fall)
        if fall.level < investor.level:
            _fall(investor, fall, now)
            fallen.append(investor)
    _take_back(fallen)
    return len(fallen)


def _shrink_rise(investor: Investor, fall: Fall) -> None:
    """A rise that waits goes no higher than behaviour allows, and not at all where that is no rise any more."""
    pending = None if investor.level is None or fall.level <= investor.level else fall.level
    if pending is None:
        is_less = cancel_pending_rise(investor_id=investor.pk, why=WHY_BEHAVIOUR)
    else:
        is_less = bool(Assessment.objects.filter(investor=investor, pending_level__gt=pending).update(pending_level=pending))
    if is_less:
        told = {"from": investor.level, "to": investor.level, "pending": pending, "why": fall.why, "assessment": fall.assessment_id}
        append_record(investor_id=investor.pk, kind=RecordKind.LEVEL, payload=told)


def _fall(investor: Investor, fall: Fall, now: Any) -> None:
    Investor.objects.filter(pk=investor.pk, level__gt=fall.level).update(level=fall.level)
    LevelChange.objects.create(investor=investor, from_level=investor.level, to_level=fall.level, why=fall.why, at=now)
    told = {"from": investor.level, "to": fall.level, "why": fall.why, "assessment": fall.assessment_id}
    append_record(investor_id=investor.pk, kind=RecordKind.LEVEL, payload=told, at=now)
    Notice.objects.get_or_create(investor=investor, kind=Notice.Kind.LOWERED, for_date=timezone.localdate(now))
    investor.level = fall.level


def _take_back(fallen: list[Investor]) -> None:
    """Take back the proposals and overrides that those who fell may no longer have, and note that their goals need others."""
    by_key = {investor.pk: investor for investor in fallen}
    open_ones = Proposal.objects.filter(state__in=(Proposal.State.READY, Proposal.State.WORKING), goal__account__investor__in=by_key)
    above = open_ones.filter(level__gt=F("goal__account__investor__level")).values_list("goal__account__investor", flat=True)
    overridden = Override.objects.filter(state=Override.State.ACTIVE, goal__account__investor__in=by_key)
    due: list[int] = []
    for pk in sorted({*above, *overridden.values_list("goal__account__investor", flat=True)}):
        due += [goal.pk for goal in supersede_proposals_above(investor=by_key[pk], actor=None, why=WHY_BEHAVIOUR)]
        withdraw_overrides_above(investor=by_key[pk], actor=None, why=WHY_BEHAVIOUR)
    ProposalDue.objects.bulk_create([ProposalDue(goal_id=goal, why="level_fallen") for goal in due], ignore_conflicts=True)
