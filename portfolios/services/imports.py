"""Bringing price files in: idempotent, each fund wholly or not at all, every row accounted for."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from itertools import islice
from pathlib import Path

import numpy as np
from django.db import transaction
from django.utils import timezone

from config.jobs import Job
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import DataError
from portfolios.kernels.returns import align, annual_volatility
from portfolios.kernels.risk import grade_of_volatility
from portfolios.kernels.types import FundHistory
from portfolios.models import Fund, ImportIssue, ImportRun
from portfolios.services.history import StoreCount, store_counted

_FUNDS_A_BATCH = 12
_ISSUES_A_BATCH = 1_000
_NAME_LENGTH = 120  # of the column: PostgreSQL refuses what is longer, SQLite does not


@dataclass(frozen=True)
class ImportRequest:
    """Files of one import. `total_return` holds indices for the same funds, `descriptions` and `funds` say what they are."""

    prices: Path
    today: date
    total_return: Path | None = None
    descriptions: Path | None = None
    funds: Path | None = None
    source: str = "csv"


@dataclass(frozen=True)
class ImportReport:
    """What became of each row: n_rows = counted.n_new + counted.n_changed + counted.n_unchanged + n_reported."""

    run_id: int
    n_rows: int
    n_funds: int
    n_reported: int
    counted: StoreCount
    issues: list[tuple[int, str, str]]  # line, fund, reason code
    refused: dict[str, int]  # fund -> good rows not stored because of its bad ones
    notes: list[tuple[str, str]]  # fund, note


@dataclass
class _Described:
    name_zh: str = ""
    name_en: str = ""
    text: str = ""
    category: str = ""
    grade: int | None = None
    notes: list[str] = field(default_factory=list)


def import_nav(*, request: ImportRequest) -> ImportReport:
    """Store the new and changed NAVs of a file, its new funds and one ImportRun with its issues; importing again changes no NAV.

    Raises DataError, having written nothing, where a file as a whole is no price file or describes a fund wrongly.
    """
    if request.source != "csv":
        raise DataError("unknown_source", source=request.source)
    # pandas takes a second to import: only an import pays for it.
    from portfolios.sources.csv import read_prices
    from portfolios.sources.frame import check, histories, marked, with_total_return

    frame = read_prices(request.prices)
    n_rows = len(frame)
    if request.total_return is not None:
        frame = with_total_return(frame, marked(read_prices(request.total_return), request.today))
    described = _descriptions(request)
    checked = check(frame, request.today)
    counted, notes, n_funds = StoreCount(), [], 0
    for batch in _batches(histories(checked.good)):
        for code, count, said in _store(batch, described, request):
            counted, n_funds = counted + count, n_funds + 1
            notes += [(code, note) for note in said]
    _set_open(checked.last_subscription)
    issues = [(issue.line, issue.fund, issue.code) for issue in checked.issues]
    n_reported = len(issues) + sum(checked.refused.values())
    run = _record(request, ImportReport(0, n_rows, n_funds, n_reported, counted, issues, checked.refused, notes))
    return ImportReport(run.pk, n_rows, n_funds, n_reported, counted, issues, checked.refused, notes)


def _batches(made: Iterator[tuple[FundHistory, list[str]]]) -> Iterator[list[tuple[FundHistory, list[str]]]]:
    while batch := list(islice(made, _FUNDS_A_BATCH)):
        yield batch


def _store(
    batch: list[tuple[FundHistory, list[str]]], described: Mapping[str, _Described], request: ImportRequest
) -> list[tuple[str, StoreCount, list[str]]]:
    """Write one batch of funds and their histories in one transaction; a fund that is known keeps what it is graded."""
    known = {fund.code: fund for fund in Fund.objects.filter(code__in=[history.fund_code for history, _ in batch])}
    said = {history.fund_code: list(notes) for history, notes in batch}
    new, changed = [], []
    for history, _ in batch:
        code = history.fund_code
        words = described.get(code, _Described())
        if code not in known:
            fund, notes = _new_fund(history, words, request.source)
            new.append(fund)
            said[code] += notes
        elif words.category and _restate(known[code], words):
            changed.append(known[code])
    with transaction.atomic():
        Fund.objects.bulk_create(new)
        Fund.objects.bulk_update(changed, ["name_zh", "name_en", "category", "asset_class", "issuer_grade", "risk_grade"])
        return [(code, count, said[code]) for code, count in store_counted(history for history, _ in batch)]


def _new_fund(history: FundHistory, words: _Described, source: str) -> tuple[Fund, list[str]]:
    """A fund as the funds file says, else by clear words, else by volatility; the grade is never below that of its volatility."""
    rules = jurisdiction()
    fund = Fund(code=history.fund_code, name_zh=words.name_zh, name_en=words.name_en, source=source, currency=rules.currency)
    if words.category:
        _restate(fund, words)
        return fund, []
    matrix = align((history.fund_code,), {history.fund_code: history})
    volatility = float(annual_volatility(matrix)[0])
    by_volatility = grade_of_volatility(volatility, rules.volatility_bands)
    text = f"{history.fund_code} {words.name_zh} {words.name_en} {words.text}".lower()
    clear = next((row.category for row in rules.category_words if any(word in text for word in row.words)), None)
    fund.category = clear or rules.band_categories[by_volatility]
    kind = rules.categories[fund.category]
    fund.asset_class = kind.asset_class if clear else f"grade_{by_volatility}"
    fund.risk_grade = max(kind.grade, by_volatility) if clear else by_volatility
    notes = [f"category_from_words:{clear}" if clear else f"category_from_volatility:{fund.category}"]
    if np.isnan(volatility):
        notes.append(f"grade_unknown:{fund.risk_grade}")
    elif not clear or by_volatility > kind.grade:
        notes.append(f"grade_from_volatility:{by_volatility}")
    return fund, notes


def _restate(fund: Fund, words: _Described) -> bool:
    """Set what the funds file says; True if anything is different now."""
    kind = jurisdiction().categories[words.category]
    wanted = {
        "name_zh": words.name_zh or fund.name_zh,
        "name_en": words.name_en or fund.name_en,
        "category": words.category,
        "asset_class": kind.asset_class,
        "issuer_grade": words.grade or kind.grade,
        "risk_grade": words.grade or kind.grade,
    }
    differs = any(getattr(fund, name) != value for name, value in wanted.items())
    for name, value in wanted.items():
        setattr(fund, name, value)
    return differs


def _descriptions(request: ImportRequest) -> dict[str, _Described]:
    from portfolios.sources.tables import read_descriptions, read_funds

    described = {}
    if request.descriptions is not None:
        for code, name, text in read_descriptions(request.descriptions):
            described[code] = _Described(name_en=name[:_NAME_LENGTH], text=text)
    if request.funds is not None:
        rules = jurisdiction()
        for row in read_funds(request.funds):
            if row.category not in rules.categories:
                raise DataError("unknown_category", fund=row.code, category=row.category)
            words = described.setdefault(row.code, _Described())
            words.name_zh, words.name_en = row.name_zh[:_NAME_LENGTH] or words.name_zh, row.name_en[:_NAME_LENGTH] or words.name_en
            words.category, words.grade = row.category, row.grade
    return described


def _set_open(last: Mapping[str, bool]) -> None:
    """Open or close funds for purchase as the last row of the file says; silence changes nothing."""
    for is_open in (True, False):
        codes = [code for code, said in last.items() if said is is_open]
        Fund.objects.filter(code__in=codes).exclude(is_open=is_open).update(is_open=is_open)


def _record(request: ImportRequest, report: ImportReport) -> ImportRun:
    run = ImportRun(
        status=Job.Status.DONE,
        finished_at=timezone.now(),
        source=request.source,
        file_name=request.prices.name[:200],
        sha256=_sha256(request.prices),
        n_rows=report.n_rows,
        n_new=report.counted.n_new,
        n_changed=report.counted.n_changed,
        n_unchanged=report.counted.n_unchanged,
        n_reported=report.n_reported,
        n_funds=report.n_funds,
    )
    rows = [ImportIssue(run=run, line=line, fund_code=fund[:20], code=code) for line, fund, code in report.issues]
    rows += [ImportIssue(run=run, line=0, fund_code=fund[:20], code="fund_refused", detail=str(n)) for fund, n in report.refused.items()]
    run.save()
    for start in range(0, len(rows), _ISSUES_A_BATCH):
        ImportIssue.objects.bulk_create(rows[start : start + _ISSUES_A_BATCH])
    return run


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
