"""What a level may buy, and how high a goal's portfolio may go: the decision every recommendation and order rests on."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    RECOMMEND = "recommend"
    ALLOW_AFTER_WARNING = "warn"
    FORBID = "forbid"


class LevelRule(Protocol):
    """What a level may hold: a row of the jurisdiction's table."""

    @property
    def max_grade(self) -> int: ...

    @property
    def only_classes(self) -> list[str] | None: ...


class HorizonCeiling(Protocol):
    """The highest level of a goal with less than so many years to go."""

    @property
    def below_years(self) -> float: ...

    @property
    def level(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with its reasons as codes: within_level, sale, no_level, level_expired, only_class, above_level."""

    verdict: Verdict
    reasons: tuple[str, ...]


def decide(
    level: int | None, risk_grade: int, asset_class: str, level_rules: Mapping[int, LevelRule], *, side: str = "buy", expired: bool = False
) -> Decision:
    """Decide on one fund for one level. A sale is never blocked; a purchase wants a level that is known and in force.

    The lowest class (a rule with `only_classes`) may never go above its rule; any other may on its own wish, after a
    warning. Raises ValueError for a level or a grade that the rules do not know.
    """
    if side == "sell":
        return Decision(Verdict.RECOMMEND, ("sale",))
    if side != "buy":
        raise ValueError(f"unknown side {side!r}")
    if level is None:
        return Decision(Verdict.FORBID, ("no_level",))
    if level not in level_rules or not 1 <= risk_grade <= 5:
        raise ValueError(f"no rule for level {level} and grade R{risk_grade}")
    if expired:
        return Decision(Verdict.FORBID, ("level_expired",))
    rule = level_rules[level]
    is_above = risk_grade > rule.max_grade
    if rule.only_classes is not None and (is_above or asset_class not in rule.only_classes):
        return Decision(Verdict.FORBID, ("above_level", "only_class") if is_above else ("only_class",))
    if is_above:
        return Decision(Verdict.ALLOW_AFTER_WARNING, ("above_level",))
    return Decision(Verdict.RECOMMEND, ("within_level",))


def goal_level(person_level: int, horizon_years: float, ceilings: Iterable[HorizonCeiling]) -> int:
    """Cap a person's level by the years that a goal has left: the lowest ceiling that applies, or the person's own level."""
    return min([person_level, *(ceiling.level for ceiling in ceilings if horizon_years < ceiling.below_years)])
