"""What may be recommended to a level, and what the gate says about one fund or a portfolio for one person."""

from collections.abc import Iterable, Mapping
from datetime import date
from functools import reduce
from operator import or_

from django.db.models import Q, QuerySet

from advisor.kernels import suitability as gate
from advisor.kernels.goals import goal_level
from advisor.kernels.suitability import Decision, Part, Verdict
from advisor.models import Goal, Investor
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund


def recommendable_funds(level: int) -> QuerySet[Fund]:
    """Open funds of the current pool that a level may be recommended; nothing above it, ever. `suits` as a query."""
    rule = jurisdiction().levels[level]
    funds = Fund.objects.filter(pools__is_current=True, is_open=True, ended_on=None, risk_grade__lte=rule.max_grade)
    return funds if rule.only_classes is None else funds.filter(asset_class__in=rule.only_classes)


def suits_own_level() -> Q:
    """Of rows with an investor and a fund: those whose fund may be recommended at the investor's level, whether in force or not."""
    return reduce(or_, (Q(investor__level=level, fund__in=recommendable_funds(level).values("pk")) for level in jurisdiction().levels))


def suits(level: int, risk_grade: int, asset_class: str) -> bool:
    """Whether a fund of this grade and class may be recommended at a level."""
    return gate.decide(level, risk_grade, asset_class, jurisdiction().levels).verdict == Verdict.RECOMMEND


def fund_suits(level: int, fund: Fund) -> bool:
    """Whether a fund may be recommended at a level, by its grade in force; whether it is open is asked elsewhere."""
    return suits(level, fund.risk_grade, fund.asset_class)


def levels_suited_by(funds: Iterable[Fund]) -> list[int]:
    """The levels at which each of these funds may be recommended."""
    named = list(funds)
    return [level for level in jurisdiction().levels if all(fund_suits(level, fund) for fund in named)]


def decide_for(investor: Investor, fund: Fund, side: str = "buy") -> Decision:
    """Decide on a fund for a person's level in force today; a closed fund is not bought, whatever the level."""
    decision = gate.decide(
        investor.level, fund.risk_grade, fund.asset_class, jurisdiction().levels, side=side, expired=_is_expired(investor)
    )
    return decision if side != "buy" or fund.can_be_bought else _closed(decision)


def decide_weights(
    level: int | None,
    weights: Mapping[str, float],
    funds: Mapping[str, Fund],
    *,
    expired: bool = False,
    loss: float | None = None,
    limit: float | None = None,
) -> Decision:
    """Decide on weights of known funds by code at a level, a goal's or a person's; whether they are open is asked elsewhere."""
    parts = {code: Part(weight, funds[code].risk_grade, funds[code].asset_class) for code, weight in weights.items()}
    return gate.decide_portfolio(level, parts, jurisdiction().levels, expired=expired, loss=loss, limit=limit)


def decide_portfolio(
    investor: Investor, weights: Mapping[str, float], goal: Goal | None = None, *, loss: float | None = None, limit: float | None = None
) -> Decision:
    """Decide on buying weights by fund code for a person today; with a goal, at the lower level that the goal's date allows.

    A portfolio with a closed or unknown fund is not bought, whatever the level. One query.
    """
    expired = _is_expired(investor)
    level = investor.level
    if goal is not None and level is not None:
        level = goal_level(level, goal.horizon_years(), jurisdiction().horizon_ceilings)
    funds = Fund.objects.in_bulk(sorted(weights), field_name="code")
    known = {code: weight for code, weight in weights.items() if code in funds}
    decision = decide_weights(level, known, funds, expired=expired, loss=loss, limit=limit)
    shut = sorted(code for code, weight in weights.items() if weight > 0 and (code not in funds or not funds[code].can_be_bought))
    return _closed(decision, shut) if shut else decision


def _is_expired(investor: Investor) -> bool:
    return investor.level is not None and not investor.has_valid_level()


def _closed(decision: Decision, codes: Iterable[str] = ()) -> Decision:
    reasons = tuple(reason for reason in decision.reasons if reason not in {"within_level", "highest_grade"})
    return Decision(Verdict.FORBID, (*reasons, "fund_closed"), tuple(sorted({*decision.funds, *codes})))


def level_for_goal(investor: Investor, goal: Goal, on: date | None = None) -> int | None:
    """The highest level that a goal's portfolio may have on a day, or None without a level in force."""
    if investor.level is None or not investor.has_valid_level(on):
        return None
    return goal_level(investor.level, goal.horizon_years(on), jurisdiction().horizon_ceilings)
