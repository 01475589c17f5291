"""Dates as files write them. Whether 3/4/2020 is in March or April is decided once a file, by what the file shows."""

import re
from collections.abc import Iterable
from datetime import date, datetime

import numpy as np
import pandas as pd

from portfolios.kernels.errors import DataError
from portfolios.kernels.types import IntArray

MONTH_FIRST, DAY_FIRST = "%m/%d/%Y", "%d/%m/%Y"
_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%Y年%m月%d日", "%Y.%m.%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_DOUBTFUL = re.compile(r"(\d{1,2})/(\d{1,2})/([1-9]\d{3})")  # there is no year 0
# Of two readings of a file, the days of the right one lie so many times closer together.
_CLEARLY_CLOSER = 3


def date_order(texts: Iterable[str], file: str) -> str:
    """Return the format of a file's dates with slashes: MONTH_FIRST or DAY_FIRST.

    A part above 12 is a day. Where no date has one, prices of days that follow each other tell: under the wrong reading they
    lie a month apart. Raises DataError "date_order_mixed" where both orders occur, "date_order_unclear" where nothing tells.
    """
    found = {match.groups() for text in texts if (match := _DOUBTFUL.fullmatch(text))}
    parts = [(int(first), int(second), int(year)) for first, second, year in sorted(found)]
    day_second = any(second > 12 for _, second, _ in parts)
    day_first = any(first > 12 for first, _, _ in parts)
    if day_second and day_first:
        raise DataError("date_order_mixed", file=file)
    if day_second or day_first or not parts:
        return DAY_FIRST if day_first else MONTH_FIRST
    month_first, other = (_typical_gap(parts, is_day_first) for is_day_first in (False, True))
    if month_first * _CLEARLY_CLOSER < other:
        return MONTH_FIRST
    if other * _CLEARLY_CLOSER < month_first:
        return DAY_FIRST
    raise DataError("date_order_unclear", file=file, example="{}/{}/{}".format(*parts[0]))


def _typical_gap(parts: list[tuple[int, int, int]], is_day_first: bool) -> float:
    """The median number of days between neighbours; 0 for a single day, which tells nothing."""
    days = set()
    for first, second, year in parts:
        month, day = (second, first) if is_day_first else (first, second)
        if month and day:
            days.add(date(year, month, day).toordinal())
    return float(np.median(np.diff(sorted(days)))) if len(days) > 1 else 0.0


def has_doubtful(cells: "pd.Series[str]") -> bool:
    """Whether any cell is a date whose order is not plain."""
    return bool(cells.str.fullmatch(_DOUBTFUL).any())


def ordinals(cells: "pd.Series[str]", known: dict[str, int], order: str = MONTH_FIRST) -> IntArray:
    """Ordinals, -1 where unreadable. A file holds few different dates, so each is parsed once and kept in `known`."""
    for text in pd.unique(cells):
        if text not in known:
            known[text] = _ordinal(text, order)
    return np.asarray(cells.map(known), np.int64)


def _ordinal(text: str, order: str) -> int:
    for form in (*_FORMATS, order):
        try:
            return datetime.strptime(text, form).toordinal()
        except ValueError:
            continue
    return -1
