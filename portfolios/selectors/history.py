"""Reading stored NAV histories back as arrays."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import groupby

import numpy as np
from django.db.models import QuerySet

from portfolios.kernels.returns import align, portfolio_growth
from portfolios.kernels.types import FundHistory, Growth, ReturnMatrix
from portfolios.models import Fund, NavYear

_YEAR_COLUMNS = ("fund_id", "fund__code", "days", "nav_micro", "total_return", "distribution_micro")
LONGEST_SILENCE = timedelta(days=31)  # a price older than this says nothing of a day
SHORTEST_DAYS = 7  # over which a return says something of a month
DAYS_A_MONTH = 365.25 / 12


def load_history(fund_ids: Iterable[int], since: date | None = None) -> dict[int, FundHistory]:
    """Histories of funds by id, from `since` on; a fund without rows is left out. One query."""
    rows = NavYear.objects.filter(fund_id__in=list(fund_ids))
    if since is not None:
        rows = rows.filter(year__gte=since.year)
    return histories_in(rows, since)


def histories_in(rows: QuerySet[NavYear], since: date | None = None) -> dict[int, FundHistory]:
    """Histories by fund id made of stored years, from `since` on. One query."""
    histories = {}
    rows = rows.order_by("fund_id", "year")
    for fund_id, years in groupby(rows.values_list(*_YEAR_COLUMNS).iterator(), key=lambda row: row[0]):
        history = _joined(list(years), since)
        if len(history.dates):
            histories[fund_id] = history
    return histories


def _joined(years: list[tuple], since: date | None) -> FundHistory:
    days = np.concatenate([np.frombuffer(row[2], "<i4") for row in years]).astype(np.int64)
    nav = np.concatenate([np.frombuffer(row[3], "<i8") for row in years])
    total_return = np.concatenate([np.frombuffer(row[4], "<f8") for row in years])
    paid = np.concatenate([np.frombuffer(row[5], "<i8") if len(row[5]) else np.zeros(len(row[2]) // 4, np.int64) for row in years])
    start = int(np.searchsorted(days, since.toordinal())) if since is not None else 0
    return FundHistory(years[0][1], days[start:], nav[start:], total_return[start:], paid[start:])


def return_matrix(fund_codes: Sequence[str], since: date | None = None) -> ReturnMatrix:
    """Total-return indices of funds on the union of their dates, in the order asked; a fund without history is all NaN."""
    ids = dict(Fund.objects.filter(code__in=fund_codes).values_list("code", "pk"))
    histories = load_history(ids.values(), since)
    return align(tuple(fund_codes), {history.fund_code: history for history in histories.values()})


def nav_on(fund_id: int, on: date) -> tuple[date, int] | None:
    """The fund's NAV of a date in millionths with its own date, or the last one before it; None before the first."""
    rows = NavYear.objects.filter(fund_id=fund_id, year__lte=on.year).order_by("-year").values_list("days", "nav_micro")
    for packed_days, packed_nav in rows[:2]:
        days = np.frombuffer(packed_days, "<i4")
        at = int(np.searchsorted(days, on.toordinal(), side="right")) - 1
        if at >= 0:
            return date.fromordinal(int(days[at])), int(np.frombuffer(packed_nav, "<i8")[at])
    return None


def growth_of(weights: dict[str, float], since: date | None = None) -> Growth:
    """Growth of 1 in the weights, rebalanced on the first day of each month, from the first day all funds have a price."""
    codes = sorted(code for code, weight in weights.items() if weight)
    return portfolio_growth(return_matrix(codes, since), np.array([weights[code] for code in codes]))


def monthly_returns(fund_ids: Iterable[int], since: date, until: date) -> dict[int, float]:
    """What funds returned a month (of 365.25 / 12 days, compounded) from their last price by `since` to their last by `until`.

    Distributions reinvested. A fund without two prices at least a week apart by these days is left out. One query.
    """
    found = {}
    for fund_id, history in load_history(fund_ids, since - LONGEST_SILENCE).items():
        first, last = (int(np.searchsorted(history.dates, day.toordinal(), side="right")) - 1 for day in (since, until))
        if first >= 0 and history.dates[last] - history.dates[first] >= SHORTEST_DAYS:
            months = float(history.dates[last] - history.dates[first]) / DAYS_A_MONTH
            found[fund_id] = float(history.total_return[last] / history.total_return[first]) ** (1 / months) - 1
    return found
