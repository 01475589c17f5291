"""Many rows of tags at once: one statement with arrays on PostgreSQL, one prepared statement elsewhere."""

from collections.abc import Sequence
from datetime import date

import numpy as np
from django.db import connection
from numpy.typing import NDArray

from marketing.models import TagChange, TagWords
from marketing.models.tags import N_WORDS
from marketing.selectors.tag_columns import WORD_NAMES

KEYS_A_QUERY = 500  # below the number of parameters that any SQLite takes


def write_words(ids: NDArray[np.int64], words: NDArray[np.int64]) -> None:
    """Write whole rows of words, shape (words, people); whoever has none yet gets one. Safe to repeat."""
    if not len(ids):
        return
    table, names = TagWords._meta.db_table, ", ".join(WORD_NAMES)
    taken = ", ".join(f"{name} = excluded.{name}" for name in WORD_NAMES)
    end = f"ON CONFLICT (investor_id) DO UPDATE SET {taken}"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            arrays = ", ".join(["%s::bigint[]"] * (N_WORDS + 1))
            columns = [ids.tolist(), *(word.tolist() for word in words)]
            cursor.execute(f"INSERT INTO {table} (investor_id, {names}) SELECT * FROM unnest({arrays}) {end}", columns)  # noqa: S608  own names
        else:
            marks = ", ".join(["%s"] * (N_WORDS + 1))
            rows = np.vstack([ids, words]).T.tolist()
            cursor.executemany(f"INSERT INTO {table} (investor_id, {names}) VALUES ({marks}) {end}", rows)  # noqa: S608  own names


def write_changes(investors: Sequence[int], tags: Sequence[int], gained: Sequence[bool], day: date) -> None:
    """Write what was gained and lost on a day. Safe to repeat: a change that is there stays as it is."""
    if not investors:
        return
    table = TagChange._meta.db_table
    into = f"INSERT INTO {table} (investor_id, tag_id, is_gained, date)"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            rows = "SELECT *, %s::date FROM unnest(%s::bigint[], %s::bigint[], %s::boolean[])"
            cursor.execute(f"{into} {rows} ON CONFLICT DO NOTHING", [day, list(investors), list(tags), list(gained)])
        else:
            given = [(*row, day) for row in zip(investors, tags, gained, strict=True)]
            cursor.executemany(f"{into} VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING", given)


def delete_changes(pks: Sequence[int]) -> None:
    for at in range(0, len(pks), KEYS_A_QUERY):
        TagChange.objects.filter(pk__in=pks[at : at + KEYS_A_QUERY]).delete()
