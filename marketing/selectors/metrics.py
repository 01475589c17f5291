"""Every metric of marketing/catalogue/metrics.yaml worked out, over everybody or the people of a segment: five queries for all.

What is told obeys the door's rule: of fewer than ten people nothing but that they are few, and people to the nearest ten.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, Exists, OuterRef, Q, QuerySet, Sum
from django.db.models.functions import Coalesce
from django.utils import timezone

from advisor.models import Consent
from marketing.catalogue.metrics import Metric, metrics
from marketing.jurisdictions import market_rules
from marketing.kernels.conditions import DECISIONS
from marketing.models import Delivery, Dormancy, MetricDay, Profile, Reactivation, Segment
from marketing.selectors.audience import SMALLEST_GROUP, to_ten
from marketing.selectors.segment_facts import OWNER, since
from marketing.selectors.segments import members, read_rule
from portfolios.models import Order

ASLEEP = [Dormancy.DORMANT, Dormancy.LOST]
DAYS = 30
USUAL_DAYS = 28
Value = float | None


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric as it may be told: its value (None: unknown or withheld), of which day, and how it stood 28 days before."""

    metric: Metric
    value: Value
    is_withheld: bool
    date: date | None
    before: Value = None

    @property
    def change(self) -> float | None:
        """Relative change over 28 days; of shares and levels the difference."""
        if self.value is None or self.before is None:
            return None
        if self.metric.unit in {"share", "level"}:
            return self.value - self.before
        return self.value / self.before - 1 if self.before else None

    @property
    def is_good(self) -> bool | None:
        if not self.change or self.metric.good == "none":
            return None
        return (self.change > 0) == (self.metric.good == "up")


def people_of(segment: Segment | None) -> QuerySet[Profile]:
    """Profiles of a segment's people now, or of everybody. Raises RuleError where its rule can no longer be read."""
    return Profile.objects.all() if segment is None else members(read_rule(segment.rule))


def work_out(segment: Segment | None, *, now: datetime | None = None) -> dict[str, Value]:
    """Every metric's value by its code; None where there is nothing to divide by or to take the mean of."""
    now = now or timezone.now()
    people = people_of(segment)
    whose = None if segment is None else people.values("investor_id")
    found: dict[str, Any] = people.aggregate(**{code: make(timezone.localdate(now)) for code, make in OF_PROFILES.items()})
    for count in OF_ROWS:
        found |= count(whose, now)
    worked: dict[str, Value] = {}
    for code, metric in metrics().items():
        if metric.of is None:
            worked[code] = None if found[code] is None else float(found[code])
        else:
            upper, lower = (found[name] for name in metric.of)
            worked[code] = upper / lower if lower else None
    return worked


def _people(**which: Any) -> Callable[[date], Count]:
    return lambda today: Count("pk", filter=Q(**which))


def _in_days(name: str, today: date, *, is_time: bool) -> Q:
    """In the last 30 days of the calendar, today among them."""
    first = since(DAYS, timezone.make_aware(datetime.combine(today, datetime.min.time())))
    return Q(**{f"{name}__gte": first if is_time else timezone.localdate(first)})


OF_PROFILES: dict[str, Callable[[date], Any]] = {
    "people": lambda today: Count("pk"),
    "new_30d": lambda today: Count("pk", filter=_in_days("joined_date", today, is_time=False)),
    "active_30d": lambda today: Count(
        "pk", filter=_in_days("last_visit_at", today, is_time=True) | _in_days("last_decision_at", today, is_time=True)
    ),
    "asleep": _people(dormancy__in=ASLEEP),
    "asleep_idle_cash": lambda today: Count(
        "pk", filter=Q(dormancy__in=ASLEEP, idle_cash_minor__gte=market_rules().dormancy.idle_cash_floor_minor)
    ),
    "calm": _people(dormancy=Dormancy.CALM),
    "assessed": _people(level__isnull=False),
    "expiring_30d": lambda today: Count("pk", filter=Q(level_valid_until__gte=today, level_valid_until__lt=today + timedelta(days=DAYS))),
    "unfinished": _people(has_draft_assessment=True),
    "waiting_proposals": _people(has_waiting_proposal=True),
    "mean_level": lambda today: Avg("level"),
    "assets": lambda today: Coalesce(Sum("assets_minor"), 0),
    "funded": _people(assets_minor__gt=0),
    "idle_cash": lambda today: Coalesce(Sum("idle_cash_minor"), 0),
    "net_flow_90d": lambda today: Coalesce(Sum("net_flow_90d_minor"), 0),
    "value_365d": lambda today: Coalesce(Sum("value_365d_minor"), 0),
    "in_profit": lambda today: Avg("in_profit_share"),
    "plan_savers": _people(plan_status="running"),
    "stopped_plans": _people(plan_status="stopped"),
    "marketing": _people(consent_marketing=True),
    "profiling": _people(consent_profiling=True),
}


def _of(rows: QuerySet[Any], name: str, whose: QuerySet[Any] | None) -> QuerySet[Any]:
    return rows if whose is None else rows.filter(**{f"{name}__in": whose})


def _of_orders(whose: QuerySet[Any] | None, now: datetime) -> dict[str, Any]:
    rows = Order.objects.filter(portfolio__goal__isnull=False, placed_at__gte=since(DAYS, now), placed_at__lte=now)
    decided = Count(OWNER, filter=Q(origin__in=DECISIONS), distinct=True)
    return _of(rows.exclude(state=Order.State.REJECTED), OWNER, whose).aggregate(orders_30d=Count("pk"), deciders_30d=decided)


def _of_messages(whose: QuerySet[Any] | None, now: datetime) -> dict[str, Any]:
    rows = Delivery.objects.filter(status=Delivery.Status.SENT, ended_at__gte=since(DAYS, now), ended_at__lte=now)
    return _of(rows, "investor_id", whose).aggregate(
        messages_30d=Count("pk"), opened_30d=Count("opened_at"), clicked_30d=Count("clicked_at")
    )


def _of_consents(whose: QuerySet[Any] | None, now: datetime) -> dict[str, Any]:
    same = Consent.objects.filter(investor=OuterRef("investor"), purpose=Consent.Purpose.MARKETING)
    earlier = same.filter(is_given=True, at__lt=OuterRef("at"))
    later = same.filter(is_given=True, at__gt=OuterRef("at"))
    rows = Consent.objects.filter(purpose=Consent.Purpose.MARKETING, is_given=False, at__gte=since(DAYS, now), at__lte=now)
    rows = rows.filter(Exists(earlier), ~Exists(later))
    return _of(rows, "investor_id", whose).aggregate(opt_outs_30d=Count("investor_id", distinct=True))


def _of_sleep(whose: QuerySet[Any] | None, now: datetime) -> dict[str, Any]:
    rows = Reactivation.objects.filter(date__gte=timezone.localdate(since(DAYS, now)), date__lte=timezone.localdate(now))
    return _of(rows, "investor_id", whose).aggregate(woken_30d=Count("investor_id", distinct=True))


OF_ROWS = (_of_orders, _of_messages, _of_consents, _of_sleep)


def rule_of(code: str) -> dict[str, Any] | None:
    """The rule of the people whom a metric counts, or whom its numerator counts; None where they are no segment."""
    asleep = {"field": "dormancy", "is": [state.value for state in ASLEEP]}
    floor = market_rules().dormancy.idle_cash_floor_minor
    lately = [{"field": name, "days_ago_below": DAYS} for name in ("last_visit_at", "last_decision_at")]
    conditions: dict[str, Any] = {
        "new_30d": {"field": "joined_date", "days_ago_below": DAYS},
        "active_30d": {"any": lately},
        "asleep": asleep,
        "asleep_idle_cash": {"all": [asleep, {"field": "idle_cash_minor", "at_least": floor}]},
        "calm": {"field": "dormancy", "is": [Dormancy.CALM.value]},
        "assessed_share": {"not": [{"field": "level", "is": [None]}]},
        "expiring_30d": {"field": "level_valid_until", "in_days_below": DAYS},
        "unfinished": {"field": "has_draft_assessment", "is": True},
        "waiting_proposals": {"field": "has_waiting_proposal", "is": True},
        "funded_share": {"field": "assets_minor", "at_least": 1},
        "deciders_30d": {"order": "any", "did": True, "within_days": DAYS},
        "plan_savers": {"field": "plan_status", "is": ["running"]},
        "stopped_plans": {"field": "plan_status", "is": ["stopped"]},
        "marketing_share": {"field": "consent_marketing", "is": True},
        "profiling_share": {"field": "consent_profiling", "is": True},
    }
    return conditions.get(code)


def is_told(metric: Metric, value: Value, n_people: int, segment_id: int | None) -> bool:
    """Whether a value may be shown: of a segment of fewer than ten, and of fewer than ten people within one, nothing is.

    Nor is a share that fewer than ten people are missing from; fewer than ten orders or messages are those of fewer than ten.
    """
    if n_people < SMALLEST_GROUP:
        return segment_id is None and metric.code == "people"
    if value is None:
        return True
    if metric.unit in {"people", "count"}:
        return value == 0 or value >= SMALLEST_GROUP
    if metric.of is None or metric.of[1] != "people":
        return True
    counted = round(value * n_people)
    return not (0 < counted < SMALLEST_GROUP or 0 < n_people - counted < SMALLEST_GROUP)


def in_short(value: float) -> int:
    """To two significant digits."""
    return int(float(f"{value:.2g}"))


def told_value(metric: Metric, value: Value, n_people: int, segment_id: int | None) -> Value:
    """A value as it may be shown: None where it may not, and rounded as `in_tens` says."""
    if value is None or not is_told(metric, value, n_people, segment_id):
        return None
    return in_tens(metric, value, segment_id)


def in_tens(metric: Metric, value: float, segment_id: int | None) -> float:
    """A value that tells of no single person: people to the nearest ten, shares in tenths of a percent, everybody's sums as they are.

    Of a segment shares in whole percent and anything summed to two digits: two that differ by one person would else tell of that
    person.
    """
    if metric.unit == "people":
        return to_ten(round(value))
    if metric.unit == "share":
        return round(value, 3 if segment_id is None else 2)
    if segment_id is None:
        return value
    return round(value, 1) if metric.unit == "level" else in_short(value)


def latest_readings(segment: Segment | None) -> list[Reading]:
    """Every metric of the last day that was worked out, with its value of 28 days before, in two queries."""
    pk = segment.pk if segment else None
    days = MetricDay.objects.filter(segment=segment)
    last = days.order_by("-date").values_list("date", flat=True).first()
    if last is None:
        return []
    rows = days.filter(date__in=[last, last - timedelta(days=USUAL_DAYS)])
    stored = {(row.metric, row.date): row for row in rows}
    readings = []
    for code, metric in metrics().items():
        row, old = stored.get((code, last)), stored.get((code, last - timedelta(days=USUAL_DAYS)))
        if row is not None:
            told = is_told(metric, row.value, row.n_people, pk)
            before = told_value(metric, old.value, old.n_people, pk) if old is not None and told else None
            readings.append(Reading(metric, told_value(metric, row.value, row.n_people, pk), not told, last, before))
    return readings


def history(code: str, segment: Segment | None, *, days: int = 365) -> list[tuple[date, Value]]:
    """A metric's stored days in order of time, those that may not be told left empty."""
    metric, pk = metrics()[code], segment.pk if segment else None
    first = timezone.localdate() - timedelta(days=days)
    rows = MetricDay.objects.filter(metric=code, segment=segment, date__gte=first).order_by("date")
    return [(row.date, told_value(metric, row.value, row.n_people, pk)) for row in rows]
