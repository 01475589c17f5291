"""What a training costs as people, funds, pairs and factors grow: one of them at a time, each point in a process of its own.

`python -m benchmarks.recommender_scale [--quick]` prints what docs/scale.md shows. Seconds are those of the processor, summed over
threads, so that the work of others on the machine, which stretches the clock, leaves them nearly alone. The data are simulated. An
exponent is the slope of log(seconds) over log(size) between the first and the last point of an axis.
"""

import argparse
import json
import math
import os
import resource
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.recommender_speed import forget_peak, resident_mib, simulated_matrix
from benchmarks.rows import Row
from benchmarks.steps import call

BASE = {"users": 50_000, "items": 1_000, "pairs": 1_000_000, "factors": 32}
ITERATIONS = 15
PAIRS = (500_000, 1_000_000, 2_000_000, 4_000_000)
GRID: dict[str, dict[str, tuple[int, ...]]] = {
    "als": {
        "users": (25_000, 50_000, 100_000, 200_000),
        "items": (500, 1_000, 2_000, 4_000),
        "pairs": PAIRS,
        "factors": (16, 32, 64, 128),
    },
    "ease": {"items": (500, 1_000, 2_000, 4_000), "pairs": PAIRS},
    "als_spark": {"pairs": PAIRS[::3]},
}
LESS = {"users": 20, "items": 5, "pairs": 50, "factors": 2}  # by which --quick divides
EACH, BLOCK = 10, 5_000


def recommender_scale(quick: bool) -> Iterator[Row]:
    """A row a point: seconds of the fit and of ranking everyone, and memory above the matrix; the last of an axis says how both grow."""
    for model, axes in GRID.items():
        if reason := _missing(model):
            yield Row(model, "–", verdict=f"not measured: {reason}")
            continue
        for axis, sizes in axes.items():
            kept = sizes[:: len(sizes) - 1] if quick else sizes
            points = []
            for size in kept:
                asked = BASE | {axis: size}
                asked = {name: value // LESS[name] for name, value in asked.items()} if quick else asked
                points.append(_point(model, asked))
                found, grown = points[-1], "–"
                if size == kept[-1]:
                    wide = math.log(kept[-1] / kept[0])
                    grown = ", ".join(f"^{math.log(found[part] / points[0][part]) / wide:.2f}" for part in ("fit", "rank"))
                name = f"{model}, {asked[axis]:,} {axis}: fit + everyone ranked, processor seconds"
                yield Row(name, f"{found['fit']:.1f} + {found['rank']:.1f} s", f"{found['above_mib']:,.0f} MiB", grown)


def _missing(model: str) -> str:
    from marketing.kernels.recommenders.spark import SparkUnavailableError, local_command

    try:
        _ = local_command() if model == "als_spark" else ()
    except SparkUnavailableError as error:
        return str(error)
    return ""


def _point(model: str, asked: dict[str, int]) -> Any:
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    words = ("-m", "benchmarks.recommender_scale", "--model", model, "--point", json.dumps(asked))
    return json.loads(call(environment, *words).splitlines()[-1])


def _made(model: str, factors: int) -> Any:
    if model == "ease":
        from marketing.kernels.recommenders.ease import Ease

        return Ease()
    if model == "als":
        import implicit.cpu.als  # noqa: F401  what is imported is no part of the work

        from marketing.kernels.recommenders.als import Als, AlsSettings

        return Als(AlsSettings(factors=factors, iterations=ITERATIONS), seed=1)
    from marketing.kernels.recommenders.spark import SparkAls, SparkAlsSettings

    return SparkAls(SparkAlsSettings(factors=factors, iterations=ITERATIONS), seed=1)


def measure(model: str, asked: dict[str, int]) -> dict[str, float]:
    """Fit and rank here. The memory of Spark is that of its own process, Java's heap with what it has not given back."""
    matrix = simulated_matrix(asked["users"], asked["items"], asked["pairs"], seed=7)
    made = _made(model, asked["factors"])
    forget_peak()
    before, began = resident_mib("VmRSS"), _spent()
    made.fit(matrix)
    fitted = _spent()
    offered = 0
    for start in range(0, asked["users"], BLOCK):
        rows = np.arange(start, min(start + BLOCK, asked["users"]))
        offered += int((made.rank(rows, matrix, n=EACH, allowed=np.arange(asked["items"])).items >= 0).sum())
    ended = _spent()
    someone = int((np.diff(matrix.indptr) > 0).sum())
    assert offered >= 0.99 * EACH * someone, f"{offered} items for {someone} people"
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    return {"fit": fitted - began, "rank": ended - fitted, "above_mib": max(resident_mib("VmHWM") - before, child)}


def _spent() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommender_scale")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--model", choices=GRID, help=argparse.SUPPRESS)
    parser.add_argument("--point", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.point:
        sys.stdout.write(json.dumps(measure(asked.model, asked.point)) + "\n")
        return
    for row in recommender_scale(asked.quick):
        sys.stdout.write(row.line() + "\n")


if __name__ == "__main__":
    main()
