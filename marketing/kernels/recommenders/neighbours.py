"""An item is proposed by the items most like it that a person has touched: cosine, TF-IDF and BM25 (Robertson and others 1994).

For TF-IDF and BM25 an item is a document and the people who touched it are its words: whoever touches everything says little.
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders.contract import Floats, Ints
from marketing.kernels.recommenders.ranking import CELLS_A_BLOCK, Scoring, best_columns

Weighting = Literal["cosine", "tfidf", "bm25"]


@dataclass(frozen=True)
class NeighbourSettings:
    """`saturation` and `length` are BM25's k1 and b; the other weightings do not use them."""

    neighbours: int = 200
    saturation: float = 1.2
    length: float = 0.75


class ItemNeighbours(Scoring):
    def __init__(self, weighting: Weighting, settings: NeighbourSettings | None = None) -> None:
        self.weighting, self.settings = weighting, settings or NeighbourSettings()
        self.name = f"item_{weighting}"

    def _learn(self, values: sp.csr_matrix) -> None:
        weighted = self._weighted(values)
        if self.weighting != "bm25":
            length = np.sqrt(np.asarray(weighted.power(2).sum(axis=0)).ravel())
            weighted = weighted @ sp.diags(1 / np.maximum(length, np.float32(1e-12)))
        # Row i: the items most like i, by which i is scored.
        self.likeness = _nearest(sp.csc_matrix(weighted, dtype=np.float32), self.settings.neighbours)

    def _weighted(self, values: sp.csr_matrix) -> sp.csr_matrix:
        if self.weighting == "cosine":
            return values
        n_items = values.shape[1]
        telling = np.log((1 + n_items) / (1 + np.diff(values.indptr))) + 1e-6  # who touched all items still counts for a trace
        if self.weighting == "tfidf":
            return sp.csr_matrix(sp.diags(telling) @ values.sqrt())
        k1, b = self.settings.saturation, self.settings.length
        total = np.asarray(values.sum(axis=0)).ravel()
        norm = (1 - b) + b * total / total[total > 0].mean()
        weighted = values.copy()
        weighted.data = values.data * (k1 + 1) / (k1 * norm[values.indices] + values.data)
        return sp.csr_matrix(sp.diags(telling) @ weighted)

    def _scores(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints) -> Floats:
        return np.asarray((matrix[rows] @ self.likeness[columns].T).toarray(), dtype=np.float32)

    def as_json(self) -> dict[str, Any]:
        return {"weighting": self.weighting, **asdict(self.settings)}

    def alike(self, left: Ints, right: Ints) -> Floats:
        if not len(self.known) or not len(left):  # scipy answers no pairs with a matrix
            return np.zeros(len(left), dtype=np.float32)
        return np.asarray(self.likeness[left, right], dtype=np.float32).ravel()


def _nearest(weighted: sp.csc_matrix, n: int) -> sp.csr_matrix:
    """For each item (rows) its `n` nearest others by the product of their columns."""
    n_items = weighted.shape[1]
    size = max(1, CELLS_A_BLOCK // n_items)
    parts = []
    for start in range(0, n_items, size):
        block = (weighted[:, start : start + size].T @ weighted).toarray().astype(np.float32)
        here = np.arange(len(block))
        block[here, start + here] = 0
        places, values = best_columns(block, n)
        item = np.repeat(here, places.shape[1])
        parts.append(sp.csr_matrix((values.ravel(), (item, places.ravel())), shape=block.shape))
    found = sp.csr_matrix(sp.vstack(parts))
    found.eliminate_zeros()
    return found
