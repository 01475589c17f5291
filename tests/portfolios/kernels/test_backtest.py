"""Walking a strategy forward: every cent accounted for, nothing known too early, fees by the age of each lot."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portfolios.kernels.backtest import Bands, FeeStep, Settings, Terms, walk
from portfolios.kernels.errors import DataError

STEPS = (FeeStep(7, 0.015), FeeStep(30, 0.010), FeeStep(180, 0.005))
START = date(2020, 1, 1).toordinal()
N_DAYS, N_FUNDS = 160, 4


def terms(n=N_FUNDS, *, buy=0.0, floors=False, confirm=1, pay=3, steps=STEPS) -> Terms:
    return Terms(np.full(n, buy), np.full(n, floors), np.full(n, confirm), np.full(n, pay), steps)


def weekdays(n_days):
    days = START + np.arange(2 * n_days)
    return days[(days - 1) % 7 < 5][:n_days]


def market(seed, *, may_end=True):
    """Prices of funds that begin and end on days of their own, decisions and terms: everything at random."""
    random = np.random.default_rng(seed)
    values = np.cumprod(1 + random.normal(0.0003, 0.02, (N_DAYS, N_FUNDS)), axis=0) * random.uniform(0.5, 3.0, N_FUNDS)
    for fund in range(1, N_FUNDS if may_end else 0):
        values[: random.integers(0, 40) if random.random() < 0.4 else 0, fund] = np.nan
        values[random.integers(60, N_DAYS) if random.random() < 0.6 else N_DAYS :, fund] = np.nan
    rows = np.unique(np.append(random.integers(2, N_DAYS - 1, 6), 2))
    targets = {}
    for row in rows.tolist():
        weights = random.dirichlet(np.ones(N_FUNDS)) * (random.random(N_FUNDS) < 0.8)
        weights[~np.isfinite(values[row - 1])] = 0.0
        targets[row] = weights / weights.sum() * random.choice([1.0, 0.9]) if weights.sum() > 0 else weights
    own = Terms(
        buy_rate=random.choice([0.0, 0.003, 0.008], N_FUNDS),
        pays_floors=random.random(N_FUNDS) < 0.7,
        confirm=random.integers(1, 3, N_FUNDS),
        pay=random.integers(1, 8, N_FUNDS),
        steps=STEPS,
    )
    return values, weekdays(N_DAYS), targets, own, Settings(bands=random.choice([None, Bands()]))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_wealth_changes_by_prices_and_fees_and_nothing_else(seed):
    values, dates, targets, own, how = market(seed)
    found = walk(values, dates, targets, own, how)
    units, cash, transit = np.zeros(N_FUNDS), how.capital, 0.0
    carried = np.full(N_FUNDS, np.nan)
    due: dict[int, float] = {}
    for row in range(N_DAYS):
        carried = np.where(np.isfinite(values[row]), values[row], carried)
        arrived = due.pop(row, 0.0)
        cash, transit = cash + arrived, transit - arrived
        for trade in (one for one in found.trades if one.row == row):
            units[trade.fund] += trade.units
            if trade.units > 0:
                assert trade.amount == pytest.approx(trade.units * trade.price + trade.fee, rel=1e-12)
                assert trade.fee == pytest.approx(trade.units * trade.price * own.buy_rate[trade.fund], rel=1e-9, abs=1e-9)
                cash -= trade.amount
            elif trade.is_ending:
                cash += trade.amount
            else:
                due[trade.due] = due.get(trade.due, 0.0) + trade.amount - trade.fee
                transit += trade.amount - trade.fee
        assert cash >= -1e-6 and (units >= -1e-6).all()
        if row >= found.first_row:
            value = np.nansum(np.where(np.abs(units) > 1e-9, units * carried, 0.0))
            assert found.wealth[row - found.first_row] == pytest.approx(value + cash + transit, abs=1e-3)
            assert found.idle[row - found.first_row] == pytest.approx(cash + transit, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(3, N_DAYS - 2))
def test_what_comes_later_changes_nothing_before(seed, day):
    values, dates, targets, own, how = market(seed, may_end=False)
    shuffled = values.copy()
    shuffled[day + 1 :] = np.random.default_rng(seed + 1).permutation(shuffled[day + 1 :])
    before = {row: weights for row, weights in targets.items() if row <= day}
    one, two = walk(values, dates, before, own, how), walk(shuffled, dates, before, own, how)
    upto = day + 1 - one.first_row
    assert (one.wealth[:upto] == two.wealth[:upto]).all()
    assert [trade for trade in one.trades if trade.row <= day] == [trade for trade in two.trades if trade.row <= day]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.permutations(range(N_FUNDS)))
def test_the_order_of_funds_does_not_matter(seed, order):
    values, dates, targets, own, how = market(seed)
    turned = Terms(own.buy_rate[order], own.pays_floors[order], own.confirm[order], own.pay[order], own.steps)
    one = walk(values, dates, targets, own, how)
    two = walk(values[:, order], dates, {row: weights[order] for row, weights in targets.items()}, turned, how)
    assert two.wealth == pytest.approx(one.wealth, rel=1e-12)


def test_without_costs_full_weights_held_earn_what_the_fund_earns():
    values = np.linspace(1.0, 2.0, 50)[:, None]
    found = walk(values, weekdays(50), {5: np.ones(1)}, terms(1), Settings())
    assert found.wealth == pytest.approx(1_000_000.0 * values[5:, 0] / values[5, 0])
    assert found.fees == 0.0 and (found.idle == 0.0).all()


def test_a_purchase_fee_is_charged_by_outside_deduction():
    found = walk(np.ones((5, 1)), weekdays(5), {1: np.ones(1)}, terms(1, buy=0.008), Settings(capital=10_080.0))
    assert found.trades[0].fee == pytest.approx(80.0)
    assert found.wealth[0] == pytest.approx(10_000.0)


@pytest.mark.parametrize(
    ("days_held", "rate"), [(1, 0.015), (5, 0.015), (7, 0.010), (29, 0.010), (30, 0.005), (179, 0.005), (180, 0.0), (400, 0.0)]
)
def test_the_redemption_fee_follows_the_calendar_age_from_confirmation_to_confirmation(days_held, rate):
    dates = START + np.arange(500)  # a row a calendar day
    targets = {1: np.ones(1), 1 + days_held: np.zeros(1)}
    found = walk(np.ones((500, 1)), dates, targets, terms(1, floors=True), Settings(capital=1_000.0))
    assert found.trades[-1].fee == pytest.approx(1_000.0 * rate)
    assert found.wealth[-1] == pytest.approx(1_000.0 * (1 - rate))


def test_the_oldest_units_are_redeemed_first():
    dates = START + np.arange(400)
    values = np.ones((400, 2))
    targets = {1: np.array([0.5, 0.5]), 300: np.array([0.9, 0.1]), 310: np.array([0.4, 0.6])}
    found = walk(values, dates, targets, terms(2, floors=True, confirm=1, pay=1), Settings(capital=1_000.0))
    sold = next(trade for trade in found.trades if trade.row == 310 and trade.units < 0)
    assert sold.units == pytest.approx(-500.0)
    assert sold.fee == 0.0  # all of it from the lot of row 1, though the newer one is eight days old


def test_what_funds_are_exempt_pay_no_redemption_fee():
    dates = START + np.arange(20)
    found = walk(np.ones((20, 1)), dates, {1: np.ones(1), 3: np.zeros(1)}, terms(1, floors=False), Settings())
    assert found.fees == 0.0


def test_money_of_a_redemption_is_under_way_earns_nothing_and_buys_only_when_it_arrives():
    values = np.column_stack([np.ones(20), np.linspace(1.0, 3.0, 20)])
    targets = {1: np.array([1.0, 0.0]), 5: np.array([0.0, 1.0])}
    found = walk(values, weekdays(20), targets, terms(2, confirm=1, pay=3), Settings(capital=100.0))
    assert (found.wealth[4:8] == 100.0).all() and (found.idle[4:8] == 100.0).all()  # rows 5 to 8
    bought = found.trades[-1]
    assert (bought.row, bought.fund, bought.amount) == (9, 1, pytest.approx(100.0))
    assert found.idle[8] == 0.0
    assert found.wealth[-1] == pytest.approx(100.0 * 3.0 / values[9, 1])


def test_orders_are_priced_on_their_day_but_sized_by_what_was_published_before():
    values = np.array([[1.0, 1.0]] * 5 + [[2.0, 1.0]] * 10)  # the first fund doubles on row 5
    targets = {1: np.array([0.5, 0.5]), 5: np.array([0.5, 0.5])}
    found = walk(values, weekdays(15), targets, terms(2), Settings(capital=100.0, bands=None))
    assert len(found.trades) == 2  # by the prices of row 4 nothing was out of place
    later = walk(values, weekdays(15), {1: targets[1], 6: targets[5]}, terms(2), Settings(capital=100.0, bands=None))
    assert [trade.row for trade in later.trades] == [1, 1, 6, 10]


def test_units_that_are_not_confirmed_cannot_be_redeemed():
    found = walk(np.ones((10, 1)), weekdays(10), {1: np.ones(1), 2: np.zeros(1)}, terms(1, confirm=2), Settings())
    assert len(found.trades) == 1
    assert len(walk(np.ones((10, 1)), weekdays(10), {1: np.ones(1), 3: np.zeros(1)}, terms(1, confirm=2), Settings()).trades) == 2


def test_a_fund_that_ends_becomes_cash_at_its_last_price_and_waits_for_the_next_decision():
    values = np.ones((20, 2))
    values[:8, 0] = np.linspace(1.0, 1.7, 8)
    values[8:, 0] = np.nan
    targets = {0: np.array([0.5, 0.5]), 12: np.array([0.0, 1.0])}
    found = walk(values, weekdays(20), targets, terms(2), Settings(capital=100.0))
    assert found.trades[2].is_ending and found.trades[2].row == 8 and found.trades[2].price == 1.7
    assert found.idle[8:12] == pytest.approx(85.0)
    assert found.idle[12:].tolist() == [0.0] * 8
    assert found.wealth[-1] == pytest.approx(135.0)


def test_an_order_into_a_fund_that_has_no_price_that_day_is_refused_and_its_money_stays():
    values = np.ones((10, 2))
    values[5:, 0] = np.nan
    found = walk(values, weekdays(10), {5: np.array([0.5, 0.5])}, terms(2), Settings(capital=100.0))
    assert [trade.fund for trade in found.trades] == [1]
    assert found.idle[-1] == pytest.approx(50.0)


def test_a_fund_inside_its_band_is_left_alone_and_one_outside_goes_to_its_target():
    inside, outside = 1.18, 1.60  # 50 % becomes 54.1 % and 61.5 %: the band of 50 % is ten points
    for rise, n_trades in [(inside, 0), (outside, 2)]:
        values = np.array([[1.0, 1.0]] * 3 + [[rise, 1.0]] * 10)
        targets = {1: np.array([0.5, 0.5]), 5: np.array([0.5, 0.5])}
        found = walk(values, weekdays(13), targets, terms(2), Settings(capital=100.0))
        assert len(found.trades) - 2 == n_trades
    held = 100.0 / 2 * outside + 50.0
    assert found.trades[2].amount == pytest.approx(50.0 * outside - held / 2)


def test_a_fund_no_longer_wanted_is_sold_whole_however_little_of_it_there_is():
    targets = {1: np.array([0.995, 0.005]), 5: np.array([1.0, 0.0])}
    found = walk(np.ones((15, 2)), weekdays(15), targets, terms(2), Settings(capital=100.0))
    assert found.trades[2].fund == 1 and found.trades[2].units == pytest.approx(-0.5)


def test_what_is_meant_to_stay_cash_stays_cash():
    found = walk(np.ones((15, 1)), weekdays(15), {1: np.array([0.6]), 6: np.array([0.6])}, terms(1), Settings(capital=100.0))
    assert found.idle.tolist() == pytest.approx([40.0] * 14) and len(found.trades) == 1


@pytest.mark.parametrize("weights", [[0.7, 0.7], [-0.2, 1.0], [np.nan, 1.0]])
def test_weights_that_are_none_are_refused_with_their_row(weights):
    with pytest.raises(DataError) as refused:
        walk(np.ones((5, 2)), weekdays(5), {1: np.array(weights)}, terms(2), Settings())
    assert refused.value.code == "target_not_weights" and refused.value.params["row"] == 1


def test_without_a_decision_there_is_no_walk():
    with pytest.raises(DataError, match="no_decision"):
        walk(np.ones((5, 2)), weekdays(5), {}, terms(2), Settings())
