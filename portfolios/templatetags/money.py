"""Money, units, weights and rates as people read them. Integers and fractions come in; text goes out."""

import re
from decimal import ROUND_HALF_UP, Decimal

from django import template
from django.utils.html import format_html
from django.utils.translation import get_language

from portfolios.money import CENTI_PER_UNIT, MICRO_PER_UNIT, from_minor

register = template.Library()
SYMBOL = "¥"
MINUS = "−"
SPACE_AFTER_CHINESE = re.compile(r"<textarea.*?</textarea>|<script.*?</script>|(?<=[。！？；：，、）])[ \t\n]+", re.DOTALL)


def _with_percent(number: str) -> str:
    """A percent sign as the language sets it: 12.3% in Chinese, 12.3 % elsewhere, never parted from its number."""
    return f"{number}%" if (get_language() or "").startswith("zh") else f"{number}\u00a0%"


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
    return _signed(_with_percent(text), fraction < 0 and float(text) > 0)


@register.filter
def percent_change(fraction: float | None, places: int = 1) -> str:
    """A change as a fraction of 1, always with its sign: +3.1 %."""
    if fraction is None:
        return "–"
    text = f"{abs(fraction) * 100:.{places}f}"
    return _signed(_with_percent(text), fraction < 0 and float(text) > 0, plus=fraction > 0 and float(text) > 0)


@register.filter
def bps(basis_points: int | None) -> str:
    """Basis points as 0.60 %."""
    return "–" if basis_points is None else _with_percent(f"{basis_points / 100:.2f}")


@register.filter
def units(units_centi: int | None) -> str:
    """Hundredths of a fund unit as 1,234.56."""
    return "–" if units_centi is None else f"{Decimal(units_centi) / CENTI_PER_UNIT:,.2f}"


@register.filter
def nav(nav_micro: int | None) -> str:
    """A NAV in millionths as 1.2345."""
    return "–" if nav_micro is None else f"{Decimal(nav_micro) / MICRO_PER_UNIT:.4f}"


@register.filter
def count(number: int | None) -> str:
    """A number of people, messages or funds as 1,151."""
    return "–" if number is None else f"{number:,}"


@register.filter(is_safe=True)
def closed_up(html: str) -> str:
    """Without the spaces that templates leave behind Chinese punctuation; what people write in a form is left alone."""
    return SPACE_AFTER_CHINESE.sub(lambda found: found[0] if found[0].startswith("<") else "", html)


@register.filter
def unbroken(text: str) -> str:
    """A date or a number in a sentence, kept on one line."""
    return format_html('<span class="text-nowrap">{}</span>', text)
