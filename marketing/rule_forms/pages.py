"""What the builder shows of a rule being written: each condition's words, controls, options and help, in the reader's language."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from django.utils.translation import gettext as _

from marketing.catalogue import profile_fields
from marketing.catalogue.events import channels, event_names
from marketing.kernels.conditions import JOINTS
from marketing.kernels.look_alikes import MOST_NEAREST, MOST_SHARE
from marketing.kernels.segments import NUMBERS, RuleError, parse_rule
from marketing.models import Campaign, NextAction, Purpose, Segment
from marketing.rule_forms.drafts import Draft
from marketing.rule_forms.reading import KINDS, MAX_PROPERTIES, NO, YES, Unread, condition_of, form_of
from marketing.selectors.segment_words import condition_words, value_names
from marketing.selectors.tags import tags_for_use
from portfolios.jurisdictions import jurisdiction

Options = list[tuple[str, str]]
LISTED = 500  # campaigns to choose from, the newest first


@dataclass(frozen=True, slots=True)
class Control:
    """One control: `shape` is text, choice or checks; `groups` are (title, options) of a choice that is grouped."""

    name: str
    label: str
    shape: str = "text"
    options: Options = field(default_factory=list)
    groups: list[tuple[str, Options]] = field(default_factory=list)
    unit: str = ""
    help: str = ""
    mode: str = "text"


@dataclass(frozen=True, slots=True)
class Shown:
    """A control with what stands in it."""

    control: Control
    id: str
    values: list[str]
    error: str

    @property
    def value(self) -> str:
        return self.values[0] if self.values else ""


@dataclass
class Card:
    """A group or a condition on the page."""

    draft: Draft
    parent: str
    number: str
    title: str
    controls: list[Shown] = field(default_factory=list)
    cards: list["Card"] = field(default_factory=list)
    is_focus: bool = False
    error: str = ""


class Lists:
    """What can be chosen from, read once a page and only where a condition needs it."""

    def __init__(self, purpose: str, own: int | None) -> None:
        self.purpose, self.own = purpose, own

    @cached_property
    def tags(self) -> list[tuple[str, Options]]:
        found: dict[str, Options] = {}
        for tag in tags_for_use(self.purpose).order_by("group", "priority", "code"):
            found.setdefault(tag.group, []).append((tag.code, tag.name))
        return list(found.items())

    @cached_property
    def segments(self) -> Options:
        return [(str(one.pk), one.title) for one in Segment.objects.exclude(pk=self.own or 0).order_by("name")]

    @cached_property
    def campaigns(self) -> Options:
        return [(str(pk), name) for pk, name in Campaign.objects.order_by("-pk").values_list("pk", "name")[:LISTED]]


def builder_page(root: Draft, *, purpose: str = Purpose.SALES, own: int | None = None, focus: str = "") -> dict[str, Any]:
    """Everything that the builder's template shows of a rule being written."""
    lists = Lists(purpose, own)
    return {"root": _card(root, "", "", lists, focus), "kinds": _kinds(purpose), "joints": _joints(), "focus": focus}


def _joints() -> Options:
    return [("all", _("All of these hold")), ("any", _("At least one of these holds")), ("not", _("None of these holds (exclusion)"))]


def _kinds(purpose: str) -> list[tuple[str, Options]]:
    """What can be added, in groups: facts first, then what is in the profile, then groups."""
    facts = {
        "event": _("Something they did on our pages or in the app"),
        "order": _("Orders"),
        "holding": _("Funds held, now or ever"),
        "message": _("Messages sent, opened, clicked"),
        "campaign": _("Being on the list of a campaign"),
        "segment": _("Being in another segment"),
        "resembles": _("Being like the people of a segment"),
        "next_action": _("What would be best done next"),
        "tag": _("A tag"),
        "consent": _("An agreement that is in force"),
        "ratio": _("One number divided by another"),
        "bucket": _("A random part of everybody"),
    }
    fields = [
        (f"field:{one.name}", one.label)
        for one in profile_fields().values()
        if one.name != "bucket_seed" and (purpose == Purpose.SERVICE or one.sensitivity != "restricted")
    ]
    return [
        (_("What they did and have"), list(facts.items())),
        (_("What is known of them"), fields),
        (_("Groups of conditions"), [(joint, label) for joint, label in _joints()]),
    ]


def _card(draft: Draft, parent: str, number: str, lists: Lists, focus: str) -> Card:
    card = Card(draft, parent, number, "", is_focus=draft.key == focus)
    if draft.is_group:
        card.title = dict(_joints())[draft.kind]
        for at, node in enumerate(draft.nodes, 1):
            card.cards.append(_card(node, draft.key, f"{number}.{at}" if number else str(at), lists, focus))
        return card
    card.title = _title(draft)
    card.error = draft.errors.get("", "")
    for control in controls_of(draft, lists):
        values = draft.values.get(control.name, [])
        control = _with_what_stands(control, values)
        card.controls.append(Shown(control, f"{control.name}-{draft.key}", values, draft.errors.get(control.name, "")))
    return card


def _with_what_stands(control: Control, values: list[str]) -> Control:
    """The control with what was chosen once and is no longer offered: a rule does not change because a page was opened."""
    offered = {value for _title, options in [("", control.options), *control.groups] for value, _label in options}
    gone = [(value, _("%(name)s (no longer offered)") % {"name": value}) for value in values if value and value not in offered]
    return replace(control, options=[*control.options, *gone]) if control.shape == "choice" and gone else control


def _title(draft: Draft) -> str:
    """The condition in words where it can be read already; else what it is about."""
    try:
        said = condition_words(parse_rule({"version": 1, "rule": condition_of(draft.kind, draft.values)}).rule)  # type: ignore[arg-type]
        return said[:1].upper() + said[1:]
    except (Unread, RuleError):
        known = {code: label for _group, options in _kinds(Purpose.SERVICE) for code, label in options}
        return known.get(draft.kind, _("A condition that is not known here"))


def controls_of(draft: Draft, lists: Lists) -> list[Control]:
    return _CONTROLS[form_of(draft.kind)](draft, lists)


def _yes_no(name: str, yes: str, no: str) -> Control:
    return Control(name, _("Which"), "choice", [(YES, yes), (NO, no)])


def _number(draft: Draft, lists: Lists) -> list[Control]:
    kind = profile_fields()[draft.kind.removeprefix("field:")].kind
    unit = {"money": _("yuan"), "signed_money": _("yuan"), "fraction": "%", "signed_fraction": "%"}.get(kind, "")
    helps = {"grade": _("1 for R1 to 5 for R5"), "hour": _("0 to 24"), "signed_money": _("May be below zero.")}
    return _bounds(unit, helps.get(kind, ""))


def _bounds(unit: str, about: str) -> list[Control]:
    return [
        Control("at_least", _("At least"), unit=unit, help=about, mode="decimal"),
        Control("below", _("Below"), unit=unit, mode="decimal"),
    ]


def _values(draft: Draft, lists: Lists) -> list[Control]:
    known = profile_fields()[draft.kind.removeprefix("field:")]
    names = {str(code): name for code, name in value_names(known).items()}
    codes = known.values if isinstance(known.values, list) else list(names)
    unknown = _("not assessed yet") if known.kind == "level" else _("unknown")
    controls = [Control("is", _("One of these"), "checks", [*((code, names.get(code, code)) for code in codes), ("-", unknown)])]
    if known.values == "open":
        controls.append(Control("others", _("Or others, by their code"), help=_("Several are separated by commas.")))
    return controls


def _days(draft: Draft, lists: Lists) -> list[Control]:
    return [
        Control("days_ago_at_least", _("At least so many days ago, or never"), unit=_("days"), mode="numeric"),
        Control("days_ago_below", _("Less than so many days ago"), unit=_("days"), mode="numeric"),
        Control(
            "in_days_below", _("Or: within so many days to come"), unit=_("days"), mode="numeric", help=_("Today is the first of them.")
        ),
    ]


def _ratio(draft: Draft, lists: Lists) -> list[Control]:
    fields = [("", _("Choose")), *((one.name, one.label) for one in profile_fields().values() if one.kind in NUMBERS)]
    about = _("Amounts are compared in yuan or as shares of one; where the second number is zero or unknown, the condition does not hold.")
    return [Control("upper", _("This"), "choice", fields), Control("lower", _("divided by this"), "choice", fields), *_bounds("", about)]


def _event(draft: Draft, lists: Lists) -> list[Control]:
    names = [("", _("Choose")), *((one.name, one.label) for one in event_names().values())]
    n_filled = sum(bool("".join(draft.values.get(f"property{at}", []))) for at in range(1, MAX_PROPERTIES + 1))
    about = _("Only of people who agree to profiling. What anyone else did is not looked at.")
    controls = [
        Control(
            "did", _("Whether"), "choice", [(YES, _("did")), (NO, _("did not")), ("before", _("did before, but not in the last days"))]
        ),
        Control("event", _("What"), "choice", names, help=about),
        Control("other", _("Or another event, by its name")),
        Control("at_least", _("At least how many times"), mode="numeric", help=_("Once, if left empty.")),
        _window(),
        Control("channel", _("Channel"), "choice", [("", _("any")), *((code, one.label) for code, one in channels().items())]),
    ]
    for at in range(1, min(n_filled + 1, MAX_PROPERTIES) + 1):
        types = [("text", _("text")), ("number", _("number")), ("yes", _("yes or no"))]
        controls += [
            Control(f"property{at}", _("With the property")),
            Control(f"value{at}", _("being exactly")),
            Control(f"type{at}", _("read as"), "choice", types),
        ]
    return controls


def _window() -> Control:
    return Control(
        "within_days", _("In the last days"), unit=_("days"), mode="numeric", help=_("At any time, if left empty. Today is one of them.")
    )


def _order(draft: Draft, lists: Lists) -> list[Control]:
    origins = [("investor", _("own order")), ("proposal", _("proposal")), ("override", _("override")), ("plan", _("plan"))]
    return [
        Control("did", _("Whether"), "choice", [(YES, _("placed")), (NO, _("did not place"))]),
        Control("order", _("What"), "choice", [("any", _("any order")), ("buy", _("a purchase")), ("sell", _("a redemption"))]),
        Control("at_least", _("At least how many times"), mode="numeric", help=_("Once, if left empty.")),
        _window(),
        Control("origin", _("By whose doing"), "checks", origins, help=_("All but instalments of plans, if none is ticked.")),
        *_traits(),
    ]


def _traits() -> list[Control]:
    rules = jurisdiction()
    some = [("", _("any"))]
    return [
        Control("asset_class", _("Asset class"), "choice", some + [(code, one.name) for code, one in rules.classes.items()]),
        Control("category", _("Category"), "choice", some + [(code, one.name) for code, one in rules.categories.items()]),
        Control("grade_at_least", _("Risk grade at least"), "choice", some + [(str(grade), f"R{grade}") for grade in range(1, 6)]),
        Control("company", _("Fund company"), help=_("Its full name, as in the list of funds.")),
        Control("fund", _("Code of one fund")),
    ]


def _holding(draft: Draft, lists: Lists) -> list[Control]:
    return [
        Control("is", _("Whether"), "choice", [(YES, _("holds")), (NO, _("does not hold"))]),
        Control("ever", _("When"), "choice", [(NO, _("now")), (YES, _("at any time: bought and confirmed"))]),
        *_traits(),
    ]


def _message(draft: Draft, lists: Lists) -> list[Control]:
    what = [("sent", _("was sent a message")), ("opened", _("opened a message")), ("clicked", _("clicked in a message")),
            ("failed", _("a message could not be delivered"))]  # fmt: skip
    return [
        _yes_no("did", _("this happened"), _("this did not happen")),
        Control("message", _("What"), "choice", what),
        _window(),
        Control("campaign", _("Of which campaign"), "choice", [("", _("any")), *lists.campaigns]),
    ]


def _campaign(draft: Draft, lists: Lists) -> list[Control]:
    options = [("", _("Choose")), *lists.campaigns]
    return [_yes_no("is_in", _("is on its list"), _("is not on its list")), Control("campaign", _("Campaign"), "choice", options)]


def _segment(draft: Draft, lists: Lists) -> list[Control]:
    options = [("", _("Choose")), *lists.segments]
    return [_yes_no("is_in", _("is in it"), _("is not in it")), Control("segment", _("Segment"), "choice", options)]


def _resembles(draft: Draft, lists: Lists) -> list[Control]:
    about = _("Only people who agree to profiling, by what they looked at and bought; the segment's own people are left out.")
    most = _("At most %(n)s.")
    return [
        _yes_no("is_in", _("is like them"), _("is not like them")),
        Control("resembles", _("Like the people of"), "choice", [("", _("Choose")), *lists.segments], help=about),
        Control("nearest", _("The nearest"), unit=_("people"), help=most % {"n": f"{MOST_NEAREST:,}"}, mode="numeric"),
        Control("nearest_share", _("Or the nearest share"), unit="%", help=most % {"n": f"{MOST_SHARE:.0%}"}, mode="decimal"),
    ]


def _next_action(draft: Draft, lists: Lists) -> list[Control]:
    about = _("Worked out every night, of people who agree to profiling, and checked again when people are counted.")
    kinds = [(str(value), str(label)) for value, label in NextAction.Kind.choices]
    return [_yes_no("is_in", _("is one of these"), _("is none of these")), Control("next_action", _("What"), "checks", kinds, help=about)]


def _tag(draft: Draft, lists: Lists) -> list[Control]:
    return [_yes_no("is", _("has it"), _("does not have it")), Control("tag", _("Tag"), "choice", [("", _("Choose"))], lists.tags)]


def _consent(draft: Draft, lists: Lists) -> list[Control]:
    purposes = [("marketing", _("marketing messages")), ("profiling", _("profiling of behaviour"))]
    return [_yes_no("is", _("agreed"), _("did not agree")), Control("purpose", _("To what"), "choice", purposes)]


def _bucket(draft: Draft, lists: Lists) -> list[Control]:
    about = _("Any word. The same word deals everybody the same way again, another word anew.")
    return [
        Control("bucket", _("Name of the deal"), help=about),
        Control("from", _("From bucket"), mode="numeric", help=_("0 to 9,999: five thousand buckets are half of everybody.")),
        Control("below", _("Below bucket"), mode="numeric"),
    ]


_CONTROLS: dict[str, Callable[[Draft, Lists], list[Control]]] = {
    "number": _number,
    "values": _values,
    "flag": lambda draft, lists: [_yes_no("is", _("yes"), _("no"))],
    "days": _days,
    "ratio": _ratio,
    "event": _event,
    "order": _order,
    "holding": _holding,
    "message": _message,
    "campaign": _campaign,
    "segment": _segment,
    "resembles": _resembles,
    "next_action": _next_action,
    "tag": _tag,
    "consent": _consent,
    "bucket": _bucket,
    "other": lambda draft, lists: [Control("json", _("As it was stored"))],
}
assert set(_CONTROLS) >= set(KINDS) and not set(JOINTS) & set(KINDS)  # noqa: S101  a kind without controls would show an empty card
