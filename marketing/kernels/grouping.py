"""Counting and choosing by group: rows in parallel columns, one group number a row, one figure a group."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NONE = int(np.iinfo(np.int64).min)  # of a group without rows


def latest(group: IntArray, value: IntArray, n: int) -> IntArray:
    """Return the largest value of each of n groups (n,), NONE where there is none."""
    found = np.full(n, NONE, np.int64)
    np.maximum.at(found, group, value)
    return found


def earliest(group: IntArray, value: IntArray, n: int) -> IntArray:
    """Return the smallest value of each of n groups (n,), NONE where there is none."""
    top = np.iinfo(np.int64).max
    found = np.full(n, top, np.int64)
    np.minimum.at(found, group, value)
    return np.where(found == top, NONE, found)


def counted(group: IntArray, n: int) -> IntArray:
    """Return the number of rows of each of n groups (n,)."""
    return np.bincount(group, minlength=n).astype(np.int64)


def summed(group: IntArray, value: IntArray, n: int) -> IntArray:
    """Return the exact sum of whole numbers of each of n groups (n,)."""
    found = np.zeros(n, np.int64)
    np.add.at(found, group, value)
    return found


def distinct(group: IntArray, value: IntArray, n: int) -> IntArray:
    """Return the number of different values of each of n groups (n,)."""
    if not len(group):
        return np.zeros(n, np.int64)
    pairs = np.unique(np.stack([group, value]), axis=1)
    return counted(pairs[0], n)


def favourite(group: IntArray, code: IntArray, weight: FloatArray, n: int, n_codes: int) -> IntArray:
    """Return the code of 0..n_codes-1 with the largest sum of weights in each of n groups (n,), -1 without rows.

    Of codes with the same sum the smallest number wins, so number them in an order that means something.
    """
    if not n_codes:
        return np.full(n, -1, np.int64)
    sums = np.bincount(group * n_codes + code, weights=weight, minlength=n * n_codes).reshape(n, n_codes)
    return np.where(sums.max(axis=1) > 0.0, sums.argmax(axis=1), -1).astype(np.int64)


def shares(group: IntArray, code: IntArray, weight: FloatArray, n: int, n_codes: int) -> FloatArray:
    """Return each code's part of the weights of its group, (n, n_codes), NaN for a group without weight.

    Rows with a code below 0 count in the whole and in no part.
    """
    known = code >= 0
    sums = np.bincount(group[known] * n_codes + code[known], weights=weight[known], minlength=n * n_codes).reshape(n, n_codes)
    return divided(sums, np.bincount(group, weights=weight, minlength=n)[:, None])


def divided(above: Any, below: Any) -> FloatArray:
    """Return above / below, NaN where below is not positive."""
    above, below = np.broadcast_arrays(np.asarray(above, float), np.asarray(below, float))
    return np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0.0)


def numbered(values: Sequence[str]) -> tuple[IntArray, list[str]]:
    """Return the number of each value among the different ones in alphabetical order, and those."""
    names = sorted(set(values))
    place = {name: at for at, name in enumerate(names)}
    return np.array([place[value] for value in values], np.int64), names
