"""The nightly reading of who sleeps, from orders, plans, visits and money."""

from datetime import date, datetime, time, timedelta
from uuid import uuid4

import pytest
from django.utils import timezone

from advisor.models import Account, Goal, Investor
from marketing.models import DormancyChange, Event, Profile
from marketing.services import refresh_dormancy
from portfolios.models import Fund, Holding, Order, Portfolio
from tests.marketing.crowd import crowd

pytestmark = pytest.mark.django_db
DAY = date(2026, 11, 20)


def at(days_ago: int) -> datetime:
    return timezone.make_aware(datetime.combine(DAY - timedelta(days=days_ago), time(10)))


@pytest.fixture
def fund():
    return Fund.objects.create(
        code="000001",
        category="money",
        asset_class="money_market",
        risk_grade=1,
        source="test",
        last_nav_micro=1_000_000,
        last_nav_date=DAY,
    )


def person(name: str, *, cash: int = 0, units: int = 0, fund=None, seen: int | None = None) -> Investor:
    """An investor of two years with a portfolio: cash in yuan, units of a fund worth one yuan each."""
    one = crowd(1, prefix=name, joined_at=at(700), last_seen_at=None if seen is None else at(seen))[0]
    Profile.objects.filter(pk=one.pk).delete()
    portfolio = Portfolio.objects.create(cash_minor=cash * 100)
    account = Account.objects.create(investor=one)
    Goal.objects.create(
        account=account, portfolio=portfolio, name="Home", kind="home", amount_minor=1, target_date=DAY + timedelta(days=900)
    )
    if units:
        Holding.objects.create(portfolio=portfolio, fund=fund, units_centi=units * 100, cost_minor=units * 100)
    return one


def order(one: Investor, fund, *, days_ago: int, origin: str = "investor", state: str = "confirmed") -> None:
    portfolio = Portfolio.objects.get(goal__account__investor=one)
    Order.objects.create(
        portfolio=portfolio, fund=fund, side="buy", origin=origin, state=state, amount_minor=100, clearance_id=uuid4(),
        idempotency_key=str(uuid4()), placed_at=at(days_ago),
    )  # fmt: skip


def state(one: Investor) -> str:
    return Profile.objects.get(pk=one.pk).dormancy


def test_a_sleeper_with_idle_cash_is_dormant_and_calm_people_are_not(fund):
    sleeper = person("sleeper", cash=5_000, units=500, fund=fund, seen=200)
    holder = person("holder", cash=50, units=9_000, fund=fund, seen=300)
    saver = person("saver", cash=4_000, units=100, fund=fund, seen=300)
    for one in (sleeper, holder, saver):
        order(one, fund, days_ago=400)
    order(saver, fund, days_ago=20, origin="plan")
    refresh_dormancy(on=DAY)
    assert (state(sleeper), state(holder), state(saver)) == ("dormant", "calm", "calm")


def test_the_profile_holds_what_was_counted(fund):
    one = person("one", cash=300, units=200, fund=fund, seen=50)
    for days_ago in (10, 10, 30):
        order(one, fund, days_ago=days_ago)
    order(one, fund, days_ago=5, state="rejected")
    order(one, fund, days_ago=80, origin="plan")
    order(one, fund, days_ago=95, origin="plan")
    refresh_dormancy(on=DAY)
    profile = Profile.objects.get(pk=one.pk)
    assert profile.n_decisions == 2  # two days, however many orders
    assert profile.n_plan_orders_90d == 1
    assert profile.last_decision_at == at(10)
    assert profile.last_visit_at == at(50)
    assert (profile.assets_minor, profile.idle_cash_minor) == (50_000, 30_000)
    assert profile.dormancy == "active"


def test_a_visit_seen_only_as_an_event_counts(fund):
    one = person("one", cash=5_000)
    Event.objects.create(message_id=uuid4(), investor=one, type="page", name="home", occurred_at=at(3), received_at=at(3))
    refresh_dormancy(on=DAY)
    assert state(one) == "active"


def test_what_happens_after_the_day_is_not_seen_yet(fund):
    one = person("one", cash=5_000, seen=-2)
    order(one, fund, days_ago=-1)
    refresh_dormancy(on=DAY)
    assert Profile.objects.get(pk=one.pk).n_decisions == 0
    assert state(one) == "dormant"


def test_twice_a_day_gives_one_result(fund):
    one = person("one", cash=5_000, seen=200)
    assert refresh_dormancy(on=DAY) == 1
    before = list(DormancyChange.objects.values())
    assert refresh_dormancy(on=DAY) == 1
    assert list(DormancyChange.objects.values()) == before
    assert Profile.objects.filter(pk=one.pk).count() == 1


def test_a_change_is_dated_once_and_only_where_there_is_one(fund):
    one = person("one", cash=5_000, seen=200)
    refresh_dormancy(on=DAY)
    assert refresh_dormancy(on=DAY + timedelta(days=1)) == 0
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(-2))
    refresh_dormancy(on=DAY + timedelta(days=2))
    assert list(DormancyChange.objects.order_by("date").values_list("from_state", "to_state", "date")) == [
        ("", "dormant", DAY), ("dormant", "active", DAY + timedelta(days=2)),
    ]  # fmt: skip


def test_a_change_taken_back_on_the_same_day_leaves_no_trace(fund):
    one = person("one", cash=5_000, seen=200)
    refresh_dormancy(on=DAY)
    tomorrow = DAY + timedelta(days=1)
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(0))
    refresh_dormancy(on=tomorrow)
    assert DormancyChange.objects.filter(date=tomorrow).exists()
    Investor.objects.filter(pk=one.pk).update(last_seen_at=at(200))
    refresh_dormancy(on=tomorrow)
    assert not DormancyChange.objects.filter(date=tomorrow).exists()
    assert state(one) == "dormant"


def test_queries_do_not_grow_with_the_people(django_assert_max_num_queries):
    crowd(300, joined_at=at(700))
    with django_assert_max_num_queries(24):
        refresh_dormancy(on=DAY)
    assert Profile.objects.count() == 300
