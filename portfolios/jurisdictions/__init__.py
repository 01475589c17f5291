"""What differs between countries, as validated data: `jurisdiction()` is the table of the deployment's own."""

from functools import cache
from pathlib import Path

import yaml
from django.conf import settings
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict, Field


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Row):
    zh: str
    en: str

    @property
    def name(self) -> str:
        return self.zh if (get_language() or "zh").startswith("zh") else self.en


class AssetClass(Named):
    mean: float


class Category(Named):
    asset_class: str = Field(alias="class")
    grade: int = Field(ge=1, le=5)
    lag: str


class Lag(Row):
    confirm: int
    pay: int


class CategoryWords(Row):
    category: str
    words: list[str]


class LevelRule(Row):
    code: str
    max_grade: int
    cvar_budget: float
    only_classes: list[str] | None = None


class HorizonCeiling(Row):
    below_years: float
    level: int


class AdviceLimits(Row):
    fund_cap: float
    fund_optimised_cap: float
    money_fund_cap: float
    min_weight: float
    gamma_min: float
    gamma_max: float
    history_years: int
    min_pool: dict[int, int]


class RedemptionFloor(Row):
    below_days: int
    rate: float


class Jurisdiction(Row):
    version: str
    currency: str
    calendar: str
    timezone: str
    gain_colour: str
    cash_rate: float
    classes: dict[str, AssetClass]
    categories: dict[str, Category]
    lags: dict[str, Lag]
    cut_off: str
    volatility_bands: dict[int, float]
    category_words: list[CategoryWords]
    band_categories: dict[int, str]
    levels: dict[int, LevelRule]
    horizon_ceilings: list[HorizonCeiling]
    advice: AdviceLimits
    redemption_floors: list[RedemptionFloor]
    redemption_exempt_categories: list[str]
    purchase_fee_caps_bps: dict[str, int]
    min_purchase_minor: int


@cache
def jurisdiction() -> Jurisdiction:
    path = Path(__file__).with_name(f"{settings.JURISDICTION}.yaml")
    return Jurisdiction.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
