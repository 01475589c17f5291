"""Alerts about funds open tasks for the advisors whose clients hold them, once."""

import pytest
from django.utils import timezone

from advisor import services
from advisor.models import Task
from advisor.selectors.clients import client_page
from portfolios.models import Fund, MarketAlert
from tests.advisor.review_world import client_with, many_clients
from tests.advisor.site_world import make_market

KIND = MarketAlert.Kind


@pytest.fixture
def market(people):
    make_market()


def alert(code: str, kind: str = KIND.DRAWDOWN) -> MarketAlert:
    figures = {"value": 0.2, "latest": 0.2, "limit": 0.12}
    return MarketAlert.objects.create(fund=Fund.objects.get(code=code), kind=kind, day=timezone.localdate(), figures=figures)


def test_who_holds_a_fund_with_an_alert_has_one_task_and_the_others_none(market, people):
    client_with(people.anna_investor, 3, BO1=1_000_000, IX1=1_000_000)
    client_with(people.ben_investor, 3, BO2=1_000_000)
    alert("BO1"), alert("BO1", KIND.SUSPENSION), alert("IX1")
    assert services.follow_market_alerts() == 1
    task = Task.objects.get()
    assert task.investor == people.anna_investor
    assert sorted(task.params["items"]) == ["BO1:drawdown", "BO1:suspension", "IX1:drawdown"]
    (row,) = client_page(people.ada, people.anna_investor).tasks
    assert "BO1 (a deep fall)" in str(row.label)


def test_a_later_alert_is_added_to_the_open_task(market, people):
    client_with(people.anna_investor, 3, BO1=1_000_000)
    alert("BO1")
    services.follow_market_alerts()
    alert("BO1", KIND.STALE_NAV)
    assert services.follow_market_alerts() == 0
    assert Task.objects.get().params["items"] == ["BO1:drawdown", "BO1:stale_nav"]


def test_following_again_opens_nothing_not_even_once_the_task_is_done(market, people):
    client_with(people.anna_investor, 3, BO1=1_000_000)
    alert("BO1")
    services.follow_market_alerts()
    services.close_task(task_id=Task.objects.get().pk, actor=people.ada)
    assert services.follow_market_alerts() == 0
    MarketAlert.objects.update(closed_at=timezone.now())
    alert("BO1")
    assert services.follow_market_alerts() == 1


def test_an_alert_that_was_over_before_it_was_read_opens_no_task(market, people):
    client_with(people.anna_investor, 3, BO1=1_000_000)
    alert("BO1")
    MarketAlert.objects.update(closed_at=timezone.now())
    assert services.follow_market_alerts() == 0


def test_the_number_of_queries_grows_with_the_blocks_not_with_the_holders(market, people, django_assert_max_num_queries):
    many_clients(people.anna_investor.household, 300)
    alert("BO1")
    with django_assert_max_num_queries(20):
        assert services.follow_market_alerts() == 300
