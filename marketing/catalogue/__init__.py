"""What marketing knows by name, as validated data: the fields of a profile here, tags, events and metrics beside them."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict

Kind = Literal[
    "category", "date", "fraction", "signed_fraction", "number", "count", "money", "signed_money", "bool", "level", "grade", "hour"
]
Sensitivity = Literal["plain", "profiling", "restricted"]


class ProfileField(BaseModel):
    """One column of marketing.models.Profile."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    kind: Kind
    zh: str
    en: str
    meaning_zh: str = ""
    meaning_en: str = ""
    source: str
    refresh: str
    sensitivity: Sensitivity
    values: list[str] | str | None = None  # a category's codes; "open": whatever the data holds; "dormancy": the states

    @property
    def label(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en

    @property
    def meaning(self) -> str:
        """How it is reckoned, where the label does not say it all."""
        return self.meaning_zh if (get_language() or "zh").startswith("zh") else self.meaning_en


class Term(BaseModel):
    """A code's name in either language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: str
    en: str

    @property
    def label(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en


class ProfileWords(BaseModel):
    """All of profile.yaml: the fields, and what their sources and sensitivities are called."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    sources: dict[str, Term]
    uses: dict[Sensitivity, Term]
    fields: list[ProfileField]


@cache
def profile_words() -> ProfileWords:
    return ProfileWords.model_validate(yaml.safe_load(Path(__file__).with_name("profile.yaml").read_text(encoding="utf-8")))


@cache
def profile_fields() -> dict[str, ProfileField]:
    """Every field of a profile by its name, in the order in which people read them."""
    return {field.name: field for field in profile_words().fields}
