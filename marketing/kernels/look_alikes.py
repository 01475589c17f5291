"""Who is most like a group of people: cosine between a person's factors and the centre of the group's.

Every person is a vector that the recommender learned from what they did (users x factors, float32). Vectors are brought
to length one, the seed's are averaged, and everybody else is ranked by the cosine to that centre, which is the same order
as by the mean cosine to each member of the seed. So a seed of two unlike halves finds those between them and neither
half's own kin: split such a seed.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

LEAST_SEED = 20  # fewer say more about themselves than about a taste, and their kin would tell who they are
MOST_NEAREST = 10_000
MOST_SHARE = 0.1
SHARE_PARTS = 10_000  # a share is kept in parts of ten thousand, so that both databases round alike
BLOCK = 65_536  # rows worked on at once: the memory beside the factors stays small
DIRECTION = 1e-6  # a centre shorter than this points nowhere: the members of the seed cancel out


class NoDirection(ValueError):
    """The seed cannot be followed: too few of its members have factors, or they cancel out. `n` is how many have."""

    def __init__(self, n: int) -> None:
        super().__init__(f"{n} members with factors, or no common direction")
        self.n = n


def depth(n_others: int) -> int:
    """How far down the order is worth keeping: what the largest condition can ask for."""
    return min(n_others, max(MOST_NEAREST, -(-n_others * round(MOST_SHARE * SHARE_PARTS) // SHARE_PARTS)))


def nearest(factors: NDArray[np.float32], seed: NDArray[np.bool_]) -> tuple[NDArray[np.int64], int]:
    """Rows of those outside the seed who are most like it, nearest first, and how many there were to compare.

    `factors` (users, k) float32; `seed` (users,) bool. Rows without a direction (all zero, or not finite) are neither seed
    nor comparable. Equal cosines are in order of the rows. Only the first `depth` are returned. Raises NoDirection.
    """
    lengths = np.empty(len(factors), np.float32)
    for start in range(0, len(factors), BLOCK):
        part = factors[start : start + BLOCK].astype(np.float64)  # squares of float32 may overflow
        with np.errstate(over="ignore", invalid="ignore"):
            lengths[start : start + BLOCK] = np.sqrt(np.einsum("ij,ij->i", part, part))
    usable = np.isfinite(lengths) & (lengths > 0)
    members = usable & seed
    n_members = int(members.sum())
    if n_members < LEAST_SEED:
        raise NoDirection(n_members)
    centre = (factors[members] / lengths[members, None]).mean(axis=0, dtype=np.float64)
    if not np.linalg.norm(centre) > DIRECTION:
        raise NoDirection(n_members)
    others = np.flatnonzero(usable & ~seed)
    likeness = _likeness(factors, lengths, (centre / np.linalg.norm(centre)).astype(np.float32), others)
    return others[_first(-likeness, depth(len(others)))], len(others)


def _likeness(factors: Any, lengths: Any, centre: Any, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    found = np.empty(len(rows), np.float32)
    for start in range(0, len(rows), BLOCK):
        part = rows[start : start + BLOCK]
        found[start : start + BLOCK] = (factors[part] @ centre) / lengths[part]
    return found


def _first(values: NDArray[np.float32], n: int) -> NDArray[np.int64]:
    """Places of the n smallest, ascending; equal ones in their order, also where the cut falls among them."""
    if n <= 0:
        return np.empty(0, np.int64)
    edge = np.partition(values, n - 1)[n - 1]
    below, equal = np.flatnonzero(values < edge), np.flatnonzero(values == edge)
    chosen = np.concatenate([below, equal[: n - len(below)]])
    return chosen[np.lexsort((chosen, values[chosen]))]
