from decimal import ROUND_HALF_UP, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portfolios.money import divide_half_up, from_minor, rate_bps, split_purchase, to_minor, value_minor

AMOUNTS = st.integers(1, 10**13)
NAVS = st.integers(1, 10**10)


@given(st.integers(-(10**15), 10**15))
def test_minor_units_survive_the_way_to_decimal_and_back(amount_minor):
    assert to_minor(from_minor(amount_minor)) == amount_minor


@given(st.integers(0, 10**15), st.integers(1, 10**9))
def test_division_is_half_up_as_decimal_says(numerator, denominator):
    exact = (Decimal(numerator) / Decimal(denominator)).quantize(Decimal(1), ROUND_HALF_UP)
    assert divide_half_up(numerator, denominator) == int(exact)


def test_a_negative_amount_is_never_rounded():
    with pytest.raises(ValueError):
        divide_half_up(-1, 2)


@given(AMOUNTS, st.integers(0, 500), NAVS)
def test_fee_and_net_of_a_purchase_make_up_the_amount_to_the_cent(amount_minor, fee_bps, nav_micro):
    fee_minor, units_centi = split_purchase(amount_minor, fee_bps, nav_micro)
    net = (Decimal(amount_minor) / (1 + Decimal(fee_bps) / 10_000)).quantize(Decimal(1), ROUND_HALF_UP)
    assert fee_minor == amount_minor - int(net)
    assert 0 <= fee_minor <= amount_minor
    assert units_centi == int((net * 1_000_000 / nav_micro).quantize(Decimal(1), ROUND_HALF_UP))


def test_the_worked_example_of_outside_deduction():
    # 10,000 yuan at 1.5 %, NAV 1.2500: net 9,852.22, fee 147.78, 7,881.78 units.
    assert split_purchase(1_000_000, 150, 1_250_000) == (14_778, 788_178)
    assert value_minor(788_178, 1_250_000) == 985_223


@pytest.mark.parametrize(("rate", "in_bps"), [(0.015, 150), (0.01, 100), (0.005, 50), (0.0029, 29)])
def test_a_rate_is_read_by_its_text(rate, in_bps):
    assert rate_bps(rate) == in_bps
