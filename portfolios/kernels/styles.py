"""Returns-based style analysis: the long-only mix of class indices that follows a fund best, for a whole market at once."""

from itertools import combinations

import numpy as np

from portfolios.kernels.types import FloatArray

WEEKS_A_QUARTER = 13
MOST_CLASSES = 10  # every set of classes is tried: 1,023 of ten
_RIDGE = 1e-9  # of the mean variance of the indices: classes that move as one share their weight
_SLACK = 1e-12


def style_weights(funds: FloatArray, classes: FloatArray) -> FloatArray:
    """Find weights (n, k), none below 0 and of sum 1, whose mix of class returns (T, k) leaves fund returns (T, n) the least variance.

    Exact: the optimum is the best of the optima on all sets of classes that need no weight below 0, and with one matrix
    of classes for all funds each set costs one product. A fund with a gap gets NaN. Source: Sharpe, J. Portfolio
    Management 18 (1992), who minimises the variance of what is left, so that a steady surplus is no style.
    """
    n_classes = classes.shape[1]
    if not 1 <= n_classes <= MOST_CLASSES:
        raise ValueError(f"style analysis takes 1 to {MOST_CLASSES} classes, not {n_classes}")
    centred = classes - classes.mean(axis=0)
    square = centred.T @ centred
    square = square + np.eye(n_classes) * max(_RIDGE * np.trace(square) / n_classes, 1e-300)
    whole = np.isfinite(funds).all(axis=0)
    found = funds[:, whole]
    slope = centred.T @ (found - found.mean(axis=0))  # (k, n)
    best = np.full(found.shape[1], np.inf)
    weights = np.zeros((n_classes, found.shape[1]))
    for size in range(1, n_classes + 1):
        for held in combinations(range(n_classes), size):
            _try(list(held), square, slope, best, weights)
    answer = np.full((funds.shape[1], n_classes), np.nan)
    answer[whole] = weights.T
    return answer


def _try(held: list[int], square: FloatArray, slope: FloatArray, best: FloatArray, weights: FloatArray) -> None:
    """Take the optimum on one set of classes for the funds where it is long-only and better than what they have."""
    inner, part = square[held][:, held], slope[held]
    inverse = np.linalg.inv(inner)
    free = inverse @ part
    evenly = inverse.sum(axis=0)
    mix = free + evenly[:, None] * ((1.0 - free.sum(axis=0)) / evenly.sum())
    objective = np.einsum("kn,kn->n", mix, inner @ mix - 2.0 * part)
    better = (mix >= -_SLACK).all(axis=0) & (objective < best)
    best[better] = objective[better]
    weights[:, better] = 0.0
    for row, name in enumerate(held):
        weights[name, better] = np.maximum(mix[row, better], 0.0)


def quarterly_styles(funds: FloatArray, classes: FloatArray) -> FloatArray:
    """Find the style weights (q, n, k) of each whole quarter of 13 weekly returns, the last one ending with the last row."""
    n_quarters = len(funds) // WEEKS_A_QUARTER
    start = len(funds) - n_quarters * WEEKS_A_QUARTER
    quarters = [slice(start + i * WEEKS_A_QUARTER, start + (i + 1) * WEEKS_A_QUARTER) for i in range(n_quarters)]
    if not quarters:
        return np.empty((0, funds.shape[1], classes.shape[1]))
    return np.stack([style_weights(funds[quarter], classes[quarter]) for quarter in quarters])


def distances_from_mean(styles: FloatArray) -> FloatArray:
    """L1 distance (q, n) of each quarter's weights (q, n, k) from the fund's mean over all quarters; NaN with a gap in any."""
    return np.abs(styles - styles.mean(axis=0)).sum(axis=2)


def style_shift(funds: FloatArray, classes: FloatArray, n_recent: int) -> tuple[FloatArray, FloatArray]:
    """Compare the style of the last `n_recent` weekly returns (T, n) with that of those before, each fitted as one.

    Returns the L1 distance (n,) of the two sets of weights, and how many times the variance that the recent style leaves
    the earlier style would leave in the same weeks. Near 1 the distance is noise: classes that say the same of the fund
    have changed places.
    """
    before = style_weights(funds[:-n_recent], classes[:-n_recent])
    recent_funds, recent_classes = funds[-n_recent:], classes[-n_recent:]
    recent = style_weights(recent_funds, recent_classes)
    left = np.var(recent_funds - recent_classes @ recent.T, axis=0)
    left_before = np.var(recent_funds - recent_classes @ before.T, axis=0)
    return np.abs(recent - before).sum(axis=1), left_before / np.maximum(left, 1e-16)
