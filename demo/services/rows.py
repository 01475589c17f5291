"""Rows as columns, for blocks too large for model instances: COPY on PostgreSQL, one prepared INSERT elsewhere."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from django.db import connection, models, transaction
from numpy.typing import NDArray

Column = NDArray[Any] | Sequence[Any] | str | int | float | bool | None

ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


def next_keys(model: type[models.Model], n: int) -> NDArray[np.int64]:
    """Take n keys of a model, which nobody else is given from then on; those that are not used leave a gap."""
    table = model._meta.db_table
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)", [table, n])
            return np.array([key for (key,) in cursor.fetchall()], dtype=np.int64)
        # What AUTOINCREMENT itself counts with; a table that never had a row has no line there yet.
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [table])
        known = cursor.fetchone()
        if known is None:
            cursor.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (%s, %s)", [table, n])
        else:
            cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [known[0] + n, table])
    return np.arange(1, n + 1, dtype=np.int64) + (known[0] if known else 0)


class Rows:
    """Rows of several models, made first and then written together, so that the transaction is short."""

    def __init__(self) -> None:
        self._made: list[tuple[str, str, str | list[tuple[Any, ...]]]] = []
        self.n = 0

    def add(self, model: type[models.Model], n: int, **columns: Column) -> None:
        """Make n rows of one model; they are written in the order in which they were added.

        A column is named as in the database and is one value for all rows or one a row; what has a plain default may be
        left out. Times are datetime64 in UTC, JSON and UUIDs are text, numbers in lists are Python's own. Constraints are
        the database's; no signal, no `save`.
        """
        if not n:
            return
        values = _defaults(model) | columns
        plain = [_values(column, n) for column in values.values()]
        names = ", ".join(connection.ops.quote_name(name) for name in values)
        made = _copy_text(plain) if connection.vendor == "postgresql" else list(zip(*plain, strict=True))
        self._made.append((connection.ops.quote_name(model._meta.db_table), names, made))
        self.n += n

    def write(self) -> int:
        """Write what was made in one transaction; returns how many rows."""
        with transaction.atomic(), connection.cursor() as cursor:
            if connection.vendor == "postgresql":
                # Whoever is lost by a crash of the server is written again: nothing to wait for.
                cursor.execute("SET LOCAL synchronous_commit TO off")
            for table, names, made in self._made:
                if isinstance(made, str):
                    with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                        copy.write(made)
                else:
                    marks = ", ".join(["%s"] * len(made[0]))
                    cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", made)  # noqa: S608  our own models' names
        return self.n


@cache
def _defaults(model: type[models.Model]) -> dict[str, Column]:
    """What a row has where nothing is said: the plain defaults of the model, never the time of loading."""
    plain: dict[str, Column] = {}
    for field in model._meta.concrete_fields:
        if isinstance(field, models.AutoField) or (field.has_default() and callable(field.default) and field.default not in (dict, list)):
            continue
        value = field.get_default()
        if isinstance(field, models.JSONField) and value is not None:
            plain[str(field.column)] = json.dumps(value)
        elif field.has_default() or field.null or field.empty_strings_allowed:
            plain[str(field.column)] = field.get_db_prep_save(value, connection)
    return plain


def _values(column: Column, n: int) -> Sequence[Any]:
    """One plain value a row."""
    if isinstance(column, np.ndarray):
        if column.dtype.kind != "M":
            return column.tolist()
        return _times(column)
    return [column] * n if column is None or isinstance(column, str | int | float) else column


def _times(column: NDArray[Any]) -> list[str | None]:
    """Days or moments as both databases read them; PostgreSQL takes them in the connection's zone, which is UTC."""
    is_day = np.datetime_data(column.dtype)[0] == "D"
    texts = np.datetime_as_string(column, unit="D" if is_day else "s")
    if not is_day:
        texts.view("U1").reshape(len(texts), -1)[:, 10:11] = " "
    return [None if unknown else text for unknown, text in zip(np.isnat(column).tolist(), texts.tolist(), strict=True)]


def _copy_text(columns: Sequence[Sequence[Any]]) -> str:
    """The columns as lines of COPY's text format."""
    texts = [_copied(values) for values in columns]
    return "\n".join(map("\t".join, zip(*texts, strict=True))) + "\n"


def _copied(values: Sequence[Any]) -> list[str]:
    if isinstance(values[0], int | float) and None not in values:
        return list(map(str, values))
    return [r"\N" if value is None else _escaped(value) if isinstance(value, str) else str(value) for value in values]


def _escaped(text: str) -> str:
    for character, escape in ESCAPES:
        if character in text:
            text = text.replace(character, escape)
    return text
