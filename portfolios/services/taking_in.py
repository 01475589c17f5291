"""The work of one import: piece by piece from the source, a few funds a transaction, every row counted, safe to interrupt.

A batch's histories, issues, quarantine and counts become visible together, and only while the claim holds. Issues of a fund with
thousands of wrong rows are written ahead in blocks; a run that goes on after an interruption deletes those no batch has confirmed.
"""

import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from time import monotonic
from typing import Any

import numpy as np
import pandas as pd
from django.db import transaction

from config.jobs import write_if_claimed
from portfolios.calendar import is_business_day
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.kernels.types import FundHistory, IntArray
from portfolios.models import Fund, ImportIssue, ImportRun
from portfolios.selectors.history import load_history
from portfolios.services.fund_rows import (
    CURRENCY_DIFFERS,
    FUND_REFUSED,
    RESTATED,
    checked_facts,
    currency_of,
    new_fund,
    regrade,
    restate,
    says_more,
    write_record,
)
from portfolios.services.history import StoreCount, merge_histories, store_counted
from portfolios.services.imports import LEASE_SECONDS
from portfolios.services.quarantine import STORE, Doubt, close_overtaken, judge
from portfolios.sources.checks import fingerprint, jumps, news, notes_on
from portfolios.sources.contract import FundFacts, Piece, Source
from portfolios.sources.frame import Checked, check, filled, histories
from portfolios.sources.registry import CSV

_FUNDS_A_BATCH = 12
_ISSUES_A_WRITE = 1_000
_MOST_NOTES = 2_000
_DAYS_BEFORE = timedelta(days=60)  # of stored history read beside the new rows, to see the step that leads to them
_COUNTS = ("n_rows", "n_new", "n_changed", "n_unchanged", "n_reported", "n_funds", "n_done", "n_total")


class ClaimLost(Exception):
    """Another worker has the run by now: what is not written yet is its to write."""


@dataclass
class Work:
    """One run being worked on: its claim, what counts as today, and the counts so far."""

    run: ImportRun
    token: uuid.UUID
    today: date
    accept: str = ""
    seconds: float = float("inf")  # after which other work gets its turn
    twins: dict[str, str] = field(default_factory=dict)  # fingerprint -> the first fund that had it

    def add(self, **counts: int) -> None:
        for name, count in counts.items():
            setattr(self.run, name, getattr(self.run, name) + count)

    def note(self, code: str, note: str) -> None:
        self.run.state["n_notes"] = self.run.state.get("n_notes", 0) + 1
        if len(self.run.notes) < _MOST_NOTES:
            self.run.notes.append([code, note])


@dataclass(frozen=True)
class _Sorted:
    """A piece with its rows sorted out: good ones by fund, problems by fund."""

    piece: Piece
    facts: dict[str, FundFacts]
    checked: Checked
    n_rows: dict[str, int]
    issues: dict[str, list[tuple[int, str]]]
    starts: dict[str, tuple[int, int]]
    closed_days: IntArray

    def good(self, codes: Sequence[str]) -> pd.DataFrame:
        """Good rows of funds that follow each other."""
        held = [self.starts[code] for code in codes if code in self.starts]
        return self.checked.good.iloc[held[0][0] : held[-1][1]] if held else self.checked.good.iloc[:0]


@dataclass
class _Batch:
    """What becomes of a few funds: what is stored, what is doubtful, what is reported."""

    funds: dict[str, Fund]
    to_store: dict[str, FundHistory] = field(default_factory=dict)
    doubts: list[Doubt] = field(default_factory=list)
    changed: list[Fund] = field(default_factory=list)
    aliens: set[str] = field(default_factory=set)  # funds of which the source speaks in another currency
    anchored: set[str] = field(default_factory=set)  # funds whose last stored day stands before their new rows
    notes: list[tuple[str, str]] = field(default_factory=list)
    issues: list[ImportIssue] = field(default_factory=list)
    n_reported: int = 0


def take_in(work: Work, source: Source, pieces: Iterator[Piece]) -> bool:
    """Store what a source hands on; False where the time was over before its end. Raises ClaimLost, or the source's DataError.

    What was stored until then stays. `run.n_done` funds were done by an earlier attempt, and the pieces begin after them.
    """
    began = monotonic()
    ImportIssue.objects.filter(run=work.run, pk__gt=work.run.state.get("last_issue", 0)).delete()
    for piece in pieces:
        if not piece.codes:
            confirm(work)
            continue
        work.run.n_total = max(work.run.n_total, piece.n_funds)
        ready = _sorted_out(piece, checked_facts(source.describe(piece.codes), work.today), work.today)
        for start in range(0, len(piece.codes), _FUNDS_A_BATCH):
            codes = piece.codes[start : start + _FUNDS_A_BATCH]
            _write(work, _prepared(work, ready, codes), ready, codes)
        if monotonic() - began > work.seconds and work.run.n_done < work.run.n_total:
            return False
    return True


def confirm(work: Work, **fields: Any) -> None:
    """Renew the lease and write the counts; raises ClaimLost."""
    counts = {name: getattr(work.run, name) for name in _COUNTS}
    if not write_if_claimed(ImportRun, work.run.pk, work.token, lease_seconds=LEASE_SECONDS, **counts, **fields):
        raise ClaimLost


def _sorted_out(piece: Piece, facts: dict[str, FundFacts], today: date) -> _Sorted:
    checked = check(piece.frame, today)
    issues: dict[str, list[tuple[int, str]]] = {}
    for issue in checked.issues:
        issues.setdefault(issue.fund, []).append((issue.line, issue.code))
    codes = checked.good["fund"].to_numpy()
    edges = np.flatnonzero(codes[1:] != codes[:-1]) + 1 if len(codes) else np.zeros(0, int)
    begins, ends = np.concatenate([[0], edges]), np.append(edges, len(codes))
    starts = {str(codes[a]): (int(a), int(b)) for a, b in zip(begins, ends, strict=True)} if len(codes) else {}
    n_rows = {str(code): int(n) for code, n in piece.frame["fund"].value_counts().items()}
    days = [int(day) for day in np.unique(checked.good["date"]) if not is_business_day(date.fromordinal(int(day)))]
    return _Sorted(piece, facts, checked, n_rows, issues, starts, np.array(days, np.int64))


def _prepared(work: Work, ready: _Sorted, codes: Sequence[str]) -> _Batch:
    """Decide what becomes of each fund of a batch; reads, writes nothing."""
    batch = _Batch({fund.code: fund for fund in Fund.objects.filter(code__in=codes)})
    rows = ready.good(codes)
    before = _stored_before(batch.funds, rows)
    rows, batch.anchored = _with_anchors(rows, before)
    # A file may be an old one; what any other source ends with should be of these days.
    last_day = int(ready.checked.good["date"].max()) if work.run.source == CSV and len(rows) else work.today.toordinal()
    for code in codes:
        _report_rows(work, ready, batch, code)
    for history, said in histories(rows):
        code = history.fund_code
        known, facts = batch.funds.get(code), ready.facts.get(code, FundFacts(code))
        alien = currency_of(known, facts, set(rows.loc[rows["fund"] == code, "currency"]))
        if alien is not None:
            batch.aliens.add(code)
            _report(work, batch, code, CURRENCY_DIFFERS, len(history.dates) - (code in batch.anchored), alien)
            continue
        fund, notes = (known, []) if known is not None else new_fund(history, facts, work.run.source)
        if known is not None and restate(known, says_more(facts, known)):
            batch.changed.append(known)
        batch.funds[code] = fund
        batch.notes += [(code, note) for note in [*said, *notes, *notes_on(history, last_day, ready.closed_days)]]
        _note_twin(work, batch, history)
        whole = merge_histories(before.get(code), history)[0]
        found = jumps(whole, _jump_limit(fund), news(whole, before.get(code)))
        if found:
            batch.doubts.append(Doubt(fund, history, found))
        else:
            batch.to_store[code] = history
    return batch


def _stored_before(funds: dict[str, Fund], rows: pd.DataFrame) -> dict[str, FundHistory]:
    """The stored histories beside the new rows, from some days before them or from the fund's last day."""
    first = rows.groupby("fund")["date"].min()
    ids, since = [], date.max
    for code, day in first.items():
        fund = funds.get(str(code))
        if fund is not None and fund.last_nav_date is not None:
            ids.append(fund.pk)
            since = min(since, fund.last_nav_date, date.fromordinal(int(day)) - _DAYS_BEFORE)
    return {history.fund_code: history for history in load_history(ids, since).values()} if ids else {}


def _with_anchors(rows: pd.DataFrame, before: dict[str, FundHistory]) -> tuple[pd.DataFrame, set[str]]:
    """Put a fund's last stored day before new rows that only follow it: a split or income on their first day would else be lost.

    Where the source gives a total-return index there is no value of it to put on that day, and NAV and payment tell the step.
    """
    span = rows.groupby("fund").agg(first=("date", "min"), has_index=("total_return", "count"))
    seams = {
        str(code): before[str(code)]
        for code, first, n_index in span.itertuples(name=None)
        if str(code) in before and before[str(code)].dates[-1] < first and not n_index
    }
    if not seams:
        return rows, set()
    last = [(old.dates[-1], old.nav_micro[-1] / 1e6, np.asarray(old.distribution_micro)[-1] / 1e6) for old in seams.values()]
    days, navs, paid = (list(column) for column in zip(*last, strict=True))
    anchors = filled(fund=list(seams), date=days, nav=navs, distribution=paid)
    return pd.concat([rows, anchors]).sort_values(["fund", "date"], kind="stable", ignore_index=True), set(seams)


def _report_rows(work: Work, ready: _Sorted, batch: _Batch, code: str) -> None:
    """Report a fund that could not be read, its wrong rows, and its good ones where those refuse it whole."""
    failure = ready.piece.failed.get(code)
    if failure is not None:
        _fail(work, batch, code, failure)
    found = ready.issues.get(code, [])
    batch.issues += [ImportIssue(run=work.run, line=line, fund_code=code[:20], code=reason) for line, reason in found]
    batch.n_reported += len(found)
    if code in ready.checked.refused:
        _report(work, batch, code, FUND_REFUSED, ready.checked.refused[code])


def _fail(work: Work, batch: _Batch, code: str, failure: DataError) -> None:
    state = work.run.state
    state["n_failed"] = state.get("n_failed", 0) + 1
    state.setdefault("failure", {"code": failure.code, "params": {key: str(value) for key, value in failure.params.items()}})
    batch.issues.append(ImportIssue(run=work.run, line=0, fund_code=code[:20], code=failure.code))


def _report(work: Work, batch: _Batch, code: str, reason: str, n_rows: int, what: str = "") -> None:
    """One issue for all rows of a fund; `detail` holds their number, and what else there is to say."""
    detail = f"{n_rows} {what}".strip()
    batch.issues.append(ImportIssue(run=work.run, line=0, fund_code=code[:20], code=reason, detail=detail[:200]))
    batch.n_reported += n_rows


def _note_twin(work: Work, batch: _Batch, history: FundHistory) -> None:
    print_ = fingerprint(history)
    if print_ is not None and work.twins.setdefault(print_, history.fund_code) != history.fund_code:
        batch.notes.append((history.fund_code, f"same_series:{work.twins[print_]}"))


def _jump_limit(fund: Fund) -> float:
    categories = jurisdiction().categories
    known = categories.get(fund.category)
    return known.jump if known else max(category.jump for category in categories.values())


def _write(work: Work, batch: _Batch, ready: _Sorted, codes: Sequence[str]) -> None:
    """Make a batch visible in one transaction with the counts, or nothing of it where the claim is lost."""
    while len(batch.issues) > _ISSUES_A_WRITE:
        with transaction.atomic():
            confirm(work)
            ImportIssue.objects.bulk_create(batch.issues[:_ISSUES_A_WRITE])
        del batch.issues[:_ISSUES_A_WRITE]
    with transaction.atomic():
        # Another import of the same funds waits here: years are written whole, and the later writer must see the earlier's days.
        graded = dict(Fund.objects.select_for_update().filter(code__in=codes).order_by("pk").values_list("code", "own_grade"))
        for fund in batch.changed:
            regrade(fund, graded.get(fund.code))
        for doubt in batch.doubts:
            _settle(work, batch, doubt)
        fresh = [batch.funds[code] for code in batch.to_store if batch.funds[code].pk is None]
        Fund.objects.bulk_create(fresh)
        Fund.objects.bulk_update(batch.changed, RESTATED)
        counts = dict(store_counted(batch.to_store.values()))
        close_overtaken(stored=batch.to_store.values())
        _set_open({code: is_open for code, is_open in ready.checked.last_subscription.items() if code in counts}, batch)
        write_record(ready.facts[code] for code in codes if code in ready.facts and code in batch.funds and code not in batch.aliens)
        ImportIssue.objects.bulk_create(batch.issues)
        told = len(work.run.notes)
        for code, note in batch.notes:
            work.note(code, note)
        total = sum(counts.values(), StoreCount())
        n_anchors = len(batch.anchored & set(counts))
        work.add(n_rows=sum(ready.n_rows.get(code, 0) for code in codes), n_done=len(codes), n_funds=len(counts))
        work.add(n_new=total.n_new, n_changed=total.n_changed, n_unchanged=total.n_unchanged - n_anchors, n_reported=batch.n_reported)
        last = ImportIssue.objects.filter(run=work.run).order_by("-pk").values_list("pk", flat=True).first()
        work.run.state["last_issue"] = last or 0
        notes = {"notes": work.run.notes} if len(work.run.notes) > told else {}
        confirm(work, state=work.run.state, **notes)


def _settle(work: Work, batch: _Batch, doubt: Doubt) -> None:
    """Put a doubtful history where its verdict says: among the stored, or among the reported."""
    code = doubt.fund.code
    verdict = judge(run=work.run, doubts=[doubt], accept=work.accept)[code]
    if verdict == STORE:
        batch.to_store[code] = doubt.history
    else:
        _report(work, batch, code, verdict, len(doubt.history.dates) - (code in batch.anchored))


def _set_open(last: dict[str, bool], batch: _Batch) -> None:
    """Open or close funds for purchase as their last row says; silence, an old row and a wound-up fund change nothing."""
    for is_open in (True, False):
        codes = [code for code, said in last.items() if said is is_open and _is_latest(batch.funds[code], batch.to_store[code])]
        Fund.objects.filter(code__in=codes, ended_on=None).exclude(is_open=is_open).update(is_open=is_open)


def _is_latest(fund: Fund, history: FundHistory) -> bool:
    return fund.last_nav_date is None or int(history.dates[-1]) >= fund.last_nav_date.toordinal()
