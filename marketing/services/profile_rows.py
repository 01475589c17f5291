"""Writing of profiles: a block of wide rows by one statement, and only those in which something differs.

The block goes into a temporary table first - by COPY on PostgreSQL, row by row elsewhere - and from there by the same SQL.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from django.db import connection, models
from django.utils import timezone

from marketing.kernels.grouping import NONE, IntArray
from marketing.models import Profile, ProfileBuild
from marketing.selectors.profile_rows import Column, Columns

TABLE, BLOCK, KEY = Profile._meta.db_table, "profile_block", "investor_id"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))
Values = list[Any]


def write_profiles(*, build: ProfileBuild, investors: IntArray, columns: Columns, is_whole: bool) -> int:
    """Write columns of investors, whole rows or some columns of rows that exist, in the caller's transaction.

    Returns how many rows differed. A row that is right keeps the build and the day that wrote it.
    """
    values = {name: plain_values(Profile._meta.get_field(name), column) for name, column in columns.items()}
    stamp = {"version": build.pk, "as_of": build.as_of, "refreshed_at": timezone.now()}
    made = {KEY: investors.tolist(), **values, **{name: [value] * len(investors) for name, value in stamp.items()}}
    compared = [*values, *(["as_of"] if is_whole else [])]
    with connection.cursor() as cursor:
        _fill(cursor, made)
        cursor.execute(_upsert(list(made), compared) if is_whole else _update(list(made), compared))
        n_changed = cursor.rowcount
        cursor.execute(f"DROP TABLE {BLOCK}")
    return n_changed


def _upsert(names: Sequence[str], compared: Sequence[str]) -> str:
    """New rows with what others write left at its beginning; of known ones those that differ."""
    others = {
        str(field.column): field.get_db_prep_save(field.get_default(), connection)
        for field in Profile._meta.concrete_fields
        if field.column not in names and not field.null
    }
    listed = ", ".join(names)
    also = "".join(f", {name}" for name in others)
    plain = "".join(f", '{value}'" for value in others.values())
    told = ", ".join(f"{name} = excluded.{name}" for name in names if name != KEY)
    return (
        f"INSERT INTO {TABLE} ({listed}{also}) SELECT {listed}{plain} FROM {BLOCK} WHERE 1 = 1 "  # noqa: S608  our own model's names
        f"ON CONFLICT ({KEY}) DO UPDATE SET {told} WHERE {_differs(compared, 'excluded')}"
    )


def _update(names: Sequence[str], compared: Sequence[str]) -> str:
    told = ", ".join(f"{name} = {BLOCK}.{name}" for name in names if name != KEY)
    return f"UPDATE {TABLE} SET {told} FROM {BLOCK} WHERE {TABLE}.{KEY} = {BLOCK}.{KEY} AND {_differs(compared, BLOCK)}"  # noqa: S608


def _differs(names: Sequence[str], other: str) -> str:
    ours, theirs = (", ".join(f"{table}.{name}" for name in names) for table in (TABLE, other))
    return f"({ours}) {'IS NOT' if connection.vendor == 'sqlite' else 'IS DISTINCT FROM'} ({theirs})"


def _fill(cursor: Any, made: dict[str, Values]) -> None:
    listed = ", ".join(made)
    cursor.execute(f"CREATE TEMPORARY TABLE {BLOCK} AS SELECT {listed} FROM {TABLE} WHERE 1 = 0")  # noqa: S608
    if connection.vendor == "postgresql":
        with cursor.copy(f"COPY {BLOCK} ({listed}) FROM STDIN") as copy:
            copy.write("\n".join(map("\t".join, zip(*map(_copied, made.values()), strict=True))) + "\n")
        return
    marks = ", ".join(["%s"] * len(made))
    columns = [_adapted(values) for values in made.values()]
    cursor.executemany(f"INSERT INTO {BLOCK} VALUES ({marks})", list(zip(*columns, strict=True)))  # noqa: S608


def _copied(values: Values) -> list[str]:
    """Values as COPY's text format has them."""
    return [r"\N" if value is None else _escaped(value) if isinstance(value, str) else str(value) for value in values]


def _escaped(text: str) -> str:
    for character, escape in ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    return text


def _adapted(values: Values) -> Values:
    """Times and days as the database keeps them."""
    first = next((value for value in values if value is not None), None)
    if isinstance(first, datetime):
        return [connection.ops.adapt_datetimefield_value(value) for value in values]
    return [connection.ops.adapt_datefield_value(value) for value in values] if isinstance(first, date) else values


def plain_values(field: Any, column: Column) -> Values:
    """A column as the plain values of its field, None where nothing is known."""
    values: Values = column.tolist() if isinstance(column, np.ndarray) else list(column)
    if isinstance(field, models.FloatField):
        return [None if value is None or value != value else float(value) for value in values]
    if isinstance(field, models.DateTimeField):
        return [None if value == NONE else EPOCH + timedelta(microseconds=value) for value in values]
    if isinstance(field, models.CharField):
        return [value[: field.max_length] for value in values]
    return [None if value == NONE else value for value in values]
