"""What happened to people when, as arrays: events and facts of the business, read in bulk from either database."""

import struct
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import BigIntegerField, Case, F, Func, Min, QuerySet, Value, When
from django.db.models.functions import Cast

from advisor.models import Assessment, Goal, Investor, Proposal
from advisor.selectors import consents_in_force
from marketing.kernels.ask import Step
from marketing.kernels.ask_answers import Ints, Moments
from marketing.kernels.conditions import DECISIONS
from marketing.kernels.places import places_among
from marketing.models import Delivery, Event, Segment
from marketing.selectors.segment_facts import EARLIEST_ARRIVAL, OWNER, has_property
from marketing.selectors.segments import people_in, read_rule
from portfolios.models import Order

FEW = 500  # so few people are named in the statement; more are picked out of what comes back
YEAR_2000_MS = 946_684_800_000  # PostgreSQL's times are microseconds since then
_SIGNATURE = b"PGCOPY\n\xff\r\n\0"


class EpochMs(Func):
    """A time as whole milliseconds since 1970 when read by `read_ints`, the same number from both databases."""

    output_field = BigIntegerField()

    def as_postgresql(self, compiler: Any, connection: Any, **context: Any) -> Any:
        """As it is: its eight bytes are sent, and `read_ints` reckons."""
        return self.as_sql(compiler, connection, template="%(expressions)s", **context)

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        template = "CAST(ROUND((julianday(%(expressions)s) - 2440587.5) * 86400000.0) AS INTEGER)"
        return self.as_sql(compiler, connection, template=template, **context)


def whole(name: str) -> Cast:
    """A column as 64 bits, which is what `read_ints` reads."""
    return Cast(F(name), BigIntegerField())


def read_ints(rows: QuerySet[Any], **columns: Any) -> Ints:
    """These expressions of every row, whole numbers of 64 bits and never null, as an int64 array (n, columns); no order.

    PostgreSQL packs each column into one value and sends them as one row of binary COPY: a message a row would cost a
    Python object each, five times the rest of the work.
    """
    asked = rows.order_by().annotate(**columns).values_list(*columns)
    if connection.vendor != "postgresql":
        return np.array(list(asked.iterator(chunk_size=20_000)), np.int64).reshape(-1, len(columns))
    try:
        sql, params = asked.query.sql_with_params()
    except EmptyResultSet:  # nobody is asked about
        return np.zeros((0, len(columns)), np.int64)
    names = [f"c{at}" for at in range(len(columns))]
    is_time = [isinstance(column, EpochMs) for column in columns.values()]
    packed = ", ".join(
        f"string_agg({'timestamptz_send' if timed else 'int8send'}({name}), ''::bytea)" for name, timed in zip(names, is_time, strict=True)
    )
    with connection.cursor() as cursor:
        inner = cursor.mogrify(sql, params)
        statement = f"COPY (SELECT {packed} FROM ({inner}) AS asked ({', '.join(names)})) TO STDOUT (FORMAT BINARY)"  # noqa: S608 quoted by the driver
        with cursor.copy(statement) as copied:
            table = unpack_copy(b"".join(copied), len(columns))
    for place in np.flatnonzero(is_time):
        table[:, place] = (table[:, place] + 500) // 1000 + YEAR_2000_MS
    return table


def unpack_copy(raw: bytes, width: int) -> Ints:
    """The columns in one row of PostgreSQL's binary COPY, each a value of big-endian int64 one after another.

    Layout: 11 bytes of signature, flags, length of an extension; then the row's number of fields (int16) and each field's
    length (int32, -1 for null) and bytes. Raises ValueError for anything else, also where columns differ in length: a null.
    """
    if raw[:11] != _SIGNATURE:
        raise ValueError("no binary copy")
    at = 21 + struct.unpack_from(">i", raw, 15)[0]
    columns = []
    for _place in range(width):
        length = max(0, struct.unpack_from(">i", raw, at)[0])
        columns.append(np.frombuffer(raw, ">i8", length // 8, at + 4))
        at += 4 + length
    if len({len(column) for column in columns}) > 1 or raw[at:] != b"\xff\xff":
        raise ValueError("columns that are not whole numbers of 64 bits")
    return np.array(columns, np.int64).T


def keys_of(segment: Segment | None, *, needs_consent: bool) -> Ints | None:
    """Sorted keys of the people in a segment, and if so asked only of those who agree to profiling; None: everybody.

    Raises RuleError where the segment's rule can no longer be read.
    """
    agreed = consents_in_force("profiling")
    if segment is None:
        return np.sort(read_ints(agreed, person=whole("investor_id"))[:, 0]) if needs_consent else None
    people = people_in(read_rule(segment.rule))
    if needs_consent:
        people = people.filter(pk__in=agreed.values("investor_id"))
    return np.sort(read_ints(people, person=whole("pk"))[:, 0])


Source = tuple[QuerySet[Any], str, str]  # rows, the column of the investor, the column of the time


def _orders(**which: Any) -> Source:
    return Order.objects.filter(portfolio__goal__isnull=False, **which).exclude(state=Order.State.REJECTED), OWNER, "placed_at"


def _messages(moment: str, **which: Any) -> Source:
    return Delivery.objects.filter(**{f"{moment}__isnull": False}, **which), "investor_id", moment


FACTS: dict[str, Callable[[], Source]] = {
    "joined": lambda: (Investor.objects.all(), "pk", "joined_at"),
    "assessed": lambda: (Assessment.objects.filter(state="completed", completed_at__isnull=False), "investor_id", "completed_at"),
    "goal": lambda: (Goal.objects.all(), "account__investor_id", "made_at"),
    "accepted": lambda: (Proposal.objects.filter(accepted_at__isnull=False), "goal__account__investor_id", "accepted_at"),
    "order": _orders,
    "decision": lambda: _orders(origin__in=DECISIONS),
    "purchase": lambda: _orders(origin__in=DECISIONS, side=Order.Side.BUY),
    "redemption": lambda: _orders(origin__in=DECISIONS, side=Order.Side.SELL),
    "plan": lambda: _orders(origin=Order.Origin.PLAN),
    "sent": lambda: _messages("ended_at", status=Delivery.Status.SENT),
    "opened": lambda: _messages("opened_at"),
    "clicked": lambda: _messages("clicked_at"),
}


def moments_of(steps: Sequence[Step], *, start: datetime, end: datetime, among: Ints | None) -> list[Moments]:
    """When people took each step, from `start` to before `end`: of `among` only (sorted keys), or of everybody.

    A statement a step: each is a range of one index, and no row carries the name of its event. A step named twice is read once.
    """
    read: dict[str, Moments] = {}
    for step in steps:
        if repr(step) not in read:
            read[repr(step)] = _moments(step, start, end, among)
    return [read[repr(step)] for step in steps]


def _moments(step: Step, start: datetime, end: datetime, among: Ints | None) -> Moments:
    rows, who, when = _source(step, start)
    rows = _of(rows.filter(**{f"{when}__gte": start, f"{when}__lt": end}), who, among)
    return _picked(read_ints(rows, person=whole(who), ms=EpochMs(F(when))), among)


def first_moments_of(step: Step, *, end: datetime, among: Ints | None) -> Moments:
    """When each person took a step for the first time, as far back as there are rows."""
    rows, who, when = _source(step, None)
    firsts = _of(rows.filter(**{f"{when}__lt": end}), who, among).order_by().values(person=whole(who))
    return _picked(read_ints(firsts, person_key=F("person"), ms=EpochMs(Min(when))), among)


def events_between(names: Sequence[str], *, start: datetime, end: datetime, among: Ints | None) -> tuple[Moments, Ints]:
    """Every event of these names, and the place of its name among them."""
    rows = _of(_events(start).filter(name__in=names, occurred_at__gte=start, occurred_at__lt=end), "investor_id", among)
    code = Case(*[When(name=name, then=Value(at)) for at, name in enumerate(names)], output_field=BigIntegerField())
    table = read_ints(rows, person=whole("investor_id"), ms=EpochMs(F("occurred_at")), code=Cast(code, BigIntegerField()))
    table = table if among is None else table[places_among(among, table[:, 0])[1]]
    return Moments(table[:, 0], table[:, 1]), table[:, 2]


def known_events() -> list[str]:
    """Every name that an event was ever taken in under: the index is leapt through, the table not read."""
    table = Event._meta.db_table
    sql = f"""WITH RECURSIVE found AS (
        SELECT MIN(name) AS name FROM {table} UNION ALL
        SELECT (SELECT MIN(name) FROM {table} WHERE name > found.name) FROM found WHERE found.name IS NOT NULL
    ) SELECT name FROM found WHERE name IS NOT NULL LIMIT 300"""  # noqa: S608 the table's own name
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [row[0] for row in cursor.fetchall()]


def _source(step: Step, start: datetime | None) -> Source:
    if step.fact is not None:
        return FACTS[step.fact]()
    rows = _events(start).filter(name=step.event)
    if step.channel:
        rows = rows.filter(channel=step.channel)
    for name, value in step.where.items():
        rows = rows.filter(has_property(name, value))
    return rows, "investor_id", "occurred_at"


def _events(start: datetime | None) -> QuerySet[Event]:
    """Events of known people; of those that happened from `start` on, so that months before it are not opened."""
    rows = Event.objects.filter(investor__isnull=False)
    return rows if start is None else rows.filter(received_at__gte=start - EARLIEST_ARRIVAL)


def _of(rows: QuerySet[Any], who: str, among: Ints | None) -> QuerySet[Any]:
    return rows if among is None or len(among) > FEW else rows.filter(**{f"{who}__in": among.tolist()})


def _picked(table: Ints, among: Ints | None) -> Moments:
    kept = table if among is None else table[places_among(among, table[:, 0])[1]]
    return Moments(kept[:, 0], kept[:, 1])
