"""What a level may buy: the decision every recommendation and order rests on. How high a goal may go is in `goals`."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

GRADES = (1, 2, 3, 4, 5)
HIGHEST_GRADE = GRADES[-1]
_ROUNDING = 1e-6  # figures of loss are kept to six places


class Verdict(StrEnum):
    RECOMMEND = "recommend"
    ALLOW_AFTER_WARNING = "warn"
    FORBID = "forbid"


class Way(StrEnum):
    """Who has the idea: the platform or an advisor, or the investor, who searched for it."""

    RECOMMENDED = "recommended"
    OWN = "own"


class LevelRule(Protocol):
    """What a level may hold: a row of the jurisdiction's table."""

    @property
    def max_grade(self) -> int: ...

    @property
    def only_classes(self) -> list[str] | None: ...

    def allows(self, risk_grade: int, asset_class: str) -> bool: ...


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict with its reasons as codes: within_level, highest_grade, sale, no_level, level_expired, only_class,
    above_level, above_budget, no_fund; of a portfolio also the codes of the funds that stand against it."""

    verdict: Verdict
    reasons: tuple[str, ...]
    funds: tuple[str, ...] = ()

    @property
    def wants_warning(self) -> bool:
        """Whether a purchase of one's own waits for a separate warning: above the level, and of the highest grade at any level."""
        return self.verdict == Verdict.ALLOW_AFTER_WARNING or "highest_grade" in self.reasons

    def allows(self, way: Way, *, is_warned: bool = False) -> bool:
        """Whether it may be done this way: recommended only within the level; above it by one's own wish once warned."""
        if self.verdict == Verdict.FORBID:
            return False
        if way == Way.RECOMMENDED:
            return self.verdict == Verdict.RECOMMEND
        return is_warned or not self.wants_warning


@dataclass(frozen=True, slots=True)
class Part:
    """One fund of a portfolio: its share as a fraction of 1, its grade and its class."""

    weight: float
    risk_grade: int
    asset_class: str


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
    if level not in level_rules or risk_grade not in GRADES:
        raise ValueError(f"no rule for level {level} and grade R{risk_grade}")
    if expired:
        return Decision(Verdict.FORBID, ("level_expired",))
    rule = level_rules[level]
    also = ("highest_grade",) if risk_grade == HIGHEST_GRADE else ()
    if rule.allows(risk_grade, asset_class):
        return Decision(Verdict.RECOMMEND, ("within_level", *also))
    above = ("above_level",) if risk_grade > rule.max_grade else ()
    if rule.only_classes is not None:
        return Decision(Verdict.FORBID, (*above, "only_class"))
    return Decision(Verdict.ALLOW_AFTER_WARNING, (*above, *also))


def decide_portfolio(
    level: int | None,
    parts: Mapping[str, Part],
    level_rules: Mapping[int, LevelRule],
    *,
    expired: bool = False,
    loss: float | None = None,
    limit: float | None = None,
) -> Decision:
    """Decide on a portfolio by fund code: no better than its worst fund of any weight, and than its loss beside its limit.

    `loss` and `limit` are one-year 95 % CVaRs, positive fractions of 1; without either only the funds are judged. A loss
    above the limit is never recommended, and is forbidden to the lowest class. Raises ValueError as `decide` does, and for
    a weight below 0 or that is no number; a loss or limit that is no number counts as above.
    """
    if not all(part.weight >= 0 for part in parts.values()):
        raise ValueError("a weight is below 0, or no number")
    held = {code: part for code, part in parts.items() if part.weight > 0}
    if not held:
        return Decision(Verdict.FORBID, ("no_fund",))
    each = {code: decide(level, part.risk_grade, part.asset_class, level_rules, expired=expired) for code, part in held.items()}
    reasons = dict.fromkeys(reason for decision in each.values() for reason in decision.reasons)
    worst = max((decision.verdict for decision in each.values()), key=_SEVERITY.index)
    if level is not None and not expired and loss is not None and limit is not None and not loss <= limit + _ROUNDING:
        reasons["above_budget"] = None
        is_lowest = level_rules[level].only_classes is not None
        worst = max(worst, Verdict.FORBID if is_lowest else Verdict.ALLOW_AFTER_WARNING, key=_SEVERITY.index)
    if worst != Verdict.RECOMMEND:
        reasons.pop("within_level", None)
    against = tuple(sorted(code for code, decision in each.items() if decision.verdict != Verdict.RECOMMEND))
    return Decision(worst, tuple(reasons), against)


_SEVERITY = (Verdict.RECOMMEND, Verdict.ALLOW_AFTER_WARNING, Verdict.FORBID)
