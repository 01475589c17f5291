"""Who woke: people who slept and did something that leaves them better off, read every night from the tables. A trade alone is none."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from advisor.models import Assessment, ReviewTrigger
from advisor.services.assessments import valid_until_from
from marketing.jurisdictions import market_rules
from marketing.kernels.dormancy import allowed_idle
from marketing.models import Dormancy, DormancyChange, Profile, Reactivation
from marketing.selectors.dormancy import OWNER, end_of
from portfolios.models import Order

BACK_DAYS = 7  # what a night that did not run would have found is found by the next
PLAN_PAUSE_DAYS = 60  # a monthly plan that paid nothing for two months had stopped
SLEEP_BACK_DAYS = 30  # what is done in the month after a sleep still counts as its end
PLACED_SHARE = 0.5  # of the idle cash
ASLEEP = (Dormancy.DORMANT, Dormancy.LOST)
PEOPLE_A_BLOCK = 1_000
QUESTIONS = (ReviewTrigger.Kind.ASKED, ReviewTrigger.Kind.CORRECTED, ReviewTrigger.Kind.LOW_CONFIDENCE, ReviewTrigger.Kind.PORTFOLIO_DOWN)


def note_reactivations(*, on: date) -> int:
    """Write who woke in the week up to a day, one row a person, kind and day; returns how many are new. Safe to repeat.

    People count who slept when they did it, or within the month before. Kinds: a plan that pays again after two months
    without; an assessment done after the last one had run out; at least half of the cash that lay idle put to work; an
    assessment that answers what was asked of the person.
    """
    before = Reactivation.objects.filter(date__lte=on, date__gt=on - timedelta(days=BACK_DAYS)).count()
    for slept in _slept(on):
        rows = [*_plans(slept, on), *_assessments(slept, on), *_cash(slept, on)]
        Reactivation.objects.bulk_create(
            [Reactivation(investor_id=pk, kind=kind, date=day, slept_since=slept[pk]) for pk, kind, day in rows], ignore_conflicts=True
        )
    return Reactivation.objects.filter(date__lte=on, date__gt=on - timedelta(days=BACK_DAYS)).count() - before


def _slept(on: date) -> Iterator[dict[int, date]]:
    """Blocks of those asleep now or lately, with the day on which that sleep was first seen."""
    since = on - timedelta(days=BACK_DAYS + SLEEP_BACK_DAYS)
    lately = DormancyChange.objects.filter(investor=OuterRef("pk"), from_state__in=ASLEEP, date__gt=since, date__lte=on)
    people = Profile.objects.filter(Exists(lately)) | Profile.objects.filter(dormancy__in=ASLEEP)
    after = 0
    while ids := list(people.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:PEOPLE_A_BLOCK]):
        after = ids[-1]
        began = DormancyChange.objects.filter(investor_id__in=ids, to_state__in=ASLEEP, date__lte=on).exclude(from_state__in=ASLEEP)
        yield dict(began.order_by("date").values_list("investor_id", "date"))  # the latest stands last


def _window(on: date) -> tuple[datetime, datetime]:
    return end_of(on - timedelta(days=BACK_DAYS)), end_of(on)


def _orders(ids: dict[int, date]) -> QuerySet[Order]:
    return Order.objects.filter(**{f"{OWNER}__in": list(ids)}).exclude(state__in=[Order.State.REJECTED, Order.State.CANCELLED])


def _plans(slept: dict[int, date], on: date) -> Iterator[tuple[int, str, date]]:
    """Plan purchases with an earlier one of the same portfolio, and none in the two months before."""
    start, end = _window(on)
    plan = _orders(slept).filter(origin=Order.Origin.PLAN)
    earlier = Order.objects.filter(portfolio=OuterRef("portfolio"), origin=Order.Origin.PLAN, placed_at__lt=OuterRef("placed_at"))
    recent = earlier.filter(placed_at__gte=OuterRef("placed_at") - timedelta(days=PLAN_PAUSE_DAYS))
    found = plan.filter(Exists(earlier), ~Exists(recent), placed_at__gte=start, placed_at__lt=end)
    for pk, at in found.values_list(OWNER, "placed_at"):
        if timezone.localdate(at) > slept[pk]:
            yield pk, Reactivation.Kind.PLAN, timezone.localdate(at)


def _assessments(slept: dict[int, date], on: date) -> Iterator[tuple[int, str, date]]:
    """Completed assessments: overdue where the one before had run out, and answers where they close what was asked."""
    start, end = _window(on)
    completed = Assessment.objects.filter(investor_id__in=list(slept), state=Assessment.State.COMPLETED, completed_at__lt=end)
    done: dict[int, list[tuple[int, datetime]]] = {}
    for assessment, pk, at in completed.order_by("completed_at").values_list("pk", "investor_id", "completed_at"):
        if at is not None:
            done.setdefault(pk, []).append((assessment, at))
    lately = [(pk, place, one, at) for pk, rows in done.items() for place, (one, at) in enumerate(rows) if at >= start]
    asked = set(
        ReviewTrigger.objects.filter(closed_by__in=[row[2] for row in lately], kind__in=QUESTIONS).values_list("closed_by", flat=True)
    )
    for pk, place, assessment, at in lately:
        day = timezone.localdate(at)
        if day <= slept[pk]:
            continue
        if place and valid_until_from(done[pk][place - 1][1]) < day:
            yield pk, Reactivation.Kind.ASSESSMENT, day
        if assessment in asked:
            yield pk, Reactivation.Kind.ANSWER, day


def _cash(slept: dict[int, date], on: date) -> Iterator[tuple[int, str, date]]:
    """Purchases since the sleep began that used at least half of the cash that lay idle then, once a sleep."""
    start, end = _window(on)
    began = DormancyChange.objects.filter(investor_id__in=list(slept), to_state__in=ASLEEP, date__lte=on).exclude(from_state__in=ASLEEP)
    idle = dict(began.order_by("date").values_list("investor_id", "idle_cash_minor"))
    now = {pk: money for pk, *money in Profile.objects.filter(pk__in=idle).values_list("pk", "idle_cash_minor", "assets_minor")}
    used = {
        pk for pk, (left, assets) in now.items()
        if idle[pk] >= allowed_idle(assets, market_rules().dormancy) and left <= (1 - PLACED_SHARE) * idle[pk]
    }  # fmt: skip
    used -= {
        pk for pk, day in Reactivation.objects.filter(investor_id__in=used, kind=Reactivation.Kind.CASH).values_list("investor_id", "date")
        if day > slept[pk]
    }  # fmt: skip
    bought: dict[int, tuple[int, datetime]] = {}
    buys = _orders({pk: slept[pk] for pk in used}).filter(side=Order.Side.BUY, placed_at__lt=end).order_by("placed_at")
    for pk, at, amount in buys.values_list(OWNER, "placed_at", "amount_minor"):
        if timezone.localdate(at) > slept[pk]:
            bought[pk] = (bought.get(pk, (0, at))[0] + (amount or 0), at)
    for pk, (amount, at) in bought.items():
        if amount >= PLACED_SHARE * idle[pk] and at >= start:
            yield pk, Reactivation.Kind.CASH, timezone.localdate(at)
