"""Who somebody is, what they answered and agreed to, and what they save for: of each person a row or a few."""

import json
from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from typing import Any

from django.db.models import Count
from django.utils import timezone

from advisor.models import Assessment, BehaviourReading, Consent, Goal, Investor, LevelChange, Proposal, ReviewTrigger
from marketing.models import Acquisition
from marketing.selectors.profile_rows import Block, Columns

# Columns that are an answer of the last questionnaire, with the item they answer.
ANSWERS = {"age_band": "age", **{name: name for name in ("income", "reserve", "debt", "dependants", "experience")}}
MEASURES = ("panic", "turnover", "disposition", "concentration", "chasing")
BUCKETS = 10_000
BLANK: Mapping[str, Any] = {
    "confidence": "", "assessed_date": None, "n_assessments": 0, "has_draft_assessment": False, "stated_loss": None,
    **dict.fromkeys(ANSWERS, ""), **dict.fromkeys(MEASURES), "consent_marketing": False, "consent_profiling": False,
    "review_due": False, "level_changed_date": None, "level_move": "", "acquisition_source": "",
    "n_goals": 0, "goal_kind": "", "first_goal_date": None, "last_goal_date": None, "goal_amount_minor": 0, "n_goals_funded": 0,
    "has_waiting_proposal": False,
}  # fmt: skip
Told = dict[int, dict[str, Any]]


def people_columns(block: Block) -> Columns:
    """Everything of a profile that stands in rows about the person. Ten queries."""
    told: Told = {pk: dict(BLANK) for pk in block.ids.tolist()}
    for part in (_persons, _consents, _assessments, _levels, _reviews, _goals, _proposals, _sources):
        part(block, told)
    _behaviour(block, told)
    rows = list(told.values())
    return {name: [row[name] for row in rows] for name in rows[0]}


def bucket_seed(pseudonym: str) -> int:
    """0..9999, the same for ever and as good as drawn."""
    return int.from_bytes(sha256(pseudonym.encode()).digest()[:8], "big") % BUCKETS


def _persons(block: Block, told: Told) -> None:
    advisors = ("household__primary_advisor_id", "household__secondary_advisor_id")
    names = ("level", "level_valid_until", "recommendations_off_at", "joined_at", "pseudonym", "user__language", "user__elder_mode")
    rows = list(Investor.objects.filter(block.of("pk")).values_list("pk", "household_id", *advisors, *names))
    sizes = dict(Investor.objects.filter(household__in={row[1] for row in rows}).values_list("household_id").annotate(Count("pk")))
    for pk, household, first, second, level, until, off_at, joined_at, pseudonym, language, elder in rows:
        if pk in told:
            told[pk] |= {
                "level": level, "level_valid_until": until, "recommendations_off": off_at is not None, "language": language,
                "elder_mode": elder, "joined_date": timezone.localdate(joined_at), "household_size": sizes[household],
                "has_advisor": first is not None or second is not None, "bucket_seed": bucket_seed(pseudonym),
            }  # fmt: skip


def _consents(block: Block, told: Told) -> None:
    rows = Consent.objects.filter(block.of("investor")).exclude(purpose=Consent.Purpose.TERMS).order_by("at", "pk")
    for pk, purpose, is_given in rows.values_list("investor_id", "purpose", "is_given"):
        if pk in told:
            told[pk][f"consent_{purpose}"] = is_given


def _assessments(block: Block, told: Told) -> None:
    """Of the last completed one what it found and was told; drafts only that there is one."""
    states = Assessment.State
    rows = Assessment.objects.filter(block.of("investor"), state__in=[states.DRAFT, states.COMPLETED]).order_by("completed_at", "pk")
    for pk, state, done_at, confidence, loss, answers in rows.values_list(
        "investor_id", "state", "completed_at", "confidence", "stated_loss", "answers"
    ):
        if pk not in told:
            continue
        if state == states.DRAFT:
            told[pk]["has_draft_assessment"] = True
        elif done_at is not None and done_at < block.end:
            found = {name: answers.get(item, "") for name, item in ANSWERS.items()}
            n = told[pk]["n_assessments"] + 1
            told[pk] |= found | {
                "confidence": confidence, "stated_loss": loss, "assessed_date": timezone.localdate(done_at), "n_assessments": n,
            }  # fmt: skip


def _levels(block: Block, told: Told) -> None:
    rows = LevelChange.objects.filter(block.of("investor"), at__lt=block.end).order_by("at", "pk")
    for pk, before, after, at in rows.values_list("investor_id", "from_level", "to_level", "at"):
        if pk in told:
            move = "first" if before is None else "up" if after > before else "down" if after < before else "same"
            told[pk] |= {"level_changed_date": timezone.localdate(at), "level_move": move}


def _reviews(block: Block, told: Told) -> None:
    is_open = ReviewTrigger.objects.filter(block.of("investor"), opened_at__isnull=False, closed_at=None)
    for pk in is_open.values_list("investor_id", flat=True).distinct():
        if pk in told:
            told[pk]["review_due"] = True


def _goals(block: Block, told: Told) -> None:
    """The main goal is the one with the most money put towards it; of equal ones the first made."""
    largest: dict[int, int] = {}
    rows = Goal.objects.filter(block.of("account__investor")).order_by("pk")
    for pk, kind, amount, by, portfolio in rows.values_list("account__investor_id", "kind", "amount_minor", "target_date", "portfolio_id"):
        if pk not in told:
            continue
        one = told[pk]
        one["n_goals"] += 1
        one["n_goals_funded"] += portfolio is not None
        one["goal_amount_minor"] += amount
        one["last_goal_date"] = _chosen(max, one["last_goal_date"], by)
        if by >= block.day:
            one["first_goal_date"] = _chosen(min, one["first_goal_date"], by)
        if amount > largest.get(pk, 0):
            largest[pk], one["goal_kind"] = amount, kind


def _chosen(choose: Any, known: date | None, day: date) -> date:
    return day if known is None else choose(known, day)


def _proposals(block: Block, told: Told) -> None:
    ready = Proposal.objects.filter(block.of("goal__account__investor"), state=Proposal.State.READY)
    for pk in ready.order_by().values_list("goal__account__investor_id", flat=True).distinct():
        if pk in told:
            told[pk]["has_waiting_proposal"] = True


def _sources(block: Block, told: Told) -> None:
    for pk, source in Acquisition.objects.filter(block.of("investor")).values_list("investor_id", "source"):
        if pk in told:
            told[pk]["acquisition_source"] = source


def _behaviour(block: Block, told: Told) -> None:
    """The five measures where they are evidence of anything, of people who agree to being profiled."""
    rows = BehaviourReading.objects.filter(block.of("investor"), as_of__isnull=False, problem="")
    for pk, sheet in rows.values_list("investor_id", "measures"):
        if pk in told and told[pk]["consent_profiling"]:
            read = json.loads(sheet) if isinstance(sheet, str) else sheet
            told[pk] |= {name: read[name]["value"] if name in read and read[name]["evidence"] > 0 else None for name in MEASURES}
