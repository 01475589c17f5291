"""The shapes that cross the kernels' door. Dates are proleptic Gregorian ordinals, weights and returns fractions of 1."""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class FundHistory:
    """Daily history of one fund, ascending: unit NAV in millionths, total-return index, distribution a unit in millionths."""

    fund_code: str
    dates: IntArray
    nav_micro: IntArray
    total_return: FloatArray
    distribution_micro: IntArray | None = None


@dataclass(frozen=True)
class ReturnMatrix:
    """Total-return indices of funds on common dates, shape (T, n); NaN before a fund's first day and after its last."""

    codes: tuple[str, ...]
    dates: IntArray
    values: FloatArray


@dataclass(frozen=True)
class Moments:
    """Annual mean (n,) and covariance (n, n) of simple returns, labelled by fund code; `versions` says how they were made."""

    codes: tuple[str, ...]
    mean: FloatArray
    cov: FloatArray
    versions: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Binding:
    """A limit that holds with equality, and how much the objective would gain per 1.00 it is relaxed (>= 0)."""

    limit: str
    shadow_price: float | None


@dataclass(frozen=True)
class Solution:
    """The optimum of one mandate: weights (n,) in the order of `codes`, its figures, and the limits that bind.

    `objective` is in the terms of the mandate: utility, return after costs, variance or ratio. `costs` are one-off, a
    fraction of wealth. `gamma` is the risk aversion at which a utility mandate has the same optimum, where there is one.
    `gap` is how far from optimal the answer can be: the KKT residual of a polished one, else the solver's duality gap.
    """

    codes: tuple[str, ...]
    weights: FloatArray
    objective: float
    expected_return: float
    costs: float
    volatility: float
    cvar: float
    gamma: float | None
    binding: tuple[Binding, ...]
    gap: float
    solver: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Relaxation:
    """A chosen limit to relax, and by how much in its own unit, a fraction of 1 (`max_funds`: a number of funds)."""

    limit: str
    by: float


@dataclass(frozen=True)
class Explanation:
    """Why no portfolio keeps a mandate: the fewest chosen limits to relax, or a minimal set of legal ones that contradict."""

    relax: tuple[Relaxation, ...] = ()
    conflict: tuple[str, ...] = ()


@dataclass(frozen=True)
class GammaSolution:
    """The optimum at the smallest risk aversion that keeps a loss limit; `budget_binds` is False where none was needed.

    `cvar_of_record` is what the estimator of record says of it, where it was asked.
    """

    solution: Solution
    cvar_limit: float
    budget_binds: bool
    cvar_of_record: float | None = None


@dataclass(frozen=True)
class WeightsRisk:
    """Figures of any weights on the moments of the advice; cvar is the normal form of `kernels.risk`."""

    expected_return: float
    volatility: float
    cvar: float
    annual_fee_bps: float
    purchase_fee_bps: float
    highest_grade: int


@dataclass(frozen=True)
class AdviceSolution:
    """What the advice says for one level, horizon and stated loss, with all that is needed to show why."""

    level: int
    weights: dict[str, float]
    expected_return: float
    volatility: float
    cvar: float
    cvar_limit: float
    gamma: float
    budget_binds: bool
    data_date: str
    pool_id: int
    moments: dict[str, Any]
    funds: list[dict[str, Any]]
    frontier: list[list[float]]
    notes: list[str] = field(default_factory=list)
    cvar_of_record: float | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Growth:
    """Growth of 1 invested in given weights, rebalanced monthly, and its drawdown (zero or below)."""

    dates: IntArray
    growth: FloatArray
    drawdown: FloatArray
