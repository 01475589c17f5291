"""Models that place people and items as vectors: a score is the product of two of them."""

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders.contract import Floats, Ints
from marketing.kernels.recommenders.ranking import Scoring


class FactorModel(Scoring):
    """Has user_factors (people, k) and item_factors (items, k), both float32, once something could be learned."""

    user_factors: Floats
    item_factors: Floats
    n_directions: int | None = None  # how many of the k say what an item is like; None: all of them

    def fit(self, matrix: sp.csr_matrix) -> None:
        super().fit(matrix)
        if len(self.known) and not (np.isfinite(self.user_factors).all() and np.isfinite(self.item_factors).all()):
            raise ArithmeticError(f"{self.name} did not converge: there is a NaN or an infinity among its factors")

    def restore(self, user_factors: Floats, item_factors: Floats, *, touched: Ints) -> None:
        """Go on from factors that were learned before; `touched` are the columns that somebody had touched at fit."""
        if user_factors.shape[1] != item_factors.shape[1]:
            raise ValueError(f"people have {user_factors.shape[1]} factors and items {item_factors.shape[1]}")
        self.user_factors, self.item_factors = np.asarray(user_factors, np.float32), np.asarray(item_factors, np.float32)
        self.shape = len(user_factors), len(item_factors)
        self.known = np.unique(np.asarray(touched, dtype=np.int64))

    def _scores(self, rows: Ints, matrix: object, columns: Ints) -> Floats:
        return self.user_factors[rows] @ self.item_factors[columns].T

    def alike(self, left: Ints, right: Ints) -> Floats:
        """The cosine of the items' vectors."""
        if not len(self.known):
            return np.zeros(len(left), dtype=np.float32)
        vectors = self.item_factors[:, : self.n_directions]
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), np.float32(1e-12))
        products = np.einsum("ij,ij->i", vectors[left], vectors[right])
        return np.asarray(products / (lengths[left] * lengths[right]), dtype=np.float32)
