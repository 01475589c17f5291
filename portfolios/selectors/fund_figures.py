"""What a fund's published prices say: growth, return by period with its risk, every twelve months, payments, style."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from django.core.cache import cache
from django.db.models import F, Q, Window
from django.db.models.functions import RowNumber

from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.backtest_figures import drawdown, rolling_year
from portfolios.kernels.returns import align, annual_volatility, weekly_returns
from portfolios.kernels.styles import style_weights
from portfolios.kernels.types import FloatArray, FundHistory, Growth, IntArray, ReturnMatrix
from portfolios.models import Fund, NavYear
from portfolios.selectors.funds import class_name
from portfolios.selectors.history import histories_in, load_history

DAYS_A_YEAR = 365.25
PERIODS = (1, 3, 5, 10)
MIN_ROLLING_DAYS = 91  # days that must have a return over twelve months before their range says anything
STYLE_WEEKS = 52
STYLE_WEEKS_BEFORE = 104
_FUNDS_A_CLASS = 8
_MOST_KIN = 4  # share classes of one family among the longest histories of a class
_SAMPLE_KEY, _SAMPLE_SECONDS = "funds-of-styles", 3600


@dataclass(frozen=True, slots=True)
class PeriodFigures:
    """A fund's total return from a date to its last one, a year where the period is longer, with its risk beside it."""

    years: int | None  # None: since the first NAV
    start: date
    total_return: float
    is_annual: bool
    volatility: float
    max_drawdown: float


@dataclass(frozen=True, slots=True)
class PublishedHistory:
    """Growth of 1 with distributions reinvested, and its figures by period; only for a year of history or more."""

    growth: Growth
    periods: list[PeriodFigures]

    @property
    def start(self) -> date:
        return date.fromordinal(int(self.growth.dates[0]))

    @property
    def end(self) -> date:
        return date.fromordinal(int(self.growth.dates[-1]))

    @property
    def deepest_fall(self) -> float:
        """The largest fall from a highest value, as a positive fraction."""
        return -float(self.growth.drawdown.min())


@dataclass(frozen=True, slots=True)
class RollingYear:
    """Returns over the twelve months up to each day (T,), oldest first."""

    dates: IntArray
    returns: FloatArray

    @property
    def lowest(self) -> float:
        return float(self.returns.min())

    @property
    def highest(self) -> float:
        return float(self.returns.max())

    @property
    def middle(self) -> float:
        return float(np.median(self.returns))

    @property
    def share_above(self) -> float:
        """Of the days, those whose twelve months ended above where they began."""
        return float((self.returns > 0).mean())


@dataclass(frozen=True, slots=True)
class Payment:
    """A distribution of so many millionths of a currency unit for each fund unit."""

    day: date
    micro: int


@dataclass(frozen=True, slots=True)
class StyleShare:
    """How much of an asset class a fund moved like in its last year, and in the two years before; None where it was too young."""

    code: str
    name: str
    weight: float
    before: float | None


@dataclass(frozen=True, slots=True)
class Style:
    """A fund's style by its weekly returns: what mix of classes it moved like, and how much of its ups and downs that explains."""

    shares: list[StyleShare]
    explained: float
    start: date
    end: date


@dataclass(frozen=True, slots=True)
class Prices:
    """A fund's own history, and the later years of funds that stand for the classes of styles, each with its class."""

    own: FundHistory
    classes: list[tuple[str, FundHistory]]


def published_history(history: FundHistory | None) -> PublishedHistory | None:
    """A fund's whole published history with figures by period; None where there is less than a year of it."""
    if history is None or history.dates[-1] - history.dates[0] < int(DAYS_A_YEAR):
        return None
    dates, index = history.dates, history.total_return
    growth = Growth(dates, index / index[0], drawdown(index))
    first, last = (date.fromordinal(int(dates[at])) for at in (0, -1))
    starts = [(years, _years_before(last, years)) for years in PERIODS]
    periods = [_figures(dates, index, years, start) for years, start in starts if start >= first]
    return PublishedHistory(growth, [*periods, _figures(dates, index, None, first)])


def year_figures(fund_ids: Iterable[int], since: date) -> dict[int, PeriodFigures]:
    """The last year of each fund that has a year of prices; `since` is a year and some days before the oldest last price. One query."""
    found = {}
    for fund_id, history in load_history(fund_ids, since).items():
        last = date.fromordinal(int(history.dates[-1]))
        start = _years_before(last, 1)
        if date.fromordinal(int(history.dates[0])) <= start:
            found[fund_id] = _figures(history.dates, history.total_return, 1, start)
    return found


def rolling_years(growth: Growth) -> RollingYear | None:
    """The return over each twelve months; None where too few days have one."""
    returns = rolling_year(growth.dates, growth.growth)
    whole = np.isfinite(returns)
    dates = growth.dates[whole]
    if not len(dates) or dates[-1] - dates[0] < MIN_ROLLING_DAYS:
        return None
    return RollingYear(dates, returns[whole])


def payments_of(history: FundHistory) -> list[Payment]:
    """What a fund paid out, the latest first."""
    paid = history.distribution_micro
    if paid is None:
        return []
    return [Payment(date.fromordinal(int(history.dates[i])), int(paid[i])) for i in np.flatnonzero(paid)[::-1]]


def prices_of(fund: Fund) -> Prices | None:
    """A fund's whole history, and the years of funds that stand for each class which its style needs; None without prices. Two queries."""
    if fund.last_nav_date is None:
        return None
    sample = {} if _is_money(fund) else _class_sample(fund)
    since = fund.last_nav_date - timedelta(weeks=STYLE_WEEKS + STYLE_WEEKS_BEFORE + 3)
    wanted = Q(fund=fund) | Q(fund__in=list(sample), year__range=(since.year, fund.last_nav_date.year))
    found = histories_in(NavYear.objects.filter(wanted))
    if fund.pk not in found:
        return None
    return Prices(found.pop(fund.pk), [(sample[pk], history) for pk, history in found.items()])


def style_of(prices: Prices) -> Style | None:
    """The long-only mix of class indices that a fund's weekly returns followed in its last year, and in the two years before.

    A class is the mean of up to eight of its funds with the longest history, trackers of an index first, never of the fund's
    own family. None for a money-market fund, for less than a year of prices, and where fewer than two classes have prices.
    """
    dates = prices.own.dates
    if dates[-1] - dates[0] < 7 * (STYLE_WEEKS + 2):
        return None
    mine, others = _weekly(prices)
    names, means = _class_means(others, [name for name, _ in prices.classes])
    if len(names) < 2 or len(mine) < STYLE_WEEKS:
        return None
    return _style(names, mine, means, int(dates[-1]))


def _is_money(fund: Fund) -> bool:
    category = jurisdiction().categories.get(fund.category)
    return category is not None and category.screen == "money"


def _class_sample(fund: Fund) -> dict[int, str]:
    """Funds that stand for each class, by id, with their class; none of the fund's own family."""
    sample: dict[int, str] = {}
    for pk, name, family in cache.get_or_set(_SAMPLE_KEY, _longest_histories, _SAMPLE_SECONDS) or []:
        is_kin = pk == fund.pk or (family and family == fund.family_code)
        if not is_kin and list(sample.values()).count(name) < _FUNDS_A_CLASS:
            sample[pk] = name
    return sample


def _longest_histories() -> list[tuple[int, str, str]]:
    """Of each class of styles some living funds: trackers of an index first, then the longest history. One query."""
    place = Window(RowNumber(), partition_by=F("asset_class"), order_by=[F("is_index").desc(), F("inception_date").asc(), F("code").asc()])
    living = Fund.objects.filter(
        asset_class__in=jurisdiction().screen.style_classes,
        ended_on__isnull=True,
        inception_date__isnull=False,
        last_nav_date__isnull=False,
    )
    ranked = living.annotate(place=place).filter(place__lte=_FUNDS_A_CLASS + _MOST_KIN)
    return list(ranked.order_by("asset_class", "place").values_list("pk", "asset_class", "family_code"))


def _weekly(prices: Prices) -> tuple[FloatArray, FloatArray]:
    """Weekly returns (T,) of the fund from its last gap on, and (T, n) of the others, on weeks that end with its last day."""
    own, others = prices.own, [history for _, history in prices.classes]
    end = int(own.dates[-1])
    start = max(end - 7 * (STYLE_WEEKS + STYLE_WEEKS_BEFORE + 2), int(own.dates[0]))
    codes = (own.fund_code, *(other.fund_code for other in others))
    matrix = align(codes, {one.fund_code: one for one in (own, *others)})
    inside = (matrix.dates >= start) & (matrix.dates <= end)
    weekly, _ = weekly_returns(ReturnMatrix(codes, matrix.dates[inside], matrix.values[inside]))
    gaps = np.flatnonzero(~np.isfinite(weekly[:, 0]))
    from_here = int(gaps[-1]) + 1 if len(gaps) else 0
    return weekly[from_here:, 0], weekly[from_here:, 1:]


def _class_means(returns: FloatArray, classes: Sequence[str]) -> tuple[list[str], FloatArray]:
    """Mean weekly returns (T, k) of the classes that have a fund priced throughout."""
    whole = np.flatnonzero(np.isfinite(returns).all(axis=0)).tolist()
    wanted = jurisdiction().screen.style_classes
    members = {name: [i for i in whole if classes[i] == name] for name in wanted}
    names = [name for name in wanted if members[name]]
    means = [returns[:, members[name]].mean(axis=1) for name in names]
    return names, np.stack(means, axis=1) if means else np.empty((len(returns), 0))


def _style(names: list[str], mine: FloatArray, means: FloatArray, end: int) -> Style:
    now, past = mine[-STYLE_WEEKS:], mine[-STYLE_WEEKS - STYLE_WEEKS_BEFORE : -STYLE_WEEKS]
    weights = style_weights(now[:, None], means[-STYLE_WEEKS:])[0]
    before = None
    if len(past) == STYLE_WEEKS_BEFORE:
        before = style_weights(past[:, None], means[-STYLE_WEEKS - STYLE_WEEKS_BEFORE : -STYLE_WEEKS])[0]
    variance = float(np.var(now))
    left = float(np.var(now - means[-STYLE_WEEKS:] @ weights))
    shares = [
        StyleShare(name, class_name(name), float(weights[i]), None if before is None else float(before[i])) for i, name in enumerate(names)
    ]
    explained = max(0.0, 1.0 - left / variance) if variance > 0 else 0.0
    return Style(shares, explained, date.fromordinal(end - 7 * STYLE_WEEKS), date.fromordinal(end))


def _years_before(day: date, years: int) -> date:
    """The same day so many years earlier; 28 February for a leap day."""
    return day.replace(year=day.year - years, day=28 if (day.month, day.day) == (2, 29) else day.day)


def _figures(dates: IntArray, index: FloatArray, years: int | None, start: date) -> PeriodFigures:
    """Figures from the last value on or before the start date to the end."""
    at = max(0, int(np.searchsorted(dates, start.toordinal(), side="right")) - 1)
    values = index[at:]
    length = (dates[-1] - start.toordinal()) / DAYS_A_YEAR
    whole = float(values[-1] / values[0])
    is_annual = length > 1.01  # a leap year is still one year
    volatility = annual_volatility(ReturnMatrix(("",), dates[at:], values[:, None]))[0]
    total_return = whole ** (1 / length) - 1 if is_annual else whole - 1
    return PeriodFigures(years, start, total_return, is_annual, float(volatility), float(drawdown(values).min()))
