"""Beginnings that were cut short: a half-made environment is made again, and Ctrl-C is a sentence."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def bootstrap(folder: Path, *more: str, **environment: str) -> subprocess.CompletedProcess:
    clean = {"PATH": os.environ["PATH"], "PYTHON": sys.executable} | environment
    return subprocess.run(["sh", "config/bootstrap.sh", *more], cwd=folder, env=clean, capture_output=True, text=True, timeout=300)


@pytest.fixture
def clone(tmp_path):
    folder = tmp_path / "a folder with spaces"
    (folder / "config").mkdir(parents=True)
    shutil.copy(ROOT / "config/bootstrap.sh", folder / "config")
    (folder / "requirements.txt").write_text("")
    return folder


def test_an_environment_that_never_got_its_pip_is_made_again(clone):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(clone / ".venv")], check=True, timeout=300)
    ended = bootstrap(clone)
    assert ended.returncode == 0, ended.stderr
    assert (clone / ".venv/installed-requirements.txt").exists()
    again = bootstrap(clone)
    assert (again.returncode, again.stderr) == (0, "")
    for name in ("dev", "benchmarks"):
        (clone / f"requirements-{name}.txt").write_text("")
    bootstrap(clone, "dev", "benchmarks")
    assert all((clone / f".venv/installed-requirements-{name}.txt").exists() for name in ("dev", "benchmarks"))


def test_an_installation_that_failed_is_tried_again(clone):
    (clone / "requirements.txt").write_text("./nowhere\n")
    assert bootstrap(clone).returncode == 1
    (clone / "requirements.txt").write_text("")
    assert bootstrap(clone).returncode == 0


def test_a_python_that_is_not_there_is_named(clone):
    ended = bootstrap(clone, PYTHON="/nowhere/python3")
    assert ended.returncode == 1 and "found under /nowhere/python3: none" in ended.stderr
    assert not (clone / ".venv").exists()


def test_ctrl_c_ends_a_command_with_a_sentence(tmp_path):
    command = [sys.executable, "manage.py", "shell", "-c", "raise KeyboardInterrupt"]
    environment = {"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path)}
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert "Stopped before the end" in ended.stderr and "Traceback" not in ended.stderr
