"""Simulated profiles with every field filled or unknown at random, and a thousand tags: the shipped ones and mixtures of theirs."""

from datetime import date, timedelta
from typing import Any

import numpy as np

N_TAGS = 1_000
PEOPLE_A_BLOCK = 10_000
UNKNOWN = 0.15  # share of a field's values that are unknown, where they may be
CONSENT = 0.7
SEED = 6
PREFIX = "mix"


def tag_rules(n: int = N_TAGS) -> dict[str, Any]:
    """Rules of n tags by code: the shipped ones, then groups of three conditions of theirs, a tag of an earlier code among them."""
    from marketing.catalogue.tags import shipped_tags

    rng = np.random.default_rng(SEED)
    rules: dict[str, Any] = {tag.code: tag.rule for tag in shipped_tags()}
    leaves = [leaf for rule in rules.values() for leaf in _leaves(rule) if "tag" not in leaf]
    for at in range(len(rules), n):
        picked = [leaves[place] for place in rng.choice(len(leaves), 3, replace=False)]
        if at % 3 == 0:
            picked[0] = {"tag": list(rules)[int(rng.integers(len(rules)))], "is": bool(rng.random() < 0.7)}
        joint = ("all", "any", "not")[at % 3 if at % 5 else 2]
        nested = {joint: picked} if at % 4 else {"all": [{joint: picked[:2]}, picked[2]]}
        rules[f"{PREFIX}{at}"] = nested if _depth_of_tags(nested, rules) < 40 else {joint: picked[1:]}
    return rules


def _leaves(node: dict[str, Any]) -> list[dict[str, Any]]:
    for joint in ("all", "any", "not"):
        if joint in node:
            return [leaf for child in node[joint] for leaf in _leaves(child)]
    return [node]


def _depth_of_tags(node: dict[str, Any], rules: dict[str, Any]) -> int:
    named = [leaf["tag"] for leaf in _leaves(node) if "tag" in leaf]
    return 1 + max((_depth_of_tags(rules[code], rules) for code in named), default=0)


def profile_columns(n: int, seed: int, day: date) -> dict[str, list[Any]]:
    """Every field of n profiles."""
    from marketing.catalogue import profile_fields
    from marketing.models import Profile

    rng = np.random.default_rng(seed)
    columns: dict[str, list[Any]] = {}
    for name, field in profile_fields().items():
        values = _values(field, n, rng, day)
        known = np.ones(n, bool) if name == "bucket_seed" or not Profile._meta.get_field(name).null else rng.random(n) >= UNKNOWN
        columns[name] = [value if is_known else None for value, is_known in zip(values, known.tolist(), strict=True)]
    columns["consent_profiling"] = (rng.random(n) < CONSENT).tolist()
    return columns


def _values(field: Any, n: int, rng: np.random.Generator, day: date) -> list[Any]:
    from django.db.models import DateTimeField

    from marketing.catalogue.events import channels, sources, themes
    from marketing.kernels.segments import STATES
    from marketing.models import Profile

    if field.kind == "bool":
        return (rng.random(n) < 0.3).tolist()
    if field.kind == "date":
        at = " 04:00:00" if isinstance(Profile._meta.get_field(field.name), DateTimeField) else ""
        return [f"{day - timedelta(days=int(ago))}{at}" for ago in rng.integers(-400, 1500, n)]
    if field.kind == "category":
        known = {"top_theme": [*themes()], "acquisition_source": [*sources()], "visit_channel": [*channels()], "dormancy": [*STATES]}
        listed = known.get(field.name) or (
            field.values if isinstance(field.values, list) else ["a", "b", "index", "qdii", "inbox", "email"]
        )
        values = listed if field.name == "dormancy" else [*listed, ""]
        return [values[place] for place in rng.integers(0, len(values), n).tolist()]
    if field.kind in {"money", "signed_money"}:
        amounts = np.round(np.exp(rng.normal(12, 4, n))).clip(0, 10**12).astype(np.int64) * (rng.random(n) < 0.8)
        return (amounts * np.where((rng.random(n) < 0.4) & (field.kind == "signed_money"), -1, 1)).tolist()
    if field.kind == "number":
        return np.round(np.exp(rng.normal(2, 2, n)), 4).tolist()
    if field.kind in {"fraction", "signed_fraction"}:
        return np.round(rng.uniform(-1 if field.kind == "signed_fraction" else 0, 1, n), 4).tolist()
    if field.name == "bucket_seed":
        return rng.integers(0, 2**31 - 1, n).tolist()
    highest = {"level": (0, 6), "grade": (1, 6), "hour": (0, 24)}.get(field.kind, (0, 30))
    return rng.integers(*highest, n).tolist()


def write_people(n: int, day: date) -> None:
    """Investors with their profiles, in bulk."""
    from advisor.models import Branch, Household, Investor
    from demo.services.rows import Rows, next_keys
    from identity.models import User
    from marketing.models import Profile

    household = Household.objects.create(name="Simulated", branch=Branch.objects.create(name="Simulated"))
    for first in range(0, n, PEOPLE_A_BLOCK):
        size = min(PEOPLE_A_BLOCK, n - first)
        users, investors = next_keys(User, size), next_keys(Investor, size)
        numbers, at = range(first, first + size), np.full(size, np.datetime64(day.isoformat(), "s"))
        rows = Rows()
        rows.add(User, size, id=users, email=[f"t{k}@example.com" for k in numbers], password="!", date_joined=at)
        people = {"user_id": users, "household_id": household.pk, "pseudonym": [f"T{k}" for k in numbers], "joined_at": at}
        rows.add(Investor, size, id=investors, **people)
        rows.add(Profile, size, investor_id=investors, version=1, refreshed_at=at, **profile_columns(size, SEED + first, day))
        rows.write()


def write_tags() -> None:
    """The rules as rows; the shipped ones by their own door."""
    from marketing.models import Tag
    from marketing.services import sync_tags
    from marketing.services.tags import give_places, note_traits

    sync_tags()
    mixed = {code: rule for code, rule in tag_rules().items() if code.startswith(PREFIX)}
    Tag.objects.bulk_create(
        [Tag(code=code, name_zh=code, name_en=code, group="own", rule={"version": 1, "rule": rule}) for code, rule in mixed.items()]
    )
    note_traits()
    give_places()
