"""Claims measured in steps on one fresh installation, each step in a process of its own: its memory is its own, nothing is warm."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import Row

ROOT = Path(__file__).resolve().parent.parent
SERVERS = ("REDIS_URL", "BROKER_URL", "DATABASE_URL", "BASE_URL")


@dataclass(frozen=True)
class Installation:
    """A module of benchmarks, and the environment in which its steps and the product's commands run."""

    module: str
    environment: Mapping[str, str]

    def step(self, step: str, **asked: object) -> Any:
        """What a step of the module found."""
        words = [f"--{name}={value}" for name, value in asked.items()]
        return json.loads(self.call("-m", self.module, "--step", step, *words).splitlines()[-1])

    def manage(self, *command: str) -> str:
        return self.call("manage.py", *command)

    def call(self, *command: str) -> str:
        """What Python printed; raises AssertionError with the end of its complaint."""
        return call(self.environment, *command)


def call(environment: Mapping[str, str], *command: str) -> str:
    """Run Python at the project's root and return what it printed; raises AssertionError with the end of its complaint."""
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise AssertionError(f"{' '.join(command)} ended with {ended.returncode}: {(ended.stdout + ended.stderr)[-1500:]}")
    return ended.stdout


@contextmanager
def installation(module: str, database: str = "", **settings: str) -> Iterator[Installation]:
    """An installation in a folder of its own, for a while: on the database in the variable `database` if set, else on SQLite."""
    kept = {name: value for name, value in os.environ.items() if name not in SERVERS}
    chosen = {"DATABASE_URL": os.environ[database]} if database in os.environ else {}
    with tempfile.TemporaryDirectory() as folder:
        yield Installation(module, kept | {"VAR_DIR": folder, "OPENBLAS_NUM_THREADS": "1"} | settings | chosen)


def run(module: str, rows: Callable[[bool], Iterable[Row]], steps: Mapping[str, Callable[..., Any]], **sizes: int | str) -> None:
    """The command line of such a module: all its rows, or one of its steps with `sizes` as its arguments, in their order."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--step", choices=sorted(steps), help=argparse.SUPPRESS)
    for name, usual in sizes.items():
        parser.add_argument(f"--{name}", type=type(usual), default=usual, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.step is None:
        for row in rows(asked.quick):
            sys.stdout.write(row.line() + "\n")
            sys.stdout.flush()
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    import django

    django.setup()
    sys.stdout.write(json.dumps(steps[asked.step](*(getattr(asked, name) for name in sizes))) + "\n")


def peak_mib() -> float:
    """The most memory that this process has held, in MiB: what getrusage says would hold that of whoever started it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
