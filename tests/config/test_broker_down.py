"""The broker stops while people are at work: every page answers at once, and the work is done when it is back."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from django.conf import settings as live
from django.urls import reverse
from django.utils import timezone
from kombu import pools

from advisor.models import Proposal
from advisor.tasks import sweep_task as advisor_sweep_task
from config.celery import app
from config.jobs import heartbeat_now_task, ring, seconds_since_heartbeat
from marketing.models import Campaign, Delivery
from marketing.tasks import sweep_task
from tests.advisor.advice_world import ready_to_ask
from tests.e2e.conftest import free_port
from tests.marketing.crowd import crowd, draft
from tests.workers import empty_queues, start_worker, wait_until

pytestmark = [pytest.mark.worker, pytest.mark.django_db(transaction=True)]

QUICK = 2.0  # seconds; by itself kombu tries for two seconds a ring, and a page may ring twice


class Files:
    """The embedded broker; stopped means that its folder cannot be used by anybody."""

    def __init__(self) -> None:
        self.folder = Path(live.VAR_DIR) / "broker/queue"
        self.away = self.folder.with_name("queue.away")

    def stop(self) -> None:
        self.folder.rename(self.away)
        self.folder.touch()

    def start(self) -> None:
        if self.away.exists():
            self.folder.unlink()
            self.away.rename(self.folder)


class Redis:
    """A server of the test's own, on a port of its own."""

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        if self.process is None:
            command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
            self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            asking = redis.Redis(port=self.port)
            wait_until(lambda: self.answers(asking))

    @staticmethod
    def answers(asking: redis.Redis) -> bool:
        try:
            return bool(asking.ping())
        except redis.ConnectionError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=60)
            self.process = None


def forget_connections() -> None:
    pools.reset()
    app._after_fork()


@contextmanager
def broker_of(kind: str, settings) -> Iterator[Files | Redis]:
    """This process and the workers it starts ring by this broker."""
    before = {name: app.conf[name] for name in ("broker_url", "broker_transport_options")}
    broker: Files | Redis
    if kind == "redis":
        broker = Redis()
        settings.CELERY_BROKER_URL = f"redis://127.0.0.1:{broker.port}/0"
        options = {"max_retries": 0, "visibility_timeout": 300, "socket_connect_timeout": 1, "socket_timeout": 5}
    else:
        broker = Files()
        settings.CELERY_BROKER_URL = "filesystem://localhost"
        folder = str(broker.folder)
        options = {"data_folder_in": folder, "data_folder_out": folder, "control_folder": str(broker.folder.with_name("control"))}
    app.conf.update(broker_url=settings.CELERY_BROKER_URL, broker_transport_options=options | {"polling_interval": 0.05})
    forget_connections()
    try:
        yield broker
    finally:
        broker.start()
        forget_connections()
        app.conf.update(**before)
        if isinstance(broker, Redis):
            broker.stop()


def answer(client, method: str, url: str) -> int:
    began = time.monotonic()
    response = getattr(client, method)(url)
    assert time.monotonic() - began < QUICK, f"{method} {url} waited for the broker"
    return response.status_code


def play_beat() -> None:
    sweep_task()
    advisor_sweep_task()


@pytest.mark.parametrize("kind", ["files", "redis"])
def test_pages_answer_without_the_broker_and_the_work_is_done_when_it_is_back(people, client, settings, kind):
    if kind == "redis" and not shutil.which("redis-server"):
        pytest.skip("no redis-server on this machine")
    crowd(5)
    campaign, goal = draft(people.mark), ready_to_ask(people.anna_investor)
    with broker_of(kind, settings) as broker:
        empty_queues()
        with start_worker() as worker:
            ring(heartbeat_now_task)
            wait_until(lambda: seconds_since_heartbeat("now") is not None)
            broker.stop()
            client.force_login(people.mark)
            assert answer(client, "post", reverse("campaign_launch", args=[campaign.pk])) == 302
            for move in ("pause", "resume"):
                assert answer(client, "post", reverse(f"campaign_{move}", args=[campaign.pk])) == 302
            for page in (reverse("campaign", args=[campaign.pk]), reverse("marketing_home"), reverse("health")):
                assert answer(client, "get", page) == 200
            client.force_login(people.anna)
            assert answer(client, "post", reverse("proposal_new", args=[goal.pk])) == 302
            assert answer(client, "get", reverse("home")) == 200
            time.sleep(1)  # the worker, too, meets the broker that is not there
            assert Delivery.objects.count() == 0 and Proposal.objects.get().status == "queued"
            broker.start()
            long_ago = timezone.now() - timedelta(minutes=1)
            Campaign.objects.update(queued_at=long_ago)
            Proposal.objects.update(queued_at=long_ago)
            wait_until(
                lambda: play_beat() or (Proposal.objects.get().state, Campaign.objects.get().state) == ("ready", "finished"), every=0.5
            )
            assert worker.poll() is None, "the worker did not outlive its broker"
    assert set(Delivery.objects.values_list("status", flat=True)) == {"sent"} and Delivery.objects.count() == 10
