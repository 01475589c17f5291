"""What people did with funds, as one sparse matrix of confidences."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

# Confidence by kind, ours and uncalibrated; a plan counts once however often it buys.
WEIGHTS = {"view": 1.0, "proposal": 2.0, "plan": 3.0, "order": 5.0}
KINDS = tuple(WEIGHTS)
HALF_LIFE_DAYS = 90.0


@dataclass(frozen=True)
class Interactions:
    """Parallel columns, one entry an interaction; `kind` indexes KINDS, `age_days` is counted back from the run."""

    user: npt.NDArray[np.int64]
    item: npt.NDArray[np.int64]
    kind: npt.NDArray[np.int8]
    age_days: npt.NDArray[np.float64]


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


def bought_pairs(seen: Interactions) -> frozenset[tuple[int, int]]:
    """The (user, item) pairs that were more than a look."""
    bought = seen.kind != KINDS.index("view")
    return frozenset(zip(seen.user[bought].tolist(), seen.item[bought].tolist(), strict=True))


def confidence_matrix(seen: Interactions) -> Matrix:
    """Sum weight(kind) * 2^(-age / half-life) over each (user, item); repeats of a plan count once, the latest.

    Order of the input does not matter. Negative ages (clocks that ran ahead) count as zero.
    """
    plan = KINDS.index("plan")
    order = np.lexsort((seen.age_days, seen.kind, seen.item, seen.user))
    user, item, kind, age = (column[order] for column in (seen.user, seen.item, seen.kind, seen.age_days))
    repeated = np.zeros(len(user), dtype=bool)
    repeated[1:] = (kind[1:] == plan) & (kind[:-1] == plan) & (user[1:] == user[:-1]) & (item[1:] == item[:-1])
    user, item, kind, age = (column[~repeated] for column in (user, item, kind, age))
    weight = np.array(list(WEIGHTS.values()))[kind] * np.exp2(-np.maximum(age, 0.0) / HALF_LIFE_DAYS)
    users, row = np.unique(user, return_inverse=True)
    items, column = np.unique(item, return_inverse=True)
    values = sp.csr_matrix((weight.astype(np.float32), (row, column)), shape=(len(users), len(items)))
    values.sum_duplicates()
    return Matrix(users.astype(np.int64), items.astype(np.int64), values)
