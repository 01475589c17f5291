"""What is new about somebody's level: reminders, a rise that waits, reasons to answer again, and whether that is possible today."""

from dataclasses import dataclass
from datetime import date

from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.kernels.rises import add_months, attempts_left
from advisor.models import Assessment, Investor
from advisor.selectors.level_words import TRIGGERS, rule_sentence
from advisor.selectors.reassessment import NoticeRow, notice_kind, notices_and_triggers_of
from advisor.selectors.refusals import sentence


@dataclass(frozen=True, slots=True)
class LevelNews:
    """`limit` says why nothing can be answered today, "" where an attempt is left; `n_left` is how many there are in all."""

    notices: list[NoticeRow]
    waits: str
    reasons: list[str]
    has_level: bool
    has_draft: bool
    limit: str
    n_left: int


def level_news(investor: Investor) -> LevelNews:
    """Everything around the level that the home and the result page tell beside it, in two queries."""
    rules, today = advice_rules().reassessment.for_attempts, timezone.localdate()
    rows = list(Assessment.objects.filter(investor=investor).defer("working", "answers", "seconds", "positions").order_by("-pk"))
    days = [timezone.localdate(row.completed_at) for row in rows if row.state == Assessment.State.COMPLETED and row.completed_at]
    attempts = attempts_left(days, today, rules)
    n_left = rules.a_window - sum(add_months(day, rules.window_months) > today for day in days)
    notices, triggers = notices_and_triggers_of(investor)
    return LevelNews(
        notices=notices,
        waits=next((what_waits(row, investor.get_level_display()) for row in rows if row.pending_level is not None), ""),
        reasons=[str(TRIGGERS[kind]) for kind in triggers if notice_kind(kind) == "reassess"],
        has_level=investor.has_valid_level(),
        has_draft=any(row.state == Assessment.State.DRAFT for row in rows),
        limit="" if attempts.is_left else sentence(attempts.limit, {"free_on": attempts.free_on}),
        n_left=max(0, n_left),
    )


def what_waits(assessment: Assessment, level: str) -> str:
    """Why the level that the answers give is not in force, in a sentence that names the one that is; "" where it is."""
    if assessment.pending_level is not None and assessment.takes_effect_at is not None:
        rule = "two_levels" if assessment.needs_confirmation and assessment.confirmed_at is None else "cooling_off"
        return rule_sentence(rule, level=level, day=timezone.localdate(assessment.takes_effect_at))
    until = assessment.working.get("rise", {}).get("until")
    return rule_sentence(assessment.kept_by, level=level, day=date.fromisoformat(until) if until else None)
