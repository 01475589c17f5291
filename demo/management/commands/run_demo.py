"""`make run`: everything that a first look needs, as one foreground process group."""

import fcntl
import os
import shlex
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.urls import reverse
from honcho.manager import Manager

from demo.logins import DEMO_LOGINS
from demo.services import load_demo_world
from marketing.models import RecommenderRun
from marketing.services import request_training

PYTHON = sys.executable
READY_WITHIN_SECONDS = 120


def processes() -> dict[str, list[str]]:
    """The command of each process by its name."""
    # Threads, not prefork: a clean stop takes four seconds and lets a running task finish.
    worker = [PYTHON, "-m", "celery", "-q", "-A", "config", "worker", "-P", "threads", "-c", "1", "-l", "WARNING"]
    worker += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    web = [PYTHON, "-m", "gunicorn", "config.wsgi", "--worker-class", "gthread", "--workers", "2", "--threads", "4"]
    web += ["--bind", f"{settings.BIND}:{settings.BASE_PORT or 8000}", "--no-control-socket", "--log-level", "warning"]
    return {
        "web": web,
        "now": [*worker, "-Q", "now", "-n", "now@%h"],
        "bulk": [*worker, "-Q", "bulk", "-n", "bulk@%h"],
        "beat": [PYTHON, "-m", "celery", "-q", "-A", "config", "beat", "-l", "WARNING", "--pidfile="],
    }


def hold_lock() -> IO[str]:
    """Take var/run.lock for this process and its children; orphans of a killed run hold it too."""
    path = Path(settings.VAR_DIR) / "run.lock"
    handle = path.open("a+")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise CommandError(
            f"Hengtou already runs from {settings.VAR_DIR}. Stop it with Ctrl-C in its window; "
            f"if that window was killed, end what it left behind: pkill -f 'config (worker|beat)|config.wsgi'"
        ) from None
    os.set_inheritable(handle.fileno(), True)
    return handle


def refuse_taken_port() -> None:
    port = settings.BASE_PORT or 8000
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.BIND, port))
        except OSError:
            raise CommandError(
                f"Port {port} is taken by another program. Choose another: BASE_URL=http://127.0.0.1:{port + 1} make run"
            ) from None


def suggest_something() -> None:
    """Ask for a first training, which the night would bring: the bulk worker finishes it in seconds."""
    if not RecommenderRun.objects.filter(is_serving=True).exists():
        request_training()


class Group(Manager):  # type: ignore[misc]
    """honcho's manager, whose own `terminate` fails on a process that it has not heard from yet, and leaves all of them."""

    def __init__(self) -> None:
        super().__init__()
        self.pid = os.getpid()

    def terminate(self) -> None:
        if os.getpid() != self.pid:  # Ctrl-C reaches a child that has not set its own handlers yet
            return
        if self._all_started():
            super().terminate()
        else:
            threading.Timer(0.1, self.terminate).start()


class Command(BaseCommand):
    help = "Migrate, load the simulated world, and run web, workers and beat until Ctrl-C."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--investors", type=int, default=2000, help="how many simulated investors an empty database is filled with")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.IS_DEMO:
            raise CommandError(
                "run_demo is for a demo. A licensed deployment runs gunicorn, two workers and beat under its own supervisor."
            )
        lock = hold_lock()
        refuse_taken_port()
        call_command("migrate", verbosity=0)
        call_command("sync_roles", stdout=self.stderr)
        call_command("sync_instruments", stdout=self.stderr)
        call_command("sync_tags", stdout=self.stderr)
        load_demo_world(n_investors=options["investors"], report=self.stderr.write)
        suggest_something()
        manager = Group()
        environment = dict(os.environ, PYTHONUNBUFFERED="1", OPENBLAS_NUM_THREADS="1", VAR_DIR=str(settings.VAR_DIR))
        for name, command in processes().items():
            manager.add_process(name, f"exec {shlex.join(command)}", env=environment, cwd=str(settings.BASE_DIR))
        threading.Thread(target=self.announce, daemon=True).start()
        manager.loop()
        lock.close()
        self.stdout.write("Stopped. Nothing is left running.")
        sys.exit(0 if manager.returncode in (0, 130, -2, None) else manager.returncode)

    def announce(self) -> None:
        """Print the address and the logins once the web server answers."""
        url = f"http://{settings.BIND}:{settings.BASE_PORT or 8000}{reverse('health')}"
        time.sleep(1)  # the manager forks its processes first, without a second thread at work
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while time.monotonic() < deadline:
            try:
                with urllib.request.urlopen(url, timeout=2):  # our own loopback address
                    break
            except OSError:
                time.sleep(0.3)
        else:
            self.stderr.write(f"The web server has not answered within {READY_WITHIN_SECONDS} seconds; its lines above say why.")
            return
        lines = [f"  {login.role:<11} {login.email:<38} {login.password}" for login in DEMO_LOGINS]
        self.stdout.write(
            "\n".join(["", f"Hengtou answers on {settings.BASE_URL}", "Simulated people, to sign in as:", *lines, "Stop with Ctrl-C.", ""])
        )
        self.stdout.flush()
