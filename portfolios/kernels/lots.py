"""Lots of one fund, first in first out, and what a redemption of them brings and costs. Whole numbers only."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from portfolios.money import BPS_PER_UNIT, MICRO_PER_UNIT, divide_half_up


@dataclass(frozen=True, slots=True)
class Lot:
    """Units bought on one confirmation day and what they cost; negative units are a redemption among the entries."""

    units_centi: int
    cost_minor: int
    date: date


@dataclass(frozen=True, slots=True)
class FeeStep:
    """A redemption fee for lots held fewer calendar days than `below_days`."""

    below_days: int
    rate_bps: int


@dataclass(frozen=True, slots=True)
class Redemption:
    gross_minor: int
    fee_minor: int
    cost_minor: int


def take_oldest(lots: Sequence[Lot], units_centi: int) -> tuple[list[Lot], list[Lot]]:
    """Split lots into those that units_centi are taken from and those left, oldest first.

    A lot that is split keeps its cost in proportion, rounded down, the rest staying with what is left, so that no cent
    of cost appears or vanishes. Raises ValueError when the lots hold fewer units.
    """
    taken, left = [], []
    for lot in sorted(lots, key=lambda lot: lot.date):
        here = min(lot.units_centi, units_centi)
        units_centi -= here
        cost = lot.cost_minor * here // lot.units_centi
        if here:
            taken.append(replace(lot, units_centi=here, cost_minor=cost))
        if here < lot.units_centi:
            left.append(replace(lot, units_centi=lot.units_centi - here, cost_minor=lot.cost_minor - cost))
    if units_centi:
        raise ValueError(f"the lots hold {units_centi} hundredths of a unit too few")
    return taken, left


def open_lots(entries: Iterable[Lot]) -> list[Lot]:
    """The lots still held after purchases (positive units) and redemptions (negative) in the order they were booked."""
    lots: list[Lot] = []
    for entry in entries:
        if entry.units_centi > 0:
            lots.append(entry)
        elif entry.units_centi < 0:
            _, lots = take_oldest(lots, -entry.units_centi)
    return sorted(lots, key=lambda lot: lot.date)


def fee_rate_bps(days_held: int, steps: Sequence[FeeStep]) -> int:
    """The rate of the first step the age falls under, 0 beyond the last."""
    return next((step.rate_bps for step in sorted(steps, key=lambda step: step.below_days) if days_held < step.below_days), 0)


def redeem(taken: Sequence[Lot], nav_micro: int, on: date, steps: Sequence[FeeStep]) -> Redemption:
    """Gross, fee and cost of redeeming the taken lots at a NAV, confirmed on a day.

    Gross is the value of all units together, half up; each lot's part is what the running total grows by, so the parts
    add up to it; the fee is half up on each lot's part by its age in calendar days.
    """
    units = gross = fee = 0
    for lot in taken:
        units += lot.units_centi
        part = divide_half_up(units * nav_micro, MICRO_PER_UNIT) - gross
        gross += part
        fee += divide_half_up(part * fee_rate_bps((on - lot.date).days, steps), BPS_PER_UNIT)
    return Redemption(gross, fee, sum(lot.cost_minor for lot in taken))
