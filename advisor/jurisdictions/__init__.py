"""What differs between countries in advice, as validated data: `advice_rules()` is the deployment's own table."""

from functools import cache
from math import inf
from pathlib import Path
from typing import Literal

import yaml
from django.conf import settings
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict, Field

from advisor.kernels import behaviour_types, rises, risk_profile


class Row(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(Row):
    zh: str
    en: str

    def _said(self, field: str = "") -> str:
        language = "zh" if (get_language() or "zh").startswith("zh") else "en"
        text: str = getattr(self, f"{field}{language}")
        return text

    @property
    def said(self) -> str:
        return self._said()


class CeilingRule(Named):
    name: str
    fact: Literal["max_loss", "horizon_years", "reserve_months", "has_consumer_debt", "age", "n_correct", "is_experienced"]
    level: int = Field(ge=1, le=5)
    above: float = -inf
    at_least: float = -inf
    below: float = inf
    up_to: float = inf
    lifted_by_review: bool = False
    lift_zh: str
    lift_en: str

    @property
    def lift(self) -> str:
        return self._said("lift_")

    @property
    def for_scoring(self) -> risk_profile.Ceiling:
        return risk_profile.Ceiling(**self.model_dump(exclude={"zh", "en", "lift_zh", "lift_en"}))


class GateRule(Named):
    name: Literal["no_civil_capacity", "no_loss"]


class LevelWords(Named):
    means_zh: str
    means_en: str

    @property
    def means(self) -> str:
        return self._said("means_")


class AssessmentRules(Row):
    instrument: str
    validity_months: int
    draft_days: int


class ReassessmentRules(Row):
    """How often somebody may answer, what a rise waits for, and what asks for a new assessment."""

    attempts_a_day: int
    attempts_a_window: int
    window_months: int
    cooling_off_hours: int
    confirmed_from: int
    trading_days_after_blocked: int
    days_after_rise: int
    days_after_fall: int
    deep_fall: float
    revealed_levels: int
    revealed_days: int
    corrected_days: int
    calm_falls: int
    calm_months: int
    reminder_days: tuple[int, ...]
    fastest_seconds: float
    fewest_timed: int
    same_place: int

    @property
    def for_attempts(self) -> rises.AttemptRules:
        return rises.AttemptRules(self.attempts_a_day, self.attempts_a_window, self.window_months)

    @property
    def for_rises(self) -> rises.RiseRules:
        return rises.RiseRules(self.cooling_off_hours, self.days_after_rise, self.days_after_fall, self.confirmed_from)


class ScoringRules(Row):
    thresholds: tuple[float, float, float, float]
    free_spread: float
    spread_rate: float
    soft_spread: float
    gap_weight: float = Field(gt=0, lt=1)  # both parts of the blend are divided by
    gap_cap: float = Field(gt=0)


class MeasureRule(Row):
    weight: float = Field(ge=0)
    start: float
    span: float = Field(gt=0)


class BehaviourRules(Row):
    damage_scale: float
    panic_from: float
    panic_months: float
    measures: dict[str, MeasureRule]


class LedgerRules(Row):
    """How behaviour is measured; `half_evidence`, `regions` (of classes) and `block` (investors) as the table says."""

    window_months: int = Field(ge=1)
    risk_grade: int
    min_risk_assets_minor: int
    average_days: int = Field(ge=1)
    min_opening_minor: int
    fall: float = Field(gt=0, lt=1)
    fall_months: int
    fall_days: int
    switch_days: int
    pseudo_sales: float
    prior_pgr: float
    prior_plr: float
    min_holdings: int
    chasing_months: int
    top_share: float
    half_evidence: dict[str, float]
    regions: dict[str, str]
    index_funds: int
    block: int = Field(ge=1, le=5000)


class ConfidenceRules(Row):
    spread_error: float
    queue_below: float
    medium_from: float
    high_from: float


class GoalLimits(Row):
    min_amount_minor: int
    max_amount_minor: int
    max_years: int


class ReviewRules(Row):
    min_gain: float
    min_turnover: float
    limit_band: float
    min_outside: float
    block: int
    runs_kept: int


class AdviceRules(Row):
    version: str
    assessment: AssessmentRules
    reassessment: ReassessmentRules
    scoring: ScoringRules
    behaviour: BehaviourRules
    ledger: LedgerRules
    confidence: ConfidenceRules
    ceilings: tuple[CeilingRule, ...]
    gates: tuple[GateRule, ...]
    levels: dict[int, LevelWords]
    goal: GoalLimits
    review: ReviewRules
    online_branch: str

    @property
    def for_scoring(self) -> risk_profile.Rules:
        measures = self.behaviour.measures.items()
        return risk_profile.Rules(
            **self.scoring.model_dump(),
            **self.confidence.model_dump(),
            **self.behaviour.model_dump(include={"damage_scale", "panic_from", "panic_months"}),
            measures={name: risk_profile.MeasureRule(rule.weight, rule.start, rule.span) for name, rule in measures},
            ceilings=tuple(ceiling.for_scoring for ceiling in self.ceilings),
        )

    def for_ledger(self, minor_a_unit: int = 1) -> behaviour_types.BehaviourRules:
        """How behaviour is measured on a ledger whose money is in units of so many minor ones."""
        said = self.ledger.model_dump(exclude={"min_risk_assets_minor", "min_opening_minor", "regions", "index_funds", "block"})
        return behaviour_types.BehaviourRules(
            **said,
            min_risk_assets=self.ledger.min_risk_assets_minor / minor_a_unit,
            min_opening=self.ledger.min_opening_minor / minor_a_unit,
            panic_share=self.behaviour.panic_from,
        )

    def ceiling(self, name: str) -> CeilingRule | None:
        return next((ceiling for ceiling in self.ceilings if ceiling.name == name), None)

    def gate(self, name: str) -> GateRule | None:
        return next((gate for gate in self.gates if gate.name == name), None)


@cache
def advice_rules() -> AdviceRules:
    path = Path(__file__).with_name(f"{settings.JURISDICTION}.yaml")
    return AdviceRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
