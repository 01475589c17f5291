"""Letting go of events: months that are over, strangers who stayed strangers, and keys that no repeat needs any more."""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DatabaseError, models
from django.utils import timezone

from marketing.models import Event, EventKey
from marketing.partitions import drop_partitions
from marketing.selectors.events import KEYS_KEPT, STRANGERS_KEPT, oldest_kept

log = logging.getLogger(__name__)

ROWS_AT_ONCE = 5_000


@dataclass(frozen=True)
class Purged:
    partitions: tuple[str, ...]
    n_events: int
    n_strangers: int
    n_keys: int


def purge_events(*, now: datetime | None = None) -> Purged:
    """Delete what is older than the retention says. Whole months go as partitions where there are some, all else in blocks of
    5,000 rows, each its own transaction. Safe to repeat, and to interrupt."""
    now = now or timezone.now()
    oldest = oldest_kept(now)
    try:
        partitions = tuple(drop_partitions(oldest.date()))
    except DatabaseError as error:  # somebody reads for long: their rows go one by one below, or tomorrow
        log.warning("no partition of events was dropped: %s", error)
        partitions = ()
    strangers = Event.objects.filter(investor=None, received_at__lt=now - STRANGERS_KEPT).exclude(anonymous_id="")
    return Purged(
        partitions=partitions,
        n_events=_delete(Event.objects.filter(received_at__lt=oldest)),
        n_strangers=_delete(strangers),
        n_keys=_delete(EventKey.objects.filter(received_at__lt=now - KEYS_KEPT)),
    )


def _delete(rows: models.QuerySet[Any]) -> int:
    n_deleted = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_AT_ONCE]):
        n_deleted += rows.filter(pk__in=keys)._raw_delete(rows.db)
    return n_deleted
