"""One mandate, solved by whichever executor proves it."""

from portfolios.kernels.direct import is_direct, solve_direct
from portfolios.kernels.mandate import Mandate
from portfolios.kernels.moments import checked_moments
from portfolios.kernels.types import Moments, Solution


def solve(moments: Moments, mandate: Mandate) -> Solution:
    """Return the optimum of a mandate on annual moments that name all its funds, whatever the mandate asks for.

    The moments are checked first: DataError names the fund whose number is missing or whose covariance cannot be one; what
    was mended stands in the solution's notes. `max_funds` and `min_weight_if_held` go to branch and bound, mandates of
    `is_direct` to DAQP or PIQP with the exact polish, the rest to cvxpy. Raises InfeasibleError where no portfolio keeps
    the limits (`kernels.explain` then says why), DataError, and SolverError for a solver that fails or is missing.
    """
    checked = checked_moments(moments.codes, moments.mean, moments.cov)
    moments = Moments(checked.codes, checked.mean, checked.cov, moments.versions, moments.notes + checked.notes)
    if mandate.max_funds is not None or mandate.min_weight_if_held is not None:
        from portfolios.kernels.cardinality import solve_cardinality

        return solve_cardinality(moments, mandate)
    if is_direct(mandate):
        return solve_direct(moments, mandate)
    from portfolios.kernels.optimise import optimise

    return optimise(moments, mandate)
