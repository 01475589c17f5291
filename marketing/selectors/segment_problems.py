"""Why a rule cannot be used, as a sentence with its place."""

from collections.abc import Iterable

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from advisor.selectors import consents_in_force
from marketing.catalogue import profile_fields
from marketing.kernels.conditions import Resembles
from marketing.kernels.look_alikes import LEAST_SEED
from marketing.kernels.segments import MAX_CONDITIONS, MAX_DEPTH, Rule, RuleError, placed_conditions
from marketing.models import Purpose, Segment
from marketing.selectors.segments import frozen, members, parse_rule, read_rule, restricted_in

SENTENCES = {
    "not_json": gettext_lazy("The rule is not JSON."),
    "too_deep": gettext_lazy("The rule is nested too deeply: at most %(depth)s groups may stand inside each other."),
    "too_long": gettext_lazy("The rule has too many conditions: at most %(length)s, those of segments inside it included at their places."),
    "unknown_condition": gettext_lazy("%(place)s is no kind of condition that is known here (%(where)s)."),
    "not_valid": gettext_lazy("%(place)s cannot be read (%(where)s)."),
    "unknown_field": gettext_lazy("%(place)s asks for the field “%(name)s”, which no longer exists. Remove the condition."),
    "wrong_condition": gettext_lazy("%(place)s cannot ask “%(name)s” in this way: the field is of another kind."),
    "wrong_value": gettext_lazy("%(place)s compares “%(name)s” with a value that it cannot have."),
    "not_allowed": gettext_lazy("%(place)s is of a kind that may not stand here (%(name)s)."),
    "restricted": gettext_lazy(
        "%(place)s reads “%(name)s”, which may not choose whom to sell to. Remove it, or keep the segment for service and protection only."
    ),
    "unknown_tag": gettext_lazy("%(place)s asks for the tag “%(name)s”, which no longer exists. Remove the condition."),
    "unknown_segment": gettext_lazy("%(place)s names a segment that no longer exists (number %(name)s). Remove the condition."),
    "unknown_campaign": gettext_lazy("%(place)s names a campaign that does not exist (number %(name)s). Remove the condition."),
    "small_seed": gettext_lazy(
        "%(place)s looks for people like those of “%(name)s”, of whom fewer than %(least)s agreed to profiling: "
        "too few to tell what they share."
    ),
    "cycle": gettext_lazy("The rule leads back to itself through the segment “%(name)s”."),
}


def why_not(error: RuleError) -> str:
    """Say what is wrong with a rule, and where."""
    words = SENTENCES.get(error.code, SENTENCES["not_valid"])
    known = profile_fields().get(error.name)
    named = known.label if known else error.name
    if error.code in {"cycle", "small_seed"}:
        named = next((one.title for one in Segment.objects.filter(pk=error.name)), error.name)
    limits = {"depth": MAX_DEPTH, "length": MAX_CONDITIONS, "least": LEAST_SEED}
    return str(words) % {"place": _place(error.where), "where": error.where, "name": named, **limits}


def _place(where: str) -> str:
    """Conditions are counted from one, as on the page: 3.1 is the first one of the third, which is a group."""
    numbers = [str(int(step) + 1) for step in where.split(".") if step.isdigit()]
    return _("Condition %(number)s") % {"number": ".".join(numbers)} if numbers else _("The rule")


def problems_of(segment: Segment) -> list[str]:
    """What keeps a stored segment from being used, in sentences; none when it may be."""
    try:
        rule = read_rule(segment.rule)
        found = list(refusals_of(rule, segment.purpose))
    except RuleError as error:
        found = [error]
    return [why_not(error) for error in found]


def refusals_of(rule: Rule, purpose: str) -> Iterable[RuleError]:
    """What a rule reads that its purpose does not allow. Raises RuleError where something that it names is gone."""
    whole = frozen(rule)
    return [*(restricted_in(whole) if purpose == Purpose.SALES else ()), *_small_seeds(whole)]


def _small_seeds(whole: Rule) -> Iterable[RuleError]:
    """Seeds of look-alikes that have too few members who agree to profiling now."""
    for where, one in placed_conditions(whole.rule):
        if isinstance(one, Resembles):
            seed = parse_rule(Segment.objects.values_list("rule", flat=True).get(pk=one.resembles))
            if members(seed).filter(pk__in=consents_in_force("profiling").values("investor")).count() < LEAST_SEED:
                yield RuleError("small_seed", where, str(one.resembles))


def checked(data: object, purpose: str) -> Rule:
    """Read a rule and make sure that it can be used for the purpose; RuleError with the first thing that is wrong."""
    rule = read_rule(data)
    for problem in refusals_of(rule, purpose):
        raise problem
    return rule


def readable(data: object) -> Rule | None:
    """The rule as far as it can be read, to be said in words; None where not even that."""
    try:
        return parse_rule(data)
    except RuleError:
        return None
