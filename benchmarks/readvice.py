"""The nightly review of everyone, through the database and a real worker: how fast, how much of it in the kernel, and what a kill costs.

`python -m benchmarks.readvice [--quick] [--world VAR_DIR]` measures it alone, on the database of READVICE_DATABASE_URL where that is
set (it must hold no people of its own, or be a world loaded before), else on SQLite in a folder of its own.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.rows import Row
from benchmarks.steps import installation

ROOT = Path(__file__).resolve().parent.parent
INVESTORS, FEW = 100_000, 500
LEASE_SECONDS = 5
KILL_AT = 0.3  # of the goals
KERNEL_SHARE = 0.5
DATABASE = "READVICE_DATABASE_URL"


def review_of_everyone(quick: bool, world: Path | None = None) -> Iterator[Row]:
    """Load a simulated world unless one is given, review it with a worker, then again with a worker that is killed."""
    n = FEW if quick else INVESTORS
    settings = {"READVICE_LEASE_SECONDS": str(LEASE_SECONDS)} | ({"VAR_DIR": str(world)} if world else {})
    with installation("benchmarks.readvice", DATABASE, **settings) as fresh:
        if world is None:
            for command in (("migrate", "-v0"), ("sync_roles",), ("load_demo", "--investors", str(n))):
                fresh.manage(*command)
        said = json.loads(fresh.call("-m", "benchmarks.readvice", "--measure").splitlines()[-1])
    name = f"nightly review, {said['investors']:,} investors, {said['funds']} funds, {said['database']}"
    share = said["kernel"] / said["worked"]
    parts = ", ".join(f"{part} {said[part] / said['worked']:.0%}" for part in ("read", "prepare", "write"))
    yield Row(f"{name}: wall", f"{said['wall']:.1f} s", f"{said['goals'] / said['wall']:,.0f} goals/s")
    # An aim, not a bar: the quicker the kernel, the smaller its share.
    verdict = "ok" if share > KERNEL_SHARE or quick else "below the aim"
    yield Row(f"  share of its time in the kernel ({parts})", f"{share:.0%}", bound="aim > 50 %", verdict=verdict)
    yield Row("  peak memory of the worker", f"{said['peak_mib']:.0f} MiB")
    killed = f"killed -9 at {said['killed_at']:.0%}, lease {LEASE_SECONDS} s"
    yield Row(f"  {killed}: all goals once, same answers", f"{said['wall_killed']:.1f} s", f"whole {said['wall']:.1f} s")


def measure() -> dict[str, Any]:
    """In a process of its own on the world's database: one whole review and one that is killed, and what both say."""
    from django.db import connection

    from advisor.models import Investor, ReadviceRun
    from portfolios.models import Pool

    with _worker() as worker:
        whole = _review(lambda run: None)
        peak = _peak_mib(worker.pid)
    reached: list[float] = []
    with _worker() as first:
        killed = _review(lambda run: _kill_at(run, first, reached))
    assert reached, "the review was over before the kill: it has shown nothing"
    _assert_same(whole, killed)
    seconds = dict.fromkeys(("read", "prepare", "kernel", "write"), 0.0)
    for spent in whole.blocks.values_list("seconds", flat=True):
        for part in seconds:
            seconds[part] += spent[part]
    return seconds | {
        "worked": sum(seconds.values()),
        "investors": Investor.objects.filter(accounts__goals__portfolio__isnull=False).distinct().count(),
        "goals": whole.n_total,
        "funds": Pool.objects.get(pk=whole.pool_id).funds.count(),
        "database": {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor],
        "wall": _wall(whole),
        "wall_killed": _wall(ReadviceRun.objects.get(pk=killed.pk)),
        "killed_at": reached[0],
        "peak_mib": peak,
    }


def _review(each_look: Callable[[Any], Any]) -> Any:
    """Ask for a review and wait for its end, ringing as beat does; `each_look` may start another worker."""
    from advisor.selectors.review_inputs import goals_to_review
    from advisor.services import request_readvice
    from advisor.tasks import sweep_task

    run = request_readvice(force=True, block=max(10, goals_to_review().count() // 50))
    swept = time.monotonic()
    after: list[Any] = []
    try:
        while run.finished_at is None:
            if successor := each_look(run):
                after.append(successor)
                successor.__enter__()
            if time.monotonic() - swept > 1:
                swept = time.monotonic()
                sweep_task()
            time.sleep(0.01)
            run.refresh_from_db()
    finally:
        for successor in after:
            successor.__exit__(None, None, None)
    return run


def _kill_at(run: Any, worker: subprocess.Popen[bytes], reached: list[float]) -> Any:
    done = sum(run.blocks.values_list("n_done", flat=True))
    if reached or done < KILL_AT * run.n_total:
        return None
    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    reached.append(done / run.n_total)
    return _worker()


def _assert_same(one: Any, other: Any) -> None:
    from advisor.models import Readvice

    named = ("goal_id", "action", "is_breach", "turnover", "weights")
    rows = [Readvice.objects.filter(run=run).order_by("goal_id", "pk").values_list(*named).iterator() for run in (one, other)]
    n = 0
    for a, b in zip(*rows, strict=True):
        n += 1
        assert a[:3] == b[:3] and abs((a[3] or 0) - (b[3] or 0)) < 1e-9 and a[4] == b[4], f"two runs, two results: {a} {b}"
    counted = sum(block.get("nothing_held", 0) for block in one.blocks.values_list("counts", flat=True))
    assert n + counted == one.n_total, "a goal was lost or done twice"
    assert other.is_current, "the killed run did not become the current one"


def _wall(run: Any) -> float:
    return float((run.finished_at - run.started_at).total_seconds())


@contextmanager
def _worker() -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the bulk queue in a session of its own, ready when the block begins."""
    from config.jobs import heartbeat_bulk_task as heartbeat
    from config.jobs import publish, seconds_since_heartbeat

    began = time.monotonic()
    publish(heartbeat)
    command = [sys.executable, "-m", "celery", "-A", "config", "worker", "-Q", "bulk", "-P", "threads", "-c", "1", "-l", "error"]
    command += ["--without-gossip", "--without-mingle", "--without-heartbeat", "-n", f"review-{time.time_ns()}@%h"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        while (last := seconds_since_heartbeat("bulk")) is None or last > time.monotonic() - began:
            if time.monotonic() - began > 60:
                raise AssertionError("the worker did not start within a minute")
            time.sleep(0.05)
        yield process
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=60)


def _peak_mib(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readvice")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--world", type=Path, help="the VAR_DIR of a world that is loaded already")
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.measure:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
        import django

        django.setup()
        sys.stdout.write(json.dumps(measure()) + "\n")
        return
    for row in review_of_everyone(asked.quick, asked.world):
        sys.stdout.write(row.line() + "\n")


if __name__ == "__main__":
    main()
