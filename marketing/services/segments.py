"""Segments: saved rules, and the ones that every deployment begins with."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from marketing.jurisdictions import market_rules
from marketing.kernels.segments import RuleError, read_rule
from marketing.models import Segment

WHY_NOT = {
    "not_json": gettext_lazy("The rule is not JSON. Nothing was saved."),
    "too_deep": gettext_lazy("The rule is nested too deeply. Nothing was saved."),
    "too_long": gettext_lazy("The rule has too many conditions. Nothing was saved."),
}


def write_segment(*, name: str, rule: Any, author: Any) -> Segment:
    """Save a new segment after its rule was validated. Safe to repeat: the same name with the same rule is one segment.

    Refused with a sentence, and nothing written, when the rule cannot be read or the name is taken by another rule.
    """
    try:
        clean = read_rule(rule).as_json()
    except RuleError as error:
        place = _("The rule cannot be read at “%(where)s”. Nothing was saved.") % {"where": error.where or "version"}
        raise ValidationError(WHY_NOT.get(error.code, place)) from error
    try:
        with transaction.atomic():
            segment, _is_new = Segment.objects.get_or_create(name=name, defaults={"rule": clean, "author": author})
    except IntegrityError:  # somebody saved it in between
        segment = Segment.objects.get(name=name)
    if segment.rule != clean:
        raise ValidationError(_("There is another segment of this name. Choose another name."))
    return segment


def ensure_builtin_segments() -> list[Segment]:
    """Write the built-in segments that are not there yet; returns all of them. Safe to repeat."""
    floor = market_rules().dormancy.idle_cash_floor_minor
    conditions = [{"field": "dormancy", "is": ["dormant"]}, {"field": "idle_cash_minor", "at_least": floor}]
    rule = read_rule({"version": 1, "rule": {"all": conditions}}).as_json()
    builtin = Segment.Builtin.DORMANT_IDLE_CASH
    segment, _is_new = Segment.objects.get_or_create(builtin=builtin, defaults={"name": f"builtin:{builtin}", "rule": rule})
    return [segment]
