"""What the foundation claims: how long the demo world, an import and a training take."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from benchmarks.rows import Row

ROOT = Path(__file__).resolve().parent.parent
ETF = ROOT.parent / "shared/data/etf"


def median_seconds(work: Callable[[], object], times: int) -> float:
    work()
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def manage(var_dir: str, *command: str) -> tuple[float, str]:
    """Run a management command in a process of its own on a fresh folder; returns (seconds, what it printed)."""
    environment = dict(os.environ, VAR_DIR=var_dir, OPENBLAS_NUM_THREADS="1")
    for name in ("DATABASE_URL", "REDIS_URL", "BROKER_URL"):
        environment.pop(name, None)
    start = time.perf_counter()
    ended = subprocess.run([sys.executable, "manage.py", *command], cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if ended.returncode:
        raise AssertionError(f"manage.py {' '.join(command)} ended with {ended.returncode}: {ended.stderr[-500:]}")
    return time.perf_counter() - start, ended.stdout


def demo_world(quick: bool) -> Iterator[Row]:
    n = 200 if quick else 2000
    with tempfile.TemporaryDirectory() as folder:
        manage(folder, "migrate", "-v0")
        manage(folder, "sync_roles")
        first, _ = manage(folder, "load_demo", "--investors", str(n))
        again, _ = manage(folder, "load_demo", "--investors", str(n))
    yield Row(
        f"demo world, {n} investors, SQLite, empty database", f"{first:.1f} s", bound="<= 60 s", verdict="ok" if first <= 60 else "short"
    )
    yield Row("demo world, second load", f"{again:.1f} s")


def etf_import(quick: bool) -> Iterator[Row]:
    if not ETF.is_dir():
        yield Row("ETF set imported (real data)", "–", verdict="not measured: the data sets are not beside the project")
        return
    files = ("--prices", str(ETF / "ETFs_Prices.csv"), "--total-return", str(ETF / "ETFs_TotalReturnIndices.csv"))
    files += ("--accept-jumps", "IWM: the first price is the vendor's")
    with tempfile.TemporaryDirectory() as folder:
        manage(folder, "migrate", "-v0")
        first, _ = manage(folder, "import_nav", *files)
        again, _ = manage(folder, "import_nav", *files)
    yield Row("ETF set imported: 37 funds, price and total return (real data)", f"{first:.1f} s")
    yield Row("ETF set imported again, nothing new (real data)", f"{again:.1f} s", f"{first:.1f} s", f"{again / first:.2f}")


def training(quick: bool) -> Iterator[Row]:
    """Fit and rank everybody within what is allowed, beside the bare library fitting and recommending."""
    import scipy.sparse as sp
    from implicit.cpu.als import AlternatingLeastSquares
    from threadpoolctl import threadpool_limits

    from marketing.kernels.recommenders.als import Als, AlsSettings

    users, items, each = (2_000, 600, 12) if quick else (20_000, 600, 25)
    random = np.random.default_rng(5)
    rows = np.repeat(np.arange(users), each)
    matrix = sp.csr_matrix((np.ones(len(rows), np.float32), (rows, random.integers(0, items, len(rows)))), shape=(users, items))
    allowed, settings = np.arange(0, items, 2), AlsSettings()

    def ours() -> np.ndarray:
        model = Als(settings, seed=1)
        model.fit(matrix)
        return model.rank(np.arange(users), matrix, n=10, allowed=allowed).items

    def raw() -> None:
        with threadpool_limits(1, "blas"):
            model = AlternatingLeastSquares(**settings.as_json(), random_state=1, num_threads=1)
            model.fit(matrix, show_progress=False)
            model.recommend(np.arange(users), matrix, N=10, filter_already_liked_items=True)

    assert set(np.unique(ours())) <= {-1, *allowed.tolist()}, "wrong answer"
    a, b = median_seconds(ours, 3), median_seconds(raw, 3)
    # The bound of 1.25 belongs to 200,000 x 2,000, which the recommender's own issue measures.
    yield Row(f"ALS, {users:,} x {items}: fit, rank, suitability", f"{a:.2f} s", f"raw implicit {b:.2f} s", f"{a / b:.2f}")


CLAIMS = (training, etf_import, demo_world)
