"""The record of advice: entries appended to a person's chain, payloads lawfully erased, and the daily root."""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any

from django.db import connection, models, transaction
from django.utils import timezone

from advisor.kernels import record as kernel
from advisor.kernels.record import canonical
from advisor.models import AdvicePayload, AdviceRecord, Investor, RecordKind

KINDS = frozenset(RecordKind.values)
ROWS_A_BLOCK = 2_000  # entries, each with its payload


@dataclass(frozen=True, slots=True)
class NewRecord:
    """Something to be recorded of one investor, for many at once."""

    investor_id: int
    kind: str
    payload: Mapping[str, Any]
    at: datetime


def append_record(*, investor_id: int, kind: str, payload: Mapping[str, Any], at: datetime | None = None) -> AdviceRecord:
    """Append an entry to an investor's chain inside the caller's transaction, so that it is written with what it tells or not at all.

    `payload` is plain JSON data; dates, UUIDs and decimals become text. Every call appends another entry.
    """
    with transaction.atomic(savepoint=False):
        _lock([investor_id])
        last = AdviceRecord.objects.filter(investor_id=investor_id).order_by("-seq").values_list("seq", "hash").first()
        entry = _entry(NewRecord(investor_id, kind, payload, at or timezone.now()), last)
        record = AdviceRecord.objects.create(**{name: getattr(entry, name) for name in RECORD_COLUMNS})
        AdvicePayload.objects.create(**{name: getattr(entry, name) for name in PAYLOAD_COLUMNS})
    return record


def append_records(*, records: Iterable[NewRecord]) -> int:
    """Append many entries in short transactions, in the order given for each investor; returns how many. Not safe to repeat.

    For simulated people and imports, once what they tell is written.
    """
    n, waiting = 0, iter(records)
    while block := list(islice(waiting, ROWS_A_BLOCK)):
        with transaction.atomic():
            investors = sorted({one.investor_id for one in block})
            _lock(investors)
            rows = AdviceRecord.objects.filter(investor_id__in=investors).order_by("investor_id", "seq")
            last = {investor: (seq, hash_) for investor, seq, hash_ in rows.values_list("investor_id", "seq", "hash")}
            entries = []
            for one in block:
                entry = _entry(one, last.get(one.investor_id))
                last[one.investor_id] = (entry.seq, entry.hash)
                entries.append(entry)
            _insert(AdviceRecord, RECORD_COLUMNS, entries)
            _insert(AdvicePayload, PAYLOAD_COLUMNS, entries)
        n += len(block)
    return n


def lock_chain(*investor_ids: int) -> None:
    """Let nobody else append to these chains until the transaction ends: taken first where other rows are locked before the entry."""
    _lock(sorted(set(investor_ids)))


RECORD_COLUMNS = ("investor_id", "seq", "kind", "at", "commitment", "previous", "hash")
PAYLOAD_COLUMNS = ("investor_id", "seq", "salt", "text")


def _lock(investors: Sequence[int]) -> None:
    """Nobody else appends to these chains until the transaction ends.

    Not FOR UPDATE: two who have each written a row of the investor's would wait for one another.
    """
    rows = Investor.objects.filter(pk__in=investors).order_by("pk")
    found = list(rows.select_for_update(no_key=True).values_list("pk", flat=True))
    if len(found) < len(investors):
        raise Investor.DoesNotExist(f"no investor {min(set(investors) - set(found))}")


def _entry(new: NewRecord, last: tuple[int, str] | None) -> kernel.Entry:
    if new.kind not in KINDS:
        raise ValueError(f"{new.kind} is no kind of the record")
    if timezone.is_naive(new.at):
        raise ValueError("the record wants times with their zone")
    sealed = (secrets.token_hex(kernel.SALT_BYTES), canonical(new.payload))
    return kernel.next_entry(new.investor_id, last, str(new.kind), new.at, sealed)


def _insert(model: type[models.Model], columns: Sequence[str], entries: Sequence[kernel.Entry]) -> None:
    """By COPY on PostgreSQL, else by one prepared statement: `bulk_create` takes several times as long."""
    table, names = model._meta.db_table, ", ".join(columns)
    rows = [tuple(getattr(entry, name) for name in columns) for entry in entries]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        adapt = connection.ops.adapt_datetimefield_value
        plain = [tuple(adapt(value) if isinstance(value, datetime) else value for value in row) for row in rows]
        places = ", ".join(["%s"] * len(columns))
        cursor.executemany(f"INSERT INTO {table} ({names}) VALUES ({places})", plain)  # noqa: S608


class CannotErase(ValueError):
    """A payload that is not there, was erased before, or tells of an erasure itself. `seqs` names them."""

    def __init__(self, seqs: Iterable[int]) -> None:
        self.seqs = sorted(seqs)
        super().__init__(f"nothing to erase at {', '.join(map(str, self.seqs))}")


@transaction.atomic
def erase_payload(*, investor_id: int, seqs: Iterable[int], why: str, actor: Any = None) -> AdviceRecord:
    """Lawfully erase what some entries tell: append "erased", which names them, and delete their payloads with their salts.

    The entries stay and the chain verifies. Nothing else in the product deletes a row of the record. Raises CannotErase.
    """
    wanted = set(seqs)
    _lock([investor_id])
    payloads = AdvicePayload.objects.filter(investor_id=investor_id, seq__in=wanted)
    erasures = AdviceRecord.objects.filter(investor_id=investor_id, kind=RecordKind.ERASED).values_list("seq", flat=True)
    if not wanted or (left := wanted - set(payloads.exclude(seq__in=erasures).values_list("seq", flat=True))):
        raise CannotErase(left if wanted else [])
    said = {"seqs": sorted(wanted), "why": why, "by": actor.pk if actor else None}
    record = append_record(investor_id=investor_id, kind=RecordKind.ERASED, payload=said)
    payloads._raw_delete(payloads.db)  # the trigger lets go what the chain names by now
    return record
