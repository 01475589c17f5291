"""Panic: what was sold within sixty trading days of the fall of its class, for many investors at once."""

from dataclasses import dataclass

import numpy as np

from advisor.kernels.behaviour_book import Book, ranges
from advisor.kernels.behaviour_market import crossings
from advisor.kernels.behaviour_types import NEAR, BehaviourRules, BoolArray, FloatArray, IntArray, Measured


@dataclass(frozen=True)
class Sales:
    """Own sales of risk assets out of a class that had fallen: rows of the book, and the money that did not come back."""

    row: IntArray
    session: IntArray
    investor: IntArray
    net: FloatArray


def panic(book: Book, rules: BehaviourRules, since: int) -> Measured:
    """Return the largest part of the risk assets that was sold in a fall.

    A fall is a class index that comes to stand `fall` below its high (`behaviour_market.crossings`) after the day `since`,
    for who holds risk assets of that class that morning. Its sales are the own ones of risk assets in its `fall_days`, each
    out of a class that is within `fall_days` of a crossing of its own: who leaves three fallen classes at once has sold all
    of them, who sells gold while shares fall has sold nothing in that fall. They are divided by the worth of all risk assets
    held that morning, at the day's price; the ratio may pass 1. Money that comes back by an own purchase of an equal or
    higher grade within `switch_days` was switched and counts as not sold, each amount once. The spec says no more; all of
    this is its reading. `facts` say when, out of what, and how much; `sale_on` is the last sale of the latest fall in which
    `panic_share` or more was sold; `n_calm` counts falls that are over, do not overlap, and in which nothing was sold.
    """
    market, n = book.market, book.n_investors
    crossed = crossings(market.class_index, market.dates, rules)
    sales = _sales(book, rules, crossed)
    found = _Found.empty(n)
    falls = [(t, c) for t, c in np.argwhere(crossed).tolist() if market.dates[t] > since]
    for session, asset_class in falls:
        _add_fall(book, rules, sales, found, (session, asset_class))
    worst = found.session[sales.investor]
    rests_on = np.zeros(len(book.trades), bool)
    rests_on[sales.row[(worst >= 0) & (worst <= sales.session) & (sales.session <= worst + rules.fall_days) & (sales.net > 0.0)]] = True
    days = np.concatenate([market.dates, [0]])  # session -1 is no day
    has_sold = found.session >= 0
    first = np.where(has_sold, days[found.session], days[found.first])
    last = np.where(has_sold, found.last_sale, days[found.last])
    names = np.array([*market.classes, ""], object)
    facts = {
        "asset_class": names[found.asset_class],
        "held": found.held,
        "sold": found.sold,
        "sale_on": found.sale_on,
        "n_calm": found.n_calm,
    }
    return Measured(found.ratio, found.n, np.ones(n), first, last, rests_on, facts)


@dataclass
class _Found:
    """What the falls so far have shown of each investor: the worst one by its session, class, worth and sales."""

    ratio: FloatArray
    n: IntArray
    session: IntArray  # of the worst fall, -1 where nothing was sold in any
    asset_class: IntArray
    held: FloatArray
    sold: FloatArray
    last_sale: IntArray
    sale_on: IntArray
    first: IntArray  # sessions of the first and the last fall
    last: IntArray
    n_calm: IntArray
    calm_until: IntArray

    @classmethod
    def empty(cls, n: int) -> "_Found":
        def whole(value: int) -> IntArray:
            return np.full(n, value, np.int64)

        nothing, money = whole(-1), np.zeros(n)
        return cls(
            ratio=money,
            n=whole(0),
            session=nothing,
            asset_class=nothing.copy(),
            held=money.copy(),
            sold=money.copy(),
            last_sale=whole(0),
            sale_on=whole(0),
            first=nothing.copy(),
            last=nothing.copy(),
            n_calm=whole(0),
            calm_until=nothing.copy(),
        )


def _add_fall(book: Book, rules: BehaviourRules, sales: Sales, found: _Found, fall: tuple[int, int]) -> None:
    session, asset_class = fall
    n, end = book.n_investors, session + rules.fall_days
    at = np.full(len(book.fund), session)
    row = book.row_before(np.arange(len(book.fund)), at)
    value = np.where(book.is_risk(at, book.fund, rules.risk_grade), book.value_at(row, book.fund, at), 0.0)
    held = np.bincount(book.owner, value, n)
    of_class = np.bincount(book.owner, np.where(book.market.asset_class[book.fund] == asset_class, value, 0.0), n)
    lives = of_class > 0.0
    mine = (sales.session >= session) & (sales.session <= end)
    sold = np.where(lives, np.bincount(sales.investor[mine], sales.net[mine], n), 0.0)
    ratio = np.divide(sold, held, out=np.zeros(n), where=lives)
    last_sale = np.zeros(n, np.int64)
    np.maximum.at(last_sale, sales.investor[mine], book.trades.date[sales.row[mine]])
    worse = ratio > found.ratio
    for name, value_now in (("ratio", ratio), ("session", session), ("asset_class", asset_class), ("held", held), ("sold", sold)):
        setattr(found, name, np.where(worse, value_now, getattr(found, name)))
    found.last_sale = np.where(worse, last_sale, found.last_sale)
    found.sale_on = np.where(ratio >= rules.panic_share - NEAR, np.maximum(found.sale_on, last_sale), found.sale_on)
    found.n += lives
    found.first = np.where(lives & (found.first < 0), session, found.first)
    found.last = np.where(lives, session, found.last)
    calm = lives & (ratio == 0.0) & (session > found.calm_until) & (end < len(book.market.dates))
    found.n_calm += calm
    found.calm_until = np.where(calm, end, found.calm_until)


def _sales(book: Book, rules: BehaviourRules, crossed: BoolArray) -> Sales:
    trades, market = book.trades, book.market
    fallen = np.zeros(crossed.shape, bool)
    for t, c in np.argwhere(crossed).tolist():
        fallen[t : t + rules.fall_days + 1, c] = True
    asset_class = market.asset_class[trades.fund]
    own = trades.is_own & book.is_risk(book.session, trades.fund, rules.risk_grade)
    row = np.flatnonzero(own & ~trades.is_buy & (asset_class >= 0) & (fallen[book.session, asset_class] if fallen.size else False))
    row = row[np.lexsort((book.session[row], trades.investor[row]))]
    buy = np.flatnonzero(own & trades.is_buy)
    back = _came_back(book, rules, row, buy[np.lexsort((book.session[buy], trades.investor[buy]))])
    return Sales(row, book.session[row], trades.investor[row], trades.paid[row] - back)


def _came_back(book: Book, rules: BehaviourRules, sale: IntArray, buy: IntArray) -> FloatArray:
    """How much of each sale was bought back into its grade or a higher one in time; the first sale takes first.

    The k-th sales of all investors are matched together: the purchases of one lie apart from those of another.
    """
    trades, stride = book.trades, book.stride
    grade = book.market.grade[book.session, trades.fund]
    when = trades.investor[buy] * stride + book.session[buy]
    begins = trades.investor[sale] * stride + book.session[sale]
    ends = trades.investor[sale] * stride + np.minimum(book.session[sale] + rules.switch_days, stride - 2)
    low, high = np.searchsorted(when, begins), np.searchsorted(when, ends, side="right")
    left, back = trades.paid[buy], np.zeros(len(sale))
    rank = np.arange(len(sale)) - np.searchsorted(trades.investor[sale], trades.investor[sale])
    matched = np.flatnonzero(high > low)
    for k in np.unique(rank[matched]).tolist():
        some = matched[rank[matched] == k]
        at, of = ranges(low[some], (high - low)[some])
        free = np.where(grade[buy[at]] >= grade[sale[some[of]]], left[at], 0.0)
        sums = np.concatenate([[0.0], np.cumsum(free)])
        begun = sums[:-1] - sums[np.searchsorted(of, of)]
        took = np.clip(trades.paid[sale[some[of]]] - begun, 0.0, free)
        left[at] -= took
        back[some] += np.bincount(of, took, len(some))
    return back
