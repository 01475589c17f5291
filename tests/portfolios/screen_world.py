"""A market in the database whose screen can be published: twenty-six funds a category, twice as many of bonds, with their dated facts."""

from datetime import date, timedelta

import numpy as np

from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, FundFact, FundSize, NavYear
from portfolios.services import store_histories
from tests.portfolios.kernels.small_market import CATEGORIES, LAST_DAY, indices

DATA_DATE = date(2024, 10, 31)
# By the middle of the month after a quarter its sizes are public.
QUARTERS = [date(2023, 9, 30), date(2023, 12, 31), date(2024, 3, 31), date(2024, 6, 30), date(2024, 9, 30)]
N_FUNDS = 208
IN_TURN = ("money", "short_bond", "bond", "bond", "mixed", "equity", "sector", "index")


def make_market(n_funds: int = N_FUNDS, *, seed: int = 1) -> list[Fund]:
    """Store funds with six years of history that pass every gate; their codes are F00000 on, categories in turn."""
    names, _, days, values = indices(n_funds, seed=seed, categories=IN_TURN)
    rng = np.random.default_rng(seed)
    since = date.fromordinal(int(days[0]))
    funds = Fund.objects.bulk_create(
        Fund(
            code=f"F{i:05d}",
            name_en=f"Fund {i}",
            name_zh=f"基金{i}",
            company=f"Company {i % 17}",
            category=name,
            asset_class=CATEGORIES[name][0],
            risk_grade=CATEGORIES[name][2],
            is_index=name == "index",
            annual_fee_bps=int(1e4 * CATEGORIES[name][5] * rng.uniform(0.5, 1.5)),
            source="test",
        )
        for i, name in enumerate(names)
    )
    store_histories(history(fund.code, days, values[:, i]) for i, fund in enumerate(funds))
    funds = list(Fund.objects.order_by("code"))
    FundFact.objects.bulk_create(
        FundFact(fund=fund, kind="manager", from_date=since, published_date=since, text=f"Manager {i}") for i, fund in enumerate(funds)
    )
    FundSize.objects.bulk_create(size(fund, day, float(rng.uniform(3e8, 8e9))) for fund in funds for day in QUARTERS)
    return funds


def history(code: str, days: np.ndarray, index: np.ndarray) -> FundHistory:
    nav = np.maximum(np.round(index * 1e6), 1).astype(np.int64)
    return FundHistory(code, days, nav, index)


def size(fund: Fund, day: date, yuan: float, *, published: date | None = None) -> FundSize:
    return FundSize(
        fund=fund,
        as_of_date=day,
        published_date=published or day + timedelta(days=21),
        size_minor=int(yuan * 100),
        units_centi=int(yuan * 100),
    )


def shuffle_prices_after(day: date, *, of: Fund | None = None) -> int:
    """Permute every fund's index, or that of one, among the days after a day; return how many stored years changed."""
    rng, changed = np.random.default_rng(7), []
    stored = NavYear.objects.filter(year__gte=day.year)
    for row in stored.filter(fund=of) if of else stored:
        days = np.frombuffer(row.days, "<i4")
        index, nav = np.frombuffer(row.total_return, "<f8").copy(), np.frombuffer(row.nav_micro, "<i8").copy()
        later = np.flatnonzero(days > day.toordinal())
        if len(later):
            mixed = rng.permutation(later)
            index[later], nav[later] = index[mixed] * rng.uniform(0.5, 2.0, len(later)), nav[mixed]
            row.total_return, row.nav_micro = index.astype("<f8").tobytes(), nav.astype("<i8").tobytes()
            changed.append(row)
    NavYear.objects.bulk_update(changed, ["total_return", "nav_micro"])
    return len(changed)


__all__ = ["DATA_DATE", "LAST_DAY", "history", "make_market", "shuffle_prices_after", "size"]
