"""How exactly a questionnaire measures: the standard error of a block's score, from a population and not from people.

A stand-in until a published instrument carries its own figures (`Instrument.sem`).
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import NormalDist
from typing import Any

from advisor.kernels.risk_profile import Item, Sem

LOADING = 0.58  # of each item on the one trait of its block; about .75 of Cronbach's alpha over six or seven items
_NORMAL = NormalDist()
_TRAITS = [(step + 0.5) / 400 for step in range(400)]  # the trait at 400 equal shares of the people


_KNOWN: dict[str, Sem] = {}


def sem_of(instrument: Any) -> Sem:
    """Return what the instrument says of itself, or else `population_sem` of its items."""
    try:
        return instrument.sem
    except (AttributeError, LookupError):
        if instrument.sha256 not in _KNOWN:
            _KNOWN[instrument.sha256] = population_sem(instrument.for_scoring)
        return _KNOWN[instrument.sha256]


def population_sem(items: Sequence[Item]) -> Sem:
    """Return SD sqrt(1 - alpha) of each block where one trait drives its answers and each option, by score, has an equal share.

    In points of 100. Exact but for the 400 steps of the trait, so nothing is drawn.
    """
    blocks = {name: [item for item in items if item.block == name] for name in ("tolerance", "capacity")}
    return Sem(**{name: _block_sem(block) for name, block in blocks.items()})


def _block_sem(items: Sequence[Item]) -> float:
    n = len(items)
    given = [_moments_given_trait(item) for item in items]
    variances = [_mean([square for _, square in item]) - _mean([score for score, _ in item]) ** 2 for item in given]
    sums = [math.fsum(item[place][0] for item in given) for place in range(len(_TRAITS))]
    # Answers are independent but for the trait, so that only the sums of their means vary together.
    within = math.fsum(_mean([square - score**2 for score, square in item]) for item in given)
    total = _mean([value**2 for value in sums]) - _mean(sums) ** 2 + within
    alpha = n / (n - 1) * (1 - math.fsum(variances) / total)
    return 100 * math.sqrt(total) / n * math.sqrt(1 - alpha)


def _moments_given_trait(item: Item) -> list[tuple[float, float]]:
    """The mean and the mean square of an item's score at each step of the trait."""
    scores = sorted(option.score or 0.0 for option in item.options.values())
    edges = [_NORMAL.inv_cdf(place / len(scores)) for place in range(1, len(scores))]
    rest = math.sqrt(1 - LOADING**2)
    moments = []
    for share in _TRAITS:
        trait = _NORMAL.inv_cdf(share)
        below = [0.0, *(_NORMAL.cdf((edge - LOADING * trait) / rest) for edge in edges), 1.0]
        chances = [high - low for low, high in pairwise(below)]
        first, second = (math.fsum(chance * score**power for chance, score in zip(chances, scores, strict=True)) for power in (1, 2))
        moments.append((first, second))
    return moments


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
