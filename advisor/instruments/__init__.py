"""Questionnaires as versioned data, checked when they are read. A version never changes once it has been answered."""

import hashlib
import json
import re
from functools import cache, cached_property
from itertools import pairwise
from pathlib import Path
from typing import Literal, Self

import yaml
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict, Field, model_validator

from advisor.kernels import risk_profile

BLOCK_SIZES = {"capacity": 7, "tolerance": 6, "knowledge": 3}
PLACEHOLDER = re.compile(r"\{(\w+)\}")


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Text(Row):
    zh: str = Field(min_length=1)
    en: str = Field(min_length=1)

    @property
    def said(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en

    @property
    def placeholders(self) -> set[str]:
        return set(PLACEHOLDER.findall(self.zh))

    @model_validator(mode="after")
    def _same_placeholders(self) -> Self:
        if set(PLACEHOLDER.findall(self.zh)) != set(PLACEHOLDER.findall(self.en)):
            raise ValueError(f"the languages name different amounts: {self.zh} / {self.en}")
        return self

    def for_amount(self, amount_minor: int, yuan: dict[str, float]) -> str:
        """The sentence with the amounts in whole yuan of the investor's own money."""
        amounts = {"amount": 1.0} | yuan
        return self.said.format_map({name: f"{round(amount_minor * part / 100):,}" for name, part in amounts.items()})


class Option(Text):
    code: str = Field(pattern=r"^[a-z0-9.-]+$")
    score: float | None = Field(default=None, ge=0, le=1)
    facts: tuple[str, ...] = ()
    stated_loss: float | None = Field(default=None, ge=0, le=1)
    yuan: dict[str, float] = {}

    def text(self, amount_minor: int) -> str:
        return self.for_amount(amount_minor, self.yuan)


class Item(Row):
    code: str = Field(pattern=r"^[a-z-]+$")
    block: Literal["capacity", "tolerance", "knowledge"]
    topic: Text
    question: Text
    why: Text
    yuan: dict[str, float] = {}
    options: tuple[Option, ...] = Field(min_length=3)

    @model_validator(mode="after")
    def _sound(self) -> Self:
        scores = [option.score for option in self.options if option.score is not None]
        if self.block == "knowledge":
            if scores:
                raise ValueError(f"{self.code}: knowledge acts through ceilings, not scores")
        elif len(scores) != len(self.options) or {min(scores), max(scores)} != {0.0, 1.0} or not _strictly_ordered(scores):
            raise ValueError(f"{self.code}: scores must run strictly from 0 to 1 or from 1 to 0")
        if len({option.code for option in self.options}) != len(self.options):
            raise ValueError(f"{self.code}: an option code stands twice")
        if self.question.placeholders - {"amount", *self.yuan} or any(o.placeholders - {"amount", *o.yuan} for o in self.options):
            raise ValueError(f"{self.code}: an amount is not defined")
        return self

    @property
    def names_amounts(self) -> bool:
        return any(text.placeholders for text in (self.question, *self.options))

    def asked(self, amount_minor: int) -> str:
        return self.question.for_amount(amount_minor, self.yuan)

    def option(self, code: str) -> Option | None:
        return next((option for option in self.options if option.code == code), None)


def _strictly_ordered(scores: list[float]) -> bool:
    pairs = list(pairwise(scores))
    return all(a < b for a, b in pairs) or all(a > b for a, b in pairs)


class Instrument(Row):
    name: str
    version: int
    items: tuple[Item, ...]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if len({item.code for item in self.items}) != len(self.items):
            raise ValueError("an item code stands twice")
        sizes = {block: sum(item.block == block for item in self.items) for block in BLOCK_SIZES}
        if sizes != BLOCK_SIZES:
            raise ValueError(f"items a block are {sizes}, not {BLOCK_SIZES}")
        return self

    @property
    def key(self) -> str:
        return f"{self.name}@{self.version}"

    @cached_property
    def sha256(self) -> str:
        canonical = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @property
    def codes(self) -> list[str]:
        return [item.code for item in self.items]

    def item(self, code: str) -> Item | None:
        return next((item for item in self.items if item.code == code), None)

    @cached_property
    def for_scoring(self) -> tuple[risk_profile.Item, ...]:
        """The same items as the plain data that the kernel scores."""
        return tuple(
            risk_profile.Item(
                code=item.code,
                block=item.block,
                options={
                    o.code: risk_profile.Option(score=o.score, facts=frozenset(o.facts), stated_loss=o.stated_loss) for o in item.options
                },
            )
            for item in self.items
        )


@cache
def load_instrument(key: str) -> Instrument:
    """Return the questionnaire `name@version`; raises LookupError for one that is not kept."""
    name, _, version = key.partition("@")
    path = Path(__file__).with_name(f"{name}-{version}.yaml")
    if not path.is_file():
        raise LookupError(f"There is no questionnaire {key}.")
    instrument = Instrument.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    if instrument.key != key:
        raise LookupError(f"{path.name} holds {instrument.key}, not {key}.")
    return instrument
