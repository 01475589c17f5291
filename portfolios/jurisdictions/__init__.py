"""What differs between countries, as validated data: `jurisdiction()` is the table of the deployment's own."""

from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal

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
    screen: Literal["active", "index", "money"]
    jump: float
    size: tuple[float, float | None]


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

    def allows(self, risk_grade: int, asset_class: str) -> bool:
        """Whether the level may hold a fund of this grade and class."""
        return risk_grade <= self.max_grade and (self.only_classes is None or asset_class in self.only_classes)


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
    n_draws: int
    mean_error: float
    min_pool: dict[int, int]


class LeverageStep(Row):
    above_percent: int
    at_least: int


class GradingRules(Row):
    drawdown_bands: dict[int, float]
    window_years: int
    leverage: list[LeverageStep]
    complex_at_least: int
    calmer: float


class HorizonBin(Row):
    below_years: float
    years: float


class ScreenGates(Row):
    min_months: int
    min_months_index: int
    min_manager_months: int
    size_quarters: int
    min_daily_limit_minor: int
    min_peers: int
    max_style_break: float
    style_break_variance: float


class PublicationLag(Row):
    nav_days: int
    size_days: int


class ScreenRules(Row):
    gates: ScreenGates
    weights: dict[str, dict[str, float]]
    shrink_months: int
    enter: float
    leave: float
    quarters_to_leave: int
    max_a_company: int
    max_share: float
    interval: float
    n_bootstrap: int
    block_months: int
    holding_days: int
    holding_years: float
    style_classes: list[str]
    publication_lag: PublicationLag
    min_companies_a_grade: int
    min_money_funds: int


class CapacityRules(Row):
    slow: float
    stop: float
    slow_liquid: float
    stop_liquid: float
    liquid_classes: list[str]
    hold_days: int


class MonitorRules(Row):
    volatility_ratio: float
    drawdown: dict[int, float]
    stale_days: int
    style_drift: float
    size_collapse: float
    least_volatility: float
    over_below: float


class RedemptionFloor(Row):
    below_days: int
    rate: float


class StressScenario(Named):
    """A bad time by its dates, and the shock a class for portfolios whose funds have no prices from then."""

    code: str
    start: date
    end: date
    shocks: dict[str, float]


class BacktestRules(Row):
    """Bands of rebalancing, and the bad times a backtest is held against."""

    band_relative: float
    band_absolute: float
    scenarios: list[StressScenario]


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
    grading: GradingRules
    horizon_bins: list[HorizonBin]
    screen: ScreenRules
    capacity: CapacityRules
    monitor: MonitorRules
    redemption_floors: list[RedemptionFloor]
    redemption_exempt_categories: list[str]
    purchase_fee_caps_bps: dict[str, int]
    min_purchase_minor: int
    backtest: BacktestRules


@cache
def jurisdiction() -> Jurisdiction:
    path = Path(__file__).with_name(f"{settings.JURISDICTION}.yaml")
    return Jurisdiction.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
