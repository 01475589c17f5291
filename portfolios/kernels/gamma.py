"""The gamma rule: the smallest risk aversion whose optimum keeps a limit on the loss of a bad year."""

from dataclasses import replace

import numpy as np

from portfolios.kernels.errors import InfeasibleError, SolverError
from portfolios.kernels.frontier import Frontier, exact_frontier
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.solve import solve
from portfolios.kernels.types import GammaSolution, Moments

_LAST_DIGITS = 1e-12  # of the risk tolerance, given up so that rounding leaves no optimum beyond the limit
_ROUNDING = 1e-12  # how far beyond the limit rounding may leave a path that only touches it


def gamma_on(path: Frontier, cvar_limit: float, gammas: tuple[float, float]) -> float:
    """Return the smallest risk aversion in `gammas` at which the path of all optima has a normal CVaR of at most `cvar_limit`.

    Along rising risk aversion the CVaR first falls and may rise again (the mean it gives up then weighs more than the
    volatility it saves), so it is solved on the path piece by piece in closed form. Raises InfeasibleError("cvar_budget")
    with the least CVaR reachable where no risk aversion keeps the limit.
    """
    least, most = gammas
    low, high = 1.0 / most, 1.0 / least
    theta = path.theta_at_cvar(cvar_limit, low, high)
    if theta is None:
        raise InfeasibleError("cvar_budget", limit=cvar_limit, reached=path.least_cvar(low, high), gamma=most)
    return least if theta >= high else float(np.clip(1.0 / (theta * (1.0 - _LAST_DIGITS)), least, most))


def smallest_gamma(moments: Moments, mandate: Mandate, cvar_limit: float, gammas: tuple[float, float] = (2.0, 200.0)) -> GammaSolution:
    """Return the optimum at the smallest risk aversion in `gammas` whose normal CVaR is at most `cvar_limit` (loss positive).

    The mandate's own objective and risk aversion are not read. Raises what `gamma_on`, `exact_frontier` and `solve` raise.
    """
    gamma = gamma_on(exact_frontier(moments, mandate), cvar_limit, gammas)
    solution = solve(moments, replace(mandate, objective=None, risk_free=None, risk_aversion=gamma))
    if solution.cvar > cvar_limit + _ROUNDING:
        raise SolverError("not_proven_optimal", gamma=gamma)
    return GammaSolution(solution, cvar_limit, budget_binds=gamma > gammas[0])
