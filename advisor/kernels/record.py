"""The arithmetic of the record of advice: what commits to a payload, what chains one entry to the next, and what breaks it.

    commitment = HMAC-SHA256(salt, canonical JSON)          hash = SHA-256(previous, seq, kind, time, commitment)

A payload can be deleted with its salt and the chain still verifies, for the hash holds only the commitment.
"""

import hashlib
import hmac
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

ERASED = "erased"
CHANGED, LINK, MISSING, PAYLOAD_CHANGED, PAYLOAD_MISSING = "changed", "link", "missing", "payload_changed", "payload_missing"
HEAD, ROOT, ROOT_AHEAD = "head", "root", "root_ahead"
SALT_BYTES = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a chain as it is stored; `text` and `salt` are None where the payload was deleted."""

    investor_id: int
    seq: int
    kind: str
    at: datetime
    commitment: str
    previous: str
    hash: str
    salt: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong with which entry. No investor: it is about a day's root; `detail` names the day then."""

    code: str
    investor_id: int | None = None
    seq: int | None = None
    detail: str = ""


def canonical(payload: Mapping[str, Any]) -> str:
    """Write a payload as JSON with sorted keys and no spaces; dates, UUIDs and decimals become text. Raises on NaN."""
    return json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, default=_plain)


def _plain(value: Any) -> str:
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, UUID | Decimal):
        return str(value)
    raise TypeError(f"the record cannot hold a {type(value).__name__}")


def commitment_of(salt: str, text: str) -> str:
    """Return the HMAC that binds a payload without giving it away; the salt is hexadecimal."""
    return hmac.digest(bytes.fromhex(salt), text.encode(), "sha256").hex()


def first_link(investor_id: int) -> str:
    """What an investor's first entry follows: a whole chain moved to somebody else does not verify."""
    return hashlib.sha256(b"investor:%d" % investor_id).hexdigest()


def hash_of(previous: str, seq: int, kind: str, at: datetime, commitment: str) -> str:
    """Chain an entry to the one before; times count in UTC to the microsecond."""
    moment = at.astimezone(UTC).isoformat(timespec="microseconds")
    return hashlib.sha256(f"{previous}\n{seq}\n{kind}\n{moment}\n{commitment}".encode()).hexdigest()


def next_entry(investor_id: int, last: tuple[int, str] | None, kind: str, at: datetime, sealed: tuple[str, str]) -> Entry:
    """Return the entry that follows `last` (seq and hash, None at the beginning); `sealed` is its salt and canonical text."""
    seq, previous = (last[0] + 1, last[1]) if last else (1, first_link(investor_id))
    commitment = commitment_of(*sealed)
    return Entry(investor_id, seq, kind, at, commitment, previous, hash_of(previous, seq, kind, at, commitment), *sealed)


def findings_in(investor_id: int, entries: Iterable[Entry]) -> Iterator[Finding]:
    """Read one investor's chain in order of seq and say what is wrong, each entry once; memory does not grow with the chain.

    `link` names the later of two entries that do not fit; `missing` the first of those that are gone. A payload may be
    missing only where a later entry of the kind `erased` names it.
    """
    seq, previous, is_sound = 0, first_link(investor_id), True
    without: set[int] = set()
    for entry in entries:
        follows = is_sound and entry.seq == seq + 1  # what follows something wrong is not wrong for that
        if entry.seq != seq + 1:
            yield Finding(MISSING, investor_id, seq + 1, f"{seq + 1}-{entry.seq - 1}" if entry.seq > seq + 2 else "")
        is_sound = _is_sound(entry)
        if not is_sound:
            yield Finding(CHANGED, investor_id, entry.seq)
        elif follows and entry.previous != previous:
            yield Finding(LINK, investor_id, entry.seq)
        if entry.text is None or entry.salt is None:
            without.add(entry.seq)
        elif not _opens(entry.commitment, entry.salt, entry.text):
            yield Finding(PAYLOAD_CHANGED, investor_id, entry.seq)
        elif entry.kind == ERASED:
            without.difference_update(erased_by(entry.text))
        seq, previous = entry.seq, entry.hash
    yield from (Finding(PAYLOAD_MISSING, investor_id, number) for number in sorted(without))


# SQLite keeps whatever is written into a column: a time that is none, a number for a text.
NO_SUCH_VALUE = (ValueError, TypeError, AttributeError)


def _is_sound(entry: Entry) -> bool:
    try:
        return hash_of(entry.previous, entry.seq, entry.kind, entry.at, entry.commitment) == entry.hash
    except NO_SUCH_VALUE:
        return False


def _opens(commitment: str, salt: str, text: str) -> bool:
    try:
        return commitment_of(salt, text) == commitment
    except NO_SUCH_VALUE:  # a salt that is no hexadecimal number any more
        return False


def erased_by(text: str) -> Sequence[int]:
    """The entries whose payloads an entry of the kind `erased` took away; none where a forger wrote something else."""
    try:
        told = json.loads(text)
    except ValueError:
        return []
    seqs = told.get("seqs") if isinstance(told, dict) else None
    return [seq for seq in seqs if isinstance(seq, int)] if isinstance(seqs, list) else []


class Root:
    """One day's root: a hash over the root before, the day, and every investor's latest entry, investors ascending."""

    def __init__(self, previous: str, day: date) -> None:
        self._sum = hashlib.sha256(f"{previous}\n{day.isoformat()}\n".encode())
        self.n = self.n_records = 0

    def add(self, investor_id: int, seq: int, hash_: str) -> None:
        self._sum.update(f"{investor_id}:{seq}:{hash_}\n".encode())
        self.n += 1
        self.n_records += seq

    def hexdigest(self) -> str:
        return self._sum.hexdigest()
