"""The only door through which a marketer learns about people: numbers, breakdowns of ten or more, and pseudonyms."""

from dataclasses import dataclass
from typing import Any

from django.db.models import Case, Count, F, IntegerField, Min, Value, When
from django.utils import timezone
from django.utils.translation import gettext as _

from advisor.models import Level
from marketing.kernels.conditions import All
from marketing.kernels.segments import Rule
from marketing.models import Dormancy
from marketing.selectors.segments import frozen, members, roomy

SMALLEST_GROUP = 10
SAMPLE = 10
N = 4  # the place of the count in a row of cells
ASSET_BANDS_MINOR = (1, 1_000_000, 10_000_000, 100_000_000)


@dataclass(frozen=True, slots=True)
class Bar:
    """One group of a breakdown; `count` is None where the group is too small to be told."""

    key: str
    label: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Audience:
    """What may be known of an audience, counts to the nearest ten. Of fewer than ten people: that they are fewer than ten."""

    count: int | None
    breakdowns: list[tuple[str, list[Bar]]]
    sample: list[str]

    @property
    def is_small(self) -> bool:
        return self.count is None


@dataclass(frozen=True, slots=True)
class Overlap:
    """How two segments meet, from rounded counts: None where fewer than ten people are meant."""

    one: int | None
    other: int | None
    both: int | None
    either: int | None

    @property
    def jaccard(self) -> float | None:
        """People in both by people in either."""
        return None if self.both is None or not self.either else self.both / self.either

    @property
    def share_of_one(self) -> float | None:
        return None if self.both is None or not self.one else min(1.0, self.both / self.one)

    @property
    def share_of_other(self) -> float | None:
        return None if self.both is None or not self.other else min(1.0, self.both / self.other)


def rounded(n: int) -> int | None:
    """A count as a marketer sees it: to the nearest ten, and None below ten.

    Two rules that differ by one person would else tell whether that person is what the second rule asks.
    """
    return None if n < SMALLEST_GROUP else (n + 5) // 10 * 10


def nearest_ten(count: int | None) -> int | None:
    """A count as a marketer sees it: to the nearest ten, 0 for nobody, None below ten or where it is not known."""
    return rounded(count) if count else count


def to_ten(n: int) -> int:
    """A count of ten or more to the nearest ten; smaller ones as they are, for `told` to withhold."""
    return rounded(n) or n


def audience_count(rule: Rule) -> int:
    """How many people the rule describes now, exactly: for services, not for pages."""
    with roomy():
        return members(rule).count()


def audience(rule: Rule) -> Audience:
    """Count, breakdowns and a pseudonymous sample of the people whom the rule describes, in one statement.

    The sample takes the first pseudonym of each small cell, all breakdowns together and keys ending alike, so that it is mixed.
    """
    with roomy():
        cells = members(rule).order_by().annotate(band=_asset_band(), ending=F("pk") % SAMPLE)
        groups = cells.values_list("dormancy", "investor__level", "band", "ending")
        rows = list(groups.annotate(n=Count("pk"), first=Min("investor__pseudonym")))
    count = rounded(sum(row[N] for row in rows))
    if count is None:
        return Audience(None, [], [])
    by_state, by_level, by_band = (_sums(rows, at) for at in range(3))
    breakdowns = [
        (_("Activity"), _bars(by_state, {value: str(label) for value, label in Dormancy.choices})),
        (_("Level"), _bars(by_level, {"None": _("not assessed yet")} | {str(value): label for value, label in Level.choices})),
        (_("Assets"), _bars(by_band, _band_labels())),
    ]
    return Audience(count, breakdowns, sorted(row[N + 1] for row in rows)[:SAMPLE])


def overlap(one: Rule, other: Rule) -> Overlap:
    """How many people are in both of two rules, and in either, in one statement a rule and one for both."""
    now = timezone.now()
    both = Rule.model_construct(version=1, rule=All.model_construct(nodes=[frozen(one).rule, frozen(other).rule]))
    with roomy():
        n_one, n_other, n_both = (members(rule, now=now).count() for rule in (one, other, both))
    return Overlap(rounded(n_one), rounded(n_other), rounded(n_both), rounded(n_one + n_other - n_both))


def _sums(rows: list[tuple[Any, ...]], at: int) -> dict[str, int]:
    sums: dict[str, int] = {}
    for row in rows:
        sums[str(row[at])] = sums.get(str(row[at]), 0) + row[N]
    return sums


def told(counts: dict[str, int]) -> dict[str, int | None]:
    """Counts by group with the small ones withheld, and one more where a single gap could be worked out from the total."""
    shown: dict[str, int | None] = {key: count if count >= SMALLEST_GROUP else None for key, count in counts.items() if count}
    withheld = [key for key, count in shown.items() if count is None]
    if len(withheld) == 1 and len(shown) > 1:
        smallest = min((key for key in shown if shown[key] is not None), key=lambda key: shown[key] or 0)
        shown[smallest] = None
    return shown


def told_tens(counts: dict[str, int]) -> dict[str, int | None]:
    """What `told` leaves of counts, to the nearest ten."""
    return {key: n and to_ten(n) for key, n in told(counts).items()}


def _bars(counts: dict[str, int], labels: dict[str, str]) -> list[Bar]:
    shown = told_tens(counts)
    return [Bar(key, label, shown[key]) for key, label in labels.items() if key in shown]


def _asset_band() -> Case:
    bands = [When(assets_minor__lt=edge, then=Value(band)) for band, edge in enumerate(ASSET_BANDS_MINOR)]
    return Case(*bands, default=Value(len(ASSET_BANDS_MINOR)), output_field=IntegerField())


def _band_labels() -> dict[str, str]:
    labels = [
        _("nothing yet"), _("below 10,000 yuan"), _("10,000 to 100,000 yuan"), _("100,000 to 1 million yuan"), _("1 million yuan and more"),
    ]  # fmt: skip
    return {str(place): label for place, label in enumerate(labels)}
