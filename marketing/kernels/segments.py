"""The rule of a segment or a tag as typed data: conditions joined by all, any and not. What it means in SQL is elsewhere.

A rule is {"version": 1, "rule": node}. A node is {"all": [nodes]}, {"any": [nodes]}, {"not": [nodes]} (none of them),
or a condition (marketing.kernels.conditions), known by its key: field, ratio, tag, event, order, holding, message,
campaign, segment, resembles, next_action, bucket.
"""

import hashlib
import json
from collections.abc import Collection, Iterator
from typing import Any, Literal

from pydantic import ValidationError

from marketing.kernels.conditions import (
    N_BUCKETS,
    All,
    AnyOf,
    Condition,
    FieldDays,
    FieldFlag,
    FieldInfo,
    FieldIs,
    FieldRange,
    Fields,
    Group,
    InSegment,
    Node,
    Part,
    Ratio,
    Resembles,
)

MAX_DEPTH = 5
MAX_CONDITIONS = 50
FROZEN_LIMITS = (40, 1_000)  # of a rule with the segments it names written out
FACT_KINDS = frozenset({"event", "order", "holding", "message", "campaign", "consent"})
SEGMENT_KINDS = FACT_KINDS | {"field", "ratio", "tag", "segment", "look_alike", "next_action", "bucket"}
TAG_KINDS = frozenset({"field", "ratio", "tag", "bucket"})
PRIME = 2**31 - 1
STATES = ("new", "active", "calm", "cooling", "dormant", "lost")
NUMBERS = {  # kind: smallest, largest value, whole numbers only
    "fraction": (0, 1, False),
    "signed_fraction": (-1_000, 1_000, False),
    "number": (0, 10**15, False),
    "count": (0, 10**15, True),
    "money": (0, 10**15, True),
    "signed_money": (-(10**15), 10**15, True),
    "grade": (1, 6, True),
    "hour": (0, 24, True),
}


class RuleError(ValueError):
    """The rule cannot be used: `code` says why, `where` names the place in it, `name` what is written there.

    not_json, too_deep, too_long, not_valid: it cannot be read. unknown_condition, unknown_field, wrong_condition (the
    field is of another kind), wrong_value, not_allowed (a kind that may not stand here), restricted: it is read and
    names what it may not. Selectors add unknown_tag, unknown_segment, unknown_campaign, cycle and small_seed.
    """

    def __init__(self, code: str, where: str = "", name: str = "") -> None:
        super().__init__(" ".join(filter(None, (code, where, name))))
        self.code, self.where, self.name = code, where, name


class Rule(Part):
    version: Literal[1]
    rule: Node

    def as_json(self) -> dict[str, Any]:
        """Return plain data that reads back to an equal rule: only what was set, and never an empty bound."""
        data: dict[str, Any] = self.model_dump(by_alias=True, exclude_unset=True)
        return {"version": 1, "rule": _without_empty(data["rule"])}


def _without_empty(node: dict[str, Any]) -> dict[str, Any]:
    for joint in ("all", "any", "not"):
        if joint in node:
            return {joint: [_without_empty(child) for child in node[joint]]}
    return {name: _without_empty(value) if name == "holding" else value for name, value in node.items() if value is not None}


def parse_rule(data: Any, *, limits: tuple[int, int] = (MAX_DEPTH, MAX_CONDITIONS)) -> Rule:
    """Read parsed JSON, or JSON text, into a rule, whatever fields it names; `limits` are of depth and of conditions.

    Raises RuleError: not_json, too_deep, too_long, unknown_condition, or not_valid with the place.
    """
    if isinstance(data, str | bytes):
        try:
            data = json.loads(data, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:  # also NaN, and a number of thousands of digits
            raise RuleError("not_json") from error
    if _depth(data, 4 * limits[0] + 4) > 4 * limits[0] + 4:
        raise RuleError("too_deep")
    try:
        rule = Rule.model_validate(_renamed(data))
    except ValidationError as error:
        raise _error_of(error) from error
    if sum(1 for _ in conditions(rule.rule)) > limits[1]:
        raise RuleError("too_long")
    if _levels(rule.rule) > limits[0]:
        raise RuleError("too_deep")
    return rule


def read_rule(data: Any, fields: Fields, *, kinds: Collection[str] = SEGMENT_KINDS) -> Rule:
    """Read a rule whose every condition can be used: fields known and fitting, kinds allowed (TAG_KINDS for a tag's rule).

    Raises RuleError with the first thing that is wrong and its place.
    """
    rule = parse_rule(data)
    for problem in problems(rule, fields, kinds=kinds):
        raise problem
    return rule


def problems(rule: Rule, fields: Fields, *, kinds: Collection[str] = SEGMENT_KINDS) -> Iterator[RuleError]:
    """Yield what keeps a rule that can be read from being used, each with its place."""
    for where, one in placed_conditions(rule.rule):
        if one.kind not in kinds:
            yield RuleError("not_allowed", where, one.kind)
        elif isinstance(one, Ratio):
            for name in one.ratio:
                if name not in fields:
                    yield RuleError("unknown_field", where, name)
                elif fields[name].kind not in NUMBERS:
                    yield RuleError("wrong_condition", where, name)
        elif isinstance(one, FieldRange | FieldIs | FieldFlag | FieldDays):
            if one.field not in fields:
                yield RuleError("unknown_field", where, one.field)
            elif code := _misfit(one, fields[one.field]):
                yield RuleError(code, where, one.field)


def _misfit(one: FieldRange | FieldIs | FieldFlag | FieldDays, field: FieldInfo) -> str:
    if isinstance(one, FieldRange):
        if field.kind not in NUMBERS:
            return "wrong_condition"
        low, high, is_whole = NUMBERS[field.kind]
        given = [bound for bound in (one.at_least, one.below) if bound is not None]
        return "" if all(low <= bound <= high and not (is_whole and isinstance(bound, float)) for bound in given) else "wrong_value"
    if isinstance(one, FieldFlag):
        return "" if field.kind == "bool" else "wrong_condition"
    if isinstance(one, FieldDays):
        return "" if field.kind == "date" else "wrong_condition"
    if field.kind == "level":
        return "" if all(value is None or value in range(6) for value in one.values) else "wrong_value"
    if field.kind != "category":
        return "wrong_condition"
    known = STATES if field.values == "dormancy" else field.values
    named = [value for value in one.values if value not in ("", None)]
    return "" if all(isinstance(value, str) and (isinstance(known, str) or value in (known or ())) for value in named) else "wrong_value"


def sensitivity_of(one: Condition, fields: Fields) -> str:
    """The strictest sensitivity that a condition reads: plain, profiling or restricted. A tag's own is not known here."""
    if one.kind in {"event", "look_alike", "next_action"}:
        return "profiling"
    names = one.ratio if isinstance(one, Ratio) else [one.field] if one.kind == "field" else []  # type: ignore[union-attr]
    found = {fields[name].sensitivity for name in names if name in fields}
    return next((level for level in ("restricted", "profiling") if level in found), "plain")


def conditions(node: Node) -> Iterator[Condition]:
    """Yield every condition at or below a node."""
    for _, one in placed_conditions(node):
        yield one


def segment_named(one: Condition) -> int | None:
    """The segment that a condition rests on: that it asks to be in, or whose people it asks to resemble."""
    return one.segment if isinstance(one, InSegment) else one.resembles if isinstance(one, Resembles) else None


def segments_named(node: Node) -> set[int]:
    """Every segment that a rule rests on at first hand."""
    return {pk for one in conditions(node) if (pk := segment_named(one)) is not None}


def placed_conditions(node: Node, where: str = "rule") -> Iterator[tuple[str, Condition]]:
    """Yield every condition at or below a node with its place, as the writer of the rule spells it."""
    if isinstance(node, Group):
        joint = "all" if isinstance(node, All) else "any" if isinstance(node, AnyOf) else "not"
        for at, child in enumerate(node.nodes):
            yield from placed_conditions(child, f"{where}.{joint}.{at}")
    else:
        yield where, node


def rule_schema(fields: Fields | None = None) -> dict[str, Any]:
    """JSON schema of a rule; with the fields, their names are listed where a field may stand."""
    schema = Rule.model_json_schema(by_alias=True)
    if fields is not None:
        for part in ("FieldRange", "FieldIs", "FieldFlag", "FieldDays"):
            fitting = [name for name, field in fields.items() if _takes(part, field.kind)]
            schema["$defs"][part]["properties"]["field"] = {"enum": fitting, "title": "Field", "type": "string"}
    return schema


def _takes(part: str, kind: str) -> bool:
    wanted = {"FieldRange": set(NUMBERS), "FieldIs": {"category", "level"}, "FieldFlag": {"bool"}, "FieldDays": {"date"}}
    return kind in wanted[part]


def bucket_factors(salt: str) -> tuple[int, int]:
    """Multiplier and offset (both below 2**31 - 1) with which a salt deals seeds into buckets.

    bucket = (seed * multiplier + offset) % (2**31 - 1) % 10,000: whole numbers below 2**62, the same in SQL and numpy.
    A Carter-Wegman hash: for two different seeds, over random salts, the chance to meet is 1 in 10,000.
    """
    digest = hashlib.sha256(salt.encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % (PRIME - 1), int.from_bytes(digest[8:16], "big") % PRIME


def bucket_of(seed: int, salt: str) -> int:
    """The bucket, 0 to 9,999, of a person's seed (0 to 2**31 - 1) under a salt."""
    multiplier, offset = bucket_factors(salt)
    return (seed * multiplier + offset) % PRIME % N_BUCKETS


def _levels(node: Node) -> int:
    return 1 + max(map(_levels, node.nodes)) if isinstance(node, Group) else 0


def _depth(data: Any, limit: int) -> int:
    """Depth of nesting of JSON, counted without recursion and not beyond the limit: the data is a stranger's.

    A group is a dict and a list; a condition may hold two more."""
    deepest, waiting = 0, [(data, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > limit:
            return depth
        deepest = max(deepest, depth)
        if isinstance(value, dict | list):
            waiting += [(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value)]
    return deepest


def _renamed(data: Any) -> Any:
    """Spell conditions of earlier versions as they are spelt now; everything else as it is."""
    if isinstance(data, list):
        return [_renamed(child) for child in data]
    if not isinstance(data, dict):
        return data
    if data.get("field") == "last_visit_days":
        new = {"at_least": "days_ago_at_least", "below": "days_ago_below"}
        return {new.get(name, name): value for name, value in data.items()} | {"field": "last_visit_at"}
    return {name: _renamed(value) if name in {"rule", "all", "any", "not"} else value for name, value in data.items()}


def _refuse_constant(text: str) -> Any:
    raise ValueError(text)


def _error_of(error: ValidationError) -> RuleError:
    """The deepest complaint, with its place as the writer of the rule spells it."""
    deepest = max(error.errors(include_url=False, include_input=False), key=lambda one: len(one["loc"]))
    where = ".".join(str(step) for step in deepest["loc"] if not str(step).startswith(("@", "function-", "constrained-")))
    code = "unknown_condition" if deepest["type"].startswith("union_tag") else "not_valid"
    return RuleError(code, where)
