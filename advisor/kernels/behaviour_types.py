"""The shapes of the measures of behaviour. Dates are proleptic Gregorian ordinals; money is in one unit throughout."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

PANIC, TURNOVER, DISPOSITION, CONCENTRATION, CHASING = MEASURES = ("panic", "turnover", "disposition", "concentration", "chasing")

NEAR = 1e-9  # what sums of floats may fall short of a threshold that they meet on paper


class LedgerError(ValueError):
    """A ledger that cannot be read. `code` says what is wrong, `params` where; the caller shows a sentence."""

    def __init__(self, code: str, **params: Any) -> None:
        super().__init__(code, params)
        self.code, self.params = code, params


@dataclass(frozen=True)
class BehaviourRules:
    """Windows and thresholds. `min_risk_assets` and `min_opening` are in the unit of the ledger's money."""

    window_months: int
    risk_grade: int  # risk assets begin here
    min_risk_assets: float  # below it on average nothing is evidence
    average_days: int
    min_opening: float  # a month that opened with less says nothing of turnover
    fall: float  # below the high of `fall_months`
    fall_months: int
    fall_days: int  # trading days after the crossing in which a sale belongs to it
    switch_days: int  # trading days in which money that comes back into an equal or higher grade was a switch
    panic_share: float  # of the risk assets: a panic sale
    pseudo_sales: float  # observations of each prior rate
    prior_pgr: float
    prior_plr: float
    min_holdings: int
    chasing_months: int
    top_share: float  # of the categories
    half_evidence: Mapping[str, float]  # n0 of a measure


@dataclass(frozen=True)
class Market:
    """Funds by column on the trading days of `dates` (T,). -1 is an unknown class, cell or category.

    `total_return` (T, F) is finite: carried forward, and before the first price that price; `grade` (T, F) is the one in force on
    the day. A cell is a pair of class and region. The indices (T, n) are total return too, NaN where there is none.
    """

    dates: IntArray
    total_return: FloatArray
    grade: NDArray[np.integer[Any]]
    asset_class: IntArray
    cell: IntArray
    category: IntArray
    classes: tuple[str, ...]
    cells: tuple[str, ...]
    class_index: FloatArray
    category_index: FloatArray

    def until(self, day: int) -> Self:
        """The market as it was known at the end of a day."""
        n = int(np.searchsorted(self.dates, day, side="right"))
        if n == len(self.dates):
            return self
        daily = {name: getattr(self, name)[:n] for name in ("dates", "total_return", "grade", "class_index", "category_index")}
        return replace(self, **daily)


@dataclass(frozen=True)
class Trades:
    """Confirmed orders of many investors (N,), in the order in which they were carried out where they share a day.

    `investor` counts from 0, `fund` is a column of the market. `worth` is units times that day's price, `paid` the money
    that was paid or received. `is_own` marks those that the investor started: all others only move the holdings.
    """

    key: IntArray
    investor: IntArray
    fund: IntArray
    date: IntArray
    is_buy: BoolArray
    units: FloatArray
    worth: FloatArray
    paid: FloatArray
    is_own: BoolArray

    def taken(self, rows: IntArray | BoolArray) -> Self:
        return replace(self, **{one.name: getattr(self, one.name)[rows] for one in fields(self)})

    def __len__(self) -> int:
        return len(self.key)


@dataclass(frozen=True)
class Measured:
    """One measure of all investors (I,): its raw value, how many observations it rests on, and the weight of these.

    `first` and `last` are the days of the observations, 0 where there is none. `rests_on` (N,) marks the trades, in the
    order of the book, `marks` some of these; `facts` are figures (I,) from which the value can be worked out again.
    """

    value: FloatArray
    n: IntArray
    evidence: FloatArray
    first: IntArray
    last: IntArray
    rests_on: BoolArray
    facts: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    marks: Mapping[str, BoolArray] = field(default_factory=dict)
