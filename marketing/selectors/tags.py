"""Tags: who has them, who may use them, what keeps one from being worked out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Q, QuerySet
from django.db.models.lookups import GreaterThan
from django.utils.translation import gettext as _

from advisor.models import Consent, Investor
from advisor.selectors import has_consent
from marketing.catalogue import profile_fields
from marketing.catalogue.tags import moving_fields, needing_consent, tag_groups
from marketing.kernels.segments import RuleError
from marketing.kernels.tag_words import BITS_A_WORD
from marketing.kernels.tags import Plan, TagSource, plan_tags
from marketing.models import Tag, TagWords
from marketing.models.tags import N_WORDS
from marketing.selectors.tag_columns import WORD_NAMES
from portfolios.models import Fund

SHOWN = 12  # of a person's tags; the rest by search
MOST_COMPANIES = 200
N_PLACES = N_WORDS * BITS_A_WORD


def active_tags() -> QuerySet[Tag]:
    return Tag.objects.filter(state=Tag.State.ACTIVE)


def fund_companies() -> list[str]:
    """Companies whose funds are sold, those with most funds first."""
    rows = Fund.objects.filter(is_open=True).exclude(company="").order_by().values("company").annotate(n=Count("pk"))
    return [row["company"] for row in rows.order_by("-n", "company")[:MOST_COMPANIES]]


def plan_of(sources: dict[str, TagSource]) -> Plan:
    """The plan of these tags over the fields that profiles have now."""
    return plan_tags(sources, profile_fields(), needing_consent=needing_consent())


def plan_now() -> Plan:
    """The plan of every tag in use."""
    rows = active_tags().values_list("code", "rule", "sensitivity")
    return plan_of({code: TagSource(rule, sensitivity) for code, rule, sensitivity in rows})


def is_moving(plan: Plan, code: str) -> bool:
    """Whether a tag may turn although the profile was not written anew: days go by, and activity is read later."""
    return not moving_fields().isdisjoint(plan.traits[code].fields)


def codes_resting_on(plan: Plan, codes: set[str]) -> set[str]:
    """These tags and all that name one of them, by any detour."""
    found = set(codes)
    for code, traits in plan.traits.items():  # each comes after those that it names
        if not found.isdisjoint(traits.tags):
            found.add(code)
    return found


# ── Who has a tag ────────────────────────────────────────────────────────────────────────────────────────────────


def has_tag(tag: Tag, *, prefix: str = "") -> Q:
    """Rows of TagWords, or of what a prefix such as "tag_words__" leads to it from, that have a tag, by the last refresh.

    Never true for a tag without a place. A tag that needs consent holds only while the consent does: whoever withdrew it
    since the refresh still has the bit, so people are also to be narrowed by advisor's `investors_with_consent`.
    """
    if tag.word is None or tag.bit is None:
        return Q(pk__in=[])
    return has_bits(f"{prefix}w{tag.word}", 1 << tag.bit)


def has_bits(column: str, mask: int) -> Q:
    """Rows that have any of these bits of a column of words."""
    return Q(GreaterThan(F(column).bitand(mask), 0))


def places_of(words: Sequence[int]) -> set[tuple[int, int]]:
    """The (word, bit) of every bit that is set in a row."""
    return {(word, bit) for word, value in enumerate(words) for bit in range(BITS_A_WORD) if value >> bit & 1}


@dataclass(frozen=True, slots=True)
class PersonTags:
    """A person's tags by priority: the first few, and the rest by group."""

    first: list[Tag]
    rest: list[tuple[str, list[Tag]]]

    @property
    def n_rest(self) -> int:
        return sum(len(tags) for _name, tags in self.rest)


def tags_of(investor: Investor) -> list[Tag]:
    """Every tag of a person as of the last refresh, by priority, in three queries at most.

    What rests on profiling is left out from the moment at which the consent is withdrawn, not from the next night.
    """
    words = TagWords.objects.filter(pk=investor.pk).values_list(*WORD_NAMES).first()
    places = places_of(words) if words else set()
    if not places:
        return []
    tags = [tag for tag in active_tags() if (tag.word, tag.bit) in places]
    if any(tag.needs_consent for tag in tags) and not has_consent(investor, Consent.Purpose.PROFILING):
        tags = [tag for tag in tags if not tag.needs_consent]
    return sorted(tags, key=lambda tag: (tag.priority, tag.code))


def person_tags(investor: Investor, *, search: str = "") -> PersonTags:
    """The first tags of a person and the rest by group; with a search, only those whose name or meaning holds it."""
    wanted = search.strip().casefold()
    tags = [tag for tag in tags_of(investor) if not wanted or wanted in f"{tag.name} {tag.meaning} {tag.code}".casefold()]
    rest: dict[str, list[Tag]] = {}
    for tag in tags[SHOWN:]:
        rest.setdefault(tag.group, []).append(tag)
    names = {code: group.label for code, group in tag_groups().items()}
    in_order = [*(code for code in names if code in rest), *(code for code in rest if code not in names)]
    return PersonTags(tags[:SHOWN], [(names.get(code, code), rest[code]) for code in in_order])


# ── Who may use a tag ────────────────────────────────────────────────────────────────────────────────────────────


def tags_for_use(purpose: str) -> QuerySet[Tag]:
    """Tags that an audience of a purpose may name: "sales" never those that are kept for protection and service.

    Raises ValueError for another purpose than "sales" and "service". Tags with a problem or without a place are in
    neither: they hold what was true at some earlier refresh, or nothing.
    """
    if purpose not in {"sales", "service"}:
        raise ValueError(f"no such purpose: {purpose}")
    usable = active_tags().filter(word__isnull=False, problem="")
    return usable.exclude(sensitivity=Tag.Sensitivity.RESTRICTED) if purpose == "sales" else usable


# ── What is wrong with a tag ─────────────────────────────────────────────────────────────────────────────────────


def problem_of(error: RuleError) -> str:
    """A problem as a tag keeps it."""
    return "|".join([error.code, error.name, error.where])[:200]


def problem_words(problem: str) -> str:
    """What keeps a tag from being worked out, as a sentence; "" for nothing."""
    if not problem:
        return ""
    code, name, where = [*problem.split("|"), "", ""][:3]
    return _sentences().get(code, _("The rule cannot be read at “%(where)s”.")) % {"name": _named(code, name), "where": where or "rule"}


def _named(code: str, name: str) -> str:
    if code in {"cycle", "broken_tag"}:
        tag: Any = Tag.objects.filter(code=name).first()
        return tag.name if tag else name
    return profile_fields()[name].label if name in profile_fields() else name


def _sentences() -> dict[str, str]:
    return {
        "not_json": _("The rule is not JSON."),
        "too_deep": _("The rule is nested too deeply."),
        "too_long": _("The rule has too many conditions."),
        "unknown_field": _("The rule names the field “%(name)s”, which profiles do not have."),
        "wrong_condition": _("The field “%(name)s” cannot be compared in this way (%(where)s)."),
        "wrong_value": _("The field “%(name)s” cannot have this value (%(where)s)."),
        "not_allowed": _("A tag cannot rest on “%(name)s”: only on fields of the profile, ratios, other tags and random buckets."),
        "unknown_tag": _("The rule names the tag “%(name)s”, which is no longer used or never was."),
        "broken_tag": _("The rule names the tag “%(name)s”, which has a problem itself."),
        "cycle": _("The rule leads back to itself by way of the tag “%(name)s”."),
        "no_place": _("There is room for 1,200 tags and all of it is taken. Retire a tag that nobody uses."),
    }
