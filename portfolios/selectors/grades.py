"""Changes of risk grades and their reasons, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, QuerySet
from django.utils.translation import gettext_lazy as _

from portfolios.models import Fund, GradeChange
from portfolios.selectors.alerts import holders
from portfolios.templatetags.money import percent

UP, DOWN = "up", "down"
DIRECTIONS = {UP: _("stricter"), DOWN: _("milder")}
_REASONS = {
    "category": _("its category is R%(grade)s"),
    "volatility": _("its volatility of %(value)s a year asks for R%(grade)s"),
    "drawdown": _("its deepest fall of %(value)s asks for R%(grade)s"),
    "leverage": _("its leverage asks for at least R%(grade)s"),
    "complexity": _("a complex product is at least R%(grade)s"),
    "not_calmer_enough": _("it stays R%(grade)s until it is clearly calmer"),
    "short_history": _("its history is too short for figures"),
}


@dataclass(frozen=True, slots=True)
class GradeRow:
    """A change of a fund's grade with its reasons, and how many portfolios hold the fund."""

    change: GradeChange
    fund: Fund
    is_up: bool
    reasons: list[str]
    n_portfolios: int


def grade_changes(direction: str = "") -> QuerySet[GradeChange]:
    """Changes of the grade in force, the latest first: all, only upwards, or only downwards. A first grading is no change."""
    changes = GradeChange.objects.filter(from_grade__isnull=False).exclude(from_grade=F("to_grade")).select_related("fund")
    if direction == UP:
        changes = changes.filter(to_grade__gt=F("from_grade"))
    if direction == DOWN:
        changes = changes.filter(to_grade__lt=F("from_grade"))
    return changes.order_by("-data_date", "-pk")


def grade_rows(changes: Sequence[GradeChange]) -> list[GradeRow]:
    """Put changes in words. One query more."""
    held = holders([change.fund_id for change in changes])
    return [
        GradeRow(
            change,
            change.fund,
            change.to_grade > (change.from_grade or 0),
            reasons_in_words(change),
            held.get(change.fund_id, 0),
        )
        for change in changes
    ]


def reasons_in_words(change: GradeChange) -> list[str]:
    """Why the grade is what it is: the issuer where it is the stricter, and what our own grade stands on."""
    told = [words for reason in change.reasons if (words := reason_words(reason))]
    if change.issuer_grade and change.issuer_grade > change.own_grade:
        return [str(_("its issuer grades it R%(grade)s")) % {"grade": change.issuer_grade}]
    return told


def reason_words(reason: Any) -> str:
    """A reason of our own grade as a part of a sentence; '' for one that is not known here."""
    if not isinstance(reason, Mapping) or reason.get("code") not in _REASONS:
        return ""
    value = reason.get("value")
    shown = {"grade": reason.get("grade", "–"), "value": percent(value) if isinstance(value, int | float) else "–"}
    return str(_REASONS[reason["code"]]) % shown
