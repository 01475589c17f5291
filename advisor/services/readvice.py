"""The nightly review of everyone: asked for as a run and its blocks, worked off block by block, shown after one pointer UPDATE."""

import hashlib
import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.metadata import version
from time import perf_counter
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from advisor.errors import Refused
from advisor.jurisdictions import advice_rules
from advisor.models import Readvice, ReadviceBlock, ReadviceRun
from advisor.selectors.review_inputs import goals_to_review, load_goals
from advisor.services.reviewing import COLUMNS, counts_of, review_block, reviewer_of, rows_of
from config.jobs import MAX_ATTEMPTS, Job, claim_job, fail_job, finish_job, ring_by_name, write_if_claimed
from portfolios.jurisdictions import jurisdiction
from portfolios.kernels.errors import KernelError
from portfolios.selectors import current_models

TASK = "advisor.readvise_block"
MOST_A_BLOCK = 5_000  # rows one transaction may write
ROWS_A_DELETE = 2_000
LIBRARIES = ("numpy", "scipy", "daqp", "piqp")
Row = tuple[Any, ...]
OPEN = (Job.Status.QUEUED, Job.Status.RUNNING)


def request_readvice(*, actor: Any = None, block: int | None = None, force: bool = False, ring: bool = True) -> ReadviceRun:
    """Write a run over all goals that hold something, with its blocks, and ring the workers.

    A day, a set of models and its prices have one run, unless forced: where it is not finished it is rung for again. One that
    failed does not count. Raises Refused without approved model portfolios.
    """
    size = min(block or advice_rules().review.block, MOST_A_BLOCK)
    today = timezone.localdate()
    inputs = _freeze_inputs()
    same = ReadviceRun.objects.filter(on_date=today, inputs__models=inputs["inputs"]["models"], data_date=inputs["data_date"])
    run = None if force else same.filter(Q(finished_at=None) | Q(is_current=True)).first()
    if run is None:
        blocks = _blocks(size)
        with transaction.atomic():
            run = ReadviceRun.objects.create(on_date=today, actor=actor, n_total=sum(block.n_total for block in blocks), **inputs)
            for one in blocks:
                one.run = run
            ReadviceBlock.objects.bulk_create(blocks)
        if _finish_if_over(run.pk):
            run.refresh_from_db()
    if ring and run.finished_at is None:
        for _ in range(settings.READVICE_WORKERS):
            ring_by_name(TASK, run.pk, queue="bulk")
    return run


def _freeze_inputs() -> dict[str, Any]:
    models = current_models()
    if models is None:
        raise Refused("no_models")
    named = ("code", "asset_class", "risk_grade", "is_open", "purchase_fee_bps", "last_nav_date")
    funds = list(models.pool.funds.order_by("code").values_list(*named))
    dates = [row[-1] for row in funds if row[-1]]
    if not dates:
        raise Refused("no_pool")
    inputs = {
        "models": models.pk,
        "pool": models.pool_id,
        "funds_sha256": hashlib.sha256(json.dumps(funds, default=str).encode()).hexdigest(),
        "rules": [jurisdiction().version, advice_rules().version],
        "review": advice_rules().review.model_dump(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
    return {"pool_id": models.pool_id, "data_date": max(dates), "inputs": inputs}


def _blocks(size: int) -> list[ReadviceBlock]:
    """Cut the goals of now into blocks by primary key."""
    blocks: list[ReadviceBlock] = []
    after = 0
    while keys := list(goals_to_review().filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size]):
        blocks.append(ReadviceBlock(first_goal=keys[0], last_goal=keys[-1], n_total=len(keys)))
        after = keys[-1]
    return blocks


def readvise_next_block(run_pk: int) -> bool:
    """Claim the next free block of a run, review its goals and write their rows; False when there is nothing left to claim.

    Safe to repeat: a block that was interrupted is done again, and its rows appear only together with its end.
    """
    cache.delete(rung(run_pk))
    run = ReadviceRun.objects.filter(pk=run_pk, finished_at=None).first()
    claimed = _claim_next(run_pk) if run else None
    if run is None or claimed is None:
        _finish_if_over(run_pk)  # where a worker died between the last block and the end of the run
        return False
    block, token = claimed
    try:
        is_ours = _execute(run, block, token)
    except KernelError as error:
        is_ours = fail_job(
            ReadviceBlock, block.pk, token, {"code": error.code, "params": json.loads(json.dumps(error.params, default=str))}
        )
    if is_ours:
        _finish_if_over(run.pk)
    return True


def _execute(run: ReadviceRun, block: ReadviceBlock, token: uuid.UUID) -> bool:
    """Read, review and write one block; False where another worker has it by now."""
    began = perf_counter()
    reviewer = reviewer_of(run)
    with _one_moment():
        goals = load_goals(block.first_goal, block.last_goal, reviewer.funds, run.on_date)
    read, before = perf_counter() - began, reviewer.kernel_seconds
    found = review_block(reviewer, goals)
    counts, kernel = counts_of(goals, found), reviewer.kernel_seconds - before
    rows = rows_of(run, goals, found)
    if not write_if_claimed(ReadviceBlock, block.pk, token, lease_seconds=settings.READVICE_LEASE_SECONDS):
        return False
    seconds = {"read": read, "kernel": kernel, "prepare": perf_counter() - began - read - kernel}
    return _write(block, token, rows, counts=counts, seconds=seconds)


@contextmanager
def _one_moment() -> Iterator[None]:
    """Read the state of one moment: an order that is confirmed between two queries would count twice, or not at all."""
    is_outermost = not connection.in_atomic_block
    with transaction.atomic(savepoint=False):
        if connection.vendor == "postgresql" and is_outermost:
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def _claim_next(run_pk: int) -> tuple[ReadviceBlock, uuid.UUID] | None:
    """The first block that is queued or whose lease has run out; one that was tried too often fails instead."""
    fail_exhausted(run_pk)
    free = Q(status=Job.Status.QUEUED) | Q(status=Job.Status.RUNNING, lease_until__lt=timezone.now())
    for block in ReadviceBlock.objects.filter(free, run=run_pk, attempts__lt=MAX_ATTEMPTS).order_by("pk")[:50]:
        token = claim_job(ReadviceBlock, block.pk, lease_seconds=settings.READVICE_LEASE_SECONDS)
        if token is not None:
            return block, token
    return None


def _write(
    block: ReadviceBlock, token: uuid.UUID, rows: list[tuple[Any, ...]], *, counts: dict[str, int], seconds: dict[str, float]
) -> bool:
    """Write a block's rows and its end in one transaction, or nothing where another worker has the block by now."""
    began = perf_counter()
    with transaction.atomic():
        _insert(rows)
        spent = {name: round(value, 4) for name, value in (seconds | {"write": perf_counter() - began}).items()}
        if not finish_job(ReadviceBlock, block.pk, token, n_done=block.n_total, counts=counts, seconds=spent):
            transaction.set_rollback(True)
            return False
    return True


def _insert(rows: list[Row]) -> None:
    """By COPY on PostgreSQL, else by one prepared statement: `bulk_create` took five times as long on SQLite."""
    table, columns = Readvice._meta.db_table, ", ".join(COLUMNS)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
            return
        places = ", ".join(["%s"] * len(COLUMNS))
        cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({places})", rows)  # noqa: S608


def fail_exhausted(run_pk: int | None = None) -> None:
    """Fail the blocks whose worker died too often, and end the runs that wait for nothing else."""
    expired = ReadviceBlock.objects.filter(status=Job.Status.RUNNING, lease_until__lt=timezone.now(), attempts__gte=MAX_ATTEMPTS)
    dead = list((expired.filter(run=run_pk) if run_pk else expired).values_list("pk", "run_id"))
    for pk, run in dead:
        ReadviceBlock.objects.filter(pk=pk, status=Job.Status.RUNNING, lease_until__lt=timezone.now()).update(
            status=Job.Status.FAILED, finished_at=timezone.now(), claim=None, error={"code": "too_many_attempts", "attempts": MAX_ATTEMPTS}
        )
        _finish_if_over(run)


def _finish_if_over(run_pk: int) -> bool:
    """End a run that waits for no block. It becomes the current one if all were done; rows of runs long past are forgotten."""
    if ReadviceBlock.objects.filter(run=run_pk, status__in=OPEN).exists():
        return False
    is_whole = not ReadviceBlock.objects.filter(run=run_pk).exclude(status=Job.Status.DONE).exists()
    with transaction.atomic():
        if not ReadviceRun.objects.filter(pk=run_pk, finished_at=None).update(finished_at=timezone.now()):
            return False
        if is_whole and not ReadviceRun.objects.filter(is_current=True, pk__gt=run_pk).exists():
            ReadviceRun.objects.filter(is_current=True).update(is_current=False)
            ReadviceRun.objects.filter(pk=run_pk).update(is_current=True)
    forget_past_runs()
    return True


def forget_past_runs() -> int:
    """Delete the rows of all but the last complete runs, in short writes; their counts and times stay. Returns how many rows."""
    whole = ReadviceRun.objects.filter(finished_at__isnull=False).exclude(blocks__status=Job.Status.FAILED).order_by("-pk")
    kept = list(whole.values_list("pk", flat=True)[: advice_rules().review.runs_kept])
    past = ReadviceRun.objects.filter(finished_at__isnull=False, is_current=False).exclude(pk__in=kept)
    n_forgotten = 0
    for run in past.filter(Exists(Readvice.objects.filter(run=OuterRef("pk")))).values_list("pk", flat=True):
        while keys := list(Readvice.objects.filter(run=run).order_by("pk").values_list("pk", flat=True)[:ROWS_A_DELETE]):
            Readvice.objects.filter(pk__in=keys).delete()
            n_forgotten += len(keys)
    return n_forgotten


def runs_to_ring() -> list[int]:
    """Runs that nobody works on although blocks wait: their worker died, or its message was lost. Once a lease, not once a call.

    Also ends the runs whose last worker died before it could.
    """
    fail_exhausted()
    now = timezone.now()
    blocks = ReadviceBlock.objects.filter(run=OuterRef("pk"))
    for pk in ReadviceRun.objects.filter(~Exists(blocks.filter(status__in=OPEN)), finished_at=None).values_list("pk", flat=True):
        _finish_if_over(pk)
    waits = Q(status=Job.Status.QUEUED) | Q(status=Job.Status.RUNNING, lease_until__lt=now)
    runs = ReadviceRun.objects.filter(Exists(blocks.filter(waits)), finished_at=None, started_at__lt=now - timedelta(seconds=10))
    still = runs.exclude(Exists(blocks.filter(status=Job.Status.RUNNING, lease_until__gte=now)))
    return [pk for pk in still.values_list("pk", flat=True) if cache.add(rung(pk), "1", timeout=settings.READVICE_LEASE_SECONDS)]


def rung(run_pk: int) -> str:
    return f"readvice-rung:{run_pk}"
