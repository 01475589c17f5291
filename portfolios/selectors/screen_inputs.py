"""What was public about the market on a day, as the arrays of a screen.

Nothing later is read: prices end a publication lag before the data date, and sizes, managers, purchase limits, warnings,
ends and risk grades come from rows that bear the day on which they were published. Names, category, company, family and
fees are columns without a date and are taken to be constant.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Max
from django.utils import timezone

from portfolios.calendar import add_business_days, is_business_day, next_business_day
from portfolios.jurisdictions import Jurisdiction, jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.kernels.market_record import Grid, Record, grid_until, joined, record_of
from portfolios.kernels.screen_types import DeadFunds, FundFacts, GateRules, MarketData, NDArrayStr, ScreenRules
from portfolios.kernels.types import FloatArray, IntArray
from portfolios.models import Fund, FundFact, FundSize, GradeChange
from portfolios.money import BPS_PER_UNIT, MINOR_PER_UNIT
from portfolios.selectors.matrices import daily_block

_DAYS_A_MONTH = 30.4375
_LARGE_UNIT = 1e8  # sizes of the settings are in 100 million
_OLDEST_QUARTER_DAYS = 200  # a last quarter older than this says nothing of today
_SIZE_HISTORY_DAYS = 600
_NOW_DAYS = 7  # a screen of the last days may ask columns that say what is true now


@dataclass(frozen=True)
class ScreenInputs:
    """The arrays of a screen, the primary key of each living fund in their order, and how many whole months the year has."""

    market: MarketData
    fund_ids: IntArray
    months_this_year: int


class _Row(NamedTuple):
    pk: int
    code: str
    category: str
    asset_class: str
    is_index: bool
    company: str
    family_code: str
    annual_fee_bps: int
    sales_fee_bps: int
    purchase_fee_bps: int
    inception_date: date
    ended_on: date | None
    manager_since: date | None
    risk_grade: int
    is_open: bool
    daily_limit_minor: int | None


_COLUMNS = ("pk", *_Row._fields[1:])


def kernel_rules(table: Jurisdiction) -> ScreenRules:
    """The jurisdiction's settings as the kernel takes them: money in whole units of the currency."""
    screen = table.screen
    gates = screen.gates.model_dump(exclude={"min_daily_limit_minor"})
    same = ("weights", "shrink_months", "enter", "leave", "quarters_to_leave", "max_a_company", "max_share", "interval", "n_bootstrap")
    return ScreenRules(
        gates=GateRules(**gates, min_daily_limit=screen.gates.min_daily_limit_minor / MINOR_PER_UNIT),
        **{name: getattr(screen, name) for name in same},
        block_months=screen.block_months,
        cash_rate=table.cash_rate,
        style_classes=tuple(screen.style_classes),
        min_pool=table.advice.min_pool,
        min_companies_a_grade=screen.min_companies_a_grade,
        min_money_funds=screen.min_money_funds,
    )


def latest_data_date() -> date | None:
    """The first day on which the last stored prices were all public, but not after today; None without prices."""
    last = Fund.objects.aggregate(last=Max("last_nav_date"))["last"]
    if last is None:
        return None
    return min(add_business_days(last, jurisdiction().screen.publication_lag.nav_days), timezone.localdate())


def load_screen_inputs(data_date: date, table: Jurisdiction, previous: Mapping[int, tuple[bool, int]]) -> ScreenInputs:
    """Read what was public on a day of every fund of a known category that had a price by then.

    `previous` says by fund id whether the last published screen had it in by the rule, and its quarters below the leaving
    line at the end of the quarter before. Raises DataError("no_history") where there is no fund.
    """
    rows = _funds(data_date, table)
    if not rows:
        raise DataError("no_history")
    known = _Known(data_date, table, _grid(data_date, table), _Dated.of(data_date))
    dead = np.array([_is_dead(row, known) for row in rows])
    record = _record(rows, known)
    living = [row for row, is_dead in zip(rows, dead, strict=True) if not is_dead]
    return ScreenInputs(
        MarketData(
            _facts(living, rows, known, previous),
            record.pick(np.flatnonzero(~dead)),
            DeadFunds(
                _texts([row.category for row in rows])[dead],
                _texts([row.asset_class for row in rows])[dead],
                record.pick(np.flatnonzero(dead)),
            ),
        ),
        np.array([row.pk for row in living], np.int64),
        date.fromordinal(int(known.grid.month_ends[-1])).month,
    )


def _funds(data_date: date, table: Jurisdiction) -> list[_Row]:
    known = Fund.objects.filter(inception_date__lte=data_date, category__in=table.categories)
    return sorted((_Row(*row) for row in known.values_list(*_COLUMNS)), key=lambda row: row.code)


def _texts(values: Sequence[str]) -> NDArrayStr:
    return np.array(values, dtype=np.str_) if len(values) else np.empty(0, dtype="<U1")


def public_until(data_date: date, n_days: int) -> date:
    """The last day whose prices are public on a day, when they come so many business days after it."""
    day = data_date
    for _ in range(n_days):
        while not is_business_day(day):
            day -= timedelta(days=1)
        day -= timedelta(days=1)
    while not is_business_day(day):
        day -= timedelta(days=1)
    return day


def _lag_days(category: str, table: Jurisdiction) -> int:
    """Business days until a price is public: the setting's, or as long as an order of the category takes to confirm."""
    return max(table.screen.publication_lag.nav_days, table.lags[table.categories[category].lag].confirm)


def _grid(data_date: date, table: Jurisdiction) -> Grid:
    last = public_until(data_date, table.screen.publication_lag.nav_days)
    month_end = last.replace(day=1) - timedelta(days=1)
    is_over = next_business_day(last).month != last.month
    if is_over:
        month_end = (last.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return grid_until(last.toordinal(), month_end.toordinal())


def _record(rows: list[_Row], known: "_Known") -> Record:
    """Sample the histories on the grid a block of funds at a time, each category until what was public of it."""
    by_lag: dict[int, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        by_lag[_lag_days(row.category, known.table)].append(place)
    places, records = [], []
    since = date.fromordinal(known.grid.first_day)
    for lag, mine in sorted(by_lag.items()):
        until = public_until(known.data_date, lag)
        for matrix in daily_block([rows[place].pk for place in mine], since, until):
            records.append(record_of(matrix, known.grid))
        places += mine
    return joined(records).pick(np.argsort(np.array(places)))


@dataclass(frozen=True)
class _Dated:
    """Dated rows that were public: by fund id the day of the last manager, the state of purchase, and who is warned or ended."""

    manager_since: dict[int, date]
    purchase: dict[int, tuple[str, int | None]]
    warned: set[int]
    ended: set[int]
    grades: dict[int, int]

    @classmethod
    def of(cls, data_date: date) -> "_Dated":
        kinds = FundFact.Kind
        found = cls({}, {}, set(), set(), _grades(data_date))
        facts = FundFact.objects.filter(published_date__lte=data_date).order_by("from_date", "published_date", "pk")
        for fund, kind, from_date, text, number in facts.values_list("fund_id", "kind", "from_date", "text", "number").iterator():
            if kind == kinds.LIQUIDATION_WARNING or (kind == kinds.ENDED and from_date > data_date):
                found.warned.add(fund)
            elif from_date > data_date:
                continue
            elif kind == kinds.ENDED:
                found.ended.add(fund)
            elif kind == kinds.MANAGER:
                found.manager_since[fund] = from_date
            elif kind == kinds.PURCHASE:
                found.purchase[fund] = (text, number)
        return found


def _grades(data_date: date) -> dict[int, int]:
    """Risk grades that a dated change tells: the last one by then, else what the first later one changed from."""
    told: dict[int, int] = {}
    changed_later: dict[int, int] = {}
    changes = GradeChange.objects.order_by("data_date", "pk").values_list("fund_id", "data_date", "from_grade", "to_grade")
    for fund, day, from_grade, to_grade in changes.iterator():
        if day <= data_date:
            told[fund] = to_grade
        elif from_grade is not None:
            changed_later.setdefault(fund, from_grade)
    return changed_later | told


@dataclass(frozen=True)
class _Known:
    data_date: date
    table: Jurisdiction
    grid: Grid
    dated: _Dated


def _is_dead(row: _Row, known: _Known) -> bool:
    return row.pk in known.dated.ended or (row.ended_on is not None and row.ended_on <= known.data_date)


def _facts(living: list[_Row], rows: list[_Row], known: _Known, previous: Mapping[int, tuple[bool, int]]) -> FundFacts:
    table, dated = known.table, known.dated
    categories = [table.categories[row.category] for row in living]
    last_month = _month(date.fromordinal(int(known.grid.month_ends[-1])))
    sizes, retail = _sizes(living, rows, known)
    purchase = [_purchase(row, known) for row in living]
    return FundFacts(
        codes=tuple(row.code for row in living),
        category=_texts([row.category for row in living]),
        asset_class=_texts([row.asset_class for row in living]),
        kind=_texts([_kind(row, table) for row in living]),
        grade=np.array([dated.grades.get(row.pk, row.risk_grade) for row in living], np.int64),
        company=_texts([row.company for row in living]),
        family=_texts([row.family_code for row in living]),
        months=np.array([max(0, last_month - _month(row.inception_date)) for row in living], np.int64),
        manager_months=np.array([_manager_months(row, known) for row in living], np.float64),
        sizes=sizes,
        size_low=np.array([one.size[0] for one in categories]) * _LARGE_UNIT,
        size_high=np.array([np.inf if one.size[1] is None else one.size[1] for one in categories]) * _LARGE_UNIT,
        retail_share=retail,
        is_open=np.array([is_open for is_open, _ in purchase]),
        daily_limit=np.array([limit for _, limit in purchase]),
        is_warned=np.array([row.pk in dated.warned for row in living]),
        cost=np.array([yearly_cost(row, table) for row in living]),
        was_in=np.array([previous.get(row.pk, (False, 0))[0] for row in living]),
        quarters_below=np.array([previous.get(row.pk, (False, 0))[1] for row in living], np.int64),
    )


def _month(day: date) -> int:
    return day.year * 12 + day.month


def _kind(row: _Row, table: Jurisdiction) -> str:
    kind = table.categories[row.category].screen
    return "index" if row.is_index and kind == "active" else kind


def _manager_months(row: _Row, known: _Known) -> float:
    """Months of the manager in office. Without a dated row the fund's own column serves, which bears its date itself."""
    since = known.dated.manager_since.get(row.pk) or row.manager_since
    return (known.data_date - since).days / _DAYS_A_MONTH if since and since <= known.data_date else np.nan


def _purchase(row: _Row, known: _Known) -> tuple[bool, float]:
    """Whether the fund was open, and up to how much a day; without a dated row open, save where a screen of now sees its column."""
    if row.pk in known.dated.purchase:
        state, limit = known.dated.purchase[row.pk]
        return state != "closed", np.inf if limit is None else limit / MINOR_PER_UNIT
    if known.data_date < timezone.localdate() - timedelta(days=_NOW_DAYS):
        return True, np.inf
    return row.is_open, np.inf if row.daily_limit_minor is None else row.daily_limit_minor / MINOR_PER_UNIT


def yearly_cost(fund: Any, table: Jurisdiction) -> float:
    """What holding a fund costs a year, all in, as a fraction: running fees, and what is paid once spread over the holding.

    The sales-service fee counts for the first year only, save for money-market funds; the redemption fee is the floor at
    `holding_days`; buying and selling are spread over `holding_years`.
    """
    years = table.screen.holding_years
    is_money = table.categories[fund.category].screen == "money"
    sales = fund.sales_fee_bps * (1.0 if is_money else min(1.0, years) / years)
    return (fund.annual_fee_bps + sales + fund.purchase_fee_bps / years) / BPS_PER_UNIT + redemption_floor(fund.category, table) / years


def redemption_floor(category: str, table: Jurisdiction) -> float:
    """The least redemption fee, a fraction, at the days held that the settings name."""
    if category in table.redemption_exempt_categories:
        return 0.0
    floors = sorted(table.redemption_floors, key=lambda floor: floor.below_days)
    return next((floor.rate for floor in floors if table.screen.holding_days < floor.below_days), 0.0)


def _sizes(living: list[_Row], rows: list[_Row], known: _Known) -> tuple[FloatArray, FloatArray]:
    """Net assets (q, n) of the last quarters that were public, summed over a family's share classes, and the retail share (n,)."""
    n_quarters, data_date = known.table.screen.gates.size_quarters, known.data_date
    column = {row.pk: place for place, row in enumerate(living)}
    family = {row.pk: row.family_code or row.code for row in rows}
    of_quarter: dict[tuple[int, int], int] = {}
    latest: dict[str, tuple[int, date]] = {}
    retail = np.full(len(living), np.nan)
    public = FundSize.objects.filter(published_date__lte=data_date, as_of_date__gte=data_date - timedelta(days=_SIZE_HISTORY_DAYS))
    columns = ("fund_id", "as_of_date", "size_minor", "institutional_share")
    for fund, day, size, share in public.order_by("as_of_date", "published_date").values_list(*columns).iterator():
        if fund not in family:
            continue
        quarter = day.year * 4 + (day.month - 1) // 3
        of_quarter[fund, quarter] = size  # of two in a quarter the later one, of two publications of it the later too
        latest[family[fund]] = (quarter, day)
        if fund in column and share is not None:
            retail[column[fund]] = 1.0 - share
    sums: dict[tuple[str, int], float] = defaultdict(float)
    for (fund, quarter), size in of_quarter.items():
        sums[family[fund], quarter] += size / MINOR_PER_UNIT
    sizes = np.full((n_quarters, len(living)), np.nan)
    for place, row in enumerate(living):
        name = row.family_code or row.code
        last, day = latest.get(name, (0, date.min))
        if last and (data_date - day).days <= _OLDEST_QUARTER_DAYS:
            sizes[:, place] = [sums.get((name, last - back), np.nan) for back in range(n_quarters - 1, -1, -1)]
    return sizes, retail
