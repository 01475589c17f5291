"""Capacity of funds: promised to a proposal, taken by its orders, given back. Every change holds the fund's row.

Funds are locked in the order of their primary keys, after the portfolio: so two purchases never wait for each other.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import Sum
from django.utils import timezone

from portfolios.models import CapacityReservation, Fund, Order
from portfolios.money import MICRO_PER_UNIT
from portfolios.selectors.capacity import FundCapacity, capacities
from portfolios.services.ledger import LedgerRefusal

State = CapacityReservation.State
ROWS_A_WRITE = 2_000


class CapacityRefused(LedgerRefusal):
    """A purchase beyond a fund's capacity or daily limit. Params: fund_code, and room_minor or limit_minor and left_minor."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What a proposal would buy of each fund, by id, in minor units; `holder` is who a fund's daily limit counts for."""

    reference: str
    holder: str
    amounts_minor: Mapping[int, int]


def units_bought(amount_minor: int, nav_micro: int) -> int:
    """Units that money buys at a NAV before any fee, rounded up: what a purchase can take at most."""
    return -(-amount_minor * MICRO_PER_UNIT // nav_micro)


def reserve_capacity(*, promises: Sequence[Promise], expires_at: datetime) -> dict[str, list[str]]:
    """Write a reservation a promise and fund, instead of what the reference had reserved; all funds of a promise or none.

    Returns the codes of the full funds by the references that got nothing. Safe to repeat. One transaction: a caller with
    many passes a few hundred at a time.
    """
    refused: dict[str, list[str]] = {}
    with transaction.atomic():
        funds = _locked({pk for promise in promises for pk in promise.amounts_minor})
        references = [promise.reference for promise in promises]
        CapacityReservation.objects.filter(reference__in=references, order=None).delete()
        room = {pk: capacity.room_centi for pk, capacity in capacities(funds).items()}
        rows: list[CapacityReservation] = []
        for promise in promises:
            wanted = {pk: _units(funds[pk], amount) for pk, amount in promise.amounts_minor.items()}
            full = [funds[pk].code for pk, units in wanted.items() if not _fits(room[pk], units)]
            if full:
                refused[promise.reference] = sorted(full)
                continue
            for pk, units in wanted.items():
                left = room[pk]
                room[pk] = None if left is None else left - units
                rows.append(_reservation(promise, pk, units, expires_at))
        CapacityReservation.objects.bulk_create(rows, ignore_conflicts=True)  # one that became an order stays an order's
    return refused


def _reservation(promise: Promise, fund_id: int, units: int, expires_at: datetime) -> CapacityReservation:
    return CapacityReservation(
        fund_id=fund_id,
        units_centi=units,
        amount_minor=promise.amounts_minor[fund_id],
        holder=promise.holder,
        reference=promise.reference,
        expires_at=expires_at,
    )


def release_capacity(*, references: Iterable[str]) -> int:
    """Give back what references had reserved and not ordered; returns how many rows. Safe to repeat."""
    return CapacityReservation.objects.filter(reference__in=list(references), state=State.RESERVED).update(state=State.RELEASED)


def release_lapsed(now: datetime | None = None) -> int:
    """Give back reservations past their day, in short writes; they have not been counted since. Returns how many. Safe to repeat.

    One that is being ordered at this moment is passed over: it is the order's from then on, or lapses the next night.
    """
    lapsed = CapacityReservation.objects.filter(state=State.RESERVED, expires_at__lte=now or timezone.now())
    n_released = 0
    while True:
        with transaction.atomic():
            some = list(lapsed.select_for_update(skip_locked=True).values_list("pk", flat=True)[:ROWS_A_WRITE])
            if not some:
                return n_released
            n_released += CapacityReservation.objects.filter(pk__in=some).update(state=State.RELEASED)


def take_capacity(*, order: Order, holder: str, reference: str) -> None:
    """Write a purchase's pending units, or turn what its reference had reserved into them, inside the caller's transaction.

    Raises CapacityRefused where the fund is full or the holder's daily limit is reached.
    """
    fund, amount = _locked({order.fund_id})[order.fund_id], order.amount_minor or 0
    units = _units(fund, amount)
    capacity = capacities([fund.pk], but_for=[reference])[fund.pk]
    if not _fits(capacity.room_centi, units):
        raise CapacityRefused("fund_full", fund_code=fund.code, room_minor=_room_minor(capacity, fund))
    _check_daily_limit(order, fund, holder, amount)
    CapacityReservation.objects.update_or_create(
        fund=fund,
        reference=reference,
        defaults={
            "state": State.PENDING,
            "units_centi": units,
            "amount_minor": amount,
            "holder": holder,
            "day": order.price_date,
            "order": order,
            "expires_at": None,
        },
    )


def settle_capacity(order: Order, *, is_bought: bool) -> None:
    """Write that an order's units are held now, or were never bought."""
    CapacityReservation.objects.filter(order=order).update(state=State.BOUGHT if is_bought else State.RELEASED)


def _check_daily_limit(order: Order, fund: Fund, holder: str, amount: int) -> None:
    """What one holder orders of a fund for one price day, confirmed already or not, stays within the fund's limit."""
    if fund.daily_limit_minor is None:
        return
    same_day = CapacityReservation.objects.filter(holder=holder, fund=fund, day=order.price_date, state__in=[State.PENDING, State.BOUGHT])
    ordered = same_day.aggregate(total=Sum("amount_minor"))["total"] or 0
    if ordered + amount > fund.daily_limit_minor:
        left = max(0, fund.daily_limit_minor - ordered)
        raise CapacityRefused("daily_limit", fund_code=fund.code, limit_minor=fund.daily_limit_minor, left_minor=left)


def _locked(fund_ids: set[int]) -> dict[int, Fund]:
    return {fund.pk: fund for fund in Fund.objects.select_for_update(no_key=True).filter(pk__in=fund_ids).order_by("pk")}


def _units(fund: Fund, amount_minor: int) -> int:
    return units_bought(amount_minor, fund.last_nav_micro) if fund.last_nav_micro else 0


def _fits(room: int | None, units: int) -> bool:
    return room is None or units <= room


def _room_minor(capacity: FundCapacity, fund: Fund) -> int:
    return (capacity.room_centi or 0) * (fund.last_nav_micro or 0) // MICRO_PER_UNIT
