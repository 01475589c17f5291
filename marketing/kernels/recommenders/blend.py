"""Several models as one: their scores, brought to one scale for each person, weighted and summed."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from marketing.kernels.recommenders.contract import Floats, Ints
from marketing.kernels.recommenders.ranking import Scoring


class Blend(Scoring):
    """Standardised over the columns that are ranked; a model that finds all alike adds nothing."""

    name = "blend"

    def __init__(self, parts: Sequence[tuple[float, Scoring]]) -> None:
        if not parts or not all(np.isfinite(weight) and weight > 0 for weight, _ in parts):
            raise ValueError("a blend needs models with weights above 0")
        self.parts = tuple(parts)

    @classmethod
    def of_fitted(cls, parts: Sequence[tuple[float, Scoring]]) -> "Blend":
        """A blend of models that were all fitted on one matrix already."""
        blend = cls(parts)
        blend.shape, blend.known = parts[0][1].shape, parts[0][1].known
        return blend

    def _learn(self, values: sp.csr_matrix) -> None:
        for _, part in self.parts:
            part.fit(values)

    def _scores(self, rows: Ints, matrix: sp.csr_matrix, columns: Ints) -> Floats:
        total = np.zeros((len(rows), len(columns)), dtype=np.float32)
        for weight, part in self.parts:
            scores = part._scores(rows, matrix, columns)
            scores -= scores.mean(axis=1, keepdims=True)
            spread = scores.std(axis=1, keepdims=True)
            scores *= np.float32(weight) / np.maximum(spread, np.float32(1e-9))
            total += scores
        return total

    def as_json(self) -> dict[str, Any]:
        return {"parts": [{"name": part.name, "weight": weight, "settings": part.as_json()} for weight, part in self.parts]}

    def alike(self, left: Ints, right: Ints) -> Floats:
        """By the first part that finds anything alike between the two."""
        found = np.zeros(len(left), dtype=np.float32)
        if len(self.known):
            for _, part in self.parts:
                missing = found == 0
                found[missing] = part.alike(left[missing], right[missing])
        return found
