"""The record of advice read back: every chain verified against itself, its payloads and the daily roots, block by block."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import F, Max, QuerySet, TextField
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.translation import gettext as _

from advisor.kernels import record as kernel
from advisor.kernels.record import Entry, Finding, Root
from advisor.models import AdvicePayload, AdviceRecord, Investor, RecordHead, RecordRoot

INVESTORS_A_BLOCK = 500
ROOTS_VERIFIED = 7
FINDINGS_KEPT = 1_000
HIGHEST_SEQ = 2**31 - 1
ENTRY_COLUMNS = ("investor_id", "seq", "kind", "at", "commitment", "previous", "hash")
Head = tuple[int, int, str]  # place of the root, seq, hash


@dataclass
class Reading:
    """What a verification read, and what it found: the first findings in full, and how many there are."""

    n_investors: int = 0
    n_records: int = 0
    n_roots: int = 0
    n_findings: int = 0
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.n_findings += 1
            if len(self.findings) < FINDINGS_KEPT:
                self.findings.append(finding)


@dataclass(frozen=True)
class StoredRoot:
    """A day's root as it is stored. Key, day and counts are None where somebody wrote what is none; `said` stands for the day."""

    pk: UUID | None
    day: date | None
    said: str
    previous: str
    root: str
    n: int | None
    n_records: int | None

    def is_ahead_of(self, today: date) -> bool:
        """Whether it is of a later day than a clock set back by hours explains."""
        return bool(self.day and self.day > today + timedelta(days=1))


@dataclass
class Chain:
    """One investor's rows as they were read."""

    investor_id: int
    entries: list[Entry] = field(default_factory=list)
    orphans: list[int] = field(default_factory=list)  # payloads without an entry
    heads: list[Head] = field(default_factory=list)


def verify_record(*, n_roots: int = ROOTS_VERIFIED) -> Reading:
    """Verify every chain, and the roots of the last days; memory is that of a block of people. What seems wrong is read a
    second time, so that nobody who was writing meanwhile is accused."""
    reading, roots = Reading(), stored_roots()
    places = {root.pk: place for place, root in enumerate(roots)}
    latest = range(max(0, len(roots) - n_roots), len(roots))
    sums = {place: Root(roots[place].previous, day) for place in latest if (day := roots[place].day)}
    for block in blocks_of_investors():
        for chain in _read(block, places):
            reading.n_investors += bool(chain.entries)
            reading.n_records += len(chain.entries)
            if any(_findings(chain, roots)):
                [again] = _read([chain.investor_id], places)
                reading.add(_findings(again, roots))
            _add_heads(sums, chain)
    reading.n_roots = len(sums)
    reading.add(_findings_in_roots(roots, sums))
    return reading


def verify_chain(investor_id: int) -> Reading:
    """Verify one investor's chain, also against the heads of the roots that were made over it."""
    roots = stored_roots()
    [chain] = _read([investor_id], {root.pk: place for place, root in enumerate(roots)})
    reading = Reading(n_investors=1, n_records=len(chain.entries))
    reading.add(_findings(chain, roots))
    return reading


def stored_roots(rows: QuerySet[RecordRoot] | None = None) -> list[StoredRoot]:
    """The roots by their days. SQLite keeps whatever is written into a column, so days and keys are read as they stand."""
    every = RecordRoot.objects.all() if rows is None else rows
    found = every.order_by("day").annotate(as_key=_as_it_stands("pk"), as_day=_as_it_stands("day"))
    return [
        StoredRoot(_key(key), _day(day), str(day), previous, root, _number(n), _number(n_records))
        for key, day, previous, root, n, n_records in found.values_list("as_key", "as_day", "previous", "root", "n", "n_records")
    ]


def _as_it_stands(name: str) -> Coalesce:
    """A column without its type: sqlite3 converts what a column of dates holds, an expression's result it does not."""
    return Coalesce(F(name), None, output_field=TextField())


def _day(value: Any) -> date | None:
    """Only as it is written here: Python reads other spellings, too, and the database does not find them again."""
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        return None
    return day if str(value) == day.isoformat() else None


def _key(value: Any) -> UUID | None:
    try:
        key = UUID(str(value))
    except ValueError:
        return None
    return key if str(value) in (key.hex, str(key)) else None


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def blocks_of_investors(size: int = INVESTORS_A_BLOCK) -> Iterator[list[int]]:
    """The keys of all investors, ascending, a block at a time."""
    after = 0
    while block := list(Investor.objects.filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size]):
        yield block
        after = block[-1]


def _read(block: Sequence[int], places: dict[Any, int]) -> list[Chain]:
    """The rows of a block of investors, ascending. Entries are read before payloads: who is appending writes both together."""
    within = {"investor_id__gte": block[0], "investor_id__lte": block[-1]}
    chains = {investor_id: Chain(investor_id) for investor_id in block}

    def of(investor_id: int) -> Chain:  # somebody may have been registered meanwhile
        return chains.setdefault(investor_id, Chain(investor_id))

    rows = entry_rows(AdviceRecord.objects.filter(**within).order_by("investor_id", "seq"))
    payloads = {
        (investor_id, seq): (salt, text)
        for investor_id, seq, salt, text in AdvicePayload.objects.filter(**within).values_list("investor_id", "seq", "salt", "text")
        if isinstance(seq, int)
    }
    for row in rows:
        whole: tuple[Any, ...] = (*row, *payloads.pop((row[0], row[1]), (None, None)))
        of(row[0]).entries.append(Entry(*whole))
    for investor_id, seq in sorted(payloads):
        of(investor_id).orphans.append(seq)
    if places:
        heads = RecordHead.objects.filter(**within).annotate(of=_as_it_stands("root_id"))
        for investor_id, key, seq, hash_ in heads.values_list("investor_id", "of", "seq", "hash"):
            root_id = _key(key)
            if root_id in places and isinstance(seq, int):  # of a root that was never finished otherwise
                of(investor_id).heads.append((places[root_id], seq, hash_))
        for chain in chains.values():
            chain.heads.sort()
    return [chains[investor_id] for investor_id in sorted(chains)]


def entry_rows(records: QuerySet[AdviceRecord]) -> list[tuple[Any, ...]]:
    """The rows in their order. SQLite keeps whatever is written into a column: one without a number is no entry, one that
    cannot be read is empty but for it."""
    try:
        rows: list[tuple[Any, ...]] = list(records.values_list(*ENTRY_COLUMNS))
    except ValueError:
        rows = [_entry(*one) for one in records.values_list("pk", "investor_id", "seq")]
    return [row for row in rows if isinstance(row[1], int)]


def _entry(pk: int, investor_id: int, seq: int) -> tuple[Any, ...]:
    try:
        return AdviceRecord.objects.values_list(*ENTRY_COLUMNS).get(pk=pk)
    except ValueError:
        return (investor_id, seq, "", None, "", "", "")


def _findings(chain: Chain, roots: Sequence[StoredRoot]) -> Iterator[Finding]:
    """What is wrong with a chain, at most one thing an entry."""
    told: set[int | None] = set()
    for finding in (*kernel.findings_in(chain.investor_id, chain.entries), *_findings_outside(chain, roots)):
        if finding.seq in told:
            continue
        told.add(finding.seq)
        if finding.code == kernel.MISSING and finding.detail:
            first, last = map(int, finding.detail.split("-"))
            told.update(range(first, min(last, first + FINDINGS_KEPT) + 1))
        yield finding


def _findings_outside(chain: Chain, roots: Sequence[StoredRoot]) -> Iterator[Finding]:
    """What the entries themselves do not give away: an end that was cut off, or a chain that was written anew as a whole."""
    yield from (Finding(kernel.MISSING, chain.investor_id, seq) for seq in chain.orphans)
    hashes = {entry.seq: entry.hash for entry in chain.entries} if chain.heads else {}
    for place, seq, hash_ in chain.heads:
        if seq not in hashes:
            yield Finding(kernel.MISSING, chain.investor_id, seq)
        elif hashes[seq] != hash_:
            yield Finding(kernel.HEAD, chain.investor_id, seq, roots[place].said)
            return


def _add_heads(sums: dict[int, Root], chain: Chain) -> None:
    """Add to each root the investor's latest head of its day or before."""
    for place, root in sums.items():
        latest = next(((seq, hash_) for of, seq, hash_ in reversed(chain.heads) if of <= place), None)
        if latest:
            root.add(chain.investor_id, *latest)


def _findings_in_roots(roots: Sequence[StoredRoot], sums: dict[int, Root]) -> Iterator[Finding]:
    today = timezone.localdate()
    for place, root in enumerate(roots):
        if root.is_ahead_of(today):
            yield Finding(kernel.ROOT_AHEAD, detail=root.said)
        summed = sums.get(place)
        counts = (root.n, root.n_records)
        is_whole = root.day and root.pk and None not in counts
        if summed and (summed.hexdigest(), summed.n, summed.n_records) != (root.root, *counts):
            is_whole = False
        if not is_whole or root.previous != (roots[place - 1].root if place else ""):
            yield Finding(kernel.ROOT, detail=root.said)


def latest_heads(block: Sequence[int]) -> tuple[list[tuple[int, int, str]], set[int]]:
    """The latest entry of each chain of a block of investors, and whose of them no finished root knows yet."""
    within = {"investor_id__gte": block[0], "investor_id__lte": block[-1]}
    # SQLite sorts whatever is no number behind every number.
    numbered = AdviceRecord.objects.filter(**within, seq__lte=HIGHEST_SEQ)
    newest = dict(numbered.values_list("investor_id").annotate(Max("seq")).order_by("investor_id"))
    known: dict[int, tuple[int, str]] = {}
    heads = RecordHead.objects.filter(**within, root__in=RecordRoot.objects.values("pk")).order_by("seq")
    for investor_id, seq, hash_ in heads.values_list("investor_id", "seq", "hash"):
        if isinstance(seq, int):
            known[investor_id] = (seq, hash_)
    grown = [investor_id for investor_id, seq in newest.items() if known.get(investor_id, (0, ""))[0] < seq]
    entries = AdviceRecord.objects.filter(investor_id__in=grown, seq__lte=HIGHEST_SEQ).order_by("investor_id", "seq")
    for investor_id, seq, hash_ in entries.values_list("investor_id", "seq", "hash"):
        known[investor_id] = (seq, hash_)
    return [(investor_id, *known[investor_id]) for investor_id in sorted(known)], set(grown)


def in_words(finding: Finding) -> str:
    """A finding as a sentence in the reader's language."""
    sentences = {
        kernel.CHANGED: _("Entry %(seq)s was changed after it was written."),
        kernel.LINK: _("Entry %(seq)s does not follow from the entry before it: one of the two was replaced."),
        kernel.MISSING: _("Entry %(seq)s is missing."),
        kernel.PAYLOAD_CHANGED: _("What entry %(seq)s tells was changed."),
        kernel.PAYLOAD_MISSING: _("What entry %(seq)s tells is gone, and no erasure names it."),
        kernel.HEAD: _("Entry %(seq)s is another than the root of %(detail)s was made over: the chain was written anew."),
        kernel.ROOT_AHEAD: _("The root of %(detail)s is of a day that has not come."),
        kernel.ROOT: _("The root of %(detail)s does not fit what it was made over, or the root before it."),
    }
    if finding.code == kernel.MISSING and finding.detail:
        return _("Entries %(detail)s are missing.") % {"detail": finding.detail}
    return sentences.get(finding.code, finding.code) % {"seq": finding.seq, "detail": finding.detail}
