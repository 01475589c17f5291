"""What people did with funds, as one sparse matrix of confidences."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

# Confidence by kind, ours and uncalibrated; a plan counts once however often it buys.
WEIGHTS = {"view": 1.0, "follow": 2.0, "proposal": 2.0, "plan": 3.0, "order": 5.0}
KINDS = tuple(WEIGHTS)
BOUGHT = ("proposal", "plan", "order")
HALF_LIFE_DAYS = 90.0
RECENT_HALF_LIFE_DAYS = 14.0  # of what is popular now


@dataclass(frozen=True)
class Interactions:
    """Parallel columns, one entry an interaction; `kind` indexes KINDS, `age_days` is counted back from the run."""

    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    age_days: npt.NDArray[np.float64]

    def rows(self, which: npt.NDArray[Any]) -> "Interactions":
        """These rows, by mask or by place."""
        return Interactions(self.user[which], self.item[which], self.kind[which], self.age_days[which])


@dataclass(frozen=True)
class Matrix:
    """Users x items confidences in CSR, with the ids of rows and columns in ascending order."""

    users: npt.NDArray[np.int64]
    items: npt.NDArray[np.int64]
    values: sp.csr_matrix

    @property
    def shape(self) -> tuple[int, int]:
        return int(self.values.shape[0]), int(self.values.shape[1])

    def touched_by(self, row: int) -> npt.NDArray[np.int64]:
        """Columns that the user of a row has touched."""
        return self.values.indices[self.values.indptr[row] : self.values.indptr[row + 1]].astype(np.int64)


def recent_weights(seen: Interactions, items: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """What everybody did lately with each of ascending item ids (n,): confidences that halve every two weeks."""
    counted = _plans_once(seen)
    known = np.isin(counted.item, items)
    weight = _weights(counted, RECENT_HALF_LIFE_DAYS)[known]
    return np.bincount(np.searchsorted(items, counted.item[known]), weights=weight, minlength=len(items)).astype(np.float32)


def confidence_matrix(seen: Interactions) -> Matrix:
    """Sum weight(kind) * 2^(-age / half-life) over each (user, item); repeats of a plan count once, the latest.

    Order of the input does not matter. Negative ages (clocks that ran ahead) count as zero.
    """
    counted = _plans_once(seen)
    users, row = np.unique(counted.user, return_inverse=True)
    items, column = np.unique(counted.item, return_inverse=True)
    weight = _weights(counted, HALF_LIFE_DAYS).astype(np.float32)
    values = sp.csr_matrix((weight, (row, column)), shape=(len(users), len(items)))
    values.sum_duplicates()
    return Matrix(users.astype(np.int64), items.astype(np.int64), values)


def _plans_once(seen: Interactions) -> Interactions:
    """In one order, whatever that of the input, and of each person's plan for an item the latest purchase alone."""
    plan = KINDS.index("plan")
    seen = seen.rows(np.lexsort((seen.age_days, seen.kind, seen.item, seen.user)))
    user, item, kind = seen.user, seen.item, seen.kind
    repeated = np.zeros(len(user), dtype=bool)
    repeated[1:] = (kind[1:] == plan) & (kind[:-1] == plan) & (user[1:] == user[:-1]) & (item[1:] == item[:-1])
    return seen.rows(~repeated)


def _weights(seen: Interactions, half_life_days: float) -> npt.NDArray[np.float64]:
    weight: npt.NDArray[np.float64] = np.array(list(WEIGHTS.values()))[seen.kind]
    return weight * np.exp2(-np.maximum(seen.age_days, 0.0) / half_life_days)
