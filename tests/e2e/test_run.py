"""`make run`'s process group: refuses what it must in a sentence, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.conftest import ROOT, free_port, start


def processes_of(var_dir) -> list[str]:
    """Command lines of processes whose environment names the folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if f"VAR_DIR={var_dir}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue
    return found


def run_again(var_dir, port) -> subprocess.CompletedProcess:
    environment = dict(os.environ, VAR_DIR=str(var_dir), BASE_URL=f"http://127.0.0.1:{port}")
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    return subprocess.run([sys.executable, "manage.py", "run_demo"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)


def test_it_starts_once_says_the_logins_and_stops_whole(tmp_path):
    var_dir, port = tmp_path / "var", free_port()
    product = start(var_dir, port)
    second = run_again(var_dir, free_port())
    assert second.returncode != 0 and "already runs" in second.stderr and "Traceback" not in second.stderr
    other = run_again(tmp_path / "other", port)
    assert other.returncode != 0 and f"Port {port} is taken" in other.stderr and "Traceback" not in other.stderr
    product.process.send_signal(signal.SIGINT)
    assert product.process.wait(timeout=30) == 0
    assert processes_of(var_dir) == []
    said = product.log.read_text()
    assert "investor@demo.hengtou.invalid" in said and f"http://127.0.0.1:{port}" in said
    assert "Traceback" not in said
