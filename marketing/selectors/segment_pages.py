"""What the pages of segments show: rules in words, numbers to the nearest ten, never persons."""

from collections.abc import Iterable
from typing import Any

from django.utils.translation import gettext as _

from marketing.kernels.segments import RuleError
from marketing.models import Segment, SegmentExport, SegmentSize, SegmentVersion
from marketing.selectors.audience import Audience, audience, overlap, rounded
from marketing.selectors.look_alikes import look_alike_notes
from marketing.selectors.segment_problems import problems_of, readable, why_not
from marketing.selectors.segment_words import explain, sentence
from marketing.selectors.segments import read_rule

SIZES = 60
VERSIONS = 20


def segment_list_rows(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    """The segments of a page with their last size, and what keeps one from being used."""
    listed = list(segments)
    last: dict[int, SegmentSize] = {}
    for size in SegmentSize.objects.filter(segment__in=listed).order_by("segment", "-date").only("segment_id", "n", "date"):
        last.setdefault(size.segment_id, size)
    return [{"segment": one, "size": _size(last.get(one.pk)), "problem": _shape_problem(one)} for one in listed]


def _shape_problem(segment: Segment) -> str:
    """Only what the rule itself says, so that a long list asks nothing more."""
    try:
        read_rule(segment.rule)
    except RuleError as error:
        return why_not(error)
    return ""


def _size(size: SegmentSize | None) -> dict[str, Any] | None:
    return None if size is None else {"date": size.date, "n": rounded(size.n)}


def segment_page(segment: Segment) -> dict[str, Any]:
    """A segment's rule in words, what may be known of the people in it now, and its history."""
    found, rule = problems_of(segment), readable(segment.rule)
    sizes = list(SegmentSize.objects.filter(segment=segment).order_by("-date").values_list("date", "n")[:SIZES])
    return {
        "segment": segment,
        "problems": found,
        "words": explain(rule) if rule else None,
        "sentence": sentence(rule) if rule else "",
        "audience": audience(rule) if rule and not found else None,
        "notes": look_alike_notes(rule) if rule else [],
        "sizes": [(day, rounded(n)) for day, n in reversed(sizes)],
        "versions": _versions(segment),
        "exports": list(SegmentExport.objects.filter(segment=segment).select_related("actor")[:VERSIONS]),
        "others": list(Segment.objects.exclude(pk=segment.pk).order_by("name")),
    }


def _versions(segment: Segment) -> list[dict[str, Any]]:
    """Earlier versions with their rules as sentences, the newest first."""
    rows = SegmentVersion.objects.filter(segment=segment).exclude(number=segment.version).select_related("author")[:VERSIONS]
    return [{"version": one, "sentence": _sentence_of(one.rule)} for one in rows]


def _sentence_of(data: Any) -> str:
    rule = readable(data)
    return sentence(rule) if rule else _("This rule can no longer be read.")


def preview_of(rule: Any, n_open: int) -> dict[str, Any]:
    """What a rule being written means now: its sentence and audience, or why there is none."""
    if rule is None:
        return {"n_open": n_open}
    try:
        read = read_rule(rule)
        seen: Audience = audience(read)
    except RuleError as error:
        return {"n_open": n_open, "problem": why_not(error)}
    return {"n_open": n_open, "audience": seen, "sentence": sentence(read), "notes": look_alike_notes(read)}


def overlap_page(one: Segment, other: Segment) -> dict[str, Any]:
    """How two segments meet, both ways."""
    found = problems_of(one) + problems_of(other)
    met = None if found else overlap(read_rule(one.rule), read_rule(other.rule))
    return {"one": one, "other": other, "problems": found, "overlap": met}
