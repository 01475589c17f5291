from datetime import date, datetime, timedelta
from threading import Barrier, Thread
from uuid import uuid4
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portfolios.models import CapacityReservation, Fund, Holding
from portfolios.selectors.capacity import capacities, counted_reservations, room_shares
from portfolios.services import (
    CapacityRefused,
    OrderRequest,
    Promise,
    cancel_order,
    confirm_orders,
    deposit,
    open_portfolio,
    place_order,
    release_capacity,
    release_lapsed,
    reserve_capacity,
)
from portfolios.services import capacity as capacity_services
from portfolios.services.capacity import units_bought
from tests.portfolios.market import make_fund, publish

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 2, 12, tzinfo=ZoneInfo("Asia/Shanghai"))
LATER = timezone.now() + timedelta(days=7)
STATE = CapacityReservation.State


def fund_of(published_centi: int | None, code: str = "900001", **fields) -> Fund:
    """A fund at a NAV of 1.00, so that a cent buys a hundredth of a unit."""
    fund = make_fund(code)
    publish(fund, {date(2026, 2, 27): 1_000_000})
    Fund.objects.filter(pk=fund.pk).update(units_centi=published_centi, **fields)
    fund.refresh_from_db()
    return fund


def purse(amount_minor: int = 100_000_000) -> int:
    portfolio = open_portfolio()
    deposit(portfolio_id=portfolio.pk, amount_minor=amount_minor, key=uuid4().hex, date=date(2026, 3, 2))
    return portfolio.pk


def buy(fund: Fund, amount_minor: int, portfolio_id: int | None = None, **fields):
    request = OrderRequest(
        portfolio_id=portfolio_id or purse(),
        fund_id=fund.pk,
        side="buy",
        origin="proposal",
        clearance_id=uuid4(),
        idempotency_key=uuid4().hex,
        amount_minor=amount_minor,
        placed_at=NOON,
        **fields,
    )
    return place_order(request)


def share(fund: Fund) -> float | None:
    return capacities([fund.pk])[fund.pk].share


def test_what_is_held_ordered_and_promised_counts_together():
    fund = fund_of(10_000_000, purchase_fee_bps=0)
    buy(fund, 1_000_000)
    confirm_orders()
    assert Holding.objects.get().units_centi == 1_000_000
    assert share(fund) == pytest.approx(0.1)
    buy(fund, 1_000_000)
    assert share(fund) == pytest.approx(0.2)
    assert reserve_capacity(promises=[Promise("proposal:1", "account:1", {fund.pk: 1_000_000})], expires_at=LATER) == {}
    assert share(fund) == pytest.approx(0.3)
    assert capacities([fund.pk])[fund.pk].is_slow


def test_a_purchase_beyond_half_of_the_units_is_refused_and_leaves_the_cash():
    fund, portfolio_id = fund_of(10_000_000), purse()
    buy(fund, 5_000_000, portfolio_id)
    with pytest.raises(CapacityRefused) as refused:
        buy(fund, 1_000, portfolio_id)
    assert (refused.value.code, refused.value.params) == ("fund_full", {"fund_code": fund.code, "room_minor": 0})
    assert CapacityReservation.objects.count() == 1


def test_money_market_and_bond_funds_stop_at_a_fifth():
    fund = fund_of(10_000_000, asset_class="bond")
    buy(fund, 2_000_000)
    with pytest.raises(CapacityRefused):
        buy(fund, 1_000)


def test_a_fund_that_publishes_no_units_is_not_limited():
    fund = fund_of(None)
    buy(fund, 90_000_000)
    assert share(fund) is None
    assert capacities([fund.pk])[fund.pk].room_centi is None


def test_an_order_takes_what_its_proposal_had_reserved_and_not_more():
    fund = fund_of(10_000_000)
    reserve_capacity(promises=[Promise("proposal:7", "account:1", {fund.pk: 4_900_000})], expires_at=LATER)
    with pytest.raises(CapacityRefused):
        buy(fund, 200_000)
    buy(fund, 4_900_000, reservation="proposal:7")
    row = CapacityReservation.objects.get()
    assert (row.state, row.reference, row.expires_at) == (STATE.PENDING, "proposal:7", None)


def test_a_promise_is_kept_whole_or_not_at_all_and_names_the_full_funds():
    wide, narrow = fund_of(10_000_000), fund_of(10_000, "900002")
    promise = Promise("proposal:1", "account:1", {wide.pk: 1_000, narrow.pk: 6_000})
    assert reserve_capacity(promises=[promise], expires_at=LATER) == {"proposal:1": ["900002"]}
    assert not CapacityReservation.objects.exists()


def test_promises_of_one_call_see_each_other():
    fund = fund_of(10_000)
    promises = [Promise(f"proposal:{i}", f"account:{i}", {fund.pk: 2_000}) for i in range(4)]
    assert sorted(reserve_capacity(promises=promises, expires_at=LATER)) == ["proposal:2", "proposal:3"]
    assert share(fund) == pytest.approx(0.4)


def test_reserving_again_replaces_and_releasing_gives_back():
    fund = fund_of(10_000)
    for amount in (4_000, 1_000):
        reserve_capacity(promises=[Promise("proposal:1", "account:1", {fund.pk: amount})], expires_at=LATER)
    assert share(fund) == pytest.approx(0.1)
    assert release_capacity(references=["proposal:1"]) == 1
    assert share(fund) == 0.0
    assert reserve_capacity(promises=[Promise("proposal:1", "account:1", {fund.pk: 500})], expires_at=LATER) == {}
    assert share(fund) == pytest.approx(0.05)


def test_a_reservation_past_its_day_no_longer_counts():
    fund = fund_of(10_000)
    reserve_capacity(promises=[Promise("proposal:1", "account:1", {fund.pk: 1_000})], expires_at=timezone.now() - timedelta(seconds=1))
    assert share(fund) == 0.0
    assert release_lapsed() == 1
    assert CapacityReservation.objects.get().state == STATE.RELEASED


def test_an_order_withdrawn_gives_its_units_back():
    fund = fund_of(10_000_000)
    order = buy(fund, 1_000_000)
    cancel_order(order_id=order.pk, now=NOON)
    assert share(fund) == 0.0
    assert CapacityReservation.objects.get().state == STATE.RELEASED


def test_the_daily_limit_counts_for_the_holder_over_portfolios_and_not_for_others():
    fund = fund_of(1_000_000_000, daily_limit_minor=1_000_000)
    buy(fund, 600_000, holder="account:1")
    confirm_orders()
    with pytest.raises(CapacityRefused) as refused:
        buy(fund, 500_000, holder="account:1")
    assert refused.value.params == {"fund_code": fund.code, "limit_minor": 1_000_000, "left_minor": 400_000}
    buy(fund, 400_000, holder="account:1")
    buy(fund, 1_000_000, holder="account:2")


def test_a_withdrawn_order_does_not_count_for_the_daily_limit():
    fund = fund_of(1_000_000_000, daily_limit_minor=1_000_000)
    cancel_order(order_id=buy(fund, 900_000, holder="account:1").pk, now=NOON)
    buy(fund, 900_000, holder="account:1")


def test_capacity_of_many_funds_is_three_queries():
    funds = [fund_of(1_000, f"90000{i}") for i in range(5)]
    with CaptureQueriesContext(
        connection,
    ) as queries:
        capacities([fund.pk for fund in funds])
    assert len(queries) == 3


def test_what_is_held_and_promised_is_added_up_from_indices_alone():
    if connection.vendor != "sqlite":
        pytest.skip("another database plans by what it has counted")
    for rows in (counted_reservations(), Holding.objects.all()):
        sums = rows.filter(fund_id__in=[1, 2, 3]).values_list("fund_id").annotate(Sum("units_centi")).order_by()
        assert "USING COVERING INDEX" in sums.explain()


def test_an_order_confirmed_between_the_reads_is_not_overlooked():
    fund, is_confirmed = fund_of(10_000_000, purchase_fee_bps=0), []
    buy(fund, 1_000_000)

    def confirm_after_the_first_sum(execute, sql, params, many, context):
        found = execute(sql, params, many, context)
        if "SUM(" in sql and not is_confirmed:
            is_confirmed.append(True)
            confirm_orders()
        return found

    with connection.execute_wrapper(confirm_after_the_first_sum):
        taken = capacities([fund.pk])[fund.pk].taken_centi
    assert is_confirmed and Holding.objects.get().units_centi == 1_000_000
    assert taken >= 1_000_000


def test_lapsed_reservations_are_given_back_in_short_writes(monkeypatch):
    monkeypatch.setattr(capacity_services, "ROWS_A_WRITE", 2)
    fund, past = fund_of(1_000_000), timezone.now() - timedelta(seconds=1)
    reserve_capacity(promises=[Promise(f"proposal:{i}", "account:1", {fund.pk: 100}) for i in range(5)], expires_at=past)
    with CaptureQueriesContext(connection) as queries:
        assert release_lapsed() == 5
    assert sum(query["sql"].startswith("UPDATE") for query in queries.captured_queries) == 3
    assert release_lapsed() == 0


def test_units_of_a_purchase_are_rounded_up():
    assert units_bought(100, 3_000_000) == 34
    assert units_bought(300, 3_000_000) == 100


@pytest.mark.django_db(transaction=True)
def test_of_purchases_at_once_only_those_that_fit_go_through():
    fund = fund_of(10_000_000)
    purses, barrier, outcomes = [purse() for _ in range(4)], Barrier(4), []

    def shop(portfolio_id: int) -> None:
        barrier.wait()
        try:
            outcomes.append(buy(fund, 2_000_000, portfolio_id).state)
        except CapacityRefused as refused:
            outcomes.append(refused.code)
        finally:
            connections.close_all()

    threads = [Thread(target=shop, args=(pk,)) for pk in purses]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["fund_full", "fund_full", "placed", "placed"]


def test_what_a_fund_can_take_of_an_amount_is_its_room_or_its_daily_limit():
    wide, narrow = fund_of(1_000_000_000), fund_of(1_000, "900002")
    limited, unknown = fund_of(None, "900003", daily_limit_minor=2_000), fund_of(None, "900004")
    codes = [fund.code for fund in (wide, narrow, limited, unknown)]
    assert room_shares(codes, 10_000) == {"900002": pytest.approx(0.05), "900003": pytest.approx(0.2)}
    reserve_capacity(promises=[Promise("proposal:1", "account:1", {narrow.pk: 500})], expires_at=LATER)
    assert room_shares(codes, 10_000)["900002"] == 0.0
    assert room_shares(codes, 10_000, but_for=["proposal:1"])["900002"] == pytest.approx(0.05)
