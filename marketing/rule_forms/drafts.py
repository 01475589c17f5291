"""A rule being written: a tree whose conditions hold what was typed, whether it can be read or not.

In the form, node k has its kind in kind-k, the group that it stands in in in-k, and what was typed in <control>-k.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.http import QueryDict

from marketing.kernels.conditions import JOINTS
from marketing.kernels.segments import parse_rule
from marketing.rule_forms.reading import Unread, condition_of, typed_of

MAX_NODES = 120  # of a form: somewhat more than a rule may have, so that it can be said that there are too many
MAX_NESTED = 12


@dataclass
class Draft:
    """A group or condition as it stands on the page. `kind` is a joint, field:<name>, or another kind of condition."""

    key: str
    kind: str
    values: dict[str, list[str]] = field(default_factory=dict)
    nodes: list["Draft"] = field(default_factory=list)
    errors: dict[str, str] = field(default_factory=dict)

    @property
    def is_group(self) -> bool:
        return self.kind in JOINTS

    def all(self) -> Iterator["Draft"]:
        """This node and everything below it, in the order of the page."""
        yield self
        for node in self.nodes:
            yield from node.all()

    @property
    def next_key(self) -> str:
        return str(1 + max(int(node.key) for node in self.all()))


def empty_draft() -> Draft:
    return Draft("0", "all")


def draft_of_form(data: QueryDict) -> Draft:
    """Read the page back as it was sent; whatever a stranger sends, a tree comes out."""
    keys = [name.removeprefix("kind-") for name in data if name.startswith("kind-")][:MAX_NODES]
    made = {key: Draft(key, str(data[f"kind-{key}"])[:100]) for key in keys if key.isascii() and key.isdecimal() and len(key) < 6}
    root = made.get("0")
    if root is None or not root.is_group:
        return empty_draft()
    for name in data:
        control, _, key = name.rpartition("-")
        if control and key in made and control not in {"kind", "in", "new"}:
            made[key].values[control] = [text.replace("\0", "")[:500] for text in data.getlist(f"{control}-{key}")[:100]]
    depth = {"0": 0}
    for key, node in made.items():
        parent = made.get(data.get(f"in-{key}", "")[:6])
        # A parent stands before its children, so that no ring can be sent.
        if key != "0" and parent is not None and parent.is_group and parent.key in depth and depth[parent.key] < MAX_NESTED:
            parent.nodes.append(node)
            depth[key] = depth[parent.key] + 1
    return root


def draft_of_rule(data: Any) -> Draft:
    """A stored or linked rule as it stands in the form. Raises RuleError where it cannot be read at all."""
    rule = parse_rule(data).as_json()["rule"]
    root = Draft("0", "all")
    if any(joint in rule for joint in JOINTS):
        _fill(root, rule, root)
    else:
        _fill(root, {"all": [rule]}, root)
    return root


def _fill(node: Draft, group: dict[str, Any], root: Draft) -> None:
    node.kind = next(joint for joint in JOINTS if joint in group)
    for one in group[node.kind]:
        if any(joint in one for joint in JOINTS):
            child = Draft(root.next_key, "all")
            node.nodes.append(child)
            _fill(child, one, root)
        else:
            kind, values = typed_of(one)
            node.nodes.append(Draft(root.next_key, kind, values))


def rule_of_draft(root: Draft) -> str | None:
    """The rule as JSON text; None, with what is wrong noted beside each control, where something was not understood."""
    rule = _read(root)
    return None if any(node.errors for node in root.all()) else json.dumps({"version": 1, "rule": rule}, ensure_ascii=False)


def complete_part(root: Draft) -> tuple[dict[str, Any] | None, int]:
    """The rule of those conditions that can be read, and how many cannot: what a preview counts while somebody types."""
    rule = _read(root)
    return (None if rule is None else {"version": 1, "rule": rule}), sum(bool(node.errors) for node in root.all())


def _read(node: Draft) -> dict[str, Any] | None:
    node.errors = {}
    if node.is_group:
        inside = [read for child in node.nodes if (read := _read(child)) is not None]
        return {node.kind: inside} if inside else None
    try:
        return condition_of(node.kind, node.values)
    except Unread as problem:
        node.errors = problem.errors
        return None
