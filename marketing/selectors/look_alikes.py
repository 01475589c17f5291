"""Who resembles a segment, as rows for a segment's one statement; which segments are seeds; how their working out stands."""

from collections.abc import Iterable
from typing import Any

from django.db.models import BigIntegerField, F, QuerySet, Value
from django.db.models.functions import Cast
from django.db.models.lookups import LessThanOrEqual
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from config.jobs import Job
from marketing.kernels.conditions import Resembles
from marketing.kernels.look_alikes import SHARE_PARTS
from marketing.kernels.segments import Rule, RuleError, conditions, parse_rule
from marketing.models import LookAlike, LookAlikeSet, Segment

WHY_NOT = {
    "small_seed": gettext_lazy("too few of them agreed to profiling and left traces to tell what they share"),
    "no_run_serves": gettext_lazy("no recommender serves yet"),
    "no_factors": gettext_lazy("the recommender that serves does not place people among tastes"),
    "packed_by_another_version": gettext_lazy("another version of this program trained the recommender that serves"),
    "too_many_attempts": gettext_lazy("the working out was interrupted too often"),
}


def look_alikes_of(one: Resembles) -> QuerySet[Any]:
    """Keys of the people whom the condition describes by the last working out; nobody before the first."""
    rows = LookAlike.objects.filter(of__segment=one.resembles, of__is_current=True).order_by()
    if one.nearest is not None:
        return rows.filter(rank__lte=one.nearest).values("investor_id")
    place, compared = (Cast(F(name), BigIntegerField()) for name in ("rank", "of__n_compared"))  # products pass 32 bits
    return rows.filter(LessThanOrEqual(place * Value(SHARE_PARTS), compared * Value(one.parts))).values("investor_id")


def seeds_of(rule: Rule) -> set[int]:
    """The segments whose people a rule asks to resemble, at first hand."""
    return {one.resembles for one in conditions(rule.rule) if isinstance(one, Resembles)}


def seeds_in_use() -> set[int]:
    """The seeds that any saved segment names; one whose rule can no longer be read names none."""
    found: set[int] = set()
    for data in Segment.objects.values_list("rule", flat=True):
        try:
            found |= seeds_of(parse_rule(data))
        except RuleError:
            continue
    return found


def last_sets(seeds: Iterable[int]) -> dict[int, LookAlikeSet]:
    """The newest working out of each of these seeds that has one."""
    return {one.segment_id: one for one in LookAlikeSet.objects.filter(segment__in=set(seeds)).order_by("pk")}


def look_alike_notes(rule: Rule) -> list[str]:
    """How the working out of each seed of a rule stands, in sentences; two queries where there is any."""
    seeds = seeds_of(rule)
    if not seeds:
        return []
    names = {one.pk: one.title for one in Segment.objects.filter(pk__in=seeds)}
    found: dict[int, list[LookAlikeSet]] = {pk: [] for pk in names}
    for one in LookAlikeSet.objects.filter(segment__in=names).order_by("pk"):
        found[one.segment_id].append(one)
    return [_note(names[pk], sets) for pk, sets in sorted(found.items())]


def _note(name: str, sets: list[LookAlikeSet]) -> str:
    last, current = (sets[-1] if sets else None), next((one for one in sets if one.is_current), None)
    if current is not None and current.finished_at:
        on = f"{timezone.localtime(current.finished_at):%Y-%m-%d %H:%M}"
        return _("Who is like the people of “%(name)s” was worked out on %(on)s.") % {"name": name, "on": on}
    if last is not None and last.status == Job.Status.FAILED:
        why = WHY_NOT.get((last.error or {}).get("code", ""), gettext_lazy("its rule cannot be used"))
        return _("Who is like the people of “%(name)s” cannot be told: %(why)s. Nobody matches.") % {"name": name, "why": why}
    return _("Who is like the people of “%(name)s” is being worked out. Until then nobody matches.") % {"name": name}
