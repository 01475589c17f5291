"""The meaning of tags one person at a time, from the plain JSON of their rules: slow, short, and the judge of the fast way."""

import hashlib
from datetime import date
from typing import Any


class NaiveTags:
    """Which tags a person has. `rules` is {code: node}; `sensitive` are fields that are empty without consent to profiling;
    `profiling` are codes of tags that were declared to need it."""

    def __init__(self, rules: dict[str, Any], sensitive: frozenset[str], profiling: frozenset[str] = frozenset()) -> None:
        self.rules, self.sensitive, self.profiling = rules, sensitive, profiling
        self.needing: dict[str, bool] = {}

    def holds(self, code: str, person: dict[str, Any], today: date) -> bool:
        if self.needs_consent(code) and not person["consent_profiling"]:
            return False
        return self.is_true(self.rules[code], person, today)

    def needs_consent(self, code: str) -> bool:
        if code not in self.needing:
            self.needing[code] = code in self.profiling or self._reads_sensitive(self.rules[code])
        return self.needing[code]

    def _reads_sensitive(self, node: dict[str, Any]) -> bool:
        for joint in ("all", "any", "not"):
            if joint in node:
                return any(self._reads_sensitive(child) for child in node[joint])
        if "tag" in node:
            return self.needs_consent(node["tag"])
        return any(name in self.sensitive for name in node.get("ratio", [node.get("field")]))

    def is_true(self, node: dict[str, Any], person: dict[str, Any], today: date) -> bool:
        if "all" in node:
            return all(self.is_true(child, person, today) for child in node["all"])
        if "any" in node:
            return any(self.is_true(child, person, today) for child in node["any"])
        if "not" in node:
            return not any(self.is_true(child, person, today) for child in node["not"])
        if "tag" in node:
            return self.holds(node["tag"], person, today) is node["is"]
        if "ratio" in node:
            above, below = (person[name] for name in node["ratio"])
            return above is not None and below not in (None, 0) and in_range(above / below, node)
        if "bucket" in node:
            return node.get("from", 0) <= bucket(person["bucket_seed"], node["bucket"]) < node["below"]
        return is_field_true(node, person[node["field"]], today)


def is_field_true(node: dict[str, Any], value: Any, today: date) -> bool:
    if "is" in node:
        if isinstance(node["is"], bool):
            return value is node["is"]
        wanted = ["" if one is None else one for one in node["is"]]
        return ("" if value is None else value) in wanted
    if "in_days_below" in node:
        return value is not None and 0 <= (value - today).days < node["in_days_below"]
    if "days_ago_at_least" in node or "days_ago_below" in node:
        if value is None:  # longest ago
            return "days_ago_below" not in node
        ago = (today - value).days
        return node.get("days_ago_at_least", ago) <= ago < node.get("days_ago_below", ago + 1)
    return value is not None and in_range(value, node)


def in_range(value: float, node: dict[str, Any]) -> bool:
    return ("at_least" not in node or value >= node["at_least"]) and ("below" not in node or value < node["below"])


def bucket(seed: int, salt: str) -> int:
    digest = hashlib.sha256(salt.encode()).digest()
    prime = 2**31 - 1
    multiplier, offset = 1 + int.from_bytes(digest[:8], "big") % (prime - 1), int.from_bytes(digest[8:16], "big") % prime
    return (seed * multiplier + offset) % prime % 10_000
