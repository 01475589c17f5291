"""From what was typed to a condition and back: one pair of functions a kind of condition."""

import json
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

from django.utils.translation import gettext as _

from marketing.catalogue import ProfileField, profile_fields
from marketing.catalogue.events import event_names
from marketing.kernels.conditions import FUND_TRAITS, ORIGINS
from marketing.kernels.look_alikes import MOST_NEAREST, MOST_SHARE
from marketing.kernels.segments import NUMBERS, RuleError, parse_rule, problems
from marketing.selectors.segment_words import value_names
from portfolios.money import from_minor, to_minor

Values = dict[str, list[str]]
KINDS = ("event", "order", "holding", "message", "campaign", "segment", "resembles", "next_action", "tag", "ratio", "consent", "bucket")
MAX_PROPERTIES = 5
YES, NO = "yes", "no"
FREE = "free"  # a number of an event's property: of no kind that is known
NUMBER_KINDS = NUMBERS | {FREE: (-(10**15), 10**15, False)}


class Unread(Exception):
    """What was typed makes no condition: a sentence for each control that is wrong."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__(str(errors))
        self.errors = errors


def is_kind(kind: str) -> bool:
    return kind in KINDS or kind.removeprefix("field:") in profile_fields()


def form_of(kind: str) -> str:
    """Which controls a condition has: those of its kind, or of its field's kind."""
    if not kind.startswith("field:"):
        return kind if kind in KINDS else "other"
    field = profile_fields().get(kind.removeprefix("field:"))
    if field is None:
        return "other"
    return "number" if field.kind in NUMBERS else {"level": "values", "category": "values", "bool": "flag", "date": "days"}[field.kind]


class Typed:
    """What was typed into the controls of one condition, read with a sentence for what cannot be."""

    def __init__(self, kind: str, values: Values) -> None:
        self.name, self.values, self.errors = kind.removeprefix("field:"), values, dict[str, str]()

    def text(self, control: str) -> str:
        return (self.values.get(control) or [""])[0].strip()

    def needed(self, control: str) -> str:
        if not self.text(control):
            self.errors[control] = _("Fill this in.")
        return self.text(control)

    def yes(self, control: str) -> bool:
        return self.text(control) != NO

    def whole(self, control: str, *, low: int = 1, high: int = 36_500) -> int | None:
        """A whole number within bounds, None where nothing was typed."""
        text = self.text(control).replace(",", "").replace("，", "")
        if not text:
            return None
        if not (text.isascii() and text.isdecimal() and len(text) <= 12 and low <= int(text) <= high):
            self.errors[control] = _("Write a whole number from %(low)s to %(high)s.") % {"low": f"{low:,}", "high": f"{high:,}"}
            return None
        return int(text)

    def number(self, control: str, kind: str) -> int | float | None:
        """A number as the field keeps it: money in minor units, shares as fractions of one."""
        text = self.text(control).replace(",", "").replace("，", "").rstrip("%％").strip()
        if not text:
            return None
        try:
            typed = Decimal(text)
            if not typed.is_finite() or abs(typed) > 10**13:
                raise InvalidOperation
        except InvalidOperation:
            self.errors[control] = _("Write a number.")
            return None
        if kind in {"money", "signed_money"}:
            value: int | float = to_minor(typed)
        elif kind in {"fraction", "signed_fraction"}:
            value = float(typed / 100)
        elif NUMBER_KINDS[kind][2] and typed != int(typed):
            self.errors[control] = _("Write a whole number.")
            return None
        else:
            value = int(typed) if typed == int(typed) else float(typed)
        low, high, _is_whole = NUMBER_KINDS[kind]
        if not low <= value <= high:
            self.errors[control] = _("The field cannot have this value.")
        return value

    def bounds(self, kind: str) -> dict[str, Any]:
        low, high = self.number("at_least", kind), self.number("below", kind)
        if not self.errors and low is None and high is None:
            self.errors["at_least"] = _("Fill in at least one of the two.")
        if low is not None and high is not None and high <= low and "below" not in self.errors:
            self.errors["below"] = _("This must be more than “at least”.")
        return _given(at_least=low, below=high)

    def done(self, condition: dict[str, Any]) -> dict[str, Any]:
        if self.errors:
            raise Unread(self.errors)
        return condition


def _given(**parts: Any) -> dict[str, Any]:
    return {name: value for name, value in parts.items() if value not in (None, "", [])}


def condition_of(kind: str, values: Values) -> dict[str, Any]:
    """The condition that was typed; Unread with a sentence a control where it cannot be read."""
    typed = Typed(kind, values)
    condition = typed.done(_READ[form_of(kind)](typed))
    try:
        rule = parse_rule({"version": 1, "rule": condition})
        for problem in problems(rule, profile_fields()):
            raise problem
    except RuleError as error:  # what no control says by itself: a name with a sign that cannot be kept, a removed field
        if form_of(kind) != "other":
            raise Unread({"": _("This condition cannot be read: check what you typed.")}) from error
    return condition


def _number(typed: Typed) -> dict[str, Any]:
    return {"field": typed.name} | typed.bounds(profile_fields()[typed.name].kind)


def _values(typed: Typed) -> dict[str, Any]:
    is_level = profile_fields()[typed.name].kind == "level"
    ticked = [text for text in typed.values.get("is", []) if text]
    others = [part.strip() for part in typed.text("others").replace("，", ",").replace("、", ",").split(",")]
    found: list[Any] = [None if text == "-" else int(text) if is_level and text.isdecimal() else text for text in ticked]
    found += [part for part in others if part]
    if not found:
        typed.errors["is"] = _("Choose at least one.")
    return {"field": typed.name, "is": list(dict.fromkeys(found))}


def _days(typed: Typed) -> dict[str, Any]:
    low, high, ahead = (typed.whole(name, low=0) for name in ("days_ago_at_least", "days_ago_below", "in_days_below"))
    if not typed.errors and (low is None and high is None) == (ahead is None):
        typed.errors["days_ago_at_least"] = _("Fill in days that have passed, or days to come, and not both.")
    if low is not None and high is not None and high <= low:
        typed.errors["days_ago_below"] = _("This must be more than “at least”.")
    return {"field": typed.name} | _given(days_ago_at_least=low, days_ago_below=high, in_days_below=ahead)


def _ratio(typed: Typed) -> dict[str, Any]:
    return {"ratio": [typed.needed("upper"), typed.needed("lower")]} | typed.bounds("number")


def _event(typed: Typed) -> dict[str, Any]:
    name = typed.text("other") or typed.needed("event")
    if typed.text("did") == "before":
        days = typed.whole("within_days", high=3_650)
        if days is None:
            typed.errors.setdefault("within_days", _("Fill this in."))
        return {"event": name, "last_before_days": days}
    where = dict(pair for at in range(1, MAX_PROPERTIES + 1) if (pair := _property(typed, name, at)))
    return {"event": name, "did": typed.yes("did")} | _given(
        at_least=typed.whole("at_least", high=100_000), within_days=typed.whole("within_days", high=3_650),
        channel=typed.text("channel"), where=where or None,
    )  # fmt: skip


def _property(typed: Typed, event: str, at: int) -> tuple[str, Any] | None:
    name, text = typed.text(f"property{at}"), typed.text(f"value{at}")
    if not name:
        return None
    if not text:
        typed.errors[f"value{at}"] = _("Fill this in.")
    known = event_names().get(event)
    kind = typed.text(f"type{at}") or (known.properties.get(name, "text") if known else "text")
    if kind == "yes":
        return name, text.lower() in {"true", "yes", "1", _("yes")}
    return (name, typed.number(f"value{at}", FREE)) if kind == "number" else (name, text)


def _order(typed: Typed) -> dict[str, Any]:
    origin = [code for code in typed.values.get("origin", []) if code in ORIGINS]
    return {"order": typed.needed("order"), "did": typed.yes("did")} | _traits(typed) | _given(
        at_least=typed.whole("at_least", high=100_000), within_days=typed.whole("within_days", high=3_650), origin=origin
    )  # fmt: skip


def _traits(typed: Typed) -> dict[str, Any]:
    return _given(**{name: typed.whole(name, high=5) if name == "grade_at_least" else typed.text(name) for name in FUND_TRAITS})


def _holding(typed: Typed) -> dict[str, Any]:
    traits = _traits(typed)
    if not traits and not typed.errors:
        typed.errors["asset_class"] = _("Say which funds: fill in at least one of these.")
    return {"holding": traits, "is": typed.yes("is"), "ever": typed.text("ever") == YES}


def _message(typed: Typed) -> dict[str, Any]:
    return {"message": typed.needed("message"), "did": typed.yes("did")} | _given(
        within_days=typed.whole("within_days", high=3_650), campaign=typed.whole("campaign", high=2**40)
    )


def _one_of(control: str) -> Callable[[Typed], dict[str, Any]]:
    def read(typed: Typed) -> dict[str, Any]:
        typed.needed(control)
        return {control: typed.whole(control, high=2**40), "is_in": typed.yes("is_in")}

    return read


def _resembles(typed: Typed) -> dict[str, Any]:
    typed.needed("resembles")
    nearest, share = typed.whole("nearest", high=MOST_NEAREST), typed.number("nearest_share", "fraction")
    if share is not None and not 0.0001 <= share <= MOST_SHARE:
        typed.errors["nearest_share"] = _("Write a share up to %(most)s.") % {"most": f"{MOST_SHARE:.0%}"}
    elif not typed.errors and (nearest is None) == (share is None):
        typed.errors["nearest"] = _("Fill in one of the two.")
    return {"resembles": typed.whole("resembles", high=2**40), "is_in": typed.yes("is_in")} | _given(nearest=nearest, nearest_share=share)


def _next_action(typed: Typed) -> dict[str, Any]:
    chosen = [code for code in typed.values.get("next_action", []) if code]
    if not chosen:
        typed.errors["next_action"] = _("Choose at least one.")
    return {"next_action": chosen, "is_in": typed.yes("is_in")}


def _bucket(typed: Typed) -> dict[str, Any]:
    start, below = typed.whole("from", low=0, high=9_999), typed.whole("below", high=10_000)
    if below is None:
        typed.errors.setdefault("below", _("Fill this in."))
    elif below <= (start or 0):
        typed.errors["below"] = _("This must be more than the first bucket.")
    return {"bucket": typed.needed("bucket"), "from": start or 0, "below": below}


def _other(typed: Typed) -> dict[str, Any]:
    """A condition that the builder does not know is kept as it was stored, so that it is seen and can be removed."""
    try:
        found = json.loads(typed.text("json"))
    except ValueError as error:
        raise Unread({"json": _("This condition cannot be read: remove it.")}) from error
    return found if isinstance(found, dict) else {}


_READ: dict[str, Callable[[Typed], dict[str, Any]]] = {
    "number": _number,
    "values": _values,
    "flag": lambda typed: {"field": typed.name, "is": typed.yes("is")},
    "days": _days,
    "ratio": _ratio,
    "event": _event,
    "order": _order,
    "holding": _holding,
    "message": _message,
    "campaign": _one_of("campaign"),
    "segment": _one_of("segment"),
    "resembles": _resembles,
    "next_action": _next_action,
    "tag": lambda typed: {"tag": typed.needed("tag"), "is": typed.yes("is")},
    "consent": lambda typed: {"field": "consent", "purpose": typed.needed("purpose"), "is": typed.yes("is")},
    "bucket": _bucket,
    "other": _other,
}


FIRST: dict[str, Values] = {
    "order": {"order": ["any"]},
    "message": {"message": ["opened"]},
    "consent": {"purpose": ["marketing"]},
    "bucket": {"from": ["0"]},
}


def typed_at_first(kind: str) -> Values:
    """What the controls of a new condition hold before anything is typed."""
    return dict(FIRST.get(kind, {}))


def typed_of(condition: dict[str, Any]) -> tuple[str, Values]:
    """A stored condition as the kind and the typed text of its controls."""
    kind = next((kind for kind in KINDS if kind in condition), "")
    if not kind and "field" in condition:
        kind = "consent" if condition["field"] == "consent" else f"field:{condition['field']}"
    form = form_of(kind)
    if form == "other" or (kind.startswith("field:") and not _is_shown(form, condition)):
        return "other", {"json": [json.dumps(condition, ensure_ascii=False)]}
    values = {name: _texts(value) for name, value in condition.items() if name not in {"field", "ratio", "where", "holding"}}
    if form in {"number", "ratio"}:
        field = profile_fields().get(condition.get("field", ""))
        values = {name: [_number_text(condition[name], field)] for name in ("at_least", "below") if name in condition}
    if "nearest_share" in condition:
        values["nearest_share"] = [f"{(Decimal(repr(condition['nearest_share'])) * 100).normalize():f}"]
    if form == "ratio":
        values |= {"upper": [condition["ratio"][0]], "lower": [condition["ratio"][1]]}
    if form == "values":
        values = _typed_values(condition)
    if form == "holding":
        values |= {name: _texts(value) for name, value in condition["holding"].items()} | {"ever": [YES if condition.get("ever") else NO]}
    if form == "event":
        values |= _typed_event(condition)
    return kind, values


SHOWN = {
    "number": {"at_least", "below"},
    "values": {"is"},
    "flag": {"is"},
    "days": {"days_ago_at_least", "days_ago_below", "in_days_below"},
}


def _is_shown(form: str, condition: dict[str, Any]) -> bool:
    return bool(SHOWN[form] & set(condition)) and (form == "flag") is isinstance(condition.get("is"), bool)


def _texts(value: Any) -> list[str]:
    if isinstance(value, list):
        return [str(one) for one in value]
    return [YES if value is True else NO if value is False else str(value)]


def _typed_values(condition: dict[str, Any]) -> Values:
    field = profile_fields()[condition["field"]]
    names = {str(code) for code in value_names(field)} | {"-", *(field.values if isinstance(field.values, list) else ())}
    codes = ["-" if value in (None, "") else str(value) for value in condition["is"]]
    others = [code for code in codes if code not in names]
    return {"is": [code for code in codes if code in names]} | ({"others": [", ".join(others)]} if others else {})


def _typed_event(condition: dict[str, Any]) -> Values:
    values: Values = (
        {"event": [condition["event"]]} if condition["event"] in event_names() else {"event": [""], "other": [condition["event"]]}
    )
    if "last_before_days" in condition:
        values |= {"did": ["before"], "within_days": [str(condition["last_before_days"])]}
    for at, (key, value) in enumerate(condition.get("where", {}).items(), 1):
        kind = "yes" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"
        values |= {f"property{at}": [key], f"value{at}": [str(value).lower() if kind == "yes" else str(value)], f"type{at}": [kind]}
    return values


def _number_text(value: int | float, field: ProfileField | None) -> str:
    if field is not None and field.kind in {"money", "signed_money"}:
        return f"{from_minor(int(value)):f}".removesuffix(".00")
    if field is not None and field.kind in {"fraction", "signed_fraction"}:
        return f"{(Decimal(repr(value)) * 100).normalize():f}"
    return f"{Decimal(repr(value)):f}"
