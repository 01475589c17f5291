"""Money, units, weights and rates as people read them. Integers and fractions come in; text goes out."""

from decimal import ROUND_HALF_UP, Decimal

from django import template

from portfolios.money import CENTI_PER_UNIT, MICRO_PER_UNIT, from_minor

register = template.Library()
SYMBOL = "¥"
MINUS = "−"


def _signed(text: str, is_negative: bool, *, plus: bool = False) -> str:
    return f"{MINUS if is_negative else '+' if plus else ''}{text}"


@register.filter
def yuan(amount_minor: int | None) -> str:
    """Minor units as ¥12,345.67."""
    if amount_minor is None:
        return "–"
    return _signed(f"{SYMBOL}{abs(from_minor(amount_minor)):,.2f}", amount_minor < 0)


@register.filter
def yuan_round(amount_minor: int | None) -> str:
    """Minor units as whole yuan: ¥12,346."""
    if amount_minor is None:
        return "–"
    whole = abs(from_minor(int(amount_minor))).to_integral_value(ROUND_HALF_UP)
    return _signed(f"{SYMBOL}{whole:,}", amount_minor < 0 and whole > 0)


@register.filter
def yuan_change(amount_minor: int | None) -> str:
    """A difference in minor units, always with its sign: +¥120.00."""
    if amount_minor is None:
        return "–"
    return _signed(f"{SYMBOL}{abs(from_minor(amount_minor)):,.2f}", amount_minor < 0, plus=amount_minor > 0)


@register.filter
def percent(fraction: float | None, places: int = 1) -> str:
    """A fraction of 1 as 12.3 %."""
    if fraction is None:
        return "–"
    text = f"{abs(fraction) * 100:.{places}f}"
    return _signed(f"{text} %", fraction < 0 and float(text) > 0)


@register.filter
def percent_change(fraction: float | None, places: int = 1) -> str:
    """A change as a fraction of 1, always with its sign: +3.1 %."""
    if fraction is None:
        return "–"
    text = f"{abs(fraction) * 100:.{places}f}"
    return _signed(f"{text} %", fraction < 0 and float(text) > 0, plus=fraction > 0 and float(text) > 0)


@register.filter
def bps(basis_points: int | None) -> str:
    """Basis points as 0.60 %."""
    return "–" if basis_points is None else f"{basis_points / 100:.2f} %"


@register.filter
def units(units_centi: int | None) -> str:
    """Hundredths of a fund unit as 1,234.56."""
    return "–" if units_centi is None else f"{Decimal(units_centi) / CENTI_PER_UNIT:,.2f}"


@register.filter
def nav(nav_micro: int | None) -> str:
    """A NAV in millionths as 1.2345."""
    return "–" if nav_micro is None else f"{Decimal(nav_micro) / MICRO_PER_UNIT:.4f}"
