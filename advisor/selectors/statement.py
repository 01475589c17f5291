"""The statement of advice: what was asked, answered, found and proposed, read from stored rows; nothing is worked out anew."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.utils import timezone
from django.utils.translation import get_language

from advisor.jurisdictions import LevelWords, advice_rules
from advisor.models import AdviceRecord, Assessment, Goal, Household, Investor, Level, LevelChange, Override, Proposal
from advisor.selectors.advice import rounded_about, why_held
from advisor.selectors.assessments import Reason, lifts_of, reasons_of
from advisor.selectors.clients import AnswerRow, CeilingRow, answers_in_words, evidence_of
from advisor.selectors.level_words import remarks_of
from advisor.selectors.suitability import level_for_goal
from portfolios.jurisdictions import jurisdiction
from portfolios.money import BPS_PER_UNIT


@dataclass(frozen=True)
class StatedFund:
    """One fund of a proposal as it was stored: its money, what it costs in yuan, and why it is there."""

    code: str
    name: str
    class_name: str
    risk_grade: int
    amount_minor: int
    share: float
    purchase_fee_minor: int
    annual_cost_minor: int
    why: str


@dataclass(frozen=True)
class StatedGoal:
    """A goal with the latest proposal that was accepted or can be, and the override in force. No proposal: nothing is advised."""

    goal: Goal
    proposal: Proposal | None
    funds: list[StatedFund]
    amount_minor: int
    bad_year_minor: int
    annual_cost_minor: int
    purchase_cost_minor: int
    advice_fee_minor: int  # a year
    limit: float | None
    data_date: date | None
    override: Override | None

    @property
    def level_code(self) -> str:
        return self.proposal.get_level_display() if self.proposal else ""

    @property
    def is_accepted(self) -> bool:
        return self.proposal is not None and self.proposal.state == Proposal.State.ACCEPTED


@dataclass(frozen=True)
class Statement:
    investor: Investor
    advisor: Any
    made_at: datetime
    level: Level | None
    words: LevelWords | None
    assessment: Assessment | None
    answers: list[AnswerRow]
    ceilings: list[CeilingRow]
    reasons: list[Reason]
    lifts: list[str]
    remarks: list[str]
    change: LevelChange | None  # the last one, where it was not the questionnaire's
    goals: list[StatedGoal]
    head: AdviceRecord | None  # the latest entry of the record

    @property
    def has_funds(self) -> bool:
        return any(view.funds for view in self.goals)

    @property
    def is_expired(self) -> bool:
        return not self.investor.has_valid_level()


def statement_of(investor: Investor) -> Statement:
    """Gather one investor's statement in the language in force; the caller has found the investor among those visible to the user."""
    evidence = evidence_of(investor)
    household = Household.objects.select_related("primary_advisor", "secondary_advisor").get(pk=investor.household_id)
    assessment = evidence.assessment if evidence else None
    level = Level(investor.level) if investor.level is not None else None
    change = LevelChange.objects.filter(investor=investor).order_by("-at", "-pk").first()
    return Statement(
        investor=investor,
        advisor=household.primary_advisor or household.secondary_advisor,
        made_at=timezone.now(),
        level=level,
        words=advice_rules().levels[level] if level is not None else None,
        assessment=assessment,
        answers=answers_in_words(assessment) if assessment else [],
        ceilings=[row for row in evidence.ceilings if row.binds] if evidence else [],
        reasons=_said(reasons_of, assessment),
        lifts=_said(lifts_of, assessment),
        remarks=remarks_of(assessment.working) if assessment else [],
        change=change if change and change.assessment_id is None else None,
        goals=_goals_of(investor),
        head=AdviceRecord.objects.filter(investor=investor).order_by("-seq").first(),
    )


def _said(words_of: Callable[[Assessment], list[Any]], assessment: Assessment | None) -> list[Any]:
    try:
        return words_of(assessment) if assessment else []
    except LookupError:  # a questionnaire this deployment no longer carries, or numbers kept before they had their names
        return []


def _goals_of(investor: Investor) -> list[StatedGoal]:
    goals = list(Goal.objects.filter(account__investor=investor).select_related("account").order_by("target_date", "pk"))
    highest = {goal.pk: level_for_goal(investor, goal) for goal in goals}
    kept = Proposal.objects.filter(goal__in=goals, state__in=(Proposal.State.READY, Proposal.State.ACCEPTED), result__isnull=False)
    # What was not accepted is no proposal any more once the level has run out, or the goal's date came too near for it.
    latest = {proposal.goal_id: proposal for proposal in kept.order_by("pk") if _is_in_force(proposal, highest[proposal.goal_id])}
    active = Override.objects.filter(goal__in=goals, state=Override.State.ACTIVE, expires_on__gt=timezone.localdate())
    overrides = {override.goal_id: override for override in active.select_related("advisor")}
    return [_stated(goal, latest.get(goal.pk), overrides.get(goal.pk)) for goal in goals]


def _is_in_force(proposal: Proposal, highest: int | None) -> bool:
    return proposal.state == Proposal.State.ACCEPTED or (highest is not None and proposal.level <= highest)


def _stated(goal: Goal, proposal: Proposal | None, override: Override | None) -> StatedGoal:
    result: dict[str, Any] = (proposal.result if proposal else None) or {}
    amount_minor = result.get("amount_minor", goal.amount_minor)
    return StatedGoal(
        goal=goal,
        proposal=proposal,
        funds=_funds_of(result) if "amounts" in result else [],
        amount_minor=amount_minor,
        bad_year_minor=rounded_about(result.get("bad_year_minor", 0)),
        annual_cost_minor=result.get("annual_cost_minor", 0),
        purchase_cost_minor=result.get("purchase_cost_minor", 0),
        advice_fee_minor=round(amount_minor * goal.account.fee_bps / BPS_PER_UNIT),
        limit=result.get("cvar_limit"),
        data_date=date.fromisoformat(result["data_date"]) if "data_date" in result else None,
        override=override,
    )


def _funds_of(result: dict[str, Any]) -> list[StatedFund]:
    classes, total = jurisdiction().classes, result["amount_minor"]
    is_chinese = (get_language() or "zh").startswith("zh")
    rows = {row["code"]: row for row in result["funds"]}
    funds = []
    for code, amount_minor in result["amounts"].items():
        row = rows[code]
        names = (row["name_zh"], row["name_en"]) if is_chinese else (row["name_en"], row["name_zh"])
        known = classes.get(row["asset_class"])
        funds.append(
            StatedFund(
                code=code,
                name=next(filter(None, names), code),
                class_name=known.name if known else row["asset_class"],
                risk_grade=row["risk_grade"],
                amount_minor=amount_minor,
                share=amount_minor / total,
                purchase_fee_minor=result["fees"][code],
                annual_cost_minor=round(amount_minor * row["annual_fee_bps"] / BPS_PER_UNIT),
                # What a fund is expected to earn is a forecast: in a licensed deployment no statement holds one.
                why=why_held(row["why"], amount_minor / total, with_method=settings.IS_DEMO),
            )
        )
    return sorted(funds, key=lambda fund: (-fund.amount_minor, fund.code))
