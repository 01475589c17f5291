"""Alternating least squares for implicit feedback (Hu, Koren, Volinsky 2008), by the `implicit` library."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from threadpoolctl import threadpool_limits

from marketing.kernels.recommenders.factors import FactorModel


@dataclass(frozen=True)
class AlsSettings:
    factors: int = 32
    iterations: int = 15
    regularization: float = 0.05
    alpha: float = 10.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Als(FactorModel):
    """The same seed gives the same factors on one machine, on however many threads: each solve is one thread's."""

    name = "als"

    def __init__(self, settings: AlsSettings, *, seed: int, threads: int = 1) -> None:
        self.settings, self.seed, self.threads = settings, seed, threads

    def _learn(self, values: sp.csr_matrix) -> None:
        from implicit.cpu.als import AlternatingLeastSquares

        # Many tiny solves: a BLAS pool of its own only gets in their way.
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(**self.settings.as_json(), random_state=self.seed, num_threads=self.threads)
            model.fit(values, show_progress=False)
        self.user_factors, self.item_factors = np.asarray(model.user_factors), np.asarray(model.item_factors)

    def as_json(self) -> dict[str, Any]:
        return self.settings.as_json()
