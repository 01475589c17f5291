"""The record of advice: chains that are only added to, erasures, and two who append at once."""

import json
import sqlite3
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from advisor.append_only import GUARDED, OPERATIONS, ensure_guards, guard_name, missing_guards
from advisor.checks import record_is_guarded
from advisor.kernels.record import canonical, commitment_of, first_link, hash_of
from advisor.models import AdvicePayload, AdviceRecord, Investor, RecordRoot
from advisor.models.record import AppendOnlyError
from advisor.services.record import CannotErase, NewRecord, append_record, append_records, erase_payload

RECORD, PAYLOAD, ROOT, HEAD = GUARDED


def told(investor, n: int = 3) -> list[AdviceRecord]:
    return [append_record(investor_id=investor.pk, kind="consent", payload={"purpose": "terms", "n": k}) for k in range(1, n + 1)]


def refused(sql: str, *params) -> bool:
    """Whether the database itself refuses a statement, with the same kind of error on both."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql, params)
    except DatabaseError as error:
        return type(error).__name__ == "IntegrityError" and "append-only" in str(error)
    return False


def test_an_entry_commits_to_its_payload_and_follows_the_one_before(people):
    before = timezone.now()
    first, second, third = told(people.anna_investor)
    assert [row.seq for row in (first, second, third)] == [1, 2, 3] and before <= first.at <= timezone.now()
    assert first.previous == first_link(people.anna_investor.pk) and second.previous == first.hash
    rows = AdvicePayload.objects.filter(investor=people.anna_investor).order_by("seq")
    for row, payload in zip(AdviceRecord.objects.order_by("seq"), rows, strict=True):
        assert row.commitment == commitment_of(payload.salt, payload.text)
        assert row.hash == hash_of(row.previous, row.seq, row.kind, row.at, row.commitment)
        assert payload.text == canonical(json.loads(payload.text))
    assert len({payload.salt for payload in rows}) == 3
    assert append_record(investor_id=people.ben_investor.pk, kind="consent", payload={}).seq == 1
    assert set(AdviceRecord.objects.visible_to(people.ada)) == {first, second, third}
    assert not AdviceRecord.objects.visible_to(people.mark).exists() and AdvicePayload.objects.visible_to(people.bob).count() == 1


def test_what_cannot_be_recorded_is_refused_and_nothing_is_written(people):
    anna = people.anna_investor.pk
    for wrong in (
        {"kind": "gossip", "payload": {}},
        {"kind": "consent", "payload": {"x": float("nan")}},
        {"kind": "consent", "payload": {"x": object()}},
        {"kind": "consent", "payload": {}, "at": datetime(2026, 1, 1)},
    ):
        with pytest.raises((ValueError, TypeError)), transaction.atomic():
            append_record(investor_id=anna, **wrong)
    with pytest.raises(Investor.DoesNotExist), transaction.atomic():
        append_record(investor_id=10**9, kind="consent", payload={})
    assert not AdviceRecord.objects.exists() and not AdvicePayload.objects.exists()


def test_many_entries_at_once_make_the_same_chains(people, django_assert_max_num_queries):
    anna, ben = people.anna_investor.pk, people.ben_investor.pk
    [known] = told(people.anna_investor, 1)
    at = datetime(2026, 3, 1, 9, 30, 0, 250_000, tzinfo=UTC)
    new = [NewRecord((anna, ben)[n % 2], "assessment", {"n": n, "said": "您好"}, at + timedelta(days=n)) for n in range(6)]
    with django_assert_max_num_queries(8):
        assert append_records(records=new) == 6
    for investor, seqs in ((anna, [1, 2, 3, 4]), (ben, [1, 2, 3])):
        rows = list(AdviceRecord.objects.filter(investor=investor).order_by("seq"))
        assert [row.seq for row in rows] == seqs
        assert [row.previous for row in rows] == [first_link(investor), *[row.hash for row in rows[:-1]]]
        assert all(row.hash == hash_of(row.previous, row.seq, row.kind, row.at, row.commitment) for row in rows)
    assert AdviceRecord.objects.get(investor=ben, seq=1).at == at + timedelta(days=1) and known.seq == 1
    texts = AdvicePayload.objects.filter(investor=ben).order_by("seq").values_list("text", flat=True)
    assert [json.loads(text)["n"] for text in texts] == [1, 3, 5]


def replacements() -> list[str]:
    """INSERT OR REPLACE of every row of the record in its own place: by its key, and by what is unique beside it."""
    columns, head = "kind, at, commitment, previous, hash, investor_id, seq", "root_id, investor_id, seq, hash"
    root = "day, previous, root, n, n_records, made_at"
    return [
        f"INSERT OR REPLACE INTO {RECORD} (id, {columns}) SELECT id, {columns} FROM {RECORD}",
        f"INSERT OR REPLACE INTO {RECORD} ({columns}) SELECT {columns} FROM {RECORD}",
        f"REPLACE INTO {PAYLOAD} (investor_id, seq, salt, text) SELECT investor_id, seq, salt, '{{}}' FROM {PAYLOAD}",
        f"REPLACE INTO {ROOT} (id, {root}) SELECT id, {root} FROM {ROOT}",
        f"REPLACE INTO {ROOT} (id, {root}) SELECT '{'0' * 32}', {root} FROM {ROOT}",
        f"REPLACE INTO {HEAD} ({head}) SELECT {head} FROM {HEAD}",
    ]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="no other database has INSERT OR REPLACE")
def test_another_program_cannot_replace_a_row_either(people):
    """A connection that was not made by the product has recursive_triggers off, as SQLite's own shell."""
    row, _ = told(people.anna_investor, 2)
    root = RecordRoot.objects.create(day=timezone.localdate(), root="0" * 64, n=1, n_records=2)
    root.heads.create(investor=people.anna_investor, seq=2, hash=row.hash)
    with connection.cursor() as cursor, closing(sqlite3.connect(":memory:")) as other:
        assert other.execute("PRAGMA recursive_triggers").fetchone() == (0,)
        cursor.execute("SELECT sql, name FROM sqlite_master WHERE tbl_name IN (%s, %s, %s, %s) AND sql > '' ORDER BY type", GUARDED)
        for definition, _name in sorted(cursor.fetchall(), key=lambda one: one[1] not in GUARDED):
            other.execute(definition)
        for table in GUARDED:
            cursor.execute(f"SELECT * FROM {table}")
            for cells in cursor.fetchall():
                other.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(cells))})", [str(cell) for cell in cells])
        assert other.execute(f"SELECT COUNT(*) FROM {RECORD}").fetchone() == (2,), "what is no replacement is let in"
        for statement in replacements():
            with pytest.raises(sqlite3.IntegrityError, match="is append-only"):
                other.execute(statement)


def test_rows_of_the_record_are_neither_changed_nor_deleted(people):
    row, _ = told(people.anna_investor, 2)
    root = RecordRoot.objects.create(day=timezone.localdate(), root="0" * 64, n=1, n_records=2)
    root.heads.create(investor=people.anna_investor, seq=2, hash="0" * 64)
    row.kind = "warning"
    by_model = [row.save, row.delete, root.delete, AdviceRecord.objects.all().delete, AdvicePayload.objects.all().delete]
    by_model += [lambda: AdviceRecord.objects.update(kind="x"), lambda: AdviceRecord.objects.bulk_update([row], ["kind"])]
    by_model += [lambda: AdvicePayload.objects.bulk_create([], update_conflicts=True, update_fields=["text"], unique_fields=["id"])]
    for attempt in by_model:
        with pytest.raises(AppendOnlyError):
            attempt()
    assert refused(f"UPDATE {RECORD} SET kind = 'x'") and refused(f"DELETE FROM {RECORD}")
    assert refused(f"UPDATE {PAYLOAD} SET text = '{{}}'") and refused(f"DELETE FROM {PAYLOAD}")
    assert refused("UPDATE advisor_recordroot SET root = 'x'") and refused("DELETE FROM advisor_recordroot")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # what still waits to be checked would be refused first
        assert all(refused(f"TRUNCATE {table} CASCADE") for table in GUARDED)
    else:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA recursive_triggers")
            assert cursor.fetchone() == (1,)
        assert all(refused(statement) for statement in replacements())
    assert set(AdviceRecord.objects.values_list("kind", flat=True)) == {"consent"}


def test_an_erasure_takes_what_it_names_and_nothing_else(people):
    anna = people.anna_investor
    told(anna), told(people.ben_investor)
    erased = erase_payload(investor_id=anna.pk, seqs=[2], why="asked for by the person", actor=people.adam)
    assert (erased.seq, erased.kind) == (4, "erased")
    assert json.loads(AdvicePayload.objects.get(investor=anna, seq=4).text) == {
        "seqs": [2], "why": "asked for by the person", "by": people.adam.pk
    }  # fmt: skip
    assert list(AdvicePayload.objects.filter(investor=anna).order_by("seq").values_list("seq", flat=True)) == [1, 3, 4]
    assert (
        AdviceRecord.objects.filter(investor=anna).count() == 4 and AdvicePayload.objects.filter(investor=people.ben_investor).count() == 3
    )
    for seqs in ([], [2], [4], [99], [1, 99]):
        with pytest.raises(CannotErase), transaction.atomic():
            erase_payload(investor_id=anna.pk, seqs=seqs, why="again")
    assert refused(f"DELETE FROM {PAYLOAD} WHERE investor_id = %s AND seq = 1", anna.pk)
    assert refused(f"DELETE FROM {PAYLOAD} WHERE investor_id = %s AND seq = 2", people.ben_investor.pk)


def test_triggers_that_vanish_are_missed_by_the_check_and_made_anew(db):
    assert missing_guards() == []
    name = guard_name(RECORD, "delete")
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"ALTER TABLE {RECORD} DISABLE TRIGGER {name}")
        else:
            cursor.execute(f"DROP TRIGGER {name}")
    assert missing_guards() == [name]
    [error] = record_is_guarded(None, databases=["default"])
    assert error.id == "advisor.E001" and name in error.msg and error.is_serious()
    assert ensure_guards() == [name] and ensure_guards() == [] and missing_guards() == []
    assert record_is_guarded(None, databases=["default"]) == []


def test_a_guard_that_a_new_version_brings_does_not_stop_the_migrate_that_makes_it(db):
    with connection.cursor() as cursor:
        on = f" ON {RECORD}" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER {guard_name(RECORD, 'delete')}{on}")
    MigrationRecorder(connection).record_unapplied("demo", "0003_events")
    [warning] = record_is_guarded(None, databases=["default"])
    assert warning.id == "advisor.W001" and guard_name(RECORD, "delete") in warning.msg and not warning.is_serious()


def test_every_operation_of_every_table_is_guarded():
    assert set(OPERATIONS["postgresql"]) == {"update", "delete", "truncate"} and len(GUARDED) == 4


@pytest.mark.django_db(transaction=True)
def test_two_at_once_append_one_after_the_other(people):
    """On PostgreSQL the second waits for the first's end; SQLite has one writer anyway."""
    anna, has_first, errors = people.anna_investor.pk, threading.Event(), []

    def append(is_first: bool) -> None:
        try:
            with transaction.atomic():
                if not is_first:
                    has_first.wait(10)
                append_record(investor_id=anna, kind="consent", payload={"first": is_first})
                has_first.set()
                if is_first:
                    time.sleep(0.3)  # the other has begun by now, and waits
        except Exception as error:  # a thread's error would be lost
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=append, args=(is_first,)) for is_first in (True, False)]
    if connection.vendor == "sqlite":
        threads[0].start(), has_first.wait(10)
        threads[0].join()
        threads[1].start()
    else:
        [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert errors == []
    rows = list(AdviceRecord.objects.filter(investor=anna).order_by("seq"))
    assert [row.seq for row in rows] == [1, 2] and rows[1].previous == rows[0].hash
    assert [json.loads(payload.text)["first"] for payload in AdvicePayload.objects.order_by("seq")] == [True, False]
