"""What may be recommended to a level, and what the gate says about one fund for one person."""

from datetime import date

from django.db.models import QuerySet

from advisor.kernels.suitability import Decision, Verdict, decide, goal_level
from advisor.models import Goal, Investor
from portfolios.jurisdictions import jurisdiction
from portfolios.models import Fund


def recommendable_funds(level: int) -> QuerySet[Fund]:
    """Open funds of the current pool that a level may be recommended; nothing above it, ever."""
    rule = jurisdiction().levels[level]
    funds = Fund.objects.filter(pools__is_current=True, is_open=True, ended_on=None, risk_grade__lte=rule.max_grade)
    return funds if rule.only_classes is None else funds.filter(asset_class__in=rule.only_classes)


def decide_for(investor: Investor, fund: Fund, side: str = "buy") -> Decision:
    """Decide on a fund for a person's level in force today; a closed fund is not bought, whatever the level."""
    decision = decide(
        investor.level,
        fund.risk_grade,
        fund.asset_class,
        jurisdiction().levels,
        side=side,
        expired=investor.level is not None and not investor.has_valid_level(),
    )
    if side == "buy" and not fund.can_be_bought:
        return Decision(Verdict.FORBID, (*(reason for reason in decision.reasons if reason != "within_level"), "fund_closed"))
    return decision


def level_for_goal(investor: Investor, goal: Goal, on: date | None = None) -> int | None:
    """The highest level that a goal's portfolio may have on a day, or None without a level in force."""
    if investor.level is None or not investor.has_valid_level(on):
        return None
    return goal_level(investor.level, goal.horizon_years(on), jurisdiction().horizon_ceilings)
