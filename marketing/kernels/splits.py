"""What a model learns from and what it is judged by: a share of each person's items, or all that came after one moment."""

from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["per_user", "time"]
SPLITS: tuple[Split, ...] = ("per_user", "time")
Mask = npt.NDArray[np.bool_]


def per_user_split(user: npt.NDArray[np.int64], share: float, seed: int) -> Mask:
    """Draw `share` of each person's rows (to the nearest whole number) for the test; True where a row is drawn."""
    drawn = np.random.default_rng(seed).random(len(user))
    order = np.lexsort((drawn, user))
    _, first, count = np.unique(user[order], return_index=True, return_counts=True)
    place = np.arange(len(user)) - np.repeat(first, count)
    found = np.zeros(len(user), dtype=bool)
    found[order] = place < np.repeat(np.rint(count * share), count)
    return found


def time_split(moment: npt.NDArray[np.float64], share: float) -> Mask:
    """True for the last `share` of rows by time; rows of one moment stay together, on the earlier side."""
    if not len(moment):
        return np.zeros(0, dtype=bool)
    last_before = np.sort(moment)[max(0, int(np.ceil(len(moment) * (1 - share))) - 1)]
    return np.asarray(moment > last_before)
