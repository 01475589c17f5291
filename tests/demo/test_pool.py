"""The market of a demo passes the product's own screen as of two years ago."""

from datetime import date, timedelta

import pytest

from demo.models import World
from demo.services import load_market
from portfolios.models import Fund, Pool, ScreenRun

pytestmark = pytest.mark.django_db


def test_600_funds_make_a_publishable_pool_that_knew_nothing_of_the_last_two_years():
    until = date(2026, 11, 20)
    world = World.objects.create(seed=2026, n_funds=600, n_investors=0)
    load_market(world, until)
    run = ScreenRun.objects.get()
    assert run.outcome == ScreenRun.Outcome.PUBLISHED
    assert run.data_date <= until - timedelta(days=730)
    pool = Pool.objects.get(is_current=True)
    assert pool.screen_run == run
    assert 0.15 <= run.n_in / run.n_gated <= 0.25
    assert not pool.funds.filter(ended_on__isnull=False).exists()
    assert Fund.objects.count() == 600
