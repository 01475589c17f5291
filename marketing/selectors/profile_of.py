"""What is known about one person, for themselves and for whoever advises them: never for a marketer."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from advisor.models import Investor
from marketing.catalogue import ProfileField, profile_fields, profile_words
from marketing.models import Profile
from marketing.selectors.segment_words import amount_words, value_names


@dataclass(frozen=True, slots=True)
class Known:
    """One thing known: what it is, its value in words, how it is reckoned, from where, and of which day."""

    name: str
    label: str
    value: str
    meaning: str
    source: str
    as_of: date | None


def profile_of(investor: Investor) -> list[Known]:
    """Everything that the profile knows of a person, in the order of the dictionary; what is not known is left out.

    The caller has made sure who is looking: the person, or somebody who may see them. One query.
    """
    row = Profile.objects.filter(pk=investor.pk).first()
    if row is None:
        return []
    sources = profile_words().sources
    return [
        Known(field.name, field.label, in_words(field, value), field.meaning, sources[field.source].label, row.as_of)
        for field in profile_fields().values()
        if (value := getattr(row, field.name)) not in (None, "")
    ]


def in_words(field: ProfileField, value: Any) -> str:
    """A value of a field as people read it."""
    if field.kind in {"category", "level"}:
        return str(value_names(field).get(value, value))
    return _SHOWN[field.kind](value)


def _day(value: date) -> str:
    day = timezone.localdate(value) if isinstance(value, datetime) else value
    return date_format(day, "DATE_FORMAT")


_SHOWN: dict[str, Callable[[Any], str]] = {
    "bool": lambda value: _("yes") if value else _("no"),
    "date": _day,
    "fraction": lambda value: f"{value:.1%}",
    "signed_fraction": lambda value: f"{value:+.1%}",
    "number": lambda value: f"{value:,.1f}",
    "count": lambda value: f"{value:,}",
    "money": amount_words,
    "signed_money": amount_words,
    "grade": lambda value: f"R{value}",
    "hour": lambda value: f"{value}:00–{value + 1}:00",
}
