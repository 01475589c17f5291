"""The simulated market in the database: funds, their NAVs, the pool, and the nightly new day."""

from datetime import date, timedelta

import numpy as np
from django.db import transaction
from django.utils import timezone

from demo.market import FundSpec, Market, PoolChoice, choose_pool, make_funds, simulate
from demo.models import World
from portfolios.calendar import is_business_day
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, Pool, PoolFund
from portfolios.money import MICRO_PER_UNIT
from portfolios.services import store_histories

SOURCE = "simulated"
POOL_NAME = "模拟优选池 Simulated pool"


def last_priced_day(today: date | None = None) -> date:
    """The last business day before a day."""
    day = (today or timezone.localdate()) - timedelta(days=1)
    while not is_business_day(day):
        day -= timedelta(days=1)
    return day


def specs_of(world: World) -> list[FundSpec]:
    table = jurisdiction()
    return make_funds(
        seed=world.seed,
        n_funds=world.n_funds,
        class_means={name: table.classes[category.asset_class].mean for name, category in table.categories.items()},
        fee_caps_bps=table.purchase_fee_caps_bps,
    )


def load_market(world: World, until: date) -> int:
    """Write funds, NAVs until a day, and the pool as the current one; returns how many days of NAV were new. Safe to repeat."""
    specs = specs_of(world)
    market = simulate(specs, seed=world.seed, until=until)
    _write_funds(specs)
    since = until.replace(year=until.year - world.n_years) if world.n_years else date.min
    n_new = store_histories(_histories(market, since))
    _write_pool(specs, choose_pool(specs, market))
    return n_new


def extend_market(*, until: date | None = None) -> int:
    """Write the simulated NAVs after each fund's last one; returns how many days were new. Safe to repeat."""
    world = World.objects.filter(market_loaded_at__isnull=False).first()
    if world is None:
        return 0
    specs, until = specs_of(world), until or last_priced_day(timezone.localdate() + timedelta(days=1))
    last = (
        Fund.objects.filter(source=SOURCE, last_nav_date__isnull=False)
        .order_by("last_nav_date")
        .values_list("last_nav_date", flat=True)
        .first()
    )
    if last is None or last >= until:
        return 0
    return store_histories(_histories(simulate(specs, seed=world.seed, until=until), last))


def _histories(market: Market, since: date) -> list[FundHistory]:
    """Each fund's NAVs on business days from `since` on; a fund not yet born is left out."""
    kept = np.array([day >= since.toordinal() and is_business_day(date.fromordinal(int(day))) for day in market.days])
    histories = []
    for column, code in enumerate(market.codes):
        rows = kept & np.isfinite(market.nav[:, column])
        if rows.any():
            nav_micro = np.rint(market.nav[rows, column] * MICRO_PER_UNIT).astype(np.int64)
            histories.append(FundHistory(code, market.days[rows], nav_micro, nav_micro / MICRO_PER_UNIT))
    return histories


def _write_funds(specs: list[FundSpec]) -> None:
    table = jurisdiction()
    fields = ["name_zh", "name_en", "company", "category", "asset_class", "risk_grade", "is_open", "purchase_fee_bps", "annual_fee_bps"]
    funds = [
        Fund(
            code=spec.code,
            name_zh=spec.name_zh,
            name_en=spec.name_en,
            company=spec.company,
            category=spec.category,
            asset_class=table.categories[spec.category].asset_class,
            risk_grade=table.categories[spec.category].grade,
            is_open=spec.is_open,
            purchase_fee_bps=spec.purchase_fee_bps,
            annual_fee_bps=spec.annual_fee_bps,
            currency=table.currency,
            source=SOURCE,
            is_simulated=True,
        )
        for spec in specs
    ]
    Fund.objects.bulk_create(funds, update_conflicts=True, unique_fields=["code"], update_fields=fields)


def _write_pool(specs: list[FundSpec], choices: list[PoolChoice]) -> Pool:
    """Write a new pool and make it the current one, unless the current one is the same."""
    funds = dict(Fund.objects.filter(code__in=[choice.code for choice in choices]).values_list("code", "pk"))
    with transaction.atomic():
        current = Pool.objects.select_for_update().filter(is_current=True).first()
        if current and set(current.members.values_list("fund_id", flat=True)) == set(funds.values()):
            return current
        pool = Pool.objects.create(name=POOL_NAME)
        PoolFund.objects.bulk_create(PoolFund(pool=pool, fund_id=funds[choice.code], reason=_reason(choice)) for choice in choices)
        Pool.objects.filter(is_current=True).update(is_current=False)
        Pool.objects.filter(pk=pool.pk).update(is_current=True)
    return pool


def _reason(choice: PoolChoice) -> str:
    category = jurisdiction().categories[choice.category]
    zh = f"{category.zh}，{choice.n_ranked} 只中第 {choice.rank}：截至两年前的三年风险收益比与费率"
    return f"{zh} / No. {choice.rank} of {choice.n_ranked}, {category.en}: return per risk over three years until two years ago, and fees"
