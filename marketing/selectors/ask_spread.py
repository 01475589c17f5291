"""How a number of the profile is spread over people: bars at round numbers, each with its segment."""

from itertools import pairwise
from typing import Any

import numpy as np
from django.db.models import FloatField, QuerySet
from django.db.models.functions import Cast
from django.utils.translation import gettext as _

from marketing.catalogue import ProfileField, profile_fields
from marketing.kernels.ask import Distribution
from marketing.kernels.ask_answers import histogram, nice_edges
from marketing.models import Profile, Segment
from marketing.selectors.ask_parts import Answer, CannotAnswer, Line
from marketing.selectors.ask_rules import all_of
from marketing.selectors.audience import SMALLEST_GROUP, to_ten, told_tens
from marketing.selectors.segment_words import value_names, value_shower
from marketing.selectors.segments import members, read_rule

NUMBERS = {"fraction", "signed_fraction", "number", "count", "money", "signed_money", "hour"}
CATEGORIES = {"category", "bool", "level"}


def askable(kinds: set[str]) -> list[ProfileField]:
    """Fields of the profile of these kinds that a marketer may ask about: evidence of advice is none of them."""
    return [one for one in profile_fields().values() if one.kind in kinds and one.sensitivity != "restricted" and one.name != "bucket_seed"]


def _field(name: str, kinds: set[str]) -> ProfileField:
    known = profile_fields().get(name)
    if known is None:
        raise CannotAnswer(_("There is no field “%(name)s” in a profile, or no longer.") % {"name": name[:80]})
    if known.sensitivity == "restricted":
        raise CannotAnswer(_("“%(name)s” is evidence for advice and protection; it is no question for marketing.") % {"name": known.label})
    if known.kind not in kinds:
        raise CannotAnswer(_("“%(name)s” cannot be used in this place of the question.") % {"name": known.label})
    return known


def distribution_answer(question: Distribution, segment: Segment | None) -> Answer:
    asked = _field(question.field, NUMBERS)
    by = _field(question.by, CATEGORIES) if question.by else None
    people = members(read_rule(segment.rule)) if segment else Profile.objects.all()
    known = people.filter(**{f"{asked.name}__isnull": False})
    rows = list(_values(known, asked, by))
    values = np.array([row[0] for row in rows], float)
    edges = nice_edges(values, is_whole=asked.kind in {"count", "hour"})
    n_known = to_ten(len(values))
    bounds = [None, *(_edge(asked, edge) for edge in edges), None]
    shown = told_tens({str(at): int(n) for at, n in enumerate(histogram(values, edges))})
    lines = [
        Line(
            _bar_words(asked, low, high),
            shown.get(str(at), 0),
            _share(shown.get(str(at), 0), n_known),
            rule=_bar_rule(question, low, high),
        )
        for at, (low, high) in enumerate(pairwise(bounds))
    ]
    columns, cells = _by_category(rows, values, edges, by) if by else ([], [])
    notes = [_("Groups of fewer than ten people are withheld, and one more where the rest would give them away.")]
    if (n_unknown := people.count() - len(values)) >= SMALLEST_GROUP:
        notes.append(_("Of %(n)s people it is not known.") % {"n": f"{to_ten(n_unknown):,}"})
    return Answer("distribution", _spread_words(asked, values), n_known, lines, columns, cells, notes)


def _values(people: QuerySet[Profile], asked: ProfileField, by: ProfileField | None) -> Any:
    return (
        people.order_by()
        .annotate(asked_value=Cast(asked.name, FloatField()))
        .values_list("asked_value", *([by.name] if by else []))
        .iterator(20_000)
    )


def _share(n: int | None, total: int) -> float | None:
    return min(1.0, n / total) if n is not None and total else None


def _by_category(rows: list[Any], values: Any, edges: list[float], by: ProfileField) -> tuple[list[str], list[list[float | int | None]]]:
    """People in each bar by category, the commonest eight; small ones withheld in every category by itself."""
    codes = np.array(["" if row[1] is None else str(row[1]) for row in rows])
    names, counts = np.unique(codes, return_counts=True)
    common = [str(names[at]) for at in np.argsort(-counts)[:8]]
    told_by = [told_tens({str(at): int(n) for at, n in enumerate(histogram(values[codes == name], edges))}) for name in common]
    cells: list[list[float | int | None]] = [[column.get(str(at), 0) for column in told_by] for at in range(len(edges) + 1)]
    return [category_words(by, name) for name in common], cells


def category_words(by: ProfileField, code: str) -> str:
    """A value of a category as people read it."""
    if by.kind == "bool":
        return _("yes") if code == "True" else _("no")
    names = {str(key): label for key, label in value_names(by).items()}
    return str(names.get(code) or code or _("unknown"))


def rounded(asked: ProfileField, value: float) -> float | int:
    """To three significant digits, whole where the field is: what is read in a sentence, never what is counted with."""
    short = float(f"{value:.3g}")
    return int(short) if asked.kind in {"money", "signed_money", "count", "hour"} else short


def _bar_words(asked: ProfileField, low: float | None, high: float | None) -> str:
    show = value_shower(asked.kind)
    if low is None and high is None:
        return _("every value")
    if low is None:
        return _("below %(high)s") % {"high": show(high)}
    if high is None:
        return _("%(low)s and more") % {"low": show(low)}
    return _("%(low)s to %(high)s") % {"low": show(low), "high": show(high)}


def _edge(asked: ProfileField, edge: float) -> float | int:
    return int(edge) if asked.kind in {"money", "signed_money", "count", "hour"} or edge.is_integer() else edge


def _bar_rule(question: Distribution, low: float | None, high: float | None) -> dict[str, Any] | None:
    if low is None and high is None:
        return None
    bounds = {name: value for name, value in (("at_least", low), ("below", high)) if value is not None}
    return all_of([{"field": question.field} | bounds], question.segment)


def _spread_words(asked: ProfileField, values: Any) -> str:
    if len(values) < SMALLEST_GROUP:
        return _("It is known of fewer than ten people.")
    low, middle, high = (rounded(asked, float(q)) for q in np.quantile(values, (0.1, 0.5, 0.9)))
    show = value_shower(asked.kind)
    if float(values.min()) == float(values.max()):
        return _("%(name)s: the same of everybody, %(value)s.") % {"name": asked.label, "value": show(middle)}
    words = {"name": asked.label, "low": show(low), "middle": show(middle), "high": show(high)}
    return _("%(name)s: half of the people lie below %(middle)s, one in ten below %(low)s and one in ten above %(high)s.") % words
