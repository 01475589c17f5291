"""Bringing prices in: idempotent, each fund wholly or not at all, every row accounted for.

An import is a job (`request_import`, `execute_import`), or is done at once (`import_nav`). Either way it is one ImportRun.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import chain
from pathlib import Path
from time import time
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from config.jobs import Job, claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from portfolios.kernels.errors import DataError, KernelError
from portfolios.models import Fund, ImportRun
from portfolios.services.fund_rows import CURRENCY_DIFFERS, FUND_REFUSED, checked_facts, join_share_classes
from portfolios.services.grades import grade_restated
from portfolios.services.history import StoreCount
from portfolios.services.quarantine import QUARANTINED, REJECTED
from portfolios.sources.contract import Piece, Source, Wanted
from portfolios.sources.registry import CSV, SIMULATED, SOURCES, open_source

TASK = "portfolios.execute_import"
LEASE_SECONDS = 300
OVERLAP_DAYS = 10  # calendar days read again before a fund's last one: a NAV restated within them is seen
SLICE_SECONDS = 600  # of reading a source fund by fund, before other work of the queue gets its turn
MOST_ISSUES_TOLD = 1_000
_FORGOTTEN_AFTER_SECONDS = 7 * 86_400
OPEN = (Job.Status.QUEUED, Job.Status.RUNNING)


@dataclass(frozen=True)
class ImportRequest:
    """Files of one import: `total_return` holds indices for the same funds, `descriptions` and `funds` say what they are.

    `accept_jumps` is the reason why all jumps of the file are accepted unseen; empty: they wait for a person.
    """

    prices: Path
    today: date
    total_return: Path | None = None
    descriptions: Path | None = None
    funds: Path | None = None
    source: str = "csv"
    accept_jumps: str = ""


@dataclass(frozen=True)
class ImportReport:
    """What became of each row: n_rows = counted.n_new + counted.n_changed + counted.n_unchanged + n_reported."""

    run_id: int
    n_rows: int
    n_funds: int
    n_reported: int
    counted: StoreCount
    issues: list[tuple[int, str, str]]  # line, fund, reason code; the first thousand
    n_issues: int
    refused: dict[str, int]  # fund -> good rows not stored because of its bad ones, or because of its currency
    quarantined: dict[str, int]  # fund -> rows that wait for a person, or were rejected by one
    failed: dict[str, str]  # fund -> why the source did not give it
    notes: list[tuple[str, str]] = field(default_factory=list)  # fund, note


def import_nav(*, request: ImportRequest) -> ImportReport:
    """Store the new and changed NAVs of a file, its new funds and one ImportRun with its issues; importing again changes no NAV.

    Raises DataError, having written nothing, where a file as a whole is no price file or describes a fund wrongly.
    """
    if request.source != CSV:
        raise DataError("unknown_source", source=request.source)
    from portfolios.sources.files import Files, FileSource  # pandas takes a second to import: only an import pays for it

    paths = {name: path for name in ("prices", "total_return", "descriptions", "funds") if (path := getattr(request, name))}
    source = FileSource(Files(**paths))
    checked_facts(source.describe_all(), request.today)
    pieces = source.pieces(Wanted(request.today))
    first = next(piece for piece in pieces if piece.codes)
    run = ImportRun.objects.create(
        **_asked(CSV, paths, accept=request.accept_jumps),
        status=Job.Status.RUNNING,
        claim=uuid.uuid4(),
        lease_until=timezone.now() + timedelta(seconds=LEASE_SECONDS),
        attempts=1,
    )
    _work_off(run, source, chain([first], pieces), request.today)
    return report_of(run)


def request_import(
    *,
    source: str,
    files: Mapping[str, Path] | None = None,
    codes: tuple[str, ...] = (),
    since: date | None = None,
    options: Mapping[str, Any] | None = None,
    file_name: str = "",
    actor: Any = None,
) -> ImportRun:
    """Write a queued import and ring the worker; the same source that is open already, asked the same, is returned instead.

    `since` is the day from which every fund is read; without it each is read from some days before its last one. `options` are the seed and
    the number of funds of a simulation. Raises DataError for a source there is none of, one that must be told the funds and knows
    none yet, or a simulation other than the stored one.
    """
    if source not in SOURCES:
        raise DataError("unknown_source", source=source)
    if SOURCES[source].needs_codes and not codes:
        codes = tuple(Fund.objects.filter(source=source).order_by("code").values_list("code", flat=True))
        if not codes:
            raise DataError("no_codes", source=source)
    if source == CSV and not files:
        raise DataError("no_price_file")
    asked = _asked(source, files or {}, file_name=file_name)
    asked["request"] |= {"codes": list(codes), "since": since.isoformat() if since else None, "options": dict(options or {})}
    _refuse_another_simulation(source, asked["request"]["options"])
    with transaction.atomic():
        same = ImportRun.objects.filter(source=source, request=asked["request"], sha256=asked["sha256"], status__in=OPEN).first()
        run = same or ImportRun.objects.create(**asked, requested_by=actor, n_total=len(codes))
        ring_by_name(TASK, run.pk, queue="bulk")
    return run


def _refuse_another_simulation(source: str, options: dict[str, Any]) -> None:
    """Two simulations share their codes: the second would restate every price of the first."""
    if source != SIMULATED or not Fund.objects.filter(source=SIMULATED).exists():
        return
    before = ImportRun.objects.filter(source=SIMULATED).order_by("pk").values_list("request", flat=True).first()
    if before is None or before["options"].get("seed") != options.get("seed"):
        raise DataError("simulated_market_differs")


def _asked(source: str, files: Mapping[str, Path], *, file_name: str = "", accept: str = "") -> dict[str, Any]:
    """The columns of a run that say what was asked."""
    prices = files.get("prices") or files.get("funds")
    request: dict[str, Any] = {
        "files": {name: str(path.resolve()) for name, path in files.items()},
        "codes": [],
        "since": None,
        "accept": accept,
        "options": {},
    }
    return {
        "source": source,
        "file_name": (file_name or (prices.name if prices else ""))[:200],
        "sha256": _sha256(prices) if prices else "",
        "request": request,
    }


def execute_import(pk: int) -> bool:
    """Claim an import and work it off; False when it is somebody else's. Safe to repeat: it goes on after the last funds done.

    A source that fails for some funds leaves the run FAILED with how many, and what was read is stored; asking again mends it.
    """
    token = claim_job(ImportRun, pk, lease_seconds=LEASE_SECONDS)
    if token is None:
        return False
    run = ImportRun.objects.get(pk=pk)
    today = timezone.localdate()
    try:
        _check_file(run)
        if run.request["files"] and "prices" not in run.request["files"]:
            is_ours = _work_off_table(run, today)
        else:
            source = open_source(run.source, run.request, today)
            is_ours = _work_off(run, source, source.pieces(_wanted(run, today)), today)
    except KernelError as error:
        is_ours = fail_job(ImportRun, pk, token, as_data(error))
    run.refresh_from_db(fields=["status"])
    if is_ours and run.status not in OPEN:
        _forget_upload(run)
    return is_ours


def as_data(error: KernelError) -> dict[str, Any]:
    return {"code": error.code, "params": json.loads(json.dumps(error.params, default=str))}


def _wanted(run: ImportRun, today: date) -> Wanted:
    """The funds asked for, those done by an earlier attempt left out, each from some days before its last one."""
    codes, asked = tuple(run.request["codes"]), run.request["since"]
    if run.source == CSV:  # every row of a file is accounted for, whatever is stored already
        return Wanted(today, codes, {}, run.n_done)
    if asked:
        return Wanted(today, codes, dict.fromkeys(codes, date.fromisoformat(asked)), run.n_done)
    funds = Fund.objects.filter(code__in=codes) if codes else Fund.objects.filter(source=run.source)
    last = funds.exclude(last_nav_date=None).values_list("code", "last_nav_date")
    return Wanted(today, codes, {code: day - timedelta(days=OVERLAP_DAYS) for code, day in last if day}, run.n_done)


def _check_file(run: ImportRun) -> None:
    for path in run.request["files"].values():
        if not Path(path).exists():
            raise DataError("file_not_found", file=Path(path).name)
    files = run.request["files"]
    asked = files.get("prices") or files.get("funds")
    if asked and _sha256(Path(asked)) != run.sha256:
        raise DataError("file_changed", file=run.file_name)


def _work_off(run: ImportRun, source: Source, pieces: Iterator[Piece], today: date) -> bool:
    """Take in what the source hands on and end the run, as failed where it did not give every fund; False: the claim was lost."""
    from portfolios.services.taking_in import ClaimLost, Work, take_in

    token = run.claim or uuid.uuid4()
    seconds = SLICE_SECONDS if SOURCES[run.source].needs_codes else float("inf")
    try:
        if not take_in(Work(run, token, today, run.request["accept"], seconds), source, pieces):
            return _queue_again(run, token)
    except ClaimLost:
        return False
    join_share_classes(Fund.objects.filter(source=run.source))
    grade_restated()
    n_failed = run.state.get("n_failed", 0)
    if n_failed:
        first = run.state["failure"]
        params = {"n_failed": n_failed, "n_funds": run.n_total, "first": first}
        return fail_job(ImportRun, run.pk, token, first if n_failed == run.n_total else {"code": "source_incomplete", "params": params})
    return finish_job(ImportRun, run.pk, token)


def _queue_again(run: ImportRun, token: uuid.UUID) -> bool:
    """Give the run back to the queue; whoever takes it goes on after the funds done."""
    with transaction.atomic():
        is_ours = write_if_claimed(
            ImportRun, run.pk, token, status=Job.Status.QUEUED, claim=None, lease_until=None, attempts=0, queued_at=timezone.now()
        )
        ring_by_name(TASK, run.pk, queue="bulk")
    return is_ours


def _work_off_table(run: ImportRun, today: date) -> bool:
    """Take in a table of funds by itself."""
    from portfolios.services.fund_tables import take_in_table
    from portfolios.services.taking_in import ClaimLost, Work
    from portfolios.sources.tables import read_fund_facts

    rows = read_fund_facts(Path(run.request["files"]["funds"]))
    checked_facts(rows, today)
    token = run.claim or uuid.uuid4()
    try:
        take_in_table(Work(run, token, today), rows)
    except ClaimLost:
        return False
    join_share_classes(Fund.objects.filter(source=run.source))
    grade_restated()
    return finish_job(ImportRun, run.pk, token)


def report_of(run: ImportRun) -> ImportReport:
    """The report of a run as it stands in the database."""
    run.refresh_from_db()
    of_funds = list(run.issues.filter(line=0).order_by("pk").values_list("fund_code", "code", "detail"))
    counted = {(code, fund): int(detail.split(" ")[0]) for fund, code, detail in of_funds if detail}
    rows = run.issues.exclude(line=0, detail__gt="")
    return ImportReport(
        run_id=run.pk,
        n_rows=run.n_rows,
        n_funds=run.n_funds,
        n_reported=run.n_reported,
        counted=StoreCount(run.n_new, run.n_changed, run.n_unchanged),
        issues=list(rows.order_by("line", "pk").values_list("line", "fund_code", "code")[:MOST_ISSUES_TOLD]),
        n_issues=rows.count(),
        refused={fund: n for (code, fund), n in counted.items() if code in (FUND_REFUSED, CURRENCY_DIFFERS)},
        quarantined={fund: n for (code, fund), n in counted.items() if code in (QUARANTINED, REJECTED)},
        failed={fund: code for fund, code, detail in of_funds if not detail},
        notes=[(fund, note) for fund, note in run.notes],
    )


def uploads_folder() -> Path:
    """Where files wait for the worker."""
    folder = Path(settings.VAR_DIR) / "imports"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _forget_upload(run: ImportRun) -> None:
    """Delete an uploaded file once the worker is through with it; files of an operator stay where they are."""
    for used in run.request["files"].values():
        if Path(used).parent == uploads_folder().resolve():
            Path(used).unlink(missing_ok=True)
    long_ago = time() - _FORGOTTEN_AFTER_SECONDS  # what a run left that failed for good
    for path in uploads_folder().iterdir():
        if path.stat().st_mtime < long_ago:
            path.unlink(missing_ok=True)


def _sha256(path: Path) -> str:
    if not path.is_file():
        raise DataError("file_not_found", file=path.name)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def refuse_upload_at_once(*, path: Path, kind: str) -> None:
    """Raise the DataError that a file's beginning shows (`kind` prices), or the whole of a table (`kind` funds)."""
    if kind == "funds":
        from portfolios.sources.tables import read_fund_facts

        checked_facts(read_fund_facts(path), timezone.localdate())
        return
    from portfolios.sources.csv import refuse_at_once

    refuse_at_once(path)
