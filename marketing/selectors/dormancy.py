"""What the nightly reading of who sleeps rests on: everybody's decisions, and the facts of a block of investors."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any

import numpy as np
from django.db.models import F, FloatField, QuerySet, Sum
from django.db.models.functions import Cast, TruncDate
from django.utils import timezone

from advisor.models import Readvice
from marketing.kernels.bgnbd import Floats, Ints
from marketing.kernels.dormancy import FactColumns
from marketing.models import Profile, Reactivation
from portfolios.models import Holding, Order

DAYS_A_WEEK = 7.0
OWNER = "portfolio__goal__account__investor"
BPS_A_MICRO = 1e10  # units in centi times NAV in micro is minor units times a million; basis points of it
COLUMNS = (
    "investor_id", "joined_date", "investor__joined_at", "first_decision_at", "last_decision_at", "n_decisions", "n_decisions_365d",
    "last_visit_at", "plan_status", "n_plan_orders_90d", "plan_month_minor", "assets_minor", "idle_cash_minor", "bought_365d_minor",
    "purchase_fee_bps",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Block:
    """Facts of some investors as arrays in the order of their keys; lengths in whole days, NaN for never."""

    investor_ids: list[int]
    joined: Floats
    first: Floats
    last: Floats
    visit: Floats
    n_decisions: Floats
    n_decisions_365d: Floats
    is_on_plan: Any
    is_out_of_bands: Any
    plan_year_minor: Floats
    assets_minor: Floats
    idle_cash_minor: Floats
    bought_365d_minor: Floats
    purchase_fee: Floats
    running_minor: Floats  # what the money held now brings in a year

    def histories(self) -> tuple[Any, Floats, Floats, Floats]:
        """Who decided at all, and their frequency, recency and time watched, in weeks."""
        decided = np.isfinite(self.first) & (self.first >= 0)
        first, last = self.first[decided], self.last[decided]
        recency = (first - last) / DAYS_A_WEEK
        frequency = np.where(recency > 0, np.maximum(self.n_decisions[decided] - 1, 1), 0.0)
        return decided, frequency, recency, first / DAYS_A_WEEK

    def facts(self, p_alive: Floats, rhythm_days: Floats) -> FactColumns:
        return FactColumns(
            days_since_joined=self.joined,
            days_since_decision=self.last,
            days_since_visit=self.visit,
            is_on_plan=self.is_on_plan,
            is_out_of_bands=self.is_out_of_bands,
            assets_minor=self.assets_minor,
            idle_cash_minor=self.idle_cash_minor,
            p_alive=p_alive,
            rhythm_days=rhythm_days,
        )


def end_of(day: date) -> datetime:
    """The moment after the last of a Shanghai day."""
    return timezone.make_aware(datetime.combine(day + timedelta(days=1), time.min))


def decision_days(until: date) -> tuple[Ints, Ints]:
    """Investor and day (an ordinal) of every decision up to a day: days with an order outside plans that was not rejected."""
    rows = (
        Order.objects.filter(placed_at__lt=end_of(until), **{f"{OWNER}__isnull": False})
        .exclude(origin=Order.Origin.PLAN)
        .exclude(state=Order.State.REJECTED)
        .order_by()
        .values_list(OWNER, TruncDate("placed_at"))
        .distinct()
    )
    pairs: Ints = np.fromiter(((who, day.toordinal()) for who, day in rows.iterator(chunk_size=20_000)), dtype=np.dtype((np.int64, 2)))
    return pairs[:, 0], pairs[:, 1]


def next_profiles(after: int, limit: int) -> list[int]:
    """The next block of investors with a profile, by primary key."""
    return list(Profile.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:limit])


def read_block(investor_ids: Sequence[int], day: date) -> Block:
    """The facts of some investors on a day from their profiles, in three queries."""
    rows = list(Profile.objects.filter(pk__in=investor_ids).order_by("pk").values(*COLUMNS))
    running = yearly_fees(investor_ids)
    drifted = set(
        Readvice.objects.filter(run__is_current=True, action=Readvice.Action.TOO_RISKY, goal__account__investor__in=investor_ids)
        .values_list("goal__account__investor", flat=True)
    )  # fmt: skip
    ids = [row["investor_id"] for row in rows]

    def column(name: str) -> Floats:
        return np.array([row[name] or 0 for row in rows], dtype=np.float64)

    def ago(name: str) -> Floats:
        return np.array([_days_ago(row[name], day) for row in rows], dtype=np.float64)

    joined = [row["joined_date"] or timezone.localdate(row["investor__joined_at"]) for row in rows]
    on_plan = np.array([row["plan_status"] == "running" or row["n_plan_orders_90d"] > 0 for row in rows], dtype=bool)
    return Block(
        investor_ids=ids,
        joined=np.array([max(0, (day - one).days) for one in joined], dtype=np.float64),
        first=ago("first_decision_at"),
        last=ago("last_decision_at"),
        visit=ago("last_visit_at"),
        n_decisions=column("n_decisions"),
        n_decisions_365d=column("n_decisions_365d"),
        is_on_plan=on_plan,
        is_out_of_bands=np.array([pk in drifted for pk in ids], dtype=bool),
        plan_year_minor=np.where(on_plan, 12 * column("plan_month_minor"), 0.0),
        assets_minor=column("assets_minor"),
        idle_cash_minor=column("idle_cash_minor"),
        bought_365d_minor=column("bought_365d_minor"),
        purchase_fee=column("purchase_fee_bps") / 1e4,
        running_minor=np.array([running.get(pk, 0.0) for pk in ids], dtype=np.float64),
    )


def _days_ago(at: datetime | None, day: date) -> float:
    return float("nan") if at is None else float((day - timezone.localdate(at)).days)


def yearly_fees(investor_ids: Sequence[int]) -> dict[int, float]:
    """What each one's holdings bring in a year, in minor units: the account's fee plan and the funds' sales-service fees."""
    worth = Cast(F("units_centi"), FloatField()) * F("fund__last_nav_micro")
    rate = F("fund__sales_fee_bps") + F("portfolio__goal__account__fee_bps")
    rows = Holding.objects.filter(**{f"{OWNER}__in": investor_ids}).order_by().values_list(OWNER)
    return {who: (total or 0.0) / BPS_A_MICRO for who, total in rows.annotate(total=Sum(worth * rate))}


def reactivations(since: date, until: date | None = None) -> QuerySet[Reactivation]:
    """Who woke since a day, dated: for counts, never for pages that would show the rows."""
    found = Reactivation.objects.filter(date__gte=since)
    return found if until is None else found.filter(date__lte=until)


def n_reactivated(since: date) -> int:
    """How many people woke since a day, each counted once."""
    return reactivations(since).values("investor").distinct().count()
