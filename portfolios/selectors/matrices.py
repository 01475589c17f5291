"""The whole market's total return as matrices, a block of funds at a time.

Funds priced by one exchange share their days, so what days mean is worked out once a calendar and year, not once a fund.
Nothing after `until` is looked at.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.returns import STALE_AFTER_DAYS, months_of
from portfolios.kernels.types import FloatArray, IntArray, ReturnMatrix
from portfolios.models import Fund, NavYear

_FUNDS_A_BLOCK = 500  # ten years of them are ten megabytes of values
_EPOCH = 719_163  # ordinal of 1970-01-01


@dataclass(frozen=True)
class MonthMatrix:
    """Total-return indices at the ends of whole months, shape (M, n); months count from January 1970.

    NaN where a fund had no price in the last 14 days of a month.
    """

    codes: tuple[str, ...]
    months: IntArray
    values: FloatArray


def month_end_matrix(fund_ids: Sequence[int], since: date, until: date) -> MonthMatrix:
    """The index at the end of each month from that of `since` to the last one that is over on `until`, in the order asked."""
    first, last = _month(since), _month(date.fromordinal(until.toordinal() + 1)) - 1
    months = np.arange(first, last + 1)
    values = np.full((len(fund_ids), len(months)), np.nan)
    codes = _codes(fund_ids)
    for start in range(0, len(fund_ids), _FUNDS_A_BLOCK):
        block = fund_ids[start : start + _FUNDS_A_BLOCK]
        column = {fund_id: start + i for i, fund_id in enumerate(block)}
        known: dict[bytes, tuple[IntArray, IntArray]] = {}
        for fund_id, days, total_return in _years(block, since, until):
            if days not in known:
                known[days] = _month_ends(_ordinals(days), first, last)
            at, month = known[days]
            values[column[fund_id], month] = np.frombuffer(total_return, "<f8")[at]
    return MonthMatrix(codes, months, values.T)


def daily_block(fund_ids: Sequence[int], since: date, until: date, n_funds: int = _FUNDS_A_BLOCK) -> Iterator[ReturnMatrix]:
    """Yield the daily indices from `since` to `until` of so many funds at a time, in the order asked.

    Each matrix has the dates on which any fund of its block has a price, and carries a value forward at most 14 days.
    """
    codes = _codes(fund_ids)
    for start in range(0, len(fund_ids), n_funds):
        block = fund_ids[start : start + n_funds]
        rows = list(_years(block, since, until))
        ordinals = {days: _ordinals(days) for days in {days for _, days, _ in rows}}
        dates = np.unique(np.concatenate([np.empty(0, np.int64), *ordinals.values()]))
        dates = dates[(dates >= since.toordinal()) & (dates <= until.toordinal())]
        places = {days: _places(mine, dates) for days, mine in ordinals.items()}
        values = np.full((len(block), len(dates)), np.nan)
        column = {fund_id: i for i, fund_id in enumerate(block)}
        for fund_id, days, total_return in rows:
            inside, at = places[days]
            values[column[fund_id], at] = np.frombuffer(total_return, "<f8")[inside]
        yield ReturnMatrix(codes[start : start + n_funds], dates, _carried(values, dates).T)


def _codes(fund_ids: Sequence[int]) -> tuple[str, ...]:
    codes = dict(Fund.objects.filter(pk__in=fund_ids).values_list("pk", "code"))
    return tuple(codes[fund_id] for fund_id in fund_ids)


def _years(fund_ids: Iterable[int], since: date, until: date) -> Iterator[tuple[int, bytes, bytes]]:
    rows = NavYear.objects.filter(fund_id__in=list(fund_ids), year__range=(since.year, until.year))
    for fund_id, days, total_return in rows.values_list("fund_id", "days", "total_return").iterator():
        yield fund_id, bytes(days), bytes(total_return)


def _ordinals(days: bytes) -> IntArray:
    return np.frombuffer(days, "<i4").astype(np.int64)


def _month(day: date) -> int:
    return (day.year - 1970) * 12 + day.month - 1


def _month_ends(days: IntArray, first: int, last: int) -> tuple[IntArray, IntArray]:
    """Where the days of a year hold the last price of a month, and which month of the matrix that is."""
    months = months_of(days)
    at = np.flatnonzero(np.diff(months, append=months[-1] + 1))
    next_month = (months[at] + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64) + _EPOCH
    kept = (months[at] >= first) & (months[at] <= last) & (next_month - 1 - days[at] <= STALE_AFTER_DAYS)
    return at[kept], months[at][kept] - first


def _places(days: IntArray, dates: IntArray) -> tuple[NDArray[np.bool_], IntArray]:
    inside = (days >= dates[0]) & (days <= dates[-1]) if len(dates) else np.zeros(len(days), bool)
    return inside, np.searchsorted(dates, days[inside])


def _carried(values: FloatArray, dates: IntArray) -> FloatArray:
    """Fill gaps of (n, T) with the last value before them, unless it is older than 14 days."""
    if np.isfinite(values).all():
        return values
    last = np.maximum.accumulate(np.where(np.isfinite(values), np.arange(len(dates)), -1), axis=1)
    fresh = (last >= 0) & (dates - dates[np.maximum(last, 0)] <= STALE_AFTER_DAYS)
    return np.where(fresh, np.take_along_axis(values, np.maximum(last, 0), axis=1), np.nan)
