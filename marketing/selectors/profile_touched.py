"""Whom something happened to since the build before, and from whose windows something has dropped out meanwhile."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Q, QuerySet

from advisor.models import Investor
from marketing.kernels.grouping import IntArray
from marketing.models import AnonymousIdentity, Delivery, Event, InboxMessage
from marketing.selectors.profile_orders import OWNER, PLAN_DAYS, RUNNING_DAYS, YEAR_DAYS
from marketing.selectors.profile_rows import ROWS_AT_ONCE, day_start
from marketing.selectors.profile_visits import CLOCK_AHEAD, WINDOW_DAYS
from portfolios.models import LedgerEntry, Order

VISIT_WINDOWS, MESSAGE_WINDOWS = (7, 30, 90, WINDOW_DAYS), (90, 365)
OVERLAP = timedelta(hours=1)  # what was being written while the build before read


@dataclass(frozen=True)
class Touched:
    """Ascending keys of the investors whose orders and payments, visits and tastes, or messages have to be read again."""

    orders: IntArray
    visits: IntArray
    messages: IntArray


@dataclass(frozen=True)
class _Since:
    """From the build before, which told of the end of `before`, to one of the end of `day`."""

    at: datetime  # rows written from here on are new
    before: date
    day: date

    def new(self, column: str) -> Q:
        return Q(**{f"{column}__gte": min(self.at, day_start(self.before + timedelta(days=1)))})

    def left(self, column: str, windows: Iterable[int]) -> Q:
        """Rows that a window of so many days held then and does not hold now."""
        found = Q()
        for days in windows:
            old, new = (day_start(day + timedelta(days=1 - days)) for day in (self.before, self.day))
            found |= Q(**{f"{column}__gte": old, f"{column}__lt": new})
        return found

    def left_dates(self, column: str, windows: Iterable[int]) -> Q:
        found = Q()
        for days in windows:
            old, new = (day - timedelta(days=days) for day in (self.before, self.day))
            found |= Q(**{f"{column}__gt": old, f"{column}__lte": new})
        return found


def touched(since: datetime, before: date, day: date) -> Touched:
    """Find them, a few passes over whole tables; `since` is when the build before was asked for, `before` the day it told of."""
    when = _Since(since - OVERLAP, before, day)
    ordered = _keys(_ordered(when))
    return Touched(ordered, np.union1d(ordered, _keys(_visited(when))), _keys(_messaged(when)))


def _ordered(when: _Since) -> Iterator[QuerySet[Any, Any]]:
    placed = when.left("placed_at", (RUNNING_DAYS, PLAN_DAYS, YEAR_DAYS))
    yield Order.objects.filter(when.new("placed_at") | when.new("confirmed_at") | placed).values_list(OWNER, flat=True)
    yield Order.objects.filter(when.new("events__at")).values_list(OWNER, flat=True)
    booked = when.new("at") | Q(date__gt=when.before) | when.left_dates("date", (PLAN_DAYS, YEAR_DAYS))
    yield LedgerEntry.objects.filter(booked).values_list(OWNER, flat=True)


def _visited(when: _Since) -> Iterator[QuerySet[Any, Any]]:
    oldest = day_start(when.before) - timedelta(days=WINDOW_DAYS) - CLOCK_AHEAD
    found = when.new("received_at") | when.new("occurred_at") | when.left("occurred_at", VISIT_WINDOWS)
    yield Event.objects.filter(found, received_at__gte=oldest, investor__isnull=False).values_list("investor_id", flat=True)
    yield Investor.objects.filter(when.new("last_seen_at")).values_list("pk", flat=True)
    yield AnonymousIdentity.objects.filter(when.new("joined_at")).values_list("investor_id", flat=True)


def _messaged(when: _Since) -> Iterator[QuerySet[Any, Any]]:
    found = Q()
    for column in ("ended_at", "opened_at", "clicked_at", "complained_at"):
        found |= when.new(column)
    for column in ("ended_at", "opened_at", "clicked_at"):
        found |= when.left(column, MESSAGE_WINDOWS)
    yield Delivery.objects.filter(found).values_list("investor_id", flat=True)
    yield InboxMessage.objects.filter(when.new("at") | when.new("read_at")).values_list("investor_id", flat=True)


def _keys(queries: Iterator[QuerySet[Any, Any]]) -> IntArray:
    found = [np.array(list(rows.order_by().distinct().iterator(chunk_size=ROWS_AT_ONCE)), object) for rows in queries]
    return np.unique(np.array([key for keys in found for key in keys if key is not None], np.int64))
