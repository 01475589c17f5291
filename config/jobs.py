"""Jobs: the database row is the truth, and Celery is only its doorbell.

A job is a row of a model that inherits `Job`. A worker claims it with one UPDATE, works without a transaction, and
writes its result only while the claim still holds. Losing or doubling a message changes nothing: the sweeper rings
again for what is queued or whose lease has run out, and a second worker that meets a claimed row goes away quietly.
"""

import logging
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from celery import Signature, Task, current_app, shared_task
from django.core.cache import cache
from django.db import DatabaseError, connection, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 5
RING_AGAIN_AFTER = timedelta(seconds=10)
PUBLISH_TRIES = 2  # a connection that the broker closed long ago fails at once, and a second one works
PUBLISH_PATIENCE_SECONDS = 1.0


class Job(models.Model):
    """The columns that make a row a job. `error` is {"code", ...data}, turned into a sentence by whoever shows it."""

    class Status(models.TextChoices):
        QUEUED = "queued", _("queued")
        RUNNING = "running", _("running")
        DONE = "done", _("done")
        FAILED = "failed", _("failed")

    status = models.CharField(max_length=10, choices=Status.choices, default=Status.QUEUED)
    claim = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    attempts = models.PositiveSmallIntegerField(default=0)
    n_done = models.PositiveIntegerField(default=0)
    n_total = models.PositiveIntegerField(default=0)
    error = models.JSONField(null=True, blank=True)
    queued_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True


def claim_job(model: type[Job], pk: int, *, lease_seconds: int = 60) -> uuid.UUID | None:
    """Claim a queued row, or one whose lease has run out; None means that it is somebody else's or finished."""
    now = timezone.now()
    token = uuid.uuid4()
    free = Q(status=Job.Status.QUEUED) | Q(status=Job.Status.RUNNING, lease_until__lt=now)
    claimed = model._default_manager.filter(free, pk=pk, attempts__lt=MAX_ATTEMPTS).update(
        status=Job.Status.RUNNING, claim=token, lease_until=now + timedelta(seconds=lease_seconds), attempts=F("attempts") + 1
    )
    return token if claimed else None


def write_if_claimed(model: type[Job], pk: int, token: uuid.UUID, *, lease_seconds: int | None = None, **fields: Any) -> bool:
    """Write fields while the claim holds, renewing the lease if asked; False means: stop and discard."""
    if lease_seconds is not None:
        fields["lease_until"] = timezone.now() + timedelta(seconds=lease_seconds)
    return bool(model._default_manager.filter(pk=pk, claim=token, status=Job.Status.RUNNING).update(**fields))


@contextmanager
def claim_kept(model: type[Job], pk: int, token: uuid.UUID, *, lease_seconds: int, most_seconds: float) -> Iterator[None]:
    """Renew the lease from a thread while the body works, where one step of it may take longer than a lease.

    A process that is killed takes its thread with it. One that hangs keeps the claim for `most_seconds` and no longer.
    """
    ended = threading.Event()

    def renew() -> None:
        until = time.monotonic() + most_seconds
        while not ended.wait(lease_seconds / 3) and time.monotonic() < until:
            try:
                if not write_if_claimed(model, pk, token, lease_seconds=lease_seconds):
                    return
            except DatabaseError as error:
                log.warning("could not renew the claim on %s %s, and will try again: %s", model.__name__, pk, error)
            finally:
                connection.close()  # this thread's own

    thread = threading.Thread(target=renew, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def finish_job(model: type[Job], pk: int, token: uuid.UUID, **fields: Any) -> bool:
    """Write the result and DONE while the claim holds; False means that another worker has the row."""
    return write_if_claimed(model, pk, token, status=Job.Status.DONE, finished_at=timezone.now(), claim=None, lease_until=None, **fields)


def fail_job(model: type[Job], pk: int, token: uuid.UUID, error: dict[str, Any]) -> bool:
    """Write FAILED with its reason as data, while the claim holds."""
    return write_if_claimed(
        model, pk, token, status=Job.Status.FAILED, finished_at=timezone.now(), claim=None, lease_until=None, error=error
    )


def give_up_job(model: type[Job], pk: int, error: dict[str, Any]) -> bool:
    """Write FAILED with its reason to what nobody is at; False where somebody is."""
    token = claim_job(model, pk)
    return token is not None and fail_job(model, pk, token, error)


def ring(task: Task | Signature, *args: Any) -> None:
    """Send a task after the commit. A broker that is down is logged, never raised: the sweeper rings again."""
    transaction.on_commit(lambda: publish(task, *args), robust=True)


def ring_by_name(name: str, *args: Any, queue: str) -> None:
    """Send a task after the commit by its name: services ring so, for tasks stand above them and import them."""
    ring(current_app.signature(name, queue=queue), *args)


def publish(task: Task | Signature, *args: Any) -> bool:
    """Send a task now; False, and a line in the log, when the broker did not take it."""
    began = time.monotonic()
    for attempt in range(1, PUBLISH_TRIES + 1):
        try:
            task.apply_async(args, retry=False)
            return True
        except Exception as error:  # every transport raises its own kind
            name = task.task if isinstance(task, Signature) else task.name
            log.warning("could not ring %s%r (try %d of %d): %s", name, args, attempt, PUBLISH_TRIES, error)
        if time.monotonic() - began > PUBLISH_PATIENCE_SECONDS:  # a broker that does not answer: the page goes on
            break
    return False


def sweep(model: type[Job], task: Task) -> int:
    """Fail rows that were tried too often; ring for those queued a while ago and those whose lease has run out."""
    now = timezone.now()
    rows = model._default_manager
    expired = Q(status=Job.Status.RUNNING, lease_until__lt=now)
    rows.filter(expired, attempts__gte=MAX_ATTEMPTS).update(
        status=Job.Status.FAILED, finished_at=now, claim=None, error={"code": "too_many_attempts", "attempts": MAX_ATTEMPTS}
    )
    waiting = rows.filter(expired | Q(status=Job.Status.QUEUED, queued_at__lt=now - RING_AGAIN_AFTER))
    pks = list(waiting.order_by("pk").values_list("pk", flat=True)[:1000])
    for pk in pks:
        ring(task, pk)
    return len(pks)


@contextmanager
def only_one(name: str, *, seconds: int) -> Iterator[bool]:
    """Hold a named lock for a periodic task: yields False when another process has it. It lapses after `seconds`."""
    key, token = f"only-one:{name}", uuid.uuid4().hex
    got = cache.add(key, token, timeout=seconds)
    try:
        yield got
    finally:
        if got and cache.get(key) == token:  # a lock that lapsed may be another's by now
            cache.delete(key)


def beat_heart(queue: str) -> None:
    cache.set(f"heartbeat:{queue}", time.time(), timeout=3600)


def seconds_since_heartbeat(queue: str) -> float | None:
    """Seconds since the worker of a queue last answered beat, or None if it has not within the hour."""
    at = cache.get(f"heartbeat:{queue}")
    return None if at is None else round(time.time() - at, 1)


@shared_task(name="config.heartbeat_now", queue="now")
def heartbeat_now_task() -> None:
    beat_heart("now")


@shared_task(name="config.heartbeat_bulk", queue="bulk")
def heartbeat_bulk_task() -> None:
    beat_heart("bulk")
