"""The record of advice without its triggers: for forgers, and for tests that take a whole world back."""

from contextlib import contextmanager

from django.db import connection

from advisor.append_only import GUARDED, OPERATIONS, ensure_guards, guard_name

RECORD, PAYLOAD, ROOT, HEAD = GUARDED


@contextmanager
def unguarded():
    """Somebody who owns the database and takes the triggers away."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else a table with rows yet to be checked cannot be altered
        for table in GUARDED:
            for operation in OPERATIONS[connection.vendor]:
                on = f" ON {table}" if connection.vendor == "postgresql" else ""
                cursor.execute(f"DROP TRIGGER {guard_name(table, operation)}{on}")
        yield cursor
    ensure_guards()


def tamper(*statements: str) -> None:
    with unguarded() as cursor:
        for statement in statements:
            cursor.execute(statement)


def forget_the_record() -> None:
    tamper(*(f"DELETE FROM {table}" for table in (HEAD, PAYLOAD, RECORD)))
