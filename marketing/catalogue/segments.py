"""The words of segments as data: how each kind of condition is said, in both languages."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from marketing.catalogue.events import Named


class SegmentWords(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    clauses: dict[str, Named]
    origins: dict[str, Named]
    values: dict[str, dict[str, Named]]


@cache
def segment_words() -> SegmentWords:
    text = Path(__file__).with_name("segments.yaml").read_text(encoding="utf-8")
    return SegmentWords.model_validate(yaml.safe_load(text))


def clause(name: str, /, **filled: Any) -> str:
    """One clause in the reader's language; where a count `n` is 1 and the clause has words for one, these."""
    words = segment_words().clauses
    counts = [value for key, value in filled.items() if key in {"n", "low", "high"}]
    one = f"{name}_one" if counts == [1] and f"{name}_one" in words else name
    return words[one].label.format(**filled)
