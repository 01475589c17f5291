"""The record of advice as the advisors' site shows it: one client's chain, and what the last night found."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from advisor.kernels.record import Finding
from advisor.models import AdvicePayload, AdviceRecord, Investor, RecordFinding, RecordRoot, RecordVerification
from advisor.selectors.record import in_words, verify_chain

ENTRIES_SHOWN = 200
FINDINGS_SHOWN = 50
ROOTS_SHOWN = 7


@dataclass(frozen=True)
class EntryRow:
    seq: int
    at: datetime
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
    roots: list[RecordRoot]


def client_record(investor: Investor) -> ClientRecord:
    """Verify one client's chain now and show its latest entries; the caller has found the client among those visible to the user."""
    reading = verify_chain(investor.pk)
    wrong = {finding.seq for finding in reading.findings}
    latest = list(AdviceRecord.objects.filter(investor=investor).order_by("-seq")[:ENTRIES_SHOWN])
    payloads = AdvicePayload.objects.filter(investor=investor, seq__in=[row.seq for row in latest])
    texts = dict(payloads.values_list("seq", "text"))
    rows = [EntryRow(row.seq, row.at, row.said, _laid_out(texts.get(row.seq, "")), row.hash, row.seq in wrong) for row in latest]
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
    return NightlyRecord(last, said, n, list(RecordRoot.objects.visible_to(user)[:ROOTS_SHOWN]))
