"""What every recommender promises, whatever is inside: one contract, so that one suite judges all of them.

Rows are people, columns are items, values are confidences (non-negative, 0 where nothing is known). A model is fitted on a
matrix and ranks rows of that same matrix. Never ranked: what a person has touched, what is outside `allowed`, and items
that nobody had touched at fit, of which nothing is known. Equal scores stand in the order of their columns.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

# Measured beside the others and never served: what is to serve must beat whichever of them is best.
BASELINES = ("popularity", "level_popularity", "recent_popularity")


@dataclass(frozen=True)
class Ranking:
    """The best items of each person: columns of the matrix and scores, best first; -1 and 0 where there are fewer."""

    items: Ints  # (people, n)
    scores: Floats  # (people, n)


class Recommender(Protocol):
    name: str

    def fit(self, matrix: sp.csr_matrix) -> None:
        """Learn from people x items confidences. ValueError where one is NaN, infinite or negative. An empty matrix is no error."""
        ...

    def rank(self, rows: Ints, matrix: sp.csr_matrix, *, n: int, allowed: Ints) -> Ranking:
        """The best `n` of the columns `allowed` for each of `rows` of the matrix of fit; ValueError where its shape is another."""
        ...

    def as_json(self) -> dict[str, Any]:
        """The settings, without what was learned."""
        ...

    def alike(self, left: Ints, right: Ints) -> Floats:
        """How alike the items left[i] and right[i] are, pair by pair; 0 where the model knows nothing of it."""
        ...
