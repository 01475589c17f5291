"""Rows in short transactions: nothing here locks SQLite for longer than a page can wait."""

from collections.abc import Iterable
from itertools import islice
from typing import Any, TypeVar

from django.db import connection, models

Row = TypeVar("Row", bound=models.Model)
ROWS_A_TRANSACTION = 5_000


def write(rows: Iterable[Row], **conflicts: Any) -> list[Row]:
    """Write rows of one model in blocks of one transaction each, and return them with their keys."""
    written: list[Row] = []
    remaining = iter(rows)
    while block := list(islice(remaining, ROWS_A_TRANSACTION)):
        written += type(block[0])._default_manager.bulk_create(block, **conflicts)
    return written


def erase(rows: models.QuerySet[Any]) -> int:
    """Delete rows in blocks, without looking for what points at them: the caller erases in the right order."""
    n_erased = 0
    while keys := list(rows.order_by("pk").values_list("pk", flat=True)[:ROWS_A_TRANSACTION]):
        rows.model._base_manager.filter(pk__in=keys)._raw_delete(rows.db)
        n_erased += len(keys)
    return n_erased


def gather_statistics() -> None:
    """Let PostgreSQL count what a large load wrote: until its own vacuum comes round it would plan for empty tables."""
    if connection.vendor == "postgresql" and not connection.in_atomic_block:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")
