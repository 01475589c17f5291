"""What is published about a simulated fund besides its prices: sizes, managers, limits on purchases, warnings, the end.

A fact hangs on the fund's seed and on prices up to its day, so a longer market begins with the facts of the shorter one.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

import numpy as np

from portfolios.kernels.simulate_funds import MANAGERS_A_COMPANY, MODELS, FundSpec
from portfolios.kernels.types import FloatArray, FundHistory, IntArray

MANAGER, PURCHASE, WARNING, ENDED, SPLIT = "manager", "purchase", "liquidation_warning", "ended", "split"
OPEN, CLOSED = "open", "closed"
_LIMITS_YUAN = (100, 500, 1_000, 10_000, 50_000, 100_000, 1_000_000)
_MINOR, _HUNDRED_MILLION = 100, 1e8
_SHORTEST_TENURE, _MEAN_TENURE = 365, 7 * 365.25
_YEARS_BETWEEN_LIMITS, _DAYS_CLOSED, _DAYS_LIMITED = 5.0, 150.0, 250.0
_WARNING_DAYS = 75  # between the warning and the end
_QUARTERS_OF_DECLINE = 8
_HORIZON = date(2200, 1, 1).toordinal()


@dataclass(frozen=True)
class Happening:
    """Something that became true of a fund on a day; `kind`, `text`, `number` as in FundFact. A manager's `number` is who it is."""

    kind: str
    from_day: int
    published_day: int
    text: str = ""
    number: int | None = None


@dataclass(frozen=True)
class FundFacts:
    """Sizes by quarter, arrays (q,), and happenings in the order of their days; all were published by the market's last day."""

    as_of: IntArray
    published: IntArray
    size_minor: IntArray
    units_centi: IntArray
    institutional_share: FloatArray
    happenings: tuple[Happening, ...]

    @classmethod
    def nothing(cls) -> "FundFacts":
        none = np.zeros(0, np.int64)
        return cls(none, none, none, none, np.zeros(0), ())


def facts_of(fund: FundSpec, history: FundHistory, split: FloatArray, last_day: int) -> FundFacts:
    """Work out what had been published of a fund until a day, from its prices."""
    happened = [*_managers(fund, last_day), *_purchases(fund, last_day), *_splits(history, split), *_end(fund)]
    known = sorted((fact for fact in happened if fact.published_day <= last_day), key=lambda fact: (fact.from_day, fact.kind))
    return FundFacts(*_sizes(fund, history, last_day), tuple(known))


def _managers(fund: FundSpec, last_day: int) -> Iterator[Happening]:
    rng, day, who = np.random.default_rng([fund.seed, 8, 1]), fund.inception.toordinal(), -1
    end = fund.ended.toordinal() if fund.ended else _HORIZON
    while day <= min(last_day, end - 30):
        # Never the same one twice running.
        who = (who + 1 + int(rng.integers(MANAGERS_A_COMPANY - 1))) % MANAGERS_A_COMPANY
        yield Happening(MANAGER, day, day + 1, number=fund.company * MANAGERS_A_COMPANY + who)
        day += _SHORTEST_TENURE + int(rng.exponential(_MEAN_TENURE - _SHORTEST_TENURE))


def _purchases(fund: FundSpec, last_day: int) -> Iterator[Happening]:
    """Spells in which a fund is closed or takes little a day, until the warning of its end; some funds are closed for good."""
    rng, day = np.random.default_rng([fund.seed, 8, 2]), fund.inception.toordinal()
    closed_from = day + int(rng.uniform(500, 3000))
    end = fund.ended.toordinal() - _WARNING_DAYS if fund.ended else _HORIZON
    end = end if fund.is_open else min(end, closed_from)
    while True:
        day += 60 + int(rng.exponential(365.25 * _YEARS_BETWEEN_LIMITS))
        is_closed, limit = rng.random() < 0.45, int(rng.choice(_LIMITS_YUAN))
        until = day + 20 + int(rng.exponential(_DAYS_CLOSED if is_closed else _DAYS_LIMITED))
        if until >= end or day > last_day:
            break
        yield Happening(PURCHASE, day, day - 1, CLOSED if is_closed else OPEN, None if is_closed else limit * _MINOR)
        yield Happening(PURCHASE, until, until - 1, OPEN)
        day = until
    if end < _HORIZON:
        yield Happening(PURCHASE, end, end, CLOSED)


def _splits(history: FundHistory, split: FloatArray) -> Iterator[Happening]:
    for at in np.flatnonzero(split != 1.0):
        day = int(history.dates[at])
        yield Happening(SPLIT, day, day, number=round(float(split[at]) * 1e6))


def _end(fund: FundSpec) -> Iterator[Happening]:
    if fund.ended is not None:
        end = fund.ended.toordinal()
        yield Happening(WARNING, end - _WARNING_DAYS, end - _WARNING_DAYS)
        yield Happening(ENDED, end, end)


def _sizes(fund: FundSpec, history: FundHistory, last_day: int) -> tuple[IntArray, IntArray, IntArray, IntArray, FloatArray]:
    """Quarter by quarter: what the money earned, what came and went after good and bad years, and a pull to the fund's usual size."""
    lag = 15 + fund.seed % 6
    ends = _quarter_ends(int(history.dates[0]) + 30, int(history.dates[-1]), last_day - lag)
    median, spread = MODELS[fund.category].size
    rng = np.random.default_rng([fund.seed, 8, 3 + (fund.share_class == "C")])
    first = rng.standard_normal(2)
    usual = float(np.log(median * _HUNDRED_MILLION) + spread * first[0] - np.log(3.0) * (fund.share_class == "C"))
    shocks = rng.standard_normal((len(ends), 2)) if len(ends) else np.zeros((0, 2))
    at = np.searchsorted(history.dates, ends, side="right") - 1
    level = np.log(history.total_return[at])
    sizes, size = np.empty(len(ends)), usual + 0.5 * float(first[1])
    for quarter in range(len(ends)):
        year_ago = quarter - 4
        earned = level[quarter] - level[quarter - 1] if quarter else 0.0
        excess = level[quarter] - level[year_ago] - fund.drift if year_ago >= 0 else 0.0
        flow = 0.08 * (usual - size) + 0.3 * max(-0.3, min(0.3, excess)) + 0.10 * shocks[quarter, 0]
        if fund.ended is not None and fund.ended.toordinal() - ends[quarter] < _QUARTERS_OF_DECLINE * 91:
            flow -= 0.4
        size = max(size + earned + flow, np.log(1e6))
        sizes[quarter] = size
    units = np.rint(np.exp(sizes) * 100 / (history.nav_micro[at] / 1e6)).astype(np.int64)
    minor = np.rint(units * (history.nav_micro[at] / 1e6)).astype(np.int64)
    held = MODELS[fund.category].institutions
    odds = np.log(held / (1 - held)) + 1.2 * first[1] + 0.15 * shocks[:, 1]
    return ends, ends + lag, minor, units, np.round(1 / (1 + np.exp(-odds)), 4)


def _quarter_ends(first: int, last: int, published_by: int) -> IntArray:
    """Ordinals of the ends of quarters from a day on, not after the last price and not after what was published."""
    start, stop = date.fromordinal(first), date.fromordinal(max(first, min(last, published_by)))
    years = range(start.year, stop.year + 1)
    ends = [date(year + month // 12, month % 12 + 1, 1).toordinal() - 1 for year in years for month in (3, 6, 9, 12)]
    return np.array([end for end in ends if first <= end <= min(last, published_by)], dtype=np.int64)
