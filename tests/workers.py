"""Starts real Celery workers against the test's own database, broker folder and var/.

For tests marked `worker` with `django_db(transaction=True)`: a plain test holds SQLite's write lock throughout.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parent.parent


def database_url() -> str:
    """The URL of the database that this test process uses."""
    name = str(connection.settings_dict["NAME"])
    if connection.vendor == "sqlite":
        return f"sqlite:///{name}"
    at = connection.settings_dict
    who = quote(str(at.get("USER") or ""), safe="") + (f":{quote(str(at['PASSWORD']), safe='')}" if at.get("PASSWORD") else "")
    where = quote(str(at.get("HOST") or ""), safe="") + (f":{at['PORT']}" if at.get("PORT") else "")
    return f"postgres://{who}{'@' if who else ''}{where}/{name}"


def worker_environment(settings_module: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    return kept | {
        "DJANGO_SETTINGS_MODULE": settings_module,
        "VAR_DIR": str(settings.VAR_DIR),
        "DATABASE_URL": database_url(),
        "BROKER_URL": settings.CELERY_BROKER_URL,
        "SECRET_KEY": settings.SECRET_KEY,
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
    }


def empty_queues() -> None:
    """Throw away what earlier tests have rung for."""
    from config.celery import app

    app.control.purge()


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of the worker with everything it started; returns when it is gone."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=60)


@contextmanager
def start_worker(queues: str = "now,bulk", settings_module: str = "config.settings") -> Iterator[subprocess.Popen[bytes]]:
    """Run one worker in a session of its own; stop it gently at the end, or harder if it does not listen."""
    log = Path(settings.VAR_DIR) / "worker.log"
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", queues, "-P", "threads", "-c", "1", "-l", "warning"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-n", f"test-{time.time_ns()}@%h"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, cwd=ROOT, env=worker_environment(settings_module), stdout=out, stderr=out, start_new_session=True
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
                try:
                    process.wait(timeout=60)
                except subprocess.TimeoutExpired:
                    kill(process)


def wait_until(condition: Callable[[], object], *, seconds: float = 90, every: float = 0.05) -> None:
    """Poll until the condition holds; fails with the worker's last words when it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            log = Path(settings.VAR_DIR) / "worker.log"
            words = log.read_text(errors="replace")[-3000:] if log.exists() else "(no log)"
            raise AssertionError(f"not within {seconds} s; the worker said:\n{words}")
        time.sleep(every)
