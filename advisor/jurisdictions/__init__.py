"""What differs between countries in advice, as validated data: `advice_rules()` is the deployment's own table."""

from functools import cache
from pathlib import Path

import yaml
from django.conf import settings
from django.utils.translation import get_language
from pydantic import BaseModel, ConfigDict

from advisor.kernels import risk_profile


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
    fact: str
    level: int
    lift_zh: str
    lift_en: str

    @property
    def lift(self) -> str:
        return self._said("lift_")


class GateRule(Named):
    name: str
    fact: str


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


class ScoringRules(Row):
    thresholds: tuple[float, float, float, float]
    free_spread: float
    spread_rate: float
    gap_weight: float
    gap_cap: float


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
    scoring: ScoringRules
    ceilings: tuple[CeilingRule, ...]
    gates: tuple[GateRule, ...]
    levels: dict[int, LevelWords]
    goal: GoalLimits
    review: ReviewRules
    online_branch: str

    @property
    def for_scoring(self) -> risk_profile.Rules:
        return risk_profile.Rules(
            **self.scoring.model_dump(),
            ceilings=tuple(risk_profile.Ceiling(name=c.name, fact=c.fact, level=c.level) for c in self.ceilings),
            gates=tuple((gate.name, gate.fact) for gate in self.gates),
        )

    def ceiling(self, name: str) -> CeilingRule | None:
        return next((ceiling for ceiling in self.ceilings if ceiling.name == name), None)

    def gate(self, name: str) -> GateRule | None:
        return next((gate for gate in self.gates if gate.name == name), None)


@cache
def advice_rules() -> AdviceRules:
    path = Path(__file__).with_name(f"{settings.JURISDICTION}.yaml")
    return AdviceRules.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
