"""The result page: the level in force in words and in own money, why, what would change it, how sure it is, and what waits."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from advisor.jurisdictions import LevelWords, advice_rules
from advisor.kernels.goals import glide_path, goal_level
from advisor.models import Assessment, Goal, Level, Proposal
from advisor.selectors.assessments import Reason, bad_year_minor, lifts_of, money_of, reasons_of
from advisor.selectors.level_news import what_waits
from advisor.selectors.level_words import remarks_of
from advisor.selectors.people import goals_of, investor_of
from portfolios.jurisdictions import jurisdiction

MEASURES = {
    "panic": _("Selling while markets fall"),
    "turnover": _("How much you buy and sell in a year"),
    "disposition": _("Selling what rose and keeping what fell"),
    "concentration": _("How much hangs on few markets"),
    "chasing": _("Buying what has just risen most"),
}


@dataclass(frozen=True)
class LadderStep:
    code: str
    words: LevelWords
    is_current: bool


@dataclass(frozen=True)
class GlideStep:
    """From this day on the portfolio follows this level."""

    date: date
    level: Level


@dataclass(frozen=True)
class GoalLevel:
    """One pot: the level of its portfolio today, a bad year in its own money, and the days on which it becomes calmer."""

    goal: Goal
    level: Level
    is_lower: bool
    bad_year_minor: int
    steps: list[GlideStep]


@dataclass(frozen=True)
class Said:
    """The questionnaire's side: how much risk is felt to be right, and how much the circumstances allow, of 100."""

    tolerance: float
    capacity: float


@dataclass(frozen=True)
class Done:
    """The other side: what was bought and sold. `state` is no_consent, nothing, calm or counts; `points` were taken off for it."""

    state: str
    points: float
    measures: list[tuple[str, float]]  # in words, with the points each took off


@dataclass(frozen=True)
class ResultPage:
    assessment: Assessment
    level: Level
    words: LevelWords
    ladder: list[LadderStep]
    waits: str  # why a higher level is not in force, "" where nothing waits
    is_lowered: bool  # since the answers, by an advisor or by what was done
    amount_minor: int
    bad_year_minor: int
    reasons: list[Reason]
    lifts: list[str]
    said: Said
    done: Done
    remarks: list[str]
    goals: list[GoalLevel]
    proposal: Proposal | None


def latest_assessment(user: Any) -> Assessment | None:
    """The signed-in person's latest completed assessment."""
    investor = investor_of(user)
    if investor is None:
        return None
    done = Assessment.objects.visible_to(user).filter(investor=investor, state=Assessment.State.COMPLETED)
    found = done.order_by("-completed_at", "-pk").first()
    if found is not None:
        found.investor = investor
    return found


def result_page(user: Any) -> ResultPage | None:
    """The latest completed assessment of the signed-in person, and what became of it."""
    assessment = latest_assessment(user)
    if assessment is None or assessment.level is None:
        return None
    in_force = assessment.investor.level
    level = Level(assessment.level if in_force is None else in_force)
    goals = [goal_level_of(goal, level, assessment.stated_loss) for goal in goals_of(assessment.investor)]
    amount = money_of(assessment)
    waits = what_waits(assessment, level.label)
    words = advice_rules().levels
    return ResultPage(
        assessment=assessment,
        level=level,
        words=words[level],
        ladder=ladder_of(level),
        waits=waits,
        is_lowered=not waits and level < assessment.level,
        amount_minor=amount,
        bad_year_minor=bad_year_minor(level, assessment.stated_loss, amount),
        reasons=reasons_of(assessment),
        lifts=lifts_of(assessment),
        said=Said(assessment.tolerance or 0.0, assessment.capacity or 0.0),
        done=_what_was_done(assessment.working),
        remarks=remarks_of(assessment.working),
        goals=goals,
        proposal=goals[0].goal.proposals.order_by("-pk").first() if goals else None,
    )


def ladder_of(level: Level) -> list[LadderStep]:
    """The levels from calm to adventurous; the lowest class stands there only for those who are in it."""
    words = advice_rules().levels
    lowest = [Level.C1_MIN] if level == Level.C1_MIN else []
    return [LadderStep(step.label, words[step], step == level) for step in [*lowest, *list(Level)[1:]]]


def pot_of(goal: Goal) -> GoalLevel | None:
    """A goal's own level under its owner's level in force; None without one."""
    investor = goal.account.investor
    if investor.level is None or not investor.has_valid_level():
        return None
    return goal_level_of(goal, Level(investor.level), None)


def goal_level_of(goal: Goal, person_level: Level, stated_loss: float | None, on: date | None = None) -> GoalLevel:
    """A goal's own level by the time it has left, with the steps down that are still to come."""
    today, ceilings = on or timezone.localdate(), jurisdiction().horizon_ceilings
    level = Level(goal_level(person_level, goal.horizon_years(today), ceilings))
    steps = glide_path(person_level, goal.target_date, today, ceilings)
    return GoalLevel(
        goal=goal,
        level=level,
        is_lower=level < person_level,
        bad_year_minor=bad_year_minor(level, stated_loss, goal.amount_minor),
        steps=[GlideStep(step.date, Level(step.level)) for step in steps],
    )


def _what_was_done(working: dict[str, Any]) -> Done:
    readings = [reading for reading in working.get("readings", ()) if reading["evidence"] > 0]
    points = working["blend"]["damage"]
    if not working.get("profiling_consent", bool(readings)):
        return Done("no_consent", 0.0, [])
    if not readings:
        return Done("nothing", 0.0, [])
    measures = [(str(MEASURES[reading["name"]]), reading["damage"]) for reading in readings if reading["name"] in MEASURES]
    return Done("counts" if points > 0 else "calm", points, sorted(measures, key=lambda row: -row[1]))
