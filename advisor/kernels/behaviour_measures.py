"""Turnover, disposition, concentration and chasing of many investors at once, and what they held at risk."""

import numpy as np

from advisor.kernels.behaviour_book import Book, ranges
from advisor.kernels.behaviour_market import top_categories
from advisor.kernels.behaviour_types import BehaviourRules, BoolArray, FloatArray, IntArray, Measured

_EVEN = 1e-9  # a value this near its cost is neither a gain nor a loss


def turnover(book: Book, rules: BehaviourRules, months: IntArray) -> Measured:
    """Return twelve times the mean, over months, of half the own purchases and sales by what was held as the month began.

    As Barber and Odean, "Trading Is Hazardous to Your Wealth", Journal of Finance 55, 2000: calendar months, half of buys and
    half of sales by the opening position. `months` are the first days of the finished months of the window and of the one
    after them. A month counts that opened with `min_opening` or more: a first deposit into an almost empty account is no
    trading. All funds count; what was switched from fund to fund was traded.
    """
    trades, n, n_months = book.trades, book.n_investors, len(months) - 1
    value, _ = _month_values(book, months[:-1])
    opening = _by_owner(book, value)
    place = np.searchsorted(months, trades.date, side="right") - 1
    own = trades.is_own & (place >= 0) & (place < n_months)
    flow = np.bincount(trades.investor[own] * n_months + place[own], trades.paid[own], n * n_months).reshape(n, n_months)
    counts = (opening > 0.0) & (opening >= rules.min_opening)
    monthly = np.divide(flow / 2.0, opening, out=np.zeros(flow.shape), where=counts)
    n_counted = counts.sum(axis=1)
    value_a_year = 12.0 * monthly.sum(axis=1) / np.maximum(n_counted, 1)
    rests_on = own & counts[trades.investor, np.clip(place, 0, n_months - 1)]
    first, last = _span(counts, months)
    traded = np.where(counts, flow, 0.0).sum(axis=1)
    facts = {"traded": traded, "opening": np.where(counts, opening, 0.0).sum(axis=1) / np.maximum(n_counted, 1)}
    return Measured(value_a_year, n_counted, np.zeros(n), first, last, rests_on, facts)


def concentration(book: Book, rules: BehaviourRules, months: IntArray) -> Measured:
    """Return the mean, over month-ends, of the sum of squared shares of class and region in the holdings at risk.

    A month-end with a holding at risk whose class or region is not known does not count: without look-through data there is
    no evidence. `rests_on` marks the purchases of what was held at risk at the last month-end that counts.
    """
    n, n_cells = book.n_investors, len(book.market.cells)
    value, session = _month_values(book, months[1:])
    risk = np.where(book.is_risk(session[None, :], book.fund[:, None], rules.risk_grade), value, 0.0)
    cell = book.market.cell[book.fund]
    total, unknown = _by_owner(book, risk), _by_owner(book, np.where((cell < 0)[:, None], risk, 0.0))
    squares = np.zeros(total.shape)
    known = np.flatnonzero(cell >= 0)
    largest, cells = np.zeros(n), np.full(n, -1, np.int64)
    for month in range(risk.shape[1]):
        held = np.bincount(book.owner[known] * n_cells + cell[known], risk[known, month], n * n_cells).reshape(n, n_cells)
        squares[:, month] = (held**2).sum(axis=1)
        counted = (total[:, month] > 0.0) & (unknown[:, month] == 0.0)
        if n_cells:
            share = held.max(axis=1) / np.where(total[:, month] > 0.0, total[:, month], 1.0)
            largest, cells = np.where(counted, share, largest), np.where(counted, held.argmax(axis=1), cells)
    counts = (total > 0.0) & (unknown == 0.0)
    hhi = np.divide(squares, total**2, out=np.zeros(total.shape), where=counts)
    n_counted = counts.sum(axis=1)
    first, last = _span(counts, months)
    latest = np.where(counts.any(axis=1), counts.shape[1] - 1 - np.argmax(counts[:, ::-1], axis=1), -1)
    trades = book.trades
    held_then = (latest[trades.investor] >= 0) & (risk[book.position, latest[trades.investor]] > 0.0)
    rests_on = trades.is_buy & held_then & (trades.date < months[latest[trades.investor] + 1])
    names = np.array([*book.market.cells, ""], object)
    mean = hhi.sum(axis=1) / np.maximum(n_counted, 1)
    return Measured(mean, n_counted, np.zeros(n), first, last, rests_on, {"largest": largest, "cell": names[cells]})


def disposition(book: Book, rules: BehaviourRules, since: int) -> Measured:
    """Return PGR - PLR over the days on which an own sale was made and the morning saw `min_holdings` holdings or more.

    As Odean 1998: of what was held that morning, a fund sold that day, in part or whole, is a realised gain or loss and any
    other a paper one, by that day's price against average cost; a value at cost is neither. PGR = RG / (RG + PG) and PLR =
    RL / (RL + PL) over all these days, each with `pseudo_sales` observations at its prior rate. A fund sold that day only by
    orders that the investor did not start is left out. The observations are days. All funds count.
    """
    trades, stride, n = book.trades, book.stride, book.n_investors
    own = trades.is_own & ~trades.is_buy & (trades.date > since)
    days = np.unique(trades.investor[own] * stride + book.session[own])
    who, session = days // stride, days % stride
    starts, counts = np.searchsorted(book.owner, who), np.searchsorted(book.owner, who, side="right")
    position, day = ranges(starts, counts - starts)
    row = book.row_before(position, session[day])
    value, cost = book.value_at(row, book.fund[position], session[day]), book.cost[row]
    held = (row >= 0) & (book.shares[row] > 0.0)
    enough = np.bincount(day, held, len(days)) >= rules.min_holdings
    at = position * stride + session[day]
    is_sold = np.isin(at, book.key[own])
    is_moved = np.isin(at, book.key[~trades.is_own & ~trades.is_buy]) & ~is_sold
    looked_at = held & enough[day] & ~is_moved
    up, down = looked_at & (value > cost * (1.0 + _EVEN)), looked_at & (value < cost * (1.0 - _EVEN))
    seen = {"rg": up & is_sold, "pg": up & ~is_sold, "rl": down & is_sold, "pl": down & ~is_sold}
    facts = {name: np.bincount(who[day[mask]], minlength=n) for name, mask in seen.items()}
    prior = rules.pseudo_sales
    pgr = (facts["rg"] + prior * rules.prior_pgr) / (facts["rg"] + facts["pg"] + prior)
    plr = (facts["rl"] + prior * rules.prior_plr) / (facts["rl"] + facts["pl"] + prior)
    n_days = np.bincount(who[enough], minlength=n)
    rests_on = own & np.isin(trades.investor * stride + book.session, days[enough])
    first, last = _days_of(book, rests_on)
    return Measured(pgr - plr, n_days, np.zeros(n), first, last, rests_on, {**facts, "pgr": pgr, "plr": plr})


def chasing(book: Book, rules: BehaviourRules, since: int) -> Measured:
    """Return the share of own purchases whose category was at the top of all that day (`behaviour_market.top_categories`).

    Each order counts once, whatever its amount; one of a category without a return does not count.
    """
    trades, n = book.trades, book.n_investors
    known, top = top_categories(book.market.category_index, book.market.dates, rules)
    category = book.market.category[trades.fund]
    bought = trades.is_own & trades.is_buy & (trades.date > since) & (category >= 0)
    rests_on = bought & known[book.session, category] if known.size else np.zeros(len(trades), bool)
    at_top = rests_on & top[book.session, category] if known.size else rests_on
    n_bought = np.bincount(trades.investor[rests_on], minlength=n)
    n_top = np.bincount(trades.investor[at_top], minlength=n)
    first, last = _days_of(book, rests_on)
    return Measured(n_top / np.maximum(n_bought, 1), n_bought, np.zeros(n), first, last, rests_on, {"n_top": n_top}, {"top": at_top})


def average_risk_assets(book: Book, rules: BehaviourRules, as_of: int) -> FloatArray:
    """Worth of the holdings at risk at the end of each of the last calendar days, on average (I,)."""
    dates, trades = book.market.dates, book.trades
    if not len(trades):
        return np.zeros(book.n_investors)
    at = np.searchsorted(dates, np.arange(as_of - rules.average_days + 1, as_of + 1), side="right") - 1
    n_days = np.bincount(at[at >= 0], minlength=len(dates))
    begins = int(np.argmax(n_days > 0))
    risk = np.where(book.market.grade[begins:] >= rules.risk_grade, book.market.total_return[begins:], 0.0)
    sums = np.zeros((len(risk) + 1, risk.shape[1]))
    np.cumsum(risk * n_days[begins:, None], axis=0, out=sums[1:])
    ends = np.full(len(trades), len(dates), np.int64)
    same = book.position[1:] == book.position[:-1]
    ends[:-1][same] = book.session[1:][same]
    low, high = np.maximum(book.session - begins, 0), np.maximum(ends - begins, 0)
    worth = book.shares * (sums[high, trades.fund] - sums[low, trades.fund])
    return np.bincount(trades.investor, worth, book.n_investors) / rules.average_days


def _month_values(book: Book, firsts: IntArray) -> tuple[FloatArray, IntArray]:
    """Value (P, m) of each position as months begin, at the last price before, and the sessions of these prices."""
    begins = np.searchsorted(book.market.dates, firsts).astype(np.int64)
    session = np.maximum(begins - 1, 0)
    row = book.row_before(np.arange(len(book.fund))[:, None], begins[None, :])
    return book.value_at(row, book.fund[:, None], session[None, :]), session


def _by_owner(book: Book, value: FloatArray) -> FloatArray:
    """Sum positions (P, m) by investor (I, m)."""
    if not len(book.fund):
        return np.zeros((book.n_investors, value.shape[1]))
    sums = np.zeros((book.n_investors, value.shape[1]))
    owners, starts = np.unique(book.owner, return_index=True)
    sums[owners] = np.add.reduceat(value, starts, axis=0)
    return sums


def _span(counts: BoolArray, months: IntArray) -> tuple[IntArray, IntArray]:
    """The first day of the first month that counts and the last day of the last one; 0 where none does."""
    any_month, n = counts.any(axis=1), counts.shape[1]
    first, last = np.argmax(counts, axis=1), n - 1 - np.argmax(counts[:, ::-1], axis=1)
    return np.where(any_month, months[first], 0), np.where(any_month, months[last + 1] - 1, 0)


def _days_of(book: Book, rows: BoolArray) -> tuple[IntArray, IntArray]:
    """The first and the last day of an investor's trades among these rows; 0 without any."""
    trades, nothing = book.trades, np.iinfo(np.int64).max
    first, last = np.full(book.n_investors, nothing, np.int64), np.zeros(book.n_investors, np.int64)
    np.minimum.at(first, trades.investor[rows], trades.date[rows])
    np.maximum.at(last, trades.investor[rows], trades.date[rows])
    return np.where(first == nothing, 0, first), last
