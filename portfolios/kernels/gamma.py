"""The gamma rule: the smallest risk aversion whose optimum keeps a limit on the loss of a bad year."""

from dataclasses import replace

import numpy as np

from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.frontier import exact_frontier
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.solve import solve
from portfolios.kernels.types import GammaSolution, Moments

_ROUNDING = 1e-12  # how far beyond the limit rounding may leave a path that only touches it


def smallest_gamma(moments: Moments, mandate: Mandate, cvar_limit: float, gammas: tuple[float, float] = (2.0, 200.0)) -> GammaSolution:
    """Return the optimum at the smallest risk aversion in `gammas` whose normal CVaR is at most `cvar_limit` (loss positive).

    The mandate's own objective and risk aversion are not read. Along rising risk aversion the CVaR first falls and may rise
    again (the mean it gives up then weighs more than the volatility it saves), so the rule is solved on the exact path of
    all optima, piece by piece in closed form. Raises InfeasibleError("cvar_budget") with the least CVaR reachable where no
    risk aversion keeps the limit, and what `exact_frontier` and `solve` raise.
    """
    least, most = gammas
    path = exact_frontier(moments, mandate)
    theta = path.theta_at_cvar(cvar_limit, 1.0 / most, 1.0 / least)
    if theta is None:
        raise InfeasibleError("cvar_budget", limit=cvar_limit, reached=path.least_cvar(1.0 / most, 1.0 / least), gamma=most)
    gamma = float(np.clip(1.0 / theta, least, most))
    utility = replace(mandate, objective=None, risk_free=None, risk_aversion=gamma)
    solution = solve(moments, utility)
    if solution.cvar > cvar_limit:
        # A last digit beyond it: the next risk aversions up, as far as rounding reaches.
        for further in (1e-15, 1e-14, 1e-13, 1e-12, 1e-11, 1e-10):
            nearby = solve(moments, replace(utility, risk_aversion=min(gamma * (1.0 + further), most)))
            if nearby.cvar <= cvar_limit:
                solution = nearby
                break
        else:
            if solution.cvar > cvar_limit + _ROUNDING:
                raise SolverError("not_proven_optimal", gamma=gamma)
    return GammaSolution(solution, cvar_limit, budget_binds=gamma > least)
