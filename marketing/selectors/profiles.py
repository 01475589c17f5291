"""The facts from which profiles are rebuilt, one block of investors at a time and a constant number of queries each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

from django.db.models import Count, Max, Q
from django.db.models.functions import TruncDate
from django.utils import timezone

from advisor.models import Goal, Investor
from marketing.kernels.dormancy import Facts
from marketing.models import Event
from portfolios.models import Order
from portfolios.selectors import portfolio_totals

PLAN_DAYS = 90
VISITS_BACK = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class ProfileFacts:
    """Everything of one investor's profile that is counted or summed from other tables, as of the end of a day."""

    investor_id: int
    joined_at: datetime
    last_decision_at: datetime | None
    last_visit_at: datetime | None
    n_decisions: int
    n_plan_orders_90d: int
    assets_minor: int
    idle_cash_minor: int

    def on(self, day: date) -> Facts:
        """The same in whole local days before `day`, as the rule reads it."""
        return Facts(
            days_since_joined=max(0, (day - timezone.localdate(self.joined_at)).days),
            days_since_decision=None if self.last_decision_at is None else (day - timezone.localdate(self.last_decision_at)).days,
            days_since_visit=None if self.last_visit_at is None else (day - timezone.localdate(self.last_visit_at)).days,
            n_plan_orders_90d=self.n_plan_orders_90d,
            assets_minor=self.assets_minor,
            idle_cash_minor=self.idle_cash_minor,
        )


def next_investors(after: int, limit: int) -> list[int]:
    """The next block of investors by primary key."""
    return list(Investor.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:limit])


def profile_facts(investor_ids: Sequence[int], day: date) -> list[ProfileFacts]:
    """Facts of a block of investors as of the end of a day, in the order of their keys, in eight queries."""
    end = timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))
    decided = _orders(investor_ids, day, end)
    money = _money(investor_ids)
    visits = dict(
        Event.objects.filter(investor_id__in=investor_ids, received_at__gte=end - VISITS_BACK, occurred_at__lt=end)
        .values_list("investor_id")
        .annotate(Max("occurred_at"))
    )
    people = Investor.objects.filter(pk__in=investor_ids).order_by("pk").values_list("pk", "joined_at", "last_seen_at")
    found = []
    for pk, joined_at, seen_at in people:
        orders, (assets, idle) = decided.get(pk, {}), money.get(pk, (0, 0))
        seen = [at for at in (seen_at if seen_at and seen_at < end else None, visits.get(pk)) if at is not None]
        found.append(
            ProfileFacts(
                pk, joined_at, orders.get("last"), max(seen, default=None), orders.get("n", 0), orders.get("plans", 0), assets, idle
            )
        )
    return found


def _orders(investor_ids: Sequence[int], day: date, end: datetime) -> dict[int, dict[str, Any]]:
    """Last decision, number of days with a decision, and orders of plans in the last 90 days, by investor."""
    who = "portfolio__goal__account__investor"
    own = ~Q(origin=Order.Origin.PLAN)
    since = end - timedelta(days=PLAN_DAYS)
    rows = (
        Order.objects.filter(**{f"{who}__in": investor_ids}, placed_at__lt=end)
        .exclude(state=Order.State.REJECTED)
        .order_by()
        .values(who)
        .annotate(
            last=Max("placed_at", filter=own),
            n=Count(TruncDate("placed_at"), filter=own, distinct=True),
            plans=Count("pk", filter=Q(origin=Order.Origin.PLAN, placed_at__gte=since) & ~Q(state=Order.State.CANCELLED)),
        )
    )
    return {row[who]: row for row in rows}


def _money(investor_ids: Sequence[int]) -> dict[int, tuple[int, int]]:
    """(all assets, cash that no order has set aside) by investor, now: balances are not kept a day."""
    owner = dict(
        Goal.objects.filter(account__investor__in=investor_ids, portfolio__isnull=False).values_list("portfolio_id", "account__investor_id")
    )
    sums: dict[int, tuple[int, int]] = {}
    for portfolio_id, totals in portfolio_totals(owner).items():
        assets, idle = sums.get(owner[portfolio_id], (0, 0))
        sums[owner[portfolio_id]] = (assets + totals.total_minor, idle + totals.cash_minor)
    return sums
