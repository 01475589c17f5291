"""The gate: every order rests on a decision that is stored here first."""

from advisor.models import Clearance, Investor
from advisor.selectors.suitability import decide_for
from portfolios.models import Fund


def clear(
    *, investor: Investor, portfolio_id: int, fund: Fund, side: str, amount_minor: int | None = None, units_centi: int | None = None
) -> Clearance:
    """Write the decision on one purchase or redemption and return it, whatever its verdict; every call writes another.

    The caller looks at the verdict before it places an order, and an order uses a decision once.
    """
    decision = decide_for(investor, fund, side)
    return Clearance.objects.create(
        investor=investor,
        portfolio_id=portfolio_id,
        fund=fund,
        side=side,
        amount_minor=amount_minor,
        units_centi=units_centi,
        level=investor.level,
        risk_grade=fund.risk_grade,
        verdict=decision.verdict,
        reasons=list(decision.reasons),
    )
