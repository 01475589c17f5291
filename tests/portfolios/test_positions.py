from datetime import date

import pytest

from portfolios.models import Holding, LedgerEntry, Order
from portfolios.selectors import portfolio_totals, positions
from portfolios.services import cancel_order, deposit, open_portfolio, place_order
from portfolios.services.ledger import Movement, post
from tests.portfolios.market import make_fund, publish
from tests.portfolios.test_orders import NOON, buy

pytestmark = pytest.mark.django_db
DAY = date(2026, 3, 2)


def own(portfolio, fund, units_centi, cost_minor):
    key = f"buy:{portfolio.pk}:{fund.pk}"
    post(Movement(portfolio.pk, LedgerEntry.Kind.BUY, key, DAY, units_centi=units_centi, cost_minor=cost_minor, fund_id=fund.pk))


def test_positions_are_worth_the_last_nav_largest_first():
    portfolio, other = open_portfolio(), open_portfolio()
    small, large = make_fund("000001"), make_fund("000002")
    publish(small, {DAY: 1_000_000})
    publish(large, {DAY: 1_234_500})
    own(portfolio, small, 100, 90)
    own(portfolio, large, 1_001, 1_000)
    own(other, small, 5, 5)
    found = positions([portfolio.pk])
    assert [(row.fund.code, row.units_centi, row.cost_minor, row.value_minor, row.nav_date) for row in found] == [
        ("000002", 1_001, 1_000, 1_236, DAY),
        ("000001", 100, 90, 100, DAY),
    ]
    assert [row.gain_minor for row in found] == [236, 10]


def test_a_fund_without_a_nav_counts_at_its_cost():
    portfolio = open_portfolio()
    own(portfolio, make_fund(), 100, 90)
    [row] = positions([portfolio.pk])
    assert (row.value_minor, row.nav_date) == (90, None)


def test_an_empty_portfolio_has_totals_of_nothing_and_an_unknown_one_none():
    portfolio = open_portfolio()
    assert set(portfolio_totals([portfolio.pk, portfolio.pk + 1])) == {portfolio.pk}
    assert portfolio_totals([portfolio.pk])[portfolio.pk].total_minor == 0
    assert positions([]) == [] and portfolio_totals([]) == {}


def test_totals_of_many_portfolios_take_as_many_queries_as_those_of_one(django_assert_num_queries):
    fund = make_fund()
    publish(fund, {DAY: 2_000_000})
    portfolios = [open_portfolio() for _ in range(12)]
    for portfolio in portfolios:
        deposit(portfolio_id=portfolio.pk, amount_minor=500, key=str(portfolio.pk), date=DAY)
        own(portfolio, fund, 100, 150)
    for some in (portfolios[:1], portfolios):
        with django_assert_num_queries(2):
            totals = portfolio_totals([portfolio.pk for portfolio in some])
        assert len(totals) == len(some)
    first = totals[portfolios[0].pk]
    assert (first.value_minor, first.cash_minor, first.in_orders_minor, first.cost_minor, first.paid_in_minor) == (200, 500, 0, 150, 500)
    assert (first.total_minor, first.gain_minor) == (700, 200)
    with django_assert_num_queries(1):
        assert len(positions([portfolio.pk for portfolio in portfolios])) == 12


def test_money_on_its_way_is_counted_once(settings):
    settings.PAPER_CONFIRMS_AT_ONCE = False
    fund, portfolio = make_fund(), open_portfolio()
    publish(fund, {date(2026, 2, 27): 1_000_000})
    deposit(portfolio_id=portfolio.pk, amount_minor=10_000, key="k", date=DAY)
    order = place_order(buy(portfolio, fund, 4_000))
    totals = portfolio_totals([portfolio.pk])[portfolio.pk]
    assert (totals.cash_minor, totals.in_orders_minor, totals.total_minor) == (6_000, 4_000, 10_000)
    cancel_order(order_id=order.pk, now=NOON)
    totals = portfolio_totals([portfolio.pk])[portfolio.pk]
    assert (totals.cash_minor, totals.in_orders_minor, totals.total_minor) == (10_000, 0, 10_000)
    assert (Order.objects.count(), Holding.objects.count()) == (1, 0)
