"""Intake of events on one web worker: batches of 500 over HTTP, how many a second, how long each takes, and what a kill loses.

`python -m benchmarks --only intake`, on the database of INTAKE_DATABASE_URL where that is set (it must be empty), else on SQLite in
a folder of its own. The server is the product's own command; two senders each wait for the answer before they send again.
A kill -9 comes while both are sending: what was acknowledged must be there, and everything sent once more must be there once.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.rows import Row
from benchmarks.steps import Installation, installation, run

ROOT = Path(__file__).resolve().parent.parent
DATABASE = "INTAKE_DATABASE_URL"
PEOPLE, SENDERS, BATCH = 5_000, 2, 500
SECONDS, FEW_SECONDS = 60.0, 3.0
KILLS, FEW_KILLS = 5, 1
THEMES = ("health", "technology", "consumer", "energy", "finance", "materials")


def intake(quick: bool) -> Iterator[Row]:
    """A server of its own: the pace over a minute, then kills and everything sent again."""
    with installation("benchmarks.intake", DATABASE, LOG_LEVEL="WARNING") as fresh:
        fresh.manage("migrate", "-v0")
        world = fresh.step("write")
        server = Server(fresh.environment)
        with server:
            _send(server, world, 2.0 if quick else 10.0)  # what is slow once: imports, connections, caches
            steady = _send(server, world, FEW_SECONDS if quick else SECONDS)
            pace = steady.n_acknowledged / steady.seconds
            plain = fresh.step("plain")["events_a_second"]
            took = np.array(steady.took)
            name = f"events a second on one web worker, batches of {BATCH}, {world['database']}"
            yield Row(name, f"{pace:,.0f}", f"bare inserts {plain:,.0f}", f"{pace / plain:.2f}")
            middle, late = np.quantile(took, [0.5, 0.99])
            yield Row(f"  a batch of {BATCH}: median, and the slowest of a hundred", f"{1000 * middle:.0f} ms", f"{1000 * late:.0f} ms")
            _check(fresh, steady)
            rounds = [_killed(fresh, server, world, number) for number in range(FEW_KILLS if quick else KILLS)]
    acknowledged, lost, again, twice = (sum(column) for column in zip(*rounds, strict=True))
    assert not lost, f"{lost} of {acknowledged} acknowledged events are not there after a kill"
    assert not twice, f"{twice} events are there twice"
    yield Row(f"  kill -9 while sending, {len(rounds)} times: acknowledged {acknowledged:,}, lost", "0", bound="0")
    yield Row(f"  everything sent once more: {again:,} repeats dropped, stored twice", "0", bound="0")


@dataclass
class Sent:
    """What was sent and what came back of it."""

    seconds: float = 0.0
    took: list[float] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    ids: list[list[str]] = field(default_factory=list)  # of each body
    acknowledged: list[str] = field(default_factory=list)
    n_repeated: int = 0

    @property
    def n_acknowledged(self) -> int:
        return len(self.acknowledged)


class Server:
    """gunicorn as production has it, with one worker; killed and started again at the same port."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.environment = dict(environment) | {"BASE_URL": f"http://127.0.0.1:{self.port}"}
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> None:
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--worker-class", "gthread", "--workers", "1", "--threads", "4"]
        command += ["--bind", f"127.0.0.1:{self.port}", "--no-control-socket", "--log-level", "error"]
        self.process = subprocess.Popen(command, cwd=ROOT, env=self.environment, start_new_session=True)
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                line.request("GET", "/healthz")
                if line.getresponse().status == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError("the server has not answered within a minute")

    def __exit__(self, *ended: object) -> None:
        self.kill()

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(timeout=10)
            self.process = None


def _send(server: Server, world: dict[str, Any], seconds: float, again: Sent | None = None) -> Sent:
    """Let the senders send for so long, or everything of `again` once more; ends early when the server is gone."""
    sent, lock, began = Sent(), threading.Lock(), time.monotonic()
    left = list(zip(again.bodies, again.ids, strict=True)) if again else None

    def send_on(number: int) -> None:
        line = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        rng = np.random.default_rng([number, int(began * 1000)])
        while left if left is not None else time.monotonic() < began + seconds:
            with lock:
                if left is not None and not left:
                    return
                body, ids = left.pop() if left is not None else _batch(world["people"], rng)
                sent.bodies.append(body)
                sent.ids.append(ids)
            start = time.perf_counter()
            try:
                line.request("POST", "/marketing/api/v1/events", body, _headers(world))
                response = line.getresponse()
                said = json.loads(response.read())
            except (OSError, http.client.HTTPException, ValueError):
                return
            took = time.perf_counter() - start
            assert response.status == 200, f"{response.status}: {str(said)[:300]}"
            with lock:
                sent.took.append(took)
                sent.n_repeated += said["repeated"]
                sent.acknowledged += [one["message_id"] for one in said["events"] if one["verdict"] == "accepted"]

    senders = [threading.Thread(target=send_on, args=(number,)) for number in range(SENDERS)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    sent.seconds = time.monotonic() - began
    return sent


def _headers(world: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {world['key']}", "Content-Type": "application/json"}


def _batch(people: list[str], rng: np.random.Generator) -> tuple[bytes, list[str]]:
    at, ids = datetime.now(UTC).isoformat(), [str(uuid.uuid4()) for _ in range(BATCH)]
    who, theme = rng.integers(len(people), size=BATCH).tolist(), rng.integers(len(THEMES), size=BATCH).tolist()
    events = [
        {
            "message_id": ids[row],
            "type": "track",
            "name": "search",
            "investor": people[who[row]],
            "occurred_at": at,
            "channel": "app",
            "properties": {"theme": THEMES[theme[row]], "words": 2},
        }
        for row in range(BATCH)
    ]
    return json.dumps(events).encode(), ids


def _killed(fresh: Installation, server: Server, world: dict[str, Any], number: int) -> tuple[int, int, int, int]:
    """Kill the server while both send; returns what was acknowledged, lost, dropped as repeats when all is sent again, and twice."""
    killer = threading.Timer(1.5 + 0.37 * number, server.kill)
    killer.start()
    sent = _send(server, world, 30.0)
    killer.join()
    server.__enter__()
    before = _check(fresh, sent)
    repeated = _send(server, world, 0.0, again=sent)
    after = _check(fresh, Sent(acknowledged=[one for ids in sent.ids for one in ids]))
    assert not after["lost"], f"{after['lost']} events are not there although all were sent again"
    assert repeated.n_repeated >= sent.n_acknowledged
    return sent.n_acknowledged, before["lost"], repeated.n_repeated, after["twice"]


def _check(fresh: Installation, sent: Sent) -> Any:
    """What became of the acknowledged events, in a process of its own, so that this one holds no connection."""
    ids = Path(fresh.environment["VAR_DIR"]) / "ids.json"
    ids.write_text(json.dumps(sent.acknowledged))
    found = fresh.step("check", ids=ids)
    if found["lost"]:
        raise AssertionError(f"{found['lost']} acknowledged events are not in the database")
    return found


def write(*_: object) -> dict[str, Any]:
    """People who agree, a key, and which database this is."""
    from django.db import connection

    from advisor.models import Branch, Consent, Household, Investor
    from identity.models import User
    from marketing.services.api_keys import make_api_key

    branch = Branch.objects.create(name="intake")
    users = User.objects.bulk_create(User(email=f"i{n}@benchmark.invalid", password="!") for n in range(PEOPLE))
    households = Household.objects.bulk_create(Household(name=f"i{n}", branch=branch) for n in range(PEOPLE))
    pairs = zip(users, households, strict=True)
    investors = Investor.objects.bulk_create(
        Investor(user=user, household=home, pseudonym=f"I{n:08d}", is_simulated=True) for n, (user, home) in enumerate(pairs)
    )
    Consent.objects.bulk_create(Consent(investor=one, purpose="profiling", is_given=True, source="simulated") for one in investors)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    vendor = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[connection.vendor]
    key = make_api_key(name="benchmark", scopes=["events:write"])[1]
    return {"key": key, "people": [one.pseudonym for one in investors], "database": vendor}


def plain(*_: object) -> dict[str, Any]:
    """The same rows without HTTP, checks or keys: bulk_create of 500 events a transaction."""
    from django.utils import timezone

    from advisor.models import Investor
    from marketing.models import Event

    people, n_batches = list(Investor.objects.values_list("pk", flat=True)), 40
    start = time.perf_counter()
    for _ in range(n_batches):
        now = timezone.now()
        Event.objects.bulk_create(
            Event(
                message_id=uuid.uuid4(), investor_id=people[row], type="track", name="search", channel="app", occurred_at=now,
                received_at=now, properties={"theme": "health", "words": 2},
            )
            for row in range(BATCH)
        )  # fmt: skip
    return {"events_a_second": n_batches * BATCH / (time.perf_counter() - start)}


def check(file: str) -> dict[str, Any]:
    """How many of a file's ids are not there, and how many are there more than once."""
    from django.db.models import Count

    from marketing.models import Event

    ids: list[str] = json.loads(Path(file).read_text())
    found: dict[str, int] = {}
    for start in range(0, len(ids), 5_000):
        rows = Event.objects.filter(message_id__in=ids[start : start + 5_000]).values_list("message_id").annotate(n=Count("pk"))
        found |= {str(message_id): n for message_id, n in rows}
    return {"lost": len(set(ids) - found.keys()), "twice": sum(n > 1 for n in found.values())}


STEPS = {"write": write, "plain": plain, "check": check}


if __name__ == "__main__":
    run("benchmarks.intake", intake, STEPS, ids="")
