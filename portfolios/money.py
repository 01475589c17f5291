"""Money is a whole number of minor units inside; Decimal stands only at forms, templates and the API."""

from decimal import ROUND_HALF_UP, Decimal

MINOR_PER_UNIT = 100
CENTI_PER_UNIT = 100
MICRO_PER_UNIT = 1_000_000


def to_minor(amount: Decimal) -> int:
    """Yuan (or another unit with two decimals) to whole minor units, half up."""
    return int((amount * MINOR_PER_UNIT).to_integral_value(ROUND_HALF_UP))


def from_minor(amount_minor: int) -> Decimal:
    """Minor units to a Decimal with two places."""
    return Decimal(amount_minor).scaleb(-2)
