"""The funds and their prices as profiles need them: read once a build."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import numpy as np
from django.db.models import Exists, Min, OuterRef

from marketing.catalogue import profile_fields
from marketing.catalogue.events import theme_of
from marketing.kernels.grouping import FloatArray, IntArray
from marketing.kernels.positions import WeekPrices
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund, LedgerEntry
from portfolios.selectors import load_history

FRIDAY = 4
STALE_DAYS = 14  # a price older than this is none
YEARS_LOOKED_BACK = 10
FUNDS_AT_ONCE = 500


@dataclass(frozen=True)
class FundTable:
    """All funds by ascending key, as columns: codes of text columns are places in the lists of their names."""

    keys: IntArray
    codes: list[str]
    nav_micro: IntArray  # -1: none
    grade: IntArray
    fee_bps: IntArray
    asset_class: IntArray  # place in `classes`, -1: a class without columns of its own
    classes: list[str]
    category: list[str]
    company: list[str]
    theme: list[str]

    def at(self, keys: IntArray) -> IntArray:
        """Rows of funds by key."""
        return np.searchsorted(self.keys, keys)

    @cached_property
    def row_of_code(self) -> dict[str, int]:
        return {code: row for row, code in enumerate(self.codes)}


def read_funds(classes: Sequence[str]) -> FundTable:
    names = ("pk", "code", "last_nav_micro", "risk_grade", "annual_fee_bps", "sales_fee_bps", "asset_class", "category", "company")
    rows = list(Fund.objects.order_by("pk").values_list(*names, "name_zh", "name_en"))
    place = {name: at for at, name in enumerate(classes)}
    return FundTable(
        keys=np.array([row[0] for row in rows], np.int64),
        codes=[row[1] for row in rows],
        nav_micro=np.array([-1 if row[2] is None else row[2] for row in rows], np.int64),
        grade=np.array([row[3] for row in rows], np.int64),
        fee_bps=np.array([row[4] + row[5] for row in rows], np.int64),
        asset_class=np.array([place.get(row[6], -1) for row in rows], np.int64),
        classes=list(classes),
        category=[row[7] for row in rows],
        company=[row[8] for row in rows],
        theme=[theme_of(row[9]) or theme_of(row[10]) for row in rows],
    )


def read_prices(day: date) -> tuple[WeekPrices, dict[int, int]]:
    """Prices at the ends of weeks until a day of every fund that anybody ever held, and the column of each fund by its key.

    A week ends on Friday; its price is the last one published for a day up to it, none if that is older than two weeks.
    """
    held = Fund.objects.filter(Exists(LedgerEntry.objects.filter(fund=OuterRef("pk")))).order_by("pk")
    keys, first = list(held.values_list("pk", flat=True)), LedgerEntry.objects.filter(fund__isnull=False).aggregate(day=Min("date"))["day"]
    last = day - timedelta(days=(day.weekday() - FRIDAY) % 7)
    since = max(first or last, last - timedelta(days=366 * YEARS_LOOKED_BACK))
    weeks = np.arange(last.toordinal(), since.toordinal() - 1, -7, dtype=np.int64)[::-1]
    nav, growth = np.full((len(weeks), len(keys)), np.nan), np.full((len(weeks), len(keys)), np.nan)
    column = {key: at for at, key in enumerate(keys)}
    for start in range(0, len(keys), FUNDS_AT_ONCE):
        for key, history in load_history(keys[start : start + FUNDS_AT_ONCE], since - timedelta(days=STALE_DAYS)).items():
            at = np.searchsorted(history.dates, weeks, side="right") - 1
            fresh = (at >= 0) & (weeks - history.dates[np.maximum(at, 0)] <= STALE_DAYS)
            nav[fresh, column[key]] = _floats(history.nav_micro)[at[fresh]]
            growth[fresh, column[key]] = history.total_return[at[fresh]]
    return WeekPrices(weeks, nav, growth), column


def _floats(values: IntArray) -> FloatArray:
    return values.astype(float)


def profile_classes() -> list[str]:
    """The asset classes that have columns of their own in a profile."""
    return [code for code in jurisdiction().classes if f"share_{code}" in profile_fields()]
