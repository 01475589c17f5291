"""What the engine claims besides speed: executors that agree on thousands of mandates, and what loading it costs."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator

from benchmarks.foundation import ROOT
from benchmarks.rows import Row

EXECUTORS = "tests/portfolios/kernels/test_executors.py"
EXPLANATIONS = "tests/portfolios/kernels/test_explain.py"


def agreement(quick: bool) -> Iterator[Row]:
    """Random mandates through every executor and a second solver: the test itself, on as many as the claim says."""
    n_mandates, n_helped = 2000, 100
    claim = f"executors and a second solver agree on {n_mandates:,} random mandates a property"
    if quick:
        yield Row(claim, "–", verdict="not run: the suite asks fewer")
        return
    environment = dict(os.environ, N_MANDATES=str(n_mandates), N_HELPED=str(n_helped), OPENBLAS_NUM_THREADS="1")
    command = [sys.executable, "-m", "pytest", "-n0", EXECUTORS, EXPLANATIONS]
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    passed = re.search(r"(\d+) passed|\[100%\]", ended.stdout)
    assert ended.returncode == 0 and passed, f"executors disagree: {ended.stdout[-1500:]}"
    yield Row(claim, "agree", verdict="ok")
    yield Row(f"no smaller set and no smaller sum helps {n_helped} impossible mandates, by brute force", "none", verdict="ok")


def sending(quick: bool) -> Iterator[Row]:
    """A campaign whose worker is killed with -9 at ten points: the test itself, which kills at four in every run of the suite."""
    claim = "a sending worker killed at ten points: written to twice, or left out"
    if quick:
        yield Row(claim, "–", verdict="not run: the suite kills at four")
        return
    command = [sys.executable, "-m", "pytest", "-n0", "tests/marketing/test_kill.py"]
    ended = subprocess.run(command, cwd=ROOT, env=dict(os.environ, N_KILLS="10"), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, f"sent twice or not at all: {ended.stdout[-1500:]}"
    yield Row(claim, "nobody", verdict="ok")


def loading(quick: bool) -> Iterator[Row]:
    """A fresh process imports the engine; beside it one that imports cvxpy, which the engine leaves until a mandate needs it."""
    ours, theirs = (min(_import_seconds(name) for _ in range(2 if quick else 5)) for name in ("portfolios.kernels.solve", "cvxpy"))
    verdict = "not judged: a quick run" if quick else "ok" if ours <= 1.5 else "short"
    yield Row(
        "import of the engine in a new process", f"{ours:.2f} s", f"cvxpy {theirs:.2f} s", f"{ours / theirs:.2f}", "<= 1.5 s", verdict
    )


def _import_seconds(module: str) -> float:
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=ROOT, check=True)
    return time.perf_counter() - start


CLAIMS = (loading, agreement, sending)
