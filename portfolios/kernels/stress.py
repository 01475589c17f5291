"""What a portfolio did, would have done, or might do in a bad time: lived through, replayed, or by a shock a class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from portfolios.kernels.types import FloatArray, IntArray

MIN_COVER = 0.90  # of the weights that must have prices over the whole time, for a replay to say anything


@dataclass(frozen=True)
class Stressed:
    """A return over a bad time and the deepest fall within it, by `kind`: lived, replayed or shock (which has no path).

    `cover` is the share of the weights that the figure speaks of.
    """

    kind: str
    total_return: float
    deepest_fall: float | None
    cover: float = 1.0


def lived(dates: IntArray, wealth: FloatArray, first: int, last: int) -> Stressed | None:
    """What a path (T,) did from the ordinal `first` to `last`; None where it does not cover them."""
    if dates[0] > first or dates[-1] < last:
        return None
    start, end = np.searchsorted(dates, [first, last], side="right") - 1
    path = wealth[start : end + 1]
    return Stressed("lived", float(path[-1] / path[0] - 1.0), float((path / np.maximum.accumulate(path) - 1.0).min()))


def replayed(dates: IntArray, values: FloatArray, weights: FloatArray, first: int, last: int) -> Stressed | None:
    """What weights (n,) bought at the beginning and held would have done, without costs, on the prices (T, n) of those days.

    Funds without a price at both ends are left out; None where less than `MIN_COVER` of the weights is left.
    """
    if not len(dates) or dates[0] > first or dates[-1] < last:
        return None
    start, end = np.searchsorted(dates, [first, last], side="right") - 1
    part = values[start : end + 1]
    known = np.isfinite(part).all(axis=0) & (weights > 0)
    cover = float(weights[known].sum()) / max(float(weights.sum()), 1e-12)
    if cover < MIN_COVER:
        return None
    path = (part[:, known] / part[0, known]) @ (weights[known] / weights[known].sum())
    return Stressed("replayed", float(path[-1] - 1.0), float((path / np.maximum.accumulate(path) - 1.0).min()), cover)


def shocked(weights: FloatArray, classes: Sequence[str], shocks: Mapping[str, float]) -> Stressed | None:
    """The sum of weights (n,) times their class's shock; None where less than `MIN_COVER` of them has one."""
    known = np.array([name in shocks for name in classes], bool)
    total = float(weights.sum())
    cover = float(weights[known].sum()) / max(total, 1e-12)
    if total <= 0 or cover < MIN_COVER:
        return None
    hit = np.array([shocks.get(name, 0.0) for name in classes])
    return Stressed("shock", float(hit @ weights) / cover, None, cover)
