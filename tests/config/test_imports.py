"""What a process loads before it needs it."""

import os
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
    code = f"import sys; {loaded}; print(*[name for name in {HEAVY!r} if name in sys.modules])"
    environment = dict(os.environ, DJANGO_SETTINGS_MODULE="config.settings")
    ended = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout.strip()) == (0, ""), ended.stderr[-500:]
