"""Bayesian personalised ranking (Rendle and others 2009), by the `implicit` library: what was touched before what was not."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders.factors import FactorModel


@dataclass(frozen=True)
class BprSettings:
    factors: int = 32
    iterations: int = 100
    learning_rate: float = 0.01
    regularization: float = 0.01


class Bpr(FactorModel):
    """Knows only that something was touched, not how often. One thread: several would write over each other, never twice alike."""

    name = "bpr"
    n_directions = -1  # the last factor of an item is how much everybody likes it

    def __init__(self, settings: BprSettings, *, seed: int) -> None:
        self.settings, self.seed = settings, seed

    def _learn(self, values: sp.csr_matrix) -> None:
        from implicit.cpu.bpr import BayesianPersonalizedRanking

        model = BayesianPersonalizedRanking(**asdict(self.settings), random_state=self.seed, num_threads=1)
        model.fit(values, show_progress=False)
        self.user_factors, self.item_factors = np.asarray(model.user_factors), np.asarray(model.item_factors)

    def as_json(self) -> dict[str, Any]:
        return asdict(self.settings)
