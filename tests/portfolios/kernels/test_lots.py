from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolios.kernels.lots import FeeStep, Lot, fee_rate_bps, open_lots, redeem, take_oldest

DAY = date(2026, 1, 5)
STEPS = [FeeStep(7, 150), FeeStep(30, 100), FeeStep(180, 50)]
LOTS = st.lists(
    st.builds(Lot, st.integers(1, 10**9), st.integers(1, 10**11), st.integers(0, 400).map(lambda n: DAY + timedelta(days=n))),
    min_size=1,
    max_size=8,
)


@pytest.mark.parametrize(("days", "bps"), [(0, 150), (6, 150), (7, 100), (29, 100), (30, 50), (179, 50), (180, 0), (900, 0)])
def test_the_fee_falls_with_the_days_held(days, bps):
    assert fee_rate_bps(days, STEPS) == bps
    assert fee_rate_bps(days, STEPS[::-1]) == bps


def test_without_steps_there_is_no_fee():
    assert fee_rate_bps(0, []) == 0


@given(LOTS, st.data())
def test_taking_loses_neither_units_nor_cost(lots, data):
    held = sum(lot.units_centi for lot in lots)
    wanted = data.draw(st.integers(0, held))
    taken, left = take_oldest(lots, wanted)
    assert sum(lot.units_centi for lot in taken) == wanted
    assert sum(lot.units_centi for lot in taken + left) == held
    assert sum(lot.cost_minor for lot in taken + left) == sum(lot.cost_minor for lot in lots)
    assert all(lot.units_centi > 0 and lot.cost_minor >= 0 for lot in taken + left)
    assert not taken or not left or max(lot.date for lot in taken) <= min(lot.date for lot in left)


@given(LOTS, st.integers(1, 10**8), st.integers(0, 400))
def test_the_parts_of_a_redemption_make_up_its_gross(lots, nav_micro, days):
    on = DAY + timedelta(days=400 + days)
    got = redeem(lots, nav_micro, on, STEPS)
    units = sum(lot.units_centi for lot in lots)
    assert got.gross_minor == (2 * units * nav_micro + 1_000_000) // 2_000_000
    assert 0 <= got.fee_minor <= got.gross_minor
    assert got.cost_minor == sum(lot.cost_minor for lot in lots)


def test_more_than_the_lots_hold_is_refused():
    with pytest.raises(ValueError):
        take_oldest([Lot(100, 100, DAY)], 101)


def test_each_lot_pays_by_its_own_age():
    lots = [Lot(10_000, 10_000, DAY), Lot(10_000, 12_000, DAY + timedelta(days=173))]
    # On day 176 the first has been held 176 days (0.5 %), the second 3 days (1.5 %): 0.75 + 2.25 yuan on 150 yuan each.
    got = redeem(lots, 1_500_000, DAY + timedelta(days=176), STEPS)
    assert (got.gross_minor, got.fee_minor, got.cost_minor) == (30_000, 75 + 225, 22_000)


def test_redemptions_consume_the_oldest_lot_then_held():
    entries = [Lot(100, 1_000, DAY), Lot(50, 700, DAY + timedelta(days=9)), Lot(-120, 0, DAY + timedelta(days=10))]
    assert open_lots(entries) == [Lot(30, 420, DAY + timedelta(days=9))]
