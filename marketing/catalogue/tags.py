"""The tags that come with the product, as validated data of tags.yaml: groups, tags, and families made from what is sold."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from django.utils.text import slugify
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict, Field

from marketing.catalogue import Sensitivity, profile_fields
from marketing.catalogue.events import sources, themes

CODE = r"^[a-z][a-z0-9_]{1,59}$"
BEHAVIOUR = "behaviour"  # readings of this source are taken back with the consent to profiling, whatever the field's sensitivity
DORMANCY = "dormancy"
# Written after the profile's own build, every night for everybody: a row of an old version may carry new values.
REVALUED = frozenset({"value_365d_minor"})


class Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TagGroup(Entry):
    code: str = Field(pattern=CODE)
    name_zh: str
    name_en: str
    priority: int = Field(ge=1)
    owner: str = "marketing"

    @property
    def label(self) -> str:
        return self.name_zh if (get_language() or "zh").startswith("zh") else self.name_en


class ShippedTag(Entry):
    code: str = Field(pattern=CODE)
    name_zh: str = Field(min_length=1, max_length=60)
    name_en: str = Field(min_length=1, max_length=80)
    meaning_zh: str = Field(default="", max_length=300)
    meaning_en: str = Field(default="", max_length=300)
    group: str
    rule: dict[str, Any]
    refresh: str = "nightly"
    owner: str = ""  # the group's, if left out
    sensitivity: Sensitivity = "plain"
    priority: int | None = None


class Family(Entry):
    """Tags that differ in one value of a field, a value each."""

    code: str = Field(pattern=CODE)
    values: Literal["themes", "companies", "sources"]
    field: str
    group: str
    name_zh: str
    name_en: str


class Catalogue(Entry):
    groups: list[TagGroup]
    families: list[Family] = []
    tags: list[ShippedTag]


@cache
def catalogue() -> Catalogue:
    """The whole of tags.yaml."""
    return Catalogue.model_validate(yaml.safe_load(Path(__file__).with_name("tags.yaml").read_text(encoding="utf-8")))


def tag_groups() -> dict[str, TagGroup]:
    """Groups of tags by their codes, in the order in which people read them."""
    return {group.code: group for group in catalogue().groups}


def tags_of_family(family: Family, values: Mapping[str, tuple[str, str]]) -> list[ShippedTag]:
    """One tag a value, given with its Chinese and English words. A value that no code can spell goes in by its checksum."""
    found = []
    for value, (zh, en) in values.items():
        spelt = slugify(value).replace("-", "_")
        told = spelt if spelt == value.replace("-", "_") else f"{spelt[:30]}_{hashlib.sha256(value.encode()).hexdigest()[:6]}".strip("_")
        words: dict[str, Any] = {"name_zh": family.name_zh.format(zh=zh)[:60], "name_en": family.name_en.format(en=en)[:80]}
        rule = {"field": family.field, "is": [value]}
        found.append(ShippedTag(code=f"{family.code}_{told}"[:60], group=family.group, rule=rule, **words))
    return found


def family_values(family: Family, companies: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The values of a family with their words; companies are what the deployment sells."""
    if family.values == "companies":
        return {name: (name, name) for name in companies}
    named = themes() if family.values == "themes" else sources()
    return {code: (one.zh, one.en) for code, one in named.items()}


def shipped_tags(companies: Iterable[str] = ()) -> list[ShippedTag]:
    """Every tag that comes with the product, each with its owner and priority."""
    groups, known = tag_groups(), list(companies)
    tags = [*catalogue().tags, *(tag for family in catalogue().families for tag in tags_of_family(family, family_values(family, known)))]
    return [
        tag.model_copy(update={"owner": tag.owner or groups[tag.group].owner, "priority": tag.priority or groups[tag.group].priority})
        for tag in tags
    ]


def needing_consent() -> frozenset[str]:
    """Fields of a profile that are empty without consent to profiling."""
    return frozenset(name for name, one in profile_fields().items() if one.sensitivity == "profiling" or one.source == BEHAVIOUR)


def moving_fields() -> frozenset[str]:
    """Fields whose conditions may turn while the row's version stays: days go by, and activity is read after the profile."""
    return REVALUED | {name for name, one in profile_fields().items() if one.kind == "date" or one.source == DORMANCY}
