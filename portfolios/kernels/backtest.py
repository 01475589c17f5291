"""Walking a strategy forward through prices: fees, lots, money in transit, funds that end. Nothing here decides anything.

A row of the prices is a working day. What was decided for a row is known from rows before it; its orders are priced at
that row's NAV, which nobody knew (forward pricing): so redemptions are units and purchases are amounts.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FloatArray, IntArray

_DUST = 1e-9  # of the wealth: smaller orders are rounding


@dataclass(frozen=True)
class FeeStep:
    """A redemption fee, a fraction of the gross, for units held fewer calendar days than `below_days`."""

    below_days: int
    rate: float


@dataclass(frozen=True)
class Terms:
    """What trading each of n funds costs and how long it takes, shapes (n,).

    `buy_rate` is charged by outside deduction; `pays_floors` says whether redemption fees apply; `confirm` and `pay` are
    rows from the order to its confirmation, and from a redemption's confirmation to its money.
    """

    buy_rate: FloatArray
    pays_floors: np.ndarray
    confirm: IntArray
    pay: IntArray
    steps: tuple[FeeStep, ...] = ()


@dataclass(frozen=True)
class Bands:
    """A fund is left alone while it is within max(`relative` x target, `absolute`) of its target weight."""

    relative: float = 0.20
    absolute: float = 0.01


@dataclass(frozen=True)
class Settings:
    """How a walk is made: from how much, how many rows after its day a NAV is published, and how far funds may drift.

    Without `bands` every decision trades to its target whole.
    """

    capital: float = 1_000_000.0
    publication_lag: int = 1
    bands: Bands | None = field(default_factory=Bands)


@dataclass(frozen=True)
class Trade:
    """An order as it was carried out: units (negative: redeemed) at the row's price; `amount` includes the fee of a purchase.

    For a redemption `amount` is the gross, the fee is taken from it, and the rest arrives at row `due`. A fund that ends
    pays its last price without a fee.
    """

    row: int
    fund: int
    units: float
    price: float
    amount: float
    fee: float
    due: int
    is_ending: bool = False


@dataclass(frozen=True)
class Walk:
    """What became of a strategy: the rows it covers, its wealth (T,), the idle part of it (T,), and its trades in order.

    Idle is cash and money in transit; both earn nothing.
    """

    first_row: int
    wealth: FloatArray
    idle: FloatArray
    trades: tuple[Trade, ...]

    @property
    def fees(self) -> float:
        return sum(trade.fee for trade in self.trades)


@dataclass
class _Book:
    """What is held: units a fund with its lots (units, row of confirmation), cash, money under way, purchases that wait."""

    units: FloatArray
    cash: float
    lots: dict[int, deque[list[float]]] = field(default_factory=dict)
    transit: list[tuple[int, float]] = field(default_factory=list)
    wanted: FloatArray = field(default_factory=lambda: np.zeros(0))
    trades: list[Trade] = field(default_factory=list)

    @property
    def idle(self) -> float:
        return self.cash + sum(amount for _, amount in self.transit)


def walk(values: FloatArray, dates: IntArray, targets: Mapping[int, FloatArray], terms: Terms, settings: Settings) -> Walk:
    """Return what `settings.capital` became when each row of `targets` trades towards its weights (n,), sum <= 1, rest cash.

    `values` (T, n) are total-return indices (NaN before a fund's start and after its end), `dates` (T,) their ordinals. The
    walk begins on the first decision. Wealth changes by units x change of price and by fees, nothing else. A fund whose
    price stops is taken as wound up at its last one: cash until the next decision. Its distributions are reinvested free
    of charge and share the age of their lot. Raises DataError("no_decision"), ("target_not_weights") naming the row.
    """
    rows = sorted(targets)
    if not rows:
        raise DataError("no_decision")
    for row in rows:
        weights = targets[row]
        if not (np.isfinite(weights).all() and (weights >= -_DUST).all() and weights.sum() <= 1.0 + 1e-6):
            raise DataError("target_not_weights", row=row)
    known = _carried(values)
    book = _Book(np.zeros(values.shape[1]), settings.capital, wanted=np.zeros(values.shape[1]))
    wealth, idle = np.empty(len(values) - rows[0]), np.empty(len(values) - rows[0])
    row, pending = rows[0], deque(rows)
    while row < len(values):
        _end_funds(book, values, row)
        _receive(book, values, row, terms)
        if pending and pending[0] == row:
            pending.popleft()
            published = known[max(row - settings.publication_lag, 0)]
            _decide(book, published, targets[row], settings)
            _redeem(book, published, values[row], dates, row, terms)
            _buy(book, book.cash, values, row, terms)
        end = _next_event(book, values, row, pending)
        span = slice(row - rows[0], end - rows[0])
        held = np.flatnonzero(book.units)
        idle[span] = book.idle
        wealth[span] = idle[span] + values[row:end, held] @ book.units[held]
        row = end
    return Walk(rows[0], wealth, idle, tuple(book.trades))


def _carried(values: FloatArray) -> FloatArray:
    """Each fund's last value so far; NaN before the first."""
    at = np.where(np.isfinite(values), np.arange(len(values))[:, None], 0)
    return np.take_along_axis(values, np.maximum.accumulate(at, axis=0), axis=0)


def _next_event(book: _Book, values: FloatArray, row: int, pending: Sequence[int]) -> int:
    """The first row after this one on which something is decided, paid, or found to have ended."""
    ends = [len(values)]
    if pending:
        ends.append(pending[0])
    ends += [due for due, _ in book.transit]
    held = np.flatnonzero(book.units)
    gone = np.flatnonzero(~np.isfinite(values[row + 1 : min(ends), held]).all(axis=1))
    if len(gone):
        ends.append(row + 1 + int(gone[0]))
    return min(ends)


def _end_funds(book: _Book, values: FloatArray, row: int) -> None:
    for fund in np.flatnonzero((book.units > 0) & ~np.isfinite(values[row])):
        price = float(values[row - 1, fund])
        amount = float(book.units[fund]) * price
        book.trades.append(Trade(row, int(fund), -float(book.units[fund]), price, amount, 0.0, row, is_ending=True))
        book.cash += amount
        book.units[fund] = 0.0
        book.lots.pop(int(fund), None)


def _receive(book: _Book, values: FloatArray, row: int, terms: Terms) -> None:
    """Money that arrives buys at once what waited for it."""
    arrived = sum(amount for due, amount in book.transit if due <= row)
    book.transit = [(due, amount) for due, amount in book.transit if due > row]
    book.cash += arrived
    if arrived:
        _buy(book, arrived, values, row, terms)


def _decide(book: _Book, prices: FloatArray, target: FloatArray, settings: Settings) -> None:
    """Set what is wanted: amounts to buy, positive, and to redeem, negative, at the prices that are published."""
    held = np.where(book.units > 0, book.units * prices, 0.0)
    wealth = book.idle + float(held.sum())
    gaps = target * wealth - held
    gaps[np.abs(gaps) <= _DUST * wealth] = 0.0
    if settings.bands is not None:
        bands = np.maximum(settings.bands.relative * target, settings.bands.absolute) * wealth
        is_out = (np.abs(gaps) > bands) | ((target <= _DUST) & (held > 0))
        spare = book.idle - max(1.0 - float(target.sum()), 0.0) * wealth
        if not is_out.any() and spare <= settings.bands.absolute * wealth:
            gaps[:] = 0.0
        gaps[(gaps < 0) & ~is_out] = 0.0
    gaps[~np.isfinite(prices)] = 0.0
    book.wanted = gaps


def _redeem(book: _Book, published: FloatArray, prices: FloatArray, dates: IntArray, row: int, terms: Terms) -> None:
    """Redeem the oldest confirmed units of what is too much; the money is under way until the pay lag is over."""
    for fund in np.flatnonzero((book.wanted < 0) & (book.units > 0)).tolist():
        left = -float(book.wanted[fund] / published[fund])
        if left >= book.units[fund] * (1.0 - _DUST):
            left = np.inf
        price, confirmed = float(prices[fund]), row + int(terms.confirm[fund])
        taken = fee = 0.0
        lots = book.lots[fund]
        while lots and left > 0 and lots[0][1] <= row:
            units, bought = lots[0]
            here = min(units, left)
            fee += here * price * _fee_rate(_days_between(dates, int(bought), confirmed), terms, fund)
            taken, left, lots[0][0] = taken + here, left - here, units - here
            if here == units:
                lots.popleft()
        if taken:
            due = confirmed + int(terms.pay[fund])
            book.trades.append(Trade(row, fund, -taken, price, taken * price, fee, due))
            book.transit.append((due, taken * price - fee))
            book.units[fund] = sum(units for units, _ in lots)
    book.wanted = np.maximum(book.wanted, 0.0)


def _days_between(dates: IntArray, first: int, last: int) -> int:
    """Calendar days between two rows; rows beyond the end of the prices stand for its last one."""
    end = len(dates) - 1
    return int(dates[min(last, end)] - dates[min(first, end)])


def _fee_rate(age_days: int, terms: Terms, fund: int) -> float:
    if not terms.pays_floors[fund]:
        return 0.0
    return next((step.rate for step in sorted(terms.steps, key=lambda step: step.below_days) if age_days < step.below_days), 0.0)


def _buy(book: _Book, money: float, values: FloatArray, row: int, terms: Terms) -> None:
    """Spend money on what is wanted, in proportion; a fund without a price that day refuses, and its part stays cash."""
    total = float(book.wanted.sum())
    if total <= 0 or money <= 0:
        return
    share = min(money / total, 1.0)
    for fund in np.flatnonzero(book.wanted > 0):
        price, amount = float(values[row, fund]), float(book.wanted[fund]) * share
        if not np.isfinite(price):
            continue
        net = amount / (1.0 + float(terms.buy_rate[fund]))
        book.trades.append(Trade(row, int(fund), net / price, price, amount, amount - net, row))
        book.cash -= amount
        book.units[fund] += net / price
        book.lots.setdefault(int(fund), deque()).append([net / price, row + int(terms.confirm[fund])])
    book.wanted = book.wanted * (1.0 - share)
