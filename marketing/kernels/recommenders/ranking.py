"""From scores to rankings, a block of people at a time; what every model shares."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders.contract import Floats, Ints, Ranking

CELLS_A_BLOCK = 2**21  # people x items scored at once: 8 MiB of scores, which a second-level cache and a small worker both bear


def checked(matrix: sp.csr_matrix) -> sp.csr_matrix:
    """The confidences as float32 with sorted, summed entries and no stored zeros; ValueError where one is impossible."""
    values = sp.csr_matrix(matrix, dtype=np.float32, copy=True)
    values.sum_duplicates()
    if not np.isfinite(values.data).all():
        raise ValueError("confidences must be finite numbers: there is a NaN or an infinity among them")
    if values.nnz and values.data.min() < 0:
        raise ValueError(f"confidences must not be negative: the least is {values.data.min():g}")
    values.eliminate_zeros()
    return values


def best_columns(scores: Floats, n: int) -> tuple[Ints, Floats]:
    """Positions and values of the `n` highest of each row, best first, equal ones by position; -1 and 0 for those at -inf.

    `scores` has at least one column; the answer has min(n, columns) columns.
    """
    n_rows, width = scores.shape
    n = min(n, width)
    if n < width:
        least = np.partition(scores, width - n, axis=1)[:, width - n, None]
        kept = scores >= least
        crowded = np.flatnonzero(np.count_nonzero(kept, axis=1) > n)
        if len(crowded):  # equals at the edge: the first of them by position
            above, level = scores[crowded] > least[crowded], scores[crowded] == least[crowded]
            room = n - np.count_nonzero(above, axis=1)
            kept[crowded] = above | (level & (np.cumsum(level, axis=1) <= room[:, None]))
        places = (np.flatnonzero(kept) % width).reshape(n_rows, n)
    else:
        places = np.broadcast_to(np.arange(width), (n_rows, width))
    values = np.take_along_axis(scores, places, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")
    places, values = np.take_along_axis(places, order, axis=1), np.take_along_axis(values, order, axis=1)
    real = np.isfinite(values)
    return np.where(real, places, -1), np.where(real, values, np.float32(0))


class Scoring(ABC):
    """A model that gives each (person, item) a score; ranking, and the same refusals for all, are made of that here."""

    name: str
    is_personal = True  # whether it has nothing to say to a person without a history
    known: Ints  # columns that somebody had touched at fit
    shape: tuple[int, int]

    def fit(self, matrix: sp.csr_matrix) -> None:
        values = checked(matrix)
        self.shape = values.shape
        self.known = np.unique(values.indices).astype(np.int64)
        if len(self.known):
            self._learn(values)

    @abstractmethod
    def _learn(self, values: sp.csr_matrix) -> None:
        """Fit on a checked matrix in which something is known."""

    @abstractmethod
    def _scores(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints) -> Floats:
        """A new array (rows, columns) of scores; -inf for what the model would not propose."""

    @abstractmethod
    def as_json(self) -> dict[str, Any]: ...

    @abstractmethod
    def alike(self, left: Ints, right: Ints) -> Floats: ...

    def rank(self, rows: Ints, matrix: sp.csr_matrix, *, n: int, allowed: Ints) -> Ranking:
        if matrix.shape != self.shape:
            raise ValueError(f"this model was fitted on {self.shape} people x items, not on {tuple(matrix.shape)}")
        rows = np.asarray(rows, dtype=np.int64)
        items, scores = np.full((len(rows), n), -1, dtype=np.int64), np.zeros((len(rows), n), dtype=np.float32)
        columns = np.intersect1d(np.asarray(allowed, dtype=np.int64), self.known)
        if len(columns) and n:
            columns = self._worth_scoring(columns, rows, matrix, n)
            place_of = np.full(self.shape[1], -1, dtype=np.int64)
            place_of[columns] = np.arange(len(columns))
            size = max(1, CELLS_A_BLOCK // len(columns))
            for start in range(0, len(rows), size):
                block = slice(start, start + size)
                scored = self._masked(rows[block], matrix, columns, place_of)
                places, values = best_columns(scored, n)
                width = places.shape[1]
                items[block, :width] = np.where(places >= 0, columns[places], -1)
                scores[block, :width] = values
        return Ranking(items, scores)

    def _worth_scoring(self, columns: Ints, rows: Ints, matrix: sp.csr_matrix, n: int) -> Ints:
        return columns

    def _masked(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints, place_of: Ints) -> Floats:
        scored = self._scores(rows, matrix, columns)
        touched = matrix[rows]
        lengths = np.diff(touched.indptr)
        place = place_of[touched.indices]
        person = np.repeat(np.arange(len(rows)), lengths)
        scored[person[place >= 0], place[place >= 0]] = -np.inf
        if self.is_personal:
            scored[lengths == 0] = -np.inf
        return scored
