"""Telephone numbers as they are typed, and as they are kept (E.164)."""

import re

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

MAINLAND = re.compile(r"1[3-9][0-9]{9}")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def normalise(typed: str) -> str:
    """Return the number in E.164; a mainland mobile number needs no country code. Raises ValidationError."""
    compact = re.sub(r"[\s\-()．.]", "", typed.translate(str.maketrans("０１２３４５６７８９＋", "0123456789+")))
    if compact.startswith("00"):
        compact = "+" + compact[2:]
    if MAINLAND.fullmatch(compact):
        return f"+86{compact}"
    if E164.fullmatch(compact) and (not compact.startswith("+86") or MAINLAND.fullmatch(compact[3:])):
        return compact
    raise ValidationError(
        _("Enter a mobile number, such as 138 0013 8000, or one with a country code, such as +852 6123 4567."), code="phone"
    )


def looks_like_phone(typed: str) -> bool:
    return "@" not in typed and any(character.isdigit() for character in typed)
