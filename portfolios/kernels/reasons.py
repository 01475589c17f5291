"""Why each fund is held: what it brings to the portfolio, of return and of risk."""

from dataclasses import dataclass

import numpy as np

from portfolios.kernels.moments import pick
from portfolios.kernels.types import Moments, Solution


@dataclass(frozen=True)
class HoldingReason:
    """One fund of a portfolio: annual figures, its part of the risk, and why it is there.

    `risk_share` is its part of the variance; the shares of all funds sum to 1, one below zero takes risk away. `marginal_risk`
    is what the portfolio's volatility gains per 1.00 more of the fund. `why`: "grows", more return than the whole portfolio,
    at more risk than its weight; "grows_calmly", the same at less; "steadies", less return and less risk than its weight;
    "spreads", less return and more risk, of another kind than the rest; for a fund sold short "hedges" where it takes
    risk away, else "pays_for_others". `limits` are those of the fund alone that hold it where it is.
    """

    fund: str
    weight: float
    expected_return: float
    volatility: float
    risk_share: float
    marginal_risk: float
    why: str
    limits: tuple[str, ...]


def holdings_reasons(moments: Moments, solution: Solution) -> tuple[HoldingReason, ...]:
    """Return why each fund of a solution with a weight other than zero is held, largest weight first, then by code.

    In a portfolio without any risk every share and marginal risk is zero. Raises DataError naming a fund without moments.
    Source: Litterman (1996), Hot spots and hedges, for the shares of risk.
    """
    own = pick(moments, solution.codes)
    exposure = own.cov @ solution.weights
    variance = max(float(solution.weights @ exposure), 0.0)
    marginal = exposure / np.sqrt(variance) if variance > 0 else np.zeros_like(exposure)
    shares = solution.weights * exposure / variance if variance > 0 else np.zeros_like(exposure)
    reasons = [
        HoldingReason(
            fund=fund,
            weight=float(weight),
            expected_return=float(own.mean[i]),
            volatility=float(np.sqrt(max(float(own.cov[i, i]), 0.0))),
            risk_share=float(shares[i]),
            marginal_risk=float(marginal[i]),
            why=_why(float(weight), float(shares[i]), float(own.mean[i]) > solution.expected_return),
            limits=_own_limits(fund, solution),
        )
        for i, (fund, weight) in enumerate(zip(solution.codes, solution.weights, strict=True))
        if weight != 0
    ]
    return tuple(sorted(reasons, key=lambda reason: (-reason.weight, reason.fund)))


def _why(weight: float, risk_share: float, has_more_return: bool) -> str:
    if weight < 0:
        return "hedges" if risk_share < 0 else "pays_for_others"
    if has_more_return:
        return "grows" if risk_share >= weight else "grows_calmly"
    return "steadies" if risk_share < weight else "spreads"


def _own_limits(fund: str, solution: Solution) -> tuple[str, ...]:
    names = {f"fund:{fund}:min", f"fund:{fund}:max", f"locked:{fund}", f"excluded:{fund}"}
    return tuple(binding.limit for binding in solution.binding if binding.limit in names)
