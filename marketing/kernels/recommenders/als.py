"""Alternating least squares for implicit feedback (Hu, Koren, Volinsky 2008), by the `implicit` library."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

# `implicit` pads short answers with this score and ids that look valid.
PADDING_SCORE = np.finfo(np.float32).min / 2


@dataclass(frozen=True)
class AlsSettings:
    factors: int = 32
    iterations: int = 15
    regularization: float = 0.05
    alpha: float = 10.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Ranking:
    """The best items of each user: columns of the matrix and scores, best first, -1 where there are fewer."""

    items: npt.NDArray[np.int64]  # (users, n)
    scores: npt.NDArray[np.float32]  # (users, n)


class Als:
    """fit on a users x items CSR of confidences, then rank; the same seed gives the same factors on one machine."""

    name = "als"

    def __init__(self, settings: AlsSettings, *, seed: int) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        self.settings = settings
        with threadpool_limits(1, "blas"):
            self.model = AlternatingLeastSquares(**settings.as_json(), random_state=seed, num_threads=1)

    def fit(self, matrix: sp.csr_matrix) -> None:
        # Many tiny solves: a BLAS pool of its own only gets in their way.
        with threadpool_limits(1, "blas"):
            self.model.fit(matrix, show_progress=False)

    def rank(self, users: npt.NDArray[np.int64], matrix: sp.csr_matrix, *, n: int, allowed: npt.NDArray[np.int64]) -> Ranking:
        """Rank `allowed` columns for rows `users`, leaving out what each has already touched.

        Whatever the library returns, an item outside `allowed` or already touched never comes out.
        """
        width = min(n, len(allowed))
        if width == 0 or len(users) == 0:
            return Ranking(np.full((len(users), 0), -1, dtype=np.int64), np.zeros((len(users), 0), dtype=np.float32))
        touched = matrix[users]
        items, scores = self.model.recommend(users, touched, N=width, filter_already_liked_items=True, items=np.sort(allowed))
        items = items.astype(np.int64)
        may_come_out = np.zeros(matrix.shape[1], dtype=bool)
        may_come_out[allowed] = True
        already = np.asarray(touched[np.arange(len(users))[:, None], items].todense()) != 0
        real = (scores > PADDING_SCORE) & may_come_out[items] & ~already
        return Ranking(np.where(real, items, -1), np.where(real, scores, 0.0).astype(np.float32))

    def nearest_touched(self, item: int, touched: npt.NDArray[np.int64]) -> int:
        """The touched item whose factors point most nearly the same way: why `item` was suggested."""
        vectors = np.asarray(self.model.item_factors)
        lengths = np.linalg.norm(vectors[touched], axis=1) * np.linalg.norm(vectors[item])
        cosine = vectors[touched] @ vectors[item] / np.maximum(lengths, 1e-12)
        return int(touched[int(np.argmax(cosine))])
