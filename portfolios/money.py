"""Money is a whole number of minor units inside; Decimal stands only at forms, templates and the API.

Every rounding of the ledger is here, on integers, half up: the rules settle to two decimals, and a float never meets money.
"""

from decimal import ROUND_HALF_UP, Decimal

MINOR_PER_UNIT = 100
CENTI_PER_UNIT = 100
MICRO_PER_UNIT = 1_000_000
BPS_PER_UNIT = 10_000


def to_minor(amount: Decimal) -> int:
    """Yuan (or another unit with two decimals) to whole minor units, half up."""
    return int((amount * MINOR_PER_UNIT).to_integral_value(ROUND_HALF_UP))


def from_minor(amount_minor: int) -> Decimal:
    """Minor units to a Decimal with two places."""
    return Decimal(amount_minor).scaleb(-2)


def divide_half_up(numerator: int, denominator: int) -> int:
    """Quotient of two non-negative integers, half up."""
    if numerator < 0 or denominator <= 0:
        raise ValueError("divide_half_up takes a numerator >= 0 and a denominator > 0")
    return (2 * numerator + denominator) // (2 * denominator)


def rate_bps(rate: float) -> int:
    """A rate of the reference tables, such as 0.015, as whole basis points, by its decimal text."""
    return int((Decimal(str(rate)) * BPS_PER_UNIT).to_integral_value(ROUND_HALF_UP))


def value_minor(units_centi: int, nav_micro: int) -> int:
    """What units are worth at a NAV."""
    return divide_half_up(units_centi * nav_micro, MICRO_PER_UNIT)


def split_purchase(amount_minor: int, fee_bps: int, nav_micro: int) -> tuple[int, int]:
    """Fee and units of a purchase by outside deduction: net = amount / (1 + rate), fee = amount - net, units = net / NAV."""
    net_minor = divide_half_up(amount_minor * BPS_PER_UNIT, BPS_PER_UNIT + fee_bps)
    return amount_minor - net_minor, divide_half_up(net_minor * MICRO_PER_UNIT, nav_micro)
