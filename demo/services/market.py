"""The simulated market in the database: funds, their NAVs and facts, the pool, and the nightly new day."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta

import numpy as np
from django.utils import timezone

from demo.models import World
from demo.services.market_facts import SOURCE, write_facts, write_funds
from demo.services.pool import publish_pool
from portfolios.calendar import is_business_day
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.simulate import SimulatedFund, as_matrix, simulate_funds, weekdays
from portfolios.kernels.simulate_funds import FundSpec, make_funds
from portfolios.kernels.types import FundHistory, IntArray
from portfolios.models import Fund
from portfolios.services import grade_funds, store_histories

log = logging.getLogger(__name__)

# People trade in the years after this day, and the ledger books neither distributions nor splits nor the end of a fund.
EVENTS_UNTIL = date(2024, 6, 30)


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
        events_until=EVENTS_UNTIL,
    )


def sessions_until(until: date) -> IntArray:
    days = weekdays(until)
    return days[[is_business_day(date.fromordinal(day)) for day in days.tolist()]]


def load_market(world: World, until: date) -> int:
    """Write funds, NAVs and facts until a day, and the pool as the current one; returns how many days of NAV were new. Safe to repeat."""
    specs, sessions = specs_of(world), sessions_until(until)
    made = list(simulate_funds(specs, seed=world.seed, until=until, sessions=sessions))
    write_funds(specs)
    since = until.replace(year=until.year - world.n_years) if world.n_years else date.min
    n_new = store_histories(_histories(made, since))
    write_facts(made)
    grade_funds(data_date=until)
    publish_pool(specs, as_matrix(specs, sessions, made))
    return n_new


def extend_market(*, until: date | None = None) -> int:
    """Write the simulated NAVs after each fund's last one, with new facts; returns how many days were new. Safe to repeat."""
    world = World.objects.filter(market_loaded_at__isnull=False).first()
    if world is None:
        return 0
    specs, until = specs_of(world), until or last_priced_day(timezone.localdate() + timedelta(days=1))
    running = Fund.objects.filter(source=SOURCE, last_nav_date__isnull=False, ended_on__isnull=True).order_by("last_nav_date")
    last = running.values_list("last_nav_date", flat=True).first()
    if last is None or last >= until:
        return 0
    made = list(simulate_funds(specs, seed=world.seed, until=until, sessions=sessions_until(until)))
    if not _goes_on(made, {fund.code: fund for fund in running}):
        log.warning("the simulated market is of another version of the simulation and is not extended: load it anew")
        return 0
    n_new = store_histories(_histories(made, last))
    write_facts(made, published_after=last - timedelta(days=7))
    return n_new


def _goes_on(made: list[SimulatedFund], stored: dict[str, Fund]) -> bool:
    """Whether the market begins with what is stored: each fund's last NAV is the same."""
    for one in made:
        fund, history = stored.get(one.spec.code), one.history
        if fund is not None and fund.last_nav_date is not None:
            at = int(np.searchsorted(history.dates, fund.last_nav_date.toordinal()))
            if at == len(history.dates) or int(history.nav_micro[at]) != fund.last_nav_micro:
                return False
    return True


def _histories(made: list[SimulatedFund], since: date) -> Iterator[FundHistory]:
    """Each fund's NAVs from `since` on; a fund that has none is left out."""
    for one in made:
        whole = one.history
        start = int(np.searchsorted(whole.dates, since.toordinal()))
        if start < len(whole.dates):
            paid = whole.distribution_micro
            yield replace(
                whole,
                dates=whole.dates[start:],
                nav_micro=whole.nav_micro[start:],
                total_return=whole.total_return[start:],
                distribution_micro=paid[start:] if paid is not None else None,
            )
