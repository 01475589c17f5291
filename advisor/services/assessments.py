"""The questionnaire: a draft that can be left and taken up again, and the level that a completed one gives."""

import logging
from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.instruments import Instrument, load_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels import risk_profile
from advisor.kernels.measurement import sem_of
from advisor.models import Assessment, Goal, Investor, LevelChange
from advisor.services.overrides import withdraw_overrides_above
from advisor.services.proposals import request_proposal, supersede_proposals_above

log = logging.getLogger(__name__)

MAX_SECONDS_AN_ITEM = 3600
ROWS_A_BLOCK = 1000


@dataclass(frozen=True)
class BulkAssessment:
    """A finished sheet of answers of one investor, for simulated people and imports."""

    investor_id: int
    answers: Mapping[str, str]
    amount_minor: int
    completed_at: datetime


def start_assessment(*, investor: Investor, amount_minor: int) -> Assessment:
    """Return the open draft, or write a new one about this money; a draft left too long is set aside. Safe to repeat."""
    rules = advice_rules().assessment
    drafts = Assessment.objects.filter(investor=investor, state=Assessment.State.DRAFT)
    kept_since = timezone.now() - timedelta(days=rules.draft_days)
    draft = drafts.first()
    if draft and draft.started_at >= kept_since:
        return draft
    if draft:
        drafts.filter(pk=draft.pk).update(state=Assessment.State.ABANDONED)
    instrument = load_instrument(rules.instrument)
    try:
        with transaction.atomic():
            return Assessment.objects.create(
                investor=investor, instrument=instrument.key, instrument_sha256=instrument.sha256, amount_minor=amount_minor
            )
    except IntegrityError:  # another request started it in between
        return drafts.get()


@transaction.atomic
def save_answer(*, assessment: Assessment, item: str, option: str, seconds: int | None = None, position: int | None = None) -> Assessment:
    """Write one answer into a draft, over an earlier one, with the seconds it took and its place on the screen (0 at the top).
    Raises AnswerError for an unknown item or option, or when the questionnaire is no longer open; nothing is written then.
    Safe to repeat."""
    known = load_instrument(assessment.instrument).item(item)
    if known is None:
        raise risk_profile.AnswerError("unknown_item", items=[item])
    if known.option(option) is None:
        raise risk_profile.AnswerError("unknown_option", items=[item])
    # The row's lock keeps two tabs from losing each other's answers.
    draft = Assessment.objects.select_for_update().filter(pk=assessment.pk, state=Assessment.State.DRAFT).first()
    if draft is None:
        raise risk_profile.AnswerError("closed", items=[item])
    draft.answers[item] = option
    if seconds is not None:
        draft.seconds[item] = max(0, min(seconds, MAX_SECONDS_AN_ITEM))
    if position is not None:
        draft.positions[item] = position
    draft.save(update_fields=["answers", "seconds", "positions"])
    return draft


def complete_assessment(*, assessment: Assessment, actor: Any = None) -> Assessment:
    """Score a draft once and write its numbers, the level in force and why, take back what a lower one no longer allows,
    then ask for the proposals of goals that have none. Raises AnswerError while an answer is missing. Safe to repeat."""
    taken_back: list[Goal] = []
    with transaction.atomic():
        investor = Investor.objects.select_for_update().get(pk=assessment.investor_id)
        row = Assessment.objects.select_for_update().get(pk=assessment.pk)
        if row.state == Assessment.State.DRAFT:
            now = timezone.now()
            level = _score_into(row, now)
            row.save()
            valid_until = valid_until_from(now)
            LevelChange.objects.create(
                investor=investor,
                from_level=investor.level,
                to_level=level,
                assessment=row,
                actor=actor,
                why="assessment completed",
                at=now,
            )
            Investor.objects.filter(pk=investor.pk).update(level=level, level_valid_until=valid_until)
            investor.level, investor.level_valid_until = level, valid_until
            taken_back = supersede_proposals_above(investor=investor, actor=actor, why="assessment completed")
            withdraw_overrides_above(investor=investor, actor=actor, why="assessment completed")
    if row.state == Assessment.State.COMPLETED:
        without = Goal.objects.filter(account__investor_id=row.investor_id, portfolio__isnull=True, proposals__isnull=True)
        _request_proposals([*taken_back, *without.order_by("pk")], actor)
    return row


def _request_proposals(goals: Iterable[Goal], actor: Any) -> None:
    for goal in goals:
        try:
            request_proposal(goal=goal, actor=actor)
        except Refused as refused:  # the level stands whether or not a proposal can be made today
            log.warning("no proposal for goal %d: %s", goal.pk, refused.code)


def assess_in_bulk(*, sheets: Iterable[BulkAssessment]) -> int:
    """Write completed assessments, level changes and levels in force in blocks; returns how many. Not safe to repeat:
    every sheet is one more attempt. Asks for no proposals."""
    instrument = load_instrument(advice_rules().assessment.instrument)
    waiting = sorted(sheets, key=lambda sheet: sheet.completed_at)
    levels = dict(Investor.objects.filter(pk__in={sheet.investor_id for sheet in waiting}).values_list("pk", "level"))
    for start in range(0, len(waiting), ROWS_A_BLOCK):
        _write_block(instrument, waiting[start : start + ROWS_A_BLOCK], levels)
    return len(waiting)


def valid_until_from(completed_at: datetime) -> date:
    """The last day on which a level given at this time is valid: the same day of the month, `validity_months` later."""
    day = timezone.localdate(completed_at)
    months = day.month - 1 + advice_rules().assessment.validity_months
    year, month = day.year + months // 12, months % 12 + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def _score_into(row: Assessment, completed_at: datetime) -> int:
    instrument = load_instrument(row.instrument)
    sheet = risk_profile.sheet(row.answers, instrument.for_scoring)
    profile = risk_profile.assess(sheet, advice_rules().for_scoring, sem_of(instrument))
    row.tolerance, row.capacity, row.score = profile.blend.tolerance, profile.blend.capacity, profile.blend.score
    row.raw_level, row.level, row.stated_loss = profile.blend.raw_level, profile.level, profile.stated_loss
    row.working = profile.as_json() | {"rules": advice_rules().version}
    row.state, row.completed_at = Assessment.State.COMPLETED, completed_at
    return profile.level


def _completed(instrument: Instrument, sheet: BulkAssessment) -> tuple[Assessment, int]:
    row = Assessment(
        investor_id=sheet.investor_id,
        instrument=instrument.key,
        instrument_sha256=instrument.sha256,
        answers=dict(sheet.answers),
        amount_minor=sheet.amount_minor,
        started_at=sheet.completed_at,
    )
    return row, _score_into(row, sheet.completed_at)


def _write_block(instrument: Instrument, sheets: list[BulkAssessment], levels: dict[int, int | None]) -> None:
    scored = [_completed(instrument, sheet) for sheet in sheets]
    investors, changes = {}, []
    for sheet, (row, level) in zip(sheets, scored, strict=True):
        changes.append(
            LevelChange(
                investor_id=sheet.investor_id,
                from_level=levels[sheet.investor_id],
                to_level=level,
                assessment=row,
                why="assessment completed",
                at=sheet.completed_at,
            )
        )
        levels[sheet.investor_id] = level
        investors[sheet.investor_id] = Investor(pk=sheet.investor_id, level=level, level_valid_until=valid_until_from(sheet.completed_at))
    with transaction.atomic():
        Assessment.objects.bulk_create([row for row, _ in scored])
        LevelChange.objects.bulk_create(changes)
        Investor.objects.bulk_update(investors.values(), ["level", "level_valid_until"])
