"""What rows written in bulk tell, entered into the record afterwards: simulated people, imports, and years before the record began.

Such an entry says that it was written later. It tells the outcome and binds the rest by a checksum of the row as it now
stands; that nobody changed the row before, it cannot say.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any

from django.utils import timezone

from advisor.models import AdviceRecord, Assessment, Consent, Proposal, RecordKind
from advisor.selectors.record import blocks_of_investors
from advisor.services.record import ROWS_A_BLOCK, NewRecord, append_records, canonical

ASSESSED = ("instrument", "instrument_sha256", "answers", "amount_minor", "stated_loss", "score", "raw_level", "level")
PROPOSED = ("amount_minor", "amounts", "fees", "bad_year_minor", "annual_cost_minor", "purchase_cost_minor", "cvar", "cvar_limit")
Told = tuple[int, str, datetime, dict[str, Any]]  # investor, kind, when, what


def record_history() -> int:
    """Append what stored rows tell of every investor whose chain is empty, in order of time; returns how many entries.

    Safe to repeat, also after an interruption: a chain is begun in one transaction, and who has one is passed by.
    """
    return sum(append_records(records=pack) for block in blocks_of_investors() for pack in _packs(_history_of(block)))


def _packs(records: Sequence[NewRecord]) -> Iterator[list[NewRecord]]:
    """Whole histories together, as many as one transaction of `append_records` takes."""
    pack: list[NewRecord] = []
    for _investor_id, history in groupby(records, key=lambda record: record.investor_id):
        rows = list(history)
        if pack and len(pack) + len(rows) > ROWS_A_BLOCK:
            yield pack
            pack = []
        pack += rows
    yield pack


def _history_of(block: Sequence[int]) -> list[NewRecord]:
    within = {"investor_id__gte": block[0], "investor_id__lte": block[-1]}
    begun = set(AdviceRecord.objects.filter(**within).values_list("investor_id", flat=True).distinct())
    now = timezone.now()
    made = [one for one in (*_consents(within), *_assessments(within), *_proposals(within)) if one[0] not in begun]
    later = {"written_later_at": now.isoformat()}
    made.sort(key=lambda one: (one[0], one[2]))
    return [NewRecord(investor_id, kind, told | later, at) for investor_id, kind, at, told in made]


def _consents(within: dict[str, int]) -> Iterator[Told]:
    """One entry for all that was answered at one moment."""
    rows = Consent.objects.filter(**within).order_by("investor_id", "at", "source", "pk")
    columns = ("investor_id", "at", "source", "purpose", "is_given")
    for (investor_id, at, source), answers in groupby(rows.values_list(*columns), key=lambda row: row[:3]):
        given = {purpose: is_given for *_same, purpose, is_given in answers}
        yield investor_id, RecordKind.CONSENT, at, {"given": given, "source": source}


def _assessments(within: dict[str, int]) -> Iterator[Told]:
    done = Assessment.objects.filter(**within, state=Assessment.State.COMPLETED).order_by("pk")
    for row in done.values("pk", "investor_id", "completed_at", "working", *ASSESSED):
        told = {"assessment": row["pk"], "working_sha256": _sha256(row["working"])} | {name: row[name] for name in ASSESSED}
        yield row["investor_id"], RecordKind.ASSESSMENT, row["completed_at"], told


def _proposals(within: dict[str, int]) -> Iterator[Told]:
    """Those that were accepted, with what was proposed; and those that can still be."""
    of_investor = {f"goal__account__{name}": value for name, value in within.items()}
    kept = Proposal.objects.filter(**of_investor, state__in=(Proposal.State.READY, Proposal.State.ACCEPTED)).order_by("pk")
    columns = ("pk", "goal__account__investor_id", "state", "inputs_sha256", "result", "accepted_at", "finished_at", "queued_at")
    for pk, investor_id, state, sha256, result, accepted_at, finished_at, queued_at in kept.values_list(*columns):
        result = result or {}
        told = {"proposal": pk, "state": state, "inputs_sha256": sha256, "result_sha256": _sha256(result)}
        told |= {name: result[name] for name in PROPOSED if name in result}
        is_accepted = state == Proposal.State.ACCEPTED
        at = (accepted_at if is_accepted else None) or finished_at or queued_at
        yield investor_id, RecordKind.ACCEPTANCE if is_accepted else RecordKind.PROPOSAL, at, told


def _sha256(data: Any) -> str:
    return hashlib.sha256(canonical(data).encode()).hexdigest()
