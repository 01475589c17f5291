"""The rule of a segment as typed data: conditions joined by all, any and not. What it means in SQL is elsewhere.

A rule is {"version": 1, "rule": node}. A node is {"all": [nodes]}, {"any": [nodes]}, {"not": [nodes]} (none of them),
or a condition named by its field. Money is in minor units, lengths of time in whole days.
"""

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

MAX_DEPTH = 5
MAX_CONDITIONS = 50
State = Literal["new", "active", "calm", "cooling", "dormant", "lost"]


class RuleError(ValueError):
    """The rule cannot be read: `code` says why, `where` names the place in it."""

    def __init__(self, code: str, where: str = "") -> None:
        super().__init__(f"{code} {where}".strip())
        self.code, self.where = code, where


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, populate_by_name=True)


class DormancyIs(Part):
    field: Literal["dormancy"] = "dormancy"
    values: list[State] = Field(alias="is", min_length=1)


class LevelIs(Part):
    """Levels as numbers, 0 for C1-min; null means that no assessment has been done."""

    field: Literal["level"] = "level"
    values: list[Annotated[int, Field(ge=0, le=5)] | None] = Field(alias="is", min_length=1)


class Range(Part):
    """At least this much and below that; one of the two must be given."""

    at_least: Annotated[int, Field(ge=0, le=10**15)] | None = None
    below: Annotated[int, Field(ge=0, le=10**15)] | None = None

    @model_validator(mode="after")
    def has_a_bound(self) -> Self:
        if self.at_least is None and self.below is None:
            raise ValueError("needs at_least or below")
        if self.at_least is not None and self.below is not None and self.below <= self.at_least:
            raise ValueError("below must be more than at_least")
        return self


class Money(Range):
    field: Literal["assets_minor", "idle_cash_minor"]


class LastVisit(Range):
    """Whole days since the last visit; somebody who never came counts as longest ago."""

    field: Literal["last_visit_days"] = "last_visit_days"
    at_least: Annotated[int, Field(ge=0, le=36_500)] | None = None
    below: Annotated[int, Field(ge=0, le=36_500)] | None = None


class Holdings(Range):
    """Number of different funds held."""

    field: Literal["n_holdings"] = "n_holdings"


class ConsentIs(Part):
    field: Literal["consent"] = "consent"
    purpose: Literal["marketing", "profiling"]
    value: bool = Field(alias="is")


Condition = Annotated[DormancyIs | LevelIs | Money | LastVisit | Holdings | ConsentIs, Field(discriminator="field")]


class All(Part):
    nodes: "list[Node]" = Field(alias="all", min_length=1)


class AnyOf(Part):
    nodes: "list[Node]" = Field(alias="any", min_length=1)


class NoneOf(Part):
    nodes: "list[Node]" = Field(alias="not", min_length=1)


Group = All | AnyOf | NoneOf
Node = All | AnyOf | NoneOf | Condition


class Rule(Part):
    version: Literal[1]
    rule: Node

    def as_json(self) -> dict[str, Any]:
        """Return plain data that reads back to an equal rule."""
        data: dict[str, Any] = self.model_dump(by_alias=True, exclude_unset=False, exclude_none=False)
        return {"version": data["version"], "rule": _without_empty_bounds(data["rule"])}


def _without_empty_bounds(node: dict[str, Any]) -> dict[str, Any]:
    for joint in ("all", "any", "not"):
        if joint in node:
            return {joint: [_without_empty_bounds(child) for child in node[joint]]}
    return {name: value for name, value in node.items() if not (value is None and name in {"at_least", "below"})}


def read_rule(data: Any) -> Rule:
    """Validate parsed JSON, or JSON text, into a rule.

    Raises RuleError: not_json, too_deep, too_long, or not_valid with the place; nothing of it may then be stored.
    """
    if isinstance(data, str):
        try:
            data = json.loads(data)
        except (ValueError, RecursionError) as error:  # also a number of thousands of digits
            raise RuleError("not_json") from error
    if _depth(data) > 4 * MAX_DEPTH:
        raise RuleError("too_deep")
    try:
        rule = Rule.model_validate(data)
    except ValidationError as error:
        raise RuleError("not_valid", _place(error)) from error
    if len(list(conditions(rule.rule))) > MAX_CONDITIONS:
        raise RuleError("too_long")
    if _levels(rule.rule) > MAX_DEPTH:
        raise RuleError("too_deep")
    return rule


def conditions(node: Node) -> Iterator[Any]:
    """Yield every condition below a node."""
    if isinstance(node, All | AnyOf | NoneOf):
        for child in node.nodes:
            yield from conditions(child)
    else:
        yield node


def _levels(node: Node) -> int:
    return 1 + max(map(_levels, node.nodes)) if isinstance(node, All | AnyOf | NoneOf) else 0


def _depth(data: Any) -> int:
    """Depth of nesting, counted without recursion: the data is a stranger's."""
    deepest, waiting = 0, [(data, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > 4 * MAX_DEPTH:
            return depth
        deepest = max(deepest, depth)
        if isinstance(value, dict | list):
            waiting += [(child, depth + 1) for child in (value.values() if isinstance(value, dict) else value)]
    return deepest


def _place(error: ValidationError) -> str:
    """The place of the deepest complaint, as the writer of the rule spells it."""
    deepest = max(error.errors(include_url=False), key=lambda one: len(one["loc"]))
    inner = {"All", "AnyOf", "NoneOf"}
    steps = [str(step) for step in deepest["loc"] if str(step) not in inner and not str(step).startswith("tagged-union")]
    return ".".join(steps)
