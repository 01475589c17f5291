"""How well a fit foretells what it has not seen: by frequency, over time, and who comes again against who was last here when.

Decisions after the day of calibration are the holdout. All arrays are one entry a person unless said otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from marketing.kernels.bgnbd import Floats, Ints, Parameters, check_histories, expected_from_first

Bools = NDArray[np.bool_]
MOST_FREQUENT_BIN = 7
BOOTSTRAPS = 500
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Histories:
    """Each person's decisions up to a day in the unit of time of the fit, and how many came after it."""

    frequency: Floats
    recency: Floats
    observed: Floats
    later: Floats


@dataclass(frozen=True, slots=True)
class Bin:
    """People with so many repeats (to `most`, or without end): means of what was expected and of what came."""

    frequency: int
    is_open: bool
    n: int
    expected: float
    actual: float
    most: int = 0


@dataclass(frozen=True, slots=True)
class Area:
    """An area under the ROC curve with its bootstrap interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Tracked:
    """Repeats of everybody together up to a time after the first day: expected by the fit, and actual."""

    time: float
    expected: float
    actual: float


def summarise(person: Ints, time: Floats, end: float, until: float | None = None) -> tuple[Ints, Histories]:
    """Return who decided by `end` (their ids, ascending) and their histories, from one entry a decision.

    Several decisions of one person at one time are one. `later` counts decisions in (end, until], all when None. People
    whose first decision is later than `end` are left out.
    """
    order = np.lexsort((time, person))
    person, time = person[order], time[order]
    is_new = np.ones(len(person), dtype=bool)
    is_new[1:] = (person[1:] != person[:-1]) | (time[1:] != time[:-1])
    person, time = person[is_new], time[is_new]
    seen, later = time <= end, (time > end) & (time <= (np.inf if until is None else until))
    ids, start, n = np.unique(person[seen], return_index=True, return_counts=True)
    first, last = time[seen][start], time[seen][start + n - 1]
    counted = np.searchsorted(ids, person[later])
    known = counted < len(ids)
    known[known] = ids[counted[known]] == person[later][known]
    n_later = np.bincount(counted[known], minlength=len(ids)).astype(np.float64)
    check_histories(n - 1, last - first, end - first)
    return ids, Histories((n - 1).astype(np.float64), last - first, end - first, n_later)


def by_frequency(frequency: Floats, expected: Floats, actual: Floats, most: int = MOST_FREQUENT_BIN) -> list[Bin]:
    """Return means of the expected and the actual by the number of repeats before, those of `most` and more in one."""
    bins = np.minimum(frequency, most).astype(np.int64)
    n = np.bincount(bins, minlength=most + 1)
    sums = [np.bincount(bins, weights=values, minlength=most + 1) for values in (expected, actual)]
    return [Bin(i, i == most, int(n[i]), float(sums[0][i] / n[i]), float(sums[1][i] / n[i]), i) for i in range(most + 1) if n[i]]


def areas(
    scores: Mapping[str, Floats], came: Bools, rng: np.random.Generator, *, against: str, n_bootstraps: int = BOOTSTRAPS
) -> tuple[dict[str, Area], dict[str, Area]]:
    """Return the area of each score, and its difference to that of `against`, with percentile intervals over people drawn again.

    Ties count half. Every score sees the same draws, so that a difference is of the same people. Where everybody or nobody
    came there is no area: both are empty.
    """
    if came.all() or not came.any():
        return {}, {}
    n, sorted_by = len(came), {name: _ranked(score) for name, score in scores.items()}
    drawn = {name: np.empty(n_bootstraps + 1) for name in scores}
    for i in range(n_bootstraps + 1):
        weights = np.ones(n) if i == 0 else np.bincount(rng.integers(0, n, n), minlength=n).astype(np.float64)
        for name, (order, starts) in sorted_by.items():
            drawn[name][i] = _area(weights[order], came[order], starts)
    found = {name: _interval(values) for name, values in drawn.items()}
    return found, {name: _interval(values - drawn[against]) for name, values in drawn.items() if name != against}


def _ranked(score: Floats) -> tuple[Ints, Ints]:
    """The order of the scores and where each distinct value begins in it."""
    order = np.argsort(score, kind="stable")
    return order, np.flatnonzero(np.append(True, np.diff(score[order]) != 0))


def _area(weights: Floats, came: Bools, starts: Ints) -> float:
    positive = np.add.reduceat(np.where(came, weights, 0.0), starts)
    negative = np.add.reduceat(np.where(came, 0.0, weights), starts)
    below = np.cumsum(negative) - negative
    return float(positive @ (below + negative / 2) / max(positive.sum() * negative.sum(), 1e-300))


def _interval(values: Floats) -> Area:
    low, high = np.quantile(values[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Area(float(values[0]), float(low), float(high))


def track(parameters: Parameters, first: Floats, repeats: Floats, times: Floats) -> list[Tracked]:
    """Return cumulative repeats of everybody at `times`: `first` is each person's first decision, `repeats` those of everybody.

    Expected of each are the repeats of a new customer within the time since their own first one.
    """
    distinct, n = np.unique(first, return_counts=True)
    waits = np.maximum(times[:, None] - distinct[None, :], 0.0)
    values, place = np.unique(waits, return_inverse=True)
    expected = expected_from_first(parameters, values)[place].reshape(waits.shape) @ n
    actual = np.searchsorted(np.sort(repeats), times, side="right")
    return [Tracked(float(at), float(guess), float(came)) for at, guess, came in zip(times, expected, actual, strict=True)]


def merged(bins: list[Bin], least: int) -> list[Bin]:
    """Return the bins with those of fewer than `least` people put together with their neighbours, from the most frequent down."""
    kept: list[Bin] = []
    waiting: Bin | None = None
    for one in reversed(bins):
        waiting = one if waiting is None else _together(one, waiting)
        if waiting.n >= least:
            kept, waiting = [waiting, *kept], None
    if waiting is not None and kept:
        kept = [_together(waiting, kept[0]), *kept[1:]]
    return kept


def _together(one: Bin, other: Bin) -> Bin:
    n = one.n + other.n
    mean = [(one.n * left + other.n * right) / n for left, right in ((one.expected, other.expected), (one.actual, other.actual))]
    return Bin(one.frequency, other.is_open, n, mean[0], mean[1], other.most)
