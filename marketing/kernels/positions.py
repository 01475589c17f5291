"""What somebody lived through with what they held: how long it is theirs, how often it stood in profit, how deep it fell.

A position is one fund in one portfolio. Its movements come from the ledger: units and what they cost, negative where units
left (a redemption takes the oldest lots with it, and the ledger says at what cost).
"""

from dataclasses import dataclass

import numpy as np

from marketing.kernels.grouping import FloatArray, IntArray, divided, summed


@dataclass(frozen=True)
class Movements:
    """Movements (N,) sorted by position, then day, then the order in which they were booked; `first` (P+1,) bounds the positions.

    `day` are ordinals, `units` and `cost` whole hundredths of a unit and minor units. `owner` (P,) is the person's place and
    `fund` (P,) the column of its prices, -1 for a fund without any.
    """

    first: IntArray
    day: IntArray
    units: IntArray
    cost: IntArray
    owner: IntArray
    fund: IntArray

    @property
    def position(self) -> IntArray:
        return np.repeat(np.arange(len(self.owner)), np.diff(self.first)).astype(np.int64)


@dataclass(frozen=True)
class WeekPrices:
    """Prices at the ends of weeks `days` (T,): unit NAVs `nav` and total-return indices `growth`, (T, F), NaN where there is none."""

    days: IntArray
    nav: FloatArray
    growth: FloatArray


def mean_purchase_day(moves: Movements, n: int) -> FloatArray:
    """Return the mean ordinal of the days on which what is still held was bought, weighted by what it cost, (n,); NaN without lots.

    Redemptions take the oldest units first, so those left are what the sum of redemptions does not reach.
    """
    position, bought = moves.position, np.maximum(moves.units, 0)
    cumulative = np.cumsum(bought)
    before = cumulative - bought - _start(cumulative - bought, moves)[position]  # bought earlier in the position
    sold = summed(position, np.maximum(-moves.units, 0), len(moves.owner))
    left = np.clip(before + bought - sold[position], 0, bought)
    cost = moves.cost * divided(left, bought)
    kept = left > 0
    owner = moves.owner[position][kept]
    days = np.bincount(owner, weights=cost[kept] * moves.day[kept], minlength=n)
    return divided(days, np.bincount(owner, weights=cost[kept], minlength=n))


def _start(cumulative: IntArray, moves: Movements) -> IntArray:
    return cumulative[moves.first[:-1]] if len(moves.owner) else np.empty(0, np.int64)


def lived_through(moves: Movements, prices: WeekPrices, n: int) -> tuple[FloatArray, FloatArray]:
    """Return (share of holding time in profit, largest fall felt), both (n,); NaN for who held nothing at the end of a week.

    In profit: of all weeks and positions held at a week's end, the part that was worth more than it had cost. The fall: each
    week what was held at its beginning grows as its funds' total return does; chained, the largest fall from a high. What was
    bought or sold within a week counts from its end. A position without a price at an end is left out of that week.
    """
    in_profit, held = np.zeros(n), np.zeros(n)
    fall, index, high = np.full(n, np.nan), np.ones(n), np.ones(n)
    priced = np.flatnonzero(moves.fund >= 0)
    fund, owner, row = moves.fund[priced], moves.owner[priced], _rows(moves, prices.days, priced)
    units, cost = _running(moves.units, moves), _running(moves.cost, moves)
    before = np.zeros(len(priced))  # worth at the end of the week before
    for week in range(len(prices.days)):
        is_there = row[week] >= 0
        nav = prices.nav[week, fund]
        now = np.where(is_there, units[row[week]], 0) * np.nan_to_num(nav) / 1e6 if len(units) else before
        with np.errstate(invalid="ignore"):
            grown = before * (prices.growth[week, fund] / prices.growth[week - 1, fund]) if week else before
        usable = np.isfinite(grown) & (before > 0.0)
        start = np.bincount(owner[usable], weights=before[usable], minlength=n)
        moved = divided(np.bincount(owner[usable], weights=grown[usable], minlength=n), start)
        felt = np.isfinite(moved)
        index[felt] *= moved[felt]
        high = np.maximum(high, index)
        fall[felt] = np.fmax(fall[felt], 1.0 - index[felt] / high[felt])
        is_held = now > 0.0
        held += np.bincount(owner[is_held], minlength=n)
        wins = is_held & (now > cost[row[week]]) if len(cost) else is_held
        in_profit += np.bincount(owner[wins], minlength=n)
        before = now
    return divided(in_profit, held), fall


def _running(values: IntArray, moves: Movements) -> IntArray:
    """The sum of a position's movements after each of them."""
    total = np.cumsum(values)
    return total - _start(total - values, moves)[moves.position] if len(values) else total


def _rows(moves: Movements, days: IntArray, positions: IntArray) -> IntArray:
    """The last movement of each position until each day, (T, P); -1 before the first."""
    stride = int(max(moves.day.max(initial=0), days.max(initial=0))) + 2
    key = moves.position * stride + moves.day
    row = np.searchsorted(key, positions[None, :] * stride + days[:, None], side="right") - 1
    return np.where(row >= moves.first[:-1][positions][None, :], row, -1).astype(np.int64)
