"""The daily watch on stored funds: alerts are opened once, last, and are closed; nothing after the day is looked at."""

from datetime import date, timedelta

import numpy as np
import pytest
from django.core.management import call_command

from portfolios.calendar import is_business_day
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, FundFact, FundSize, MarketAlert, Pool, PoolFund
from portfolios.services import store_histories, watch_market
from tests.portfolios.market import make_fund

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 3)  # a Tuesday
KIND = MarketAlert.Kind


def days_until(last: date, n: int) -> np.ndarray:
    days: list[int] = []
    while len(days) < n:
        if is_business_day(last):
            days.append(last.toordinal())
        last -= timedelta(days=1)
    return np.array(days[::-1])


def tell(fund: Fund, steps: np.ndarray, last: date = DAY - timedelta(days=1)) -> None:
    index = np.exp(np.cumsum(steps))
    store_histories([FundHistory(fund.code, days_until(last, len(steps)), np.rint(index * 1e6).astype(np.int64), index)])
    fund.refresh_from_db()


def calm_steps(seed: int = 1, n: int = 800, daily: float = 0.002) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, daily, n)


def pool_fund(code: str = "900001", steps: np.ndarray | None = None, category: str = "mixed", grade: int = 3, **fields) -> Fund:
    pool, _ = Pool.objects.get_or_create(name="pool", is_current=True)
    fund = make_fund(code, category=category, grade=grade, **fields)
    PoolFund.objects.create(pool=pool, fund=fund)
    tell(fund, calm_steps() if steps is None else steps)
    return fund


def open_kinds(fund: Fund) -> set[str]:
    return set(MarketAlert.objects.filter(fund=fund, closed_at=None).values_list("kind", flat=True))


def test_a_calm_fund_has_no_alert():
    fund = pool_fund()
    report = watch_market(day=DAY)
    assert (report.n_funds, report.n_opened, open_kinds(fund)) == (1, 0, set())


def test_a_fund_that_moves_three_times_as_much_as_usual_is_alarming():
    steps = calm_steps()
    steps[-20:] *= 3.5
    fund = pool_fund(steps=steps)
    watch_market(day=DAY)
    alert = MarketAlert.objects.get(fund=fund, kind=KIND.VOLATILITY)
    assert alert.day == DAY
    assert alert.figures["value"] > alert.figures["limit"] == 2.0


def test_the_fall_that_is_alarming_depends_on_the_grade():
    steps = calm_steps(daily=0.001)
    steps[-100:] -= 0.0016  # about 15 % over 100 days: no jump
    low, high = pool_fund("900001", steps), pool_fund("900002", steps, "equity", 4)
    watch_market(day=DAY)
    assert (KIND.DRAWDOWN in open_kinds(low), KIND.DRAWDOWN in open_kinds(high)) == (True, False)


def test_a_fund_without_a_nav_for_more_working_days_than_the_limit_is_stale_and_a_holiday_is_none():
    fund = pool_fund()
    for n_days, is_stale in [(5, False), (6, True)]:
        last = date.fromordinal(int(days_until(DAY - timedelta(days=1), n_days + 1)[0]))
        Fund.objects.update(last_nav_date=last)
        watch_market(day=DAY)
        assert (KIND.STALE_NAV in open_kinds(fund)) is is_stale, n_days
    MarketAlert.objects.all().delete()
    Fund.objects.update(last_nav_date=date(2026, 2, 13))  # the last day before the holidays of the new year
    watch_market(day=date(2026, 2, 24))
    assert KIND.STALE_NAV not in open_kinds(fund)


def test_a_size_that_halves_from_one_published_quarter_to_the_next_is_alarming_once_it_is_public():
    fund = pool_fund()
    for as_of, size in [(date(2025, 9, 30), 1_000), (date(2025, 12, 31), 400)]:
        FundSize.objects.create(
            fund=fund, as_of_date=as_of, published_date=as_of + timedelta(days=21), size_minor=size * 10**8, units_centi=1
        )
    watch_market(day=date(2026, 1, 15))
    assert KIND.SIZE_COLLAPSE not in open_kinds(fund)
    watch_market(day=DAY)
    assert MarketAlert.objects.get(fund=fund, kind=KIND.SIZE_COLLAPSE).figures == {"value": 0.6, "latest": 0.6, "limit": 0.5}


def test_a_fund_that_closes_is_suspended_and_is_over_once_it_opens():
    fund = pool_fund(is_open=False)
    watch_market(day=DAY)
    assert open_kinds(fund) == {KIND.SUSPENSION}
    Fund.objects.update(is_open=True)
    assert watch_market(day=DAY).n_closed == 1
    assert open_kinds(fund) == set()


def test_a_published_closure_is_a_suspension_from_its_day_on():
    fund = pool_fund()
    FundFact.objects.create(fund=fund, kind=FundFact.Kind.PURCHASE, from_date=DAY, published_date=DAY - timedelta(days=3), text="closed")
    watch_market(day=DAY - timedelta(days=1))
    assert open_kinds(fund) == set()
    watch_market(day=DAY)
    assert open_kinds(fund) == {KIND.SUSPENSION}


def style_market(changes: bool) -> Fund:
    """Funds of shares and bonds, and a mixed fund that follows shares and then, or not, bonds."""
    shares, bonds = calm_steps(1, daily=0.012), calm_steps(2, daily=0.002)
    for n in range(4):
        for kind, steps, grade in [("equity", shares, 4), ("bond", bonds, 2)]:
            tell(make_fund(f"{kind}{n}", category=kind, grade=grade), steps + calm_steps(10 + n, daily=0.0002))
    own = shares.copy()
    if changes:
        own[-261:] = bonds[-261:]
    return pool_fund(steps=own + calm_steps(30, daily=0.0002))


@pytest.mark.parametrize("changes", [True, False])
def test_a_fund_that_follows_something_else_than_before_has_drifted(changes):
    fund = style_market(changes)
    watch_market(day=DAY)
    assert (KIND.STYLE_DRIFT in open_kinds(fund)) is changes


def test_an_alert_is_opened_once_while_it_lasts_and_a_new_one_only_after_it_was_over():
    fund = pool_fund(is_open=False)
    assert [watch_market(day=DAY + timedelta(days=n)).n_opened for n in (0, 0, 1)] == [1, 0, 0]
    Fund.objects.update(is_open=True)
    watch_market(day=DAY + timedelta(days=2))
    Fund.objects.update(is_open=False)
    watch_market(day=DAY + timedelta(days=3))
    days = list(MarketAlert.objects.filter(fund=fund, kind=KIND.SUSPENSION).order_by("pk").values_list("day", "closed_at"))
    assert [day for day, _ in days] == [DAY, DAY + timedelta(days=3)]
    assert [closed is None for _, closed in days] == [False, True]


def test_watching_a_day_again_changes_nothing():
    steps = calm_steps(daily=0.001)
    steps[-100:] -= 0.0016
    pool_fund(steps=steps, is_open=False)
    watch_market(day=DAY)
    before = list(MarketAlert.objects.order_by("pk").values())
    report = watch_market(day=DAY)
    assert (report.n_opened, report.n_closed, list(MarketAlert.objects.order_by("pk").values())) == (0, 0, before)


def test_prices_after_the_day_change_nothing():
    steps = calm_steps(daily=0.001)
    falls = np.concatenate([steps, np.full(60, -0.01)])
    fund = pool_fund(steps=falls, grade=3)
    day = date.fromordinal(int(days_until(DAY - timedelta(days=1), 61)[0]))
    watch_market(day=day)
    assert open_kinds(fund) == set()
    watch_market(day=DAY)
    assert KIND.DRAWDOWN in open_kinds(fund)


def test_a_fund_outside_the_pool_gets_no_alert_but_an_open_one_is_followed_to_its_end():
    fund = pool_fund(is_open=False)
    watch_market(day=DAY)
    PoolFund.objects.all().delete()
    tell(make_fund("900009", category="mixed", grade=3, is_open=False), calm_steps())
    assert (watch_market(day=DAY).n_funds, open_kinds(fund)) == (1, {KIND.SUSPENSION})
    Fund.objects.update(is_open=True)
    assert watch_market(day=DAY).n_open == 0


def test_what_is_open_of_a_fund_that_was_wound_up_is_over_once_it_has_left_the_pool():
    fund = pool_fund(is_open=False)
    Fund.objects.update(last_nav_date=DAY - timedelta(days=30), ended_on=DAY - timedelta(days=20))
    watch_market(day=DAY)
    assert open_kinds(fund) == {KIND.SUSPENSION, KIND.STALE_NAV}
    PoolFund.objects.all().delete()
    report = watch_market(day=DAY + timedelta(days=1))
    assert (report.n_funds, report.n_closed, report.n_open) == (0, 2, 0)


def test_watching_a_day_that_is_past_ends_no_later_alert():
    fund = pool_fund()
    FundFact.objects.create(fund=fund, kind=FundFact.Kind.PURCHASE, from_date=DAY, published_date=DAY, text="closed")
    watch_market(day=DAY)
    assert watch_market(day=DAY - timedelta(days=1)).n_closed == 0
    assert open_kinds(fund) == {KIND.SUSPENSION}


def test_the_command_says_what_was_opened(capsys, monkeypatch):
    monkeypatch.setenv("LANG", "en_US.UTF-8")
    pool_fund(is_open=False)
    call_command("watch_market", "--date", DAY.isoformat())
    assert "Watched 1 funds: 1 alerts opened, 0 closed, 1 are open." in capsys.readouterr().out


def test_a_market_without_a_pool_is_watched_without_a_word():
    assert watch_market(day=DAY).n_funds == 0
