"""What the pages of tags show: sizes and their trend, gained and lost by day, and how tags overlap. Never a person."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np
from django.core.cache import cache
from django.db.models import Case, Count, Q, QuerySet, When
from django.utils.translation import gettext as _

from config.jobs import Job
from marketing.catalogue.tags import tag_groups
from marketing.kernels.segments import RuleError, parse_rule
from marketing.kernels.tag_words import BITS_A_WORD, sizes
from marketing.models import Tag, TagChange, TagRefresh, TagSize, TagWords
from marketing.models.tags import N_WORDS
from marketing.selectors.audience import SMALLEST_GROUP, nearest_ten, rounded, to_ten
from marketing.selectors.segment_words import Words, explain
from marketing.selectors.tag_columns import WORD_NAMES
from marketing.selectors.tags import active_tags, has_tag, problem_words

TREND_DAYS, HISTORY_DAYS, CHANGE_DAYS = 30, 180, 60
SPARK_WIDTH, SPARK_HEIGHT = 96, 24
MOST_OVERLAPS = 12
OVERLAP_LASTS = 36 * 3600
ROWS_A_READ = 20_000


@dataclass(frozen=True, slots=True)
class TagRow:
    """One line of the list: how many people have the tag to the nearest ten, 0 below ten, and the points of its trend for SVG."""

    tag: Tag
    n: int | None
    share: float | None
    spark: str
    change: str
    problem: str


def last_refresh() -> TagRefresh | None:
    return TagRefresh.objects.filter(status=Job.Status.DONE).order_by("-pk").first()


def found_tags(*, search: str = "", group: str = "") -> QuerySet[Tag]:
    """Tags in use whose words or code hold what is searched, of one group or all, in the order in which people read groups."""
    found = active_tags()
    if group:
        found = found.filter(group=group)
    words = Q()
    for name in ("code", "name_zh", "name_en", "meaning_zh", "meaning_en"):
        words |= Q(**{f"{name}__icontains": search.strip()})
    place = Case(*[When(group=code, then=at) for at, code in enumerate(tag_groups())], default=len(tag_groups()))
    return (found.filter(words) if search.strip() else found).order_by(place, "priority", "code")


def group_counts() -> list[tuple[str, str, int]]:
    """(code, name, number of tags) of each group that has some."""
    counted = dict(active_tags().order_by().values_list("group").annotate(Count("pk")))
    return [(code, group.label, counted[code]) for code, group in tag_groups().items() if counted.get(code)]


def tag_rows(tags: Sequence[Tag]) -> list[TagRow]:
    """Lines of the list for these tags, in two queries."""
    last = last_refresh()
    since = (last.as_of if last else date.max) - timedelta(days=TREND_DAYS)
    trends: dict[int, list[int]] = {}
    rows = TagSize.objects.filter(tag__in=[tag.pk for tag in tags], date__gte=since).order_by("date")
    for pk, n in rows.values_list("tag_id", "n"):
        trends.setdefault(pk, []).append(rounded(n) or 0)
    n_people = last.n_total if last else 0
    return [_row(tag, trends.get(tag.pk, []), n_people) for tag in tags]


def _row(tag: Tag, trend: list[int], n_people: int) -> TagRow:
    n = trend[-1] if trend else None
    share = n / n_people if n is not None and n_people else None
    change = f"{trend[-1] - trend[0]:+,}".replace("-", "−") if len(trend) > 1 else ""
    return TagRow(tag, n, share, spark_points(trend), "0" if change == "+0" else change, problem_words(tag.problem))


def spark_points(trend: Sequence[int]) -> str:
    """Points of a polyline, `SPARK_WIDTH` by `SPARK_HEIGHT`; "" for fewer than two values."""
    if len(trend) < 2:
        return ""
    low, high = min(trend), max(trend)
    step, scale = SPARK_WIDTH / (len(trend) - 1), (SPARK_HEIGHT - 4) / ((high - low) or 1)
    flat = SPARK_HEIGHT / 2
    return " ".join(f"{at * step:.1f},{flat if high == low else SPARK_HEIGHT - 2 - (n - low) * scale:.1f}" for at, n in enumerate(trend))


# ── One tag ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class DayChange:
    """People who gained and lost a tag on a day, to the nearest ten; None where fewer than ten did."""

    date: date
    gained: int | None
    lost: int | None


def tag_page(tag: Tag) -> dict[str, Any]:
    """What a tag's page shows, in a bounded number of queries."""
    last = last_refresh()
    sizes_of_days = TagSize.objects.filter(tag=tag).order_by("-date").values_list("date", "n")[:HISTORY_DAYS]
    history = [(day, rounded(n)) for day, n in sizes_of_days][::-1]
    changes = day_changes(tag, last.as_of if last else None)
    return {
        "row": _row(tag, [n or 0 for _day, n in history[-TREND_DAYS:]], last.n_total if last else 0),
        "words": _rule_words(tag),
        "group": tag_groups()[tag.group].label if tag.group in tag_groups() else tag.group,
        "owner": owner_words(tag),
        "history": history,
        "changes": changes[::-1],
        "refreshed": last,
        "segment_rule": json.dumps({"version": 1, "rule": {"all": [{"tag": tag.code, "is": True}]}}),
    }


def _rule_words(tag: Tag) -> Words | None:
    try:
        return explain(parse_rule(tag.rule))
    except RuleError:
        return None


def owner_words(tag: Tag) -> str:
    names = {"marketing": _("Marketing"), "suitability": _("Suitability"), "data": _("Data")}
    return names.get(tag.owner, tag.owner) if tag.is_shipped else tag.owner


def day_changes(tag: Tag, until: date | None) -> list[DayChange]:
    """Gained and lost by day, the days without a change left out; small numbers are withheld."""
    if until is None:
        return []
    rows = TagChange.objects.filter(tag=tag, date__gt=until - timedelta(days=CHANGE_DAYS)).order_by().values_list("date", "is_gained")
    counted: dict[date, dict[bool, int]] = {}
    for day, is_gained, n in rows.annotate(n=Count("pk")).values_list("date", "is_gained", "n"):
        counted.setdefault(day, {})[is_gained] = n
    return [DayChange(day, nearest_ten(counted[day].get(True, 0)), nearest_ten(counted[day].get(False, 0))) for day in sorted(counted)]


# ── Overlap ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Overlap:
    """People who have both tags; of this tag's and of the other's people; Jaccard; how many times as many as by chance.

    All from counts to the nearest ten: of two tags that differ by a few people the exact ones would say by how many.
    """

    tag: Tag
    n_both: int
    share: float
    share_of_other: float
    jaccard: float
    lift: float


def overlaps(tag: Tag) -> list[Overlap]:
    """The tags that overlap most with this one by the last refresh, ten people or more at least. Read once a refresh, then kept."""
    last = last_refresh()
    if last is None or tag.word is None or not last.n_total:
        return []
    both = _counted_together(tag, last)
    n = to_ten(both[tag.word][tag.bit or 0])
    known = dict(TagSize.objects.filter(date=last.as_of).values_list("tag_id", "n"))
    found = []
    for other in active_tags().filter(word__isnull=False, problem="").exclude(pk=tag.pk):
        n_both, n_other = both[other.word or 0][other.bit or 0], known.get(other.pk, 0)
        if n_both >= SMALLEST_GROUP and n_other >= n_both:
            met, of_other = to_ten(n_both), to_ten(n_other)
            jaccard, lift = met / (n + of_other - met), met * last.n_total / (n * of_other)
            found.append(Overlap(other, met, met / n, met / of_other, jaccard, lift))
    return sorted(found, key=lambda one: (-one.jaccard, one.tag.code))[:MOST_OVERLAPS]


def _counted_together(tag: Tag, last: TagRefresh) -> list[list[int]]:
    """People with this tag and each other bit, by word and bit."""
    key = f"tag-overlap:{tag.pk}:{last.pk}"
    kept = cache.get(key)
    if kept is not None:
        return kept
    counted = np.zeros((N_WORDS, BITS_A_WORD), np.int64)
    rows = TagWords.objects.filter(has_tag(tag)).values_list(*WORD_NAMES).iterator(chunk_size=ROWS_A_READ)
    block: list[tuple[int, ...]] = []
    for row in rows:
        block.append(row)
        if len(block) == ROWS_A_READ:
            counted += sizes(np.array(block, np.int64).T)
            block = []
    if block:
        counted += sizes(np.array(block, np.int64).T)
    cache.set(key, counted.tolist(), OVERLAP_LASTS)
    return counted.tolist()
