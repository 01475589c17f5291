"""Yes/no tags of many people at once: rules (marketing.kernels.segments) over columns of profiles, in numpy.

Every condition is true or false, never unknown, and means what a segment's SQL means by it:

    value            at_least / below    is [codes]            is true / false    days ago at least    days ago below    in days below
    unknown          false               only if "" or null    –                  true (longest ago)   false             false
    ratio, divisor 0 or either unknown   false

"all", "any" and "not" (none of them) join what is true or false; so "not" of a comparison with an unknown value is true.
What rests on a field that needs consent to profiling is false for whoever has not given it, "not" or no "not".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from marketing.kernels.conditions import (
    All,
    AnyOf,
    Bucket,
    Condition,
    FieldDays,
    FieldFlag,
    FieldIs,
    FieldRange,
    Fields,
    Group,
    HasTag,
    Ratio,
)
from marketing.kernels.segments import N_BUCKETS, TAG_KINDS, Node, RuleError, bucket_factors, placed_conditions, read_rule, sensitivity_of

CONSENT = "consent_profiling"
SEED = "bucket_seed"
STRICTNESS = ("plain", "profiling", "restricted")
Bools = NDArray[np.bool_]
Step = tuple[str, Any]  # ("is", condition), ("all" | "any" | "not", slots), ("with_consent", slot)


@dataclass(frozen=True, slots=True)
class TagSource:
    """A tag as it is kept: its rule as plain data, and the sensitivity that it was given."""

    rule: Any
    sensitivity: str = "plain"


@dataclass(frozen=True, slots=True)
class Traits:
    """What a tag turns out to be from its rule and the tags that it names, all the way down."""

    fields: frozenset[str]
    tags: frozenset[str]  # those that its own rule names
    sensitivity: str
    needs_consent: bool


@dataclass(slots=True)
class Plan:
    """Tags that can be worked out: one list of steps in order, equal parts of rules once; and why the others cannot."""

    steps: list[Step] = field(default_factory=list)
    slots: dict[str, int] = field(default_factory=dict)  # of each tag's answer, by code
    traits: dict[str, Traits] = field(default_factory=dict)
    problems: dict[str, RuleError] = field(default_factory=dict)
    known: dict[Any, int] = field(default_factory=dict)

    def slot(self, key: Any, step: Step) -> int:
        if key not in self.known:
            self.known[key] = len(self.steps)
            self.steps.append(step)
        return self.known[key]


def plan_tags(sources: Mapping[str, TagSource], fields: Fields, *, needing_consent: frozenset[str] = frozenset()) -> Plan:
    """Order the tags so that each comes after those that it names, and turn their rules into steps.

    `needing_consent` are the fields that are empty without consent to profiling. No rule raises: a tag whose rule
    cannot be read, names an unknown field or tag (unknown_tag), itself by any detour (cycle), or a tag with a problem
    (broken_tag) is left out and has its RuleError in `problems`.
    """
    plan, rules = Plan(), {}
    for code, source in sources.items():
        try:
            rules[code] = read_rule(source.rule, fields, kinds=TAG_KINDS).rule
            _check_tags_known(rules[code], sources)
        except RuleError as error:
            plan.problems[code] = error
    for code in _ordered(rules, plan.problems):
        node = rules[code]
        traits = _traits_of(node, sources[code].sensitivity, fields, needing_consent, plan.traits)
        slot = _slot_of(node, plan)
        plan.slots[code] = plan.slot(("with_consent", slot), ("with_consent", slot)) if traits.needs_consent else slot
        plan.traits[code] = traits
    return plan


def _check_tags_known(node: Node, sources: Mapping[str, TagSource]) -> None:
    for where, one in placed_conditions(node):
        if isinstance(one, HasTag) and one.tag not in sources:
            raise RuleError("unknown_tag", where, one.tag)


def _ordered(rules: dict[str, Node], problems: dict[str, RuleError]) -> list[str]:
    """Codes whose tags can be worked out, in an order that works; writes the problems of the others."""
    named = {
        code: {one.tag: where for where, one in placed_conditions(rules[code]) if isinstance(one, HasTag)}
        for code in rules
        if code not in problems
    }
    users: dict[str, list[str]] = {}
    for code, tags in named.items():
        for tag in tags:
            users.setdefault(tag, []).append(code)
    waiting = {code: len(tags) for code, tags in named.items()}
    ready, order = [code for code, n in waiting.items() if not n] + list(problems), []
    while ready:
        code = ready.pop()
        if code not in problems:
            order.append(code)
        for user in users.get(code, ()):
            if code in problems and user not in problems:
                problems[user] = RuleError("broken_tag", named[user][code], code)
                ready.append(user)
            waiting[user] -= 1
            if not waiting[user] and user not in problems:
                ready.append(user)
    left = {code: tags for code, tags in named.items() if code not in problems and waiting[code]}
    on_cycle = set(left)
    while loose := {code for code in on_cycle if not any(code in left[other] for other in on_cycle)}:
        on_cycle -= loose
    for code in left:
        tag = next(tag for tag in left[code] if tag in left)
        problems[code] = RuleError("cycle" if code in on_cycle else "broken_tag", left[code][tag], tag)
    return order


def _traits_of(node: Node, given: str, fields: Fields, needing_consent: frozenset[str], known: Mapping[str, Traits]) -> Traits:
    read: set[str] = set()
    named: set[str] = set()
    levels, needs_consent = {given}, given == "profiling"
    for _, one in placed_conditions(node):
        if isinstance(one, HasTag):
            below = known[one.tag]
            named.add(one.tag)
            read |= below.fields
            levels.add(below.sensitivity)
            needs_consent |= below.needs_consent
        else:
            read |= _fields_of(one)
            levels.add(sensitivity_of(one, fields))
    needs_consent |= not needing_consent.isdisjoint(read)
    read |= {CONSENT} if needs_consent else set()
    return Traits(frozenset(read), frozenset(named), max(levels, key=STRICTNESS.index), needs_consent)


def _fields_of(one: Condition) -> set[str]:
    if isinstance(one, Ratio):
        return set(one.ratio)
    if isinstance(one, Bucket):
        return {SEED}
    return {one.field} if isinstance(one, FieldRange | FieldIs | FieldFlag | FieldDays) else set()


def _slot_of(node: Node, plan: Plan) -> int:
    if isinstance(node, Group):
        joint = "all" if isinstance(node, All) else "any" if isinstance(node, AnyOf) else "not"
        slots = tuple(sorted({_slot_of(child, plan) for child in node.nodes}))
        return slots[0] if len(slots) == 1 and joint != "not" else plan.slot((joint, slots), (joint, slots))
    if isinstance(node, HasTag):
        slot = plan.slots[node.tag]
        return slot if node.value else plan.slot(("not", (slot,)), ("not", (slot,)))
    return plan.slot((type(node).__name__, node.model_dump_json()), ("is", node))


@dataclass(slots=True)
class Program:
    """The steps that some tags of a plan need, and no others."""

    steps: list[tuple[int, Step]]
    answers: dict[str, int]
    fields: frozenset[str]


def program_for(plan: Plan, codes: Iterable[str]) -> Program:
    """Cut a plan down to what these tags need; unknown codes and those with problems are left out."""
    answers = {code: plan.slots[code] for code in codes if code in plan.slots}
    needed, waiting = set(), list(answers.values())
    while waiting:
        slot = waiting.pop()
        if slot in needed:
            continue
        needed.add(slot)
        kind, what = plan.steps[slot]
        waiting += [] if kind == "is" else [what] if kind == "with_consent" else what
    fields = frozenset().union(*(plan.traits[code].fields for code in answers))
    return Program([(slot, plan.steps[slot]) for slot in sorted(needed)], answers, fields)


class Columns:
    """Columns of n profiles by the names of their fields.

    Numbers, levels and days (as ordinals) are float64 with NaN where unknown, flags bool, categories text with "" or None
    where unknown. A field that is missing raises KeyError: the caller reads what a Program says in `fields`.
    """

    def __init__(self, arrays: Mapping[str, NDArray[Any]], n: int) -> None:
        self.arrays, self.n = arrays, n
        self._coded: dict[str, tuple[NDArray[np.intp], list[Any]]] = {}

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]

    def coded(self, name: str) -> tuple[NDArray[np.intp], list[Any]]:
        """A category as (place in the list of its values, that list); place -1 is unknown."""
        if name not in self._coded:
            codes, values = pd.factorize(self.arrays[name])
            self._coded[name] = codes, list(values)
        return self._coded[name]

    @cached_property
    def nobody(self) -> Bools:
        return np.zeros(self.n, bool)


def evaluate(program: Program, columns: Columns, today: int) -> dict[str, Bools]:
    """Work out each tag of a program: {code: (n,) bool}. `today` is the day's ordinal (date.toordinal)."""
    found: dict[int, Bools] = {}
    for slot, (kind, what) in program.steps:
        if kind == "is":
            found[slot] = _holds(what, columns, today)
        elif kind == "with_consent":
            found[slot] = found[what] & columns[CONSENT]
        else:
            parts = [found[part] for part in what]
            joined = np.logical_and.reduce(parts) if kind == "all" else np.logical_or.reduce(parts)
            found[slot] = ~joined if kind == "not" else joined
    return {code: found[slot] for code, slot in program.answers.items()}


def _holds(one: Condition, columns: Columns, today: int) -> Bools:
    if isinstance(one, FieldRange):
        return _between(columns[one.field], one.at_least, one.below)
    if isinstance(one, FieldIs):
        return _is_one_of(one, columns)
    if isinstance(one, FieldFlag):
        return columns[one.field] if one.value else ~columns[one.field]
    if isinstance(one, FieldDays):
        return _days(one, columns[one.field], today)
    if isinstance(one, Bucket):
        multiplier, offset = bucket_factors(one.bucket)
        bucket = (columns[SEED].astype(np.int64) * multiplier + offset) % (2**31 - 1) % N_BUCKETS
        return (bucket >= one.start) & (bucket < one.below)
    if not isinstance(one, Ratio):
        raise TypeError(type(one).__name__)  # TAG_KINDS lets no other kind through
    above, under = columns[one.ratio[0]], columns[one.ratio[1]]
    share = np.full(columns.n, np.nan)
    np.divide(above, under, out=share, where=under != 0)
    return _between(share, one.at_least, one.below)


def _between(values: NDArray[Any], at_least: float | None, below: float | None) -> Bools:
    if at_least is None:
        return values < below
    return values >= at_least if below is None else (values >= at_least) & (values < below)


def _is_one_of(one: FieldIs, columns: Columns) -> Bools:
    unknown = any(value in (None, "") for value in one.values)
    if columns[one.field].dtype.kind == "f":
        levels = columns[one.field]
        named = np.isin(levels, [value for value in one.values if isinstance(value, int)])
        return named | np.isnan(levels) if unknown else named
    codes, values = columns.coded(one.field)
    wanted = {value for value in one.values if isinstance(value, str) and value}
    hits = np.array([value in wanted or (unknown and value == "") for value in values] + [unknown])  # -1 is the last
    return hits[codes]


def _days(one: FieldDays, days: NDArray[Any], today: int) -> Bools:
    if one.in_days_below is not None:
        return (days >= today) & (days < today + one.in_days_below)
    ago = today - days
    held = np.ones(len(days), bool)
    if one.days_ago_at_least is not None:
        held &= (ago >= one.days_ago_at_least) | np.isnan(ago)
    if one.days_ago_below is not None:
        held &= ago < one.days_ago_below
    return held
