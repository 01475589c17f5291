"""How likely is it that somebody who is asked again reaches the same lower edge?

Classical test theory, block by block (Kelley's regression of the true score, both sheets with their own errors), on the angle
asin sqrt(score/100), in which the error of a bounded score hardly depends on the score (Freeman and Tukey 1950). Not on R:
errors of the lower of two uncertain blocks, and the penalties in it, are not normal there. docs/method-risk.md has the formulas.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

# Gauss-Legendre on [-1, 1]; four points a side keep the probability to 1e-5, with damage to 3e-3 (docs/method-risk.md).
_INNER, _OUTER = math.sqrt(3 / 7 - 2 / 7 * math.sqrt(6 / 5)), math.sqrt(3 / 7 + 2 / 7 * math.sqrt(6 / 5))
_MORE, _LESS = (18 + math.sqrt(30)) / 36, (18 - math.sqrt(30)) / 36
NODES = ((-_OUTER, _LESS), (-_INNER, _MORE), (_INNER, _MORE), (_OUTER, _LESS))


@dataclass(frozen=True)
class BlockNorms:
    """The angle of a block's score in the norm group, radians; `reliability` is the correlation of two sheets of the same people."""

    mean: float
    sd: float
    reliability: float


@dataclass(frozen=True)
class Norms:
    """The norm group of an instrument: of tolerance after the spread of its answers (T1), of capacity (K), and between the two."""

    tolerance: BlockNorms
    capacity: BlockNorms
    correlation: float

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        return cls(BlockNorms(**data["tolerance"]), BlockNorms(**data["capacity"]), data["correlation"])


@dataclass(frozen=True)
class Forecast:
    """The angle of each block on another sheet: normal with this mean and error, radians; the two errors are independent."""

    tolerance: float
    tolerance_error: float
    capacity: float
    capacity_error: float


def angle(score: float) -> float:
    """Return asin sqrt of a score in [0, 100], radians; what lies outside counts as the end."""
    return math.asin(math.sqrt(min(1.0, max(0.0, score / 100))))


def forecast(tolerance: float, capacity: float, norms: Norms) -> Forecast:
    """Return what another sheet may hold of somebody with the scores T1 and K: shrunk to the norm group's means."""
    z_t = (angle(tolerance) - norms.tolerance.mean) / norms.tolerance.sd
    z_k = (angle(capacity) - norms.capacity.mean) / norms.capacity.sd
    return Forecast(*_again(norms.tolerance, z_t, z_k, norms.correlation), *_again(norms.capacity, z_k, z_t, norms.correlation))


def weights(block: BlockNorms, correlation: float) -> tuple[float, float, float]:
    """Return how a block's next standard score regresses on its own and the other's, and the error's SD in radians.

    Of two sheets only the true scores are alike, and errors are independent: the blocks correlate across sheets as within one.
    """
    free = 1 - correlation**2
    own, other = (block.reliability - correlation**2) / free, correlation * (1 - block.reliability) / free
    left = 1 - own * block.reliability - other * correlation
    return own, other, block.sd * math.sqrt(max(0.0, left))


def _again(block: BlockNorms, z_own: float, z_other: float, correlation: float) -> tuple[float, float]:
    own, other, error = weights(block, correlation)
    return block.mean + block.sd * (own * z_own + other * z_other), error


def chance(expected: Forecast, edge: float, *, gap_weight: float, gap_cap: float, damage: float = 0.0) -> float:
    """Return the probability that R of another sheet is at or above `edge`, behaviour taking the same damage D off T1.

    K is integrated over: below edge - w c none is enough, from edge + (1 - w) c on any T2 from edge - w c is; between these
    the T2 that is needed falls along two straight lines that meet where the blocks are equal.
    """
    start, top = edge - gap_weight * gap_cap, min(100.0, edge + (1 - gap_weight) * gap_cap)

    def least(k: float) -> float:
        return (edge - (1 - gap_weight) * k) / gap_weight if k < edge else max(start, (edge - gap_weight * k) / (1 - gap_weight))

    def tolerates(score: float) -> float:
        return 1.0 if score <= 0 else _above(expected.tolerance, expected.tolerance_error, score + damage)

    found = [_above(expected.capacity, expected.capacity_error, top) * tolerates(least(top))]
    for low, high in ((start, edge), (edge, top)):
        middle, half = (angle(high) + angle(low)) / 2, (angle(high) - angle(low)) / 2
        for place, weight in NODES:
            at = middle + half * place
            found.append(
                weight * half * _density(at, expected.capacity, expected.capacity_error) * tolerates(least(100 * math.sin(at) ** 2))
            )
    return min(1.0, math.fsum(found))


def _above(mean: float, error: float, score: float) -> float:
    """The mass of an angle at or above a score; none above 100."""
    above = mean - angle(score)
    if score > 100:
        return 0.0
    return 0.5 * math.erfc(-above / (error * math.sqrt(2))) if error > 0 else float(above >= 0)


def _density(at: float, mean: float, error: float) -> float:
    return math.exp(-(((at - mean) / error) ** 2) / 2) / (error * math.sqrt(2 * math.pi)) if error > 0 else 0.0
