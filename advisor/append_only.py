"""Triggers that refuse UPDATE, DELETE and TRUNCATE on the record of advice, whatever runs the statement.

On SQLite they refuse an INSERT in the place of a row, too: INSERT OR REPLACE deletes the row there, and tells the trigger
of DELETE only on connections that ask for it (PRAGMA recursive_triggers, which the settings do and other programs do not).

Made after every migrate, for SQLite loses a table's triggers whenever Django rebuilds it. Only a payload may be deleted,
and only once an entry of the kind `erased` in the same chain names it.
"""

from typing import Any

from django.db import connections, transaction

RECORD, PAYLOAD = "advisor_advicerecord", "advisor_advicepayload"
GUARDED = (RECORD, PAYLOAD, "advisor_recordroot", "advisor_recordhead")
# A changed definition takes a new number, so that the old trigger counts as missing.
VERSION = 1
OPERATIONS = {"sqlite": ("update", "delete", "insert"), "postgresql": ("update", "delete", "truncate")}

PG_REFUSE = """
CREATE OR REPLACE FUNCTION advisor_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
PG_REFUSE_PAYLOAD = f"""
CREATE OR REPLACE FUNCTION advisor_payload_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (
        SELECT 1 FROM {RECORD} e JOIN {PAYLOAD} p ON p.investor_id = e.investor_id AND p.seq = e.seq
        WHERE e.investor_id = OLD.investor_id AND e.kind = 'erased' AND (p.text::jsonb -> 'seqs') @> to_jsonb(OLD.seq)
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'integrity_constraint_violation';
END $$
"""  # noqa: S608  our own table names
SQLITE_IS_ERASED = f"""
WHEN NOT EXISTS (
    SELECT 1 FROM {RECORD} e JOIN {PAYLOAD} p ON p.investor_id = e.investor_id AND p.seq = e.seq, json_each(p.text, '$.seqs') s
    WHERE e.investor_id = OLD.investor_id AND e.kind = 'erased' AND s.value = OLD.seq
)
"""  # noqa: S608
# What is unique beside the key.
PLACES = {
    RECORD: ("investor_id", "seq"),
    PAYLOAD: ("investor_id", "seq"),
    "advisor_recordroot": ("day",),
    "advisor_recordhead": ("investor_id", "root_id"),
}


def missing_guards(using: str = "default") -> list[str]:
    """The triggers that should be there and are not, or are switched off; of tables that exist."""
    connection = connections[using]
    wanted = OPERATIONS.get(connection.vendor, ())
    if not wanted:
        return []
    tables = set(connection.introspection.table_names())
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled IN ('O', 'A')")
        else:
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        there = {name for (name,) in cursor.fetchall()}
    names = [guard_name(table, operation) for table in GUARDED if table in tables for operation in wanted]
    return [name for name in names if name not in there]


def guard_name(table: str, operation: str) -> str:
    return f"{table}_no_{operation}_{VERSION}"


def ensure_guards(using: str = "default") -> list[str]:
    """Make the triggers that are missing; returns their names. Safe to repeat."""
    connection, missing = connections[using], missing_guards(using)
    if not missing:
        return []
    with transaction.atomic(using=using), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(PG_REFUSE)
            cursor.execute(PG_REFUSE_PAYLOAD)
        for table in GUARDED:
            for operation in OPERATIONS[connection.vendor]:
                if guard_name(table, operation) in missing:
                    _make(cursor, connection.vendor, table, operation)
    return missing


def _make(cursor: Any, vendor: str, table: str, operation: str) -> None:
    name, is_erasable = guard_name(table, operation), (table, operation) == (PAYLOAD, "delete")
    if vendor == "postgresql":
        each = "STATEMENT" if operation == "truncate" else "ROW"
        function = "advisor_payload_erasure" if is_erasable else "advisor_append_only"
        cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
        cursor.execute(f"CREATE TRIGGER {name} BEFORE {operation.upper()} ON {table} FOR EACH {each} EXECUTE FUNCTION {function}()")
    else:
        when = SQLITE_IS_ERASED if is_erasable else _is_taken(table) if operation == "insert" else ""
        refusal = f"SELECT RAISE(ABORT, '{table} is append-only')"
        cursor.execute(f"CREATE TRIGGER {name} BEFORE {operation.upper()} ON {table} {when} BEGIN {refusal}; END")


def _is_taken(table: str) -> str:
    place = " AND ".join(f"{name} = NEW.{name}" for name in PLACES[table])
    return f"WHEN EXISTS (SELECT 1 FROM {table} WHERE id = NEW.id) OR EXISTS (SELECT 1 FROM {table} WHERE {place})"  # noqa: S608


def make_guards_after_migrate(using: str, **kwargs: Any) -> None:
    ensure_guards(using)
