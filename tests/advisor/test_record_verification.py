"""Tampering with the record is found and located, an erasure is not taken for it, and a day's root covers every chain."""

import json
from datetime import timedelta
from io import StringIO

import pytest
import time_machine
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection, transaction
from django.urls import reverse
from django.utils import timezone

from advisor.kernels import record as kernel
from advisor.models import AdvicePayload, AdviceRecord, RecordFinding, RecordHead, RecordRoot, RecordVerification
from advisor.selectors.record import in_words, verify_chain, verify_record
from advisor.services.record import append_record, erase_payload
from advisor.services.record_days import close_record_day, seal_day, verify_and_keep
from tests.advisor.record_world import HEAD, PAYLOAD, RECORD, ROOT, tamper


def found(n_roots: int = 7) -> list[tuple]:
    return [(one.code, one.investor_id, one.seq) for one in verify_record(n_roots=n_roots).findings]


@pytest.fixture
def chains(people):
    """Five entries of Anna's and three of Ben's."""
    for investor, n in ((people.anna_investor, 5), (people.ben_investor, 3)):
        for k in range(n):
            append_record(investor_id=investor.pk, kind="consent", payload={"n": k, "said": "您好"})
    assert found() == []
    return people.anna_investor.pk, people.ben_investor.pk


def row(investor: int, seq: int) -> str:
    return f"investor_id = {investor} AND seq = {seq}"


def rewritten(investor: int, seq: int, kind: str) -> list[str]:
    """What a careful forger runs: another kind, and every hash from there on worked out anew."""
    statements, previous = [], None
    for entry in AdviceRecord.objects.filter(investor=investor, seq__gte=seq).order_by("seq"):
        entry.kind, entry.previous = kind if entry.seq == seq else entry.kind, previous or entry.previous
        previous = kernel.hash_of(entry.previous, entry.seq, entry.kind, entry.at, entry.commitment)
        said = f"kind = '{entry.kind}', previous = '{entry.previous}', hash = '{previous}'"
        statements.append(f"UPDATE {RECORD} SET {said} WHERE {row(investor, entry.seq)}")
    return statements


TAMPERINGS = {
    "a kind": (lambda a, b: [f"UPDATE {RECORD} SET kind = 'warning' WHERE {row(a, 3)}"], [("changed", 3)]),
    "a time": (lambda a, b: [f"UPDATE {RECORD} SET at = '2020-01-01 00:00:00+00:00' WHERE {row(a, 1)}"], [("changed", 1)]),
    "a commitment": (lambda a, b: [f"UPDATE {RECORD} SET commitment = '{'0' * 64}' WHERE {row(a, 2)}"], [("changed", 2)]),
    "a hash": (lambda a, b: [f"UPDATE {RECORD} SET hash = '{'0' * 64}' WHERE {row(a, 5)}"], [("changed", 5)]),
    "one row with its hash": (lambda a, b: rewritten(a, 3, "warning")[:1], [("link", 4)]),
    "what an entry tells": (lambda a, b: [f"UPDATE {PAYLOAD} SET text = '{{\"n\":9}}' WHERE {row(a, 4)}"], [("payload_changed", 4)]),
    "a salt": (lambda a, b: [f"UPDATE {PAYLOAD} SET salt = 'not hexadecimal' WHERE {row(a, 4)}"], [("payload_changed", 4)]),
    "a payload gone": (lambda a, b: [f"DELETE FROM {PAYLOAD} WHERE {row(a, 2)}"], [("payload_missing", 2)]),
    "an entry gone": (lambda a, b: [f"DELETE FROM {RECORD} WHERE {row(a, 2)}"], [("missing", 2)]),
    "entries and payloads gone": (
        lambda a, b: [f"DELETE FROM {table} WHERE investor_id = {a} AND seq IN (2, 3)" for table in (RECORD, PAYLOAD)],
        [("missing", 2)],
    ),
    "the last entry gone": (lambda a, b: [f"DELETE FROM {RECORD} WHERE {row(a, 5)}"], [("missing", 5)]),
    "two entries swapped": (
        lambda a, b: [
            f"UPDATE {RECORD} SET seq = 99 WHERE {row(a, 2)}",
            f"UPDATE {RECORD} SET seq = 2 WHERE {row(a, 3)}",
            f"UPDATE {RECORD} SET seq = 3 WHERE {row(a, 99)}",
        ],
        [("changed", 2), ("changed", 3)],
    ),
    "an entry moved to somebody else": (
        lambda a, b: [f"UPDATE {table} SET investor_id = {b}, seq = 4 WHERE {row(a, 5)}" for table in (RECORD, PAYLOAD)],
        [("changed", 4)],
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_tampering_is_found_and_located(chains, what):
    anna, ben = chains
    made, expected = TAMPERINGS[what]
    whose = ben if what == "an entry moved to somebody else" else anna
    tamper(*made(anna, ben))
    assert found() == [(code, whose, seq) for code, seq in expected]
    assert verify_chain(whose).n_findings == len(expected) and verify_chain(anna + ben - whose).n_findings == 0
    assert all(str(seq) in in_words(one) for one, (_, seq) in zip(verify_record().findings, expected, strict=True))


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases keep a column's type")
@pytest.mark.parametrize(
    ("table", "column", "code"),
    [(RECORD, "at", "changed"), (RECORD, "hash", "changed"), (RECORD, "seq", "missing"), (PAYLOAD, "salt", "payload_changed"),
     (PAYLOAD, "text", "payload_changed"), (PAYLOAD, "seq", "payload_missing")],
)  # fmt: skip
def test_a_value_that_its_column_cannot_have_is_located_like_any_other(chains, people, client, table, column, code):
    for value in ("'x'", "X'00ff'", "'2026-13-45 00:00:00'"):
        with transaction.atomic():
            tamper(f"UPDATE {table} SET {column} = {value} WHERE {row(chains[0], 3)}")
            assert found() == [(code, chains[0], 3)], value
            client.force_login(people.ada)
            assert client.get(reverse("advisors:client_record", args=[chains[0]])).status_code == 200
            assert close_record_day().n == 2
            transaction.set_rollback(True)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases keep a column's type")
@pytest.mark.parametrize(
    ("table", "column"),
    [(ROOT, "day"), (ROOT, "id"), (ROOT, "previous"), (ROOT, "n"), (ROOT, "n_records"),
     (HEAD, "root_id"), (HEAD, "seq"), (HEAD, "hash")],
)  # fmt: skip
def test_a_root_that_cannot_be_read_is_found_and_the_next_day_is_sealed(chains, people, client, table, column):
    anna, _ben = chains
    first = seal_day()
    for value in ("'x'", "X'00ff'", "'2026-13-45'"):
        with transaction.atomic():
            which = f"day = '{first.day}'" if table == ROOT else f"investor_id = {anna}"
            tamper(f"UPDATE {table} SET {column} = {value} WHERE {which}")
            assert ("root", None, None) in found(), value
            assert all(in_words(one) for one in (*verify_record().findings, *verify_chain(anna).findings))
            client.force_login(people.sue)
            assert client.get(reverse("advisors:record")).status_code == 200
            with time_machine.travel(timezone.now() + timedelta(days=1)):
                assert close_record_day().day == first.day + timedelta(days=1)
            transaction.set_rollback(True)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="other databases keep a column's type")
@pytest.mark.parametrize(("column", "spelling"), [("day", "replace(day, '-', '')"), ("id", "'{' || id || '}'")])
def test_a_root_that_is_spelled_otherwise_is_found_and_the_day_is_sealed_again(chains, column, spelling):
    day = seal_day().day
    tamper(f"UPDATE {ROOT} SET {column} = {spelling}")
    assert ("root", None, None) in found()
    if column == "day":
        assert close_record_day().day == day


def test_a_root_of_a_day_that_has_not_come_is_found_and_today_is_sealed(chains):
    first = seal_day()
    tamper(f"INSERT INTO {ROOT} (id, day, previous, root, n, n_records, made_at) "
           f"SELECT '{'0' * 32}', '2099-01-01', root, root, n, n_records, made_at FROM {ROOT}")  # fmt: skip
    assert ("root_ahead", None, None) in found()
    assert "2099-01-01" in in_words(next(one for one in verify_record().findings if one.code == "root_ahead"))
    with time_machine.travel(timezone.now() + timedelta(days=1)):
        second = close_record_day()
    assert (second.day, second.previous) == (first.day + timedelta(days=1), first.root)


def test_the_counts_of_a_root_are_verified_with_it(chains):
    root = seal_day()
    assert (root.n, root.n_records) == (2, 8)
    for column in ("n", "n_records"):
        with transaction.atomic():
            tamper(f"UPDATE {ROOT} SET {column} = {column} - 1")
            assert found() == [("root", None, None)]
            transaction.set_rollback(True)


def test_what_the_chain_alone_does_not_show_is_found_by_the_root(chains):
    """The end of a chain cut off with its payload, and a chain that was written anew as a whole."""
    anna, ben = chains
    seal_day()
    tamper(*(f"DELETE FROM {table} WHERE {row(anna, 5)}" for table in (RECORD, PAYLOAD)), *rewritten(ben, 2, "warning"))
    assert found() == [("missing", anna, 5), ("head", ben, 3)]
    assert timezone.localdate().isoformat() in in_words(verify_chain(ben).findings[0])
    # Whoever also rewrites the heads does not get past the root, and whoever rewrites the root not past the log.
    logged = RecordRoot.objects.get().root
    last = AdviceRecord.objects.get(investor=ben, seq=3).hash
    tamper(f"UPDATE {HEAD} SET hash = '{last}' WHERE investor_id = {ben}", f"DELETE FROM {HEAD} WHERE investor_id = {anna}")
    assert found() == [("root", None, None)]
    root = kernel.Root("", timezone.localdate())
    root.add(ben, 3, last)
    tamper(f"UPDATE {ROOT} SET root = '{root.hexdigest()}', n = 1, n_records = 3")
    assert found() == []
    with pytest.raises(SystemExit):
        call_command("verify_record", root=[f"{timezone.localdate()}={logged}"], stdout=StringIO())


def test_an_erasure_leaves_everything_verifying_and_a_forged_one_does_not(chains):
    anna, _ben = chains
    seal_day()
    erase_payload(investor_id=anna, seqs=[1, 4], why="asked for by the person")
    assert found() == [] and AdvicePayload.objects.filter(investor=anna).count() == 4
    tamper(f"UPDATE {PAYLOAD} SET text = '{{\"seqs\":[1,2,4]}}' WHERE {row(anna, 6)}", f"DELETE FROM {PAYLOAD} WHERE {row(anna, 2)}")
    assert found() == [("payload_changed", anna, 6), *(("payload_missing", anna, seq) for seq in (1, 2, 4))]


def test_each_day_has_one_root_which_follows_the_one_before(chains):
    anna, ben = chains
    today = timezone.now()
    first = seal_day()
    assert seal_day() == first and (first.n, first.n_records, first.previous) == (2, 8, "")
    assert RecordHead.objects.count() == 2
    RecordHead.objects.create(root_id="0" * 32, investor_id=anna, seq=99, hash="0" * 64)  # left by one that was interrupted
    with time_machine.travel(today + timedelta(days=1)):
        append_record(investor_id=ben, kind="consent", payload={})
        second = seal_day()
    assert second.previous == first.root and second.n_records == 9
    assert list(second.heads.values_list("investor_id", "seq")) == [(ben, 4)]
    assert seal_day() == second, "a clock set back makes no root of a day that is past"
    assert found() == found(n_roots=1) == []
    tamper(f"DELETE FROM {ROOT} WHERE day = '{first.day}'")
    assert [finding.detail for finding in verify_record().findings] == [second.day.isoformat()]
    assert found(n_roots=0) == [("root", None, None)]


def test_a_night_keeps_what_it_found_and_whose_it_is(chains, people, caplog):
    anna, _ben = chains
    with caplog.at_level("INFO"):
        root = close_record_day()
    assert f"root of {root.day} is {root.root} over 2 chains and 8 entries" in caplog.text
    row_ = RecordVerification.objects.get()
    assert (row_.n_investors, row_.n_records, row_.n_roots, row_.n_findings) == (2, 8, 0, 0) and row_.finished_at
    tamper(f"UPDATE {RECORD} SET kind = 'x' WHERE {row(anna, 3)}", f"UPDATE {ROOT} SET root = 'x'")
    verify_and_keep()
    assert {(one.code, one.investor_id, one.seq) for one in RecordFinding.objects.visible_to(people.sue)} == {
        ("changed", anna, 3),
        ("root", None, None),
    }
    assert {one.code for one in RecordFinding.objects.visible_to(people.bob)} == {"root"}
    assert not RecordFinding.objects.visible_to(people.mark).exists()


def test_the_command_says_what_is_wrong_and_where(chains):
    anna, ben = chains
    out = StringIO()
    call_command("verify_record", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["ok"] and (told["n_investors"], told["n_records"], told["findings"]) == (2, 8, [])
    tamper(f"UPDATE {RECORD} SET kind = 'x' WHERE {row(anna, 3)}")
    out = StringIO()
    with pytest.raises(SystemExit, match="1"):
        call_command("verify_record", stdout=out)
    assert f"investor {anna}, entry 3: Entry 3 was changed after it was written." in out.getvalue()
    out = StringIO()
    call_command("verify_record", investor=ben, stdout=out)
    assert "Nothing is wrong." in out.getvalue()
    for wrong in ({"investor": 10**9}, {"root": ["yesterday"]}):
        with pytest.raises(CommandError):
            call_command("verify_record", stdout=StringIO(), **wrong)
