"""Where keys stand among others."""

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def places_among(ascending: Ints, keys: Ints) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Where each key (any shape) stands among sorted distinct ones, and whether it is there; where it is not, its place means nothing.

    Keys in a range not much wider than there are rows, which the ids of a table are, are looked up; others are searched for.
    """
    if not len(ascending):
        return np.zeros(keys.shape, np.int64), np.zeros(keys.shape, bool)
    low, width = int(ascending[0]), int(ascending[-1] - ascending[0]) + 1
    if width > 4 * (len(ascending) + keys.size):
        place = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
        return place, np.asarray(ascending[place] == keys)
    table = np.full(width + 2, -1, np.int64)  # its ends stand for whatever is below and above
    table[ascending - low + 1] = np.arange(len(ascending))
    place = table[np.clip(keys - low + 1, 0, width + 1)]
    return place, place >= 0
