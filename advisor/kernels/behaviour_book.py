"""The holdings that a ledger makes: of every position what it was worth and had cost after each trade, for many investors at once."""

from dataclasses import dataclass

import numpy as np

from advisor.kernels.behaviour_types import BoolArray, FloatArray, IntArray, Market, Trades

ROUNDING = 1e-6  # of the units held: what a sale of all of them may be off by


@dataclass(frozen=True)
class Book:
    """Trades by investor, fund and day, and the state after each (N,); a position (P,) is a fund of an investor, over all goals.

    `shares` times the total-return index is the position's value with distributions reinvested; `cost` is at average cost, so a
    sale takes the same part of both. `is_short` marks a sale of more units than there were.
    """

    market: Market
    trades: Trades
    n_investors: int
    session: IntArray
    position: IntArray
    shares: FloatArray
    cost: FloatArray
    is_short: BoolArray
    first_row: IntArray  # of a position
    owner: IntArray
    fund: IntArray
    key: IntArray  # position and session in one ascending number

    @property
    def stride(self) -> int:
        return len(self.market.dates) + 1

    def row_before(self, position: IntArray, session: IntArray) -> IntArray:
        """The last trade of each position before a session, -1 where there is none; shapes broadcast."""
        row = np.searchsorted(self.key, position * self.stride + session) - 1
        return np.where(row >= self.first_row[position], row, -1).astype(np.int64)

    def value_at(self, row: IntArray, fund: IntArray, session: IntArray) -> FloatArray:
        """Value of the state after a row at a session's price; 0 for row -1."""
        return np.where(row >= 0, self.shares[row], 0.0) * self.market.total_return[session, fund]

    def is_risk(self, session: IntArray, fund: IntArray, risk_grade: int) -> BoolArray:
        return self.market.grade[session, fund] >= risk_grade


def open_book(trades: Trades, market: Market, n_investors: int) -> Book:
    """Sort trades and follow each position through them. Trades lie within the market's days.

    Average cost: a purchase adds what was paid, a sale takes the sold part of the cost (as Odean, "Are Investors Reluctant
    to Realize Their Losses?", Journal of Finance 53, 1998, compares with the average purchase price).
    """
    trades = trades.taken(np.lexsort((trades.date, trades.fund, trades.investor)))
    session = (np.searchsorted(market.dates, trades.date, side="right") - 1).astype(np.int64)
    new = np.ones(len(trades), bool)
    new[1:] = (np.diff(trades.investor) != 0) | (np.diff(trades.fund) != 0)
    position, first_row = np.cumsum(new) - 1, np.flatnonzero(new)
    shares = trades.worth / market.total_return[session, trades.fund]
    states = _follow(np.arange(len(trades)) - first_row[position], trades, shares)
    return Book(
        market,
        trades,
        n_investors,
        session,
        position,
        *states,
        first_row=first_row,
        owner=trades.investor[first_row],
        fund=trades.fund[first_row],
        key=position * (len(market.dates) + 1) + session,
    )


def _follow(rank: IntArray, trades: Trades, bought: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Shares and cost after each trade, and which sales were of more than was held: the k-th trade of all positions together."""
    n = len(rank)
    units, shares, cost, is_short = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n, bool)
    by_rank = np.argsort(rank, kind="stable")
    ends = np.searchsorted(rank[by_rank], np.arange(int(rank.max(initial=-1)) + 2))
    for k, (start, end) in enumerate(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)):
        rows = by_rank[start:end]
        had = units[rows - 1] if k else np.zeros(len(rows))
        is_buy, moved = trades.is_buy[rows], trades.units[rows]
        is_short[rows] = ~is_buy & (moved > had * (1.0 + ROUNDING))
        kept = np.where(is_buy, 1.0, 1.0 - moved / np.where(had > 0.0, had, np.inf))
        kept[(kept < ROUNDING) | is_short[rows]] = 0.0
        units[rows] = had * kept + np.where(is_buy, moved, 0.0)
        shares[rows] = (shares[rows - 1] if k else 0.0) * kept + np.where(is_buy, bought[rows], 0.0)
        cost[rows] = (cost[rows - 1] if k else 0.0) * kept + np.where(is_buy, trades.paid[rows], 0.0)
    return shares, cost, is_short


def ranges(starts: IntArray, counts: IntArray) -> tuple[IntArray, IntArray]:
    """The numbers of ranges put one after another, and to which range each belongs."""
    owner = np.repeat(np.arange(len(starts)), counts)
    offset = np.arange(int(counts.sum())) - np.repeat(np.cumsum(counts) - counts, counts)
    return starts[owner] + offset, owner
