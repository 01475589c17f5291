"""A block of investors, and the rows of theirs as columns: what every part of a profile is worked out from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, Func, Q, QuerySet
from django.utils import timezone

from marketing.kernels.grouping import BoolArray, FloatArray, IntArray

# A column of a profile: numbers (NaN or NONE: unknown), or plain values; times are microseconds since 1970 in UTC, dates ordinals.
Column = IntArray | FloatArray | BoolArray | Sequence[Any]
Columns = Mapping[str, Column]

EPOCH_DAY = date(1970, 1, 1).toordinal()
MICROS_A_DAY = 86_400_000_000
ROWS_AT_ONCE = 10_000
CHUNK = 50_000  # rows that the driver makes at once


class Micros(Func):
    """A time as whole microseconds since 1970 in UTC: a number, which costs a tenth of a datetime to read."""

    output_field = BigIntegerField()
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        text, params = compiler.compile(self.source_expressions[0])
        fraction = f"CAST(substr({text} || '.000000', 21, 6) AS INTEGER)"
        return f"(CAST(strftime('%%s', {text}) AS INTEGER) * 1000000 + {fraction})", (*params, *params)

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        text, params = compiler.compile(self.source_expressions[0])
        return f"(EXTRACT(EPOCH FROM {text}) * 1000000)::bigint", params


class Ordinal(Func):
    """A date as its ordinal, NULL as NULL."""

    output_field = BigIntegerField()
    arity = 1

    def as_sqlite(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        day, params = compiler.compile(self.source_expressions[0])
        return f"(CAST(julianday({day}) - 2440587.5 AS INTEGER) + {EPOCH_DAY})", params

    def as_postgresql(self, compiler: Any, connection: Any, **extra: Any) -> tuple[str, Any]:
        day, params = compiler.compile(self.source_expressions[0])
        return f"(({day}) - DATE '1970-01-01' + {EPOCH_DAY})", params


@dataclass(frozen=True)
class Block:
    """Investors by ascending key, and the local day whose end their profiles tell of. `is_whole`: no key between theirs is missing."""

    ids: IntArray
    day: date
    is_whole: bool = True

    @property
    def n(self) -> int:
        return len(self.ids)

    @cached_property
    def end(self) -> datetime:
        return day_start(self.day + timedelta(days=1))

    def since(self, days: int) -> datetime:
        """The beginning of a window of so many days that ends with the day."""
        return self.end - timedelta(days=days)

    def back(self, days: int) -> date:
        """The last day before that window."""
        return self.day - timedelta(days=days)

    def of(self, path: str) -> Q:
        """The rows that belong to these investors by a path to their key."""
        if self.is_whole:
            return Q(**{f"{path}__gte": int(self.ids[0]), f"{path}__lte": int(self.ids[-1])})
        return Q(**{f"{path}__in": self.ids.tolist()})

    def place(self, keys: IntArray) -> tuple[BoolArray, IntArray]:
        """Which keys are of this block, and the places of those."""
        at = np.minimum(np.searchsorted(self.ids, keys), self.n - 1)
        is_here = self.ids[at] == keys
        return is_here, at[is_here]


def day_start(day: date) -> datetime:
    return timezone.make_aware(datetime.combine(day, time.min))


def micros(at: datetime) -> int:
    return int(at.timestamp() * 1_000_000)


def read(rows: QuerySet[Any, Any], *dtypes: Any) -> list[Any]:
    """The columns of a values_list as arrays of these types; `object` for what is no number.

    As the driver has them: a query with dates or times asks for numbers (Micros, Ordinal).
    """
    sql, params = rows.order_by().query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        made = list(zip(*cursor.fetchall(), strict=True))
    return [np.array(made[at] if made else [], dtype) for at, dtype in enumerate(dtypes)]


def read_in_chunks(rows: QuerySet[Any, Any], *dtypes: Any) -> Iterator[list[Any]]:
    """The same for more rows than fit in memory as the driver has them: columns of some rows after another."""
    sql, params = rows.order_by().query.sql_with_params()
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while chunk := cursor.fetchmany(CHUNK):
            yield [np.array(values, dtype) for values, dtype in zip(zip(*chunk, strict=True), dtypes, strict=True)]


def whole(values: Any, otherwise: int = 0) -> IntArray:
    """Numbers that may be None as whole numbers."""
    return np.array([otherwise if value is None else value for value in values], np.int64)


def local_days(at: IntArray) -> IntArray:
    """The ordinal of the local day of each time."""
    return _local(at) // MICROS_A_DAY + EPOCH_DAY


def local_hours(at: IntArray) -> IntArray:
    return _local(at) % MICROS_A_DAY // 3_600_000_000


def _local(at: IntArray) -> IntArray:
    known = pd.DatetimeIndex(at.astype("datetime64[us]")).tz_localize("UTC")
    return np.asarray(known.tz_convert(settings.TIME_ZONE).tz_localize(None).to_numpy().astype("datetime64[us]").astype(np.int64))
