"""EASE: linear weights between items in closed form (Steck 2019), with the diagonal that dropout amounts to (Steck 2020).

No item explains itself; memory grows with the square of the items and time with their cube, so that only those touched by
most people are learned and the others score 0.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.linalg import lapack

from marketing.kernels.recommenders.contract import Floats, Ints
from marketing.kernels.recommenders.ranking import Scoring


@dataclass(frozen=True)
class EaseSettings:
    """`regularization` in units of squared mean confidence; `dropout` of 0 is plain EASE."""

    regularization: float = 300.0
    dropout: float = 0.5
    most_items: int = 5_000

    def __post_init__(self) -> None:
        if not (self.regularization > 0 and 0 <= self.dropout < 1):
            raise ValueError("EASE needs a regularization above 0 and a dropout from 0 to below 1")


class Ease(Scoring):
    name = "ease"

    def __init__(self, settings: EaseSettings | None = None) -> None:
        self.settings = settings or EaseSettings()

    def _learn(self, values: sp.csr_matrix) -> None:
        settings = self.settings
        touched_by = np.bincount(values.indices, minlength=values.shape[1])
        learned = np.sort(np.argsort(-touched_by, kind="stable")[: min(settings.most_items, len(self.known))])
        self.place_of = np.full(values.shape[1], -1, dtype=np.int64)
        self.place_of[learned] = np.arange(len(learned))
        self.scale = 1 / np.float32(values.data.mean(dtype=np.float64))
        some = values[:, learned] * self.scale
        gram = np.asfortranarray((some.T @ some).toarray(), dtype=np.float32)
        diagonal = np.diag_indices(len(learned))
        gram[diagonal] *= 1 + settings.dropout / (1 - settings.dropout)
        gram[diagonal] += settings.regularization
        self.weights = _weights(gram)

    def _scores(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints) -> Floats:
        place = self.place_of[columns]
        learned = np.flatnonzero(self.place_of >= 0)
        found = np.zeros((len(rows), len(columns)), dtype=np.float32)
        is_in = place >= 0
        found[:, is_in] = (matrix[rows][:, learned].astype(np.float32) * self.scale) @ self.weights[:, place[is_in]]
        return found

    def as_json(self) -> dict[str, Any]:
        return asdict(self.settings)

    def alike(self, left: Ints, right: Ints) -> Floats:
        """The weight of one item in the score of the other: what touching `right` adds to `left`."""
        found = np.zeros(len(left), dtype=np.float32)
        if len(self.known):
            to, by = self.place_of[left], self.place_of[right]
            is_in = (to >= 0) & (by >= 0)
            found[is_in] = self.weights[by[is_in], to[is_in]]
        return found


def _weights(gram: Floats) -> Floats:
    """-P / diag(P) with P the inverse and a diagonal of 0; `gram` is symmetric, positive definite, and written over."""
    factor, failed = lapack.spotrf(gram, lower=1, overwrite_a=1)
    if not failed:
        inverse, failed = lapack.spotri(factor, lower=1, overwrite_c=1)
    if failed:
        raise ValueError("the items cannot be told apart in this precision: raise the regularization")
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0)
    return np.ascontiguousarray(weights, dtype=np.float32)
