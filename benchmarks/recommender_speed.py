"""ALS for 200,000 people and 2,000 funds: fitted, everyone ranked within what suits the level, beside bare `implicit`.

`python -m benchmarks.recommender_speed [--quick]` measures it alone. Each side works in processes of its own, in turns, on the
same simulated matrix read from a file; what it needs above that matrix is the peak of the process less its size once the matrix
is read. Both sides fit on as many threads as there are cores, a nightly worker on one: it leaves the others to the pages.
"""

import argparse
import ctypes
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

from benchmarks.rows import Row
from benchmarks.steps import call

ROOT = Path(__file__).resolve().parent.parent
FULL = {"users": 200_000, "items": 2_000, "pairs": 5_000_000, "factors": 64, "iterations": 15}
SMALL = {"users": 4_000, "items": 400, "pairs": 80_000, "factors": 16, "iterations": 5}
THREADS = os.cpu_count() or 1
EACH, LEVELS, OPEN_SHARE = 10, 5, 0.9
BLOCK = 5_000  # people ranked at once
TURNS = 2
TOTAL_SECONDS, RATIO, ABOVE_MIB = 60, 1.25, 500
CHECKED = 300  # people whose ten are reckoned again, one at a time


def recommender_speed(quick: bool) -> Iterator[Row]:
    """Ours and the bare library in turns; the better turn of each counts, since other work only ever adds time."""
    size = SMALL if quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "matrix.npz"
        write_matrix(file, size["users"], size["items"], size["pairs"], seed=7)
        turns = [(_run("ours", file, size), _run("raw", file, size)) for _ in range(1 if quick else TURNS)]
    ours, raw = (min((turn[side] for turn in turns), key=lambda found: found["seconds"]) for side in (0, 1))

    def judged(is_ok: bool) -> str:
        return "not judged: a quick run" if quick else "ok" if is_ok else "short"

    a, b = ours["seconds"], raw["seconds"]
    name = f"ALS, {size['users']:,} x {size['items']:,}, {size['pairs']:,} pairs (simulated), {THREADS} threads: fit and everyone"
    yield Row(name, f"{a:.1f} s", f"raw implicit {b:.1f} s", f"{a / b:.2f}", f"<= {RATIO}", judged(a / b <= RATIO))
    yield Row("  the same against the clock", f"{a:.1f} s", "–", "–", f"<= {TOTAL_SECONDS} s", judged(a <= TOTAL_SECONDS))
    for part, words in (("fit", "of it the fit"), ("rank", f"of it {EACH} for everyone, nothing seen, all within the level")):
        yield Row(f"  {words}", f"{ours[part]:.1f} s", f"{raw[part]:.1f} s", f"{ours[part] / raw[part]:.2f}")
    above = max(turn[0]["above_mib"] for turn in turns)
    theirs = max(turn[1]["above_mib"] for turn in turns)
    name = f"  memory above the matrix of {ours['matrix_mib']:.0f} MiB; {CHECKED} people checked one at a time"
    yield Row(name, f"{above:.0f} MiB", f"{theirs:.0f} MiB", f"{above / theirs:.2f}", f"<= {ABOVE_MIB} MiB", judged(above <= ABOVE_MIB))


def simulated_matrix(users: int, items: int, pairs: int, seed: int) -> sp.csr_matrix:
    """Distinct pairs of uneven people and uneven items, with confidences of 1 to 5."""
    random = np.random.default_rng(seed)
    person = np.cumsum(random.lognormal(0, 0.8, users))
    fund = np.cumsum(np.arange(1, items + 1) ** -0.6)
    keys = np.empty(0, np.int64)
    while len(keys) < pairs:
        n = int((pairs - len(keys)) * 1.4) + 1_000
        row = np.searchsorted(person, random.random(n) * person[-1])
        column = np.searchsorted(fund, random.random(n) * fund[-1])
        keys = np.union1d(keys, np.minimum(row, users - 1) * items + np.minimum(column, items - 1))
    keys = np.sort(random.choice(keys, pairs, replace=False))
    row, column = np.divmod(keys, items)
    confidence = random.integers(1, 6, pairs).astype(np.float32)
    return sp.csr_matrix((confidence, column.astype(np.int32), np.searchsorted(row, np.arange(users + 1))), shape=(users, items))


def write_matrix(file: Path, users: int, items: int, pairs: int, *, seed: int) -> None:
    sp.save_npz(file, simulated_matrix(users, items, pairs, seed), compressed=False)


def _run(side: str, file: Path, size: dict[str, int]) -> Any:
    environment = dict(os.environ, OPENBLAS_NUM_THREADS="1")
    asked = ("--side", side, "--file", str(file), "--size", json.dumps(size))
    return json.loads(call(environment, "-m", "benchmarks.recommender_speed", *asked).splitlines()[-1])


def measure(side: str, file: Path, size: dict[str, int]) -> dict[str, float]:
    """Fit and rank in this process: seconds of both, and the peak of memory above what the matrix left."""
    work = {"ours": ours, "raw": raw}[side]
    from implicit.cpu.als import AlternatingLeastSquares  # noqa: F401  what is imported is no part of the work

    import marketing.kernels.recommenders.als  # noqa: F401

    matrix = sp.load_npz(file)
    forget_peak()
    before = resident_mib("VmRSS")
    fit, rank, check = work(matrix, size)
    above = resident_mib("VmHWM") - before
    check()
    held = sum(part.nbytes for part in (matrix.data, matrix.indices, matrix.indptr)) / 2**20
    return {"fit": fit, "rank": rank, "seconds": fit + rank, "above_mib": above, "matrix_mib": held}


def forget_peak() -> None:
    """Count the peak of this process, VmHWM, from here on; what was freed goes back first, or it would be used again unseen."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def resident_mib(name: str) -> float:
    """VmRSS, what this process has in memory now, or VmHWM, the most it had."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name + ":"))
    return int(line.split()[1]) / 1024


def levels_of(users: int, items: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Each person's level, each fund's grade, and which funds are open."""
    random = np.random.default_rng(11)
    return random.integers(1, LEVELS + 1, users), random.integers(1, LEVELS + 1, items), random.random(items) < OPEN_SHARE


def ours(matrix: sp.csr_matrix, size: dict[str, int]) -> Any:
    from marketing.kernels.recommenders.als import Als, AlsSettings

    level, grade, is_open = levels_of(*matrix.shape)
    items = np.full((matrix.shape[0], EACH), -1, np.int64)
    start = time.perf_counter()
    model = Als(AlsSettings(factors=size["factors"], iterations=size["iterations"]), seed=1, threads=THREADS)
    model.fit(matrix)
    fitted = time.perf_counter()
    for mine in range(1, LEVELS + 1):
        rows = np.flatnonzero(level == mine)
        allowed = np.flatnonzero((grade <= mine) & is_open)
        for at in range(0, len(rows), BLOCK):
            block = rows[at : at + BLOCK]
            items[block] = model.rank(block, matrix, n=EACH, allowed=allowed).items
    ended = time.perf_counter()

    def check() -> None:
        """All are suitable, and of a sample the ten are the best ten that a loop over one person finds."""
        real = items >= 0
        assert (grade[items][real] <= np.broadcast_to(level[:, None], items.shape)[real]).all(), "above the level"
        assert is_open[items[real]].all(), "closed"
        for user in range(0, matrix.shape[0], max(1, matrix.shape[0] // CHECKED)):
            scores = model.item_factors @ model.user_factors[user]
            seen = matrix.indices[matrix.indptr[user] : matrix.indptr[user + 1]]
            if not len(seen):  # of whom nothing is known: they are shown their own plan, by nobody's taste
                assert not real[user].any(), f"person {user} is offered something by a model that knows nothing of them"
                continue
            may = np.setdiff1d(np.flatnonzero((grade <= level[user]) & is_open), seen)
            best = np.sort(scores[may])[::-1][:EACH]
            got = items[user][real[user]]
            assert np.isin(got, may).all() and len(set(got)) == len(best), f"person {user} is offered what may not be"
            assert np.allclose(scores[got], best, rtol=1e-3, atol=1e-5), f"person {user} is not offered the best"

    return fitted - start, ended - fitted, check


def raw(matrix: sp.csr_matrix, size: dict[str, int]) -> Any:
    """What `implicit` does by itself: fit, and ten for everyone without what they have seen; it knows of no level."""
    from implicit.cpu.als import AlternatingLeastSquares

    from marketing.kernels.recommenders.als import AlsSettings

    settings = AlsSettings(factors=size["factors"], iterations=size["iterations"]).as_json()
    start = time.perf_counter()
    model = AlternatingLeastSquares(**settings, random_state=1, num_threads=THREADS)
    model.fit(matrix, show_progress=False)
    fitted = time.perf_counter()
    items, _ = model.recommend(np.arange(matrix.shape[0]), matrix, N=EACH, filter_already_liked_items=True)
    ended = time.perf_counter()

    def check() -> None:
        assert items.shape == (matrix.shape[0], EACH), "not everyone"

    return fitted - start, ended - fitted, check


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recommender_speed")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--side", choices=("ours", "raw"), help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--size", type=json.loads, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.side:
        sys.stdout.write(json.dumps(measure(asked.side, asked.file, asked.size)) + "\n")
        return
    for row in recommender_speed(asked.quick):
        sys.stdout.write(row.line() + "\n")


if __name__ == "__main__":
    main()
