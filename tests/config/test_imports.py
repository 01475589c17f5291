"""What a process loads before it needs it."""

import subprocess
import sys

import pytest

HEAVY = ("cvxpy", "clarabel", "daqp", "piqp", "highspy", "implicit", "scipy.optimize", "exchange_calendars")


@pytest.mark.parametrize(
    "loaded",
    [
        "import portfolios.kernels.solve, portfolios.kernels.batch, portfolios.kernels.frontier",
        "import django; django.setup(); import config.urls, config.wsgi, advisor.tasks, marketing.tasks, portfolios.tasks",
    ],
    ids=["the engine", "the web process"],
)
def test_solvers_are_loaded_by_the_first_mandate_that_needs_them(loaded):
    code = f"import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'; {loaded}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr[-500:]
