"""Percentile ranks among peers, for one set of values or for many draws of them at once."""

import numpy as np
from numpy.typing import NDArray

from portfolios.kernels.types import FloatArray

BoolArray = NDArray[np.bool_]


def percentile_ranks(values: FloatArray, counted: BoolArray) -> FloatArray:
    """Rank each row of values (d, n) among its counted columns (n,): the share below plus half the share that ties.

    The highest value ranks highest, and the mean over the counted columns is .5. A column that is not counted is placed
    among those that are. A column that is not finite in every row ranks NaN and is nobody's peer.
    """
    ranks = np.full(values.shape, np.nan)
    known = np.isfinite(values).all(axis=0)
    n_peers = int((known & counted).sum())
    if not n_peers:
        return ranks
    found = values[:, known]
    order = np.argsort(found, axis=1, kind="stable")
    ordered = np.take_along_axis(found, order, axis=1)
    one = (counted[known].astype(np.float64) / n_peers)[order]
    upto = np.cumsum(one, axis=1)
    first, last = _runs(ordered)
    below = np.take_along_axis(upto - one, first, axis=1)
    middle = np.empty_like(found)
    np.put_along_axis(middle, order, (below + np.take_along_axis(upto, last, axis=1)) / 2, axis=1)
    ranks[:, known] = middle
    return ranks


def _runs(ordered: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of each place in sorted rows (d, n), where the run of equal values that it belongs to begins and ends."""
    n = ordered.shape[1]
    place = np.broadcast_to(np.arange(n), ordered.shape)
    changes = ordered[:, 1:] != ordered[:, :-1]
    edge = np.ones((len(ordered), 1), bool)
    first = np.maximum.accumulate(np.where(np.hstack([edge, changes]), place, 0), axis=1)
    ends = np.where(np.hstack([changes, edge]), place, n)
    last = np.minimum.accumulate(ends[:, ::-1], axis=1)[:, ::-1]
    return first, last


def places_within(groups: NDArray[np.int64], *keys: FloatArray) -> NDArray[np.int64]:
    """Number the members of each group (n,) from 0 in ascending order of the keys, the first key before the second."""
    order = np.lexsort((*reversed(keys), groups))
    ordered = groups[order]
    starts = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    place = np.arange(len(groups)) - np.repeat(starts, np.diff(starts, append=len(groups)))
    numbered = np.empty(len(groups), np.int64)
    numbered[order] = place
    return numbered
