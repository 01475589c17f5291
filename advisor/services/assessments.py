"""A completed questionnaire: its numbers, the level that it gives, and what becomes of the level in force."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from advisor.errors import Refused
from advisor.instruments import Instrument, current_instrument
from advisor.jurisdictions import advice_rules
from advisor.kernels.rises import Rise, add_months, decide_rise
from advisor.kernels.risk_profile import AnswerError, Profile, Rules
from advisor.models import AdviceRecord, Assessment, Consent, Goal, Investor, LevelChange, RecordKind, ReviewTrigger
from advisor.selectors.behaviour import measures_of
from advisor.selectors.people import has_consent, investors_with_consent
from advisor.selectors.reassessment import age_review_of, moment_for, rise_facts
from advisor.services.drafts import check_attempts, is_too_old
from advisor.services.overrides import withdraw_overrides_above
from advisor.services.proposals import request_proposal, supersede_proposals_above
from advisor.services.queue import open_task
from advisor.services.record import NewRecord, append_record, append_records
from advisor.services.rises import CONFIRM_TASK, cancel_pending_rise
from advisor.services.scoring import Known, profile_of, write_profile
from advisor.services.triggers import Cause, answer_triggers, open_triggers

log = logging.getLogger(__name__)

WHY_ASSESSED = "assessment completed"
ROWS_A_BLOCK = 700  # sheets; up to seven rows each in one transaction


@dataclass(frozen=True)
class BulkAssessment:
    """A finished sheet of answers of one investor, for simulated people and imports."""

    investor_id: int
    answers: Mapping[str, str]
    amount_minor: int
    completed_at: datetime


def complete_assessment(*, assessment: Assessment, actor: Any = None, confirmed: Iterable[str] = ()) -> Assessment:
    """Score a draft once and write its numbers and what becomes of the level in force: a fall at once, a rise after its waiting time.

    `confirmed` names the soft contradictions that the investor stands by. Takes back what a lower level no longer allows,
    and asks for the proposals of goals that have none. Raises AnswerError while an answer is missing or the draft is
    closed, Refused for a limit, a replaced questionnaire, or answers that do not go together. Safe to repeat.
    """
    taken_back: list[Goal] = []
    with transaction.atomic():
        investor = Investor.objects.select_for_update().get(pk=assessment.investor_id)
        row = Assessment.objects.select_for_update().get(pk=assessment.pk)
        if row.state == Assessment.State.ABANDONED:
            raise AnswerError("closed", items=[])
        is_new = row.state == Assessment.State.DRAFT
        if is_new:
            taken_back = _complete(row, investor, actor, set(confirmed))
    if is_new:
        without = Goal.objects.filter(account__investor_id=row.investor_id, portfolio__isnull=True, proposals__isnull=True)
        _request_proposals([*taken_back, *without.order_by("pk")], actor)
    return row


def _complete(row: Assessment, investor: Investor, actor: Any, confirmed: set[str]) -> list[Goal]:
    instrument = _check_draft(row)
    row.soft_confirmed = _confirmed_of(row, instrument, confirmed)
    now = moment_for(investor.pk)
    consent = has_consent(investor, Consent.Purpose.PROFILING)
    review = age_review_of(investor.pk, now)
    known = Known(consent, measures_of(investor) if consent else None, age_reviewed=review is not None)
    profile = profile_of(row, known, instrument)
    facts, rules = rise_facts(investor.pk, now), advice_rules().reassessment.for_rises
    rise = decide_rise(investor.level, profile.level, now, timezone.localdate(now), facts, rules)
    write_profile(row, profile, known, now)
    _write_rise(row, rise, now)
    row.save()
    if review is not None:
        review.used_by = row
        review.save(update_fields=["used_by"])
    _put_in_force(row, investor, rise.granted, actor)
    _tell(row, profile, rise)
    goals = supersede_proposals_above(investor=investor, actor=actor, why=WHY_ASSESSED)
    withdraw_overrides_above(investor=investor, actor=actor, why=WHY_ASSESSED)
    return goals


def _check_draft(row: Assessment) -> Instrument:
    """The questionnaire of a draft that may be completed now; raises Refused for one that may not."""
    if is_too_old(row):
        raise Refused("draft_expired")
    instrument = current_instrument()
    if (row.instrument, row.instrument_sha256) != (instrument.key, instrument.sha256):
        raise Refused("other_version")
    check_attempts(row.investor_id)
    return instrument


def _confirmed_of(row: Assessment, instrument: Instrument, confirmed: set[str]) -> list[str]:
    """The soft contradictions of a complete sheet, each confirmed; raises AnswerError or Refused with what is missing."""
    if missing := [code for code in instrument.codes if code not in row.answers]:
        raise AnswerError("missing_answers", items=missing)
    found = instrument.contradictions_in(row.answers, row.amount_minor)
    if hard := [one.code for one in found if one.is_hard]:
        raise Refused("contradiction", codes=hard)
    soft = [one.code for one in found]
    if unconfirmed := [code for code in soft if code not in confirmed]:
        raise Refused("confirm", codes=unconfirmed)
    return soft


def _write_rise(row: Assessment, rise: Rise, now: datetime) -> None:
    row.kept_by = rise.rule if rise.is_kept else ""
    row.pending_level, row.takes_effect_at = rise.pending, rise.takes_effect_at
    row.needs_confirmation = rise.needs_confirmation
    if rise.is_kept or rise.pending is not None:
        said = {"rule": rise.rule, "granted": rise.granted, "pending": rise.pending}
        row.working["rise"] = said | ({"until": rise.until.isoformat()} if rise.until else {})
    if timezone.now() < now:
        row.working["clock_set_back"] = timezone.now().isoformat()


def _put_in_force(row: Assessment, investor: Investor, granted: int, actor: Any) -> None:
    """Write the level that holds from now on with its validity and history, and both in the record. A rise waits elsewhere."""
    at = row.completed_at or timezone.now()
    cancel_pending_rise(investor_id=investor.pk, why="newer_assessment", besides=row)
    change = {"investor": investor, "from_level": investor.level, "to_level": granted, "assessment": row, "actor": actor}
    LevelChange.objects.create(**change, why=WHY_ASSESSED, at=at)
    valid_until = valid_until_from(at)
    Investor.objects.filter(pk=investor.pk).update(level=granted, level_valid_until=valid_until)
    told = {"assessment": row.pk, "from": investor.level, "to": granted, "valid_until": valid_until.isoformat(), "why": WHY_ASSESSED}
    investor.level, investor.level_valid_until = granted, valid_until
    append_record(investor_id=investor.pk, kind=RecordKind.ASSESSMENT, payload=record_of(row), at=at)
    append_record(investor_id=investor.pk, kind=RecordKind.LEVEL, payload=told, at=at)


def record_of(row: Assessment) -> dict[str, Any]:
    """An assessment as the record of advice keeps it: answers, timings, version, and every number."""
    plain = ("instrument", "instrument_sha256", "answers", "seconds", "positions", "soft_confirmed", "amount_minor", "level", "confidence")
    rise = ("kept_by", "pending_level", "needs_confirmation")
    said = {"assessment": row.pk} | {name: getattr(row, name) for name in (*plain, *rise)} | {"working": row.working}
    times = {name: getattr(row, name) for name in ("started_at", "completed_at", "takes_effect_at")}
    return said | {name: at.isoformat() if at else None for name, at in times.items()}


def _tell(row: Assessment, profile: Profile, rise: Rise) -> None:
    """Close what asked for this assessment, and put it before an advisor where it is doubtful or waits for one."""
    answer_triggers(assessment=row)
    if profile.is_queued:
        open_triggers(kind=ReviewTrigger.Kind.LOW_CONFIDENCE, causes=[_doubt(row)])
    if rise.needs_confirmation:
        params = {"assessment": row.pk, "from": rise.granted, "to": rise.pending}
        open_task(investor_id=row.investor_id, kind=CONFIRM_TASK, params=params)


def _doubt(row: Assessment) -> Cause:
    """Why an advisor should look at a sheet: it leaves the level open, or was clicked through."""
    details = {"p0": round(row.working["raw_certainty"], 4), "low_quality": "low_quality" in row.working}
    return Cause(row.investor_id, str(row.pk), timezone.localdate(row.completed_at), details)


def _request_proposals(goals: Iterable[Goal], actor: Any) -> None:
    for goal in goals:
        try:
            request_proposal(goal=goal, actor=actor)
        except Refused as refused:  # the level stands whether or not a proposal can be made today
            log.warning("no proposal for goal %d: %s", goal.pk, refused.code)


def valid_until_from(completed_at: datetime) -> date:
    """The last day on which a level given at this time is valid: the same day of the month, `validity_months` later."""
    return add_months(timezone.localdate(completed_at), advice_rules().assessment.validity_months)


def assess_in_bulk(*, sheets: Iterable[BulkAssessment]) -> int:
    """Write completed assessments, level changes and levels in force in blocks; returns how many. Not safe to repeat:
    every sheet is one more attempt. For simulated people and imports: each level holds from its own day without waiting,
    limits and waiting times are those of whoever took the answers, and no proposals are asked for. Whoever has a record of
    advice has the sheet entered there, too; `record_history` enters it for everybody else."""
    instrument, rules = current_instrument(), advice_rules().for_scoring
    waiting = sorted(sheets, key=lambda sheet: sheet.completed_at)
    levels = dict(Investor.objects.filter(pk__in={sheet.investor_id for sheet in waiting}).values_list("pk", "level"))
    doubtful: dict[int, Cause] = {}
    for start in range(0, len(waiting), ROWS_A_BLOCK):
        for row in _write_block((instrument, rules), waiting[start : start + ROWS_A_BLOCK], levels):
            doubtful.pop(row.investor_id, None)
            if row.working["is_queued"]:
                doubtful[row.investor_id] = _doubt(row)
    causes = list(doubtful.values())
    for start in range(0, len(causes), ROWS_A_BLOCK):
        open_triggers(kind=ReviewTrigger.Kind.LOW_CONFIDENCE, causes=causes[start : start + ROWS_A_BLOCK])
    return len(waiting)


def _completed(instrument: Instrument, rules: Rules, sheet: BulkAssessment, has_consent: bool) -> Assessment:
    row = Assessment(
        investor_id=sheet.investor_id,
        instrument=instrument.key,
        instrument_sha256=instrument.sha256,
        answers=dict(sheet.answers),
        amount_minor=sheet.amount_minor,
        started_at=sheet.completed_at,
    )
    # What somebody else asked was confirmed there.
    row.soft_confirmed = [one.code for one in instrument.contradictions_in(row.answers, row.amount_minor) if not one.is_hard]
    known = Known(has_consent)
    write_profile(row, profile_of(row, known, instrument, rules), known, sheet.completed_at)
    return row


def _write_block(used: tuple[Instrument, Rules], sheets: list[BulkAssessment], levels: dict[int, int | None]) -> list[Assessment]:
    agreed = investors_with_consent(Consent.Purpose.PROFILING).filter(pk__in={sheet.investor_id for sheet in sheets})
    consents = set(agreed.values_list("pk", flat=True))
    rows = [_completed(*used, sheet, sheet.investor_id in consents) for sheet in sheets]
    table, adapt = Investor._meta.db_table, connection.ops.adapt_datefield_value
    investors: dict[int, tuple[Any, ...]] = {}
    changes = []
    for sheet, row in zip(sheets, rows, strict=True):
        level = int(row.level or 0)
        changes.append(
            LevelChange(
                investor_id=sheet.investor_id,
                from_level=levels[sheet.investor_id],
                to_level=level,
                assessment=row,
                why=WHY_ASSESSED,
                at=sheet.completed_at,
            )
        )
        levels[sheet.investor_id] = level
        investors[sheet.investor_id] = (level, adapt(valid_until_from(sheet.completed_at)), sheet.investor_id)
    with transaction.atomic():
        Assessment.objects.bulk_create(rows)
        LevelChange.objects.bulk_create(changes)
        # One prepared statement: `bulk_update` took as long as all the rest together.
        with connection.cursor() as cursor:
            cursor.executemany(f"UPDATE {table} SET level = %s, level_valid_until = %s WHERE id = %s", list(investors.values()))  # noqa: S608
        _enter(changes)
    return rows


def _enter(changes: list[LevelChange]) -> None:
    """Put sheets that were written in bulk, and what became of the level, into the chains that have been begun."""
    written = AdviceRecord.objects.filter(investor__in={change.investor_id for change in changes})
    begun = set(written.values_list("investor_id", flat=True).distinct())
    later = {"written_later_at": timezone.now().isoformat()}
    records = []
    for change in changes:
        row = change.assessment
        if row is None or change.investor_id not in begun:
            continue
        told = {"assessment": row.pk, "from": change.from_level, "to": change.to_level, "why": change.why}
        told["valid_until"] = valid_until_from(change.at).isoformat()
        records += [
            NewRecord(change.investor_id, RecordKind.ASSESSMENT, record_of(row) | later, change.at),
            NewRecord(change.investor_id, RecordKind.LEVEL, told | later, change.at),
        ]
    append_records(records=records)
