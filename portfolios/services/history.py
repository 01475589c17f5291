"""Storing NAV histories, a packed row a fund and year."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from itertools import islice
from typing import Any

import numpy as np
from django.db import connection, transaction
from numpy.typing import NDArray

from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import years_of
from portfolios.kernels.types import FloatArray, FundHistory, IntArray
from portfolios.models import Fund
from portfolios.selectors.history import load_history

_FUNDS_A_BATCH = 12  # about 120 rows of 5 KB a transaction over ten years: well under a quarter of a second
_COLUMNS = "fund_id, year, n_days, days, nav_micro, total_return, distribution_micro"
_UPSERT = (
    f"INSERT INTO portfolios_navyear ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (fund_id, year) DO UPDATE SET "  # noqa: S608
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS.split(", ")[2:])
)
_TOUCH = "UPDATE portfolios_fund SET inception_date = %s, last_nav_date = %s, last_nav_micro = %s WHERE id = %s"


@dataclass(frozen=True)
class StoreCount:
    """Days of NAV that were new, that differed from what was stored and were replaced, and that were there already."""

    n_new: int = 0
    n_changed: int = 0
    n_unchanged: int = 0

    def __add__(self, other: "StoreCount") -> "StoreCount":
        return StoreCount(self.n_new + other.n_new, self.n_changed + other.n_changed, self.n_unchanged + other.n_unchanged)


def store_histories(histories: Iterable[FundHistory]) -> int:
    """Write the days of histories of known funds, new or changed, and return how many; storing them again writes nothing."""
    counted = sum((count for _, count in store_counted(histories)), StoreCount())
    return counted.n_new + counted.n_changed


def store_counted(histories: Iterable[FundHistory]) -> Iterator[tuple[str, StoreCount]]:
    """Write histories a batch of funds at a time, each fund wholly or not at all, yielding what became of each."""
    remaining = iter(histories)
    while batch := list(islice(remaining, _FUNDS_A_BATCH)):
        yield from _store_batch(batch)


def _store_batch(batch: list[FundHistory]) -> list[tuple[str, StoreCount]]:
    funds = {fund.code: fund for fund in Fund.objects.filter(code__in=[history.fund_code for history in batch])}
    for history in batch:
        _check(history, funds)
    stored = _stored(batch, funds)
    counts, years, now = [], [], []
    for history in batch:
        fund = funds[history.fund_code]
        old = stored.get(fund.pk)
        merged, written, count = merge_histories(old, history)
        counts.append((history.fund_code, count))
        if count.n_new or count.n_changed:
            years += _packed_years(fund.pk, merged, written)
            # What was read may be the end of the history only.
            known = [fund.inception_date] if old is not None and fund.inception_date else []
            first = min([*known, date.fromordinal(int(merged.dates[0]))])
            now.append((first, date.fromordinal(int(merged.dates[-1])), int(merged.nav_micro[-1]), fund.pk))
    if years:
        _write(years, now)
    return counts


def _stored(batch: list[FundHistory], funds: dict[str, Fund]) -> dict[int, FundHistory]:
    """What is stored of a batch's funds, by id: nothing is read of new funds, and of others no more than what a merge needs.

    A merge needs the stored days from the last one before the new history on: they lie in the year before it at the
    earliest, unless nothing was published for so long.
    """
    begins = {funds[history.fund_code].pk: date.fromordinal(int(history.dates[0])) for history in batch}
    known = [fund for fund in funds.values() if fund.last_nav_date is not None]
    if not known:
        return {}
    since = min(min(begins[fund.pk], fund.last_nav_date) for fund in known if fund.last_nav_date is not None)
    stored = load_history([fund.pk for fund in known], date(max(since.year - 1, 1), 1, 1))
    short = [fund.pk for fund in known if _lacks_the_day_before(stored.get(fund.pk), begins[fund.pk], fund.inception_date)]
    return stored | (load_history(short) if short else {})


def _lacks_the_day_before(stored: FundHistory | None, begins: date, inception: date | None) -> bool:
    return (stored is None or stored.dates[0] >= begins.toordinal()) and (inception is None or inception < begins)


def _write(years: list[tuple[Any, ...]], funds: list[tuple[Any, ...]]) -> None:
    """Write packed years and what the funds know of them in one transaction, by prepared statements: both databases take these."""
    adapted = connection.ops.adapt_datefield_value
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(_UPSERT, years)
        cursor.executemany(_TOUCH, [(adapted(first), adapted(last), nav, pk) for first, last, nav, pk in funds])


def _check(history: FundHistory, funds: dict[str, Fund]) -> None:
    if history.fund_code not in funds:
        raise DataError("unknown_fund", fund=history.fund_code)
    if not len(history.dates):
        raise DataError("no_history", fund=history.fund_code)
    if (np.diff(history.dates) <= 0).any():
        raise DataError("dates_not_ascending", fund=history.fund_code)
    if (history.nav_micro <= 0).any() or not (history.total_return > 0).all():
        raise DataError("nav_not_positive", fund=history.fund_code)


def merge_histories(old: FundHistory | None, new: FundHistory) -> tuple[FundHistory, set[int], StoreCount]:
    """Lay a new history over the stored one; return the whole, the years to write, and the count of the new one's days."""
    paid = new.distribution_micro if new.distribution_micro is not None else np.zeros(len(new.dates), np.int64)
    new = FundHistory(new.fund_code, new.dates.astype(np.int64), new.nav_micro, new.total_return, paid)
    if old is None:
        return new, set(years_of(new.dates).tolist()), StoreCount(n_new=len(new.dates))
    dates = np.union1d(old.dates, new.dates)
    was, is_old = _on(old, dates)
    told, is_new = _on(new, dates)
    nav = np.where(is_new, told.nav_micro, was.nav_micro)
    payments = np.where(is_new, np.asarray(told.distribution_micro), np.asarray(was.distribution_micro))
    now = FundHistory(new.fund_code, dates, nav, _index(was, is_old, told, is_new, nav, payments), payments)
    same = (
        is_old
        & (was.nav_micro == nav)
        & (was.distribution_micro == payments)
        & np.isclose(was.total_return, now.total_return, rtol=1e-9, atol=0)
    )
    merged = replace(now, total_return=np.where(same, was.total_return, now.total_return))
    count = StoreCount(int((~is_old).sum()), int((is_new & is_old & ~same).sum()), int((is_new & same).sum()))
    return merged, set(years_of(dates[~same]).tolist()), count


def _on(history: FundHistory, dates: IntArray) -> tuple[FundHistory, NDArray[np.bool_]]:
    """The history on other dates, and on which of them it has a day; on the rest it holds any of its days."""
    at = np.minimum(np.searchsorted(history.dates, dates), len(history.dates) - 1)
    paid = history.distribution_micro[at]  # type: ignore[index]
    return FundHistory(history.fund_code, dates, history.nav_micro[at], history.total_return[at], paid), history.dates[at] == dates


def _index(
    was: FundHistory, is_old: NDArray[np.bool_], told: FundHistory, is_new: NDArray[np.bool_], nav: IntArray, paid: IntArray
) -> FloatArray:
    """The total-return index of the whole, step by step from day to day, on the base of the stored one.

    A step is the new history's where it has both days; the stored one's where that has both, as its NAVs and payments
    are now; else what NAV and payment give. So a day that is corrected alone changes what was earned to it and from it.
    """
    old_worth = was.nav_micro + np.asarray(was.distribution_micro)
    corrected = (nav + paid)[1:] / old_worth[1:] * (was.nav_micro[:-1] / nav[:-1])
    step = (nav + paid)[1:] / nav[:-1]
    step = np.where(is_old[1:] & is_old[:-1], was.total_return[1:] / was.total_return[:-1] * corrected, step)
    step = np.where(is_new[1:] & is_new[:-1], told.total_return[1:] / told.total_return[:-1], step)
    index = np.concatenate([[1.0], np.cumprod(step)])
    first = int(is_old.argmax())
    return index * (was.total_return[first] / index[first])


def _packed_years(fund_id: int, history: FundHistory, written: set[int]) -> list[tuple[Any, ...]]:
    """Rows of NavYear in the order of _COLUMNS."""
    years = years_of(history.dates)
    paid = np.asarray(history.distribution_micro)
    pays, rows = bool(paid.any()), []
    packed = [history.dates.astype("<i4"), history.nav_micro.astype("<i8", copy=False), history.total_return.astype("<f8", copy=False)]
    for year in sorted(written):
        mine = slice(int(np.searchsorted(years, year)), int(np.searchsorted(years, year, side="right")))
        payments = paid[mine].astype("<i8").tobytes() if pays and paid[mine].any() else b""
        rows.append((fund_id, year, mine.stop - mine.start, *(column[mine].tobytes() for column in packed), payments))
    return rows
