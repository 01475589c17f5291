"""The record of advice as the advisors' site shows it: one client's chain, and what the last night found."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advisor.kernels.record import Finding
from advisor.models import AdvicePayload, AdviceRecord, Investor, RecordFinding, RecordRoot, RecordVerification
from advisor.selectors.record import StoredRoot, entry_rows, in_words, stored_roots, verify_chain

ENTRIES_SHOWN = 200
FINDINGS_SHOWN = 50
ROOTS_SHOWN = 7


@dataclass(frozen=True)
class EntryRow:
    seq: int
    at: datetime | None  # none where somebody wrote what is no time
    said: str
    text: str  # what it tells, "" where that was erased
    hash: str
    is_wrong: bool


@dataclass(frozen=True)
class ClientRecord:
    investor: Investor
    n_entries: int
    rows: list[EntryRow]  # the latest first
    problems: list[str]

    @property
    def n_hidden(self) -> int:
        return self.n_entries - len(self.rows)


@dataclass(frozen=True)
class FoundRow:
    """A finding in words; no investor where it is about a day's root."""

    investor: Investor | None
    said: str


@dataclass(frozen=True)
class NightlyRecord:
    """The last verification of all chains, with what concerns the reader's own branch."""

    verification: RecordVerification | None
    findings: list[FoundRow]
    n_findings: int
    roots: list[StoredRoot]


def client_record(investor: Investor) -> ClientRecord:
    """Verify one client's chain now and show its latest entries; the caller has found the client among those visible to the user."""
    reading = verify_chain(investor.pk)
    wrong = {finding.seq for finding in reading.findings}
    latest = entry_rows(AdviceRecord.objects.filter(investor=investor).order_by("-seq")[:ENTRIES_SHOWN])
    payloads = AdvicePayload.objects.filter(investor=investor, seq__in=[seq for _, seq, *_ in latest])
    texts = dict(payloads.values_list("seq", "text"))
    rows = [
        EntryRow(seq, at, AdviceRecord(kind=kind).said, _laid_out(texts.get(seq, "")), hash_, seq in wrong)
        for _, seq, kind, at, _, _, hash_ in latest
    ]
    return ClientRecord(investor, reading.n_records, rows, [in_words(finding) for finding in reading.findings])


def _laid_out(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2) if text else ""
    except ValueError:  # somebody tampered with it: shown as it is
        return text


def nightly_record(user: Any) -> NightlyRecord:
    """What the last finished verification found about the user's own people and about the roots."""
    last = RecordVerification.objects.visible_to(user).filter(finished_at__isnull=False).first()
    found = RecordFinding.objects.visible_to(user).filter(verification=last).select_related("investor__user").order_by("pk")
    rows = list(found[:FINDINGS_SHOWN]) if last else []
    said = [FoundRow(row.investor, in_words(Finding(row.code, row.investor_id, row.seq, row.detail))) for row in rows]
    n = found.count() if len(rows) == FINDINGS_SHOWN else len(rows)
    return NightlyRecord(last, said, n, stored_roots(RecordRoot.objects.visible_to(user))[: -ROOTS_SHOWN - 1 : -1])
