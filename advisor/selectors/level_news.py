"""What is new about somebody's level: reminders, a rise that waits, reasons to answer again, and whether that is possible today."""

from dataclasses import dataclass

from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.kernels.rises import add_months
from advisor.models import Assessment, Investor
from advisor.selectors.level_words import TRIGGERS, rule_sentence
from advisor.selectors.reassessment import NoticeRow, may_assess, notice_kind, notices_of, open_triggers_of, pending_rise
from advisor.selectors.refusals import sentence


@dataclass(frozen=True, slots=True)
class LevelNews:
    """`limit` says why nothing can be answered today, "" where an attempt is left; then the two numbers say how many."""

    notices: list[NoticeRow]
    waits: str
    reasons: list[str]
    has_level: bool
    has_draft: bool
    limit: str
    n_left_today: int
    n_left: int


def level_news(investor: Investor) -> LevelNews:
    """Everything around the level that the home and the result page tell beside it, in at most nine queries."""
    is_left, limit, free_on = may_assess(investor)
    n_left_today, n_left = _left(investor)
    waiting = pending_rise(investor)
    waits = ""
    if waiting is not None and investor.level is not None:
        rule = "two_levels" if waiting.waits_for_advisor else "cooling_off"
        waits = rule_sentence(rule, level=investor.get_level_display(), day=timezone.localdate(waiting.takes_effect_at))
    return LevelNews(
        notices=notices_of(investor),
        waits=waits,
        reasons=[str(TRIGGERS[trigger.kind]) for trigger in open_triggers_of(investor) if notice_kind(trigger.kind) == "reassess"],
        has_level=investor.has_valid_level(),
        has_draft=Assessment.objects.filter(investor=investor, state=Assessment.State.DRAFT).exists(),
        limit="" if is_left else sentence(limit, {"free_on": free_on}),
        n_left_today=min(n_left_today, n_left),
        n_left=n_left,
    )


def _left(investor: Investor) -> tuple[int, int]:
    """How many attempts are left today, and in the window that is open."""
    rules, today = advice_rules().reassessment.for_attempts, timezone.localdate()
    done = Assessment.objects.filter(investor=investor, state=Assessment.State.COMPLETED).values_list("completed_at", flat=True)
    days = [timezone.localdate(at) for at in done]
    in_window = sum(add_months(day, rules.window_months) > today for day in days)
    return max(0, rules.a_day - sum(day >= today for day in days)), max(0, rules.a_window - in_window)
