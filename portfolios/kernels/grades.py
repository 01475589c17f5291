"""Our own risk grade of funds: the strictest of what category, volatility, deepest fall, leverage and complexity ask for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.types import FloatArray, IntArray

CATEGORY, VOLATILITY, DRAWDOWN, LEVERAGE, COMPLEXITY = "category", "volatility", "drawdown", "leverage", "complexity"
SHORT_HISTORY, KEPT = "short_history", "not_calmer_enough"
LOWEST = 1


class LeverageStep(Protocol):
    """The grade that leverage above so many percent of net assets asks for."""

    @property
    def above_percent(self) -> int: ...

    @property
    def at_least(self) -> int: ...


@dataclass(frozen=True)
class GradeRules:
    """Bands by grade (below which figure a fund may have it), steps of leverage, and how much calmer a fund must be to fall."""

    volatility_bands: Mapping[int, float]
    drawdown_bands: Mapping[int, float]
    leverage: Sequence[LeverageStep]
    complex_at_least: int
    calmer: float


@dataclass(frozen=True)
class GradeInputs:
    """Funds in one order, arrays (n,): the category's grade, annual volatility and deepest fall as positive fractions (NaN where
    the history is too short), leverage in percent of net assets, complexity, and our grade of before (0 where there was none)."""

    category_grade: IntArray
    volatility: FloatArray
    deepest_fall: FloatArray
    leverage_percent: IntArray
    is_complex: NDArray[np.bool_]
    before: IntArray


def own_grades(inputs: GradeInputs, rules: GradeRules) -> tuple[IntArray, list[list[dict[str, Any]]]]:
    """Return our grade of each fund (n,), 1 to 5, and for each the reasons that ask for it, as codes with their figures.

    A grade rises at the edge of its band and falls only once volatility and fall are below `calmer` times the lower edge:
    a fund at an edge does not go up and down. A figure that is not known asks for nothing, and is said.
    """
    asked = _asked(inputs, rules, 1.0)
    strict = _asked(inputs, rules, rules.calmer)
    now = np.maximum.reduce(list(asked.values()))
    # Downwards only as far as the narrower bands allow; never above what it was because of them.
    held = np.minimum(inputs.before, np.maximum.reduce(list(strict.values())))
    grades = np.maximum(now, held)
    reasons = [_reasons(inputs, {name: int(column[i]) for name, column in asked.items()}, int(grades[i]), i) for i in range(len(grades))]
    return grades, reasons


def _asked(inputs: GradeInputs, rules: GradeRules, factor: float) -> dict[str, IntArray]:
    """What each criterion asks for, its bands narrowed by a factor."""
    leverage = np.full(len(inputs.category_grade), LOWEST)
    for step in rules.leverage:
        leverage = np.maximum(leverage, np.where(inputs.leverage_percent > step.above_percent, step.at_least, LOWEST))
    return {
        CATEGORY: inputs.category_grade.astype(np.int64),
        VOLATILITY: _by_band(inputs.volatility, rules.volatility_bands, factor),
        DRAWDOWN: _by_band(inputs.deepest_fall, rules.drawdown_bands, factor),
        LEVERAGE: leverage.astype(np.int64),
        COMPLEXITY: np.where(inputs.is_complex, rules.complex_at_least, LOWEST).astype(np.int64),
    }


def _by_band(figures: FloatArray, bands: Mapping[int, float], factor: float) -> IntArray:
    """The lowest grade whose band lies above each figure; the lowest of all where it is not known."""
    grades = sorted(bands)
    edges = np.array([bands[grade] * factor for grade in grades[:-1]])
    place = np.searchsorted(edges, figures, side="right")
    return np.where(np.isfinite(figures), np.array(grades)[np.minimum(place, len(grades) - 1)], LOWEST).astype(np.int64)


def _reasons(inputs: GradeInputs, asked: Mapping[str, int], grade: int, i: int) -> list[dict[str, Any]]:
    figures = {
        VOLATILITY: float(inputs.volatility[i]),
        DRAWDOWN: float(inputs.deepest_fall[i]),
        LEVERAGE: float(inputs.leverage_percent[i]),
    }
    told: list[dict[str, Any]] = []
    for name, wanted in asked.items():
        # What a fund has not, no leverage, nothing complex, no figure of so short a history, is no reason for its grade.
        if wanted == grade and not (wanted == LOWEST and name in (LEVERAGE, COMPLEXITY)) and np.isfinite(figures.get(name, 0.0)):
            told.append({"code": name, "grade": wanted} | ({"value": round(figures[name], 6)} if name in figures else {}))
    if not told:
        known = {"value": figures[VOLATILITY], "fall": figures[DRAWDOWN]}
        told.append({"code": KEPT, "grade": grade} | {name: round(value, 6) for name, value in known.items() if np.isfinite(value)})
    if not np.isfinite(inputs.volatility[i]):
        told.append({"code": SHORT_HISTORY})
    return told
