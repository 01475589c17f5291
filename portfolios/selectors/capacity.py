"""How much of a fund is taken: units held, ordered and promised, over the units it last published."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.cache import cache
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from portfolios.jurisdictions import jurisdiction
from portfolios.models import CapacityReservation, Fund, Holding
from portfolios.money import MICRO_PER_UNIT

FULL_SECONDS = 300  # for so long the answer of `full_funds` is kept


@dataclass(frozen=True, slots=True)
class FundCapacity:
    """Units taken of a fund, and the shares of its published units at which models stop adding it and nobody buys more.

    A fund that publishes no units has no known capacity: nothing limits it.
    """

    fund_id: int
    code: str
    taken_centi: int
    published_centi: int | None
    slow: float
    stop: float

    @property
    def share(self) -> float | None:
        """What is taken, a fraction of the published units."""
        return self.taken_centi / self.published_centi if self.published_centi else None

    @property
    def is_slow(self) -> bool:
        """Whether no model may give it more weight."""
        return self.share is not None and self.share >= self.slow

    @property
    def room_centi(self) -> int | None:
        """Units that may still be bought before the stop; None where nothing limits."""
        if self.published_centi is None:
            return None
        return max(0, int(self.stop * self.published_centi) - self.taken_centi)


def counted_reservations(at: datetime | None = None) -> QuerySet[CapacityReservation]:
    """Reservations that take capacity now: purchases not confirmed, and promises that have not lapsed."""
    states = CapacityReservation.State
    # Named once as a list, the states are looked up in the index that holds the units too; as two alternatives they are not.
    alive = Q(state=states.PENDING) | Q(expires_at__isnull=True) | Q(expires_at__gt=at or timezone.now())
    return CapacityReservation.objects.filter(alive, state__in=[states.PENDING, states.RESERVED])


def capacities(fund_ids: Iterable[int], *, but_for: Iterable[str] = (), at: datetime | None = None) -> dict[int, FundCapacity]:
    """The capacity of each fund by id, in three queries; reservations of the references `but_for` are not counted.

    These take a fourth query. What is promised is read before what is held: an order confirmed between the two reads counts
    twice for a moment, and never not at all.
    """
    ids, own, at = list(fund_ids), list(but_for), at or timezone.now()
    rules = jurisdiction().capacity
    counted = counted_reservations(at).filter(fund_id__in=ids)
    promised = _units(counted)
    spared = _units(counted.filter(reference__in=own)) if own else {}
    held = _units(Holding.objects.filter(fund_id__in=ids))
    found = {}
    for pk, code, asset_class, published in Fund.objects.filter(pk__in=ids).values_list("pk", "code", "asset_class", "units_centi"):
        is_liquid = asset_class in rules.liquid_classes
        slow, stop = (rules.slow_liquid, rules.stop_liquid) if is_liquid else (rules.slow, rules.stop)
        taken = held.get(pk, 0) + promised.get(pk, 0) - spared.get(pk, 0)
        found[pk] = FundCapacity(pk, code, taken, published, slow, stop)
    return found


def _units(rows: QuerySet[Any]) -> dict[int, int]:
    return dict(rows.values_list("fund_id").annotate(Sum("units_centi")).order_by())


def room_shares(codes: Iterable[str], amount_minor: int, *, but_for: Iterable[str] = ()) -> dict[str, float]:
    """What share of an amount each fund named can still take on a day, for those that cannot take all of it."""
    limited = Q(units_centi__isnull=False) | Q(daily_limit_minor__isnull=False)
    funds = Fund.objects.filter(limited, code__in=list(codes), last_nav_micro__isnull=False)
    known = {pk: (nav, limit) for pk, nav, limit in funds.values_list("pk", "last_nav_micro", "daily_limit_minor")}
    shares = {}
    for pk, one in capacities(known, but_for=but_for).items():
        nav_micro, limit_minor = known[pk]
        rooms = [amount_minor, limit_minor, None if one.room_centi is None else one.room_centi * (nav_micro or 0) // MICRO_PER_UNIT]
        room_minor = min(room for room in rooms if room is not None)
        if room_minor < amount_minor:
            shares[one.code] = room_minor / amount_minor
    return shares


def full_funds() -> frozenset[int]:
    """Keys of the pool's funds that cannot take the smallest purchase; asked of all holdings, so at most every few minutes.

    For what is only shown: whoever buys is refused by the capacity of that moment.
    """
    return cache.get_or_set("capacity:full", _full_funds, FULL_SECONDS) or frozenset()


def _full_funds() -> frozenset[int]:
    pooled = dict(Fund.objects.filter(pools__is_current=True).values_list("code", "pk"))
    return frozenset(pooled[code] for code in room_shares(pooled, jurisdiction().min_purchase_minor))
