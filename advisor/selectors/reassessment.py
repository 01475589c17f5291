"""What stands between a person and another level: attempts left, what is against a rise, what waits, what they are reminded of."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import F, Max, Q
from django.utils import timezone

from advisor.jurisdictions import advice_rules
from advisor.kernels.rises import Attempts, RiseFacts, attempts_left
from advisor.models import Assessment, Clearance, Investor, Level, LevelChange, LevelHold, LevelReview, Notice, ReviewTrigger
from advisor.selectors.level_words import notice_sentence
from portfolios.calendar import add_business_days

BLOCKED = (Clearance.Verdict.ALLOW_AFTER_WARNING, Clearance.Verdict.FORBID)
ABOVE = {"above_level", "only_class"}
LONGEST_HOLIDAY = timedelta(days=31)  # five trading days never take longer
OPEN = Q(opened_at__isnull=False, closed_at=None)  # of triggers
MESSAGES_SHOWN_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PendingRise:
    """A rise that is not in force yet. `takes_effect_at` is the earliest moment; with `waits_for_advisor` it is not enough."""

    assessment: Assessment
    level: Level
    takes_effect_at: datetime
    waits_for_advisor: bool


@dataclass(frozen=True, slots=True)
class NoticeRow:
    """A reminder as the investor reads it."""

    kind: str
    for_date: date
    sentence: str


def completed_of(investor_id: int) -> datetime | None:
    """When the latest assessment was completed."""
    done = Assessment.objects.filter(investor=investor_id, state=Assessment.State.COMPLETED)
    found: datetime | None = done.aggregate(last=Max("completed_at"))["last"]
    return found


def moment_for(investor_id: int) -> datetime:
    """Now, or just after the latest assessment where the clock was set back behind it: attempts keep their order."""
    now, last = timezone.now(), completed_of(investor_id)
    return now if last is None or last < now else last + timedelta(microseconds=1)


def attempts_of(investor_id: int, at: datetime) -> Attempts:
    """Whether an attempt is left at a moment. Only completed assessments count, by the local day of their completion."""
    rules = advice_rules().reassessment.for_attempts
    today = timezone.localdate(at)
    since = at - timedelta(days=32 * rules.window_months)  # longer than the window: the kernel counts by days
    done = Assessment.objects.filter(investor=investor_id, state=Assessment.State.COMPLETED, completed_at__gte=since)
    return attempts_left([timezone.localdate(one) for one in done.values_list("completed_at", flat=True)], today, rules)


def may_assess(investor: Investor) -> tuple[bool, str, date | None]:
    """Whether an assessment may be completed now; else the limit that was met (day_limit, year_limit) and the day it is over."""
    found = attempts_of(investor.pk, moment_for(investor.pk))
    return found.is_left, found.limit, found.free_on


def rise_facts(investor_id: int, at: datetime) -> RiseFacts:
    """What stands against a rise of this person's level at a moment."""
    today = timezone.localdate(at)
    holds = LevelHold.objects.filter(investor=investor_id, until_date__gte=today)
    rises = LevelChange.objects.filter(investor=investor_id, from_level__lt=F("to_level"))
    falls = ReviewTrigger.objects.filter(investor=investor_id, kind=ReviewTrigger.Kind.PORTFOLIO_DOWN, opened_at__isnull=False)
    last_rise = rises.aggregate(last=Max("at"))["last"]
    return RiseFacts(
        held_until=holds.aggregate(last=Max("until_date"))["last"],
        blocked_purchase_until=_blocked_until(investor_id, at),
        last_rise=timezone.localdate(last_rise) if last_rise else None,
        last_fall=falls.aggregate(last=Max("since"))["last"],
    )


def _blocked_until(investor_id: int, at: datetime) -> date | None:
    """The last trading day on which a purchase that was stopped for the level stands against a rise."""
    stopped = Clearance.objects.filter(investor=investor_id, side="buy", verdict__in=BLOCKED, at__gte=at - LONGEST_HOLIDAY)
    for reasons, when in stopped.order_by("-at").values_list("reasons", "at"):
        if ABOVE & set(reasons):
            return add_business_days(timezone.localdate(when), advice_rules().reassessment.trading_days_after_blocked)
    return None


def pending_rise(row: Assessment) -> PendingRise | None:
    """The rise of an assessment that waits, for its day or for an advisor. A newer assessment ends it: only the latest one's can."""
    if row.pending_level is None or row.takes_effect_at is None:
        return None
    waits = row.needs_confirmation and row.confirmed_at is None
    return PendingRise(row, Level(row.pending_level), row.takes_effect_at, waits)


def age_review_of(investor_id: int, at: datetime) -> LevelReview | None:
    """The signed review of age that no assessment has used yet; it counts as long as a level is valid."""
    oldest = at - timedelta(days=31 * advice_rules().assessment.validity_months)
    signed = LevelReview.objects.filter(investor=investor_id, kind=LevelReview.Kind.AGE, state=LevelReview.State.SIGNED, used_by=None)
    return signed.filter(signed_at__gte=oldest).order_by("-signed_at").first()


def open_triggers_of(investor: Investor) -> list[ReviewTrigger]:
    """What makes a new assessment due, the oldest first."""
    return list(ReviewTrigger.objects.filter(OPEN, investor=investor).order_by("since", "pk"))


def notices_of(investor: Investor) -> list[NoticeRow]:
    """What the person is told now, the newest first: of reminders the most urgent one, and what the last month brought.

    What a later assessment has answered is left out.
    """
    return notices_and_triggers_of(investor)[0]


def notices_and_triggers_of(investor: Investor) -> tuple[list[NoticeRow], list[str]]:
    """What the person is told now, and the kinds of what makes a new assessment due, the oldest first.

    One query for both tables, whose kinds have no name in common.
    """
    told = Notice.objects.filter(investor=investor).order_by().values_list("pk", "kind", "for_date", "made_at")
    asked = ReviewTrigger.objects.filter(OPEN, investor=investor).order_by().values_list("pk", "kind", "since", "opened_at")
    found = sorted(told.union(asked, all=True), key=lambda row: (row[3], row[0]))
    notices = [Notice(pk=pk, kind=kind, for_date=day, made_at=at) for pk, kind, day, at in found if kind in Notice.Kind.values]
    triggers = sorted((day, pk, kind) for pk, kind, day, _at in found if kind in ReviewTrigger.Kind.values)
    kinds = [kind for _day, _pk, kind in triggers]
    return _told(investor, notices[::-1], kinds), kinds


def _told(investor: Investor, rows: list[Notice], triggers: list[str]) -> list[NoticeRow]:
    reminders = (Notice.Kind.EXPIRED, Notice.Kind.EXPIRES_TODAY, Notice.Kind.EXPIRES_IN_7, Notice.Kind.EXPIRES_IN_30)
    due = {row.kind: row for row in rows if row.kind in reminders and row.for_date == investor.level_valid_until}
    urgent = next((due[kind] for kind in reminders if kind in due), None)
    asks = {notice_kind(kind) for kind in triggers}
    news = (Notice.Kind.LOWERED, Notice.Kind.RAISED)
    lately = timezone.now() - MESSAGES_SHOWN_FOR
    told: dict[str, Notice] = {}
    for row in rows:
        if row.kind in asks or (row.kind in news and row.made_at >= lately):
            told.setdefault(row.kind, row)
    shown = [urgent] if urgent else []
    return [NoticeRow(row.kind, row.for_date, notice_sentence(row.kind, row.for_date)) for row in [*shown, *told.values()]]


def notice_kind(trigger: str) -> str:
    """What the investor is told of a trigger; "" for those that are for the advisor alone."""
    kinds = ReviewTrigger.Kind
    alone = {kinds.LOW_CONFIDENCE: "", kinds.LIFE_EVENT: "", kinds.PORTFOLIO_DOWN: Notice.Kind.FALL, kinds.CALM: Notice.Kind.CALM}
    return str(alone.get(kinds(trigger), Notice.Kind.REASSESS))
