"""What differs between countries in marketing, as validated data: `market_rules()` is the deployment's own table."""

from datetime import time
from functools import cache
from pathlib import Path

import yaml
from django.conf import settings
from pydantic import BaseModel, ConfigDict, Field

from marketing.kernels.dormancy import FitRules, Thresholds
from marketing.kernels.policy import ClaimRules, QuietHours


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FrequencyCap(Row):
    messages: int = Field(ge=1)
    days: int = Field(ge=1)


class QuietRow(Row):
    start: time = Field(alias="from")
    end: time = Field(alias="to")
    timezone: str


class MarketRules(Row):
    version: str
    banned_words: list[str]
    banned_phrases: list[str]
    return_promises: list[str]
    frequency_cap: FrequencyCap
    quiet_hours: QuietRow
    dormancy: Thresholds
    dormancy_fit: FitRules

    @property
    def claims(self) -> ClaimRules:
        return ClaimRules(tuple(self.banned_words), tuple(self.banned_phrases), tuple(self.return_promises))

    @property
    def quiet(self) -> QuietHours:
        return QuietHours(self.quiet_hours.start, self.quiet_hours.end, self.quiet_hours.timezone)


@cache
def market_rules() -> MarketRules:
    path = Path(__file__).with_name(f"{settings.JURISDICTION}.yaml")
    return MarketRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
