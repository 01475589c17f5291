"""Settings of each model, chosen on a part of what it may learn from; whatever it is judged by afterwards is not looked at."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import scipy.sparse as sp

from marketing.kernels.evaluate import evaluate
from marketing.kernels.recommenders.als import Als, AlsSettings
from marketing.kernels.recommenders.blend import Blend
from marketing.kernels.recommenders.bpr import Bpr, BprSettings
from marketing.kernels.recommenders.contract import Floats
from marketing.kernels.recommenders.ease import Ease, EaseSettings
from marketing.kernels.recommenders.neighbours import ItemNeighbours, NeighbourSettings
from marketing.kernels.recommenders.popularity import Popularity, RecentPopularity
from marketing.kernels.recommenders.ranking import Scoring

Maker = Callable[[], Scoring]
NEIGHBOURS = ("item_cosine", "item_tfidf", "item_bm25")
PARTS = ("als", "ease", "neighbours")  # of a blend; of the neighbours the best
# Weights of PARTS.
BLENDS = ((1.0, 1.0, 1.0), (2.0, 1.0, 1.0), (1.0, 2.0, 1.0), (2.0, 2.0, 1.0), (2.0, 1.0, 0.0), (1.0, 1.0, 0.0), (1.0, 0.0, 1.0))


@dataclass(frozen=True)
class Chosen:
    """A maker of the model with the settings that did best, its mean nDCG on the validation part, and how many were tried."""

    make: Maker
    validation: float
    n_tried: int


def variants(seed: int, *, is_quick: bool = False) -> dict[str, list[Maker]]:
    """What is tried of each model; a quick look tries fewer of the same."""
    neighbours = (200,) if is_quick else (50, 200, 1_000)
    saturations = (1.2,) if is_quick else (1.2, 100.0)
    ease = [(300.0, 0.5)] if is_quick else product((30.0, 100.0, 300.0, 1_000.0), (0.0, 0.5, 0.7))
    als = [(16, 20.0, 3.0)] if is_quick else product((16, 24, 48), (1.0, 20.0, 40.0), (1.0, 3.0, 6.0))
    bpr = [(64, 0.003, 0.003)] if is_quick else product((32, 64), (0.003, 0.01), (0.003, 0.03))
    return {
        "item_cosine": [_neighbours("cosine", NeighbourSettings(n)) for n in neighbours],
        "item_tfidf": [_neighbours("tfidf", NeighbourSettings(n)) for n in neighbours],
        "item_bm25": [_neighbours("bm25", NeighbourSettings(n, k1)) for n, k1 in product(neighbours, saturations)],
        "ease": [_ease(EaseSettings(regularization, dropout)) for regularization, dropout in ease],
        "als": [_als(AlsSettings(factors, 15, regularization, alpha), seed) for factors, regularization, alpha in als],
        "bpr": [_bpr(BprSettings(factors, 100, rate, regularization), seed) for factors, rate, regularization in bpr],
    }


def choose(
    train: sp.csr_matrix, validation: sp.csr_matrix, seed: int, *, recent: Floats | None = None, is_quick: bool = False
) -> dict[str, Chosen]:
    """For each model the settings with the best mean nDCG@10 on `validation` after a fit on `train`; of equals the first.

    `recent` is for recent_popularity, as in `candidates`; its weights are those of `train`, so that of it, and of popularity,
    only the validation figure is of use: there is nothing to choose.
    """
    baselines: dict[str, list[Maker]] = {"popularity": [Popularity]}
    if recent is not None:
        baselines["recent_popularity"] = [lambda: RecentPopularity(recent)]
    found: dict[str, Chosen] = {}
    kept: dict[str, tuple[str, Scoring]] = {}  # of each part of a blend the name and the model; every other model is let go
    for name, makers in (baselines | variants(seed, is_quick=is_quick)).items():
        found[name], model = _best(makers, train, validation)
        part = "neighbours" if name in NEIGHBOURS else name
        if part in PARTS and (part not in kept or found[name].validation > found[kept[part][0]].validation):
            kept[part] = name, model
        del model  # else it lies there while the next ones learn
    return found | {"blend": _blend(found, [kept[part] for part in PARTS], train, validation)}


def _best(makers: Sequence[Maker], train: sp.csr_matrix, validation: sp.csr_matrix) -> tuple[Chosen, Scoring]:
    """The first of the best and its model, fitted. A model may take a hundred megabytes: two of them stand at a time, no more."""
    best: tuple[Chosen, Scoring] | None = None
    for make in makers:
        model = make()
        model.fit(train)
        score = _score(model, train, validation)
        if best is None or score > best[0].validation:
            best = Chosen(make, score, len(makers)), model
    if best is None:
        raise ValueError("there is nothing to choose from")
    return best


def _score(model: Scoring, train: sp.csr_matrix, validation: sp.csr_matrix) -> float:
    values = evaluate(model, train, validation).ndcg
    return float(values.mean()) if len(values) else 0.0


def _blend(found: dict[str, Chosen], parts: Sequence[tuple[str, Scoring]], train: sp.csr_matrix, validation: sp.csr_matrix) -> Chosen:
    """The best weights of fitted PARTS, each with the name of its model."""
    scores = []
    for weights in BLENDS:
        some = [(weight, model) for weight, (_, model) in zip(weights, parts, strict=True) if weight]
        scores.append(_score(Blend.of_fitted(some), train, validation))
    best = int(np.argmax(scores))
    makers = [(weight, found[name].make) for weight, (name, _) in zip(BLENDS[best], parts, strict=True) if weight]
    return Chosen(lambda: Blend([(weight, make()) for weight, make in makers]), scores[best], len(BLENDS))


def _neighbours(weighting: str, settings: NeighbourSettings) -> Maker:
    return lambda: ItemNeighbours(weighting, settings)  # type: ignore[arg-type]


def _ease(settings: EaseSettings) -> Maker:
    return lambda: Ease(settings)


def _als(settings: AlsSettings, seed: int) -> Maker:
    return lambda: Als(settings, seed=seed)


def _bpr(settings: BprSettings, seed: int) -> Maker:
    return lambda: Bpr(settings, seed=seed)
