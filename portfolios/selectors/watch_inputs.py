"""What the daily watch reads of a fund: prices of three years, and what was published of it by the day."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from portfolios.calendar import is_business_day
from portfolios.jurisdictions import Jurisdiction, jurisdiction
from portfolios.kernels.market_record import group_means
from portfolios.kernels.monitor import FundStates, fall_from_years_high, recent_and_usual_volatility
from portfolios.kernels.styles import style_shift
from portfolios.kernels.types import FloatArray, ReturnMatrix
from portfolios.models import Fund, FundFact, FundSize
from portfolios.selectors.matrices import daily_block
from portfolios.selectors.screen_inputs import public_until

YEARS = 2  # behind the usual volatility
RECENT_WEEKS = 52
WEEKS = RECENT_WEEKS + 104  # the last year's style against that of the two years before
FUNDS_A_CLASS = 20  # stand for their class in the style analysis
MOST_DAYS_BACK = 60  # working days counted without a NAV; more is all the same


@dataclass(frozen=True)
class WatchedFunds:
    """A block of funds with the figures of the kernel, all in one order."""

    funds: list[Fund]
    volatility: tuple[FloatArray, FloatArray]
    fall: FloatArray
    states: FundStates


def watched_blocks(funds: Sequence[Fund], day: date) -> Iterator[WatchedFunds]:
    """Read what was known on a day of each fund, a block at a time; nothing later is looked at but the fund's own columns."""
    since = day - timedelta(days=7 * (WEEKS + 2))
    classes = _class_returns(since, day)
    at = 0
    for matrix in daily_block([fund.pk for fund in funds], since, day):
        block = list(funds[at : at + len(matrix.codes)])
        at += len(block)
        days = _working_days(matrix, day)
        usual = days.dates > (day - timedelta(days=round(365.25 * YEARS))).toordinal()
        two_years = ReturnMatrix(days.codes, days.dates[usual], days.values[usual])
        states = _states(block, _styles(block, matrix, classes, day), day)
        yield WatchedFunds(block, recent_and_usual_volatility(two_years), fall_from_years_high(two_years), states)


def _working_days(matrix: ReturnMatrix, day: date) -> ReturnMatrix:
    kept = np.array([is_business_day(date.fromordinal(int(one))) for one in matrix.dates], bool)
    return ReturnMatrix(matrix.codes, matrix.dates[kept], matrix.values[kept])


def _class_returns(since: date, day: date) -> FloatArray:
    """Weekly returns (T, k) of the style classes that have a fund priced throughout; a class is the mean of some of its funds."""
    names = jurisdiction().screen.style_classes
    place = Window(RowNumber(), partition_by=F("asset_class"), order_by=[F("is_index").desc(), F("inception_date").asc(), F("code").asc()])
    old_enough = Q(inception_date__lte=since, last_nav_date__gte=day - timedelta(days=14))
    ranked = Fund.objects.filter(old_enough, asset_class__in=names).annotate(place=place).filter(place__lte=FUNDS_A_CLASS)
    sample = dict(ranked.order_by("pk").values_list("pk", "asset_class"))
    if not sample:
        return np.empty((WEEKS, 0))
    weekly = np.concatenate([_weekly(matrix, day) for matrix in daily_block(list(sample), since, day)], axis=1)
    groups = np.array([names.index(name) for name in sample.values()], np.int64)
    means = group_means(weekly, groups, len(names))
    return means[:, np.isfinite(means).all(axis=0)]


def _weekly(matrix: ReturnMatrix, day: date) -> FloatArray:
    """Simple weekly returns (WEEKS, n) on weeks that end with the day; NaN where a fund had no price then."""
    if not len(matrix.dates):
        return np.full((WEEKS, matrix.values.shape[1]), np.nan)
    grid = day.toordinal() - 7 * np.arange(WEEKS + 1)[::-1]
    at = np.searchsorted(matrix.dates, grid, side="right") - 1
    values = np.where((at >= 0)[:, None], matrix.values[np.maximum(at, 0)], np.nan)
    return values[1:] / values[:-1] - 1.0


def _styles(funds: Sequence[Fund], matrix: ReturnMatrix, classes: FloatArray, day: date) -> tuple[FloatArray, FloatArray]:
    """Distance and ratio of `style_shift` for funds that are run actively; NaN for the others, and where a week is missing."""
    categories = jurisdiction().categories
    is_active = np.array([not fund.is_index and categories[fund.category].screen == "active" for fund in funds], bool)
    nothing = np.full(len(funds), np.nan)
    if classes.shape[1] < 2 or not is_active.any():
        return nothing, nothing
    shift, ratio = style_shift(_weekly(matrix, day), classes, RECENT_WEEKS)
    return np.where(is_active, shift, np.nan), np.where(is_active, ratio, np.nan)


def _states(funds: Sequence[Fund], style: tuple[FloatArray, FloatArray], day: date) -> FundStates:
    keys, table = [fund.pk for fund in funds], jurisdiction()
    sizes, closed = _last_two_sizes(keys, day), _closed(keys, day)
    suspended = [not fund.is_open or fund.pk in closed or bool(fund.ended_on and fund.ended_on <= day) for fund in funds]
    missing = _DaysMissing(day, table)
    return FundStates(
        grade=np.array([fund.risk_grade for fund in funds], np.int64),
        days_without_nav=np.array([missing.of(fund) for fund in funds], np.float64),
        size=np.array([sizes[pk][0] if pk in sizes else np.nan for pk in keys], np.float64),
        size_before=np.array([sizes[pk][1] if pk in sizes else np.nan for pk in keys], np.float64),
        is_suspended=np.array(suspended, bool),
        style_shift=style[0],
        style_ratio=style[1],
    )


class _DaysMissing:
    """Working days since a fund's last NAV whose NAV should be public by now, counted once a date and lag."""

    def __init__(self, day: date, table: Jurisdiction) -> None:
        self._until = {name: public_until(day, max(table.screen.publication_lag.nav_days, lag.confirm)) for name, lag in table.lags.items()}
        self._lag = {name: category.lag for name, category in table.categories.items()}
        self._known: dict[tuple[date, str], int] = {}

    def of(self, fund: Fund) -> float:
        if fund.last_nav_date is None:
            return np.nan
        key = (fund.last_nav_date, self._lag[fund.category])
        if key not in self._known:
            self._known[key] = _working_days_between(key[0], self._until[key[1]])
        return self._known[key]


def _working_days_between(after: date, until: date) -> int:
    n_days = 0
    while after < until and n_days < MOST_DAYS_BACK:
        n_days += is_business_day(until)
        until -= timedelta(days=1)
    return n_days


def _last_two_sizes(fund_ids: Sequence[int], day: date) -> Mapping[int, tuple[int, int]]:
    """Net assets of the last published quarter and of the one before it, where there are both."""
    found: dict[int, dict[date, int]] = {}
    published = FundSize.objects.filter(fund_id__in=fund_ids, published_date__lte=day, as_of_date__gt=day - timedelta(days=300))
    rows = published.order_by("as_of_date", "published_date").values_list("fund_id", "as_of_date", "size_minor")
    for fund_id, as_of_date, size_minor in rows:
        found.setdefault(fund_id, {})[as_of_date] = size_minor  # of a quarter that was restated what was said last
    sizes = {fund_id: list(of_fund.values()) for fund_id, of_fund in found.items()}
    return {fund_id: (one[-1], one[-2]) for fund_id, one in sizes.items() if len(one) > 1}


def _closed(fund_ids: Sequence[int], day: date) -> set[int]:
    """Funds whose last published word on purchase is that it is closed."""
    facts = FundFact.objects.filter(fund_id__in=fund_ids, kind=FundFact.Kind.PURCHASE, from_date__lte=day, published_date__lte=day)
    last = dict(facts.order_by("from_date", "published_date", "pk").values_list("fund_id", "text"))
    return {fund_id for fund_id, text in last.items() if text == "closed"}
