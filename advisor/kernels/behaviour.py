"""What people did, from their ledger: panic, turnover, disposition, concentration and chasing, each with its evidence.

Vectorised over investors. Source: spec/risk-assessment.md, Behaviour; where it is silent, each measure says what is done.
Only orders that the investor started are counted; all others move the holdings and nothing else. Values are total-return:
a distribution is no loss. Raw values only: what they are worth in points is `kernels.risk_profile`'s to say.
"""

from dataclasses import dataclass, replace
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np

from advisor.kernels.behaviour_book import Book, open_book
from advisor.kernels.behaviour_market import finished_months, months_before
from advisor.kernels.behaviour_measures import average_risk_assets, chasing, concentration, disposition, turnover
from advisor.kernels.behaviour_panic import panic
from advisor.kernels.behaviour_types import (
    CHASING,
    CONCENTRATION,
    DISPOSITION,
    MEASURES,
    NEAR,
    PANIC,
    TURNOVER,
    BehaviourRules,
    BoolArray,
    FloatArray,
    IntArray,
    LedgerError,
    Market,
    Measured,
    Trades,
)

__all__ = ["MEASURES", "BehaviourRules", "LedgerError", "Market", "Measured", "Readings", "Trades", "measure", "sheets"]

DAYS_A_MONTH = 365.25 / 12
DIGITS = 10


@dataclass(frozen=True)
class Readings:
    """The five measures of all investors (I,), and what decides whether they are evidence.

    `risk_assets` is their average worth over `average_days`. `begins` is the day of the first trade, 0 without any.
    `short_row` is a trade that sold more than there was, -1 where the ledger is whole: the measures then mean nothing.
    """

    book: Book
    measures: dict[str, Measured]
    risk_assets: FloatArray
    begins: IntArray
    short_row: IntArray
    as_of: date


def measure(trades: Trades, market: Market, rules: BehaviourRules, as_of: date, n_investors: int) -> Readings:
    """Take the five measures of many investors at the end of a day; later trades and prices are not looked at.

    The evidence e = n / (n + n0) of each is the weight of its n observations, 1 for panic; it is 0 for all five where
    risk assets were worth less than `min_risk_assets` on average of the last `average_days` calendar days. Without
    observations a value is 0, that of disposition its prior. Raises LedgerError("trade_before_prices").
    """
    market, trades = market.until(as_of.toordinal()), trades.taken(trades.date <= as_of.toordinal())
    if len(trades) and (not len(market.dates) or trades.date.min() < market.dates[0]):
        raise LedgerError("trade_before_prices")
    book = open_book(trades, market, n_investors)
    since = months_before(as_of, rules.window_months).toordinal()
    months = np.array([day.toordinal() for day in finished_months(as_of, rules.window_months)], np.int64)
    found = {
        PANIC: panic(book, rules, since),
        TURNOVER: turnover(book, rules, months),
        DISPOSITION: disposition(book, rules, since),
        CONCENTRATION: concentration(book, rules, months),
        CHASING: chasing(book, rules, since),
    }
    risk_assets = average_risk_assets(book, rules, as_of.toordinal())
    is_enough = risk_assets >= rules.min_risk_assets * (1.0 - NEAR)
    measures = {name: replace(one, evidence=np.where(is_enough, _weight(name, one, rules), 0.0)) for name, one in found.items()}
    begins = np.zeros(n_investors, np.int64)
    latest_first = np.argsort(-book.trades.date, kind="stable")
    begins[book.trades.investor[latest_first]] = book.trades.date[latest_first]
    short, wrong = np.full(n_investors, -1, np.int64), np.flatnonzero(book.is_short)[::-1]
    short[book.trades.investor[wrong]] = wrong
    return Readings(book, measures, risk_assets, begins, short, as_of)


def _weight(name: str, one: Measured, rules: BehaviourRules) -> FloatArray:
    return one.evidence if name == PANIC else one.n / (one.n + rules.half_evidence[name])


def sheets(readings: Readings) -> list[dict[str, dict[str, Any]]]:
    """What can be stored and shown of each investor, by measure: its raw value, its evidence, and under `rests_on` where they come from.

    There are n, from, to, the keys of the trades, and the measure's own figures. Panic says `sale_on` there, and beside it
    `months_since_sale`, where there was a panic sale within the window.
    """
    found: list[dict[str, dict[str, Any]]] = [{} for _ in readings.risk_assets]
    for name, one in readings.measures.items():
        said, rows = _rests_on(readings.book, one)
        weighed = zip(_plain(one.value), _plain(one.evidence), rows, strict=True)
        for sheet, (value, evidence, row) in zip(found, weighed, strict=True):
            rests_on = dict(zip(said, row, strict=True))
            for day in ("from", "to", "sale_on"):
                if day in rests_on:
                    rests_on[day] = date.fromordinal(rests_on[day]).isoformat() if rests_on[day] else None
            sheet[name] = {"value": value, "evidence": evidence, "rests_on": rests_on}
            if name == PANIC:
                sale_on = rests_on["sale_on"]
                sheet[name]["months_since_sale"] = months_since(date.fromisoformat(sale_on), readings.as_of) if sale_on else None
    return found


def months_since(day: date, as_of: date) -> float:
    """Months of a year's twelfth from one day to another."""
    return round((as_of - day).days / DAYS_A_MONTH, 4)


def _rests_on(book: Book, one: Measured) -> tuple[list[str], list[tuple[Any, ...]]]:
    columns = {"n": one.n.tolist(), "from": one.first.tolist(), "to": one.last.tolist(), "trades": _keys(book, one.rests_on)}
    columns |= {name: _keys(book, marked) for name, marked in one.marks.items()}
    columns |= {name: _plain(values) for name, values in one.facts.items()}
    return list(columns), list(zip(*columns.values(), strict=True))


def _plain(values: Any) -> list[Any]:
    return np.round(values, DIGITS).tolist() if values.dtype.kind == "f" else values.tolist()


def _keys(book: Book, marked: BoolArray) -> list[list[int]]:
    """The keys of the marked trades of each investor, by day."""
    rows = np.flatnonzero(marked)
    rows = rows[np.lexsort((book.trades.key[rows], book.trades.date[rows], book.trades.investor[rows]))]
    ends = np.searchsorted(book.trades.investor[rows], np.arange(book.n_investors + 1)).tolist()
    keys = book.trades.key[rows].tolist()
    return [keys[start:end] for start, end in pairwise(ends)]
