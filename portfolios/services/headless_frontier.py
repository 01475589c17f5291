"""The efficient frontier of moments and limits in JSON files: nothing is read from the database or written to it."""

from pathlib import Path
from typing import Any

from portfolios.kernels.frontier import FrontierPoint, exact_frontier
from portfolios.kernels.mandate import Mandate
from portfolios.services.headless import HELD, read_mandate, read_moments


def frontier_of_files(*, moments: Path, mandate: Path | None, n_points: int) -> dict[str, Any]:
    """Trace the frontier and return it as it is printed, with `n_points` points of evenly spaced return besides.

    The mandate's objective and risk aversion are not read; without a mandate the weights are bounded by 0 and 1. Raises
    DataError for files that cannot be used and for limits that are not linear, InfeasibleError, SolverError.
    """
    given = read_moments(moments)
    limits = Mandate(given.codes, objective="min_volatility")
    if mandate is not None:
        limits = read_mandate(mandate, given.codes, objective_required=False)
    path = exact_frontier(given, limits)
    return {
        "turning_points": [_printed(point, path.codes) for point in path.turning_points()],
        "points": [_printed(point, path.codes) for point in path.points(n_points)],
        "notes": [*given.notes, *([f"variance_added:{path.ridge:.3g}"] if path.ridge else [])],
    }


def _printed(point: FrontierPoint, codes: tuple[str, ...]) -> dict[str, Any]:
    return {
        "risk_aversion": point.risk_aversion,
        "expected_return": point.expected_return,
        "volatility": point.volatility,
        "weights": {code: float(w) if abs(w) > HELD else 0.0 for code, w in zip(codes, point.weights, strict=True)},
    }
