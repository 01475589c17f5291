"""What most people touched: the baseline that any model must beat to be served. Never a reason that is shown."""

from typing import Any

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders.contract import Floats, Ints
from marketing.kernels.recommenders.ranking import Scoring


class Popularity(Scoring):
    """Items by the sum of everybody's confidences."""

    name = "popularity"
    is_personal = False

    def _learn(self, values: sp.csr_matrix) -> None:
        self.weights = self._popularity(values)
        self.by_weight = np.argsort(-self.weights, kind="stable")

    def _popularity(self, values: sp.csr_matrix) -> Floats:
        return np.asarray(values.sum(axis=0, dtype=np.float64), dtype=np.float32).ravel()

    def _scores(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints) -> Floats:
        return np.tile(self.weights[columns], (len(rows), 1))

    def _worth_scoring(self, columns: Ints, rows: Ints, matrix: sp.csr_matrix, n: int) -> Ints:
        """All rank alike, so that nobody reaches beyond the first n + as many as the busiest of them has touched."""
        busiest = int(np.diff(matrix.indptr)[rows].max(initial=0))
        ranked = self.by_weight[np.isin(self.by_weight, columns)]
        return np.sort(ranked[: n + busiest])

    def as_json(self) -> dict[str, Any]:
        return {}

    def alike(self, left: Ints, right: Ints) -> Floats:
        return np.zeros(len(left), dtype=np.float32)


class LevelPopularity(Popularity):
    """Items by the confidences of the people of one's own level.

    People look mostly at what their level may hold, so a model that has learned only the levels beats everybody's popularity.
    """

    name = "level_popularity"

    def __init__(self, levels: Ints) -> None:
        self.levels, self.place = np.unique(np.asarray(levels, np.int64), return_inverse=True)

    def _learn(self, values: sp.csr_matrix) -> None:
        if len(self.place) != values.shape[0]:
            raise ValueError(f"there are {len(self.place)} levels for {values.shape[0]} people")
        members = sp.csr_matrix(
            (np.ones(len(self.place)), (self.place, np.arange(len(self.place)))), shape=(len(self.levels), values.shape[0])
        )
        self.weights_of_level = (members @ values).toarray().astype(np.float32)

    def _scores(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints) -> Floats:
        return self.weights_of_level[self.place[rows][:, None], columns]

    def _worth_scoring(self, columns: Ints, rows: Ints, matrix: sp.csr_matrix, n: int) -> Ints:
        return columns


class RecentPopularity(Popularity):
    """Items by weights given from outside: the sum of confidences that decay faster than those of the matrix."""

    name = "recent_popularity"

    def __init__(self, weights: Floats) -> None:
        if not np.isfinite(weights).all() or (len(weights) and weights.min() < 0):
            raise ValueError("the weights of items must be finite and not negative")
        self.recent = np.asarray(weights, dtype=np.float32)

    def _popularity(self, values: sp.csr_matrix) -> Floats:
        if len(self.recent) != values.shape[1]:
            raise ValueError(f"there are {len(self.recent)} weights for {values.shape[1]} items")
        return self.recent
