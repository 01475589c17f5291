from datetime import date, datetime, timedelta
from threading import Barrier, Thread
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connections
from django.db.models import Sum
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.jobs import only_one
from config.schedule import BEAT_SCHEDULE
from portfolios import broker as desk
from portfolios import calendar
from portfolios.models import Holding, LedgerEntry, Order, OrderEvent, Portfolio
from portfolios.selectors import portfolio_totals
from portfolios.services import (
    InsufficientCash,
    InsufficientUnits,
    OrderRefused,
    OrderRequest,
    cancel_order,
    confirm_orders,
    deposit,
    open_portfolio,
    place_order,
    rebuild_holdings,
)
from portfolios.services import orders as transitions
from portfolios.tasks import confirm_orders_task
from tests.portfolios.market import make_fund, publish

pytestmark = pytest.mark.django_db
MONDAY = date(2026, 3, 2)
NOON = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("Asia/Shanghai"))


@pytest.fixture
def by_the_rules(settings):
    settings.PAPER_CONFIRMS_AT_ONCE = False


@pytest.fixture
def fund():
    fund = make_fund(fee_bps=150)
    publish(fund, {date(2026, 2, 27): 1_200_000})
    return fund


@pytest.fixture
def portfolio():
    portfolio = open_portfolio()
    deposit(portfolio_id=portfolio.pk, amount_minor=10_000_000, key="start", date=MONDAY)
    return portfolio


def buy(portfolio, fund, amount_minor=1_000_000, **fields) -> OrderRequest:
    return request(portfolio, fund, side="buy", amount_minor=amount_minor, **fields)


def sell(portfolio, fund, units_centi, **fields) -> OrderRequest:
    return request(portfolio, fund, side="sell", units_centi=units_centi, **fields)


def request(portfolio, fund, **fields) -> OrderRequest:
    known = {"origin": "proposal", "clearance_id": uuid4(), "idempotency_key": uuid4().hex, "placed_at": NOON}
    return OrderRequest(portfolio_id=portfolio.pk, fund_id=fund.pk, **(known | fields))


def cash(portfolio) -> int:
    return Portfolio.objects.get(pk=portfolio.pk).cash_minor


def test_a_purchase_is_confirmed_at_the_nav_of_its_price_day_and_not_before(by_the_rules, fund, portfolio):
    order = place_order(buy(portfolio, fund))
    assert (order.price_date, order.confirm_date, order.pay_date) == (MONDAY, MONDAY + timedelta(days=1), None)
    assert cash(portfolio) == 9_000_000
    assert portfolio_totals([portfolio.pk])[portfolio.pk].in_orders_minor == 1_000_000
    assert confirm_orders(today=MONDAY) == 0
    assert confirm_orders(today=MONDAY + timedelta(days=1)) == 0  # no NAV published yet
    publish(fund, {MONDAY: 1_250_000})
    assert confirm_orders(today=MONDAY) == 0  # published in the evening, confirmed the next day
    assert confirm_orders(today=MONDAY + timedelta(days=1)) == 1
    order.refresh_from_db()
    assert (order.state, order.fee_minor, order.units_centi, order.nav_micro) == ("confirmed", 14_778, 788_178, 1_250_000)
    assert Holding.objects.values_list("units_centi", "cost_minor").get() == (788_178, 1_000_000)
    assert list(OrderEvent.objects.order_by("pk").values_list("from_state", "to_state")) == [
        ("", "placed"),
        ("placed", "accepted"),
        ("accepted", "confirmed"),
    ]


def test_confirming_again_changes_nothing(fund, portfolio):
    place_order(buy(portfolio, fund))
    assert confirm_orders() == 1
    before = list(LedgerEntry.objects.values()), list(OrderEvent.objects.values())
    assert confirm_orders() == 0
    assert (list(LedgerEntry.objects.values()), list(OrderEvent.objects.values())) == before


def test_beats_task_confirms_and_a_second_ring_meanwhile_goes_away(fund, portfolio):
    order = place_order(buy(portfolio, fund))
    with only_one("confirm-orders", seconds=5):
        confirm_orders_task()
        order.refresh_from_db()
        assert order.state == "placed"
    confirm_orders_task()
    order.refresh_from_db()
    assert order.state == "confirmed"
    entry = BEAT_SCHEDULE["confirm-orders"]
    assert (entry["task"], entry["options"]["queue"]) == (confirm_orders_task.name, confirm_orders_task.queue)


def test_a_demo_confirms_and_pays_at_once_at_the_last_nav(fund, portfolio):
    order = place_order(buy(portfolio, fund, placed_at=NOON + timedelta(hours=5)))
    assert confirm_orders(today=MONDAY) == 1
    order.refresh_from_db()
    assert (order.price_date, order.confirm_date, order.nav_micro) == (date(2026, 2, 27), MONDAY, 1_200_000)
    place_order(sell(portfolio, fund, order.units_centi))
    assert confirm_orders(today=MONDAY) == 1
    assert Order.objects.get(side="sell").state == "paid"
    assert not Holding.objects.exists()


def test_redemption_money_is_in_transit_until_the_pay_day(by_the_rules, fund, portfolio):
    publish(fund, {MONDAY: 1_250_000, date(2026, 3, 9): 1_500_000})
    place_order(buy(portfolio, fund))
    confirm_orders(today=MONDAY + timedelta(days=1))
    placed_at = NOON + timedelta(days=7)
    order = place_order(sell(portfolio, fund, 400_000, placed_at=placed_at))
    assert (order.confirm_date, order.pay_date) == (date(2026, 3, 10), date(2026, 3, 13))
    assert confirm_orders(today=date(2026, 3, 12)) == 1
    order.refresh_from_db()
    # 4,000 units at 1.5 are 6,000 yuan; held from 3 to 10 March, seven days: 1 %.
    assert (order.state, order.amount_minor, order.fee_minor) == ("confirmed", 600_000, 6_000)
    assert cash(portfolio) == 9_000_000
    assert portfolio_totals([portfolio.pk])[portfolio.pk].in_orders_minor == 594_000
    confirm_orders(today=date(2026, 3, 13))
    order.refresh_from_db()
    assert (order.state, cash(portfolio)) == ("paid", 9_594_000)
    assert portfolio_totals([portfolio.pk])[portfolio.pk].in_orders_minor == 0
    assert Holding.objects.values_list("units_centi", "cost_minor").get() == (388_178, 1_000_000 - 1_000_000 * 400_000 // 788_178)


def test_a_money_market_fund_redeems_without_a_fee(portfolio):
    fund = make_fund("000009", category="money", grade=1, fee_bps=0)
    publish(fund, {date(2026, 2, 27): 1_000_000})
    place_order(buy(portfolio, fund))
    confirm_orders(today=MONDAY)
    place_order(sell(portfolio, fund, 1_000_000))
    confirm_orders(today=MONDAY)
    assert cash(portfolio) == 10_000_000


def test_the_same_key_is_the_same_order_even_once_the_fund_has_closed(fund, portfolio):
    asked = buy(portfolio, fund)
    first = place_order(asked)
    type(fund).objects.update(is_open=False)
    assert place_order(asked).pk == first.pk
    assert (Order.objects.count(), cash(portfolio)) == (1, 9_000_000)


def test_a_key_cannot_serve_another_order(fund, portfolio):
    asked = buy(portfolio, fund, idempotency_key="k")
    place_order(asked)
    with pytest.raises(OrderRefused) as refusal:
        place_order(buy(portfolio, fund, 2_000_000, idempotency_key="k"))
    assert refusal.value.code == "key_used_for_another"
    assert cash(portfolio) == 9_000_000


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"clearance_id": None}, "no_clearance"),
        ({"amount_minor": 0}, "amount_to_buy_or_units_to_redeem"),
        ({"amount_minor": -5}, "amount_to_buy_or_units_to_redeem"),
        ({"amount_minor": None}, "amount_to_buy_or_units_to_redeem"),
        ({"units_centi": 5}, "amount_to_buy_or_units_to_redeem"),
        ({"side": "give"}, "amount_to_buy_or_units_to_redeem"),
        ({"amount_minor": 999}, "below_smallest_purchase"),
    ],
)
def test_a_wrong_request_is_refused_and_leaves_everything_as_it_was(fund, portfolio, fields, code):
    with pytest.raises(OrderRefused) as refusal:
        place_order(request(portfolio, fund, **({"side": "buy", "amount_minor": 5_000} | fields)))
    assert refusal.value.code == code
    assert (Order.objects.count(), cash(portfolio)) == (0, 10_000_000)


def test_a_decision_serves_one_order(fund, portfolio):
    asked = buy(portfolio, fund)
    place_order(asked)
    with pytest.raises(OrderRefused) as refusal:
        place_order(buy(portfolio, fund, clearance_id=asked.clearance_id))
    assert refusal.value.code == "clearance_used"


def test_a_closed_fund_takes_no_money_and_still_gives_it_back(fund, portfolio):
    place_order(buy(portfolio, fund))
    confirm_orders(today=MONDAY)
    type(fund).objects.update(is_open=False)
    with pytest.raises(OrderRefused) as refusal:
        place_order(buy(portfolio, fund))
    assert refusal.value.code == "fund_closed"
    assert place_order(sell(portfolio, fund, 100)).state == "placed"


def test_a_fund_closed_after_placing_is_rejected_and_the_money_given_back(fund, portfolio):
    order = place_order(buy(portfolio, fund))
    type(fund).objects.update(is_open=False)
    assert confirm_orders() == 0
    order.refresh_from_db()
    assert (order.state, order.events.last().why, cash(portfolio)) == ("rejected", "fund_closed", 10_000_000)


def test_a_purchase_beyond_the_cash_is_refused_with_the_numbers(fund, portfolio):
    place_order(buy(portfolio, fund, 9_999_000))
    with pytest.raises(InsufficientCash) as short:
        place_order(buy(portfolio, fund, 1_001))
    assert short.value.params == {"needed_minor": 1_001, "cash_minor": 1_000}
    assert Order.objects.count() == 1


def test_units_of_an_open_redemption_cannot_be_redeemed_twice(by_the_rules, fund, portfolio):
    publish(fund, {MONDAY: 1_250_000})
    place_order(buy(portfolio, fund))
    confirm_orders(today=MONDAY + timedelta(days=1))
    place_order(sell(portfolio, fund, 700_000))
    with pytest.raises(InsufficientUnits) as short:
        place_order(sell(portfolio, fund, 88_179))
    assert short.value.params == {"fund_code": fund.code, "needed_centi": 88_179, "units_centi": 88_178}


def test_an_amount_that_buys_no_unit_is_given_back(portfolio):
    dear = make_fund("000007", fee_bps=0)
    publish(dear, {date(2026, 2, 27): 90_000_000_000})
    order = place_order(buy(portfolio, dear, 1_000))
    assert confirm_orders() == 0
    order.refresh_from_db()
    assert (order.state, cash(portfolio)) == ("rejected", 10_000_000)


def test_an_order_is_withdrawn_until_the_cut_off_and_its_money_comes_back_once(by_the_rules, fund, portfolio):
    order = place_order(buy(portfolio, fund))
    assert cancel_order(order_id=order.pk, now=NOON)
    assert not cancel_order(order_id=order.pk, now=NOON)
    assert cash(portfolio) == 10_000_000
    late = place_order(buy(portfolio, fund))
    with pytest.raises(OrderRefused) as refusal:
        cancel_order(order_id=late.pk, now=calendar.cut_off_at(MONDAY))
    assert refusal.value.code == "too_late_to_cancel"
    assert cash(portfolio) == 9_000_000


def test_a_confirmed_order_is_not_withdrawn(fund, portfolio):
    order = place_order(buy(portfolio, fund))
    confirm_orders(today=MONDAY)
    with pytest.raises(OrderRefused) as refusal:
        cancel_order(order_id=order.pk, now=NOON)
    assert refusal.value.code == "no_longer_open"


def test_an_order_without_its_nav_holds_up_nobody(by_the_rules, fund, portfolio):
    silent = make_fund("000008")
    publish(silent, {date(2026, 2, 27): 1_000_000})
    publish(fund, {MONDAY: 1_250_000})
    place_order(buy(portfolio, silent))
    place_order(buy(portfolio, fund))
    assert confirm_orders(limit=1, today=MONDAY + timedelta(days=1)) == 1
    assert Order.objects.get(fund=silent).state == "accepted"


@pytest.mark.django_db(transaction=True)
def test_two_workers_confirming_the_same_order_give_one_result(fund, portfolio):
    order = place_order(buy(portfolio, fund))
    transitions.accept_order(order)
    fill = desk.Fill(1_250_000, MONDAY, MONDAY)
    start, results = Barrier(2), []

    def work() -> None:
        mine = Order.objects.select_related("fund").get(pk=order.pk)
        start.wait()
        results.append(transitions.confirm_order(mine, fill))
        connections.close_all()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [False, True]
    assert LedgerEntry.objects.filter(kind="buy").count() == 1
    assert Holding.objects.get().units_centi == 788_178


@pytest.mark.django_db(transaction=True)
def test_two_workers_cannot_spend_the_same_cash(fund, portfolio):
    start, outcomes = Barrier(2), []

    def work() -> None:
        start.wait()
        try:
            outcomes.append(place_order(buy(portfolio, fund, 6_000_000)).state)
        except InsufficientCash as short:
            outcomes.append(short.code)
        connections.close_all()

    threads = [Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["insufficient_cash", "placed"]
    assert cash(portfolio) == 4_000_000


STEP = st.one_of(
    st.tuples(st.just("buy"), st.integers(1, 200_000)),
    st.tuples(st.just("sell"), st.integers(1, 200_000)),
    st.tuples(st.just("cancel"), st.just(0)),
    st.tuples(st.just("day"), st.integers(500_000, 3_000_000)),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STEP, max_size=14))
def test_whatever_is_asked_every_cent_is_accounted_for(by_the_rules, steps):
    """Random purchases, redemptions, withdrawals and days with a NAV: nothing negative, money in equals money found."""
    portfolio = open_portfolio()
    fund = make_fund(f"F{portfolio.pk}", fee_bps=150)
    publish(fund, {date(2026, 2, 27): 1_200_000})
    deposit(portfolio_id=portfolio.pk, amount_minor=300_000, key=str(portfolio.pk), date=MONDAY)
    day, mine = MONDAY, Order.objects.filter(portfolio=portfolio)
    for what, number in steps:
        noon = datetime(day.year, day.month, day.day, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
        try:
            if what in {"buy", "sell"}:
                place_order((buy if what == "buy" else sell)(portfolio, fund, number, placed_at=noon))
            elif what == "cancel" and (order := mine.filter(state__in=transitions.OPEN_STATES).last()):
                cancel_order(order_id=order.pk, now=noon)
            elif what == "day":
                publish(fund, {day: number})
                day = calendar.next_business_day(day)
                confirm_orders(today=day)
        except (InsufficientCash, InsufficientUnits, OrderRefused):
            pass
        assert_every_cent(portfolio)
    assert rebuild_holdings(portfolio.pk) == 0


def assert_every_cent(portfolio) -> None:
    orders = Order.objects.filter(portfolio=portfolio)
    totals = portfolio_totals([portfolio.pk])[portfolio.pk]
    spent = orders.filter(side="buy", state="confirmed").aggregate(x=Sum("amount_minor"))["x"] or 0
    received = sum(order.net_minor for order in orders.filter(side="sell", state__in=["confirmed", "paid"]))
    assert totals.cash_minor + totals.in_orders_minor == 300_000 - spent + received
    assert totals.cash_minor >= 0
    ledger = LedgerEntry.objects.filter(portfolio=portfolio)
    assert ledger.aggregate(x=Sum("cash_minor"))["x"] == totals.cash_minor
    held = Holding.objects.filter(portfolio=portfolio).values_list("units_centi", "cost_minor").first()
    lots = transitions.lots_held(portfolio.pk, orders.values_list("fund", flat=True).first()) if orders else []
    assert (held or (0, 0)) == (sum(lot.units_centi for lot in lots), sum(lot.cost_minor for lot in lots))
    assert held is None or (held[0] > 0 and held[1] >= 0)
