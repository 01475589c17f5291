"""The only door through which a marketer learns about people: numbers, breakdowns of ten or more, and pseudonyms."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, IntegerField, QuerySet, Value, When
from django.utils.translation import gettext as _

from advisor.models import Investor, Level
from marketing.kernels.segments import Rule, read_rule
from marketing.models import Dormancy, Segment
from marketing.selectors.segments import explain, people_in

SMALLEST_GROUP = 10
SAMPLE = 10
ASSET_BANDS_MINOR = (1, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True, slots=True)
class Bar:
    """One group of a breakdown; `count` is None where the group is too small to be told."""

    key: str
    label: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Audience:
    """What may be known of an audience. A small one is a number and nothing else."""

    count: int
    breakdowns: list[tuple[str, list[Bar]]]
    sample: list[str]

    @property
    def is_small(self) -> bool:
        return self.count < SMALLEST_GROUP


def audience_count(rule: Rule) -> int:
    """How many people the rule describes now."""
    return people_in(rule).count()


def audience(rule: Rule) -> Audience:
    """Count, breakdowns and a pseudonymous sample of the people whom the rule describes, in five queries."""
    people = people_in(rule)
    count = people.count()
    if count < SMALLEST_GROUP:
        return Audience(count, [], [])
    breakdowns = [(_("Activity"), _by_dormancy(people)), (_("Level"), _by_level(people)), (_("Assets"), _by_assets(people))]
    return Audience(count, breakdowns, list(people.order_by("pseudonym").values_list("pseudonym", flat=True)[:SAMPLE]))


def segment_page(segment: Segment) -> dict[str, Any]:
    """A segment's rule in words, and what may be known of the people in it now."""
    rule = read_rule(segment.rule)
    return {"words": explain(rule), "audience": audience(rule)}


def told(counts: dict[str, int]) -> dict[str, int | None]:
    """Counts by group with the small ones withheld, and one more where a single gap could be worked out from the total."""
    shown: dict[str, int | None] = {key: count if count >= SMALLEST_GROUP else None for key, count in counts.items() if count}
    withheld = [key for key, count in shown.items() if count is None]
    if len(withheld) == 1 and len(shown) > 1:
        smallest = min((key for key in shown if shown[key] is not None), key=lambda key: shown[key] or 0)
        shown[smallest] = None
    return shown


def _bars(counts: dict[str, int], labels: dict[str, str]) -> list[Bar]:
    shown = told(counts)
    return [Bar(key, label, shown[key]) for key, label in labels.items() if key in shown]


def _by_dormancy(people: QuerySet[Investor]) -> list[Bar]:
    counts = dict(people.order_by().values_list("profile__dormancy").annotate(Count("pk")))
    return _bars(counts, {value: str(label) for value, label in Dormancy.choices})


def _by_level(people: QuerySet[Investor]) -> list[Bar]:
    counts = {str(level): n for level, n in people.order_by().values_list("level").annotate(Count("pk"))}
    return _bars(counts, {"None": _("not assessed yet")} | {str(value): label for value, label in Level.choices})


def _by_assets(people: QuerySet[Investor]) -> list[Bar]:
    bands = [When(profile__assets_minor__lt=edge, then=Value(band)) for band, edge in enumerate(ASSET_BANDS_MINOR)]
    band = Case(*bands, default=Value(len(ASSET_BANDS_MINOR)), output_field=IntegerField())
    counts = {str(key): n for key, n in people.order_by().annotate(band=band).values_list("band").annotate(Count("pk"))}
    labels = [
        _("nothing yet"), _("below 10,000 yuan"), _("10,000 to 100,000 yuan"), _("100,000 to 1 million yuan"), _("1 million yuan and more"),
    ]  # fmt: skip
    return _bars(counts, {str(place): label for place, label in enumerate(labels)})
