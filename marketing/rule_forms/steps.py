"""What the buttons of the builder do to a rule being written: add, remove, and move through the page like lines of an outline."""

from marketing.kernels.conditions import JOINTS
from marketing.rule_forms.drafts import MAX_NODES, Draft
from marketing.rule_forms.reading import is_kind, typed_at_first


def take_step(root: Draft, step: str, chosen: str) -> str:
    """Do what a button says ("add:3", "remove:5", "up:5", "down:5"); returns the key of the node to go on from, "" for none.

    `chosen` is the kind to be added. A step that does not fit the tree changes nothing.
    """
    name, _, key = step.partition(":")
    if name == "add":
        return _add(root, key, chosen)
    found = next(((group, node) for group in root.all() for node in group.nodes if node.key == key), None)
    if found is None:
        return ""
    group, node = found
    if name == "remove":
        group.nodes.remove(node)
        return group.key
    if name in {"up", "down"}:
        _move(root, group, node, -1 if name == "up" else 1)
        return node.key
    return ""


def _add(root: Draft, key: str, kind: str) -> str:
    group = next((node for node in root.all() if node.key == key and node.is_group), None)
    if group is None or not (kind in JOINTS or is_kind(kind)) or sum(1 for _ in root.all()) >= MAX_NODES:
        return ""
    group.nodes.append(Draft(root.next_key, kind, {} if kind in JOINTS else typed_at_first(kind)))
    return group.nodes[-1].key


def _move(root: Draft, group: Draft, node: Draft, by: int) -> None:
    """Past the neighbour; into it where it is a group; at the edge of a group out of it."""
    at = group.nodes.index(node)
    neighbour = at + by
    if 0 <= neighbour < len(group.nodes):
        other = group.nodes[neighbour]
        group.nodes.pop(at)
        if other.is_group:
            other.nodes.insert(0 if by > 0 else len(other.nodes), node)
        else:
            group.nodes.insert(neighbour, node)
        return
    outer = next((one for one in root.all() if group in one.nodes), None)
    if outer is not None:
        group.nodes.pop(at)
        outer.nodes.insert(outer.nodes.index(group) + (1 if by > 0 else 0), node)
