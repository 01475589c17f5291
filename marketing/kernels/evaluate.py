"""How well a model ranks what people touched afterwards, how surely it beats another, and whether it may serve.

Every item is ranked (no sampled negatives), what a person touched in training is left out, and people without a test item are
not counted. nDCG@k has the ideal of as many hits as there are test items, k at most (Järvelin and Kekäläinen 2002); MAP@k
divides by the same number. ROI@k is the mean monthly return, in the weeks tested, of the k items of a list (FAR-Trans,
arXiv 2407.08692); of items without a known return nothing is said. Intervals are percentile bootstraps over people (Efron 1979).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from marketing.kernels.recommenders.contract import Floats, Ints, Recommender

Doubles = npt.NDArray[np.float64]

PEOPLE_A_BLOCK = 4_096
LISTS_A_BLOCK = 500  # beside the likeness of everything ranked: some tens of MiB at once
DRAWS = 2_000
DRAWS_AT_ONCE = 2**22  # cells of a block of draws
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Evaluation:
    """Figures of each tested person, and of the model as a whole.

    `coverage` is the share of the items that could be ranked which were ranked for somebody; `novelty` the mean of
    -log2(share of people who had touched an item) over what was ranked, in bits; `diversity` one minus the mean cosine between
    two items of one list, by who touched them or by the vectors given.
    """

    rows: Ints  # (tested,) rows of the matrix
    ndcg: Doubles
    recall: Doubles
    average_precision: Doubles
    roi: Doubles  # (people whose list has an item with a known return,)
    coverage: float
    novelty: float
    diversity: float
    n: int
    seed: int

    def as_json(self) -> dict[str, Any]:
        by_person = {"ndcg": self.ndcg, "recall": self.recall, "map": self.average_precision}
        if len(self.roi):
            by_person["roi"] = self.roi
        means = {f"{name}@{self.n}": mean_with_interval(values, self.seed) for name, values in by_person.items()}
        return means | {"coverage": self.coverage, "novelty": self.novelty, "diversity": self.diversity}


@dataclass(frozen=True)
class Decision:
    """Whether a candidate may serve, and why: better, ties_with_popularity, worse_than_popularity, ties_with_serving,
    worse_than_serving. Differences are (mean, low, high) of nDCG over people; `vs_serving` is None where nothing serves."""

    promoted: bool
    code: str
    vs_popularity: tuple[float, float, float]
    vs_serving: tuple[float, float, float] | None = None


def evaluate(
    model: Recommender,
    train: sp.csr_matrix,
    test: sp.csr_matrix,
    *,
    n: int = 10,
    allowed: Ints | None = None,
    vectors: Floats | None = None,
    returns: Doubles | None = None,
    seed: int = 42,
) -> Evaluation:
    """Rank for everybody with a test item, among `allowed` columns (default: all), and hold the ranking against `test`.

    `model` is fitted on `train`; both matrices are people x items. `vectors` (items, any) are what diversity is told by,
    `returns` (items,) what each returned a month in the weeks tested, NaN where unknown.
    ValueError where the shapes differ.
    """
    if train.shape != test.shape:
        raise ValueError(f"training is {train.shape} people x items and the test {test.shape}")
    columns = np.arange(train.shape[1], dtype=np.int64) if allowed is None else np.asarray(allowed, dtype=np.int64)
    wanted = _binary(test)
    rows = np.flatnonzero(np.diff(wanted.indptr)).astype(np.int64)
    items = np.full((len(rows), n), -1, dtype=np.int64)
    for start in range(0, len(rows), PEOPLE_A_BLOCK):
        block = slice(start, start + PEOPLE_A_BLOCK)
        items[block] = model.rank(rows[block], train, n=n, allowed=columns).items
    hits, n_wanted = hits_of(items, wanted[rows]), np.diff(wanted.indptr)[rows]
    touched = _binary(train)
    n_rankable = len(np.intersect1d(columns, np.unique(touched.indices)))
    told_by = sp.csr_matrix(touched.T) if vectors is None else sp.csr_matrix(vectors)
    return Evaluation(
        rows=rows,
        ndcg=ndcg(hits, n_wanted),
        recall=hits.sum(axis=1) / np.maximum(n_wanted, 1),
        average_precision=average_precision(hits, n_wanted),
        roi=roi(items, returns) if returns is not None else np.zeros(0),
        coverage=len(np.unique(items[items >= 0])) / max(n_rankable, 1),
        novelty=_novelty(items, touched),
        diversity=_diversity(items, told_by),
        n=n,
        seed=seed,
    )


def hits_of(items: Ints, wanted: sp.csr_matrix) -> npt.NDArray[np.bool_]:
    """Which of the ranked `items` (people, n) each person touched afterwards; -1 never is."""
    width = wanted.shape[1]
    person = np.arange(len(items))[:, None]
    theirs = np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr)) * width + wanted.indices
    return np.isin(person * width + items, theirs) & (items >= 0)


def ndcg(hits: npt.NDArray[np.bool_], n_wanted: Ints) -> Doubles:
    """(people,) of hits (people, n) by rank and the number of test items of each, at least one."""
    gains = 1 / np.log2(np.arange(2, hits.shape[1] + 2))
    ideal = np.cumsum(gains)[np.minimum(n_wanted, hits.shape[1]) - 1]
    return np.asarray(hits @ gains / ideal)


def average_precision(hits: npt.NDArray[np.bool_], n_wanted: Ints) -> Doubles:
    """The precision at each hit, summed and divided by how many hits there could be."""
    precision = np.cumsum(hits, axis=1) / np.arange(1, hits.shape[1] + 1)
    return np.asarray((precision * hits).sum(axis=1) / np.minimum(n_wanted, hits.shape[1]))


def roi(items: Ints, returns: Doubles) -> Doubles:
    """The mean return of each list (people, n), of those that have an item with a known return."""
    found = np.where(items >= 0, returns[items], np.nan)
    is_known = ~np.isnan(found)
    n_known = is_known.sum(axis=1)
    return np.asarray(np.where(is_known, found, 0.0).sum(axis=1)[n_known > 0] / n_known[n_known > 0])


def _binary(matrix: sp.csr_matrix) -> sp.csr_matrix:
    found = sp.csr_matrix(matrix, dtype=np.float32, copy=True)
    found.sum_duplicates()
    found.eliminate_zeros()
    found.data[:] = 1
    return found


def _novelty(items: Ints, touched: sp.csr_matrix) -> float:
    ranked = items[items >= 0]
    if not len(ranked):
        return 0.0
    # A model that breaks the contract and ranks what nobody had touched still gets a finite figure.
    share = np.maximum(np.bincount(touched.indices, minlength=touched.shape[1])[ranked], 1) / touched.shape[0]
    return float(-np.log2(share).mean())


def _diversity(items: Ints, vectors: sp.csr_matrix) -> float:
    """One minus the mean over people of the cosine between two items of their list; 0 where no list has two."""
    own = np.asarray(vectors.power(2).sum(axis=1)).ravel()
    unit = sp.csr_matrix(sp.diags(1 / np.sqrt(np.maximum(own, 1e-12))) @ vectors)
    used, place = np.unique(items[items >= 0], return_inverse=True)
    if not len(used):
        return 0.0
    # The sum over a list's pairs is (|sum of its unit vectors|^2 - how many have a length) / 2.
    lists = sp.csr_matrix((np.ones(len(place), np.float64), (np.nonzero(items >= 0)[0], place)), shape=(len(items), len(used)))
    alike = (unit[used] @ unit[used].T).tocsr()
    blocks = [lists[start : start + LISTS_A_BLOCK] for start in range(0, lists.shape[0], LISTS_A_BLOCK)]
    within = np.concatenate([np.asarray((block @ alike).multiply(block).sum(axis=1)).ravel() for block in blocks])
    within -= lists @ (own[used] > 0).astype(np.float64)
    length = np.asarray(lists.sum(axis=1)).ravel()
    pairs = length * (length - 1)
    has_two = pairs > 0
    return float(1 - (within[has_two] / pairs[has_two]).mean()) if has_two.any() else 0.0


def _bootstrap_means(values: Doubles, seed: int) -> Doubles:
    """Means of DRAWS samples with replacement, drawn a block at a time."""
    random, n = np.random.default_rng(seed), len(values)
    size = max(1, DRAWS_AT_ONCE // n)
    return np.concatenate([values[random.integers(0, n, (min(size, DRAWS - at), n))].mean(axis=1) for at in range(0, DRAWS, size)])


def _interval(values: Doubles, seed: int, together: int = 1) -> tuple[float, float, float]:
    if not len(values):
        raise ValueError("nobody has a test item: there is nothing to compare")
    tail = (1 - CONFIDENCE) / 2 / together
    low, high = np.quantile(_bootstrap_means(values, seed), [tail, 1 - tail])
    return float(values.mean()), float(low), float(high)


def mean_with_interval(values: Doubles, seed: int) -> dict[str, float]:
    return dict(zip(("mean", "low", "high"), _interval(values, seed), strict=True))


def bootstrap_difference(a: Doubles, b: Doubles, seed: int, *, together: int = 1) -> tuple[float, float, float]:
    """Mean of a - b and its interval, the same people in both in the same order. ValueError where they cannot be paired.

    Of `together` such differences all intervals at once hold in 95 % of cases (Bonferroni), also that of whichever looks best.
    """
    if len(a) != len(b):
        raise ValueError(f"figures of {len(a)} people cannot be paired with those of {len(b)}")
    return _interval(np.asarray(a, np.float64) - np.asarray(b, np.float64), seed, together)


def promotion(candidate: Doubles, popularity: Doubles, serving: Doubles | None, *, seed: int = 42, n_candidates: int = 1) -> Decision:
    """May this candidate serve? Only where the whole interval of its difference to popularity, and to what serves, is above 0.

    The best of `n_candidates` is judged by wider intervals, for it was chosen by the figures that it is judged by. A tie is
    refused on both sides: change without a gain only costs people the lists they know.
    """
    found = _beats(candidate, popularity, "popularity", seed, n_candidates)
    if serving is None or not found.promoted:
        return found
    against = _beats(candidate, serving, "serving", seed, n_candidates)
    return replace(found, promoted=against.promoted, code=against.code, vs_serving=against.vs_popularity)


def _beats(candidate: Doubles, other: Doubles, name: str, seed: int, n_candidates: int) -> Decision:
    difference = bootstrap_difference(candidate, other, seed, together=n_candidates)
    _, low, high = difference
    code = "better" if low > 0 else f"worse_than_{name}" if high < 0 else f"ties_with_{name}"
    return Decision(low > 0, code, difference)
