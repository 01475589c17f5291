"""The prices that simulated people trade at: the pool's NAVs on the sessions of the exchange, as plain integers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.lots import FeeStep

FALL = -0.10  # below the high of twelve months
YEAR = 244  # sessions


@dataclass(frozen=True)
class Tape:
    """NAVs (T, n) in millionths, 0 before a fund's first day, with what settlement and fees need a fund."""

    days: NDArray[np.int64]  # proleptic ordinals
    nav_micro: NDArray[np.int64]
    codes: Sequence[str]
    categories: Sequence[str]
    grades: Sequence[int]
    purchase_fee_bps: Sequence[int]
    confirm_lag: Sequence[int]  # sessions
    pay_lag: Sequence[int]
    redemption_steps: Sequence[Sequence[FeeStep]]

    @property
    def last_day(self) -> int:
        return len(self.days) - 1

    @cached_property
    def _columns(self) -> list[list[int]]:
        return self.nav_micro.T.tolist()  # plain integers: reading one out of numpy costs ten times as much

    def nav(self, fund: int, day: int) -> int:
        return self._columns[fund][day]

    def date(self, day: int) -> date:
        return date.fromordinal(int(self.days[day]))

    def day_back(self, calendar_days: int) -> int:
        """The first session not earlier than so many calendar days before the last one."""
        return min(self.last_day, int(np.searchsorted(self.days, self.days[-1] - calendar_days)))

    def up_to(self, grade: int) -> list[int]:
        return [fund for fund, of_fund in enumerate(self.grades) if of_fund <= grade]

    @cached_property
    def falls(self) -> list[int]:
        """Days on which the mean index fund crosses 10 % below its high of twelve months."""
        index = [fund for fund, category in enumerate(self.categories) if category == "index"]
        level = np.where(self.nav_micro[:, index] > 0, self.nav_micro[:, index], np.nan)
        with np.errstate(invalid="ignore"):
            growth = np.nanmean(np.diff(np.log(level), axis=0), axis=1)
        path = np.concatenate([[0.0], np.nancumsum(growth)])
        high = np.array([path[max(0, day - YEAR) : day + 1].max() for day in range(len(path))])
        below = path - high < np.log1p(FALL)
        return [day for day in range(1, len(path)) if below[day] and not below[max(0, day - 40) : day].any()]
