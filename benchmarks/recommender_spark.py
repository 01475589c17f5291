"""ALS by Spark beside ALS by `implicit` on MovieLens-100k: the same split, factors, confidence and iterations.

`python -m benchmarks.recommender_spark [--quick]` measures it alone; it needs requirements-spark.txt and Java. The regularisation
cannot be the same, for Spark multiplies it by each one's interactions: of each side the best on a validation part is taken, and the
test is looked at once.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.sparse as sp

from benchmarks.recommender import FEW, SEED, _ratings, _wheel
from benchmarks.rows import Row

TEST_SHARE, VALIDATION_SHARE = 0.25, 0.2
FACTORS, ITERATIONS, ALPHA = 24, 15, 3.0
OF_IMPLICIT, OF_SPARK = (10.0, 20.0, 40.0), (0.1, 0.2, 0.35, 0.5, 0.7)
APART = 0.01


def recommender_spark(quick: bool) -> Iterator[Row]:
    """How far apart the two are, each with its regularisation chosen on validation."""
    from marketing.kernels.recommenders.spark import SparkUnavailableError, library, local_command

    name = "MovieLens-100k, nDCG@10 of ALS by Spark in local mode"
    try:
        library("pyarrow")
        local_command()
    except SparkUnavailableError as error:
        yield Row(name, "–", verdict=f"not measured: {error}")
        return
    wheel, why = _wheel(fetches=not quick)
    if wheel is None:
        yield Row(name, "–", verdict=f"not measured: {why}")
        return
    user, item, _ = _ratings(wheel)
    if quick:
        kept = user < np.sort(user)[FEW]
        user, item = user[kept], item[kept]
    few = slice(1, 2) if quick else slice(None)
    parts = _parts(user, item)
    spark, of_spark, seconds = _best(_by_spark, OF_SPARK[few], parts)
    implicit, of_implicit, beside = _best(_by_implicit, OF_IMPLICIT[few], parts)
    apart = spark - implicit
    verdict = "not judged: a quick run" if quick else "ok" if abs(apart) <= APART else "short"
    yield Row(f"{name}, beside implicit", f"{spark:.4f}", f"{implicit:.4f}", f"{apart:+.4f}", f"within {APART}", verdict)
    told = f"  {FACTORS} factors, {ITERATIONS} iterations, alpha {ALPHA:g}; regularisation {of_spark:g} x interactions, and {of_implicit:g}"
    yield Row(told, f"{seconds:.1f} s a fit", f"{beside:.1f} s", f"{seconds / beside:.0f}")


def _parts(user: Any, item: Any) -> dict[str, sp.csr_matrix]:
    """The four matrices: to choose settings by (`fit`, `validation`), and to judge by (`train`, `test`)."""
    from marketing.kernels.splits import per_user_split

    user, item = (np.unique(column, return_inverse=True)[1].astype(np.int64) for column in (user, item))
    shape = int(user.max()) + 1, int(item.max()) + 1

    def matrix(rows: Any) -> sp.csr_matrix:
        return sp.csr_matrix((np.ones(int(rows.sum()), np.float32), (user[rows], item[rows])), shape=shape)

    test = per_user_split(user, TEST_SHARE, SEED)
    validation = np.zeros(len(user), dtype=bool)
    validation[~test] = per_user_split(user[~test], VALIDATION_SHARE, SEED + 1)
    return {"fit": matrix(~test & ~validation), "validation": matrix(validation), "train": matrix(~test), "test": matrix(test)}


def _best(make: Callable[[float], Any], tried: tuple[float, ...], parts: dict[str, sp.csr_matrix]) -> tuple[float, float, float]:
    """nDCG on the test with the regularisation that did best on validation, that regularisation, and the seconds of the last fit."""
    on_validation = [_ndcg(make(one), parts["fit"], parts["validation"])[0] for one in tried] if len(tried) > 1 else [0.0]
    chosen = tried[int(np.argmax(on_validation))]
    found, seconds = _ndcg(make(chosen), parts["train"], parts["test"])
    return found, chosen, seconds


def _ndcg(model: Any, train: sp.csr_matrix, test: sp.csr_matrix) -> tuple[float, float]:
    from marketing.kernels.evaluate import evaluate

    start = time.perf_counter()
    model.fit(train)
    seconds = time.perf_counter() - start
    return float(evaluate(model, train, test).ndcg.mean()), seconds


def _by_spark(regularization: float) -> Any:
    from marketing.kernels.recommenders.spark import SparkAls, SparkAlsSettings

    return SparkAls(SparkAlsSettings(FACTORS, ITERATIONS, regularization, ALPHA), seed=SEED)


def _by_implicit(regularization: float) -> Any:
    from marketing.kernels.recommenders.als import Als, AlsSettings

    return Als(AlsSettings(FACTORS, ITERATIONS, regularization, ALPHA), seed=SEED)


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommender_spark")
    parser.add_argument("--quick", action="store_true")
    for row in recommender_spark(parser.parse_args().quick):
        sys.stdout.write(row.line() + "\n")


if __name__ == "__main__":
    main()
