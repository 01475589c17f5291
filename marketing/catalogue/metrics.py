"""The metrics by code, with their words, unit and good direction."""

from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict, Field

Unit = Literal["people", "count", "share", "money", "level"]
GROUPS = ("reach", "advice", "money", "orders", "messages")


class Metric(BaseModel):
    """One metric of metrics.yaml; `of` names numerator and denominator of what is divided."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    code: str
    group: Literal["reach", "advice", "money", "orders", "messages"]
    unit: Unit
    good: Literal["up", "down", "none"]
    source: str
    of: tuple[str, str] | None = Field(default=None)
    zh: str
    en: str
    meaning_zh: str
    meaning_en: str

    @property
    def label(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en

    @property
    def meaning(self) -> str:
        return self.meaning_zh if (get_language() or "zh").startswith("zh") else self.meaning_en


@cache
def metrics() -> dict[str, Metric]:
    """Every metric by its code, in the order in which they are read."""
    rows = yaml.safe_load(Path(__file__).with_name("metrics.yaml").read_text(encoding="utf-8"))["metrics"]
    return {metric.code: metric for metric in map(Metric.model_validate, rows)}
