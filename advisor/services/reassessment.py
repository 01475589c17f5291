"""The night of the levels: reminders, what behaviour and holdings say, corrected questionnaires. By blocks, never by person."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.kernels.rises import add_months
from advisor.models import (
    Assessment,
    BehaviourReading,
    Goal,
    GoalHigh,
    InstrumentVersion,
    Investor,
    Notice,
    Readvice,
    ReadviceRun,
    ReviewTrigger,
)
from advisor.services.drafts import set_aside_drafts
from advisor.services.triggers import Cause, open_triggers, tell
from portfolios.jurisdictions import jurisdiction
from portfolios.selectors import portfolio_gains

PEOPLE_A_BLOCK = 1000
REVIEW_IS_FRESH = timedelta(days=4)  # over a long weekend nothing new is found, and nothing is forgotten either
Kind = ReviewTrigger.Kind


@dataclass(frozen=True, slots=True)
class Watched:
    """What a night did: counts of rows that are new."""

    drafts_set_aside: int
    notices: int
    panic_sales: int
    calm_in_falls: int
    revealed_risk: int
    portfolio_down: int
    corrected: int

    def as_json(self) -> dict[str, int]:
        return asdict(self)


def watch_assessments() -> Watched:
    """Do the night's work around levels in short transactions; returns what is new. Safe to repeat: a second run finds nothing."""
    return Watched(
        drafts_set_aside=set_aside_drafts(),
        notices=remind(),
        panic_sales=watch_panic_sales(),
        calm_in_falls=offer_after_calm(),
        revealed_risk=watch_revealed_risk(),
        portfolio_down=watch_portfolios(),
        corrected=ask_after_correction(),
    )


def blocks_of(rows: QuerySet[Any], *columns: str, size: int = PEOPLE_A_BLOCK) -> Iterator[list[Any]]:
    """Yield rows in blocks by primary key, so that what one block writes does not move the next."""
    after = 0
    while found := list(rows.filter(pk__gt=after).order_by("pk").values_list("pk", *columns)[:size]):
        yield found
        after = found[-1][0]


# ── Reminders ────────────────────────────────────────────────────────────────────────────────────────────────────


def remind() -> int:
    """Write the reminders of levels that run out, each once for its day, also those of a night that was missed; returns how many."""
    today = timezone.localdate()
    days = sorted(advice_rules().reassessment.reminder_days, reverse=True)
    kinds = dict(zip(days, (Notice.Kind.EXPIRES_IN_30, Notice.Kind.EXPIRES_IN_7, Notice.Kind.EXPIRES_TODAY), strict=True))
    with_level = Investor.objects.filter(level__isnull=False)
    n_new = _notify(with_level.filter(level_valid_until__lt=today), Notice.Kind.EXPIRED)
    for ahead, next_ahead in zip(days, [*days[1:], -1], strict=True):
        window = (today + timedelta(days=next_ahead + 1), today + timedelta(days=ahead))
        n_new += _notify(with_level.filter(level_valid_until__range=window), kinds[ahead])
    return n_new


def _notify(people: QuerySet[Investor], kind: str) -> int:
    told = Notice.objects.filter(investor=OuterRef("pk"), kind=kind, for_date=OuterRef("level_valid_until"))
    n_new = 0
    for block in blocks_of(people.filter(~Exists(told)), "level_valid_until"):
        n_new += len(block)
        Notice.objects.bulk_create([Notice(investor_id=pk, kind=kind, for_date=day) for pk, day in block], ignore_conflicts=True)
    return n_new


# ── What was done ────────────────────────────────────────────────────────────────────────────────────────────────


def watch_panic_sales() -> int:
    """Open the trigger of those who sold in a fall since they last answered, as it was last read; returns how many are new."""
    since = add_months(timezone.localdate(), -int(advice_rules().behaviour.panic_months))
    # Answers of the very day do not know of the sale: what was done is read by night.
    answered = Assessment.objects.filter(
        investor=OuterRef("investor"), state=Assessment.State.COMPLETED, completed_at__date__gt=OuterRef("panic_on")
    )
    sold = BehaviourReading.objects.filter(~Exists(answered), panic_on__gte=since, problem="")
    n_new = 0
    for block in blocks_of(sold, "investor_id", "panic_on"):
        causes = [Cause(investor, day.isoformat(), day) for _, investor, day in block]
        n_new += len(open_triggers(kind=Kind.PANIC_SALE, causes=causes))
    return n_new


def offer_after_calm() -> int:
    """Offer an assessment, at most once a year, to those who sold nothing in two falls that are over; returns how many are new.

    The offer alone changes no level.
    """
    rules, today = advice_rules().reassessment, timezone.localdate()
    begun = add_months(today, -rules.calm_months)
    about = f"{today.year}"
    offered = ReviewTrigger.objects.filter(investor=OuterRef("investor"), kind=Kind.CALM, about=about)
    calm = BehaviourReading.objects.filter(
        ~Exists(offered),
        measures__panic__rests_on__n_calm__gte=rules.calm_falls,
        panic_on=None,
        begins_on__lte=begun,
        investor__level_valid_until__gte=today,
    )
    n_new = 0
    for block in blocks_of(calm, "investor_id"):
        n_new += len(open_triggers(kind=Kind.CALM, causes=[Cause(investor, about, today) for _, investor in block]))
    return n_new


# ── What is really held ──────────────────────────────────────────────────────────────────────────────────────────


def watch_revealed_risk() -> int:
    """Watch those whose holdings, by the nightly review, lie two levels or more from what they stated, and open the trigger of those
    for whom it has lasted; returns how many opened. Without a fresh review nothing is changed."""
    run = ReadviceRun.objects.filter(is_current=True, started_at__gte=timezone.now() - REVIEW_IS_FRESH).first()
    if run is None:
        return 0
    found = _elsewhere(run)
    watched = ReviewTrigger.objects.filter(kind=Kind.REVEALED_RISK, closed_at=None, opened_at=None)
    for block in blocks_of(watched, "investor_id"):
        over = [pk for pk, investor in block if investor not in found]
        ReviewTrigger.objects.filter(pk__in=over, opened_at=None).delete()
    today, keys = timezone.localdate(), sorted(found)
    for start in range(0, len(keys), PEOPLE_A_BLOCK):
        rows = [_watched(pk, found[pk], today) for pk in keys[start : start + PEOPLE_A_BLOCK]]
        ReviewTrigger.objects.bulk_create(rows, ignore_conflicts=True)  # who is watched, or has it open, stays as they are
    lasting = watched.filter(since__lte=today - timedelta(days=advice_rules().reassessment.revealed_days))
    return sum(_open_watched(block, today) for block in blocks_of(lasting, "investor_id", "about", "since"))


def _elsewhere(run: ReadviceRun) -> dict[int, dict[str, Any]]:
    """By investor, a goal whose bad year is that of a level two or more away from its own: above or below."""
    away, budgets = advice_rules().reassessment.revealed_levels, {level: rule.cvar_budget for level, rule in jurisdiction().levels.items()}
    condition = Q(pk=None)
    for level in budgets:
        if (too_high := budgets.get(level + away - 1)) is not None:
            condition |= Q(level=level, cvar_now__gt=too_high)
        if (too_low := budgets.get(level - away)) is not None and level - away >= 1:
            condition |= Q(level=level, cvar_now__lte=too_low)
    rows = Readvice.objects.filter(condition, run=run, cvar_now__isnull=False).order_by()
    named = rows.values_list("goal__account__investor_id", "goal_id", "level", "cvar_now")
    return {investor: {"goal": goal, "level": level, "cvar": round(cvar or 0.0, 4)} for investor, goal, level, cvar in named.iterator()}


def _watched(investor_id: int, details: dict[str, Any], today: date) -> ReviewTrigger:
    about = f"{details['goal']}:{today.isoformat()}"
    return ReviewTrigger(investor_id=investor_id, kind=Kind.REVEALED_RISK, about=about, details=details, since=today)


def _open_watched(block: list[Any], today: date) -> int:
    """Open triggers that were watched long enough, with their tasks and notices, in one transaction."""
    with transaction.atomic():
        rows = ReviewTrigger.objects.filter(pk__in=[row[0] for row in block], opened_at=None, closed_at=None)
        n_opened = rows.update(opened_at=timezone.now())
        tell(Kind.REVEALED_RISK, {investor: Cause(investor, about, since) for _, investor, about, since in block}, today)
    return n_opened


# ── Deep falls ───────────────────────────────────────────────────────────────────────────────────────────────────


def watch_portfolios() -> int:
    """Keep the highest gain of each goal's portfolio, and explain a fall of a fifth from it once; returns how many are new.

    The fall is in money, so that paying in changes nothing: (highest gain - gain) over (paid in + highest gain).
    """
    n_new, today = 0, timezone.localdate()
    goals = Goal.objects.filter(portfolio__isnull=False)
    for block in blocks_of(goals, "portfolio_id", "account__investor_id"):
        n_new += len(open_triggers(kind=Kind.PORTFOLIO_DOWN, causes=_deep_falls(block, today)))
    return n_new


def _deep_falls(block: list[Any], today: date) -> list[Cause]:
    gains = portfolio_gains([portfolio for _, portfolio, _ in block])
    highs = {row.goal_id: row for row in GoalHigh.objects.filter(goal__in=[goal for goal, _, _ in block])}
    risen, causes = [], []
    for goal, portfolio, investor in block:
        gain, paid_in = gains.get(portfolio, (0.0, 0))
        high = highs.get(goal)
        highest = high.gain_minor if high else 0
        if gain > highest:
            risen.append(GoalHigh(goal_id=goal, gain_minor=int(gain), on_date=today))
        elif paid_in and highest - gain >= advice_rules().reassessment.deep_fall * (paid_in + highest):
            about = f"{goal}:{high.on_date.isoformat() if high else 'start'}"
            share = round((highest - gain) / (paid_in + highest), 4)
            causes.append(Cause(investor, about, today, {"goal": goal, "fall": share}))
    GoalHigh.objects.bulk_create(risen, update_conflicts=True, unique_fields=["goal"], update_fields=["gain_minor", "on_date"])
    return causes


# ── Corrected questionnaires ─────────────────────────────────────────────────────────────────────────────────────


def ask_after_correction() -> int:
    """Ask those whose level rests on an older questionnaire than one marked corrective to answer again, spread over 60 days by their
    key; returns how many were asked. Who has expired is asked anyway."""
    days, today = advice_rules().reassessment.corrected_days, timezone.localdate()
    since = timezone.now() - timedelta(days=2 * days)  # long enough for nights that were missed
    n_new = 0
    for version in InstrumentVersion.objects.filter(is_corrective=True, published_at__gte=since):
        if version.published_at is None:
            continue
        day = (today - timezone.localdate(version.published_at)).days
        newer = Assessment.objects.filter(investor=OuterRef("pk"), state=Assessment.State.COMPLETED, completed_at__gte=version.published_at)
        asked = ReviewTrigger.objects.filter(investor=OuterRef("pk"), kind=Kind.CORRECTED, about=version.key)
        people = Investor.objects.filter(level__isnull=False, level_valid_until__gte=today).annotate(slot=F("pk") % days)
        for block in blocks_of(people.filter(~Exists(newer), ~Exists(asked), slot__lte=day)):
            n_new += len(open_triggers(kind=Kind.CORRECTED, causes=[Cause(pk, version.key, today) for (pk,) in block]))
    return n_new
